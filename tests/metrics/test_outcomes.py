from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from mkframe import metrics
from mkframe.errors import InputError

STATUSES_OF_BUILDS = ["FINISHED", "FINISHED", "FAILED", "CANCELED", "CANCELED", "BUILDING", "PAUSED"]


@pytest.fixture(scope="module")
def mixed(factory):
    return factory.builds(*({"status": status} for status in STATUSES_OF_BUILDS))


@pytest.mark.parametrize(("failed", "n"), [(0, 4), (1, 4), (3, 10), (30, 100), (100, 100), (1345, 2193)])
def test_wilson_equals_scipy(failed, n):
    interval = binomtest(failed, n).proportion_ci(method="wilson")
    low, high = metrics.wilson(failed, n)
    assert (low, high) == (pytest.approx(interval.low, abs=1e-12), pytest.approx(interval.high, abs=1e-12))


def test_failure_rate_excludes_canceled_builds(mixed):
    row = metrics.failure_rate(mixed).iloc[0]
    assert row[["finished", "failed", "canceled", "running", "other", "n"]].tolist() == [2, 1, 2, 1, 1, 3]
    assert row["rate"] == pytest.approx(1 / 3)


def test_failure_rate_canceled_count_in_denominator(mixed):
    row = metrics.failure_rate(mixed, canceled="count").iloc[0]
    assert row[["n", "rate"]].tolist() == [5, pytest.approx(1 / 5)]


def test_failure_rate_without_denominator_is_nan(factory):
    row = metrics.failure_rate(factory.builds({"status": "CANCELED"})).iloc[0]
    assert row["n"] == 0
    assert row[["rate", "low", "high"]].isna().all()


def test_failure_rate_every_none_counts_missing_starts(factory):
    builds = factory.builds({"status": "FAILED", "build_start": None}, {"status": "FINISHED"})
    assert metrics.failure_rate(builds, None)["n"].tolist() == [2]
    assert metrics.failure_rate(builds)["n"].tolist() == [1]


def test_outcomes_unlisted_statuses_come_last(factory):
    builds = factory.builds({"status": "QUEUED"}, {"status": "FAILED"}, {"status": "PAUSED"})
    table = metrics.outcomes(builds)
    assert table.columns.tolist() == ["FINISHED", "FAILED", "CANCELED", "BUILDING", "PAUSED", "QUEUED"]
    assert table.iloc[0].tolist() == [0, 1, 0, 0, 1, 1]


def test_throughput_partial_period_uses_covered_days(factory):
    days = ["2026-04-03", "2026-04-04", "2026-04-08", "2026-04-13"]
    table = metrics.throughput(factory.builds(*({"build_start": f"{day}T12:00:00Z"} for day in days)), "W")
    assert table["days"].tolist() == [3, 7, 1]
    assert table["per_day"].tolist() == pytest.approx([2 / 3, 1 / 7, 1.0])
    assert table["partial"].tolist() == [True, False, True]


def test_throughput_days_at_clock_change_are_whole(factory):
    builds = factory.builds({"build_start": "2026-03-27T23:30:00Z"}, {"build_start": "2026-03-30T23:30:00Z"})
    table = metrics.throughput(builds, "D", tz="Europe/Vienna")
    assert table["days"].tolist() == [1, 1, 1, 1]
    assert not table["partial"].any()


def test_calendar_rate_without_result_is_nan(factory):
    builds = factory.builds(
        {"status": "FINISHED", "build_start": "2026-04-01T08:00:00Z"},
        {"status": "CANCELED", "build_start": "2026-04-03T08:00:00Z"},
    )
    table = metrics.calendar(builds)
    assert table["builds"].tolist() == [1, 0, 1]
    assert table["rate"].fillna(-1).tolist() == [0, -1, -1]
    assert table.index.name == "day"


def test_failure_rate_by_project_is_separate(factory):
    builds = factory.builds({"status": "FAILED", "project_id": 1}, {"status": "FINISHED", "project_id": 2})
    rate = metrics.failure_rate(builds, None, by="project")["rate"].droplevel("period")
    assert rate.to_dict() == {"1": 1.0, "2": 0.0}


@pytest.mark.parametrize(("failed", "n"), [(5, 3), (-1, 3), ([1, 4], [3, 3])])
def test_wilson_of_more_failures_than_builds_raises(failed, n):
    with pytest.raises(InputError, match="More have failed than there are"):
        metrics.wilson(failed, n)


def test_wilson_bounds_enclose_the_rate():
    failed = np.arange(0, 2001)
    low, high = metrics.wilson(failed, np.full(2001, 2000))
    assert ((low <= failed / 2000) & (failed / 2000 <= high)).all()
