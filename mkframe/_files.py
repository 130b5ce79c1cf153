"""Bytes become a file: written beside the target under a name of their own, moved when complete."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import tenacity

from mkframe.errors import InputError

__all__ = [
    "PartialFile",
    "file_sha256",
    "expand_path",
    "atomic_write",
    "remove_stale_parts",
    "rename",
    "temporary_path",
]

_NAME = re.compile(r"\.mkframe-[0-9a-f]{16}\.part")
"""What `temporary_path` gives."""


class PartialFile:
    """A file that is not complete yet; whatever happens, leaving the block removes it.

    It is hidden, lies in the target's folder, and is locked while its process lives.

    Parameters
    ----------
    folder : Path
        Where the file will be.

    Attributes
    ----------
    bytes : int
        Written so far.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, PartialFile(Path(folder)) as partial:
    ...     partial.write(b"PK")
    ...     partial.move(Path(folder) / "a.zip")
    ...     sorted(p.name for p in Path(folder).glob("[!.]*"))
    ['a.zip']
    """

    def __init__(self, folder: Path) -> None:
        self.path, self._file = _create(folder)
        self.bytes = 0
        self._digest = hashlib.sha256()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):  # closing writes what is left, and a full disk fails again
            self._file.close()
        with contextlib.suppress(FileNotFoundError, PermissionError):  # held: a leftover, removed later
            _remove(self.path)

    @property
    def sha256(self) -> str:
        """Checksum of what was written so far, in hexadecimal."""
        return self._digest.hexdigest()

    def write(self, chunk: bytes) -> None:
        """Add bytes."""
        self._file.write(chunk)
        self._digest.update(chunk)
        self.bytes += len(chunk)

    def flush(self) -> None:
        """Make all bytes readable through `path`."""
        self._file.flush()

    def move(self, target: Path, *, overwrite: bool = False) -> None:
        """Give the complete file its final name, in one step.

        Its bytes are on the disk before, so that the name never stands for less, even after a power cut.

        Raises
        ------
        FileExistsError
            If the name is taken and `overwrite` is False; nothing is touched.
        """
        self.flush()
        os.fsync(self._file.fileno())
        if sys.platform == "win32":
            self._file.close()  # an open file cannot be moved there; elsewhere it stays locked until moved
        if overwrite:
            rename(self.path, target)
        else:
            _move_to_free_name(self.path, target)


def atomic_write(target: Path, write: Callable[[Path], object], hint: str) -> Path:
    """Write a file such that nobody reads half of it, in place of the old one where there is one.

    A link stays one, and the file that it leads to is written; an old file's permissions are kept.

    Parameters
    ----------
    target : Path
        What is written.
    write : callable
        Fills the file at the path that it is given.
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
    ...     atomic_write(target, lambda path: path.write_text("whole"), "Name another.").read_text()
    'whole'
    """
    try:
        real = target.resolve()
        with PartialFile(real.parent) as partial:
            write(partial.path)
            if real.exists():
                shutil.copymode(real, partial.path)
            partial.move(real, overwrite=True)
    except OSError as error:
        raise InputError(
            f"{str(target)!r} cannot be written: {error.strerror or error}.", hint=hint
        ) from error
    return target


def _is_held(error: BaseException) -> bool:
    """Whether Windows says that another program has the file open: scanners look at what is new."""
    return getattr(error, "winerror", None) in (5, 32)


_patiently = tenacity.retry(
    retry=tenacity.retry_if_exception(_is_held),
    wait=tenacity.wait_fixed(0.05),
    stop=tenacity.stop_after_delay(2),
    reraise=True,
)


@_patiently
def rename(path: Path, target: Path) -> None:
    """Give a file or folder another name, in place of a file that has it."""
    path.replace(target)


@_patiently
def _remove(path: Path) -> None:
    path.unlink()


def temporary_path(folder: Path) -> Path:
    """Name what is not complete yet: hidden, and in the folder where the whole will be.

    Examples
    --------
    >>> len(temporary_path(Path("artifacts")).name)
    30
    """
    return folder / f".mkframe-{secrets.token_hex(8)}.part"


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


def file_sha256(path: Path) -> str:
    """Compute the SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def remove_stale_parts(folder: Path) -> list[Path]:
    """Remove what killed processes left behind; files that a living process writes are left alone.

    Returns
    -------
    list of Path
        What was removed.
    """
    found = [p for p in folder.iterdir() if _NAME.fullmatch(p.name) and p.is_file() and not p.is_symlink()]
    return [path for path in found if _remove_if_dead(path)]


def _create(folder: Path) -> tuple[Path, IO[bytes]]:
    while True:
        path = temporary_path(folder)
        file = path.open("xb")
        try:
            _lock(file)
            if path.exists():
                return path, file
        except BaseException:
            file.close()
            path.unlink(missing_ok=True)
            raise
        file.close()  # another process took it for a leftover before it was locked


def _lock(file: IO[bytes]) -> bool:
    """Mark a file as in use for as long as this process has it open; False where another has."""
    if sys.platform == "win32":
        return True  # an open file cannot be removed there, which protects it as well
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _remove_if_dead(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            dead = _lock(file)
            if dead and sys.platform != "win32":
                path.unlink()
        if dead and sys.platform == "win32":
            path.unlink()
    except OSError:
        return False
    return dead


def _move_to_free_name(path: Path, target: Path) -> None:
    try:
        target.hardlink_to(path)  # unlike a rename, this fails where the name is taken
    except (FileExistsError, FileNotFoundError):
        raise
    except OSError:
        # No links here, such as on FAT. Nothing portable is both atomic and unwilling to replace:
        # a stranger who takes the name between these two lines loses it.
        if os.path.lexists(target):
            raise FileExistsError(str(target)) from None
        rename(path, target)
