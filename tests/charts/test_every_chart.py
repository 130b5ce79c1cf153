"""Properties that all charts share."""

from __future__ import annotations

import matplotlib
import pytest
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from mkframe import charts
from mkframe.errors import InputError
from tests.support.axes import all_text, note_text, save_png, texts

CHARTS = [
    charts.durations,
    charts.failure_rate,
    charts.outcomes,
    charts.throughput,
    charts.longest,
    charts.duration_by_instances,
    charts.calendar,
]
HOSTILE = "$\\frac{a}$ \x1b[31m<script>\u202e\n日本 _x"


@pytest.fixture(scope="module")
def mixed(factory):
    start = "2026-04-{:02d}T08:00:00Z"
    return factory.builds(
        *(
            {"build_start": start.format(d), "seconds": 60 + d, "instances": d, "patterns": [1]}
            for d in range(1, 29)
        ),
        {"status": "FAILED", "seconds": 3, "instances": None, "patterns": [1, 2]},
        {"status": "CANCELED", "seconds": -3},
        {"status": "BUILDING", "build_start": start.format(29)},
        {"status": "PAUSED", "build_start": None},
    )


@pytest.mark.parametrize("chart", CHARTS)
def test_chart_without_ax_opens_a_figure(chart, mixed):
    first, second = chart(mixed), chart(mixed)
    assert first.figure is not second.figure
    assert first.figure.number in plt.get_fignums()
    save_png(first)


@pytest.mark.parametrize("chart", CHARTS)
def test_chart_with_ax_leaves_the_rest_unchanged(chart, mixed):
    figure = Figure(figsize=(12, 5))
    left, right = figure.subplots(1, 2)
    assert chart(mixed, ax=right) is right
    assert figure.axes == [left, right]
    assert not left.has_data()
    assert left.get_title(loc="left") == ""
    assert plt.get_fignums() == []


@pytest.mark.parametrize("chart", CHARTS)
def test_chart_of_no_builds_gives_the_reason(chart, mixed):
    ax = chart(mixed.iloc[:0])
    sentence = ax.texts[-1].get_text()
    assert sentence.startswith(("There are no", "No build"))
    assert sentence.endswith(".")
    assert not [*ax.lines, *ax.patches, *ax.collections]
    save_png(ax)


@pytest.mark.parametrize("chart", CHARTS)
@pytest.mark.parametrize("width", [3, 9])
def test_alt_text_is_title_and_whole_caption(chart, width, mixed):
    ax = chart(mixed, ax=Figure(figsize=(width, 4)).subplots())
    text = charts.alt_text(ax)
    title = " ".join(ax.get_title(loc="left").split())
    caption = text.removeprefix(f"{title}. ")
    assert caption != text
    assert "".join(caption.split()) in "".join(note_text(ax).split())
    assert "\n" not in text
    assert text.endswith(".")


@pytest.mark.parametrize("chart", CHARTS)
@pytest.mark.parametrize("rows", [0, 33])
def test_figure_gives_a_notebook_its_text(chart, rows, mixed):
    ax = chart(mixed.iloc[:rows])
    data, metadata = ax.figure._repr_mimebundle_()
    assert data == {}
    assert metadata == {"alt": charts.alt_text(ax), "mkframe": {"message": rows == 0}}
    assert rows or metadata["alt"].endswith(ax.texts[-1].get_text().replace("\n", " "))


def test_alt_text_of_something_else_raises():
    with pytest.raises(InputError, match="alt_text takes Axes or a figure, not NoneType"):
        charts.alt_text(None)


def test_axes_without_a_chart_have_no_alt_text():
    ax = plt.subplots()[1]
    assert charts.alt_text(ax) == charts.alt_text(ax.figure) == ""


@pytest.mark.parametrize("chart", CHARTS)
@pytest.mark.parametrize("rows", [1, 2, 3])
def test_chart_of_few_builds_is_drawn(chart, rows, mixed):
    save_png(chart(mixed.iloc[:rows]))


@pytest.mark.parametrize("chart", CHARTS)
def test_chart_of_running_builds_is_drawn(chart, factory):
    save_png(chart(factory.builds({"status": "BUILDING", "build_start": "2026-04-01T08:00:00Z"})))


@pytest.mark.parametrize("chart", CHARTS)
def test_chart_leaves_frame_and_style_unchanged(chart, mixed):
    before, style = mixed.copy(deep=True), dict(matplotlib.rcParams)
    chart(mixed)
    assert mixed.equals(before)
    assert dict(matplotlib.rcParams) == style


@pytest.mark.parametrize("chart", CHARTS)
def test_missing_column_raises_before_a_figure_opens(chart, mixed):
    with pytest.raises(InputError, match="build_start"):
        chart(mixed.drop(columns="build_start"))
    assert plt.get_fignums() == []


@pytest.mark.parametrize("chart", CHARTS)
def test_ax_of_another_projection_raises(chart, mixed):
    with pytest.raises(InputError, match="ax has the projection 'polar'"):
        chart(mixed, ax=Figure().add_subplot(projection="polar"))


@pytest.mark.parametrize("chart", CHARTS)
def test_figure_as_ax_raises(chart, mixed):
    with pytest.raises(InputError, match="Figure"):
        chart(mixed, ax=Figure())


@pytest.mark.parametrize(
    ("chart", "options"),
    [
        (charts.outcomes, {}),
        (charts.longest, {}),
        (charts.durations, {"by": "pattern", "statuses": None}),
        (charts.failure_rate, {"by": "pattern"}),
    ],
)
def test_hostile_names_are_drawn_as_plain_text(chart, options, factory):
    rows = [{"status": status, "seconds": 9, "pattern_names": [HOSTILE]} for status in (HOSTILE, "FAILED")]
    ax = chart(factory.builds(*rows), **options)
    save_png(ax)
    hostile = [text for text in texts(ax) if "frac" in text.get_text()]
    assert hostile
    assert all("$" in text.get_text() and not text.get_parse_math() for text in hostile)
    assert not any(char in all_text(ax) for char in "\x1b\u202e")


@pytest.mark.parametrize("tz", ["UTC", "Europe/Vienna"])
@pytest.mark.parametrize("chart", [charts.durations, charts.failure_rate, charts.outcomes, charts.throughput])
def test_time_zone_is_in_the_label(chart, tz, mixed):
    assert f"({tz})" in chart(mixed, tz=tz).get_xlabel()


@pytest.mark.parametrize("chart", [charts.durations, charts.failure_rate, charts.outcomes, charts.throughput])
def test_week_ticks_are_mondays(chart, mixed):
    ax = chart(mixed, every="W")
    low, high = ax.get_xlim()
    ticks = [tick for tick in ax.get_xticks() if low <= tick <= high]
    assert len(ticks) >= 3
    assert {matplotlib.dates.num2date(tick).weekday() for tick in ticks} == {0}


@pytest.mark.parametrize("every", ["D", "W", "M", "Q"])
@pytest.mark.parametrize("chart", [charts.durations, charts.failure_rate, charts.outcomes, charts.throughput])
def test_period_is_in_the_label(chart, every, mixed):
    ax = chart(mixed, every=every)
    name = {"D": "day", "W": "week", "M": "month", "Q": "quarter"}[every]
    assert ax.get_xlabel().startswith(f"{name} in which the build started")
    save_png(ax)


@pytest.mark.parametrize("chart", [charts.durations, charts.failure_rate, charts.outcomes, charts.throughput])
def test_builds_without_start_are_listed_as_left_out(chart, mixed):
    assert "1 without a start" in all_text(chart(mixed))


@pytest.mark.parametrize("chart", [charts.durations, charts.failure_rate, charts.outcomes, charts.throughput])
@pytest.mark.parametrize("years", [("2009", "2026"), ("9999", "9999"), ("1900", "2400")])
def test_builds_too_far_apart_are_named_with_a_hint(chart, years, factory):
    rows = [{"build_start": f"{year}-12-30T08:00:00Z", "seconds": 5} for year in years]
    ax = chart(factory.builds(*rows), every="D")
    sentence = all_text(ax)
    assert "too far apart" in sentence
    assert f"the first is 1 on {years[0]}-12-30, the last 2 on {years[1]}-12-30" in sentence
    assert "Left out: 2 builds. Choose longer periods" in sentence
    assert not [*ax.lines, *ax.patches, *ax.collections]
    save_png(ax)


def test_builds_too_far_apart_message_is_on_given_ax(factory):
    figure = Figure()
    ax = figure.subplots()
    rows = [{"build_start": f"{year}-01-01T08:00:00Z"} for year in ("0001", "9999")]
    assert charts.calendar(factory.builds(*rows), ax=ax) is ax
    assert "too far apart" in all_text(ax)
    assert plt.get_fignums() == []


@pytest.mark.parametrize("tz", ["Europe/Vienna", "America/St_Johns"])
@pytest.mark.parametrize("chart", CHARTS)
def test_first_and_last_calendar_day_do_not_raise(chart, tz, factory):
    rows = [{"build_start": "0001-01-01T00:00:00Z"}, {"build_start": "9999-12-31T23:59:59Z"}]
    rows = [row | {"build_end": "9999-12-31T23:59:59Z", "instances": 3} for row in rows]
    save_png(chart(factory.builds(*rows), **({} if chart is charts.duration_by_instances else {"tz": tz})))


def test_dir_shows_public_names_only():
    assert dir(charts) == sorted(charts.__all__)


@pytest.mark.parametrize("layout", ["constrained", "tight", None])
def test_charts_in_a_row_share_the_width(layout, mixed):
    figure, row = plt.subplots(1, 3, figsize=(14, 4), layout=layout)
    for ax, chart in zip(row, (charts.durations, charts.failure_rate, charts.outcomes), strict=True):
        chart(mixed, ax=ax, every="W")
    save_png(row[0])
    widths = [ax.get_position().width for ax in row]
    assert min(widths) > 0.5 / 3
    assert max(widths) < 1.4 * min(widths)
    plt.close(figure)
