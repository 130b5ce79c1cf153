"""At which progress builds fail, by group."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from mkframe import metrics
from mkframe.charts import _style
from mkframe.charts._colors import COLORS, palette
from mkframe.charts._labels import builds_text, left_out_text
from mkframe.charts._layout import font_size, is_narrow, most_rows
from mkframe.metrics._failure_progress import BANDS
from mkframe.metrics._formatting import count_text
from mkframe.metrics._history import history_of
from mkframe.metrics._streams import By, by_text

__all__ = ["failure_progress"]

_MOST_ROWS = 25


def failure_progress(
    builds: pd.DataFrame,
    *,
    by: By = "pattern",
    statuses: Sequence[str] = ("FAILED",),
    ax: Axes | None = None,
) -> Axes:
    """Draw failed builds by group and last progress as a heat map, with the numbers in it.

    The darker a cell, the more of all builds drawn lie in it; an empty cell has none. See
    `mkframe.metrics.failure_progress`.

    Parameters
    ----------
    builds : DataFrame
        With `status`, `progress` and the columns that `by` needs.
    by : {"pattern", "release", "project", "user", "pattern_set"}, or two of them, default "pattern"
        The rows.
    statuses : sequence of str, default ("FAILED",)
        Whose progress is counted.
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
    >>> builds = pd.DataFrame({"status": "FAILED", "progress": [35, 99], "patterns": [[808], [808]]})
    >>> failure_progress(builds, ax=Figure().subplots()).get_yticklabels()[0].get_text()
    '808   2'
    """
    builds, left_out = history_of(builds)
    table = metrics.failure_progress(builds, by=by, statuses=statuses)
    shown = table.head(most_rows(ax, _MOST_ROWS))
    ax = _style.open_axes(ax, height=2.0 + 0.3 * max(len(shown), 3))
    what = builds_text(statuses)
    title = f"Last progress of {what} per {by_text(by)}"
    missing = left_out_text(left_out=left_out)
    if not len(shown):
        return _style.show_message(ax, title, f"There are no {what}. {missing}")
    columns = [*BANDS, "unknown"] if shown["unknown"].any() else BANDS
    counts = shown[columns].to_numpy("float64")
    most = counts.max()
    shades = palette(ax).colormap(COLORS["FAILED"])
    ax.pcolormesh(
        np.arange(len(columns) + 1) - 0.5,
        np.arange(len(shown) + 1) - 0.5,
        np.where(counts > 0, counts, np.nan),
        cmap=shades,
        vmin=1,
        vmax=max(most, 2),
        edgecolors=palette(ax).ground,
        linewidth=0.5,
        label="builds",
    )
    span = max(most, 2) - 1
    for row, column in np.argwhere(counts > 0):
        ink = palette(ax).text_on(shades((counts[row, column] - 1) / span))
        text = f"{counts[row, column]:,.0f}"
        ax.text(
            column, row, text, ha="center", va="center", fontsize=font_size(ax), color=ink, parse_math=False
        )
    names = [name.removesuffix(" %") for name in columns] if is_narrow(ax) else columns
    ax.set_xticks(range(len(columns)), names, fontsize=font_size(ax, 8 if is_narrow(ax) else 9))
    if is_narrow(ax):
        _style.label_axis(ax, "x", "progress in %")
    ax.tick_params(axis="x", length=0)
    ax.spines["bottom"].set_visible(False)
    rows = np.arange(len(shown), dtype="float64")
    _style.set_row_labels(ax, rows, [*shown.index], [count_text(n) for n in shown["builds"]])
    more = len(table) - len(shown)
    rest = f" {count_text(more, 'more row')} with fewer builds not drawn." if more else ""
    sentence = "The progress that the server told last; that it stays where a build failed is not documented."
    _style.set_heading(ax, title, f"{sentence}{rest}", missing)
    return ax
