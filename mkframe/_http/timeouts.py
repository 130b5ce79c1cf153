"""Limits of a whole answer: its time, its rate, and its bytes on the wire.

The time-out of a socket applies to each read alone, so a server that sends single bytes, also in the head of
its answer, never times out. Here each read checks the clock as well: against a deadline where there is one,
and against the lowest rate always. Bytes are counted too, since heads, chunk sizes and trailers can continue
without end and without a body.
"""

from __future__ import annotations

import contextlib
import functools
import http.client
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
    "HeadTooLarge",
    "CancelScope",
    "current_scope",
    "DeadlineExceeded",
    "ResponseLimits",
    "StalledError",
    "WireLimitExceeded",
    "limit_responses",
    "was_sent",
]

_MAX_HEAD = 1 << 20
"""Bytes of the head of an answer, interim heads included, and of its trailers."""
_PAUSE_SHARE = 6
"""A pause counts as at most the window divided by this number."""


class _ThreadState(threading.local):
    """What applies to the answers that begin in a thread.

    ``http.client`` makes the objects that read answers, and requests passes nothing down to it.
    """

    def __init__(self) -> None:
        self.limits = ResponseLimits()
        self.scopes: list[CancelScope] = []
        self.is_sent = False
        """Whether anything of the present request was handed to a connection with the server."""


class DeadlineExceeded(TimeoutError):
    """The deadline has passed, and the answer is not complete."""


class StalledError(TimeoutError):
    """The answer comes at less than the lowest rate."""


class WireLimitExceeded(OSError):
    """More bytes came over the wire than an answer within its limit can need."""


class HeadTooLarge(OSError):
    """The head of an answer, or its trailers, are too large."""


@dataclass(frozen=True, slots=True)
class ResponseLimits:
    """Limits of one answer.

    Parameters
    ----------
    deadline : float
        Time by `time.monotonic` at which it must be complete.
    most : float
        Largest number of bytes on the wire after its head.
    rate, window : float
        Lowest rate in bytes per second, and the seconds of waiting over which it is measured.
    """

    deadline: float = math.inf
    most: float = math.inf
    rate: float = 0.0
    window: float = math.inf

    @classmethod
    def of(cls, limits: Limits, deadline: float, most: int) -> Self:
        """Return the limits of an answer of `most` bytes, with a margin for chunk sizes."""
        return cls(deadline, 2 * most + _MAX_HEAD, limits.rate, limits.rate_window)


@contextlib.contextmanager
def limit_responses(limits: ResponseLimits) -> Iterator[None]:
    """Set the limits of the answer to a request that begins in this block, in this thread."""
    _state.is_sent = False
    before = _state.limits
    _state.limits = limits
    try:
        yield
    finally:
        _state.limits = before


class CancelScope:
    """Cancels the answers that begin in a block; several threads may enter the same scope.

    Parameters
    ----------
    repeats : bool, default True
        Whether reads in the block are repeated after errors that may pass.

    Examples
    --------
    >>> scope = CancelScope()
    >>> with scope:
    ...     pass  # requests
    >>> scope.cancel()
    """

    def __init__(self, *, repeats: bool = True) -> None:
        self.repeats = repeats
        self._sockets: set[Any] = set()
        self._canceled = threading.Event()

    def __enter__(self) -> Self:
        _state.scopes.append(self)
        return self

    def __exit__(self, *_: object) -> None:
        _state.scopes.pop()

    @property
    def is_canceled(self) -> bool:
        """Whether it was canceled."""
        return self._canceled.is_set()

    def pause(self, seconds: float) -> None:
        """Sleep, until it is canceled."""
        self._canceled.wait(seconds)

    def cancel(self) -> None:
        """End every answer under way with an error, and every later one; reads are not repeated."""
        self._canceled.set()
        for sock in list(self._sockets):
            _shut_down(sock)

    def add(self, sock: Any) -> None:
        """Add the socket of an answer that begins."""
        self._sockets.add(sock)
        if self._canceled.is_set():
            _shut_down(sock)

    def remove(self, sock: Any) -> None:
        """Remove a socket: its answer has ended, and the connection may serve others."""
        self._sockets.discard(sock)


_state = _ThreadState()


def current_scope() -> CancelScope | None:
    """Return the innermost scope of this thread."""
    return _state.scopes[-1] if _state.scopes else None


def _shut_down(sock: Any) -> None:
    with contextlib.suppress(OSError):  # it may have ended in this moment
        sock.shutdown(socket.SHUT_RD)


class Adapter(HTTPAdapter):
    """The adapter of requests, with answers that keep to their limits."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        _patch(self.poolmanager)

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(*args, **kwargs)
        _patch(manager)
        return manager


def _patch(manager: Any) -> None:
    kinds = manager.pool_classes_by_scheme
    manager.pool_classes_by_scheme = {scheme: _patched(kind) for scheme, kind in kinds.items()}


@functools.cache
def _patched(kind: type) -> type:
    """Return the same class of pool, whose connections read limited answers."""
    return kind if issubclass(kind, _Pool) else type(f"Limited{kind.__name__}", (_Pool, kind), {})


class _Pool:
    def _new_conn(self) -> Any:
        connection = super()._new_conn()  # type: ignore[misc]
        connection.response_class = _LimitedAnswer
        if isinstance(connection, http.client.HTTPConnection):
            kind: Any = type(connection)
            connection.__class__ = _watched(kind)
        else:  # a recorder's, such as that of vcrpy
            _state.is_sent = True
        return connection


def was_sent() -> bool:
    """Whether anything of the present request of this thread was sent to the server."""
    return _state.is_sent


@functools.cache
def _watched(kind: type) -> type:
    """Return the same class of connection, which notes when a request begins to be sent."""
    return type(kind.__name__, (_Connection, kind), {})


class _Connection:
    sock: Any

    def connect(self) -> None:
        try:
            super().connect()  # type: ignore[misc]
        finally:
            _state.is_sent = False  # what was sent until here asked a proxy for a connection

    def send(self, data: Any) -> None:
        if self.sock is None:
            self.connect()
        _state.is_sent = True
        super().send(data)  # type: ignore[misc]


class _LimitedAnswer(Answer):
    def __init__(self, sock: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self._limits = _state.limits
        self._sock = sock
        self._socket = _LimitedSocket(self.fp.detach(), sock, self._limits, _state.scopes[-1:])
        self.fp = io.BufferedReader(self._socket)

    def begin(self) -> None:
        super().begin()
        self._socket.expect(self._limits.most, WireLimitExceeded)

    def _close_conn(self) -> None:
        """End the answer; a connection on which more than it came is not used again."""
        self._socket.is_over = True
        if self.fp.peek():
            _shut_down(self._sock)
        super()._close_conn()  # type: ignore[misc]

    def _read_and_discard_trailer(self) -> None:
        left = self._socket.left
        self._socket.expect(_MAX_HEAD, HeadTooLarge)
        super()._read_and_discard_trailer()  # type: ignore[misc]
        self._socket.expect(left, WireLimitExceeded)


class _LimitedSocket(io.RawIOBase):
    """Reads a socket within the limits of one answer."""

    def __init__(
        self, raw: io.RawIOBase, sock: Any, limits: ResponseLimits, scopes: list[CancelScope]
    ) -> None:
        self._raw = raw
        self._scopes = scopes
        for scope in scopes:
            scope.add(sock)
        self._sock = sock
        self._timeout: float = math.inf if sock.gettimeout() is None else sock.gettimeout()
        self._limits = limits
        self._waited = 0.0
        self._received = 0
        self.is_over = False
        """Whether the answer has ended: nothing more is read."""
        self.left: float = _MAX_HEAD
        self._error: type[OSError] = HeadTooLarge

    def expect(self, most: float, error: type[OSError]) -> None:
        """Allow so many bytes from now on; more of them are this error."""
        self.left, self._error = most, error

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if self.is_over:
            return None
        started = time.monotonic()
        remaining = self._limits.deadline - started
        if remaining <= 0:
            raise DeadlineExceeded("The deadline has passed.")
        is_last = remaining < self._timeout
        if is_last:
            self._sock.settimeout(remaining)
        try:
            count = self._raw.readinto(buffer)
        except TimeoutError as error:
            raise DeadlineExceeded("The deadline has passed.") if is_last else error from None
        finally:
            # A single long pause must not count as a low rate: it has the time-out of the socket.
            self._waited += min(time.monotonic() - started, self._limits.window / _PAUSE_SHARE)
        self.left -= count or 0
        if self.left < 0:
            raise self._error(f"More than {size(_MAX_HEAD)} came.")
        self._received += count or 0
        if count and self._waited >= self._limits.window:
            if self._received < self._limits.rate * self._waited:
                raise StalledError("The answer comes too slowly.")
            self._waited, self._received = 0.0, 0
        return count

    def close(self) -> None:
        if not self.closed:
            for scope in self._scopes:
                scope.remove(self._sock)
            self._raw.close()
        super().close()
