"""What is sent, how often, to whom, and what a person is told when it fails."""

import contextlib
import copy
import datetime as dt
import errno
import gzip
import json
import logging
import os
import pickle
import socket
import ssl
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
import trustme
import urllib3

from mkframe import errors
from mkframe._http import CancelScope, Transport
from mkframe._http.errors import error_from_exception
from mkframe.limits import Limits
from mkframe.schema import AUTHENTICATION
from mkframe.settings import Secret, Settings
from tests.support import faults
from tests.support.rows import rows

TOKEN = "canary-token-1f7a"
FRESH = "canary-fresh-93c2"
PASSWORD = "canary-password-5be0"
SECRETS = (TOKEN, FRESH, PASSWORD)
BUILDS = f"{faults.API}/builds"
ROWS = rows("builds", 3)
WHOLE = faults.reply(ROWS)


def read(chunks):
    return json.loads(b"".join(chunks))


@contextlib.contextmanager
def connected(url, **changes):
    """A transport that gives up quickly."""
    quick = {"max_attempts": 3, "max_retry_wait": 0.02, "connect_timeout": 2.0, "read_timeout": 5.0}
    credentials = {"token": Secret(TOKEN)}
    transport = Transport(Settings(url, **{**quick, **credentials, **changes}))
    try:
        yield transport
    finally:
        transport.close()


def login(**changes):
    return {"token": None, "email": "ada@example.org", "password": Secret(PASSWORD), **changes}


def bearers(server, path=BUILDS):
    return [request.headers.get("authorization") for request in server.to(path)]


def failure(transport, act=None):
    with pytest.raises(errors.MkframeError) as caught:
        (act or (lambda: transport.get("/builds", parse=read)))()
    return caught.value


# --- what is sent -----------------------------------------------------------------------------------


def test_read_sends_path_filters_and_headers():
    with faults.serve(WHOLE) as server, connected(server.api) as transport:
        assert transport.get("/builds", {"project": "Ü & co", "user_id": "1"}, parse=read) == ROWS
        (request,) = server.requests
    assert (request.method, request.path) == ("GET", BUILDS)
    assert request.query == {"project": "Ü & co", "user_id": "1"}
    assert request.body == b""
    sent = {name: request.headers[name] for name in ("authorization", "accept", "accept-encoding")}
    assert sent == {
        "authorization": f"Bearer {TOKEN}",
        "accept": "application/json",
        "accept-encoding": "gzip",
    }
    assert request.headers["user-agent"].startswith("mkframe/")


def test_write_sends_its_body_as_json():
    body = {"project": "DEMO_PROJECT", "instances": [{"id": 1}], "description": "Ünï"}
    with faults.serve(faults.reply({"build": {"id": 1}}, 201)) as server, connected(server.api) as transport:
        assert transport.post("/builds", body, parse=read) == {"build": {"id": 1}}
        (request,) = server.requests
    assert (request.method, request.path, request.json()) == ("POST", BUILDS, body)
    assert request.headers["content-type"] == "application/json"


def test_building_a_transport_sends_nothing():
    with faults.serve(WHOLE) as server, connected(server.api, **login()):
        assert server.connections == 0


@pytest.mark.parametrize(
    "answer",
    [
        WHOLE,
        faults.zipped(WHOLE),
        faults.chunked(WHOLE, piece=50),
        faults.chunked(faults.zipped(WHOLE), piece=50),
        faults.drip(WHOLE, pause=0.001, piece=500),
        faults.Answer(body=WHOLE.body, framing="close"),
        faults.reply(ROWS, 201),
    ],
    ids=["plain", "gzip", "chunked", "gzip chunked", "drip", "until closed", "201"],
)
def test_whole_answer_is_read(answer):
    with faults.serve(answer) as server, connected(server.api) as transport:
        assert transport.get("/builds", parse=read) == ROWS


PACKED = {
    "one": gzip.compress(WHOLE.body),
    "two members": gzip.compress(WHOLE.body[:100]) + gzip.compress(WHOLE.body[100:]),
    "padded": gzip.compress(WHOLE.body) + b"\0" * 512,
}


@pytest.mark.parametrize("name", ["gzip", "X-GZip"])
@pytest.mark.parametrize("packed", PACKED.values(), ids=PACKED)
@pytest.mark.parametrize("piece", [1, 1 << 16])
def test_gzip_answer_is_read_to_its_end(packed, name, piece):
    answer = faults.content(packed, "application/json", headers={"Content-Encoding": name})
    dripping = faults.drip(faults.chunked(answer, piece=7), pause=1e-9, piece=piece)
    with faults.serve(dripping) as server, connected(server.api) as transport:
        assert transport.get("/builds", parse=read) == ROWS
        with transport.stream("/downloads/1") as stream:
            assert b"".join(stream.chunks()) == WHOLE.body


def test_gzip_answer_comes_in_bounded_chunks():
    large = faults.zipped(faults.content(b" " * 3_000_000, "application/json"))
    with faults.serve(large) as server, connected(server.api) as transport:
        pieces = transport.get("/builds", parse=lambda chunks: [len(chunk) for chunk in chunks])
    assert sum(pieces) == 3_000_000
    assert max(pieces) <= 1 << 18


def test_gzip_answer_without_bytes_is_empty():
    nothing = faults.content(b"", "application/json", headers={"Content-Encoding": "gzip"})
    with faults.serve(nothing) as server, connected(server.api) as transport:
        assert transport.get("/builds", parse=b"".join) == b""


def test_gzip_file_without_its_end_is_an_error():
    with (
        faults.serve(faults.unfinished_gzip(faults.file(os.urandom(1000)))) as server,
        connected(server.api) as transport,
        transport.stream("/downloads/1") as stream,
        pytest.raises(errors.ConnectionLostError, match="damaged"),
    ):
        list(stream.chunks())


def test_answer_is_parsed_while_it_arrives():
    with faults.serve(faults.cut(WHOLE, "hang")) as server, connected(server.api) as transport:
        first = transport.get("/builds", parse=lambda chunks: next(iter(chunks)))
    assert WHOLE.body.startswith(first)


@pytest.mark.parametrize("piece", [1, 1 << 16])
def test_byte_order_mark_is_skipped(piece):
    def answer(request):
        value = json.loads(faults.token(FRESH).body) if request.path == AUTHENTICATION else ROWS
        marked = b"\xef\xbb\xbf" + json.dumps(value).encode()
        return faults.chunked(faults.content(marked, "application/json"), piece=piece)

    with faults.serve(answer) as server, connected(server.api, **login()) as transport:
        assert transport.get("/builds", parse=read) == ROWS
        assert transport.post("/builds", {}, parse=read) == ROWS


def test_connection_is_kept_for_the_next_request():
    answers = [WHOLE, faults.zipped(WHOLE), faults.vendor(404), faults.later(503, 0), faults.chunked(WHOLE)]
    with faults.serve(answers) as server, connected(server.api) as transport:
        for _ in range(2):
            transport.get("/builds", parse=read)
        failure(transport)
        transport.get("/builds", parse=read)
        assert (len(server.requests), server.connections) == (5, 1)


def test_parallel_reads_share_a_pool():
    slow = faults.reply([], latency=0.02)
    with faults.serve(slow) as server, connected(server.api) as transport, ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: transport.get("/builds", parse=read), range(20)))
        assert len(server.requests) == 20
        assert server.connections <= 4


def test_connection_closed_by_the_server_is_replaced():
    with faults.serve([faults.replace(WHOLE, end="close"), WHOLE]) as server:
        with connected(server.api) as transport:
            transport.get("/builds", parse=read)
            assert transport.get("/builds", parse=read) == ROWS
        assert server.connections == 2


def test_close_closes_the_connections():
    with faults.serve(WHOLE) as server:
        with connected(server.api) as transport:
            transport.get("/builds", parse=read)
        deadline = time.monotonic() + 2
        while server.open_connections and time.monotonic() < deadline:
            time.sleep(0.005)
        assert server.open_connections == 0


def test_stream_returns_the_bytes_of_a_file():
    content = os.urandom(300_000)
    with faults.serve(faults.file(content, "a.zip")) as server, connected(server.api) as transport:
        with transport.stream("/downloads/1") as stream:
            assert b"".join(stream.chunks()) == content
        assert server.requests[0].headers["accept"] == "*/*"


def test_stream_that_breaks_is_an_mkframe_error():
    half = faults.cut(faults.file(b"x" * 1000))
    with faults.serve(half) as server, connected(server.api) as transport:
        with (
            pytest.raises(errors.ConnectionLostError),
            transport.stream("/downloads/1") as stream,
        ):
            list(stream.chunks())
        assert len(server.requests) == 1


NOT_WHOLE = {
    "part": (faults.file(b"half", status=206), "the status is 206, a part of the content"),
    "no content": (faults.Answer(204), "the status is 204, without any content"),
    "accepted": (faults.file(b"soon", status=202), "the status is 202"),
    "changed on its way": (faults.file(b"other", status=203), "the status is 203"),
    **{
        coding: (faults.file(b"x", headers={"Content-Encoding": coding}), f"compressed with '{coding}'")
        for coding in ("br", "zstd", "deflate", "gzip, br", "gzip, gzip", "compress", "aws-chunked")
    },
    "coded on its way": (
        faults.Answer(body=b"x", framing="close", headers={"Transfer-Encoding": "gzip, chunked"}),
        "transfer coding 'gzip, chunked'",
    ),
}


@pytest.mark.parametrize(("answer", "happened"), NOT_WHOLE.values(), ids=NOT_WHOLE)
def test_file_that_is_not_whole_is_refused(answer, happened):
    with faults.serve(answer) as server, connected(server.api) as transport:
        with (
            pytest.raises(errors.InvalidResponseError, match=f"(?i){happened}"),
            transport.stream("/downloads/1"),
        ):
            pass
        assert len(server.requests) == 1


@pytest.mark.parametrize("status", [204, 205, 206])
def test_rows_that_are_not_whole_are_refused(status):
    answer = faults.reply(ROWS, status) if status == 206 else faults.Answer(status)
    with faults.serve(answer) as server, connected(server.api) as transport:
        for act in (None, lambda: transport.post("/builds", {}, parse=read)):
            error = failure(transport, act)
            assert type(error) is errors.InvalidResponseError
            assert f"The status is {status}" in error.message


GZIP_FILE = gzip.compress(b"SELECT 1;") + gzip.compress(b"SELECT 2;") + b"\0" * 8


@pytest.mark.parametrize("layers", [0, 1, 2])
@pytest.mark.parametrize("piece", [1, 1 << 16])
@pytest.mark.parametrize("told_by", ["name", "server", "type"])
def test_gzip_file_stays_one_however_it_is_sent(layers, piece, told_by):
    """Of 0 layers none is announced; of 1 the file itself is announced as a compression of its way."""
    headers = {"Content-Encoding": "gzip"} if layers else {}
    if told_by == "server":
        headers["Content-Disposition"] = 'attachment; filename="DDL.SQL.GZ"'
    sent = gzip.compress(GZIP_FILE) if layers == 2 else GZIP_FILE
    kind = "application/x-gzip; x=1" if told_by == "type" else "application/octet-stream"
    answer = faults.drip(faults.content(sent, kind, headers=headers), pause=1e-9, piece=piece)
    with (
        faults.serve(answer) as server,
        connected(server.api) as transport,
        transport.stream("/downloads/1") as stream,
    ):
        body = b"".join(stream.chunks("ddl.tgz" if told_by == "name" else None))
    assert body == GZIP_FILE


def test_gzip_file_without_its_end_is_refused():
    whole = faults.content(os.urandom(5000), "application/gzip")
    with (
        faults.serve(faults.unfinished_gzip(whole)) as server,
        connected(server.api) as transport,
        transport.stream("/downloads/1") as stream,
        pytest.raises(errors.ConnectionLostError, match="damaged"),
    ):
        list(stream.chunks())


# --- retries ---------------------------------------------------------------------------------------

TRANSIENT_FAULTS = {
    "reset": faults.reset(),
    "reset in the body": faults.cut(WHOLE, "reset"),
    "closed": faults.closed(),
    "body cut": faults.cut(WHOLE),
    "gzip cut": faults.cut(faults.zipped(WHOLE)),
    "Content-Length too large": faults.overclaimed(WHOLE),
    "chunks cut": faults.cut(faults.chunked(WHOLE, piece=50)),
    "gzip broken": faults.broken_gzip(WHOLE),
    "gzip without its end": faults.unfinished_gzip(WHOLE),
    "gzip broken and soon at its end": faults.broken_gzip(faults.reply([])),
    "429": faults.vendor(429),
    "429 now": faults.later(429, 0),
    "502 page": faults.html(502),
    "503": faults.vendor(503),
    "503 now": faults.later(503, 0),
    "503 at a date gone by": faults.later(503, dt.datetime(2020, 1, 1, tzinfo=dt.UTC)),
    "503 at no date": faults.later(503, "soon"),
    "504": faults.html(504),
}
LASTING = {
    "400": (faults.vendor(400), errors.BadRequestError),
    "401": (faults.unauthenticated(), errors.NotAuthenticatedError),
    "403": (faults.vendor(403), errors.ForbiddenError),
    "404": (faults.vendor(404), errors.NotFoundError),
    "405": (faults.vendor(405), errors.MethodNotAllowedError),
    "409": (faults.vendor(409), errors.ResponseError),
    "500": (faults.vendor(500), errors.ServerError),
    "500 without a body": (faults.Answer(500), errors.ServerError),
    "501": (faults.vendor(501), errors.ServerError),
    "200 page": (faults.html(), errors.InvalidResponseError),
    "301": (faults.redirect("https://elsewhere.example/", 301), errors.RedirectError),
    "303": (faults.redirect("https://elsewhere.example/", 303), errors.RedirectError),
    "308": (faults.redirect("https://elsewhere.example/", 308), errors.RedirectError),
}


@pytest.mark.parametrize("fault", TRANSIENT_FAULTS.values(), ids=TRANSIENT_FAULTS)
class TestPassingFault:
    def test_read_with_a_transient_fault_is_retried(self, fault):
        with faults.serve([fault, fault, WHOLE]) as server, connected(server.api) as transport:
            assert transport.get("/builds", parse=read) == ROWS
            assert len(server.requests) == 3

    def test_read_fails_after_the_last_attempt(self, fault):
        with faults.serve(fault) as server, connected(server.api) as transport:
            error = failure(transport)
            assert len(server.requests) == 3
        assert error.retryable
        assert error.hint
        assert error.request == f"GET {server.api}/builds"

    def test_write_is_sent_once(self, fault):
        with faults.serve(fault) as server, connected(server.api) as transport:
            error = failure(transport, lambda: transport.post("/builds", {"project": "X"}, parse=read))
            assert len(server.requests) == 1
        assert error.request == f"POST {server.api}/builds"


@pytest.mark.parametrize(("fault", "kind"), LASTING.values(), ids=LASTING)
class TestLastingFault:
    def test_read_is_sent_once(self, fault, kind):
        with faults.serve(fault) as server, connected(server.api) as transport:
            error = failure(transport)
            assert len(server.requests) == 1
        assert type(error) is kind
        assert error.hint
        assert not error.retryable
        assert error.status == fault.status

    def test_write_is_sent_once(self, fault, kind):
        with faults.serve(fault) as server, connected(server.api) as transport:
            assert type(failure(transport, lambda: transport.post("/builds", {}, parse=read))) is kind
            assert len(server.requests) == 1


def test_write_reset_unread_is_not_retried():
    with (
        faults.serve(WHOLE, on_accept=lambda number: faults.reset()) as server,
        connected(server.api) as transport,
    ):
        error = failure(transport, lambda: transport.post("/builds", {}, parse=read))
        assert server.connections == 1
    # ConnectError where the reset is quicker than the sending, else ConnectionLostError.
    assert isinstance(error, errors.ConnectionFailedError)


def test_read_reset_unread_is_retried():
    with faults.serve(WHOLE, on_accept=lambda number: faults.reset() if number < 3 else None) as server:
        with connected(server.api) as transport:
            assert transport.get("/builds", parse=read) == ROWS
        assert (server.connections, len(server.requests)) == (3, 1)


def test_retry_starts_from_the_beginning():
    started = []

    def collect(chunks):
        started.append(1)
        return b"".join(chunks)

    with faults.serve([faults.cut(WHOLE), WHOLE]) as server, connected(server.api) as transport:
        assert transport.get("/builds", parse=collect) == WHOLE.body
    assert len(started) == 2


def test_error_of_the_parser_is_not_retried():
    def fail(chunks):
        raise ZeroDivisionError

    with faults.serve(WHOLE) as server, connected(server.api) as transport:
        with pytest.raises(ZeroDivisionError):
            transport.get("/builds", parse=fail)
        assert len(server.requests) == 1


@pytest.mark.parametrize("after", [0.15, "date"])
def test_pause_is_the_servers_retry_after(after, monkeypatch, caplog):
    # An HTTP date has whole seconds, so the clock that dates are compared with stands still.
    now = dt.datetime(2026, 11, 21, 12, 0, 0, tzinfo=dt.UTC)
    if after == "date":
        monkeypatch.setattr("mkframe._http.errors.time.time", lambda: now.timestamp() + 0.85)
        after = now + dt.timedelta(seconds=1)
    answers = [faults.later(503, after), WHOLE]
    with faults.serve(answers) as server, connected(server.api, max_retry_wait=1.0) as transport:
        started = time.monotonic()
        transport.get("/builds", parse=read)
        assert time.monotonic() - started >= 0.149
        assert len(server.requests) == 2
    (pause,) = [record.args[1] for record in caplog.records if record.name == "mkframe"]
    assert pause == pytest.approx(0.15)


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("after", [60, 1e9, "inf", "date"])
def test_retry_after_beyond_the_maximum_fails_at_once(status, after):
    if after == "date":
        after = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=60)
    with faults.serve(faults.later(status, after)) as server, connected(server.api) as transport:
        started = time.monotonic()
        error = failure(transport)
        assert time.monotonic() - started < 2
        assert len(server.requests) == 1
    assert error.retry_after > 50
    assert error.status == status


def test_each_retry_is_logged(caplog):
    with (
        faults.serve([faults.vendor(503, "Closed for lunch"), WHOLE]) as server,
        connected(server.api) as transport,
    ):
        transport.get("/builds", parse=read)
    (record,) = [r for r in caplog.records if r.name == "mkframe"]
    assert record.levelno == logging.WARNING
    assert "Closed for lunch" in record.getMessage()
    assert "(1 of 2)" in record.getMessage()


# --- no answer --------------------------------------------------------------------------------------


def test_refused_connection_is_retried_and_named():
    with faults.nobody_listens() as url, connected(url, max_attempts=2) as transport:
        error = failure(transport)
    assert type(error) is errors.ConnectError
    assert "nothing was sent" in error.message
    assert "running" in error.hint


def test_refused_write_is_a_connect_error():
    with faults.nobody_listens() as url, connected(url) as transport:
        error = failure(transport, lambda: transport.post("/builds", {}, parse=read))
    assert type(error) is errors.ConnectError


def test_connection_not_made_in_time_is_an_error():
    with faults.nobody_accepts() as url, connected(url, connect_timeout=0.1, max_attempts=1) as transport:
        error = failure(transport)
    assert type(error) is errors.ConnectError
    assert "no connection within 0.1 s" in error.message
    assert error.hint


def test_unknown_host_is_named(monkeypatch):
    monkeypatch.setattr(socket, "getaddrinfo", unknown_host)
    with connected("https://metakraftwerk.example/api/v1", max_attempts=1) as transport:
        error = failure(transport)
    assert type(error) is errors.ConnectError
    assert "host name is unknown" in error.message
    assert "spelling" in error.hint


def test_server_without_https_is_named():
    # Answered at once: whether the bytes of a handshake look like the line of a request is chance.
    with faults.serve(WHOLE, on_accept=lambda _: WHOLE) as server:
        with connected(server.api.replace("http:", "https:"), max_attempts=1) as transport:
            error = failure(transport)
        assert server.requests == []
    assert type(error) is errors.ConnectError
    assert "does not look like https; nothing was sent" in error.message
    assert error.hint


@contextlib.contextmanager
def over_tls(folder, monkeypatch, *, trusted):
    """A server that reads one request over TLS and then breaks the encryption off."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "authority.pem")
    if trusted:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(folder / "authority.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    listening = socket.create_server(("127.0.0.1", 0))
    seen = []

    def once():
        with (
            contextlib.suppress(OSError),
            listening.accept()[0] as plain,
            context.wrap_socket(plain, server_side=True) as tls,
        ):
            seen.append(tls.recv(65536))
            with socket.socket(fileno=os.dup(tls.fileno())) as under:
                under.sendall(b"no TLS record at all")

    thread = threading.Thread(target=once)
    thread.start()
    try:
        yield f"https://localhost:{listening.getsockname()[1]}/api/v1", seen
    finally:
        thread.join()
        listening.close()


def test_untrusted_certificate_is_named(tmp_path, monkeypatch):
    served = over_tls(tmp_path, monkeypatch, trusted=False)
    with served as (url, seen), connected(url, max_attempts=1) as transport:
        error = failure(transport)
    assert type(error) is errors.ConnectError
    assert "certificate" in error.message
    assert seen == []


def test_tls_error_after_the_request_may_have_written(tmp_path, monkeypatch):
    with over_tls(tmp_path, monkeypatch, trusted=True) as (url, seen), connected(url) as transport:
        error = failure(transport, lambda: transport.post("/builds", {}, parse=read))
    assert type(error) is errors.ConnectionLostError
    assert seen[0].startswith(b"POST /api/v1/builds")


def test_retry_after_beyond_the_maximum_is_named():
    with (
        faults.serve(faults.later(503, 3600)) as server,
        connected(server.api, max_retry_wait=1.0) as transport,
    ):
        error = failure(transport)
        assert len(server.requests) == 1
    assert "3600 s" in error.hint


def test_page_for_a_missing_endpoint_hints_at_the_url():
    with faults.serve(faults.html(404)) as server, connected(server.api) as transport:
        error = failure(transport)
    assert "/api/v1" in error.hint


@pytest.mark.parametrize("name", ["project", "pattern", "release group"])
def test_unknown_name_hints_at_the_list_of_names(name):
    sentence = f"A {name} with the name 'X' does not exist!"
    with faults.serve(faults.vendor(404, sentence)) as server, connected(server.api) as transport:
        error = failure(transport)
    assert f"client.{name.replace(' ', '_')}s.find()" in error.hint


@pytest.mark.parametrize("fault", [faults.silence(), faults.cut(WHOLE, "hang")], ids=["silence", "half"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_read_timeout_is_not_retried(fault, method):
    with faults.serve(fault) as server, connected(server.api, read_timeout=0.2) as transport:
        act = {"POST": lambda: transport.post("/builds", {}, parse=read)}.get(method)
        error = failure(transport, act)
        assert len(server.requests) == 1
    assert type(error) is errors.RequestTimeoutError
    assert "within 0.2 s" in error.message
    assert error.hint


@pytest.mark.parametrize("framing", [faults.replace, faults.chunked], ids=["length", "chunked"])
def test_endless_slow_answer_times_out(framing):
    trickle = faults.drip(framing(WHOLE), pause=0.02)
    with faults.serve(trickle) as server, connected(server.api, total_timeout=0.15) as transport:
        started = time.monotonic()
        error = failure(transport)
        assert time.monotonic() - started < 2
        assert len(server.requests) == 1
    assert type(error) is errors.RequestTimeoutError
    assert "0.15 s" in error.message
    assert error.hint


def test_slow_answer_behind_a_proxy_times_out(monkeypatch):
    with faults.serve(faults.drip(WHOLE, pause=0.02, head=True)) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        with connected("http://metakraftwerk.example/api/v1", total_timeout=0.1) as transport:
            kinds = [type(failure(transport)) for _ in range(2)]
        assert len(proxy.requests) == 2
    assert kinds == [errors.RequestTimeoutError] * 2


def test_file_below_the_lowest_rate_times_out():
    trickle = faults.drip(faults.file(b"x" * 10_000), pause=0.01)
    with (
        faults.serve(trickle) as server,
        connected(server.api, limits=Limits(rate=1000, rate_window=0.2)) as transport,
        transport.stream("/downloads/1") as stream,
        pytest.raises(errors.RequestTimeoutError, match="less than 1000 bytes per second") as caught,
    ):
        list(stream.chunks())
    assert caught.value.hint


def test_slow_file_above_the_lowest_rate_is_read():
    slow = faults.drip(faults.file(b"x" * 45_000), pause=0.02, piece=1500)
    with (
        faults.serve(slow) as server,
        connected(server.api, limits=Limits(rate_window=0.1), total_timeout=0.05) as transport,
        transport.stream("/downloads/1") as stream,
    ):
        assert len(b"".join(stream.chunks())) == 45_000


def test_slow_parser_does_not_count_as_slow_answer():
    def slowly(chunks):
        time.sleep(0.4)
        return read(chunks)

    with faults.serve(WHOLE) as server, connected(server.api, read_timeout=0.1) as transport:
        assert transport.get("/builds", parse=slowly) == ROWS


class TestCallerWithoutMuchTime:
    def test_silence_ends_at_the_timeout(self):
        with faults.serve(faults.silence()) as server, connected(server.api, read_timeout=60) as transport:
            error = failure(transport, lambda: transport.get("/builds", parse=read, timeout=0.1))
        assert type(error) is errors.RequestTimeoutError
        assert "0.1 s" in error.message

    def test_slow_answer_ends_at_the_timeout(self):
        trickle = faults.drip(WHOLE, pause=0.02, head=True)
        with faults.serve(trickle) as server, connected(server.api) as transport:
            error = failure(transport, lambda: transport.get("/builds", parse=read, timeout=0.1))
        assert type(error) is errors.RequestTimeoutError
        assert "0.1 s" in error.message

    def test_no_attempt_begins_after_the_timeout(self):
        with faults.serve(faults.later(503, 0.06)) as server:
            with connected(server.api, max_attempts=1000, max_retry_wait=1.0) as transport:
                error = failure(transport, lambda: transport.get("/builds", parse=read, timeout=0.2))
            assert 1 <= len(server.requests) <= 4
        assert type(error) is errors.ServerError

    def test_login_counts_towards_the_timeout(self):
        with (
            faults.serve({AUTHENTICATION: faults.silence()}) as server,
            connected(server.api, **login(read_timeout=60)) as transport,
        ):
            error = failure(transport, lambda: transport.get("/builds", parse=read, timeout=0.1))
        assert type(error) is errors.RequestTimeoutError
        assert error.request == f"POST {server.url}{AUTHENTICATION}"

    def test_next_read_has_a_timeout_of_its_own(self):
        late = faults.replace(WHOLE, latency=0.2)
        with faults.serve(late) as server, connected(server.api) as transport:
            failure(transport, lambda: transport.get("/builds", parse=read, timeout=0.02))
            assert transport.get("/builds", parse=read) == ROWS

    def test_answer_in_time_is_read(self):
        with faults.serve(WHOLE) as server, connected(server.api) as transport:
            assert transport.get("/builds", parse=read, timeout=30) == ROWS


def test_endless_error_body_still_names_the_status():
    trickle = faults.drip(faults.vendor(500), pause=0.02)
    with faults.serve(trickle) as server, connected(server.api, read_timeout=0.15) as transport:
        started = time.monotonic()
        error = failure(transport)
        assert time.monotonic() - started < 2
    assert type(error) is errors.ServerError


def test_slow_server_within_the_timeout_is_read():
    late = faults.replace(WHOLE, latency=0.05)
    with (
        faults.serve(late, on_accept=lambda number: faults.Answer(None, latency=0.05)) as server,
        connected(server.api) as transport,
    ):
        assert transport.get("/builds", parse=read) == ROWS


# --- error sentences --------------------------------------------------------------------------------


def test_error_status_quotes_the_server():
    sentence = "A project with the name 'X' does not exist!"
    with faults.serve(faults.vendor(404, sentence)) as server, connected(server.api) as transport:
        error = failure(transport, lambda: transport.get("/builds", {"project": "X"}, parse=read))
    assert error.vendor_message == sentence
    assert sentence in error.message
    assert "?project=X" in error.message
    assert "spelling" in error.hint
    assert error.body_start is None


@pytest.mark.parametrize(
    "answer",
    [
        faults.html(502),
        faults.reply({"message": 5}, 502),
        faults.reply([1], 502),
        faults.content(b"\xff{", "x/y", status=502),
    ],
)
def test_error_body_of_another_shape_shows_its_start(answer):
    with faults.serve(answer) as server, connected(server.api, max_attempts=1) as transport:
        error = failure(transport)
    assert error.vendor_message is None
    assert error.body_start
    assert repr(error.body_start) in error.message


def test_page_of_a_proxy_shows_its_start():
    page = faults.html(200, "<html>Please sign in</html>")
    with faults.serve(page) as server, connected(server.api) as transport:
        error = failure(transport)
    assert "Please sign in" in error.message
    assert "proxy" in error.hint
    assert error.request == f"GET {server.api}/builds"


def test_error_of_the_parser_names_the_request():
    def fail(chunks):
        raise errors.SchemaError("Column id holds 'x'.", hint="Report it.")

    with faults.serve(WHOLE) as server, connected(server.api) as transport:
        error = failure(transport, lambda: transport.get("/builds", parse=fail))
    assert type(error) is errors.SchemaError
    assert (error.request, error.status) == (f"GET {server.api}/builds", 200)
    assert error.message == f"GET {server.api}/builds answered, but: Column id holds 'x'."


def test_redirect_names_its_target():
    elsewhere = faults.redirect("https://elsewhere.example/x")
    with faults.serve(elsewhere) as server, connected(server.api) as transport:
        error = failure(transport)
    assert "https://elsewhere.example/x" in error.message
    assert "token" in error.hint


# --- logging in -------------------------------------------------------------------------------------


def guarded(*logins, valid=FRESH, answer=WHOLE):
    """A script that answers whoever brings the valid token."""

    def builds(request):
        known = request.headers.get("authorization") == f"Bearer {valid}"
        return answer if known else faults.unauthenticated()

    return {AUTHENTICATION: list(logins), "*": builds}


def test_login_before_the_first_read_and_then_no_more():
    with faults.serve(guarded(faults.token(FRESH))) as server, connected(server.api, **login()) as transport:
        for _ in range(3):
            assert transport.get("/builds", parse=read) == ROWS
        (request,) = server.to(AUTHENTICATION)
        assert bearers(server) == [f"Bearer {FRESH}"] * 3
    assert request.method == "POST"
    assert request.json() == {"strategy": "local", "email": "ada@example.org", "password": PASSWORD}
    assert request.headers["content-type"] == "application/json"
    assert "authorization" not in request.headers


def test_given_token_needs_no_login():
    with faults.serve(guarded(valid=TOKEN)) as server:
        with connected(server.api, **login(token=Secret(TOKEN))) as transport:
            transport.get("/builds", parse=read)
        assert server.to(AUTHENTICATION) == []


def test_without_credentials_nothing_is_sent():
    with faults.serve(WHOLE) as server, connected(server.api, token=None) as transport:
        error = failure(transport)
        assert server.connections == 0
    assert type(error) is errors.NotAuthenticatedError
    assert "MKFRAME_TOKEN" in error.hint


def test_refused_token_is_replaced_once():
    with faults.serve(guarded(faults.token(FRESH))) as server:
        with connected(server.api, **login(token=Secret(TOKEN))) as transport:
            assert transport.get("/builds", parse=read) == ROWS
        assert bearers(server) == [f"Bearer {TOKEN}", f"Bearer {FRESH}"]
        assert len(server.to(AUTHENTICATION)) == 1


def test_write_with_refused_token_is_resent_once():
    with faults.serve(guarded(faults.token(FRESH))) as server:
        with connected(server.api, **login(token=Secret(TOKEN))) as transport:
            transport.post("/builds", {"project": "X"}, parse=read)
        assert bearers(server) == [f"Bearer {TOKEN}", f"Bearer {FRESH}"]
        assert [r.json() for r in server.to(BUILDS)] == [{"project": "X"}] * 2


def test_stream_logs_in_again_too():
    script = guarded(faults.token(FRESH), answer=faults.file(b"PK"))
    with (
        faults.serve(script) as server,
        connected(server.api, **login(token=Secret(TOKEN))) as transport,
        transport.stream("/downloads/1") as stream,
    ):
        assert b"".join(stream.chunks()) == b"PK"


def test_new_token_that_is_refused_is_an_error():
    with faults.serve(guarded(faults.token("refused-too"))) as server:
        with connected(server.api, **login(token=Secret(TOKEN))) as transport:
            error = failure(transport)
        assert (len(server.to(BUILDS)), len(server.to(AUTHENTICATION))) == (2, 1)
    assert type(error) is errors.NotAuthenticatedError
    assert error.vendor_message == "Not authenticated"
    assert error.hint


def test_refused_token_without_login_hints_what_to_give():
    with faults.serve(guarded()) as server, connected(server.api) as transport:
        error = failure(transport)
        assert len(server.requests) == 1
    assert type(error) is errors.NotAuthenticatedError
    assert "email=" in error.hint


def test_reads_refused_together_log_in_once():
    script = guarded(faults.token(FRESH))
    slow = {
        AUTHENTICATION: faults.replace(faults.token(FRESH), latency=0.05),
        "*": lambda request: faults.replace(script["*"](request), latency=0.02),
    }
    with faults.serve(slow) as server, connected(server.api, **login(token=Secret(TOKEN))) as transport:
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _: transport.get("/builds", parse=read), range(8)))
        assert answers == [ROWS] * 8
        assert len(server.to(AUTHENTICATION)) == 1
        assert bearers(server).count(f"Bearer {FRESH}") == 8


@pytest.mark.parametrize("status", [400, 401])
def test_refused_login_names_the_email(status):
    with faults.serve({AUTHENTICATION: faults.vendor(status, "Invalid login")}) as server:
        with connected(server.api, **login()) as transport:
            error = failure(transport)
        assert len(server.requests) == 1
    assert "Invalid login" in error.message
    assert error.hint == "Check the e-mail 'ada@example.org' and its password."


def test_missing_login_endpoint_hints_at_the_url():
    with faults.serve({}) as server, connected(server.api, **login()) as transport:
        error = failure(transport)
    assert type(error) is errors.NotFoundError
    assert "URL" in error.hint


@pytest.mark.parametrize("fault", TRANSIENT_FAULTS.values(), ids=TRANSIENT_FAULTS)
def test_login_with_a_transient_fault_is_retried(fault):
    if fault.status == 200:
        fault = faults.replace(fault, status=201)
    script = guarded(fault, fault, faults.token(FRESH))
    with faults.serve(script) as server, connected(server.api, **login()) as transport:
        assert transport.get("/builds", parse=read) == ROWS
        assert len(server.to(AUTHENTICATION)) == 3


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_failing_login_has_the_attempts_of_a_read(method):
    with (
        faults.serve({AUTHENTICATION: faults.vendor(503)}) as server,
        connected(server.api, **login()) as transport,
    ):
        act = {"POST": lambda: transport.post("/builds", {}, parse=read)}.get(method)
        failure(transport, act)
        assert len(server.requests) == 3


@pytest.mark.parametrize(
    "answer",
    [
        faults.reply({}, 201),
        faults.reply([], 201),
        faults.reply({"accessToken": None}, 201),
        faults.reply({"accessToken": ""}, 201),
        faults.reply({"accessToken": f"{FRESH}\r\nX-Evil: 1"}, 201),
        faults.content(b"{", "application/json", status=201),
        faults.html(200),
    ],
    ids=["no key", "array", "null", "empty", "line break", "broken", "page"],
)
def test_login_with_another_answer_is_an_error(answer):
    with faults.serve({AUTHENTICATION: answer}) as server, connected(server.api, **login()) as transport:
        error = failure(transport)
        assert len(server.requests) == 1
    assert isinstance(error, errors.InvalidResponseError)
    assert error.hint
    assert (error.request, error.status) == (f"POST {server.url}{AUTHENTICATION}", answer.status)
    assert error.request in error.message
    assert FRESH not in str(error)


# --- who sees the secrets ---------------------------------------------------------------------------


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("where", [BUILDS, AUTHENTICATION])
def test_target_of_a_redirect_receives_nothing(status, where):
    with faults.serve(WHOLE) as other:
        elsewhere = other.url.replace("127.0.0.1", "localhost") + where
        script = guarded(faults.token(FRESH)) | {where: faults.redirect(elsewhere, status)}
        with faults.serve(script) as server, connected(server.api, **login()) as transport:
            error = failure(transport)
        assert other.connections == 0
    assert type(error) is errors.RedirectError


@pytest.fixture
def netrc(tmp_path, monkeypatch):
    path = tmp_path / ".netrc"
    path.write_text("machine 127.0.0.1 login mallory password wrong\ndefault login mallory password wrong\n")
    path.chmod(0o600)
    monkeypatch.setenv("NETRC", str(path))
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.mark.usefixtures("netrc")
def test_netrc_replaces_neither_token_nor_login():
    with faults.serve(guarded(faults.token(FRESH))) as server, connected(server.api, **login()) as transport:
        assert transport.get("/builds", parse=read) == ROWS
        assert bearers(server) == [f"Bearer {FRESH}"]
        assert bearers(server, AUTHENTICATION) == [None]


@pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY", "all_proxy"])
def test_proxy_receives_no_request_to_the_loopback(monkeypatch, name):
    for other in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(other, raising=False)
    with faults.serve(WHOLE) as proxy, faults.serve(guarded(faults.token(FRESH))) as server:
        monkeypatch.setenv(name, proxy.url)
        with connected(server.api, **login()) as transport:
            assert transport.get("/builds", parse=read) == ROWS
        assert proxy.connections == 0


def causes(error):
    """The error and all that stands behind it, however it is chained."""
    seen, todo = [], [error]
    while todo:
        step = todo.pop()
        if step is None or step in seen:
            continue
        seen.append(step)
        inner = [value for value in (*step.args, *vars(step).values()) if isinstance(value, BaseException)]
        todo += [step.__cause__, step.__context__, *inner]
    return seen


def everything_shown(error):
    """All that a traceback with local variables, a pickle or a look at the fields would show."""
    shown = [pickle.dumps(error).decode("latin-1")]
    for step in causes(error):
        whole = traceback.TracebackException.from_exception(step, capture_locals=True)
        shown += [*whole.format(chain=True), repr(step), str(step), repr(vars(step)), repr(step.args)]
        sent = getattr(step, "request", None)
        shown.append(repr(getattr(sent, "headers", None)) + repr(getattr(sent, "body", None)))
    return "\n".join(shown)


BROKEN = {
    **TRANSIENT_FAULTS,
    **{name: fault for name, (fault, kind) in LASTING.items()},
    "silence": faults.silence(),
    "half, then silence": faults.cut(WHOLE, "hang"),
}


@pytest.mark.parametrize("where", [BUILDS, AUTHENTICATION])
@pytest.mark.parametrize("fault", BROKEN.values(), ids=BROKEN)
def test_error_shows_no_secret(fault, where, caplog):
    caplog.set_level(logging.DEBUG)
    script = {**guarded(faults.token(FRESH), valid=None), where: fault}
    limit = 0.3 if fault.end == "hang" else 5.0
    with faults.serve(script) as server:
        with connected(server.api, max_attempts=2, read_timeout=limit, **login()) as transport:
            error = failure(transport)
        assert server.to(where)
    shown = everything_shown(error) + caplog.text
    assert "session.py" in shown
    assert [secret for secret in SECRETS if secret in shown] == []


@pytest.mark.parametrize("nobody", [faults.nobody_listens, faults.nobody_accepts])
@pytest.mark.parametrize("given", [{}, login()], ids=["token", "login"])
def test_error_without_an_answer_shows_no_secret(nobody, given):
    with nobody() as url, connected(url, connect_timeout=0.05, max_attempts=2, **given) as transport:
        shown = everything_shown(failure(transport))
    assert [secret for secret in SECRETS if secret in shown] == []


def test_interrupt_shows_no_secret():
    def interrupt(request):
        os.kill(os.getpid(), 2)
        return faults.silence()

    with (
        faults.serve(interrupt) as server,
        connected(server.api, max_attempts=1) as transport,
        pytest.raises(KeyboardInterrupt) as caught,
    ):
        transport.get("/builds", parse=read)
    shown = everything_shown(caught.value)
    assert "session.py" in shown
    assert TOKEN not in shown


@pytest.mark.parametrize("show", [repr, str, lambda transport: repr(vars(transport))])
def test_repr_shows_no_secret(show):
    with connected("https://metakraftwerk.example/api/v1", **login(token=Secret(TOKEN))) as transport:
        shown = show(transport)
    assert [secret for secret in SECRETS if secret in shown] == []


@pytest.mark.parametrize("carry", [pickle.dumps, copy.deepcopy])
def test_transport_cannot_be_pickled(carry):
    with connected("https://metakraftwerk.example/api/v1") as transport, pytest.raises(TypeError):
        carry(transport)


def test_log_of_a_good_session_holds_no_secret(caplog):
    caplog.set_level(logging.DEBUG)
    with (
        faults.serve(guarded(faults.token(FRESH))) as server,
        connected(server.api, **login(token=Secret(TOKEN))) as transport,
    ):
        transport.get("/builds", parse=read)
    assert "logging in again" in caplog.text
    assert [secret for secret in SECRETS if secret in caplog.text] == []


def test_error_handled_by_the_caller_is_not_the_cause():
    with faults.nobody_listens() as url, connected(url, max_attempts=1) as transport:
        before = failure(transport)
    try:
        raise before
    except errors.ConnectError:
        with faults.serve(faults.reset()) as server, connected(server.api) as transport:
            error = failure(transport, lambda: transport.post("/builds", {}, parse=read))
    assert type(error) is errors.ConnectionLostError
    assert before.__traceback__ is not None


@pytest.mark.parametrize(
    ("inner", "phase", "kind"),
    [
        (ConnectionResetError("reset by peer"), "sent", errors.ConnectionLostError),
        (ConnectionResetError("reset by peer"), "to proxy", errors.ConnectError),
        (urllib3.exceptions.NewConnectionError(None, "refused"), "to proxy", errors.ConnectError),
    ],
)
def test_proxy_error_after_the_request_may_have_sent(inner, phase, kind):
    theirs = urllib3.exceptions.ProxyError("Unable to connect to proxy", inner)
    theirs.__cause__ = inner  # as urllib3 does
    error = requests.exceptions.ProxyError(urllib3.exceptions.MaxRetryError(None, "/", theirs))
    settings = Settings("https://metakraftwerk.example/api/v1")
    assert type(error_from_exception(error, "POST /builds", settings, None, phase)) is kind


def test_missing_certificate_file_is_named(monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/no/such/file.pem")
    with connected("https://metakraftwerk.example/api/v1", max_attempts=1) as transport:
        error = failure(transport)
    assert type(error) is errors.ConnectError
    assert "/no/such/file.pem" in error.message
    assert "REQUESTS_CA_BUNDLE" in error.hint


PROXIES = {
    "SOCKS": ("socks5h://127.0.0.1:9", "PySocks", False),
    "no host": ("http://", "address of the proxy is invalid", False),
    "no port": ("http://ada:open-sesame@proxy.example:eighty", "address of the proxy is invalid", False),
    "brackets": ("http://[::1", "address of the proxy is invalid", False),
    "scheme": ("ftp://proxy.example:21", "address of the proxy is invalid", False),
    "label": (f"http://ada:open-sesame@{'a' * 64}.example:1", "address of the proxy is invalid", False),
}


@pytest.mark.parametrize(("proxy", "happened", "retryable"), PROXIES.values(), ids=PROXIES)
def test_proxy_that_cannot_be_used_is_named(monkeypatch, proxy, happened, retryable, caplog):
    monkeypatch.setenv("https_proxy", proxy)
    with connected("https://metakraftwerk.example/api/v1") as transport:
        for act in (None, lambda: transport.post("/builds", {}, parse=read)):
            error = failure(transport, act)
            assert type(error) is errors.ConnectError
            assert happened in error.message
            assert error.message.endswith("nothing was sent.")
            assert "PROXY" in error.hint
            assert error.retryable is retryable
            assert "sesame" not in "".join(traceback.format_exception(error))
    assert caplog.text == ""


@pytest.mark.parametrize(
    ("answer", "happened", "requests_seen"),
    [
        (faults.Answer(407, headers={"Proxy-Authenticate": "Basic"}), "proxy wants a login", 1),
        (faults.Answer(502), "proxy made no connection", 2),
        (faults.closed(), "proxy", 2),
        (faults.silence(), "no connection through the proxy within", 2),
    ],
    ids=["407", "502", "closed", "silent"],
)
def test_proxy_without_a_connection_is_named(monkeypatch, answer, happened, requests_seen):
    with faults.serve(answer) as server:
        monkeypatch.setenv("https_proxy", server.url.replace("://", "://ada:open-sesame@"))
        quick = {"max_attempts": 2, "read_timeout": 0.2, "connect_timeout": 0.2}
        with connected("https://metakraftwerk.example/api/v1", **quick) as transport:
            error = failure(transport)
        assert {request.method for request in server.requests} == {"CONNECT"}
        assert len(server.requests) == requests_seen
    assert type(error) is errors.ConnectError
    assert happened in error.message
    assert "nothing was sent" in error.message
    assert "sesame" not in "".join(traceback.format_exception(error))


def test_missing_proxy_is_named_as_the_proxy(monkeypatch):
    with faults.nobody_listens() as url:
        monkeypatch.setenv("https_proxy", url)
        with connected("https://metakraftwerk.example/api/v1", max_attempts=1) as transport:
            error = failure(transport, lambda: transport.post("/builds", {}, parse=read))
    assert type(error) is errors.ConnectError
    assert "the proxy cannot be reached (" in error.message
    assert "nothing was sent" in error.message
    assert "HTTPS_PROXY" in error.hint


@pytest.mark.parametrize("host", ["a..example", f"{'a' * 64}.example", "*.example", "xn--.example"])
def test_host_name_that_cannot_be_is_a_connect_error(host, monkeypatch):
    monkeypatch.setattr(socket, "getaddrinfo", unknown_host)
    with connected(f"https://{host}/api/v1", max_attempts=1) as transport:
        error = failure(transport, lambda: transport.post("/builds", {}, parse=read))
    assert type(error) is errors.ConnectError
    assert "host name" in error.message
    assert "nothing was sent" in error.message


def test_connection_broken_in_the_handshake_is_a_connect_error():
    with (
        faults.serve(WHOLE, on_accept=lambda _: faults.closed()) as server,
        connected(server.api.replace("http:", "https:"), max_attempts=1) as transport,
    ):
        error = failure(transport, lambda: transport.post("/builds", {}, parse=read))
    assert type(error) is errors.ConnectError
    assert "no connection could be made" in error.message


def test_network_that_is_unreachable_is_named(monkeypatch):
    def unreachable(*args, **kwargs):
        raise OSError(errno.ENETUNREACH, "Network is unreachable")

    monkeypatch.setattr(socket.socket, "connect", unreachable)
    with connected("https://127.0.0.1:9/api/v1", max_attempts=1) as transport:
        error = failure(transport)
    assert type(error) is errors.ConnectError
    assert "no connection could be made (Network is unreachable); nothing was sent" in error.message


def unknown_host(*args, **kwargs):
    raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")


def test_scope_without_repeats_asks_once(caplog):
    with faults.serve(faults.vendor(503)) as server, connected(server.api) as transport:
        with CancelScope(repeats=False), pytest.raises(errors.ServerError):
            transport.get("/builds", parse=read)
        assert len(server.requests) == 1
    assert caplog.records == []


# --- the clock of the server -----------------------------------------------------------------------------


def dated(date, **more):
    return faults.reply(ROWS, headers={"Date": date, **more})


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"Date": "Wed, 17 Jun 2026 09:30:00 GMT"}, dt.datetime(2026, 6, 17, 9, 30, tzinfo=dt.UTC)),
        ({"Date": "Wed, 17 Jun 2026 11:30:00 +0200"}, dt.datetime(2026, 6, 17, 9, 30, tzinfo=dt.UTC)),
        ({"Date": "Wed Jun 17 09:30:00 2026"}, dt.datetime(2026, 6, 17, 9, 30, tzinfo=dt.UTC)),
        (
            {"Date": "Wed, 17 Jun 2026 09:30:00 GMT", "Age": "90"},
            dt.datetime(2026, 6, 17, 9, 31, 30, tzinfo=dt.UTC),
        ),
        ({}, None),
        ({"Date": ""}, None),
        ({"Date": "soon"}, None),
        ({"Date": "Thu, 01 Jan 1970 00:00:00 GMT"}, None),
        ({"Date": "Fri, 31 Dec 9999 23:59:59 GMT"}, None),
        ({"Date": "Wed, 17 Jun 2026 09:30:00 +999999999999999999"}, None),
        ({"Date": "Wed, 17 Jun 2026 09:30:00 GMT", "Age": "9" * 40}, None),
        ({"Date": "Wed, 17 Jun 2026 09:30:00 GMT", "Age": "old"}, None),
    ],
)
def test_server_time_is_the_date_of_the_answer(headers, expected):
    with faults.serve(faults.reply(ROWS, headers=headers)) as server, connected(server.api) as transport:
        assert transport.server_time is None
        transport.get("/builds", parse=read)
        now = transport.server_time
    if expected is None:
        assert now is None
    else:
        assert dt.timedelta(0) <= now - expected < dt.timedelta(seconds=5)


def test_server_time_goes_on_between_answers(monkeypatch):
    with (
        faults.serve(dated("Wed, 17 Jun 2026 09:30:00 GMT")) as server,
        connected(server.api) as transport,
    ):
        transport.get("/builds", parse=read)
        before, then = transport.server_time, time.monotonic()
        monkeypatch.setattr(time, "monotonic", lambda: then + 3600)
        assert transport.server_time - before == pytest.approx(
            dt.timedelta(hours=1), abs=dt.timedelta(seconds=1)
        )


def test_server_time_is_not_that_of_an_error():
    proxy = faults.vendor(502, "Away", headers={"Date": "Wed, 17 Jun 2020 09:30:00 GMT"})
    answers = [dated("Wed, 17 Jun 2026 09:30:00 GMT"), proxy]
    with faults.serve(answers) as server, connected(server.api, max_attempts=1) as transport:
        transport.get("/builds", parse=read)
        with pytest.raises(errors.ServerError):
            transport.get("/builds", parse=read)
        assert transport.server_time.year == 2026
