"""One start at a time: kernels of one machine wait for each other, and the later sees the earlier's build."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import logging
import os
import time
from collections.abc import Iterator
from typing import IO

from mkframe._folders import is_mine, lock, private_folder
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
    with contextlib.ExitStack() as held:  # the end of the block or the process gives it back
        try:
            file = held.enter_context(_lock_file(what))
            _wait(file, timeout)
        except OSError as error:
            log.warning("No lock file can be made (%s): other windows are not waited for.", error)
        yield


def _wait(file: IO[bytes], timeout: float) -> None:
    deadline = time.monotonic() + timeout
    while not lock(file):
        if time.monotonic() > deadline:
            raise MkframeError(
                "Another window on this machine is starting a build in this project.",
                hint="Wait until it has an answer, then press again.",
            )
        time.sleep(_PAUSE)


def _lock_file(what: str) -> IO[bytes]:
    """The lock file; it is empty and stays, for one that is removed could be locked twice.

    It is in a folder of this user's own: in one that others can write, they could hold it for ever.
    """
    with private_folder() as folder:
        file = folder.update(f"start-{hashlib.sha256(what.encode()).hexdigest()[:16]}.lock", 0o600)
        if not is_mine(os.fstat(file.fileno())):
            file.close()
            raise PermissionError(errno.EACCES, "it belongs to another user", str(folder.path))
        return file
