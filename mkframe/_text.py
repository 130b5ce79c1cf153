"""Words from outside, made fit to be seen: what is invisible or commands a terminal is spelled out."""

from __future__ import annotations

import re
import reprlib
import sys
import unicodedata
from itertools import islice
from typing import Any

__all__ = ["single_line", "short_repr", "escape_invisible"]

_HIDDEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}
"""Control characters, bidirectional and other invisible marks, lone surrogates, line separators; what will
never be a character, and XML refuses, besides."""
_LOOKED_AT = 1 << 16
"""Characters; blanks between words could go on for megabytes."""
_PLAIN = re.compile(r"[\n\t -~]*")


def escape_invisible(text: str) -> str:
    """Spell out characters that cannot be seen or that steer a terminal.

    Examples
    --------
    >>> escape_invisible("a" + chr(0x202E) + "b")
    'a‹U+202E›b'
    """
    if _PLAIN.fullmatch(text):
        return text
    return "".join(f"‹U+{ord(c):04X}›" if _steers(c) else c for c in text)


def single_line(text: object, most: int = 300) -> str:
    r"""Write a word from a server into a sentence: one line, nothing hidden, not without end.

    Examples
    --------
    >>> single_line("No release\nfor\x1b[31m A"), single_line("abcdef", 4)
    ('No release for‹U+001B›[31m A', 'abcd...')
    """
    said = str(text)
    line = " ".join(said[:_LOOKED_AT].split())
    return escape_invisible(line[:most]) + "..." * (len(line) > most or len(said) > _LOOKED_AT)


def short_repr(value: Any, most: int = 80) -> str:
    """Write the start of a value, however long, large or deep it is.

    Examples
    --------
    >>> short_repr("x" * 200)[-6:], short_repr(10**5000)
    ('xxx...', 'a value of type int')
    """
    if isinstance(value, str | bytes):
        value = value[:100]  # the rest would be written out and not shown
    try:
        text = _Start(most).repr(value)
    except (RecursionError, ValueError):  # nested too deeply, or a number of too many digits
        return f"a value of type {type(value).__name__}"
    return text if len(text) <= most else f"{text[: most - 3]}..."


class _Start(reprlib.Repr):
    """Writes no more than the beginning of a value, in the order in which it came."""

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


def _steers(character: str) -> bool:
    if unicodedata.category(character) == "Cn":  # unassigned ones may be so in this Python only
        return ord(character) & 0xFFFE == 0xFFFE or 0xFDD0 <= ord(character) <= 0xFDEF
    return character not in "\n\t" and unicodedata.category(character) in _HIDDEN
