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
from mkframe.errors import InputError

__all__ = ["add"]

_EPILOG = """\
lengths of a period:
  D day, W week (from Monday), M month, Q quarter

example:
  mkframe report --project MY_PROJECT --tz Europe/Vienna --output build-history.html
  mkframe report --project MY_PROJECT --release R7 --label for_review
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
        metavar="FILE",
        help="file to write (build-history.html, or release-readiness.html); - prints it",
    )
    report.add_argument("--release", help="report on the readiness of this release instead")
    report.add_argument(
        "--group", help="with --release: its group, needed where several have a release of that name"
    )
    report.add_argument(
        "--label", action="append", default=[], dest="labels", metavar="LABEL",
        help="with --release: label that blocks; may be given several times",
    )  # fmt: skip
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
        notebook, parameters = _what(options, stack)
        output = options.output or f"{notebook.replace('_', '-')}.html"
        if output == "-":
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="mkframe-output-"))
            output = Path(folder) / "report.html"
        with ProgressBar("Report", leave=False, only_terminal=True) as bar:
            path = report.write(
                output, parameters, notebook, progress=lambda done, total: bar.show(done, total=total)
            )
        if options.output == "-":
            write(path.read_text("utf-8"))
            return
    say(f"{path} is written ({path.stat().st_size // 1024} kB). Open {path.as_uri()}")


def _what(options: argparse.Namespace, stack: contextlib.ExitStack) -> tuple[str, dict[str, Any]]:
    """Return the notebook to run, and its parameters."""
    if options.release is None:
        if options.group or options.labels:
            raise InputError("--group and --label belong to --release.", hint="Name a release too.")
        return "build_history", _parameters(options, stack) | {"every": options.every, "tz": options.tz}
    if options.file is not None or options.project is None:
        raise InputError(
            "--release needs --project and a server.", hint="Saved builds do not say what a release contains."
        )
    own = {"release": options.release, "group": options.group, "labels": tuple(options.labels)}
    return "release_readiness", _parameters(options, stack) | own


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
