"""The median duration of each period, with what running builds leave open."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.markers import CARETUPBASE
from numpy.typing import NDArray

from mkframe import metrics
from mkframe.charts import _style
from mkframe.charts._labels import left_out_text, printable_text
from mkframe.metrics._checks import check_choice
from mkframe.metrics._formatting import count_text
from mkframe.metrics._grouping import BY, EVERY, By, Every

__all__ = ["median_duration"]


@_style.explain_too_many_periods("Median duration")
def median_duration(
    builds: pd.DataFrame,
    *,
    every: Every = "W",
    by: By | None = None,
    now: str | datetime | None = None,
    tz: str = "UTC",
    ax: Axes | None = None,
) -> Axes:
    """Draw the median duration of each period, with the range that running builds leave open.

    A bar reaches from the lower to the upper bound of the median; where half or more of the builds still
    run there is no upper one, and an arrow begins at the lower. With `by`, the six groups with most builds
    have a line each. See `mkframe.metrics.median_duration`.

    Parameters
    ----------
    builds : DataFrame
        As in `mkframe.metrics.median_duration`.
    every : {"D", "W", "M", "Q"}, default "W"
        Length of a period.
    by : {"pattern", "release", "project", "user"}, optional
        A line for each group.
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
    >>> median_duration(builds, ax=Figure().subplots()).get_title(loc="left")
    'Median duration per week'
    """
    check_choice("every", every, list(EVERY))
    check_choice("by", by, [*BY, None])
    table = metrics.median_duration(builds, every=every, by=by, now=now, tz=tz)
    missing = left_out_text((int(builds["build_start"].isna().sum()), "without a start"))
    title = f"Median duration per {EVERY[every]}"
    groups = _groups(table, by)
    counted = (table["finished"] + table["running"]).to_numpy()
    limits = _style.axis_edges(groups[0][1], every) if groups else np.zeros(0)
    ax = _style.open_axes(ax)
    if not counted.any():
        return _style.show_message(
            ax, title, f"There are no finished or running builds with a start. {missing}"
        )
    middle = (limits[:-1] + limits[1:]) / 2
    shown = groups[: len(_style.GROUP_STYLES)]
    for line, (name, part) in enumerate(shown):
        _draw(ax, part, middle, name, line)
    drawn = pd.concat([part for _, part in shown])
    ends = drawn[["low", "median", "high"]].to_numpy("float64")
    _style.format_duration_axis(ax, ends[np.isfinite(ends)])
    _style.format_date_axis(ax, limits, every, tz)
    if by is not None:
        legend = ax.legend(frameon=False, fontsize=9, labelcolor=_style.TEXT_COLOR)
        for text in legend.get_texts():
            text.set_parse_math(False)
    running = int(table["running"].sum()) if by is None else int((builds["status"] == "BUILDING").sum())
    more = len(groups) - len(shown)
    rest = f" {count_text(more, f'more {by}')} with fewer builds not drawn." if more else ""
    sentence = (
        f"Finished builds and {count_text(running, 'running one')}. Bars: what running builds leave open; "
        f"arrows: half or more still run.{rest}"
    )
    _style.set_heading(ax, title, sentence, missing)
    return ax


def _groups(table: pd.DataFrame, by: By | None) -> list[tuple[str, pd.DataFrame]]:
    """Give the table of each group, that with most builds first."""
    if by is None:
        return [("", table)] if len(table) else []
    parts = [(str(name), part.droplevel(by)) for name, part in table.groupby(level=by, sort=False)]
    many = {name: int(part[["finished", "running"]].to_numpy().sum()) for name, part in parts}
    return sorted((pair for pair in parts if many[pair[0]]), key=lambda pair: -many[pair[0]])


def _draw(ax: Axes, part: pd.DataFrame, middle: NDArray[np.float64], name: str, line: int) -> None:
    low, median, high = (part[column].to_numpy("float64") for column in ("low", "median", "high"))
    low = np.maximum(low, _style.MIN_SECONDS)
    ink, marker = _style.GROUP_STYLES[line]
    closed = np.isfinite(high) & (part["running"].to_numpy() > 0)
    ax.vlines(
        middle[closed], low[closed], np.maximum(high[closed], low[closed]), color=ink, alpha=0.4, linewidth=5
    )
    label = f"{printable_text(name, 30)} ({int(part['finished'].sum()):,})" if name else "median"
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
