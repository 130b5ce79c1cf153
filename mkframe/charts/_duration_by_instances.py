"""Chart of durations by number of instances."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator
from numpy.typing import NDArray

from mkframe import metrics
from mkframe.charts import _style
from mkframe.charts._colors import COLORS, palette
from mkframe.charts._durations import MIN_BUILDS
from mkframe.charts._labels import builds_text, count_negative_durations, left_out_text
from mkframe.metrics._checks import status_of
from mkframe.metrics._durations import quantiles_by_instances
from mkframe.metrics._formatting import count_text
from mkframe.metrics._history import history_of

__all__ = ["duration_by_instances"]

_MAX_POINTS = 2_000


def duration_by_instances(
    builds: pd.DataFrame, statuses: Sequence[str] | None = ("FINISHED",), ax: Axes | None = None
) -> Axes:
    """Draw durations against the number of instances, both logarithmic, with medians per class.

    Up to 2,000 builds are drawn as points and more as density. The line connects the medians of the classes
    of `mkframe.metrics.duration_by_instances` that contain at least 5 builds; its error bars are the middle
    half.

    Parameters
    ----------
    builds : DataFrame
        With `status`, `build_start`, `build_end` and `instances`.
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
        If a column is missing or a status is unknown.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> start = pd.to_datetime(["2026-04-01T08:00Z"] * 3, utc=True)
    >>> builds = pd.DataFrame({"status": "FINISHED", "build_start": start, "instances": [1, 4, 7],
    ...                        "build_end": start + pd.to_timedelta([5, 20, 30], unit="s")})
    >>> duration_by_instances(builds, ax=Figure().subplots()).get_xlabel()
    'instances in the build, logarithmic'
    """
    builds, left_out = history_of(builds, ["build_start", "build_end"])
    rows = metrics.completed_builds(builds, statuses)
    table = quantiles_by_instances(rows)
    counted = rows[rows["instances"].fillna(-1) > 0]
    ax = _style.open_axes(ax)
    noun = builds_text(statuses)
    title = f"Duration of {noun} by number of instances"
    missing = left_out_text(
        (int((status_of(builds) == "BUILDING").sum()), "running"),
        (len(rows) - len(counted), "without instances"),
        (count_negative_durations(builds), "that end before they start"),
        left_out=left_out,
    )
    if not len(counted):
        message = f"There are no {noun} with a duration and a number of instances. {missing}"
        return _style.show_message(ax, title, message)
    instances = counted["instances"].to_numpy("float64")
    seconds = np.maximum(counted["seconds"].to_numpy("float64"), _style.MIN_SECONDS)
    text = f"{count_text(len(counted), noun[:-1])}, {_draw_builds(ax, instances, seconds)}."
    _draw_class_medians(ax, table[table.index > 0])
    _style.format_duration_axis(ax, seconds)
    _format_instances_axis(ax, instances)
    _style.label_axis(ax, "y", "duration, logarithmic")
    if (table["n"][table.index > 0] >= MIN_BUILDS).any():
        text += " Dark: median and middle half of 1, 2–3, 4–7, 8–15 … instances."
    if instances.min() == instances.max():
        text += f" Every build has {count_text(int(instances[0]), 'instance')}, so no relation can be seen."
    _style.set_heading(ax, title, text, missing)
    return ax


def _draw_builds(ax: Axes, instances: NDArray[np.float64], seconds: NDArray[np.float64]) -> str:
    """Draw points or a density, and return a phrase that explains them."""
    if len(instances) <= _MAX_POINTS:
        # multiples of the golden ratio spread points of one number evenly, and the same way each time
        offset = (np.arange(len(instances)) * 0.618034) % 1 - 0.5
        ax.plot(
            instances * np.exp(0.16 * offset),
            seconds,
            linestyle="",
            marker="o",
            markersize=3.5 if len(instances) > 50 else 6,
            markeredgecolor=palette(ax).ground,
            markeredgewidth=0.2,
            color=palette(ax).weak(COLORS["FINISHED"]),
            label="builds",
        )
        return "a point each, spread a little sideways"
    x = np.append(np.unique(np.round(np.geomspace(1, instances.max(), 40))), instances.max() + 1) - 0.5
    y = np.geomspace(seconds.min() / 1.01, seconds.max() * 1.01, 61)
    counts, x, y = np.histogram2d(instances, seconds, (x, y))
    norm = LogNorm(1, max(2.0, counts.max()))
    cells = np.where(counts > 0, counts, np.nan).T  # empty cells stay blank
    ax.pcolormesh(
        x,
        y,
        cells,
        cmap=palette(ax).colormap(COLORS["FINISHED"]),
        norm=norm,
        rasterized=True,
        label="builds per cell",
    )
    return f"the darker a cell the more (up to {count_text(int(counts.max()))})"


def _draw_class_medians(ax: Axes, table: pd.DataFrame) -> None:
    table = table[table["n"] >= MIN_BUILDS]
    x = np.sqrt(table.index.to_numpy("float64") * table["most"].to_numpy("float64"))
    low, median, high = (
        np.maximum(table[name].to_numpy("float64"), _style.MIN_SECONDS) for name in ("p25", "p50", "p75")
    )
    ax.errorbar(
        x,
        median,
        [(median - low).tolist(), (high - median).tolist()],  # matplotlib 3.10.0 takes no array of one
        color=palette(ax).text,
        marker="o",
        markersize=5,
        linewidth=1.4,
        elinewidth=2.4,
        label="median",
    )


def _format_instances_axis(ax: Axes, instances: NDArray[np.float64]) -> None:
    low, high = instances.min(), instances.max()
    ax.set_xscale("log")
    ax.set_xlim(low / 1.5, high * 1.5)
    ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high / low < 1_000 else (1,)))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}" if value >= 1 else ""))
    _style.label_axis(ax, "x", "instances in the build, logarithmic")
