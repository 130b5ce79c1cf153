"""What holds for every chart of an insight, and what each of them says."""

from __future__ import annotations

import io
import math
import warnings

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from mkframe import charts, metrics
from mkframe.errors import InputError

NOW = "2026-08-10T00:00:00Z"
HOSTILE = "$\\frac{a}$ \x1b[31m<script>\u202e\n日本 _x"
DELIVERIES = pd.DataFrame({"BUILD_ID": [1, 2, 3]})
CHARTS = {
    "change_points": charts.change_points,
    "cost_card": charts.cost_card,
    "failure_families": charts.failure_families,
    "failure_progress": charts.failure_progress,
    "median_duration": charts.median_duration,
    "recovery": charts.recovery,
    "eta": lambda builds, **more: charts.eta(builds, builds, now=NOW, **more),
    "builds_without_delivery": lambda builds, **more: charts.builds_without_delivery(
        builds, DELIVERIES, **more
    ),
}
every_chart = pytest.mark.parametrize("chart", CHARTS.values(), ids=CHARTS)


@pytest.fixture(scope="module")
def mixed(factory):
    """Give builds of two patterns in half a year, one of which became slower, and of every status."""
    g = np.random.default_rng(3)
    rows = []
    for k in range(240):
        number, slow = int(g.integers(1, 20)), 2.0 if k >= 140 else 1.0
        rows.append(
            {
                "build_start": (
                    pd.Timestamp("2026-02-01T08:00:00Z") + pd.Timedelta(hours=18 * k)
                ).isoformat(),
                "seconds": round((20 + 4 * number) * math.exp(g.normal(0, 0.1)) * slow, 3),
                "instances": number,
                "patterns": [808] if k % 3 else [808, 9],
                "status": "FAILED" if k % 7 == 0 else "FINISHED",
                "message": f"Role BK of I_{k} is missing" if k % 2 else None,
                "progress": k % 101,
                "deliveries_calculated": 1,
            }
        )
    running = {"status": "BUILDING", "patterns": [808], "build_start": "2026-08-09T23:59:30Z", "instances": 3}
    return factory.builds(*rows, running, {"status": "CANCELED", "seconds": -3}, {"build_start": None})


def words(ax):
    found = [*ax.texts, *ax.get_xticklabels(), *ax.get_yticklabels(), ax.xaxis.label, ax._left_title]
    found += ax.get_legend().get_texts() if ax.get_legend() else []
    return " ".join(text.get_text().replace("\n", " ") for text in found)


def save(ax):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ax.figure.savefig(io.BytesIO(), format="png", dpi=40)


@every_chart
def test_chart_opens_a_figure_of_its_own(chart, mixed):
    ax = chart(mixed)
    assert ax.figure.number in plt.get_fignums()
    assert [*ax.lines, *ax.patches, *ax.collections]
    save(ax)


@every_chart
def test_chart_draws_on_given_axes_only(chart, mixed):
    figure = Figure(figsize=(12, 5))
    left, right = figure.subplots(1, 2)
    assert chart(mixed, ax=right) is right
    assert not left.has_data()
    assert plt.get_fignums() == []


@every_chart
def test_chart_of_nothing_says_why(chart, mixed):
    ax = chart(mixed.iloc[:0])
    assert ax.texts[-1].get_text().startswith(("There are no", "No build"))
    assert not [*ax.lines, *ax.patches, *ax.collections]
    save(ax)


@every_chart
@pytest.mark.parametrize("rows", [[0], [1], [0, 1, 2], [-3], [-2, -1]])
def test_chart_of_few_builds_can_be_drawn(chart, rows, mixed):
    save(chart(mixed.iloc[rows]))


@every_chart
def test_chart_changes_neither_frame_nor_style(chart, mixed):
    before, style = mixed.copy(deep=True), dict(matplotlib.rcParams)
    chart(mixed)
    assert mixed.equals(before)
    assert dict(matplotlib.rcParams) == style


@every_chart
def test_missing_column_is_named_before_a_figure_opens(chart, mixed):
    with pytest.raises(InputError, match="status"):
        chart(mixed.drop(columns="status"))
    assert plt.get_fignums() == []


@every_chart
def test_axes_of_another_kind_are_refused(chart, mixed):
    with pytest.raises(InputError, match="Figure"):
        chart(mixed, ax=Figure())


@every_chart
def test_words_from_the_server_are_only_words(chart, mixed):
    hostile = mixed.assign(
        pattern_names=[[HOSTILE]] * len(mixed),
        message=HOSTILE,
        patterns=[[808]] * len(mixed),
        project=HOSTILE,
    )
    ax = chart(hostile)
    save(ax)
    assert not any(char in words(ax) for char in "\x1b\u202e")
    texts = [*ax.texts, *ax.get_yticklabels(), *(ax.get_legend().get_texts() if ax.get_legend() else [])]
    assert not [text for text in texts if "$" in text.get_text() and text.get_parse_math()]


@every_chart
def test_ends_of_the_calendar_are_drawn_or_told(chart, factory):
    rows = [
        {"id": k, "status": status, "build_start": f"{year}T00:00:00Z", "build_end": "9999-12-31T23:59:59Z"}
        for k, (status, year) in enumerate(
            [(s, y) for s in ("FINISHED", "FAILED", "BUILDING") for y in ("0001-01-01", "9999-12-31")]
        )
    ]
    save(chart(factory.builds(*(row | {"instances": 3, "patterns": [1]} for row in rows))))


def test_changes_name_their_first_build(mixed):
    table = metrics.change_points(mixed)
    row = table[table["result"] == "change"].iloc[0]
    ax = charts.change_points(mixed)
    assert f"build {row['first_build']}" in ax.get_yticklabels()[0].get_text()
    assert "slower × 2" in words(ax) or "slower × 1.9" in words(ax)
    marks = {line.get_label(): line for line in ax.lines}
    assert len(marks["slower"].get_xdata()) == (table["result"] == "change").sum()


def test_silence_of_changes_is_told(factory):
    rows = [
        {
            "build_start": f"2026-04-{1 + k // 3:02d}T{k % 3 + 8:02d}:00:00Z",
            "seconds": 50 + k * 7 % 13,
            "instances": 1,
        }
        for k in range(80)
    ]
    sentence = words(charts.change_points(factory.builds(*rows)))
    assert "1 stream without a change (× 1." in sentence


def test_ranges_of_running_builds_are_the_metric(mixed):
    table = metrics.eta(mixed, mixed, now=NOW)
    ax = CHARTS["eta"](mixed)
    median = next(line for line in ax.lines if line.get_label() == "median")
    assert median.get_xdata()[0] == pytest.approx(30 + table["median"].iloc[0])
    assert ax.patches[0].get_width() == 30
    wide = next(lines for lines in ax.collections if lines.get_label() == "80 %")
    ends = wide.get_segments()[0][:, 0].tolist()
    assert ends == pytest.approx((30 + table[["low80", "high80"]].iloc[0]).tolist())


def test_unusually_long_builds_are_called_so(mixed):
    ax = charts.eta(mixed, mixed, now="2026-08-10T09:00:00Z")
    assert "unusually long" in ax.get_yticklabels()[0].get_text()


def test_families_beyond_the_fifteenth_are_one_bar(factory):
    rows = [
        {"status": "FAILED", "message": f"cause {'abcdefghijklmnopqrst'[k]} was met"}
        for k in range(20)
        for _ in range(20 - k)
    ]
    ax = charts.failure_families(factory.builds(*rows))
    assert [bar.get_width() for bar in ax.patches] == [*range(20, 5, -1), 15]
    assert ax.get_yticklabels()[-1].get_text() == "5 other families"
    assert ax.texts[15].get_text() == "15   100.0 %"


def test_open_chains_have_an_arrow_and_the_words_claim_no_repair(mixed):
    sentence = words(charts.recovery(mixed))
    assert "≥" not in sentence
    unrecovered = mixed[(mixed["status"] == "FAILED") | (mixed.index < 200)].drop(columns="patterns")
    unrecovered = unrecovered.assign(patterns=[[808]] * len(unrecovered))
    sentence = words(charts.recovery(unrecovered))
    assert "≥" in sentence
    assert "no proof of a repair" in sentence
    assert "repair time" not in sentence


def test_costs_are_lines_between_the_numbers_that_were_built(mixed):
    table = metrics.cost_card(mixed)
    ax = charts.cost_card(mixed)
    lines = {line.get_label().split(":")[0]: line for line in ax.lines}
    for name, row in table[table["refused"] == ""].iterrows():
        x, y = lines[name].get_xdata(), lines[name].get_ydata()
        assert (x[0], x[-1]) == pytest.approx((row["smallest"], row["largest"]))
        assert y[-1] == pytest.approx(row["base"] + row["per_instance"] * row["largest"])


def test_refused_costs_are_told(factory):
    rows = [{"seconds": 9, "instances": 5, "patterns": [1]} for _ in range(20)]
    sentence = words(charts.cost_card(factory.builds(*rows)))
    assert "Refused: 1 pattern set, most often as builds have 1 number of instances only" in sentence


def test_heat_map_holds_the_counts(mixed):
    table = metrics.failure_progress(mixed)
    ax = charts.failure_progress(mixed)
    mesh = ax.collections[0]
    assert mesh.get_array().reshape(len(table), -1).sum() == table["builds"].sum()
    numbers = [int(text.get_text()) for text in ax.texts if text.get_text().isdigit()]
    assert sum(numbers) == table["builds"].sum()


def test_bars_of_deliveries_hold_all_finished_builds(mixed):
    ax = CHARTS["builds_without_delivery"](mixed)
    assert sum(bar.get_width() for bar in ax.patches) == (mixed["status"] == "FINISHED").sum()
    assert "no proof" in words(ax)


@pytest.mark.parametrize("by", [None, "pattern"])
def test_uses_are_drawn_beside_each_other(by, factory):
    downloads = factory.frame(
        "downloads", [{"id": k, "build_id": k, "pattern_id": k % 2, "downloaded": k % 3} for k in range(12)]
    )
    deployments = factory.frame("build_deployments", [{"build_id": 3, "pattern_id": 1}])
    ax = charts.artifact_use(downloads, deployments, by=by)
    save(ax)
    table = metrics.artifact_use(downloads, deployments, by=by)
    drawn = {line.get_label(): sorted(line.get_xdata()) for line in ax.lines}
    for use in ("fetched", "deployed"):
        shares = table["share"].xs(use, level="use") if by else table.loc[[use], "share"]
        assert drawn[use] == sorted(shares)
    assert "fetched 66.7 %; deployed 8.3 %" in words(ax)
    empty = charts.artifact_use(downloads.iloc[:0], deployments, by=by)
    assert empty.texts[-1].get_text() == "There are no artifacts."


def test_running_builds_open_the_median(factory):
    rows = [{"seconds": 60}, {"seconds": 120}, {"seconds": 180}]
    running = {"status": "BUILDING", "build_start": "2026-04-01T09:00:00Z"}
    ax = charts.median_duration(factory.builds(*rows, running), now="2026-04-01T09:01:01Z")
    bars = [lines for lines in ax.collections if len(lines.get_segments())]
    assert bars[0].get_segments()[0][:, 1].tolist() == [90.5, 150]
    ax = charts.median_duration(factory.builds(rows[0], running), now="2026-04-01T10:00:00Z")
    arrow = next(line for line in ax.lines if line.get_label() == "_at least")
    assert arrow.get_ydata().tolist() == [1830]


def test_groups_of_medians_are_lines(mixed):
    ax = charts.median_duration(mixed, every="W", by="pattern")
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert [label.split(" ")[0] for label in labels] == ["808", "9"]
