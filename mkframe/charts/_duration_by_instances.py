"""How long builds take by their number of instances."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, LogNorm
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator
from numpy.typing import NDArray

from mkframe import metrics
from mkframe.charts import _style
from mkframe.charts._durations import FEWEST
from mkframe.charts._labels import ends_first, left_out, noun
from mkframe.metrics._checks import status_of
from mkframe.metrics._durations import quantiles_by_instances
from mkframe.metrics._formatting import count_text

__all__ = ["duration_by_instances"]

_MOST_POINTS = 2_000
_DENSITY = LinearSegmentedColormap.from_list("density", ["#E3EDF5", "#7FB3D5", "#0072B2"])


def duration_by_instances(
    builds: pd.DataFrame, statuses: Sequence[str] | None = ("FINISHED",), ax: Axes | None = None
) -> Axes:
    """Draw durations against the number of instances, both logarithmic, with medians per class.

    Up to 2,000 builds are points; more are drawn as density. The line joins the medians of the classes that
    `mkframe.metrics.duration_by_instances` counts, where they hold at least 5 builds; the bars on it span
    the middle half.

    Parameters
    ----------
    builds : DataFrame
        With `status`, `build_start`, `build_end` and `instances`.
    statuses : sequence of str or None, default ("FINISHED",)
        Which builds; None takes every build that has ended.
    ax : Axes, optional
        Where to draw.

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        If a column is missing or a status is not known.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> start = pd.to_datetime(["2026-04-01T08:00Z"] * 3, utc=True)
    >>> builds = pd.DataFrame({"status": "FINISHED", "build_start": start, "instances": [1, 4, 7],
    ...                        "build_end": start + pd.to_timedelta([5, 20, 30], unit="s")})
    >>> duration_by_instances(builds, ax=Figure().subplots()).get_xlabel()
    'instances in the build, logarithmic'
    """
    rows = metrics.completed_builds(builds, statuses)
    table = quantiles_by_instances(rows)
    counted = rows[rows["instances"].fillna(-1) > 0]
    ax = _style.open_axes(ax)
    what = noun(statuses)
    title = f"Duration of {what} by number of instances"
    missing = left_out(
        (int((status_of(builds) == "BUILDING").sum()), "running"),
        (len(rows) - len(counted), "without instances"),
        (ends_first(builds), "that end before they start"),
    )
    if not len(counted):
        return _style.say(
            ax, title, f"There are no {what} with a duration and a number of instances. {missing}"
        )
    number = counted["instances"].to_numpy("float64")
    seconds = np.maximum(counted["seconds"].to_numpy("float64"), _style.SHORTEST)
    said = _cloud(ax, number, seconds)
    _medians(ax, table[table.index > 0])
    _style.duration_axis(ax, seconds)
    _count_axis(ax, number)
    ax.set_ylabel("duration, logarithmic", fontsize=9, color=_style.SOFT)
    said = f"{count_text(len(counted), what[:-1])}, {said}."
    if (table["n"][table.index > 0] >= FEWEST).any():
        said += " Dark: median and middle half of 1, 2–3, 4–7, 8–15 … instances."
    if number.min() == number.max():
        said += f" Every build has {count_text(int(number[0]), 'instance')}, so no relation can be seen."
    _style.heading(ax, title, said, missing)
    return ax


def _cloud(ax: Axes, number: NDArray[np.float64], seconds: NDArray[np.float64]) -> str:
    if len(number) <= _MOST_POINTS:
        # the golden ratio spreads points of one number evenly, and the same way each time
        aside = (np.arange(len(number)) * 0.618034) % 1 - 0.5
        ax.plot(
            number * np.exp(0.16 * aside),
            seconds,
            linestyle="",
            marker="o",
            markersize=3.5 if len(number) > 50 else 6,
            alpha=0.35,
            markeredgewidth=0,
            color=_style.COLORS["FINISHED"],
            label="builds",
        )
        return "a point each, spread a little sideways"
    across = np.append(np.unique(np.round(np.geomspace(1, number.max(), 40))), number.max() + 1) - 0.5
    up = np.geomspace(seconds.min() / 1.01, seconds.max() * 1.01, 61)
    counts, across, up = np.histogram2d(number, seconds, (across, up))
    shades = LogNorm(1, max(2.0, counts.max()))
    drawn = np.where(counts > 0, counts, np.nan).T
    ax.pcolormesh(across, up, drawn, cmap=_DENSITY, norm=shades, rasterized=True, label="builds per cell")
    return f"the darker a cell the more (up to {count_text(int(counts.max()))})"


def _medians(ax: Axes, table: pd.DataFrame) -> None:
    table = table[table["n"] >= FEWEST]
    x = np.sqrt(table.index.to_numpy("float64") * table["most"].to_numpy("float64"))
    low, mid, high = (
        np.maximum(table[name].to_numpy("float64"), _style.SHORTEST) for name in ("p25", "p50", "p75")
    )
    ax.errorbar(
        x,
        mid,
        [mid - low, high - mid],
        color=_style.INK,
        marker="o",
        markersize=5,
        linewidth=1.4,
        elinewidth=2.4,
        label="median",
    )


def _count_axis(ax: Axes, number: NDArray[np.float64]) -> None:
    ax.set_xscale("log")
    ax.set_xlim(number.min() / 1.5, number.max() * 1.5)
    ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if number.max() / number.min() < 1_000 else (1,)))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}" if value >= 1 else ""))
    ax.set_xlabel("instances in the build, logarithmic", fontsize=9, color=_style.SOFT)
