"""A server that sends without end, or next to nothing, gets one error, and soon."""

import contextlib
import gzip
import json
import socket
import threading
import time
import zlib

import pytest

from mkframe import errors
from mkframe._http import Transport
from mkframe._http import errors as http_errors
from mkframe._http.errors import iter_body
from mkframe.limits import Limits
from mkframe.schema import AUTHENTICATION
from mkframe.settings import Secret, Settings
from tests.support import faults
from tests.support.rows import rows

ROWS = rows("builds", 3)
WHOLE = faults.reply(ROWS)
SMALL = Limits(login=1000, row=2000, query=3000, find=4000, file=5000)
KINDS = {"row": 2000, "query": 3000, "find": 4000}
LOGIN = {"token": None, "email": "ada@example.org", "password": Secret("open sesame")}


def read(chunks):
    return json.loads(b"".join(chunks))


@contextlib.contextmanager
def connected(url, **changes):
    quick = {
        "max_attempts": 3,
        "max_retry_wait": 0.02,
        "read_timeout": 5.0,
        "limits": SMALL,
        "token": Secret("a-token"),
    }
    transport = Transport(Settings(url, **{**quick, **changes}))
    try:
        yield transport
    finally:
        transport.close()


def failure(act):
    with pytest.raises(errors.MkframeError) as caught:
        act()
    return caught.value


def spaces(count, **how):
    return faults.content(b" " * count, "application/json", **how)


# --- bytes --------------------------------------------------------------------------------------------

WAYS = {
    "announced": lambda answer: answer,
    "chunked": lambda answer: faults.chunked(answer, piece=300),
    "until closed": lambda answer: faults.replace(answer, framing="close"),
    "gzip": faults.zipped,
    "chunked gzip": lambda answer: faults.chunked(faults.zipped(answer), piece=20),
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize(("kind", "most"), KINDS.items())
class TestEachKind:
    def test_answer_above_the_limit_is_not_retried(self, kind, most, way):
        with faults.serve(way(spaces(most + 1))) as server, connected(server.api) as transport:
            error = failure(lambda: transport.get("/builds", parse=b"".join, kind=kind))
            assert len(server.requests) == 1
        assert type(error) is errors.ResponseTooLargeError
        assert error.request == f"GET {server.api}/builds"
        assert error.message.startswith(f"GET {server.api}/builds answered, but: It is larger than")
        assert f"{most + 1:,} bytes" in error.message
        assert f"mk.Limits({kind}={2 * most})" in error.hint

    def test_answer_at_the_limit_is_read(self, kind, most, way):
        with faults.serve(way(spaces(most))) as server, connected(server.api) as transport:
            assert len(transport.get("/builds", parse=b"".join, kind=kind)) == most

    def test_write_with_a_large_answer_is_sent_once(self, kind, most, way):
        with faults.serve(way(spaces(most + 1))) as server, connected(server.api) as transport:
            error = failure(lambda: transport.post("/builds", {}, parse=b"".join, kind=kind))
            assert len(server.requests) == 1
        assert (type(error), error.request) == (errors.ResponseTooLargeError, f"POST {server.api}/builds")


def test_announced_length_alone_is_refused():
    claimed = faults.replace(WHOLE, claimed=10**9, end="hang")
    with faults.serve(claimed) as server, connected(server.api) as transport:
        error = failure(lambda: transport.get("/builds", parse=read))
    assert type(error) is errors.ResponseTooLargeError
    assert "announces 1,000,000,000 bytes" in error.message


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_login_with_a_large_answer_is_an_error(way):
    with faults.serve({AUTHENTICATION: way(spaces(1001))}) as server:
        with connected(server.api, **LOGIN) as transport:
            error = failure(lambda: transport.get("/builds", parse=read))
        assert len(server.requests) == 1
    assert type(error) is errors.ResponseTooLargeError
    assert "Limits(login=2000)" in error.hint


def test_gzip_bomb_is_decompressed_up_to_the_limit():
    came = []

    def count(chunks):
        came.extend(map(len, chunks))

    bomb = faults.zipped(spaces(50_000_000))
    with faults.serve(bomb) as server, connected(server.api, limits=Limits(row=1 << 20)) as transport:
        failure(lambda: transport.get("/builds", parse=count))
    assert sum(came) <= 1 << 20


@pytest.mark.parametrize(
    ("coding", "packed"),
    [
        ("deflate", zlib.compress(WHOLE.body)),
        ("br", WHOLE.body),
        ("zstd", WHOLE.body),
        ("gzip, gzip", gzip.compress(gzip.compress(WHOLE.body))),
        ("identity, gzip", gzip.compress(WHOLE.body)),
        ("\u00fc", WHOLE.body),
    ],
)
def test_compression_not_asked_for_is_an_error(coding, packed):
    answer = faults.content(packed, "application/json", headers={"Content-Encoding": coding})
    with faults.serve(answer) as server, connected(server.api, limits=Limits()) as transport:
        error = failure(lambda: transport.get("/builds", parse=read))
        assert len(server.requests) == 1
    assert type(error) is errors.InvalidResponseError
    assert "which was not asked for" in error.message
    assert error.request == f"GET {server.api}/builds"


@pytest.mark.parametrize("coding", ["identity", "", " GZIP "])
def test_compression_asked_for_is_read(coding):
    body = gzip.compress(WHOLE.body) if coding.strip() == "GZIP" else WHOLE.body
    answer = faults.content(body, "application/json", headers={"Content-Encoding": coding})
    with faults.serve(answer) as server, connected(server.api, limits=Limits()) as transport:
        assert transport.get("/builds", parse=read) == ROWS


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_body_of_a_redirect_is_not_read(status):
    bomb = faults.zipped(spaces(30_000_000, status=status, headers={"Location": "http://127.0.0.1:1/"}))
    half = faults.cut(bomb, "hang")  # whoever reads it all waits
    with faults.serve(half) as server, connected(server.api, read_timeout=60) as transport:
        started = time.monotonic()
        error = failure(lambda: transport.get("/builds", parse=read))
        assert time.monotonic() - started < 10
    assert type(error) is errors.RedirectError


@pytest.mark.parametrize("status", [400, 404, 500, 503])
def test_error_body_is_read_up_to_what_is_shown(status, monkeypatch):
    came = []

    def counted(response):
        for chunk in iter_body(response):
            came.append(len(chunk))
            yield chunk

    monkeypatch.setattr(http_errors, "iter_body", counted)
    bomb = faults.zipped(spaces(30_000_000, status=status))
    with faults.serve(bomb) as server, connected(server.api, max_attempts=1) as transport:
        error = failure(lambda: transport.get("/builds", parse=read))
    assert error.status == status
    assert 0 < sum(came) < 1 << 20


@pytest.mark.parametrize("depth", [300, 3000, 900_000])
@pytest.mark.parametrize("opening", [b"[", b'{"message":'], ids=["arrays", "objects"])
def test_deeply_nested_error_body_names_the_status(opening, depth):
    answer = faults.content(opening * depth, "application/json", status=400)
    with faults.serve(answer) as server, connected(server.api) as transport:
        error = failure(lambda: transport.get("/builds", parse=read))
    assert (type(error), error.status) == (errors.BadRequestError, 400)


@pytest.mark.parametrize("body", [b'{"accessToken":' + b"[" * 500, b"[" * 900, b'{"accessToken":' * 60])
def test_deeply_nested_login_is_an_mkframe_error(body):
    answer = faults.content(body, "application/json", status=201)
    with faults.serve({AUTHENTICATION: answer}) as server, connected(server.api, **LOGIN) as transport:
        assert type(failure(lambda: transport.get("/builds", parse=read))) is errors.InvalidResponseError


# --- what surrounds a body ----------------------------------------------------------------------------

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
ENDLESS = {
    "headers": (HEAD, b"X-A: b\r\n" * 100),
    "one header": (HEAD + b"X-A: ", b"a" * 10_000),
    "status line": (b"HTTP/1.1 200 ", b"a" * 10_000),
    "interim heads": (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000),
    "trailers": (CHUNKED + b"2\r\n[]\r\n0\r\n", b"X-A: b\r\n" * 1000),
    "one trailer": (CHUNKED + b"2\r\n[]\r\n0\r\nX-A: ", b"a" * 10_000),
    "extensions of chunks": (CHUNKED, b"1;" + b"e" * 50_000 + b"\r\n \r\n"),
}
NOTHING_IN_IT = {
    "name in a gzip header": (b"\x1f\x8b\x08\x08\0\0\0\0\0\x03", b"a" * 65536),
    "empty gzip parts": (b"", gzip.compress(b"") * 3000),
    "padding": (gzip.compress(b"[]"), b"\0" * 65536),
}
PACKED = HEAD + b"Content-Encoding: gzip\r\n\r\n"


@contextlib.contextmanager
def pouring(first, then, times=None):
    """A server that answers each request with `first`, and then with `then` again and again."""
    listening = socket.create_server(("127.0.0.1", 0))
    seen, threads = [], []

    def pour(connection):
        with contextlib.suppress(OSError), connection:
            seen.append(connection.recv(65536))
            connection.sendall(first)
            for _ in range(10**9 if times is None else times):
                connection.sendall(then)

    def accept():
        with contextlib.suppress(OSError):
            while True:
                thread = threading.Thread(target=pour, args=(listening.accept()[0],), daemon=True)
                threads.append(thread)
                thread.start()

    acceptor = threading.Thread(target=accept, daemon=True)
    acceptor.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}{faults.API}", seen
    finally:
        with contextlib.suppress(OSError):
            listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        for thread in (acceptor, *threads):
            thread.join(5)


@pytest.mark.timeout(30)
@pytest.mark.parametrize("what", ENDLESS)
@pytest.mark.parametrize("method", ["GET", "POST", "file"])
def test_endless_framing_is_an_error(what, method):
    is_no_answer = what == "interim heads"  # which a read asks for again, as after any broken connection
    with pouring(*ENDLESS[what]) as (url, seen), connected(url) as transport:
        error = failure(lambda: read_by(transport, method))
        repeats = is_no_answer and method == "GET"
        assert len(seen) == (transport.settings.max_attempts if repeats else 1)
    assert type(error) is (errors.ConnectionLostError if is_no_answer else errors.ResponseTooLargeError)
    assert error.hint
    assert error.request.startswith("POST" if method == "POST" else "GET")


def read_by(transport, method):
    if method == "POST":
        return transport.post("/builds", {}, parse=read)
    if method == "GET":
        return transport.get("/builds", parse=read)
    with transport.stream("/downloads/1") as stream:
        return b"".join(stream.chunks())


@pytest.mark.timeout(30)
@pytest.mark.parametrize(("first", "then"), NOTHING_IN_IT.values(), ids=NOTHING_IN_IT)
def test_endless_empty_gzip_is_an_error(first, then):
    limits = Limits(row=64 << 20)
    with (
        pouring(PACKED + first, then) as (url, _),
        connected(url, limits=limits, max_attempts=1) as transport,
    ):
        error = failure(lambda: transport.get("/builds", parse=read))
    assert type(error) is errors.ConnectionLostError
    assert "damaged" in error.message


def test_usual_trailers_and_interim_heads_are_read():
    first = b"HTTP/1.1 100 Continue\r\n\r\n" * 3 + CHUNKED + b"2\r\n[]\r\n0\r\nX-Sum: 5\r\n\r\n"
    with pouring(first, b"", 0) as (url, _), connected(url) as transport:
        assert transport.get("/builds", parse=read) == []


# --- lengths ------------------------------------------------------------------------------------------

NO_NUMBER = {
    "negative": b"-2",
    "signed": b"+2",
    "blank": b"",
    "of digits elsewhere": "\u0662".encode(),
    "superscript": b"\xb2",
    "in groups": b"1_0",
    "hexadecimal": b"0x2",
    "a fraction": b"2.0",
    "several": b"2, 3",
    "several, one of them signed": b"2, +2",
    "empty among several": b"2,",
    "of thousands of digits": b"9" * 5000,
    "of twenty digits": b"9" * 20,
    "of thousands of zeros": b"0" * 5000 + b"2",
    "words": b"two",
}
A_NUMBER = {"plain": b"2", "with zeros": b"002", "twice the same": b"2, 2", "spaced": b" 2 "}


@pytest.mark.parametrize("length", NO_NUMBER.values(), ids=NO_NUMBER)
@pytest.mark.parametrize("method", ["GET", "POST", "file"])
def test_invalid_content_length_is_an_error(length, method):
    first = HEAD + b"Content-Length: " + length + b"\r\n\r\n[]"
    with pouring(first, b"", 0) as (url, seen), connected(url, limits=Limits()) as transport:
        error = failure(lambda: read_by(transport, method))
        assert len(seen) == 1
    assert type(error) is errors.InvalidResponseError
    assert "ength" in error.message
    assert len(error.message) < 300
    assert error.request.startswith("POST" if method == "POST" else "GET")


def test_differing_content_lengths_are_an_error():
    first = HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n[]"
    with pouring(first, b"", 0) as (url, seen), connected(url) as transport:
        error = failure(lambda: transport.get("/builds", parse=read))
        assert len(seen) == 1
    assert type(error) is errors.InvalidResponseError
    assert "differ" in error.message


@pytest.mark.parametrize("length", A_NUMBER.values(), ids=A_NUMBER)
def test_valid_content_length_is_read(length):
    first = HEAD + b"Content-Length: " + length + b"\r\n\r\n[]"
    with pouring(first, b"", 0) as (url, _), connected(url) as transport:
        assert transport.get("/builds", parse=read) == []


def test_content_length_beside_chunks_is_ignored():
    first = CHUNKED.replace(b"Transfer", b"Content-Length: -7\r\nTransfer") + b"2\r\n[]\r\n0\r\n\r\n"
    with pouring(first, b"", 0) as (url, _), connected(url) as transport:
        assert transport.get("/builds", parse=read) == []


# --- rate ---------------------------------------------------------------------------------------------

HURRIED = Limits(rate=2000, rate_window=0.2)


@pytest.mark.parametrize("method", ["GET", "POST", "file"])
@pytest.mark.parametrize("head", [True, False])
def test_answer_below_the_lowest_rate_times_out(method, head):
    slow = faults.drip(faults.content(b"[" + b" " * 10_000, "application/json"), pause=0.01, head=head)
    with faults.serve(slow) as server, connected(server.api, limits=HURRIED) as transport:
        started = time.monotonic()
        error = failure(lambda: read_by(transport, method))
        assert time.monotonic() - started < 3
        assert len(server.requests) == 1
    assert type(error) is errors.RequestTimeoutError
    assert "less than 2000 bytes per second came over 0.2 s" in error.message
    assert "Limits(rate=" in error.hint


def test_answer_above_the_lowest_rate_is_read():
    slow = faults.drip(spaces(30_000), pause=0.01, piece=200)
    with faults.serve(slow) as server, connected(server.api, limits=HURRIED) as transport:
        assert len(transport.get("/builds", parse=b"".join)) == 30_000


def test_rate_of_zero_allows_any_rate():
    slow = faults.drip(spaces(100), pause=0.005)
    limits = Limits(rate=0, rate_window=0.01)
    with faults.serve(slow) as server, connected(server.api, limits=limits) as transport:
        assert len(transport.get("/builds", parse=b"".join)) == 100


def test_long_pause_does_not_count_as_low_rate():
    late = faults.replace(faults.drip(spaces(4000), pause=0.001, piece=400), latency=0.6)
    limits = Limits(rate=2000, rate_window=0.3)
    with faults.serve(late) as server, connected(server.api, limits=limits) as transport:
        assert len(transport.get("/builds", parse=b"".join, kind="find")) == 4000
