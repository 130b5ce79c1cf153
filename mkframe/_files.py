"""Bytes become a file: written beside the target under a name of their own, moved when complete."""

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
    "holds",
    "atomic_write",
    "open_input",
    "pieces",
    "remove_stale_parts",
    "replace",
    "temporary_path",
]

_NAME = re.compile(r"\.mkframe-[0-9a-f]{16}\.part")
"""What `temporary_path` gives."""
_PIECE = 1 << 18


class PartialFile:
    """A file that is not complete yet; whatever happens, leaving the block removes it.

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
            _patiently(self._folder.remove, self._name)  # held: a leftover, removed later

    @property
    def sha256(self) -> str:
        """Checksum of what was written so far, in hexadecimal."""
        return self._digest.hexdigest()

    def write(self, chunk: bytes) -> None:
        """Add bytes."""
        self.file.write(chunk)
        self._digest.update(chunk)
        self.bytes += len(chunk)

    def move(self, name: str, *, overwrite: bool = False) -> None:
        """Give the complete file its final name, in one step.

        Its bytes are on the disk before, so that the name never stands for less, even after a power cut.
        Where it replaces a file of this user, it takes over the permissions.

        Raises
        ------
        FileExistsError
            If the name is taken and `overwrite` is False; nothing is touched.
        OSError
            If the name belongs to a folder, pipe or device, or somebody has exchanged this file.
        """
        self.file.flush()
        written = os.fstat(self.file.fileno())
        self._set_mode(_replaced(self._folder, name) if overwrite else None)
        os.fsync(self.file.fileno())
        if sys.platform == "win32":
            self.file.close()  # an open file cannot be moved there; elsewhere it stays locked until moved
        if not os.path.samestat(written, self._folder.lstat(self._name)):
            path = str(self._folder.path / self._name)
            raise OSError(errno.EBUSY, "somebody has exchanged the file while it was written", path)
        if overwrite:
            _patiently(self._folder.replace, self._name, name)
        else:
            _move_to_free_name(self._folder, self._name, name)

    def _set_mode(self, old: os.stat_result | None) -> None:
        if sys.platform == "win32":
            return
        mode = self._mode if old is None or not is_mine(old) else old.st_mode & 0o777
        with contextlib.suppress(OSError):  # a file system without permissions
            os.fchmod(self.file.fileno(), mode)


def atomic_write(target: Path, write: Callable[[IO[bytes]], object], hint: str) -> Path:
    """Write a file such that nobody reads half of it, in place of the old one where there is one.

    A link of this user stays one, and the file that it leads to is written; one of another user is not
    followed. The permissions of this user's old file are kept.

    Parameters
    ----------
    target : Path
        What is written.
    write : callable
        Fills the open file that it is given.
    hint : str
        What to try where that does not work.

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
    with _reported(target, hint):
        real = _checked(target)
        with PartialFile(real.parent) as partial:
            write(partial.file)
            partial.move(real.name, overwrite=True)
    return target


def check_target(target: Path, hint: str) -> None:
    """Check where `atomic_write` would write, before there is anything to write.

    Raises
    ------
    InputError
        If the folder is missing, or the target is a folder, a device or a link of another user.
    """
    with _reported(target, hint):
        _checked(target)


def _checked(target: Path) -> Path:
    real = resolve(target)
    with open_folder(real.parent) as folder:
        _replaced(folder, real.name)
    return real


@contextlib.contextmanager
def _reported(target: Path, hint: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InputError(
            f"{str(target)!r} cannot be written: {error.strerror or error}.", hint=hint
        ) from error


def _replaced(folder: Folder, name: str) -> os.stat_result | None:
    """The file or link that has a name; what is neither is not replaced."""
    try:
        found = folder.lstat(name or os.curdir)
    except FileNotFoundError:
        return None
    if not stat.S_ISLNK(found.st_mode):
        check_regular(found, folder.path / name)
        return found
    return None


def _is_held(error: BaseException) -> bool:
    """Whether Windows says that another program has the file open: scanners look at what is new."""
    return getattr(error, "winerror", None) in (5, 32)


_patiently = tenacity.Retrying(
    retry=tenacity.retry_if_exception(_is_held),
    wait=tenacity.wait_fixed(0.05),
    stop=tenacity.stop_after_delay(2),
    reraise=True,
)
"""Calls a function, and again while a scanner holds the file."""


def replace(folder: Folder, name: str, target: str, to: Folder) -> None:
    """Move a file or folder into another folder, in place of a file that has its name."""
    _patiently(folder.replace, name, target, to)


def temporary_path() -> str:
    """Name what is not complete yet: hidden, and in the folder where the whole will be.

    Examples
    --------
    >>> len(temporary_path())
    30
    """
    return f".mkframe-{secrets.token_hex(8)}.part"


def expand_path(path: str | os.PathLike[str]) -> Path:
    """Take a path as people write it, with ``~`` for their home folder.

    Raises
    ------
    InputError
        If it is no path, or nobody has the home folder that is meant.

    Examples
    --------
    >>> expand_path("artifacts").as_posix(), expand_path("~/artifacts") == Path.home() / "artifacts"
    ('artifacts', True)
    """
    if not isinstance(path, str | os.PathLike):
        raise InputError(f"A path is text or a Path, not {type(path).__name__}.", hint="Write 'artifacts'.")
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise InputError(
            f"Whose home folder {os.fspath(path)!r} means is not known.", hint="Write the folder out in full."
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


def pieces(file: IO[bytes]) -> Iterator[bytes]:
    """Read a file to the end that it has now, however long it grows meanwhile."""
    left = os.fstat(file.fileno()).st_size
    while left and (piece := file.read(min(left, _PIECE))):
        left -= len(piece)
        yield piece


def holds(path: Path, size: int, sha256: str, *, own: bool = False) -> bool:
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
        Whether it must belong to this user: what another owns, he can change at any time.
    """
    try:
        real = resolve(path)
        with open_folder(real.parent) as folder, folder.read(real.name) as file:
            found = os.fstat(file.fileno())
            if found.st_size != size or (own and not is_mine(found)):
                return False
            hashed = hashlib.sha256()
            for piece in pieces(file):
                hashed.update(piece)
            return hashed.hexdigest() == sha256
    except OSError:
        return False


def remove_stale_parts(folder: Path) -> list[Path]:
    """Remove what killed processes of this user left; files that a living process writes are left alone.

    Returns
    -------
    list of Path
        What was removed.
    """
    with open_folder(folder) as place:
        names = [name for name in place.names() if _NAME.fullmatch(name)]
        return [folder / name for name in names if _remove_if_dead(place, name)]


def _usual_mode(folder: Folder) -> int:
    """Permissions that a new file gets here: only making one tells, without changing the umask for all."""
    name = temporary_path()
    with folder.create(name) as file:
        mode = os.fstat(file.fileno()).st_mode & 0o777
    with contextlib.suppress(FileNotFoundError, PermissionError):  # another process took it for a leftover
        _patiently(folder.remove, name)
    return mode


def _create(folder: Folder) -> tuple[str, IO[bytes]]:
    while True:
        name = temporary_path()
        file = folder.create(name, 0o600)
        try:
            _lock(file)
            if _is_there(folder, name):
                return name, file
        except BaseException:
            file.close()
            with contextlib.suppress(FileNotFoundError):
                folder.remove(name)
            raise
        file.close()  # another process took it for a leftover before it was locked


def _is_there(folder: Folder, name: str) -> bool:
    try:
        folder.lstat(name)
    except FileNotFoundError:
        return False
    return True


def _lock(file: IO[bytes]) -> bool:
    """Mark a file as in use for as long as this process has it open; False where another has."""
    if sys.platform == "win32":
        return True  # an open file cannot be removed there, which protects it as well
    try:
        return lock(file)
    except OSError:  # no locks on this file system: nobody knows whether it is in use
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
        # No links here, such as on FAT. Nothing portable is both atomic and unwilling to replace:
        # a stranger who takes the name between these two lines loses it.
        if _is_there(folder, target):
            raise FileExistsError(str(folder.path / target)) from None
        _patiently(folder.replace, name, target)
