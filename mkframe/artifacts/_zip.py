"""Open ZIP archives; a damaged or unsafe one raises `ArtifactError`."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from zipfile import BadZipFile

from mkframe._files import expand_path, open_input
from mkframe._text import single_line
from mkframe.artifacts._filenames import fold_case, path_problem
from mkframe.artifacts._zip_directory import STARTS, Archive, Entry, entries
from mkframe.errors import ArtifactError

__all__ = [
    "MAX_BYTES",
    "MAX_MEMBERS",
    "MAX_RATIO",
    "ArchiveLimits",
    "check_extractable",
    "check_zip",
    "chunks",
    "is_zip",
    "open_zip",
]

_ARCHIVE = "Give the path of a ZIP archive."
_RATIO_EXEMPT = 1 << 20
"""Bytes unpacked up to which the ratio does not matter: a few blank lines pack very well."""
MAX_BYTES, MAX_RATIO, MAX_MEMBERS = 4 << 30, 200.0, 100_000
"""Defaults of `ArchiveLimits`."""


@dataclass(frozen=True, slots=True)
class ArchiveLimits:
    """Limits beyond which an archive counts as a ZIP bomb.

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

    def check(self, archive: Archive) -> None:
        """Compare the sizes that the archive declares with the limits; reading enforces the declared sizes.

        Raises
        ------
        ArtifactError
            If a limit is exceeded; the message names it.
        """
        path, count = archive.path, len(archive.entries)
        total = sum(entry.size for entry in archive.entries)
        ratio = total / max(1, path.stat().st_size)
        if count > self.max_members:
            raise _limit_error(path, f"holds {count:,} entries", "max_members", f"{self.max_members:,}")
        if total > self.max_bytes:
            raise _limit_error(path, f"unpacks to {total:,} bytes", "max_bytes", f"{self.max_bytes:,}")
        if total > _RATIO_EXEMPT and ratio > self.max_ratio:
            raise _limit_error(
                path, f"unpacks to {ratio:,.0f} times its size", "max_ratio", f"{self.max_ratio:g}"
            )


def is_zip(file: IO[bytes], name: str | None) -> bool:
    """Whether the name or the first bytes of an open file say ZIP."""
    if (name or "").lower().endswith(".zip"):
        return True
    file.seek(0)
    return file.read(4) in STARTS


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
        for _ in entries(file):  # none is kept: several archives are checked at a time
            pass
    except BadZipFile as error:
        raise ArtifactError(
            f"{single_line(name, 100)!r} did not arrive as a complete ZIP archive: {error}.",
            hint="Try again; if it happens again, the file on the server is broken.",
            retryable=retryable,
        ) from error


@contextlib.contextmanager
def open_zip(path: str | os.PathLike[str]) -> Iterator[Archive]:
    """Open an archive whose members have one name each; read them with `chunks`.

    Raises
    ------
    InputError
        If there is no such file, or it cannot be read.
    ArtifactError
        If it is not a ZIP archive, its directory is damaged, or a name has two meanings.
    """
    path = expand_path(path)
    with open_input(path, _ARCHIVE) as file:
        try:
            archive = Archive(file, path)
        except BadZipFile as error:
            raise ArtifactError(
                f"{str(path)!r} is damaged or not a ZIP archive: {error}.", hint="Fetch it again."
            ) from error
        for entry in archive.entries:
            if reason := _ambiguity_problem(entry):
                raise ArtifactError(
                    f"{str(path)!r} was not opened: its member {_quoted_name(entry)} {reason}.",
                    hint="Programs would not agree on what it holds. Ask for it without such a member.",
                )
        yield archive


def chunks(archive: Archive, entry: Entry) -> Iterator[bytes]:
    """Read a member piece by piece, its size and checksum verified at the end.

    Raises
    ------
    ArtifactError
        If it is damaged, encrypted, or packed in a way that cannot be read here.
    """
    if entry.is_encrypted:
        raise ArtifactError(
            f"The member {_quoted_name(entry)} is encrypted.", hint="Ask for it without password."
        )
    if entry.unknown_method:
        raise ArtifactError(
            f"The member {_quoted_name(entry)} is packed by {entry.unknown_method}; "
            "stored and deflated members alone are read.",
            hint="Unpack the archive with another program, or ask for it in an ordinary ZIP archive.",
        )
    try:
        yield from archive.chunks(entry)
    except (BadZipFile, OSError) as error:
        raise ArtifactError(
            f"The member {_quoted_name(entry)} of {str(archive.path)!r} cannot be read: {error}.",
            hint="Where it is damaged, fetch the archive again.",
        ) from error


def check_extractable(archive: Archive, max_members: int) -> None:
    """Refuse archives with a member that must not be written as it is named.

    Raises
    ------
    ArtifactError
        Names the first such member and the reason; nothing has been written.
    """
    path = archive.path
    seen: dict[str, bool] = {}
    for entry in archive.entries:
        reason = _extraction_problem(entry) or _duplicate_problem(entry, seen)
        if reason:
            raise ArtifactError(
                f"{str(path)!r} was not extracted: its member {_quoted_name(entry)} {reason}.",
                hint="Nothing was written. mk.artifacts.members and read show it without extracting.",
            )
        if len(seen) > max_members:  # each member can lie in a hundred folders of its own
            raise _limit_error(path, "has too many files and folders", "max_members", f"{max_members:,}")


def _ambiguity_problem(entry: Entry) -> str | None:
    if entry.other_name is not None:
        return f"has another name besides, {single_line(entry.other_name, 100)!r}"
    if entry.is_folder and entry.size:
        return "is named like a folder and has content"
    return None


def _extraction_problem(entry: Entry) -> str | None:
    kind = stat.S_IFMT(entry.mode)
    if kind == stat.S_IFLNK:
        return "is a link"
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "is a device or another special file"
    if entry.is_encrypted:
        return "is encrypted"
    if entry.unknown_method:
        return f"is packed by {entry.unknown_method}, which is not read here"
    return path_problem(entry.name)


def _duplicate_problem(entry: Entry, seen: dict[str, bool]) -> str | None:
    """Return how the name of an entry conflicts with another, also on systems that ignore case."""
    name = fold_case(entry.name).removesuffix("/")
    steps = name.split("/")
    for end in range(1, len(steps)):
        if not seen.setdefault("/".join(steps[:end]), True):
            return "lies in another member that is a file"
    if name in seen and not (entry.is_folder and seen[name]):
        return "is there twice"
    seen[name] = entry.is_folder
    return None


def _quoted_name(entry: Entry) -> str:
    return repr(single_line(entry.name, 100))


def _limit_error(path: Path, what: str, limit: str, value: str) -> ArtifactError:
    return ArtifactError(
        f"{path.name!r} {what}, more than {limit}={value}; nothing was written.",
        hint=f"If you trust it, give a larger {limit}.",
    )
