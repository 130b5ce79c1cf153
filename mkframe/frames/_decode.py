"""From a response body to a typed frame, in pieces, while it may still be arriving."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

import pandas as pd

from mkframe.errors import InvalidResponseError
from mkframe.frames._chunks import SPACE, ChunkReader, windows
from mkframe.frames._parallel import ParallelReader
from mkframe.frames._row_types import RowSchema
from mkframe.frames._rows import RowReader
from mkframe.frames._strict import check_halves
from mkframe.limits import DEFAULT, Limits
from mkframe.schema import RESOURCES

__all__ = ["decode", "decode_one", "decode_row", "from_rows"]

_MOST_OF_A_BYTE = 128
"""A byte of JSON does not become so much memory."""


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
    reader = RowReader(RowSchema(resource), limits)
    cutter = ChunkReader(reader, ParallelReader(), limits=limits)
    with _collector_paused() as promote, contextlib.closing(cutter):
        for columns in cutter.cut(windows(body) if isinstance(body, bytes) else body):
            if reader.count:
                promote()
            reader.take(columns)
        return reader.frame()


def decode_one(resource: str, body: bytes | Iterable[bytes]) -> pd.Series[Any]:
    """Turn the JSON object of a get into a Series, named by its key.

    Raises
    ------
    InvalidResponseError
        If the body is not a JSON object.
    SchemaError
        If a value cannot be held by the declared dtype.

    Examples
    --------
    >>> decode_one("release_groups", b'{"id": 1, "name": "DWH_GROUP"}')["name"]
    'DWH_GROUP'
    """
    return decode_row(resource, body).iloc[0]


def decode_row(resource: str, body: bytes | Iterable[bytes]) -> pd.DataFrame:
    """Turn the JSON object of a get into a frame of one row, with the dtypes of a find.

    Examples
    --------
    >>> decode_row("release_groups", b'{"id": 1, "name": "DWH_GROUP"}').index.tolist()
    [1]
    """
    whole = body if isinstance(body, bytes) else b"".join(body)
    if whole.lstrip(SPACE)[:1] != b"{":
        raise InvalidResponseError.from_body("one object", whole)
    # How large it may be was decided before.
    limits = replace(DEFAULT, row=len(whole) + 2, find=_MOST_OF_A_BYTE * len(whole))
    frame = decode(resource, b"[" + whole + b"]", limits)
    if len(frame) != 1:
        raise InvalidResponseError.from_body("one object", whole, f" but {len(frame)} of them")
    return frame


def from_rows(resource: str, rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Turn rows that are Python objects already into the same typed frame, by the careful road.

    Examples
    --------
    >>> from_rows("release_groups", [{"id": 1, "name": None}]).loc[1, "name"]
    nan
    """
    reader = RowReader(RowSchema(resource))
    if resource == "builds":
        complete = [row for row in rows if isinstance(row, dict)]
        lists, keys = ([row.get(name) for row in complete] for name in ("downloads", reader.key))
        check_halves(RESOURCES[resource].field("downloads"), lists, keys)
    if rows:
        reader.take(reader.carefully(rows))
    return reader.frame()


@contextlib.contextmanager
def _collector_paused() -> Iterator[Callable[[], None]]:
    """Rows hold no cycles; the collector's walks over them would take longer than the reading.

    Given is a function that has it walk over what is new and promote it, piece by piece while threads
    read. Else it would walk over all rows at the end, when nothing else is left to do.
    """
    running = gc.isenabled()

    def promote() -> None:
        if running:
            gc.collect(0)

    try:
        gc.disable()
        yield promote
    finally:
        if running:
            gc.enable()
