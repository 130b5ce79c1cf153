"""From the values of one field to one typed pandas column.

`pack` is the fast road: it trusts the types that msgspec has checked and works on whole columns. Where
something is not as promised it raises `Surprise`, and `check` goes over the same values one by one: it
turns each into what the declared dtype holds without loss, or raises a `SchemaError` that names it.
"""

from __future__ import annotations

import datetime as dt
import re
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import numpy as np
import pandas as pd
from pandas.api.extensions import ExtensionArray

from mkframe.errors import SchemaError, SchemaWarning
from mkframe.schema import Field

__all__ = ["DTYPES", "Piece", "Surprise", "check", "dtype_of", "join", "pack"]

Array = np.ndarray[Any, Any]
Column = ExtensionArray | Array

DTYPES: dict[tuple[str, bool], str] = {
    ("int", False): "int64",
    ("int", True): "Int64",
    ("flag", False): "bool",
    ("flag", True): "boolean",
    ("bool", False): "bool",
    ("bool", True): "boolean",
    ("str", False): "str",
    ("str", True): "str",
    ("timestamp", False): "datetime64[us, UTC]",
    ("timestamp", True): "datetime64[us, UTC]",
}
"""dtype of a column by type of the field and whether it may be null; all others are ``object``."""

_STORAGE: dict[str, Any] = {
    "int": np.int64,
    "flag": np.bool_,
    "bool": np.bool_,
    "timestamp": "datetime64[us]",
}
_INT64 = range(-(2**63), 2**63)
_UNIX = dt.datetime(1970, 1, 1)


class Surprise(Exception):
    """A value is not what the schema promises."""


class Piece(msgspec.Struct, frozen=True, gc=False):
    """Values of one column in one chunk; `missing` marks nulls, or is None where there are none."""

    values: Array
    missing: Array | None = None


def dtype_of(field: Field) -> str:
    """Dtype that the schema declares for a field."""
    return DTYPES.get((field.type, field.null), "object")


# --- the fast road ----------------------------------------------------------------------------------


def pack(field: Field, values: list[Any]) -> Piece:
    """Pack values whose types are checked already."""
    if field.type == "int":
        return _numbers(values)
    if field.type in ("bool", "flag"):
        return _truths(values)
    if field.type == "timestamp":
        return _instants(values)
    return Piece(np.fromiter(values, dtype=object, count=len(values)))


def _without_nulls(values: list[Any], stand_in: Any) -> tuple[list[Any], Array]:
    missing = np.fromiter((v is None for v in values), dtype=np.bool_, count=len(values))
    return [stand_in if v is None else v for v in values], missing


def _numbers(values: list[Any]) -> Piece:
    missing = None
    try:
        try:
            return Piece(np.fromiter(values, dtype=np.int64, count=len(values)))
        except TypeError:
            values, missing = _without_nulls(values, 0)
        return Piece(np.fromiter(values, dtype=np.int64, count=len(values)), missing)
    except OverflowError as error:
        raise Surprise from error


def _truths(values: list[Any]) -> Piece:
    numbers = _numbers(values)
    truths = numbers.values.astype(np.bool_)
    if not np.array_equal(truths, numbers.values):
        raise Surprise
    return Piece(truths, numbers.missing)


_LOWEST = np.frombuffer(b"0000-00-00T00:00:00.000Z", dtype=np.uint8)
_HIGHEST = np.frombuffer(b"9999-99-99T99:99:99.999Z", dtype=np.uint8)
_WIDTH = len(_LOWEST)


def _instants(values: list[Any]) -> Piece:
    """Times in the one form the vendor writes, ``2026-04-02T08:14:40.320Z``, as fixed-width text."""
    missing = None
    if None in values:
        values, missing = _without_nulls(values, "1970-01-01T00:00:00.000Z")
    try:
        text = np.frombuffer("".join(values).encode("ascii"), dtype=np.uint8)
        digits = text.reshape(len(values), _WIDTH)
        if not ((digits >= _LOWEST) & (digits <= _HIGHEST)).all():
            raise Surprise
        without_zone = np.ascontiguousarray(digits[:, :-1]).view(f"S{_WIDTH - 1}")
        times = without_zone.ravel().astype("datetime64[ms]").astype("datetime64[us]")
    except ValueError as error:
        raise Surprise from error
    if missing is not None:
        times[missing] = np.datetime64("NaT")
    return Piece(times, missing)


# --- the careful road -------------------------------------------------------------------------------


def check(field: Field, values: Sequence[Any], keys: Sequence[Any], download: type[msgspec.Struct]) -> Piece:
    """Pack values of any JSON type, one by one.

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
    convert = _downloads(download) if field.type == "downloads" else _CAREFUL[field.type]
    converted = [None if v is None else convert(v) for v in values]
    refused = next((i for i, v in enumerate(converted) if v is _REFUSED), None)
    if refused is not None:
        raise _refusal(field, keys[refused], values[refused])
    if field.type == "timestamp":
        _tell_zoneless(field, values)
    if field.type not in _STORAGE:
        return Piece(np.fromiter(converted, dtype=object, count=len(converted)))
    missing = np.fromiter((v is None for v in converted), dtype=np.bool_, count=len(converted))
    stand_in = _UNIX if field.type == "timestamp" else 0
    packed = np.array([stand_in if v is None else v for v in converted], dtype=_STORAGE[field.type])
    if field.type == "timestamp":
        packed[missing] = np.datetime64("NaT")
    return Piece(packed, missing if missing.any() else None)


_REFUSED = object()


def _refusal(field: Field, key: Any, value: Any) -> SchemaError:
    shown = repr(value)
    shown = shown if len(shown) <= 80 else f"{shown[:77]}..."
    return SchemaError(
        f"Column {field.name!r}, row {key!r}: {shown} is not {_EXPECTED[field.type]}.",
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
    return value if type(value) is int and value in _INT64 else _REFUSED


def _truth(value: Any) -> Any:
    return bool(value) if type(value) in (bool, int) and value in (0, 1) else _REFUSED


def _text(value: Any) -> Any:
    return value if isinstance(value, str) else _REFUSED


_BELOW_MICROSECONDS = re.compile(r"[.,]\d{6}0*[1-9]")
_ZONED = re.compile(r"[T ].*(?:Z|z|[+-]\d{2}(?::?\d{2})*)$")


def _instant(value: Any) -> Any:
    if not isinstance(value, str) or _BELOW_MICROSECONDS.search(value):
        return _REFUSED
    try:
        time = dt.datetime.fromisoformat(value)
        return time if time.tzinfo is None else time.astimezone(dt.UTC).replace(tzinfo=None)
    except (ValueError, OverflowError):
        return _REFUSED


def _tell_zoneless(field: Field, values: Sequence[Any]) -> None:
    zoneless = [v for v in values if v is not None and not _ZONED.search(v)]
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


# --- both roads -------------------------------------------------------------------------------------


def join(field: Field, pieces: Sequence[Piece]) -> Column:
    """Put the pieces of a column together, in the dtype that the schema declares."""
    if not pieces:
        dtype = dtype_of(field)
        return np.array([], dtype=object) if dtype == "object" else _typed([], dtype)
    values = pieces[0].values if len(pieces) == 1 else np.concatenate([p.values for p in pieces])
    if field.type == "str":
        return _typed(values, "str")
    if field.type == "timestamp":
        return _typed(values, dtype_of(field))
    if field.type == "any":
        return _inferred(values)
    if field.type not in _STORAGE:
        return values
    missing = _missing(pieces)
    if not field.null and missing is None:
        return values
    if not field.null:
        warnings.warn(
            f"Column {field.name!r} is never null in the reference, but {int(missing.sum())} of "  # type: ignore[union-attr]
            f"{len(values)} rows are; its dtype is {DTYPES[field.type, True]!r} here.",
            SchemaWarning,
            stacklevel=2,
        )
    if missing is None:
        missing = np.zeros(len(values), dtype=np.bool_)
    holder = pd.arrays.IntegerArray if field.type == "int" else pd.arrays.BooleanArray
    return holder(values, missing)


def _typed(values: Any, dtype: Any) -> ExtensionArray:
    array: ExtensionArray = pd.array(values, dtype=dtype)
    return array


def _missing(pieces: Sequence[Piece]) -> Array | None:
    if all(p.missing is None for p in pieces):
        return None
    parts = [np.zeros(len(p.values), dtype=np.bool_) if p.missing is None else p.missing for p in pieces]
    return np.concatenate(parts)


def _inferred(values: Array) -> Column:
    """A nullable dtype where all values of an undocumented column are of one kind, else object."""
    kinds = {"integer": "Int64", "boolean": "boolean", "string": "str"}
    kind = kinds.get(pd.api.types.infer_dtype(values))
    if kind is None or (kind == "Int64" and any(v is not None and v not in _INT64 for v in values)):
        return values
    return _typed(values, kind)
