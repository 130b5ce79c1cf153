"""Compressed answers, held to their end.

The library below takes a gzip stream that breaks off for whole, as long as the bytes that were announced
have come. A file would silently lose its end.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Any

import requests
import urllib3
from urllib3.exceptions import DecodeError

__all__ = ["unpacked"]

_WITH_HEADER = 16 + zlib.MAX_WBITS
_MAGIC = b"\x1f\x8b"


def unpacked(response: requests.Response) -> requests.Response:
    """The same answer; where it is packed with gzip, its bytes are unpacked here."""
    packed = response.headers.get("Content-Encoding", "").strip().lower() in ("gzip", "x-gzip")
    # Recorders of answers put in others, which they have unpacked already.
    if packed and isinstance(response.raw, urllib3.HTTPResponse):
        response.raw = _Unpacked(response.raw)
    return response


class _Unpacked:
    """A raw answer of urllib3, which is asked for all but the reading."""

    def __init__(self, raw: Any) -> None:
        raw.decode_content = False
        self._raw = raw
        self._inflate = zlib.decompressobj(_WITH_HEADER)
        self._held = b""
        self._began = False

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
                    return piece
            # What was held back for being more than was asked for.
            piece = self._inflate.decompress(b"", amount)
        except zlib.error as error:
            raise DecodeError("The packed answer is damaged.") from error
        if not piece and self._began and not self._inflate.eof:
            raise DecodeError("The packed answer breaks off.")
        return piece

    def _more(self, amount: int) -> bool:
        self._held = self._raw.read1(amount)
        self._began = self._began or bool(self._held)
        return bool(self._held)

    def _next(self, amount: int) -> bytes:
        if self._inflate.eof:
            if not _MAGIC.startswith(self._held[:2]):  # padding; some servers send it
                self._held = b""
                return b""
            self._inflate = zlib.decompressobj(_WITH_HEADER)
        piece = self._inflate.decompress(self._held, amount)
        self._held = self._inflate.unconsumed_tail or self._inflate.unused_data
        return piece
