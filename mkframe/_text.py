"""Write texts of a server so that they are safe to show: invisible and control characters are escaped."""

from __future__ import annotations

import re
import reprlib
import sys
import unicodedata
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

__all__ = ["BOM", "HIDDEN_CATEGORIES", "escape_invisible", "short_repr", "single_line", "strip_bom"]

BOM = b"\xef\xbb\xbf"
"""The byte-order mark of UTF-8, which some programs write before a text."""

HIDDEN_CATEGORIES = {"Cc", "Cf", "Cs", "Zl", "Zp"}
"""Unicode categories: control characters, bidirectional and other invisible marks, lone surrogates, line
separators."""
_MAX_READ = 1 << 16
"""Characters that are read; there may be megabytes of blanks between words."""
_PLAIN = re.compile(r"[\n\t -~]*")


def escape_invisible(text: str) -> str:
    """Escape characters that are invisible or that control a terminal.

    Examples
    --------
    >>> escape_invisible("a" + chr(0x202E) + "b")
    'a‹U+202E›b'
    """
    if _PLAIN.fullmatch(text):
        return text
    return "".join(f"‹U+{ord(c):04X}›" if _is_hidden(c) else c for c in text)


def strip_bom(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield chunks without a byte-order mark before them.

    Examples
    --------
    >>> b"".join(strip_bom([BOM[:1], BOM[1:] + b"[", b"]"]))
    b'[]'
    """
    start, rest = b"", iter(chunks)
    while len(start) < len(BOM) and BOM.startswith(start) and (chunk := next(rest, b"")):
        start += chunk
    if start := start.removeprefix(BOM):
        yield start
    yield from rest


def single_line(text: object, most: int = 300) -> str:
    r"""Write a text of a server for a sentence: on one line, escaped, and of a limited length.

    Examples
    --------
    >>> single_line("No release\nfor\x1b[31m A"), single_line("abcdef", 4)
    ('No release for‹U+001B›[31m A', 'abcd...')
    """
    text = str(text)
    line = " ".join(text[:_MAX_READ].split())
    return escape_invisible(line[:most]) + "..." * (len(line) > most or len(text) > _MAX_READ)


def short_repr(value: Any, most: int = 80) -> str:
    """Write the start of a value, however long, large or deeply nested it is.

    Examples
    --------
    >>> short_repr("x" * 200)[-6:], short_repr(10**5000)
    ('xxx...', 'a value of type int')
    """
    if isinstance(value, str | bytes):
        value = value[:100]  # repr would write out the rest, which is not shown
    try:
        text = _StartRepr(most).repr(value)
    except (RecursionError, ValueError):  # nested too deeply, or a number of too many digits
        return f"a value of type {type(value).__name__}"
    text = " ".join(line.strip() for line in text.splitlines())  # that of a frame has lines
    return text if len(text) <= most else f"{text[: most - 3]}..."


class _StartRepr(reprlib.Repr):
    """Writes the beginning of a value only; keys of a dict keep their order."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.maxlevel = sys.maxsize
        self.maxlist = self.maxtuple = most
        self.most = most

    def repr_str(self, x: str, level: int) -> str:
        return repr(x[: self.most])

    def repr_int(self, x: int, level: int) -> str:
        return repr(x)

    def repr_dict(self, x: dict[Any, Any], level: int) -> str:
        items = [f"{self.repr1(k, level)}: {self.repr1(v, level)}" for k, v in islice(x.items(), self.most)]
        return f"{{{', '.join(items)}{', ...' * (len(x) > self.most)}}}"

    def repr_instance(self, x: Any, level: int) -> str:
        return repr(x)


def _is_hidden(character: str) -> bool:
    if (
        unicodedata.category(character) == "Cn"
    ):  # unassigned in this version of Python; noncharacters are refused by XML
        return ord(character) & 0xFFFE == 0xFFFE or 0xFDD0 <= ord(character) <= 0xFDEF
    return character not in "\n\t" and unicodedata.category(character) in HIDDEN_CATEGORIES
