"""The functions that take a client: they read, and hand over to the functions on frames."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from mkframe import _clock
from mkframe._text import single_line
from mkframe.errors import InputError, MkframeError
from mkframe.releases import frames
from mkframe.releases._carried import Carried, approximation
from mkframe.releases._diff import Diff
from mkframe.releases._groups import Release
from mkframe.releases._impact import Impact, roles_by_default
from mkframe.releases._load import (
    Client,
    Name,
    Scope,
    as_list,
    find_project,
    find_scope,
    join_rows,
    project_patterns,
    read_rows,
    side,
    statements,
)
from mkframe.releases._notes import ReleaseNotes
from mkframe.releases._readiness import Facts, Known, Readiness, Unknown
from mkframe.releases._rows import read_flags, text_column
from mkframe.releases._unbuilt import Unbuilt

__all__ = ["carried_forward", "diff", "impact", "notes", "readiness", "unbuilt"]

_VIEW_KEY = {"PATTERN": "pattern", "FOLDER": "folder", "INSTANCE": "instance"}
"""Columns of views that name an instance, and their names here."""
_INSTANCE_KEY = list(_VIEW_KEY.values())


def diff(
    client: Client,
    *,
    project: Name,
    old: str,
    new: str,
    group: Name | None = None,
    patterns: str | Iterable[str] | None = None,
    folder: str | None = None,
) -> Diff:
    """Compare the metadata rows of two releases.

    Parameters
    ----------
    client : Client
        A client.
    project : str or int
        Project, by name or id.
    old, new : str
        Names of two releases of one release group.
    group : str or int, optional
        Release group, by name or id; needed where several have a release of that name.
    patterns : str or iterable of str, optional
        Names of patterns; all of the group that the project has by default.
    folder : str, optional
        Path such as ``/RAW_VAULT``; the folders below it are included.

    Returns
    -------
    Diff
        As `frames.diff` returns it. ``attrs["old"]`` and ``attrs["new"]`` say whether the release is closed,
        so that its rows are frozen, and when its rows were read.

    Raises
    ------
    InputError
        If there is no such project, group, release or pattern, or a release name is not unique.
    QueryFailedError
        If the rows of a pattern cannot be read.

    Examples
    --------
    >>> import mkframe as mk
    >>> with mk.demo(builds=20) as client:
    ...     result = mk.releases.diff(client, project="DEMO_PROJECT", old="R1", new="R2", group="DWH_GROUP")
    >>> result.columns[:7].tolist()
    ['pattern', 'folder', 'instance', 'role', 'name', 'kind', 'property']
    """
    scope = _scope_of_two(client, project, old, new, group)
    return _diff(client, scope, old, new, patterns, folder)[0]


def carried_forward(
    client: Client,
    *,
    project: Name,
    hotfix: str,
    into: str | Sequence[str] | None = None,
    group: Name | None = None,
) -> Carried:
    """Find what became of each change of a hotfix in later releases.

    Parameters
    ----------
    client : Client
        A client.
    project : str or int
        Project, by name or id.
    hotfix : str
        Name of a hotfix. It is compared with the release that it fixes, also if its previous release is
        another hotfix.
    into : str or sequence of str, optional
        Names of releases; by default every release that follows the fixed one in its group, without
        hotfixes, deleted ones and the Default Release.
    group : str or int, optional
        Release group, by name or id; needed where several have a release of that name.

    Returns
    -------
    Carried
        As `frames.carried_forward` returns it. The true common ancestor is not in the meta database: the
        present state of the fixed release stands for it, exact only while that is closed; the result says so.

    Raises
    ------
    InputError
        If there is no such project, group or release, a release name is not unique, or it is no hotfix.
    QueryFailedError
        If the rows of a pattern cannot be read.

    Examples
    --------
    >>> import mkframe as mk
    >>> with mk.demo(builds=20) as client:
    ...     releases = client.releases.find(group="DWH_GROUP")
    ...     name = releases.loc[releases["hotfix_of_id"].notna(), "name"].iloc[0]
    ...     result = mk.releases.carried_forward(client, project="DEMO_PROJECT", hotfix=name)
    >>> result.columns[:2].tolist()
    ['into', 'fate']
    """
    targets = None if into is None else as_list(into)
    scope = find_scope(client, project, [hotfix, *(targets or ())], group)
    fix = scope.group.get(hotfix)
    parent = _fixed(scope, fix)
    notes = []
    if targets is None:
        targets = [each.name for each in scope.group.after(parent.key)]
        if unlinked := scope.group.unlinked(parent.key):
            notes.append(f"Without a previous release, and so not looked at: {', '.join(unlinked)}.")
    base = parent.name
    names = [base, hotfix, *targets]
    read = {name: read_rows(client, scope, name, names) for name in project_patterns(client, scope, None)}
    parts = [part for each in read.values() for part in each]
    result = frames.carried_forward(
        [join_rows(each) for each in read.values()], base=base, hotfix=hotfix, into=targets
    )
    base_side = side(parent, parts)
    result.attrs |= {
        **_where(scope), "base": base_side, "hotfix": side(fix, parts),
        "into": [side(scope.group.get(name), parts) for name in targets],
        "approximate": not base_side.get("closed"), "statements": statements(parts),
        "notes": [*notes, *result.attrs["notes"]],
    }  # fmt: skip
    return result


def _fixed(scope: Scope, fix: Release) -> Release:
    """Return the release that a hotfix fixes."""
    if fix.hotfix_of is None:
        fixes = [each.name for each in scope.group.live if each.hotfix_of is not None]
        raise InputError(
            f"{fix.name} is not a hotfix.",
            hint=f"Hotfixes of {scope.group.name}: {', '.join(fixes) or 'none'}.",
        )
    if fix.hotfix_of not in scope.group.releases:
        raise InputError(
            f"The release that {fix.name} fixes (id {fix.hotfix_of}) is not listed.",
            hint="Ask for the right to see it: the hotfix is compared with it.",
        )
    return scope.group.releases[fix.hotfix_of]


def unbuilt(
    client: Client, *, project: Name, release: str | None = None, group: Name | None = None
) -> Unbuilt:
    """Find instances whose newest commit by hand is later than their newest finished build in the release.

    Parameters
    ----------
    client : Client
        A client.
    project : str or int
        Project, by name or id.
    release : str, optional
        Name of a release; all commits of the project by default.
    group : str or int, optional
        Release group of the release, by name or id; needed where several have a release of that name.

    Returns
    -------
    Unbuilt
        As `frames.unbuilt` returns it, and what is checked out now. Ages are left out where the clock of the
        commits could not be measured.

    Raises
    ------
    InputError
        If there is no such project, group or release, or a release name is not unique.
    QueryFailedError
        If the commits cannot be read.

    Examples
    --------
    >>> import mkframe as mk
    >>> with mk.demo(builds=20) as client:
    ...     result = mk.releases.unbuilt(client, project="DEMO_PROJECT")
    >>> set(result["state"]) <= {"unbuilt", "tried", "building"}
    True
    """
    scope = None if release is None else find_scope(client, project, [release], group)
    if scope is None and group is not None:
        raise InputError("group is given without release.", hint="Name a release too.")
    found = find_project(client, project)[0] if scope is None else scope.project
    releases = None if scope is None or release is None else {scope.group.name: release}
    every = client.commits(project_id=found)
    commits = every if scope is None else _of_group(every, scope)
    out = _attempt("instances", lambda: _instances(client, found, releases, {"checked_out": True}, scope))
    table = None
    if not isinstance(out, Unknown):
        columns = ["pattern", "folder", "instance", "user_id"]
        table = out.loc[out["checked_out"], columns].reset_index(drop=True)
    now = _present(client, found, every)
    result = frames.unbuilt(commits, release=release, checked_out=table, now=now)
    if isinstance(out, Unknown):
        result.attrs["notes"].append(out.reason)
    result.attrs |= {"project": project} if scope is None else _where(scope)
    return result


def readiness(
    client: Client,
    *,
    project: Name,
    release: str,
    group: Name | None = None,
    labels: str | Iterable[str] = (),
) -> Readiness:
    """Check whether a release can be released, and what has to happen before.

    Parameters
    ----------
    client : Client
        A client.
    project : str or int
        Project, by name or id. Only its instances and builds count.
    release : str
        Name of the release.
    group : str or int, optional
        Release group, by name or id; needed where several have a release of that name.
    labels : str or iterable of str
        Names of labels that block, such as ``for_review``.

    Returns
    -------
    Readiness
        As `frames.readiness` returns it: a frame of checks, with `ready` and ``attrs["ready"]``. What could
        not be read makes a check "unknown", never "ok", and the release not ready.

    Raises
    ------
    InputError
        If there is no such project, group or release, or a release name is not unique.
    MkframeError
        If not even the projects, releases and patterns can be read.

    Examples
    --------
    >>> import mkframe as mk
    >>> with mk.demo(builds=20) as client:
    ...     result = mk.releases.readiness(client, project="DEMO_PROJECT", release="R2", group="DWH_GROUP")
    >>> result.loc[result["check"] == "release_open", "state"].tolist()
    ['blocks']
    """
    scope = find_scope(client, project, [release], group)
    found = scope.group.get(release)
    releases = {scope.group.name: release}
    names = as_list(labels)
    flags = {"checked_out": True, "build_disabled": True, "invalid": True}
    instances = _attempt("instances", lambda: _instances(client, scope.project, releases, flags, scope))
    deleted = _attempt("deleted instances", lambda: _deleted(client, scope, releases))
    builds = _attempt("builds", lambda: _builds(client, scope, releases, found.key))
    facts = Facts(
        release=found,
        now=pd.Timestamp.now(tz="UTC"),
        instances=instances,
        deleted=deleted,
        unbuilt=_attempt("commits", lambda: _unbuilt(client, scope, release, instances, deleted)),
        builds=builds,
        hotfixes=_attempt("metadata rows", lambda: _hotfixes(client, scope, found)),
        deployments=builds
        if isinstance(builds, Unknown)
        else _attempt("build deployments", lambda: _deployments(client, scope, builds)),
        labels=_labels(client, scope, instances, names),
        pattern_names=scope.patterns,
    )
    result = frames.readiness(facts)
    result.attrs |= _where(scope)
    return result


def notes(
    client: Client,
    *,
    project: Name,
    old: str,
    new: str,
    group: Name | None = None,
    ticket_role: str | None = None,
    people: bool = False,
    artifacts: bool = False,
) -> ReleaseNotes:
    """Make release notes: what a release created, changed and removed, who delivered it, how builds went.

    Parameters
    ----------
    client : Client
        A client.
    project : str or int
        Project, by name or id.
    old, new : str
        Names of two releases of one release group; the notes are of the new one.
    group : str or int, optional
        Release group, by name or id; needed where several have a release of that name.
    ticket_role : str, optional
        Functional role whose rows are tickets; their names are the ticket numbers.
    people : bool, default False
        Whether people are named in full; else by initials.
    artifacts : bool, default False
        Whether the artifacts of the last finished build of each release are fetched and compared.

    Returns
    -------
    ReleaseNotes
        As `frames.notes` returns it: a frame of instances; `markdown` is a text, `export` writes HTML.

    Raises
    ------
    InputError
        If there is no such project, group or release, or a release name is not unique.
    QueryFailedError
        If the rows of a pattern cannot be read.

    Examples
    --------
    >>> import mkframe as mk
    >>> with mk.demo(builds=20) as client:
    ...     made = mk.releases.notes(client, project="DEMO_PROJECT", old="R1", new="R2", group="DWH_GROUP")
    >>> made.markdown.splitlines()[0]
    '# Release notes of R2'
    """
    scope = _scope_of_two(client, project, old, new, group)
    difference, rows = _diff(client, scope, old, new, None, None)
    problems: list[str] = []

    def known(what: str, read: Callable[[], pd.DataFrame]) -> pd.DataFrame | None:
        found = _attempt(what, read)
        if isinstance(found, Unknown):
            problems.append(found.reason)
            return None
        return found

    new_builds, old_builds = (
        known("builds", functools.partial(_builds, client, scope, {scope.group.name: name}, key))
        for name, key in ((new, scope.group.get(new).key), (old, scope.group.get(old).key))
    )
    compared = None
    if artifacts and new_builds is not None and old_builds is not None:
        compared = known("artifacts", lambda: _artifacts(client, old_builds, new_builds))
    changes = known("hotfixes", lambda: _hotfixes(client, scope, scope.group.get(new)))
    made = frames.notes(
        difference,
        deliveries=known("deliveries", lambda: _deliveries(client, scope, new)),
        builds=new_builds,
        hotfixes=None if changes is None else _whole(scope, changes, old, new),
        tickets=None if ticket_role is None else _tickets(rows, new, ticket_role),
        people=people,
        artifacts=compared,
    )
    made.attrs["notes"] += problems
    return made


def impact(
    client: Client,
    *,
    project: Name,
    instance: str | None = None,
    field: str | None = None,
    patterns: str | Iterable[str] | None = None,
    source_roles: str | Iterable[str] | None = None,
    target_roles: str | Iterable[str] | None = None,
) -> Impact:
    """Find candidates of what depends on an instance or a field, by names across patterns.

    Parameters
    ----------
    client : Client
        A client.
    project : str or int
        Project, by name or id.
    instance, field : str
        Exactly one of them: the name of an instance, or of a field.
    patterns : str or iterable of str, optional
        Names of patterns; all that the project has by default.
    source_roles, target_roles : str or iterable of str, optional
        Functional roles whose rows name sources, and whose rows name what an instance provides. By default
        those of class Functional and domain FIELD; the result says which.

    Returns
    -------
    Impact
        As `frames.impact` returns it. Candidates only: names prove nothing; `match` says how they agree.

    Raises
    ------
    InputError
        If there is no such project or pattern, or not exactly one of instance and field is given.
    QueryFailedError
        If the rows of a pattern cannot be read.

    Examples
    --------
    >>> import mkframe as mk
    >>> with mk.demo(builds=20) as client:
    ...     found = mk.releases.impact(client, project="DEMO_PROJECT", field="AIRPLANE_HK")
    >>> found.columns[:2].tolist()
    ['distance', 'source_pattern']
    """
    if (instance is None) == (field is None):
        raise InputError("Give an instance or a field, and not both.", hint="Write instance='AIRPLANE'.")
    key, _ = find_project(client, project)
    known = client.patterns.find()["name"]
    used = set(client.instances.find(project_id=key)["pattern_id"])
    names = sorted(str(name) for id_, name in known.items() if id_ in used)
    if patterns is not None:
        given = as_list(patterns)
        if unknown := [name for name in given if name not in names]:
            raise InputError(
                f"The project has no instances of {', '.join(map(repr, unknown))}.",
                hint=f"There is: {', '.join(names)}.",
            )
        names = given
    roles = pd.concat([client.functional_roles.find(pattern=name) for name in names])
    sources, targets = roles_by_default(roles)
    problems: list[str] = []
    commits = _attempt("commits", lambda: client.commits(project_id=key))
    if isinstance(commits, Unknown):
        problems.append(commits.reason)
    result = frames.impact(
        [client.instance_rows(project_id=key, pattern=name) for name in names],
        instance=instance,
        field=field,
        source_roles=sources if source_roles is None else as_list(source_roles),
        target_roles=targets if target_roles is None else as_list(target_roles),
        commits=None if isinstance(commits, Unknown) else commits,
    )
    result.attrs["notes"] += problems
    return result


# --- reading ------------------------------------------------------------------------------------------


def _scope_of_two(client: Client, project: Name, old: str, new: str, group: Name | None) -> Scope:
    if old == new:
        raise InputError(f"Both releases are {old!r}.", hint="Name two releases.")
    return find_scope(client, project, [old, new], group)


def _diff(
    client: Client, scope: Scope, old: str, new: str, patterns: Any, folder: str | None
) -> tuple[Diff, list[pd.DataFrame]]:
    """Compare two releases; return the rows too."""
    read = {
        name: read_rows(client, scope, name, [old, new], folder)
        for name in project_patterns(client, scope, patterns)
    }
    parts = [part for each in read.values() for part in each]
    rows = [join_rows(each) for each in read.values()]
    result = frames.diff(rows, old=old, new=new)
    result.attrs |= {
        **_where(scope), "folder": folder, "patterns": list(read), "statements": statements(parts),
        "old": side(scope.group.get(old), parts), "new": side(scope.group.get(new), parts),
    }  # fmt: skip
    return result, rows


def _deliveries(client: Client, scope: Scope, release: str) -> pd.DataFrame:
    rows = _of_group(client.deliveries(project_id=scope.project), scope)
    return rows[(rows["RELEASE"] == release).fillna(False).astype(bool)]


def _of_group(rows: pd.DataFrame, scope: Scope) -> pd.DataFrame:
    """Return the rows of the patterns of the group; others may have a release of the same name."""
    return rows[rows["PATTERN"].isin(set(scope.patterns.values()))]


def _whole(scope: Scope, changes: pd.DataFrame, old: str, new: str) -> dict[str, bool]:
    """Say of each hotfix that only the new release comes after whether it has all its changes."""
    earlier = {each.key for each in scope.group.hotfixes_before(scope.group.get(old).key)}
    fixes = scope.group.hotfixes_before(scope.group.get(new).key)
    found = {}
    for fix in fixes:
        own = changes[changes["of"] == fix.name]
        if fix.key not in earlier and len(own):
            found[fix.name] = bool((own["fate"] == "carried").all()) and not changes.attrs["unknown"]
    return found


def _tickets(rows: Sequence[pd.DataFrame], release: str, role: str) -> pd.DataFrame:
    columns = {"@PATTERN": "pattern", "@FOLDER": "folder", "@INSTANCE": "instance", "NAME": "ticket"}
    parts = []
    for table in rows:
        here = (table["@RELEASE"] == release) & (table["FUNCTIONAL_ROLE"] == role)
        here &= ~read_flags(table, "@DELETED")
        parts.append(table.loc[here.fillna(False).astype(bool), list(columns)].rename(columns=columns))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=list(columns.values()))


def _artifacts(client: Client, old: pd.DataFrame, new: pd.DataFrame) -> pd.DataFrame:
    """Compare the artifacts of the last finished builds."""
    last = []
    for builds in (old, new):
        finished = builds[builds["status"] == "FINISHED"].sort_values("build_start", kind="stable")
        if not len(finished):
            raise InputError("One of the releases has no finished build.")
        last.append(int(finished.index[-1]))
    found: pd.DataFrame = client.downloads.diff(*last)
    return found


def _where(scope: Scope) -> dict[str, Any]:
    return {"project": scope.project_name, "group": scope.group.name, "group_id": scope.group.key}


def _attempt(what: str, read: Callable[[], pd.DataFrame]) -> Known:
    """Read something; where that fails, for whatever reason, return why."""
    try:
        return read()
    except Exception as error:
        message = getattr(error, "message", None) or f"{type(error).__name__}: {error}"
        reason = f"The {what} could not be read. {single_line(message, 300)}"
        hint = getattr(error, "hint", "")
        return Unknown(reason, f"{hint} Then check again.") if hint else Unknown(reason)


def _instances(
    client: Client,
    project: int,
    releases: dict[str, str] | None,
    flags: dict[str, bool],
    scope: Scope | None = None,
) -> pd.DataFrame:
    """Read instances that are not deleted, with a column for each flag, which the server filters by."""
    rows = client.instances.find(project_id=project, releases=releases)
    gone = client.instances.find(project_id=project, releases=releases, deleted=True).index
    rows = rows[~rows.index.isin(gone)]
    folders = client.instance_folders.find(project_id=project)
    names = client.patterns.find()["name"].to_dict() if scope is None else scope.patterns
    if scope is not None:
        rows = rows[rows["pattern_id"].isin(names)]
    table = _paths(rows, folders, names).assign(errors=rows["errors"])
    if "user_id" in rows.columns:
        table["user_id"] = rows["user_id"].astype("Int64")
    for flag, value in flags.items():
        marked = client.instances.find(project_id=project, releases=releases, **{flag: value}).index
        table[flag] = table.index.isin(marked)
    if "build_disabled" in table.columns:
        disabled = folders.index[read_flags(folders, "build_disabled")]
        table["build_disabled"] |= rows["instance_folder_id"].isin(disabled).to_numpy(bool)
    return table


def _paths(rows: pd.DataFrame, folders: pd.DataFrame, patterns: dict[int, str]) -> pd.DataFrame:
    columns = {
        "pattern": rows["pattern_id"].map(patterns),
        "folder": rows["instance_folder_id"].map(folders["path"]),
        "instance": rows["name"],
    }
    return pd.DataFrame({name: text_column(values, rows.index) for name, values in columns.items()})


def _deleted(client: Client, scope: Scope, releases: dict[str, str]) -> pd.DataFrame:
    rows = client.instances.find(project_id=scope.project, releases=releases, deleted=True)
    rows = rows[rows["pattern_id"].isin(scope.patterns)]
    folders = client.instance_folders.find(project_id=scope.project)
    return _paths(rows, folders, scope.patterns).reset_index(drop=True)


def _builds(client: Client, scope: Scope, releases: dict[str, str], release: int) -> pd.DataFrame:
    rows = client.builds.find(project_id=scope.project, releases=releases)
    here = np.array([release in list(ids) for ids in rows["releases"]], dtype=bool)
    found: pd.DataFrame = rows[here & ~read_flags(rows, "deleted")]
    return found


def _unbuilt(client: Client, scope: Scope, release: str, instances: Known, deleted: Known) -> pd.DataFrame:
    commits = _of_group(client.commits(project_id=scope.project), scope)
    found = frames.unbuilt(commits, release=release)
    if not isinstance(instances, Unknown):
        here = commits.loc[(commits["RELEASE"] == release).fillna(False).to_numpy(bool), list(_VIEW_KEY)]
        known = set(_keys(here))
        found.attrs["without_commits"] = sum(row not in known for row in _keys(instances[_INSTANCE_KEY]))
    if isinstance(deleted, Unknown) or isinstance(instances, Unknown) or not len(deleted):
        return found
    # commits may not say that an instance is deleted; one that was created again is not
    gone = set(_keys(deleted[_INSTANCE_KEY])) - set(_keys(instances[_INSTANCE_KEY]))
    kept = [row not in gone for row in _keys(pd.DataFrame(found)[_INSTANCE_KEY])]
    rows = pd.DataFrame(found)[np.array(kept, dtype=bool)].reset_index(drop=True)
    rows.attrs = dict(found.attrs)
    return rows


def _hotfixes(client: Client, scope: Scope, release: Release) -> pd.DataFrame:
    """Compare each hotfix of an earlier release with the release, and with those on the way to it."""
    group = scope.group
    problem = group.before(release.key)[1]
    problems = [*([problem] if problem else []), *group.unknown_hotfixes(release.key)]
    wanted: list[tuple[str, str, list[str]]] = []
    for fix in group.hotfixes_before(release.key):
        parent = group.releases[fix.hotfix_of or 0]
        way = [each.name for each in group.between(parent.key, release.key)]
        wanted.append((parent.name, fix.name, [*way, release.name]))
    names = list(dict.fromkeys(name for base, fix, into in wanted for name in (base, fix, *into)))
    read: list[pd.DataFrame] = []
    for pattern in project_patterns(client, scope, None) if names else ():
        part = _attempt(f"rows of {pattern}", functools.partial(_pattern_rows, client, scope, pattern, names))
        if isinstance(part, Unknown):
            problems.append(part.reason)
        else:
            read.append(part)
    parts = [
        _still_open(frames.carried_forward(read, base=base, hotfix=fix, into=into), fix)
        for base, fix, into in wanted
    ]
    none = frames.carried_forward([], base="", hotfix="-", into=[])
    result = pd.concat([pd.DataFrame(none).assign(of=text_column([])), *parts], ignore_index=True)
    bases = dict.fromkeys(base for base, _, _ in wanted)
    closed = {each.name: each.closed for each in group.releases.values()}
    result.attrs = {
        "hotfixes": [fix for _, fix, _ in wanted],
        "unknown": problems,
        "notes": [approximation(base, closed[base]) for base in bases],
    }
    return result


def _pattern_rows(client: Client, scope: Scope, pattern: str, names: Sequence[str]) -> pd.DataFrame:
    return join_rows(read_rows(client, scope, pattern, names))


def _still_open(result: Carried, fix: str) -> pd.DataFrame:
    """Return what the last release has of a hotfix.

    A cell that an earlier release on the way took over, and that has been changed since, is no conflict.
    """
    key = ["pattern", "folder", "instance", "role", "name", "occurrence", "property"]
    target = result.attrs["into"][-1]["release"]
    rows = pd.DataFrame(result)
    last, earlier = rows[rows["into"] == target], rows[rows["into"] != target]
    taken = set(_keys(earlier.loc[earlier["fate"] == "carried", key]))
    settled = [row in taken for row in _keys(last[key])]
    fate = last["fate"].where(~(np.array(settled, dtype=bool) & (last["fate"] == "conflict")), "carried")
    made: pd.DataFrame = last.assign(
        fate=text_column(fate, last.index), of=text_column([fix] * len(last), last.index)
    )
    return made


def _keys(rows: pd.DataFrame) -> list[tuple[Any, ...]]:
    cells = rows.astype(object)
    return list(cells.where(cells.notna(), None).itertuples(index=False, name=None))


def _deployments(client: Client, scope: Scope, builds: pd.DataFrame) -> pd.DataFrame:
    """Say of each pattern's newest finished build whether a deployment of it is listed."""
    finished = builds[builds["status"] == "FINISHED"].sort_values("build_start", kind="stable")
    rows = finished[["patterns"]].reset_index(names="build_id").explode("patterns").dropna()
    rows = rows[rows["patterns"].isin(scope.patterns)].drop_duplicates("patterns", keep="last")
    listed = set()
    pairs = list(zip(rows["build_id"].astype(int), rows["patterns"].astype(int), strict=True))
    for build in dict.fromkeys(build for build, _ in pairs):
        found = client.build_deployments.find(build_id=build)
        listed |= {(build, int(pattern)) for pattern in found["pattern_id"].dropna()}
    return pd.DataFrame(
        {
            "build_id": pd.array([pair[0] for pair in pairs], dtype="int64"),
            "pattern": text_column([scope.patterns[pair[1]] for pair in pairs]),
            "deployed": pd.array([pair in listed for pair in pairs], dtype="bool"),
        }
    )


def _labels(client: Client, scope: Scope, instances: Known, names: Sequence[str]) -> dict[str, Known]:
    if not names:
        return {}
    if isinstance(instances, Unknown):
        return dict.fromkeys(names, instances)
    rows = _attempt("labels of instances", lambda: client.instance_labels(project_id=scope.project))
    if isinstance(rows, Unknown):
        return dict.fromkeys(names, rows)
    defined = _attempt("labels", client.labels.find)
    known = None if isinstance(defined, Unknown) else set(defined["name"])
    return {name: _labeled(rows, instances, name, known) for name in names}


def _labeled(rows: pd.DataFrame, instances: pd.DataFrame, name: str, known: set[str] | None) -> Known:
    found = rows[(rows["LABEL"] == name).fillna(False).astype(bool)]
    if not len(found) and known is not None and name not in known:
        listed = ", ".join(single_line(each, 40) for each in sorted(map(str, known))[:10])
        return Unknown(
            f"There is no label {single_line(name, 80)!r}; there is: {listed or 'none'}.",
            "Write the name of a label that there is.",
        )
    columns = _VIEW_KEY | {"USER_NAME": "user", "CREATED": "created"}
    table = found[list(columns)].rename(columns=columns)
    here = set(_keys(instances[_INSTANCE_KEY]))
    is_here = [row in here for row in _keys(table[_INSTANCE_KEY])]
    return table[np.array(is_here, dtype=bool)].reset_index(drop=True)


def _present(client: Client, project: int, commits: pd.DataFrame) -> int | None:
    """Return the present time on the clock of the commits; None where it cannot be measured."""
    try:
        builds = client.builds.find(project_id=project)
        clock = _clock.measure_commits(commits, _clock.moments_of(builds))
    except MkframeError:
        return None
    if clock is None or not clock.is_known:
        return None
    now = np.array([pd.Timestamp.now(tz="UTC").to_datetime64()], "datetime64[us]")
    there: int = (now + clock.offsets(now)).astype("datetime64[ms]").astype("int64").item()
    return there
