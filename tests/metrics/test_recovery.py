from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from mkframe import metrics
from mkframe.errors import InputError
from mkframe.metrics._recovery import chains
from tests.support.versions import TEXT

COLUMNS = {
    "open": "bool",
    "attempts": "int64",
    "broken_at": "datetime64[us, Europe/Vienna]",
    "closed_at": "datetime64[us, Europe/Vienna]",
    "seconds": "float64",
    "first_build": "int64",
    "closed_by": "Int64",
    "abandoned": "bool",
    "build_ids": "object",
    "says": TEXT,
}


def at(hour: float) -> str:
    return (pd.Timestamp("2026-04-01T00:00:00Z") + pd.Timedelta(hours=hour)).isoformat()


@pytest.fixture(scope="module")
def runs(factory):
    """Give builds from (status, start hour, end hour), of one pattern set."""

    def make(*rows, **more):
        return factory.builds(
            *(
                {
                    "id": 11 + place,
                    "status": status,
                    "build_start": None if begin is None else at(begin),
                    "build_end": None if end is None else at(end),
                    "patterns": [808],
                }
                | more
                for place, (status, begin, end) in enumerate(rows)
            )
        )

    return make


def test_chain_closes_with_a_build_that_started_after_the_failure(runs):
    builds = runs(("FAILED", 0, 1), ("FINISHED", 0.5, 2), ("FAILED", 2, 3), ("FINISHED", 4, 6))
    row = metrics.recovery(builds).iloc[0]
    assert row[["open", "attempts", "seconds", "first_build", "closed_by"]].tolist() == [
        False,
        2,
        5 * 3600,
        11,
        14,
    ]
    assert row["build_ids"] == [11, 13]
    assert row["says"] == "closed after 5 h by 14: 2 failed builds, first 11"


def test_results_count_in_the_order_of_their_ends(runs):
    builds = runs(("FAILED", 0, 9), ("FAILED", 1, 2), ("FINISHED", 3, 4))
    table = metrics.recovery(builds)
    assert table["first_build"].tolist() == [11, 12]
    assert table["open"].tolist() == [True, False]


def test_canceled_and_running_builds_are_passed_over(runs):
    builds = runs(("FAILED", 0, 1), ("CANCELED", 2, 3), ("BUILDING", 4, None), ("PAUSED", 4, 5))
    row = metrics.recovery(builds).iloc[0]
    assert (row["attempts"], row["open"], row["seconds"]) == (1, True, 4 * 3600)


def test_without_failures_there_is_no_chain(runs):
    table = metrics.recovery(runs(("FINISHED", 0, 1), ("CANCELED", 2, 3)))
    assert len(table) == 0


def test_failed_build_ends_a_chain_of_its_own_after_a_close(runs):
    builds = runs(("FAILED", 0, 1), ("FINISHED", 1, 2), ("FAILED", 3, 4))
    table = metrics.recovery(builds, now=at(10))
    assert table["open"].tolist() == [True, False]
    assert table["seconds"].tolist() == [6 * 3600, 3600]
    assert pd.isna(table["closed_by"].iloc[0])
    assert pd.isna(table["closed_at"].iloc[0])
    assert table["says"].iloc[0] == "open for at least 6 h: 1 failed build, 13"


def test_finished_and_failed_at_one_moment_leave_the_chain_open(runs):
    builds = runs(("FAILED", 0, 1), ("FAILED", 2, 4), ("FINISHED", 2, 4))
    assert metrics.recovery(builds)["open"].tolist() == [True, False]


def test_open_chains_come_first_and_abandoned_ones_after_them(factory):
    rows = [
        {"id": 1, "patterns": [1], "build_start": at(0), "seconds": 60, "status": "FAILED"},
        {"id": 2, "patterns": [2], "build_start": at(24 * 35), "seconds": 60, "status": "FAILED"},
        {"id": 3, "patterns": [3], "build_start": at(24 * 39), "seconds": 60, "status": "FAILED"},
        {"id": 4, "patterns": [4], "build_start": at(24 * 2), "seconds": 60, "status": "FAILED"},
        {"id": 5, "patterns": [4], "build_start": at(24 * 38), "seconds": 60},
    ]
    table = metrics.recovery(factory.builds(*rows), now=at(24 * 40))
    assert table["first_build"].tolist() == [2, 3, 1, 4]
    assert table["abandoned"].tolist() == [False, False, True, False]
    assert table["says"].iloc[2].startswith("abandoned, open for at least 39 d 23 h")


def test_later_builds_are_not_known_yet(runs):
    builds = runs(("FAILED", 0, 1), ("FINISHED", 2, 3))
    assert metrics.recovery(builds, now=at(2.5))["open"].tolist() == [True]
    assert metrics.recovery(builds, now=at(3))["open"].tolist() == [False]
    assert len(metrics.recovery(builds, now=at(0.5))) == 0


def test_builds_without_an_end_count_from_their_start(runs):
    builds = runs(("FAILED", 5, None), ("FAILED", None, None), ("FINISHED", None, 9), ("FINISHED", 6, 8))
    row = metrics.recovery(builds).iloc[0]
    assert row[["attempts", "seconds", "closed_by"]].tolist() == [1, 3 * 3600, 14]


@pytest.mark.parametrize(
    ("by", "chains"),
    [
        (("project", "patterns"), 2),
        ("patterns", 1),
        (["project"], 2),
        (("releases",), 1),
        (("user", "releases"), 2),
        (("description",), 2),
    ],
)
def test_chains_are_of_builds_alike(by, chains, factory):
    common = {"status": "FAILED", "seconds": 60, "patterns": [2, 1], "releases": [5]}
    builds = factory.builds(
        common | {"project_id": 1, "user_id": 1, "description": "main"},
        common | {"project_id": 2, "user_id": 2, "description": None, "patterns": [1, 2]},
    )
    table = metrics.recovery(builds, by=by)
    assert len(table) == chains
    assert table.index.names == ([by] if isinstance(by, str) else list(by))
    assert table["attempts"].sum() == 2


def test_groups_have_their_names(factory):
    builds = factory.builds(
        {"status": "FAILED", "seconds": 1, "project": "DWH", "patterns": [2, 1], "project_id": 9}
    )
    assert metrics.recovery(builds).index.tolist() == [("DWH", "1 + 2")]


def expected(builds, now):
    """Walk the builds of each pattern set once more, by other code."""
    found = []
    for _, part in builds.groupby(builds["patterns"].map(lambda p: tuple(sorted(set(p))))):
        completed = part[part["status"].isin(["FAILED", "FINISHED"]) & (part["build_end"] <= now)]
        completed = completed.assign(late=completed["status"] == "FAILED").sort_values(
            ["build_end", "late"], kind="stable"
        )
        unrecovered, attempts = None, 0
        for row in completed.itertuples():
            if row.status == "FAILED":
                unrecovered = unrecovered or row.build_end
                attempts += 1
            elif unrecovered is not None and row.build_start >= unrecovered:
                found.append((False, attempts, (row.build_end - unrecovered).total_seconds()))
                unrecovered, attempts = None, 0
        if unrecovered is not None:
            found.append((True, attempts, (now - unrecovered).total_seconds()))
    return sorted(found)


@pytest.mark.parametrize("seed", range(8))
def test_chains_equal_those_of_other_code(seed, factory):
    g = np.random.default_rng(seed)
    builds = factory.builds(
        *(
            {
                "status": str(g.choice(["FAILED", "FINISHED", "CANCELED"])),
                "build_start": at(int(g.integers(0, 200))),
                "seconds": int(g.integers(0, 20) * 3600),
                "patterns": g.choice(3, g.integers(1, 3)).tolist(),
            }
            for _ in range(120)
        )
    ).sample(frac=1, random_state=seed)
    now = pd.Timestamp(at(150))
    table = metrics.recovery(builds, now=now)
    assert sorted(zip(table["open"], table["attempts"], table["seconds"], strict=True)) == expected(
        builds, now
    )


def test_chains_since_a_time_are_the_open_and_later_ones(runs):
    rows = [(word, n, n + 0.5) for n, word in enumerate(["FAILED", "FINISHED"] * 3 + ["FAILED"])]
    builds, since = runs(*rows), pd.Timestamp(at(3.5))
    table = metrics.recovery(builds)
    later = table[table["open"] | (table["closed_at"] >= since)]
    pd.testing.assert_frame_equal(chains(builds, since=since), later.drop(columns="says"))
    assert (len(table), len(later)) == (4, 3)


@pytest.mark.parametrize("rows", [[], [("FAILED", None, None)], [("FAILED", 0, 1)]])
def test_columns_are_the_same_for_few_builds(rows, runs):
    table = metrics.recovery(runs(*rows), tz="Europe/Vienna")
    assert {name: str(dtype) for name, dtype in table.dtypes.items()} == COLUMNS
    assert table.index.names == ["project", "patterns"]


@pytest.mark.parametrize("by", ["branch", (), ("project", "project"), ("project", "time")])
def test_unknown_groups_are_refused(by, runs):
    with pytest.raises(InputError, match="by="):
        metrics.recovery(runs(), by=by)


@pytest.mark.parametrize("now", ["2026-04-01", "soon", pd.NaT])
def test_now_needs_a_zone(now, runs):
    with pytest.raises(InputError, match="now="):
        metrics.recovery(runs(), now=now)
