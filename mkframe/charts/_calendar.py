"""Calendar chart: a square for each day, in columns of weeks.

The area of a square is the number of builds and its color the failure rate of the day.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_rgba_array
from matplotlib.patches import Patch
from numpy.typing import NDArray

from mkframe import metrics
from mkframe.charts import _style
from mkframe.charts._colors import COLORS, palette
from mkframe.charts._labels import left_out_text
from mkframe.charts._layout import font_size
from mkframe.metrics._formatting import count_text, day_text
from mkframe.metrics._grouping import Days
from mkframe.metrics._history import history_of

__all__ = ["calendar"]

_RATE_CLASSES = {
    0.0: "none failed",
    0.1: "up to 10 %",
    0.25: "to 25 %",
    0.5: "to 50 %",
    0.75: "to 75 %",
    1.0: "to 100 %",
}
_WEEK = np.timedelta64(7, "D")
_MAX_WEEKS = 53
_LINE_ROWS = 9
"""Rows from one line of weeks to the next: seven days, and two for the names of the months."""
_MAX_DAYS = 3_650


@_style.explain_too_many_periods("Builds and failures, day by day")
def calendar(builds: pd.DataFrame, tz: str = "UTC", ax: Axes | None = None) -> Axes:
    """Draw each day as a square: its area is the number of builds, its color the share that failed.

    The last ten years are drawn; builds before are counted below the title. A day without builds stays blank.
    A day with builds of which none finished or failed is hatched in gray.

    Parameters
    ----------
    builds : DataFrame
        With `status` and `build_start`.
    tz : str, default "UTC"
        Time zone in which days begin and end.
    ax : Axes, optional
        Where to draw.

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        If a column is missing or the time zone is unknown.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> start = pd.to_datetime(["2026-04-03T08:00Z", "2026-04-05T08:00Z"], utc=True)
    >>> builds = pd.DataFrame({"status": ["FAILED", "FINISHED"], "build_start": start})
    >>> calendar(builds, ax=Figure().subplots()).get_title(loc="left")
    'Builds and failures, day by day'
    """
    builds, left_out = history_of(builds, ["build_start"])
    table = metrics.calendar(builds, tz)
    title = "Builds and failures, day by day"
    missing = left_out_text((left_out.without_start, "without a start"), left_out=left_out)
    if not len(table):
        return _style.show_message(
            _style.open_axes(ax), title, f"There are no builds with a start. {missing}"
        )
    counts = table["builds"].to_numpy()
    before = int(counts[:-_MAX_DAYS].sum())
    table = table[-_MAX_DAYS:]
    days = pd.DatetimeIndex(table.index).tz_localize(None).to_numpy("datetime64[us]").astype("datetime64[D]")
    column, row = _positions(days)
    lines = row[-1] // _LINE_ROWS + 1
    ax = _style.open_axes(ax, height=1.35 + 1.4 * lines if lines > 1 else 3.6)
    _format_axes(ax, column, row)
    _draw_days(ax, table, column, row)
    _label_months(ax, days, column, row)
    busiest = pd.DatetimeIndex([table["builds"].idxmax()])[0]
    top = count_text(int(table["builds"].max()))
    area = (
        f"{count_text(int(table['builds'].sum()), 'build')}. Area: builds of the day, at most {top} on "
        f"{busiest.day} {busiest:%b %Y}."
    )
    color = f"Color: failed / (finished + failed). Days in {tz}."
    outside = left_out_text((before, f"before {day_text(days[0].item())}"))
    _style.set_heading(ax, title, area, color, outside, missing)
    return ax


def _positions(days: Days) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return column and row of each day; more than 53 weeks are divided into lines of equal length."""
    monday = days - (days - np.datetime64("1969-12-29")) % _WEEK
    weekday = (days - monday).astype("int64")
    week = (monday - monday[0]).astype("int64") // 7
    lines = -(-(week[-1] + 1) // _MAX_WEEKS)
    line, column = np.divmod(week, -(-(week[-1] + 1) // lines))
    return column, weekday + _LINE_ROWS * line


def _draw_days(ax: Axes, table: pd.DataFrame, column: NDArray[np.int64], row: NDArray[np.int64]) -> None:
    """Draw the squares and their legend."""
    builds = table["builds"].to_numpy("float64")
    rate = table["rate"].to_numpy("float64")
    half = 0.46 * np.sqrt(np.maximum(builds / builds.max(), 0.06))  # a smaller area could not be seen
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])
    squares = np.column_stack([column, row])[:, None, :] + half[:, None, None] * corners
    limits = np.array([*_RATE_CLASSES])
    inks = palette(ax)
    classes = [inks.weak(COLORS["FINISHED"]), *inks.scale(COLORS["FAILED"], len(_RATE_CLASSES) - 1)]
    blank: dict[str, Any] = {"facecolor": inks.ground, "edgecolor": inks.axis}
    has_rate = (builds > 0) & ~np.isnan(rate)
    colors = to_rgba_array(classes)[np.searchsorted(limits, rate[has_rate])]
    ax.add_collection(PolyCollection(squares[has_rate], facecolors=colors, linewidths=0, label="days"))
    has_no_rate = (builds > 0) & np.isnan(rate)
    ax.add_collection(
        PolyCollection(
            squares[has_no_rate],
            facecolors=inks.ground,
            edgecolors=inks.axis,
            linewidths=0.6,
            hatch="//////",
            label="days without a result",
        )
    )
    names = zip(classes, _RATE_CLASSES.values(), strict=True)
    handles = [Patch(facecolor=color, label=name) for color, name in names]
    handles.append(Patch(**blank, hatch="//////", label="nothing finished or failed"))
    _style.add_legend(ax, handles, [str(handle.get_label()) for handle in handles], columns=7)


def _format_axes(ax: Axes, column: NDArray[np.int64], row: NDArray[np.int64]) -> None:
    ax.set_aspect("equal", anchor="W")
    ax.set_xlim(-0.7, max(column.max(), 15) + 0.7)
    ax.set_ylim(row.max() // _LINE_ROWS * _LINE_ROWS + 6.7, -1.7)
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0)
    ax.set_xticks([])
    starts = range(0, int(row.max()) + 1, _LINE_ROWS)
    names = {0: "Mon", 2: "Wed", 4: "Fri", 6: "Sun"} if len(starts) == 1 else {0: "Mon", 6: "Sun"}
    ticks = [start + day for start in starts for day in names]
    ax.set_yticks(ticks, [*names.values()] * len(starts), fontsize=font_size(ax, 8), color=palette(ax).muted)


def _label_months(ax: Axes, days: Days, column: NDArray[np.int64], row: NDArray[np.int64]) -> None:
    """Label each month above the first column that begins in it, with the year where it changes."""
    is_monday = row % _LINE_ROWS == 0
    months = days.astype("datetime64[M]")
    letter = 0.085 * (column.max() + 1) / _style.width_inches(ax)  # the width of a letter, in columns
    year, last_line, label_end = 0, -1, 0.0
    for n in np.flatnonzero(is_monday | (np.arange(len(days)) == 0)):
        month, line, x = months[n].item(), int(row[n] // _LINE_ROWS), int(column[n])
        is_new_line = line != last_line
        if n and not is_new_line and months[n] == months[n - 7 if n >= 7 else 0]:
            continue
        if x < label_end and not is_new_line:  # it would overlap the label before
            continue
        text = f"{month:%b}" if month.year == year and not is_new_line else f"{month:%b %Y}"
        y = line * _LINE_ROWS - 0.75
        ax.text(x - 0.45, y, text, fontsize=font_size(ax, 8), color=palette(ax).muted, va="bottom")
        year, last_line, label_end = month.year, line, x + len(text) * letter
