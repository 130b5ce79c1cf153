"""The style that all charts share: colors, headings, labels, and axes of dates and durations.

Text is drawn with ``parse_math=False``: names from a server may hold "$" and backslashes.
"""

from __future__ import annotations

import functools
import inspect
import itertools
import textwrap
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, ParamSpec, TypeAlias

import numpy as np
import pandas as pd
from matplotlib import dates
from matplotlib.axes import Axes
from matplotlib.font_manager import FontProperties
from matplotlib.legend import Legend
from matplotlib.patches import StepPatch
from matplotlib.textpath import text_to_path
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator, PercentFormatter
from matplotlib.transforms import ScaledTranslation
from numpy.typing import NDArray

from mkframe.charts._alt_text import ChartFigure, mark_caption, mark_message
from mkframe.charts._colors import COLORS, OTHER, palette
from mkframe.charts._date_ticks import DateTickFormatter, PeriodLocator
from mkframe.charts._labels import printable_text, short_names
from mkframe.charts._layout import cell, fit_axes, font_size, is_narrow, letters, root_figure
from mkframe.errors import InputError, TooManyPeriodsError
from mkframe.metrics._formatting import count_text, duration_text
from mkframe.metrics._grouping import EVERY, Length, period_edges
from mkframe.metrics._history import history_of

__all__ = [
    "HATCHES",
    "MARKERS",
    "MIN_SECONDS",
    "add_legend",
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
    "format_share_axis",
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
_TICK_INCHES = 0.55
"""Space of a label of an x axis."""
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
    elif ax.name != "rectilinear":
        raise InputError(
            f"ax has the projection {ax.name!r}, on which no chart is drawn.",
            hint="Leave it out, or use plt.subplots().",
        )
    ax.spines[["top", "right"]].set_visible(False)
    colors = palette(ax)
    ax.set_facecolor(colors.ground)
    ax.spines[["left", "bottom"]].set_color(colors.axis)
    ax.tick_params(color=colors.axis, labelcolor=colors.text, labelsize=font_size(ax))
    ax.grid(visible=False)  # of the style; a chart draws its own
    return ax


def set_heading(ax: Axes, title: str, *lines: str) -> None:
    """Write the title, and lines of text below it in a muted color; the last thing that a chart does.

    Where there is too little space for all, the first lines are cut; `alt_text` has them whole.
    """
    shift = _row_label_width(ax)
    space = cell(ax)
    width = space.width - (0.3 if shift else 0.9)
    small, large = font_size(ax), font_size(ax, 12)
    wrapped = [textwrap.wrap(line, max(20, letters(ax, width * 1.05))) for line in lines if line]
    titles = textwrap.wrap(title, max(16, letters(ax, width * 0.95, 12)))
    most = max(2, int((space.height - 1.9) * 72 / (1.4 * small)) - len(titles) + 1)
    texts = _cut_lines(wrapped, most)
    pad = 8 + 1.4 * small * len(texts)  # the height of the lines below, in points
    # without y, matplotlib measures every tick label to keep the title clear of them, which is slow
    ax.set_title(
        "\n".join(titles), loc="left", y=1, pad=pad, fontsize=large, color=palette(ax).text, parse_math=False
    )
    inches = root_figure(ax).dpi_scale_trans
    # heading and row labels begin at one position
    move = ScaledTranslation(-shift / 72, pad / 72, inches)
    ax._left_title.set_transform(ax.transAxes + move)  # type: ignore[attr-defined]
    note = ax.annotate(
        "\n".join(texts),
        (0, 1),
        xycoords="axes fraction",
        xytext=(-shift, 6),
        textcoords="offset points",
        va="bottom",
        fontsize=small,
        color=palette(ax).muted,
        linespacing=1.25,
        parse_math=False,
    )
    note.set_in_layout(False)  # the title's pad has its height; its width would shrink the Axes of a grid
    mark_caption(note, " ".join(filter(None, lines)))
    fit_axes(ax)


def _cut_lines(parts: list[list[str]], most: int) -> list[str]:
    """Keep some lines; what is left out of the numbers stands last, and stays."""
    for part in parts[:-1]:
        while len(part) > 1 and sum(map(len, parts)) > most:
            part.pop()
            part[-1] = f"{part[-1].rstrip(' …')} …"
    return [line for part in parts for line in part]


def _row_label_width(ax: Axes) -> float:
    """Return the width in points of the row labels that `set_row_labels` has set."""
    pad = float(ax.yaxis.get_tick_params().get("pad", 0))
    return pad if pad > 12 else 0.0


def width_inches(ax: Axes) -> float:
    """Estimate the final width of an Axes in inches, without its labels."""
    return max(1.0, float(cell(ax).width) - _row_label_width(ax) / 72 - 0.7)


def date_numbers(times: NDArray[np.datetime64]) -> NDArray[np.float64]:
    """Convert times without a zone to the numbers of a date axis (days since 1970); NaT becomes NaN.

    Examples
    --------
    >>> date_numbers(np.array(["1970-01-02"], dtype="datetime64[us]")).tolist()
    [1.0]
    """
    return np.asarray(dates.date2num(times), dtype="float64")  # type: ignore[no-untyped-call]


def show_message(ax: Axes, title: str, message: str) -> Axes:
    """Write a message on the Axes instead of a chart."""
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(False)
    style: dict[str, Any] = {"ha": "center", "va": "center", "color": palette(ax).muted, "parse_math": False}
    lines = textwrap.fill(message, min(70, max(16, letters(ax, cell(ax).width - 0.6))))
    set_heading(ax, title)
    text = ax.text(0.5, 0.5, lines, transform=ax.transAxes, fontsize=font_size(ax, 10), **style)
    text.set_in_layout(False)
    mark_message(text, message)
    return ax


def bar_style(ax: Axes, status: str, hatched: bool = True) -> dict[str, Any]:
    """Return the color and hatch of a bar of one status, as properties of a matplotlib patch.

    Examples
    --------
    >>> from matplotlib.figure import Figure
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
    space = width_inches(ax) + 0.4 if axis == "x" else cell(ax).height - 1.2
    size = font_size(ax)
    lines = textwrap.fill(text, max(16, letters(ax, space)))
    line.set_label_text(lines, fontsize=size, color=palette(ax).muted, parse_math=False)


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


def format_date_axis(ax: Axes, edges: NDArray[np.float64], every: Length, tz: str) -> None:
    """Show dates from the first to the last edge on the x axis, ticks where periods begin, and the zone."""
    first, last = float(edges[0]), float(edges[-1])
    margin = (last - first) * 0.01
    ax.set_xlim(first - margin, last + margin)
    space = width_inches(ax)
    ax.xaxis.set_major_locator(PeriodLocator(every, min(10, int(space / _TICK_INCHES))))
    ax.xaxis.set_major_formatter(DateTickFormatter(every))
    ax.xaxis.set_minor_locator(NullLocator())
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
    most = width_inches(ax) / _TICK_INCHES if axis == "x" else (cell(ax).height - 1.2) / 0.25
    while len(ticks) > max(3, most - 1):
        ticks = ticks[::2]
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


def format_share_axis(ax: Axes) -> None:
    """Write shares on the x axis as percentages."""
    most = max(2, min(6, int(width_inches(ax) / _TICK_INCHES)))
    ax.xaxis.set_major_locator(MaxNLocator(most, steps=[1, 2, 5, 10]))
    ax.xaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))


def draw_counts(ax: Axes, edges: NDArray[np.float64], n: Iterable[int], label: str) -> None:
    """Draw the number of builds of each period as steps at the bottom of the Axes."""
    counts = np.asarray(n, dtype="float64")
    top = int(counts.max())
    heights = counts / max(top, 1) * _COUNTS_HEIGHT
    transform = ax.get_xaxis_transform()  # heights as a share of the Axes, whatever its scale
    draw_stairs(ax, heights, edges, fill=True, color=palette(ax).axis, transform=transform, label="n")
    style: dict[str, Any] = {"fontsize": font_size(ax, 8), "color": palette(ax).muted, "parse_math": False}
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
    ends = [(y, text, color) for y, text, color in ends if np.isfinite(y)]
    to_axes = ax.transScale + ax.transLimits
    x = ax.get_xlim()[1]
    labels = sorted((float(to_axes.transform((x, y))[1]), text, color) for y, text, color in ends)
    gap = 13 * root_figure(ax).dpi / 72 / max(ax.get_window_extent().height, 1)  # 13 points, one line of text
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
            fontsize=font_size(ax),
            parse_math=False,
            annotation_clip=False,
        )


def set_row_labels(
    ax: Axes,
    positions: NDArray[np.float64],
    names: Sequence[object],
    notes: Sequence[str] = (),
    *,
    before: Sequence[str] = (),
    max_length: int = 32,
    separator: str = " · ",
) -> None:
    """Label the rows of a chart that is read from top to bottom, aligned on the left.

    Names are cut to what fits beside the chart, so that they still differ. Their notes follow;
    what stands `before` them is written as it is.
    """
    begins, ends = [*before], [f"   {text}" if text else "" for text in notes]
    begins, ends = begins or [""] * len(names), ends or [""] * len(names)
    rest = max(len(begin) + len(end) for begin, end in zip(begins, ends, strict=True))
    space = letters(ax, (0.5 if is_narrow(ax) else 0.42) * cell(ax).width) - rest
    shown = short_names(names, max(10 if is_narrow(ax) else 20, min(max_length, space)), separator)
    labels = [f"{begin}{name}{end}".rstrip() for begin, name, end in zip(begins, shown, ends, strict=True)]
    size = font_size(ax)
    ax.set_yticks(positions, labels, parse_math=False, fontsize=size)
    ax.set_ylim(positions[-1] + 0.6, -0.6)
    # matplotlib aligns tick labels at the axis; a pad of the widest one lets them begin at one position
    font = FontProperties(size=size)
    measure = text_to_path.get_text_width_height_descent  # in points, whatever the pixels
    widest = max(measure(text, font, ismath=False)[0] for text in {*labels})
    # letters are wider where pixels are few
    ax.tick_params(axis="y", length=0, pad=widest * 1.08 + 8)
    for label in ax.get_yticklabels():
        label.set_horizontalalignment("left")
    ax.spines["left"].set_visible(False)


def add_legend(ax: Axes, handles: Sequence[Any], labels: Sequence[str], *, columns: int = 4) -> Legend:
    """Put a legend below the x axis and its label, in as many columns as fit."""
    size = font_size(ax)
    lines = ax.get_xlabel().count("\n") + 1 if ax.get_xlabel() else 0
    lines += len(ax.get_xticks()) > 0
    lines += isinstance(ax.xaxis.get_major_formatter(), DateTickFormatter)  # months and years
    inches = root_figure(ax).dpi_scale_trans
    move = ScaledTranslation(-_row_label_width(ax) / 72, -(1.35 * size * lines + 9) / 72, inches)
    space = letters(ax, cell(ax).width - 0.3)
    columns = min(columns, len(labels))
    while columns > 1 and space < _legend_width(labels, columns):
        columns -= 1
    # the text is set afterwards: a legend skips labels that begin with "_" and reads "$" as mathematics
    legend = ax.legend(
        list(handles),
        [""] * len(handles),
        ncols=columns,
        fontsize=size,
        loc="upper left",
        bbox_to_anchor=(0, 0),
        bbox_transform=ax.transAxes + move,
        frameon=False,
        borderaxespad=0,
        columnspacing=1.4,
    )
    for text, label in zip(legend.get_texts(), labels, strict=True):
        text.set(text=label, fontsize=size, color=palette(ax).text, parse_math=False)
    return legend


def _legend_width(labels: Sequence[str], columns: int) -> int:
    """Count the letters of the widest labels of all columns, with the space of their handles."""
    high, more = divmod(len(labels), columns)
    ends = np.cumsum([0] + [high + (n < more) for n in range(columns)]).tolist()
    return sum(max(map(len, labels[a:b])) + 9 for a, b in itertools.pairwise(ends))
