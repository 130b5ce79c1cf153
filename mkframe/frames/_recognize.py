"""Say what a body is that is not the JSON it should be."""

from __future__ import annotations

import contextlib
import re
from typing import Any

import msgspec

from mkframe._text import BOM, single_line
from mkframe.errors import InvalidResponseError

__all__ = ["START", "error_text", "invalid_body", "is_json_text", "recognize", "recognize_row"]

START = 1 << 12
"""Bytes of a body by which it is recognized."""
_SPACE = b" \t\r\n"
_TRAILING = re.compile(r"trailing characters \(byte (\d+)\)")
_MAX_SHOWN = 100
_MAX_KEYS = 8
_MAX_OBJECT = 1 << 20
"""Bytes of an object whose keys are looked at."""
_JOINED = (
    "several lists one after the other: answers were joined",
    "Read each on its own; pd.concat joins the frames.",
)
_NESTED = ("a list of lists: answers were joined", _JOINED[1])
_MIXED = ("JSON with more JSON behind it: answers were joined", _JOINED[1])
_LINES = (
    "several objects one after the other and not in a list, as NDJSON has them",
    "Put commas between the objects and [ ] around them all.",
)
_OTHER_KINDS: dict[bytes, tuple[str, str]] = {
    b"<": ("a web page or XML", ""),
    b"PK\x03\x04": ("a ZIP archive, as artifacts and .xlsx files are", "mk.read_json reads JSON alone."),
    b"PAR1": ("a Parquet file", "pd.read_parquet reads it."),
    b"ARROW1": ("an Arrow file", "pd.read_feather reads it."),
    b"SQLite format 3": ("an SQLite database", ""),
    b"%PDF": ("a PDF", ""),
    b"\x80": ("a pickle or another binary file", "mk.read_json reads JSON alone."),
    b"\xff\xfe": ("text in UTF-16, as PowerShell writes it", "Save it in UTF-8."),
    b"\xfe\xff": ("text in UTF-16", "Save it in UTF-8."),
    b"(\xb5/\xfd": ("compressed with zstd", "Unpack it first; gzip alone is unpacked here."),
    b"BZh": ("compressed with bzip2", "Unpack it first; gzip alone is unpacked here."),
    b"\xfd7zXZ": ("compressed with xz", "Unpack it first; gzip alone is unpacked here."),
    b'"': ("a single text in quotes", "Is it JSON that was written as JSON once more?"),
}
"""What else a body may be, by its first bytes: in words, and what to try."""


def recognize(
    expected: str, body: bytes | bytearray, resource: str = "", key: str = ""
) -> InvalidResponseError | None:
    """Make the error for a body that is something else than expected; None where it is not recognized.

    Parameters
    ----------
    expected : str
        What was promised, such as ``"one object"``.
    body : bytes
        The body, or at least its first `START` bytes.
    resource, key : str, optional
        What the rows are, and the key that each of them has.

    Examples
    --------
    >>> recognize("an array of rows", b"PAR1").message
    'The content is a Parquet file, and not the JSON that was promised (an array of rows).'
    """
    start = bytes(body[:START]).removeprefix(BOM).lstrip(_SPACE)
    with memoryview(body) as whole:
        kind, hint = _kind(start, whole, resource, key)
    if not kind:
        return None
    shown = start[:80].decode("utf-8", "replace").strip()
    quoted = f" It starts with {shown!r}." if start.startswith(b"<") else ""
    return InvalidResponseError(
        f"The content is {kind}, and not the JSON that was promised ({expected}).{quoted}",
        hint=hint or InvalidResponseError._HINT_WRONG_SERVER,
        body_start=shown,
    )


def recognize_row(expected: str, row: Any) -> InvalidResponseError | None:
    """Make the error for the first item of a list that is no row; None where it is not recognized.

    Examples
    --------
    >>> recognize_row("rows", [{"id": 1}]).message
    'The content is a list of lists: answers were joined, and not the JSON that was promised (rows).'
    """
    kind, hint = "", ""
    if isinstance(row, list):
        kind, hint = _NESTED
    elif isinstance(row, dict) and isinstance(row.get("code"), int):
        kind, hint = _error_kind(row)
    promised = f"The content is {kind}, and not the JSON that was promised ({expected})."
    return InvalidResponseError(promised, hint=hint) if kind else None


def invalid_body(expected: str, body: bytes | bytearray, reason: str = "") -> InvalidResponseError:
    """Make the error for a body that is not as expected; `reason` continues a general sentence."""
    return recognize(expected, body) or InvalidResponseError.from_body(expected, bytes(body[:START]), reason)


def is_json_text(text: str) -> bool:
    """Whether a text is JSON rather than a path.

    Examples
    --------
    >>> is_json_text(' [{"id": 1}]'), is_json_text("[1] builds.json")
    (True, False)
    """
    start = text.removeprefix("\ufeff").lstrip()
    return re.match(r'\[\s*(\{|\])|\{\s*("|\})', start) is not None


def _kind(start: bytes, whole: memoryview, resource: str, key: str) -> tuple[str, str]:
    """Return in words what a text is, and what to try; empty where it is not recognized."""
    for first, known in _OTHER_KINDS.items():
        if start.startswith(first):
            return known
    if start.startswith((b"[\0", b"{\0", b"\0[", b"\0{")):
        return _OTHER_KINDS[b"\xfe\xff"]
    if not start.startswith((b"[", b"{")):
        return "", ""
    skipped = len(BOM) if whole[: len(BOM)] == BOM else 0
    try:
        msgspec.json.decode(whole[skipped:], type=msgspec.Raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        found = _TRAILING.search(str(error))
        behind = skipped + int(found[1]) - 1 if found else len(whole)
        after = bytes(whole[behind : behind + START]).lstrip(_SPACE + b"\x1e,")
        if after[:1] == start[:1]:
            return _JOINED if after.startswith(b"[") else _LINES
        return _MIXED if after.startswith((b"[", b"{")) else ("", "")
    if start.startswith(b"{") and len(whole) <= _MAX_OBJECT:
        with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return _object_kind(msgspec.json.decode(whole[skipped:]), resource, key)
    return "", ""


def _object_kind(value: dict[str, Any], resource: str, key: str) -> tuple[str, str]:
    if key in value:
        return "", ""
    error = _error_kind(value)
    if error[0] or not key:
        return error
    names = ", ".join(repr(single_line(name, 30)) for name in list(value)[:_MAX_KEYS]) or "no keys"
    lists = [name for name, rows in value.items() if isinstance(rows, list) and rows]
    hint = f"Its rows are in {single_line(lists[0], 30)!r}: give that list alone." if len(lists) == 1 else ""
    more = ", ..." if len(value) > _MAX_KEYS else ""
    return f"an object with {names}{more}, which has no {key!r} as rows of {resource} have", hint


def _error_kind(value: dict[str, Any]) -> tuple[str, str]:
    message, code = value.get("message"), value.get("code", value.get("status"))
    if not isinstance(message, str) or (code is None and not isinstance(value.get("name"), str)):
        return "", ""
    name = single_line(value.get("name") or "an error", 40)
    number = f" ({single_line(code, 10)})" if code is not None else ""
    return (
        f"an error of the server, {name}{number}: {single_line(message, _MAX_SHOWN)!r}",
        "The request had failed; send it again.",
    )


def error_text(body: bytes) -> str:
    """Say which error of the server a body is; empty where it is none.

    Examples
    --------
    >>> error_text(b'{"name": "NotFound", "message": "No record", "code": 404}')
    "an error of the server, NotFound (404): 'No record'"
    >>> error_text(b'{"id": 1}')
    ''
    """
    with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        value = msgspec.json.decode(body)
        return _error_kind(value)[0] if isinstance(value, dict) else ""
    return ""
