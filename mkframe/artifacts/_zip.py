"""Opening ZIP archives: what is broken or would do harm is an `ArtifactError` and never a surprise."""

from __future__ import annotations

import contextlib
import os
import stat
import struct
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from mkframe._files import expand_path, open_input
from mkframe._text import single_line
from mkframe.artifacts._filenames import flaw, folded
from mkframe.errors import ArtifactError

__all__ = [
    "MAX_BYTES",
    "MAX_MEMBERS",
    "MAX_RATIO",
    "Limits",
    "check_extractable",
    "check_zip",
    "chunks",
    "is_zip",
    "open_zip",
]

_ARCHIVE = "Give the path of a ZIP archive."
_CHUNK = 1 << 18
_END = b"PK\x05\x06"
_STARTS = (b"PK\x03\x04", _END)
_LONGEST_END = (1 << 16) + 22
_LARGEST_DIRECTORY = 64 << 20
_HARMLESS = 1 << 20
"""Bytes unpacked up to which the ratio does not matter: a few blank lines pack very well."""
MAX_BYTES, MAX_RATIO, MAX_MEMBERS = 4 << 30, 200.0, 100_000
"""What `Limits` are where nobody says otherwise."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much an archive may unpack to before it counts as a bomb.

    Parameters
    ----------
    max_bytes : int
        All members together, unpacked.
    max_ratio : float
        Unpacked size divided by the archive's, from 1 MiB on.
    max_members : int
        Entries.
    """

    max_bytes: int
    max_ratio: float
    max_members: int

    def check(self, path: Path, entries: list[zipfile.ZipInfo]) -> None:
        """Refuse what is beyond, by the sizes the archive declares; reading holds it to them.

        Raises
        ------
        ArtifactError
            If a limit is exceeded; says which, and by how much.
        """
        total = sum(entry.file_size for entry in entries)
        ratio = total / max(1, path.stat().st_size)
        if len(entries) > self.max_members:
            raise _beyond(path, f"holds {len(entries):,} entries", "max_members", f"{self.max_members:,}")
        if total > self.max_bytes:
            raise _beyond(path, f"unpacks to {total:,} bytes", "max_bytes", f"{self.max_bytes:,}")
        if total > _HARMLESS and ratio > self.max_ratio:
            raise _beyond(path, f"unpacks to {ratio:,.0f} times its size", "max_ratio", f"{self.max_ratio:g}")


def is_zip(file: IO[bytes], name: str | None) -> bool:
    """Whether the name or the first bytes of an open file say ZIP."""
    if (name or "").lower().endswith(".zip"):
        return True
    file.seek(0)
    return file.read(4) in _STARTS


def check_zip(file: IO[bytes], name: str, *, retryable: bool = False) -> None:
    """Check that the directory at an archive's end can be read and fits the file.

    This finds every archive that broke off. Checksums of members are checked when they are read: doing it
    here as well would unpack everything, at about 20 times the cost of all else.

    Raises
    ------
    ArtifactError
        If it cannot.
    """
    try:
        with _opened(file) as archive:
            _check_beginning(file, archive)
    except zipfile.BadZipFile as error:
        raise ArtifactError(
            f"{single_line(name, 100)!r} did not come as a whole ZIP archive: {error}.",
            hint="Try again; where it goes on, the file on the server is broken.",
            retryable=retryable,
        ) from error


@contextlib.contextmanager
def open_zip(path: str | os.PathLike[str]) -> Iterator[zipfile.ZipFile]:
    """Open an archive; read its members with `chunks`.

    Raises
    ------
    InputError
        If there is no such file, or it cannot be read.
    ArtifactError
        If it is not a ZIP archive, or its directory is damaged.
    """
    path = expand_path(path)
    with open_input(path, _ARCHIVE) as file:
        try:
            archive = _opened(file)
        except zipfile.BadZipFile as error:
            raise ArtifactError(
                f"{str(path)!r} is damaged or not a ZIP archive: {error}.", hint="Fetch it again."
            ) from error
        with archive:
            yield archive


def chunks(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Iterator[bytes]:
    """Read a member piece by piece, its checksum verified at the end.

    Raises
    ------
    ArtifactError
        If it is damaged, encrypted, or packed in a way that cannot be read here.
    """
    if entry.flag_bits & 0x1:
        raise ArtifactError(
            f"The member {entry.filename!r} is encrypted.", hint="Ask for it without password."
        )
    try:
        with archive.open(entry) as stream:
            while chunk := stream.read(_CHUNK):
                yield chunk
    except Exception as error:  # every way of packing has errors of its own, OSError among them
        raise ArtifactError(
            f"The member {entry.filename!r} of {archive.filename!r} cannot be read: {error}.",
            hint="Where it is damaged, fetch the archive again; else unpack it with another program.",
        ) from error


def check_extractable(path: Path, entries: Iterable[zipfile.ZipInfo]) -> None:
    """Refuse archives with a member that must not be written as it is named.

    Raises
    ------
    ArtifactError
        Names the first such member and the reason; nothing has been written.
    """
    seen: dict[str, bool] = {}
    for entry in entries:
        reason = _harm(entry) or _clash(entry, seen)
        if reason:
            raise ArtifactError(
                f"{str(path)!r} was not extracted: its member {entry.orig_filename!r} {reason}.",
                hint="Nothing was written. mk.artifacts.members and read show it without extracting.",
            )


def _harm(entry: zipfile.ZipInfo) -> str | None:
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind == stat.S_IFLNK:
        return "is a link"
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "is a device or another special file"
    if entry.flag_bits & 0x1:
        return "is encrypted"
    return flaw(entry.orig_filename)


def _clash(entry: zipfile.ZipInfo, seen: dict[str, bool]) -> str | None:
    """Whether an entry takes a name that is taken, where systems that ignore case are counted in."""
    name = folded(entry.filename).removesuffix("/")
    steps = name.split("/")
    for end in range(1, len(steps)):
        if not seen.setdefault("/".join(steps[:end]), True):
            return "lies in another member that is a file"
    is_folder = entry.is_dir()
    if name in seen and not (is_folder and seen[name]):
        return "is there twice"
    seen[name] = is_folder
    return None


def _beyond(path: Path, what: str, limit: str, value: str) -> ArtifactError:
    return ArtifactError(
        f"{path.name!r} {what}, more than {limit}={value}; nothing was written.",
        hint=f"If you trust it, give a larger {limit}.",
    )


def _opened(file: IO[bytes]) -> zipfile.ZipFile:
    """Open an archive whose directory can be read and begins within the file."""
    size = _directory_size(file)
    if size > _LARGEST_DIRECTORY:
        raise zipfile.BadZipFile(f"its directory would be {size:,} bytes, more than any artifact needs")
    try:
        archive = zipfile.ZipFile(file)
    except Exception as error:  # a damaged directory makes zipfile raise much else than BadZipFile
        raise zipfile.BadZipFile(str(error)) from error
    if any(entry.header_offset < 0 for entry in archive.infolist()):
        raise zipfile.BadZipFile("its beginning is missing")
    if not all(entry.filename for entry in archive.infolist()):
        raise zipfile.BadZipFile("a member has no name")
    return archive


def _check_beginning(file: IO[bytes], archive: zipfile.ZipFile) -> None:
    """Refuse what is only the last member of a longer archive: an archive inside one that broke off."""
    offset = min((entry.header_offset for entry in archive.infolist()), default=0)
    file.seek(0)
    if offset and file.read(4) in _STARTS:
        raise zipfile.BadZipFile("its directory does not belong to its beginning")


def _directory_size(file: IO[bytes]) -> int:
    """How large an archive says that its directory is, told before reading it; 0 where there is none."""
    start = max(0, file.seek(0, os.SEEK_END) - _LONGEST_END)
    file.seek(start)
    end = file.read()
    bare = len(end) - 22  # without a comment, the record is the very end
    place = bare if bare >= 0 and end[bare:].startswith(_END) and end.endswith(b"\0\0") else end.rfind(_END)
    if place < 0 or len(end) < place + 22:
        return 0
    (size,) = struct.unpack_from("<L", end, place + 12)
    if place < 20 or not end.startswith(b"PK\x06\x07", place - 20):
        return int(size)
    file.seek(max(0, start + place - 20 - 56))  # the record of archives beyond 4 GiB
    record = file.read(56)
    return int(struct.unpack_from("<Q", record, 40)[0]) if record.startswith(b"PK\x06\x06") else int(size)
