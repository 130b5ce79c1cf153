"""Chart of what differs between two releases."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from mkframe.charts import _style
from mkframe.charts._labels import left_out_text, printable_text
from mkframe.charts._layout import most_rows
from mkframe.metrics._checks import check_columns
from mkframe.metrics._formatting import count_text

__all__ = ["release_changes"]

_MOST_ROWS = 30
_KEY = ["pattern", "folder", "instance", "role", "name", "occurrence"]
_LOOKS = {
    "added": ("#009E73", ""),
    "changed": ("#0072B2", "..."),
    "removed": ("#D55E00", "///"),
}


def release_changes(diff: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw how many metadata rows differ between two releases, per pattern and folder.

    Parameters
    ----------
    diff : DataFrame
        The result of `mkframe.releases.diff`, or rows of it. A row with several changed properties counts
        once; instances of one release only are not in it.
    ax : Axes, optional
        Where to draw.

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        If a column is missing.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> diff = pd.DataFrame({"pattern": "DV", "folder": "/RAW", "instance": "AIRPLANE", "role": "ATTR",
    ...     "name": ["SEATS", "SEATS"], "occurrence": 1, "kind": "changed", "property": ["TYPE", "SIZE"]})
    >>> release_changes(diff, ax=Figure().subplots()).get_yticklabels()[0].get_text()
    'DV  /RAW   1'
    """
    check_columns(diff, [*_KEY, "kind"], "differences", "Give what mk.releases.diff returns.")
    rows = pd.DataFrame(diff)[[*_KEY, "kind"]].drop_duplicates()
    counts = _count(rows)
    shown = counts.head(most_rows(ax, _MOST_ROWS))
    ax = _style.open_axes(ax, height=2.1 + 0.3 * max(len(shown), 3))
    title = _title(diff.attrs)
    if not len(shown):
        return _style.show_message(ax, title, "No metadata row differs between instances of both releases.")
    places = np.arange(len(shown), dtype="float64")
    begin = np.zeros(len(shown))
    for kind, look in _LOOKS.items():
        numbers = shown[kind].to_numpy("float64")
        ax.barh(places, numbers, 0.6, left=begin, label=kind, **_style.fill_style(ax, *look))
        begin = begin + numbers
    ax.set_xlim(0, begin.max() * 1.02)
    ax.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    _style.label_axis(ax, "x", "metadata rows")
    names = [tuple(name or "–" for name in entry) for entry in shown.index]
    notes = [count_text(int(n)) for n in begin]
    _style.set_row_labels(ax, places, names, notes, max_length=52, separator="  ")
    _style.draw_grid(ax, "x")
    _style.add_legend(ax, *ax.get_legend_handles_labels())
    total = ", ".join(f"{count_text(int(counts[kind].sum()))} {kind}" for kind in _LOOKS)
    left = left_out_text((len(counts) - len(shown), "folders with fewer rows"))
    _style.set_heading(ax, title, f"Rows per pattern and folder: {total}.", left)
    return ax


def _count(rows: pd.DataFrame) -> pd.DataFrame:
    """Count rows of each kind per pattern and folder, most first."""
    folders = [rows["pattern"].astype(object).fillna(""), rows["folder"].astype(object).fillna("")]
    counts = pd.crosstab(folders, rows["kind"].astype(object))
    counts = counts.reindex(columns=list(_LOOKS), fill_value=0)
    order = counts.sum(axis=1).sort_values(ascending=False, kind="stable").index
    return counts.loc[order]


def _title(attrs: dict[Any, Any]) -> str:
    try:
        old, new = (printable_text(attrs[side]["release"], 30) for side in ("old", "new"))
    except (KeyError, TypeError):
        return "Changes between two releases"
    return f"Changes from {old} to {new}"
