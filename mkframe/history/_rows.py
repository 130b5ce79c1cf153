"""An answer cut into its rows, each with a hash of its bytes.

A row whose bytes are known is not read again. A hash has 64 bits: among a million rows, a change is taken for
a known row with a probability of 5e-14.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec
import numpy as np

from mkframe import frames
from mkframe.errors import SchemaError
from mkframe.frames._columns import Array
from mkframe.frames._nested import Columns
from mkframe.limits import Limits

__all__ = ["PIECE", "Rows", "canonical", "to_json"]

PIECE = 20_000
"""Rows that are read and written at once."""
_ROW = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ROWS = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])
_DOWNLOADS = msgspec.json.Decoder(list[dict[str, msgspec.Raw]] | None)


class Rows:
    """The rows of an answer.

    Parameters
    ----------
    resource : str
        What they are.
    body : bytes-like
        A JSON array.
    limits : Limits
        How large rows may be.

    Raises
    ------
    InvalidResponseError
        If the body is no JSON array.
    """

    def __init__(self, resource: str, body: bytes | bytearray, limits: Limits) -> None:
        self.resource, self.limits = resource, limits
        self.body = body
        try:
            self.raws: list[Any] = msgspec.json.decode(body, type=list[msgspec.Raw])
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            frames.decode(resource, bytes(body), limits)  # says what is wrong
            self.raws = [json.dumps(row).encode() for row in json.loads(body)]
            self.body = b""
        digests = b"".join([hashlib.sha256(raw).digest() for raw in self.raws])
        self.hashes = np.frombuffer(digests, dtype="<u8")[::4].copy()

    def __len__(self) -> int:
        return len(self.raws)

    @functools.cached_property
    def _ends(self) -> Array | None:
        """Where the rows end in the body; None if there is more than one byte between two of them."""
        lengths = np.fromiter(map(_length, self.raws), dtype=np.int64, count=len(self.raws))
        ends: Array = np.cumsum(lengths + 1)
        return ends if ends[-1] + 1 == len(self.body) else None

    def pieces(self, places: Array) -> Iterator[tuple[Array, Columns, bytes]]:
        """Read some of the rows, a piece at a time: their places, columns and JSON."""
        for start in range(0, len(places), PIECE):
            part = places[start : start + PIECE]
            text = self._text(part)
            yield part, frames.decode_columns(self.resource, text, self.limits), text

    def _text(self, places: Array) -> bytes:
        """Return a JSON array of some rows."""
        first, last = int(places[0]), int(places[-1])
        if last - first + 1 == len(places) > 1 and (ends := self._ends) is not None:
            start = int(ends[first - 1]) if first else 0
            with memoryview(self.body) as whole:
                return b"".join([b"[", whole[start + 1 : int(ends[last])], b"]"])
        return b"[%b]" % b",".join([bytes(self.raws[place]) for place in places.tolist()])

    def order(self, names: Iterable[str], nested: Iterable[str]) -> tuple[list[str], list[str]]:
        """Return those of some unknown names that the rows, or the downloads in them, have.

        They are in the order of their first appearance, as the columns of a frame are.
        """
        return self._order(names, _row_keys), self._order(nested, _download_keys)

    def _order(self, names: Iterable[str], keys: Any) -> list[str]:
        found: dict[str, tuple[int, int]] = {}
        left = dict.fromkeys(names)
        for spellings in ({n: [json.dumps(n).encode(), n.encode()] for n in left}, None):
            # A name may be written with other escapes than these: then every row is read.
            if not left:
                break
            for place, raw in enumerate(self.raws):
                row = bytes(raw)
                if spellings is not None and not any(s in row for n in left for s in spellings[n]):
                    continue
                there = {name: number for number, name in enumerate(keys(row))}
                for name in [name for name in left if name in there]:
                    found[name] = place, there[name]
                    del left[name]
                if not left:
                    break
            if left and spellings is not None and b"\\u" not in self.body:
                break
        return sorted(found, key=found.__getitem__)


def _length(raw: Any) -> int:
    return memoryview(raw).nbytes


def _row_keys(row: bytes) -> Iterable[str]:
    return _ROW.decode(row)


def _download_keys(row: bytes) -> Iterable[str]:
    items = _DOWNLOADS.decode(_ROW.decode(row).get("downloads", msgspec.Raw(b"null")))
    return dict.fromkeys(key for item in items or () for key in item)


def canonical(text: bytes, known: frozenset[str], inside: frozenset[str] | None) -> Iterator[Extra]:
    """Yield the unknown fields of each row of a JSON array, and those of each download in it.

    Texts are canonical: another order of keys gives the same text.
    """
    for row in _ROWS.decode(text):
        items = () if inside is None else _DOWNLOADS.decode(row.get("downloads", msgspec.Raw(b"null")))
        yield _extra(row, known), [_extra(item, inside or frozenset()) for item in items or ()]


Extra = tuple[str | None, list[str | None]]


def _extra(row: Mapping[str, Any], known: frozenset[str]) -> str | None:
    unknown = {name: msgspec.json.decode(raw) for name, raw in row.items() if name not in known}
    kept = {name: value for name, value in unknown.items() if value is not None}
    return to_json(kept) if kept else None


def to_json(value: Any) -> str:
    """Write a value as the canonical JSON of the file.

    Raises
    ------
    SchemaError
        If it is nested too deeply.
    """
    try:
        return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    except RecursionError as error:
        raise SchemaError("A field that the reference does not name is nested too deeply.") from error
