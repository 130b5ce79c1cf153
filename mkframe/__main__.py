"""The command line: ``mkframe report``, ``mkframe demo`` and ``mkframe openapi``."""

from __future__ import annotations

import sys

if __name__ == "__main__" and not sys.flags.safe_path:
    del sys.path[0]  # `python -m` puts the current folder there, whose files must not run here

import argparse
import errno
import io
import json
import os
import time
from collections.abc import Sequence

from mkframe._files import atomic_write, expand_path
from mkframe._version import __version__
from mkframe.errors import InputError, MkframeError
from mkframe.schema import BASE_URL

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    arguments : sequence of str, optional
        Arguments after ``mkframe``; those of the process by default.

    Returns
    -------
    int
        0, or 1 if the command failed with one of mkframe's errors, which is printed.
    """
    options = _parser().parse_args(arguments)
    if isinstance(sys.stdout, io.TextIOWrapper):  # a file name may hold what the console cannot encode
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        options.run(options)
    except (MkframeError, ImportError) as error:  # an extra that is not installed names itself
        print(f"mkframe: {error}", file=sys.stderr)  # noqa: T201
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mkframe",
        description="MetaKraftwerk build history: reports, and an embedded server to try things on.",
        epilog="The account is taken from MKFRAME_URL, MKFRAME_TOKEN, MKFRAME_EMAIL and MKFRAME_PASSWORD.",
    )
    parser.add_argument("--version", action="version", version=f"mkframe {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_report(commands)
    _add_demo(commands)
    _add_openapi(commands)
    return parser


def _add_report(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    report = commands.add_parser(
        "report",
        help="write the build history as one HTML file",
        description="Write the build history as one HTML file.",
    )
    report.add_argument("--project", help="name of the project (its id with --from); all projects by default")
    report.add_argument("--out", default="build-history.html", help="file to write (%(default)s)")
    source = report.add_mutually_exclusive_group()
    source.add_argument("--demo", action="store_true", help="report on the embedded server's history")
    source.add_argument("--from", dest="file", metavar="FILE", help="report on a saved answer of GET /builds")
    report.add_argument(
        "--every", choices=["D", "W", "M", "Q"], help="length of a period; by the history's length by default"
    )
    report.add_argument("--tz", default="UTC", help="time zone in which days and weeks are cut (%(default)s)")
    report.set_defaults(run=_report)


def _add_demo(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    demo = commands.add_parser(
        "demo", help="run the embedded server", description="Run the embedded server until Ctrl-C."
    )
    demo.add_argument("--builds", type=int, default=2000, help="builds in its history (%(default)s)")
    demo.add_argument("--port", type=int, default=0, help="port; a free one by default")
    demo.add_argument("--seed", type=int, default=7, help="seed of the made-up history (%(default)s)")
    demo.set_defaults(run=_demo)


def _add_openapi(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    page = commands.add_parser(
        "openapi",
        help="describe the API as an OpenAPI 3.1 document",
        description="Describe the API, as mkframe knows it, as an OpenAPI 3.1 document in JSON.",
    )
    page.add_argument("--output", metavar="FILE", help="file to write; printed by default")
    page.add_argument("--url", default=BASE_URL, help="base URL of the server (%(default)s)")
    page.set_defaults(run=_openapi)


def _report(options: argparse.Namespace) -> None:
    from mkframe import report
    from mkframe._bars import ProgressBar

    parameters = {
        "project": _project(options),
        "source": _source(options),
        "every": options.every,
        "tz": options.tz,
    }
    with ProgressBar("Report", leave=False, only_terminal=True) as bar:
        path = report.write(options.out, parameters, progress=lambda done, total: bar.show(done, total=total))
    print(f"{path} is written ({path.stat().st_size // 1024} kB). Open {path.as_uri()}")  # noqa: T201


def _source(options: argparse.Namespace) -> str:
    if options.demo:
        return "demo"
    if options.file is None:
        return "server"
    path = expand_path(options.file)
    if not path.is_file():
        raise InputError(f"There is no file {options.file!r}.", hint="Give a saved answer of GET /builds.")
    return str(path.resolve())


def _project(options: argparse.Namespace) -> str | int | None:
    project: str | None = options.project
    if project is None or options.file is None:
        return project
    if not project.isdecimal():
        raise InputError(
            f"A saved answer knows projects by id, not by the name {project!r}.",
            hint="Give the number: --project 402.",
        )
    return int(project)


def _demo(options: argparse.Namespace) -> None:
    from mkframe.demo_server import Server

    with Server(options.builds, port=options.port, seed=options.seed) as server:
        print(  # noqa: T201
            f"An embedded MetaKraftwerk with {options.builds:,} builds listens. To use it elsewhere:\n\n"
            f"{_assignment('MKFRAME_URL', server.url)}\n"
            f"{_assignment('MKFRAME_EMAIL', server.email)}\n"
            f"{_assignment('MKFRAME_PASSWORD', server.password)}\n\n"
            "Ctrl-C ends it.",
            flush=True,
        )
        while True:
            time.sleep(3600)  # unlike a wait without end, Ctrl-C ends it on Windows too


def _assignment(name: str, value: str) -> str:
    """Return the shell command of this system that sets a variable."""
    return f'$env:{name} = "{value}"' if sys.platform == "win32" else f"export {name}={value}"


def _openapi(options: argparse.Namespace) -> None:
    from mkframe import openapi

    text = json.dumps(openapi.document(options.url), indent=2) + "\n"
    if options.output is None:
        _print(text)
        return
    path = expand_path(options.output)
    atomic_write(path, lambda file: file.write(text.encode("ascii")), "Name another file with --output.")
    print(f"{path} is written ({len(text) // 1024} kB).")  # noqa: T201


def _print(text: str) -> None:
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError as error:
        if error.errno not in (errno.EPIPE, errno.EINVAL):  # EINVAL is the error of a closed pipe on Windows
            raise
        # the reader has closed the pipe; Python would report that again when it closes its output
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    sys.exit(main())
