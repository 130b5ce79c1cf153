"""Charts of outcomes: builds stacked by status, and builds per day."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator, StrMethodFormatter
from numpy.typing import NDArray

from mkframe import metrics
from mkframe.charts import _style
from mkframe.charts._colors import COLORS, palette
from mkframe.charts._groups import MAX_ROWS, draw_lines, more_text, parts_of, per_text, row_names
from mkframe.charts._labels import left_out_text, printable_text
from mkframe.charts._layout import most_rows
from mkframe.metrics._formatting import count_text, percent_text
from mkframe.metrics._grouping import EVERY, Every, Length, length_of_period
from mkframe.metrics._history import history_of
from mkframe.metrics._streams import By

__all__ = ["outcomes", "throughput"]

_MAX_HATCHED = 60
_MOST_BARS_PER_INCH = 18
_MAX_OTHER_STATUSES = 4
_BAR_COLOR = "#5F7389"


@_style.explain_too_many_periods("How builds ended")
def outcomes(
    builds: pd.DataFrame,
    every: Every = "auto",
    tz: str = "UTC",
    by: By | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the builds of each period, stacked by status; with `by` those of each group as a row.

    Parameters
    ----------
    builds : DataFrame
        With `status` and `build_start`.
    every : {"auto", "D", "W", "M", "Q"} or None, default "auto"
        Length of a period; None is the whole time. By default the whole time with `by`, else as
        `mkframe.metrics.suggest_period` suggests.
    tz : str, default "UTC"
        Time zone in which days begin and end.
    by : {"pattern", "release", "project", "user", "pattern_set"}, or two of them, optional
        Compare groups.
    ax : Axes, optional
        Where to draw.

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        If a column is missing or an argument is invalid.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> start = pd.to_datetime(["2026-04-01T08:00Z"], utc=True)
    >>> builds = pd.DataFrame({"status": ["FAILED"], "build_start": start})
    >>> outcomes(builds, ax=Figure().subplots()).get_legend().get_texts()[0].get_text()
    'FAILED   1 (100.0 %)'
    """
    builds, left_out = history_of(builds, ["build_start"])
    length = length_of_period(builds, every, by)
    table = metrics.outcomes(builds, length, tz, by)
    title = f"How builds ended{per_text(by, '' if length is None else EVERY[length])}"
    without_start = 0 if length is None else left_out.without_start
    missing = left_out_text((without_start, "without a start"), left_out=left_out)
    if not table.to_numpy().any():
        return _style.show_message(
            _style.open_axes(ax), title, f"There are no builds with a start. {missing}"
        )
    if length is None or by is not None:
        return _draw_outcomes_by_row(ax, builds, table, by, title, missing)
    edges = _style.axis_edges(table, length)
    ax = _style.open_axes(ax)
    totals = table.sum()
    heights, handles, labels = _draw_stack(ax, _merge_other_statuses(table[totals.index[totals > 0]]), edges)
    _draw_gaps(ax, edges, heights)
    ax.set_ylim(0, heights.max() * 1.05)
    _format_count_axis(ax)
    _style.label_axis(ax, "y", f"builds per {EVERY[length]}")
    _style.format_date_axis(ax, edges, length, tz)
    _style.add_legend(ax, handles, labels)
    partial = _partial_text(metrics.throughput(builds, length, tz), length)
    _style.set_heading(ax, title, f"{count_text(int(totals.sum()), 'build')}. {partial}", missing)
    return ax


@_style.explain_too_many_periods("Builds per day")
def throughput(
    builds: pd.DataFrame,
    every: Every = "auto",
    tz: str = "UTC",
    by: By | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the builds per day in each period.

    The builds of a first or last period that the history covers only in part are divided by the covered days;
    such a period is hatched. With `by`, each group is a row, or a line over periods.

    Parameters
    ----------
    builds : DataFrame
        With `build_start`; builds of every status count.
    every : {"auto", "D", "W", "M", "Q"} or None, default "auto"
        Length of a period; None is the whole time. By default the whole time with `by`, else as
        `mkframe.metrics.suggest_period` suggests.
    tz : str, default "UTC"
        Time zone in which days begin and end.
    by : {"pattern", "release", "project", "user", "pattern_set"}, or two of them, optional
        Compare groups.
    ax : Axes, optional
        Where to draw.

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        If a column is missing or an argument is invalid.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> builds = pd.DataFrame({"build_start": pd.to_datetime(["2026-04-01T08:00Z"], utc=True)})
    >>> throughput(builds, ax=Figure().subplots()).get_ylabel()
    'builds per day'
    """
    builds, left_out = history_of(builds, ["build_start"])
    length = length_of_period(builds, every, by)
    table = metrics.throughput(builds, length, tz, by)
    name = "" if length in (None, "D") or by is not None else f", {EVERY[length]} by {EVERY[length]}"
    title = f"Builds per day{per_text(by)}{name}"
    missing = left_out_text((left_out.without_start, "without a start"), left_out=left_out)
    if not len(table):
        return _style.show_message(
            _style.open_axes(ax), title, f"There are no builds with a start. {missing}"
        )
    if length is None or by is not None:
        return _draw_throughput_of_groups(ax, builds, table, by, length, tz, title, missing)
    edges = _style.axis_edges(table, length)
    ax = _style.open_axes(ax)
    rate = table["per_day"].to_numpy("float64")
    partial = table["partial"].to_numpy(bool)
    whole = np.where(partial, 0, rate)
    _style.draw_stairs(ax, whole, edges, fill=True, color=palette(ax).ink(_BAR_COLOR), label="whole periods")
    _style.draw_stairs(
        ax,
        np.where(partial, rate, 0),
        edges,
        fill=True,
        label="partial periods",
        **_style.fill_style(ax, palette(ax).weak(_BAR_COLOR), "///"),
    )
    _draw_gaps(ax, edges, rate)
    mean = table["builds"].sum() / table["days"].sum()
    ax.axhline(mean, **palette(ax).reference_line, label="mean")
    # a day of three builds at the beginning must not set the scale
    top = max(float(rate[~partial].max()), mean) if (~partial).any() else float(rate.max())
    ax.set_ylim(0, top * 1.08)
    middle = (edges[:-1] + edges[1:]) / 2
    for x, value in zip(middle[rate > top * 1.08], rate[rate > top * 1.08], strict=True):
        ax.text(
            x, top * 1.08, f"↑ {value:,.3g}", ha="center", va="bottom", fontsize=8, color=palette(ax).text
        )
    _format_count_axis(ax, integer=False)
    _style.label_axis(ax, "y", "builds per day")
    _style.format_date_axis(ax, edges, length, tz)
    label = f"mean {mean:,.1f}" if mean >= 1 else f"mean {mean:.2g}"
    _style.label_line_ends(ax, [(mean, label, palette(ax).text)])
    total = count_text(int(table["builds"].sum()), "build")
    days = count_text(int(table["days"].sum()), "day")
    _style.set_heading(ax, title, f"{total} in {days}. {_partial_text(table, length)}", missing)
    return ax


def _draw_outcomes_by_row(
    ax: Axes | None, builds: pd.DataFrame, table: pd.DataFrame, by: By | None, title: str, missing: str
) -> Axes:
    """Draw a stacked bar for each row of a table, that with most builds first."""
    has_periods = len(table.index.unique("period")) > 1
    total = table.sum(axis=1).to_numpy()
    order = np.argsort(-total, kind="stable")[: np.count_nonzero(total)]
    top = table.iloc[order[: most_rows(ax, MAX_ROWS)]]
    ax = _style.open_axes(ax, height=2.1 + 0.3 * max(len(top), 3))
    names: list[object] = row_names(top.index, by)
    days = [""] * len(top)
    if has_periods:
        starts = pd.DatetimeIndex(top.index.get_level_values("period"))
        days = [f"from {d.day} {d:%b %Y}   " for d in starts]
    rows, begin = np.arange(len(top), dtype="float64"), np.zeros(len(top))
    sums = top.sum()
    counts = _merge_other_statuses(top[sums.index[sums > 0]])
    bars, labels = [], []
    for status in counts.columns:
        width = counts[status].to_numpy("float64")
        style = _style.bar_style(ax, status)
        bars.append(ax.barh(rows, width, 0.62, left=begin, **style))
        labels.append(printable_text(status, 24))
        begin = begin + width
    notes = [f"{day}{count_text(int(n))}" for day, n in zip(days, begin, strict=True)]
    _style.set_row_labels(ax, rows, names, notes)
    ax.set_xlim(0, begin.max() * 1.02)
    ax.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    _style.draw_grid(ax, "x")
    _style.add_legend(ax, bars, labels)
    rest = len(order) - len(top)
    more = f" {count_text(rest, 'more row')} with as many or fewer builds not drawn." if rest else ""
    _style.set_heading(ax, title, f"{count_text(len(builds), 'build')}.{more}", missing)
    return ax


def _draw_throughput_of_groups(
    ax: Axes | None,
    builds: pd.DataFrame,
    table: pd.DataFrame,
    by: By | None,
    length: Length | None,
    tz: str,
    title: str,
    missing: str,
) -> Axes:
    """Draw builds per day: a bar for each group, or a line over periods for the largest ones."""
    started = count_text(int(builds["build_start"].notna().sum()), "build")
    if by is None or length is None:
        ranking = table.sort_values("builds", ascending=False, kind="stable")
        top = ranking.head(most_rows(ax, MAX_ROWS))
        ax = _style.open_axes(ax, height=1.9 + 0.28 * max(len(top), 3))
        rows, rate = np.arange(len(top), dtype="float64"), top["per_day"].to_numpy("float64")
        ax.barh(rows, rate, 0.62, color=palette(ax).ink(_BAR_COLOR), label="builds per day")
        _style.set_row_labels(
            ax, rows, row_names(top.index, by), [count_text(n, "build") for n in top["builds"]]
        )
        ax.set_xlim(0, rate.max() * 1.05)
        _style.label_axis(ax, "x", "builds per day")
        _style.draw_grid(ax, "x")
        text = f"{started} in {count_text(int(table['days'].iloc[0]), 'day')}."
        text += more_text(len(ranking) - len(top), by, "with as many or fewer builds")
        _style.set_heading(ax, title, text, missing)
        return ax
    ax = _style.open_axes(ax)
    edges = _style.axis_edges(table, length)
    parts = parts_of(table, by, ["builds"])
    rates, ends = draw_lines(ax, parts, edges, "per_day", count="builds", least=1)
    ax.set_ylim(0, float(np.nanmax(rates)) * 1.08)
    _format_count_axis(ax, integer=False)
    _style.label_axis(ax, "y", f"builds per day, by {EVERY[length]}")
    _style.format_date_axis(ax, edges, length, tz)
    _style.label_line_ends(ax, ends)
    rest = more_text(len(parts) - len(ends), by, "with as many or fewer builds")
    _style.set_heading(ax, title, f"{started}.{rest}", missing)
    return ax


def _merge_other_statuses(table: pd.DataFrame) -> pd.DataFrame:
    """Keep four statuses that the API reference does not list, and sum up the rest in one column."""
    others = [status for status in table.columns if status not in COLORS]
    rest = others[_MAX_OTHER_STATUSES:] if len(others) > _MAX_OTHER_STATUSES + 1 else []
    if not rest:
        return table
    return table.drop(columns=rest).assign(**{f"{len(rest)} other statuses": table[rest].sum(axis=1)})


def _draw_stack(
    ax: Axes, table: pd.DataFrame, edges: NDArray[np.float64]
) -> tuple[NDArray[np.float64], list[Patch], list[str]]:
    """Draw a layer for each status; return the total heights, and a legend in the order of the stack."""
    base = np.zeros(len(table))
    builds = int(table.to_numpy().sum())
    handles, labels = [], []
    for status in table.columns:
        top = base + table[status].to_numpy("float64")
        style = _style.bar_style(ax, status, hatched=len(table) <= _MAX_HATCHED and _has_edges(ax, edges))
        _style.draw_stairs(ax, top, edges, baseline=base, fill=True, **style).set_gid(printable_text(status))
        if _has_edges(ax, edges):
            look: dict[str, Any] = {"edgecolor": palette(ax).ground, "linewidth": 0.7}
            _style.draw_stairs(ax, top, edges, baseline=None, fill=False, **look)
        number = int(table[status].sum())
        handles.append(Patch(**style))
        labels.append(
            f"{printable_text(status, 24)}   {count_text(number)} ({percent_text(number / builds)})"
        )
        base = top
    return base, handles[::-1], labels[::-1]


def _draw_gaps(ax: Axes, edges: NDArray[np.float64], heights: NDArray[np.float64]) -> None:
    if _has_edges(ax, edges):
        ax.vlines(
            edges[1:-1], 0, np.maximum(heights[:-1], heights[1:]), color=palette(ax).ground, linewidth=1
        )


def _has_edges(ax: Axes, edges: NDArray[np.float64]) -> bool:
    """Say whether bars are wide enough for edges; those of thin bars would hide the bars."""
    return len(edges) - 1 <= _style.width_inches(ax) * _MOST_BARS_PER_INCH


def _format_count_axis(ax: Axes, integer: bool = True) -> None:
    ax.yaxis.set_major_locator(MaxNLocator(6, integer=integer, steps=[1, 2, 5, 10]))
    ax.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}" if integer else "{x:,g}"))
    _style.draw_grid(ax, "y")


def _partial_text(table: pd.DataFrame, every: Length) -> str:
    """List the periods of a throughput that the history covers only in part."""
    days = table.loc[table["partial"], "days"]
    if not len(days):
        return ""
    starts = pd.DatetimeIndex(days.index)
    parts = [f"{d.day} {d:%b %Y} ({count_text(int(n), 'day')})" for d, n in zip(starts, days, strict=True)]
    return f"Covered only in part: the {EVERY[every]} of {', the one of '.join(parts)}."
