"""How builds ended, and how many there were."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator, StrMethodFormatter
from numpy.typing import NDArray

from mkframe import metrics
from mkframe.charts import _style
from mkframe.charts._labels import left_out, printable
from mkframe.metrics._formatting import count_text, percent_text
from mkframe.metrics._grouping import EVERY, Every

__all__ = ["outcomes", "throughput"]

_MOST_HATCHED = 60
_MOST_WORDS = 4
_PLAIN, _PALE = "#7D8FA3", "#C9CFD6"


@_style.says_if_far_apart("How builds ended")
def outcomes(builds: pd.DataFrame, every: Every = "W", tz: str = "UTC", ax: Axes | None = None) -> Axes:
    """Draw the builds of each period, stacked by status.

    Parameters
    ----------
    builds : DataFrame
        With `status` and `build_start`.
    every : {"D", "W", "M", "Q"}, default "W"
        Length of a period.
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
    >>> outcomes(builds, ax=Figure().subplots()).get_legend().get_texts()[0].get_text()
    'FAILED   1 (100.0 %)'
    """
    table = metrics.outcomes(builds, every, tz)
    limits = _style.bounds(table, every)
    ax = _style.open_axes(ax)
    title = f"How builds ended, per {EVERY[every]}"
    missing = left_out((int(builds["build_start"].isna().sum()), "without a start"))
    if not len(table):
        return _style.say(ax, title, f"There are no builds with a start. {missing}")
    totals = table.sum()
    heights = _stack(ax, _few_words(table[totals.index[totals > 0]]), limits)
    _separate(ax, limits, heights)
    ax.set_ylim(0, heights.max() * 1.05)
    _count_axis(ax)
    ax.set_ylabel(f"builds per {EVERY[every]}", fontsize=9, color=_style.SOFT)
    _style.date_axis(ax, limits, every, tz)
    covered = _partial(metrics.throughput(builds, every, tz), every)
    _style.heading(ax, title, f"{count_text(int(totals.sum()), 'build')}. {covered}", missing)
    return ax


@_style.says_if_far_apart("Builds per day")
def throughput(builds: pd.DataFrame, every: Every = "W", tz: str = "UTC", ax: Axes | None = None) -> Axes:
    """Draw the builds per day in each period.

    A first or last period that the history covers only in part is divided by the covered days, and drawn
    lighter.

    Parameters
    ----------
    builds : DataFrame
        With `build_start`; builds of every status count.
    every : {"D", "W", "M", "Q"}, default "W"
        Length of a period.
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
    >>> builds = pd.DataFrame({"build_start": pd.to_datetime(["2026-04-01T08:00Z"], utc=True)})
    >>> throughput(builds, ax=Figure().subplots()).get_ylabel()
    'builds per day'
    """
    table = metrics.throughput(builds, every, tz)
    limits = _style.bounds(table, every)
    ax = _style.open_axes(ax)
    title = "Builds per day" if every == "D" else f"Builds per day, {EVERY[every]} by {EVERY[every]}"
    missing = left_out((int(builds["build_start"].isna().sum()), "without a start"))
    if not len(table):
        return _style.say(ax, title, f"There are no builds with a start. {missing}")
    rate = table["per_day"].to_numpy("float64")
    partial = table["partial"].to_numpy(bool)
    _style.steps(ax, np.where(partial, 0, rate), limits, fill=True, color=_PLAIN, label="whole periods")
    _style.steps(
        ax,
        np.where(partial, rate, 0),
        limits,
        fill=True,
        facecolor=_PALE,
        edgecolor="white",
        hatch="///",
        linewidth=0,
        label="partial periods",
    )
    _separate(ax, limits, rate)
    mean = table["builds"].sum() / table["days"].sum()
    ax.axhline(mean, **_style.REFERENCE, label="mean")
    ax.set_ylim(0, rate.max() * 1.08)
    _count_axis(ax, whole=False)
    ax.set_ylabel("builds per day", fontsize=9, color=_style.SOFT)
    _style.date_axis(ax, limits, every, tz)
    _style.label_ends(ax, [(mean, f"mean {mean:,.1f}" if mean >= 1 else f"mean {mean:.2g}", _style.INK)])
    many = (
        f"{count_text(int(table['builds'].sum()), 'build')} in {count_text(int(table['days'].sum()), 'day')}."
    )
    _style.heading(ax, title, f"{many} {_partial(table, every)}", missing)
    return ax


def _few_words(table: pd.DataFrame) -> pd.DataFrame:
    """Keep the words of the reference and a few others; the rest share a layer and are counted."""
    words = [word for word in table.columns if word not in _style.COLORS]
    rest = words[_MOST_WORDS:] if len(words) > _MOST_WORDS + 1 else []
    if not rest:
        return table
    return table.drop(columns=rest).assign(**{f"{len(rest)} other words": table[rest].sum(axis=1)})


def _stack(ax: Axes, table: pd.DataFrame, limits: NDArray[np.float64]) -> NDArray[np.float64]:
    base = np.zeros(len(table))
    builds = int(table.to_numpy().sum())
    key = []
    for word in table.columns:
        top = base + table[word].to_numpy("float64")
        look = _style.bar_look(word, hatched=len(table) <= _MOST_HATCHED)
        _style.steps(ax, top, limits, baseline=base, fill=True, **look).set_gid(printable(word))
        _style.steps(ax, top, limits, baseline=None, fill=False, edgecolor="white", linewidth=0.7)
        number = int(table[word].sum())
        text = f"{printable(word, 24)}   {count_text(number)} ({percent_text(number / builds)})"
        key.append((Patch(**look), text))
        base = top
    _key(ax, key[::-1])
    return base


def _separate(ax: Axes, limits: NDArray[np.float64], heights: NDArray[np.float64]) -> None:
    if len(limits) <= 80:  # a hair between the bars, where there is room for one
        ax.vlines(limits[1:-1], 0, np.maximum(heights[:-1], heights[1:]), color="white", linewidth=1)


def _count_axis(ax: Axes, whole: bool = True) -> None:
    ax.yaxis.set_major_locator(MaxNLocator(6, integer=whole, steps=[1, 2, 5, 10]))
    ax.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}" if whole else "{x:,g}"))
    _style.grid(ax, "y")


def _key(ax: Axes, entries: list[tuple[Patch, str]]) -> None:
    """Name the statuses beside the stack, in its order, so that the place is a cue beside the colour."""
    handles, labels = zip(*entries, strict=True)
    key = ax.legend(handles, [""] * len(handles), loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
    for text, label in zip(key.get_texts(), labels, strict=True):
        text.set(text=label, fontsize=9, color=_style.INK, parse_math=False)


def _partial(table: pd.DataFrame, every: Every) -> str:
    """Name the periods of a throughput that the history covers only in part."""
    days = table.loc[table["partial"], "days"]
    if not len(days):
        return ""
    starts = pd.DatetimeIndex(days.index)
    parts = [f"{d.day} {d:%b %Y} ({count_text(int(n), 'day')})" for d, n in zip(starts, days, strict=True)]
    return f"Covered only in part: the {EVERY[every]} of {', the one of '.join(parts)}."
