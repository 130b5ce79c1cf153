"""Pieces of an answer become columns, by the fast road or, where they surprise, by the careful one."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable
from typing import Any

import msgspec
import pandas as pd

from mkframe._text import short_repr
from mkframe.errors import SchemaError
from mkframe.frames._columns import ColumnChunk, assemble
from mkframe.frames._fast import SchemaMismatch, by_name, in_columns, pack_all
from mkframe.frames._gather import Columns
from mkframe.frames._memory import most_memory, weight
from mkframe.frames._row_types import RowSchema, download_fields
from mkframe.frames._strict import check
from mkframe.limits import DEFAULT, Limits, size, too_large
from mkframe.schema import RESOURCES

__all__ = ["RowReader", "is_json"]

_MOST_EXTRAS = 1000
_LARGE = 1 << 22
"""Bytes of a piece whose memory is estimated before it is read."""
_AT_WORK = 8
"""How many copies of a piece reading it may take for a moment, as bytes and as text."""
_NOT_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_UNFIT = re.compile('["\\\\\x00-\x1f\ud800-\udfff]')


def is_json(text: bytes | bytearray | memoryview) -> bool:
    """Whether a text is JSON, without making anything of it.

    Examples
    --------
    >>> is_json(b"[1, 2]"), is_json(b"[1, 2]]")
    (True, False)
    """
    try:
        msgspec.json.decode(text, type=msgspec.Raw)
    except _NOT_JSON:
        return False
    return True


class RowReader:
    """Collects the columns of an answer, piece by piece.

    `surprised` says whether the last piece had to be read carefully, `why` in what it was no JSON.
    """

    def __init__(self, shape: RowSchema, limits: Limits = DEFAULT) -> None:
        self.shape = shape
        self.limits = limits
        self.memory = 0
        self.key = RESOURCES[shape.resource].key
        self.columns = Columns(shape.fields())
        self.why = ""
        self.surprised = False

    @property
    def count(self) -> int:
        """Number of rows so far."""
        return self.columns.size

    def try_rows(self, piece: memoryview | bytearray) -> list[ColumnChunk] | None:
        """Rows of a piece as columns, or None where the piece is not JSON."""
        self.surprised = False
        if len(piece) > _LARGE:
            self._check_memory(most_memory(piece) + _AT_WORK * len(piece))
        try:
            return self.fast(self.shape.decoder().decode(piece))
        except (msgspec.ValidationError, SchemaMismatch):
            self.surprised = True
        except _NOT_JSON as error:
            self.why = f" ({error})"
            return None
        try:
            rows = msgspec.json.decode(piece)
        except _NOT_JSON as error:
            self.why = f" ({error})"
            return None
        return self.carefully(rows)

    def fast(self, rows: list[Any]) -> list[ColumnChunk]:
        """Pack rows that msgspec has checked."""
        fields = self.shape.fields()
        return pack_all(fields, in_columns(rows, len(fields)))

    def carefully(self, rows: list[Any]) -> list[ColumnChunk]:
        """Check rows of any kind, value by value where need be, and learn their unknown keys."""
        for number, row in enumerate(rows):
            if not isinstance(row, dict):
                raise SchemaError(
                    f"Row {self.count + number} is not an object but {short_repr(row)}.", hint=_HINT
                )
        self._learn(rows)
        keys = [row.get(self.key) for row in rows]
        for number, key in enumerate(keys):
            if key is None:
                raise SchemaError(f"Row {self.count + number} has no {self.key!r}.", hint=_HINT)
        fields = self.shape.fields()
        columns = by_name(rows, fields)
        nested = self.shape.nested
        return [check(field, values, keys, nested) for field, values in zip(fields, columns, strict=True)]

    def _learn(self, rows: list[dict[str, Any]]) -> None:
        """Add keys that were not seen before to the shape."""
        extras = _unseen(rows, [f.name for f in self.shape.fields()])
        nested: list[str] = []
        if self.shape.resource == "builds":
            lists = (row.get("downloads") for row in rows)
            downloads = (
                d for items in lists if isinstance(items, list) for d in items if isinstance(d, dict)
            )
            nested = _unseen(downloads, [f.name for f in download_fields(self.shape.nested)])
        if not extras and not nested:
            return
        for name in (*extras, *nested):
            if not isinstance(name, str) or _UNFIT.search(name):
                raise SchemaError(f"The answer has a field with the name {short_repr(name)}.", hint=_HINT)
        self.shape = self.shape.learn(extras, nested)
        if len(self.shape.extras) + len(self.shape.nested) > _MOST_EXTRAS:
            raise SchemaError(f"The answer has more than {_MOST_EXTRAS} unknown fields.", hint=_HINT)

    def take(self, pieces: list[ColumnChunk]) -> None:
        """Add a piece to each column.

        Raises
        ------
        ResponseTooLargeError
            If the rows so far take more memory than they may.
        """
        self.memory += sum(map(weight, self.shape.fields(), pieces))
        self._check_memory()
        self.columns.add(self.shape.fields(), pieces)

    def _check_memory(self, more: int = 0) -> None:
        if self.memory + more > self.limits.find_memory:
            happened = f"{self.count:,} rows, and the next, take {size(self.memory + more)} of memory"
            raise too_large("find", self.limits.find, happened)

    def frame(self) -> pd.DataFrame:
        """Give out what was read."""
        return assemble(self.columns.columns, self.key)


_HINT = "The server sends something that its reference does not promise; nothing was loaded."


def _unseen(rows: Iterable[dict[str, Any]], known: list[str]) -> list[str]:
    """Keys beyond the known ones, in order of their first appearance."""
    return list(dict.fromkeys(itertools.chain(known, *rows)))[len(known) :]
