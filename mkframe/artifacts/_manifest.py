"""The manifest of a folder: ``.mkframe.jsonl``, with one line of JSON for each fetched file.

The API gives neither size nor checksum before a file is fetched. So a file counts as present and complete
only if its bytes match the manifest. A forged manifest could make a fetch skip a file. So the manifest counts
only if this user has written it and nobody else can, and a file counts only if it belongs to this user.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
from dataclasses import asdict, dataclass
from pathlib import Path

from mkframe._files import has_content
from mkframe._folders import can_others_write, is_mine, open_folder
from mkframe.artifacts._filenames import add_counter, fold_case, path_problem, safe_name
from mkframe.errors import InputError, warn

__all__ = ["NAME", "Entry", "Manifest"]

NAME = ".mkframe.jsonl"
_MAX_BYTES = 64 << 20
"""Bytes; lines of some 250,000 downloads."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the manifest: a download, its file and its checksum.

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
        """Whether this user owns a file with exactly these bytes."""
        return has_content(folder / self.name, self.bytes, self.sha256, own=True)


class Manifest:
    """File names of the downloads of one server in a folder, also of earlier runs.

    Parameters
    ----------
    folder : Path
        Where the files are.
    server : str
        Base URL; lines of other servers are ignored.

    Raises
    ------
    InputError
        If the manifest cannot be read, is no regular file, or is too large.

    Warns
    -----
    UserWarning
        If another user owns or can write the manifest: it is neither read nor written.
    """

    def __init__(self, folder: Path, server: str) -> None:
        self._folder = folder
        self._server = server
        self._lock = threading.Lock()
        lines = _read(folder)
        self._is_ours = lines is not None
        self._entries = {e.id: e for e in map(_entry, lines or ()) if e and e.server == server}
        self._names = {e.id: e.name for e in self._entries.values()}
        self._reserved = {fold_case(name) for name in self._names.values()}

    def entry(self, id: int) -> Entry | None:
        """Return the entry of a download, if there is one."""
        return self._entries.get(id)

    def reserve_name(self, id: int, name: str) -> str:
        """Choose the file name of a download; a counter keeps it apart from the names of others."""
        with self._lock:
            if id not in self._names:
                base = candidate = safe_name(name, f"download_{id}")
                number = 1
                while fold_case(candidate) in self._reserved:
                    number += 1
                    candidate = add_counter(base, number)
                self._reserved.add(fold_case(candidate))
                self._names[id] = candidate
            return self._names[id]

    def record(self, id: int, build_id: int | None, name: str, bytes: int, sha256: str) -> None:
        """Append a line. Call it before the file is moved: a line without its file is harmless."""
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
    """Return all lines; an empty list without a manifest, None for one that is not trusted."""
    path = folder / NAME
    try:
        with open_folder(folder) as directory, directory.read(NAME) as file:
            found = os.fstat(file.fileno())
            if not is_mine(found) or can_others_write(found):
                _warn(path, is_mine(found))
                return None
            content = file.read(_MAX_BYTES + 1)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise _unreadable(path, str(error.strerror or error)) from error
    if len(content) > _MAX_BYTES:
        raise _unreadable(path, f"it has more than {_MAX_BYTES:,} bytes")
    return content.splitlines()


def _warn(path: Path, mine: bool) -> None:
    why = "can be written by other users" if mine else "belongs to another user"
    hint = "Remove it, or change its permissions" if mine else "Give a folder of your own as to="
    warn(
        f"{str(path)!r}, the list of fetched files, {why} and is ignored: every file is fetched and "
        f"compared, and none is recorded. {hint}."
    )


def _unreadable(path: Path, why: str) -> InputError:
    return InputError(
        f"{str(path)!r}, the list of fetched files, cannot be read: {why}.",
        hint="Give another folder as to=, or check this file.",
    )


def _entry(line: bytes) -> Entry | None:
    """Parse a line; None if it is invalid, so that its file is fetched and compared."""
    with contextlib.suppress(ValueError, TypeError, RecursionError):
        return _validate(Entry(**json.loads(line)))
    return None


def _validate(entry: Entry) -> Entry:
    """Check types and file name: the folder may come from somebody else."""
    numbers = (entry.id, entry.bytes, 0 if entry.build_id is None else entry.build_id)
    if not all(type(n) is int for n in numbers) or not all(
        isinstance(text, str) for text in (entry.server, entry.name, entry.sha256)
    ):
        raise TypeError("not a line of a manifest")
    if path_problem(entry.name) or "/" in entry.name or entry.name.startswith("."):
        raise ValueError("not a name that a fetch gives")
    return entry
