"""Archives, transports and listings for the tests of this room."""

from __future__ import annotations

import hashlib
import io
import os
import zipfile
from pathlib import Path
from typing import Any

from mkframe._http import Transport
from mkframe.settings import Secret, Settings

SQL = "".join(f"ALTER TABLE airplane ADD COLUMN c{n} INTEGER;\n" for n in range(2000))


def packed(members: dict[str, str | bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A ZIP archive; equal members give equal bytes."""
    return packed_entries(
        [(zipfile.ZipInfo(name), content) for name, content in members.items()], compression
    )


def packed_entries(
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
    return packed({"ddl/airplane.sql": f"-- {number}\n{SQL}", "mapping.bin": noise}, zipfile.ZIP_STORED)


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
