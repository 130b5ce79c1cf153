from __future__ import annotations

import numpy as np
import pytest

from mkframe import charts, metrics
from tests.support.axes import note_text


@pytest.fixture(scope="module")
def mixed(factory):
    start = ["2026-04-01T08:00:00Z", "2026-04-15T08:00:00Z"]
    status = ["FINISHED", "FINISHED", "FAILED", "CANCELED", "BUILDING", "PAUSED"]
    return factory.builds(*({"build_start": s, "status": w, "patterns": [1]} for s in start for w in status))


@pytest.mark.parametrize(
    ("canceled", "axis", "figure"),
    [
        ("exclude", "failed / (finished + failed)", "33.3 % of all: 2 failed of 6 finished + failed"),
        (
            "count",
            "failed / (finished + failed + canceled)",
            "25.0 % of all: 2 failed of 8 finished + failed + canceled",
        ),
    ],
)
def test_label_names_numerator_and_denominator(canceled, axis, figure, mixed):
    ax = charts.failure_rate(mixed, canceled=canceled)
    assert ax.get_ylabel() == axis
    assert figure in note_text(ax)


def test_builds_outside_the_rate_are_counted(mixed):
    assert "Left out: 2 canceled, 2 running, 2 with another status." in note_text(charts.failure_rate(mixed))


def test_rates_and_intervals_equal_the_metric(mixed):
    table = metrics.failure_rate(mixed)
    ax = charts.failure_rate(mixed)
    rate = next(line for line in ax.lines if line.get_label() == "failure rate")
    assert np.array_equal(rate.get_ydata(), table["rate"], equal_nan=True)
    bars = next(part for part in ax.collections if part.get_label() == "95 % interval")
    ends = [np.asarray(segment)[:, 1].tolist() for segment in bars.get_segments() if len(segment)]
    known = table.dropna(subset="rate")
    assert ends == known[["low", "high"]].to_numpy().tolist()


def test_denominators_are_labeled(mixed):
    assert "denominator per week: up to 3" in note_text(charts.failure_rate(mixed, every="W"))


def test_groups_are_sorted_by_the_lower_bound(factory):
    lucky = [{"patterns": [1], "status": "FAILED"}]
    bad = [{"patterns": [2], "status": status} for status in ["FAILED"] * 40 + ["FINISHED"] * 20]
    ax = charts.failure_rate(factory.builds(*lucky, *bad), by="pattern")
    assert [label.get_text() for label in ax.get_yticklabels()] == ["2   40 of 60", "1   1 of 1"]
    assert ax.get_xlabel() == "failed / (finished + failed)"


def test_groups_beyond_25_are_counted(factory):
    ax = charts.failure_rate(factory.builds(*({"user_id": user} for user in range(30))), by="user")
    assert len(ax.get_yticks()) == 25
    assert "5 more users with lower bounds not above these not drawn" in note_text(ax)


def test_only_canceled_builds_give_a_message(factory):
    ax = charts.failure_rate(factory.builds({"status": "CANCELED"}))
    assert ax.texts[-1].get_text().startswith("No build has finished or failed")


def test_failures_without_start_are_not_denied(factory):
    message = (
        charts.failure_rate(factory.builds({"status": "FAILED", "build_start": None})).texts[-1].get_text()
    )
    assert message.startswith("No build that has a start has finished or failed")
