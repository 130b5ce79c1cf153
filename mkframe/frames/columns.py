"""Typed pandas columns that grow piece by piece.

A `Piece` is one column of one part of an answer, packed by the fast road (`packing`) or the careful one
(`checking`); a `Column` takes pieces in and gives out one array in the dtype that the schema declares.
"""

from __future__ import annotations

import warnings
from typing import Any

import msgspec
import numpy as np
import pandas as pd
from pandas.api.extensions import ExtensionArray

from mkframe.errors import SchemaWarning
from mkframe.schema import Field

__all__ = ["DTYPES", "INT64", "STORAGE", "Column", "Piece", "dtype_of"]

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
}
"""What the values of a type are kept in; all others are Python objects."""

INT64 = range(-(2**63), 2**63)
_FEW_WORDS = 1000


class Piece(msgspec.Struct, frozen=True, gc=False):
    """Values of one column in one part of an answer.

    `values` is a numpy array where the type has a `STORAGE`, an Arrow array or a sequence for text, and
    a sequence for all others; `missing` marks nulls in the first case, or is None where there are none.
    """

    values: Any
    missing: Array | None = None


def dtype_of(field: Field) -> str:
    """Dtype that the schema declares for a field."""
    return DTYPES.get((field.type, field.null), "object")


def text_dtype() -> pd.StringDtype:
    """The dtype ``str``, which keeps text in Arrow or in Python as pandas is set to do."""
    return pd.StringDtype(na_value=np.nan)


class Column:
    """One column of a frame, as far as it has been read."""

    def __init__(self, field: Field) -> None:
        self.field = field
        self.size = 0
        # A bytearray grows in place, so that no column is ever held twice.
        self.values: Any = bytearray() if field.type in STORAGE else []
        self.missing: bytearray | None = None
        self.arrow = field.type == "str" and text_dtype().storage == "pyarrow"
        self.words: dict[Any, Any] | None = {} if field.type == "str" and not self.arrow else None

    def add(self, piece: Piece) -> None:
        """Add a piece at the end."""
        if self.field.type in STORAGE:
            self.values.extend(piece.values.view(np.uint8))
            self._mark(piece)
        elif self.arrow:
            self.values.append(piece.values)
        else:
            self.values.extend(self._shared(piece.values))
        self.size += len(piece.values)

    def blank(self, size: int) -> None:
        """Add nulls to a column of Python objects."""
        self.values += [None] * size
        self.size += size

    def array(self) -> Array | ExtensionArray:
        """Give the column out, in the dtype that the schema declares."""
        if self.field.type in STORAGE:
            return self._typed(np.frombuffer(self.values, dtype=STORAGE[self.field.type]))
        if self.arrow:
            return self._text()
        objects = np.fromiter(self.values, dtype=object, count=self.size)
        self.values = []
        if self.field.type == "str":
            return pd.array(objects, dtype=text_dtype(), copy=False)
        return _inferred(objects) if self.field.type == "any" else objects

    def _mark(self, piece: Piece) -> None:
        if piece.missing is not None and self.missing is None:
            self.missing = bytearray(self.size)
        if self.missing is not None:
            self.missing.extend(bytes(len(piece.values)) if piece.missing is None else piece.missing)

    def _shared(self, values: Any) -> Any:
        """One object for equal texts, as long as there are few different ones: status words, messages."""
        if self.words is None:
            return values
        shared = list(map(self.words.setdefault, values, values))
        if len(self.words) > _FEW_WORDS:
            self.words = None
        return shared

    def _text(self) -> ExtensionArray:
        import pyarrow as pa

        whole = pa.concat_arrays(self.values) if self.values else pa.array([], pa.large_string())
        self.values = []
        return pd.array(whole, dtype=text_dtype(), copy=False)

    def _typed(self, values: Array) -> Array | ExtensionArray:
        if self.field.type == "timestamp":
            return pd.array(values, dtype=dtype_of(self.field), copy=False)
        if self.missing is None and not self.field.null:
            return values
        missing = np.frombuffer(self.missing or bytearray(self.size), dtype=np.bool_)
        if not self.field.null:
            self._tell_nulls(int(missing.sum()))
        holder = pd.arrays.IntegerArray if self.field.type == "int" else pd.arrays.BooleanArray
        return holder(values, missing)

    def _tell_nulls(self, count: int) -> None:
        warnings.warn(
            f"Column {self.field.name!r} is never null in the reference, but {count} of "
            f"{self.size} rows are; its dtype is {DTYPES[self.field.type, True]!r} here.",
            SchemaWarning,
            stacklevel=2,
        )


def _inferred(values: Array) -> Array | ExtensionArray:
    """A nullable dtype where all values of an undocumented column are of one kind, else object."""
    kinds = {"integer": "Int64", "boolean": "boolean", "string": "str"}
    kind = kinds.get(pd.api.types.infer_dtype(values))
    if kind is None or (kind == "Int64" and any(v is not None and v not in INT64 for v in values)):
        return values
    return pd.array(values, dtype=kind)
