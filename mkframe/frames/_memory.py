"""How much memory rows take, before it is too late.

Few bytes of JSON may become much: ``{},`` are three bytes and an object of 64. What is weighed here is
never less than what Python takes for it, as far as an answer can do anything about that.
"""

from __future__ import annotations

import itertools
import re
import sys
from collections.abc import Sequence
from typing import Any

from mkframe.frames._columns import STORAGE, ColumnChunk
from mkframe.schema import Field

__all__ = ["most_memory", "weight"]

_LIST, _ITEM, _ROW = 72, 40, 72
"""Bytes of a list, of an item in one beyond a small number, and of a window on downloads."""
_WIDE = re.compile(rb"[\xf0-\xf4]|\\u[dD][89abAB]")
"""A character of four bytes; a text that holds one takes four for each."""


def most_memory(text: bytes | bytearray | memoryview) -> int:
    """How many bytes the values of a JSON text may take, at the most, as Python objects and on their way.

    Examples
    --------
    >>> most_memory(b'{"a": 1}')
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


def weight(field: Field, piece: ColumnChunk) -> int:
    """How many bytes one column of a piece takes."""
    own = 0 if piece.missing is None else piece.missing.nbytes
    if field.type in STORAGE or not isinstance(piece.values, list | tuple):
        own += piece.values.nbytes
    elif field.type in ("ints", "strs"):
        own += _of_lists(field, piece.values)
    else:
        own += _of_values(piece.values)
    if field.type == "downloads":
        own += _ROW * len(piece.values) + sum(map(weight, piece.fields, piece.inside))
    return own


def _of_lists(field: Field, lists: Sequence[Any]) -> int:
    held = list(filter(None, lists))
    items = sum(map(len, held))
    own = _LIST * len(lists) + _ITEM * items
    if field.type == "strs":
        own += sum(map(sys.getsizeof, itertools.chain.from_iterable(held)))
    return own


def _of_values(values: Sequence[Any]) -> int:
    """Texts, numbers and whatever else an undocumented field holds."""
    kinds = set(map(type, values))
    own = 8 * len(values)
    if kinds <= {str, int, float, bool, type(None)}:
        return own + sum(map(sys.getsizeof, {id(value): value for value in values}.values()))
    return own + _walked(values)


def _walked(values: Sequence[Any]) -> int:
    """The size of each value and of all that it holds."""
    own, todo = 0, list(values)
    while todo:
        value = todo.pop()
        own += sys.getsizeof(value)
        if isinstance(value, list):
            todo += value
        elif isinstance(value, dict):
            todo += value.keys()
            todo += value.values()
    return own
