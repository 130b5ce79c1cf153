"""Split a stream of bytes into chunks of whole rows.

A body is an array of rows. It is cut at commas between rows, and every cut is verified by reading: where both
``[`` left ``]`` and ``[`` right ``]`` are JSON arrays, the comma between them was one between rows, since
JSON can be read in one way only. So no parser of our own is needed, and a chunk that turns out not to
be JSON was cut in a wrong place (inside a nested list, or in a text).

The first chunk is read in this thread. The bytes around its cut tell where the next may be cut, so that
threads can be given chunks whose cuts are not verified yet. A chunk that they cannot read is cut again, into
smaller ones, so that few rows take the strict path. Where it is not even JSON, all chunks that the threads
have are put together again, and read in this thread.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence

from mkframe.frames._columns import ColumnChunk
from mkframe.frames._parallel import ParallelReader
from mkframe.frames._recognize import START, invalid_body, recognize
from mkframe.frames._rows import EXPECTED, RowReader, is_json
from mkframe.limits import DEFAULT, Limits, too_large

__all__ = ["SPACE", "ChunkReader", "split_body"]

SPACE = b" \t\n\r"
_FIRST_CUT = 1 << 16
_CUT = 1 << 20
_PARALLEL_FROM = 1 << 25
"""Bytes that are read in this thread before others start.

Measured on two cores, as processor time with threads against without: 36 % more at 3 MB, equal at some 15 MB,
5 % less at 36 MB and 16 % less at 64 MB. Before that threads gain nothing unless other cores are idle, and
a start here costs a million builds less than a tenth of the gain.
"""
_MAX_SUBMITTED = 1 << 22
"""Bytes of a chunk for a thread; several are in work at once, and each takes a multiple of it in memory."""
_PARTS = 8
"""Into how many chunks one with a mismatch is cut, at the least."""
_MAX_CANDIDATES, _MIN_CANDIDATES = 64, 4
"""How many cuts are tried in a small chunk, and in one of any size."""
_SPACE = re.compile(rb"[ \t\n\r]*")
_ARRAY = json.JSONDecoder(parse_int=float)
"""Python refuses whole numbers of very many digits."""
_BOUNDARY = re.compile(rb"\}\s*,\s*\{")


def split_body(body: bytes) -> Iterator[memoryview]:
    """Yield parts of a body as if it arrived over the network, without copying."""
    view = memoryview(body)
    starts = [0, *range(_FIRST_CUT, len(body), _CUT), len(body)]
    return (view[start:end] for start, end in itertools.pairwise(starts))


class ChunkReader:
    """Read a stream of bytes into chunks of columns.

    The first byte of the buffer is the array's opening bracket, or the comma that stood before the rest;
    a bracket is written over it, and another over the comma to cut at, so that no byte is copied.
    """

    def __init__(
        self,
        reader: RowReader,
        parallel: ParallelReader | None = None,
        size: int | None = None,
        limits: Limits = DEFAULT,
        in_object: bool = False,
    ) -> None:
        self.reader = reader
        self.in_object = in_object
        """Whether more of an object follows the array."""
        self.behind = bytearray()
        """What followed the array."""
        self.parallel = parallel
        self.buffer = bytearray()
        self.boundary: bytes | None = None
        """The bytes around the last verified cut."""
        self.chunk_size = size or _CUT
        self.size = size or _FIRST_CUT
        self.searched = 0
        """Up to where the buffer was searched for a cut."""
        self.bytes_read = 0
        self.limits = limits

    def close(self) -> None:
        """Stop the threads."""
        if self.parallel:
            self.parallel.close()

    def read(self, parts: Iterable[bytes | bytearray | memoryview]) -> Iterator[list[ColumnChunk]]:
        """Yield the columns of one chunk after the other.

        Raises
        ------
        InvalidResponseError
            If the stream is not a JSON array; shows how it starts, or how the unreadable rest does.
        ResponseTooLargeError
            If a row, or all of them together, are larger than the limit.
        """
        is_array = False
        for part in parts:
            self.buffer += part
            is_array = is_array or self._find_array()
            if is_array and len(self.buffer) >= self.size:
                yield from self._read_full_chunks()
        if not is_array:
            raise invalid_body(EXPECTED, self.buffer)
        # All has arrived: read what remains.
        if self.in_object:
            yield from self._results(wait=True)  # so that the cut before the rest is verified
            self._split_end()
        if self.parallel and self.parallel.is_started and self._can_submit():
            rest = self.buffer.rstrip(SPACE)
            if rest.endswith(b"]"):
                self._submit_rest(self.parallel, rest)
        if self.parallel:
            yield from self._results(wait=True)
        while len(self.buffer) >= self.size and (columns := self._read_chunk()):
            yield columns
        if self.buffer:
            yield self.reader.read_last(self.buffer)

    def _find_array(self) -> bool:
        """Drop the space before the opening bracket, once the bracket is there."""
        if space := _SPACE.match(self.buffer).end():  # type: ignore[union-attr]
            del self.buffer[:space]
        if not self.buffer:
            return False
        if self.buffer.startswith(b"["):
            return True
        if len(self.buffer) >= START:
            raise invalid_body(EXPECTED, self.buffer)
        return False

    def _split_end(self) -> None:
        """Split off what follows the array."""
        text = self.buffer.decode("latin-1")  # a character a byte; what the texts say does not matter here
        with contextlib.suppress(ValueError, RecursionError):
            end = _ARRAY.raw_decode(text)[1]
            self.behind = self.buffer[end:]
            del self.buffer[end:]

    def _read_full_chunks(self) -> Iterator[list[ColumnChunk]]:
        """Read or submit chunks while the buffer holds more than one."""
        while len(self.buffer) >= self.size:
            if self._can_submit():
                # A thread gets a chunk of up to twice the size, so that the last cut in it is a likely one.
                if len(self.buffer) < min(2 * self.size, self.limits.row + 1):
                    return
                if self._submit():
                    yield from self._results()
                    continue
            yield from self._results(wait=True)
            if columns := self._read_chunk():
                yield columns
            elif self.size > len(self.buffer):
                return

    # --- in threads ------------------------------------------------------------------------------------

    def _can_submit(self) -> bool:
        return (
            self.parallel is not None
            and self.bytes_read >= _PARALLEL_FROM
            and not self.reader.mismatched
            and self.parallel.can_read(self.reader.row_schema)
        )

    def _submit(self) -> bool:
        """Submit a chunk to the threads, if there is a likely cut."""
        cut = self._last_boundary()
        if not cut or not self.parallel or cut[1] > _MAX_SUBMITTED:
            return False
        rows, rest = self.buffer, self.buffer[cut[1] :]
        rows[cut[1] :] = b"]"
        self.parallel.submit(self.reader.row_schema, rows)
        self.buffer, self.buffer[:1] = rest, b"["
        self.searched = 0
        return True

    def _submit_rest(self, parallel: ParallelReader, rest: bytearray) -> None:
        """Submit what remains in as many chunks as there are threads, so that all are busy to the end."""
        self.buffer = rest
        self.size = max(_FIRST_CUT, len(rest) // (2 * parallel.workers))
        while len(self.buffer) > 3 * self.size and self._submit():
            pass
        parallel.submit(self.reader.row_schema, self.buffer)
        self.buffer = bytearray()

    def _results(self, wait: bool = False) -> Iterator[list[ColumnChunk]]:
        """Yield the results that are ready; wait for all if asked to."""
        while self.parallel and (self.parallel.is_ready or (wait and self.parallel.pending)):
            result = self.parallel.next_result(self.reader.row_schema)
            if isinstance(result, list):
                yield result
            elif is_json(result):
                # Its cut was right: read it here, in small chunks, so that few rows take the strict path.
                smaller = ChunkReader(self.reader, size=_CUT // _PARTS, limits=self.limits)
                yield from smaller.read([result])
            else:
                self._stop_parallel([result, *self.parallel.withdraw()])

    def _stop_parallel(self, arrays: Sequence[bytearray]) -> None:
        """Put chunks back into the buffer after a wrong cut, and go on without threads."""
        rows = b",".join(array[1:-1] for array in arrays)
        self.buffer[:1] = b"[" + rows + (b"," if self.buffer else b"]")
        self.close()
        self.parallel = None
        self.searched = 0

    # --- in this thread --------------------------------------------------------------------------------

    def _read_chunk(self) -> list[ColumnChunk] | None:
        """Read the largest chunk whose cut is right; where none is, look further the next time."""
        for brace, comma in self._candidates():
            boundary = bytes(self.buffer[brace - 1 : comma + 7])
            self.buffer[comma : comma + 1] = b"]"
            with memoryview(self.buffer) as whole, whole[: comma + 1] as chunk:
                # The check is quick, where many cuts are wrong; one like the last is likely right.
                is_likely = boundary == self.boundary or is_json(chunk)
                columns = self.reader.read(chunk) if is_likely else None
            if columns is not None:
                self.boundary = boundary
                self.size = self.chunk_size
                self.searched = 0
                self.bytes_read += comma
                del self.buffer[:comma]
                self.buffer[:1] = b"["
                return columns
            self.buffer[comma : comma + 1] = b","
        if self._end > self.limits.row:
            if joined := recognize(EXPECTED, self.buffer):
                raise joined
            happened = f"no end of row {self.reader.count:,} was found in {len(self.buffer):,} bytes"
            raise too_large("row", self.limits.row, happened)
        self.size = 2 * self._end
        return None

    def _candidates(self) -> Iterator[tuple[int, int]]:
        """Yield places of ``}`` and the comma after it, the likeliest first."""
        if cut := self._last_boundary():
            yield cut
        end = self._end
        # The end of the buffer is searched at first, then all that was not; before a row counts as too large,
        # everything is, since small rows may stand before a large one.
        start = 0 if end > self.limits.row else max(0, min(self.searched or end, end) - _FIRST_CUT)
        self.searched = end
        last: deque[tuple[int, int]] = deque(maxlen=max(_MIN_CANDIDATES, _MAX_CANDIDATES * _FIRST_CUT // end))
        different: dict[bytes, tuple[int, int]] = {}
        for match in _BOUNDARY.finditer(self.buffer, start, end):
            brace, comma = match.start(), self.buffer.index(b",", match.start())
            last.append((brace, comma))
            # Many small objects may lie between two rows, and the bytes around them are alike.
            boundary = bytes(self.buffer[brace - 1 : comma + 7])
            if boundary in different or len(different) < _MAX_CANDIDATES:
                different[boundary] = brace, comma
        yield from different.values()
        yield from reversed(last)

    def _last_boundary(self) -> tuple[int, int] | None:
        """Return the last place with the bytes of the cut before around it, if there is one."""
        if self.boundary and (at := self.buffer.rfind(self.boundary, 0, self._end)) > 0:
            return at + 1, self.buffer.index(b",", at + 1)
        return None

    @property
    def _end(self) -> int:
        """Where a chunk ends at the latest."""
        return min(len(self.buffer), 2 * self.size, self.limits.row + 1)
