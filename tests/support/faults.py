"""A real HTTP server on the loopback that answers, or fails, exactly as scripted.

A script is a list of answers, consumed in order while the last one repeats; a function from a `Request`
to an `Answer`; or a mapping from ``"GET /path"``, ``"/path"`` or ``"*"`` to either::

    with serve({"/api/v1/builds": [reset(), reply([])], "*": vendor(404)}) as server:
        ...
    assert len(server.to("/api/v1/builds")) == 2

Every connection has its thread, every thread ends before `serve` is left, and what a script raises is
raised there. `reset`, `closed` and `silence` come after the request was read; `on_accept` is for before.
A server can also begin by refusing connections, or by letting them hang, until `Server.open`.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import email.utils
import gzip
import http.client
import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, BinaryIO, Literal
from urllib.parse import parse_qsl, urlsplit

from mkframe.schema import ERROR_NAMES

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

    def json(self) -> Any:
        """The body, read as JSON."""
        return json.loads(self.body)


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
    slow_head: bool = False
    """Whether the head comes in pieces, too."""
    late: bytes = b""
    """Bytes that follow once the client has asked again on the same connection, or closed it."""
    end: Literal["keep", "close", "reset", "hang"] = "keep"

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


def reply(value: Any, status: int = 200, **how: Any) -> Answer:
    """JSON, as the API answers."""
    return content(json.dumps(value).encode(), "application/json", status=status, **how)


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
    return reply(vendor_body(status, message), status=status, **how)


def unauthenticated() -> Answer:
    return vendor(401, "Not authenticated")


def later(status: int, after: float | dt.datetime | str) -> Answer:
    """429 or 503 with Retry-After in seconds, as an HTTP date, or as it is given."""
    value = email.utils.format_datetime(after, usegmt=True) if isinstance(after, dt.datetime) else f"{after}"
    return vendor(status, "Too busy", headers={"Retry-After": value})


def token(word: str, mail: str = "ada@example.org") -> Answer:
    """A login that succeeds, with the documented body."""
    proof = {"strategy": "local", "accessToken": word}
    return reply({"accessToken": word, "authentication": proof, "user": {"id": 1, "email": mail}}, 201)


def redirect(location: str, status: int = 302) -> Answer:
    return Answer(status, headers={"Location": location})


def zipped(answer: Answer) -> Answer:
    """The same answer, compressed."""
    headers = {**answer.headers, "Content-Encoding": "gzip"}
    return replace(answer, body=gzip.compress(answer.body), headers=headers)


def bare(content: bytes) -> Answer:
    """Bytes that are sent as they are, and then the connection is closed."""
    return _Bare(body=content, end="close")


class _Bare(Answer):
    def head(self) -> bytes:
        return b""


def after_interim(answer: Answer, *heads: bytes, pause: float = 0.0) -> Answer:
    """The same answer, after answers with status 1xx and a pause."""
    interim = b"".join(b"HTTP/1.1 " + head + b"\r\n\r\n" for head in heads)
    return _AfterInterim(**{**vars(answer), "latency": pause}, interim=interim)


@dataclass(frozen=True)
class _AfterInterim(Answer):
    interim: bytes = b""


# --- faults -----------------------------------------------------------------------------------------


def reset() -> Answer:
    """RST instead of an answer; as `on_accept`, before the request is read."""
    return Answer(None, end="reset")


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


def drip(answer: Answer, pause: float, piece: int = 1, *, head: bool = False) -> Answer:
    """The body, and where asked for the head, `piece` bytes at a time with a pause between."""
    return replace(answer, pause=pause, piece=piece, slow_head=head)


def broken_gzip(answer: Answer) -> Answer:
    """Compressed, whole by its length, and damaged in the middle."""
    whole = zipped(answer)
    middle = len(whole.body) // 2
    return replace(whole, body=whole.body[:middle] + b"\xff" * 8 + whole.body[middle + 8 :])


def unfinished_gzip(answer: Answer) -> Answer:
    """Compressed, whole by its length, and without its end."""
    whole = zipped(answer)
    return replace(whole, body=whole.body[: len(whole.body) // 2])


# --- the server -------------------------------------------------------------------------------------


class Server:
    """See `serve`."""

    def __init__(
        self, script: Script, on_accept: Callable[[int], Answer | None], door: Door = "open"
    ) -> None:
        self.requests: list[Request] = []
        self.connections = 0
        """How many connections were accepted so far."""
        self.failures: list[Exception] = []
        self._choose = _chooser(script)
        self._on_accept = on_accept
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._waiting: list[socket.socket] = []
        self._listener = _bound(door, self._waiting)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.api = self.url + API
        """Base URL, for settings."""
        self._acceptor: threading.Thread | None = None
        if door == "open":
            self.open()

    def open(self) -> None:
        """Accept connections from now on."""
        if self._acceptor is None:
            self._listener.listen(128)
            _close_all(self._waiting)
            self._acceptor = threading.Thread(target=self._accept, name="faults")
            self._acceptor.start()

    def forget(self) -> None:
        """Let go of the requests so far, where there are many."""
        with self._lock:
            self.requests.clear()

    def to(self, path: str, method: str | None = None) -> list[Request]:
        """The requests to one path so far; `path` as it stands below the host."""
        return [r for r in self.requests if r.path == path and method in (None, r.method)]

    @property
    def open_connections(self) -> int:
        return len(self._open)

    def stop(self) -> None:
        self._stopping.set()
        if self._acceptor is not None:
            # A connection of our own wakes the acceptor on every platform.
            with contextlib.suppress(OSError), socket.create_connection(self._listener.getsockname(), 1):
                pass
            self._acceptor.join()
        _close_all([self._listener, *self._waiting])
        with self._lock:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            if self._stopping.is_set():
                connection.close()
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.connections += 1
            with self._lock:
                self._open.add(connection)
            thread = threading.Thread(target=self._serve, args=(connection, self.connections), name="faults")
            self._threads = [t for t in self._threads if t.is_alive()] + [thread]
            thread.start()

    def _serve(self, connection: socket.socket, number: int) -> None:
        stream = connection.makefile("rb")
        try:
            greeting = self._on_accept(number)
            if greeting is not None and greeting.end == "reset":
                # Not before something was sent: else the client may not even see a connection.
                connection.recv(1, socket.MSG_PEEK)
            goes_on = greeting is None or self._send(greeting, connection)
            while goes_on and (request := _read(stream, number)):
                with self._lock:
                    self.requests.append(request)
                    answer = self._choose(request)
                goes_on = self._send(answer, connection, has_body=request.method != "HEAD")
        except OSError:
            pass  # The client is gone: nobody is left to be told.
        except Exception as error:
            self.failures.append(error)
        finally:
            stream.close()
            with self._lock:
                self._open.discard(connection)
                connection.close()

    def _send(self, answer: Answer, connection: socket.socket, *, has_body: bool = True) -> bool:
        """Whether the connection goes on."""
        if isinstance(answer, _AfterInterim):
            connection.sendall(answer.interim)
        self._stopping.wait(answer.latency)
        if answer.status is not None:
            self._send_body(answer, connection, answer.framed() if has_body else b"")
        if answer.late:
            connection.recv(1, socket.MSG_PEEK)
            connection.sendall(answer.late)
            return False
        if answer.end == "hang":
            # Ends when the client gives up or the server stops.
            connection.recv(1)
        if answer.end == "reset":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return answer.end == "keep" and answer.framing != "close" and not self._stopping.is_set()

    def _send_body(self, answer: Answer, connection: socket.socket, body: bytes) -> None:
        if answer.slow_head:
            body = answer.head() + body
        else:
            connection.sendall(answer.head() + (b"" if answer.pause else body))
        if not answer.pause:
            return
        for start in range(0, len(body), answer.piece):
            connection.sendall(body[start : start + answer.piece])
            if self._stopping.wait(answer.pause):
                return


def _read(stream: BinaryIO, connection: int) -> Request | None:
    """The next request, or None where the client has closed."""
    line = stream.readline().decode("latin-1").split()
    if len(line) != 3:
        return None
    headers = {name.lower(): value for name, value in http.client.parse_headers(stream).items()}
    body = stream.read(int(headers.get("content-length", 0)))
    return Request(line[0], line[1], headers, body, connection)


def _chooser(script: Script) -> Callable[[Request], Answer]:
    if isinstance(script, Answer):
        return lambda request: script
    if callable(script):
        return script
    if isinstance(script, Mapping):
        choosers = {where: _chooser(part) for where, part in script.items()}
        unknown = _chooser(vendor(404, "No script for this path"))

        def by_path(request: Request) -> Answer:
            keys = (f"{request.method} {request.path}", request.path, "*")
            return next((choosers[key] for key in keys if key in choosers), unknown)(request)

        return by_path
    answers = list(script)
    return lambda request: answers.pop(0) if len(answers) > 1 else answers[0]


Door = Literal["open", "refusing", "deaf"]


def _bound(door: Door, waiting: list[socket.socket]) -> socket.socket:
    """A socket that has its port; a deaf one has a full queue, so a connection neither stands nor fails."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", 0))
    if door == "deaf":
        listener.listen(0)
        for _ in range(4):
            waiting.append(socket.socket())
            waiting[-1].setblocking(False)
            waiting[-1].connect_ex(listener.getsockname())
    return listener


def _close_all(sockets: Sequence[socket.socket]) -> None:
    for each in sockets:
        each.close()


@contextlib.contextmanager
def serve(
    script: Script, *, on_accept: Callable[[int], Answer | None] | None = None, door: Door = "open"
) -> Iterator[Server]:
    """Serve a script until the block is left.

    Parameters
    ----------
    script : callable, Answer, list of Answer or mapping
        See the top of the module. It is called by one thread at a time.
    on_accept : callable, optional
        Number of the connection, from 1, to an answer that is carried out before anything is read, or
        None; ``Answer(None, latency=0.2)`` is a server that is slow to begin.
    door : str
        What a connection meets until `Server.open` is called: ``"open"``, ``"refusing"`` or ``"deaf"``.

    Yields
    ------
    Server
        With `url`, `api`, `requests`, `to(path)`, `connections` and `open_connections`.
    """
    server = Server(script, on_accept or (lambda number: None), door)
    try:
        yield server
    finally:
        server.stop()
    if server.failures:
        raise server.failures[0]


@contextlib.contextmanager
def nobody_listens() -> Iterator[str]:
    """Base URL of a port that is held and refuses every connection."""
    with serve([], door="refusing") as server:
        yield server.api


@contextlib.contextmanager
def nobody_accepts() -> Iterator[str]:
    """Base URL of a port whose queue is full: a connection neither stands nor fails."""
    with serve([], door="deaf") as server:
        yield server.api
