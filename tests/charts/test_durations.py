from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from mkframe import charts, metrics


def lines(ax):
    return {line.get_label(): line for line in ax.lines}


def drawn(ax, name):
    values = np.asarray(lines(ax)[name].get_ydata(), dtype="float64")
    return values[~np.isnan(values)].tolist()


def subtitle(ax):
    return " ".join(text.get_text().replace("\n", " ") for text in ax.texts)


@pytest.fixture(scope="module")
def week(factory):
    """Give a week of so many builds of 1, 2, 3 … minutes."""
    return lambda n, **more: factory.builds(*({"seconds": 60.0 * (i + 1), **more} for i in range(n)))


@pytest.mark.parametrize(
    ("n", "expected"),
    [
        (4, {"single builds"}),
        (5, {"p50"}),
        (10, {"p50", "p90"}),
        (20, {"p50", "p90", "p95"}),
    ],
)
def test_what_is_drawn_depends_on_the_number_of_builds(n, expected, week):
    ax = charts.durations(week(n))
    names = {"p50", "p90", "p95", "single builds"}
    assert {name for name in names if drawn(ax, name)} == expected


def test_lines_are_the_metric(week):
    builds = week(30)
    row = metrics.durations(builds).iloc[0]
    ax = charts.durations(builds)
    assert [drawn(ax, name) for name in ("p50", "p90", "p95")] == [
        [row[name]] for name in ("p50", "p90", "p95")
    ]


def test_lines_are_named_at_their_ends(week):
    labels = [text.get_text() for text in charts.durations(week(30)).texts]
    assert {"p50, median", "p90", "p95"} <= set(labels)


def test_running_and_others_are_said_to_be_left_out(factory):
    builds = factory.builds(
        {"seconds": 60}, {"status": "BUILDING"}, {"status": "CANCELED", "seconds": 3}, {"seconds": -3}
    )
    said = subtitle(charts.durations(builds))
    assert "Left out: 1 running, 1 canceled, 1 without an end or with an end before the start." in said


def test_duration_axis_is_logarithmic_with_human_ticks(factory):
    builds = factory.builds(*({"seconds": s} for s in (1, 55, 700, 90_000)))
    ax = charts.durations(builds)
    ax.figure.canvas.draw()
    assert ax.get_yscale() == "log"
    shown = [label.get_text() for label in ax.get_yticklabels()]
    assert shown == ["1 s", "10 s", "1 min", "10 min", "1 h", "10 h", "1 d"]


def test_no_duration_is_lost_below_a_second(factory):
    ax = charts.durations(factory.builds({"seconds": 0}, {"seconds": 60}))
    ax.figure.canvas.draw()
    assert drawn(ax, "single builds") == [0.5, 60]
    assert ax.get_yticklabels()[0].get_text() == "< 1 s"


def test_six_groups_are_drawn_and_the_rest_counted(factory):
    builds = factory.builds(*({"seconds": 60, "patterns": [p]} for p in range(1, 9) for _ in range(9 - p)))
    ax = charts.durations(builds, by="pattern")
    labels = [line.get_label() for line in ax.lines if not line.get_label().startswith("_")]
    assert labels == ["1 (8)", "2 (7)", "3 (6)", "4 (5)", "5 (4)", "6 (3)"]
    assert "2 more patterns with as many or fewer builds not drawn" in subtitle(ax)
    markers = {line.get_marker() for line in ax.lines if not line.get_label().startswith("_")}
    assert len(markers) == 6


def test_longest_bars_are_labelled_with_status(factory):
    builds = factory.builds(
        {"id": 1, "seconds": 7_080, "status": "FAILED"},
        {"id": 2, "seconds": 90},
        {"id": 3, "status": "BUILDING"},
    )
    ax = charts.longest(builds)
    assert [bar.get_width() for bar in ax.patches] == [7080, 90]
    assert [text.get_text() for text in ax.texts[:2]] == ["1 h 58 min  FAILED", "1 min 30 s  FINISHED"]
    assert "1 running" in subtitle(ax)


def test_longest_bars_differ_in_more_than_colour(factory):
    ax = charts.longest(factory.builds({"seconds": 9, "status": "FAILED"}, {"seconds": 8}))
    failed, finished = ax.patches
    assert failed.get_facecolor() != finished.get_facecolor()
    assert failed.get_hatch() != finished.get_hatch()


@pytest.mark.parametrize(("n", "points", "meshes"), [(2_000, 2_000, 0), (2_001, 0, 1)])
def test_many_builds_are_drawn_as_density(n, points, meshes, factory):
    base = factory.builds({"seconds": 60, "instances": 4}, {"seconds": 90, "instances": 40})
    builds = base.loc[np.resize(base.index.to_numpy(), n)]
    ax = charts.duration_by_instances(builds)
    assert sum(len(line.get_xdata()) for line in ax.lines if line.get_label() == "builds") == points
    cells = [mesh for mesh in ax.collections if mesh.get_label() == "builds per cell"]
    assert len(cells) == meshes
    assert all(mesh.get_rasterized() and np.nansum(mesh.get_array().filled(0)) == n for mesh in cells)


def test_one_number_of_instances_shows_no_relation(week):
    assert "no relation can be seen" in subtitle(charts.duration_by_instances(week(6, instances=1)))


def test_builds_without_instances_are_counted(factory):
    builds = factory.builds({"seconds": 60, "instances": None}, {"seconds": 60, "instances": 2})
    assert "Left out: 1 without instances." in subtitle(charts.duration_by_instances(builds))


def test_many_unknown_words_are_left_out_in_few(factory):
    builds = factory.builds({"seconds": 60}, *({"status": f"WORD_{n:02d}", "seconds": 9} for n in range(30)))
    said = subtitle(charts.durations(builds))
    assert said.count("word_") == 4
    assert "26 with another status" in said


@pytest.mark.parametrize(("cell", "said"), [(808, "808"), (None, ""), (float("nan"), ""), ((1, 2), "1, 2")])
def test_longest_names_patterns_of_exploded_and_joined_builds(factory, cell, said):
    builds = factory.builds({"id": 7, "seconds": 5})
    builds["patterns"] = pd.Series([cell], index=builds.index, dtype=object)
    label = charts.longest(builds).get_yticklabels()[0].get_text()
    assert label.removeprefix("7   1 Apr 2026 08:00").strip() == said


@pytest.mark.parametrize("last", ["2026-03-30", "2028-06-30"])
def test_dates_follow_a_view_that_is_zoomed(last, factory):
    ax = charts.durations(
        factory.builds(*({"build_start": f"{day}T08:00:00Z", "seconds": 60} for day in ("2026-01-05", last)))
    )
    whole = ax.get_xticks().tolist()
    low, high = ax.get_xlim()
    ax.set_xlim(low, low + (high - low) / 4)
    part = ax.get_xticks().tolist()
    ax.set_xlim(low, high)
    assert part != whole == ax.get_xticks().tolist()


def test_longest_speaks_of_the_builds_it_was_asked_for(factory):
    builds = factory.builds({"seconds": 9}, {"seconds": 900, "status": "FAILED"}, {"end": None})
    ax = charts.longest(builds, statuses=("FINISHED",))
    assert ax.get_title(loc="left") == "The longest finished build"
    assert "Of 1 finished build with a duration" in subtitle(ax)
    assert "Left out: 1 without a start or an end." in subtitle(ax)


def test_longest_of_none_does_not_say_that_none_has_ended(factory):
    said = charts.longest(factory.builds({"seconds": 9}), statuses=("FAILED",)).texts[-1].get_text()
    assert said.startswith("There are no failed builds with a duration.")


def test_builds_without_a_status_are_told(factory):
    builds = factory.builds({"seconds": 9}, {"seconds": 9, "status": None})
    assert "Left out: 1 without a status." in subtitle(charts.durations(builds))
