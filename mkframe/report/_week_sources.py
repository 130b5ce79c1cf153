"""Read what a Monday page needs: from a server, from a history file, or from a saved answer."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from mkframe._files import expand_path
from mkframe._pandas import as_text
from mkframe._text import single_line
from mkframe.errors import InputError, MkframeError
from mkframe.frames import read_json
from mkframe.frames._explode import names_of
from mkframe.history._history import AsOf, History

if TYPE_CHECKING:
    from mkframe.client import Client

__all__ = ["WeekSources", "read_file", "read_history", "read_server", "read_week"]

_MOST_PROJECTS = 20
"""Projects whose views are asked for: one request for each and view."""
_NO_VIEWS = "a saved answer of builds has nothing of it"
_NOT_STORED = "the history holds nothing of it; sync it with the resource {}"


@dataclass(frozen=True)
class WeekSources:
    """Builds, and what was asked besides; `monday(**vars(sources))` takes them.

    Attributes
    ----------
    builds : DataFrame
        Builds, with names where they are known.
    source : str
        "server", "demo", or the file.
    project : str or int, optional
        The project that was asked for.
    releases : DataFrame or None
        Releases.
    deliveries, commits : dict of int to DataFrame, or None
        The views of each project.
    reasons : dict of str to str
        Why something was not asked, or could not be read.
    """

    builds: pd.DataFrame
    source: str
    project: str | int | None = None
    releases: pd.DataFrame | None = None
    deliveries: dict[int, pd.DataFrame] | None = None
    commits: dict[int, pd.DataFrame] | None = None
    reasons: dict[str, str] = field(default_factory=dict)


def read_week(
    source: str = "server", project: str | int | None = None, history: str | os.PathLike[str] | None = None
) -> WeekSources:
    """Read what `monday` needs, from wherever it is.

    Parameters
    ----------
    source : str, default "server"
        "server", the account of MKFRAME_URL and its companions; "demo", the embedded server; or the file of
        a saved answer of GET /builds.
    project : str or int, optional
        Name or id of a project, of a saved answer its id; all by default.
    history : path, optional
        The file of a `mk.History`, which is read instead; no request is sent then.

    Returns
    -------
    WeekSources
        `monday(**vars(sources))` takes it.

    Raises
    ------
    MkframeError
        If the builds cannot be read.

    Examples
    --------
    >>> read_week("demo", "DEMO_PROJECT").source
    'demo'
    """
    if history is not None:
        return read_history(history, project)
    if source not in ("demo", "server"):
        if isinstance(project, str):
            raise InputError("A saved answer knows projects by id.", hint="Give the number, such as 402.")
        return read_file(source, project)
    from mkframe import _demo, client

    with _demo.demo() if source == "demo" else client.connect() as connected:
        return read_server(connected, project, source)


def read_server(client: Client, project: str | int | None = None, source: str = "server") -> WeekSources:
    """Ask a server for builds with their names, releases, and the views of their projects.

    What the account may not see is named in `reasons`, and is no error; builds are needed.

    Parameters
    ----------
    client : Client
        A client.
    project : str or int, optional
        Name or id; all projects by default.
    source : str, default "server"
        "server" or "demo".

    Returns
    -------
    WeekSources

    Raises
    ------
    MkframeError
        If the builds cannot be read.

    Examples
    --------
    >>> import mkframe as mk
    >>> with mk.demo(builds=20) as client:
    ...     sources = read_server(client, "DEMO_PROJECT", "demo")
    >>> sources.reasons, list(sources.deliveries)
    ({}, [402])
    """
    builds = client.builds.find(project=project)
    reasons: dict[str, str] = {}
    named = _attempt("names", reasons, lambda: client.add_names(builds))
    releases = _attempt("releases", reasons, client.releases.find)
    projects = _project_ids(builds)
    deliveries, commits = None, None
    if len(projects) > _MOST_PROJECTS:
        reason = f"there are {len(projects):,} projects; name one"
        reasons |= {"deliveries": reason, "commits": reason}
    else:
        deliveries = _views("deliveries", reasons, projects, lambda id_: client.deliveries(project_id=id_))
        commits = _views("commits", reasons, projects, lambda id_: client.commits(project_id=id_))
    reasons.pop("names", None)
    return WeekSources(
        builds if named is None else named, source, project, releases, deliveries, commits, reasons
    )


def read_history(
    path: str | os.PathLike[str], project: str | int | None = None, *, as_of: AsOf = None, tz: str = "UTC"
) -> WeekSources:
    """Read a history file, without a request; names are those that were known at the same time.

    Parameters
    ----------
    path : path
        The file of a `mk.History`.
    project : str or int, optional
        Name or id; all projects by default.
    as_of : datetime, date or str, optional
        Time of knowledge of builds, releases and names; now by default. Deliveries and commits are those
        that are stored.
    tz : str, default "UTC"
        Time zone of `as_of`, where it has none.

    Returns
    -------
    WeekSources

    Raises
    ------
    InputError
        If there is no such file or project, nothing had been asked of it, or `as_of` is no time.
    HistoryError
        If the file is no history, busy or damaged.
    """
    history = History(path)
    builds = builds_of_history(history, project, as_of=as_of, tz=tz)
    syncs = history.syncs()
    reasons: dict[str, str] = {}
    projects = _project_ids(builds)
    releases = (
        history.releases(as_of=as_of, tz=tz, gone=False) if (syncs["resource"] == "releases").any() else None
    )
    if releases is None:
        reasons["releases"] = _NOT_STORED.format("releases")
    found: dict[str, dict[int, pd.DataFrame] | None] = {}
    for name, read in (("deliveries", history.deliveries), ("commits", history.commits)):
        asked = {
            int(id_) for id_ in syncs.loc[(syncs["resource"] == name).to_numpy(bool), "project"].dropna()
        }
        held = [id_ for id_ in projects if id_ in asked]
        found[name] = {id_: read(project=id_) for id_ in held} or None
        if found[name] is None:
            reasons[name] = _NOT_STORED.format(name)
        elif len(held) < len(projects):
            reasons[name] = f"of {len(projects) - len(held):,} of {len(projects):,} projects"
    return WeekSources(
        _add_names(builds, history, as_of, tz),
        history.path.name,
        project,
        releases,
        found["deliveries"],
        found["commits"],
        reasons,
    )


def builds_of_history(
    history: History, project: str | int | None = None, *, as_of: AsOf = None, tz: str = "UTC"
) -> pd.DataFrame:
    """Return the builds of a history; refuse those that nobody had asked for, of which none are known.

    Raises
    ------
    InputError
        If there is no such file or project, nothing had been asked of it, or `as_of` is no time.

    Examples
    --------
    >>> import mkframe as mk, tempfile
    >>> with mk.demo(builds=20) as client, tempfile.TemporaryDirectory() as folder:
    ...     history = mk.History(f"{folder}/history.duckdb")
    ...     _ = history.sync(client)
    ...     len(builds_of_history(history))
    20
    """
    builds = history.builds(project=project, as_of=as_of, tz=tz)
    if builds.attrs["known_at"] is None:
        whose = "builds" if project is None else f"builds of project {project}"
        when = "" if as_of is None else " at that time"
        raise InputError(
            f"The history holds no answer about {whose}{when}.",
            hint="Fill it with mkframe sync" + ("." if as_of is None else ", or name a later time."),
        )
    return builds


def read_file(path: str | os.PathLike[str], project: int | None = None) -> WeekSources:
    """Read a saved answer of ``GET /builds``.

    Parameters
    ----------
    path : path
        The file.
    project : int, optional
        Id of a project; all by default.

    Returns
    -------
    WeekSources

    Raises
    ------
    MkframeError
        If it is no such answer.
    """
    builds = read_json(expand_path(path))
    builds = builds if project is None else builds[(builds["project_id"] == project).to_numpy(bool)]
    reasons = dict.fromkeys(("deliveries", "releases", "commits"), _NO_VIEWS)
    return WeekSources(builds, Path(path).name, project, reasons=reasons)


def _attempt(name: str, reasons: dict[str, str], read: Callable[[], pd.DataFrame]) -> pd.DataFrame | None:
    """Read something; where it cannot be read, remember why."""
    try:
        return read()
    except MkframeError as error:
        reasons[name] = f"not readable: {single_line(error.message, 160).rstrip('.')}"
        return None


def _views(
    name: str, reasons: dict[str, str], projects: list[int], read: Callable[[int], pd.DataFrame]
) -> dict[int, pd.DataFrame] | None:
    """Read a view of each project; where one cannot be read, the others count."""
    found = {}
    for project in projects:
        frame = _attempt(name, reasons, lambda project=project: read(project))  # type: ignore[misc]
        if frame is not None:
            found[project] = frame
    if found and len(found) < len(projects):
        reasons[name] = f"of {len(projects) - len(found):,} of {len(projects):,} projects; {reasons[name]}"
    return found or None


def _add_names(builds: pd.DataFrame, history: History, as_of: AsOf, tz: str) -> pd.DataFrame:
    """Add the names that were known at a time, as `Client.add_names` does."""
    projects, patterns = (read(as_of=as_of, tz=tz)["name"] for read in (history.projects, history.patterns))
    named: dict[str, Any] = {}
    if len(projects):
        named["project"] = as_text(builds["project_id"].map(projects.dropna()))
    if len(patterns):
        named["pattern_names"] = names_of(builds["patterns"], patterns)
    result = builds.assign(**named)
    result.attrs = dict(builds.attrs)
    return result


def _project_ids(builds: pd.DataFrame) -> list[int]:
    return sorted({int(id_) for id_ in builds["project_id"].dropna().unique()})
