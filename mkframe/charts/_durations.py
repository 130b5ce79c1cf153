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
from mkframe.charts._colors import COLORS, palette
from mkframe.charts._groups import MAX_ROWS, draw_lines, more_text, parts_of, per_text, row_names
from mkframe.charts._labels import builds_text, left_out_text, printable_text
from mkframe.charts._layout import most_rows
from mkframe.metrics._checks import status_of
from mkframe.metrics._durations import status_mask
from mkframe.metrics._formatting import count_text, duration_text
from mkframe.metrics._grouping import EVERY, Every, Length, length_of_period, local_times
from mkframe.metrics._history import LeftOut, history_of
from mkframe.metrics._streams import By, by_text

__all__ = ["MIN_BUILDS", "durations"]

MIN_BUILDS, MIN_BUILDS_P90, MIN_BUILDS_P95 = 5, 10, 20
"""Minimum of builds for which a median and band, p90 and p95 are drawn; below, single builds are drawn."""
_MAX_STATUSES = 4


@_style.explain_too_many_periods("How long builds take")
def durations(
    builds: pd.DataFrame,
    every: Every = "auto",
    by: By | None = None,
    tz: str = "UTC",
    statuses: Sequence[str] | None = ("FINISHED",),
    ax: Axes | None = None,
) -> Axes:
    """Draw how long builds took in each period, on a logarithmic axis.

    The line is the median and the band the middle half; above them are p90 and p95. A period with fewer than
    5 builds shows the single builds instead; p90 is drawn from 10 builds on and p95 from 20. The gray steps
    at the bottom are the number of builds. Without periods, as by default with `by`, each group is a row with
    its median, the middle half and p90. See `mkframe.metrics.durations` for what is counted and left out.

    Parameters
    ----------
    builds : DataFrame
        With `status`, `build_start`, `build_end` and `instances`.
    every : {"auto", "D", "W", "M", "Q"} or None, default "auto"
        Length of a period; None is the whole time. By default the whole time with `by`, else as
        `mkframe.metrics.suggest_period` suggests.
    by : {"pattern", "release", "project", "user", "pattern_set"}, or two of them, optional
        Compare groups; over periods the medians of the six groups with most builds.
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
    builds, left_out = history_of(builds, ["build_start"])
    length = length_of_period(builds, every, by)
    table = metrics.durations(builds, length, None, tz, statuses)
    groups = metrics.durations(builds, length, by, tz, statuses)
    rows = metrics.completed_builds(builds, statuses)
    groups = groups[groups["n"] > 0] if length is None else groups
    edges = np.zeros(0) if length is None else _style.axis_edges(table, length)
    ax = _style.open_axes(
        ax, height=1.9 + 0.28 * min(max(len(groups), 3), MAX_ROWS) if length is None else 4.6
    )
    noun = builds_text(statuses)
    title = f"How long {noun} take{per_text(by)}"
    missing = _missing_text(builds, statuses, left_out)
    if not len(rows):
        return _style.show_message(ax, title, f"There are no {noun} to measure. {missing}")
    text = f"{count_text(len(rows), noun[:-1])}, median {duration_text(rows['seconds'].median())}."
    if length is None:
        text += f" {_draw_rows(ax, groups, by)}"
        _style.set_heading(ax, title, text, missing)
        return ax
    if by is None:
        text += f" {_draw_quantiles(ax, table, rows, edges, length, tz)}"
        _style.draw_counts(ax, edges, table["n"], f"builds per {EVERY[length]}")
    else:
        text += f" {_draw_medians(ax, groups, edges, by)}"
    _style.format_date_axis(ax, edges, length, tz)
    _style.set_heading(ax, title, text, missing)
    _style.label_axis(ax, "y", "duration, logarithmic")
    return ax


def _missing_text(builds: pd.DataFrame, statuses: Sequence[str] | None, left_out: LeftOut) -> str:
    started = status_of(builds)[builds["build_start"].notna().to_numpy(bool)]
    counts = started.value_counts()
    others = counts.drop(["BUILDING", *(counts.index if statuses is None else statuses)], errors="ignore")
    return left_out_text(
        (int((started == "BUILDING").sum()), "running"),
        *((int(n), printable_text(status, 24).lower()) for status, n in others[:_MAX_STATUSES].items()),
        (int(others[_MAX_STATUSES:].sum()), "with another status"),
        (int(started.isna().sum()) if statuses is not None else 0, "without a status"),
        (_count_unmeasured(builds, statuses), "without an end or with an end before the start"),
        (left_out.without_start, "without a start"),
        left_out=left_out,
    )


def _draw_quantiles(
    ax: Axes, table: pd.DataFrame, rows: pd.DataFrame, edges: NDArray[np.float64], every: Length, tz: str
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
    band: dict[str, Any] = {"color": palette(ax).weak(COLORS["FINISHED"]), "linewidth": 0}
    ax.fill_between(middle, line["p25"], line["p75"], label="p25 to p75", **band)
    size = 4 if len(n) <= 60 else 2
    dark = palette(ax).strong(COLORS["FINISHED"])
    ends = []
    for name, width, linestyle, color in (
        ("p50", 2, "-", dark),
        ("p90", 1, "-", palette(ax).text),
        ("p95", 1, (0, (3, 2)), palette(ax).muted),
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
    ax.plot(x[is_single], seconds, linestyle="", color=dark, label="single builds", **circles)
    _style.format_duration_axis(ax, np.concatenate([*line.values(), seconds]), space=0.16)
    _style.label_line_ends(ax, ends)
    text = "Shaded: the middle half. " if ends else ""
    if is_single.any():
        text += f"Open circles: single builds, where a {EVERY[every]} has fewer than {MIN_BUILDS}."
    return text


def _count_unmeasured(builds: pd.DataFrame, statuses: Sequence[str] | None) -> int:
    """Count the builds of some statuses that have a start, but no duration."""
    has_start = builds["build_start"].notna().to_numpy(bool)
    is_measured = (metrics.duration(builds) >= pd.Timedelta(0)).to_numpy(bool)
    return int((status_mask(builds, statuses) & has_start & ~is_measured).sum())


def _draw_rows(ax: Axes, table: pd.DataFrame, by: By | None) -> str:
    """Draw a row for each group, and return a sentence that explains them."""
    is_enough = table["n"] >= MIN_BUILDS
    ranking = table.assign(is_enough=is_enough).sort_values(
        ["is_enough", "p50"], ascending=False, kind="stable"
    )
    top = ranking.head(most_rows(ax, MAX_ROWS))
    rows = np.arange(len(top), dtype="float64")
    low, median, high, slow = (
        np.maximum(top[name].to_numpy("float64"), _style.MIN_SECONDS) for name in ("p25", "p50", "p75", "p90")
    )
    style: dict[str, Any] = {"color": palette(ax).weak(COLORS["FINISHED"]), "linewidth": 6}
    ax.hlines(rows, low, high, label="p25 to p75", **style)
    ax.plot(slow, rows, linestyle="", color=palette(ax).text, marker="|", markersize=9, label="p90")
    dark = palette(ax).strong(COLORS["FINISHED"])
    solid = top["is_enough"].to_numpy(bool)
    for mask, face in ((solid, dark), (~solid, palette(ax).ground)):
        marker: dict[str, Any] = {"marker": "o", "markersize": 6, "markerfacecolor": face}
        ax.plot(median[mask], rows[mask], linestyle="", color=dark, label="p50", **marker)
    _style.format_duration_axis(ax, np.concatenate([low, slow]), axis="x")
    notes = [f"{duration_text(s)}, {count_text(n, 'build')}" for s, n in zip(median, top["n"], strict=True)]
    _style.set_row_labels(ax, rows, row_names(top.index, by), notes)
    _style.label_axis(ax, "x", "duration, logarithmic")
    few = f" Open and last: fewer than {MIN_BUILDS} builds." if not solid.all() else ""
    rest = more_text(len(ranking) - len(top), by, "with shorter medians or fewer builds")
    return f"At the left: the median. Shaded: the middle half; line: p90.{few}{rest}"


def _draw_medians(ax: Axes, table: pd.DataFrame, edges: NDArray[np.float64], by: By) -> str:
    """Draw a line for each of the largest groups, and return a sentence on the groups that are not drawn."""
    parts = parts_of(table, by, ["n"])
    medians, ends = draw_lines(ax, parts, edges, "p50", count="n", least=MIN_BUILDS, floor=_style.MIN_SECONDS)
    _style.format_duration_axis(ax, medians, space=0.02)
    _style.label_line_ends(ax, ends)
    rest = more_text(len(parts) - len(ends), by, "with as many or fewer builds")
    return f"Medians per {by_text(by)}, with the number of builds; open where fewer than {MIN_BUILDS}.{rest}"
