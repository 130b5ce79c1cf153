from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from mkframe import metrics

QUANTILES = {"p25": 25, "p50": 50, "p75": 75, "p90": 90, "p95": 95}


def test_duration_of_running_build_is_missing(factory):
    builds = factory.builds({"seconds": 18.578}, {"status": "BUILDING"})
    measured = metrics.duration(builds)
    assert str(measured.dtype) == "timedelta64[us]"
    assert measured.name == "duration"
    assert measured.dt.total_seconds().tolist()[0] == 18.578
    assert pd.isna(measured.iloc[1])


def test_quantiles_equal_numpy(factory):
    seconds = [3, 1, 4, 1, 5, 9, 2, 6]
    row = metrics.durations(factory.builds(*({"seconds": s} for s in seconds))).iloc[0]
    assert row[list(QUANTILES)].tolist() == pytest.approx(np.percentile(seconds, list(QUANTILES.values())))


def test_period_without_measured_builds_is_nan(factory):
    builds = factory.builds({"seconds": 5}, {"seconds": 5, "build_start": "2026-04-20T08:00:00Z"})
    table = metrics.durations(builds, "W")
    assert table["n"].tolist() == [1, 0, 0, 1]
    assert table["p50"].isna().tolist() == [False, True, True, False]


def test_builds_not_measured_are_counted(factory):
    builds = factory.builds(
        {"seconds": 5},
        {"status": "BUILDING"},
        {"seconds": -1},
        {"status": "FINISHED"},
        {"seconds": 9, "status": "FAILED"},
        {"seconds": 9, "status": "PAUSED"},
    )
    row = metrics.durations(builds).iloc[0]
    assert row[["n", "running", "excluded", "other"]].tolist() == [1, 1, 2, 2]


def test_durations_statuses_none_measures_all(factory):
    builds = factory.builds({"seconds": 5}, {"seconds": 9, "status": "PAUSED"}, {"status": "BUILDING"})
    assert metrics.durations(builds, statuses=None)[["n", "running"]].iloc[0].tolist() == [2, 1]


def test_longest_ties_sorted_by_start(factory):
    builds = factory.builds(
        {"id": 1, "seconds": 60, "build_start": "2026-04-02T08:00:00Z"},
        {"id": 2, "seconds": 60, "build_start": "2026-04-01T08:00:00Z"},
        {"id": 3, "seconds": 90, "status": "CANCELED"},
        {"id": 4, "seconds": -90},
        {"id": 5, "status": "BUILDING"},
    )
    assert metrics.longest(builds).index.tolist() == [3, 2, 1]
    assert metrics.longest(builds, n=1).index.tolist() == [3]
    assert metrics.longest(builds, statuses=["FINISHED"]).index.tolist() == [2, 1]


def test_longest_keeps_unknown_columns(factory):
    builds = factory.builds({"seconds": 60, "surprise": "x"})
    assert metrics.longest(builds).columns.tolist() == ["duration", *builds.columns]


def test_classes_of_instances_double(factory):
    numbers = [0, 1, 2, 3, 4, 7, 8, 1023, 1024, None]
    table = metrics.duration_by_instances(factory.builds(*({"seconds": 1, "instances": n} for n in numbers)))
    assert table.index.tolist() == [0, 1, 2, 4, 8, 512, 1024]
    assert table["most"].tolist() == [0, 1, 3, 7, 15, 1023, 2047]
    assert table["n"].tolist() == [1, 1, 2, 2, 1, 1, 1]


def test_completed_builds_lists_seconds(factory):
    builds = factory.builds(
        {"id": 7, "seconds": 2, "instances": 3}, {"id": 8, "seconds": 4, "status": "FAILED"}
    )
    assert metrics.completed_builds(builds)["seconds"].to_dict() == {7: 2.0}
    assert metrics.completed_builds(builds, None)["seconds"].to_dict() == {7: 2.0, 8: 4.0}


def test_classes_of_largest_integers_are_exact(factory):
    numbers = [2**53 - 1, 2**53, 2**62 - 1, 2**62, 2**63 - 1, 0]
    table = metrics.duration_by_instances(factory.builds(*({"seconds": 1, "instances": n} for n in numbers)))
    assert table["n"].to_dict() == {0: 1, 2**52: 1, 2**53: 1, 2**61: 1, 2**62: 2}
    assert table["most"].tolist() == [0, 2**53 - 1, 2**54 - 1, 2**62 - 1, 2**63 - 1]


def test_longest_one_microsecond_in_centuries_sorted(factory):
    year = "2026-01-01T00:00:00"
    builds = factory.builds(
        {"id": 1, "build_start": f"{year}.000001Z", "build_end": "9999-01-01T00:00:00.000000Z"},
        {"id": 2, "build_start": f"{year}.000002Z", "build_end": "9999-01-01T00:00:00.000002Z"},
    )
    assert metrics.longest(builds).index.tolist() == [2, 1]
