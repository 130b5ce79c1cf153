"""The careful road: values of any JSON type.

A column whose values all have the promised types is packed at once; else each value becomes what the
declared dtype holds without loss, or a `SchemaError` that names it.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import itertools
import re
import warnings
from collections.abc import Callable, Sequence
from types import NoneType
from typing import Any

import msgspec
import numpy as np

from mkframe.errors import SchemaError, SchemaWarning
from mkframe.frames.columns import INT64, STORAGE, SURROGATE, Piece
from mkframe.frames.packing import Surprise, pack, text
from mkframe.schema import Field
from mkframe.spelling import shown

__all__ = ["check", "check_halves"]

_UNIX = dt.datetime(1970, 1, 1)


def check(field: Field, values: Sequence[Any], keys: Sequence[Any], download: type[msgspec.Struct]) -> Piece:
    """Pack values of any JSON type.

    Parameters
    ----------
    field : Field
        The column.
    values : sequence
        Its values, as JSON gave them.
    keys : sequence
        Key of each row, for the error message.
    download : type
        Type of the downloads inside a build.

    Raises
    ------
    SchemaError
        If a value cannot be held by the declared dtype; names column, row and value.
    """
    with contextlib.suppress(Surprise, msgspec.ValidationError):
        return _at_once(field, values, download)
    if field.type == "timestamp":
        with contextlib.suppress(Surprise):
            return _some_odd_times(field, values, keys)
    convert = _downloads(download) if field.type == "downloads" else _CAREFUL[field.type]
    converted = [None if v is None else convert(v) for v in values]
    refused = next((i for i, v in enumerate(converted) if v is _REFUSED), None)
    if refused is not None:
        raise _refusal(field, keys[refused], values[refused])
    if field.type == "timestamp":
        _tell_zoneless(field, values)
    if field.type == "downloads":
        return pack(field, converted)
    if field.type not in STORAGE:
        return Piece(text(converted) if field.type == "str" else converted)
    missing = np.fromiter((v is None for v in converted), dtype=np.bool_, count=len(converted))
    stand_in = _UNIX if field.type == "timestamp" else 0
    packed = np.array([stand_in if v is None else v for v in converted], dtype=STORAGE[field.type])
    if field.type == "timestamp":
        packed[missing] = np.datetime64("NaT")
    return Piece(packed, missing if missing.any() else None)


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


def _at_once(field: Field, values: Sequence[Any], download: type[msgspec.Struct]) -> Piece:
    """Pack a whole column, unless a single value is not as promised."""
    if field.type == "any":
        return Piece(values)
    if field.type == "downloads":
        return pack(field, msgspec.convert(values, list[list[download] | None]))  # type: ignore[valid-type]
    items = _flat(values) if field.type in ("ints", "strs") else values
    if not set(map(type, items)) <= _PROMISED[field.type]:
        raise Surprise
    if str in _PROMISED[field.type] and SURROGATE.search("".join(filter(None, items))):
        raise Surprise
    if field.type == "ints" and items and not (min(items) in INT64 and max(items) in INT64):
        raise Surprise
    return pack(field, values)


def _flat(lists: Sequence[Any]) -> list[Any]:
    if not set(map(type, lists)) <= {list, NoneType}:
        raise Surprise
    return list(itertools.chain.from_iterable(items or () for items in lists))


_REFUSED = object()


def _refusal(field: Field, key: Any, value: Any) -> SchemaError:
    return SchemaError(
        f"Column {field.name!r}, row {shown(key)}: {shown(value)} is not {_EXPECTED[field.type]}.",
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


_BELOW_MICROSECONDS = re.compile(r"[.,]\d{6}0*[1-9]")
_ISO = re.compile(
    r"(?:\d{4}-\d\d-\d\d|\d{8}|\d{4}-W\d\d(?:-\d)?|\d{4}W\d\d\d?)"
    r"(?:[T ](?:\d\d(?::\d\d(?::\d\d(?:[.,]\d+)?)?)?|\d{4}(?:\d\d(?:[.,]\d+)?)?)"
    r"(?P<zone>Z|[+-]\d\d(?::?\d\d(?::?\d\d)?)?)?)?",
    re.ASCII | re.IGNORECASE,
)
"""Python reads more: any sign between day and time, so the zone of 2026-04-02-05:00 as its hour."""


def _instant(value: Any) -> Any:
    if not isinstance(value, str) or not _ISO.fullmatch(value) or _BELOW_MICROSECONDS.search(value):
        return _REFUSED
    try:
        time = dt.datetime.fromisoformat(value.upper())
        return time if time.tzinfo is None else time.astimezone(dt.UTC).replace(tzinfo=None)
    except (ValueError, OverflowError):
        return _REFUSED


_VENDORS_FORM = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", re.ASCII)


def _some_odd_times(field: Field, values: Sequence[Any], keys: Sequence[Any]) -> Piece:
    """Pack times of which only those in other forms than the vendor's are read one by one."""
    plain = [v if isinstance(v, str) and _VENDORS_FORM.fullmatch(v) else None for v in values]
    piece = pack(field, plain)
    odd = [i for i, v in enumerate(values) if v is not None and plain[i] is None]
    for i in odd:
        time = _instant(values[i])
        if time is _REFUSED:
            raise _refusal(field, keys[i], values[i])
        piece.values[i] = time
    _tell_zoneless(field, [values[i] for i in odd])
    return piece


def _tell_zoneless(field: Field, values: Sequence[Any]) -> None:
    zoneless = [v for v in values if v is not None and not _ISO.fullmatch(v)["zone"]]  # type: ignore[index]
    if zoneless:
        warnings.warn(
            f"Column {field.name!r}: {len(zoneless)} times such as {zoneless[0]!r} name no time zone; "
            "they are read as UTC.",
            SchemaWarning,
            stacklevel=3,
        )


def _list(check_one: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def convert(value: Any) -> Any:
        if not isinstance(value, list):
            return _REFUSED
        converted = [check_one(v) for v in value]
        return _REFUSED if any(v is _REFUSED for v in converted) else converted

    return convert


def _downloads(download: type[msgspec.Struct]) -> Callable[[Any], Any]:
    def convert(value: Any) -> Any:
        try:
            return msgspec.convert(value, list[download])  # type: ignore[valid-type]
        except msgspec.ValidationError:
            return _REFUSED

    return convert


def _as_it_is(value: Any) -> Any:
    return value


_CAREFUL: dict[str, Callable[[Any], Any]] = {
    "int": _int,
    "flag": _truth,
    "bool": _truth,
    "str": _text,
    "timestamp": _instant,
    "ints": _list(_int),
    "strs": _list(_text),
    "any": _as_it_is,
}
