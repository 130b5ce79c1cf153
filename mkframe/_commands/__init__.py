"""The commands of the command line, one module each; `run` is what ``mkframe`` runs."""

from __future__ import annotations

import argparse
import contextlib
import errno
import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from mkframe._commands import check, demo, openapi, report, sync
from mkframe._commands._output import OutputClosed, flush
from mkframe._version import __version__
from mkframe.errors import InputError, MkframeError

__all__ = ["parser", "run"]

_EPILOG = """\
The account is taken from MKFRAME_URL, MKFRAME_TOKEN, MKFRAME_EMAIL and MKFRAME_PASSWORD.

example:
  mkframe report --demo --output build-history.html

exit codes:
  0  done
  1  not done; a sentence on standard error says why
  2  the command line is wrong
  130  ended by Ctrl-C
"""


def run(arguments: Sequence[str] | None = None) -> int:
    """Run a command line and give its exit code.

    Parameters
    ----------
    arguments : sequence of str, optional
        Arguments after ``mkframe``; those of the process by default.

    Returns
    -------
    int
        0, or what the command says; 1 after an error, which is printed.
    """
    for stream in (sys.stdout, sys.stderr):
        # a file name may hold what the console cannot encode
        if isinstance(stream, io.TextIOWrapper) and not stream.closed:
            stream.reconfigure(errors="backslashreplace")
    options = None
    try:
        try:
            options = parser().parse_args(arguments)
        except SystemExit:
            flush()  # the help
            raise
        _require_folder()
        code: int = options.run(options) or 0
        flush()
    except OutputClosed:
        return 0  # whoever reads has seen enough
    except (MkframeError, ImportError) as error:  # an extra that is not installed names itself
        codes: dict[type[Exception], int] = getattr(options, "exit_codes", {})
        return _fail(str(error), codes.get(type(error), 1))
    except OSError as error:
        return _fail(f"The system refused: {error.strerror or error}.")
    return code


def parser() -> argparse.ArgumentParser:
    """Build the parser of the whole command line."""
    whole = argparse.ArgumentParser(
        prog="mkframe",
        description="MetaKraftwerk build history: reports, checks, and an embedded server to try things on.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    whole.add_argument("--version", action="version", version=f"mkframe {__version__}")
    whole.set_defaults(run=lambda _: whole.print_help())
    commands = whole.add_subparsers(metavar="COMMAND")
    for module in (report, check, sync, demo, openapi):
        module.add(commands)
    return whole


def _fail(sentence: str, code: int = 1) -> int:
    if sys.stderr is not None:  # print would write to standard output
        with contextlib.suppress(OSError):
            print(f"mkframe: {sentence}", file=sys.stderr)  # noqa: T201
    return code


def _require_folder() -> None:
    """Refuse to work in a folder that is no longer there: no path could be found from it."""
    try:
        Path.cwd()
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ESTALE):
            raise
        raise InputError(
            "The current folder no longer exists.", hint=f"Change to another: cd {os.sep}"
        ) from None
