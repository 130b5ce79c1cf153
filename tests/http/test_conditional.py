"""Reads of answers that may be the same as before."""

import gzip
import hashlib
import json
from dataclasses import replace

import pytest

from mkframe import errors
from mkframe._http import Validators
from mkframe.limits import Limits
from tests.http.test_session import ROWS, TOKEN, connected
from tests.support import faults

BODY = json.dumps(ROWS).encode()
DIGEST = hashlib.sha256(BODY).hexdigest()
ETAG = 'W/"7-abc"'


def tagged(etag=ETAG, *, packed=False, body=BODY):
    answer = faults.content(body, "application/json", headers={"ETag": etag})
    return faults.zipped(answer) if packed else answer


def honest(request):
    """A server that compares the ETag, as Express does."""
    if request.headers.get("if-none-match") == ETAG:
        return faults.Answer(304, headers={"ETag": ETAG})
    return tagged(packed=True)


UNKNOWN = Validators()


def read(transport, known=UNKNOWN):
    return transport.get_if_changed("/builds", {}, known)


def test_known_etag_is_asked_for_and_answered_without_a_body():
    with faults.serve(honest) as server, connected(server.api) as transport:
        first = read(transport)
        assert (first.how, bytes(first.body)) == ("rows", BODY)
        assert (first.validators.etag, first.validators.body) == (ETAG, DIGEST)
        second = read(transport, first.validators)
        assert (second.how, second.body, second.validators) == ("304", b"", first.validators)
    assert ["if-none-match" in r.headers for r in server.requests] == [False, True]


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("etag", [ETAG, 'W/"another"'])
def test_same_body_is_known_by_its_bytes(packed, etag):
    script = [tagged(packed=packed), tagged(etag, packed=packed)]
    with faults.serve(script) as server, connected(server.api) as transport:
        first = read(transport)
        second = read(transport, replace(first.validators, etag=None))
    assert (second.how, second.body) == ("same", b"")
    assert second.validators == replace(first.validators, etag=etag)


def test_body_packed_otherwise_is_known_by_its_hash():
    other = replace(tagged(packed=True), body=gzip.compress(BODY, 1, mtime=77))
    with faults.serve([tagged(packed=True), other]) as server, connected(server.api) as transport:
        first = read(transport)
        second = read(transport, replace(first.validators, etag=None))
    assert second.how == "same"
    assert second.validators.wire != first.validators.wire


def test_304_about_another_answer_is_asked_again():
    script = [faults.Answer(304, headers={"ETag": '"other"'}), tagged()]
    with faults.serve(script) as server, connected(server.api) as transport:
        answer = read(transport, Validators(ETAG, "w", "b"))
    assert (answer.how, bytes(answer.body)) == ("rows", BODY)
    assert ["if-none-match" in r.headers for r in server.requests] == [True, False]


def test_304_that_was_not_asked_for_is_an_error():
    refused = pytest.raises(errors.RedirectError, match=r"'not modified', though no .* proxy or cache")
    with faults.serve(faults.Answer(304)) as server, connected(server.api) as transport, refused:
        read(transport)


@pytest.mark.parametrize("etag", ["no quotes", '"' + "x" * 2000 + '"', f'"{TOKEN}"', '"a\tb"'])
def test_etag_that_is_malformed_or_holds_the_token_is_not_kept(etag):
    with faults.serve(tagged(etag)) as server, connected(server.api) as transport:
        assert read(transport).validators.etag is None


def test_broken_or_damaged_body_is_read_again():
    whole = tagged(packed=True)
    damaged = replace(whole, body=whole.body[:-20] + b"\0" * 20)
    script = [faults.cut(whole), damaged, replace(whole, body=whole.body[:-9]), whole]
    with faults.serve(script) as server, connected(server.api, max_attempts=4) as transport:
        assert bytes(read(transport).body) == BODY
    assert len(server.requests) == 4


def test_web_page_is_refused():
    refused = pytest.raises(errors.InvalidResponseError, match="web page")
    with faults.serve(faults.html()) as server, connected(server.api) as transport, refused:
        read(transport)


@pytest.mark.parametrize("packed", [True, False])
def test_body_is_limited_after_unpacking(packed):
    large = tagged(packed=packed, body=b"[" + b" " * 100_000 + b"]")
    refused, limits = pytest.raises(errors.ResponseTooLargeError), Limits(find=5000)
    with faults.serve(large) as server, connected(server.api, limits=limits) as transport, refused:
        read(transport)
