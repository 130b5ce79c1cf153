from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy.stats import CensoredData, ecdf

from mkframe import metrics
from tests.support.versions import TEXT

COLUMNS = {
    "finished": "int64",
    "running": "int64",
    "median": "float64",
    "low": "float64",
    "high": "float64",
    "text": TEXT,
}
NOW = "2026-04-01T10:00:00Z"


def started(seconds_ago: float) -> dict[str, str]:
    start = pd.Timestamp(NOW) - pd.Timedelta(seconds=seconds_ago)
    return {"status": "BUILDING", "build_start": start.isoformat()}


def median_of(factory, finished, running, now=NOW):
    rows = [{"seconds": s} for s in finished] + [started(s) for s in running]
    return metrics.median_duration(factory.builds(*rows), now=now).iloc[0]


def test_without_running_builds_it_is_the_median(factory):
    row = median_of(factory, [10, 20, 30, 40], [])
    assert row[["median", "low", "high", "text"]].tolist() == [25, 25, 25, "25 s"]
    table = metrics.durations(factory.builds({"seconds": 10}, {"seconds": 20}))
    assert table["p50"].iloc[0] == median_of(factory, [10, 20], [])["median"]


def test_bounds_hold_whatever_running_builds_will_take(factory):
    g = np.random.default_rng(1)
    for _ in range(40):
        finished = g.integers(1, 90, 9).astype(float)
        running = g.integers(1, 90, int(g.integers(1, 8))).astype(float)
        row = median_of(factory, finished, running)
        for longer in (0, 5, 1e6):
            planted = np.median(np.concatenate([finished, running + longer]))
            assert row["low"] <= planted <= row["high"]
        assert row["low"] <= row["median"] <= row["high"]


def test_estimate_is_that_of_scipy(factory):
    finished, running = [10, 20, 30, 40, 50, 60, 70], [15, 35, 35]
    curve = ecdf(CensoredData(uncensored=finished, right=running)).cdf
    expected = curve.quantiles[curve.probabilities >= 0.5].min()
    row = median_of(factory, finished, running)
    assert row["low"] <= expected <= row["high"]
    assert row["median"] == expected


@pytest.mark.parametrize(
    ("finished", "running"), [([90], [7200, 7200]), ([90, 90], [7200, 7200]), ([], [7200])]
)
def test_half_running_has_no_estimate(finished, running, factory):
    row = median_of(factory, finished, running)
    assert math.isnan(row["median"])
    assert math.isinf(row["high"])
    assert row["text"].startswith("> ")
    many = len(finished) + len(running)
    assert row["text"].endswith(f"({len(running)} of {many} still run)")


def test_range_is_told_while_few_run(factory):
    row = median_of(factory, [60, 120, 180, 240], [200])
    assert row["text"] == "3 min (1 of 5 still run)"
    row = median_of(factory, [60, 120, 180, 240], [61])
    assert row["text"] == "2 min to 3 min (1 of 5 still run)"


def test_lower_bound_is_rounded_down(factory):
    assert median_of(factory, [], [7199])["text"] == "> 1 h 59 min (1 of 1 still run)"


def test_other_builds_are_left_out(factory):
    rows = [{"seconds": 10}, {"seconds": 900, "status": "FAILED"}, {"seconds": -5}, {"status": "FINISHED"}]
    row = metrics.median_duration(factory.builds(*rows)).iloc[0]
    assert row[["finished", "running", "median"]].tolist() == [1, 0, 10]


def test_now_is_the_latest_time_by_default(factory):
    builds = factory.builds({"seconds": 7200}, {"status": "BUILDING"})
    assert metrics.median_duration(builds)["low"].iloc[0] == 7200


def test_each_group_and_period_is_as_if_alone(factory):
    g = np.random.default_rng(2)
    rows = [
        ({"seconds": int(g.integers(1, 99))} if g.random() < 0.8 else {"status": "BUILDING"})
        | {"build_start": f"2026-04-{g.integers(1, 21):02d}T08:00:00Z", "patterns": [int(g.integers(1, 4))]}
        for _ in range(150)
    ]
    builds = factory.builds(*rows)
    now = "2026-04-21T00:00:00Z"
    table = metrics.median_duration(builds, every="W", by="pattern", now=now)
    for name in ("1", "2", "3"):
        part = builds[builds["patterns"].map(lambda p, name=name: str(p[0]) == name)]
        alone = metrics.median_duration(part, every="W", now=now)
        pd.testing.assert_frame_equal(table.loc[name].loc[alone.index], alone)


@pytest.mark.parametrize("rows", [[], [{"build_start": None}], [{"status": "CANCELED", "seconds": 1}]])
def test_columns_are_the_same_for_few_builds(rows, factory):
    table = metrics.median_duration(factory.builds(*rows), now=NOW)
    assert {name: str(dtype) for name, dtype in table.dtypes.items()} == COLUMNS
    assert set(table["text"]) <= {"–"}
