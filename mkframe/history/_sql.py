"""Queries of users over a history."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mkframe._pandas import column_labels, text_array
from mkframe._text import single_line
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
    with _file.open_for_sql(path, wait) as connection:
        try:
            relation = connection.sql(query, params=params or None)
            table = None if relation is None else relation.to_arrow_table()
        except _file.query_errors() as error:
            if _file.is_about_file(error):
                raise
            raise InputError(
                f"The statement cannot be run: {single_line(error)}", hint=f"There is: {_VIEWS}."
            ) from LibraryError(single_line(error))
    if table is None:
        raise InputError("The statement gives no rows.", hint="Write a SELECT.")
    columns = {place: _column(column) for place, column in enumerate(table.columns)}
    frame = pd.DataFrame(columns, index=pd.RangeIndex(table.num_rows))
    frame.columns = column_labels(tuple(table.column_names)).copy()
    return frame


def _column(column: Any) -> Any:
    import pyarrow as pa

    kind = column.type
    if pa.types.is_decimal(kind):
        column = _undecimal(column)
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
        values = column.cast(pa.timestamp("us", kind.tz)).to_numpy().astype("datetime64[us]")
        return pd.array(values, dtype="datetime64[us, UTC]") if kind.tz else values
    cells = np.empty(len(column), dtype=object)
    cells[:] = column.to_pylist()
    return cells


def _undecimal(column: Any) -> Any:
    """Return the sum of whole numbers as one where it fits, and other decimals as floats."""
    import pyarrow as pa

    try:
        return column.cast(pa.int64() if column.type.scale == 0 else pa.float64())
    except pa.ArrowInvalid:
        return column.cast(pa.float64())
