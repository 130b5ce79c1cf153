"""The fast road: values whose types msgspec has checked, packed a whole column at a time.

Where something is not as the schema promises, `SchemaMismatch` is raised, and the careful road takes over.
"""

from __future__ import annotations

import contextlib
import itertools
import operator
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec
import numpy as np

from mkframe.frames._columns import Array, ColumnChunk, arrow, arrow_text
from mkframe.frames._row_types import download_fields
from mkframe.schema import Field

__all__ = [
    "EARLIEST",
    "SchemaMismatch",
    "by_name",
    "in_columns",
    "local_instants",
    "flatten",
    "pack",
    "pack_all",
    "text",
]


class SchemaMismatch(Exception):
    """A value is not what the schema promises."""


def in_columns(rows: Sequence[Any], width: int) -> Iterator[tuple[Any, ...]]:
    """Turn structs into one tuple for each of their `width` attributes."""
    if not rows:
        return iter([()] * width)
    return zip(*map(msgspec.structs.astuple, rows), strict=True)


def by_name(rows: Sequence[dict[str, Any]], fields: Sequence[Field]) -> list[Sequence[Any]]:
    """Turn dictionaries into the values of each field, None where a row lacks it."""
    names = [field.name for field in fields]
    if rows and len(names) > 1:
        with contextlib.suppress(KeyError):
            return list(zip(*map(operator.itemgetter(*names), rows), strict=True))
    return [[row.get(name) for row in rows] for name in names]


def pack_all(fields: Sequence[Field], columns: Iterable[Sequence[Any]]) -> list[ColumnChunk]:
    """Pack columns of the same rows; columns of times without nulls at once, which short answers feel."""
    columns = list(columns)
    whole = [f.type == "timestamp" and None not in values for f, values in zip(fields, columns, strict=True)]
    times = _instants([*itertools.chain(*itertools.compress(columns, whole))]).values
    parts = iter(times.reshape(sum(whole), len(columns[0])))
    return [
        ColumnChunk(next(parts)) if alike else pack(field, values)
        for field, values, alike in zip(fields, columns, whole, strict=True)
    ]


def pack(field: Field, values: Sequence[Any]) -> ColumnChunk:
    """Pack values whose types are checked already."""
    if field.type == "int":
        return _numbers(values)
    if field.type in ("bool", "flag"):
        return _truths(values)
    if field.type == "timestamp":
        return _instants(values)
    if field.type == "downloads":
        return _nested(values)
    return ColumnChunk(text(values) if field.type == "str" else values)


def text(values: Sequence[str | None]) -> Any:
    """Texts as pandas is set to keep them: an Arrow array, or Python objects, each word once."""
    if pa := arrow():
        return pa.array(values, arrow_text())
    words = {word: word for word in values}
    return values if 2 * len(words) > len(values) else [words[word] for word in values]


def _without_nulls(values: Sequence[Any], stand_in: Any) -> tuple[Sequence[Any], Array]:
    if values.count(None) == len(values):
        return [stand_in] * len(values), np.ones(len(values), dtype=np.bool_)
    missing = np.fromiter(
        map(operator.is_, values, itertools.repeat(None)), dtype=np.bool_, count=len(values)
    )
    return [stand_in if value is None else value for value in values], missing


def _numbers(values: Sequence[Any]) -> ColumnChunk:
    missing = None
    try:
        try:
            return ColumnChunk(np.fromiter(values, dtype=np.int64, count=len(values)))
        except TypeError:
            values, missing = _without_nulls(values, 0)
        return ColumnChunk(np.fromiter(values, dtype=np.int64, count=len(values)), missing)
    except OverflowError as error:
        raise SchemaMismatch from error


def _truths(values: Sequence[Any]) -> ColumnChunk:
    missing = None
    try:
        try:
            small = bytes(values)
        except TypeError:
            values, missing = _without_nulls(values, 0)
            small = bytes(values)
    except ValueError as error:
        raise SchemaMismatch from error
    if small.translate(None, b"\x00\x01"):
        raise SchemaMismatch
    return ColumnChunk(np.frombuffer(small, dtype=np.bool_), missing)


_LOWEST = np.frombuffer(b"0000-00-00T00:00:00.000Z\n", dtype=np.uint8)
_RANGE = np.frombuffer(b"9999-99-99T99:99:99.999Z\n", dtype=np.uint8) - _LOWEST
"""The lowest bytes of a time in the vendor's form and a line break, and how much higher each may be."""
EARLIEST = np.datetime64("0001-01-01T00:00:00")
"""Numpy knows years before, which pandas cannot show."""
_WIDTH = len(_LOWEST)


def _instants(values: Sequence[Any]) -> ColumnChunk:
    """Times in the one form the vendor writes, ``2026-04-02T08:14:40.320Z``, as fixed-width text.

    A line break after each keeps a long text from making up for a short one.
    """
    missing = None
    try:
        lines = "\n".join([*values, ""])
    except TypeError:
        values, missing = _without_nulls(values, "1970-01-01T00:00:00.000Z")
        lines = "\n".join([*values, ""])
    try:
        digits = np.frombuffer(lines.encode("ascii"), dtype=np.uint8).reshape(len(values), _WIDTH)
    except ValueError as error:
        raise SchemaMismatch from error
    if not (digits - _LOWEST <= _RANGE).all():
        raise SchemaMismatch
    times = local_instants(digits[:, :-2])
    if missing is not None:
        times[missing] = np.datetime64("NaT", "us")
    return ColumnChunk(times)


def local_instants(letters: Array) -> Array:
    """Read rows of letters such as ``2026-04-02T08:14:40.320`` as times, whatever zone follows.

    Raises
    ------
    SchemaMismatch
        If one of them is no time, or lies before the years that pandas can show.
    """
    width = letters.shape[1]
    try:
        times: Array = np.ascontiguousarray(letters).view(f"S{width}").ravel().astype("datetime64[us]")
    except ValueError as error:
        raise SchemaMismatch from error
    if len(times) and times.min() < EARLIEST:
        raise SchemaMismatch
    return times


def _nested(values: Sequence[Any]) -> ColumnChunk:
    """Lists of records, as their lengths and the columns of all records."""
    counts, missing, records = flatten(values)
    fields = download_fields(records[0].learned if records else ())
    inside = pack_all(fields, in_columns(records, len(fields)))
    return ColumnChunk(counts, missing, fields, tuple(inside))


def flatten(lists: Sequence[Any]) -> tuple[Array, Array | None, list[Any]]:
    """Lengths of lists, marks where one is null, and all items one after the other."""
    missing = None
    try:
        counts = np.fromiter(map(len, lists), dtype=np.int64, count=len(lists))
    except TypeError:
        lists, missing = _without_nulls(lists, ())
        counts = np.fromiter(map(len, lists), dtype=np.int64, count=len(lists))
    return counts, missing, list(itertools.chain.from_iterable(lists))
