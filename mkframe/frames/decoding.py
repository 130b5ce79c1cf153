"""From a response body to a typed frame, in pieces, while it may still be arriving.

A body is an array of rows. It is cut at commas between rows, and every cut proves itself: where both
``[`` left ``]`` and ``[`` right ``]`` are JSON arrays, the comma between them was one between rows, since
JSON can be read in one way only. So no parser of our own is needed, and a piece that turns out not to
be JSON was cut in a wrong place (inside a nested list, or in a text).

Each piece takes the fast road, or where it holds something the schema does not promise, the careful
one; both end in the same columns.
"""

from __future__ import annotations

import contextlib
import gc
import re
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
import pandas as pd

from mkframe.errors import SchemaError, UnexpectedBody
from mkframe.frames.checking import check, check_halves, shown
from mkframe.frames.columns import Piece, assemble
from mkframe.frames.gathering import Columns
from mkframe.frames.packing import Surprise, in_columns, pack
from mkframe.frames.structs import Shape, download_fields
from mkframe.schema import RESOURCES

__all__ = ["decode", "decode_one", "decode_row", "from_rows"]

_FIRST_CUT = 1 << 16
_CUT = 1 << 20
_MOST_EXTRAS = 1000
_NOT_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_UNFIT = re.compile('["\\\\\x00-\x1f\ud800-\udfff]')
_SPACE = b" \t\n\r"
_BOUNDARY = re.compile(rb"\}\s*,\s*\{")


def decode(resource: str, body: bytes | Iterable[bytes]) -> pd.DataFrame:
    """Turn the JSON array of a find into a typed frame.

    Parameters
    ----------
    resource : str
        Name of the resource, such as ``"builds"``.
    body : bytes or iterable of bytes
        The body, or its chunks as they arrive.

    Returns
    -------
    DataFrame
        One row a record, indexed by the resource's key; columns and dtypes as the schema declares, in
        its order, unknown fields last.

    Raises
    ------
    UnexpectedBody
        If the body is not a JSON array of objects; shows how it starts.
    SchemaError
        If a value cannot be held by the declared dtype.

    Examples
    --------
    >>> decode("release_groups", b'[{"id": 1, "name": "DWH_GROUP"}]')
             name
    id
    1   DWH_GROUP
    """
    reader = _Reader(Shape(resource))
    with _collector_paused():
        for columns in _Cutter(reader).cut(_windows(body) if isinstance(body, bytes) else body):
            reader.take(columns)
        return reader.frame()


def decode_one(resource: str, body: bytes | Iterable[bytes]) -> pd.Series[Any]:
    """Turn the JSON object of a get into a Series, named by its key.

    Raises
    ------
    UnexpectedBody
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
    if whole.lstrip(_SPACE)[:1] != b"{":
        raise not_as_promised(whole, "one object")
    frame = decode(resource, b"[" + whole + b"]")
    if len(frame) != 1:
        raise not_as_promised(whole, "one object", f" but {len(frame)} of them")
    return frame


def from_rows(resource: str, rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Turn rows that are Python objects already into the same typed frame, by the careful road.

    Examples
    --------
    >>> from_rows("release_groups", [{"id": 1, "name": None}]).loc[1, "name"]
    nan
    """
    reader = _Reader(Shape(resource))
    if resource == "builds":
        complete = [row for row in rows if isinstance(row, dict)]
        lists, keys = ([row.get(name) for row in complete] for name in ("downloads", reader.key))
        check_halves(RESOURCES[resource].field("downloads"), lists, keys)
    if rows:
        reader.take(reader.carefully(rows))
    return reader.frame()


def not_as_promised(body: bytes, promised: str, reason: str = "") -> UnexpectedBody:
    """Say what came instead of JSON, by its first characters."""
    start = body[:80].decode("utf-8", "replace").strip()
    shown = f"It starts with {start!r}." if start else "It is empty."
    return UnexpectedBody(
        f"The answer is not the JSON that was promised ({promised}){reason}. {shown}",
        hint="Is the URL that of the API, and does a proxy or a login page stand before it?",
        body_start=start,
    )


@contextlib.contextmanager
def _collector_paused() -> Iterator[None]:
    """Rows hold no cycles; the collector's walks over them would take longer than the reading."""
    running = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if running:
            gc.enable()


def _windows(body: bytes) -> Iterator[memoryview]:
    view = memoryview(body)
    return (view[start : start + _CUT] for start in range(0, len(body), _CUT))


class _Cutter:
    """Cuts a stream of bytes into lists of decoded rows.

    The first byte of the buffer is the array's opening bracket, or the comma that stood before the rest;
    a bracket is written over it, and another over the comma to cut at, so that no byte is copied.
    """

    def __init__(self, reader: _Reader) -> None:
        self.reader = reader
        self.hint: bytes | None = None
        self.size = _FIRST_CUT

    def cut(self, chunks: Iterable[bytes | memoryview]) -> Iterator[list[Piece]]:
        buffer = bytearray()
        opened = False
        for chunk in chunks:
            buffer += chunk
            if not opened:
                opened = self._open(buffer)
            while opened and len(buffer) > self.size:
                end, columns = self._piece(buffer)
                if not columns:
                    break
                yield columns
                del buffer[:end]
                buffer[:1] = b"["
        if not opened:
            raise not_as_promised(bytes(buffer), "an array of rows")
        yield self._rest(buffer)

    def _open(self, buffer: bytearray) -> bool:
        """Drop what stands before the opening bracket, once that is there."""
        while buffer and not (head := buffer[:256].lstrip(_SPACE)):
            del buffer[:256]
        if not buffer:
            return False
        if head[:1] != b"[":
            raise not_as_promised(bytes(buffer), "an array of rows")
        del buffer[: buffer.index(b"[")]
        return True

    def _piece(self, buffer: bytearray) -> tuple[int, list[Piece] | None]:
        """Cut the largest piece that proves to be rows; where none does, ask for more bytes."""
        for brace, comma in self._candidates(buffer):
            hint = bytes(buffer[brace - 1 : comma + 7])
            buffer[comma : comma + 1] = b"]"
            with memoryview(buffer) as whole, whole[: comma + 1] as piece:
                columns = self.reader.try_rows(piece)
            if columns is not None:
                self.hint = hint
                self.size = _CUT
                return comma, columns
            buffer[comma : comma + 1] = b","
        self.size = 2 * len(buffer)
        return 0, None

    def _candidates(self, buffer: bytearray) -> Iterator[tuple[int, int]]:
        """Places of ``}`` and the comma after it, the likeliest first."""
        if self.hint and (at := buffer.rfind(self.hint)) > 0:
            yield at + 1, buffer.index(b",", at + 1)
        window = max(0, len(buffer) - _FIRST_CUT)
        found = [(m.start(), buffer.index(b",", m.start())) for m in _BOUNDARY.finditer(buffer, window)]
        yield from reversed(found[-64:])

    def _rest(self, rest: bytearray) -> list[Piece]:
        columns = self.reader.try_rows(rest)
        if columns is None:
            read = f" after {self.reader.count} rows" if self.reader.count else ""
            shown = bytes(rest[1:] if read else rest)
            raise not_as_promised(shown, "an array of rows", f"{read}{self.reader.why}")
        return columns


class _Reader:
    """Collects the columns of an answer, piece by piece."""

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self.key = RESOURCES[shape.resource].key
        self.columns = Columns(shape.fields())
        self.why = ""

    @property
    def count(self) -> int:
        """Number of rows so far."""
        return self.columns.size

    def try_rows(self, piece: memoryview | bytearray) -> list[Piece] | None:
        """Rows of a piece as columns, or None where the piece is not JSON."""
        try:
            return self.fast(self.shape.decoder().decode(piece))
        except (msgspec.ValidationError, Surprise):
            pass
        except _NOT_JSON as error:
            self.why = f" ({error})"
            return None
        try:
            rows = msgspec.json.decode(piece)
        except _NOT_JSON as error:
            self.why = f" ({error})"
            return None
        return self.carefully(rows)

    def fast(self, rows: list[Any]) -> list[Piece]:
        fields = self.shape.fields()
        return list(map(pack, fields, in_columns(rows, len(fields))))

    def carefully(self, rows: list[Any]) -> list[Piece]:
        for number, row in enumerate(rows):
            if not isinstance(row, dict):
                raise SchemaError(f"Row {self.count + number} is not an object but {shown(row)}.", hint=_HINT)
        self._learn(rows)
        keys = [row.get(self.key) for row in rows]
        for number, key in enumerate(keys):
            if key is None:
                raise SchemaError(f"Row {self.count + number} has no {self.key!r}.", hint=_HINT)
        download = self.shape.download()
        return [
            check(field, [row.get(field.name) for row in rows], keys, download)
            for field in self.shape.fields()
        ]

    def _learn(self, rows: list[dict[str, Any]]) -> None:
        """Add keys that were not seen before to the shape."""
        extras = _unseen(rows, [f.name for f in self.shape.fields()])
        nested: list[str] = []
        if self.shape.resource == "builds":
            lists = (row.get("downloads") for row in rows)
            downloads = (
                d for items in lists if isinstance(items, list) for d in items if isinstance(d, dict)
            )
            nested = _unseen(downloads, [f.name for f in download_fields(self.shape.nested)])
        if not extras and not nested:
            return
        for name in (*extras, *nested):
            if not isinstance(name, str) or _UNFIT.search(name):
                raise SchemaError(f"The answer has a field with the name {shown(name)}.", hint=_HINT)
        self.shape = self.shape.learn(extras, nested)
        if len(self.shape.extras) + len(self.shape.nested) > _MOST_EXTRAS:
            raise SchemaError(f"The answer has more than {_MOST_EXTRAS} unknown fields.", hint=_HINT)

    def take(self, pieces: list[Piece]) -> None:
        """Add a piece to each column."""
        self.columns.add(self.shape.fields(), pieces)

    def frame(self) -> pd.DataFrame:
        return assemble(self.columns.columns, self.key)


_HINT = "The server sends something that its reference does not promise; nothing was loaded."


def _unseen(rows: Iterable[dict[str, Any]], known: list[str]) -> list[str]:
    """Keys beyond the known ones, in order of their first appearance."""
    seen = dict.fromkeys(known)
    for row in rows:
        if not row.keys() <= seen.keys():
            seen.update(dict.fromkeys(row))
    return list(seen)[len(known) :]
