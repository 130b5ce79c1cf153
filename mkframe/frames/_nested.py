"""Columns of an answer, and the downloads inside builds: one table for a whole column.

A `DownloadsArray` keeps the downloads of all its builds as the columns of one frame, which take a third of
the memory of a record for each and are what `explode_downloads` returns. A part of it holds its own downloads
only. Cells, lists of records, are made when they are looked at.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import numpy as np
import pandas as pd
from pandas.api.extensions import ExtensionArray, ExtensionDtype, register_extension_dtype
from pandas.api.indexers import check_array_indexer

from mkframe import schema
from mkframe.errors import InputError, SchemaError
from mkframe.frames._columns import Array, ColumnBuilder, ColumnChunk, assemble
from mkframe.frames._fast import pack
from mkframe.frames._row_types import DOWNLOAD_WIDTH, download_fields
from mkframe.frames._strict import check, check_surrogates
from mkframe.schema import Field

__all__ = ["Columns", "Download", "DownloadsArray", "DownloadsDtype"]

_BLOCK = 512
"""How many cells are made at once while a column is read from its start to its end."""
_FIELD = schema.RESOURCES["builds"].field("downloads")


class Columns:
    """Columns of one answer in the order of their fields; further fields may come at the end."""

    def __init__(self, fields: Sequence[Field]) -> None:
        self.builders: list[ColumnBuilder] = []
        self.size = 0
        self.downloads: Columns | None = None
        self.widen(fields)

    def widen(self, fields: Sequence[Field]) -> None:
        """Add columns for fields that are new; their values are missing in the rows before."""
        for field in fields[len(self.builders) :]:
            builder = ColumnBuilder(field)
            if self.size:
                builder.chunks += pack([field], [(None,) * self.size])
                builder.has_nulls = True
            self.builders.append(builder)
            if field.type == "downloads":
                self.downloads = Columns(download_fields())

    def add(self, fields: Sequence[Field], chunks: Sequence[ColumnChunk]) -> None:
        """Add a chunk to each column."""
        if len(fields) > len(self.builders):
            self.widen(fields)
        self.size += len(chunks[0].values)
        for builder, chunk in zip(self.builders, chunks, strict=False):
            builder.chunks.append(chunk)
            if chunk.missing is not None:
                builder.has_nulls = True
            if chunk.inside and self.downloads:
                self.downloads.add(chunk.fields, chunk.inside)

    def frame(self, key: str) -> pd.DataFrame:
        """Make the frame, indexed by one of the columns."""
        for builder in self.builders:
            if builder.field.type == "downloads" and self.downloads:
                builder.chunks = [ColumnChunk(_join(self.downloads.builders, builder.chunks))]
        return assemble(self.builders, key)


def _join(columns: Sequence[ColumnBuilder], chunks: Sequence[ColumnChunk]) -> DownloadsArray:
    """Make the array of some chunks of counts, and of the columns of all their downloads."""
    counts = np.concatenate([np.empty(0, dtype=np.int64), *[chunk.values for chunk in chunks]])
    marks = [np.zeros(len(c.values), dtype=np.bool_) if c.missing is None else c.missing for c in chunks]
    missing = np.concatenate(marks) if any(chunk.missing is not None for chunk in chunks) else None
    return DownloadsArray(columns, counts, missing)


class Download(dict[str, Any]):
    """One download inside a build: a dictionary whose values are attributes as well.

    Examples
    --------
    >>> file = Download(id=5442, name="a.zip")
    >>> file["name"], file.name
    ('a.zip', 'a.zip')
    """

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"The download has no {name!r}, but {', '.join(self)}.") from None


@register_extension_dtype
class DownloadsDtype(ExtensionDtype):
    """dtype of the column ``downloads`` of builds: a list of records in each cell, None if missing.

    It is written as ``object``, also by pandas into Parquet files, so that pandas alone can read them.
    """

    name = "downloads"
    type = list
    kind = "O"
    na_value: Any = None

    @classmethod
    def construct_array_type(cls) -> Any:
        """Return the type of the arrays of this dtype."""
        return DownloadsArray

    def __str__(self) -> str:
        return "object"

    def __eq__(self, other: object) -> bool:
        return (isinstance(other, str) and other == "object") or super().__eq__(other)

    __hash__ = ExtensionDtype.__hash__

    def __from_arrow__(self, array: Any) -> DownloadsArray:
        from mkframe.frames._arrow_tables import downloads_from_arrow

        return downloads_from_arrow(array)


class DownloadsArray(ExtensionArray):
    """The downloads of some builds, in their order; its cells are lists of `Download`.

    Parameters
    ----------
    downloads : DataFrame or sequence of ColumnBuilder
        All downloads, indexed by ``id``, or the columns to make that frame of when it is asked for.
    counts : array of int64
        How many downloads each build has.
    missing : array of bool, optional
        Marks builds that have null in place of a list.

    Examples
    --------
    >>> import mkframe as mk
    >>> build = {"id": 7, "customer_id": 1, "user_id": 1, "project_id": 402, "status": "FINISHED",
    ...          "patterns": [808], "releases": [], "downloads": [{"id": 5442, "name": "a.zip"}]}
    >>> mk.frames.from_rows("builds", [build]).loc[7, "downloads"][0]["name"]
    'a.zip'
    """

    def __init__(
        self, downloads: pd.DataFrame | Sequence[ColumnBuilder], counts: Array, missing: Array | None = None
    ) -> None:
        self._downloads = downloads
        self.bounds = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(counts)])
        """Where the downloads of each build begin and end."""
        self.missing = missing

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.downloads, self.counts, self.missing)

    @property
    def downloads(self) -> pd.DataFrame:
        """All downloads, indexed by ``id``; not to be changed."""
        if not isinstance(self._downloads, pd.DataFrame):
            self._downloads = assemble(self._downloads, "id")
        return self._downloads

    @property
    def counts(self) -> Array:
        """How many downloads each build has."""
        counts: Array = np.diff(self.bounds)
        return counts

    # --- what pandas asks of an array ----------------------------------------------------------------

    @classmethod
    def _from_sequence(cls, scalars: Any, *, dtype: Any = None, copy: bool = False) -> DownloadsArray:
        """Make an array of lists of records.

        Raises
        ------
        InputError
            If a cell is anything else.
        """
        if isinstance(scalars, DownloadsArray):
            return scalars.copy()
        cells = [_as_records(cell) for cell in scalars]
        keys = range(len(cells))
        try:
            check_surrogates(_FIELD, cells, keys)
            records = itertools.chain.from_iterable(filter(None, cells))
            names = dict.fromkeys(itertools.chain((f.name for f in download_fields()), *records))
            nested = tuple(names)[DOWNLOAD_WIDTH:]
            chunk = check(_FIELD, cells, keys, nested)
        except (SchemaError, TypeError) as error:
            reason = error.message if isinstance(error, SchemaError) else f"{error}."
            raise InputError(
                f"These are no downloads of builds: {reason}", hint="Give lists of records with an id."
            ) from error
        columns = Columns(download_fields())
        columns.add(chunk.fields, chunk.inside)
        return _join(columns.builders, [chunk])

    @classmethod
    def _from_factorized(cls, values: Any, original: Any) -> DownloadsArray:
        return cls._from_sequence([msgspec.json.decode(value) for value in values])

    def _values_for_factorize(self) -> tuple[Array, Any]:
        cells = (None if cell is None else msgspec.json.encode(cell) for cell in self)
        return np.fromiter(cells, dtype=object, count=len(self)), None

    @classmethod
    def _concat_same_type(cls, to_concat: Sequence[DownloadsArray]) -> DownloadsArray:
        frames = [part.downloads for part in to_concat if len(part.downloads)]
        downloads = pd.concat(frames) if len(frames) > 1 else (frames or [to_concat[0].downloads])[0]
        counts = np.concatenate([part.counts for part in to_concat])
        return cls(downloads, counts, np.concatenate([part.isna() for part in to_concat]))

    @property
    def dtype(self) -> DownloadsDtype:
        """The dtype."""
        return DownloadsDtype()

    @property
    def nbytes(self) -> int:
        """Bytes of the columns of the downloads, and of what says which build has which."""
        marks = 0 if self.missing is None else self.missing.nbytes
        return int(self.downloads.memory_usage().sum()) + self.bounds.nbytes + marks

    def __len__(self) -> int:
        return len(self.bounds) - 1

    def __getitem__(self, item: Any) -> Any:
        key: Any = check_array_indexer(self, item)
        if isinstance(key, int | np.integer):
            place = range(len(self))[key]
            return self._lists(place, place + 1)[0]
        if isinstance(key, slice):
            return self.take(range(len(self))[key])
        return self.take(np.flatnonzero(key) if key.dtype == np.bool_ else key)

    def __setitem__(self, key: Any, value: Any) -> None:
        places = np.arange(len(self))[check_array_indexer(self, key)]
        is_cell = value is None or value is pd.NA or not np.ndim(places)
        given = type(self)._from_sequence([value] if is_cell else value)
        order = np.arange(len(self))
        order[places] = len(self) + (0 if is_cell else np.arange(len(given)))
        changed = type(self)._concat_same_type([self, given]).take(order)
        self._downloads, self.bounds, self.missing = changed.downloads, changed.bounds, changed.missing

    def __iter__(self) -> Iterator[list[Download] | None]:
        for start in range(0, len(self), _BLOCK):
            yield from self._lists(start, min(start + _BLOCK, len(self)))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return np.fromiter(self, dtype=object, count=len(self))

    def __arrow_array__(self, type: Any = None) -> Any:
        from mkframe.frames._arrow_tables import downloads_to_arrow

        array = downloads_to_arrow(self)
        return array if type is None else array.cast(type)

    def __eq__(self, other: object) -> Any:
        if isinstance(other, pd.Series | pd.Index | pd.DataFrame):
            return NotImplemented
        is_array = isinstance(other, DownloadsArray | np.ndarray)
        cells: Any = other if is_array else itertools.repeat(other)
        pairs = zip(self, cells, strict=False)
        return np.fromiter((a is not None and a == b for a, b in pairs), dtype=np.bool_, count=len(self))

    def isna(self) -> Array:
        """Mark builds that have null in place of a list."""
        return np.zeros(len(self), dtype=np.bool_) if self.missing is None else self.missing.copy()

    def copy(self) -> DownloadsArray:
        """Return an array that can be changed by itself; they share the downloads, which never change."""
        return type(self)(self.downloads, self.counts, self.missing)

    def take(self, indices: Any, *, allow_fill: bool = False, fill_value: Any = None) -> DownloadsArray:
        """Return some builds, with their downloads and no others."""
        places = np.asarray(indices, dtype=np.intp)
        filled = places < 0 if allow_fill else np.zeros(len(places), dtype=np.bool_)
        if (places[filled] < -1).any():
            raise ValueError("A place is below -1, which stands for a missing value.")
        if not len(self) and not filled.all():
            raise IndexError("cannot do a non-empty take from an empty array of downloads.")
        kept = np.arange(len(self))[places[~filled]]
        if len(kept) == len(self) == len(places) and (kept == np.arange(len(self))).all():
            return self.copy()
        counts = np.zeros(len(places), dtype=np.int64)
        counts[~filled] = self.counts[kept]
        missing = filled.copy()
        if self.missing is not None:
            missing[~filled] = self.missing[kept]
        shifts = self.bounds[kept] - np.cumsum(counts[~filled]) + counts[~filled]
        rows = np.repeat(shifts, counts[~filled]) + np.arange(counts.sum())
        return type(self)(self.downloads.take(rows), counts, missing if missing.any() else None)

    def unique(self) -> DownloadsArray:
        """Return each value once."""
        uniques: Any = self.factorize(use_na_sentinel=False)[1]
        return uniques  # type: ignore[no-any-return]

    def _formatter(self, boxed: bool = False) -> Any:
        return str

    def _explode(self) -> tuple[Array, Array]:
        """Return all records, and how many rows each cell becomes: at least one, as in pandas."""
        cells: list[Any] = [cell or [np.nan] for cell in self]
        records = np.empty(sum(map(len, cells)), dtype=object)
        records[:] = list(itertools.chain.from_iterable(cells))
        return records, np.fromiter(map(len, cells), dtype=np.uint64, count=len(cells))

    # --- cells ----------------------------------------------------------------------------------------

    def _lists(self, start: int, stop: int) -> list[list[Download] | None]:
        first, last = self.bounds[[start, stop]].tolist()
        part = self.downloads.iloc[first:last]
        names = ["id", *part.columns]
        columns = [_with_none(part.index), *map(_with_none, map(part.__getitem__, part.columns))]
        records = [Download(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]
        bounds = (self.bounds[start : stop + 1] - first).tolist()
        cells: list[list[Download] | None] = [records[i:j] for i, j in itertools.pairwise(bounds)]
        if self.missing is not None:
            for place in np.flatnonzero(self.missing[start:stop]).tolist():
                cells[place] = None
        return cells


def _as_records(cell: Any) -> Any:
    """Return a cell as a list, None where it is missing; Parquet gives arrays back."""
    if isinstance(cell, list | tuple | np.ndarray):
        return list(cell)
    return None if cell is None or cell is pd.NA or cell != cell else cell


def _with_none(column: pd.Index[Any] | pd.Series[Any]) -> Array:
    values = column.to_numpy(dtype=object, copy=True)
    values[column.isna()] = None
    return values
