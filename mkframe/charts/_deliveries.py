"""Builds that changed nothing, and artifacts that were used."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from mkframe import metrics
from mkframe.charts import _style
from mkframe.charts._colors import COLORS, OTHER, palette
from mkframe.charts._groups import more_text
from mkframe.charts._labels import left_out_text
from mkframe.charts._layout import most_rows
from mkframe.metrics._deliveries import RESULTS
from mkframe.metrics._formatting import count_text, duration_text, percent_text
from mkframe.metrics._history import history_of
from mkframe.metrics._streams import By, by_text

__all__ = ["artifact_use", "builds_without_delivery"]

_MOST_ROWS = 25
_LOOKS = {
    "delivered": (COLORS["FINISHED"], ""),
    "without_delivery": (COLORS["CANCELED"], "///"),
    "identical": ("#A87400", "..."),
    "unknown": (OTHER, ""),
}


def builds_without_delivery(
    builds: pd.DataFrame,
    deliveries: pd.DataFrame,
    *,
    files: pd.DataFrame | None = None,
    by: By = "pattern_set",
    ax: Axes | None = None,
) -> Axes:
    """Draw finished builds by what they delivered, those with most time without a delivery first.

    See `mkframe.metrics.builds_without_delivery`.

    Parameters
    ----------
    builds, deliveries : DataFrame
        As in `mkframe.metrics.builds_without_delivery`.
    files : DataFrame, optional
        With `build_id` and `sha256`, a row for each file that was fetched.
    by : {"pattern", "release", "project", "user", "pattern_set"}, or two of them, default "pattern_set"
        The rows.
    ax : Axes, optional
        Where to draw.

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        If a column is missing or the index holds no ids.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> start = pd.date_range("2026-04-01 08:00", periods=2, freq="h", tz="UTC")
    >>> builds = pd.DataFrame({"status": "FINISHED", "build_start": start, "project_id": 1,
    ...     "build_end": start + pd.Timedelta("90s"), "patterns": [[808]] * 2,
    ...     "deliveries_calculated": True}, index=[11, 12])
    >>> ax = builds_without_delivery(builds, pd.DataFrame({"BUILD_ID": [11]}), ax=Figure().subplots())
    >>> ax.get_yticklabels()[0].get_text()
    '808   1 min 30 s'
    """
    builds, left_out = history_of(builds)
    table = metrics.builds_without_delivery(builds, deliveries, files=files, by=by)
    shown = table.head(most_rows(ax, _MOST_ROWS))
    ax = _style.open_axes(ax, height=2.1 + 0.3 * max(len(shown), 3))
    title = f"Finished builds without a delivery per {by_text(by)}"
    if not len(shown):
        return _style.show_message(
            ax, title, f"There are no finished builds. {left_out_text(left_out=left_out)}"
        )
    rows = np.arange(len(shown), dtype="float64")
    begin = np.zeros(len(shown))
    for name in RESULTS:
        counts = shown[name].to_numpy("float64")
        if counts.any():
            look = _style.fill_style(ax, *_LOOKS[name])
            ax.barh(rows, counts, 0.6, left=begin, label=name.replace("_", " "), **look)
        begin = begin + counts
    ax.set_xlim(0, begin.max() * 1.02)
    ax.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    _style.label_axis(ax, "x", "finished builds")
    _style.set_row_labels(ax, rows, [*shown.index], [duration_text(s) for s in shown["seconds_without"]])
    _style.draw_grid(ax, "x")
    _style.add_legend(ax, *ax.get_legend_handles_labels())
    rest = more_text(len(table) - len(shown), by, "with less time without a delivery")
    text = (
        "At the left: time of builds that no row of DELIVERIES names, identical ones included. "
        f"That is no proof that their artifacts are as before; equal checksums are.{rest}"
    )
    _style.set_heading(ax, title, text, left_out_text(left_out=left_out))
    return ax


def artifact_use(
    downloads: pd.DataFrame,
    build_deployments: pd.DataFrame,
    *,
    by: Literal["pattern"] | None = None,
    own: Iterable[int] = (),
    ax: Axes | None = None,
) -> Axes:
    """Draw the shares of artifacts that were fetched and that were deployed, with 95 % intervals.

    The two are independent, so neither is drawn as a part of the other. See `mkframe.metrics.artifact_use`.

    Parameters
    ----------
    downloads, build_deployments : DataFrame
        As in `mkframe.metrics.artifact_use`.
    by : {"pattern"}, optional
        Rows for each pattern; those of the patterns with most artifacts are drawn.
    own : iterable of int, default ()
        Ids of downloads that were fetched for an analysis, once for each time.
    ax : Axes, optional
        Where to draw.

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        If a column is missing, `by` is not known, or an index holds no ids.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> downloads = pd.DataFrame({"build_id": [11, 12], "pattern_id": 808, "downloaded": [2, 0]})
    >>> deployments = pd.DataFrame({"build_id": [12], "pattern_id": [808]})
    >>> ax = artifact_use(downloads, deployments, ax=Figure().subplots())
    >>> [label.get_text() for label in ax.get_yticklabels()]
    ['fetched   1 of 2', 'deployed   1 of 2']
    """
    table = metrics.artifact_use(downloads, build_deployments, by=by, own=own)
    unknown = left_out_text((int(table["unknown"].sum()), "without a counter of fetches"))
    known = table[table["artifacts"] > 0]
    if by is not None:
        many = known.groupby(level="pattern")["artifacts"].transform("max").to_numpy()
        known = known.iloc[np.argsort(-many, kind="stable")]
    shown = known.head(most_rows(ax, _MOST_ROWS) // 2 * 2)
    ax = _style.open_axes(ax, height=1.9 + 0.32 * max(len(shown), 2))
    title = "Artifacts that were fetched, and that were deployed"
    if not len(shown):
        return _style.show_message(ax, title, f"There are no artifacts. {unknown}")
    rows = np.arange(len(shown), dtype="float64")
    is_fetched = shown.index.get_level_values("use") == "fetched"
    for name, mask, ink, marker in (
        ("fetched", is_fetched, COLORS["FINISHED"], "o"),
        ("deployed", ~is_fetched, OTHER, "D"),
    ):
        part = shown[mask]
        ax.hlines(rows[mask], part["low"], part["high"], color=palette(ax).weak(ink), linewidth=6)
        ax.plot(
            part["share"],
            rows[mask],
            color=palette(ax).strong(ink),
            linestyle="",
            marker=marker,
            markersize=6,
            markeredgewidth=0,
            label=name,
        )
    notes = [f"{used:,} of {n:,}" for used, n in zip(shown["used"], shown["artifacts"], strict=True)]
    _style.set_row_labels(ax, rows, [*shown.index], notes, separator=" ")
    ax.set_xlim(0, 1.01)
    _style.format_share_axis(ax)
    _style.draw_grid(ax, "x")
    more = len(known) - len(shown)
    rest = f" {count_text(more, 'more row')} not drawn." if more else ""
    shares = "; ".join(
        f"{use} {percent_text(part['used'].sum() / part['artifacts'].sum())}"
        for use, part in known.groupby(level="use", sort=False)
    )
    text = f"All together: {shares}. Deployed: a deployment exists, not that it worked.{rest}"
    _style.set_heading(ax, title, text, unknown)
    return ax
