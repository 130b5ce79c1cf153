"""Time limits of a whole answer.

A socket's time-out counts the silence before each read, so a server that sends a byte now and then, in
the head of its answer too, is never given up. Here every read of an answer looks at the clock as well: a
deadline may be set, and an answer that comes to a trickle is given up whether there is one or not.
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
from typing import Any

from requests.adapters import HTTPAdapter

from mkframe._http.heads import Answer

__all__ = ["PATIENCE", "Adapter", "CancelScope", "DeadlineExceeded", "StalledError", "response_deadline"]

PATIENCE = 3
"""How many read time-outs may be spent in waiting for one KiB."""
_LEAST = 1024

_here = threading.local()


class DeadlineExceeded(TimeoutError):
    """The deadline has passed, and the answer is not complete."""


class StalledError(TimeoutError):
    """Less than one KiB came in a long time."""


@contextlib.contextmanager
def response_deadline(deadline: float) -> Iterator[None]:
    """Give the answers that begin in this block, in this thread, a deadline by `time.monotonic`."""
    before = getattr(_here, "deadline", math.inf)
    _here.deadline = deadline
    try:
        yield
    finally:
        _here.deadline = before


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
        raw = self.fp.detach()
        watched = _Watched(raw, sock, getattr(_here, "deadline", math.inf), getattr(_here, "line", None))
        self.fp = io.BufferedReader(watched)


class _Watched(io.RawIOBase):
    """The bytes of a socket, as long as they come in time."""

    def __init__(self, raw: io.RawIOBase, sock: Any, deadline: float, line: CancelScope | None) -> None:
        self._raw = raw
        self._line = line or CancelScope()
        self._line.add(sock)
        self._sock = sock
        self._silence: float = math.inf if sock.gettimeout() is None else sock.gettimeout()
        self._deadline = deadline
        self._waited = 0.0
        self._came = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        asked = time.monotonic()
        try:
            count = self._wait_for(buffer, self._deadline - asked)
        finally:
            now = time.monotonic()
            self._waited += now - asked
        self._came += count or 0
        if self._came >= _LEAST:
            self._waited, self._came = 0.0, 0
        elif self._waited > PATIENCE * self._silence:
            raise StalledError("Next to nothing came.")
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
