"""Tapes: answers that a server once gave, replayed without any network.

A tape says who answered, holds one fixed address instead of the real one, and no token, password or
e-mail address. vcrpy is not thread-safe, so no test with a tape sends from two threads at a time.

To record all tapes anew, against the embedded server::

    RECORD=1 python -m pytest tests/test_tapes.py

With ``MKFRAME_URL``, ``MKFRAME_EMAIL`` and ``MKFRAME_PASSWORD`` set, the same command records against
that account; it only reads, and fetches one artifact.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import vcr
import yaml
from vcr.serializers import yamlserializer

from mkframe.client import Client, connect
from mkframe.demo_server import Server

FOLDER = Path(__file__).parents[2] / "cassettes"
FIXED = "https://metakraftwerk.invalid"
SCRUBBED = "SCRUBBED"
RECORDING = bool(os.environ.get("RECORD"))
ACCOUNT = {name: os.environ.get(f"MKFRAME_{name.upper()}") for name in ("url", "email", "password")}
"""Read once, before the fixtures hide the environment from the tests."""
NOW = dt.datetime(2026, 6, 17, 9, 30, tzinfo=dt.UTC)
EMBEDDED = f"the embedded server of mkframe: 12 builds until {NOW:%Y-%m-%d %H:%M} UTC, seed 7"
REAL = "a MetaKraftwerk account"

_ASKED = {"accept", "content-type"}
"""Headers of a request that are kept: not even the length of a login's body."""
_ANSWERED = {"content-type", "content-length", "content-disposition"}
_ADDRESS = re.compile(rb"[\w.+-]+@[\w-]+\.[\w.-]+")
_SECRET = re.compile(rb'("(?:accessToken|password|email|refreshToken)"\s*:\s*)"(?:[^"\\]|\\.)*"')
_WEB_TOKEN = re.compile(rb"eyJ[\w-]+\.[\w-]+\.[\w-]*")


def scrub(body: bytes) -> bytes:
    """Replace what is secret or personal."""
    body = _SECRET.sub(rb'\1"' + SCRUBBED.encode() + b'"', body)
    return _WEB_TOKEN.sub(SCRUBBED.encode(), _ADDRESS.sub(SCRUBBED.encode(), body))


def recorder(live: str, recorded_against: str, *, recording: bool) -> vcr.VCR:
    """A recorder for one server; `live` is its address without the path."""

    def keep_request(request: Any) -> Any:
        request.uri = request.uri.replace(live, FIXED)
        request.headers = {name: v for name, v in request.headers.items() if name.lower() in _ASKED}
        if request.body:
            request.body = scrub(request.body)
        return request

    def keep_response(response: dict[str, Any]) -> dict[str, Any]:
        headers = {name.lower(): v for name, v in response["headers"].items() if name.lower() in _ANSWERED}
        body = response["body"]["string"]
        if "zip" not in "".join(headers.get("content-type", [])):
            body = scrub(body).replace(live.encode(), FIXED.encode())
            headers["content-length"] = [str(len(body))]
        return {**response, "body": {"string": body}, "headers": headers}

    made = vcr.VCR(
        match_on=("method", "scheme", "host", "path", "query", "body"),
        decode_compressed_response=True,
        before_record_request=keep_request,
        before_record_response=keep_response,
        record_mode="all" if recording else "none",
        serializer="signed",
    )
    made.register_serializer("signed", _signed(recorded_against))
    return made


def _signed(recorded_against: str) -> Any:
    """vcrpy's YAML with one more key, which vcrpy passes over when it reads."""

    def serialize(tape: dict[str, Any]) -> str:
        return yaml.dump({"recorded_against": recorded_against}) + yamlserializer.serialize(tape)

    return SimpleNamespace(serialize=serialize, deserialize=yamlserializer.deserialize)


@contextlib.contextmanager
def played(name: str) -> Iterator[Client]:
    """A client whose requests are answered by a tape, and all of them; or recorded, where asked for."""
    path = FOLDER / f"{name}.yaml"
    if RECORDING:
        path.unlink(missing_ok=True)
        with _answering() as (url, email, password, who):
            made = recorder(url.removesuffix("/api/v1"), who, recording=True)
            with connect(url, email=email, password=password) as client, made.use_cassette(str(path)):
                yield client
        return
    made = recorder(FIXED, "", recording=False)
    with (
        connect(f"{FIXED}/api/v1", email=SCRUBBED, password=SCRUBBED) as client,
        made.use_cassette(str(path)) as tape,
    ):
        yield client
        assert tape.all_played, f"{len(tape) - tape.play_count} recorded requests were not made"


@contextlib.contextmanager
def _answering() -> Iterator[tuple[str, str, str, str]]:
    """Address and login of the server that is recorded, and who it is."""
    url, email, password = ACCOUNT.values()
    if url and email and password:
        yield url, email, password, REAL
        return
    with Server(builds=12, seed=7, at=NOW) as server:
        yield server.url, server.email, server.password, EMBEDDED
