"""Chart of commits: one lane for each release."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from numpy.typing import NDArray

from mkframe._clock import is_of_build, stamp_numbers
from mkframe.charts import _style
from mkframe.charts._colors import COLORS, OTHER, palette
from mkframe.charts._labels import left_out_text, printable_text
from mkframe.charts._layout import most_rows
from mkframe.metrics._checks import check_columns
from mkframe.metrics._formatting import count_text
from mkframe.metrics._moments import FIRST, LAST

__all__ = ["commit_lanes"]

_REQUIRED = ("RELEASE", "TYPE", "STATUS", "COMMIT_TIMESTAMP")
_MOST_LANES = 30
_DAY = 86_400_000
_FIRST, _LAST = (round(edge.timestamp() * 1000) for edge in (FIRST, LAST))
"""In Unix milliseconds; stamps beyond would show all others as one point."""


def commit_lanes(commits: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw commits over time, a lane for each release: builds by their status, and commits by hand.

    There are no lines between commits, since the API does not say which commit follows which. All commits of
    a build have one stamp and so are one mark.

    Parameters
    ----------
    commits : DataFrame
        The view ``COMMITS``, as ``client.commits`` returns it.
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
    >>> commits = pd.DataFrame({"RELEASE": ["R1", "R2"], "TYPE": ["Build", "Commit"],
    ...     "STATUS": "FINISHED", "COMMIT_TIMESTAMP": [1_770_000_000_000, 1_771_000_000_000]})
    >>> [label.get_text() for label in commit_lanes(commits, ax=Figure().subplots()).get_yticklabels()]
    ['R2   1', 'R1   1']
    """
    check_columns(commits, _REQUIRED, "commits", "Give what client.commits returns.")
    title = "Commits per release"
    stamps = stamp_numbers(commits).astype("Float64").to_numpy("float64", na_value=np.nan)
    known = (stamps >= _FIRST) & (stamps < _LAST)
    rows = commits[list(_REQUIRED)][known].assign(at=stamps[known])
    lanes = _lanes(rows)
    ax = _style.open_axes(ax, height=1.9 + 0.3 * max(len(lanes), 3))
    if not lanes:
        return _style.show_message(ax, title, "There are no commits.")
    shown = lanes[: most_rows(ax, _MOST_LANES)]
    limits = np.array([rows["at"].min(), rows["at"].max() + _DAY]) / _DAY
    _style.format_date_axis(ax, limits, "D", "UTC")
    kinds = _draw(ax, rows, shown)
    counts = rows["RELEASE"].astype(object).fillna("").value_counts()
    places = np.arange(len(shown), dtype="float64")
    notes = [count_text(int(counts[name])) for name in shown]
    _style.set_row_labels(ax, places, [name or "no release" for name in shown], notes)
    _style.label_axis(ax, "x", "date on the clock of the commits")
    _style.draw_grid(ax, "x")
    _style.add_legend(ax, *ax.get_legend_handles_labels())
    total = count_text(len(rows), "commit")
    text = f"{total} of instances: {', '.join(kinds)}. Releases of one name share a lane."
    left = left_out_text(
        (len(lanes) - len(shown), "releases with older commits"),
        (int((~known).sum()), "without a usable time"),
    )
    _style.set_heading(ax, title, text, left)
    return ax


def _lanes(rows: pd.DataFrame) -> list[str]:
    """Return the names of the releases, the one with the newest commit first."""
    newest = rows.groupby(rows["RELEASE"].astype(object).fillna(""))["at"].max()
    return [str(name) for name in newest.sort_values(ascending=False, kind="stable").index]


def _draw(ax: Axes, rows: pd.DataFrame, lanes: list[str]) -> list[str]:
    """Draw a mark for each kind, lane and moment; return how many commits there are of each kind."""
    is_build = is_of_build(rows)
    status = rows["STATUS"].astype(object).fillna("unknown").to_numpy()
    kind = np.where(is_build, status, "by hand")
    lane = pd.Index(lanes).get_indexer(pd.Index(rows["RELEASE"].astype(object).fillna("")))
    texts = []
    for name in sorted(set(kind), key=lambda each: (each != "by hand", str(each))):
        here = kind == name
        style = _mark_style(ax, str(name))
        label = "by hand" if name == "by hand" else f"by {printable_text(name, 20).lower()} builds"
        points: NDArray[Any] = np.unique(
            np.column_stack([rows["at"].to_numpy()[here & (lane >= 0)] / _DAY, lane[here & (lane >= 0)]]),
            axis=0,
        )
        offset = 0.16 if name == "by hand" else -0.1
        ax.plot(points[:, 0], points[:, 1] + offset, linestyle="", label=label, **style)
        texts.append(f"{count_text(int(here.sum()))} {label}")
    return texts


def _mark_style(ax: Axes, kind: str) -> dict[str, Any]:
    colors = palette(ax)
    if kind == "by hand":
        return {"marker": "D", "color": colors.muted, "markersize": 4}
    color, marker = COLORS.get(kind, OTHER), _style.MARKERS.get(kind, "x")
    return {"marker": marker, "color": colors.ink(color), "markersize": 5}
