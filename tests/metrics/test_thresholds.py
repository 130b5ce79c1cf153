"""Builds against limits."""

from __future__ import annotations

import math
from datetime import timedelta

import pandas as pd
import pytest

from mkframe import metrics
from mkframe.errors import InputError

DAY = "2026-04-{:02d}T08:00:00Z"


def days(factory, statuses):
    """One build of ten minutes a day."""
    return factory.builds(
        *(
            {"status": status, "build_start": DAY.format(n), "patterns": [801]}
            | ({"seconds": 600} if status != "BUILDING" else {})
            for n, status in enumerate(statuses, 1)
        )
    )


def test_rate_counts_finished_and_failed_of_the_last_days(factory):
    builds = days(factory, ["FAILED"] * 5 + ["FINISHED", "CANCELED", "FAILED", "FINISHED"])
    whole = metrics.thresholds(builds, max_failure_rate=0.75, min_builds=1).loc["failure_rate"]
    assert (whole["state"], whole["value"], whole["n"]) == ("fine", 0.75, 8)
    recent = metrics.thresholds(builds, max_failure_rate=0.2, min_builds=3, days=4).loc["failure_rate"]
    assert (recent["state"], recent["value"], recent["n"]) == ("broken", 1 / 3, 3)


def test_repeated_rows_and_older_states_count_once(factory):
    rows = [{"status": "FAILED"}, *[{"status": "FINISHED"}] * 3]
    builds = factory.builds(*(row | {"id": n} for n, row in enumerate(rows, 1)))
    older = factory.builds({"id": 1, "status": "BUILDING", "build_end": None})
    limits = {"max_failure_rate": 0.3, "min_builds": 1, "running_for": timedelta(minutes=1)}
    table = metrics.thresholds(pd.concat([older, builds, builds.iloc[:1]]), **limits)
    assert table.loc["failure_rate", ["value", "n"]].tolist() == [0.25, 4]
    assert table["state"].tolist() == ["fine", "fine"]


def test_rate_of_all_or_none_is_at_its_limit(factory):
    failed = metrics.thresholds(days(factory, ["FAILED"] * 3), max_failure_rate=1, min_builds=3)
    finished = metrics.thresholds(days(factory, ["FINISHED"] * 3), max_failure_rate=0, min_builds=3)
    assert [*failed["state"], *finished["state"]] == ["fine", "fine"]


def test_chain_that_is_long_abandoned_is_still_broken(factory):
    builds = days(factory, ["FAILED"])
    row = metrics.thresholds(builds, broken_for=timedelta(days=2), now="2026-08-01T00:00Z").loc["broken_for"]
    assert row["state"] == "broken"
    assert "patterns 801 of project" in row["says"]
    since_its_end = pd.Timestamp("2026-08-01") - pd.Timestamp("2026-04-01 08:10")
    assert row["value"] == since_its_end.total_seconds()


def test_running_build_without_a_start_cannot_be_told(factory):
    builds = factory.builds({"status": "BUILDING", "build_start": None}, {"build_start": DAY.format(1)})
    row = metrics.thresholds(builds, running_for=timedelta(hours=1)).loc["running_for"]
    assert (row["state"], row["n"]) == ("unknown", 1)


def test_failed_builds_without_a_known_start_cannot_be_told(factory):
    builds = factory.builds(*({"id": n, "status": "FAILED", "build_start": None} for n in (1, 2)))
    row = metrics.thresholds(builds, broken_for=timedelta(hours=1)).loc["broken_for"]
    assert (row["state"], row["n"]) == ("unknown", 2)
    assert row["says"] == "2 builds finished or failed, none with a known start"


def test_far_future_times_do_not_move_the_present(factory):
    odd = {"status": "FINISHED", "build_start": "9999-12-31T00:00:00Z", "patterns": [802]}
    builds = pd.concat([days(factory, ["FAILED", "BUILDING"]), factory.builds(odd).set_axis([99])])
    table = metrics.thresholds(builds, broken_for=timedelta(days=30), running_for=timedelta(days=30))
    assert table["state"].tolist() == ["fine", "fine"]


def test_no_builds_are_unknown_with_the_same_dtypes(factory):
    builds = days(factory, ["FAILED", "FINISHED"])
    limits = {"max_failure_rate": 0.2, "broken_for": timedelta(1), "running_for": timedelta(1)}
    none, some = (metrics.thresholds(frame, **limits) for frame in (builds[:0], builds))
    assert none["state"].tolist() == ["unknown"] * 3
    assert none.dtypes.equals(some.dtypes)
    assert math.isnan(none.loc["failure_rate", "value"])


@pytest.mark.parametrize(
    "limits",
    [
        {"max_failure_rate": 20},
        {"max_failure_rate": math.nan},
        {"min_builds": 0},
        {"min_builds": True},
        {"broken_for": timedelta(days=-1)},
        {"days": math.inf},
        {"days": 0},
        {"days": "28"},
        {"max_failure_rate": "0.2"},
        {"broken_for": 86_400},
        {"running_for": "1 day"},
    ],
)
def test_limit_out_of_range_is_refused(limits, factory):
    with pytest.raises(InputError, match="Give"):
        metrics.thresholds(days(factory, ["FAILED"]), **limits)
