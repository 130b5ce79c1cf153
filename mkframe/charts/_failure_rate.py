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
from mkframe.charts._colors import COLORS, palette
from mkframe.charts._durations import MIN_BUILDS
from mkframe.charts._groups import MAX_ROWS, draw_lines, more_text, parts_of, per_text, row_names
from mkframe.charts._labels import left_out_text
from mkframe.charts._layout import most_rows
from mkframe.metrics._failure_rate import Canceled
from mkframe.metrics._formatting import count_text, percent_text
from mkframe.metrics._grouping import EVERY, Every, Length, length_of_period
from mkframe.metrics._history import history_of
from mkframe.metrics._streams import By

__all__ = ["failure_rate"]

_FAILED_COLOR = COLORS["FAILED"]
_DENOMINATORS = {"exclude": "finished + failed", "count": "finished + failed + canceled"}


@_style.explain_too_many_periods("Failure rate")
def failure_rate(
    builds: pd.DataFrame,
    every: Every = "auto",
    canceled: Canceled = "exclude",
    by: By | None = None,
    tz: str = "UTC",
    ax: Axes | None = None,
) -> Axes:
    """Draw the share of failed builds in each period, with 95 % intervals and its denominator.

    The label of the axis names numerator and denominator; see `mkframe.metrics.failure_rate`. With `by`, each
    group is a row that covers the whole history, or with `every` a line. Rows are ordered by the lower bound
    of the interval, so that a single failed build does not put a group at the top.

    Parameters
    ----------
    builds : DataFrame
        With `status` and `build_start`.
    every : {"auto", "D", "W", "M", "Q"} or None, default "auto"
        Length of a period; None is the whole time. By default the whole time with `by`, else as
        `mkframe.metrics.suggest_period` suggests.
    canceled : {"exclude", "count"}, default "exclude"
        Whether canceled builds are part of the denominator.
    by : {"pattern", "release", "project", "user", "pattern_set"}, or two of them, optional
        Compare groups.
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
    builds, left_out = history_of(builds, ["build_start"])
    length = length_of_period(builds, every, by)
    table = metrics.failure_rate(builds, length, canceled, by, tz)
    total = metrics.failure_rate(builds, None, canceled, tz=tz)
    is_rows = length is None
    table = table[table["n"] > 0] if is_rows else table
    edges = np.zeros(0) if length is None else _style.axis_edges(table, length)
    ax = _style.open_axes(ax, height=1.9 + 0.28 * min(len(table), MAX_ROWS) if is_rows else 4.6)
    title = f"Failure rate{per_text(by, '' if length is None else EVERY[length]).removeprefix(',')}"
    sums = total.sum()
    missing = left_out_text(
        (int(sums["canceled"]) if canceled == "exclude" else 0, "canceled"),
        (int(sums["running"]), "running"),
        (int(sums["other"]), "with another status"),
        (0 if is_rows else left_out.without_start, "without a start, from the periods"),
        left_out=left_out,
    )
    if not sums["n"] or not table["n"].sum():
        results = "finished or failed" if canceled == "exclude" else "finished, failed or been canceled"
        subject = "No build that has a start" if sums["n"] else "No build"
        message = f"{subject} has {results}, so there is no failure rate. {missing}"
        return _style.show_message(ax, title, message)
    text = _overall_text(total.iloc[0], canceled)
    overall = float(total["rate"].iloc[0])
    label = f"failed / ({_DENOMINATORS[canceled]})"
    if length is None:
        text += _draw_groups(ax, table, by, overall)
        _style.label_axis(ax, "x", label)
    else:
        if by is None:
            text += _draw_periods(ax, table, edges, overall, length)
        else:
            text += _draw_lines(ax, table, edges, by, overall)
        _style.format_date_axis(ax, edges, length, tz)
        _style.label_axis(ax, "y", label)
    _style.set_heading(ax, title, text, missing)
    return ax


def _overall_text(total: pd.Series[float], canceled: Canceled) -> str:
    return (
        f"{percent_text(total['rate'])} of all: {count_text(int(total['failed']))} failed of "
        f"{count_text(int(total['n']))} {_DENOMINATORS[canceled]} "
        f"(95 % interval {percent_text(total['low'])} to {percent_text(total['high'])})."
    )


def _draw_periods(
    ax: Axes, table: pd.DataFrame, edges: NDArray[np.float64], overall: float, every: Length
) -> str:
    """Draw rates and intervals; return a sentence on rates of few builds that lie above the scale."""
    middle = (edges[:-1] + edges[1:]) / 2
    low, rate, high = (table[name].to_numpy("float64") for name in ("low", "rate", "high"))
    width = min(6, 300 / len(table))
    ax.vlines(
        middle, low, high, color=palette(ax).weak(_FAILED_COLOR), linewidth=width, label="95 % interval"
    )
    ax.plot(middle, rate, linewidth=1.2, **_rate_style(ax, 5.5 if len(table) <= 60 else 3))
    ax.axhline(overall, **palette(ax).reference_line, label="overall")
    n = table["n"].to_numpy("float64")
    is_enough = n >= np.median(n[n > 0]) / 4  # a first month of three builds must not set the scale
    top = min(1.0, max(float(np.nanmax(high[is_enough])), overall) * 1.05)
    is_above = rate > top
    above = {**_rate_style(ax, 7), "marker": "^", "label": "above the scale"}
    if is_above.any():  # a line of no points would be at the corner of the figure for a layout
        ax.plot(middle[is_above], np.full(is_above.sum(), top), linestyle="", clip_on=False, **above)
    ticks = np.asarray(MaxNLocator(5, steps=[1, 2, 5, 10]).tick_values(0, top))
    ax.set_ylim(-0.2 * top, top * 1.02)  # the denominators are drawn below 0
    ax.set_yticks(ticks[(ticks >= 0) & (ticks <= top * 1.001)])
    ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0 if top > 0.1 else 1, symbol=" %"))
    _style.draw_grid(ax, "y")
    _style.draw_counts(ax, edges, table["n"], f"denominator per {EVERY[every]}")
    _style.label_line_ends(ax, [(overall, f"overall {percent_text(overall)}", palette(ax).text)])
    count = int(is_above.sum())
    return f" Triangle: above the scale, of few builds ({count_text(count, EVERY[every])})." if count else ""


def _draw_groups(ax: Axes, table: pd.DataFrame, by: By | None, overall: float) -> str:
    """Draw a row for each group, and return a sentence on the order and on groups that are not drawn."""
    ranking = table.sort_values(["low", "rate"], ascending=False, kind="stable")
    top = ranking.head(most_rows(ax, MAX_ROWS))
    rows = np.arange(len(top), dtype="float64")
    style: dict[str, Any] = {"color": palette(ax).weak(_FAILED_COLOR), "linewidth": 6}
    ax.hlines(rows, top["low"], top["high"], label="95 % interval", **style)
    ax.plot(top["rate"], rows, linestyle="", **_rate_style(ax, 6))
    ax.axvline(overall, **palette(ax).reference_line, label="overall")
    notes = [f"{failed:,} of {n:,}" for failed, n in zip(top["failed"], top["n"], strict=True)]
    _style.set_row_labels(ax, rows, row_names(top.index, by), notes)
    ax.set_xlim(0, min(1.01, float(top["high"].max()) * 1.08))
    _style.format_share_axis(ax)
    _style.draw_grid(ax, "x")
    if by is None:
        return ""
    rest = more_text(len(ranking) - len(top), by, "with lower bounds not above these")
    return f" Dashed: all together. Ordered by the lower bound of the interval.{rest}"


def _draw_lines(ax: Axes, table: pd.DataFrame, edges: NDArray[np.float64], by: By, overall: float) -> str:
    """Draw a line for each of the largest groups, and return a sentence on the groups that are not drawn."""
    parts = parts_of(table, by, ["n"])
    rates, ends = draw_lines(ax, parts, edges, "rate", count="n", least=MIN_BUILDS)
    ax.axhline(overall, **palette(ax).reference_line, label="overall")
    ax.set_ylim(0, min(1.02, max(float(np.nanmax(rates)), overall, 0.01) * 1.1))
    ax.yaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
    _style.draw_grid(ax, "y")
    _style.label_line_ends(ax, ends)
    rest = more_text(len(parts) - len(ends), by, "with as many or fewer builds")
    return f" Dashed: all together. Open: of fewer than {MIN_BUILDS} builds.{rest}"


def _rate_style(ax: Axes, size: float) -> dict[str, Any]:
    marker = {"marker": _style.MARKERS["FAILED"], "markersize": size, "markeredgewidth": 0}
    return {"color": palette(ax).strong(_FAILED_COLOR), "label": "failure rate"} | marker
