"""The median duration of each period, with what running builds leave open."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.markers import CARETRIGHTBASE, CARETUPBASE
from numpy.typing import NDArray

from mkframe import metrics
from mkframe.charts import _style
from mkframe.charts._colors import GROUP_STYLES, palette
from mkframe.charts._groups import MAX_ROWS, line_names, more_text, parts_of, per_text, row_names
from mkframe.charts._labels import left_out_text
from mkframe.charts._layout import most_rows
from mkframe.metrics._checks import status_of
from mkframe.metrics._formatting import count_text
from mkframe.metrics._grouping import EVERY, Every, length_of_period
from mkframe.metrics._history import history_of
from mkframe.metrics._streams import By

__all__ = ["median_duration"]


@_style.explain_too_many_periods("Median duration")
def median_duration(
    builds: pd.DataFrame,
    *,
    every: Every = "auto",
    by: By | None = None,
    now: str | datetime | None = None,
    tz: str = "UTC",
    ax: Axes | None = None,
) -> Axes:
    """Draw the median duration of each period, with the range that running builds leave open.

    A bar reaches from the lower to the upper bound of the median; where half or more of the builds still
    run there is no upper one, and an arrow begins at the lower. Without periods, as by default with `by`,
    each group is a row; over periods the six groups with most builds have a line each. See
    `mkframe.metrics.median_duration`.

    Parameters
    ----------
    builds : DataFrame
        As in `mkframe.metrics.median_duration`.
    every : {"auto", "D", "W", "M", "Q"} or None, default "auto"
        Length of a period; None is the whole time. By default the whole time with `by`, else as
        `mkframe.metrics.suggest_period` suggests.
    by : {"pattern", "release", "project", "user", "pattern_set"}, or two of them, optional
        Compare groups.
    now : str or datetime, optional
        With a zone. By default the latest time in the frame.
    tz : str, default "UTC"
        Zone in which days are cut.
    ax : Axes, optional
        Where to draw.

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        If a column is missing or an argument is not known.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> start = pd.to_datetime(["2026-04-01T08:00Z"], utc=True)
    >>> builds = pd.DataFrame({"status": "FINISHED", "build_start": start,
    ...                        "build_end": start + pd.Timedelta("90s")})
    >>> median_duration(builds, every="W", ax=Figure().subplots()).get_title(loc="left")
    'Median duration per week'
    """
    builds, left_out = history_of(builds, ["status", "build_start"])
    length = length_of_period(builds, every, by)
    table = metrics.median_duration(builds, every=length, by=by, now=now, tz=tz)
    missing = left_out_text((left_out.without_start, "without a start"), left_out=left_out)
    title = f"Median duration{per_text(by, '' if length is None else EVERY[length]).removeprefix(',')}"
    counted = table[["finished", "running"]].sum(axis=1).to_numpy()
    if not counted.any():
        return _style.show_message(
            _style.open_axes(ax), title, f"There are no finished or running builds with a start. {missing}"
        )
    running = int(((status_of(builds) == "BUILDING") & builds["build_start"].notna()).sum())
    sentence = (
        f"Finished builds and {count_text(running, 'running one')}. Bars: what running builds leave open; "
        "arrows: half or more still run."
    )
    if length is None:
        shown = table[counted > 0].sort_values("low", ascending=False, kind="stable")
        ax = _style.open_axes(ax, height=1.9 + 0.28 * min(max(len(shown), 3), MAX_ROWS))
        most = most_rows(ax, MAX_ROWS)
        _draw_rows(ax, shown.head(most), by)
        rest = more_text(len(shown) - most, by, "with shorter medians")
    else:
        ax = _style.open_axes(ax)
        edges = _style.axis_edges(table, length)
        _style.format_date_axis(ax, edges, length, tz)
        rest = _draw_lines(ax, table, edges, by)
    _style.set_heading(ax, title, f"{sentence}{rest}", missing)
    return ax


def _draw_lines(ax: Axes, table: pd.DataFrame, edges: NDArray[np.float64], by: By | None) -> str:
    """Draw a line for each group over periods, and return a sentence on the groups that are not drawn."""
    parts = [("", table, 0)] if by is None else parts_of(table, by, ["finished", "running"])
    shown = parts[: len(GROUP_STYLES)]
    names = [""] if by is None else line_names(ax, shown)
    for line, (name, (_, part, _)) in enumerate(zip(names, shown, strict=True)):
        _draw(ax, part, (edges[:-1] + edges[1:]) / 2, name, line)
    ends = pd.concat([part for _, part, _ in shown])[["low", "median", "high"]].to_numpy("float64")
    _style.format_duration_axis(ax, ends[np.isfinite(ends)])
    if by is not None:
        pairs = [(line, str(line.get_label())) for line in ax.lines]
        pairs = [pair for pair in pairs if not pair[1].startswith("_at least")]
        _style.add_legend(ax, *zip(*pairs, strict=True), columns=3)
    return more_text(len(parts) - len(shown), by, "with fewer builds")


def _draw_rows(ax: Axes, table: pd.DataFrame, by: By | None) -> None:
    """Draw a row for each group."""
    rows = np.arange(len(table), dtype="float64")
    low, median, high = (
        np.maximum(table[name].to_numpy("float64"), _style.MIN_SECONDS) for name in ("low", "median", "high")
    )
    ink, marker = palette(ax).strong(GROUP_STYLES[0][0]), GROUP_STYLES[0][1]
    closed, is_open = np.isfinite(high), np.isinf(high)
    ax.hlines(rows[closed], low[closed], high[closed], color=palette(ax).weak(ink), linewidth=6)
    ax.plot(median, rows, color=ink, marker=marker, markersize=6, linestyle="", label="median")
    ax.plot(
        low[is_open],
        rows[is_open],
        color=ink,
        linestyle="",
        marker=CARETRIGHTBASE,
        markersize=11,
        label="_at least",
    )
    ends = np.concatenate([low, high])
    _style.format_duration_axis(ax, ends[np.isfinite(ends)], axis="x")
    _style.set_row_labels(ax, rows, row_names(table.index, by), table["text"].tolist())
    _style.label_axis(ax, "x", "duration, logarithmic")


def _draw(ax: Axes, part: pd.DataFrame, middle: NDArray[np.float64], name: str, line: int) -> None:
    low, median, high = (part[column].to_numpy("float64") for column in ("low", "median", "high"))
    low = np.maximum(low, _style.MIN_SECONDS)
    ink, marker = palette(ax).ink(GROUP_STYLES[line][0]), GROUP_STYLES[line][1]
    closed = np.isfinite(high) & (part["running"].to_numpy() > 0)
    ax.vlines(
        middle[closed],
        low[closed],
        np.maximum(high[closed], low[closed]),
        color=palette(ax).weak(ink),
        linewidth=5,
    )
    label = f"{name} ({int(part['finished'].sum()):,})" if name else "median"
    values = np.where(np.isnan(median), np.nan, np.maximum(median, _style.MIN_SECONDS))
    ax.plot(middle, values, color=ink, marker=marker, markersize=5, linewidth=1.2, label=label)
    is_open = np.isinf(high)
    ax.plot(
        middle[is_open],
        low[is_open],
        color=ink,
        linestyle="",
        marker=CARETUPBASE,
        markersize=11,
        label="_at least",
    )
