"""The road of long answers: Arrow's JSON reader, which lets several threads read at once.

It is taken where pandas keeps text in Arrow anyhow. What it refuses, the other roads look at: whatever
the schema does not promise, and some forms of what it does promise.
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

__all__ = ["CLOSING", "OPENING", "kind_of", "pieces", "read", "refusals"]

OPENING, CLOSING = b'{"rows":', b"}"
"""What stands around an array of rows, since Arrow reads objects only."""


@functools.lru_cache(maxsize=64)
def kind_of(shape: RowSchema) -> Any:
    """Arrow's schema for the rows of a shape, or None where one of their fields may hold anything."""
    import pyarrow as pa

    text = arrow_text()
    kinds = {
        "int": pa.int64(),
        "flag": pa.int64(),
        "bool": pa.bool_(),
        "str": text,
        "timestamp": text,  # Arrow would read times in more forms than the vendor writes
        "ints": pa.list_(pa.int64()),
        "strs": pa.list_(text),
    }
    try:
        inside = pa.struct([(field.name, kinds[field.type]) for field in download_fields(shape.nested)])
        kinds["downloads"] = pa.list_(inside)
        rows = pa.struct([(field.name, kinds[field.type]) for field in shape.fields()])
    except KeyError:
        return None
    return pa.schema([("rows", pa.list_(rows))])


def refusals() -> tuple[type[Exception], ...]:
    """Errors after which a piece takes the other roads."""
    import pyarrow as pa

    return SchemaMismatch, pa.ArrowException, UnicodeDecodeError, OverflowError


def read(text: bytearray, kind: Any) -> Any:
    """Read an array of rows, in its `OPENING` and `CLOSING`, into an Arrow table."""
    if np.frombuffer(text, dtype=np.int8).min() < 0:  # isascii() takes four times as long
        text.decode()  # Arrow takes any bytes for text
    import pyarrow as pa
    from pyarrow import json

    return json.read_json(
        pa.BufferReader(text),
        read_options=json.ReadOptions(use_threads=False, block_size=len(text) + 1),
        parse_options=json.ParseOptions(
            explicit_schema=kind, newlines_in_values=True, unexpected_field_behavior="error"
        ),
        memory_pool=pa.system_memory_pool(),
    )


def pieces(shape: RowSchema, table: Any) -> list[ColumnChunk]:
    """Columns of the rows that were read."""
    if table.num_rows != 1:
        raise SchemaMismatch
    return _columns(table["rows"].chunk(0), shape.fields(), download_fields(shape.nested))


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
        return ColumnChunk(_filled(array, 0), missing)
    if field.type == "flag":
        numbers = _filled(array, 0)
        if (numbers >> 1).any():
            raise SchemaMismatch
        return ColumnChunk(numbers.astype(np.bool_), missing)
    if field.type == "bool":
        return ColumnChunk(_filled(array, False), missing)
    if field.type == "timestamp":
        return ColumnChunk(_instants(array, missing), missing)
    if field.type == "downloads":
        counts = _filled(array.value_lengths(), 0).astype(np.int64)
        return ColumnChunk(counts, missing, tuple(nested), tuple(_columns(array, nested)))
    if field.type == "str":
        return ColumnChunk(array)
    if array.flatten().null_count:
        raise SchemaMismatch
    return ColumnChunk(array.to_pylist())


def _filled(array: Any, stand_in: int) -> Array:
    filled = array.fill_null(stand_in) if array.null_count else array
    values: Array = filled.to_numpy(zero_copy_only=False)
    return values


_WIDTH = len("2026-04-02T08:14:40.320Z")
_FIXED = [(10, ord("T")), (19, ord(".")), (23, ord("Z"))]
"""What tells the vendor's form from others of the same width that Arrow reads."""


def _instants(array: Any, missing: Array | None) -> Array:
    import pyarrow as pa

    _, offsets, text = array.buffers()
    widths = np.diff(np.frombuffer(offsets, dtype=np.int64, count=len(array) + 1))
    if (widths[... if missing is None else ~missing] != _WIDTH).any():
        raise SchemaMismatch
    given = len(array) - array.null_count
    letters = np.frombuffer(text, dtype=np.uint8, count=given * _WIDTH).reshape(given, _WIDTH)
    if any((letters[:, at] != letter).any() for at, letter in _FIXED):
        raise SchemaMismatch
    times: Array = array.cast(pa.timestamp("us", "UTC")).to_numpy(zero_copy_only=False)
    if given and np.nanmin(times) < EARLIEST:
        raise SchemaMismatch
    return times
