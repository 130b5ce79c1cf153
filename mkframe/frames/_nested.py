"""The downloads inside builds: one table for a whole answer, and a window on it for each build.

Kept as columns they take a third of the memory of a record for each, and the child frame is there
already; records are made when a person looks at a cell.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import numpy as np
import pandas as pd

from mkframe.frames._columns import Array, ColumnBuilder, assemble
from mkframe.frames._row_types import DOWNLOAD_WIDTH, download_type

__all__ = ["DownloadList", "DownloadTable", "windows"]

_AT_ONCE = 512


class DownloadTable:
    """The downloads of one answer, in the order in which they came.

    While the answer is read its `columns` and `counts`, how many downloads each build has, may grow.
    """

    def __init__(self, columns: Sequence[ColumnBuilder], counts: Sequence[Array]) -> None:
        self.columns = columns
        self.counts = counts
        self._blocks: dict[int, list[msgspec.Struct]] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        return _thawed, (self.frame, np.diff(self.bounds))

    @functools.cached_property
    def bounds(self) -> Array:
        """Where the downloads of each build begin and end."""
        return np.cumsum(np.concatenate([np.zeros(1, dtype=np.int64), *self.counts]))

    @functools.cached_property
    def frame(self) -> pd.DataFrame:
        """All of them, indexed by ``id``."""
        frame = assemble(self.columns, "id")
        self.columns = ()
        return frame

    def record(self, number: int) -> msgspec.Struct:
        """One download, with None for what is missing."""
        block, place = divmod(number, _AT_ONCE)
        if block not in self._blocks:
            self._blocks[block] = self._records(block * _AT_ONCE)
        return self._blocks[block][place]

    def _records(self, start: int) -> list[msgspec.Struct]:
        part = self.frame.iloc[start : start + _AT_ONCE]
        columns = [_plain(part.index), *(_plain(part[name]) for name in part.columns)]
        kind = download_type(tuple(part.columns[DOWNLOAD_WIDTH - 1 :]))
        return [kind(*values) for values in zip(*columns, strict=True)]


def _thawed(frame: pd.DataFrame, counts: Array) -> DownloadTable:
    table = DownloadTable((), [counts])
    table.frame = frame
    return table


def _plain(column: pd.Index[Any] | pd.Series[Any]) -> Array:
    values = column.to_numpy(dtype=object, copy=True)
    values[column.isna()] = None
    return values


class DownloadList(msgspec.Struct, frozen=True, gc=False, eq=False):
    """The downloads of one build; reads like a list of records and cannot be changed.

    Parameters
    ----------
    table : Table
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
        """Which rows of the table they are."""
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
        """Give the records by their place; without it pandas would write the whole table into each cell."""
        return dict(enumerate(self))

    def __repr__(self) -> str:
        return repr(list(self))


def windows(table: DownloadTable, builds: range, missing: Array | None) -> Array:
    """Cells of some builds; None where a build has null in place of a list."""
    cells = map(DownloadList, itertools.repeat(table), builds)
    column = np.fromiter(cells, dtype=object, count=len(builds))
    if missing is not None:
        column[missing] = None
    return column
