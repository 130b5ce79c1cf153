"""Columns of an answer that grow together, among them the downloads inside builds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mkframe.frames._columns import Array, ColumnBuilder, ColumnChunk
from mkframe.frames._fast import pack
from mkframe.frames._nested import DownloadTable, windows
from mkframe.frames._row_types import download_fields
from mkframe.schema import Field

__all__ = ["Columns"]


class Columns:
    """Columns in the order of their fields; further fields may come at the end."""

    def __init__(self, fields: Sequence[Field]) -> None:
        self.columns: list[ColumnBuilder] = []
        self.size = 0
        self.widen(fields)

    def widen(self, fields: Sequence[Field]) -> None:
        """Add columns for fields that are new; they are missing before."""
        for field in fields[len(self.columns) :]:
            column = Nested(field) if field.type == "downloads" else ColumnBuilder(field)
            if self.size:
                column.add(pack(field, (None,) * self.size))
            self.columns.append(column)

    def add(self, fields: Sequence[Field], pieces: Sequence[ColumnChunk]) -> None:
        """Add a piece to each column."""
        self.widen(fields)
        self.size += len(pieces[0].values)
        for column, piece in zip(self.columns, pieces, strict=False):
            column.add(piece)


class Nested(ColumnBuilder):
    """The column of the downloads inside builds: how many each has, and their own columns."""

    def __init__(self, field: Field) -> None:
        super().__init__(field)
        self.inside = Columns(download_fields())
        self.table = DownloadTable(self.inside.columns, self.parts)
        self.cells = [np.empty(0, dtype=object)]

    def add(self, piece: ColumnChunk) -> None:
        """Add a piece at the end."""
        self.inside.add(piece.fields, piece.inside)
        builds = range(self.size, self.size + len(piece.values))
        self.cells.append(windows(self.table, builds, piece.missing))
        super().add(piece)

    @property
    def is_plain(self) -> bool:
        """Never: its values are kept to count with."""
        return False

    def array(self) -> Array:
        """Give out a window on the table of all downloads for each build."""
        return np.concatenate(self.cells)
