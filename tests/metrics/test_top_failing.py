from __future__ import annotations

import pandas as pd
import pytest

from mkframe import metrics

COLUMNS = {
    "failed": "int64",
    "n": "int64",
    "rate": "float64",
    "low": "float64",
    "high": "float64",
    "seconds": "float64",
    "last_failed": "datetime64[us, UTC]",
    "build_ids": "object",
}


def build(id, pattern, status="FAILED", day=1, **more):
    start = f"2026-04-{day:02d}T08:00:00Z"
    return {"id": id, "patterns": [pattern], "status": status, "build_start": start, "seconds": 60} | more


def test_groups_are_ranked_by_the_lower_bound(factory):
    unlucky = [build(1, 1)]
    bad = [build(10 + k, 2, "FAILED" if k % 3 else "FINISHED") for k in range(30)]
    good = [build(50 + k, 3, "FINISHED") for k in range(9)]
    table = metrics.top_failing(factory.builds(*unlucky, *bad, *good))
    assert table.index.tolist() == ["2", "1"]
    assert table.loc["2", ["failed", "n", "seconds"]].tolist() == [20, 30, 1200]
    low, high = metrics.wilson([20], [30])
    assert table.loc["2", ["rate", "low", "high"]].tolist() == pytest.approx([2 / 3, low[0], high[0]])


def test_failed_builds_are_listed_newest_first(factory):
    rows = [
        build(1, 1, day=3),
        build(2, 1, day=5),
        build(3, 1, build_start=None, seconds=0),
        build(4, 1, "CANCELED", 9),
    ]
    rows[2].pop("seconds")
    row = metrics.top_failing(factory.builds(*rows)).loc["1"]
    assert row["build_ids"] == [2, 1, 3]
    assert row["last_failed"] == pd.Timestamp("2026-04-05T08:00:00Z")
    assert row["n"] == 3


def test_builds_count_in_each_of_their_patterns(factory):
    table = metrics.top_failing(factory.builds(build(1, 1, patterns=[1, 2])))
    assert table["build_ids"].to_dict() == {"1": [1], "2": [1]}
    assert metrics.top_failing(
        factory.builds(build(1, 1, patterns=[1, 2])), by="pattern_set"
    ).index.tolist() == ["1 + 2"]


@pytest.mark.parametrize("rows", [[], [build(1, 1, "FINISHED")], [build(1, 1)]])
def test_columns_are_the_same_for_few_builds(rows, factory):
    table = metrics.top_failing(factory.builds(*rows))
    assert {name: str(dtype) for name, dtype in table.dtypes.items()} == COLUMNS
    assert table.index.name == "pattern"
