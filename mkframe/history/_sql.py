"""Queries of users over a history."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mkframe._pandas import column_labels, text_array
from mkframe._text import short_repr, single_line
from mkframe.errors import InputError, LibraryError
from mkframe.frames._columns import arrow_text
from mkframe.history import _file

__all__ = ["run_query"]

_VIEWS = "builds, downloads, releases, projects, patterns, each with _versions, and syncs"


def run_query(
    path: Path, wait: float, query: str, params: Mapping[str, Any] | Sequence[Any] | None
) -> pd.DataFrame:
    """Run a query, and make a frame of its rows."""
    if not isinstance(query, str) or not query.strip():
        raise InputError("query must be a statement.", hint='Write "SELECT count(*) FROM builds".')
    values = _values(params)
    with _file.open_for_sql(path, wait) as connection:
        try:
            relation = connection.sql(query, params=values or None)
            table = None if relation is None else relation.to_arrow_table()
        except _file.query_errors() as error:
            if _file.is_about_file(error):
                raise
            raise InputError(
                f"The statement cannot be run: {single_line(error)}", hint=f"There is: {_VIEWS}."
            ) from LibraryError(single_line(error))
    if table is None:
        raise InputError("The statement gives no rows.", hint="Write a SELECT.")
    columns = {
        place: _column(name, column)
        for place, (name, column) in enumerate(zip(table.column_names, table.columns, strict=True))
    }
    frame = pd.DataFrame(columns, index=pd.RangeIndex(table.num_rows))
    frame.columns = column_labels(tuple(table.column_names))
    return frame


def _values(params: Any) -> Any:
    """Return parameters as Python's own values, which a frame's cells are not."""
    if params is None or isinstance(params, Mapping):
        return params and {name: _value(value) for name, value in params.items()}
    if not isinstance(params, Sequence) or isinstance(params, str | bytes):
        raise InputError(
            f"params are {short_repr(params)}.", hint='Write {"name": value} for $name, or [value] for ?.'
        )
    return [_value(value) for value in params]


def _value(value: Any) -> Any:
    if value is pd.NA or value is pd.NaT:
        return None
    return value.item() if isinstance(value, np.generic) else value


def _column(name: str, column: Any) -> Any:
    import pyarrow as pa

    try:
        return _array(pa, column)
    except (pa.ArrowException, OverflowError, ValueError) as error:
        raise InputError(
            f"The column {short_repr(name)} of the result holds what pandas cannot: {single_line(error)}.",
            hint="Convert it in the statement, such as by ::VARCHAR.",
        ) from error


def _array(pa: Any, column: Any) -> Any:
    kind = column.type
    if pa.types.is_decimal(kind):
        column = _undecimal(pa, column)
        kind = column.type
    if pa.types.is_uint64(kind):
        return column.to_pandas(types_mapper={kind: pd.UInt64Dtype()}.get).array
    if pa.types.is_integer(kind):
        return column.cast(pa.int64()).to_pandas(types_mapper={pa.int64(): pd.Int64Dtype()}.get).array
    if pa.types.is_boolean(kind):
        return column.to_pandas(types_mapper={kind: pd.BooleanDtype()}.get).array
    if pa.types.is_floating(kind):
        return column.to_numpy().astype("float64")
    if pa.types.is_string(kind):
        return text_array(column.cast(arrow_text()).to_pylist())
    if pa.types.is_timestamp(kind):
        unit = "ns" if kind.unit == "ns" else "us"
        values = column.cast(pa.timestamp(unit, kind.tz)).to_numpy().astype(f"datetime64[{unit}]")
        return pd.array(values, dtype=f"datetime64[{unit}, UTC]") if kind.tz else values
    cells = np.empty(len(column), dtype=object)
    cells[:] = [_whole(cell) for cell in column.to_pylist()]
    return cells


def _whole(cell: Any) -> Any:
    """Return a whole number as Python's own."""
    is_whole = isinstance(cell, Decimal) and cell.as_tuple().exponent == 0
    return int(cell) if is_whole else cell


def _undecimal(pa: Any, column: Any) -> Any:
    """Return decimals as whole numbers or floats, where those hold the same."""
    if column.type.scale == 0:
        with contextlib.suppress(pa.ArrowInvalid):
            return column.cast(pa.int64())
        return column
    floats = column.cast(pa.float64())
    if column.type.precision <= sys.float_info.dig:
        return floats
    cells = zip(column.to_pylist(), floats.to_pylist(), strict=True)
    return floats if all(cell is None or cell == Decimal(repr(value)) for cell, value in cells) else column
