"""The calendar: a square for each day."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_rgba_array
from matplotlib.patches import Patch
from numpy.typing import NDArray

from mkframe import metrics
from mkframe.charts import _style
from mkframe.charts._labels import left_out
from mkframe.metrics._formatting import count_text, day_text

__all__ = ["calendar"]

_CLASSES = (
    (0.0, "none failed", "#B9D4E6"),
    (0.1, "up to 10 %", "#FBE9DA"),
    (0.25, "to 25 %", "#F5CBA5"),
    (0.5, "to 50 %", "#EA9A5B"),
    (0.75, "to 75 %", "#D55E00"),
    (1.0, "to 100 %", "#732F00"),
)
_NOTHING = "#B8B8B8"
_WEEK = np.timedelta64(7, "D")
_MOST_WEEKS = 53
_LINE = 9
_MOST_DAYS = 3_650
Days: TypeAlias = NDArray[np.datetime64]


@_style.says_if_far_apart("Builds and failures, day by day")
def calendar(builds: pd.DataFrame, tz: str = "UTC", ax: Axes | None = None) -> Axes:
    """Draw each day as a square: its area is the number of builds, its colour the share that failed.

    Ten years are drawn, the last of those that hold builds in number; what lies before or after is counted.
    A day without builds stays empty. A day on which builds ran but none finished or failed is hatched grey.

    Parameters
    ----------
    builds : DataFrame
        With `status` and `build_start`.
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
        If a column is missing or the zone is not known.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> start = pd.to_datetime(["2026-04-03T08:00Z", "2026-04-05T08:00Z"], utc=True)
    >>> builds = pd.DataFrame({"status": ["FAILED", "FINISHED"], "build_start": start})
    >>> calendar(builds, ax=Figure().subplots()).get_title(loc="left")
    'Builds and failures, day by day'
    """
    table = metrics.calendar(builds, tz)
    title = "Builds and failures, day by day"
    missing = left_out((int(builds["build_start"].isna().sum()), "without a start"))
    if not len(table):
        return _style.say(_style.open_axes(ax), title, f"There are no builds with a start. {missing}")
    counts = table["builds"].to_numpy()
    start, stop = _drawn(counts)
    before, after = int(counts[:start].sum()), int(counts[stop:].sum())
    table = table[start:stop]
    days = pd.DatetimeIndex(table.index).tz_localize(None).to_numpy("datetime64[us]").astype("datetime64[D]")
    column, row = _places(days)
    lines = row[-1] // _LINE + 1
    ax = _style.open_axes(ax, height=1.35 + 1.4 * lines if lines > 1 else 3.6)
    _squares(ax, table, column, row)
    _labels(ax, days, column, row)
    busiest = pd.DatetimeIndex([table["builds"].idxmax()])[0]
    most = count_text(int(table["builds"].max()))
    area = (
        f"{count_text(int(table['builds'].sum()), 'build')}. Area: builds of the day, at most {most} on "
        f"{busiest.day} {busiest:%b %Y}."
    )
    hue = f"Colour: failed / (finished + failed). Days in {tz}."
    first, last = (day_text(day.item()) for day in days[[0, -1]])
    _style.heading(
        ax, title, area, hue, left_out((before, f"before {first}"), (after, f"after {last}")), missing
    )
    return ax


def _drawn(builds: NDArray[np.int64]) -> tuple[int, int]:
    """Choose the last ten years, or those before a few builds that lie far off, likely by a wrong start."""
    total = np.concatenate([np.zeros(_MOST_DAYS, dtype=np.int64), np.cumsum(builds)])
    held = total[_MOST_DAYS:] - total[: len(builds)]
    stop = int(np.flatnonzero((builds > 0) & (2 * held >= held.max()))[-1]) + 1
    return max(0, stop - _MOST_DAYS), stop


def _places(days: Days) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Column and row of each day; a history of more than 53 weeks is cut into equal lines."""
    monday = days - (days - np.datetime64("1969-12-29")) % _WEEK
    weekday = (days - monday).astype("int64")
    week = (monday - monday[0]).astype("int64") // 7
    lines = -(-(week[-1] + 1) // _MOST_WEEKS)
    line, column = np.divmod(week, -(-(week[-1] + 1) // lines))
    return column, weekday + _LINE * line


def _squares(ax: Axes, table: pd.DataFrame, column: NDArray[np.int64], row: NDArray[np.int64]) -> None:
    builds = table["builds"].to_numpy("float64")
    rate = table["rate"].to_numpy("float64")
    half = 0.46 * np.sqrt(np.maximum(builds / builds.max(), 0.06))
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])
    squares = np.column_stack([column, row])[:, None, :] + half[:, None, None] * corners
    bounds = np.array([limit for limit, _, _ in _CLASSES])
    known = (builds > 0) & ~np.isnan(rate)
    inks = to_rgba_array([ink for _, _, ink in _CLASSES])[np.searchsorted(bounds, rate[known])]
    ax.add_collection(PolyCollection(squares[known], facecolors=inks, linewidths=0, label="days"))
    nothing = (builds > 0) & np.isnan(rate)
    ax.add_collection(
        PolyCollection(
            squares[nothing],
            facecolors="white",
            edgecolors=_NOTHING,
            linewidths=0.6,
            hatch="//////",
            label="days without a result",
        )
    )
    handles = [Patch(facecolor=ink, label=name) for _, name, ink in _CLASSES]
    handles.append(
        Patch(facecolor="white", edgecolor=_NOTHING, hatch="//////", label="nothing finished or failed")
    )
    ax.legend(
        handles=handles,
        ncols=max(2, min(7, int(_style.inches(ax) / 1.1))),
        loc="upper left",
        bbox_to_anchor=(0, -0.01),
        frameon=False,
        fontsize=8,
        handlelength=1,
        handleheight=1,
        columnspacing=1.2,
        borderaxespad=0,
        labelcolor=_style.INK,
    )


def _labels(ax: Axes, days: Days, column: NDArray[np.int64], row: NDArray[np.int64]) -> None:
    ax.set_aspect("equal", anchor="W")
    ax.set_xlim(-0.7, max(column.max(), 15) + 0.7)
    ax.set_ylim(row.max() // _LINE * _LINE + 6.7, -1.7)
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0)
    ax.set_xticks([])
    starts = range(0, int(row.max()) + 1, _LINE)
    names = {0: "Mon", 2: "Wed", 4: "Fri", 6: "Sun"} if len(starts) == 1 else {0: "Mon", 6: "Sun"}
    ticks = [at + day for at in starts for day in names]
    ax.set_yticks(ticks, [*names.values()] * len(starts), fontsize=8, color=_style.SOFT)
    _months(ax, days, column, row)


def _months(ax: Axes, days: Days, column: NDArray[np.int64], row: NDArray[np.int64]) -> None:
    """Name each month above the first column that begins in it, with the year where that is new."""
    top = row % _LINE == 0
    months = days.astype("datetime64[M]")
    letter = 0.085 * (column.max() + 1) / _style.inches(ax)  # the width of one, in columns
    year, until = 0, (-1, 0.0)
    for place in np.flatnonzero(top | (np.arange(len(days)) == 0)):
        month, line, across = months[place].item(), int(row[place] // _LINE), int(column[place])
        is_new_line = line != until[0]
        if place and not is_new_line and months[place] == months[place - 7 if place >= 7 else 0]:
            continue
        if across < until[1] and not is_new_line:
            continue
        text = f"{month:%b}" if month.year == year and not is_new_line else f"{month:%b %Y}"
        ax.text(across - 0.45, line * _LINE - 0.75, text, fontsize=8, color=_style.SOFT, va="bottom")
        year, until = month.year, (line, across + len(text) * letter)
