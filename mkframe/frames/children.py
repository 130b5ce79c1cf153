"""The lists inside builds as frames of their own, keyed by ``build_id``.

A build names several patterns, releases and downloads. They stay in list columns, since one row a
build must stay one row; these functions open them.
"""

from __future__ import annotations

import itertools
import operator
import warnings
from typing import Any

import numpy as np
import pandas as pd

from mkframe.errors import InputError, SchemaWarning
from mkframe.frames.columns import Array
from mkframe.frames.gathering import Columns
from mkframe.frames.structs import download_fields
from mkframe.frames.windows import Downloads, Table

__all__ = ["build_downloads", "build_patterns", "build_releases"]


def build_patterns(builds: pd.DataFrame) -> pd.DataFrame:
    """List the patterns of each build.

    Parameters
    ----------
    builds : DataFrame
        Builds, as `find` or `read_json` return them.

    Returns
    -------
    DataFrame
        A row for each pattern of each build: ``build_id`` int64, ``pattern_id`` int64.

    Raises
    ------
    InputError
        If the frame has no column ``patterns``.

    Examples
    --------
    >>> import mkframe as mk
    >>> builds = mk.read_json(b'[{"id": 7, "customer_id": 1, "user_id": 1, "project_id": 402,'
    ...                       b' "status": "FINISHED", "patterns": [801, 808], "releases": [],'
    ...                       b' "downloads": []}]')
    >>> build_patterns(builds)
       build_id  pattern_id
    0         7         801
    1         7         808
    """
    return _bridge(builds, "patterns", "pattern_id")


def build_releases(builds: pd.DataFrame) -> pd.DataFrame:
    """List the releases of each build.

    Parameters
    ----------
    builds : DataFrame
        Builds, as `find` or `read_json` return them.

    Returns
    -------
    DataFrame
        A row for each release of each build: ``build_id`` int64, ``release_id`` int64.

    Raises
    ------
    InputError
        If the frame has no column ``releases``.

    Examples
    --------
    >>> import mkframe as mk
    >>> build_releases(mk.read_json(b"[]")).dtypes.astype(str).to_dict()
    {'build_id': 'int64', 'release_id': 'int64'}
    """
    return _bridge(builds, "releases", "release_id")


def build_downloads(builds: pd.DataFrame) -> pd.DataFrame:
    """List the downloads of each build, as they come inside builds.

    Parameters
    ----------
    builds : DataFrame
        Builds, as `find` or `read_json` return them.

    Returns
    -------
    DataFrame
        A row for each download, indexed by its ``id``: ``build_id`` int64, ``pattern`` str,
        ``pattern_id`` Int64, ``file_id`` Int64, ``name`` str, then whatever else the server sends.
        `Downloads.find` returns more about each.

    Raises
    ------
    InputError
        If the frame has no column ``downloads``.

    Examples
    --------
    >>> import mkframe as mk
    >>> list(build_downloads(mk.read_json(b"[]")).columns)
    ['build_id', 'pattern', 'pattern_id', 'file_id', 'name']
    """
    cells, ids = _cells(builds)
    runs = [
        (table, np.fromiter(map(operator.attrgetter("build"), run), dtype=np.int64))
        for table, run in itertools.groupby(cells, operator.attrgetter("table"))
    ]
    parts = [_rows(*run) for run in runs] or [_no_downloads().frame]
    child = pd.concat(parts) if len(parts) > 1 else parts[0]
    counts = [np.diff(table.bounds)[places] for table, places in runs] or [np.empty(0, dtype=np.int64)]
    owners = np.repeat(ids, np.concatenate(counts))
    if "build_id" in child:
        _compare(child.pop("build_id"), owners)
    child.insert(0, "build_id", owners)
    return child


def _compare(told: pd.Series[Any], owners: Array) -> None:
    """Warn where a download names another build than the one it came in."""
    odd = int(((told != owners) & told.notna()).sum())
    if odd:
        warnings.warn(
            f"{odd} downloads name another build than the one they came in, which is kept as build_id.",
            SchemaWarning,
            stacklevel=3,
        )


def _rows(table: Table, places: Array) -> pd.DataFrame:
    """Rows of a table that belong to some of its builds; mostly it is all of them, in order."""
    if np.array_equal(places, np.arange(len(table.bounds) - 1)):
        return table.frame.copy(deep=False)
    starts, counts = table.bounds[places], np.diff(table.bounds)[places]
    shifts = starts - np.cumsum(counts) + counts
    return table.frame.take(np.repeat(shifts, counts) + np.arange(counts.sum()))


def _cells(builds: pd.DataFrame) -> tuple[Array, Array]:
    """Cells that hold downloads, and the ids of their builds."""
    cells = _column(builds, "downloads").to_numpy()
    ids = builds.index.to_numpy(dtype=np.int64)
    if set(map(type, cells)) == {Downloads}:
        return cells, ids
    given = pd.notna(cells)
    for cell in cells[given]:
        if not isinstance(cell, Downloads):
            raise InputError(
                f"The column 'downloads' holds {cell!r:.80}, which find() did not put there.",
                hint="Give a frame of builds, as kraft.builds.find() or mk.read_json() returns it.",
            )
    return cells[given], ids[given]


def _no_downloads() -> Table:
    return Table(Columns(download_fields()).columns, np.empty(0, dtype=np.int64))


def _bridge(builds: pd.DataFrame, column: str, name: str) -> pd.DataFrame:
    lists = [items or () for items in _column(builds, column).to_numpy()]
    counts = np.fromiter(map(len, lists), dtype=np.int64, count=len(lists))
    items = list(itertools.chain.from_iterable(lists))
    ids = np.repeat(builds.index.to_numpy(dtype=np.int64), counts)
    return pd.DataFrame({"build_id": ids, name: np.array(items, dtype=np.int64)})


def _column(builds: pd.DataFrame, column: str) -> pd.Series[Any]:
    if column not in builds.columns:
        raise InputError(
            f"The frame has no column {column!r}.",
            hint="Give a frame of builds, as kraft.builds.find() or mk.read_json() returns it.",
        )
    if builds.index.name != "id":
        raise InputError(
            f"The frame is indexed by {builds.index.name!r}, not by the id of the builds.",
            hint="builds.set_index('id') puts it back.",
        )
    return builds[column]
