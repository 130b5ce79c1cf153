"""Archives, transports and listings for the artifact tests."""

from __future__ import annotations

import hashlib
import io
import os
import struct
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mkframe._http import Transport
from mkframe.settings import Secret, Settings

SQL = "".join(f"ALTER TABLE airplane ADD COLUMN c{n} INTEGER;\n" for n in range(2000))


def make_zip(members: dict[str, str | bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A ZIP archive; equal members give equal bytes."""
    return make_zip_of_entries(
        [(zipfile.ZipInfo(name), content) for name, content in members.items()], compression
    )


def make_zip_of_entries(
    entries: list[tuple[zipfile.ZipInfo, str | bytes]], compression: int = zipfile.ZIP_STORED
) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for entry, content in entries:
            archive.writestr(entry, content, compression)
    return buffer.getvalue()


def artifact(number: int, size: int = 20_000) -> bytes:
    """An archive of about `size` bytes that differs from every other number's."""
    noise = hashlib.shake_128(str(number).encode()).digest(size)
    return make_zip({"ddl/airplane.sql": f"-- {number}\n{SQL}", "mapping.bin": noise}, zipfile.ZIP_STORED)


def transport(url: str, **settings: Any) -> Transport:
    """A transport with a token, that does not wait long before it tries again."""
    return Transport(
        Settings(url, **{"token": Secret("word"), "max_retry_wait": 0.2, "read_timeout": 5.0} | settings)
    )


def tree(folder: Path) -> dict[str, bytes | None]:
    """Everything below a folder, hidden things included; None for folders."""
    found = {}
    for base, folders, files in os.walk(folder):
        here = Path(base)
        found |= {str((here / name).relative_to(folder)): None for name in folders}
        found |= {str((here / name).relative_to(folder)): (here / name).read_bytes() for name in files}
    return found


def visible_files(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in folder.iterdir() if not p.name.startswith(".")}


@dataclass
class Forged:
    """A member of which directory, own header and content can contradict each other.

    What is not given is as it should be; `packed` and `at` are what the directory says of the content's
    length and the header's place.
    """

    name: bytes | str = b"a.sql"
    content: bytes = b"SELECT 1"
    method: int = zipfile.ZIP_STORED
    size: int | None = None
    crc: int | None = None
    packed: int | None = None
    at: int | None = None
    extra: bytes = b""
    flags: int = 0
    mode: int = 0
    comment: bytes = b""
    own_name: bytes | None = None
    own_method: int | None = None
    own_flags: int | None = None
    own_extra: bytes = b""
    raw: bytes | None = None
    """The content as it lies in the archive; else it is `content`, deflated where `method` says so."""


def forge_zip(*members: Forged, end: bytes | None = None, **record: int) -> bytes:
    """An archive of forged members; `record` replaces fields of the record at its end, `end` all of it."""
    body, directory = bytearray(), bytearray()
    for m in members:
        name = m.name.encode() if isinstance(m.name, str) else m.name
        raw = m.raw
        if raw is None:
            raw = deflate(m.content) if m.method == zipfile.ZIP_DEFLATED else m.content
        crc = zlib.crc32(m.content) if m.crc is None else m.crc
        size = len(m.content) if m.size is None else m.size
        packed = len(raw) if m.packed is None else m.packed
        own = name if m.own_name is None else m.own_name
        own_method = m.method if m.own_method is None else m.own_method
        own_flags = m.flags if m.own_flags is None else m.own_flags
        place = len(body) if m.at is None else m.at
        sizes = struct.pack("<3L", crc, packed, size)
        body += struct.pack("<4s5H", b"PK\3\4", 20, own_flags, own_method, 0, 33) + sizes
        body += struct.pack("<2H", len(own), len(m.own_extra)) + own + m.own_extra + raw
        directory += struct.pack("<4s6H", b"PK\1\2", 20, 20, m.flags, m.method, 0, 33) + sizes
        directory += struct.pack("<5H", len(name), len(m.extra), len(m.comment), 0, 0)
        directory += struct.pack("<2L", m.mode << 16, place) + name + m.extra + m.comment
    if end is None:
        count = len(members) & 0xFFFF
        fields = {"disk": 0, "first": 0, "here": count, "count": count, "size": len(directory)}
        fields |= {"offset": len(body), "comment": 0} | record
        end = struct.pack("<4s4H2LH", b"PK\5\6", *fields.values())
    return bytes(body + directory + end)


def deflate(content: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return packer.compress(content) + packer.flush()


def field(kind: int, body: bytes) -> bytes:
    """An extra field."""
    return struct.pack("<2H", kind, len(body)) + body


def unicode_path(name: bytes, other: bytes, crc: int | None = None) -> bytes:
    """The extra field 0x7075, which gives a member another name."""
    return field(0x7075, struct.pack("<BL", 1, zlib.crc32(name) if crc is None else crc) + other)
