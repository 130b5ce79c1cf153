"""Projects, releases and patterns that the caller of a server plants: endpoints and views show them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from mkframe import schema
from mkframe.demo_server.catalog import INSTANCE_FLAGS
from mkframe.demo_server.data.projects import CUSTOMER
from mkframe.demo_server.metadata_sql import MetaDatabase
from mkframe.demo_server.releases import Release, release_row
from mkframe.demo_server.state import ExtraInstance, Row, State
from mkframe.errors import InputError

__all__ = ["Planting"]

_HINT = "See the parameters of the call."
_RELEASE_KEYS = {"name", "description", "start", "end", "closed", "deleted", "hotfix_of", "previous"}
_LAST_INSTANCE = 900_000
"""IDs of planted instances are higher, so that an option of the server does not change them."""


class Planting:
    """Adds to the tables of the endpoints and to the views.

    Parameters
    ----------
    state : State
    databases : MetaDatabase
    """

    def __init__(self, state: State, databases: MetaDatabase) -> None:
        self._state, self._databases = state, databases

    def add_project(self, name: str) -> int:
        """Add an empty project; return its ID."""
        with self._state.lock:
            table = self._state.tables["projects"]
            if any(row["name"] == name for row in table):
                raise InputError(f"The server has a project {name!r} already.", hint="Choose another name.")
            table.append({"id": _next(table), "name": name, "deleted": False, "disabled": False})
            return int(table[-1]["id"])

    def add_releases(self, group: str, releases: Sequence[Mapping[str, Any]]) -> dict[str, int]:
        """Add releases to a group, and the group where it is new; return their IDs by name."""
        with self._state.lock:
            groups, known = self._state.tables["release_groups"], self._state.catalog.releases
            if not any(row["name"] == group for row in groups):
                groups.append({"id": _next(groups), "name": group})
            id_ = next(row["id"] for row in groups if row["name"] == group)
            ids = {r.name: r.id for r in known.values() if r.group == id_}
            first = max(known) + 1
            for number, given in enumerate(releases):
                ids[str(given.get("name"))] = first + number
            for given in releases:
                release = _release(given, ids, id_)
                known[release.id] = release
                self._state.tables["releases"].append(release_row(release))
            return ids

    def add_pattern(
        self,
        project: int,
        name: str,
        properties: Mapping[str, str],
        roles: Mapping[str, str],
        rows: Sequence[tuple[str, str, str | None, Sequence[Any]]],
        releases: Sequence[str] | None,
        group: str | None,
        views: Mapping[str, Sequence[Mapping[str, Any]]],
        instances: Mapping[tuple[str, str], Mapping[str, Any]],
    ) -> None:
        """Add a pattern; `Server.add_pattern` tells more."""
        from mkframe.demo_server.dialect import Pattern

        with self._state.lock:
            group_id = self._group(group)
            if group_id is not None and releases is None:
                known = self._state.catalog.releases.values()
                releases = [r.name for r in known if r.group == group_id]
            try:
                pattern = Pattern(name, dict(properties), dict(roles), releases)
            except ValueError as error:
                raise InputError(str(error), hint=_HINT) from error
            values = {view: [_values(view, name, row) for row in given] for view, given in views.items()}
            listed: list[Row] = []
            if not any(row["name"] == name for row in self._state.tables["patterns"]):
                id_ = self._list_pattern(pattern, group_id)
                listed = self._list_instances(project, id_, group_id, rows, instances)
        deleted = {(row["folder"], row["name"]) for row in listed if row["deleted"]}
        with_flag = [(*row[:3], row[:2] in deleted, row[3]) for row in rows]
        values["INSTANCES"] = [_instance(name, row) for row in listed]
        self._databases.add_pattern(project, pattern, with_flag, values)

    def _group(self, name: str | None) -> int | None:
        if name is None:
            return None
        found = next((r["id"] for r in self._state.tables["release_groups"] if r["name"] == name), None)
        if found is None:
            raise InputError(f"There is no release group {name!r}.", hint="Call add_releases first.")
        return int(found)

    def _list_pattern(self, pattern: Any, group: int | None) -> int:
        tables = self._state.tables
        id_ = _next(tables["patterns"])
        tables["patterns"].append(
            {
                "id": id_, "name": pattern.name, "description": None, "type": "SNOWFLAKE", "vers_no": "1.0.0",
                "status": "FINISHED", "active": True, "deleted": False, "disabled": False,
                "release_group_id": group,
            }
        )  # fmt: skip
        first = _next(tables["instance_properties"])
        tables["instance_properties"] += [
            {
                "id": first + n, "pattern_id": id_, "name": name, "datatype": datatype, "format": None,
                "description": None, "deleted": False, "required": name == "NAME", "pos_no": n + 1,
            }
            for n, (name, datatype) in enumerate(pattern.properties.items())
        ]  # fmt: skip
        first = _next(tables["functional_roles"])
        tables["functional_roles"] += [
            {
                "id": first + n, "pattern_id": id_, "name": name, "class": "Functional", "domain": None,
                "cardinality_min": "0", "cardinality_max": "N", "pos_no": n + 1, "deleted": False,
                "disabled": False, "readonly": False, "merge_strategy": strategy,
            }
            for n, (name, strategy) in enumerate(pattern.roles.items())
        ]  # fmt: skip
        return id_

    def _list_instances(
        self,
        project: int,
        pattern: int,
        group: int | None,
        rows: Sequence[tuple[str, str, str | None, Sequence[Any]]],
        instances: Mapping[tuple[str, str], Mapping[str, Any]],
    ) -> list[Row]:
        state, made = self._state, []
        folders = self._folders(project, pattern, {row[0] for row in rows} | {key[0] for key in instances})
        held: dict[tuple[str, str], set[str | None]] = {key: set() for key in instances}
        for folder, name, release, _ in rows:
            held.setdefault((folder, name), set()).add(release)
        for folder, name in held:
            id_ = _LAST_INSTANCE + len(state.extra_instances) + 1
            row: Row = {
                "id": id_, "customer_id": CUSTOMER, "name": name, "project_id": project,
                "pattern_id": pattern, "errors": 0, "instance_folder_id": folders[folder], "version": 1,
                "description": None, "release_id": None, "identity_id": id_, "user_id": 1,
                "latest_commit_id": None, "labels": [], "folder": folder, "checked_out": False,
                "checked_out_by_user_id": None, **dict.fromkeys(INSTANCE_FLAGS, False),
            }  # fmt: skip
            given = instances.get((folder, name), {})
            if unknown := sorted(set(given) - set(row)):
                raise InputError(f"An instance has no field {unknown[0]!r}.", hint=_HINT)
            row |= {"invalid": bool(given.get("errors")), **given}
            row["checked_out"] = row["checked_out"] or row["checked_out_by_user_id"] is not None
            state.extra_instances.append(ExtraInstance(row, group, frozenset(held[folder, name])))
            made.append(row)
        return made

    def _folders(self, project: int, pattern: int, paths: Iterable[str]) -> dict[str, int]:
        """List folders with those above them; return their IDs by path."""
        table, ids = self._state.tables["instance_folders"], {}
        every = {path[:end] for path in paths for end in _ends(path)}
        for path in sorted(every):
            parent, _, name = path.rpartition("/")
            ids[path] = _next(table)
            table.append(
                {"id": ids[path], "project_id": project, "pattern_id": pattern,
                 "parent_folder_id": ids.get(parent), "name": name, "path": path,
                 **{flag: False for flag in INSTANCE_FLAGS if flag != "invalid"}}
            )  # fmt: skip
        return ids


def _ends(path: str) -> list[int]:
    """Return where the names of a path end."""
    return [n for n in range(1, len(path) + 1) if n == len(path) or path[n] == "/"]


def _next(table: list[Row]) -> int:
    return max((int(row["id"]) for row in table), default=0) + 1


def _release(given: Mapping[str, Any], ids: Mapping[str, int], group: int) -> Release:
    if not isinstance(given.get("name"), str) or set(given) - _RELEASE_KEYS:
        raise InputError(
            f"A release needs a name, and may have {', '.join(sorted(_RELEASE_KEYS))}.", hint=_HINT
        )
    for key in ("hotfix_of", "previous"):
        if given.get(key) is not None and given[key] not in ids:
            raise InputError(f"The group has no release {given[key]!r}.", hint=_HINT)
    hotfix_of = ids.get(given.get("hotfix_of") or "")
    return Release(
        ids[given["name"]], group, given["name"], given.get("description"), _ms(given.get("start")),
        _ms(given.get("end")), bool(given.get("closed")), bool(given.get("deleted")), hotfix_of,
        ids.get(given.get("previous") or "") or hotfix_of,
    )  # fmt: skip


def _ms(moment: datetime | None) -> int | None:
    if moment is None:
        return None
    if moment.tzinfo is None:
        raise InputError("start or end of a release has no time zone.", hint=_HINT)
    return round(moment.timestamp() * 1000)


def _values(view: str, pattern: str, given: Mapping[str, Any]) -> tuple[Any, ...]:
    names = [field.name for field in schema.VIEWS[view].fields]
    if unknown := sorted(set(given) - set(names)):
        raise InputError(f"The view {view} has no column {unknown[0]!r}.", hint=f"It has {', '.join(names)}.")
    return tuple(pattern if name == "PATTERN" else given.get(name) for name in names)


def _instance(pattern: str, row: Row) -> tuple[Any, ...]:
    enabled = [int(not row[f"{what}_disabled"]) for what in ("upload", "insert", "edit", "build")]
    return (
        row["id"],
        pattern,
        row["folder"],
        row["name"],
        *enabled,
        None,
        int(row["deleted"]),
        row["description"],
    )
