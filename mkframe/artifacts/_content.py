"""Classify members, and decode their bytes."""

from __future__ import annotations

import codecs
import hashlib
import re
from collections.abc import Iterable
from pathlib import PurePosixPath

__all__ = ["ContentClassifier", "decode", "encoding_of", "hash_and_classify"]

_KINDS = {
    **dict.fromkeys((".sql", ".ddl", ".dml"), "sql"),
    **dict.fromkeys((".xml", ".xsd"), "xml"),
    **dict.fromkeys((".json", ".ipynb"), "json"),
}
_MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
_DECLARED = re.compile(rb"""^\s*<\?xml[^>]{0,200}?encoding\s*=\s*["']([A-Za-z0-9._-]{1,40})["']""")
_EXCLUDED_CODECS = {
    "unicode-escape",
    "raw-unicode-escape",
    "unicode_escape",
    "raw_unicode_escape",
    "idna",
    "punycode",
    "undefined",
    "utf-7",
}
"""Python's own codecs, and one under which one text has many spellings."""


def encoding_of(start: bytes) -> str:
    """Name the encoding of a text by its first bytes: byte order mark, XML declaration, else UTF-8.

    Examples
    --------
    >>> encoding_of(b'<?xml version="1.0" encoding="Windows-1252"?>'), encoding_of(b"SELECT 1")
    ('cp1252', 'utf-8')
    """
    for mark, name in _MARKS.items():
        if start.startswith(mark):
            return name
    declared = _DECLARED.match(start)
    try:
        name = codecs.lookup(declared[1].decode()).name if declared else "utf-8"
        fits = name not in _EXCLUDED_CODECS and b"<?xml".decode(name) == "<?xml"
    except (LookupError, ValueError):  # unknown, not an encoding of text, or not of these bytes
        return "utf-8"
    return name if fits else "utf-8"


def decode(content: bytes, encoding: str | None = None) -> str:
    """Decode a text strictly; line ends stay as they are.

    Raises
    ------
    ValueError
        If the bytes are not text in that encoding, or hold a NUL.
    """
    text = content.decode(encoding or encoding_of(content[:1024]))
    if "\0" in text:
        raise ValueError("it holds a NUL")
    return text


class ContentClassifier:
    """Classify a member while its chunks are read.

    Examples
    --------
    >>> classifier = ContentClassifier()
    >>> classifier.feed(b"CREATE TABLE airplane (id INTEGER);")
    >>> classifier.kind("ddl/airplane.sql")
    'sql'
    """

    def __init__(self) -> None:
        self._decoder: codecs.IncrementalDecoder | None = None
        self._is_text = True
        self._is_xml = False

    def feed(self, chunk: bytes) -> None:
        """Take the next chunk into account."""
        if self._decoder is None:
            self._decoder = codecs.getincrementaldecoder(encoding_of(chunk[:1024]))()
            self._is_xml = b"<?xml" in chunk[:64]
        self._decode(chunk)

    def kind(self, name: str) -> str:
        """Return ``sql``, ``xml``, ``json``, ``text`` or ``binary``; what `read` cannot decode is binary."""
        self._decode(b"", final=True)
        if not self._is_text:
            return "binary"
        return _KINDS.get(
            PurePosixPath(name.rpartition("/")[2]).suffix.lower(), "xml" if self._is_xml else "text"
        )

    def _decode(self, chunk: bytes, *, final: bool = False) -> None:
        if self._is_text and self._decoder is not None:
            try:
                self._is_text = "\0" not in self._decoder.decode(chunk, final)
            except ValueError:
                self._is_text = False


def hash_and_classify(content: Iterable[bytes], name: str) -> tuple[str, str]:
    """Return the SHA-256 in hexadecimal and the kind of a member, read chunk by chunk."""
    digest, classifier = hashlib.sha256(), ContentClassifier()
    for chunk in content:
        digest.update(chunk)
        classifier.feed(chunk)
    return digest.hexdigest(), classifier.kind(name)
