"""``mkframe report``: write the build history as one HTML file."""

from __future__ import annotations

import argparse
import contextlib
import tempfile
from pathlib import Path
from typing import Any

from mkframe._bars import ProgressBar
from mkframe._commands import _history
from mkframe._commands._output import say, write

__all__ = ["add"]

_EPILOG = """\
lengths of a period:
  D day, W week (from Monday), M month, Q quarter

example:
  mkframe report --project MY_PROJECT --tz Europe/Vienna --output build-history.html
"""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    report = commands.add_parser(
        "report",
        help="write the build history as one HTML file",
        description="Write the build history as one HTML file; an older one is replaced by a whole one only.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _history.add_source(report)
    report.add_argument(
        "--output",
        default="build-history.html",
        metavar="FILE",
        help="file to write (%(default)s); - prints it",
    )
    report.add_argument(
        "--every", choices=["D", "W", "M", "Q"], help="length of a period; by the history's length by default"
    )
    report.add_argument("--tz", default="UTC", help="time zone in which days and weeks are cut (%(default)s)")
    report.set_defaults(run=_report)


def _report(options: argparse.Namespace) -> None:
    from mkframe import report
    from mkframe._validation import check_timezone

    check_timezone(options.tz)
    with contextlib.ExitStack() as stack:
        parameters = _parameters(options, stack) | {"every": options.every, "tz": options.tz}
        output = options.output
        if output == "-":
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="mkframe-output-"))
            output = Path(folder) / "report.html"
        with ProgressBar("Report", leave=False, only_terminal=True) as bar:
            path = report.write(output, parameters, progress=lambda done, total: bar.show(done, total=total))
        if options.output == "-":
            write(path.read_text("utf-8"))
            return
    say(f"{path} is written ({path.stat().st_size // 1024} kB). Open {path.as_uri()}")


def _parameters(options: argparse.Namespace, stack: contextlib.ExitStack) -> dict[str, Any]:
    """Check account, project and file, so that an error is said before a kernel is started."""
    if options.file is not None:
        path = stack.enter_context(_history.open_saved(options.file))
        _, project_id = _history.read_saved(path, options.project)
        return {"source": str(path), "project": project_id}
    if options.demo and options.project is None:
        return {"source": "demo", "project": None}
    with _history.connect(options) as client:
        project = _history.find_project(client, options.project)
    return {"source": "demo" if options.demo else "server", "project": project}
