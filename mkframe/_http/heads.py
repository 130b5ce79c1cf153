"""Parser of the head of an answer (status line and header fields), by RFC 9112.

The parser of ``http.client`` continues after a line that is not a header field: the fields behind it are
lost, a Content-Length too, and urllib3 logs them. It also takes minutes for some megabytes. Here such a head
is refused, and no error quotes it.
"""

from __future__ import annotations

import http.client
import io
import re
from typing import Any

__all__ = ["Answer", "BadHead"]

_MAX_LINE = 1 << 16
_MAX_FIELDS = 100
_MAX_INTERIM = 100
"""Answers with status 1xx that may come before the final one (RFC 9110, 15.2)."""
_WITHOUT_BODY = (b"101", b"204", b"304")
_LENGTH = re.compile("[0-9]+")
_STATUS = re.compile(rb"HTTP/[01]\.[0-9][ \t]+([1-9][0-9]{2})(?:[ \t].*)?", re.S)
_NAME = re.compile(rb"[!-9;-~]+")
_FRAMING = {"transfer-encoding", "content-length", "connection", "keep-alive", "proxy-connection"}
_COOKIES = {"set-cookie", "set-cookie2"}
"""Left out, since cookies are not kept; their parser is slow, and quotes them in errors."""


class BadHead(http.client.HTTPException):
    """The bytes received are not the head of an HTTP answer."""


class Answer(http.client.HTTPResponse):
    """An answer of ``http.client`` whose head is parsed here."""

    # Set by http.client; its type stubs do not declare them.
    headers: http.client.HTTPMessage
    fp: Any

    def begin(self) -> None:
        if self.headers is not None:
            return
        body, (code, status, *lines) = self.fp, _final_head(self.fp)
        fields = _fields(lines)
        # http.client gets only the fields that say how the body ends, and finds the end from them.
        framing = "".join([f"{name}: {value}\r\n" for name, value in fields if name.lower() in _FRAMING])
        self.fp = io.BytesIO(status + b"\r\n" + framing.encode("latin-1") + b"\r\n")
        try:
            super().begin()
        finally:
            self.fp = body
        if _has_unsure_end(code, fields):
            self.will_close = True  # what follows may be the rest of this answer
        self.headers = self.msg = http.client.HTTPMessage()
        for name, value in fields:
            if name.lower() not in _COOKIES:
                self.headers[name] = value


def _final_head(file: Any) -> list[bytes]:
    """Read the status, status line and header lines of the final answer, without line ends."""
    for _ in range(_MAX_INTERIM):
        lines: list[bytes] = []
        status = b""
        while not lines or lines[-1]:
            line: bytes = file.readline(_MAX_LINE + 1)
            if len(line) > _MAX_LINE:
                raise http.client.LineTooLong("header line" if lines else "status line")
            if not line.endswith(b"\n"):
                raise http.client.RemoteDisconnected("The connection ended before the head was complete.")
            lines.append(line[:-1].removesuffix(b"\r"))
            if len(lines) == 1:
                status = _status_code(lines[0])
            elif lines[-1] and len(lines) > _MAX_FIELDS + 1:
                raise http.client.HTTPException(f"got more than {_MAX_FIELDS} headers")
        lines.pop()
        if not status.startswith(b"1") or status == b"101":
            return [status, *lines]
    raise BadHead(f"More than {_MAX_INTERIM} answers with a status below 200 came.")


def _has_unsure_end(status: bytes, fields: list[tuple[str, str]]) -> bool:
    """Whether readers may differ in where the answer ends (RFC 9112, 6.3), or another protocol follows."""
    lengths, is_chunked = set(), False
    for name, value in fields:
        if (lower := name.lower()) == "content-length":
            lengths.add(value)
        elif lower == "transfer-encoding":
            is_chunked = True
    if status in _WITHOUT_BODY:
        return status == b"101" or is_chunked or not lengths <= {"0"}
    return bool(lengths) and (is_chunked or len(lengths) > 1 or not _LENGTH.fullmatch(lengths.pop()))


def _status_code(line: bytes) -> bytes:
    found = _STATUS.fullmatch(line)
    if not found or b"\r" in line:
        raise BadHead("The status line is not that of an HTTP answer.")
    return found[1]


def _fields(lines: list[bytes]) -> list[tuple[str, str]]:
    """Parse names and values; a line that begins with a blank continues the value before (RFC 9112, 5.2)."""
    fields: list[tuple[bytes, list[bytes]]] = []
    for line in lines:
        if b"\r" in line or b"\0" in line:
            raise BadHead("A header field holds a control character that ends it for some readers.")
        if line[:1] in (b" ", b"\t"):
            if not fields:
                raise BadHead("The first header field has no name.")
            fields[-1][1].append(line.strip(b" \t"))
            continue
        name, colon, value = line.partition(b":")
        if not colon or not _NAME.fullmatch(name):
            raise BadHead("A line of the head is not a header field.")
        fields.append((name, [value.strip(b" \t")]))
    values = [b" ".join(parts).decode("latin-1") for _, parts in fields]
    if max(map(len, values), default=0) > _MAX_LINE:
        raise http.client.LineTooLong("header line")  # on several lines it is as long for its readers
    return [(name.decode("latin-1"), value) for (name, _), value in zip(fields, values, strict=True)]
