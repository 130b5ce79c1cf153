"""The style that all charts share: colors, headings, labels, and axes of dates and durations.

Text is drawn with ``parse_math=False``: names from a server may hold "$" and backslashes.
"""

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

from mkframe.charts._alt_text import ChartFigure, mark_caption, mark_message
from mkframe.charts._colors import COLORS, OTHER, palette
from mkframe.charts._labels import printable_text
from mkframe.errors import InputError, TooManyPeriodsError
from mkframe.metrics._formatting import count_text, duration_text
from mkframe.metrics._grouping import EVERY, Length, period_edges
from mkframe.metrics._history import history_of

__all__ = [
    "HATCHES",
    "MARKERS",
    "MIN_SECONDS",
    "axis_edges",
    "bar_style",
    "date_numbers",
    "draw_counts",
    "draw_grid",
    "draw_stairs",
    "explain_too_many_periods",
    "fill_style",
    "format_date_axis",
    "format_duration_axis",
    "label_axis",
    "label_line_ends",
    "set_row_labels",
    "open_axes",
    "set_heading",
    "show_message",
    "width_inches",
]

Params = ParamSpec("Params")
Chart: TypeAlias = Callable[Params, Axes]

MARKERS = {"FINISHED": "o", "FAILED": "X", "CANCELED": "s", "BUILDING": "^"}
HATCHES = {"FAILED": "///", "CANCELED": "---", "BUILDING": "..."}
"""Hatches distinguish statuses without color; finished builds have none."""
_OTHER_HATCH = "xxx"

MIN_SECONDS = 0.5
"""Seconds below which a logarithmic axis draws all durations at one position, labeled "< 1 s"."""
_COUNTS_HEIGHT = 0.1
_MAX_PERIODS = 4_000
_FIRST_DAY, _LAST_DAY = np.datetime64("0100-01-01"), np.datetime64("9900-01-01")
_TICKS = (1, 10, 60, 600, 3_600, 36_000, 86_400, 864_000, 8_640_000)
_FINE_TICKS = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1_200, 1_800, 3_600, 7_200, 18_000, 36_000, 86_400)


def open_axes(ax: Axes | None, width: float = 9, height: float = 4.6) -> Axes:
    """Return the given Axes, or those of a new figure of `width` by `height` inches.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> ax = Figure().subplots()
    >>> open_axes(ax) is ax
    True
    """
    if ax is None:
        from matplotlib import pyplot as plt

        ax = plt.subplots(figsize=(width, height), layout="constrained", FigureClass=ChartFigure)[1]
    elif not isinstance(ax, Axes):
        raise InputError(
            f"ax is {type(ax).__name__}, not matplotlib Axes.", hint="Leave it out, or use plt.subplots()."
        )
    ax.spines[["top", "right"]].set_visible(False)
    colors = palette(ax)
    ax.set_facecolor(colors.ground)
    ax.spines[["left", "bottom"]].set_color(colors.axis)
    ax.tick_params(color=colors.axis, labelcolor=colors.text, labelsize=9)
    ax.grid(visible=False)  # of the style; a chart draws its own
    return ax


def set_heading(ax: Axes, title: str, *lines: str) -> None:
    """Write the title, and lines of text below it in a muted color."""
    max_characters = max(30, int(width_inches(ax) * 15.5))
    wrapped = [part for line in lines if line for part in textwrap.wrap(line, max_characters)]
    pad = 8 + 12.5 * len(wrapped)  # the height of the lines below, in points
    # without y, matplotlib measures every tick label to keep the title clear of them, which is slow
    ax.set_title(title, loc="left", y=1, pad=pad, fontsize=12, color=palette(ax).text, parse_math=False)
    note = ax.annotate(
        "\n".join(wrapped),
        (0, 1),
        xycoords="axes fraction",
        xytext=(0, 6),
        textcoords="offset points",
        va="bottom",
        fontsize=9,
        color=palette(ax).muted,
        linespacing=1.25,
        parse_math=False,
    )
    # the padding of the title already reserves the height, and a wide note must not shrink the axes
    note.set_in_layout(False)
    mark_caption(note, " ".join(filter(None, lines)))


def width_inches(ax: Axes) -> float:
    """Estimate the final width of an Axes, without the row labels that `set_row_labels` has set."""
    figure = _root_figure(ax)
    if len(figure.axes) > 1:
        return float(ax.get_window_extent().width / figure.dpi) * 0.8  # a fifth is left for tick labels
    pad = ax.yaxis.get_tick_params().get("pad", 0)  # the width of row labels, in points
    return float(figure.get_figwidth() - pad / 72 - 0.7)


def date_numbers(times: NDArray[np.datetime64]) -> NDArray[np.float64]:
    """Convert times without a zone to the numbers of a date axis (days since 1970); NaT becomes NaN.

    Examples
    --------
    >>> date_numbers(np.array(["1970-01-02"], dtype="datetime64[us]")).tolist()
    [1.0]
    """
    return np.asarray(dates.date2num(times), dtype="float64")  # type: ignore[no-untyped-call]


def _root_figure(ax: Axes) -> Figure:
    figure = ax.get_figure(root=True)
    assert figure is not None  # noqa: S101  an Axes without a figure cannot be drawn on
    return figure


def show_message(ax: Axes, title: str, message: str) -> Axes:
    """Write a message on the Axes instead of a chart."""
    set_heading(ax, title)
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(False)
    style: dict[str, Any] = {"ha": "center", "va": "center", "color": palette(ax).muted, "parse_math": False}
    text = ax.text(0.5, 0.5, textwrap.fill(message, 70), transform=ax.transAxes, **style)
    mark_message(text, message)
    return ax


def bar_style(ax: Axes, status: str, hatched: bool = True) -> dict[str, Any]:
    """Return the color and hatch of a bar of one status, as properties of a matplotlib patch.

    Examples
    --------
    >>> ax = Figure().subplots()
    >>> bar_style(ax, "FAILED")["facecolor"], bar_style(ax, "PAUSED")["facecolor"]
    ('#D55E00', '#8C8C8C')
    """
    hatch = HATCHES.get(status, "" if status in COLORS else _OTHER_HATCH) if hatched else ""
    return fill_style(ax, COLORS.get(status, OTHER), hatch)


def fill_style(ax: Axes, color: str, hatch: str = "") -> dict[str, Any]:
    """Return the properties of a patch that is filled, with a hatch in the color of the ground."""
    colors = palette(ax)
    return {
        "facecolor": colors.ink(color),
        "edgecolor": colors.ground,
        "linewidth": 0,
        "hatch": hatch,
        "hatch_linewidth": 0.6,
    }


def label_axis(ax: Axes, axis: Literal["x", "y"], text: str) -> None:
    """Write below the x axis or beside the y axis what it shows."""
    line = ax.xaxis if axis == "x" else ax.yaxis
    line.set_label_text(text, fontsize=9, color=palette(ax).muted, parse_math=False)


def axis_edges(table: pd.DataFrame, every: Length) -> NDArray[np.float64]:
    """Return the edges of the periods of a table as numbers of a date axis, in the time zone of the table."""
    days = period_edges(pd.DatetimeIndex(table.index.unique("period")), every)
    if len(days) > _MAX_PERIODS or (days < _FIRST_DAY).any() or (days > _LAST_DAY).any():
        raise TooManyPeriodsError(f"Not every {EVERY[every]} from {days[0]} to {days[-1]} can be drawn.")
    return date_numbers(days)


def explain_too_many_periods(title: str) -> Callable[[Chart[Params]], Chart[Params]]:
    """Decorate a chart: write a message on the Axes where the builds are too far apart to be drawn.

    A report of many charts then continues with the next one.
    """

    def decorate(chart: Chart[Params]) -> Chart[Params]:
        @functools.wraps(chart)
        def wrapper(*args: Params.args, **kwargs: Params.kwargs) -> Axes:
            try:
                return chart(*args, **kwargs)
            except TooManyPeriodsError:
                arguments = inspect.signature(chart).bind(*args, **kwargs).arguments
                message = _too_many_periods_text(history_of(arguments["builds"]).builds["build_start"])
                return show_message(open_axes(arguments.get("ax")), title, message)

        return wrapper

    return decorate


def _too_many_periods_text(starts: pd.Series[Any]) -> str:
    """Name the first and the last build; one of them is likely to have a wrong start."""
    known = starts.dropna().sort_values()
    first, last = (f"{printable_text(known.index[n])} on {known.iloc[n].isoformat()[:10]}" for n in (0, -1))
    return (
        "The builds lie too far apart, or too far off, to draw every period: "
        f"the first is {first}, the last {last}. Left out: {count_text(len(known), 'build')}. "
        "Choose longer periods, or leave out builds with a wrong build_start."
    )


class _CachedLocator(dates.DateLocator):
    """Keep the ticks of the last view; matplotlib asks for them about a dozen times per drawing."""

    _view: tuple[float, float] | None = None
    _ticks: Sequence[float] = ()

    def __call__(self) -> Sequence[float]:
        view = tuple(self.axis.get_view_interval())  # type: ignore[union-attr]
        if view != self._view:
            self._view, self._ticks = view, super().__call__()
        return self._ticks


class _WeekLocator(_CachedLocator, dates.WeekdayLocator):
    """Put ticks on weekdays."""


class _DateLocator(_CachedLocator, dates.AutoDateLocator):
    """Choose days, months or years as they fit."""


def format_date_axis(ax: Axes, edges: NDArray[np.float64], every: Length, tz: str) -> None:
    """Show dates from the first to the last edge on the x axis, ticks of weeks on Mondays, and the zone."""
    first, last = float(edges[0]), float(edges[-1])
    margin = (last - first) * 0.01
    ax.set_xlim(first - margin, last + margin)
    weeks = (last - first) / 7
    if every == "W" and weeks <= 26:
        step = max(1, int(np.ceil(weeks / 9)))
        locator: dates.DateLocator = _WeekLocator(byweekday=0, interval=step)  # type: ignore[no-untyped-call]
    else:
        locator = _DateLocator(minticks=3, maxticks=9)  # type: ignore[no-untyped-call]
    formatter = dates.ConciseDateFormatter(  # type: ignore[no-untyped-call]
        locator,
        formats=["%Y", "%b", "%d %b", "%d %b %H:%M", "%H:%M", "%H:%M:%S"],
        zero_formats=["", "%b\n%Y", "%d %b", "%d %b", "%H:%M", "%H:%M"],
        offset_formats=["", "%Y", "%Y", "%d %b %Y", "%d %b %Y", "%d %b %Y"],
    )
    ax.xaxis.set_major_locator(locator)
    ax.xaxis.set_major_formatter(formatter)
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.get_offset_text().set(color=palette(ax).muted, fontsize=9)
    monday = ", from Monday" if every == "W" else ""
    label = f"{EVERY[every]} in which the build started{monday} ({tz})"
    label_axis(ax, "x", label)


def format_duration_axis(
    ax: Axes, seconds: NDArray[np.float64], space: float = 0.0, axis: Literal["x", "y"] = "y"
) -> None:
    """Make an axis logarithmic, with ticks in s, min, h and d; keep a share `space` of it free below."""
    shortest, longest = float(np.nanmin(seconds)), float(np.nanmax(seconds))
    low, high = max(MIN_SECONDS, shortest) / 1.25, max(2 * MIN_SECONDS, longest) * 1.25
    ticks: list[float] = [t for t in (_TICKS if high / low > 300 else _FINE_TICKS) if low <= t <= high]
    if len(ticks) < 3:
        ticks = [t for t in MaxNLocator(4).tick_values(low, high) if max(low, 1e-3) <= t <= high]
    ticks = [MIN_SECONDS] * (shortest <= MIN_SECONDS) + [t for t in ticks if t > MIN_SECONDS]
    begin = low / (high / low) ** (space / (1 - space))
    ax.set(**{f"{axis}scale": "log", f"{axis}lim": (begin, high)})
    line = ax.yaxis if axis == "y" else ax.xaxis
    line.set_major_locator(FixedLocator(ticks))
    line.set_minor_locator(NullLocator())
    line.set_major_formatter(
        FuncFormatter(lambda value, _: "< 1 s" if value == MIN_SECONDS else duration_text(value))
    )
    line.grid(color=palette(ax).grid, linewidth=0.5)
    ax.set_axisbelow(True)


def draw_counts(ax: Axes, edges: NDArray[np.float64], n: Iterable[int], label: str) -> None:
    """Draw the number of builds of each period as steps at the bottom of the Axes."""
    counts = np.asarray(n, dtype="float64")
    top = int(counts.max())
    heights = counts / max(top, 1) * _COUNTS_HEIGHT
    transform = ax.get_xaxis_transform()  # heights as a share of the Axes, whatever its scale
    draw_stairs(ax, heights, edges, fill=True, color=palette(ax).axis, transform=transform, label="n")
    style: dict[str, Any] = {"fontsize": 8, "color": palette(ax).muted, "parse_math": False}
    text = f"{label}: up to {count_text(top)}"
    ax.text(0.005, _COUNTS_HEIGHT + 0.008, text, transform=ax.transAxes, **style)


def draw_stairs(
    ax: Axes, heights: NDArray[np.float64], edges: NDArray[np.float64], **style: Any
) -> StepPatch:
    """Draw as `Axes.stairs` does, but leave the limits of the Axes to the caller, which is faster."""
    patch = StepPatch(heights, edges, **style)
    ax.add_artist(patch)
    return patch


def draw_grid(ax: Axes, axis: Literal["x", "y"]) -> None:
    """Draw light grid lines of one axis behind the data."""
    ax.grid(axis=axis, color=palette(ax).grid, linewidth=0.5)
    ax.set_axisbelow(True)


def label_line_ends(ax: Axes, ends: Sequence[tuple[float, str, str]]) -> None:
    """Label lines at the right edge without overlaps; each end is a y value, a text and a color."""
    to_axes = ax.transScale + ax.transLimits
    x = ax.get_xlim()[1]
    labels = sorted((float(to_axes.transform((x, y))[1]), text, color) for y, text, color in ends)
    gap = (
        13 * _root_figure(ax).dpi / 72 / max(ax.get_window_extent().height, 1)
    )  # 13 points, one line of text
    heights = [height for height, _, _ in labels]
    for n in range(1, len(heights)):
        heights[n] = max(heights[n], heights[n - 1] + gap)
    for height, (_, text, color) in zip(heights, labels, strict=True):
        ax.annotate(
            text,
            (1, height),
            xycoords="axes fraction",
            xytext=(6, 0),
            textcoords="offset points",
            va="center",
            color=palette(ax).ink_for_text(color),
            fontsize=9,
            parse_math=False,
            annotation_clip=False,
        )


def set_row_labels(ax: Axes, positions: NDArray[np.float64], labels: Sequence[str]) -> None:
    """Label the rows of a chart that is read from top to bottom; labels are aligned on the left."""
    ax.set_yticks(positions, labels, parse_math=False, fontsize=9)
    ax.set_ylim(positions[-1] + 0.6, -0.6)
    # matplotlib aligns tick labels at the axis; a pad of the widest one lets them begin at one position
    widest = max(label.get_window_extent().width for label in ax.get_yticklabels())
    ax.tick_params(axis="y", length=0, pad=widest * 72 / _root_figure(ax).dpi + 6)
    for label in ax.get_yticklabels():
        label.set_horizontalalignment("left")
    ax.spines["left"].set_visible(False)
