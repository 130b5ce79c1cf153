"""What all charts share: colours, headings, and axes of time and duration."""

from __future__ import annotations

import functools
import inspect
import textwrap
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, ParamSpec, TypeAlias

import numpy as np
import pandas as pd
from matplotlib import dates
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import StepPatch
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator
from numpy.typing import NDArray

from mkframe.charts._labels import printable
from mkframe.errors import InputError, TooManyPeriodsError
from mkframe.metrics._formatting import count_text, duration_text
from mkframe.metrics._grouping import EVERY, Every, period_edges

__all__ = [
    "COLORS",
    "HATCHES",
    "INK",
    "LIGHT",
    "MARKERS",
    "OTHER",
    "REFERENCE",
    "SHORTEST",
    "SOFT",
    "bar_look",
    "bounds",
    "open_axes",
    "color",
    "date_axis",
    "date_numbers",
    "duration_axis",
    "figure_of",
    "grid",
    "heading",
    "inches",
    "label_ends",
    "label_rows",
    "say",
    "says_if_far_apart",
    "steps",
    "strip",
]

P = ParamSpec("P")
Chart: TypeAlias = Callable[P, Axes]

COLORS = {"FINISHED": "#0072B2", "FAILED": "#D55E00", "CANCELED": "#E2B4CB", "BUILDING": "#56B4E9"}
"""One colour per status, which colour-blind readers can tell apart: Okabe and Ito's, CANCELED lightened."""
OTHER = "#8C8C8C"
"""The colour of a status that the reference does not list."""
MARKERS = {"FINISHED": "o", "FAILED": "X", "CANCELED": "s", "BUILDING": "^"}
HATCHES = {"FAILED": "///", "BUILDING": "..."}
"""The second cue beside the colour; finished and cancelled builds differ in lightness."""
_OTHER_HATCH = "xxx"

INK, SOFT, LIGHT = "#222222", "#6A6A6A", "#DADADA"
REFERENCE: dict[str, Any] = {"color": INK, "linewidth": 0.8, "linestyle": (0, (4, 3))}
"""The look of a line to compare with."""
SHORTEST = 0.5
"""Seconds below which a logarithmic axis draws everything at one place, labelled so."""
_STRIP = 0.1
_MOST_PERIODS = 4_000
_FIRST_DAY, _LAST_DAY = np.datetime64("0100-01-01"), np.datetime64("9900-01-01")
_TICKS = (1, 10, 60, 600, 3_600, 36_000, 86_400, 864_000, 8_640_000)
_FINE_TICKS = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1_200, 1_800, 3_600, 7_200, 18_000, 36_000, 86_400)


def open_axes(ax: Axes | None, width: float = 9, height: float = 4.6) -> Axes:
    """Open a figure of so many inches, unless an Axes is given.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> ax = Figure().subplots()
    >>> open_axes(ax) is ax
    True
    """
    if ax is None:
        from matplotlib import pyplot as plt

        ax = plt.subplots(figsize=(width, height), layout="constrained")[1]
    elif not isinstance(ax, Axes):
        raise InputError(
            f"ax is {type(ax).__name__}, not matplotlib Axes.", hint="Leave it out, or use plt.subplots()."
        )
    ax.spines[["top", "right"]].set_visible(False)
    ax.spines[["left", "bottom"]].set_color(LIGHT)
    ax.tick_params(color=LIGHT, labelcolor=INK, labelsize=9)
    return ax


def heading(ax: Axes, title: str, *lines: str) -> None:
    """Write what the chart is about, and below it, softer, the figures that belong to it."""
    most = max(30, int(inches(ax) * 15.5))
    wrapped = [part for line in lines if line for part in textwrap.wrap(line, most)]
    room = 8 + 12.5 * len(wrapped)  # y is given, or matplotlib would look for what might be in the way
    ax.set_title(title, loc="left", y=1, pad=room, fontsize=12, color=INK, parse_math=False)
    note = ax.annotate(
        "\n".join(wrapped),
        (0, 1),
        xycoords="axes fraction",
        xytext=(0, 6),
        textcoords="offset points",
        va="bottom",
        fontsize=9,
        color=SOFT,
        linespacing=1.25,
        parse_math=False,
    )
    note.set_in_layout(False)  # the title above has made room, and width is no reason to shrink the axes


def inches(ax: Axes) -> float:
    """Estimate the width that an Axes will have; names of rows take what `label_rows` has given them."""
    figure = figure_of(ax)
    if len(figure.axes) > 1:
        return float(ax.get_window_extent().width / figure.dpi) * 0.8  # names beside it will take some
    pad = ax.yaxis.get_tick_params().get("pad", 0)
    return float(figure.get_figwidth() - pad / 72 - 0.7)


def date_numbers(times: NDArray[np.datetime64]) -> NDArray[np.float64]:
    """Give the numbers by which date axes place naive times; NaN for NaT.

    Examples
    --------
    >>> date_numbers(np.array(["1970-01-02"], dtype="datetime64[us]")).tolist()
    [1.0]
    """
    return np.asarray(dates.date2num(times), dtype="float64")  # type: ignore[no-untyped-call]


def figure_of(ax: Axes) -> Figure:
    """Give the whole figure in which an Axes stands."""
    figure = ax.get_figure(root=True)
    assert figure is not None  # noqa: S101  an Axes without a figure cannot be drawn on
    return figure


def say(ax: Axes, title: str, sentence: str) -> Axes:
    """Say why there is nothing to draw."""
    heading(ax, title)
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(False)
    text = textwrap.fill(sentence, 70)
    ax.text(0.5, 0.5, text, transform=ax.transAxes, ha="center", va="center", color=SOFT, parse_math=False)
    return ax


def color(status: str) -> str:
    """Give the colour of a status.

    Examples
    --------
    >>> color("FAILED"), color("PAUSED")
    ('#D55E00', '#8C8C8C')
    """
    return COLORS.get(status, OTHER)


def bar_look(status: str, hatched: bool = True) -> dict[str, Any]:
    """Give the colour and hatch of a bar of one status."""
    hatch = HATCHES.get(status, "" if status in COLORS else _OTHER_HATCH) if hatched else ""
    look = {"facecolor": color(status), "edgecolor": "white", "linewidth": 0, "hatch": hatch}
    return look | {"hatch_linewidth": 0.6}


def bounds(table: pd.DataFrame, every: Every) -> NDArray[np.float64]:
    """Place the bounds of the periods of a table on a date axis, in the table's own zone."""
    days = period_edges(pd.DatetimeIndex(table.index), every)
    if len(days) > _MOST_PERIODS or (days < _FIRST_DAY).any() or (days > _LAST_DAY).any():
        raise TooManyPeriodsError(f"Not every {EVERY[every]} from {days[0]} to {days[-1]} can be drawn.")
    return date_numbers(days)


def says_if_far_apart(title: str) -> Callable[[Chart[P]], Chart[P]]:
    """Make a chart say so where its builds lie too far apart to be drawn, so that a report goes on."""

    def decorate(chart: Chart[P]) -> Chart[P]:
        @functools.wraps(chart)
        def drawn(*args: P.args, **kwargs: P.kwargs) -> Axes:
            try:
                return chart(*args, **kwargs)
            except TooManyPeriodsError:
                given = inspect.signature(chart).bind(*args, **kwargs).arguments
                return say(open_axes(given.get("ax")), title, _far_apart(given["builds"]["build_start"]))

        return drawn

    return decorate


def _far_apart(starts: pd.Series[Any]) -> str:
    """Name the first and the last build, one of which is likely to have a wrong start."""
    known = starts.dropna().sort_values()
    first, last = (f"{printable(known.index[at])} on {known.iloc[at].isoformat()[:10]}" for at in (0, -1))
    return (
        "The builds lie too far apart, or too far off, to draw every period: "
        f"the first is {first}, the last {last}. Left out: {count_text(len(known), 'build')}. "
        "Choose longer periods, or leave out builds with a wrong build_start."
    )


class _Remembering(dates.DateLocator):
    """Works out the ticks of a view once; a drawing asks for them a dozen times."""

    _view: tuple[float, float] | None = None
    _ticks: Sequence[float] = ()

    def __call__(self) -> Sequence[float]:
        view = tuple(self.axis.get_view_interval())  # type: ignore[union-attr]
        if view != self._view:
            self._view, self._ticks = view, super().__call__()
        return self._ticks


class _Weeks(_Remembering, dates.WeekdayLocator):
    """Mondays."""


class _Dates(_Remembering, dates.AutoDateLocator):
    """Dates of whatever length fits."""


def date_axis(ax: Axes, limits: NDArray[np.float64], every: Every, tz: str) -> None:
    """Make the x axis one of dates, with weeks marked on Mondays, and name the zone."""
    first, last = float(limits[0]), float(limits[-1])
    margin = (last - first) * 0.01
    ax.set_xlim(first - margin, last + margin)
    weeks = (last - first) / 7
    if every == "W" and weeks <= 26:
        step = max(1, int(np.ceil(weeks / 9)))
        locator: dates.DateLocator = _Weeks(byweekday=0, interval=step)  # type: ignore[no-untyped-call]
    else:
        locator = _Dates(minticks=3, maxticks=9)  # type: ignore[no-untyped-call]
    formatter = dates.ConciseDateFormatter(  # type: ignore[no-untyped-call]
        locator,
        formats=["%Y", "%b", "%d %b", "%d %b %H:%M", "%H:%M", "%H:%M:%S"],
        zero_formats=["", "%b\n%Y", "%d %b", "%d %b", "%H:%M", "%H:%M"],
        offset_formats=["", "%Y", "%Y", "%d %b %Y", "%d %b %Y", "%d %b %Y"],
    )
    ax.xaxis.set_major_locator(locator)
    ax.xaxis.set_major_formatter(formatter)
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.get_offset_text().set(color=SOFT, fontsize=9)
    monday = ", from Monday" if every == "W" else ""
    label = f"{EVERY[every]} in which the build started{monday} ({tz})"
    ax.set_xlabel(label, fontsize=9, color=SOFT, parse_math=False)


def duration_axis(ax: Axes, seconds: NDArray[np.float64], which: str = "y", room: float = 0.0) -> None:
    """Make an axis logarithmic in seconds, read in s, min, h and d, with `room` below as a share of it."""
    low, high = max(SHORTEST, float(np.nanmin(seconds))), max(2 * SHORTEST, float(np.nanmax(seconds)))
    low, high = low / 1.25, high * 1.25
    ticks = _TICKS if high / low > 300 else _FINE_TICKS
    floor = [SHORTEST] if np.nanmin(seconds) <= SHORTEST else []
    within: list[float] = [tick for tick in ticks if low <= tick <= high]
    if len(within) < 3:
        within = [tick for tick in MaxNLocator(4).tick_values(low, high) if max(low, 1e-3) <= tick <= high]
    shown = [*floor, *(tick for tick in within if tick > SHORTEST)]
    axis = ax.yaxis if which == "y" else ax.xaxis
    (ax.set_yscale if which == "y" else ax.set_xscale)("log")
    (ax.set_ylim if which == "y" else ax.set_xlim)(low / (high / low) ** (room / (1 - room)), high)
    axis.set_major_locator(FixedLocator(shown))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(
        FuncFormatter(lambda value, _: "< 1 s" if value == SHORTEST else duration_text(value))
    )
    axis.grid(color=LIGHT, linewidth=0.5, alpha=0.7)
    ax.set_axisbelow(True)


def strip(ax: Axes, limits: NDArray[np.float64], n: Iterable[int], noun: str) -> None:
    """Draw below the data, in the room left for it, how many builds stand behind each period."""
    counts = np.asarray(n, dtype="float64")
    most = int(counts.max())
    place = ax.get_xaxis_transform()
    steps(ax, counts / max(most, 1) * _STRIP, limits, fill=True, color=LIGHT, transform=place, label="n")
    text = f"{noun}: up to {count_text(most)}"
    ax.text(0.005, _STRIP + 0.008, text, transform=ax.transAxes, fontsize=8, color=SOFT, parse_math=False)


def steps(ax: Axes, heights: NDArray[np.float64], limits: NDArray[np.float64], **look: Any) -> StepPatch:
    """Draw as `Axes.stairs` does, on axes that get their limits elsewhere: working them out takes longer."""
    patch = StepPatch(heights, limits, **look)
    ax.add_artist(patch)
    return patch


def grid(ax: Axes, which: Literal["x", "y"]) -> None:
    """Rule one axis faintly, behind the data."""
    ax.grid(axis=which, color=LIGHT, linewidth=0.5)
    ax.set_axisbelow(True)


def label_ends(ax: Axes, ends: Sequence[tuple[float, str, str]]) -> None:
    """Write beside the right edge what each line is, in its colour, without one over the other."""
    to_axes = ax.transScale + ax.transLimits
    x = ax.get_xlim()[1]
    placed = sorted((float(to_axes.transform((x, y))[1]), text, ink) for y, text, ink in ends)
    gap = 13 * figure_of(ax).dpi / 72 / max(ax.get_window_extent().height, 1)
    heights = [height for height, _, _ in placed]
    for place in range(1, len(heights)):
        heights[place] = max(heights[place], heights[place - 1] + gap)
    for height, (_, text, ink) in zip(heights, placed, strict=True):
        ax.annotate(
            text,
            (1, height),
            xycoords="axes fraction",
            xytext=(6, 0),
            textcoords="offset points",
            va="center",
            color=ink,
            fontsize=9,
            parse_math=False,
            annotation_clip=False,
        )


def label_rows(ax: Axes, places: NDArray[np.float64], labels: Sequence[str]) -> None:
    """Name the rows of a chart that is read from top to bottom."""
    ax.set_yticks(places, labels, parse_math=False, fontsize=9)
    ax.set_ylim(places[-1] + 0.6, -0.6)
    widest = max(label.get_window_extent().width for label in ax.get_yticklabels())
    ax.tick_params(axis="y", length=0, pad=widest * 72 / figure_of(ax).dpi + 6)
    for label in ax.get_yticklabels():
        label.set_horizontalalignment("left")
    ax.spines["left"].set_visible(False)
