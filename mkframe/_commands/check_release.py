"""``mkframe check release``: whether a release can be released, for people, cron and pipelines."""

from __future__ import annotations

import argparse
import json

from mkframe._commands import _history
from mkframe._commands._output import write

__all__ = ["add"]

_EPILOG = """\
example, for a pipeline:
  mkframe check release R7 --project MY_PROJECT --group DWH_GROUP --label for_review

exit codes:
  0  ready; warnings are printed
  1  no answer: no login, nobody there, no such project or release
  2  the command line is wrong
  3  blocked, also where something else is unknown
  4  nothing is known to block, but something that may block could not be read
"""


def add(what: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add what it checks to the parser of ``check``."""
    release = what.add_parser(
        "release",
        help="whether a release can be released, and what has to happen before",
        description="Check whether a release can be released; each check with what it found and what to do.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    release.add_argument("release", metavar="RELEASE", help="name of the release")
    release.add_argument("--project", required=True, help="name or id of the project")
    release.add_argument(
        "--group", help="name or id of its release group; needed where several have a release of that name"
    )
    release.add_argument(
        "--label", action="append", default=[], dest="labels", metavar="LABEL",
        help="label that blocks, such as for_review; may be given several times",
    )  # fmt: skip
    release.add_argument("--demo", action="store_true", help="use the embedded server's made-up history")
    release.add_argument("--json", action="store_true", help="print the result as JSON")
    release.set_defaults(run=_check_release)


def _check_release(options: argparse.Namespace) -> int:
    from mkframe import releases

    with _history.connect(options) as client:
        found = _history.find_project(client, options.project)
        result = releases.readiness(
            client,
            project=options.project if found is None else found,
            release=options.release,
            group=options.group,
            labels=options.labels,
        )
    if options.json:
        write(json.dumps(result.as_dict(), indent=2, default=str) + "\n")
    else:
        write(result.text())
    return result.exit_code
