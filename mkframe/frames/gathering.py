"""Columns of an answer that grow together, among them the downloads inside builds."""

from __future__ import annotations

from collections.abc import Sequence

from mkframe.frames.columns import Array, Column, Piece
from mkframe.frames.packing import pack
from mkframe.frames.structs import download_fields
from mkframe.frames.windows import Table, windows
from mkframe.schema import Field

__all__ = ["Columns"]


class Columns:
    """Columns in the order of their fields; further fields may come at the end."""

    def __init__(self, fields: Sequence[Field]) -> None:
        self.columns: list[Column] = []
        self.size = 0
        self.widen(fields)

    def widen(self, fields: Sequence[Field]) -> None:
        """Add columns for fields that are new; they are missing before."""
        for field in fields[len(self.columns) :]:
            column = Nested(field) if field.type == "downloads" else Column(field)
            if self.size:
                column.add(pack(field, (None,) * self.size))
            self.columns.append(column)

    def add(self, fields: Sequence[Field], pieces: Sequence[Piece]) -> None:
        """Add a piece to each column."""
        self.widen(fields)
        self.size += len(pieces[0].values)
        for column, piece in zip(self.columns, pieces, strict=False):
            column.add(piece)


class Nested(Column):
    """The column of the downloads inside builds: how many each has, and their own columns."""

    def __init__(self, field: Field) -> None:
        super().__init__(field)
        self.inside = Columns(download_fields())

    def add(self, piece: Piece) -> None:
        """Add a piece at the end."""
        self.inside.add(piece.fields, piece.inside)
        super().add(piece)

    def _typed(self, values: Array, missing: Array | None) -> Array:
        """A window on the table of all downloads for each build."""
        return windows(Table(self.inside.columns, values), missing)
