"""Read what release analysis needs, through a client: projects, releases, patterns and metadata rows."""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import pandas as pd

from mkframe._text import single_line
from mkframe.errors import InputError, ResponseTooLargeError
from mkframe.releases._groups import Group, Release, releases_of
from mkframe.releases._rows import read_flags

__all__ = [
    "Client",
    "Name",
    "Scope",
    "as_list",
    "find_project",
    "find_scope",
    "join_rows",
    "project_patterns",
    "read_rows",
    "side",
    "statements",
]

Name: TypeAlias = str | int
_MOST_NAMED = 8


class Client(Protocol):
    """What is used of a client."""

    projects: Any
    patterns: Any
    releases: Any
    release_groups: Any
    instances: Any
    instance_folders: Any
    builds: Any
    build_deployments: Any
    downloads: Any
    functional_roles: Any
    labels: Any

    @property
    def instance_rows(self) -> Any: ...
    @property
    def instance_labels(self) -> Any: ...
    @property
    def commits(self) -> Any: ...
    @property
    def deliveries(self) -> Any: ...


@dataclass(frozen=True)
class Scope:
    """A project and a release group.

    Attributes
    ----------
    project, project_name : int, str
        The project.
    group : Group
        The release group.
    patterns : dict of int to str
        Names of the group's patterns by id, whether the project has them or not.
    """

    project: int
    project_name: str
    group: Group
    patterns: dict[int, str]


def as_list(names: str | Iterable[str]) -> list[str]:
    """Return one name, or several, as a list."""
    return [names] if isinstance(names, str) else list(names)


def find_scope(client: Client, project: Name, names: Sequence[str], group: Name | None) -> Scope:
    """Find a project, and the release group that has all the named releases.

    Raises
    ------
    InputError
        If there is no such project, group or release, or if several groups have a release of a name.
    """
    key, project_name = find_project(client, project)
    releases, groups = client.releases.find(), client.release_groups.find()
    group_names = {int(id_): str(name) for id_, name in groups["name"].items()}
    found = _find_group(releases, group_names, names, group)
    patterns = client.patterns.find()
    own = patterns[(patterns["release_group_id"] == found.key).fillna(False).astype(bool)]
    return Scope(key, project_name, found, {int(id_): str(name) for id_, name in own["name"].items()})


def find_project(client: Client, project: Name) -> tuple[int, str]:
    """Return the id and the name of a project.

    Raises
    ------
    InputError
        If there is none, or several of that name.
    """
    projects = client.projects.find()
    by_name = isinstance(project, str)
    found = projects[projects["name"] == project] if by_name else projects[projects.index == project]
    if not len(found):
        raise InputError(
            f"There is no project {single_line(project, 80)!r}.", hint=_hint(project, projects["name"])
        )
    if len(found) > 1:
        ids = ", ".join(map(str, found.index))
        raise InputError(f"Several projects are called {project!r}.", hint=f"Give an id: {ids}.")
    return int(found.index[0]), str(found["name"].iloc[0])


def _find_group(
    releases: pd.DataFrame, names: dict[int, str], wanted: Sequence[str], group: Name | None
) -> Group:
    chosen = _group_id(names, group)
    held = [_group_with(releases, names, name, chosen) for name in wanted]
    if len(set(held)) > 1:
        each = [f"{name} of {names.get(key, key)}" for name, key in zip(wanted, held, strict=True)]
        raise InputError(
            f"The releases are of different groups: {', '.join(each)}.", hint="Name releases of one group."
        )
    return Group(held[0], names.get(held[0], str(held[0])), releases_of(releases, held[0]))


def _group_with(releases: pd.DataFrame, names: dict[int, str], name: str, chosen: int | None) -> int:
    """Return the only group that has a release of a name."""
    if not isinstance(name, str) or not name:
        raise InputError(f"{name!r} is no name of a release.", hint="Write the name, such as 'R7'.")
    live = releases[~read_flags(releases, "deleted")]
    live = live if chosen is None else live[live["group_id"] == chosen]
    found = {int(key) for key in live.loc[live["name"] == name, "group_id"]}
    if not found:
        where = "" if chosen is None else f" in the group {names.get(chosen, chosen)}"
        raise InputError(
            f"There is no release {single_line(name, 80)!r}{where}, or it is deleted.",
            hint=_hint(name, live["name"]),
        )
    if len(found) > 1:
        each = sorted(names.get(key, str(key)) for key in found)
        raise InputError(
            f"Several release groups have a release {name!r}: {', '.join(each)}.",
            hint=f"Name the group as well, such as {each[0]!r}.",
        )
    return found.pop()


def _group_id(names: dict[int, str], group: Name | None) -> int | None:
    if group is None:
        return None
    found = [key for key, name in names.items() if group in (key, name)]
    found = found or [key for key in names if str(key) == group]  # a command line has ids as text
    if len(found) == 1:
        return found[0]
    if found:
        raise InputError(
            f"Several release groups are called {group!r}.", hint=f"Give an id: {', '.join(map(str, found))}."
        )
    raise InputError(
        f"There is no release group {single_line(group, 80)!r}.",
        hint=_hint(group, pd.Series(names, dtype=object)),
    )


def _hint(name: Any, known: pd.Series[Any]) -> str:
    texts = [str(each) for each in known.dropna().unique()]
    near = difflib.get_close_matches(str(name), texts, n=1)
    more = f" and {len(texts) - _MOST_NAMED:,} more" if len(texts) > _MOST_NAMED else ""
    listed = ", ".join(single_line(each, 80) for each in texts[:_MOST_NAMED])
    return (f"Did you mean {near[0]!r}? " if near else "") + f"There is: {listed or 'none'}{more}."


def project_patterns(client: Client, scope: Scope, patterns: str | Iterable[str] | None) -> list[str]:
    """Return the names of the group's patterns that have instances in the project, or the given ones.

    Raises
    ------
    InputError
        If a given pattern is not one of the group.
    """
    if patterns is not None:
        given = as_list(patterns)
        known = set(scope.patterns.values())
        for name in given:
            if name not in known:
                raise InputError(
                    f"The release group {scope.group.name} has no pattern {single_line(name, 80)!r}.",
                    hint=_hint(name, pd.Series(scope.patterns, dtype=object)),
                )
        return list(dict.fromkeys(given))
    rows = client.instances.find(project_id=scope.project)
    deleted = client.instances.find(project_id=scope.project, deleted=True)
    used = {int(key) for frame in (rows, deleted) for key in frame["pattern_id"].dropna()}
    return sorted(name for key, name in scope.patterns.items() if key in used)


def read_rows(
    client: Client, scope: Scope, pattern: str, releases: Sequence[str], folder: str | None = None
) -> list[pd.DataFrame]:
    """Read the metadata rows of a pattern in some releases: in one answer, or in one for each release.

    A release without rows is no warning here: what is compared says which instances a release has.
    """
    how = {"project_id": scope.project, "pattern": pattern, "folder": folder}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"The pattern .* has no rows", category=UserWarning)
        try:
            return [client.instance_rows(**how, releases=list(releases))]
        except ResponseTooLargeError:
            if len(releases) == 1:
                raise
            return [client.instance_rows(**how, releases=[name]) for name in releases]


def join_rows(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Join the answers for one pattern."""
    return parts[0] if len(parts) == 1 else pd.concat(parts, ignore_index=True)


def side(release: Release, parts: Iterable[pd.DataFrame]) -> dict[str, Any]:
    """Return what a result says of one release: whether it is closed, and when its rows were read."""
    times = sorted(str(part.attrs["loaded_at"]) for part in parts if "loaded_at" in part.attrs)
    made: dict[str, Any] = {"release": release.name, "closed": release.closed}
    if times:
        first, last = (time.replace("T", " ").replace("+00:00", " UTC") for time in (times[0], times[-1]))
        made["read_at"] = first if first == last else f"{first} to {last}"
    return made


def statements(parts: Iterable[pd.DataFrame]) -> list[str]:
    """Return the statements that were run."""
    return [str(part.attrs["statement"]) for part in parts if "statement" in part.attrs]
