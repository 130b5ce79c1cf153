"""How often builds fail."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, PercentFormatter
from numpy.typing import NDArray

from mkframe import metrics
from mkframe.charts import _style
from mkframe.charts._labels import left_out, printable
from mkframe.metrics._checks import check_choice
from mkframe.metrics._formatting import count_text, percent_text
from mkframe.metrics._grouping import EVERY, By, Every
from mkframe.metrics._outcomes import Canceled

__all__ = ["failure_rate"]

_MOST_GROUPS = 25
_FAILED = _style.COLORS["FAILED"]
_DIVISION = {
    "exclude": "failed / (finished + failed)",
    "count": "failed / (finished + failed + canceled)",
}


@_style.says_if_far_apart("Failure rate")
def failure_rate(
    builds: pd.DataFrame,
    every: Every = "W",
    canceled: Canceled = "exclude",
    by: By | None = None,
    tz: str = "UTC",
    ax: Axes | None = None,
) -> Axes:
    """Draw the share of failed builds in each period, with 95 % intervals and the number it rests on.

    The axis says what was divided by what; see `mkframe.metrics.failure_rate`. With `by`, the groups stand
    below each other, each over the whole history, ordered by the lower bound of the interval: a group is
    not called bad because of one unlucky build.

    Parameters
    ----------
    builds : DataFrame
        With `status` and `build_start`.
    every : {"D", "W", "M", "Q"}, default "W"
        Length of a period; has no part in a chart by groups.
    canceled : {"exclude", "count"}, default "exclude"
        Whether cancelled builds are part of the denominator.
    by : {"pattern", "release", "project", "user"}, optional
        Compare groups instead of periods.
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
    >>> builds = pd.DataFrame({"status": ["FAILED"], "build_start": start})
    >>> failure_rate(builds, ax=Figure().subplots()).get_ylabel()
    'failed / (finished + failed)'
    """
    check_choice("every", every, list(EVERY))
    table = metrics.failure_rate(builds, None if by else every, canceled, by, tz)
    total = metrics.failure_rate(builds, None, canceled, tz=tz)
    table = table[table["n"] > 0] if by else table
    limits = np.zeros(0) if by else _style.bounds(table, every)
    ax = _style.open_axes(ax, height=1.9 + 0.28 * min(len(table), _MOST_GROUPS) if by else 4.6)
    title = f"Failure rate per {by or EVERY[every]}"
    without_start = int(builds["build_start"].isna().sum())
    missing = _not_counted(total, canceled, 0 if by else without_start)
    if not total["n"].sum() or not table["n"].sum():
        ended = "finished or failed" if canceled == "exclude" else "finished, failed or been cancelled"
        which = "No build that has a start" if total["n"].sum() else "No build"
        return _style.say(ax, title, f"{which} has {ended}, so there is no failure rate. {missing}")
    said = _overall(total.iloc[0], canceled)
    if by:
        said += _rate_rows(ax, table, by, float(total["rate"].iloc[0]))
        ax.set_xlabel(_DIVISION[canceled], fontsize=9, color=_style.SOFT)
    else:
        _rate_line(ax, table, limits, float(total["rate"].iloc[0]), every)
        _style.date_axis(ax, limits, every, tz)
        ax.set_ylabel(_DIVISION[canceled], fontsize=9, color=_style.SOFT)
    _style.heading(ax, title, said, missing)
    return ax


def _overall(total: pd.Series[float], canceled: Canceled) -> str:
    over = "finished + failed" if canceled == "exclude" else "finished + failed + canceled"
    return (
        f"{percent_text(total['rate'])} of all: {count_text(int(total['failed']))} failed of "
        f"{count_text(int(total['n']))} {over} "
        f"(95 % interval {100 * total['low']:.1f}–{100 * total['high']:.1f} %)."
    )


def _not_counted(total: pd.DataFrame, canceled: Canceled, without_start: int) -> str:
    sums = total.sum()
    return left_out(
        (int(sums["canceled"]) if canceled == "exclude" else 0, "canceled"),
        (int(sums["running"]), "running"),
        (int(sums["other"]), "with another status"),
        (without_start, "without a start, from the periods"),
    )


def _rate_line(
    ax: Axes, table: pd.DataFrame, limits: NDArray[np.float64], overall: float, every: Every
) -> None:
    middle = (limits[:-1] + limits[1:]) / 2
    low, rate, high = (table[name].to_numpy("float64") for name in ("low", "rate", "high"))
    width = min(6, 300 / len(table))
    ax.vlines(middle, low, high, color=_FAILED, alpha=0.35, linewidth=width, label="95 % interval")
    ax.plot(middle, rate, color=_FAILED, linewidth=1.2, **_point(5.5 if len(table) <= 60 else 3))
    ax.axhline(overall, **_style.REFERENCE, label="overall")
    top = min(1.0, float(np.nanmax(high)) * 1.05)
    ticks = np.asarray(MaxNLocator(5, steps=[1, 2, 5, 10]).tick_values(0, top))
    ax.set_ylim(-0.2 * top, top * 1.02)
    ax.set_yticks(ticks[(ticks >= 0) & (ticks <= top * 1.001)])
    ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0 if top > 0.1 else 1, symbol=" %"))
    _style.grid(ax, "y")
    _style.strip(ax, limits, table["n"], f"denominator per {EVERY[every]}")
    _style.label_ends(ax, [(overall, f"overall {percent_text(overall)}", _style.INK)])


def _rate_rows(ax: Axes, table: pd.DataFrame, by: By, overall: float) -> str:
    ranked = table.sort_values(["low", "rate"], ascending=False, kind="stable")
    shown = ranked.head(_MOST_GROUPS)
    rows = np.arange(len(shown), dtype="float64")
    ax.hlines(
        rows,
        shown["low"],
        shown["high"],
        color=_FAILED,
        alpha=0.35,
        linewidth=6,
        label="95 % interval",
    )
    ax.plot(shown["rate"], rows, color=_FAILED, linestyle="", **_point(6))
    ax.axvline(overall, **_style.REFERENCE, label="overall")
    names = [printable(name, 32) for name in shown.index.get_level_values(by)]
    shares = zip(names, shown["failed"], shown["n"], strict=True)
    _style.label_rows(ax, rows, [f"{name}   {failed:,} of {n:,}" for name, failed, n in shares])
    ax.set_xlim(0, min(1.01, float(shown["high"].max()) * 1.08))
    ax.xaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
    _style.grid(ax, "x")
    more = len(ranked) - len(shown)
    rest = f" {count_text(more, f'more {by}')} with lower bounds not above these not drawn." if more else ""
    return f" Dashed: all together. Ordered by the lower bound of the interval.{rest}"


def _point(size: float) -> dict[str, Any]:
    return {
        "marker": _style.MARKERS["FAILED"],
        "markersize": size,
        "markeredgewidth": 0,
        "label": "failure rate",
    }
