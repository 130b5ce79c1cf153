"""Frames of rows whose columns are announced next to them, as `POST /metadata` answers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import pandas as pd

from mkframe.errors import InvalidResponseError, SchemaError, SchemaWarning, warn
from mkframe.frames._columns import array_of
from mkframe.frames._memory import max_memory
from mkframe.frames._recognize import START, invalid_body
from mkframe.frames._strict import check
from mkframe.limits import DEFAULT, Kind, Limits, size, too_large
from mkframe.schema import Field

__all__ = ["check_width", "column_of", "frame_from_rows", "parse_object"]


_MAX_COLUMNS = 10_000


def parse_object(
    chunks: Iterable[bytes], expected: str, kind: Kind = "row", limits: Limits = DEFAULT
) -> dict[str, Any]:
    """Read one JSON object whose keys are not those of a row, such as the answer of a write.

    Raises
    ------
    InvalidResponseError
        If it is anything else; shows how it starts.
    ResponseTooLargeError
        If its values may take more memory than the result of a statement may.

    Examples
    --------
    >>> parse_object([b'{"build": {"id": 7}}'], "the new build")
    {'build': {'id': 7}}
    """
    content = bytearray()
    for chunk in chunks:
        content += chunk
    memory = max_memory(content)
    if memory > limits.query_memory:
        raise too_large(kind, getattr(limits, kind), f"its values may take {size(memory)} of memory")
    try:
        answer = msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        answer = None
    if isinstance(answer, dict):
        return answer
    raise invalid_body(expected, content[:START])


def frame_from_rows(
    fields: Sequence[Field], rows: Sequence[dict[str, Any]], limits: Limits = DEFAULT
) -> pd.DataFrame:
    """Turn rows into a frame with the given columns, then those that only the rows have.

    Parameters
    ----------
    fields : sequence of Field
        Columns, with the types that decide their dtypes.
    rows : sequence of dict
    limits : Limits
        A result within its limit cannot hold more than one cell for every four bytes.

    Returns
    -------
    DataFrame
        Numbered from 0; dtypes as the fields say, the same for no rows as for many.

    Raises
    ------
    ResponseTooLargeError
        If the rows name so many columns that most cells would be empty.
    InvalidResponseError
        If there are more than 10,000 columns.

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
    extra_names = dict.fromkeys(name for row in rows for name in row if name not in known)
    count = len(known) + len(extra_names)
    check_width(count)
    if count * len(rows) > limits.query_cells:
        raise too_large("query", limits.query, f"{len(rows):,} rows name {count:,} columns")
    all_fields = [*fields, *(Field(name, "any", "Not announced.") for name in extra_names)]
    arrays = {field.name: column_of(field, [row.get(field.name) for row in rows]) for field in all_fields}
    return pd.DataFrame(arrays, index=pd.RangeIndex(len(rows)))


def check_width(count: int) -> None:
    """Refuse a result of more columns than are read."""
    if count > _MAX_COLUMNS:
        raise InvalidResponseError(
            f"The result has {count:,} columns; more than {_MAX_COLUMNS:,} are not read.",
            hint="Name the columns that you need in the statement.",
        )


def column_of(field: Field, values: list[Any]) -> Any:
    """Make a column of values; one that does not fit is a warning, and the column keeps what came."""
    try:
        chunk = check(field, values, range(len(values)))
    except SchemaError as error:
        warn(f"{error.message} The column keeps what came.", SchemaWarning)
        return column_of(Field(field.name, "any", field.doc), values)
    return array_of(field, [chunk])
