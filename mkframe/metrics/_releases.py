"""Releases in the order in which people read them."""

from __future__ import annotations

import numpy as np
import pandas as pd

from mkframe.errors import InputError
from mkframe.metrics._checks import require_columns
from mkframe.metrics._grouping import check_lists

__all__ = ["releases"]

_KEPT = ["group_id", "name", "start_date", "end_date", "closed", "deleted", "hotfix_of_id", "prev_release_id"]
_ACTIVITY = {
    "builds": "Int64",
    "first_build": "datetime64[us, UTC]",
    "last_build": "datetime64[us, UTC]",
}


def releases(releases: pd.DataFrame, builds: pd.DataFrame | None = None) -> pd.DataFrame:
    """Order releases by their chains, hotfixes below their release, and count the builds of each.

    Within a group the order follows `prev_release_id` and otherwise the start dates. A hotfix stands
    directly below the release that `hotfix_of_id` names, one step deeper. Ids that are not in the frame
    and chains that run in a circle are no error: such a release is placed by its start date.

    Parameters
    ----------
    releases : DataFrame
        A releases frame.
    builds : DataFrame, optional
        A builds frame with `releases` and `build_start`. A build with several releases counts in each;
        releases that are only named by builds get no row.

    Returns
    -------
    DataFrame
        Index `id` (int64), in reading order. Columns `group_id` int64, `name` str, `start_date` and
        `end_date` datetime64[us, UTC], `closed` and `deleted` boolean, `hotfix_of_id` and `prev_release_id`
        Int64, as they came; `position` int64, from 0 in each group; `depth` int64, 0 for a release and 1 or
        more for a hotfix; `builds` Int64, null without a builds frame; `first_build` and `last_build`
        datetime64[us, UTC], starts of its builds.

    Raises
    ------
    InputError
        If a column is missing, or the index holds no ids.

    Examples
    --------
    >>> frame = pd.DataFrame({"group_id": 1, "name": ["R2", "R1", "R1.1"], "closed": False,
    ...     "start_date": pd.to_datetime(["2026-02-01", "2026-01-01", "2026-03-01"], utc=True),
    ...     "end_date": pd.to_datetime(["2026-03-01", "2026-02-01", None], utc=True), "deleted": False,
    ...     "hotfix_of_id": [None, None, 21], "prev_release_id": [21, None, None]}, index=[22, 21, 23])
    >>> releases(frame)["name"].tolist()
    ['R1', 'R1.1', 'R2']
    """
    require_columns(releases, _KEPT, "releases")
    _check_ids(releases)
    table = releases[_KEPT].astype({"closed": "boolean", "deleted": "boolean"})
    table = table.astype({"hotfix_of_id": "Int64", "prev_release_id": "Int64"})
    table.index = table.index.astype("int64").rename("id")
    table = table.sort_values(["group_id", "start_date"], kind="stable")
    order, depth = _reading_order(table)
    table = table.iloc[order].assign(depth=depth[order])
    table.insert(len(_KEPT), "position", table.groupby("group_id", dropna=False).cumcount().astype("int64"))
    return table.join(_activity(table.index, builds))


def _check_ids(releases: pd.DataFrame) -> None:
    """Refuse an index that only counts the rows: hotfixes and builds would be those of other releases."""
    if "id" in releases.columns or not pd.api.types.is_integer_dtype(releases.index):
        raise InputError(
            "The releases are not indexed by their id.", hint='releases.set_index("id") puts it back.'
        )


def _reading_order(table: pd.DataFrame) -> tuple[list[int], np.ndarray[tuple[int], np.dtype[np.int64]]]:
    """Walk each release, then its hotfixes, then its successors, without ever visiting one twice."""
    hotfixes, successors, is_reached = _links(table)
    is_fix = table["hotfix_of_id"].notna().to_numpy(bool)
    depth = np.zeros(len(table), dtype="int64")
    order: list[int] = []
    seen: set[int] = set()
    # those that nothing leads to begin; what is left afterwards runs in a circle and begins by date
    for begin in [*np.flatnonzero(~is_reached).tolist(), *range(len(table))]:
        waiting = [(begin, 0)]
        while waiting:
            place, deep = waiting.pop()
            if place in seen:
                continue
            seen.add(place)
            order.append(place)
            depth[place] = deep
            following = reversed(successors.get(place, []))
            waiting += [(after, deep if is_fix[after] else 0) for after in following]
            waiting += [(fix, deep + 1) for fix in reversed(hotfixes.get(place, []))]
    groups = _groups(table)
    return sorted(order, key=lambda place: groups[place]), depth


def _groups(table: pd.DataFrame) -> list[int]:
    """Number the groups in their order; releases without one are a group, too."""
    codes: list[int] = pd.factorize(table["group_id"], use_na_sentinel=False)[0].tolist()
    return codes


def _links(
    table: pd.DataFrame,
) -> tuple[dict[int, list[int]], dict[int, list[int]], np.ndarray[tuple[int], np.dtype[np.bool_]]]:
    groups = _groups(table)
    place_of = {id_: place for place, id_ in reversed(list(enumerate(table.index)))}

    def known(column: str) -> list[int | None]:
        places = [None if pd.isna(id_) else place_of.get(id_) for id_ in table[column]]
        return [
            None if other is None or other == place or groups[other] != groups[place] else other
            for place, other in enumerate(places)
        ]

    parent, previous = known("hotfix_of_id"), known("prev_release_id")
    hotfixes: dict[int, list[int]] = {}
    successors: dict[int, list[int]] = {}
    is_reached = np.zeros(len(table), dtype=bool)
    for place, (above, before) in enumerate(zip(parent, previous, strict=True)):
        # a hotfix follows another hotfix of the same release, else it hangs below the release
        if before is not None and parent[before] == above:
            successors.setdefault(before, []).append(place)
        elif above is not None:
            hotfixes.setdefault(above, []).append(place)
        elif before is not None:
            successors.setdefault(before, []).append(place)
        is_reached[place] = above is not None or before is not None
    return hotfixes, successors, is_reached


def _activity(index: pd.Index[int], builds: pd.DataFrame | None) -> pd.DataFrame:
    ids = index.unique()
    if builds is None:
        return pd.DataFrame({name: pd.Series(index=ids, dtype=dtype) for name, dtype in _ACTIVITY.items()})
    require_columns(builds, ["releases", "build_start"])
    check_lists(builds["releases"])
    named = builds[["releases", "build_start"]].reset_index(drop=True).explode("releases")
    named = named[named["releases"].isin(ids)].reset_index(names="row").drop_duplicates(["row", "releases"])
    starts = named.groupby(named["releases"].astype("int64"))["build_start"]
    found = pd.DataFrame({"builds": starts.size(), "first_build": starts.min(), "last_build": starts.max()})
    return found.reindex(ids).fillna({"builds": 0}).astype(_ACTIVITY)
