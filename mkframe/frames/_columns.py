"""Typed pandas columns that grow piece by piece.

A `ColumnChunk` is one column of one part of an answer, packed by the fast road (`packing`) or the careful one
(`checking`); a `ColumnBuilder` takes pieces in and gives out one array in the dtype that the schema declares.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from types import ModuleType
from typing import Any

import msgspec
import numpy as np
import pandas as pd
from pandas.api.extensions import ExtensionArray
from pandas.api.internals import create_dataframe_from_blocks  # type: ignore[import-not-found]

from mkframe.errors import SchemaWarning, warn
from mkframe.schema import Field

__all__ = ["DTYPES", "INT64", "STORAGE", "SURROGATE", "ColumnBuilder", "ColumnChunk", "assemble", "dtype_of"]

Array = np.ndarray[Any, Any]

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

STORAGE = {
    "int": np.dtype(np.int64),
    "flag": np.dtype(np.bool_),
    "bool": np.dtype(np.bool_),
    "timestamp": np.dtype("datetime64[us]"),
    "downloads": np.dtype(np.int64),  # how many there are; they are kept beside
}
"""What the values of a type are kept in; all others are Python objects, or text in Arrow."""
_OBJECTS = np.dtype(object)

INT64 = range(-(2**63), 2**63)
SURROGATE = re.compile("[\ud800-\udfff]")
"""Half a character, which UTF-8 and so Arrow cannot hold."""


class ColumnChunk(msgspec.Struct, frozen=True, gc=False):
    """Values of one column in one part of an answer.

    `values` is a numpy array where the type has a `STORAGE`, an Arrow array or a sequence for text, and
    a sequence for all others; `missing` marks nulls in the first case, or is None where there are none.
    For downloads inside builds `values` are their counts, `fields` and `inside` their own columns.
    """

    values: Any
    missing: Array | None = None
    fields: tuple[Field, ...] = ()
    inside: tuple[ColumnChunk, ...] = ()


def dtype_of(field: Field) -> str:
    """Dtype that the schema declares for a field."""
    return DTYPES.get((field.type, field.null), "object")


def arrow() -> ModuleType | None:
    """Pyarrow, where pandas is set to keep text in it."""
    if _text().storage != "pyarrow":
        return None
    import pyarrow

    return pyarrow  # type: ignore[no-any-return]


@functools.cache
def arrow_text() -> Any:
    """Arrow's type for text that pandas keeps."""
    import pyarrow

    return pyarrow.large_string()


def _text() -> pd.StringDtype:
    """The dtype ``str``, with the storage that pandas is set to at this moment."""
    return pd.StringDtype(na_value=np.nan)


class ColumnBuilder:
    """One column of a frame, as far as it has been read."""

    def __init__(self, field: Field) -> None:
        self.field = field
        self.size = 0
        self.parts: list[Any] = []
        self.missing: list[Array] | None = None

    def add(self, piece: ColumnChunk) -> None:
        """Add a piece at the end."""
        if piece.missing is not None and self.missing is None:
            self.missing = [np.zeros(self.size, dtype=np.bool_)]
        if self.missing is not None:
            marks = np.zeros(len(piece.values), dtype=np.bool_) if piece.missing is None else piece.missing
            self.missing.append(marks)
        held = isinstance(piece.values, list | tuple)
        self.parts.append(_objects(piece.values) if held else piece.values)
        self.size += len(piece.values)

    @property
    def is_plain(self) -> bool:
        """Whether its values become a frame's as they are kept, with nothing beside them."""
        if self.field.type == "timestamp":
            return True
        return self.field.type in STORAGE and self.missing is None and not self.field.null

    @property
    def values(self) -> Array:
        """All values, in what they are kept in."""
        if len(self.parts) != 1 or not self.parts[0].flags.writeable:
            self.parts = [_joined(self.field, self.parts)]
        values: Array = self.parts[0]
        return values

    def array(self) -> Array | ExtensionArray:
        """Give the column out, in the dtype that the schema declares."""
        if self.is_plain:
            return _zoned(self.field, self.values)
        if self.field.type in STORAGE:
            return self._masked()
        if self.field.type == "str" and (pa := arrow()):
            chunks = pa.chunked_array(self.parts, type=arrow_text())
            return pd.arrays.ArrowStringArray(chunks, dtype=_text())  # type: ignore[call-arg]
        if self.field.type == "any":
            return _inferred(self.values)
        return _extension(self.values, "str") if self.field.type == "str" else self.values

    def _masked(self) -> ExtensionArray:
        missing = (
            np.zeros(self.size, dtype=np.bool_) if self.missing is None else np.concatenate(self.missing)
        )
        if not self.field.null:
            self._tell_nulls(missing)
        holder = pd.arrays.IntegerArray if self.field.type == "int" else pd.arrays.BooleanArray
        return holder(self.values, missing)

    def _tell_nulls(self, missing: Array) -> None:
        warn(
            f"Column {self.field.name!r} was expected without nulls, but {missing.sum()} of "
            f"{len(missing)} rows are null; its dtype is {DTYPES[self.field.type, True]!r} here.",
            SchemaWarning,
        )


def assemble(columns: Sequence[ColumnBuilder], key: str) -> pd.DataFrame:
    """Make a frame of columns, indexed by one of them.

    The columns have their dtypes already. The usual constructor would look at each of them again, which
    takes longer than all the rest of a small answer.
    """
    (index,) = (pd.Index(c.array(), name=key, copy=False) for c in columns if c.field.name == key)
    others = [column for column in columns if column.field.name != key]
    names = _names(tuple(c.field.name for c in others)).copy()  # an Index is immutable but for its name
    alike: dict[Any, list[int]] = {}
    for place, column in enumerate(others):
        alike.setdefault(STORAGE[column.field.type] if column.is_plain else place, []).append(place)
    blocks = [(_block([others[place] for place in places]), np.array(places)) for places in alike.values()]
    frame: pd.DataFrame = create_dataframe_from_blocks(blocks, index=index, columns=names)
    return frame


def _block(columns: Sequence[ColumnBuilder]) -> Array | ExtensionArray:
    """Plain columns of one dtype put together, as pandas itself would; or one column of another."""
    field, size = columns[0].field, columns[0].size
    if not columns[0].is_plain:
        array = columns[0].array()
        return array[np.newaxis] if isinstance(array, np.ndarray) else array
    joined = _joined(field, [part for column in columns for part in column.parts])
    for place, column in enumerate(columns):
        column.parts = [joined[place * size : (place + 1) * size]]  # so the pieces can go
    block: Any = _zoned(field, joined)
    rows: Array | ExtensionArray = block.reshape(len(columns), size)
    return rows


@functools.lru_cache(maxsize=64)
def _names(names: tuple[str, ...]) -> pd.Index[str]:
    return pd.Index(names, dtype="str")


def _zoned(field: Field, values: Array) -> Array | ExtensionArray:
    """Plain values as a frame has them: times get their zone."""
    return _extension(values, dtype_of(field)) if field.type == "timestamp" else values


def _joined(field: Field, parts: Sequence[Array]) -> Array:
    return np.concatenate([np.empty(0, dtype=STORAGE.get(field.type, _OBJECTS)), *parts])


def _objects(values: Sequence[Any]) -> Array:
    return np.fromiter(values, dtype=_OBJECTS, count=len(values))


def _extension(values: Any, dtype: str) -> ExtensionArray:
    known: Any = _text() if dtype == "str" else _parsed(dtype)
    array: ExtensionArray = pd.array(values, dtype=known, copy=False)
    return array


_parsed = functools.cache(pd.api.types.pandas_dtype)


def _inferred(values: Array) -> Array | ExtensionArray:
    """A nullable dtype where all values of an undocumented column are of one kind, else object."""
    kinds = {"integer": "Int64", "floating": "Float64", "boolean": "boolean", "string": "str"}
    kind = kinds.get(pd.api.types.infer_dtype(values))
    if kind is None or (kind == "Int64" and any(v is not None and v not in INT64 for v in values)):
        return values
    if kind == "str" and SURROGATE.search("".join(filter(None, values))):
        return values
    return _extension(values, kind)
