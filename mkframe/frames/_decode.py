"""Decode a response body into a typed frame, chunk by chunk, while it may still be arriving."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

import pandas as pd

from mkframe.errors import InvalidResponseError, ResponseTooLargeError, SchemaError
from mkframe.frames._chunks import SPACE, ChunkReader, split_body
from mkframe.frames._nested import Columns
from mkframe.frames._parallel import ParallelReader
from mkframe.frames._recognize import invalid_body, recognize
from mkframe.frames._row_types import RowSchema
from mkframe.frames._rows import RowReader
from mkframe.frames._strict import check_surrogates
from mkframe.limits import DEFAULT, Limits
from mkframe.schema import RESOURCES

__all__ = ["collector_paused", "decode", "decode_columns", "decode_one", "decode_row", "from_rows"]

_LARGE_ROW = 1 << 22
_MAX_FACTOR = 128
"""Bytes of memory that a byte of JSON may become."""


def decode(resource: str, body: bytes | Iterable[bytes], limits: Limits = DEFAULT) -> pd.DataFrame:
    """Turn the JSON array of a find into a typed frame.

    Parameters
    ----------
    resource : str
        Name of the resource, such as ``"builds"``.
    body : bytes or iterable of bytes
        The body, or its chunks as they arrive.
    limits : Limits
        How large a row may be, and how much memory the rows may take.

    Returns
    -------
    DataFrame
        One row a record, indexed by the resource's key; columns and dtypes as the schema declares, in
        its order, unknown fields last.

    Raises
    ------
    InvalidResponseError
        If the body is not a JSON array of objects; shows how it starts.
    SchemaError
        If a value cannot be held by the declared dtype.
    ResponseTooLargeError
        If a row, or all of them together, are larger than the limit.

    Examples
    --------
    >>> decode("release_groups", b'[{"id": 1, "name": "DWH_GROUP"}]')
             name
    id
    1   DWH_GROUP
    """
    with collector_paused() as collect_new:
        return _read(resource, body, limits, collect_new).frame()


def decode_columns(resource: str, body: bytes | Iterable[bytes], limits: Limits = DEFAULT) -> Columns:
    """Turn the JSON array of a find into the columns of `decode`'s frame, without making the frame."""
    with collector_paused() as collect_new:
        return _read(resource, body, limits, collect_new).columns


def _read(
    resource: str, body: bytes | Iterable[bytes], limits: Limits, collect_new: Callable[[], None]
) -> RowReader:
    reader = RowReader(RowSchema(resource), limits)
    with contextlib.closing(ChunkReader(reader, ParallelReader(), limits=limits)) as chunk_reader:
        for columns in chunk_reader.read(split_body(body) if isinstance(body, bytes) else body):
            if reader.count:
                collect_new()
            reader.add(columns)
    return reader


def decode_one(resource: str, body: bytes | Iterable[bytes], *, key: int | None = None) -> pd.Series[Any]:
    """Turn the JSON object of a get into a Series, named by its key.

    Raises
    ------
    InvalidResponseError
        If the body is not a JSON object, or its key is not `key`.
    SchemaError
        If a value cannot be held by the declared dtype.

    Examples
    --------
    >>> decode_one("release_groups", b'{"id": 1, "name": "DWH_GROUP"}')["name"]
    'DWH_GROUP'
    """
    return decode_row(resource, body, key=key).iloc[0]


def decode_row(resource: str, body: bytes | Iterable[bytes], *, key: int | None = None) -> pd.DataFrame:
    """Turn the JSON object of a get into a frame of one row, with the dtypes of a find.

    Examples
    --------
    >>> decode_row("release_groups", b'{"id": 1, "name": "DWH_GROUP"}').index.tolist()
    [1]
    """
    whole = body if isinstance(body, bytes) else b"".join(body)
    if whole.lstrip(SPACE)[:1] != b"{":
        raise invalid_body("one object", whole)
    # The caller has checked the size of the row; here only its memory is bounded.
    limits = DEFAULT if len(whole) < _LARGE_ROW else replace(DEFAULT, find=_MAX_FACTOR * len(whole))
    reader = RowReader(RowSchema(resource), limits)
    try:
        reader.add(reader.read_last(b"[%b]" % whole))
    except ResponseTooLargeError:
        raise
    except InvalidResponseError as error:
        found = recognize("one object", whole, resource, reader.key)
        if found is None and isinstance(error, SchemaError):
            raise
        raise found or InvalidResponseError.from_body("one object", whole, reader.json_error) from None
    if reader.count != 1:
        raise InvalidResponseError.from_body("one object", whole, f" but {reader.count} of them")
    frame = reader.frame()
    if key is not None and frame.index[0] != key:
        raise InvalidResponseError(
            f"The row that came is {frame.index[0]}, and {key} was asked for.",
            hint="Try again; if this continues, check any proxy between here and the server.",
        )
    return frame


def from_rows(resource: str, rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Turn rows that are Python objects already into the same typed frame, by the strict path.

    Examples
    --------
    >>> from_rows("release_groups", [{"id": 1, "name": None}]).loc[1, "name"]
    nan
    """
    reader = RowReader(RowSchema(resource))
    if resource == "builds":
        complete = [row for row in rows if isinstance(row, dict)]
        lists, keys = ([row.get(name) for row in complete] for name in ("downloads", reader.key))
        check_surrogates(RESOURCES[resource].field("downloads"), lists, keys)
    if rows:
        reader.add(reader.check_rows(rows))
    return reader.frame()


@contextlib.contextmanager
def collector_paused() -> Iterator[Callable[[], None]]:
    """Pause the garbage collector.

    Rows hold no cycles, and passes over them take longer than the reading. Yields a function that has the
    collector pass over the new objects only, chunk by chunk while threads read. Else it would pass over all
    rows at the end, when nothing else is left to do.
    """
    was_enabled = gc.isenabled()

    def collect_new() -> None:
        if was_enabled:
            gc.collect(0)

    try:
        gc.disable()
        yield collect_new
    finally:
        if was_enabled:
            gc.enable()
