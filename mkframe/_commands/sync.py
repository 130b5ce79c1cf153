"""``mkframe sync``: store what the server shows in a history file."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from mkframe._commands import _history
from mkframe._commands._output import say
from mkframe.errors import HistoryBusyError, HistoryDamagedError, HistoryFormatError, InputError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["add"]

_PARTLY = 3
_EPILOG = """\
exit codes:
  0  all is stored
  2  the command line is wrong
  3  some projects were not seen, or so much would be gone at once that it was refused
  4  another process uses the file
  5  the file is damaged, or no history

example, each night:
  mkframe sync --history history.duckdb && mkframe report --history history.duckdb
"""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    sync = commands.add_parser(
        "sync",
        help="store what the server shows in a history file",
        description="Ask the server for what has changed, and store it in a history file.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    sync.add_argument("--history", required=True, metavar="FILE", help="file, created where it is missing")
    sync.add_argument(
        "--project", action="append", metavar="P", help="name or id; several may be given; all by default"
    )
    sync.add_argument(
        "--wait", type=float, default=30.0, metavar="S", help="seconds to wait for the file (%(default)s)"
    )
    sync.add_argument("--allow-gone", action="store_true", help="accept that much is gone at once")
    codes = {InputError: 2, HistoryBusyError: 4, HistoryDamagedError: 5, HistoryFormatError: 5}
    sync.set_defaults(run=_sync, exit_codes=codes, demo=False)


def _sync(options: argparse.Namespace) -> int:
    from mkframe.history import History

    history = History(options.history, wait=options.wait)
    with _history.connect(options) as client:
        synced = history.sync(client, projects=options.project, allow_gone=options.allow_gone, progress=False)
    say(f"{history.path}: {_summary(synced)}.")
    return _PARTLY if synced["how"].isin(["unseen", "refused"]).any() else 0


def _summary(synced: pd.DataFrame) -> str:
    """Say in one line what a sync has come to."""
    counts = ", ".join(f"{synced[name].sum():,} {name}" for name in ("new", "changed"))
    stored = synced[synced["how"] != "refused"]
    parts = [f"{len(synced)} questions, {counts}, {stored['gone'].sum():,} gone"]
    for how in ("unseen", "refused"):
        rows = synced[synced["how"] == how]
        names = [
            resource if project != project or project is None else f"{resource} of project {project}"
            for resource, project in zip(rows["resource"], rows["project"].astype(object), strict=True)
        ]
        parts += [f"{how}: {', '.join(names)}"] if names else []
    return "; ".join(parts)
