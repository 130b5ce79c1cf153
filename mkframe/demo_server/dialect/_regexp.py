"""Regular expressions of the dialect: Oracle's syntax, matched by the library `regex` with a time limit."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from mkframe.demo_server.dialect._values import SqlError

__all__ = ["find", "replace"]

_SECONDS = 0.5
_QUANTIFIER = re.compile(r"\{\d+(,\d*)?\}", re.ASCII)
_CLASS = re.compile(r"\[:(alpha|digit|alnum|upper|lower|space|blank|punct|cntrl|graph|print|xdigit):\]")
_ESCAPES = set("wWdDsSAZz")
_LONGEST = 512


def find(text: str, pattern: str, start: int, occurrence: int, options: str) -> Any:
    """Return the match with that number at or after a position (from 1), or None."""
    if start < 1 or occurrence < 1:
        raise SqlError("The position and the occurrence of a regular expression must be 1 or more.")
    for number, match in enumerate(_matches(text, pattern, start, options), 1):
        if number == occurrence:
            return match
    return None


def replace(text: str, pattern: str, by: str, start: int, occurrence: int, options: str) -> str:
    """Replace one match, or all of them where the occurrence is 0."""
    if start < 1 or occurrence < 0:
        raise SqlError("The position of REGEXP_REPLACE must be 1 or more, the occurrence 0 or more.")
    parts, at = [], 0
    for number, match in enumerate(_matches(text, pattern, start, options), 1):
        if occurrence in (0, number):
            parts += [text[at : match.start()], _expand(by, match)]
            at = match.end()
    return "".join(parts) + text[at:]


def _expand(by: str, match: Any) -> str:
    def group(reference: re.Match[str]) -> str:
        if reference[1] == "\\":
            return "\\"
        number = int(reference[1])
        return (match.group(number) or "") if number <= match.re.groups else ""

    return re.sub(r"\\([1-9\\])", group, by, flags=re.ASCII)


def _matches(text: str, pattern: str, start: int, options: str) -> Iterator[Any]:
    compiled = _compile(pattern, options)
    try:
        yield from compiled.finditer(text, start - 1, timeout=_SECONDS)
    except TimeoutError as error:
        raise SqlError(f"The regular expression {pattern[:60]!r} ran longer than {_SECONDS:g} s.") from error


@lru_cache(maxsize=256)
def _compile(pattern: str, options: str) -> Any:
    import regex

    flags = regex.VERSION0
    ignore_case = ignore_space = multiline = False
    for option in options:
        if option in "ci":
            ignore_case = option == "i"
        elif option == "n":
            flags |= regex.DOTALL
        elif option == "m":
            multiline = True
        elif option == "x":
            ignore_space = True
        else:
            raise SqlError(
                f"The parameter {option!r} of a regular expression is invalid; use c, i, m, n or x."
            )
    flags |= (regex.IGNORECASE if ignore_case else 0) | (regex.MULTILINE if multiline else 0)
    if len(pattern) > _LONGEST:
        raise SqlError(f"A regular expression has at most {_LONGEST} characters.")
    try:
        return regex.compile(_translate(pattern, multiline, ignore_space), flags)
    except (regex.error, OverflowError, RecursionError) as error:
        raise SqlError(f"The regular expression {pattern[:60]!r} is invalid: {error}.") from error


def _translate(pattern: str, multiline: bool, ignore_space: bool) -> str:
    """Write an Oracle expression so that the library reads it alike; refuse what only one of them knows."""
    made, at = [], 0
    while at < len(pattern):
        char = pattern[at]
        piece, width = char, 1
        if char == "\\":
            piece, width = _escape(pattern, at), 2
        elif char == "[":
            piece, width = _bracket(pattern, at)
        elif char == "{":
            found = _QUANTIFIER.match(pattern, at)
            if found is None:
                raise _unsupported(pattern, "{ that begins no quantifier")
            piece, width = found[0], len(found[0])
        elif char == "(" and pattern[at + 1 : at + 2] == "?":
            raise _unsupported(pattern, "(?")
        elif char == "+" and at and pattern[at - 1] in "*+?}" and pattern[at - 2 : at - 1] != "\\":
            raise _unsupported(pattern, "a possessive quantifier")
        elif char == "$" and not multiline:
            piece = r"\Z"
        elif char.isspace() and ignore_space:
            piece = ""
        made.append(piece)
        at += width
    return "".join(made)


def _escape(pattern: str, at: int) -> str:
    following = pattern[at + 1 : at + 2]
    if not following:
        raise _unsupported(pattern, "a backslash at its end")
    if following in "123456789" or following in _ESCAPES:
        return r"\Z" if following == "z" else "\\" + following
    if following.isalnum():
        raise _unsupported(pattern, f"\\{following}")
    return "\\" + following


def _bracket(pattern: str, at: int) -> tuple[str, int]:
    """Translate a bracket expression, in which a backslash is a plain character."""
    end = at + 1
    made = "["
    if pattern[end : end + 1] == "^":
        made, end = "[^", end + 1
    first = True
    while end < len(pattern) and (first or pattern[end] != "]"):
        char = pattern[end]
        if found := _CLASS.match(pattern, end):
            made, end, first = made + found[0], end + len(found[0]), False
            continue
        if pattern[end : end + 2] in ("[:", "[.", "[="):
            raise _unsupported(pattern, pattern[end : end + 2])
        if char == "\\" and pattern[end + 1 : end + 2].isalnum():
            raise _unsupported(pattern, "an escape of a letter or digit in brackets")
        made += "\\" + char if char in "\\[]&|~" or (char == "^" and not first) else char
        end, first = end + 1, False
    if end >= len(pattern):
        raise SqlError(f"The regular expression {pattern[:60]!r} is invalid: a bracket is not closed.")
    return made + "]", end + 1 - at


def _unsupported(pattern: str, what: str) -> SqlError:
    return SqlError(
        f"The regular expression {pattern[:60]!r} holds {what}, which this server does not support."
    )
