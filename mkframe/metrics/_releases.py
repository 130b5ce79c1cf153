"""Releases in reading order: chains of releases, with hotfixes below the release that they fix.

Ids that are missing from the frame, circles of ids and links between groups are no errors; the releases are
then ordered by their start dates.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from mkframe._validation import check_timezone
from mkframe.errors import InputError
from mkframe.metrics._checks import require_columns
from mkframe.metrics._grouping import local_times
from mkframe.metrics._history import history_of, without_repeats
from mkframe.metrics._moments import in_calendar, read_moment
from mkframe.metrics._streams import check_lists

__all__ = ["releases"]

_FIELDS = [
    "group_id",
    "name",
    "start_date",
    "end_date",
    "closed",
    "deleted",
    "hotfix_of_id",
    "prev_release_id",
]
_BUILD_COLUMNS = {
    "builds": "Int64",
    "first_build": "datetime64[us, UTC]",
    "last_build": "datetime64[us, UTC]",
}


def releases(
    releases: pd.DataFrame,
    builds: pd.DataFrame | None = None,
    tz: str = "UTC",
    now: str | datetime | None = None,
) -> pd.DataFrame:
    """Order releases by their chains, hotfixes below their release, and count the builds of each.

    Within a group the order follows `prev_release_id` and otherwise the start dates. A hotfix comes directly
    below the release that `hotfix_of_id` refers to, one level deeper. Ids that are not in the frame and
    circular chains are no error: such a release is ordered by its start date.

    Parameters
    ----------
    releases : DataFrame
        A releases frame. A release that is there twice gets one row.
    builds : DataFrame, optional
        A builds frame with `releases` and `build_start`. A build with several releases counts in each;
        releases that only occur in `builds` get no row.
    tz : str, default "UTC"
        Time zone in which times are given and days are counted. The examples of the API reference look like
        midnights of a local time zone; in that zone they are the intended days.
    now : str or datetime, optional
        With a zone, until when open releases are overdue. By default the clock of this machine.

    Returns
    -------
    DataFrame
        Index `id` (int64), in reading order. Columns `group_id` int64, `name` str, `start_date` and
        `end_date` datetime64[us, tz], `closed` and `deleted` boolean, `hotfix_of_id` and `prev_release_id`
        Int64; `position` int64, from 0 in each group; `depth` int64, 0 for a release and 1 or
        more for a hotfix; `builds` Int64, null without a builds frame; `first_build` and `last_build`
        datetime64[us, tz], starts of its first and last build; `overdue_days` Int64, the days since the end
        date of a release that is still open, 0 until then, null where it is closed or has no end date.

        A column with a date in the first or the last year of the calendar, such as 9999-12-31, stays in UTC:
        in another zone pandas could not show it.

    Raises
    ------
    InputError
        If a column is missing, the index holds no ids, the zone is unknown, or `now` is no time with a zone.

    Examples
    --------
    >>> frame = pd.DataFrame({"group_id": 1, "name": ["R2", "R1", "R1.1"], "closed": False,
    ...     "start_date": pd.to_datetime(["2026-02-01", "2026-01-01", "2026-03-01"], utc=True),
    ...     "end_date": pd.to_datetime(["2026-03-01", "2026-02-01", None], utc=True), "deleted": False,
    ...     "hotfix_of_id": [None, None, 21], "prev_release_id": [21, None, None]}, index=[22, 21, 23])
    >>> releases(frame)["name"].tolist()
    ['R1', 'R1.1', 'R2']
    """
    require_columns(releases, _FIELDS, "releases")
    check_timezone(tz)
    moment = pd.Timestamp.now("UTC") if now is None else read_moment(now)
    releases, _, _ = without_repeats(releases, "releases")
    # an index that only counts the rows would link hotfixes and builds to other releases
    if "id" in releases.columns or not pd.api.types.is_integer_dtype(releases.index):
        raise InputError(
            "The releases are not indexed by their id.", hint='Set it with releases.set_index("id").'
        )
    table = releases[_FIELDS].astype({"closed": "boolean", "deleted": "boolean"})
    table = table.astype({"hotfix_of_id": "Int64", "prev_release_id": "Int64"})
    table.index = table.index.astype("int64").rename("id")
    table = table.sort_values(["group_id", "start_date"], kind="stable")
    order, depth = _reading_order(table)
    table = table.iloc[order].assign(depth=depth[order])
    table.insert(len(_FIELDS), "position", table.groupby("group_id", dropna=False).cumcount().astype("int64"))
    table = table.join(_count_builds(table.index, builds))
    table["overdue_days"] = _overdue_days(table, moment, tz)
    times = ["start_date", "end_date", "first_build", "last_build"]
    table = table.astype({name: pd.DatetimeTZDtype("us", tz) for name in times})
    return table.assign(**{name: in_calendar(table[name]) for name in times})


def _overdue_days(table: pd.DataFrame, moment: pd.Timestamp, tz: str) -> pd.Series[Any]:
    """Count the days since the end of open releases."""
    end = local_times(table["end_date"], tz).astype("datetime64[D]")
    today = np.datetime64(moment.tz_convert(tz).date(), "D")
    days = pd.Series((today - end).astype("float64"), index=table.index).clip(lower=0)
    is_open = ~table["closed"].fillna(True).to_numpy(bool)
    return days.where(is_open & ~np.isnat(end)).astype("Int64")


def _reading_order(table: pd.DataFrame) -> tuple[list[int], np.ndarray[tuple[int], np.dtype[np.int64]]]:
    """Return the positions in reading order and each depth: a release, its hotfixes, then its successors."""
    # releases without a group form a group of their own
    groups: list[int] = pd.factorize(table["group_id"], use_na_sentinel=False)[0].tolist()
    hotfixes, successors, has_link = _links(table, groups)
    is_hotfix = table["hotfix_of_id"].notna().to_numpy(bool)
    depth = np.zeros(len(table), dtype="int64")
    order: list[int] = []
    visited: set[int] = set()
    # first the starts of chains; what is not reached from them is a circle and starts with its oldest release
    for start in [*np.flatnonzero(~has_link).tolist(), *range(len(table))]:
        stack = [(start, 0)]
        while stack:
            node, level = stack.pop()
            if node in visited:
                continue
            visited.add(node)
            order.append(node)
            depth[node] = level
            # reversed, since the last one pushed is visited first; hotfixes come before successors
            stack += [(n, level if is_hotfix[n] else 0) for n in reversed(successors.get(node, []))]
            stack += [(n, level + 1) for n in reversed(hotfixes.get(node, []))]
    return sorted(order, key=lambda node: groups[node]), depth


def _links(
    table: pd.DataFrame, groups: list[int]
) -> tuple[dict[int, list[int]], dict[int, list[int]], np.ndarray[tuple[int], np.dtype[np.bool_]]]:
    """Return hotfixes and successors of each position, and which positions are one of the two."""
    positions = {id_: n for n, id_ in reversed(list(enumerate(table.index)))}  # the first of equal ids

    def targets(column: str) -> list[int | None]:
        """Look up the ids of a column, without links to the release itself or to another group."""
        found = [None if pd.isna(id_) else positions.get(id_) for id_ in table[column]]
        return [
            None if target is None or target == n or groups[target] != groups[n] else target
            for n, target in enumerate(found)
        ]

    parents, previous = targets("hotfix_of_id"), targets("prev_release_id")
    hotfixes: dict[int, list[int]] = {}
    successors: dict[int, list[int]] = {}
    has_link = np.zeros(len(table), dtype=bool)
    for n, (parent, before) in enumerate(zip(parents, previous, strict=True)):
        # a hotfix follows another hotfix of the same release; otherwise it comes below the release
        if before is not None and (parent is None or parents[before] == parent):
            successors.setdefault(before, []).append(n)
        elif parent is not None:
            hotfixes.setdefault(parent, []).append(n)
        has_link[n] = parent is not None or before is not None
    return hotfixes, successors, has_link


def _count_builds(index: pd.Index[int], builds: pd.DataFrame | None) -> pd.DataFrame:
    ids = index.unique()
    if builds is None:
        return pd.DataFrame({name: pd.Series(index=ids, dtype=kind) for name, kind in _BUILD_COLUMNS.items()})
    builds = history_of(builds, ["releases", "build_start"]).builds
    check_lists(builds["releases"])
    rows = builds[["releases", "build_start"]].reset_index(drop=True).explode("releases")
    rows = rows[rows["releases"].isin(ids)].reset_index(names="row").drop_duplicates(["row", "releases"])
    starts = rows.groupby(rows["releases"].astype("int64"))["build_start"]
    table = pd.DataFrame({"builds": starts.size(), "first_build": starts.min(), "last_build": starts.max()})
    return table.reindex(ids).fillna({"builds": 0}).astype(_BUILD_COLUMNS)
