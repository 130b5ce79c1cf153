"""Open folders, and files in them, without following links of other users.

Another user who can write a folder can redirect any path below it between two system calls. So a folder is
opened step by step, and all calls in it are relative to the open folder. A link on the way is followed only
if this user or root owns it and it lies in a folder that not everybody can write.

Windows has neither numeric owners nor directory file descriptors: there, each use of a path first checks that
it still resolves to the same folder.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Self

__all__ = [
    "Folder",
    "can_others_write",
    "check_regular",
    "is_mine",
    "lock",
    "open_folder",
    "open_regular",
    "private_folder",
    "resolve",
]

_MAX_LINKS = 40
_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)
_PLAIN = getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOCTTY", 0)
_READ = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | _PLAIN
"""Without O_NONBLOCK, opening a named pipe waits for a writer; files do not care."""
_ENTER = getattr(os, "O_PATH", os.O_RDONLY) | getattr(os, "O_DIRECTORY", 0) | _NO_FOLLOW | _PLAIN
_LINK_ERRNOS = {errno.ELOOP, errno.ENOTDIR, errno.EMLINK}
"""Errors of opening a link with `_ENTER`."""
_LOCKED = {errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES}
_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFLNK: "a link",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


class Folder:
    """An open folder: calls in it reach the same folder even if its path changes.

    Parameters
    ----------
    path : Path
        Where it is, without links.
    fd : int, optional
        The open folder; None on Windows.
    """

    def __init__(self, path: Path, fd: int | None) -> None:
        self.path = path
        self._fd = fd
        # Without a file descriptor, remember where the path leads, to notice a change.
        self._real = path.resolve() if fd is None else path

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close it; a second time does nothing."""
        fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)

    def stat(self) -> os.stat_result:
        """Return the status of the folder itself."""
        return self.path.stat() if self._fd is None else os.fstat(self._fd)

    def lstat(self, name: str) -> os.stat_result:
        """Return the status of a name in it without following a link."""
        return os.stat(self._at(name), dir_fd=self._fd, follow_symlinks=False)

    def names(self) -> list[str]:
        """List the names in it."""
        if self._fd is None:
            return [path.name for path in self.path.iterdir()]
        listed = os.open(".", os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | _PLAIN, dir_fd=self._fd)
        try:
            return os.listdir(listed)  # noqa: PTH208
        finally:
            os.close(listed)

    def create(self, name: str, mode: int = 0o666) -> IO[bytes]:
        """Create a file for writing and reading; FileExistsError where the name is taken, by a link too."""
        return self._open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL, "w+b", mode)

    def read(self, name: str) -> IO[bytes]:
        """Open a regular file for reading; OSError where the name is something else, such as a link."""
        check_regular(self.lstat(name), self.path / name)
        return self._open(name, _READ, "rb")

    def append(self, name: str, mode: int = 0o666) -> IO[bytes]:
        """Open a regular file to write at its end, created where it is missing."""
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NONBLOCK", 0)
        return self._open(name, flags, "ab", mode)

    def update(self, name: str, mode: int = 0o666) -> IO[bytes]:
        """Open a regular file for reading and writing, created where it is missing."""
        return self._open(name, os.O_RDWR | os.O_CREAT | getattr(os, "O_NONBLOCK", 0), "r+b", mode)

    def make_folder(self, name: str, mode: int = 0o777) -> None:
        """Make a folder in it."""
        os.mkdir(self._at(name), mode, dir_fd=self._fd)

    def open_below(self, steps: Sequence[str], *, make: bool = False) -> Folder:
        """Open a folder below it; raise at any link on the way.

        Parameters
        ----------
        steps : sequence of str
            Names on the way; ``..`` is none.
        make : bool, default False
            Make what is missing.
        """
        for step in steps:
            _check_name(step, self.path)
        if self._fd is None:
            return self._below_by_path(steps, make=make)
        return _walk(steps, os.dup(self._fd), self.path, make=0o777 if make else None, follow=False)[0]

    def remove(self, name: str) -> None:
        """Remove a file or link."""
        os.unlink(self._at(name), dir_fd=self._fd)

    def remove_folder(self, name: str) -> None:
        """Remove an empty folder."""
        os.rmdir(self._at(name), dir_fd=self._fd)

    def replace(self, name: str, target: str, to: Folder | None = None) -> None:
        """Give a file or folder another name, here or in another folder, in place of a file that has it."""
        there = to or self
        os.replace(self._at(name), there._at(target), src_dir_fd=self._fd, dst_dir_fd=there._fd)

    def link(self, name: str, target: str) -> None:
        """Give a file a second name; FileExistsError where that is taken."""
        if self._fd is None:
            os.link(self._at(name), self._at(target))
        else:
            os.link(name, target, src_dir_fd=self._fd, dst_dir_fd=self._fd, follow_symlinks=False)

    def remove_tree(self, name: str) -> None:
        """Remove a folder with its content; ignore errors."""
        shutil.rmtree(self._at(name), ignore_errors=True, dir_fd=self._fd)

    def set_mode(self, name: str, mode: int) -> None:
        """Change the permissions of a name in it; at the folder itself for ``.``."""
        os.chmod(self._at(name), mode, dir_fd=self._fd)

    def _below_by_path(self, steps: Sequence[str], *, make: bool) -> Folder:
        self._check_place()
        below = self
        for step in steps:
            below = _by_path(below.path / step, make=make)
            if below._real != self._real.joinpath(*below.path.relative_to(self.path).parts):
                raise _link_error(below.path, "")
        return Folder(below.path, None)

    def _check_place(self) -> None:
        """Raise if the path leads to another folder now."""
        if self.path.resolve() != self._real:
            raise _link_error(self.path, "")

    def _at(self, name: str) -> str:
        _check_name(name, self.path)
        if self._fd is not None:
            return name
        self._check_place()
        return str(self.path / name)

    def _open(self, name: str, flags: int, how: str, mode: int = 0o666) -> IO[bytes]:
        fd = os.open(self._at(name), flags | _NO_FOLLOW | _PLAIN, mode, dir_fd=self._fd)
        return _regular(fd, self.path / name, how)


def open_folder(path: Path, *, make: bool = False, mode: int = 0o777) -> Folder:
    """Open a folder, following no link of another user.

    Parameters
    ----------
    path : Path
        The folder.
    make : bool, default False
        Make what is missing of it.
    mode : int, default 0o777
        Permissions of what is made, before the umask.

    Raises
    ------
    OSError
        If it is missing, is no folder, may not be opened, or a link on the way is not followed.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as base, open_folder(Path(base, "a", "b"), make=True) as folder:
    ...     folder.create("x.txt").close()
    ...     folder.names()
    ['x.txt']
    """
    if sys.platform == "win32":
        return _by_path(path, make=make)
    return _walk(*_start(path), make=mode if make else None)[0]


def resolve(path: Path) -> Path:
    """Resolve all links of a path, also of its last name, which need not exist.

    Parameters
    ----------
    path : Path
        A file or folder.

    Returns
    -------
    Path
        Absolute and without links, as they are now.

    Raises
    ------
    OSError
        If a folder on the way is missing, or a link is not followed.

    Examples
    --------
    >>> resolve(Path("/", "nobody.csv")).name
    'nobody.csv'
    """
    if sys.platform == "win32":
        return path.resolve()
    folder, name = _walk(*_start(path), is_file=True)
    with folder:
        return folder.path / name


def open_regular(path: Path) -> IO[bytes]:
    """Open a file that the user has named, for reading; pipes, devices and folders are refused.

    Raises
    ------
    OSError
        If it is none, or cannot be read.

    Examples
    --------
    >>> open_regular(Path(os.curdir))
    Traceback (most recent call last):
        ...
    OSError: [Errno 22] it is a folder, not a regular file: '.'
    """
    check_regular(path.stat(), path)  # opening a device may do something
    return _regular(os.open(path, _READ), path, "rb")


def check_regular(found: os.stat_result, path: Path) -> None:
    """Raise if it is no regular file.

    Raises
    ------
    OSError
        The message says what it is.
    """
    if not stat.S_ISREG(found.st_mode):
        kind = _KINDS.get(stat.S_IFMT(found.st_mode), "something else")
        raise OSError(errno.EINVAL, f"it is {kind}, not a regular file", str(path))


def is_mine(found: os.stat_result) -> bool:
    """Whether this user owns a file; always on Windows."""
    return not hasattr(os, "geteuid") or found.st_uid == os.geteuid()


def can_others_write(found: os.stat_result) -> bool:
    """Whether the permissions let other users write; never on Windows, where they do not tell."""
    return hasattr(os, "geteuid") and bool(found.st_mode & (stat.S_IWGRP | stat.S_IWOTH))


def lock(file: IO[bytes]) -> bool:
    """Lock an open file until it is closed or the process ends.

    Returns
    -------
    bool
        False if another process holds the lock.

    Raises
    ------
    OSError
        If the file cannot be locked at all, as on some network drives.
    """
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _LOCKED:
            return False
        raise
    return True


def private_folder() -> Folder:
    """Open the folder for files that only this user may access, such as locks.

    It is ``mkframe`` where the system keeps a user's state, such as ``~/.local/state``.

    Raises
    ------
    OSError
        If it cannot be made, or is not this user's alone.
    """
    import platformdirs

    try:
        path = platformdirs.user_state_path("mkframe", appauthor=False)
    except RuntimeError as error:
        raise OSError(errno.ENOENT, "this user has no home folder") from error
    folder = open_folder(path, make=True, mode=0o700)
    try:
        found = folder.stat()
        if not is_mine(found):
            raise PermissionError(errno.EACCES, "the folder belongs to another user", str(path))
        if hasattr(os, "geteuid") and found.st_mode & 0o077:
            folder.set_mode(".", 0o700)
    except BaseException:
        folder.close()
        raise
    return folder


# --- the way to a folder ------------------------------------------------------------------------------


def _start(path: Path) -> tuple[Sequence[str], int, Path]:
    """Return the steps of a path, and the open folder where they begin."""
    if "\0" in str(path):
        raise OSError(errno.EINVAL, "a path holds no null character", str(path))
    if path.is_absolute():
        return path.parts[1:], os.open("/", _ENTER), Path("/")
    return path.parts, os.open(".", _ENTER), Path.cwd()


def _walk(
    steps: Sequence[str],
    fd: int,
    path: Path,
    *,
    make: int | None = None,
    follow: bool = True,
    is_file: bool = False,
) -> tuple[Folder, str]:
    """Open folder after folder, beginning in `fd`, which is closed; return the last, and a file's name."""
    folder = Folder(path, fd)
    links = 0
    todo = list(reversed(steps))
    try:
        while todo:
            name = todo.pop()
            is_last = is_file and not todo and name != os.pardir
            if not is_last and (inner := _enter(folder, name, make)):
                folder.close()
                folder = inner
                continue
            where = _link(folder, name, follow=follow)
            if where is None and is_last:
                return folder, name
            if where is None:
                raise OSError(errno.EAGAIN, "it was replaced while it was opened", str(folder.path / name))
            links += 1
            if links > _MAX_LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(folder.path / name))
            todo.extend(reversed(where.parts[1:] if where.is_absolute() else where.parts))
            if where.is_absolute():
                folder.close()
                folder = Folder(Path("/"), os.open("/", _ENTER))
    except BaseException:
        folder.close()
        raise
    return folder, ""


def _enter(folder: Folder, name: str, make: int | None) -> Folder | None:
    """Open a folder in a folder; return None if its name is a link."""
    try:
        try:
            fd = os.open(name, _ENTER, dir_fd=folder._fd)
        except FileNotFoundError:
            if make is None:
                raise
            with contextlib.suppress(FileExistsError):
                folder.make_folder(name, make)
            fd = os.open(name, _ENTER, dir_fd=folder._fd)
    except OSError as error:
        if error.errno in _LINK_ERRNOS and stat.S_ISLNK(folder.lstat(name).st_mode):
            return None
        raise OSError(error.errno, error.strerror, str(folder.path / name)) from None
    return Folder(folder.path.parent if name == ".." else folder.path / name, fd)


def _link(folder: Folder, name: str, *, follow: bool) -> Path | None:
    """Return the target of a link that may be followed; None if the name is no link or is missing."""
    try:
        found, where = _lstat_and_readlink(folder, name)
    except FileNotFoundError:
        return None
    if not stat.S_ISLNK(found.st_mode):
        return None
    path = folder.path / name
    if not follow:
        raise _link_error(path, "")
    if found.st_uid not in (0, os.geteuid()):
        raise _link_error(path, " of another user")
    if folder.stat().st_mode & stat.S_IWOTH:
        raise _link_error(path, " in a folder that everybody can write")
    return Path(where)


def _lstat_and_readlink(folder: Folder, name: str) -> tuple[os.stat_result, str]:
    """Return the status and the link target of a name; on Linux both from one descriptor, so they match."""
    if sys.platform != "linux":
        found = folder.lstat(name)
        return found, os.readlink(name, dir_fd=folder._fd) if stat.S_ISLNK(found.st_mode) else ""
    link = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder._fd)
    try:
        found = os.fstat(link)
        return found, os.readlink("", dir_fd=link) if stat.S_ISLNK(found.st_mode) else ""
    finally:
        os.close(link)


def _link_error(path: Path, whose: str) -> PermissionError:
    return PermissionError(errno.EACCES, f"{str(path)!r} is a link{whose} and is not followed", str(path))


def _by_path(path: Path, *, make: bool) -> Folder:
    """Open a folder on Windows."""
    if make:
        path.mkdir(parents=True, exist_ok=True)
    if not path.is_dir():
        code = errno.ENOTDIR if path.exists() else errno.ENOENT
        raise OSError(code, os.strerror(code), str(path))
    return Folder(path, None)


def _check_name(name: str, path: Path) -> None:
    """Raise if a name leads out of the folder."""
    if name == os.pardir or (name != os.curdir and Path(name).name != name):
        raise OSError(errno.EINVAL, "this is no name in the folder", str(path / name))


def _regular(fd: int, path: Path, how: str) -> IO[bytes]:
    """Make a file object of a descriptor; close it and raise if it is no regular file."""
    try:
        check_regular(os.fstat(fd), path)
    except BaseException:
        os.close(fd)
        raise
    return os.fdopen(fd, how)
