"""Read saved responses offline."""

from __future__ import annotations

import contextlib
import gzip
import io
import itertools
import zlib
from collections.abc import Iterator
from os import PathLike, fspath
from pathlib import Path
from typing import IO, Any

import pandas as pd

from mkframe import schema
from mkframe._folders import open_regular
from mkframe._text import strip_bom
from mkframe.errors import InputError, InvalidResponseError, ResponseTooLargeError
from mkframe.frames._chunks import SPACE
from mkframe.frames._decode import decode, decode_row
from mkframe.frames._recognize import is_json_text
from mkframe.limits import DEFAULT, Limits, bounded, check_bytes

__all__ = ["open_saved", "read_body", "read_json"]

_GZIP = b"\x1f\x8b"
_CHUNK_SIZE = 1 << 18


def read_json(
    source: str | PathLike[str] | bytes | IO[bytes],
    resource: str = "builds",
    *,
    max_bytes: int | None = None,
) -> pd.DataFrame:
    """Read a saved response into the frame that `find` would have returned.

    Parameters
    ----------
    source : path, bytes or binary file object
        The JSON of a find, or of a get (one row). Compressed with gzip or not; its content decides.
    resource : str, default "builds"
        What the rows are, such as ``"downloads"`` or ``"releases"``.
    max_bytes : int, optional
        Most bytes of the content, unpacked; 1 GiB by default. One row may take a 64th of it, or 16 MiB, and
        all rows five eighths of it as memory.

    Returns
    -------
    DataFrame
        As ``client.<resource>.find()``: same columns, same dtypes. Rows that are chosen by a mask, a list or
        ``groupby(...).get_group(...)`` hold their own values only. Slices, and the groups that pandas gives
        when a groupby is iterated, are views that hold the whole frame; choose by mask to keep one of them.

    Raises
    ------
    InputError
        If the file cannot be read or the resource is unknown.
    InvalidResponseError
        If the content is not such a response.
    ResponseTooLargeError
        If the content, or a row of it, is larger than it may be.

    Examples
    --------
    >>> read_json(b'[{"id": 1, "name": "DWH_GROUP"}]', resource="release_groups").loc[1, "name"]
    'DWH_GROUP'
    """
    readable = [name for name, known in schema.RESOURCES.items() if "find" in known.verbs]
    if resource not in readable:
        raise InputError(
            f"There is no resource {resource!r} to read.", hint=f"Choose from {', '.join(readable)}."
        )
    limits = DEFAULT
    if max_bytes is not None:
        most = check_bytes("max_bytes", max_bytes)
        limits = Limits(saved=most, find=most, row=max(most // 64, DEFAULT.row))
    try:
        if isinstance(source, bytes) and source.startswith(b"[") and len(source) <= limits.saved:
            return decode(resource, source, limits)  # without a copy
        with open_saved(source) as file:
            return _read(file, resource, limits)
    except ResponseTooLargeError as error:
        error.hint = f"Where so much is right, give max_bytes={2 * max(limits.saved, 64 * limits.row)}."
        raise
    except InvalidResponseError as error:
        if error.hint == InvalidResponseError._HINT_WRONG_SERVER:
            error.hint = f"Is it the saved answer of a find or get of {resource}?"
        raise


def read_body(source: str | PathLike[str] | bytes | IO[bytes]) -> bytes:
    """Return the JSON of a saved response, decompressed.

    Raises
    ------
    InputError
        If it cannot be read.
    ResponseTooLargeError
        If it is larger than it may be.
    """
    with open_saved(source) as file:
        return b"".join(strip_bom(bounded(_gunzip(_read_chunks(file)), "saved", DEFAULT.saved)))


def _read(file: IO[bytes], resource: str, limits: Limits) -> pd.DataFrame:
    chunks = strip_bom(bounded(_gunzip(_read_chunks(file)), "saved", limits.saved))
    start = b""
    while not start and (chunk := next(chunks, b"")):
        start = chunk.lstrip(SPACE)
    rest = itertools.chain([start], chunks)
    if start.startswith(b"{"):
        return decode_row(resource, b"".join(bounded(rest, "row", limits.row)))
    return decode(resource, rest, limits)


def _read_start(count: int, chunks: Iterator[bytes]) -> bytes:
    """Return the first bytes, at least `count` where there are so many."""
    start = b""
    while len(start) < count and (chunk := next(chunks, b"")):
        start += chunk
    return start


def open_saved(
    source: str | PathLike[str] | bytes | IO[bytes],
) -> contextlib.AbstractContextManager[IO[bytes]]:
    """Open what the caller has named, for reading.

    Raises
    ------
    InputError
        If it cannot be read.

    Examples
    --------
    >>> with open_saved(b"[]") as file:
    ...     file.read()
    b'[]'
    """
    if isinstance(source, bytes | bytearray | memoryview):
        return io.BytesIO(source)
    if isinstance(source, str) and is_json_text(source):
        raise InputError(
            "The text is JSON itself and not the path of a file.", hint="Give it as bytes: text.encode()."
        )
    if isinstance(source, str) and source.startswith(("http://", "https://")):
        raise InputError(
            "The text is a web address and not the path of a file.",
            hint="mk.connect(...) reads from a server.",
        )
    if isinstance(source, str | PathLike):
        try:
            return open_regular(Path(fspath(source)).expanduser())
        except (OSError, ValueError, RuntimeError) as error:  # no such file, no such path, no such home
            reason = getattr(error, "strerror", None) or error
            raise InputError(
                f"The file {fspath(source)!r:.200} cannot be read: {reason}.",
                hint="Check the path; it is taken from the folder that Python runs in.",
            ) from error
    if hasattr(source, "read"):
        return contextlib.nullcontext(source)
    raise InputError(
        f"There is nothing to read in {type(source).__name__}.",
        hint="Give a path, the bytes of an answer, or a file that is open for reading.",
    )


def _read_chunks(file: IO[bytes]) -> Iterator[bytes]:
    """Yield the content of a file; text is encoded as UTF-8."""
    while True:
        try:
            chunk: bytes | str = file.read(_CHUNK_SIZE)
        except OSError as error:
            raise InputError(
                f"The file cannot be read: {error.strerror or error}.", hint="Is it open for reading?"
            ) from error
        if not chunk:
            return
        yield chunk.encode("utf-8", "surrogatepass") if isinstance(chunk, str) else chunk


def _gunzip(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the same content, in chunks of a bounded size; decompress it where it is gzip."""
    start = _read_start(len(_GZIP), chunks)
    whole = itertools.chain([start], chunks)
    if not start.startswith(_GZIP):
        yield from whole
        return
    compressed = gzip.GzipFile(fileobj=io.BufferedReader(_ChunkStream(whole)))
    try:
        while chunk := compressed.read1(_CHUNK_SIZE):
            yield chunk
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(
            f"The gzip content cannot be unpacked: {error}.", hint="Is the file whole? Save it again."
        ) from error


class _ChunkStream(io.RawIOBase):
    """Read chunks as a file."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._rest:
            self._rest = memoryview(next(self._chunks, b""))
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count
