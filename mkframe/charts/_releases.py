"""Releases as lines in time."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from numpy.typing import NDArray

from mkframe import metrics
from mkframe._validation import check_timezone
from mkframe.charts import _style
from mkframe.charts._labels import left_out, printable
from mkframe.metrics._formatting import count_text
from mkframe.metrics._grouping import list_items, local_times

__all__ = ["releases"]

_MOST = 60
_OPEN, _CLOSED = "#0072B2", "#9DB4C4"


def releases(
    releases: pd.DataFrame, builds: pd.DataFrame | None = None, tz: str = "UTC", ax: Axes | None = None
) -> Axes:
    """Draw each release from start to end, hotfixes below their release, with its builds.

    Open releases are dark and closed ones light with an upright at the end. A date that is missing, or lies
    before 1900 or after 2199, leaves the line open on that side. The thin line below it runs from the start
    of its first build to that of its last, so builds after the end can be seen.

    Parameters
    ----------
    releases : DataFrame
        A releases frame.
    builds : DataFrame, optional
        A builds frame with `releases` and `build_start`.
    tz : str, default "UTC"
        Zone of the dates. The reference's examples look like midnights of a local zone: name that zone, and
        the days are the ones that people mean.
    ax : Axes, optional
        Where to draw.

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        If a column is missing or the zone is not known.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> dates = pd.to_datetime(["2026-02-01", "2026-03-01"], utc=True)
    >>> frame = pd.DataFrame({"group_id": 1, "name": ["R1"], "closed": False, "deleted": False,
    ...     "start_date": dates[:1], "end_date": dates[1:], "hotfix_of_id": [None],
    ...     "prev_release_id": [None]}, index=[21])
    >>> releases(frame, ax=Figure().subplots()).get_yticklabels()[0].get_text()
    'R1'
    """
    check_timezone(tz)
    table = metrics.releases(releases, builds)
    title = "Releases and their hotfixes"
    if not len(table):
        return _style.say(_style.open_axes(ax), title, "There are no releases.")
    shown = table.tail(_MOST) if len(table) > _MOST else table
    groups = shown["group_id"].nunique(dropna=False)
    ax = _style.open_axes(ax, height=1.9 + 0.3 * (len(shown) + groups - 1))
    times = ["start_date", "end_date", "first_build", "last_build"]
    start, end, first, last = (_numbers(shown[name], tz) for name in times)
    known = np.concatenate([start, end, first, last])
    if np.isnan(known).all():
        return _style.say(
            ax, title, f"None of the {count_text(len(table), 'release')} has a date or a build."
        )
    limits = np.array([np.nanmin(known), np.nanmax(known) + 1])
    _style.date_axis(ax, limits, "D", tz)
    rows = _rows(ax, shown)
    _lines(ax, rows, shown, (start, end), limits)
    _activity(ax, rows, shown, first, last)
    ax.set_xlabel(f"date ({tz})", fontsize=9, color=_style.SOFT, parse_math=False)
    ax.grid(axis="x", color=_style.LIGHT, linewidth=0.5)
    ax.set_axisbelow(True)
    missing = left_out((len(table) - len(shown), f"releases before these {_MOST}"))
    _style.heading(ax, title, _figures(table, builds), missing)
    return ax


def _rows(ax: Axes, table: pd.DataFrame) -> NDArray[np.float64]:
    """Place and name the rows; where there are several groups, each begins with a row that names it."""
    groups = [None if pd.isna(group) else int(group) for group in table["group_id"]]
    is_first = np.array([place == 0 or group != groups[place - 1] for place, group in enumerate(groups)])
    rows = np.arange(len(table), dtype="float64")
    names = [_name(row) for row in table.itertuples()]
    if is_first.sum() == 1:
        _style.label_rows(ax, rows, names)
        return rows
    rows += np.cumsum(is_first)
    headers = dict(
        zip(rows[is_first] - 1, map(_group_name, itertools.compress(groups, is_first)), strict=True)
    )
    labels = dict(sorted((headers | dict(zip(rows, names, strict=True))).items()))
    _style.label_rows(ax, np.array(list(labels)), list(labels.values()))
    for label, place in zip(ax.get_yticklabels(), labels, strict=True):
        label.set_color(_style.SOFT if place in headers else _style.INK)
    return rows


def _group_name(group: int | None) -> str:
    return "No release group" if group is None else f"Release group {group}"


def _numbers(times: pd.Series, tz: str) -> NDArray[np.float64]:
    local = local_times(times, tz)
    # dates such as 9999-12-31 stand for no date, and would squeeze all others into a corner
    is_date = (local >= np.datetime64("1900-01-01")) & (local < np.datetime64("2200-01-01"))
    return _style.date_numbers(np.where(is_date, local, np.datetime64("NaT", "us")))


def _lines(
    ax: Axes,
    rows: NDArray[np.float64],
    table: pd.DataFrame,
    dates_: tuple[NDArray[np.float64], NDArray[np.float64]],
    limits: NDArray[np.float64],
) -> None:
    start, end = dates_
    closed = table["closed"].fillna(False).to_numpy(bool)
    dated = ~(np.isnan(start) & np.isnan(end))
    left = np.where(np.isnan(start), limits[0], start)
    right = np.where(np.isnan(end), limits[1], end)
    for mask, ink, label in ((closed, _CLOSED, "closed"), (~closed, _OPEN, "open")):
        held = mask & dated & (left <= right)
        ax.hlines(rows[held], left[held], right[held], color=ink, linewidth=8, label=label, capstyle="butt")
    for x, held, marker, label in (
        (right, closed & ~np.isnan(end), "|", "end of a closed release"),
        (right, np.isnan(end) & dated, ">", "no end date"),
        (left, np.isnan(start) & dated, "<", "no start date"),
    ):
        ink = _style.INK if marker == "|" else _OPEN
        ax.plot(x[held], rows[held], linestyle="", marker=marker, markersize=11, color=ink, label=label)


def _activity(
    ax: Axes,
    rows: NDArray[np.float64],
    table: pd.DataFrame,
    first: NDArray[np.float64],
    last: NDArray[np.float64],
) -> None:
    built = ~np.isnan(first)
    label = "first to last build"
    ax.hlines(rows[built] + 0.32, first[built], last[built], color=_style.INK, linewidth=1.2, label=label)
    for row, closed, number in zip(rows, table["closed"], table["builds"], strict=True):
        state = "" if pd.isna(closed) else "closed" if closed else "open"
        many = "" if pd.isna(number) else count_text(int(number), "build")
        ax.annotate(
            "  ".join(part for part in (state, many) if part),
            (1, row),
            (6, 0),
            xycoords=("axes fraction", "data"),
            textcoords="offset points",
            va="center",
            fontsize=9,
            color=_style.INK if state == "open" else _style.SOFT,
            annotation_clip=False,
        )


def _name(row: object) -> str:
    name = printable(row.name, 32)  # type: ignore[attr-defined]
    deleted = row.deleted  # type: ignore[attr-defined]
    mark = " (deleted)" if not pd.isna(deleted) and deleted else ""
    depth = row.depth  # type: ignore[attr-defined]
    return f"{'    ' * (depth - 1)}  └ {name}{mark}" if depth else f"{name}{mark}"


def _figures(table: pd.DataFrame, builds: pd.DataFrame | None) -> str:
    opened = int((~table["closed"].fillna(True)).sum())
    fixes = int(table["hotfix_of_id"].notna().sum())
    said = (
        f"{count_text(len(table), 'release')}, {count_text(opened)} open, "
        f"{count_text(fixes, 'hotfix', 'hotfixes')}."
    )
    if builds is None:
        return said
    named = count_text(sum(len(list_items(cell)) > 0 for cell in builds["releases"]))
    return (
        f"{said} {named} of {count_text(len(builds), 'build')} name a release. "
        "Thin line: from a release's first build to its last."
    )
