"""Chart of the failure rate: per period as points with intervals, or per group as rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, PercentFormatter
from numpy.typing import NDArray

from mkframe import metrics
from mkframe.charts import _style
from mkframe.charts._labels import left_out_text, printable_text
from mkframe.metrics._checks import check_choice
from mkframe.metrics._formatting import count_text, percent_text
from mkframe.metrics._grouping import EVERY, By, Every
from mkframe.metrics._outcomes import Canceled

__all__ = ["failure_rate"]

_MAX_GROUPS = 25
_FAILED_COLOR = _style.COLORS["FAILED"]
_DENOMINATORS = {"exclude": "finished + failed", "count": "finished + failed + canceled"}


@_style.explain_too_many_periods("Failure rate")
def failure_rate(
    builds: pd.DataFrame,
    every: Every = "W",
    canceled: Canceled = "exclude",
    by: By | None = None,
    tz: str = "UTC",
    ax: Axes | None = None,
) -> Axes:
    """Draw the share of failed builds in each period, with 95 % intervals and its denominator.

    The label of the axis names numerator and denominator; see `mkframe.metrics.failure_rate`. With `by`, each
    group is a row that covers the whole history. Rows are ordered by the lower bound of the interval, so that
    a single failed build does not put a group at the top.

    Parameters
    ----------
    builds : DataFrame
        With `status` and `build_start`.
    every : {"D", "W", "M", "Q"}, default "W"
        Length of a period; not used with `by`.
    canceled : {"exclude", "count"}, default "exclude"
        Whether canceled builds are part of the denominator.
    by : {"pattern", "release", "project", "user"}, optional
        Compare groups instead of periods.
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
        If a column is missing or an argument is invalid.

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
    edges = np.zeros(0) if by else _style.axis_edges(table, every)
    ax = _style.open_axes(ax, height=1.9 + 0.28 * min(len(table), _MAX_GROUPS) if by else 4.6)
    title = f"Failure rate per {by or EVERY[every]}"
    without_start = int(builds["build_start"].isna().sum())
    sums = total.sum()
    missing = left_out_text(
        (int(sums["canceled"]) if canceled == "exclude" else 0, "canceled"),
        (int(sums["running"]), "running"),
        (int(sums["other"]), "with another status"),
        (0 if by else without_start, "without a start, from the periods"),
    )
    if not sums["n"] or not table["n"].sum():
        results = "finished or failed" if canceled == "exclude" else "finished, failed or been canceled"
        subject = "No build that has a start" if sums["n"] else "No build"
        message = f"{subject} has {results}, so there is no failure rate. {missing}"
        return _style.show_message(ax, title, message)
    text = _overall_text(total.iloc[0], canceled)
    overall = float(total["rate"].iloc[0])
    if by:
        text += _draw_groups(ax, table, by, overall)
        ax.set_xlabel(f"failed / ({_DENOMINATORS[canceled]})", fontsize=9, color=_style.MUTED_COLOR)
    else:
        _draw_periods(ax, table, edges, overall, every)
        _style.format_date_axis(ax, edges, every, tz)
        ax.set_ylabel(f"failed / ({_DENOMINATORS[canceled]})", fontsize=9, color=_style.MUTED_COLOR)
    _style.set_heading(ax, title, text, missing)
    return ax


def _overall_text(total: pd.Series[float], canceled: Canceled) -> str:
    return (
        f"{percent_text(total['rate'])} of all: {count_text(int(total['failed']))} failed of "
        f"{count_text(int(total['n']))} {_DENOMINATORS[canceled]} "
        f"(95 % interval {100 * total['low']:.1f}–{100 * total['high']:.1f} %)."
    )


def _draw_periods(
    ax: Axes, table: pd.DataFrame, edges: NDArray[np.float64], overall: float, every: Every
) -> None:
    middle = (edges[:-1] + edges[1:]) / 2
    low, rate, high = (table[name].to_numpy("float64") for name in ("low", "rate", "high"))
    width = min(6, 300 / len(table))
    ax.vlines(middle, low, high, color=_FAILED_COLOR, alpha=0.35, linewidth=width, label="95 % interval")
    ax.plot(middle, rate, linewidth=1.2, **_rate_style(5.5 if len(table) <= 60 else 3))
    ax.axhline(overall, **_style.REFERENCE_LINE, label="overall")
    top = min(1.0, float(np.nanmax(high)) * 1.05)
    ticks = np.asarray(MaxNLocator(5, steps=[1, 2, 5, 10]).tick_values(0, top))
    ax.set_ylim(-0.2 * top, top * 1.02)  # the denominators are drawn below 0
    ax.set_yticks(ticks[(ticks >= 0) & (ticks <= top * 1.001)])
    ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0 if top > 0.1 else 1, symbol=" %"))
    _style.draw_grid(ax, "y")
    _style.draw_counts(ax, edges, table["n"], f"denominator per {EVERY[every]}")
    _style.label_line_ends(ax, [(overall, f"overall {percent_text(overall)}", _style.TEXT_COLOR)])


def _draw_groups(ax: Axes, table: pd.DataFrame, by: By, overall: float) -> str:
    """Draw a row for each group, and return a sentence on the order and on groups that are not drawn."""
    ranking = table.sort_values(["low", "rate"], ascending=False, kind="stable")
    top = ranking.head(_MAX_GROUPS)
    rows = np.arange(len(top), dtype="float64")
    style: dict[str, Any] = {"color": _FAILED_COLOR, "alpha": 0.35, "linewidth": 6}
    ax.hlines(rows, top["low"], top["high"], label="95 % interval", **style)
    ax.plot(top["rate"], rows, linestyle="", **_rate_style(6))
    ax.axvline(overall, **_style.REFERENCE_LINE, label="overall")
    names = [printable_text(name, 32) for name in top.index.get_level_values(by)]
    counts = zip(names, top["failed"], top["n"], strict=True)
    _style.set_row_labels(ax, rows, [f"{name}   {failed:,} of {n:,}" for name, failed, n in counts])
    ax.set_xlim(0, min(1.01, float(top["high"].max()) * 1.08))
    ax.xaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
    _style.draw_grid(ax, "x")
    more = len(ranking) - len(top)
    rest = f" {count_text(more, f'more {by}')} with lower bounds not above these not drawn." if more else ""
    return f" Dashed: all together. Ordered by the lower bound of the interval.{rest}"


def _rate_style(size: float) -> dict[str, Any]:
    marker = {"marker": _style.MARKERS["FAILED"], "markersize": size, "markeredgewidth": 0}
    return {"color": _FAILED_COLOR, "label": "failure rate"} | marker
