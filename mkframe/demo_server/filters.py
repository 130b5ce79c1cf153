"""Query parameters and bodies, checked against the schema.

Open in the reference; here:

* an unknown filter or body key, a repeated filter, and a value of another type answer 400, as does a number
  of more than 4,000 digits;
* a name and an ID for the same thing answer 400;
* a find without a required project answers as the POST of a build does;
* an unknown user, deployment, instance, folder or agent group by name matches nothing, as does an unknown
  ``build_id``;
* a username is an e-mail address;
* an unknown release of a known group answers 404;
* ``folder`` and ``name`` match the whole text, and sub-folders are not included;
* ``releases`` finds the builds that have all of these releases, and shows instances as they were at the
  end of the release;
* a find without a project leaves out the rows of projects that the user may not see.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from mkframe import schema
from mkframe.demo_server.auth import User
from mkframe.demo_server.data import vocabulary
from mkframe.demo_server.releases import Release
from mkframe.demo_server.responses import ApiError
from mkframe.demo_server.state import Row, State, Where

_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}
_ID_LIMIT = 2**63
"""Columns of ids have 64 bits."""
_PYTHON_TYPES = {"int": int, "str": str, "bool": bool, "releases": dict, "instances": list}
_LOOKUPS = {
    "project": ("projects", schema.NO_PROJECT),
    "pattern": ("patterns", schema.NO_PATTERN),
    "deployment": ("deployments", None),
    "instance": ("instances", None),
    "instance_folder": ("instance_folders", None),
    "user": ("users", None),
    "checked_out_by_user": ("users", None),
}
"""The table in which a name is looked up, and the documented error for an unknown one."""


def _lookup(resource: str, key: str) -> tuple[str, schema.Message | None] | None:
    """Return the table in which the name in a filter is looked up, if it is a name of something."""
    if key == "group":
        agents = resource == "agents"
        return ("agent_groups", None) if agents else ("release_groups", schema.NO_RELEASE_GROUP)
    return _LOOKUPS.get(key)


def parse_query(
    state: State, user: User, resource: schema.Resource, query: Iterable[tuple[str, str]]
) -> tuple[Where, dict[int, Release]]:
    """Turn the query of a find into conditions, and into the releases that it names, by group."""
    params = _parse_values(resource, query)
    _check_exclusive(resource.exclusive, params)
    where: Where = {}
    releases: dict[int, Release] = {}
    for key, value in params.items():
        if key == "releases":
            releases = {r.group: r for r in find_releases(state, value)}
        else:
            column, values = _condition(state, resource.name, key, value)
            where[column] = values
    for project in where.get("project_id", ()):
        check_project_access(user, project)
    return where, releases


def check_project_access(user: User, project: int | None) -> None:
    """Raise an ApiError unless the user may see a project."""
    if not user.may_see(project):
        raise ApiError(403, schema.NO_PROJECT_ACCESS.text)


def _parse_values(resource: schema.Resource, query: Iterable[tuple[str, str]]) -> dict[str, Any]:
    known = {f.name: f.type for f in resource.filters}
    params: dict[str, Any] = {}
    for key, text in query:
        if key not in known:
            raise ApiError(400, f"Unknown query parameter '{key}'")
        if key in params:
            raise ApiError(400, f"'{key}' is given more than once")
        params[key] = _parse_value(key, known[key], text)
    return params


def _parse_value(key: str, kind: str, text: str) -> Any:
    if kind == "int":
        if not re.fullmatch(r"[+-]?\d{1,4000}", text, re.ASCII):
            raise ApiError(400, f"'{key}' must be an integer")
        return int(text)
    if kind == "bool":
        if text.lower() not in _BOOLEANS:
            raise ApiError(400, f"'{key}' must be true or false")
        return _BOOLEANS[text.lower()]
    if kind == "releases":
        try:
            return check_releases(json.loads(text))
        except (ValueError, RecursionError):
            raise ApiError(400, f"'{key}' must be a JSON object") from None
    return text


def _check_exclusive(exclusive: tuple[schema.Exclusive, ...], params: dict[str, Any]) -> None:
    for rule in exclusive:
        names = [n for n in rule.names if params.get(n) is not None]
        if rule.required and not names:
            project = rule.names == ("project", "project_id")
            raise ApiError(
                400, schema.PROJECT_REQUIRED.text if project else f"{' or '.join(rule.names)} is required!"
            )
        if len(names) > 1:
            raise ApiError(400, f"Only one of {' and '.join(names)} may be given!")


def _condition(state: State, resource: str, key: str, value: Any) -> tuple[str, set[Any]]:
    lookup = _lookup(resource, key)
    if lookup:
        return f"{key}_id", find_ids(state, *lookup, value)
    if isinstance(value, int) and key.endswith("_id"):
        lookup = _lookup(resource, key.removesuffix("_id"))
    if lookup and value not in (
        vocabulary.USERS if lookup[0] == "users" else {r["id"] for r in _rows(state, lookup[0])}
    ):
        raise ApiError(404, schema.NO_RECORD.text.format(value))
    if isinstance(value, int) and abs(value) >= _ID_LIMIT:
        return key, set()
    return key, {value}


def find_ids(state: State, table: str, unknown: schema.Message | None, name: str) -> set[int]:
    """Return the IDs of a name in a table; raise the error for an unknown name, if one is documented."""
    if table == "users":
        return {i for i, email in vocabulary.USERS.items() if email == name}
    found = {r["id"] for r in _rows(state, table) if name in (r["name"], r.get("path"))}
    if unknown and not found:
        raise ApiError(unknown.status, unknown.text.format(name))
    return found


def _rows(state: State, table: str) -> list[Row]:
    return state.instance_rows({}) if table == "instances" else state.tables[table]


# --- releases -------------------------------------------------------------------------------------------


def check_releases(value: Any) -> dict[str, str]:
    """Return an object that maps group names to release names; raise an ApiError for anything else."""
    if not isinstance(value, dict) or not all(isinstance(v, str) for v in value.values()):
        raise ApiError(400, "'releases' must map release group names to release names")
    return value


def find_releases(state: State, names: dict[str, str]) -> list[Release]:
    """Look releases up by group and name."""
    releases = []
    for group, name in names.items():
        ids = find_ids(state, "release_groups", schema.NO_RELEASE_GROUP, group)
        release = next(
            (r for r in state.catalog.releases.values() if r.group in ids and r.name == name), None
        )
        if release is None:
            raise ApiError(404, f"A release with the name '{name}' does not exist!")
        releases.append(release)
    return releases


# --- bodies ---------------------------------------------------------------------------------------------


def check_body(resource: schema.Resource, body: Any) -> dict[str, Any]:
    """Check keys, types and exclusive groups of a POST body; null means not given."""
    if not isinstance(body, dict):
        raise ApiError(400, "The body must be a JSON object")
    params = {key: value for key, value in body.items() if value is not None}
    _check_exclusive(resource.body_exclusive, params)
    known = {b.name: b for b in resource.body}
    for key, value in params.items():
        if key not in known:
            raise ApiError(400, f"Unknown field '{key}'")
        kind = known[key].type
        if not isinstance(value, _PYTHON_TYPES[kind]) or (kind == "int" and isinstance(value, bool)):
            raise ApiError(400, f"'{key}' must be of type {kind}")
    return params


def find_project(state: State, user: User, params: dict[str, Any]) -> int:
    """Return the ID of the project that a body names; raise an ApiError unless the user may see it."""
    if "project" in params:
        (project,) = find_ids(state, "projects", schema.NO_PROJECT, params["project"])
    else:
        project = params["project_id"]
        if project not in {r["id"] for r in state.tables["projects"]}:
            raise ApiError(404, schema.NO_RECORD.text.format(project))
    check_project_access(user, project)
    return int(project)
