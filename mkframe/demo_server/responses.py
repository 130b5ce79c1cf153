"""Responses: JSON, error bodies, ETag, gzip."""

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

_MIN_COMPRESSED_BYTES = 1000
_BATCH_ROWS = 2000
_ERROR_NAMES = {
    **schema.ERROR_NAMES,
    408: "Timeout",
    413: "PayloadTooLarge",
    501: "NotImplemented",
    503: "Unavailable",
}


class ApiError(Exception):
    """An error to answer a request with."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message


def error_response(status: int, message: str, headers: dict[str, str] | None = None) -> Response:
    """Make a response with the documented error body."""
    body = {"name": _ERROR_NAMES.get(status, "GeneralError"), "message": message, "code": status}
    return Response(encode_json(body), status, headers, "application/json; charset=utf-8")


def created_response(value: Any) -> Response:
    """Make the response to a POST from an object or its JSON.

    201 is documented for logins only; it is used here for every POST.
    """
    body = value if isinstance(value, bytes) else encode_json(value)
    return Response(body, 201, media_type="application/json; charset=utf-8")


def row_response(request: Request, value: Any) -> Response:
    """Make the response to a GET from an object, compressed and with an ETag."""
    return etag_response(request, encode_json(value), "application/json; charset=utf-8", {}, compress=True)


def rows_response(request: Request, values: Iterable[Any]) -> Response:
    """Make the response to a GET from an array, compressed and with an ETag.

    The rows are encoded in batches: 200,000 builds as objects would take most of a gigabyte.
    """
    remaining, parts = iter(values), []
    while batch := list(islice(remaining, _BATCH_ROWS)):
        parts.append(encode_json(batch)[1:-1])
    return etag_response(
        request, b"[" + b",".join(parts) + b"]", "application/json; charset=utf-8", {}, compress=True
    )


def etag_response(
    request: Request, body: bytes, media_type: str, headers: dict[str, str], *, compress: bool
) -> Response:
    """Make a response with an ETag; 304 without a body if the client sent that ETag."""
    tag = f'W/"{len(body):x}-{hashlib.sha256(body).hexdigest()[:27]}"'
    headers = {"ETag": tag, "Vary": "Accept-Encoding", **headers}
    if _etag_matches(request.headers.get("if-none-match"), tag):
        return Response(status_code=304, headers=headers)
    if (
        compress
        and len(body) >= _MIN_COMPRESSED_BYTES
        and accepts_gzip(request.headers.get("accept-encoding", ""))
    ):
        headers["Content-Encoding"] = "gzip"
        body = gzip.compress(body, 1, mtime=0)
    return Response(body, headers=headers, media_type=media_type)


def encode_json(value: Any) -> bytes:
    """Encode a value as JSON."""
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:  # half of a surrogate pair in a description
        return json.dumps(value, separators=(",", ":")).encode()


def _etag_matches(if_none_match: str | None, tag: str) -> bool:
    tags = [t.strip() for t in (if_none_match or "").split(",")]
    return "*" in tags or tag.removeprefix("W/") in [t.removeprefix("W/") for t in tags]


def accepts_gzip(header: str) -> bool:
    """Whether an Accept-Encoding header allows gzip; ``q=0`` forbids it."""
    quality: dict[str, float] = {}
    for part in header.split(","):
        name, _, rest = part.partition(";")
        key, _, value = rest.strip().partition("=")
        try:
            quality[name.strip().lower()] = float(value) if key.strip().lower() == "q" else 1.0
        except ValueError:
            quality[name.strip().lower()] = 0.0
    return quality.get("gzip", quality.get("*", 0.0)) > 0
