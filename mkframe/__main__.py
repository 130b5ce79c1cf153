"""The command line: ``mkframe report``, ``check``, ``sync``, ``demo`` and ``openapi``."""

from __future__ import annotations

import sys

if __name__ == "__main__" and not sys.flags.safe_path:
    del sys.path[0]  # `python -m` puts the current folder there, whose files must not run here

import os
from collections.abc import Sequence

__all__ = ["main"]

_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    arguments : sequence of str, optional
        Arguments after ``mkframe``; those of the process by default.

    Returns
    -------
    int
        0, what the command says, 1 after an error, which is printed, or 130 after Ctrl-C.
    """
    try:
        try:
            if arguments is None:
                _open_standard_files()
            from mkframe._commands import run  # here, so that Ctrl-C while modules load is no traceback

            return run(arguments)
        finally:
            if arguments is None:  # the process ends: Ctrl-C during its last steps is no traceback either
                import signal

                signal.signal(signal.SIGINT, signal.SIG_IGN)
    except KeyboardInterrupt:
        return _INTERRUPTED


def _open_standard_files() -> None:
    """Open what the caller has closed on nothing: else the next socket would become standard output."""
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free


if __name__ == "__main__":
    sys.exit(main())
