"""Bounds on the memory that rows take, checked before it is used.

Few bytes of JSON may become much memory: ``{},`` are three bytes and an object of 64. No estimate here is
below what Python takes, as far as an answer can influence that.
"""

from __future__ import annotations

import itertools
import re
import sys
from collections.abc import Sequence
from typing import Any

from mkframe.frames._columns import ColumnChunk
from mkframe.schema import Field

__all__ = ["max_memory", "memory_of"]

_LIST, _ITEM, _CELL = 72, 40, 72
"""Bytes of a list, of an item in one beyond a small number, and of a cell of downloads."""
_WIDE = re.compile(rb"[\xf0-\xf4]|\\u[dD][89abAB]")
"""A character of four bytes; a text that holds one takes four bytes for each of its characters."""


def max_memory(text: bytes | bytearray | memoryview) -> int:
    """Return the most bytes that the values of a JSON text may take, as Python objects and while made.

    Examples
    --------
    >>> max_memory(b'{"a": 1}')
    262
    """
    text = bytes(text) if isinstance(text, memoryview) else text
    letters = 2 * len(text)  # a text is copied into its column
    if _WIDE.search(text):
        letters *= 4
    elif not text.isascii() or b"\\u" in text:
        letters *= 2
    count = text.count
    return letters + 150 * count(b"{") + 96 * count(b"[") + 72 * (count(b",") + 1) + 24 * count(b":")


def memory_of(fields: Sequence[Field], chunks: Sequence[ColumnChunk]) -> int:
    """Return the bytes that the columns of some rows take."""
    total = 0
    for field, chunk in zip(fields, chunks, strict=False):
        values = chunk.values
        if chunk.missing is not None:
            total += chunk.missing.nbytes
        if not isinstance(values, list | tuple):  # numpy or Arrow
            total += values.nbytes
        elif field.type in ("ints", "strs"):
            held = list(filter(None, values))
            total += _LIST * len(values) + _ITEM * sum(map(len, held))
            if field.type == "strs":
                total += sum(map(sys.getsizeof, itertools.chain.from_iterable(held)))
        else:
            total += _memory_of_objects(values)
        if field.type == "downloads":
            total += _CELL * len(values) + memory_of(chunk.fields, chunk.inside)
    return total


def _memory_of_objects(values: Sequence[Any]) -> int:
    """Return the bytes of texts, numbers and whatever else an undocumented field holds."""
    total = 8 * len(values)
    if set(map(type, values)) <= {str, int, float, bool, type(None)}:
        return total + sum(map(sys.getsizeof, {id(value): value for value in values}.values()))
    stack = list(values)
    while stack:
        value = stack.pop()
        total += sys.getsizeof(value)
        if isinstance(value, list):
            stack += value
        elif isinstance(value, dict):
            stack += value.keys()
            stack += value.values()
    return total
