"""Frames from a history are those that the client read at the time."""

import random

import pandas as pd
import pytest

import mkframe as mk
from mkframe._pandas import text_dtype
from mkframe.history._tables import view_frame, view_table
from tests.history.account import Account, assert_same, build, owner, serve
from tests.support.rows import download, row

PROJECTS = (402, 411)


def sync(history, client, **options):
    return history.sync(client, progress=False, **options)


def change(account, dice, night):
    """Change some rows, in the ways that servers do."""
    builds = account.rows["builds"]
    for number in range(1000 + 10 * night, 1000 + 10 * night + dice.randint(0, 3)):
        builds.append(build(number, dice.choice(PROJECTS)))
        account.rows["downloads"].append(row("downloads", number, **owner(builds[-1])))
    for changed in dice.sample(builds, 3):
        changed["status"] = dice.choice(["FINISHED", "FAILED", "BUILDING", "PAUSED"])
        changed["updated_at"] = f"2026-05-{night % 28 + 1:02d}T08:00:00.000Z"
    forgotten = [r["id"] for r in dice.sample(builds, 2)]
    account.remove("builds", *forgotten)
    account.remove("downloads", *forgotten[:1])
    dice.shuffle(builds)
    if night % 4 == 1:  # unknown fields, of builds and of the downloads in them
        dice.choice(builds)["queue_ms"] = night
        dice.choice(builds)["labels"] = {"b": [1, 2.0, None], "a": "x"}
        dice.choice(builds)["downloads"] = [download(7, size=night), download(8, file_name=None)]
    if night % 5 == 2:
        dice.choice(builds)["downloads"] = dice.choice([[], None])
        dice.choice(builds)["version"] = None
    if night % 6 == 3:
        dice.choice(builds)["progress"] = 2**53 + night
        reordered = dice.choice(builds)
        builds[builds.index(reordered)] = dict(reversed(reordered.items()))
    if night % 7 == 4:
        account.find("projects", 402)["name"] = f"RENAMED {night}"
    if night % 8 == 5:
        account.find("releases", 21)["end_date"] = f"2027-01-{night % 28 + 1:02d}T23:00:00.000Z"
    if night % 9 == 6:
        builds.append(account.forgotten) if account.forgotten["id"] not in [r["id"] for r in builds] else None
    account.forgotten = builds[0]
    account.etags, account.packed = dice.random() < 0.5, dice.random() < 0.5


@pytest.mark.parametrize(("seed", "step"), [(1, 5), pytest.param(2, 1, marks=pytest.mark.slow)])
def test_thirty_syncs_read_back_as_the_client_read_them(seed, step, tmp_path):
    """Those of every night, or of each fifth and of the nights on which not all was seen."""
    dice, account = random.Random(seed), Account()
    account.forgotten = account.rows["builds"][0]
    history, then = mk.History(tmp_path / "history.duckdb"), []
    with serve(account) as client:
        for night in range(30):
            account.forbidden = {411} if night in (10, 11) else set()
            account.empty = {402} if night in (15, 20) else set()
            synced = sync(history, client, projects=[402, 411] if night % 3 else None)
            how = synced.set_index(["resource", "project"])["how"]
            assert (how["builds", 411] == "unseen") == (night in (10, 11))
            assert (how["builds", 402] == "unseen") == (night in (15, 20))
            assert "refused" not in set(how)
            frames = dict(then[-1][1]) if then else {}
            for resource in ("downloads", "releases", "projects", "patterns"):
                frames[resource] = getattr(client, resource).find()
            for project in PROJECTS:
                if how["builds", project] != "unseen":
                    frames[project] = client.builds.find(project_id=project)
            then.append((pd.Timestamp.now("UTC"), frames, account.forbidden | account.empty))
            if night % 10 == 9:
                check(history, frames, account.forbidden | account.empty, None)
            change(account, dice, night)
    for night, (moment, frames, unseen) in enumerate(then):
        if night % step == 0 or unseen:
            check(history, frames, unseen, moment)


def check(history, frames, unseen, moment):
    for project in PROJECTS:
        assert_same(history.builds(project=project, as_of=moment, gone=False), frames[project])
    for resource in ("downloads", "releases", "projects", "patterns"):
        found, wanted = getattr(history, resource)(as_of=moment, gone=False), frames[resource]
        if resource == "downloads" and unseen:  # those of a project that is not seen are as they were
            found, wanted = (frame[~frame["project_id"].isin(unseen)] for frame in (found, wanted))
        assert_same(found, wanted)
    whole = history.builds(as_of=moment)
    shown = whole[whole["gone_since"].isna()]
    assert sorted(shown.index) == sorted([*frames[402].index, *frames[411].index])


def test_unknown_columns_of_a_view_come_back_with_what_is_missing():
    with mk.demo(builds=30) as client:
        commits = client.commits(project_id=402).iloc[:3].reset_index(drop=True)
    unknown = {
        "BRANCH": pd.Series(["main", None, "\u00e4"], dtype=text_dtype()),
        "SIZE": pd.array([2**53 + 1, None, 0], dtype="Int64"),
        "SHARE": pd.array([0.1, None, 2.0], dtype="Float64"),
        "SIGNED": pd.array([True, None, False], dtype="boolean"),
        "PARENTS": pd.Series([[1], None, {"a": None}], dtype="object"),
    }
    wanted = commits.assign(**unknown)
    pd.testing.assert_frame_equal(view_frame("commits", view_table("commits", wanted)), wanted)
