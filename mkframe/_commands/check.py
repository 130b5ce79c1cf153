"""``mkframe check``: compare with limits, for cron and pipelines."""

from __future__ import annotations

import argparse
import datetime as dt
import json
import math
import re
from typing import TYPE_CHECKING, Any

from mkframe._commands import _history, check_release
from mkframe._commands._output import write

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["EXIT_CODES", "add"]

EXIT_CODES = {"fine": 0, "broken": 3, "unknown": 4}
_STATES = {"wrong": "broken", "unknown": "unknown"}
"""States of a finding that are no "fine"."""
_SECONDS = {"s": 1, "min": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_LENGTH = re.compile(r"(?:\d+(?:\.\d+)?(?:s|min|h|d|w))+", re.A)
_PART = re.compile(r"(\d+(?:\.\d+)?)(s|min|h|d|w)", re.A)
_MAX_SECONDS = 100 * 366 * 86_400
_EPILOG = """\
Without a limit, a history is judged as a report does: whether a pattern set has failed and not
finished since, whether failures and durations got worse beyond chance, and whether a build runs for
unusually long.

example, for cron:
  mkframe check builds --project MY_PROJECT --max-failure-rate 0.2 --days 7 --broken-for 2d --running-for 4h

exit codes:
  0  fine
  1  no answer: no login, nobody there, no such project or file
  2  the command line is wrong
  3  broken: a limit is exceeded
  4  not broken as far as is known, but something cannot be told: too few builds, or none
"""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and what it checks to the parser."""
    check = commands.add_parser(
        "check",
        help="compare builds with limits, check a release; the exit code is the answer",
        description="Compare builds with limits, or check a release; the exit code is the answer.",
    )
    # required: a help text must not end with the exit code that says "fine"
    what = check.add_subparsers(metavar="WHAT", required=True)
    _add_builds(what)
    check_release.add(what)


def _add_builds(what: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    builds = what.add_parser(
        "builds",
        help="failure rate, builds that are broken, builds that run too long",
        description="Compare the builds of a project with limits, one line of evidence each.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _history.add_source(builds)
    builds.add_argument(
        "--max-failure-rate", type=_rate, metavar="RATE", help="largest failed / (finished + failed), 0 to 1"
    )
    builds.add_argument(
        "--min-builds", type=_count, default=20, metavar="N",
        help="fewest finished or failed builds to judge a rate (%(default)s)",
    )  # fmt: skip
    builds.add_argument(
        "--days",
        type=_days,
        metavar="N",
        help="with --max-failure-rate: only builds of the last N days; all by default",
    )
    builds.add_argument(
        "--broken-for", type=_length, metavar="TIME",
        help="longest time since a failure without a finished build of its patterns: 90min, 4h, 2d, 1d12h",
    )  # fmt: skip
    builds.add_argument(
        "--running-for", type=_length, metavar="TIME", help="longest time that a build may run: 90min, 4h"
    )
    builds.add_argument("--json", action="store_true", help="print the result as JSON")
    builds.set_defaults(run=_check_builds, usage_error=builds.error)


def _rate(text: str) -> float:
    number = _number(text)
    if not 0 <= number <= 1:
        raise argparse.ArgumentTypeError(f"a rate is a number from 0 to 1, such as 0.2, not {text!r}")
    return number


def _count(text: str) -> int:
    number = _number(text)
    if not (number >= 1 and number.is_integer()):
        raise argparse.ArgumentTypeError(f"a number of builds is 1 or more, not {text!r}")
    return int(number)


def _days(text: str) -> float:
    number = _number(text)
    if not 0 < number <= _MAX_SECONDS / _SECONDS["d"]:
        raise argparse.ArgumentTypeError(f"a number of days is more than 0, such as 7, not {text!r}")
    return number


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        return -1.0
    return number if math.isfinite(number) else -1.0


def _length(text: str) -> dt.timedelta:
    seconds = sum(float(number) * _SECONDS[unit] for number, unit in _PART.findall(text))
    if not _LENGTH.fullmatch(text) or seconds > _MAX_SECONDS:
        raise argparse.ArgumentTypeError(f"a length of time is 30s, 90min, 4h, 2d or 1d12h, not {text!r}")
    return dt.timedelta(seconds=seconds)


def _check_builds(options: argparse.Namespace) -> int:
    if options.days is not None and options.max_failure_rate is None:
        options.usage_error("--days belongs to --max-failure-rate: the other limits look at all builds")
    builds, moment = _load(options)
    rows = _limits(builds, moment, options) if _has_limit(options) else _findings(builds, moment)
    states = [row["state"] for row in rows]
    # no builds at all, or a project of another name, must never look like a project in order
    state = next((word for word in ("broken", "unknown") if word in states), "fine" if states else "unknown")
    if options.json:
        answer = {
            "state": state,
            "exit_code": EXIT_CODES[state],
            "builds": len(builds),
            "as_of": moment,
            "checks": rows,
        }
        write(json.dumps(answer, indent=2, allow_nan=False) + "\n")
    else:
        write("".join(f"{row['state']}: {row['says']}\n" for row in rows) or "unknown: there are no builds\n")
    return EXIT_CODES[state]


def _load(options: argparse.Namespace) -> tuple[pd.DataFrame, str | None]:
    """Load the builds, and say at what time they were so."""
    if options.file is not None:
        with _history.open_saved(options.file) as path:
            builds, _ = _history.read_saved(path, options.project)
        loaded = builds.attrs.get("loaded_at")
    else:
        with _history.connect(options) as client:
            project = _history.find_project(client, options.project)
            found = client.builds.find(project=project)
            clock = client.server_time  # that of the builds: the clock of this machine may be wrong
            loaded = clock.isoformat(timespec="seconds") if clock else found.attrs["loaded_at"]
            builds = client.add_names(found)
    return builds, loaded or _latest(builds)


def _latest(builds: pd.DataFrame) -> str | None:
    """Find until when a saved answer knows anything."""
    from mkframe.metrics._findings import dated_builds

    known = dated_builds(builds)[["build_start", "build_end"]].max().max()
    return None if known != known else known.isoformat(timespec="seconds")


def _has_limit(options: argparse.Namespace) -> bool:
    limits = (options.max_failure_rate, options.broken_for, options.running_for)
    return any(limit is not None for limit in limits)


def _limits(builds: pd.DataFrame, moment: str | None, options: argparse.Namespace) -> list[dict[str, Any]]:
    from mkframe import metrics

    table = metrics.thresholds(
        builds,
        max_failure_rate=options.max_failure_rate,
        min_builds=options.min_builds,
        broken_for=options.broken_for,
        running_for=options.running_for,
        days=options.days,
        now=moment,
    )
    rows = table.reset_index().to_dict("records")
    return [{str(key): None if cell != cell else cell for key, cell in row.items()} for row in rows]


def _findings(builds: pd.DataFrame, moment: str | None) -> list[dict[str, Any]]:
    from mkframe import metrics

    found = metrics.findings(builds, now=moment)
    return [
        {"check": name, "state": _STATES.get(state, "fine"), "says": says}
        for name, state, says in zip(found.index, found["state"], found["says"], strict=True)
    ]
