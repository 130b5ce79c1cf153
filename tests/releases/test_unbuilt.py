"""Instances that were committed and not built since, on frames of commits."""

import random

import pandas as pd
import pytest

from mkframe import releases
from mkframe.errors import InputError
from mkframe.releases.frames import unbuilt
from tests.support.metadata_rows import commit_rows, lines
from tests.support.release_server import NOW, PROJECT, story_in_order


def states(*rows, **how):
    return lines(unbuilt(commit_rows(*rows), **how), "instance", "release", "state")


@pytest.mark.parametrize(
    ("rows", "state"),
    [
        (["hand 1"], "unbuilt"),
        (["hand 1", "FINISHED 2"], None),
        (["FINISHED 1", "hand 2"], "unbuilt"),
        (["FINISHED 1", "hand 2", "FAILED 3"], "tried"),
        (["FINISHED 1", "hand 2", "CANCELED 3"], "tried"),
        (["FINISHED 1", "FAILED 2", "hand 3"], "unbuilt"),
        (["hand 1", "FAILED 2", "FINISHED 3"], None),
        (["hand 1", "FINISHED 2", "FAILED 3"], None),
        (["hand 1", "BUILDING 2"], "building"),
        (["hand 1", "FAILED 2", "BUILDING 3"], "building"),
        (["hand 2", "FINISHED 2"], None),
        (["hand 2", "FAILED 2"], "tried"),
        (["FINISHED 1"], None),
        (["FAILED 1"], None),
    ],
)
def test_state_follows_the_order_of_commits(rows, state):
    expected = [] if state is None else [("A", "R1", state)]
    made = [f"A R1 {row}" for row in rows]
    assert states(*made) == expected
    assert states(*reversed(made)) == expected


def test_finished_build_of_another_release_does_not_count():
    assert states("A R1 hand 1", "A R2 FINISHED 2", "A R2 hand 1") == [("A", "R1", "unbuilt")]
    assert states("A R1 hand 1", "A R2 hand 1", release="R2") == [("A", "R2", "unbuilt")]


def test_instances_without_releases_are_found():
    assert states("A - hand 1", "B - hand 1", "B - FINISHED 2") == [("A", None, "unbuilt")]


def test_deleted_instances_are_counted_apart():
    gone = unbuilt(commit_rows("A R1 hand 1 deleted", "B R1 hand 1", "B R1 hand 2 deleted"))
    assert len(gone) == 0
    assert gone.attrs["deleted"] == 2
    assert "2 deleted instances left out." in gone.messages


@pytest.mark.parametrize(("deleted", "stamp"), [(str, str), (bool, float), (lambda d: str(bool(d)), int)])
def test_numbers_that_are_text_give_the_same(deleted, stamp):
    rows = ["A R1 FINISHED 9", "A R1 hand 10", "B R1 hand 1", "B R1 hand 2 deleted", "C R1 hand 1"]
    plain = commit_rows(*rows)
    odd = plain.assign(
        DELETED=pd.Series([deleted(int(d)) for d in plain["DELETED"]], dtype=object),
        COMMIT_TIMESTAMP=pd.Series([stamp(t) for t in plain["COMMIT_TIMESTAMP"]], dtype=object),
    )
    expected, found = unbuilt(plain), unbuilt(odd)
    assert lines(found, "instance", "state") == lines(expected, "instance", "state")
    assert found.attrs["deleted"] == expected.attrs["deleted"] == 1


@pytest.mark.parametrize(("column", "value"), [("DELETED", "perhaps"), ("COMMIT_TIMESTAMP", "2026-01-05")])
def test_commits_with_other_values_are_refused(column, value):
    rows = commit_rows("A R1 hand 1", "B R1 hand 2")
    rows[column] = pd.Series([rows[column][0], value], dtype=object)
    with pytest.raises(InputError, match=f"{column} is '{value}'"):
        unbuilt(rows)


def test_commits_of_a_deleted_namesake_do_not_count():
    made = ["A R1 FINISHED 1 deleted", "A R1 hand 2 deleted", "A R1 hand 5", "A R1 FINISHED 4 deleted"]
    assert states(*made) == [("A", "R1", "unbuilt")]
    assert states("A R1 hand 1 deleted", "A R1 hand 3", "A R1 FINISHED 4") == []


def test_shifted_clock_changes_only_ages():
    rows = commit_rows("A R1 hand 10", "B R1 hand 20", "B R1 FINISHED 30", "C R1 hand 40", "C R1 FAILED 50")
    shifted = rows.assign(COMMIT_TIMESTAMP=rows["COMMIT_TIMESTAMP"] + 7_200_000)
    plain, late = unbuilt(rows, now=3_600_010), unbuilt(shifted, now=3_600_010 + 7_200_000)
    assert lines(plain, "instance", "state", "age") == lines(late, "instance", "state", "age")
    assert plain["age"].iloc[0] == pd.Timedelta("1h")
    without = unbuilt(rows)
    assert without["age"].isna().all()
    assert "Ages are left out" in without.messages[-1]


def test_random_commits_equal_a_plain_program():
    for seed in range(20):
        rng, made, expected = random.Random(seed), [], set()
        for name in [f"I{number}" for number in range((1, 6, 20, 90)[seed % 4])]:
            for release in ("R1", "R2"):
                kinds = [
                    rng.choice(["hand", "FINISHED", "FAILED", "CANCELED"]) for _ in range(rng.randint(0, 6))
                ]
                stamps = rng.sample(range(100), len(kinds))
                made += [f"{name} {release} {kind} {at}" for kind, at in zip(kinds, stamps, strict=True)]
                hand = max(
                    (at for kind, at in zip(kinds, stamps, strict=True) if kind == "hand"), default=None
                )
                after = {
                    kind for kind, at in zip(kinds, stamps, strict=True) if hand is not None and at > hand
                }
                if hand is not None and "FINISHED" not in after:
                    expected.add((name, release, "tried" if after else "unbuilt"))
        assert set(states(*made)) == expected, seed


def test_no_commits_keep_columns_and_types():
    none, some = unbuilt(commit_rows()), unbuilt(commit_rows("A R1 hand 1"))
    assert none.dtypes.to_dict() == some.dtypes.to_dict()
    assert none.messages[0] == "No instance has a commit."
    assert some.messages[0].startswith("1 of 1 instance with commits has changes")


def test_other_frames_are_refused():
    with pytest.raises(InputError, match="STATUS"):
        unbuilt(commit_rows().drop(columns="STATUS"))
    with pytest.raises(InputError, match="no COMMIT_TIMESTAMP"):
        unbuilt(commit_rows("A R1 hand 1").assign(COMMIT_TIMESTAMP=pd.array([None], dtype="Int64")))


def test_view_names_and_escapes():
    out = pd.DataFrame({"pattern": ["DV"], "folder": ["/RAW"], "instance": ["<i>B"]})
    result = unbuilt(commit_rows("<b>A R1 hand 1"), checked_out=out)
    page = result.show()._repr_html_()
    assert "<b>A" not in page
    assert "&lt;i&gt;B" in page
    assert "1 instance is checked out now" in page
    none = unbuilt(commit_rows("A R1 hand 1"), checked_out=out.iloc[:0])
    assert "No instance is checked out now." in none.messages


# --- the clock of the commits ---------------------------------------------------------------------------


def ages(hours, count=12, wrong=0):
    """Ages of the unbuilt changes of a project whose commits are stamped by another clock."""
    story = story_in_order()
    story.builds, story.commits = [], []
    for number in range(count):
        days = -20 + number * 1.37
        story.build(900 + number, days)
        story.commit("PLANE", days + 0.001, "Build")
    story.commit("SEAT", -3)
    for number, commit in enumerate(story.commits):
        commit["COMMIT_TIMESTAMP"] += round(hours * 3_600_000) + (100_000_000_000 if number < wrong else 0)
    with story.client() as client:
        result = releases.unbuilt(client, project=PROJECT, release="R7")
    return result.loc[result["instance"] == "SEAT", "age"].tolist()


@pytest.mark.parametrize("hours", [0, 1, -5, 5.75])
def test_age_is_measured_by_the_clock_of_the_commits(hours):
    (age,) = ages(hours)
    expected = pd.Timestamp.now("UTC") - (NOW - pd.Timedelta("3D"))  # the story is of the time of its import
    assert abs(age - expected) < pd.Timedelta("2min")


@pytest.mark.parametrize("how", [{"hours": 0.1}, {"hours": 1, "wrong": 4}, {"hours": 1, "count": 2}])
def test_age_on_an_unknown_clock_is_missing(how):
    (age,) = ages(**how)
    assert pd.isna(age)
