"""Labels stay apart, and charts stay in the part of the figure that is for them."""

import io

import numpy as np
import pytest
from matplotlib.figure import Figure

from mkframe import charts
from mkframe.charts._labels import short_names
from tests.support.axes import note_text, row_labels

WORDS = ["HUB", "SAT", "LNK"]
LISTS = {
    "end": [f"DWH_CORE_BUSINESS_VAULT_CUSTOMER_{word}" for word in WORDS],
    "start": [f"{word}_OF_THE_BUSINESS_VAULT_OF_ALL_CUSTOMERS" for word in WORDS],
    "middle": [
        f"DWH_CORE_BUSINESS_VAULT_{n:03}_{w}_CUSTOMER_ADDRESS_HISTORY" for n in range(100) for w in WORDS
    ],
    "two places": [f"DWH_CORE_{n % 17:02}_BUSINESS_VAULT_{n:03}_CUSTOMER_HISTORY" for n in range(300)],
    "one letter": ["A" * 60 + chr(65 + n) + "Z" * 60 for n in range(26)],
    "boxes": ["x\x1b", "x\x07", "x" * 900 + "1", "x" * 900 + "2"],
    "prefixes": ["A" * n for n in range(1, 60)],
}


@pytest.mark.parametrize("length", [8, 12, 20, 32])
@pytest.mark.parametrize("names", LISTS.values(), ids=LISTS)
def test_short_names_fit_and_still_differ(names, length):
    labels = short_names(names, length)
    assert max(map(len, labels)) <= length
    assert len({*labels}) == len(names)
    assert labels == short_names(names, length)


def test_short_names_of_equal_names_are_equal():
    assert short_names(["A" * 50, "A" * 50, "B"], 10)[:2] == [short_names(["A" * 50], 10)[0]] * 2


def test_short_names_of_two_keys_differ_and_give_room_to_the_longer():
    names = [("DWH", name) for name in LISTS["middle"][:30]]
    labels = short_names(names, 32)
    assert len({*labels}) == 30
    assert all(label.startswith("DWH · ") for label in labels)
    assert max(map(len, labels)) == 32


@pytest.mark.parametrize("columns", [1, 3])
@pytest.mark.parametrize("chart", [charts.failure_rate, charts.durations, charts.outcomes, charts.throughput])
def test_rows_of_300_patterns_can_be_told_apart(chart, columns, factory):
    names = LISTS["middle"]
    rows = [{"patterns": [n], "pattern_names": [name], "seconds": 60} for n, name in enumerate(names)]
    figure = Figure(figsize=(12, 4), layout="constrained")
    ax = chart(factory.builds(*rows), by="pattern", ax=figure.subplots(1, columns, squeeze=False)[0, 0])
    labels = [label.split("   ")[0] for label in row_labels(ax)]
    assert 3 <= len({*labels}) == len(labels) <= 25
    assert f"{300 - len(labels)} more " in note_text(ax)


@pytest.mark.parametrize("dpi", [40, 45, 60, 72, 200])
def test_row_labels_do_not_touch_the_axis(dpi, factory):
    builds = factory.builds(*({"patterns": [n], "pattern_names": ["W" * n], "seconds": 60} for n in (4, 30)))
    ax = charts.throughput(builds, by="pattern")
    ax.figure.savefig(io.BytesIO(), dpi=dpi)
    ax.figure.set_dpi(dpi)
    ax.figure.canvas.draw()
    right = max(label.get_window_extent().x1 for label in ax.get_yticklabels())
    assert right <= ax.get_window_extent().x0 - 1


@pytest.mark.parametrize(
    ("every", "days", "ticks"),
    [
        ("D", 1, ["1 Jan\n2026", "2 Jan"]),
        ("Q", 700, ["Q1\n2026", "Q2", "Q3", "Q4", "Q1\n2027", "Q2", "Q3", "Q4", "Q1\n2028"]),
        ("M", 120, ["Jan\n2026", "Feb", "Mar", "Apr", "May"]),
    ],
)
def test_ticks_are_where_periods_begin(every, days, ticks, factory):
    begin = np.datetime64("2026-01-01T08:00")
    starts = (begin, begin + np.timedelta64(days - 1, "D"))
    ax = charts.outcomes(factory.builds(*({"build_start": f"{start}:00Z"} for start in starts)), every=every)
    ax.figure.canvas.draw()
    assert [label.get_text() for label in ax.get_xticklabels()] == ticks


@pytest.mark.parametrize(("bars", "edges"), [(60, True), (200, False)])
def test_thin_bars_have_no_edges(bars, edges, factory):
    begin = np.datetime64("2026-01-01T08:00")
    starts = [begin + np.timedelta64(n, "D") for n in range(bars)]
    ax = charts.outcomes(factory.builds(*({"build_start": f"{start}:00Z"} for start in starts)), every="D")
    outlines = [patch for patch in ax.patches if not patch.get_fill()]
    assert bool(outlines) is bool(ax.collections) is edges


def month_rows(first):
    """Three builds on the last day of March, then 20 in each of three months, one of which fails."""
    rows = [{"build_start": "2026-03-31T08:00:00Z", "status": status} for status in first]
    for month in (4, 5, 6):
        days = [{"build_start": f"2026-{month:02}-{day:02}T08:00:00Z"} for day in range(1, 31)]
        rows += [{"status": "FAILED"} | days[0], *days[1:]]
    return rows


def test_first_month_of_few_builds_does_not_set_the_scale(factory):
    builds = factory.builds(*month_rows(["FAILED", "FAILED", "FINISHED"]))
    ax = charts.failure_rate(builds, every="M")
    assert ax.get_ylim()[1] < 0.3
    above = next(line for line in ax.lines if line.get_label() == "above the scale")
    assert len(above.get_xdata()) == 1
    assert "Triangle: above the scale, of few builds (1 month)." in note_text(ax)
    ax = charts.throughput(builds, every="M")
    assert ax.get_ylim()[1] < 1.2
    assert "↑ 3" in note_text(ax)
