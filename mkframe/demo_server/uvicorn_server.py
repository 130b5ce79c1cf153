"""uvicorn, quiet: no signal handlers, no logging set up, connections closed at once when it stops.

What is no HTTP at all is answered with the vendor's error body too, and whoever says nothing for a minute is
hung up on.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from mkframe.demo_server import responses

_PATIENCE = 60
"""Seconds without a word after which a connection is closed."""
_PIECE = 16_384
"""Bytes that are read at once, since only a head that is not yet whole has a longest length."""


class _Protocol(H11Protocol):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.access_log = False
        self.logger = _log()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._wait_a_while()

    def data_received(self, data: bytes) -> None:
        for start in range(0, len(data), _PIECE):
            if self.transport.is_closing():
                return
            super().data_received(data[start : start + _PIECE])
        if self.conn.their_state is h11.IDLE:  # the head of a request is not complete
            self._wait_a_while()

    def _wait_a_while(self) -> None:
        self._unset_keepalive_if_required()
        self.timeout_keep_alive_task = self.loop.call_later(
            self.timeout_keep_alive, self.timeout_keep_alive_handler
        )

    def _unsupported_upgrade_warning(self) -> None:
        """Say nothing: a request to upgrade is answered as if it were none."""

    def send_400_response(self, msg: str) -> None:
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            answer = responses.error_response(400, "The request is not valid HTTP", {"Connection": "close"})
            head = h11.Response(status_code=400, headers=answer.raw_headers, reason=b"Bad Request")
            for event in (head, h11.Data(data=bytes(answer.body)), h11.EndOfMessage()):
                self.transport.write(self.conn.send(event) or b"")
        # else nonsense follows a request that has its answer already
        self.transport.close()


def _log() -> logging.Logger:
    """Return a logger that tells the server's own errors; a client's nonsense is not worth a word."""
    log = logging.getLogger("mkframe.demo_server")
    if log.level == logging.NOTSET:
        log.setLevel(logging.ERROR)
    log.addFilter(_is_a_fault)
    return log


def _is_a_fault(record: logging.LogRecord) -> bool:
    """Whether something went wrong; a server that is closed breaks off what is under way."""
    return not (record.exc_info and isinstance(record.exc_info[1], asyncio.CancelledError))


class _Config(uvicorn.Config):
    def configure_logging(self) -> None:
        """Leave the process's logging alone: uvicorn would replace handlers of its loggers."""


def make_server(app: Any) -> uvicorn.Server:
    """Make a server that runs in a thread of its own.

    The loop is named since Windows has another one, which keeps Nagle's delay of 40 ms and ends to listen
    when a client gives up at a bad moment.
    """
    config = _Config(
        app, http=_Protocol, ws="none", loop="asyncio:SelectorEventLoop", lifespan="off", server_header=False,
        timeout_keep_alive=_PATIENCE, timeout_graceful_shutdown=1,
    )  # fmt: skip
    return uvicorn.Server(config)
