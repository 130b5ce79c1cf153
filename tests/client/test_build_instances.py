"""The instances of a build: inferred from commits, or refused where two builds fit."""

import pandas as pd
import pytest

from mkframe import errors
from tests.builds.servers import connect_to
from tests.client.test_clocks import CLOCKS
from tests.client.test_metadata import result
from tests.client.test_views import view_rows
from tests.support import faults
from tests.support.rows import row

STARTS = pd.date_range("2026-01-05 08:13:20.250", periods=12, freq="27h7min", tz="UTC")


def iso(time):
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def building(number, start, **more):
    end = start + pd.Timedelta("95s")
    given = {
        "project_id": 402, "status": "FINISHED", "build_start": iso(start), "build_end": iso(end),
        "instances": 2, "description": None,
    }  # fmt: skip
    return row("builds", number, **given, **more)


def committing(build, clock=CLOCKS["UTC"][0], at="build_end", **more):
    stamp = int(clock(pd.Timestamp(build[at])).value // 10**6)
    known = {"TYPE": "Build", "STATUS": build["status"], "COMMIT_TIMESTAMP": stamp, "USER_NAME": "anna"}
    lines = view_rows("COMMITS", build["instances"])
    return [line | known | {"INSTANCE": f"I{build['id']}_{n}"} | more for n, line in enumerate(lines)]


def ask(builds, commits, wanted, delivered=()):
    def script(request):
        if request.method == "POST":
            sql = request.json()["statement"]
            return result(delivered if "DELIVERIES" in sql else commits)
        if request.path.endswith("/builds"):
            return faults.reply(builds)
        return faults.reply(next(b for b in builds if request.path.endswith(f"/{b['id']}")))

    with faults.serve(script) as server, connect_to(server.api) as client:
        return client.builds.instances(wanted)


def world(clock=CLOCKS["UTC"][0], at="build_end", **changes):
    builds = [building(n, start) for n, start in enumerate(STARTS, 1)]
    for number, change in changes.items():
        builds[int(number[1:]) - 1] |= change
    return builds, [line for build in builds for line in committing(build, clock, at)]


@pytest.mark.parametrize("clock", ["UTC", "one hour", "summer time", "behind by summer time"])
@pytest.mark.parametrize("at", ["build_end", "build_start"])
def test_instances_are_those_of_one_stamp(clock, at):
    builds, commits = world(CLOCKS[clock][0], at)
    changed = {
        "BUILD_ID": 5, "INSTANCE": "I5_0", **{k: commits[8][k] for k in ("PATTERN", "FOLDER")},
    }  # fmt: skip
    delivered = [view_rows("DELIVERIES", 1)[0] | changed]
    found = ask(builds, commits, 5, delivered)
    assert found["INSTANCE"].tolist() == ["I5_0", "I5_1"]
    assert found["DELIVERED"].tolist() == [True, False]
    assert "2 commits of status FINISHED" in found.attrs["matched"]
    assert "measured by 12" in found.attrs["matched"]


@pytest.mark.parametrize("status", ["FAILED", "CANCELED"])
def test_instances_of_a_build_that_did_not_finish_are_found(status):
    builds, commits = world(b3={"status": status, "instances": 3})
    found = ask(builds, commits, 3)
    assert found["INSTANCE"].tolist() == ["I3_0", "I3_1", "I3_2"]
    assert found["DELIVERED"].isna().all()


def lasting(begin, end):
    """A start and an end after that of the fourth build."""
    return {
        name: iso(STARTS[3] + pd.Timedelta(after))
        for name, after in (("build_start", begin), ("build_end", end))
    }


TWIN = lasting("1s", "96s")


def test_two_builds_that_fit_are_refused():
    builds, commits = world(b5=TWIN)
    with pytest.raises(errors.InputError, match="2 groups of commits fit build 4"):
        ask(builds, commits, 4)
    only_one = [line for line in commits if not line["INSTANCE"].startswith("I5_")]
    with pytest.raises(errors.InputError, match="fit build 5 as well"):
        ask(builds, only_one, 4)


def test_description_decides_between_builds_that_fit():
    builds, _ = world(b5=TWIN, b4={"description": "mine"})
    commits = [line for build in builds for line in committing(build, DESCRIPTION=build["description"])]
    assert ask(builds, commits, 4)["INSTANCE"].tolist() == ["I4_0", "I4_1"]


def test_build_after_another_ends_is_not_mistaken():
    after = {
        "build_start": iso(STARTS[3] + pd.Timedelta("97s")),
        "build_end": iso(STARTS[3] + pd.Timedelta("200s")),
    }
    builds, commits = world(b5=after)
    assert ask(builds, commits, 4)["INSTANCE"].tolist() == ["I4_0", "I4_1"]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"status": "BUILDING", "build_end": None}, "is BUILDING"),
        ({"instances": 7}, "No groups of commits fit"),
    ],
)
def test_build_without_matching_commits_is_refused(change, sentence):
    builds, commits = world()
    builds[3] |= change
    with pytest.raises(errors.InputError, match=sentence):
        ask(builds, commits, 4)


def test_real_builds_have_their_instances(client):
    every = client.builds.find(project="DEMO_PROJECT")
    over = every[every["build_end"].notna()]
    for status in ("FINISHED", "FAILED", "CANCELED"):
        build = over[over["status"] == status].iloc[-1]
        found = client.builds.instances(build)
        assert len(found) == build["instances"]
        if status == "FINISHED":
            changed = client.deliveries(project="DEMO_PROJECT", build_id=build.name)
            assert found["DELIVERED"].sum() == len(changed)
