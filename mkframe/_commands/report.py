"""``mkframe report``: write a history, a week or the readiness of a release as one HTML file."""

from __future__ import annotations

import argparse
import contextlib
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mkframe._bars import ProgressBar
from mkframe._commands import _history
from mkframe._commands._output import say, write
from mkframe.errors import InputError

if TYPE_CHECKING:
    from mkframe.report import WeekSources

__all__ = ["add"]

_EPILOG = """\
lengths of a period:
  D day, W week (from Monday), M month, Q quarter

the page of a week, Monday to Sunday:
  --period takes last-week, or a day such as 2026-07-13 for the week that holds it. It says what is broken,
  what got worse beyond chance, what became slower, and what was not asked.

examples:
  mkframe report --project MY_PROJECT --tz Europe/Vienna --output build-history.html
  mkframe report --project MY_PROJECT --release R7 --label for_review
  mkframe report --project MY_PROJECT --tz Europe/Vienna --period last-week --output monday.html
  mkframe report --history history.duckdb --period last-week --text | mail -s Builds team@example.com
"""
_WEEK_ONLY = ("text", "xlsx", "only_changes")


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    report = commands.add_parser(
        "report",
        help="write the build history as one HTML file",
        description="Write the build history as one HTML file; an older one is replaced by a whole one only.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    source = _history.add_source(report)
    source.add_argument("--history", metavar="FILE", help="read a history file of mkframe sync")
    report.add_argument(
        "--as-of", metavar="DAY", help="with --history, what was known at the end of a day or at a time"
    )
    report.add_argument(
        "--output",
        metavar="FILE",
        help="file to write (build-history.html, monday.html or release-readiness.html); - prints it",
    )
    report.add_argument("--release", help="report on the readiness of this release instead")
    report.add_argument(
        "--group",
        help="with --release: name or id of its group, needed where several have a release of that name",
    )
    report.add_argument(
        "--label", action="append", default=[], dest="labels", metavar="LABEL",
        help="with --release: label that blocks; may be given several times",
    )  # fmt: skip
    report.add_argument(
        "--every", choices=["D", "W", "M", "Q"], help="length of a period; by the history's length by default"
    )
    report.add_argument("--tz", default="UTC", help="time zone in which days and weeks are cut (%(default)s)")
    report.add_argument(
        "--period", metavar="WEEK", help="write the page of a week: last-week, or one of its days"
    )
    week = report.add_argument_group("with --period")
    week.add_argument("--text", action="store_true", help="plain text instead of HTML; printed by default")
    week.add_argument("--xlsx", metavar="FILE", help="write all sentences and tables as a workbook, too")
    week.add_argument(
        "--only-changes", action="store_true", help="leave out what is as it was before the week"
    )
    report.set_defaults(run=_run, usage_error=report.error)


def _run(options: argparse.Namespace) -> None:
    from mkframe._validation import check_timezone

    check_timezone(options.tz)
    given = [f"--{name.replace('_', '-')}" for name in _WEEK_ONLY if getattr(options, name)]
    if options.period is None and given:
        options.usage_error(f"{given[0]} belongs to the page of a week: add --period last-week")
    if options.period is not None and options.every is not None:
        options.usage_error("--every does not go with --period")
    if options.release is not None and (options.period or options.every):
        options.usage_error("--release does not go with --period or --every")
    if options.as_of is not None and options.history is None:
        options.usage_error("--as-of needs --history")
    if options.as_of is not None and options.period is not None:
        options.usage_error("--as-of does not go with --period: name a day of the week by --period")
    if options.period is None:
        _report(options)
    else:
        _week(options)


def _week(options: argparse.Namespace) -> None:
    """Write the page of a week."""
    from mkframe.report import monday, write_text

    page = monday(**vars(_sources(options)), period=options.period, tz=options.tz)
    page = page.only_news() if options.only_changes else page
    output = options.output or ("-" if options.text else "monday.html")
    if options.xlsx is not None:
        if Path(options.xlsx).suffix.lower() != ".xlsx":
            raise InputError(f"{options.xlsx!r} is no workbook.", hint="Name it so: --xlsx week.xlsx.")
        workbook = page.save(options.xlsx)
    if output == "-":
        write(page.text() if options.text else page.html())
        return
    path = write_text(output, page.text() if options.text else page.html())
    also = f" {workbook} is written, too." if options.xlsx is not None else ""
    say(f"{path} is written ({path.stat().st_size // 1024} kB).{also} Open {path.as_uri()}")


def _sources(options: argparse.Namespace) -> WeekSources:
    from mkframe.report import WeekSources, read_history, read_server

    project: str | None = options.project
    if options.history is not None:
        return read_history(options.history, project)
    if options.file is not None:
        with _history.open_saved(options.file) as path:
            builds, number = _history.read_saved(path, project)
        return WeekSources(builds, path.name, number)
    with _history.connect(options) as client:
        found = _history.find_project(client, project)
        return read_server(client, found, "demo" if options.demo else "server")


def _report(options: argparse.Namespace) -> None:
    from mkframe import report

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
            options.usage_error("--group and --label belong to --release")
        return "build_history", _parameters(options, stack) | {"every": options.every, "tz": options.tz}
    if options.file is not None or options.history is not None or options.project is None:
        options.usage_error("--release needs --project and a server")
    own = {"release": options.release, "group": options.group, "labels": tuple(options.labels)}
    return "release_readiness", _parameters(options, stack) | own


def _parameters(options: argparse.Namespace, stack: contextlib.ExitStack) -> dict[str, Any]:
    """Check account, project and file, so that an error is said before a kernel is started."""
    if options.history is not None:
        return _from_history(options)
    if options.file is not None:
        path = stack.enter_context(_history.open_saved(options.file))
        _, project_id = _history.read_saved(path, options.project)
        return {"source": str(path), "project": project_id}
    if options.demo and options.project is None:
        return {"source": "demo", "project": None}
    with _history.connect(options) as client:
        project = _history.find_project(client, options.project)
    return {"source": "demo" if options.demo else "server", "project": project}


def _from_history(options: argparse.Namespace) -> dict[str, Any]:
    """Check that a history has the project and the time."""
    from mkframe.history import History
    from mkframe.report import builds_of_history

    history = History(options.history)
    builds_of_history(history, options.project, as_of=options.as_of, tz=options.tz)
    return {"history": history.path, "as_of": options.as_of, "project": options.project}
