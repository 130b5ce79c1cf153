"""The lists inside builds as frames of their own, keyed by ``build_id``.

A build names several patterns, releases and downloads. They stay in list columns, since one row a
build must stay one row; these functions explode them.
"""

from __future__ import annotations

import contextlib
import itertools
from typing import Any

import numpy as np
import pandas as pd

from mkframe._pandas import copy_on_write
from mkframe._text import short_repr
from mkframe.errors import InputError, SchemaWarning, warn
from mkframe.frames._columns import Array
from mkframe.frames._nested import DownloadsArray

__all__ = ["explode_downloads", "explode_patterns", "explode_releases", "list_items", "names_of"]


def explode_patterns(builds: pd.DataFrame) -> pd.DataFrame:
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
    >>> explode_patterns(builds)
       build_id  pattern_id
    0         7         801
    1         7         808
    """
    return _explode_ids(builds, "patterns", "pattern_id")


def explode_releases(builds: pd.DataFrame) -> pd.DataFrame:
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
    >>> explode_releases(mk.read_json(b"[]")).dtypes.astype(str).to_dict()
    {'build_id': 'int64', 'release_id': 'int64'}
    """
    return _explode_ids(builds, "releases", "release_id")


def explode_downloads(builds: pd.DataFrame) -> pd.DataFrame:
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
    >>> list(explode_downloads(mk.read_json(b"[]")).columns)
    ['build_id', 'pattern', 'pattern_id', 'file_id', 'name']
    """
    column = _downloads(builds)
    owners = np.repeat(_ids(builds), column.counts)
    child = column.downloads.copy(deep=not copy_on_write)
    if "build_id" in child:
        _warn_mismatches(child.pop("build_id"), owners)
    child.insert(0, "build_id", owners)
    return child


def _warn_mismatches(named: pd.Series[Any], owners: Array) -> None:
    """Warn where a download names another build than the one it came in."""
    odd = int(((named != owners) & named.notna()).sum())
    if odd:
        warn(
            f"{odd} downloads name another build than the one they came in, which is kept as build_id.",
            SchemaWarning,
        )


def _downloads(builds: pd.DataFrame) -> DownloadsArray:
    """Return the column of downloads; another library may have made lists of records of it."""
    cells = _column(builds, "downloads").array
    if isinstance(cells, DownloadsArray):
        return cells
    try:
        return DownloadsArray._from_sequence(cells)
    except InputError as error:
        raise InputError(
            f"The column 'downloads' holds something which find() did not put there. {error.message}",
            hint=_HINT,
        ) from None


def _explode_ids(builds: pd.DataFrame, column: str, name: str) -> pd.DataFrame:
    cells: Any = _column(builds, column).to_numpy(dtype=object)
    if not set(map(type, cells)) <= {list}:
        cells = [list_items(column, cell) for cell in cells]
    counts = np.fromiter(map(len, cells), dtype=np.int64, count=len(cells))
    listed = list(itertools.chain.from_iterable(cells))
    items = np.array(listed or np.empty(0, dtype=np.int64))
    if items.dtype != np.int64:
        raise _unexpected_cell(column, next((item for item in listed if type(item) is not int), listed[0]))
    return pd.DataFrame({"build_id": np.repeat(_ids(builds), counts), name: items})


def list_items(column: str, cell: Any) -> Any:
    """Return the ids that a cell of a column holds; none where it is missing.

    Examples
    --------
    >>> list_items("patterns", [808, 809]), list_items("patterns", float("nan"))
    ([808, 809], ())
    """
    if isinstance(cell, list | tuple | np.ndarray):  # Parquet gives arrays back
        return cell
    if pd.api.types.is_scalar(cell) and pd.isna(cell):
        return ()
    raise _unexpected_cell(column, cell)


def names_of(ids: pd.Series[Any], names: pd.Series[Any]) -> pd.Series[Any]:
    """Replace lists of ids by lists of names; an id without a name becomes its number as text.

    Examples
    --------
    >>> names_of(pd.Series([[808, 809]], name="patterns"), pd.Series({808: "HUB"})).tolist()
    [['HUB', '809']]
    """
    known = names.dropna().to_dict()
    lists = [[known.get(i, str(i)) for i in list_items(str(ids.name), row)] for row in ids]
    return pd.Series(lists, index=ids.index, dtype=object)


def _ids(builds: pd.DataFrame) -> Array:
    with contextlib.suppress(TypeError, ValueError, OverflowError):
        ids = np.empty(0) if builds.index.hasnans else builds.index.to_numpy(dtype=np.int64)
        if len(ids) == len(builds) and (builds.index == ids).all():
            return ids
    raise InputError(
        "The index of the frame holds what is no id of a build.",
        hint=f"builds[builds.index.notna()] leaves rows without an id out. {_HINT}",
    )


_HINT = "Give a frame of builds, as client.builds.find() or mk.read_json() returns it."


def _unexpected_cell(column: str, value: Any) -> InputError:
    return InputError(
        f"The column {column!r} holds {short_repr(value)}, which find() did not put there.", hint=_HINT
    )


def _column(builds: pd.DataFrame, column: str) -> pd.Series[Any]:
    count = list(builds.columns).count(column)
    if count != 1:
        raise InputError(f"The frame has {count or 'no'} column{'s' * (count > 1)} {column!r}.", hint=_HINT)
    if builds.index.name != "id":
        raise InputError(
            f"The frame is indexed by {builds.index.name!r}, not by the id of the builds.",
            hint="builds.set_index('id') puts it back.",
        )
    return builds[column]
