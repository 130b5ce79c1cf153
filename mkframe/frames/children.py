"""The lists inside builds as frames of their own, keyed by ``build_id``.

A build names several patterns, releases and downloads. They stay in list columns, since one row a
build must stay one row; these functions open them.
"""

from __future__ import annotations

import itertools
from typing import Any

import msgspec
import numpy as np
import pandas as pd

from mkframe.errors import InputError
from mkframe.frames.checking import check
from mkframe.frames.columns import Column, Piece
from mkframe.frames.packing import Surprise, in_columns, pack
from mkframe.frames.structs import download_fields
from mkframe.schema import Field

__all__ = ["build_downloads", "build_patterns", "build_releases"]

_AT_ONCE = 2000  # few enough to be still in the processor's cache when they are packed


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
    ids, items = _opened(builds, "downloads")
    kind = type(items[0]) if items else msgspec.Struct
    fields = download_fields(items[0]._nested if items else ())
    columns = [Column(field) for field in fields]
    for start in range(0, len(items), _AT_ONCE):
        part = items[start : start + _AT_ONCE]
        for column, values in zip(columns, in_columns(part, len(fields)), strict=True):
            column.add(_piece(column.field, values, start, kind))
    arrays = {"build_id": ids, **{column.field.name: column.array() for column in columns}}
    index = pd.Index(arrays.pop("id"), name="id", copy=False)
    return pd.DataFrame(arrays, index=index, copy=False)


def _piece(field: Field, values: tuple[Any, ...], start: int, kind: type[msgspec.Struct]) -> Piece:
    try:
        return pack(field, values)
    except Surprise:
        return check(field, values, range(start, start + len(values)), kind)


def _bridge(builds: pd.DataFrame, column: str, name: str) -> pd.DataFrame:
    ids, items = _opened(builds, column)
    return pd.DataFrame({"build_id": ids, name: np.array(items, dtype=np.int64)})


def _opened(builds: pd.DataFrame, column: str) -> tuple[Any, list[Any]]:
    """Ids repeated once for each item of a list column, and all the items in one list."""
    if column not in builds.columns:
        raise InputError(
            f"The frame has no column {column!r}.",
            hint="Give a frame of builds, as kraft.builds.find() or mk.read_json() returns it.",
        )
    lists = [items or () for items in builds[column].to_numpy()]
    counts = np.fromiter(map(len, lists), dtype=np.int64, count=len(lists))
    ids = np.repeat(builds.index.to_numpy(dtype=np.int64), counts)
    return ids, list(itertools.chain.from_iterable(lists))
