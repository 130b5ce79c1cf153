"""Write files atomically: under a temporary name beside the target, moved when complete."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import secrets
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import tenacity

from mkframe._folders import Folder, check_regular, is_mine, lock, open_folder, open_regular, resolve
from mkframe.errors import InputError

__all__ = [
    "PartialFile",
    "check_target",
    "expand_path",
    "has_content",
    "atomic_write",
    "open_input",
    "iter_chunks",
    "remove_stale_parts",
    "replace",
    "temporary_path",
]

_NAME = re.compile(r"\.mkframe-[0-9a-f]{16}\.part")
"""What `temporary_path` gives."""
_CHUNK = 1 << 18


class PartialFile:
    """A file that is not complete yet; leaving the block removes it, whatever happens.

    It is hidden, lies in the target's folder, and is locked while its process lives. Nobody else can read
    it before it has its name.

    Parameters
    ----------
    folder : Path
        Where the file will be.

    Attributes
    ----------
    file : file object
        The open file, for reading too; what is written through it alone is not in `bytes` and `sha256`.
    bytes : int
        Written so far.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, PartialFile(Path(folder)) as partial:
    ...     partial.write(b"PK")
    ...     partial.move("a.zip")
    ...     sorted(p.name for p in Path(folder).glob("[!.]*"))
    ['a.zip']
    """

    def __init__(self, folder: Path) -> None:
        self._folder = open_folder(folder)
        try:
            self._mode = _usual_mode(self._folder)
            self._name, self.file = _create(self._folder)
        except BaseException:
            self._folder.close()
            raise
        self.bytes = 0
        self._digest = hashlib.sha256()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):  # closing writes what is left, and a full disk fails again
            self.file.close()
        with self._folder, contextlib.suppress(FileNotFoundError, PermissionError):
            _retry_while_held(self._folder.remove, self._name)  # else `remove_stale_parts` removes it

    @property
    def sha256(self) -> str:
        """Checksum of the bytes written so far, in hexadecimal."""
        return self._digest.hexdigest()

    def write(self, chunk: bytes) -> None:
        """Add bytes."""
        self.file.write(chunk)
        self._digest.update(chunk)
        self.bytes += len(chunk)

    def move(self, name: str, *, overwrite: bool = False) -> None:
        """Give the complete file its final name, in one step.

        Its bytes are synced to disk before, so that the name never has less, even after a power failure.
        Where it replaces a file of this user, it takes over the permissions.

        Raises
        ------
        FileExistsError
            If the name is taken and `overwrite` is False; nothing is touched.
        OSError
            If the name belongs to a folder, pipe or device, or another process has replaced this file.
        """
        self.file.flush()
        written = os.fstat(self.file.fileno())
        self._set_mode(_stat_replaceable(self._folder, name) if overwrite else None)
        os.fsync(self.file.fileno())
        if sys.platform == "win32":
            self.file.close()  # an open file cannot be moved there; elsewhere it stays locked until moved
        if not os.path.samestat(written, self._folder.lstat(self._name)):
            path = str(self._folder.path / self._name)
            raise OSError(errno.EBUSY, "another process has replaced the file while it was written", path)
        if overwrite:
            _retry_while_held(self._folder.replace, self._name, name)
        else:
            _move_to_free_name(self._folder, self._name, name)

    def _set_mode(self, old: os.stat_result | None) -> None:
        if sys.platform == "win32":
            return
        mode = self._mode if old is None or not is_mine(old) else old.st_mode & 0o777
        with contextlib.suppress(OSError):  # a file system without permissions
            os.fchmod(self.file.fileno(), mode)


def atomic_write(target: Path, write: Callable[[IO[bytes]], object], hint: str) -> Path:
    """Write a file atomically, in place of the old one if there is one.

    A link of this user stays one, and the file that it leads to is written; one of another user is not
    followed. The permissions of this user's old file are kept.

    Parameters
    ----------
    target : Path
        The file.
    write : callable
        Writes to the open file that it is called with.
    hint : str
        What to try if it fails.

    Raises
    ------
    InputError
        If it cannot be written; the old file is as it was.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     target = Path(folder) / "a.txt"
    ...     atomic_write(target, lambda file: file.write(b"whole"), "Name another.").read_text()
    'whole'
    """
    with _convert_os_errors(target, hint):
        real = _resolve_target(target)
        with PartialFile(real.parent) as partial:
            write(partial.file)
            partial.move(real.name, overwrite=True)
    return target


def check_target(target: Path, hint: str) -> None:
    """Check the target of `atomic_write` before there is anything to write.

    Raises
    ------
    InputError
        If the folder is missing, or the target is a folder, a device or a link of another user.
    """
    with _convert_os_errors(target, hint):
        _resolve_target(target)


def _resolve_target(target: Path) -> Path:
    real = resolve(target)
    with open_folder(real.parent) as folder:
        _stat_replaceable(folder, real.name)
    return real


@contextlib.contextmanager
def _convert_os_errors(target: Path, hint: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InputError(
            f"{str(target)!r} cannot be written: {error.strerror or error}.", hint=hint
        ) from error


def _stat_replaceable(folder: Folder, name: str) -> os.stat_result | None:
    """Return the status of the file or link with a name; raise for anything else, which is not replaced."""
    try:
        found = folder.lstat(name or os.curdir)
    except FileNotFoundError:
        return None
    if not stat.S_ISLNK(found.st_mode):
        check_regular(found, folder.path / name)
        return found
    return None


def _is_held(error: BaseException) -> bool:
    """Whether another program has the file open on Windows: virus scanners open new files."""
    return getattr(error, "winerror", None) in (5, 32)


_retry_while_held = tenacity.Retrying(
    retry=tenacity.retry_if_exception(_is_held),
    wait=tenacity.wait_fixed(0.05),
    stop=tenacity.stop_after_delay(2),
    reraise=True,
)
"""Calls a function, and retries while another program has the file open."""


def replace(folder: Folder, name: str, target: str, to: Folder) -> None:
    """Move a file or folder into another folder, in place of a file that has its name."""
    _retry_while_held(folder.replace, name, target, to)


def temporary_path() -> str:
    """Return a hidden name for an incomplete file, in the folder of its target.

    Examples
    --------
    >>> len(temporary_path())
    30
    """
    return f".mkframe-{secrets.token_hex(8)}.part"


def expand_path(path: str | os.PathLike[str]) -> Path:
    """Expand ``~`` to the home folder.

    Raises
    ------
    InputError
        If it is no path or empty, or the home folder is unknown.

    Examples
    --------
    >>> expand_path("artifacts").as_posix(), expand_path("~/artifacts") == Path.home() / "artifacts"
    ('artifacts', True)
    """
    if not isinstance(path, str | os.PathLike):
        raise InputError(f"A path is text or a Path, not {type(path).__name__}.", hint="Write 'artifacts'.")
    if isinstance(path, str) and not path.strip():
        raise InputError("The path is empty.", hint="Write 'artifacts', or '.' for the present folder.")
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise InputError(
            f"The home folder in {os.fspath(path)!r} is unknown.", hint="Write the folder out in full."
        ) from error


def open_input(path: Path, hint: str) -> IO[bytes]:
    """Open a file that the user has named.

    Raises
    ------
    InputError
        If there is none, it cannot be read, or it is a folder, a pipe or a device.
    """
    try:
        return open_regular(path)
    except FileNotFoundError as error:
        raise InputError(f"There is no file {str(path)!r}.", hint=hint) from error
    except (OSError, ValueError) as error:  # a name that no system could have is a ValueError
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{str(path)!r} cannot be read: {reason}.", hint=hint) from error


def iter_chunks(file: IO[bytes]) -> Iterator[bytes]:
    """Read a file in chunks up to its present size, even if it grows meanwhile."""
    left = os.fstat(file.fileno()).st_size
    while left and (chunk := file.read(min(left, _CHUNK))):
        left -= len(chunk)
        yield chunk


def has_content(path: Path, size: int, sha256: str, *, own: bool = False) -> bool:
    """Whether a file has exactly these bytes; no link of another user is followed to it.

    Parameters
    ----------
    path : Path
        The file.
    size : int
        Bytes.
    sha256 : str
        Checksum, in hexadecimal.
    own : bool, default False
        Whether it must belong to this user: another owner can change it at any time.
    """
    try:
        real = resolve(path)
        with open_folder(real.parent) as folder, folder.read(real.name) as file:
            found = os.fstat(file.fileno())
            if found.st_size != size or (own and not is_mine(found)):
                return False
            digest = hashlib.sha256()
            for chunk in iter_chunks(file):
                digest.update(chunk)
            return digest.hexdigest() == sha256
    except OSError:
        return False


def remove_stale_parts(folder: Path) -> list[Path]:
    """Remove temporary files of dead processes of this user; keep those of running processes.

    Returns
    -------
    list of Path
        The removed files.
    """
    with open_folder(folder) as directory:
        names = [name for name in directory.names() if _NAME.fullmatch(name)]
        return [folder / name for name in names if _remove_if_dead(directory, name)]


def _usual_mode(folder: Folder) -> int:
    """Find the permissions of a new file by creating one: reading the umask changes it for all threads."""
    name = temporary_path()
    with folder.create(name) as file:
        mode = os.fstat(file.fileno()).st_mode & 0o777
    with contextlib.suppress(FileNotFoundError, PermissionError):  # another process removed it as stale
        _retry_while_held(folder.remove, name)
    return mode


def _create(folder: Folder) -> tuple[str, IO[bytes]]:
    while True:
        name = temporary_path()
        file = folder.create(name, 0o600)
        try:
            _lock(file)
            if _exists(folder, name):
                return name, file
        except BaseException:
            file.close()
            with contextlib.suppress(FileNotFoundError):
                folder.remove(name)
            raise
        file.close()  # another process removed it as stale before it was locked


def _exists(folder: Folder, name: str) -> bool:
    try:
        folder.lstat(name)
    except FileNotFoundError:
        return False
    return True


def _lock(file: IO[bytes]) -> bool:
    """Mark a file as in use for as long as this process has it open; False if another process has."""
    if sys.platform == "win32":
        return True  # an open file cannot be removed there, which protects it as well
    try:
        return lock(file)
    except OSError:  # no locks on this file system: it may be in use
        return False


def _remove_if_dead(folder: Folder, name: str) -> bool:
    try:
        with folder.read(name) as file:
            dead = is_mine(os.fstat(file.fileno())) and _lock(file)
            if dead and sys.platform != "win32":
                folder.remove(name)
        if dead and sys.platform == "win32":
            folder.remove(name)
    except OSError:
        return False
    return dead


def _move_to_free_name(folder: Folder, name: str, target: str) -> None:
    try:
        folder.link(name, target)  # unlike a rename, this fails where the name is taken
    except (FileExistsError, FileNotFoundError):
        raise
    except OSError:
        # No links here, such as on FAT. No portable call is atomic and never replaces:
        # a file that another process creates between these two lines is lost.
        if _exists(folder, target):
            raise FileExistsError(str(folder.path / target)) from None
        _retry_while_held(folder.replace, name, target)
