"""Read chunks of an answer in several threads, and return the results in order."""

from __future__ import annotations

import contextlib
import os
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from mkframe.frames import _arrow
from mkframe.frames._columns import ColumnChunk, uses_arrow
from mkframe.frames._row_types import RowSchema

__all__ = ["ParallelReader"]

_MAX_WORKERS = 4
"""One thread packs the columns; it cannot keep up with more readers."""


def processors() -> int:
    """Return the number of processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class ParallelReader:
    """Read chunks with Arrow, which releases Python's lock, in threads.

    Without Arrow or with one processor there is nothing to gain, and `can_read` is False.
    """

    def __init__(self) -> None:
        self.workers = min(_MAX_WORKERS, processors())
        self.pending: deque[tuple[RowSchema, bytearray, Future[Any]]] = deque()
        self._pool: ThreadPoolExecutor | None = None

    def can_read(self, row_schema: RowSchema) -> bool:
        """Tell whether rows of this schema may be submitted."""
        return self.workers > 1 and uses_arrow() and _arrow.arrow_schema(row_schema) is not None

    @property
    def is_started(self) -> bool:
        """Whether there are threads; the first chunk starts them."""
        return self._pool is not None

    @property
    def is_ready(self) -> bool:
        """Whether to fetch a result: the oldest is done, or each thread has a chunk and one more waits."""
        return len(self.pending) > self.workers or (bool(self.pending) and self.pending[0][2].done())

    def submit(self, row_schema: RowSchema, rows: bytearray) -> None:
        """Have an array of rows read; the bytes are kept until the result is fetched."""
        if not self._pool:
            self._pool = ThreadPoolExecutor(self.workers, thread_name_prefix="mkframe-read")
        rows[:0] = _arrow.PREFIX
        rows += _arrow.SUFFIX
        arrow_schema = _arrow.arrow_schema(row_schema)
        try:
            future = self._pool.submit(_arrow.read_table, rows, arrow_schema)
        except RuntimeError:  # Python is shutting down and starts no thread any more
            future = _read_in_this_thread(rows, arrow_schema)
        self.pending.append((row_schema, rows, future))

    def next_result(self, row_schema: RowSchema) -> list[ColumnChunk] | bytearray:
        """Return the columns of the oldest chunk, or its bytes where another path must read it."""
        expected, text, future = self.pending.popleft()
        if expected == row_schema:
            with contextlib.suppress(*_arrow.mismatch_errors()):
                return _arrow.to_chunks(row_schema, future.result())
        return _without_frame(text)

    def withdraw(self) -> list[bytearray]:
        """Return the bytes of all chunks whose results were not fetched, and drop the results."""
        texts = [text for _, text, _ in self.pending]
        self.pending.clear()
        return [*map(_without_frame, texts)]

    def close(self) -> None:
        """End the threads."""
        if self._pool:
            self._pool.shutdown(cancel_futures=True)


def _read_in_this_thread(rows: bytearray, arrow_schema: Any) -> Future[Any]:
    future: Future[Any] = Future()
    try:
        future.set_result(_arrow.read_table(rows, arrow_schema))
    except Exception as error:
        future.set_exception(error)
    return future


def _without_frame(text: bytearray) -> bytearray:
    return text[len(_arrow.PREFIX) : -len(_arrow.SUFFIX)]
