"""One start at a time: kernels of one machine wait for each other, and the later sees the earlier's build."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from mkframe.errors import MkframeError

__all__ = ["exclusive_lock"]

log = logging.getLogger("mkframe")
_PAUSE = 0.05


@contextlib.contextmanager
def exclusive_lock(what: str, timeout: float = 30.0) -> Iterator[None]:
    """Hold a lock that every kernel of this person on this machine respects; other machines do not see it.

    Parameters
    ----------
    what : str
        What is started one at a time.
    timeout : float, default 30
        Seconds to wait for whoever holds it.

    Raises
    ------
    MkframeError
        If it is still held then.

    Examples
    --------
    >>> with exclusive_lock("an example"):
    ...     pass
    """
    try:
        file = _opened(what)
    except OSError as error:
        log.warning("No lock file can be made (%s): other windows are not waited for.", error)
        yield
        return
    with file:  # closing it gives the lock back, and so does the end of the process
        deadline = time.monotonic() + timeout
        while not _taken(file):
            if time.monotonic() > deadline:
                raise MkframeError(
                    "Another window on this machine is starting a build in this project.",
                    hint="Wait until it has an answer, then press again.",
                )
            time.sleep(_PAUSE)
        yield


def _opened(what: str) -> IO[bytes]:
    """The lock file; it is empty and stays, for one that is removed could be locked twice."""
    person = os.getuid() if hasattr(os, "getuid") else "one"
    name = f"mkframe-{person}-{hashlib.sha256(what.encode()).hexdigest()[:16]}.lock"
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
    return os.fdopen(os.open(Path(tempfile.gettempdir()) / name, flags, 0o600), "r+b")


def _taken(file: IO[bytes]) -> bool:
    """Whether the lock could be taken now."""
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
