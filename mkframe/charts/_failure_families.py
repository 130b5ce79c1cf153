"""What failed builds have in common, the most frequent first."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from mkframe import metrics
from mkframe.charts import _style
from mkframe.charts._colors import OTHER, palette
from mkframe.charts._labels import left_out_text
from mkframe.charts._layout import font_size, most_rows
from mkframe.metrics._formatting import count_text, percent_text
from mkframe.metrics._history import history_of

__all__ = ["failure_families"]

_MOST_ROWS = 15


def failure_families(
    builds: pd.DataFrame, *, names: Iterable[str] | None = None, ax: Axes | None = None
) -> Axes:
    """Draw the families of failed builds as a Pareto chart, with the share that the first ones cover.

    Beside each bar stand the number of builds and the share of all failed builds that this family and those
    above it make up together. Families beyond the 15th are one bar, always the last. See
    `mkframe.metrics.failure_families`.

    Parameters
    ----------
    builds : DataFrame
        As in `mkframe.metrics.failure_families`.
    names : iterable of str, optional
        Names that messages may hold.
    ax : Axes, optional
        Where to draw.

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        If a column is missing, the index holds no ids, or a name is no text.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> builds = pd.DataFrame({"status": "FAILED", "message": ["Timeout after 3 s", "Timeout after 9 s"],
    ...     "build_start": pd.Timestamp("2026-04-01", tz="UTC"), "patterns": [[808], [9]]}, index=[1, 2])
    >>> failure_families(builds, ax=Figure().subplots()).get_yticklabels()[0].get_text()
    'Timeout after <n>'
    """
    builds, left_out = history_of(builds)
    table = metrics.failure_families(builds, names=names)
    total = int(table["builds"].sum())
    most = most_rows(ax, _MOST_ROWS)
    shown = table.head(most)
    rest = table.iloc[most:]
    bars = len(shown) + (len(rest) > 0)
    ax = _style.open_axes(ax, height=1.7 + 0.3 * max(bars, 3))
    title = "Why builds failed"
    missing = left_out_text(left_out=left_out)
    if not total:
        return _style.show_message(ax, title, f"There are no failed builds. {missing}")
    counts = np.append(
        shown["builds"].to_numpy("float64"), [float(rest["builds"].sum())] if len(rest) else []
    )
    labels: list[object] = [*shown.index]
    labels += [f"{count_text(len(rest), 'other family', 'other families')}"] if len(rest) else []
    rows = np.arange(bars, dtype="float64")
    drawn = ax.barh(rows, counts, 0.6, label="failed builds", **_style.bar_style(ax, "FAILED", hatched=False))
    if len(rest):
        drawn[-1].set_facecolor(OTHER)
    shares = np.cumsum(counts) / total
    texts = [f"{count:,.0f}   {percent_text(share)}" for count, share in zip(counts, shares, strict=True)]
    ax.bar_label(drawn, texts, padding=5, fontsize=font_size(ax), color=palette(ax).text, parse_math=False)
    _style.set_row_labels(ax, rows, labels, max_length=46)
    ax.set_xlim(0, counts.max() * 1.02)
    ax.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    _style.draw_grid(ax, "x")
    text = (
        f"{count_text(total, 'failed build')} in {count_text(len(table), 'family', 'families')}. "
        "At the right: builds, and the share of all with the families above."
    )
    _style.set_heading(ax, title, text, missing)
    return ax
