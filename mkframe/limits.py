"""Limits of answers and files: more bytes are an error, before they fill memory or disk."""

from __future__ import annotations

import math
import numbers
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from typing import Literal

from mkframe.errors import InputError, ResponseTooLargeError

__all__ = ["DEFAULT", "Kind", "Limits", "bounded", "size", "too_large"]

Kind = Literal["login", "row", "query", "find", "file", "saved"]

_NAMES: dict[str, str] = {
    "login": "the answer of a login",
    "row": "one row",
    "query": "the result of a statement",
    "find": "a find or a view",
    "file": "one file",
    "saved": "a saved answer",
}
_MIN_MEMORY, _MIN_CELLS = 16 << 20, 100_000
"""Memory in bytes and cells that are allowed however small a limit is."""
_ARGUMENTS = {"file": "max_bytes={}", "saved": "max_bytes={}"}
"""Arguments of calls that raise a limit; the other limits are given to `connect`."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Largest size of an answer, and its lowest rate.

    Bytes are counted decompressed, while they arrive. A larger answer is a `ResponseTooLargeError`;
    nothing is truncated.

    Parameters
    ----------
    login : int, default 1 MiB
        Bytes of the answer of a login.
    row : int, default 16 MiB
        Bytes of one row: the answer of a get or a start, and each row of a find.
    query : int, default 64 MiB
        Bytes of the result of a statement that a caller writes; its values may take eight times as much
        memory.
    find : int, default 1 GiB
        Bytes of a find, enough for a million builds, or of a view such as ``client.instance_rows``; its rows
        may take five eighths of that as memory.
    file : int, default 2 GiB
        Bytes of one fetched file, where `fetch` is not given another number.
    saved : int, default 1 GiB
        Bytes of a saved answer, where `read_json` is not given another number.
    rate : float, default 100
        Lowest average rate of an answer or file in bytes per second; 0 for any.
    rate_window : float, default 60
        Seconds of waiting over which the rate is measured. A single pause counts as at most a sixth of it;
        long pauses have the time-out of the settings.

    Raises
    ------
    InputError
        If a number is invalid.

    Examples
    --------
    >>> Limits(find=4 << 30).find
    4294967296
    """

    login: int = 1 << 20
    row: int = 16 << 20
    query: int = 64 << 20
    find: int = 1 << 30
    file: int = 2 << 30
    saved: int = 1 << 30
    rate: float = 100.0
    rate_window: float = 60.0

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name in _NAMES:
                check_bytes(f"limits.{field.name}", value)
            elif not _is_number(value) or not 0 <= value < math.inf:
                raise InputError(
                    f"limits.{field.name} must be a number, not {value!r}.", hint="Leave it out."
                )
        if not self.rate_window:
            raise InputError("limits.rate_window must be seconds, not 0.", hint="rate=0 allows any rate.")

    @property
    def find_memory(self) -> int:
        """Bytes of memory for the rows of a find."""
        return max(_MIN_MEMORY, self.find // 8 * 5)

    @property
    def query_memory(self) -> int:
        """Bytes of memory for the values of a statement's result."""
        return max(_MIN_MEMORY, 8 * self.query)

    @property
    def query_cells(self) -> int:
        """Number of cells of a statement's result: the largest that its bytes can hold."""
        return max(_MIN_CELLS, self.query // 4)


def check_bytes(name: str, value: object) -> int:
    """Check a number of bytes."""
    if type(value) is not int or value < 1:
        raise InputError(
            f"{name} must be a whole number of bytes, not {value!r}.", hint="64 << 20 are 64 MiB."
        )
    return value


def _is_number(value: object) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


DEFAULT = Limits()


def bounded(chunks: Iterable[bytes], kind: Kind, most: int) -> Iterator[bytes]:
    """Yield chunks up to a number of bytes; more are an error.

    Raises
    ------
    ResponseTooLargeError
        Names the limit, the bytes that arrived, and how to raise the limit.

    Examples
    --------
    >>> b"".join(bounded([b"ab", b"c"], "row", 3))
    b'abc'
    """
    received = 0
    for chunk in chunks:
        received += len(chunk)
        if received > most:
            raise too_large(kind, most, f"{received:,} bytes had arrived, decompressed")
        yield chunk


def too_large(kind: Kind, most: int, happened: str) -> ResponseTooLargeError:
    """Make the error for an answer that is larger than its limit."""
    argument = _ARGUMENTS.get(kind, f"limits=mk.Limits({kind}={{}})").format(2 * most)
    where = "give" if kind in _ARGUMENTS else "connect with"
    return ResponseTooLargeError(
        f"It is larger than {size(most)}, the limit for {_NAMES[kind]}: {happened}. Nothing of it was kept.",
        hint=f"To allow more, {where} {argument}.",
    )


def size(count: int) -> str:
    """Write a number of bytes with its unit.

    Examples
    --------
    >>> size(64 << 20), size(1000)
    ('64 MiB', '1,000 bytes')
    """
    for shift, unit in ((30, "GiB"), (20, "MiB"), (10, "KiB")):
        if count >= 1 << shift:
            return f"{count / (1 << shift):.4g} {unit}"
    return f"{count:,} bytes"
