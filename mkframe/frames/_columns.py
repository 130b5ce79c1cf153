"""Typed pandas columns that grow chunk by chunk.

A `ColumnChunk` holds one column of one part of an answer; the fast path, the strict path and the Arrow reader
make them. A `ColumnBuilder` collects the chunks of one column; `assemble` makes a frame of several.
"""

from __future__ import annotations

import functools
import itertools
import operator
import re
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import numpy as np
import pandas as pd
from pandas.api.extensions import ExtensionArray

from mkframe._pandas import column_labels, copy_on_write, frame_of, has_text_dtype, text_array, text_dtype
from mkframe.errors import SchemaWarning, warn
from mkframe.schema import Field

__all__ = [
    "DTYPES",
    "INT64",
    "STORAGE",
    "SURROGATE",
    "ColumnBuilder",
    "ColumnChunk",
    "array_of",
    "arrow_text",
    "assemble",
    "dtype_of",
    "uses_arrow",
]

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
    ("naive", False): "datetime64[us]",
    ("naive", True): "datetime64[us]",
}
"""dtype of a column by type of the field and whether it may be null; all others are ``object``."""

STORAGE = {
    "int": np.dtype(np.int64),
    "flag": np.dtype(np.bool_),
    "bool": np.dtype(np.bool_),
    "timestamp": np.dtype("datetime64[us]"),
    "naive": np.dtype("datetime64[us]"),
}
"""Numpy dtype of a chunk's values by type of the field; all others are Python objects, or text in Arrow."""
_OBJECT = np.dtype(object)
_BLOCK_DTYPES = {"int64", "bool", "datetime64[us, UTC]"}
"""Dtypes whose columns pandas keeps together in one block of two dimensions."""

INT64 = range(-(2**63), 2**63)
SURROGATE = re.compile("[\ud800-\udfff]")
"""Half a character, which UTF-8 and so Arrow cannot hold."""


class ColumnChunk(msgspec.Struct, frozen=True, gc=False):
    """Values of one column in one part of an answer.

    `values` is a numpy array where the type has a `STORAGE`, an Arrow array or a sequence for text, and
    a sequence for all others; `missing` marks nulls in the first case, or is None where there are none.
    For downloads inside builds `values` are their counts, `fields` and `inside` their own columns, and in
    the end, in one chunk for the whole answer, their array.
    """

    values: Any
    missing: Array | None = None
    fields: tuple[Field, ...] = ()
    inside: tuple[ColumnChunk, ...] = ()


class ColumnBuilder(msgspec.Struct, gc=False, eq=False):
    """One column of a frame, as far as it has been read; `has_nulls` if a chunk marks nulls."""

    field: Field
    chunks: list[ColumnChunk] = msgspec.field(default_factory=list)
    has_nulls: bool = False


def dtype_of(field: Field) -> str:
    """Return the dtype that the schema declares for a field."""
    if field.type == "str":
        return str(text_dtype())
    return DTYPES.get((field.type, field.null), "object")


def uses_arrow() -> bool:
    """Tell whether pandas is set to keep text in Arrow at this moment."""
    return has_text_dtype and bool(text_dtype().storage == "pyarrow")


@functools.cache
def arrow_text() -> Any:
    """Return Arrow's type for the text that pandas keeps."""
    import pyarrow

    return pyarrow.large_string()


def assemble(columns: Sequence[ColumnBuilder], key: str) -> pd.DataFrame:
    """Make a frame of columns, indexed by one of them.

    The columns have their dtypes already. The usual constructor would look at each of them again, which
    takes longer than all the rest of a small answer. The columns lose their chunks, so that the memory of
    each block's chunks is free before the next block is made.
    """
    if not copy_on_write:
        return _assemble_columns(columns, key)
    from pandas.api.internals import create_dataframe_from_blocks  # type: ignore[import-not-found]

    names: list[str] = []
    blocks: dict[Any, tuple[Field, list[int], list[ColumnChunk]]] = {}
    for column in columns:
        field = column.field
        if field.name == key:
            index = pd.Index(array_of(field, column.chunks), name=key, copy=False)
            continue
        dtype = DTYPES.get((field.type, field.null or column.has_nulls), "object")
        block = dtype if dtype in _BLOCK_DTYPES else len(names)
        _, places, chunks = blocks.setdefault(block, (field, [], []))
        places.append(len(names))
        chunks += column.chunks
        column.chunks.clear()
        names.append(field.name)
    arrays = []
    for field, places, chunks in blocks.values():
        array: Any = array_of(field, chunks)
        if isinstance(array, np.ndarray | pd.arrays.DatetimeArray):
            array = array.reshape(len(places), -1)  # of one chunk after the other, so column by column
        arrays.append((array, np.array(places)))
        chunks.clear()
    labels = column_labels(tuple(names))
    frame: pd.DataFrame = create_dataframe_from_blocks(arrays, index=index, columns=labels)
    return frame


def _assemble_columns(columns: Sequence[ColumnBuilder], key: str) -> pd.DataFrame:
    """Make a frame of columns where pandas takes no blocks."""
    arrays = {}
    for column in columns:
        arrays[column.field.name] = array_of(column.field, column.chunks)
        column.chunks.clear()
    index = pd.Index(arrays.pop(key), name=key, copy=False)
    return frame_of(arrays, index)


def array_of(field: Field, chunks: Sequence[ColumnChunk]) -> Array | ExtensionArray:
    """Join chunks into one array, in the dtype that the schema declares.

    Warns
    -----
    SchemaWarning
        If there are nulls that the schema does not expect; the dtype is a nullable one then.
    """
    array: ExtensionArray
    if field.type == "str":
        dtype = text_dtype()
        texts: Any = None
        if has_text_dtype and dtype.storage == "pyarrow":
            import pyarrow as pa

            texts = pa.chunked_array(list(map(_VALUES, chunks)), type=arrow_text())
        array = text_array(_objects(chunks) if texts is None else texts, dtype)
        return array
    if field.type == "downloads":
        array = chunks[0].values
        return array
    if field.type not in STORAGE:
        return _infer_dtype(_objects(chunks)) if field.type == "any" else _objects(chunks)
    values = np.concatenate([np.empty(0, dtype=STORAGE[field.type]), *map(_VALUES, chunks)])
    if field.type in ("timestamp", "naive"):
        times: ExtensionArray = pd.array(values, dtype=_pandas_dtype(dtype_of(field)), copy=False)
        return times
    missing = np.zeros(len(values), dtype=np.bool_)
    start = 0
    has_nulls = False
    for chunk in chunks:
        if chunk.missing is not None:
            missing[start : start + len(chunk.missing)] = chunk.missing
            has_nulls = True
        start += len(chunk.values)
    if not field.null:
        if not has_nulls:
            return values
        warn(
            f"Column {field.name!r} was expected without nulls, but {missing.sum()} of "
            f"{len(missing)} rows are null; its dtype is {DTYPES[field.type, True]!r} here.",
            SchemaWarning,
        )
    masked = pd.arrays.IntegerArray if field.type == "int" else pd.arrays.BooleanArray
    return masked(values, missing)


_VALUES = operator.attrgetter("values")
_pandas_dtype: Callable[[str], Any] = functools.cache(pd.api.types.pandas_dtype)


def _objects(chunks: Sequence[ColumnChunk]) -> Array:
    parts = list(map(_VALUES, chunks))
    return np.fromiter(itertools.chain.from_iterable(parts), dtype=_OBJECT, count=sum(map(len, parts)))


_MAX_EXACT_INT = 2**53
"""Whole numbers up to it are doubles without loss."""


def _infer_dtype(values: Array) -> Array | ExtensionArray:
    """Use a nullable dtype where all values of an undocumented column are of one kind, else object."""
    kinds = {"integer": "Int64", "floating": "Float64", "boolean": "boolean", "string": "str"}
    found = pd.api.types.infer_dtype(values)
    if found == "mixed-integer-float" and all(abs(v) <= _MAX_EXACT_INT for v in values if isinstance(v, int)):
        found = "floating"  # JavaScript writes 2.0 as 2
    kind = kinds.get(found)
    if kind is None or (kind == "Int64" and any(v is not None and v not in INT64 for v in values)):
        return values
    if kind == "str" and SURROGATE.search("".join(filter(None, values))):
        return values
    if kind == "str":
        texts: ExtensionArray = text_array(values)
        return texts
    array: ExtensionArray = pd.array(values, dtype=_pandas_dtype(kind), copy=False)
    return array
