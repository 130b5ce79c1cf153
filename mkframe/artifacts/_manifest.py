"""What has landed in a folder: a line of JSON for each file, in ``.mkframe.jsonl`` beside the files.

The API tells neither size nor checksum before a file is fetched, so a file counts as there and whole only
where its bytes are those that were written down when it landed.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
from dataclasses import asdict, dataclass
from pathlib import Path

from mkframe._files import file_sha256
from mkframe.artifacts._filenames import flaw, folded, numbered, safe_name
from mkframe.errors import InputError

__all__ = ["NAME", "Entry", "Manifest"]

NAME = ".mkframe.jsonl"


@dataclass(frozen=True, slots=True)
class Entry:
    """One line: which download of which server has which bytes.

    Parameters
    ----------
    server : str
        Base URL.
    id, build_id : int
        Download and build; the build may be unknown.
    name : str
        File name in the folder.
    bytes : int
        Size.
    sha256 : str
        Checksum, in hexadecimal.
    """

    server: str
    id: int
    build_id: int | None
    name: str
    bytes: int
    sha256: str

    def is_whole(self, folder: Path) -> bool:
        """Whether the file is there with exactly these bytes."""
        path = folder / self.name
        try:
            return path.is_file() and path.stat().st_size == self.bytes and file_sha256(path) == self.sha256
        except OSError:
            return False


class Manifest:
    """The names that downloads of one server have in a folder, now and in earlier runs.

    Parameters
    ----------
    folder : Path
        Where the files are.
    server : str
        Base URL; lines of other servers are left alone.
    """

    def __init__(self, folder: Path, server: str) -> None:
        self._path = folder / NAME
        self._server = server
        self._lock = threading.Lock()
        self._entries = {e.id: e for e in _read(self._path) if e.server == server}
        self._names = {e.id: e.name for e in self._entries.values()}
        self._taken = {folded(name) for name in self._names.values()}

    def entry(self, id: int) -> Entry | None:
        """Give the line of a download, where there is one."""
        return self._entries.get(id)

    def claim(self, id: int, name: str) -> str:
        """Choose the file name of a download; one that another download has is given a counter."""
        with self._lock:
            if id not in self._names:
                wanted = free = safe_name(name, f"download_{id}")
                number = 1
                while folded(free) in self._taken:
                    number += 1
                    free = numbered(wanted, number)
                self._taken.add(folded(free))
                self._names[id] = free
            return self._names[id]

    def record(self, id: int, build_id: int | None, name: str, bytes: int, sha256: str) -> None:
        """Write a line, before the file is moved: a line without its file is harmless."""
        entry = Entry(self._server, id, build_id, name, bytes, sha256)
        if self._entries.get(id) == entry:
            return
        line = json.dumps(asdict(entry), ensure_ascii=False) + "\n"
        with self._lock, open(self._path, "ab", opener=_opened) as file:
            file.write(line.encode())
            self._entries[id] = entry


def _opened(path: str, flags: int) -> int:
    """Open without following a link, which could lead out of the folder."""
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0), 0o666)


def _read(path: Path) -> list[Entry]:
    """All sound lines; a torn or foreign one only means that its file is compared after fetching it."""
    try:
        lines = path.read_bytes().splitlines()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise InputError(
            f"{str(path)!r}, the list of what was fetched, cannot be read: {error.strerror or error}.",
            hint="Give another folder as to=, or look what stands there.",
        ) from error
    entries = []
    for line in lines:
        with contextlib.suppress(ValueError, TypeError, RecursionError):
            entries.append(_checked(Entry(**json.loads(line))))
    return entries


def _checked(entry: Entry) -> Entry:
    """Trust nothing: the folder may come from somebody else."""
    numbers = (entry.id, entry.bytes, 0 if entry.build_id is None else entry.build_id)
    if not all(type(n) is int for n in numbers) or not all(
        isinstance(word, str) for word in (entry.server, entry.name, entry.sha256)
    ):
        raise TypeError("not a line of ours")
    if flaw(entry.name) or "/" in entry.name or entry.name.startswith("."):
        raise ValueError("not a name of ours")
    return entry
