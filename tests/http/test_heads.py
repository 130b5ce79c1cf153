"""The head of an answer: read as RFC 9112 has it, or refused in a sentence that does not quote it."""

import contextlib
import io
import json
import time

import pytest

import mkframe as mk
from mkframe import errors
from mkframe._http import Transport
from mkframe._http.heads import Answer, BadHead
from mkframe.settings import Secret, Settings
from tests.support import faults
from tests.support.rows import row


class Wire:
    """A socket that has its bytes already."""

    def __init__(self, content):
        self.content = content

    def makefile(self, mode):
        return io.BytesIO(self.content)


def read(content, method="GET"):
    answer = Answer(Wire(content), method=method)
    answer.begin()
    return answer


def head(*lines, body=b"[]", first=b"HTTP/1.1 200 OK"):
    return b"\r\n".join([first, *lines, b"", body])


# --- what is read -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "version", "status", "reason"),
    [
        (b"HTTP/1.1 200 OK", 11, 200, "OK"),
        (b"HTTP/1.0 404 Not Found", 10, 404, "Not Found"),
        (b"HTTP/1.1 500 ", 11, 500, ""),
        (b"HTTP/1.1 418", 11, 418, ""),
        (b"HTTP/1.1  200\tOK  ", 11, 200, "OK"),
        (b"HTTP/1.1 999 Gr\xfc\xdfe", 11, 999, "Grüße"),
    ],
)
def test_status_line_is_read(first, version, status, reason):
    answer = read(head(first=first))
    assert (answer.version, answer.status, answer.reason) == (version, status, reason)


def test_fields_are_read_in_order():
    lines = [
        b"X-A: 1",
        b"x-b:2\t",
        b"X-A:  3: 4",
        b"X-Empty:",
        b"X-Long: a",
        b"  b",
        b"\tc ",
        b"X-Last: \xfc",
    ]
    answer = read(head(*lines))
    assert answer.headers.items() == [
        ("X-A", "1"),
        ("x-b", "2"),
        ("X-A", "3: 4"),
        ("X-Empty", ""),
        ("X-Long", "a b c"),
        ("X-Last", "ü"),
    ]
    assert answer.headers["x-a"] == "1"
    assert answer.msg is answer.headers
    assert answer.headers.defects == []


@pytest.mark.parametrize("end", [b"\r\n", b"\n"])
def test_lines_may_end_with_lf_or_crlf(end):
    answer = read(end.join([b"HTTP/1.1 200 OK", b"Content-Length: 2", b"X: y", b"", b"[] and more"]))
    assert answer.headers.items() == [("Content-Length", "2"), ("X", "y")]
    assert answer.read() == b"[]"


def test_body_ends_where_the_head_says():
    assert read(head(b"Content-Length: 1")).read() == b"["
    assert read(head(b"Transfer-Encoding: chunked", body=b"2\r\n[]\r\n0\r\n\r\n")).read() == b"[]"
    assert read(head()).read() == b"[]"
    assert read(head(b"Content-Length: 2"), method="HEAD").read() == b""
    assert read(head(first=b"HTTP/1.1 204 No Content")).length == 0


@pytest.mark.parametrize(
    ("lines", "closes"),
    [
        ([b"Content-Length: 2"], False),
        ([b"Content-Length: 2", b"Connection: close"], True),
        ([b"Transfer-Encoding: chunked"], False),
        ([], True),
    ],
)
def test_connection_is_kept_where_the_head_allows(lines, closes):
    assert read(head(*lines)).will_close is closes


def test_interim_answers_are_skipped():
    before = b"HTTP/1.1 100 Continue\r\nX: 1\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n"
    answer = read(before + head(b"Content-Length: 2"))
    assert (answer.status, answer.headers.items()) == (200, [("Content-Length", "2")])


INTERIM = {
    "103": [b"103 Early Hints\r\nLink: </style.css>; rel=preload\r\nContent-Length: 9"],
    "102 twice": [b"102 Processing"] * 2,
    "many of all kinds": [b"100 Continue", b"103 Early Hints\r\nX: 1", b"110 CANARY", b"199"] * 20,
}


@pytest.mark.parametrize("pause", [0.0, 0.05])
@pytest.mark.parametrize("heads", INTERIM.values(), ids=INTERIM)
def test_answer_after_interim_is_that_of_its_request(heads, pause):
    def answer(request):
        if request.method == "POST":
            final = faults.token("t") if request.path == "/authentication" else faults.reply(request.json())
        else:
            number = int(request.path.rpartition("/")[2])
            missing = number == 404
            final = faults.vendor(404) if missing else faults.reply(row("builds", number), 200)
            if "/downloads/" in request.path:
                final = faults.chunked(faults.file(b"file %d" % number))
        return faults.after_interim(final, *heads, pause=pause)

    with faults.serve(answer) as server:
        login = {"email": "ada@example.org", "password": "open sesame"}
        with mk.connect(server.api, **login) as client:
            transport = client._transport
            for number in (1, 2):
                assert client.builds.get(number).name == number
                assert transport.post("/builds", {"number": number}, parse=json_of) == {"number": number}
                with pytest.raises(errors.NotFoundError):
                    client.builds.get(404)
                with transport.stream(f"/downloads/{number}") as stream:
                    assert b"".join(stream.chunks()) == b"file %d" % number
        assert (len(server.requests), server.connections) == (9, 1)


def json_of(chunks):
    return json.loads(b"".join(chunks))


def test_switch_of_protocols_is_refused():
    switch = faults.Answer(101, headers={"Upgrade": "h2c"}, end="keep")
    with faults.serve([switch, faults.reply([])]) as server, connected(server.api) as transport:
        with pytest.raises(errors.ResponseError, match="status 101"):
            transport.get("/builds", parse=json_of)
        assert transport.get("/builds", parse=json_of) == []
        assert [request.connection for request in server.requests] == [1, 2]


LATE = {
    "more than the length": (b"Content-Length: 2", b"[]", b"HTTP/1.1 200 OK\r\nContent-Le"),
    "a second answer": (b"Content-Length: 2", b"[]HTTP/1.1 200 OK\r\n", b"Content-Length: 3\r\n\r\n[7]"),
    "two framings": (b"Content-Length: 9\r\nTransfer-Encoding: chunked", b"2\r\n[]\r\n0\r\n\r\n", b"HTTP/1."),
    "more than the chunks": (
        b"Transfer-Encoding: chunked",
        b"2\r\n[]\r\n0\r\n\r\n2",
        b"\r\n[7]\r\n0\r\n\r\n",
    ),
}


@pytest.mark.parametrize(("framing", "body", "late"), LATE.values(), ids=LATE)
def test_connection_without_a_clear_end_is_not_used_again(framing, body, late):
    """Where the rest comes later, it would be read as the answer to the next request."""
    first = faults.replace(faults.bare(head(framing, body=body)), late=late)
    with faults.serve(first) as server, connected(server.api) as transport:
        for _ in range(3):
            assert transport.get("/builds", parse=json_of) == []
        assert server.connections == 3


def test_no_content_with_a_length_ends_the_connection():
    no_content = faults.Answer(204, claimed=5)
    with faults.serve([no_content, faults.reply([])]) as server, connected(server.api) as transport:
        with pytest.raises(errors.InvalidResponseError):
            transport.get("/builds", parse=json_of)
        assert transport.get("/builds", parse=json_of) == []
        assert server.connections == 2


@pytest.mark.parametrize("call", ["get", "wait"])
def test_row_of_another_id_is_an_error(call):
    answers = [faults.reply(row("builds", 5140, status="FINISHED")), faults.reply(row("builds", 5139))]
    with faults.serve(answers) as server, mk.connect(server.api, token="t") as client:
        if call == "get":
            with pytest.raises(errors.InvalidResponseError, match="came is 5140, and 5139 was asked for"):
                client.builds.get(5139)
            assert client.builds.get(5139).name == 5139
        else:
            assert client.builds.wait(5139, progress=False).name == 5139
        assert [request.connection for request in server.requests] == [1, 2]


def test_cookies_are_left_out():
    assert read(head(b"Set-Cookie: a=b", b"set-cookie2: c=d", b"X: y")).headers.items() == [("X", "y")]


def test_head_in_many_parts_is_read():
    answer = read(head(b"Content-Type: multipart/mixed", b"Content-Transfer-Encoding: base64"))
    assert answer.headers.defects == []
    assert not answer.headers.is_multipart()


def test_invalid_status_line_is_refused_at_once():
    with faults.serve(faults.replace(faults.bare(b"SSH-2.0-x\n"), end="hang")) as server:
        with (
            connected(server.api) as transport,
            pytest.raises(errors.ConnectionLostError, match="not an HTTP"),
        ):
            transport.get("/builds", parse=b"".join)
        assert len(server.requests) == 2


# --- what is refused ----------------------------------------------------------------------------------

BAD = {
    "no colon": head(b"X: 1", b"CANARY"),
    "no name": head(b": CANARY"),
    "blank in a name": head(b"X CANARY: 1"),
    "blank behind a name": head(b"CANARY : 1"),
    "letter that is none": head(b"CAN\xc4RY: 1"),
    "control character in a name": head(b"\x1bCANARY: 1"),
    "begins with a blank": head(b" CANARY: 1"),
    "From": head(b"From CANARY"),
    "line within a line": head(b"X: 1\rCANARY: 2"),
    "nothing within a line": head(b"X: CANARY\0"),
    "two line ends": head(b"X: CANARY\r"),
    "not HTTP": b"\x1b]0;CANARY\x07\r\n\r\n",
    "a page": b"<html>CANARY\n\n",
    "SSH": b"SSH-2.0-CANARY\r\n",
    "another version": head(first=b"HTTP/2 200 CANARY"),
    "no status": head(first=b"HTTP/1.1 CANARY"),
    "status of four digits": head(first=b"HTTP/1.1 2000 CANARY"),
    "status below 100": head(first=b"HTTP/1.1 099 CANARY"),
    "other digits": head(first="HTTP/1.1 ２００ CANARY".encode()),
    "line end in a status line": head(first=b"HTTP/1.1 200 OK\rCANARY: 1"),
    "no end to what comes before": b"HTTP/1.1 100 CANARY\r\n\r\n" * 500,
}


@pytest.mark.parametrize("content", BAD.values(), ids=BAD)
class TestBadHead:
    def test_invalid_head_is_refused_and_not_quoted(self, content):
        with pytest.raises(BadHead) as caught:
            read(content)
        assert "CANARY" not in repr(caught.value)
        assert str(caught.value).isprintable()

    def test_invalid_head_is_an_mkframe_error(self, content, caplog):
        caplog.set_level(0)
        with faults.serve(faults.bare(content)) as server, connected(server.api) as transport:
            with pytest.raises(errors.ConnectionLostError, match="not an HTTP answer") as caught:
                transport.get("/builds", parse=b"".join)
            assert len(server.requests) == 2
        assert caught.value.hint
        step = caught.value
        while step:
            assert "CANARY" not in repr(step)
            step = step.__context__
        assert "CANARY" not in caplog.text


@contextlib.contextmanager
def connected(url):
    transport = Transport(
        Settings(url, token=Secret("a-token-of-tests"), max_attempts=2, max_retry_wait=0.01)
    )
    try:
        yield transport
    finally:
        transport.close()


@pytest.mark.parametrize(
    "content", [b"", b"HTTP/1.1 200 OK", b"HTTP/1.1 200 OK\r\nContent-Le", b"HTTP/1.1 200 OK\r\n"]
)
def test_truncated_head_is_a_lost_connection(content):
    """The library takes it for whole, and the body for empty."""
    with (
        faults.serve(faults.bare(content)) as server,
        connected(server.api) as transport,
        pytest.raises(errors.ConnectionLostError, match="broke before the answer was complete"),
    ):
        transport.get("/builds", parse=b"".join)


@pytest.mark.parametrize("location", [b"\xf6\xff", b"\x1b[31m", b"http://[", b"//\xff:99999999/"])
def test_invalid_location_is_still_a_redirect(location):
    content = head(b"Location: " + location, b"Content-Length: 2", first=b"HTTP/1.1 302 Found")
    with faults.serve(faults.bare(content)) as server, connected(server.api) as transport:
        with pytest.raises((errors.RedirectError, errors.ConnectionLostError)) as caught:
            transport.post("/builds", {}, parse=b"".join)
        assert len(server.requests) == 1
    assert str(caught.value).isprintable()


# --- time ---------------------------------------------------------------------------------------------

LARGE = {
    "parts of a type": head(b"Content-Type: multipart/x", *[b" " + b';"' * 32_000] * 99),
    "lines that go on": head(b"X: 1", *[b" " + b"y" * 65_000] * 99),
    "line ends within": head(*[b"X: " + b"\ra:" * 21_000] * 99),
    "dates of cookies": head(*[b"Set-Cookie: a=b; expires=" + b"1 " * 32_000] * 99),
    "names of a file": head(b"Content-Disposition: a", *[b" " + b';"' * 32_000] * 99),
    "blanks": head(*[b"X:" + b" " * 65_000] * 99),
    "status line": head(first=b"HTTP/1.1 200" + b" " * 65_000),
    "one field many times": head(*[b"X: " + b"," * 65_000] * 99),
}


@pytest.mark.parametrize("content", LARGE.values(), ids=LARGE)
def test_head_of_megabytes_is_refused_fast(content):
    with faults.serve(faults.bare(content)) as server, connected(server.api) as transport:
        began = time.process_time()
        refused = contextlib.suppress(errors.ConnectionLostError, errors.ResponseTooLargeError)
        with refused, transport.stream("/downloads/1"):
            pass
        assert time.process_time() - began < 5


@pytest.mark.parametrize(
    "content",
    [
        head(*[b"X: 1"] * 101),
        head(b"X: " + b"y" * 70_000),
        head(b"X: 1", *[b" " + b"y" * 40_000] * 2),
        b"HTTP/1.1 200 " + b"y" * 70_000,
    ],
)
def test_oversized_head_is_refused(content):
    with (
        faults.serve(faults.bare(content)) as server,
        connected(server.api) as transport,
        pytest.raises(errors.MkframeError),
    ):
        transport.get("/builds", parse=b"".join)
