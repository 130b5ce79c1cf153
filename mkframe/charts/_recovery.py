"""How long builds have failed, and how long it took until they finished again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from mkframe import metrics
from mkframe.charts import _style
from mkframe.charts._colors import palette
from mkframe.charts._labels import left_out_text
from mkframe.charts._layout import font_size, most_rows
from mkframe.metrics._formatting import count_text, duration_text
from mkframe.metrics._history import history_of
from mkframe.metrics._survival import floor_text, kaplan_meier_quantile

__all__ = ["recovery"]

_MOST_ROWS = 25
_TICKS = (1, 10, 60, 600, 3_600, 36_000, 86_400, 864_000, 8_640_000)


def recovery(
    builds: pd.DataFrame,
    *,
    by: Sequence[str] = ("project", "patterns"),
    now: str | datetime | None = None,
    tz: str = "UTC",
    ax: Axes | None = None,
) -> Axes:
    """Draw for how long builds have failed until the next finished one of the same patterns.

    Chains that are open come first, with an arrow, as nobody knows how long they will last; then those that
    have closed, the longest first. The median counts open chains in (Kaplan and Meier). See
    `mkframe.metrics.recovery`.

    Parameters
    ----------
    builds : DataFrame
        As in `mkframe.metrics.recovery`.
    by : sequence of str, default ("project", "patterns")
        What the builds of a chain have in common.
    now : str or datetime, optional
        With a zone. By default the latest time in the frame.
    tz : str, default "UTC"
        Zone in which times are given.
    ax : Axes, optional
        Where to draw.

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        If a column is missing, an argument is not known, or the index holds no ids.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> start = pd.date_range("2026-04-01 08:00", periods=2, freq="h", tz="UTC")
    >>> builds = pd.DataFrame({"status": "FAILED", "build_start": start, "patterns": [[808]] * 2,
    ...     "build_end": start + pd.Timedelta("10min"), "project_id": 1}, index=[11, 12])
    >>> recovery(builds, ax=Figure().subplots()).get_yticklabels()[0].get_text()
    '1, 808   1 Apr 2026, build 11'
    """
    builds, left_out = history_of(builds)
    table = metrics.recovery(builds, by=by, now=now, tz=tz)
    current = table[~table["abandoned"]]
    shown = current.head(most_rows(ax, _MOST_ROWS))
    ax = _style.open_axes(ax, height=1.9 + 0.3 * max(len(shown), 3))
    title = "From a failed build to the next finished one"
    missing = left_out_text(
        (len(table) - len(current), "abandoned, open for more than 30 days"),
        (len(current) - len(shown), "that closed sooner or broke later"),
        left_out=left_out,
    )
    if not len(shown):
        return _style.show_message(ax, title, f"There are no failed builds to follow. {missing}")
    rows = np.arange(len(shown), dtype="float64")
    seconds = shown["seconds"].to_numpy("float64")
    drawn = np.maximum(seconds, _style.MIN_SECONDS)
    is_open = shown["open"].to_numpy(bool)
    for status, mask in (("FAILED", is_open), ("FINISHED", ~is_open)):
        name = "open" if status == "FAILED" else "closed"
        ax.barh(rows[mask], drawn[mask], 0.55, label=name, **_style.bar_style(ax, status))
    _format_axis(ax, float(drawn.max()))
    for row, length, unrecovered in zip(rows, seconds, is_open, strict=True):
        text = f"≥ {floor_text(length)} →" if unrecovered else duration_text(length)
        place = (max(length, _style.MIN_SECONDS), row)
        ax.annotate(
            text,
            place,
            (5, 0),
            textcoords="offset points",
            va="center",
            fontsize=font_size(ax),
            color=palette(ax).text,
            parse_math=False,
        )
    _style.label_axis(ax, "x", "time (logarithmic)")
    notes = [
        f"{day.day} {day:%b %Y}, build {build}"
        for day, build in zip(shown["broken_at"], shown["first_build"], strict=True)
    ]
    _style.set_row_labels(ax, rows, [*shown.index], notes, max_length=34, separator=", ")
    _style.set_heading(ax, title, _caption(current), missing)
    return ax


def _format_axis(ax: Axes, longest: float) -> None:
    """Use a logarithmic scale with readable labels."""
    right = max(longest, 1.0) * 1.25
    ax.set_xscale("log")
    ax.set_xlim(_style.MIN_SECONDS / 1.25, right)
    ticks = [tick for tick in _TICKS if tick <= right]
    step = -(-len(ticks) // max(2, int(_style.width_inches(ax) / 0.6)))
    ax.xaxis.set_major_locator(FixedLocator(ticks[::step]))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: duration_text(value)))
    ax.xaxis.grid(color=palette(ax).grid, linewidth=0.5)
    ax.set_axisbelow(True)


def _caption(chains: pd.DataFrame) -> str:
    is_over = ~chains["open"].to_numpy(bool)
    median = kaplan_meier_quantile(chains["seconds"], is_over)
    half = (
        f"half had a finished build within {duration_text(median)}"
        if np.isfinite(median)
        else "fewer than half have had a finished build"
    )
    still, over = count_text(int((~is_over).sum()), "chain"), count_text(int(is_over.sum()))
    return (
        f"{still} open, {over} closed; {half}. A finished build of the same patterns is no proof of a repair."
    )
