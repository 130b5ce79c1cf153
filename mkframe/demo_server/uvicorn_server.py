"""A uvicorn server without signal handlers and logging, whose connections are closed at once when it stops.

A request that is not valid HTTP is answered with the vendor's error body too. A connection on which nothing
arrives for a minute is closed.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Callable
from functools import partial
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from mkframe.demo_server import responses

_IDLE_SECONDS = 60
"""Seconds without data after which a connection is closed."""
_TURNS = 10
"""Turns of the loop after which a connection that was accepted has its protocol; asyncio takes three."""
_READ_BYTES = 16_384
"""Bytes given to h11 at once: it limits the head of a request only while that is incomplete."""


class _Protocol(H11Protocol):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.access_log = False
        self.logger = _logger()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._restart_idle_timer()

    def data_received(self, data: bytes) -> None:
        for start in range(0, len(data), _READ_BYTES):
            if self.transport.is_closing():
                return
            super().data_received(data[start : start + _READ_BYTES])
        if self.conn.their_state is h11.IDLE:  # the head of a request is not complete
            self._restart_idle_timer()

    def _restart_idle_timer(self) -> None:
        self._unset_keepalive_if_required()
        self.timeout_keep_alive_task = self.loop.call_later(
            self.timeout_keep_alive, self.timeout_keep_alive_handler
        )

    def _unsupported_upgrade_warning(self) -> None:
        """Do not warn: a request to upgrade is answered like any other."""

    def send_400_response(self, msg: str) -> None:
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            response = responses.error_response(400, "The request is not valid HTTP", {"Connection": "close"})
            head = h11.Response(status_code=400, headers=response.raw_headers, reason=b"Bad Request")
            for event in (head, h11.Data(data=bytes(response.body)), h11.EndOfMessage()):
                self.transport.write(self.conn.send(event) or b"")
        # else invalid data follows a request that has its response already
        self.transport.close()


def _logger() -> logging.Logger:
    """Return a logger of the server's own errors; invalid requests are not logged."""
    logger = logging.getLogger("mkframe.demo_server")
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.ERROR)
    logger.addFilter(_is_error)
    return logger


def _is_error(record: logging.LogRecord) -> bool:
    """Whether a record shows an error; a stopping server cancels its requests, which is none."""
    return not (record.exc_info and isinstance(record.exc_info[1], asyncio.CancelledError))


class _Config(uvicorn.Config):
    def configure_logging(self) -> None:
        """Leave the process's logging alone: uvicorn would replace handlers of its loggers."""


class _Server(uvicorn.Server):
    """A server that stops as soon as it is told; uvicorn looks ten times a second."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._wake: Callable[[], object] = lambda: None

    def stop(self) -> None:
        """Let the thread that serves go; may be called from any other thread."""
        self.should_exit = True
        with contextlib.suppress(RuntimeError):  # the loop has been closed already
            self._wake()

    async def main_loop(self) -> None:
        woken = asyncio.Event()
        self._wake = partial(asyncio.get_running_loop().call_soon_threadsafe, woken.set)
        while not await self.on_tick(0):  # writes the Date of the responses
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(woken.wait(), 1)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # A connection that has just been accepted is known after some turns of the loop. Were its listener
        # closed before, asyncio would leave it open.
        for sock in sockets or ():
            asyncio.get_running_loop().remove_reader(sock)
        for _ in range(_TURNS):
            await asyncio.sleep(0)
        for listener in [*self.servers, *(sockets or ())]:
            listener.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        deadline = self.config.timeout_graceful_shutdown or 0
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(deadline):
                while (self.server_state.connections or self.server_state.tasks) and not self.force_exit:
                    await asyncio.sleep(0.002)
        for task in self.server_state.tasks:
            task.cancel()


def make_server(app: Any) -> _Server:
    """Make a server that runs in a thread of its own.

    The loop is named because the default loop of Windows keeps Nagle's delay of 40 ms, and stops listening
    when a client disconnects at a bad moment.
    """
    config = _Config(
        app, http=_Protocol, ws="none", loop="asyncio:SelectorEventLoop", lifespan="off", server_header=False,
        date_header=False, timeout_keep_alive=_IDLE_SECONDS, timeout_graceful_shutdown=1,
    )  # fmt: skip
    return _Server(config)
