"""Decompression of gzip, with checks of the end and the size.

urllib3 accepts a gzip stream without its end, if the body has the announced length. A file would lose its end
without an error.
"""

from __future__ import annotations

import io
import re
import zlib
from collections.abc import Iterator
from typing import Any

import requests
import urllib3
from urllib3.exceptions import DecodeError

from mkframe import errors
from mkframe.limits import Kind, size, too_large

__all__ = [
    "check_head",
    "compressed_chunks",
    "content_length",
    "decode_gzip",
    "decompress",
    "is_decoded",
    "iter_gzip_file",
]

_WITH_HEADER = 16 + zlib.MAX_WBITS
_MAGIC = b"\x1f\x8b"
_MAX_EMPTY = 1 << 20
"""Consecutive compressed bytes that may decompress to nothing: headers, padding and empty members."""
_GZIP = ("gzip", "x-gzip")
_NOT_WHOLE = {
    204: "without any content",
    205: "without any content",
    206: "a part of the content, which was not asked for",
    226: "a change of the content, which was not asked for",
}
_NUMBER = re.compile("[0-9]+")
_MAX_DIGITS = 18
_OUTPUT_SIZE = 1 << 18
_INPUT_SIZE = 1 << 14
"""Compressed bytes per step. Small, since zlib copies all input behind the end of each member."""


def decode_gzip(response: requests.Response) -> requests.Response:
    """Return the same answer; a body that is compressed with gzip is decompressed by this module."""
    # Recorders such as vcrpy put in other objects, whose bodies are decompressed already.
    if _coding(response) in _GZIP and isinstance(response.raw, urllib3.HTTPResponse):
        response.raw = _GzipBody(response.raw)
    return response


def is_decoded(response: requests.Response) -> bool:
    """Whether the body of an answer is decompressed by this module."""
    return isinstance(response.raw, _GzipBody)


def compressed_chunks(response: requests.Response) -> Iterator[bytes]:
    """Yield the body of an answer that this module would decompress, as it is sent."""
    raw: Any = response.raw
    while chunk := raw._raw.read1(_OUTPUT_SIZE):
        yield chunk


def decompress(packed: bytes | bytearray) -> Iterator[bytes]:
    """Decompress the body of an answer, with the same checks as while it arrives."""
    return _GzipBody(_Buffer(packed)).stream(_OUTPUT_SIZE)


def check_head(response: requests.Response, kind: Kind, most: int) -> None:
    """Refuse an answer by its head.

    Raises
    ------
    InvalidResponseError
        If it is not the whole content, or none; if it is compressed otherwise than with gzip; if its
        Content-Length is not a number.
    ResponseTooLargeError
        If it announces more than `most` bytes.
    """
    if (status := response.status_code) in _NOT_WHOLE or (kind == "file" and status != 200):
        what = _NOT_WHOLE.get(status, "which does not say that it is the whole file")
        raise errors.InvalidResponseError(f"The status is {status}, {what}.", hint=_LOOK_BETWEEN)
    sending = response.headers.get("Transfer-Encoding", "chunked").strip().lower()
    if sending not in ("chunked", "identity"):
        raise errors.InvalidResponseError(
            f"It is sent with the transfer coding {sending[:40]!r}, which was not asked for.",
            hint=_LOOK_BETWEEN,
        )
    coding = _coding(response)
    if coding not in ("", "identity", *_GZIP):
        raise errors.InvalidResponseError(
            f"It is compressed with {coding[:40]!r}, which was not asked for.",
            hint="Check any proxy between here and the server; mkframe asks for gzip.",
        )
    length = content_length(response)
    if length is not None and length > most:
        raise too_large(kind, most, f"it announces {length:,} bytes")


def content_length(response: requests.Response) -> int | None:
    """Return the Content-Length of an answer in bytes, as they are sent; None where there is none.

    Raises
    ------
    InvalidResponseError
        If that is not one number of plain digits. Of several equal ones the first counts (RFC 9110, 8.6).
    """
    # Beside Transfer-Encoding it has no meaning (RFC 9112, 6.3).
    if "Content-Length" not in response.headers or "Transfer-Encoding" in response.headers:
        return None
    value = response.headers["Content-Length"]
    numbers = {part.strip(" \t") for part in value.split(",")}
    number = numbers.pop()
    if numbers or not _NUMBER.fullmatch(number):
        raise errors.InvalidResponseError(
            f"Its Content-Length is not a number of bytes: {value[:40]!r}.", hint=_LOOK_BETWEEN
        )
    if len(number) > _MAX_DIGITS:
        raise errors.InvalidResponseError(
            f"Its Content-Length is a number of {len(number):,} digits, which no answer has: "
            f"{number[:20]}...",
            hint=_LOOK_BETWEEN,
        )
    return int(number)


_LOOK_BETWEEN = "Try again later; if this continues, check any proxy between here and the server."


def _coding(response: requests.Response) -> str:
    return response.headers.get("Content-Encoding", "").strip().lower()


def iter_gzip_file(response: requests.Response) -> Iterator[bytes]:
    """Yield a gzip file that was sent with Content-Encoding gzip, checked to its end.

    Where nothing that is gzip remains after decompression, the file itself was announced so, and its bytes
    are yielded as they came.
    """
    body: Any = response.raw
    body.compressed = bytearray()
    start = b""
    while len(start) < len(_MAGIC) and (chunk := body.read1(_OUTPUT_SIZE)):
        start += chunk
    if start.startswith(_MAGIC):
        body.compressed = None
        yield start
        yield from body.stream(_OUTPUT_SIZE)
        return
    more = start
    while True:
        yield bytes(body.compressed)
        body.compressed.clear()
        if not more:
            return
        more = body.read1(_OUTPUT_SIZE)


class _GzipBody:
    """A raw response of urllib3 whose body is decompressed here; other attributes are those of urllib3."""

    def __init__(self, raw: Any) -> None:
        raw.decode_content = False
        self._raw = raw
        self._inflate = zlib.decompressobj(_WITH_HEADER)
        self._input = memoryview(b"")
        self.compressed: bytearray | None = None
        """Where it is set, the bytes as they come are added to it."""
        self._has_begun = False
        self._without_output = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._raw, name)

    def stream(self, amount: int, decode_content: bool | None = None) -> Iterator[bytes]:
        """Yield decompressed chunks of at most `amount` bytes as they arrive."""
        while chunk := self.read1(amount):
            yield chunk

    def read1(self, amount: int) -> bytes:
        """Return the next chunk; empty at the end. A missing end is an error."""
        try:
            while self._input or self._read_input(amount):
                if chunk := self._decompress(amount):
                    self._without_output = 0
                    return chunk
            # zlib keeps output beyond `amount` for the next call.
            chunk = self._inflate.decompress(b"", amount)
        except zlib.error as error:
            raise DecodeError("The compressed answer is damaged.") from error
        if not chunk and self._has_begun and not self._inflate.eof:
            raise DecodeError("The compressed answer breaks off.")
        return chunk

    def _read_input(self, amount: int) -> bool:
        self._input = memoryview(self._raw.read1(amount))
        if self.compressed is not None:
            self.compressed += self._input
        self._has_begun = self._has_begun or bool(self._input)
        self._without_output += len(self._input)
        if self._without_output > _MAX_EMPTY:
            raise DecodeError(f"{size(self._without_output)} of the compressed answer decompress to nothing.")
        return bool(self._input)

    def _decompress(self, amount: int) -> bytes:
        if self._inflate.eof:
            if not _MAGIC.startswith(self._input[:2]):  # padding, which some servers send
                self._input = self._input[:0]
                return b""
            self._inflate = zlib.decompressobj(_WITH_HEADER)
        part = self._input[:_INPUT_SIZE]
        chunk = self._inflate.decompress(part, amount)
        left = len(self._inflate.unconsumed_tail or self._inflate.unused_data)
        self._input = self._input[len(part) - left :]
        return chunk


class _Buffer:
    """Compressed bytes that have arrived, read as a raw response."""

    def __init__(self, packed: bytes | bytearray) -> None:
        self.decode_content = False
        self._file = io.BytesIO(packed)

    def read1(self, amount: int) -> bytes:
        return self._file.read1(amount)
