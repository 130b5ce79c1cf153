"""Answers that are read only where they have changed.

An answer is known again by its ETag, which the server compares, by the hash of its bytes on the wire, which
need not be decompressed for it, or by the hash of its body.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

import requests

from mkframe._http.gzip import compressed_chunks, content_length, decompress, is_decoded
from mkframe.limits import Kind, bounded

__all__ = ["ChangedAnswer", "Validators", "etag_of", "read_changed"]

_MAX_FACTOR = 1032
"""Bytes that one compressed byte may become."""
_ETAG = re.compile(r'(W/)?"[\x21\x23-\x7e]{0,1000}"')


@dataclass(frozen=True, slots=True)
class Validators:
    """What an answer is known again by.

    Parameters
    ----------
    etag : str, optional
        The server's ETag.
    wire, body : str, optional
        SHA-256 of the bytes on the wire, and of the body.
    """

    etag: str | None = None
    wire: str | None = None
    body: str | None = None


@dataclass(frozen=True, slots=True)
class ChangedAnswer:
    """An answer, with its body where that is not the known one.

    Parameters
    ----------
    how : str
        "304" if the server said that nothing has changed, "same" if the bytes are the known ones, else
        "rows".
    validators : Validators
        Those of the answer.
    body : bytearray
        Empty unless `how` is "rows".
    """

    how: Literal["304", "same", "rows"]
    validators: Validators
    body: bytearray


def etag_of(response: requests.Response) -> str | None:
    """Return the ETag of an answer; None where there is none or it is malformed."""
    value = response.headers.get("ETag", "")
    return value if _ETAG.fullmatch(value) else None


def read_changed(
    response: requests.Response,
    chunks: Iterable[bytes],
    known: Validators,
    etag: str | None,
    kind: Kind,
    most: int,
) -> ChangedAnswer:
    """Read an answer, whose body is `chunks`; one whose bytes on the wire are known is not decompressed."""
    if is_decoded(response):
        packed, wire = _read(bounded(compressed_chunks(response), kind, most), content_length(response))
        if wire == known.wire:
            return ChangedAnswer("same", Validators(etag, wire, known.body), bytearray())
        size = min(int.from_bytes(packed[-4:], "little"), most, _MAX_FACTOR * len(packed))  # as gzip ends
        content, body = _read(bounded(_consumed(packed), kind, most), size)
    else:
        content, body = _read(bounded(chunks, kind, most), content_length(response))
        wire = body
    validators = Validators(etag, wire, body)
    if body == known.body:
        return ChangedAnswer("same", validators, bytearray())
    return ChangedAnswer("rows", validators, content)


def _read(chunks: Iterable[bytes], size: int | None) -> tuple[bytearray, str]:
    """Read a body of about `size` bytes; taking their memory at once takes half as much."""
    content, digest, end = bytearray(size or 0), hashlib.sha256(), 0
    for chunk in chunks:
        digest.update(chunk)
        content[end : end + len(chunk)] = chunk
        end += len(chunk)
    del content[end:]
    return content, digest.hexdigest()


def _consumed(packed: bytearray) -> Iterator[bytes]:
    """Decompress, and free the compressed bytes at the end."""
    yield from decompress(packed)
    packed.clear()
