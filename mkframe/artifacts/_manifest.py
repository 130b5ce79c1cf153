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
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from mkframe._files import has_content
from mkframe._folders import can_others_write, is_mine, lock, open_folder
from mkframe.artifacts._filenames import add_counter, fold_case, path_problem, safe_name
from mkframe.errors import ArtifactError, InputError, warn

__all__ = ["NAME", "Entry", "Manifest"]

NAME = ".mkframe.jsonl"
_MAX_BYTES = 64 << 20
"""Bytes; lines of some 250,000 downloads."""
_LOCK_AT = 1 << 40
"""Offset of the lock, far behind the content: on Windows a locked byte cannot be read."""
_MOST_COPIES = 1000
"""Names that are looked at for a file that is there already."""
_LOCK_PAUSE = 0.01
_LOCK_TIMEOUT = 30.0
"""Seconds to wait for another writer, which holds the lock for milliseconds."""


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
    """File names of the downloads of one server in a folder, also of earlier runs and of other processes.

    Whoever names a file appends its line under a lock, after reading the lines of others. So one name never
    belongs to two downloads of a server. A manifest in which it does, such as one of an older version, is
    mended: the name stays with the download whose bytes the file has, and the others get new names. Where a
    line is lost, a download gets back the file that has its bytes, and no other download.

    Parameters
    ----------
    folder : Path
        Where the files are.
    server : str
        Base URL. Names of other servers are kept apart where their bytes differ.

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
        self._entries: dict[int, Entry] = {}
        self._owners: dict[str, int] = {}
        self._reserved: dict[int, str] = {}
        self._reserved_by: dict[str, int] = {}
        self._foreign: dict[str, set[str]] = {}
        self._file: tuple[int, int] | None = None
        self._read_bytes = 0
        self._is_ours = True
        try:
            with open_folder(folder) as directory, directory.read(NAME) as file:
                self._read_news(file)
        except FileNotFoundError:
            return
        except OSError as error:
            raise _unreadable(folder / NAME, str(error.strerror or error)) from error

    def entry(self, id: int) -> Entry | None:
        """Return the entry of a download, if there is one."""
        return self._entries.get(id)

    def reserve_name(self, id: int, name: str) -> str:
        """Choose the file name of a download; a counter keeps it apart from the names of others.

        It is preliminary: another process may claim the name first.
        """
        with self._lock:
            return self._choose(id, name)

    def claim(self, id: int, build_id: int | None, name: str, bytes: int, sha256: str) -> str:
        """Record a download and return its file name, which belongs to no other download from now on.

        Call it before the file is moved: a line without its file is harmless.

        Raises
        ------
        ArtifactError
            If another process holds the manifest for too long.
        OSError
            If it cannot be written.
        """
        with self._lock, self._exclusive() as file:
            chosen = self._choose(id, name, sha256)
            if id not in self._entries:
                chosen = self._find_copy(id, name, chosen, bytes, sha256)
            entry = Entry(self._server, id, build_id, chosen, bytes, sha256)
            if self._entries.get(id) != entry:
                if file is not None:
                    _append(file, entry)
                self._add(entry)
            return chosen

    def _choose(self, id: int, name: str, sha256: str | None = None) -> str:
        if id in self._entries:
            return self._entries[id].name
        base = safe_name(name, f"download_{id}")
        candidate, number = self._reserved.get(id, base), 1
        while not self._is_free(fold_case(candidate), id, sha256):
            number += 1
            candidate = add_counter(base, number)
        self._reserved[id] = candidate
        self._reserved_by[fold_case(candidate)] = id
        return candidate

    def _find_copy(self, id: int, name: str, chosen: str, bytes: int, sha256: str) -> str:
        """Take the name of a file with these bytes that no download has, as after a loss of the manifest."""
        base = safe_name(name, f"download_{id}")
        for number in range(1, _MOST_COPIES):
            candidate = base if number == 1 else add_counter(base, number)
            if number > 1 and not os.path.lexists(self._folder / candidate):
                break
            key = fold_case(candidate)
            is_free = key not in self._owners and self._foreign.get(key, {sha256}) == {sha256}
            if is_free and has_content(self._folder / candidate, bytes, sha256, own=True):
                self._reserved[id], self._reserved_by[key] = candidate, id
                return candidate
        return chosen

    def _is_free(self, name: str, id: int, sha256: str | None) -> bool:
        is_ours = self._owners.get(name, id) == id == self._reserved_by.get(name, id)
        return is_ours and (sha256 is None or self._foreign.get(name, {sha256}) == {sha256})

    @contextlib.contextmanager
    def _exclusive(self) -> Iterator[IO[bytes] | None]:
        """Lock the manifest against other writers and read their lines; None if it is not trusted."""
        if not self._is_ours:
            yield None
            return
        with open_folder(self._folder) as folder, folder.update(NAME, 0o600) as file:
            _wait_for_lock(file, self._folder)
            self._read_news(file)
            yield file if self._is_ours else None

    def _read_news(self, file: IO[bytes]) -> None:
        """Read the lines that were not read yet: all of them if the file is another one or was cut."""
        path, found = self._folder / NAME, os.fstat(file.fileno())
        if not is_mine(found) or can_others_write(found):
            self._is_ours = False
            _warn(path, is_mine(found))
            return
        if found.st_size > _MAX_BYTES:
            raise _unreadable(path, f"it has more than {_MAX_BYTES:,} bytes")
        is_same = self._file == (found.st_dev, found.st_ino) and found.st_size >= self._read_bytes
        if not is_same:
            self._file, self._read_bytes = (found.st_dev, found.st_ino), 0
        file.seek(self._read_bytes)
        content = file.read(found.st_size - self._read_bytes)
        # A last line without its end may be under way, so it is read once more the next time.
        self._read_bytes += content.rfind(b"\n") + 1
        added = [self._add(entry) for entry in map(_entry, content.splitlines()) if entry]
        if not all(added):
            self._resolve_conflicts()

    def _add(self, entry: Entry) -> bool:
        """Take a line into account; return whether its name was free."""
        name = fold_case(entry.name)
        if entry.server != self._server:
            self._foreign.setdefault(name, set()).add(entry.sha256)
            return True
        before = self._entries.get(entry.id)
        self._entries[entry.id] = entry
        if before is not None and before.name != entry.name:
            return False  # another download may have had the name that is free now
        return self._owners.setdefault(name, entry.id) == entry.id

    def _resolve_conflicts(self) -> None:
        """Leave each name to one download; the others are fetched under new names."""
        by_name: dict[str, list[Entry]] = {}
        for entry in self._entries.values():
            by_name.setdefault(fold_case(entry.name), []).append(entry)
        self._owners.clear()
        for name, entries in by_name.items():
            kept = entries[0]
            if len(entries) > 1:
                kept = next((entry for entry in entries if entry.is_whole(self._folder)), kept)
            self._owners[name] = kept.id
            for entry in entries:
                if entry is not kept:
                    del self._entries[entry.id]


def _wait_for_lock(file: IO[bytes], folder: Path) -> None:
    """Lock the file until it is closed; file systems without locks are written without one."""
    deadline = time.monotonic() + _LOCK_TIMEOUT
    file.seek(_LOCK_AT)
    with contextlib.suppress(OSError):
        while not lock(file):
            if time.monotonic() > deadline:
                raise ArtifactError(
                    f"Another process holds the list of fetched files in {str(folder)!r}.",
                    hint="Wait until it has ended, then fetch again.",
                )
            time.sleep(_LOCK_PAUSE)


def _append(file: IO[bytes], entry: Entry) -> None:
    """Append a line, after the end of one that was cut off."""
    line = json.dumps(asdict(entry), ensure_ascii=False).encode() + b"\n"
    if file.seek(0, os.SEEK_END):
        file.seek(-1, os.SEEK_END)
        line = line if file.read(1) == b"\n" else b"\n" + line
    file.seek(0, os.SEEK_END)
    file.write(line)
    file.flush()


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
