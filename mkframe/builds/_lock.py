"""A lock for starts: the processes of one machine start builds one after the other.

So the later one sees the build of the earlier one, and does not start it again.
"""

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
def exclusive_lock(name: str, timeout: float = 30.0, what: str = "a build in this project") -> Iterator[None]:
    """Hold a lock against all threads and processes of this user on this machine.

    Other machines do not see it. If no lock file can be made, a warning is logged and the block runs.

    Parameters
    ----------
    name : str
        What is locked. Locks of different names are independent.
    timeout : float, default 30
        Seconds to wait while another holds it.
    what : str
        What the other one starts, for the error.

    Raises
    ------
    MkframeError
        If another still holds it then.

    Examples
    --------
    >>> with exclusive_lock("an example"):
    ...     pass
    """
    with contextlib.ExitStack() as stack:  # closing the file releases the lock, also when the process dies
        try:
            file = stack.enter_context(_open_lock_file(name))
            _acquire(file, timeout, what)
        except OSError as error:
            log.warning("No lock file can be made (%s): other windows are not waited for.", error)
        yield


def _acquire(file: IO[bytes], timeout: float, what: str) -> None:
    deadline = time.monotonic() + timeout
    while not lock(file):
        if time.monotonic() > deadline:
            raise MkframeError(
                f"Another window or program on this machine is starting {what}.",
                hint="Nothing was sent. Wait until it has an answer, then try again.",
            )
        time.sleep(_PAUSE)


def _open_lock_file(name: str) -> IO[bytes]:
    """Open the lock file. It is empty and never removed: a removed file could be locked twice.

    It is in a private folder: in a shared one another user could hold the lock for ever.
    """
    with private_folder() as folder:
        file = folder.update(f"start-{hashlib.sha256(name.encode()).hexdigest()[:16]}.lock", 0o600)
        if not is_mine(os.fstat(file.fileno())):
            file.close()
            raise PermissionError(errno.EACCES, "it belongs to another user", str(folder.path))
        return file
