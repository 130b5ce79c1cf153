"""uvicorn, quiet: no signal handlers, no logging set up, connections closed at once when it stops."""

from __future__ import annotations

from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol


class _Protocol(H11Protocol):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.access_log = False


class _Config(uvicorn.Config):
    def configure_logging(self) -> None:
        """Leave the process's logging alone: uvicorn would replace handlers of its loggers."""


def make_server(app: Any) -> uvicorn.Server:
    """Make a server that runs in a thread of its own."""
    config = _Config(
        app, http=_Protocol, ws="none", loop="asyncio", lifespan="off", server_header=False,
        timeout_keep_alive=60, timeout_graceful_shutdown=1,
    )  # fmt: skip
    return uvicorn.Server(config)
