"""Write to standard output, which may be closed, full or a pipe that nobody reads."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Iterator

from mkframe.errors import InputError

__all__ = ["OutputClosed", "flush", "say", "write"]

_CLOSED = (errno.EPIPE, errno.EINVAL)  # EINVAL is the error of a closed pipe on Windows


class OutputClosed(Exception):
    """Whoever reads standard output has stopped."""


def say(sentence: str) -> None:
    """Print a sentence about what was done; lost where standard output is closed."""
    if sys.stdout is not None:
        write(f"{sentence}\n")


def write(text: str) -> None:
    """Write a result to standard output.

    Raises
    ------
    InputError
        If standard output is closed or cannot be written.
    OutputClosed
        If its reader has stopped.
    """
    if sys.stdout is None:
        raise InputError("Standard output is closed.", hint="Name a file with --output.")
    with _output_errors():
        sys.stdout.write(text)
        sys.stdout.flush()


def flush() -> None:
    """Write what is held back, so that an error is found while it can be said."""
    if sys.stdout is not None:
        with _output_errors():
            sys.stdout.flush()


@contextlib.contextmanager
def _output_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        # Python would write again when it ends, and report the same error in its own words
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if error.errno in _CLOSED:
            raise OutputClosed from None
        raise InputError(
            f"Standard output cannot be written: {error.strerror or error}.", hint="Is the disk full?"
        ) from None
