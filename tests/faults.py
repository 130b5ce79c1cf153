"""A real HTTP server on the loopback that answers, or fails, exactly as scripted.

A script is a list of answers, consumed in order while the last one repeats; a function from a `Request`
to an `Answer`; or a mapping from ``"GET /path"``, ``"/path"`` or ``"*"`` to either::

    with serve({"/api/v1/builds": [reset(), json([])], "*": vendor(404)}) as server:
        ...
    assert len(server.to("/api/v1/builds")) == 2

Every connection has its thread, every thread ends before `serve` is left, and what a script raises is
raised there.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import email.utils
import gzip
import http
import http.client
import json as jsonlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, BinaryIO, Literal
from urllib.parse import parse_qsl, urlsplit

from mkframe.schema import AUTHENTICATION, ERROR_NAMES

API = "/api/v1"


@dataclass(frozen=True)
class Request:
    """What arrived; the names of `headers` are lower case."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    connection: int
    """Number of the connection it came on, from 1."""

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.target).query, keep_blank_values=True))

    @property
    def json(self) -> Any:
        return jsonlib.loads(self.body)


@dataclass(frozen=True)
class Answer:
    """What is sent, how, and what becomes of the connection."""

    status: int | None = 200
    """None: not one byte is sent."""
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    latency: float = 0.0
    """Seconds before the first byte."""
    framing: Literal["length", "chunked", "close"] = "length"
    claimed: int | None = None
    """Content-Length to tell where it is not the true one."""
    cut: int | None = None
    """Bytes of the framed body that are sent before `end`; None: all."""
    piece: int = 1 << 16
    pause: float = 0.0
    """Seconds between two pieces of the body."""
    end: Literal["keep", "close", "reset", "hang"] = "keep"
    reads_body: bool = True
    """Whether the body of the request is read first."""

    def head(self) -> bytes:
        length = len(self.body) if self.claimed is None else self.claimed
        framing = {"length": {"Content-Length": str(length)}, "chunked": {"Transfer-Encoding": "chunked"}}
        lines = {**framing.get(self.framing, {"Connection": "close"}), **self.headers}
        reason = http.client.responses.get(self.status or 0, "Unknown")
        text = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        return f"HTTP/1.1 {self.status} {reason}\r\n{text}\r\n".encode("latin-1")

    def framed(self) -> bytes:
        """The body as it goes over the wire."""
        if self.framing != "chunked":
            return self.body[: self.cut]
        parts = [self.body[i : i + self.piece] for i in range(0, len(self.body), self.piece)]
        return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in [*parts, b""])[: self.cut]


Script = Callable[[Request], Answer] | Answer | Sequence[Answer] | Mapping[str, Any]

# --- whole answers ----------------------------------------------------------------------------------


def json(value: Any, status: int = 200, **how: Any) -> Answer:
    return content(jsonlib.dumps(value).encode(), "application/json", status=status, **how)


def content(body: bytes, type: str, *, headers: Mapping[str, str] | None = None, **how: Any) -> Answer:
    return Answer(body=body, headers={"Content-Type": type, **(headers or {})}, **how)


def file(body: bytes, name: str = "artifact.zip", **how: Any) -> Answer:
    """A download, with the name in Content-Disposition."""
    headers = {"Content-Disposition": f'attachment; filename="{name}"', **how.pop("headers", {})}
    return content(body, "application/zip", headers=headers, **how)


def html(status: int = 200, text: str = "<html><body>Sign in to the proxy</body></html>") -> Answer:
    return content(text.encode(), "text/html; charset=utf-8", status=status)


def vendor_body(status: int, message: str) -> dict[str, Any]:
    """The documented error body."""
    return {"name": ERROR_NAMES.get(status, "GeneralError"), "message": message, "code": status}


def vendor(status: int, message: str = "Something the server says", **how: Any) -> Answer:
    return json(vendor_body(status, message), status=status, **how)


def unauthenticated() -> Answer:
    return vendor(401, "Not authenticated")


def later(status: int, after: float | dt.datetime | str) -> Answer:
    """429 or 503 with Retry-After in seconds, as an HTTP date, or as it is given."""
    is_date = isinstance(after, dt.datetime)
    value = email.utils.format_datetime(after, usegmt=True) if is_date else f"{after}"
    return vendor(status, "Too busy", headers={"Retry-After": value})


def token(word: str, mail: str = "ada@example.org") -> Answer:
    """A login that succeeds, with the documented body."""
    proof = {"strategy": "local", "accessToken": word}
    return json({"accessToken": word, "authentication": proof, "user": {"id": 1, "email": mail}}, 201)


def redirect(location: str, status: int = 302) -> Answer:
    return Answer(status, headers={"Location": location})


def zipped(answer: Answer) -> Answer:
    """The same answer, compressed."""
    headers = {**answer.headers, "Content-Encoding": "gzip"}
    return replace(answer, body=gzip.compress(answer.body), headers=headers)


# --- faults -----------------------------------------------------------------------------------------


def reset(*, reads_body: bool = True) -> Answer:
    """RST instead of an answer, after the request was read or with its body unread."""
    return Answer(None, end="reset", reads_body=reads_body)


def closed() -> Answer:
    """The connection is closed in good order, without an answer."""
    return Answer(None, end="close")


def silence() -> Answer:
    """Nothing, until the client gives up."""
    return Answer(None, end="hang")


def cut(answer: Answer, end: Literal["close", "reset", "hang"] = "close") -> Answer:
    """Half of the body and no more; the head promises all of it."""
    return replace(answer, cut=len(answer.framed()) // 2, claimed=len(answer.body), end=end)


def overclaimed(answer: Answer, by: int = 100) -> Answer:
    """The whole body, but Content-Length promises more."""
    return replace(answer, claimed=len(answer.body) + by, end="close")


def chunked(answer: Answer, piece: int = 1 << 16) -> Answer:
    return replace(answer, framing="chunked", piece=piece)


def drip(answer: Answer, pause: float, piece: int = 1) -> Answer:
    """The body, `piece` bytes at a time with a pause between."""
    return replace(answer, pause=pause, piece=piece)


def broken_gzip(answer: Answer) -> Answer:
    """Compressed, whole by its length, and damaged in the middle."""
    whole = zipped(answer)
    middle = len(whole.body) // 2
    return replace(whole, body=whole.body[:middle] + b"\xff" * 8 + whole.body[middle + 8 :])


# --- the server -------------------------------------------------------------------------------------


class Server:
    """See `serve`."""

    def __init__(self, script: Script, on_accept: Callable[[int], Answer | None] | None) -> None:
        self.requests: list[Request] = []
        self.connections = 0
        """How many connections were accepted so far."""
        self.failures: list[BaseException] = []
        self._choose = _chooser(script)
        self._on_accept = on_accept or (lambda number: None)
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.api = self.url + API
        """Base URL for settings."""
        self._acceptor = threading.Thread(target=self._accept, name="faults")
        self._acceptor.start()

    def to(self, path: str, method: str | None = None) -> list[Request]:
        """The requests to one path so far."""
        return [r for r in self.requests if r.path == path and method in (None, r.method)]

    @property
    def open(self) -> int:
        """How many connections stand now."""
        return len(self._open)

    def stop(self) -> None:
        self._stop.set()
        # A connection of our own wakes the acceptor on every platform.
        with contextlib.suppress(OSError), socket.create_connection(self._listener.getsockname(), 1):
            pass
        self._acceptor.join()
        self._listener.close()
        with self._lock:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            if self._stop.is_set():
                connection.close()
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self.connections += 1
                self._open.add(connection)
            thread = threading.Thread(target=self._serve, args=(connection, self.connections), name="faults")
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket, number: int) -> None:
        stream = connection.makefile("rb")
        try:
            greeting = self._on_accept(number)
            goes_on = greeting is None or self._carry_out(greeting, connection, head_only=False)
            while goes_on and (request := self._read(stream, number)):
                goes_on = self._answer(request, connection, stream)
        except OSError:
            pass  # The client is gone: nobody is left to be told.
        except BaseException as error:
            self.failures.append(error)
        finally:
            stream.close()
            with self._lock:
                self._open.discard(connection)
                connection.close()

    def _read(self, stream: BinaryIO, number: int) -> Request | None:
        line = stream.readline().decode("latin-1").split()
        if len(line) < 2:
            return None
        headers = {name.lower(): value for name, value in http.client.parse_headers(stream).items()}
        return Request(line[0], line[1], headers, b"", number)

    def _answer(self, request: Request, connection: socket.socket, stream: BinaryIO) -> bool:
        """Whether the connection goes on."""
        with self._lock:
            position = len(self.requests)
            self.requests.append(request)
        if self._choose.needs_body or request.method != "GET":
            pass
        answer, request = self._choose(request, lambda: stream.read(int(request.headers.get("content-length", 0))))
        self.requests[position] = request
        return self._carry_out(answer, connection, head_only=request.method == "HEAD")
