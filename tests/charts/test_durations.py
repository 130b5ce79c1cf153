from __future__ import annotations

import numpy as np
import pytest

from mkframe import charts, metrics
from tests.support.axes import note_text


def lines(ax):
    return {line.get_label(): line for line in ax.lines}


def values(ax, name):
    values = np.asarray(lines(ax)[name].get_ydata(), dtype="float64")
    return values[~np.isnan(values)].tolist()


@pytest.fixture(scope="module")
def week(factory):
    """Make n builds of 1, 2, 3 … minutes in one week."""
    return lambda n: factory.builds(*({"seconds": 60.0 * (i + 1)} for i in range(n)))


@pytest.mark.parametrize(
    ("n", "expected"),
    [
        (4, {"single builds"}),
        (5, {"p50"}),
        (10, {"p50", "p90"}),
        (20, {"p50", "p90", "p95"}),
    ],
)
def test_lines_depend_on_the_number_of_builds(n, expected, week):
    ax = charts.durations(week(n))
    names = {"p50", "p90", "p95", "single builds"}
    assert {name for name in names if values(ax, name)} == expected


def test_lines_equal_the_metric(week):
    builds = week(30)
    row = metrics.durations(builds).iloc[0]
    ax = charts.durations(builds)
    assert [values(ax, name) for name in ("p50", "p90", "p95")] == [
        [row[name]] for name in ("p50", "p90", "p95")
    ]


def test_lines_are_labeled_at_their_ends(week):
    labels = [text.get_text() for text in charts.durations(week(30)).texts]
    assert {"p50, median", "p90", "p95"} <= set(labels)


def test_left_out_builds_are_listed(factory):
    builds = factory.builds(
        {"seconds": 60}, {"status": "BUILDING"}, {"status": "CANCELED", "seconds": 3}, {"seconds": -3}
    )
    note = note_text(charts.durations(builds))
    assert "Left out: 1 running, 1 canceled, 1 without an end or with an end before the start." in note


def test_duration_axis_is_logarithmic_with_unit_ticks(factory):
    builds = factory.builds(*({"seconds": s} for s in (1, 55, 700, 90_000)))
    ax = charts.durations(builds)
    ax.figure.canvas.draw()
    assert ax.get_yscale() == "log"
    labels = [label.get_text() for label in ax.get_yticklabels()]
    assert labels == ["1 s", "10 s", "1 min", "10 min", "1 h", "10 h", "1 d"]


def test_durations_below_a_second_are_drawn(factory):
    ax = charts.durations(factory.builds({"seconds": 0}, {"seconds": 60}))
    ax.figure.canvas.draw()
    assert values(ax, "single builds") == [0.5, 60]
    assert ax.get_yticklabels()[0].get_text() == "< 1 s"


def test_groups_beyond_six_are_counted(factory):
    builds = factory.builds(*({"seconds": 60, "patterns": [p]} for p in range(1, 9) for _ in range(9 - p)))
    ax = charts.durations(builds, every="W", by="pattern")
    labels = [line.get_label() for line in ax.lines if not line.get_label().startswith("_")]
    assert labels == ["1 (8)", "2 (7)", "3 (6)", "4 (5)", "5 (4)", "6 (3)"]
    assert "2 more patterns with as many or fewer builds not drawn" in note_text(ax)
    markers = {line.get_marker() for line in ax.lines if not line.get_label().startswith("_")}
    assert len(markers) == 6


def test_unlisted_statuses_beyond_four_are_summed_up(factory):
    builds = factory.builds({"seconds": 60}, *({"status": f"WORD_{n:02d}", "seconds": 9} for n in range(30)))
    note = note_text(charts.durations(builds))
    assert note.count("word_") == 4
    assert "26 with another status" in note


@pytest.mark.parametrize("last", ["2026-03-30", "2028-06-30"])
def test_date_ticks_follow_the_zoom(last, factory):
    ax = charts.durations(
        factory.builds(*({"build_start": f"{day}T08:00:00Z", "seconds": 60} for day in ("2026-01-05", last)))
    )
    whole = ax.get_xticks().tolist()
    low, high = ax.get_xlim()
    ax.set_xlim(low, low + (high - low) / 4)
    part = ax.get_xticks().tolist()
    ax.set_xlim(low, high)
    assert part != whole == ax.get_xticks().tolist()


def test_builds_without_status_are_counted(factory):
    builds = factory.builds({"seconds": 9}, {"seconds": 9, "status": None})
    assert "Left out: 1 without a status." in note_text(charts.durations(builds))
