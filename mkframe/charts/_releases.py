"""Chart of releases as lines from start to end."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from numpy.typing import NDArray

from mkframe import metrics
from mkframe._validation import check_timezone
from mkframe.charts import _style
from mkframe.charts._colors import COLORS, OTHER, palette
from mkframe.charts._labels import left_out_text
from mkframe.charts._layout import font_size, most_rows
from mkframe.metrics._formatting import count_text
from mkframe.metrics._grouping import local_times
from mkframe.metrics._history import LeftOut, history_of, without_repeats
from mkframe.metrics._moments import FIRST, LAST, read_moment
from mkframe.metrics._streams import list_items

__all__ = ["releases"]

_MAX_RELEASES = 60
_COLOR = COLORS["FINISHED"]


def releases(
    releases: pd.DataFrame,
    builds: pd.DataFrame | None = None,
    tz: str = "UTC",
    now: str | datetime | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw each release from start to end, hotfixes below their release, with its builds.

    Open releases are dark. Closed releases are light, with a vertical mark at the end. A date that is
    missing, or is before 1900 or after 2199, leaves the line open on that side. A thin line below goes from
    the start of the first build to that of the last one, so builds after the end of a release can be seen.
    A dashed line marks today, if it lies between the dates.

    Parameters
    ----------
    releases : DataFrame
        A releases frame.
    builds : DataFrame, optional
        A builds frame with `releases` and `build_start`.
    tz : str, default "UTC"
        Time zone of the dates. The examples of the API reference look like midnights in a local time zone;
        with that zone as `tz`, the chart shows the intended days.
    now : str or datetime, optional
        With a zone: the time of the line for today. By default the clock of this machine.
    ax : Axes, optional
        Where to draw.

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        If a column is missing, the time zone is unknown, or `now` is no time with a zone.

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
    table = metrics.releases(releases, builds, tz, now)
    today = pd.Timestamp.now("UTC") if now is None else read_moment(now)
    left_out = LeftOut()
    if builds is not None:
        builds, left_out = history_of(builds)
    _, repeated, older = without_repeats(releases, "releases")
    left_out = replace(left_out, repeated=left_out.repeated + repeated, older=left_out.older + older)
    title = "Releases and their hotfixes"
    if not len(table):
        return _style.show_message(_style.open_axes(ax), title, "There are no releases.")
    newest = table.tail(most_rows(ax, _MAX_RELEASES))
    groups = newest["group_id"].nunique(dropna=False)
    ax = _style.open_axes(ax, height=1.9 + 0.3 * (len(newest) + groups - 1))
    times = ["start_date", "end_date", "first_build", "last_build"]
    start, end, first, last = (_date_numbers(newest[name], tz) for name in times)
    known = np.concatenate([start, end, first, last])
    if np.isnan(known).all():
        message = f"None of the {count_text(len(table), 'release')} has a date or a build."
        return _style.show_message(ax, title, message)
    limits = np.array([np.nanmin(known), np.nanmax(known) + 1])
    _style.format_date_axis(ax, limits, "D", tz)
    rows = _label_rows(ax, newest)
    _draw_releases(ax, rows, newest, start, end, limits)
    _draw_activity(ax, rows, newest, first, last)
    _draw_today(ax, _date_numbers(pd.Series([today]), tz)[0], limits)
    _style.label_axis(ax, "x", f"date ({tz})")
    _style.draw_grid(ax, "x")
    missing = left_out_text(
        (len(table) - len(newest), f"releases before these {len(newest)}"), left_out=left_out
    )
    _style.set_heading(ax, title, _count_releases(table, builds), missing)
    return ax


def _label_rows(ax: Axes, table: pd.DataFrame) -> NDArray[np.float64]:
    """Label the rows and return their positions; with several groups, each begins with a header row."""
    groups = [None if pd.isna(group) else int(group) for group in table["group_id"]]
    is_first = np.array([n == 0 or group != groups[n - 1] for n, group in enumerate(groups)])
    rows = np.arange(len(table), dtype="float64")
    lines = [_release_line(row) for row in table.itertuples()]
    if is_first.sum() > 1:
        rows += np.cumsum(is_first)
        headers = [
            ("", "No release group" if group is None else f"Release group {group}", "")
            for group in itertools.compress(groups, is_first)
        ]
    else:
        headers = []
    places = np.concatenate([rows, rows[is_first] - 1] if headers else [rows])
    order = np.argsort(places)
    all_lines = lines + headers
    before, names, notes = zip(*(all_lines[n] for n in order), strict=True)
    _style.set_row_labels(ax, places[order], names, notes, before=before)
    for label, n in zip(ax.get_yticklabels(), order, strict=True):
        label.set_color(palette(ax).muted if n >= len(lines) else palette(ax).text)
    return rows


def _date_numbers(times: pd.Series, tz: str) -> NDArray[np.float64]:
    local = local_times(times, tz)
    # dates such as 9999-12-31 mean "no date", and an axis up to them would show all others as one point
    first, last = (edge.tz_localize(None).to_numpy() for edge in (FIRST, LAST))
    is_date = (local >= first) & (local < last)
    return _style.date_numbers(np.where(is_date, local, np.datetime64("NaT", "us")))


def _draw_releases(
    ax: Axes,
    rows: NDArray[np.float64],
    table: pd.DataFrame,
    start: NDArray[np.float64],
    end: NDArray[np.float64],
    limits: NDArray[np.float64],
) -> None:
    """Draw the lines, with arrows where a date is missing and marks where a closed release ends."""
    closed = table["closed"].fillna(False).to_numpy(bool)
    has_date = ~(np.isnan(start) & np.isnan(end))
    dark = palette(ax).strong(_COLOR)
    left = np.where(np.isnan(start), limits[0], start)
    right = np.where(np.isnan(end), limits[1], end)
    for state, color, label in ((closed, palette(ax).weak(OTHER), "closed"), (~closed, dark, "open")):
        mask = state & has_date & (left <= right)
        ax.hlines(rows[mask], left[mask], right[mask], color=color, linewidth=8, label=label, capstyle="butt")
    for x, mask, marker, label in (
        (right, closed & ~np.isnan(end), "|", "end of a closed release"),
        (right, np.isnan(end) & has_date, ">", "no end date"),
        (left, np.isnan(start) & has_date, "<", "no start date"),
    ):
        color = palette(ax).text if marker == "|" else dark
        ax.plot(x[mask], rows[mask], linestyle="", marker=marker, markersize=11, color=color, label=label)


def _draw_activity(
    ax: Axes,
    rows: NDArray[np.float64],
    table: pd.DataFrame,
    first: NDArray[np.float64],
    last: NDArray[np.float64],
) -> None:
    """Draw lines from the first to the last build, and write state and number of builds at the right edge."""
    mask = ~np.isnan(first)
    style: dict[str, Any] = {"color": palette(ax).text, "linewidth": 1.2}
    ax.hlines(rows[mask] + 0.32, first[mask], last[mask], label="first to last build", **style)
    for row, closed, number in zip(rows, table["closed"], table["builds"], strict=True):
        state = "" if pd.isna(closed) else "closed" if closed else "open"
        count = "" if pd.isna(number) else count_text(int(number), "build")
        ax.annotate(
            "  ".join(part for part in (state, count) if part),
            (1, row),
            (6, 0),
            xycoords=("axes fraction", "data"),
            textcoords="offset points",
            va="center",
            fontsize=font_size(ax),
            color=palette(ax).text if state == "open" else palette(ax).muted,
            annotation_clip=False,
        )


def _draw_today(ax: Axes, today: float, limits: NDArray[np.float64]) -> None:
    """Draw a line for today; one outside of the dates would make all of them small."""
    if not limits[0] <= today <= limits[1]:
        return
    ax.axvline(today, label="today", **palette(ax).reference_line)
    style: dict[str, Any] = {"fontsize": 8, "color": palette(ax).muted, "va": "bottom", "ha": "right"}
    ax.annotate(
        "today", (today, 0), (-3, 2), xycoords=("data", "axes fraction"), textcoords="offset points", **style
    )


def _release_line(row: Any) -> tuple[str, str, str]:
    """Return what stands before the name of a release, the name, and what follows it."""
    indent = f"{'    ' * (row.depth - 1)}  └ " if row.depth else ""
    return indent, str(row.name), "(deleted)" if not pd.isna(row.deleted) and row.deleted else ""


def _count_releases(table: pd.DataFrame, builds: pd.DataFrame | None) -> str:
    is_open = int((~table["closed"].fillna(True)).sum())
    hotfixes = int(table["hotfix_of_id"].notna().sum())
    text = (
        f"{count_text(len(table), 'release')}, {count_text(is_open)} open, "
        f"{count_text(hotfixes, 'hotfix', 'hotfixes')}."
    )
    if builds is None:
        return text
    with_release = count_text(sum(len(list_items(cell)) > 0 for cell in builds["releases"]))
    return (
        f"{text} {with_release} of {count_text(len(builds), 'build')} name a release. "
        "Thin line: from a release's first build to its last."
    )
