"""What has landed in a folder: a line of JSON for each file, in ``.mkframe.jsonl`` beside the files.

The API tells neither size nor checksum before a file is fetched, so a file counts as there and whole only
where its bytes are those that were written down when it landed. Whoever can write this down can make a fetch
skip a file: so the list counts only where this user has written it and nobody else can, and so does a file
only where it is this user's.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
from dataclasses import asdict, dataclass
from pathlib import Path

from mkframe._files import holds
from mkframe._folders import can_others_write, is_mine, open_folder
from mkframe.artifacts._filenames import flaw, folded, numbered, safe_name
from mkframe.errors import InputError, warn

__all__ = ["NAME", "Entry", "Manifest"]

NAME = ".mkframe.jsonl"
_LARGEST = 64 << 20
"""Bytes; lines of some 250,000 downloads."""


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
        """Whether a file of this user is there with exactly these bytes."""
        return holds(folder / self.name, self.bytes, self.sha256, own=True)


class Manifest:
    """The names that downloads of one server have in a folder, now and in earlier runs.

    Parameters
    ----------
    folder : Path
        Where the files are.
    server : str
        Base URL; lines of other servers are left alone.

    Raises
    ------
    InputError
        If the list cannot be read, is no regular file, or is too large for one.

    Warns
    -----
    UserWarning
        If the list is not this user's alone: it is neither read nor written.
    """

    def __init__(self, folder: Path, server: str) -> None:
        self._folder = folder
        self._server = server
        self._lock = threading.Lock()
        lines = _read(folder)
        self._is_ours = lines is not None
        self._entries = {e.id: e for e in map(_entry, lines or ()) if e and e.server == server}
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
        with self._lock:
            if self._is_ours:
                with open_folder(self._folder) as folder, folder.append(NAME, 0o600) as file:
                    file.write(line.encode())
            self._entries[id] = entry


def _read(folder: Path) -> list[bytes] | None:
    """All lines; none where there is no list, and None where it is not to be trusted."""
    path = folder / NAME
    try:
        with open_folder(folder) as place, place.read(NAME) as file:
            found = os.fstat(file.fileno())
            if not is_mine(found) or can_others_write(found):
                _warn(path, is_mine(found))
                return None
            content = file.read(_LARGEST + 1)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise _unreadable(path, str(error.strerror or error)) from error
    if len(content) > _LARGEST:
        raise _unreadable(path, f"it has more than {_LARGEST:,} bytes")
    return content.splitlines()


def _warn(path: Path, mine: bool) -> None:
    why = "can be written by other users" if mine else "belongs to another user"
    hint = "Remove it, or change its permissions" if mine else "Give a folder of your own as to="
    warn(
        f"{str(path)!r}, the list of what was fetched, {why} and is left alone: every file is fetched and "
        f"compared, and none is written down. {hint}."
    )


def _unreadable(path: Path, why: str) -> InputError:
    return InputError(
        f"{str(path)!r}, the list of what was fetched, cannot be read: {why}.",
        hint="Give another folder as to=, or look what stands there.",
    )


def _entry(line: bytes) -> Entry | None:
    """A sound line; a torn or foreign one only means that its file is compared after fetching it."""
    with contextlib.suppress(ValueError, TypeError, RecursionError):
        return _checked(Entry(**json.loads(line)))
    return None


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
