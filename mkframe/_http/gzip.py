"""Compressed answers, held to their end and to a size.

The library below takes a gzip stream that breaks off for whole, as long as the bytes that were announced
have come. A file would silently lose its end.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from typing import Any

import requests
import urllib3
from urllib3.exceptions import DecodeError

from mkframe import errors
from mkframe.limits import Kind, size, too_large

__all__ = ["check_head", "content_length", "is_unpacked", "unpacked"]

_WITH_HEADER = 16 + zlib.MAX_WBITS
_MAGIC = b"\x1f\x8b"
_MOST_FOR_NOTHING = 1 << 20
"""Packed bytes in a row that may unpack to no byte at all: headers, padding and empty parts."""
_GZIP = ("gzip", "x-gzip")
_NUMBER = re.compile("[0-9]+")
_MOST_DIGITS = 18
_FED = 1 << 14
"""Packed bytes that are unpacked at once: what is behind the end of a part is copied for each part."""


def unpacked(response: requests.Response) -> requests.Response:
    """The same answer; where it is packed with gzip, its bytes are unpacked here."""
    # Recorders of answers put in others, which they have unpacked already.
    if _coding(response) in _GZIP and isinstance(response.raw, urllib3.HTTPResponse):
        response.raw = _Unpacked(response.raw)
    return response


def is_unpacked(response: requests.Response) -> bool:
    """Whether the bytes of an answer are unpacked as they are read."""
    return isinstance(response.raw, _Unpacked)


def check_head(response: requests.Response, kind: Kind, most: int) -> None:
    """Refuse an answer by its head: packed as nobody asked for, of no length, or announced as too large.

    Raises
    ------
    InvalidResponseError
        If it is packed otherwise than with gzip, or its Content-Length is no number.
    ResponseTooLargeError
        If it announces more than `most` bytes.
    """
    coding = _coding(response)
    if coding not in ("", "identity", *_GZIP):
        raise errors.InvalidResponseError(
            f"It is packed with {coding[:40]!r}, which was not asked for.",
            hint="Look at any proxy between here and the server; mkframe asks for gzip.",
        )
    length = content_length(response)
    if length is not None and length > most:
        raise too_large(kind, most, f"it announces {length:,} bytes")


def content_length(response: requests.Response) -> int | None:
    """How many bytes an answer announces, as they are sent; None where it does not say.

    Raises
    ------
    InvalidResponseError
        If that is not one number of plain digits. Of several equal ones the first counts (RFC 9110, 8.6).
    """
    # Beside Transfer-Encoding it says nothing (RFC 9112, 6.3).
    if "Content-Length" not in response.headers or "Transfer-Encoding" in response.headers:
        return None
    said = response.headers["Content-Length"]
    numbers = {part.strip(" \t") for part in said.split(",")}
    number = numbers.pop()
    if numbers or not _NUMBER.fullmatch(number):
        raise errors.InvalidResponseError(
            f"Its Content-Length is not a number of bytes: {said[:40]!r}.", hint=_LOOK_BETWEEN
        )
    if len(number) > _MOST_DIGITS:
        raise errors.InvalidResponseError(
            f"Its Content-Length is a number of {len(number):,} digits, which no answer has: "
            f"{number[:20]}...",
            hint=_LOOK_BETWEEN,
        )
    return int(number)


_LOOK_BETWEEN = "Try again later; where it goes on, look at any proxy between here and the server."


def _coding(response: requests.Response) -> str:
    return response.headers.get("Content-Encoding", "").strip().lower()


class _Unpacked:
    """A raw answer of urllib3, which is asked for all but the reading."""

    def __init__(self, raw: Any) -> None:
        raw.decode_content = False
        self._raw = raw
        self._inflate = zlib.decompressobj(_WITH_HEADER)
        self._held = memoryview(b"")
        self._began = False
        self._for_nothing = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._raw, name)

    def stream(self, amount: int, decode_content: bool | None = None) -> Iterator[bytes]:
        """Pieces of at most `amount` bytes, unpacked whatever is asked, as they arrive."""
        while piece := self.read1(amount):
            yield piece

    def read1(self, amount: int) -> bytes:
        """The next piece; none at the end, if that is one."""
        try:
            while self._held or self._more(amount):
                if piece := self._next(amount):
                    self._for_nothing = 0
                    return piece
            # What was held back for being more than was asked for.
            piece = self._inflate.decompress(b"", amount)
        except zlib.error as error:
            raise DecodeError("The packed answer is damaged.") from error
        if not piece and self._began and not self._inflate.eof:
            raise DecodeError("The packed answer breaks off.")
        return piece

    def _more(self, amount: int) -> bool:
        self._held = memoryview(self._raw.read1(amount))
        self._began = self._began or bool(self._held)
        self._for_nothing += len(self._held)
        if self._for_nothing > _MOST_FOR_NOTHING:
            raise DecodeError(f"{size(self._for_nothing)} of the packed answer unpack to nothing.")
        return bool(self._held)

    def _next(self, amount: int) -> bytes:
        if self._inflate.eof:
            if not _MAGIC.startswith(self._held[:2]):  # padding; some servers send it
                self._held = self._held[:0]
                return b""
            self._inflate = zlib.decompressobj(_WITH_HEADER)
        fed = self._held[:_FED]
        piece = self._inflate.decompress(fed, amount)
        left = len(self._inflate.unconsumed_tail or self._inflate.unused_data)
        self._held = self._held[len(fed) - left :]
        return piece
