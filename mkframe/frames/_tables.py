"""Frames of rows whose columns are named beside them, as `POST /metadata` answers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import pandas as pd

from mkframe.errors import InvalidResponseError, SchemaError, SchemaWarning, warn
from mkframe.frames._columns import ColumnBuilder
from mkframe.frames._strict import check
from mkframe.schema import Field

__all__ = ["parse_object", "frame_from_rows"]


def parse_object(chunks: Iterable[bytes], promised: str) -> dict[str, Any]:
    """Read one JSON object whose keys are not those of a row, such as the answer of a write.

    Raises
    ------
    InvalidResponseError
        If it is anything else; shows how it starts.

    Examples
    --------
    >>> parse_object([b'{"build": {"id": 7}}'], "the new build")
    {'build': {'id': 7}}
    """
    content = b"".join(chunks)
    try:
        answer = msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        answer = None
    if isinstance(answer, dict):
        return answer
    raise InvalidResponseError.from_body(promised, content)


def frame_from_rows(fields: Sequence[Field], rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """Turn rows into a frame with the given columns, then those that only the rows have.

    Parameters
    ----------
    fields : sequence of Field
        Columns, with the types that decide their dtypes.
    rows : sequence of dict

    Returns
    -------
    DataFrame
        Numbered from 0; dtypes as the fields say, the same for no rows as for many.

    Warns
    -----
    SchemaWarning
        If a value does not fit the announced type: the column keeps what came, since the reference leaves
        open how the values of a type are written.

    Examples
    --------
    >>> frame_from_rows([Field("N", "int", "A number.")], [{"N": 1}, {"N": None}])["N"].tolist()
    [1, <NA>]
    """
    known = {field.name for field in fields}
    late = dict.fromkeys(name for row in rows for name in row if name not in known)
    every = [*fields, *(Field(name, "any", "Not announced.") for name in late)]
    arrays = {field.name: _array(field, [row.get(field.name) for row in rows]) for field in every}
    return pd.DataFrame(arrays, index=pd.RangeIndex(len(rows)))


def _array(field: Field, values: list[Any]) -> Any:
    column = ColumnBuilder(field)
    try:
        column.add(check(field, values, range(len(values))))
    except SchemaError as error:
        warn(f"{error.message} The column keeps what came.", SchemaWarning)
        return _array(Field(field.name, "any", field.doc), values)
    return column.array()
