"""The careful road: values of any JSON type.

A column whose values all have the promised types is packed at once; else each value becomes what the
declared dtype holds without loss, or a `SchemaError` that names it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
from collections.abc import Callable, Sequence
from types import NoneType
from typing import Any

import msgspec
import numpy as np

from mkframe._text import short_repr
from mkframe.errors import SchemaError, SchemaWarning, warn
from mkframe.frames._columns import INT64, STORAGE, SURROGATE, ColumnChunk
from mkframe.frames._fast import SchemaMismatch, by_name, flatten, pack, text
from mkframe.frames._row_types import download_fields, download_type
from mkframe.frames._timestamps import timestamps
from mkframe.schema import Field

__all__ = ["check", "check_halves"]


def check(
    field: Field, values: Sequence[Any], keys: Sequence[Any], nested: tuple[str, ...] = ()
) -> ColumnChunk:
    """Pack values of any JSON type.

    Parameters
    ----------
    field : Field
        The column.
    values : sequence
        Its values, as JSON gave them.
    keys : sequence
        Key of each row, for the error message.
    nested : tuple of str
        Further keys of the downloads inside builds.

    Raises
    ------
    SchemaError
        If a value cannot be held by the declared dtype; names column, row and value.
    """
    with contextlib.suppress(SchemaMismatch, msgspec.ValidationError):
        return _at_once(field, values, nested)
    if field.type == "timestamp":
        return _times(field, values, keys)
    if field.type == "downloads":
        return _downloads(field, values, keys, nested)
    convert = _CAREFUL[field.type]
    converted = [None if v is None else convert(v) for v in values]
    refused = next((i for i, v in enumerate(converted) if v is _REFUSED), None)
    if refused is not None:
        raise _refusal(field, keys[refused], values[refused])
    if field.type not in STORAGE:
        return ColumnChunk(text(converted) if field.type == "str" else converted)
    missing = np.fromiter((v is None for v in converted), dtype=np.bool_, count=len(converted))
    packed = np.array([0 if v is None else v for v in converted], dtype=STORAGE[field.type])
    return ColumnChunk(packed, missing if missing.any() else None)


def check_halves(field: Field, values: Sequence[Any], keys: Sequence[Any]) -> None:
    """Refuse half a character in downloads that no JSON reader has looked at.

    Raises
    ------
    SchemaError
        Names column, row and value.
    """
    for key, value in zip(keys, values, strict=True):
        records = [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
        texts = [text for record in records for text in record.values() if isinstance(text, str)]
        if SURROGATE.search("".join(texts)):
            raise _refusal(field, key, value)


_PROMISED: dict[str, set[type]] = {
    "int": {int, NoneType},
    "flag": {bool, int, NoneType},
    "bool": {bool, int, NoneType},
    "str": {str, NoneType},
    "timestamp": {str, NoneType},
    "ints": {int},
    "strs": {str},
}


def _at_once(field: Field, values: Sequence[Any], nested: tuple[str, ...]) -> ColumnChunk:
    """Pack a whole column, unless a single value is not as promised."""
    if field.type == "any":
        return ColumnChunk(values)
    if field.type == "downloads":
        download = download_type(nested)
        return pack(field, msgspec.convert(values, list[list[download] | None]))  # type: ignore[valid-type]
    items = _flat(values) if field.type in ("ints", "strs") else values
    if not set(map(type, items)) <= _PROMISED[field.type]:
        raise SchemaMismatch
    if str in _PROMISED[field.type] and SURROGATE.search("".join(filter(None, items))):
        raise SchemaMismatch
    if field.type == "ints" and items and not (min(items) in INT64 and max(items) in INT64):
        raise SchemaMismatch
    return pack(field, values)


def _flat(lists: Sequence[Any]) -> list[Any]:
    if not set(map(type, lists)) <= {list, NoneType}:
        raise SchemaMismatch
    return list(itertools.chain.from_iterable(items or () for items in lists))


_REFUSED = object()


def _refusal(field: Field, key: Any, value: Any) -> SchemaError:
    return SchemaError(
        f"Column {field.name!r}, row {short_repr(key)}: {short_repr(value)} is not {_EXPECTED[field.type]}.",
        hint="The server sends something that its reference does not promise; nothing was loaded.",
    )


_EXPECTED = {
    "int": "a whole number of 64 bits",
    "flag": "0, 1, true or false",
    "bool": "true or false",
    "str": "text",
    "timestamp": "an ISO 8601 time that microseconds can hold",
    "ints": "a list of whole numbers",
    "strs": "a list of texts",
    "downloads": "a list of downloads",
}


def _int(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        value = int(value)
    return value if type(value) is int and value in INT64 else _REFUSED


def _truth(value: Any) -> Any:
    return bool(value) if type(value) in (bool, int) and value in (0, 1) else _REFUSED


def _text(value: Any) -> Any:
    return value if isinstance(value, str) and not SURROGATE.search(value) else _REFUSED


def _times(field: Field, values: Sequence[Any], keys: Sequence[Any]) -> ColumnChunk:
    times, refused, zoneless = timestamps(values)
    if refused:
        raise _refusal(field, keys[min(refused)], values[min(refused)])
    if zoneless:
        first = values[min(zoneless)]
        warn(
            f"Column {field.name!r}: {len(zoneless)} without a time zone, such as {first!r}, read as UTC.",
            SchemaWarning,
        )
    return ColumnChunk(times)


def _list(check_one: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def convert(value: Any) -> Any:
        if not isinstance(value, list):
            return _REFUSED
        converted = [check_one(v) for v in value]
        return _REFUSED if any(v is _REFUSED for v in converted) else converted

    return convert


def _downloads(
    field: Field, values: Sequence[Any], keys: Sequence[Any], nested: tuple[str, ...]
) -> ColumnChunk:
    """Check the downloads inside builds as if they came by themselves, column by column."""
    for key, items in zip(keys, values, strict=True):
        if items is not None and not (isinstance(items, list) and all(isinstance(i, dict) for i in items)):
            raise _refusal(field, key, items)
    counts, missing, records = flatten(values)
    owners = [key for key, count in zip(keys, counts, strict=True) for _ in range(count)]
    fields = download_fields(nested)
    inside = (
        check(dataclasses.replace(part, name=f"{field.name}.{part.name}"), column, owners)
        for part, column in zip(fields, by_name(records, fields), strict=True)
    )
    return ColumnChunk(counts, missing, fields, tuple(inside))


def _as_it_is(value: Any) -> Any:
    return value


_CAREFUL: dict[str, Callable[[Any], Any]] = {
    "int": _int,
    "flag": _truth,
    "bool": _truth,
    "str": _text,
    "ints": _list(_int),
    "strs": _list(_text),
    "any": _as_it_is,
}
