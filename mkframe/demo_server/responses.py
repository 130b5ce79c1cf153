"""How an answer looks on the wire: JSON, error bodies, ETag, gzip."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Iterable
from itertools import islice
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from mkframe import schema

_WORTH_PACKING = 1000
_BATCH = 2000
_NAMES = {
    **schema.ERROR_NAMES,
    408: "Timeout",
    413: "PayloadTooLarge",
    501: "NotImplemented",
    503: "Unavailable",
}


class ApiError(Exception):
    """A request that is answered with an error."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message


def error_response(status: int, message: str, headers: dict[str, str] | None = None) -> Response:
    """Answer with the documented error body."""
    body = {"name": _NAMES.get(status, "GeneralError"), "message": message, "code": status}
    return Response(encode_json(body), status, headers, "application/json; charset=utf-8")


def created(value: Any) -> Response:
    """Answer a POST with an object or its JSON; 201 is documented for logins only and used for every POST."""
    body = value if isinstance(value, bytes) else encode_json(value)
    return Response(body, 201, media_type="application/json; charset=utf-8")


def row(request: Request, value: Any) -> Response:
    """Answer a GET with an object, packed and tagged."""
    return tagged(request, encode_json(value), "application/json; charset=utf-8", {}, pack=True)


def rows(request: Request, values: Iterable[Any]) -> Response:
    """Answer a GET with an array, packed and tagged.

    The rows are encoded some at a time: 200,000 builds as objects would take most of a gigabyte.
    """
    left, parts = iter(values), []
    while batch := list(islice(left, _BATCH)):
        parts.append(encode_json(batch)[1:-1])
    return tagged(request, b"[" + b",".join(parts) + b"]", "application/json; charset=utf-8", {}, pack=True)


def tagged(request: Request, body: bytes, kind: str, headers: dict[str, str], *, pack: bool) -> Response:
    """Answer with a body, or with 304 where the asker has it already."""
    tag = f'W/"{len(body):x}-{hashlib.sha256(body).hexdigest()[:27]}"'
    headers = {"ETag": tag, "Vary": "Accept-Encoding", **headers}
    if _has(request.headers.get("if-none-match"), tag):
        return Response(status_code=304, headers=headers)
    if pack and len(body) >= _WORTH_PACKING and accepts_gzip(request.headers.get("accept-encoding", "")):
        headers["Content-Encoding"] = "gzip"
        body = gzip.compress(body, 1, mtime=0)
    return Response(body, headers=headers, media_type=kind)


def encode_json(value: Any) -> bytes:
    """Write a value as JSON."""
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:  # half a surrogate pair in somebody's description
        return json.dumps(value, separators=(",", ":")).encode()


def _has(known: str | None, tag: str) -> bool:
    tags = [t.strip() for t in (known or "").split(",")]
    return "*" in tags or tag.removeprefix("W/") in [t.removeprefix("W/") for t in tags]


def accepts_gzip(header: str) -> bool:
    """Say whether an Accept-Encoding header allows gzip; ``q=0`` forbids it."""
    quality: dict[str, float] = {}
    for part in header.split(","):
        name, _, rest = part.partition(";")
        key, _, value = rest.strip().partition("=")
        try:
            quality[name.strip().lower()] = float(value) if key.strip().lower() == "q" else 1.0
        except ValueError:
            quality[name.strip().lower()] = 0.0
    return quality.get("gzip", quality.get("*", 0.0)) > 0
