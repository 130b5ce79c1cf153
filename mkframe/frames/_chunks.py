"""A stream of bytes is cut into pieces of rows.

A body is an array of rows. It is cut at commas between rows, and every cut proves itself: where both
``[`` left ``]`` and ``[`` right ``]`` are JSON arrays, the comma between them was one between rows, since
JSON can be read in one way only. So no parser of our own is needed, and a piece that turns out not to
be JSON was cut in a wrong place (inside a nested list, or in a text).

The first piece is read at once. What stood around its cut tells where the next may be cut, so that threads
can be given pieces whose cuts have yet to prove themselves. A piece that they do not read is cut again,
into smaller ones, so that few rows take the careful road; where it is not even JSON, all that was given
out is put back, and read here.
"""

from __future__ import annotations

import itertools
import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence

from mkframe.errors import InvalidResponseError
from mkframe.frames._columns import ColumnChunk
from mkframe.frames._parallel import ParallelReader
from mkframe.frames._rows import RowReader, is_json
from mkframe.limits import DEFAULT, Limits, too_large

__all__ = ["SPACE", "ChunkReader", "windows"]

SPACE = b" \t\n\r"
_FIRST_CUT = 1 << 16
_CUT = 1 << 20
_MOST_AHEAD = 1 << 22
"""Bytes of a piece that threads are given; several are under way at once, and each takes a multiple of it."""
_PARTS = 8
"""Into how many pieces one with a surprise is cut, at the least."""
_MOST_LOOKS, _FEWEST_TRIES = 64, 4
"""How many cuts are tried in a small piece, and in one of any size."""
_PROMISED = "an array of rows"
_SPACE = re.compile(rb"[ \t\n\r]*")
_BOUNDARY = re.compile(rb"\}\s*,\s*\{")


def windows(body: bytes) -> Iterator[memoryview]:
    """Cut a body as if it arrived, without copying."""
    view = memoryview(body)
    starts = [0, *range(_FIRST_CUT, len(body), _CUT), len(body)]
    return (view[start:end] for start, end in itertools.pairwise(starts))


class ChunkReader:
    """Cuts a stream of bytes into rows as columns.

    The first byte of the buffer is the array's opening bracket, or the comma that stood before the rest;
    a bracket is written over it, and another over the comma to cut at, so that no byte is copied.
    """

    def __init__(
        self,
        reader: RowReader,
        ahead: ParallelReader | None = None,
        size: int | None = None,
        limits: Limits = DEFAULT,
    ) -> None:
        self.reader = reader
        self.ahead = ahead
        self.buffer = bytearray()
        self.hint: bytes | None = None
        self.usual = size or _CUT
        self.size = size or _FIRST_CUT
        self.limits = limits

    def close(self) -> None:
        """End the threads."""
        if self.ahead:
            self.ahead.close()

    def cut(self, chunks: Iterable[bytes | bytearray | memoryview]) -> Iterator[list[ColumnChunk]]:
        """Give the columns of one piece after the other."""
        opened = False
        for chunk in chunks:
            self.buffer += chunk
            opened = opened or self._open()
            if opened:
                yield from self._pieces()
        if not opened:
            raise InvalidResponseError.from_body(_PROMISED, bytes(self.buffer))
        yield from self._last()

    def _open(self) -> bool:
        """Drop what stands before the opening bracket, once that is there."""
        if space := _SPACE.match(self.buffer).end():  # type: ignore[union-attr]
            del self.buffer[:space]
        if not self.buffer:
            return False
        if not self.buffer.startswith(b"["):
            raise InvalidResponseError.from_body(_PROMISED, bytes(self.buffer[:80]))
        return True

    def _pieces(self) -> Iterator[list[ColumnChunk]]:
        """Cut while there is more than one piece."""
        while len(self.buffer) >= self.size:
            if self._serves():
                if len(self.buffer) < min(2 * self.size, self.limits.row + 1):
                    return
                if self._give():
                    yield from self._taken()
                    continue
            yield from self._taken(every=True)
            if columns := self._here():
                yield columns
            elif self.size > len(self.buffer):
                return

    def _last(self) -> Iterator[list[ColumnChunk]]:
        """Read what remains when all has arrived."""
        rest = self.buffer.rstrip(SPACE)
        if self.ahead and self.ahead.started and self._serves() and rest.endswith(b"]"):
            self._share_out(self.ahead, rest)
        yield from self._taken(every=True)
        while len(self.buffer) >= self.size and (columns := self._here()):
            yield columns
        if self.buffer:
            yield self._rest()

    # --- ahead, in threads -----------------------------------------------------------------------------

    def _serves(self) -> bool:
        return self.ahead is not None and not self.reader.surprised and self.ahead.serves(self.reader.shape)

    def _give(self) -> bool:
        """Give a piece to the threads, where a likely cut is there."""
        cut = self._likeliest()
        if not cut or not self.ahead or cut[1] > _MOST_AHEAD:
            return False
        rows, rest = self.buffer, self.buffer[cut[1] :]
        rows[cut[1] :] = b"]"
        self.ahead.give(self.reader.shape, rows)
        self.buffer, self.buffer[:1] = rest, b"["
        return True

    def _share_out(self, ahead: ParallelReader, rest: bytearray) -> None:
        """Give what remains in as many pieces as there are threads, so that all are busy to the end."""
        self.buffer = rest
        self.size = max(_FIRST_CUT, len(rest) // (2 * ahead.workers))
        while len(self.buffer) > 3 * self.size and self._give():
            pass
        ahead.give(self.reader.shape, self.buffer)
        self.buffer = bytearray()

    def _taken(self, every: bool = False) -> Iterator[list[ColumnChunk]]:
        """Take the pieces that are due, or every one."""
        while self.ahead and (self.ahead.is_due or (every and self.ahead.waiting)):
            taken = self.ahead.take(self.reader.shape)
            if isinstance(taken, list):
                yield taken
            elif is_json(taken):
                yield from ChunkReader(self.reader, size=_CUT // _PARTS, limits=self.limits).cut([taken])
            else:
                self._put_back([taken, *self.ahead.take_back()])

    def _put_back(self, arrays: Sequence[bytearray]) -> None:
        """Go on without threads after a wrong cut."""
        rows = b",".join(array[1:-1] for array in arrays)
        self.buffer[:1] = b"[" + rows + (b"," if self.buffer else b"]")
        self.close()
        self.ahead = None

    # --- here ------------------------------------------------------------------------------------------

    def _here(self) -> list[ColumnChunk] | None:
        """Read the largest piece that proves to be rows; where none does, look further the next time."""
        for brace, comma in self._candidates():
            hint = self._look(brace, comma)
            self.buffer[comma : comma + 1] = b"]"
            with memoryview(self.buffer) as whole, whole[: comma + 1] as piece:
                likely = hint == self.hint or is_json(piece)  # which is quick, where many are wrong
                columns = self.reader.try_rows(piece) if likely else None
            if columns is not None:
                self.hint = hint
                self.size = self.usual
                del self.buffer[:comma]
                self.buffer[:1] = b"["
                return columns
            self.buffer[comma : comma + 1] = b","
        if self._end > self.limits.row:
            happened = f"no end of row {self.reader.count:,} was found in {len(self.buffer):,} bytes"
            raise too_large("row", self.limits.row, happened)
        self.size = 2 * self._end
        return None

    def _candidates(self) -> Iterator[tuple[int, int]]:
        """Places of ``}`` and the comma after it, the likeliest first."""
        if cut := self._likeliest():
            yield cut
        # Before it is given up, more is looked through.
        window = max(0, self._end - (_CUT if self._end > self.limits.row else _FIRST_CUT))
        last: deque[tuple[int, int]] = deque(maxlen=max(_FEWEST_TRIES, _MOST_LOOKS * _FIRST_CUT // self._end))
        different: dict[bytes, tuple[int, int]] = {}
        for match in _BOUNDARY.finditer(self.buffer, window, self._end):
            place = match.start(), self.buffer.index(b",", match.start())
            last.append(place)
            # Many small things may lie between two rows, and each of them looks like the others.
            look = self._look(*place)
            if look in different or len(different) < _MOST_LOOKS:
                different[look] = place
        yield from different.values()
        yield from reversed(last)

    def _look(self, brace: int, comma: int) -> bytes:
        """What stands around a place where one may cut."""
        return bytes(self.buffer[brace - 1 : comma + 7])

    def _likeliest(self) -> tuple[int, int] | None:
        """The last place that looks as the one before did, where one was found."""
        if self.hint and (at := self.buffer.rfind(self.hint, 0, self._end)) > 0:
            return at + 1, self.buffer.index(b",", at + 1)
        return None

    @property
    def _end(self) -> int:
        """Where a piece ends at the latest."""
        return min(len(self.buffer), 2 * self.size, self.limits.row + 1)

    def _rest(self) -> list[ColumnChunk]:
        columns = self.reader.try_rows(self.buffer)
        if columns is None:
            read = f" after {self.reader.count} rows" if self.reader.count else ""
            shown = bytes(self.buffer[1:81] if read else self.buffer[:80])
            raise InvalidResponseError.from_body(_PROMISED, shown, f"{read}{self.reader.why}")
        return columns
