"""Pieces of an answer that threads read side by side, given back in their order."""

from __future__ import annotations

import contextlib
import os
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from mkframe.frames import _arrow
from mkframe.frames._columns import ColumnChunk, arrow
from mkframe.frames._row_types import RowSchema

__all__ = ["ParallelReader"]

_MOST_WORKERS = 4
"""Packing stays with one thread, which cannot keep up with more."""


def processors() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class ParallelReader:
    """Threads that read pieces with Arrow, which leaves Python to others meanwhile.

    Without Arrow or with one processor there is nothing to gain, and `serves` says no.
    """

    def __init__(self) -> None:
        self.workers = min(_MOST_WORKERS, processors())
        self.waiting: deque[tuple[RowSchema, bytearray, Future[Any]]] = deque()
        self._pool: ThreadPoolExecutor | None = None

    def serves(self, shape: RowSchema) -> bool:
        """Whether rows of this shape may be given."""
        return self.workers > 1 and arrow() is not None and _arrow.kind_of(shape) is not None

    @property
    def started(self) -> bool:
        """Whether there are threads, which are started for the first piece."""
        return self._pool is not None

    @property
    def is_due(self) -> bool:
        """Whether a piece should be taken: one is ready, or every thread has one and one more waits."""
        return len(self.waiting) > self.workers or (bool(self.waiting) and self.waiting[0][2].done())

    def give(self, shape: RowSchema, rows: bytearray) -> None:
        """Have an array of rows read, and keep it."""
        if not self._pool:
            self._pool = ThreadPoolExecutor(self.workers, thread_name_prefix="mkframe-read")
        rows[:0] = _arrow.OPENING
        rows += _arrow.CLOSING
        kind = _arrow.kind_of(shape)
        try:
            future = self._pool.submit(_arrow.read, rows, kind)
        except RuntimeError:  # Python ends, and starts no thread any more
            future = _read_here(rows, kind)
        self.waiting.append((shape, rows, future))

    def take(self, shape: RowSchema) -> list[ColumnChunk] | bytearray:
        """Columns of the oldest piece, or the piece itself where the other roads must read it."""
        expected, text, future = self.waiting.popleft()
        if expected == shape:
            with contextlib.suppress(*_arrow.refusals()):
                return _arrow.pieces(shape, future.result())
        return _array(text)

    def take_back(self) -> list[bytearray]:
        """All pieces that were given and not taken."""
        texts = [text for _, text, _ in self.waiting]
        self.waiting.clear()
        return [*map(_array, texts)]

    def close(self) -> None:
        """End the threads."""
        if self._pool:
            self._pool.shutdown(cancel_futures=True)


def _read_here(rows: bytearray, kind: Any) -> Future[Any]:
    future: Future[Any] = Future()
    try:
        future.set_result(_arrow.read(rows, kind))
    except Exception as error:
        future.set_exception(error)
    return future


def _array(text: bytearray) -> bytearray:
    return text[len(_arrow.OPENING) : -len(_arrow.CLOSING)]
