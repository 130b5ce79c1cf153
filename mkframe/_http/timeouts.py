"""Limits of a whole answer: of its time, of its rate, and of the bytes that come over the wire.

A socket's time-out counts the silence before each read, so a server that sends a byte now and then, in
the head of its answer too, is never given up. Here every read of an answer looks at the clock as well: a
deadline may be set, and an answer that comes too slowly is given up whether there is one or not. Bytes
are counted here too, since heads, chunk sizes and trailers may go on without end and give no body.
"""

from __future__ import annotations

import contextlib
import functools
import io
import math
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

from requests.adapters import HTTPAdapter

from mkframe._http.heads import Answer
from mkframe.limits import Limits, size

__all__ = [
    "Adapter",
    "Bounds",
    "HeadTooLarge",
    "CancelScope",
    "DeadlineExceeded",
    "TooMuch",
    "TooSlow",
    "answered_within",
]

_HEAD = 1 << 20
"""Most bytes of the head of an answer, interim heads included, and of its trailers."""
_PAUSES = 6
"""A pause counts as this part of the window at the most."""

_here = threading.local()


class DeadlineExceeded(TimeoutError):
    """The deadline has passed, and the answer is not complete."""


class TooSlow(TimeoutError):
    """Fewer bytes came than the lowest rate."""


class TooMuch(OSError):
    """More bytes came over the wire than an answer within its limit can take."""


class HeadTooLarge(OSError):
    """The head of an answer, or its trailers, go on and on."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What an answer has to keep to.

    Parameters
    ----------
    deadline : float
        When it must be complete, by `time.monotonic`.
    most : float
        Bytes over the wire after its head.
    rate, window : float
        Bytes per second that must come, and the seconds of waiting over which that is looked at.
    """

    deadline: float = math.inf
    most: float = math.inf
    rate: float = 0.0
    window: float = math.inf

    @classmethod
    def of(cls, limits: Limits, deadline: float, most: int) -> Self:
        """The bounds of an answer of `most` bytes; chunks and what does not compress may add to them."""
        return cls(deadline, 2 * most + _HEAD, limits.rate, limits.rate_window)


@contextlib.contextmanager
def answered_within(bounds: Bounds) -> Iterator[None]:
    """Give the answers that begin in this block, in this thread, their bounds."""
    before = getattr(_here, "bounds", Bounds())
    _here.bounds = bounds
    try:
        yield
    finally:
        _here.bounds = before


class CancelScope:
    """Answers that somebody waits for, in threads that hold it open, and may cut off.

    Examples
    --------
    >>> line = CancelScope()
    >>> with line.held():
    ...     pass  # whatever is asked here
    >>> line.cut()
    """

    def __init__(self) -> None:
        self._sockets: set[Any] = set()
        self._is_cut = False

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Count the answers that begin in this block, in this thread, until they end."""
        before = getattr(_here, "line", None)
        _here.line = self
        try:
            yield
        finally:
            _here.line = before

    def cut(self) -> None:
        """Let nobody wait any longer: every answer under way breaks off, and so does one that begins."""
        self._is_cut = True
        for sock in list(self._sockets):
            _shut(sock)

    def add(self, sock: Any) -> None:
        """Take in the socket of an answer that begins."""
        self._sockets.add(sock)
        if self._is_cut:
            _shut(sock)

    def drop(self, sock: Any) -> None:
        """Let go of it, as the answer has ended and the connection may serve others."""
        self._sockets.discard(sock)


def _shut(sock: Any) -> None:
    with contextlib.suppress(OSError):  # it may have ended by itself in this moment
        sock.shutdown(socket.SHUT_RD)


class Adapter(HTTPAdapter):
    """The adapter of requests, whose answers are watched."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        _watch(self.poolmanager)

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(*args, **kwargs)
        _watch(manager)
        return manager


def _watch(manager: Any) -> None:
    kinds = manager.pool_classes_by_scheme
    manager.pool_classes_by_scheme = {scheme: _watched(kind) for scheme, kind in kinds.items()}


@functools.cache
def _watched(kind: type) -> type:
    """The same kind of pool, whose connections read watched answers."""
    return kind if issubclass(kind, _Pool) else type(f"Watched{kind.__name__}", (_Pool, kind), {})


class _Pool:
    def _new_conn(self) -> Any:
        connection = super()._new_conn()  # type: ignore[misc]
        connection.response_class = _Answer
        return connection


class _Answer(Answer):
    def __init__(self, sock: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self._bounds = getattr(_here, "bounds", Bounds())
        self._watched = _Watched(self.fp.detach(), sock, self._bounds, getattr(_here, "line", None))
        self.fp = io.BufferedReader(self._watched)

    def begin(self) -> None:
        with self._watched.head():
            super().begin()
        self._watched.left = self._bounds.most

    def _read_and_discard_trailer(self) -> None:
        with self._watched.head():
            super()._read_and_discard_trailer()  # type: ignore[misc]


class _Watched(io.RawIOBase):
    """The bytes of a socket, as long as they come in time and are not too many."""

    def __init__(self, raw: io.RawIOBase, sock: Any, bounds: Bounds, line: CancelScope | None) -> None:
        self._raw = raw
        self._line = line or CancelScope()
        self._line.add(sock)
        self._sock = sock
        self._silence: float = math.inf if sock.gettimeout() is None else sock.gettimeout()
        self._bounds = bounds
        self._waited = 0.0
        self._came = 0
        self.left: float = _HEAD
        self._too_much: type[OSError] = HeadTooLarge

    @contextlib.contextmanager
    def head(self) -> Iterator[None]:
        """Allow as many bytes as a head or trailers may have, while they are read."""
        before = self.left
        self.left, self._too_much = _HEAD, HeadTooLarge
        try:
            yield
        finally:
            self.left, self._too_much = before, TooMuch

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        asked = time.monotonic()
        try:
            count = self._wait_for(buffer, self._bounds.deadline - asked)
        finally:
            # Silence has a time-out of its own.
            self._waited += min(time.monotonic() - asked, self._bounds.window / _PAUSES)
        self.left -= count or 0
        if self.left < 0:
            raise self._too_much(f"More than {size(_HEAD)} came.")
        self._came += count or 0
        if count and self._waited >= self._bounds.window:
            if self._came < self._bounds.rate * self._waited:
                raise TooSlow("The answer comes too slowly.")
            self._waited, self._came = 0.0, 0
        return count

    def _wait_for(self, buffer: Any, left: float) -> int | None:
        if left <= 0:
            raise DeadlineExceeded("The time is over.")
        hurried = left < self._silence
        if hurried:
            self._sock.settimeout(left)
        try:
            return self._raw.readinto(buffer)
        except TimeoutError as error:
            raise DeadlineExceeded("The time is over.") if hurried else error from None

    def close(self) -> None:
        if not self.closed:
            self._line.drop(self._sock)
            self._raw.close()
        super().close()
