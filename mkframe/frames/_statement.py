"""Read the result of a statement whose columns are known, row by row while it arrives.

The rows are an array inside of an object. Where it begins is proven as a cut between rows is: closed there,
the object is JSON whose rows are empty. Chunks of rows are read as those of a find, and packed only where
nothing is lost by it: a value that does not fit may come last, and its column keeps what came then.
"""

from __future__ import annotations

import contextlib
import itertools
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from types import NoneType
from typing import Any

import msgspec
import numpy as np
import pandas as pd

from mkframe._pandas import frame_of
from mkframe._text import short_repr
from mkframe.errors import InvalidResponseError, SchemaWarning, warn
from mkframe.frames._chunks import SPACE, ChunkReader
from mkframe.frames._columns import ColumnChunk, array_of
from mkframe.frames._decode import collector_paused
from mkframe.frames._fast import SchemaMismatch, pack, transpose_dicts
from mkframe.frames._nested import Columns
from mkframe.frames._parallel import ParallelReader
from mkframe.frames._recognize import START, invalid_body
from mkframe.frames._row_types import RowSchema
from mkframe.frames._rows import INVALID_NAME, RowReader, unknown_keys
from mkframe.frames._tables import check_width, column_of, parse_object
from mkframe.limits import DEFAULT, Limits, too_large
from mkframe.schema import Field, FieldType

__all__ = ["ResultReader", "read_result"]

_EXPECTED = "the result of a statement"
_ROWS = re.compile(rb'"rows"\s*:\s*\[')
_MAX_CANDIDATES = 64
"""How many places are tried at which the rows may begin."""
_OBJECT_BYTES = 80
"""Bytes of a value while its column is read anew."""
_PACKED: dict[str, set[type]] = {
    "int": {int, NoneType},
    "flag": {int, NoneType},
    "bool": {bool, NoneType},
    "str": {str, NoneType},
    "naive": {str, NoneType},
}
"""Types of values that are packed without loss."""


def read_result(
    chunks: Iterable[bytes],
    fields: Sequence[Field],
    types: Mapping[str, FieldType] | None = None,
    limits: Limits = DEFAULT,
) -> ResultReader:
    """Read the answer of a statement with the bounds of a find.

    Parameters
    ----------
    chunks : iterable of bytes
        The body as it arrives: an object with ``rows``.
    fields : sequence of Field
        Columns of the frame, in their order.
    types : mapping of str to str, optional
        Types of further columns by their names in upper case. With it, columns that are announced are in the
        frame also where no row has them.
    limits : Limits
        Those of a find count.

    Returns
    -------
    ResultReader
        `answer` is the object without its rows, `frame` makes the frame of them.

    Raises
    ------
    InvalidResponseError
        If it is no such object; shows how it starts.
    ResponseTooLargeError
        If a row, or all of them together, are larger than the limit.

    Examples
    --------
    >>> body = b'{"status": "FINISHED", "rows": [{"N": 1}, {"N": null}]}'
    >>> result = read_result([body], [Field("N", "int", "A number.")])
    >>> result.answer, result.frame()["N"].tolist()
    ({'status': 'FINISHED'}, [1, <NA>])
    """
    with collector_paused() as collect_new:
        parts = iter(chunks)
        head, start = _split_head(parts, limits)
        if start is None:
            answer = parse_object([bytes(head)], _EXPECTED, "find", limits)
            rows = answer.pop("rows", None) or []
            reader = ResultReader(fields, types, limits, answer)
            if not isinstance(rows, list):
                raise _no_result(f"its rows are {short_repr(rows)}")
            if rows:
                reader.add(reader.check_rows(rows))
            return reader
        reader = ResultReader(fields, types, limits, _object(head[:start] + b"]}"))
        stream = ChunkReader(reader, ParallelReader(), limits=limits, in_object=True)
        with contextlib.closing(stream):
            for columns in stream.read(itertools.chain([head[start - 1 :]], parts)):
                collect_new()
                reader.add(columns)
        reader.answer |= _object(b'{"rows":[]' + stream.behind.lstrip(SPACE))
    return reader


def _split_head(parts: Iterator[bytes], limits: Limits) -> tuple[bytearray, int | None]:
    """Read up to the start of the rows; return what was read, and the place behind the rows' bracket."""
    head, searched, tried = bytearray(), 0, 0
    for part in parts:
        head += part if head else part.lstrip(SPACE)
        if not head.startswith(b"{"[: len(head)]):
            break
        for match in _ROWS.finditer(head, searched):
            searched, tried = match.end(), tried + 1
            if tried <= _MAX_CANDIDATES and _is_start(head[: match.end()]):
                return head, match.end()
        if len(head) > limits.row:
            raise too_large("row", limits.row, f"no rows began in {len(head):,} bytes")
        name = head.rfind(b'"rows"', searched)  # its bracket may follow
        searched = name if name >= 0 else max(searched, len(head) - len('"rows"'))
    if not head.startswith(b"{"):
        raise invalid_body(_EXPECTED, head[:START])
    return head, None


def _is_start(text: bytearray) -> bool:
    with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        answer = msgspec.json.decode(text + b"]}")
        return isinstance(answer, dict) and answer.get("rows") == []
    return False


def _object(text: bytes | bytearray) -> dict[str, Any]:
    """Read an object from which the rows were taken."""
    try:
        answer = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _no_result(f"what is behind its rows is no JSON ({error})") from None
    if not isinstance(answer, dict) or answer.pop("rows", None) != []:
        raise _no_result("it has rows twice")
    return answer


def _no_result(reason: str) -> InvalidResponseError:
    return InvalidResponseError(
        f"The answer is no result of a statement: {reason}.", hint=InvalidResponseError._HINT_WRONG_SERVER
    )


class ResultReader(RowReader):
    """Collect the columns of a result, chunk by chunk; `answer` is the rest of the object."""

    def __init__(
        self,
        fields: Sequence[Field],
        types: Mapping[str, FieldType] | None,
        limits: Limits,
        answer: dict[str, Any],
    ) -> None:
        super().__init__(RowSchema("", given=tuple(fields)), limits)
        self.answer = answer
        self._types = types
        self._declared = len(fields)
        self._documented = {field.name.upper(): field.name for field in fields}
        self._loose: set[str] = set()
        """Names of columns that hold a value which their type does not."""
        self._is_unusual = False
        """Whether a column has a name that msgspec takes for no attribute."""
        self._add_names(self._announced())
        self.columns = Columns(self.row_schema.fields())

    def frame(self) -> pd.DataFrame:
        """Make the frame of all rows, numbered from 0.

        Warns
        -----
        SchemaWarning
            If a value does not fit its column, which keeps what came then; if the answer lacks columns.
        """
        names = self._announced()
        if self._types is not None and not names and not self.count:
            names = list(self._types)
        self._add_names(names)
        self._widen(self.row_schema.fields())
        order = {name: place for place, name in enumerate(names)}
        first, more = self.columns.builders[: self._declared], self.columns.builders[self._declared :]
        more.sort(key=lambda builder: order.get(builder.field.name, len(order)))
        arrays = {}
        for builder in (*first, *more):
            arrays[builder.field.name] = self._array(builder.field, builder.chunks)
            builder.chunks.clear()
        frame = frame_of(arrays, pd.RangeIndex(self.count))
        self._warn_of_missing(frame)
        return frame

    def _warn_of_missing(self, frame: pd.DataFrame) -> None:
        """Say which columns the answer does not announce and no row has."""
        announced = set(self._spelled(self._names_of_answer()))
        if not announced or frame.empty:
            return
        fields = self.row_schema.fields()[: self._declared]
        missing = [
            f.name for f in fields if f.null and f.name not in announced and frame[f.name].isna().all()
        ]
        if missing:
            warn(f"The answer lacks the columns {', '.join(missing)}; they are empty here.", SchemaWarning)

    def _array(self, field: Field, chunks: Sequence[ColumnChunk]) -> Any:
        if field.name not in self._loose:
            return array_of(field, chunks)
        self._check_memory(_OBJECT_BYTES * self.count)
        return column_of(field, [value for chunk in chunks for value in _values(field, chunk)])

    # --- rows -----------------------------------------------------------------------------------------

    def read_fast(self, text: bytes | bytearray | memoryview) -> list[ColumnChunk]:
        """Read rows that are as the fields promise."""
        if self._is_unusual:
            raise SchemaMismatch
        return super().read_fast(text)

    def check_rows(self, rows: list[Any]) -> list[ColumnChunk]:
        """Pack rows of any kind, and keep the values of columns that do not fit."""
        for number, row in enumerate(rows):
            if not isinstance(row, dict):
                raise _no_result(f"row {self.count + number} is {short_repr(row)}")
        known = [f.name for f in self.row_schema.fields()]
        names = unknown_keys(rows, known)
        if any(self._documented.get(key.upper(), key) != key for key in names):
            rows = [dict(zip(self._spelled(row), row.values(), strict=True)) for row in rows]
            names = unknown_keys(rows, known)
        self._add_names(names)
        fields = self.row_schema.fields()
        self._check_memory(8 * len(rows) * len(fields))
        return [self._pack(*each) for each in zip(fields, transpose_dicts(rows, fields), strict=True)]

    def _pack(self, field: Field, values: Sequence[Any]) -> ColumnChunk:
        if set(map(type, values)) <= _PACKED.get(field.type, set()):
            with contextlib.suppress(SchemaMismatch):
                return pack([field], [values])[0]
        if field.type != "any":
            self._loose.add(field.name)
        return ColumnChunk(values)

    # --- columns --------------------------------------------------------------------------------------

    def _announced(self) -> list[str]:
        """Return the names that the answer announces, where those are wanted."""
        return [] if self._types is None else self._spelled(self._names_of_answer())

    def _names_of_answer(self) -> list[str]:
        columns = self.answer.get("metadata")
        if not isinstance(columns, list):
            return []
        return [c["name"] for c in columns if isinstance(c, dict) and isinstance(c.get("name"), str)]

    def _spelled(self, names: Collection[str]) -> list[str]:
        """Write names as the fields do, whatever their case; a second one of a field stays as it is."""
        spelled: list[str] = []
        for name in names:
            documented = self._documented.get(name.upper(), name)
            taken = documented in names or documented in spelled
            spelled.append(name if taken else documented)
        return spelled

    def _add_names(self, names: Iterable[str]) -> None:
        known = self.row_schema.fields()
        new = dict.fromkeys(names)
        for field in known:
            new.pop(field.name, None)
        if not new:
            return
        check_width(len(known) + len(new))
        self._is_unusual = self._is_unusual or any(map(INVALID_NAME.search, new))
        types = self._types or {}
        more = (Field(name, types.get(name.upper(), "any"), "Not in the reference.") for name in new)
        self.row_schema = RowSchema("", given=(*known, *more))


def _values(field: Field, chunk: ColumnChunk) -> list[Any]:
    """Return the values of a chunk as they came."""
    packed = chunk.values
    if hasattr(packed, "to_pylist"):
        listed: list[Any] = packed.to_pylist()
        return listed
    if not isinstance(packed, np.ndarray):
        return list(packed)
    if field.type == "naive":
        missing = np.isnat(packed)
        values: list[Any] = [f"{time}Z" for time in np.datetime_as_string(packed, unit="ms").tolist()]
    else:
        missing = np.zeros(len(packed), dtype=np.bool_) if chunk.missing is None else chunk.missing
        values = (packed.astype(np.int64) if field.type == "flag" else packed).tolist()
    for place in np.flatnonzero(missing).tolist():
        values[place] = None
    return values
