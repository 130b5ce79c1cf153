"""Pages for visitors: the settings of the server choose host and folder, never a visitor.

A visitor can send any message to the widgets of a page, also values that no field offers. Therefore all
checks of this module are made in the kernel.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import os
import shutil
import stat
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mkframe.errors import InputError
from mkframe.schema import BASE_URL

__all__ = ["Page", "check_inside", "folder", "is_public", "lock_folder", "page"]

_PREFIX = "mkframe-visitor-"
_OFF, _ON = ("", "0"), ("1",)
_FOLDER_LOCK = threading.Lock()


@dataclass(frozen=True, slots=True)
class Page:
    """The choices of a visitor.

    Parameters
    ----------
    url : str
        Base URL of the only server.
    methods : tuple of str
        Allowed methods to connect.
    """

    url: str
    methods: tuple[str, ...]


def is_public() -> bool:
    """Return whether this kernel serves a page of Voilà, or ``MKFRAME_PUBLIC=1`` is set.

    Raises
    ------
    InputError
        If ``MKFRAME_PUBLIC`` is neither 1 nor 0.
    """
    # Voilà sets several variables with this prefix in every kernel, also in those that it starts in advance.
    is_voila = any(name.startswith("VOILA_") for name in os.environ)
    is_voila = is_voila or os.environ.get("SERVER_SOFTWARE", "").lower().startswith("voila")
    return _is_on("MKFRAME_PUBLIC") or is_voila


def page() -> Page | None:
    """Return the choices of a visitor; None if the forms are not for visitors.

    The account of the server is allowed if the environment contains one. The keyring is never used: it
    belongs to the operator. ``MKFRAME_PUBLIC_DEMO=1`` allows the embedded server.

    Raises
    ------
    InputError
        If ``MKFRAME_PUBLIC`` or ``MKFRAME_PUBLIC_DEMO`` is invalid, or ``MKFRAME_URL`` contains a password.
    """
    if not is_public():
        return None
    url = (os.environ.get("MKFRAME_URL") or BASE_URL).strip()
    if "@" in url:  # the page shows the URL to every visitor
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
    return Page(url, tuple(method for method, is_allowed in allowed.items() if is_allowed))


def folder() -> Path:
    """Return the private folder of this kernel's visitor; it is removed when the kernel ends."""
    return _folder_of(os.getpid())


@contextlib.contextmanager
def lock_folder() -> Iterator[Path]:
    """Empty the visitor's folder, and lock it for one fetch or comparison.

    Raises
    ------
    InputError
        If the folder was removed or replaced.
    """
    own = folder()
    with _FOLDER_LOCK:
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


def check_inside(path: Path) -> None:
    """Raise where a file is not in the visitor's folder.

    Raises
    ------
    InputError
        If it is outside, or a link leads outside.
    """
    if not path.resolve().is_relative_to(folder().resolve()):
        raise InputError("A file is outside of this page's folder.", hint="Fetch it again.")


def _is_on(name: str) -> bool:
    value = os.environ.get(name, "").strip()
    if value not in (*_OFF, *_ON):
        raise InputError(f"{name} is {value!r}.", hint="Set it to 1 or 0.")
    return value in _ON


def _check_own(path: Path) -> None:
    """Raise OSError if the path is not a folder of this user."""
    found = path.lstat()
    mine = not hasattr(os, "getuid") or found.st_uid == os.getuid()
    if not stat.S_ISDIR(found.st_mode) or not mine:
        raise NotADirectoryError(path)


@functools.cache
def _folder_of(pid: int) -> Path:
    """Make the folder of a process; a fork gets its own."""
    _remove_stale_folders()
    path, lock = _make_folder()
    atexit.register(_remove, path, lock, pid)
    return path


def _make_folder() -> tuple[Path, int | None]:
    while True:
        path = Path(tempfile.mkdtemp(prefix=_PREFIX)).resolve()
        lock = _try_lock(path, wait=True)
        if lock is None or path.exists():
            return path, lock
        os.close(lock)  # another kernel removed it as stale before it was locked


def _remove(path: Path, lock: int | None, pid: int) -> None:
    if os.getpid() == pid:
        shutil.rmtree(path, ignore_errors=True)
        if lock is not None:
            os.close(lock)


def _remove_stale_folders() -> None:
    """Remove the folders of killed kernels; those of other users and of running kernels stay."""
    for path in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):
            _check_own(path)
            if (lock := _try_lock(path, wait=False)) is not None:
                shutil.rmtree(path, ignore_errors=True)
                os.close(lock)


def _try_lock(path: Path, *, wait: bool) -> int | None:
    """Lock a folder until the returned descriptor is closed; None if that is impossible or another has it."""
    if sys.platform == "win32":
        return None  # a folder cannot be opened there, so the folder of a killed kernel stays
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
