"""How much space a chart has, and what follows from it: sizes of text, numbers of rows and letters.

A chart may be a figure of its own or one of many in a grid. Its cell is the part of the figure that is for
it, with its title and labels.
"""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

__all__ = ["cell", "fit_axes", "font_size", "is_narrow", "letters", "most_rows", "root_figure"]

_NARROW = 5.0
"""Inches below which text is smaller and sentences are shorter."""
_SMALLER = 0.85
_LETTER = 0.56
"""Mean width of a letter, as a share of the size of the font."""
_GAP = 0.08  # inches between the cells of a grid


def root_figure(ax: Axes) -> Figure:
    """Return the figure of an Axes, also through subfigures."""
    figure = ax.get_figure(root=True)
    assert figure is not None  # noqa: S101  an Axes without a figure cannot be drawn on
    return figure


def cell(ax: Axes) -> Bbox:
    """Return the part of the figure that is for an Axes with its labels, in inches."""
    parent: Any = ax.get_figure()
    area = Bbox(parent.bbox.get_points() / root_figure(ax).dpi)
    spec = ax.get_subplotspec()
    if spec is None or spec.get_topmost_subplotspec() is not spec:
        box = ax.get_position() if spec is None else spec.get_position(parent)
        left, bottom, right, top = box.x0, box.y0, box.x1, box.y1
    else:
        grid = spec.get_gridspec()
        across, down = (_ends(ratios) for ratios in (grid.get_width_ratios(), grid.get_height_ratios()))
        left, right = across[spec.colspan.start], across[spec.colspan.stop]
        bottom, top = 1 - down[spec.rowspan.stop], 1 - down[spec.rowspan.start]
    x, y = area.width, area.height
    return Bbox.from_extents(area.x0 + left * x, area.y0 + bottom * y, area.x0 + right * x, area.y0 + top * y)


def _ends(ratios: Any) -> list[float]:
    ends = [0.0]
    for ratio in ratios:
        ends.append(ends[-1] + float(ratio))
    return [end / ends[-1] for end in ends]


def is_narrow(ax: Axes) -> bool:
    """Say whether a chart has too little space for text of the usual size."""
    return bool(cell(ax).width < _NARROW)


def font_size(ax: Axes, points: float = 9) -> float:
    """Return a size of text in points, smaller in a narrow cell."""
    return points * _SMALLER if is_narrow(ax) else points


def letters(ax: Axes, inches: float, points: float = 9) -> int:
    """Count the letters that fit in a width."""
    return int(inches * 72 / (_LETTER * font_size(ax, points)))


def most_rows(ax: Axes | None, most: int) -> int:
    """Return how many rows fit; in a figure of its own a chart is as high as it needs."""
    if not isinstance(ax, Axes):
        return most
    space = (cell(ax).height - 1.4) * 72 / (1.45 * font_size(ax))
    return max(3, min(most, int(space)))


def fit_axes(ax: Axes) -> None:
    """Keep the labels of an Axes in its cell, where the figure has no layout engine that does."""
    if root_figure(ax).get_layout_engine() is not None or ax.get_subplotspec() is None:
        return
    box, inner = ax.get_tightbbox(), ax.get_window_extent()
    if box is None:
        return
    dpi, space = root_figure(ax).dpi, cell(ax)
    left, bottom = max(inner.x0 - box.x0, 0) / dpi + _GAP, max(inner.y0 - box.y0, 0) / dpi + _GAP
    right, top = max(box.x1 - inner.x1, 0) / dpi + _GAP, max(box.y1 - inner.y1, 0) / dpi + _GAP
    width, height = space.width - left - right, space.height - bottom - top
    if width < 0.2 * space.width or height < 0.2 * space.height:
        return
    parent: Any = ax.get_figure()
    points = Bbox.from_bounds(space.x0 + left, space.y0 + bottom, width, height).get_points() * dpi
    ax.set_position(Bbox(parent.transSubfigure.inverted().transform(points)))
    ax.set_in_layout(True)  # `set_position` takes it out, and a later tight_layout is to see it
