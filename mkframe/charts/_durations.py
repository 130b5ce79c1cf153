"""Chart of durations: quantiles per period, or medians per group."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from numpy.typing import NDArray

from mkframe import metrics
from mkframe.charts import _style
from mkframe.charts._labels import builds_text, left_out_text, printable_text
from mkframe.metrics._checks import status_of
from mkframe.metrics._formatting import count_text, duration_text
from mkframe.metrics._grouping import EVERY, By, Every, local_times

__all__ = ["MIN_BUILDS", "durations"]

MIN_BUILDS, MIN_BUILDS_P90, MIN_BUILDS_P95 = 5, 10, 20
"""Minimum of builds for which a median and band, p90 and p95 are drawn; below, single builds are drawn."""
_MEDIAN_COLOR = "#00507E"
_MAX_STATUSES = 4


@_style.explain_too_many_periods("How long builds take")
def durations(
    builds: pd.DataFrame,
    every: Every = "W",
    by: By | None = None,
    tz: str = "UTC",
    statuses: Sequence[str] | None = ("FINISHED",),
    ax: Axes | None = None,
) -> Axes:
    """Draw how long builds took in each period, on a logarithmic axis.

    The line is the median and the band the middle half; above them are p90 and p95. A period with fewer than
    5 builds shows the single builds instead; p90 is drawn from 10 builds on and p95 from 20. The gray steps
    at the bottom are the number of builds. See `mkframe.metrics.durations` for what is counted and left out.

    Parameters
    ----------
    builds : DataFrame
        With `status`, `build_start`, `build_end` and `instances`.
    every : {"D", "W", "M", "Q"}, default "W"
        Length of a period.
    by : {"pattern", "release", "project", "user"}, optional
        Draw the medians of the six groups with most builds instead.
    tz : str, default "UTC"
        Time zone in which days begin and end.
    statuses : sequence of str or None, default ("FINISHED",)
        Statuses of the builds to draw; None draws every build that has ended.
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
    >>> builds = pd.DataFrame({"status": "FINISHED", "build_start": start, "instances": [3],
    ...                        "build_end": start + pd.Timedelta("90s")})
    >>> durations(builds, ax=Figure().subplots()).get_title(loc="left")
    'How long finished builds take'
    """
    table = metrics.durations(builds, every, None, tz, statuses)
    edges = _style.axis_edges(table, every)
    groups = metrics.durations(builds, every, by, tz, statuses) if by else None
    rows = metrics.completed_builds(builds, statuses)
    rows = rows[rows["build_start"].notna()]
    ax = _style.open_axes(ax)
    noun = builds_text(statuses)
    title = f"How long {noun} take" + (f", per {by}" if by else "")
    missing = _missing_text(builds, table, statuses)
    if not len(rows):
        return _style.show_message(ax, title, f"There are no {noun} to measure. {missing}")
    text = f"{count_text(len(rows), noun[:-1])}, median {duration_text(rows['seconds'].median())}."
    if groups is None or by is None:
        text += f" {_draw_quantiles(ax, table, rows, edges, every, tz)}"
        _style.draw_counts(ax, edges, table["n"], f"builds per {EVERY[every]}")
    else:
        text += f" {_draw_medians(ax, groups, edges, by)}"
    _style.format_date_axis(ax, edges, every, tz)
    _style.set_heading(ax, title, text, missing)
    ax.set_ylabel("duration, logarithmic", fontsize=9, color=_style.MUTED_COLOR)
    return ax


def _missing_text(builds: pd.DataFrame, table: pd.DataFrame, statuses: Sequence[str] | None) -> str:
    started = status_of(builds)[builds["build_start"].notna().to_numpy(bool)]
    counts = started.value_counts()
    others = counts.drop(["BUILDING", *(counts.index if statuses is None else statuses)], errors="ignore")
    return left_out_text(
        (int(table["running"].sum()), "running"),
        *((int(n), printable_text(status, 24).lower()) for status, n in others[:_MAX_STATUSES].items()),
        (int(others[_MAX_STATUSES:].sum()), "with another status"),
        (int(started.isna().sum()) if statuses is not None else 0, "without a status"),
        (int(table["excluded"].sum()), "without an end or with an end before the start"),
        (int(builds["build_start"].isna().sum()), "without a start"),
    )


def _draw_quantiles(
    ax: Axes, table: pd.DataFrame, rows: pd.DataFrame, edges: NDArray[np.float64], every: Every, tz: str
) -> str:
    """Draw band, lines and single builds of all periods, and return a sentence that explains them."""
    n = table["n"].to_numpy()
    middle = (edges[:-1] + edges[1:]) / 2
    min_builds = dict.fromkeys(("p25", "p50", "p75"), MIN_BUILDS)
    min_builds |= {"p90": MIN_BUILDS_P90, "p95": MIN_BUILDS_P95}
    line = {
        name: np.where(n >= minimum, np.maximum(table[name], _style.MIN_SECONDS), np.nan)
        for name, minimum in min_builds.items()
    }
    band: dict[str, Any] = {"color": _style.COLORS["FINISHED"], "alpha": 0.22, "linewidth": 0}
    ax.fill_between(middle, line["p25"], line["p75"], label="p25 to p75", **band)
    size = 4 if len(n) <= 60 else 2
    ends = []
    for name, width, linestyle, color in (
        ("p50", 2, "-", _MEDIAN_COLOR),
        ("p90", 1, "-", _style.TEXT_COLOR),
        ("p95", 1, (0, (3, 2)), _style.MUTED_COLOR),
    ):
        ax.plot(
            middle,
            line[name],
            linewidth=width,
            linestyle=linestyle,
            color=color,
            marker="o",
            markersize=size if name == "p50" else size / 2,
            label=name,
        )
        known = line[name][~np.isnan(line[name])]
        if len(known):
            ends.append((known[-1], "p50, median" if name == "p50" else name, color))
    x = _style.date_numbers(local_times(rows["build_start"], tz))
    is_single = n[np.searchsorted(edges, x, side="right") - 1] < MIN_BUILDS
    seconds = np.maximum(rows["seconds"].to_numpy("float64")[is_single], _style.MIN_SECONDS)
    circles: dict[str, Any] = {"marker": "o", "markersize": 4, "markerfacecolor": "none"}
    ax.plot(x[is_single], seconds, linestyle="", color=_MEDIAN_COLOR, label="single builds", **circles)
    _style.format_duration_axis(ax, np.concatenate([*line.values(), seconds]), space=0.16)
    _style.label_line_ends(ax, ends)
    text = "Shaded: the middle half. " if ends else ""
    if is_single.any():
        text += f"Open circles: single builds, where a {EVERY[every]} has fewer than {MIN_BUILDS}."
    return text


def _draw_medians(ax: Axes, table: pd.DataFrame, edges: NDArray[np.float64], by: By) -> str:
    """Draw a line for each of the largest groups, and return a sentence on the groups that are not drawn."""
    middle = (edges[:-1] + edges[1:]) / 2
    total = table["n"].groupby(level=by).sum().sort_values(ascending=False, kind="stable")
    total = total[total > 0]
    ends, medians = [], []
    for (color, marker), group in zip(_style.GROUP_STYLES, total.index, strict=False):
        part = table.xs(group, level=by)
        n, median = part["n"], np.maximum(part["p50"], _style.MIN_SECONDS)
        line = np.where(n >= MIN_BUILDS, median, np.nan)
        small = np.where((n > 0) & (n < MIN_BUILDS), median, np.nan)
        label = f"{printable_text(group, 28)} ({count_text(int(total[group]))})"
        style: dict[str, Any] = {"color": color, "marker": marker}
        ax.plot(middle, line, markersize=4, linewidth=1.4, label=label, **style)
        style |= {"markersize": 3.5, "markerfacecolor": "none", "alpha": 0.6}
        ax.plot(middle, small, linestyle="", **style)
        both = np.where(np.isnan(line), small, line)
        medians.append(both)
        ends.append((both[~np.isnan(both)][-1], label, color))
    _style.format_duration_axis(ax, np.concatenate(medians), space=0.02)
    _style.label_line_ends(ax, ends)
    more = len(total) - len(medians)
    rest = f" {count_text(more, f'more {by}')} with as many or fewer builds not drawn." if more > 0 else ""
    return f"Medians per {by}, with the number of builds; open where fewer than {MIN_BUILDS}.{rest}"
