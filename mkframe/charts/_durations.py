"""How long builds take, period by period."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from numpy.typing import NDArray

from mkframe import metrics
from mkframe.charts import _style
from mkframe.charts._labels import left_out, noun, printable
from mkframe.metrics._checks import status_of
from mkframe.metrics._formatting import count_text, duration_text
from mkframe.metrics._grouping import EVERY, By, Every, local_times

__all__ = ["FEWEST", "durations"]

FEWEST, FEWEST_P90, FEWEST_P95 = 5, 10, 20
"""Builds a period needs for a median and band, for p90 and for p95; below, single builds are drawn."""
_GROUPS = (
    ("#0072B2", "o"),
    ("#D55E00", "s"),
    ("#009E73", "^"),
    ("#A64D79", "D"),
    ("#A87400", "v"),
    ("#222222", "P"),
)
_MOST_WORDS = 4


@_style.says_if_far_apart("How long builds take")
def durations(
    builds: pd.DataFrame,
    every: Every = "W",
    by: By | None = None,
    tz: str = "UTC",
    statuses: Sequence[str] | None = ("FINISHED",),
    ax: Axes | None = None,
) -> Axes:
    """Draw how long builds took in each period, on a logarithmic axis.

    The line is the median, the band the middle half, above them p90 and p95. A period with fewer than 5
    builds shows the single builds instead, p90 is drawn from 10 and p95 from 20 builds. The grey steps below
    are the number of builds. See `mkframe.metrics.durations` for what is counted and left out.

    Parameters
    ----------
    builds : DataFrame
        With `status`, `build_start`, `build_end` and `instances`.
    every : {"D", "W", "M", "Q"}, default "W"
        Length of a period.
    by : {"pattern", "release", "project", "user"}, optional
        Draw the medians of the six groups with most builds instead.
    tz : str, default "UTC"
        Zone in which days are cut.
    statuses : sequence of str or None, default ("FINISHED",)
        Whose durations are drawn; None draws every build that has ended.
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
    >>> builds = pd.DataFrame({"status": "FINISHED", "build_start": start, "instances": [3],
    ...                        "build_end": start + pd.Timedelta("90s")})
    >>> durations(builds, ax=Figure().subplots()).get_title(loc="left")
    'How long finished builds take'
    """
    table = metrics.durations(builds, every, None, tz, statuses)
    limits = _style.bounds(table, every)
    groups = metrics.durations(builds, every, by, tz, statuses) if by else None
    rows = metrics.completed_builds(builds, statuses)
    rows = rows[rows["build_start"].notna()]
    ax = _style.open_axes(ax)
    what = noun(statuses)
    title = f"How long {what} take" + (f", per {by}" if by else "")
    missing = _left_out(builds, table, statuses)
    if not len(rows):
        return _style.say(ax, title, f"There are no {what} to measure. {missing}")
    said = f"{count_text(len(rows), what[:-1])}, median {duration_text(rows['seconds'].median())}."
    if groups is None or by is None:
        drawn = _quantile_lines(ax, table, rows, limits, every, tz)
        said += f" {drawn}"
        _style.strip(ax, limits, table["n"], f"builds per {EVERY[every]}")
    else:
        said += f" {_group_lines(ax, groups, limits, by)}"
    _style.date_axis(ax, limits, every, tz)
    _style.heading(ax, title, said, missing)
    ax.set_ylabel("duration, logarithmic", fontsize=9, color=_style.SOFT)
    return ax


def _left_out(builds: pd.DataFrame, table: pd.DataFrame, statuses: Sequence[str] | None) -> str:
    started = status_of(builds)[builds["build_start"].notna().to_numpy(bool)]
    words = started.value_counts()
    others = words.drop(["BUILDING", *(words.index if statuses is None else statuses)], errors="ignore")
    return left_out(
        (int(table["running"].sum()), "running"),
        *((int(number), printable(word, 24).lower()) for word, number in others[:_MOST_WORDS].items()),
        (int(others[_MOST_WORDS:].sum()), "with another status"),
        (int(started.isna().sum()) if statuses is not None else 0, "without a status"),
        (int(table["excluded"].sum()), "without an end or with an end before the start"),
        (int(builds["build_start"].isna().sum()), "without a start"),
    )


def _quantile_lines(
    ax: Axes, table: pd.DataFrame, rows: pd.DataFrame, limits: NDArray[np.float64], every: Every, tz: str
) -> str:
    n = table["n"].to_numpy()
    middle = (limits[:-1] + limits[1:]) / 2
    least = {"p25": FEWEST, "p50": FEWEST, "p75": FEWEST, "p90": FEWEST_P90, "p95": FEWEST_P95}
    line = {
        name: np.where(n >= few, np.maximum(table[name], _style.SHORTEST), np.nan)
        for name, few in least.items()
    }
    ax.fill_between(
        middle,
        line["p25"],
        line["p75"],
        color=_style.COLORS["FINISHED"],
        alpha=0.22,
        linewidth=0,
        label="p25 to p75",
    )
    size = 4 if len(n) <= 60 else 2
    ends = []
    for name, width, style, ink in (
        ("p50", 2, "-", "#00507E"),
        ("p90", 1, "-", _style.INK),
        ("p95", 1, (0, (3, 2)), _style.SOFT),
    ):
        ax.plot(
            middle,
            line[name],
            linewidth=width,
            linestyle=style,
            color=ink,
            marker="o",
            markersize=size if name == "p50" else size / 2,
            label=name,
        )
        known = line[name][~np.isnan(line[name])]
        if len(known):
            ends.append((known[-1], "p50, median" if name == "p50" else name, ink))
    singles = _singles(rows, n, limits, tz)
    x, seconds = singles
    ax.plot(
        x,
        seconds,
        linestyle="",
        marker="o",
        markersize=4,
        markerfacecolor="none",
        color="#00507E",
        label="single builds",
    )
    drawn = [*(line[name] for name in least), seconds]
    _style.duration_axis(ax, np.concatenate(drawn), room=0.16)
    _style.label_ends(ax, ends)
    band = "Shaded: the middle half. " if ends else ""
    return band + (
        f"Open circles: single builds, where a {EVERY[every]} has fewer than {FEWEST}." if len(x) else ""
    )


def _singles(
    rows: pd.DataFrame, n: NDArray[np.int64], limits: NDArray[np.float64], tz: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    x = _style.date_numbers(local_times(rows["build_start"], tz))
    few = n[np.searchsorted(limits, x, side="right") - 1] < FEWEST
    return x[few], np.maximum(rows["seconds"].to_numpy("float64")[few], _style.SHORTEST)


def _group_lines(ax: Axes, table: pd.DataFrame, limits: NDArray[np.float64], by: By) -> str:
    middle = (limits[:-1] + limits[1:]) / 2
    total = table["n"].groupby(level=by).sum().sort_values(ascending=False, kind="stable")
    total = total[total > 0]
    ends, drawn = [], []
    for (ink, marker), group in zip(_GROUPS, total.index, strict=False):
        part = table.xs(group, level=by)
        line = np.where(part["n"] >= FEWEST, np.maximum(part["p50"], _style.SHORTEST), np.nan)
        small = np.where(
            (part["n"] > 0) & (part["n"] < FEWEST), np.maximum(part["p50"], _style.SHORTEST), np.nan
        )
        name = printable(group, 28)
        ax.plot(
            middle,
            line,
            color=ink,
            marker=marker,
            markersize=4,
            linewidth=1.4,
            label=f"{name} ({count_text(int(total[group]))})",
        )
        ax.plot(
            middle,
            small,
            color=ink,
            marker=marker,
            markersize=3.5,
            linestyle="",
            markerfacecolor="none",
            alpha=0.6,
        )
        both = np.where(np.isnan(line), small, line)
        drawn.append(both)
        ends.append((both[~np.isnan(both)][-1], f"{name} ({count_text(int(total[group]))})", ink))
    _style.duration_axis(ax, np.concatenate(drawn), room=0.02)
    _style.label_ends(ax, ends)
    more = len(total) - len(drawn)
    rest = f" {count_text(more, f'more {by}')} with as many or fewer builds not drawn." if more > 0 else ""
    return f"Medians per {by}, with the number of builds; open where fewer than {FEWEST}.{rest}"
