"""The builds that a command is about: options, and the checks that need no kernel."""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from mkframe._files import expand_path
from mkframe.errors import ForbiddenError, InputError

if TYPE_CHECKING:
    import pandas as pd

    from mkframe.client import Client

__all__ = ["add_source", "connect", "find_project", "open_saved", "read_saved"]

_MAX_NAMES = 12


def add_source(parser: argparse.ArgumentParser) -> argparse._MutuallyExclusiveGroup:
    """Add the options that say which builds are meant; return the group of their sources."""
    parser.add_argument("--project", help="name or id of the project (its id with --from); all by default")
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--demo", action="store_true", help="use the embedded server's made-up history")
    source.add_argument(
        "--from",
        dest="file",
        metavar="FILE",
        help="read a saved answer of GET /builds; - reads standard input",
    )
    return source


def connect(options: argparse.Namespace) -> Client:
    """Connect to the server of the environment, or to the embedded one."""
    if options.demo:
        from mkframe._demo import demo

        return demo()
    from mkframe import settings
    from mkframe.client import connect as connect_client

    account = settings.load()
    if account.token is None and not account.can_log_in:
        raise InputError(
            f"There is no account for {account.url}.",
            hint="Set MKFRAME_TOKEN, or MKFRAME_EMAIL and MKFRAME_PASSWORD (and MKFRAME_URL for another "
            "server); --demo and --from FILE need none.",
        )
    return connect_client()


def find_project(client: Client, project: str | None) -> str | int | None:
    """Find a project by its name, else by its id; an unknown one is refused with the names there are."""
    try:
        projects = client.projects.find()  # also without a project: it finds out whether the account works
    except ForbiddenError:
        return project  # who may not list projects may still ask for one
    if project is None:
        return None
    if (projects["name"] == project).any():
        return project
    if project.isascii() and project.isdecimal() and int(project) in projects.index:
        return int(project)
    names = sorted(map(str, projects["name"].dropna()))
    raise InputError(f"There is no project {project!r}.", hint=_choices(names, "There are no projects."))


@contextlib.contextmanager
def open_saved(file: str) -> Iterator[Path]:
    """Give the path of a saved answer; standard input is saved to a file first."""
    if file != "-":
        path = expand_path(file)
        if not path.is_file():
            raise InputError(f"There is no file {file!r}.", hint="Give a saved answer of GET /builds.")
        yield path.resolve()
        return
    if sys.stdin is None:
        raise InputError("Standard input is closed.", hint="Name the file: --from FILE.")
    with tempfile.TemporaryDirectory(prefix="mkframe-input-", ignore_cleanup_errors=True) as folder:
        path = Path(folder) / "standard-input.json"
        with path.open("wb") as saved:
            while chunk := sys.stdin.buffer.read(1 << 20):
                saved.write(chunk)
        yield path


def read_saved(path: Path, project: str | None) -> tuple[pd.DataFrame, int | None]:
    """Read a saved answer, and the builds of one project of it.

    Raises
    ------
    InputError
        If it holds builds, and none of that project.
    MkframeError
        If it is no such answer.
    """
    from mkframe.frames import read_json

    number = _project_id(project)
    builds = read_json(path)
    if number is None:
        return builds, None
    chosen = builds[builds["project_id"] == number]
    if len(builds) and not len(chosen):
        ids = [str(found) for found in sorted(builds["project_id"].dropna().unique())]
        raise InputError(
            f"{path.name} has no build of project {number}.", hint=_choices(ids, "It names none.")
        )
    return chosen, number


def _project_id(project: str | None) -> int | None:
    if project is None:
        return None
    if not (project.isascii() and project.isdecimal()):
        raise InputError(
            f"A saved answer knows projects by id, not by the name {project!r}.",
            hint="Give the number: --project 402.",
        )
    return int(project)


def _choices(names: list[str], none: str) -> str:
    from mkframe._text import single_line

    if not names:
        return none
    more = f" and {len(names) - _MAX_NAMES} more" if len(names) > _MAX_NAMES else ""
    return f"There is: {', '.join(single_line(name, 60) for name in names[:_MAX_NAMES])}{more}."
