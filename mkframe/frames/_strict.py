"""The strict path: check values of any JSON type.

A column whose values all have the promised types is packed at once. Else each value is converted to what
the declared dtype holds without loss, or a `SchemaError` names it.
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
from mkframe.frames._fast import SchemaMismatch, flatten, pack, transpose_dicts
from mkframe.frames._row_types import download_fields, download_type
from mkframe.frames._timestamps import timestamps
from mkframe.schema import Field

__all__ = ["check", "check_surrogates"]


def check(
    field: Field, values: Sequence[Any], keys: Sequence[Any], nested: tuple[str, ...] = ()
) -> ColumnChunk:
    """Check and pack values of any JSON type.

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
    if field.type == "any":
        return ColumnChunk(values)
    with contextlib.suppress(SchemaMismatch, msgspec.ValidationError):
        return _check_types(field, values, nested)
    if field.type in ("timestamp", "naive"):
        return _check_times(field, values, keys)
    if field.type == "downloads":
        return _check_downloads(field, values, keys, nested)
    convert = _CONVERTERS[field.type]
    converted = [None if v is None else convert(v) for v in values]
    invalid = next((i for i, v in enumerate(converted) if v is _INVALID), None)
    if invalid is not None:
        raise _invalid_value(field, keys[invalid], values[invalid])
    if field.type not in STORAGE:
        return pack([field], [converted])[0]
    missing = np.fromiter((v is None for v in converted), dtype=np.bool_, count=len(converted))
    packed = np.array([0 if v is None else v for v in converted], dtype=STORAGE[field.type])
    return ColumnChunk(packed, missing if missing.any() else None)


def check_surrogates(field: Field, values: Sequence[Any], keys: Sequence[Any]) -> None:
    """Refuse half a character in downloads that did not come from JSON text.

    Raises
    ------
    SchemaError
        Names column, row and value.
    """
    for key, value in zip(keys, values, strict=True):
        records = [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
        texts = [text for record in records for text in record.values() if isinstance(text, str)]
        if SURROGATE.search("".join(texts)):
            raise _invalid_value(field, key, value)


_EXPECTED_TYPES: dict[str, set[type]] = {
    "int": {int, NoneType},
    "flag": {bool, int, NoneType},
    "bool": {bool, int, NoneType},
    "str": {str, NoneType},
    "timestamp": {str, NoneType},
    "naive": {str, NoneType},
    "ints": {int},
    "strs": {str},
}


def _check_types(field: Field, values: Sequence[Any], nested: tuple[str, ...]) -> ColumnChunk:
    """Pack a whole column, unless a single value is not of the expected type."""
    if field.type == "downloads":
        download = download_type(nested)
        return pack([field], [msgspec.convert(values, list[list[download] | None])])[0]  # type: ignore[valid-type]
    items = _flatten_items(values) if field.type in ("ints", "strs") else values
    if not set(map(type, items)) <= _EXPECTED_TYPES[field.type]:
        raise SchemaMismatch
    if str in _EXPECTED_TYPES[field.type] and SURROGATE.search("".join(filter(None, items))):
        raise SchemaMismatch
    if field.type == "ints" and items and not (min(items) in INT64 and max(items) in INT64):
        raise SchemaMismatch
    return pack([field], [values])[0]


def _flatten_items(lists: Sequence[Any]) -> list[Any]:
    if not set(map(type, lists)) <= {list, NoneType}:
        raise SchemaMismatch
    return list(itertools.chain.from_iterable(items or () for items in lists))


_INVALID = object()


def _invalid_value(field: Field, key: Any, value: Any) -> SchemaError:
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
    "naive": "an ISO 8601 time that microseconds can hold",
    "ints": "a list of whole numbers",
    "strs": "a list of texts",
    "downloads": "a list of downloads",
}


def _to_int(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        value = int(value)
    return value if type(value) is int and value in INT64 else _INVALID


def _to_bool(value: Any) -> Any:
    return bool(value) if type(value) in (bool, int) and value in (0, 1) else _INVALID


def _to_str(value: Any) -> Any:
    return value if isinstance(value, str) and not SURROGATE.search(value) else _INVALID


def _check_times(field: Field, values: Sequence[Any], keys: Sequence[Any]) -> ColumnChunk:
    times, invalid, naive = timestamps(values)
    if invalid:
        raise _invalid_value(field, keys[min(invalid)], values[min(invalid)])
    if naive and field.type == "timestamp":
        first = values[min(naive)]
        warn(
            f"Column {field.name!r}: {len(naive)} without a time zone, such as {first!r}, read as UTC.",
            SchemaWarning,
        )
    if 0 < len(naive) < int((~np.isnat(times)).sum()) and field.type == "naive":
        warn(
            f"Column {field.name!r}: {len(naive)} of its times have no time zone, the others have one; "
            "their clocks may differ.",
            SchemaWarning,
        )
    return ColumnChunk(times)


def _list_of(check_one: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def convert(value: Any) -> Any:
        if not isinstance(value, list):
            return _INVALID
        converted = [check_one(v) for v in value]
        return _INVALID if any(v is _INVALID for v in converted) else converted

    return convert


def _check_downloads(
    field: Field, values: Sequence[Any], keys: Sequence[Any], nested: tuple[str, ...]
) -> ColumnChunk:
    """Check the downloads inside builds as if they came by themselves, column by column."""
    for key, items in zip(keys, values, strict=True):
        if items is not None and not (isinstance(items, list) and all(isinstance(i, dict) for i in items)):
            raise _invalid_value(field, key, items)
    counts, missing, records = flatten(values)
    owners = [key for key, count in zip(keys, counts, strict=True) for _ in range(count)]
    fields = download_fields(nested)
    inside = (
        check(dataclasses.replace(part, name=f"{field.name}.{part.name}"), column, owners)
        for part, column in zip(fields, transpose_dicts(records, fields), strict=True)
    )
    return ColumnChunk(counts, missing, fields, tuple(inside))


_CONVERTERS: dict[str, Callable[[Any], Any]] = {
    "int": _to_int,
    "flag": _to_bool,
    "bool": _to_bool,
    "str": _to_str,
    "ints": _list_of(_to_int),
    "strs": _list_of(_to_str),
}
