"""A build that runs, as a server with a clock of its own tells of it, and the finished builds before it."""

import datetime as dt
import email.utils

from tests.support import faults
from tests.support.rows import row

NOON = dt.datetime(2026, 6, 17, 12, tzinfo=dt.UTC)
SAME = {"instances": 3, "patterns": [808]}
ELAPSED = 1240.0
"""Seconds after which `SAYS` holds for over twenty seconds, so that a slow machine changes no word of it."""
SAYS = "1 h 41 min to 2 h 34 min more (80 %), half within 2 h 14 min; from 30 similar builds; if it finishes"
UNUSUAL = 30_000.0
"""Seconds that no build of `past` has taken."""


def written(moment):
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def past(count=30, project=402, **more):
    """Finished builds, one every four hours until noon, that took 2 to 3 hours."""
    rows = []
    for k in range(count):
        start = NOON - dt.timedelta(hours=4 * (count - k))
        end = start + dt.timedelta(minutes=120 + 2 * (7 * k % 30))
        times = {"build_start": written(start), "build_end": written(end)}
        rows.append(row("builds", 100 + k, status="FINISHED", project_id=project, **SAME, **times, **more))
    return rows


def running_row(number=7, elapsed=ELAPSED, now=NOON, status="BUILDING", **changes):
    """A build that has run for so many seconds."""
    start = written(now - dt.timedelta(seconds=elapsed))
    own = {"status": status, "build_start": start, "project_id": 402, "progress": 40, **SAME, **changes}
    if status == "BUILDING":
        own["build_end"] = None
    return row("builds", number, **own)


def dated(value, now=NOON):
    """An answer of a server whose clock shows this time."""
    return faults.reply(value, headers={"Date": email.utils.format_datetime(now, usegmt=True)})


def running(number=7, elapsed=ELAPSED, now=NOON, **changes):
    """The answer about such a build."""
    return dated(running_row(number, elapsed, now, **changes), now)
