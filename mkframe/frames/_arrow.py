"""Read long answers with Arrow's JSON reader, which several threads can do at once.

It is used where pandas keeps text in Arrow anyway. The fast and the strict path read what it refuses:
whatever the schema does not promise, and some forms of what the schema does promise.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from mkframe.frames._columns import Array, ColumnChunk, arrow_text
from mkframe.frames._fast import EARLIEST, SchemaMismatch
from mkframe.frames._row_types import RowSchema, download_fields
from mkframe.schema import Field

__all__ = ["PREFIX", "SUFFIX", "arrow_schema", "mismatch_errors", "read_table", "to_chunks"]

PREFIX, SUFFIX = b'{"rows":', b"}"
"""Bytes around an array of rows, since Arrow reads objects only."""


@functools.lru_cache(maxsize=64)
def arrow_schema(row_schema: RowSchema) -> Any:
    """Return Arrow's schema for rows, or None where one of their fields may hold anything."""
    import pyarrow as pa

    text = arrow_text()
    types = {
        "int": pa.int64(),
        "flag": pa.int64(),
        "bool": pa.bool_(),
        "str": text,
        "naive": text,
        "timestamp": text,  # Arrow reads times in more forms than the vendor writes
        "ints": pa.list_(pa.int64()),
        "strs": pa.list_(text),
    }
    try:
        inside = pa.struct([(field.name, types[field.type]) for field in download_fields(row_schema.nested)])
        types["downloads"] = pa.list_(inside)
        rows = pa.struct([(field.name, types[field.type]) for field in row_schema.fields()])
    except KeyError:
        return None
    return pa.schema([("rows", pa.list_(rows))])


def mismatch_errors() -> tuple[type[Exception], ...]:
    """Return the errors after which another path reads the chunk."""
    import pyarrow as pa

    return SchemaMismatch, pa.ArrowException, UnicodeDecodeError, OverflowError


def read_table(text: bytearray, arrow_schema: Any) -> Any:
    """Read an array of rows, between `PREFIX` and `SUFFIX`, into an Arrow table."""
    if np.frombuffer(text, dtype=np.int8).min() < 0:  # isascii() takes four times as long
        text.decode()  # Arrow does not check that text is UTF-8
    import pyarrow as pa
    from pyarrow import json

    return json.read_json(
        pa.BufferReader(text),
        read_options=json.ReadOptions(use_threads=False, block_size=len(text) + 1),
        parse_options=json.ParseOptions(
            explicit_schema=arrow_schema, newlines_in_values=True, unexpected_field_behavior="error"
        ),
        memory_pool=pa.system_memory_pool(),
    )


def to_chunks(row_schema: RowSchema, table: Any) -> list[ColumnChunk]:
    """Convert the table into a chunk for each column."""
    if table.num_rows != 1:
        raise SchemaMismatch
    return _columns(table["rows"].chunk(0), row_schema.fields(), download_fields(row_schema.nested))


def _columns(lists: Any, fields: Sequence[Field], nested: Sequence[Field] = ()) -> list[ColumnChunk]:
    records = lists.flatten()
    if records.null_count:
        raise SchemaMismatch
    return [_pack(field, array, nested) for field, array in zip(fields, records.flatten(), strict=True)]


def _pack(field: Field, array: Any, nested: Sequence[Field]) -> ColumnChunk:
    if array.null_count and not field.null:
        raise SchemaMismatch
    missing = array.is_null().to_numpy(zero_copy_only=False) if array.null_count else None
    if field.type == "int":
        return ColumnChunk(_fill_nulls(array, 0), missing)
    if field.type == "flag":
        numbers = _fill_nulls(array, 0)
        if (numbers >> 1).any():
            raise SchemaMismatch
        return ColumnChunk(numbers.astype(np.bool_), missing)
    if field.type == "bool":
        return ColumnChunk(_fill_nulls(array, False), missing)
    if field.type in ("timestamp", "naive"):
        return ColumnChunk(_read_times(array, missing), missing)
    if field.type == "downloads":
        counts = _fill_nulls(array.value_lengths(), 0).astype(np.int64)
        return ColumnChunk(counts, missing, tuple(nested), tuple(_columns(array, nested)))
    if field.type == "str":
        return ColumnChunk(array)
    if array.flatten().null_count:
        raise SchemaMismatch
    return ColumnChunk(array.to_pylist())


def _fill_nulls(array: Any, filler: int) -> Array:
    filled = array.fill_null(filler) if array.null_count else array
    values: Array = filled.to_numpy(zero_copy_only=False)
    return values


_WIDTH = len("2026-04-02T08:14:40.320Z")
_FIXED = [(10, ord("T")), (19, ord(".")), (23, ord("Z"))]
"""Letters that distinguish the vendor's form from others of the same width that Arrow reads."""


def _read_times(array: Any, missing: Array | None) -> Array:
    import pyarrow as pa

    _, offsets, text = array.buffers()
    widths = np.diff(np.frombuffer(offsets, dtype=np.int64, count=len(array) + 1))
    if (widths[... if missing is None else ~missing] != _WIDTH).any():
        raise SchemaMismatch
    count = len(array) - array.null_count
    letters = np.frombuffer(text, dtype=np.uint8, count=count * _WIDTH).reshape(count, _WIDTH)
    if any((letters[:, at] != letter).any() for at, letter in _FIXED):
        raise SchemaMismatch
    times: Array = array.cast(pa.timestamp("us", "UTC")).to_numpy(zero_copy_only=False)
    if count and np.nanmin(times) < EARLIEST:
        raise SchemaMismatch
    return times
