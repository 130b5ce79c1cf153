"""Groups of builds on charts: a row for each, or a line for each over periods."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from numpy.typing import NDArray

from mkframe.charts._colors import GROUP_STYLES, palette
from mkframe.charts._labels import short_names
from mkframe.charts._layout import cell, letters
from mkframe.metrics._formatting import count_text
from mkframe.metrics._streams import By, by_text, keys_of

__all__ = ["MAX_ROWS", "draw_lines", "line_names", "more_text", "parts_of", "per_text", "row_names"]

MAX_ROWS = 25
ALL_BUILDS = "all builds"


def row_names(index: pd.Index[Any], by: By | None) -> list[object]:
    """Name the rows of a table: its groups, or all builds where it is not divided by a key."""
    if by is None:
        return [ALL_BUILDS] * len(index)
    keys = keys_of(by)
    return [entry[: len(keys)] for entry in index]


def per_text(by: By | None, every: str = "") -> str:
    """Say for a title what there is a row or a line of.

    Examples
    --------
    >>> per_text("pattern", "week"), per_text(None, "week"), per_text(("project", "user"))
    (', per pattern and week', ', per week', ', per project and user')
    """
    parts = [*([by_text(by)] if by is not None else []), *([every] if every else [])]
    return f", per {' and '.join(parts)}" if parts else ""


def more_text(more: int, by: By | None, why: str) -> str:
    """Say how many groups are not drawn; begins with a blank, and is empty if there are none."""
    if more <= 0 or by is None:
        return ""
    noun = f"more {by_text(by)}" if len(keys_of(by)) == 1 else f"more combination of {by_text(by)}"
    plural = f"{noun}s" if len(keys_of(by)) == 1 else f"more combinations of {by_text(by)}"
    return f" {count_text(more, noun, plural)} {why} not drawn."


def parts_of(table: pd.DataFrame, by: By, weight: Sequence[str]) -> list[tuple[object, pd.DataFrame, int]]:
    """Give the name, the periods and the builds of each group that has any, that with most builds first."""
    keys: list[Any] = [*keys_of(by)]
    parts = [
        (name, part.droplevel(keys), int(part[[*weight]].to_numpy().sum()))
        for name, part in table.groupby(level=keys if len(keys) > 1 else keys[0], sort=False)
    ]
    return sorted((part for part in parts if part[2]), key=lambda part: -part[2])


def line_names(ax: Axes, parts: Sequence[tuple[object, pd.DataFrame, int]]) -> list[str]:
    """Shorten the names of lines to a part of the width."""
    return short_names([name for name, _, _ in parts], max(10, min(32, letters(ax, 0.22 * cell(ax).width))))


def draw_lines(
    ax: Axes,
    parts: Sequence[tuple[object, pd.DataFrame, int]],
    edges: NDArray[np.float64],
    column: str,
    *,
    count: str,
    least: int,
    floor: float = 0.0,
) -> tuple[NDArray[np.float64], list[tuple[float, str, str]]]:
    """Draw a line for each of the first groups; return all values, and the line ends for `label_line_ends`.

    A period with fewer builds than `least` has an open marker and no line. No value is drawn below `floor`.
    """
    middle = (edges[:-1] + edges[1:]) / 2
    ends, drawn = [], []
    shown = parts[: len(GROUP_STYLES)]
    names = line_names(ax, shown)
    for (base, marker), name, (_, part, total) in zip(GROUP_STYLES, names, shown, strict=False):
        color = palette(ax).ink(base)
        n = part[count].to_numpy()
        value = np.maximum(part[column].to_numpy("float64"), floor)
        line = np.where(n >= least, value, np.nan)
        small = np.where((n > 0) & (n < least), value, np.nan)
        label = f"{name} ({count_text(total)})"
        style: dict[str, Any] = {"color": color, "marker": marker}
        ax.plot(middle, line, markersize=4, linewidth=1.4, label=label, **style)
        style |= {"markersize": 3.5, "markerfacecolor": "none"}
        ax.plot(middle, small, linestyle="", **style)
        both = np.where(np.isnan(line), small, line)
        drawn.append(both)
        ends.append((float(both[~np.isnan(both)][-1]), label, color))
    return np.concatenate(drawn), ends
