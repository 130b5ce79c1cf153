"""The fast path: pack values whose types msgspec has checked, all columns of a type at once.

Where something is not as the schema promises, `SchemaMismatch` is raised, and the strict path reads the rows.
"""

from __future__ import annotations

import contextlib
import itertools
import operator
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import numpy as np

from mkframe.frames._columns import Array, ColumnChunk, arrow_text, uses_arrow
from mkframe.frames._row_types import download_fields
from mkframe.schema import Field

__all__ = [
    "EARLIEST",
    "SchemaMismatch",
    "flatten",
    "pack",
    "parse_local_times",
    "transpose_dicts",
    "transpose_structs",
]

_Values = Sequence[Any]


class SchemaMismatch(Exception):
    """A value is not what the schema promises."""


def transpose_structs(rows: _Values, width: int) -> list[_Values]:
    """Turn structs into one tuple for each of their `width` attributes."""
    if not rows:
        return [()] * width
    return list(zip(*map(msgspec.structs.astuple, rows), strict=True))


def transpose_dicts(rows: Sequence[dict[str, Any]], fields: Sequence[Field]) -> list[_Values]:
    """Turn dictionaries into the values of each field, None where a row lacks it."""
    names = [field.name for field in fields]
    if rows and len(names) > 1:
        with contextlib.suppress(KeyError):
            return list(zip(*map(operator.itemgetter(*names), rows), strict=True))
    return [[row.get(name) for row in rows] for name in names]


def pack(fields: Sequence[Field], columns: Sequence[_Values]) -> list[ColumnChunk]:
    """Pack columns of the same rows, whose types are checked already.

    Raises
    ------
    SchemaMismatch
        If a value is of the right type but outside what the schema promises, such as a flag of 2.
    """
    places: dict[str, list[int]] = {}
    for place, field in enumerate(fields):
        places.setdefault(field.type, []).append(place)
    packed: dict[int, ColumnChunk] = {}
    for kind, where in places.items():
        packed |= zip(where, _PACKERS[kind]([*map(columns.__getitem__, where)]), strict=True)
    return [*map(packed.__getitem__, range(len(fields)))]


def _fill_nulls(values: _Values, filler: Any) -> tuple[_Values, Array]:
    """Replace each None, and mark where one was."""
    if values.count(None) == len(values):
        return [filler] * len(values), np.ones(len(values), dtype=np.bool_)
    missing = np.fromiter(
        map(operator.is_, values, itertools.repeat(None)), dtype=np.bool_, count=len(values)
    )
    return [filler if value is None else value for value in values], missing


def _pack_ints(columns: Sequence[_Values]) -> list[ColumnChunk]:
    chunks = []
    try:
        for values in columns:
            missing = None
            try:
                numbers = np.fromiter(values, dtype=np.int64, count=len(values))
            except TypeError:
                filled, missing = _fill_nulls(values, 0)
                numbers = np.fromiter(filled, dtype=np.int64, count=len(values))
            chunks.append(ColumnChunk(numbers, missing))
    except OverflowError as error:
        raise SchemaMismatch from error
    return chunks


def _pack_bools(columns: Sequence[_Values]) -> list[ColumnChunk]:
    chunks = []
    try:
        for values in columns:
            missing = None
            try:
                small = bytes(values)
            except TypeError:
                filled, missing = _fill_nulls(values, 0)
                small = bytes(filled)
            if small.translate(None, b"\x00\x01"):
                raise SchemaMismatch
            chunks.append(ColumnChunk(np.frombuffer(small, dtype=np.bool_), missing))
    except ValueError as error:
        raise SchemaMismatch from error
    return chunks


def _pack_text(columns: Sequence[_Values]) -> list[ColumnChunk]:
    """Keep text as pandas is set to: in Arrow arrays, or as Python objects, each word once."""
    if uses_arrow():
        import pyarrow as pa

        return [ColumnChunk(pa.array(values, arrow_text())) for values in columns]
    chunks = []
    for values in columns:
        words = dict(zip(values, values, strict=True))
        is_repetitive = 2 * len(words) <= len(values)
        chunks.append(ColumnChunk([*map(words.__getitem__, values)] if is_repetitive else values))
    return chunks


def _pack_objects(columns: Sequence[_Values]) -> list[ColumnChunk]:
    return [*map(ColumnChunk, columns)]


_LOWEST = np.frombuffer(b"0000-00-00T00:00:00.000Z\n", dtype=np.uint8)
_RANGE = np.frombuffer(b"9999-99-99T99:99:99.999Z\n", dtype=np.uint8) - _LOWEST
"""The lowest bytes of a time in the vendor's form and a line break, and how much higher each may be."""
EARLIEST = np.datetime64("0001-01-01T00:00:00")
"""Numpy reads earlier years, which pandas cannot show."""
_WIDTH = len(_LOWEST)


def _pack_times(columns: Sequence[_Values]) -> list[ColumnChunk]:
    """Read times in the one form the vendor writes, ``2026-04-02T08:14:40.320Z``, as fixed-width text.

    All columns are read at once, which short answers feel. A line break after each time keeps a long text
    from making up for a short one.
    """
    lines: list[str] = []
    marks: list[Array | None] = []
    for values in columns:
        missing = None
        if None in values:
            values, missing = _fill_nulls(values, "1970-01-01T00:00:00.000Z")
        lines += values
        marks.append(missing)
    text = "\n".join([*lines, ""])
    try:
        digits = np.frombuffer(text.encode("ascii"), dtype=np.uint8).reshape(len(lines), _WIDTH)
    except ValueError as error:
        raise SchemaMismatch from error
    if not (digits - _LOWEST <= _RANGE).all():
        raise SchemaMismatch
    times = parse_local_times(digits[:, :-2]).reshape(len(columns), -1)
    for column, missing in zip(times, marks, strict=True):
        if missing is not None:
            column[missing] = np.datetime64("NaT", "us")
    return [*map(ColumnChunk, times)]


def parse_local_times(letters: Array) -> Array:
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


def _pack_downloads(columns: Sequence[_Values]) -> list[ColumnChunk]:
    """Pack lists of records as their lengths and the columns of all records."""
    chunks = []
    for values in columns:
        counts, missing, records = flatten(values)
        fields = download_fields(records[0].extra_keys if records else ())
        inside = pack(fields, transpose_structs(records, len(fields)))
        chunks.append(ColumnChunk(counts, missing, fields, tuple(inside)))
    return chunks


_PACKERS: dict[str, Callable[[Sequence[_Values]], list[ColumnChunk]]] = {
    "int": _pack_ints,
    "bool": _pack_bools,
    "flag": _pack_bools,
    "str": _pack_text,
    "timestamp": _pack_times,
    "naive": _pack_times,
    "ints": _pack_objects,
    "strs": _pack_objects,
    "any": _pack_objects,
    "downloads": _pack_downloads,
}


def flatten(lists: _Values) -> tuple[Array, Array | None, list[Any]]:
    """Return the lengths of lists, marks where one is null, and all items one after the other."""
    missing = None
    try:
        counts = np.fromiter(map(len, lists), dtype=np.int64, count=len(lists))
    except TypeError:
        lists, missing = _fill_nulls(lists, ())
        counts = np.fromiter(map(len, lists), dtype=np.int64, count=len(lists))
    return counts, missing, list(itertools.chain.from_iterable(lists))
