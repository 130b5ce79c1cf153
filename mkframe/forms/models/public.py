"""Pages for visitors: the server's settings choose host and folder, and no visitor does.

A visitor can send any message to the widgets of a page, also what no field shows. So what is checked
here is checked in the kernel.
"""

from __future__ import annotations

import atexit
import base64
import contextlib
import functools
import os
import shutil
import stat
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from mkframe.errors import InputError
from mkframe.schema import BASE_URL

__all__ = ["MOST_BYTES", "Offer", "Page", "folder", "is_public", "offers", "page", "room", "too_much"]

MOST_BYTES = 32 << 20
"""Bytes that a page fetches and hands over at a time: they travel inside of the page."""
_PREFIX = "mkframe-visitor-"
_OFF, _ON = ("", "0"), ("1",)
_TURN = threading.Lock()


@dataclass(frozen=True, slots=True)
class Page:
    """What a visitor may choose from.

    Parameters
    ----------
    url : str
        Base URL of the only server, to be shown.
    ways : tuple of str
        Ways to connect.
    """

    url: str
    ways: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Offer:
    """A file for a visitor to save.

    Parameters
    ----------
    name : str
        What it is called.
    build : str
        Folder of its build.
    size : int
        In bytes.
    url : str
        Its bytes, as a data URL.
    """

    name: str
    build: str
    size: int
    url: str


def is_public() -> bool:
    """Whether this kernel serves a page of Voilà, or ``MKFRAME_PUBLIC=1`` is set.

    Raises
    ------
    InputError
        If ``MKFRAME_PUBLIC`` is neither 1 nor 0.
    """
    # Voila sets several variables that begin so in every kernel, also in those it starts ahead.
    is_voila = any(name.startswith("VOILA_") for name in os.environ)
    is_voila = is_voila or os.environ.get("SERVER_SOFTWARE", "").lower().startswith("voila")
    return _is_on("MKFRAME_PUBLIC") or is_voila


def page() -> Page | None:
    """What a visitor may choose from; None where whoever uses the forms may choose everything.

    The account of the server is a way where the environment names one: the keyring is its owner's.
    ``MKFRAME_PUBLIC_DEMO=1`` allows the embedded server.

    Raises
    ------
    InputError
        If ``MKFRAME_PUBLIC`` or ``MKFRAME_PUBLIC_DEMO`` is unfit, or ``MKFRAME_URL`` holds a password.
    """
    if not is_public():
        return None
    url = (os.environ.get("MKFRAME_URL") or BASE_URL).strip()
    if "@" in url:  # every visitor would read it
        raise InputError(
            "MKFRAME_URL holds a user name or password.",
            hint="Leave it out of the URL, and set MKFRAME_EMAIL and MKFRAME_PASSWORD.",
        )
    has_token, email, password = (
        bool(os.environ.get(f"MKFRAME_{name}")) for name in ("TOKEN", "EMAIL", "PASSWORD")
    )
    allowed = {
        "environment": has_token or (email and password),
        "password": True,
        "token": True,
        "embedded": _is_on("MKFRAME_PUBLIC_DEMO"),
    }
    return Page(url, tuple(way for way, may in allowed.items() if may))


def folder() -> Path:
    """The folder of this kernel's visitor: private, and removed when the kernel ends."""
    return _folder_of(os.getpid())


@contextlib.contextmanager
def room() -> Iterator[Path]:
    """Empty the visitor's folder, and hold it for one fetch or comparison at a time.

    Raises
    ------
    InputError
        If the folder is gone or another is in its place.
    """
    own = folder()
    with _TURN:
        try:
            _check_own(own)
            for path in own.iterdir():
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path)
                else:
                    path.unlink()
        except OSError as error:
            raise InputError(
                "The folder of this page cannot be used.", hint="Load the page again."
            ) from error
        yield own


def offers(paths: Iterable[str]) -> tuple[Offer, ...]:
    """Take files of the visitor's folder for the visitor to save; larger ones than a page takes are none.

    Raises
    ------
    InputError
        If a file lies elsewhere, is a link, or all are more than `MOST_BYTES`.
    """
    found, left, own = [], MOST_BYTES, folder().resolve()
    for path in map(Path, paths):
        if not path.resolve().is_relative_to(own):
            raise InputError("A file lies outside of this page's folder.", hint="Fetch it again.")
        content = _read(path, left)
        left -= len(content)
        url = f"data:application/octet-stream;base64,{base64.b64encode(content).decode()}"
        found.append(Offer(path.name, path.parent.name, len(content), url))
    return tuple(found)


def too_much() -> InputError:
    """What is said where a visitor asks for more than a page takes."""
    return InputError(
        f"This page hands over at most {MOST_BYTES >> 20} MiB at a time.", hint="Choose fewer builds."
    )


def _is_on(name: str) -> bool:
    word = os.environ.get(name, "").strip()
    if word not in (*_OFF, *_ON):
        raise InputError(f"{name} is {word!r}.", hint="Set it to 1 or 0.")
    return word in _ON


def _read(path: Path, most: int) -> bytes:
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    flags |= getattr(os, "O_BINARY", 0)
    try:
        with os.fdopen(os.open(path, flags), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise InputError(f"{path.name!r} is no plain file.", hint="Fetch it again.")
            content = file.read(most + 1)
    except OSError as error:
        raise InputError(f"{path.name!r} cannot be read.", hint="Fetch it again.") from error
    if len(content) > most:
        raise too_much()
    return content


def _check_own(path: Path) -> None:
    """Raise OSError where the folder is not the one that was made."""
    found = path.lstat()
    mine = not hasattr(os, "getuid") or found.st_uid == os.getuid()
    if not stat.S_ISDIR(found.st_mode) or not mine:
        raise NotADirectoryError(path)


@functools.cache
def _folder_of(pid: int) -> Path:
    """Make the folder of a process; a fork has one of its own."""
    _remove_leftovers()
    path, lock = _made()
    atexit.register(_remove, path, lock, pid)
    return path


def _made() -> tuple[Path, int | None]:
    while True:
        path = Path(tempfile.mkdtemp(prefix=_PREFIX)).resolve()
        lock = _locked(path, wait=True)
        if lock is None or path.exists():
            return path, lock
        os.close(lock)  # another kernel took it for a leftover before it was locked


def _remove(path: Path, lock: int | None, pid: int) -> None:
    if os.getpid() == pid:
        shutil.rmtree(path, ignore_errors=True)
        if lock is not None:
            os.close(lock)


def _remove_leftovers() -> None:
    """Remove the folders of kernels that were killed; those of others and of living ones stay."""
    for path in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):
            _check_own(path)
            if (lock := _locked(path, wait=False)) is not None:
                shutil.rmtree(path, ignore_errors=True)
                os.close(lock)


def _locked(path: Path, *, wait: bool) -> int | None:
    """Lock a folder until its descriptor is closed; None where that does not work or another has it."""
    if sys.platform == "win32":
        return None  # a folder cannot be opened there, and so what a killed kernel leaves stays
    import fcntl

    lock = None
    try:
        lock = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY)
        fcntl.flock(lock, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        if lock is not None:
            os.close(lock)
        return None
    return lock
