"""Read chunks of an answer into columns: by the fast path or, after a mismatch, by the strict path."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import pandas as pd

from mkframe._text import short_repr
from mkframe.errors import InvalidResponseError, SchemaError
from mkframe.frames._columns import ColumnChunk
from mkframe.frames._fast import SchemaMismatch, pack, transpose_dicts, transpose_structs
from mkframe.frames._memory import max_memory, memory_of
from mkframe.frames._nested import Columns
from mkframe.frames._recognize import recognize, recognize_row
from mkframe.frames._row_types import RowSchema, download_fields
from mkframe.frames._strict import check
from mkframe.limits import DEFAULT, Limits, size, too_large
from mkframe.schema import RESOURCES, Field

__all__ = ["EXPECTED", "INVALID_NAME", "RowReader", "is_json", "unknown_keys"]

EXPECTED = "an array of rows"
_MAX_EXTRA_KEYS = 1000
_LARGE = 1 << 22
"""Bytes of a chunk whose memory is estimated before it is read."""
_CELLS = 3 * 8
"""Bytes that a cell may take while rows become columns, if they lack most of them."""
_EMPTY_CELL = 8
"""Bytes of a missing value in a column."""
_COPIES = 8
"""How many copies of a chunk, as bytes and as text, reading it may take for a moment."""
_NOT_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_HALF = re.compile(rb"\\u[dD][89a-bA-B]")
INVALID_NAME = re.compile('["\\\\\x00-\x1f\ud800-\udfff]')


def is_json(text: bytes | bytearray | memoryview) -> bool:
    """Tell whether a text is JSON, without making Python objects of it.

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
    """Collect the columns of an answer, chunk by chunk.

    `mismatched` says whether the last chunk took the strict path, `json_error` in what it was not JSON.
    """

    def __init__(self, row_schema: RowSchema, limits: Limits = DEFAULT) -> None:
        self.row_schema = row_schema
        self.limits = limits
        self.memory = 0
        self.key = RESOURCES[row_schema.resource].key if row_schema.resource else ""
        self.columns = Columns(row_schema.fields())
        self.json_error = ""
        self.mismatched = False

    @property
    def count(self) -> int:
        """Number of rows so far."""
        return self.columns.size

    def read(self, text: bytes | bytearray | memoryview) -> list[ColumnChunk] | None:
        """Read an array of rows into columns; return None where the text is not JSON."""
        self.mismatched = False
        width = len(self.row_schema.fields())
        if len(text) * width > self.limits.find_memory // _CELLS:  # else no row could be so short
            self._check_memory(_CELLS * width * bytes(text).count(b"{"))
        if len(text) > _LARGE:
            self._check_memory(max_memory(text) + _COPIES * len(text))
        try:
            try:
                return self.read_fast(text)
            except (msgspec.ValidationError, SchemaMismatch):
                self.mismatched = True
            rows = msgspec.json.decode(text)
        except _NOT_JSON as error:
            self.json_error = f" ({error})"
            return None
        return self.check_rows(rows)

    def read_last(self, text: bytes | bytearray) -> list[ColumnChunk]:
        """Read the last rows of an answer.

        Raises
        ------
        InvalidResponseError
            If the text is not a JSON array.
        """
        columns = self.read(text)
        if columns is None:
            if joined := recognize(EXPECTED, text):
                raise joined
            # After other rows the bracket at the start is not the server's.
            before = f" after {self.count} rows" if self.count else ""
            if "truncated" in self.json_error and text.rstrip().endswith(b"]") and _HALF.search(text):
                self.json_error = " (a text holds half of a surrogate pair)"
            start = bytes(text[1:81] if before else text[:80])
            raise InvalidResponseError.from_body(EXPECTED, start, f"{before}{self.json_error}")
        return columns

    def read_fast(self, text: bytes | bytearray | memoryview) -> list[ColumnChunk]:
        """Read rows that are as the schema promises."""
        fields = self.row_schema.fields()
        rows = self.row_schema.decoder().decode(text)
        return pack(fields, transpose_structs(rows, len(fields)))

    def check_rows(self, rows: list[Any]) -> list[ColumnChunk]:
        """Check rows of any kind, value by value where needed, and add their unknown keys to the schema."""
        is_row = bool(rows) and isinstance(rows[0], dict) and self.key in rows[0]
        if rows and not is_row and not self.count and (error := recognize_row(EXPECTED, rows[0])):
            raise error
        for number, row in enumerate(rows):
            if not isinstance(row, dict):
                raise SchemaError(
                    f"Row {self.count + number} is not an object but {short_repr(row)}.", hint=_HINT
                )
        self._add_extra_keys(rows)
        keys = [row.get(self.key) for row in rows]
        for number, key in enumerate(keys):
            if key is None:
                raise SchemaError(f"Row {self.count + number} has no {self.key!r}.", hint=_HINT)
        fields = self.row_schema.fields()
        self._check_memory(_EMPTY_CELL * len(rows) * len(fields))
        columns = transpose_dicts(rows, fields)
        nested = self.row_schema.nested
        return [check(field, values, keys, nested) for field, values in zip(fields, columns, strict=True)]

    def _add_extra_keys(self, rows: list[dict[str, Any]]) -> None:
        extras = unknown_keys(rows, [f.name for f in self.row_schema.fields()])
        nested: list[str] = []
        if self.row_schema.resource == "builds":
            lists = (row.get("downloads") for row in rows)
            downloads = (
                d for items in lists if isinstance(items, list) for d in items if isinstance(d, dict)
            )
            nested = unknown_keys(downloads, [f.name for f in download_fields(self.row_schema.nested)])
        if not extras and not nested:
            return
        for name in (*extras, *nested):
            if not isinstance(name, str) or INVALID_NAME.search(name):
                raise SchemaError(f"The answer has a field with the name {short_repr(name)}.", hint=_HINT)
        self.row_schema = self.row_schema.with_extra_keys(extras, nested)
        if len(self.row_schema.extras) + len(self.row_schema.nested) > _MAX_EXTRA_KEYS:
            raise SchemaError(f"The answer has more than {_MAX_EXTRA_KEYS} unknown fields.", hint=_HINT)

    def add(self, chunks: list[ColumnChunk]) -> None:
        """Add a chunk to each column.

        Raises
        ------
        ResponseTooLargeError
            If the rows so far take more memory than they may.
        """
        fields = self.row_schema.fields()
        self.memory += memory_of(fields, chunks)
        self._widen(fields)
        self.columns.add(fields, chunks)

    def _widen(self, fields: Sequence[Field]) -> None:
        """Add columns for fields that are new; the rows before have a missing value each."""
        new = fields[len(self.columns.builders) :]
        self.memory += _EMPTY_CELL * self.columns.size * len(new)
        self._check_memory()
        if new:
            self.columns.widen(fields)

    def _check_memory(self, more: int = 0) -> None:
        if self.memory + more > self.limits.find_memory:
            happened = f"{self.count:,} rows, and the next, take {size(self.memory + more)} of memory"
            raise too_large("find", self.limits.find, happened)

    def frame(self) -> pd.DataFrame:
        """Make the frame of all rows that were added."""
        return self.columns.frame(self.key)


_HINT = "The server sends something that its reference does not promise; nothing was loaded."


def unknown_keys(rows: Iterable[dict[str, Any]], known: list[str]) -> list[str]:
    """Return keys beyond the known ones, in order of their first appearance."""
    return list(dict.fromkeys(itertools.chain(known, *rows)))[len(known) :]
