"""Columns of an answer, and the downloads inside builds: one table for a whole answer.

Each build's cell is a `DownloadList`, which refers to some rows of that table. As columns the downloads take
a third of the memory of a record for each, and `explode_downloads` has its frame already. Records are made
when a cell is looked at.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import numpy as np
import pandas as pd

from mkframe.frames._columns import Array, ColumnBuilder, ColumnChunk, assemble
from mkframe.frames._fast import pack
from mkframe.frames._row_types import DOWNLOAD_WIDTH, download_fields, download_type
from mkframe.schema import Field

__all__ = ["Columns", "DownloadList", "DownloadTable"]

_BLOCK = 512
"""How many records are made at once."""


class Columns:
    """Columns of one answer in the order of their fields; further fields may come at the end."""

    def __init__(self, fields: Sequence[Field]) -> None:
        self.builders: list[ColumnBuilder] = []
        self.size = 0
        self.downloads: Columns | None = None
        self._widen(fields)

    def _widen(self, fields: Sequence[Field]) -> None:
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
            self._widen(fields)
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
                builder.chunks = [ColumnChunk(_cells(self.downloads.builders, builder.chunks))]
        return assemble(self.builders, key)


class DownloadTable:
    """The downloads of one answer, in the order in which they came.

    `columns` are the downloads' own; `counts` says how many downloads each build has.
    """

    def __init__(self, columns: Sequence[ColumnBuilder], counts: Array) -> None:
        self.columns = columns
        self.bounds = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(counts)])
        """Where the downloads of each build begin and end."""
        self._blocks: dict[int, list[msgspec.Struct]] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        return _unpickle_table, (self.frame, np.diff(self.bounds))

    @functools.cached_property
    def frame(self) -> pd.DataFrame:
        """All downloads, indexed by ``id``."""
        frame = assemble(self.columns, "id")
        self.columns = ()
        return frame

    def record(self, number: int) -> msgspec.Struct:
        """Return one download, with None for what is missing."""
        block, place = divmod(number, _BLOCK)
        if block not in self._blocks:
            self._blocks[block] = self._records(block * _BLOCK)
        return self._blocks[block][place]

    def _records(self, start: int) -> list[msgspec.Struct]:
        part = self.frame.iloc[start : start + _BLOCK]
        columns = [_with_none(part.index), *(_with_none(part[name]) for name in part.columns)]
        kind = download_type(tuple(part.columns[DOWNLOAD_WIDTH - 1 :]))
        return [kind(*values) for values in zip(*columns, strict=True)]


def _unpickle_table(frame: pd.DataFrame, counts: Array) -> DownloadTable:
    table = DownloadTable((), counts)
    table.frame = frame
    return table


def _with_none(column: pd.Index[Any] | pd.Series[Any]) -> Array:
    values = column.to_numpy(dtype=object, copy=True)
    values[column.isna()] = None
    return values


class DownloadList(msgspec.Struct, frozen=True, gc=False, eq=False):
    """The downloads of one build; reads like a list of records and cannot be changed.

    Parameters
    ----------
    table : DownloadTable
        The downloads of the whole answer.
    build : int
        Position of the build in that answer.

    Examples
    --------
    >>> import mkframe as mk
    >>> build = {"id": 7, "customer_id": 1, "user_id": 1, "project_id": 402, "status": "FINISHED",
    ...          "patterns": [808], "releases": [], "downloads": [{"id": 5442, "name": "a.zip"}]}
    >>> mk.frames.from_rows("builds", [build]).loc[7, "downloads"]
    [Download(id=5442, name='a.zip')]
    """

    table: DownloadTable
    build: int

    @property
    def numbers(self) -> range:
        """Positions of the downloads in the table."""
        start, stop = self.table.bounds[self.build : self.build + 2].tolist()
        return range(start, stop)

    def __len__(self) -> int:
        return len(self.numbers)

    def __iter__(self) -> Iterator[msgspec.Struct]:
        return map(self.table.record, self.numbers)

    def __getitem__(self, place: int | slice) -> Any:
        numbers = self.numbers[place]
        return self.table.record(numbers) if isinstance(numbers, int) else [*map(self.table.record, numbers)]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, DownloadList | list | tuple):
            return NotImplemented
        if isinstance(other, DownloadList) and (other.table, other.build) == (self.table, self.build):
            return True
        return len(self) == len(other) and all(mine == its for mine, its in zip(self, other, strict=True))

    def __hash__(self) -> int:
        return hash(tuple(self))  # pandas compares what it cannot hash with all that it has seen

    def toDict(self) -> dict[int, Any]:  # noqa: N802  so pandas' to_json calls it, which knows no other lists
        """Return the records by their place; pandas would write the whole table into each cell otherwise."""
        return dict(enumerate(self))

    def __repr__(self) -> str:
        return repr(list(self))


def _cells(columns: Sequence[ColumnBuilder], counts: Sequence[ColumnChunk]) -> Array:
    """Make the cell of each build; None where a build has null in place of a list."""
    all_counts = np.concatenate([np.empty(0, dtype=np.int64), *[chunk.values for chunk in counts]])
    table = DownloadTable(columns, all_counts)
    cells = map(DownloadList, itertools.repeat(table), range(len(all_counts)))
    column = np.fromiter(cells, dtype=object, count=len(all_counts))
    start = 0
    for chunk in counts:
        if chunk.missing is not None:
            column[start : start + len(chunk.values)][chunk.missing] = None
        start += len(chunk.values)
    return column
