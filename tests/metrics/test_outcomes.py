from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from mkframe import metrics

WORDS = ["FINISHED", "FINISHED", "FAILED", "CANCELED", "CANCELED", "BUILDING", "PAUSED"]


@pytest.fixture(scope="module")
def mixed(factory):
    return factory.builds(*({"status": word} for word in WORDS))


@pytest.mark.parametrize(("failed", "n"), [(0, 4), (1, 4), (3, 10), (30, 100), (100, 100), (1345, 2193)])
def test_wilson_is_scipys(failed, n):
    interval = binomtest(failed, n).proportion_ci(method="wilson")
    low, high = metrics.wilson(failed, n)
    assert (low, high) == (pytest.approx(interval.low, abs=1e-12), pytest.approx(interval.high, abs=1e-12))


def test_cancelled_builds_are_no_part_of_the_rate(mixed):
    row = metrics.failure_rate(mixed).iloc[0]
    assert row[["finished", "failed", "canceled", "running", "other", "n"]].tolist() == [2, 1, 2, 1, 1, 3]
    assert row["rate"] == pytest.approx(1 / 3)


def test_cancelled_builds_join_the_denominator_on_request(mixed):
    row = metrics.failure_rate(mixed, canceled="count").iloc[0]
    assert row[["n", "rate"]].tolist() == [5, pytest.approx(1 / 5)]


def test_no_denominator_is_no_rate(factory):
    row = metrics.failure_rate(factory.builds({"status": "CANCELED"})).iloc[0]
    assert row["n"] == 0
    assert row[["rate", "low", "high"]].isna().all()


def test_the_whole_history_counts_builds_without_a_start(factory):
    builds = factory.builds({"status": "FAILED", "build_start": None}, {"status": "FINISHED"})
    assert metrics.failure_rate(builds, None)["n"].tolist() == [2]
    assert metrics.failure_rate(builds)["n"].tolist() == [1]


def test_outcomes_keep_unknown_words_last(factory):
    builds = factory.builds({"status": "QUEUED"}, {"status": "FAILED"}, {"status": "PAUSED"})
    table = metrics.outcomes(builds)
    assert table.columns.tolist() == ["FINISHED", "FAILED", "CANCELED", "BUILDING", "PAUSED", "QUEUED"]
    assert table.iloc[0].tolist() == [0, 1, 0, 0, 1, 1]


def test_partial_periods_are_divided_by_covered_days(factory):
    days = ["2026-04-03", "2026-04-04", "2026-04-08", "2026-04-13"]
    table = metrics.throughput(factory.builds(*({"build_start": f"{day}T12:00:00Z"} for day in days)))
    assert table["days"].tolist() == [3, 7, 1]
    assert table["per_day"].tolist() == pytest.approx([2 / 3, 1 / 7, 1.0])
    assert table["partial"].tolist() == [True, False, True]


def test_covered_days_add_up_in_a_zone_that_changes_its_clocks(factory):
    builds = factory.builds({"build_start": "2026-03-27T23:30:00Z"}, {"build_start": "2026-03-30T23:30:00Z"})
    table = metrics.throughput(builds, "D", tz="Europe/Vienna")
    assert table["days"].tolist() == [1, 1, 1, 1]
    assert not table["partial"].any()


def test_calendar_tells_blank_from_clean_from_undecided(factory):
    builds = factory.builds(
        {"status": "FINISHED", "build_start": "2026-04-01T08:00:00Z"},
        {"status": "CANCELED", "build_start": "2026-04-03T08:00:00Z"},
    )
    table = metrics.calendar(builds)
    assert table["builds"].tolist() == [1, 0, 1]
    assert table["rate"].fillna(-1).tolist() == [0, -1, -1]
    assert table.index.name == "day"


def test_groups_have_their_own_rates(factory):
    builds = factory.builds({"status": "FAILED", "project_id": 1}, {"status": "FINISHED", "project_id": 2})
    rate = metrics.failure_rate(builds, None, by="project")["rate"].droplevel("period")
    assert rate.to_dict() == {"1": 1.0, "2": 0.0}


def test_a_bound_never_passes_its_rate():
    failed = np.arange(0, 2001)
    low, high = metrics.wilson(failed, np.full(2001, 2000))
    assert ((low <= failed / 2000) & (failed / 2000 <= high)).all()
