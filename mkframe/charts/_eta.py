"""How long running builds may still take."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MultipleLocator

from mkframe import metrics
from mkframe.charts import _style
from mkframe.charts._colors import COLORS, palette
from mkframe.charts._labels import left_out_text
from mkframe.charts._layout import most_rows
from mkframe.metrics._formatting import count_text, duration_text
from mkframe.metrics._history import history_of

__all__ = ["eta"]

_MOST_ROWS = 25
_STEPS = (1, 5, 10, 30, 60, 120, 300, 600, 1_800, 3_600, 7_200, 21_600, 43_200, 86_400)


def eta(
    running: pd.DataFrame,
    history: pd.DataFrame,
    *,
    now: str | datetime | None = None,
    levels: Sequence[float] = (0.5, 0.8),
    ax: Axes | None = None,
) -> Axes:
    """Draw how long builds have run, and the ranges in which they may end, if they finish.

    A row for each running build, the one that has run longest first. The bar is the time that has passed;
    the lines behind it are the ranges, the darker the narrower, with the median. A range that is open ends
    in an arrow. See `mkframe.metrics.eta`.

    Parameters
    ----------
    running, history : DataFrame
        As in `mkframe.metrics.eta`.
    now : str or datetime, optional
        With a zone. By default the clock of this machine.
    levels : sequence of float, default (0.5, 0.8)
        Shares of builds that the ranges are to hold.
    ax : Axes, optional
        Where to draw.

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        If a column is missing, or `now` or a level cannot be used.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> start = pd.date_range("2026-04-01 08:00", periods=41, freq="h", tz="UTC")
    >>> builds = pd.DataFrame({"status": ["FINISHED"] * 40 + ["BUILDING"], "build_start": start,
    ...     "instances": 3, "patterns": [[808]] * 41, "build_end": start + pd.to_timedelta(
    ...     [60 + n % 20 for n in range(40)] + [None], unit="s")}, index=range(1, 42))
    >>> ax = eta(builds, builds, now=start[40] + pd.Timedelta("30s"), ax=Figure().subplots())
    >>> ax.get_yticklabels()[0].get_text()
    '41   30 s'
    """
    running, left_out = history_of(running)
    table = metrics.eta(running, history, now=now, levels=levels)
    started = table[table["elapsed"].notna()].sort_values("elapsed", ascending=False, kind="stable")
    shown = started.head(most_rows(ax, _MOST_ROWS))
    ax = _style.open_axes(ax, height=1.9 + 0.32 * max(len(shown), 3))
    title = "Running builds"
    missing = left_out_text(
        (len(table) - len(started), "without a start"),
        (len(started) - len(shown), "that began later"),
        left_out=left_out,
    )
    if not len(shown):
        return _style.show_message(ax, title, f"There are no running builds with a start. {missing}")
    rows = np.arange(len(shown), dtype="float64")
    elapsed = np.maximum(shown["elapsed"].to_numpy("float64"), 0.0)
    ax.barh(rows, elapsed, 0.5, label="elapsed", **_style.bar_style(ax, "BUILDING"))
    ends = [elapsed]
    ordered = sorted(set(levels), reverse=True)
    shades = palette(ax).scale(COLORS["FINISHED"], len(ordered) + 1)
    for place, level in enumerate(ordered):
        low, high = (elapsed + shown[f"{end}{100 * level:g}"].to_numpy("float64") for end in ("low", "high"))
        ends.append(high[np.isfinite(high)])
        closed = np.isfinite(high) & np.isfinite(low)
        width = 3 + 5 * (place + 1) / len(ordered)
        look: dict[str, Any] = {
            "color": shades[place],
        }
        ax.hlines(
            rows[closed], low[closed], high[closed], linewidth=width, label=f"{100 * level:g} %", **look
        )
    median = elapsed + shown["median"].to_numpy("float64")
    ax.plot(median, rows, color=palette(ax).text, linestyle="", marker="|", markersize=13, label="median")
    edge = max(float(np.max(np.concatenate(ends))), 1.0)
    is_open = (
        np.isinf(shown[f"high{100 * ordered[0]:g}"].to_numpy("float64")) if ordered else np.zeros(len(shown))
    )
    for row in rows[is_open.astype(bool)]:
        begin = float(elapsed[int(row)])
        ax.annotate(
            "", (edge * 1.08, row), (begin, row), arrowprops={"arrowstyle": "->", "color": palette(ax).muted}
        )
    ax.set_xlim(0, edge * 1.1)
    space = max(2, min(6, int(_style.width_inches(ax) / 0.7)))
    most = _STEPS[-1]
    step = next((size for size in _STEPS if edge / size <= space), most * math.ceil(edge / most / space))
    ax.xaxis.set_major_locator(MultipleLocator(step))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: duration_text(value) if value else "0"))
    _style.label_axis(ax, "x", "time since the start")
    notes = [
        f"{duration_text(time)}{'   unusually long' if is_long else ''}"
        for time, is_long in zip(shown["elapsed"], shown["unusually_long"], strict=True)
    ]
    _style.set_row_labels(ax, rows, [*shown.index], notes)
    _style.draw_grid(ax, "x")
    few = int((shown["of"] == 0).sum())
    unknown = f" No range for {count_text(few, 'build')}: too few to compare with." if few else ""
    text = " and ".join(f"{100 * level:g} %" for level in ordered[::-1])
    ranges = f"Ranges that are to hold {text} of such builds, if they finish; bar: time until now."
    _style.set_heading(ax, title, f"{ranges}{unknown}" if ordered else "Bar: time until now.", missing)
    return ax
