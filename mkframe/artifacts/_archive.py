"""List, read and extract an archive whose content is not trusted."""

from __future__ import annotations

import contextlib
import difflib
import errno
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from mkframe._files import expand_path, has_content, replace, temporary_path
from mkframe._folders import Folder, can_others_write, is_mine, open_folder, resolve
from mkframe.artifacts._content import decode, hash_and_classify
from mkframe.artifacts._filenames import DESKTOP_FILES
from mkframe.artifacts._frames import typed_frame
from mkframe.artifacts._walk import walk_files
from mkframe.artifacts._zip import (
    MAX_BYTES,
    MAX_MEMBERS,
    MAX_RATIO,
    ArchiveLimits,
    check_extractable,
    chunks,
    open_zip,
)
from mkframe.artifacts._zip_directory import Archive, Entry
from mkframe.errors import ArtifactError, InputError

__all__ = ["extract", "members", "read"]

_MEMBERS = {"name": "str", "size": "int64", "compressed": "int64", "sha256": "str", "kind": "str"}
_EXTRACTED = {"name": "str", "path": "str", "size": "int64", "sha256": "str", "kind": "str"}
_MAX_NAMES, _MAX_NAME_LENGTH = 10_000, 300
"""Limits of the names that a suggestion is searched in: comparing names is slow."""


def members(
    path: str | os.PathLike[str],
    *,
    max_bytes: int = MAX_BYTES,
    max_ratio: float = MAX_RATIO,
    max_members: int = MAX_MEMBERS,
) -> pd.DataFrame:
    """List the members of a ZIP archive without writing anything.

    Parameters
    ----------
    path : path
        A ZIP archive.
    max_bytes : int, default 4 GiB
        Limit for all members together, unpacked.
    max_ratio : float, default 200
        Limit for unpacked size divided by the archive's, from 1 MiB on.
    max_members : int, default 100,000
        Limit for the number of entries.

    Returns
    -------
    DataFrame
        One row for each file in the archive, in its order; folders are left out. ``name`` str, ``size``
        int64 in bytes, ``compressed`` int64 in bytes, ``sha256`` str, ``kind`` str: ``sql``, ``xml``,
        ``json``, ``text``, or ``binary`` for what `read` cannot decode by itself.

    Raises
    ------
    InputError
        If there is no such file.
    ArtifactError
        If it is no ZIP archive, damaged, encrypted or beyond a limit.

    Examples
    --------
    >>> import tempfile, zipfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "CORE.zip"
    ...     with zipfile.ZipFile(path, "w") as archive:
    ...         archive.writestr("ddl/airplane.sql", "SELECT 1")
    ...     members(path)[["name", "size", "kind"]]
                   name  size kind
    0  ddl/airplane.sql     8  sql
    """
    limits = ArchiveLimits(max_bytes, max_ratio, max_members)
    rows = []
    with _open_checked(path, limits) as (archive, entries):
        for entry in entries:
            sha256, kind = hash_and_classify(chunks(archive, entry), entry.name)
            rows.append(_row(entry, sha256, kind, compressed=entry.packed))
    return typed_frame(rows, _MEMBERS)


def read(
    path: str | os.PathLike[str], member: str, *, encoding: str | None = None, max_bytes: int = 1 << 26
) -> str:
    """Read one member of a ZIP archive as text.

    The encoding comes from a byte order mark, else from an XML declaration, else it is UTF-8. Bytes that
    are invalid in it are an error and never replaced. Line ends stay as they are.

    Parameters
    ----------
    path : path
        A ZIP archive.
    member : str
        Name of the member, as `members` gives it.
    encoding : str, optional
        Another encoding, such as ``"cp1252"``.
    max_bytes : int, default 64 MiB
        Limit for its size, unpacked.

    Returns
    -------
    str

    Raises
    ------
    InputError
        If there is no such file, member or encoding.
    ArtifactError
        If the member is damaged, encrypted, too large, not text, or there twice.

    Examples
    --------
    >>> import tempfile, zipfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "CORE.zip"
    ...     with zipfile.ZipFile(path, "w") as archive:
    ...         archive.writestr("ddl/airplane.sql", "SELECT 1")
    ...     read(path, "ddl/airplane.sql")
    'SELECT 1'
    """
    with open_zip(path) as archive:
        entry = _entry(archive, member)
        if entry.size > max_bytes:
            raise ArtifactError(
                f"{member!r} unpacks to {entry.size:,} bytes, more than max_bytes={max_bytes:,}.",
                hint="Give a larger max_bytes, or extract the archive.",
            )
        content = b"".join(chunks(archive, entry))
    return as_text(content, member, encoding)


def extract(
    path: str | os.PathLike[str],
    to: str | os.PathLike[str],
    *,
    max_bytes: int = MAX_BYTES,
    max_ratio: float = MAX_RATIO,
    max_members: int = MAX_MEMBERS,
) -> pd.DataFrame:
    """Unpack a ZIP archive into a new folder: all of it, or nothing.

    An archive is refused as a whole where a member leads out of the folder, is absolute, holds a colon or a
    backslash, is a link, a device or encrypted, is named like a device, ends in a dot or a space, holds
    invisible marks, is there twice (case does not count), has a second name, lies more than 100 folders
    deep, or is packed other than stored or deflated. No link is followed while it is unpacked. Where the
    folder holds exactly these files already, nothing is written.

    Parameters
    ----------
    path : path
        A ZIP archive.
    to : path
        A folder that does not exist yet or is empty.
    max_bytes : int, default 4 GiB
        Limit for all members together, unpacked.
    max_ratio : float, default 200
        Limit for unpacked size divided by the archive's, from 1 MiB on.
    max_members : int, default 100,000
        Limit for the number of entries, and for the number of files and folders.

    Returns
    -------
    DataFrame
        One row for each file: ``name`` str, ``path`` str, ``size`` int64 in bytes, ``sha256`` str, ``kind``
        str as in `members`.

    Raises
    ------
    InputError
        If there is no such archive, or `to` holds other files, is the folder that Python runs in, or is
        reached by a link of another user.
    ArtifactError
        If the archive is damaged, unsafe or beyond a limit; nothing was written.

    Examples
    --------
    >>> import tempfile, zipfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "CORE.zip"
    ...     with zipfile.ZipFile(path, "w") as archive:
    ...         archive.writestr("ddl/airplane.sql", "SELECT 1")
    ...     extract(path, Path(folder) / "CORE")["name"].tolist()
    ['ddl/airplane.sql']
    """
    path, folder = expand_path(path), _resolve_target(expand_path(to))
    with _open_checked(path, ArchiveLimits(max_bytes, max_ratio, max_members)) as (archive, entries):
        check_extractable(archive, max_members)
        if _is_free(folder):
            with _convert_os_errors(path, folder), _open_staging(folder) as (parent, hidden, staging):
                for entry in archive.entries:
                    if entry.is_folder:
                        staging.open_below(entry.name.removesuffix("/").split("/"), make=True).close()
                rows = [_extract_member(archive, entry, staging, folder) for entry in entries]
                if not os.path.samestat(hidden.lstat("unpacked"), staging.stat()):
                    raise OSError(errno.ENOTDIR, "the folder was replaced while it was written")
                staging.close()  # Windows moves no open folder
                _move_into_place(hidden, parent, folder.name)
        else:
            files = _regular_files(folder)
            rows = [_existing_row(archive, entry, folder, files) for entry in entries]
            _refuse_others(folder, files.keys() - {entry.name for entry in entries})
    return typed_frame(rows, _EXTRACTED)


def as_text(content: bytes, name: str, encoding: str | None) -> str:
    """Decode a text, or raise an error that suggests an encoding."""
    try:
        return decode(content, encoding)
    except LookupError as error:
        raise InputError(f"There is no encoding {encoding!r}.", hint="Try 'utf-8' or 'cp1252'.") from error
    except ValueError as error:
        raise ArtifactError(
            f"{name!r} is not text in {encoding or 'UTF-8'}: {error}.",
            hint="Where it is text, give its encoding, such as encoding='cp1252'.",
        ) from error


@contextlib.contextmanager
def _open_checked(
    path: str | os.PathLike[str], limits: ArchiveLimits
) -> Iterator[tuple[Archive, list[Entry]]]:
    """Open an archive within limits, with the entries that are files."""
    with open_zip(path) as archive:
        limits.check(archive)
        yield archive, [entry for entry in archive.entries if not entry.is_folder]


def _entry(archive: Archive, member: str) -> Entry:
    found = [entry for entry in archive.entries if entry.name == member]
    if not found:
        names = [entry.name for entry in archive.entries[:_MAX_NAMES] if len(entry.name) <= _MAX_NAME_LENGTH]
        near = difflib.get_close_matches(str(member)[:_MAX_NAME_LENGTH], names, n=1)
        raise InputError(
            f"The archive has no member {member!r}.",
            hint=f"Did you mean {near[0]!r}?" if near else "members(path) lists what there is.",
        )
    if len(found) > 1:
        raise ArtifactError(f"The archive has {member!r} {len(found)} times; which one is meant is unknown.")
    return found[0]


def _row(entry: Entry, sha256: str, kind: str, **more: Any) -> dict[str, Any]:
    return {"name": entry.name, "size": entry.size, "sha256": sha256, "kind": kind, **more}


def _is_free(folder: Path) -> bool:
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{str(folder)!r} is a file.", hint="Give a folder as to=.")
    if not folder.exists():
        return True
    is_free = all(p.name in DESKTOP_FILES for p in folder.iterdir())
    if is_free and folder.samefile(Path.cwd()):
        raise InputError(
            "The folder that Python runs in cannot be replaced by another.", hint="Give a new folder as to=."
        )
    return is_free


@contextlib.contextmanager
def _convert_os_errors(path: Path, folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ArtifactError(
            f"{str(path)!r} was not extracted to {str(folder)!r}: {error.strerror or error}.",
            hint="Nothing was written. Check that the disk has free space and that you may write there.",
        ) from error


def _resolve_target(to: Path) -> Path:
    """Return the folder to extract to; a link of this user is replaced by its target."""
    try:
        real = resolve(to)
    except (FileNotFoundError, NotADirectoryError):  # its parent will be made, or cannot
        return to
    except OSError as error:
        raise InputError(
            f"The folder {str(to)!r} cannot be used: {error.strerror or error}.",
            hint="Give another folder as to=.",
        ) from error
    return real if to.is_symlink() else to


@contextlib.contextmanager
def _open_staging(folder: Path) -> Iterator[tuple[Folder, Folder, Folder]]:
    """Open the parent of a folder, a hidden folder in it, and a folder inside that; remove the hidden one.

    The hidden folder is private: no other user can replace a file while it is extracted. The folder inside it
    has ordinary permissions. So has the hidden one on Windows, where a moved folder keeps what it inherited.
    """
    made = [parent for parent in folder.parents if not parent.exists()]
    name = temporary_path()
    try:
        with open_folder(folder.parent, make=True) as parent:
            try:
                parent.make_folder(name, 0o777 if sys.platform == "win32" else 0o700)
                with parent.open_below([name]) as hidden:
                    _check_private(hidden)
                    hidden.make_folder("unpacked")
                    with hidden.open_below(["unpacked"]) as inner:
                        yield parent, hidden, inner
            finally:
                parent.remove_tree(name)
    finally:
        with contextlib.suppress(OSError):  # the first that is not empty, and all above it, stay
            for path in made:
                path.rmdir()


def _check_private(hidden: Folder) -> None:
    if not is_mine(hidden.stat()) or can_others_write(hidden.stat()):
        raise PermissionError(errno.EACCES, "another user has replaced a folder", str(hidden.path))


def _extract_member(archive: Archive, entry: Entry, staging: Folder, folder: Path) -> dict[str, Any]:
    *steps, name = entry.name.split("/")
    with staging.open_below(steps, make=True) as inside, inside.create(name) as file:
        sha256, kind = hash_and_classify(_tee(chunks(archive, entry), file.write), entry.name)
    return _row(entry, sha256, kind, path=str(folder / entry.name))


def _tee(content: Iterator[bytes], write: Callable[[bytes], object]) -> Iterator[bytes]:
    for chunk in content:
        write(chunk)
        yield chunk


def _move_into_place(hidden: Folder, parent: Folder, name: str) -> None:
    """Give the complete folder its name, in one step."""
    with contextlib.suppress(FileNotFoundError):
        with parent.open_below([name]) as old:
            for desktop in DESKTOP_FILES.intersection(old.names()):
                old.remove(desktop)
        parent.remove_folder(name)  # empty, or it fails
    replace(hidden, "unpacked", name, parent)


def _regular_files(folder: Path) -> dict[str, int]:
    """Map the member name of every file below a folder to its size; raise where it holds anything else."""
    found = {}
    for entry in walk_files(folder):
        if entry.name not in DESKTOP_FILES:
            if not entry.is_file(follow_symlinks=False):
                raise _not_empty_error(
                    folder, f"it holds {entry.name!r}, which is a link or another special file"
                )
            name = Path(entry.path).relative_to(folder).as_posix()
            found[name] = entry.stat(follow_symlinks=False).st_size
    return found


def _existing_row(archive: Archive, entry: Entry, folder: Path, files: dict[str, int]) -> dict[str, Any]:
    """Return the row of a member that was extracted before."""
    path = folder / entry.name
    sha256, kind = hash_and_classify(chunks(archive, entry), entry.name)
    if files.get(entry.name) != entry.size or not has_content(path, entry.size, sha256):
        raise _not_empty_error(folder, f"it lacks {entry.name!r} or holds it with other content")
    return _row(entry, sha256, kind, path=str(path))


def _refuse_others(folder: Path, others: set[str]) -> None:
    if others:
        name = min(others).rpartition("/")[2]
        raise _not_empty_error(folder, f"it holds {name!r}, which is not in the archive")


def _not_empty_error(folder: Path, why: str) -> InputError:
    return InputError(
        f"The folder {str(folder)!r} is not empty, and {why}; nothing was written.",
        hint="Give a new folder as to=.",
    )
