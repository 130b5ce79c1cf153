"""POST /builds and POST /build_deployments.

Open in the reference; here:

* a build whose instances have validation errors, are invalid or build-disabled starts, and then
  its status becomes FAILED;
* a closed release, a release of a group that no pattern of the build has, and a group without a release
  are warnings;
* a deleted instance is "not found" unless ``restore`` is true;
* ``message`` of a FAILED build gives the reason;
* a description of more than 200,000 characters answers 400.

Only in the demo server: a build whose description contains "please cancel" is canceled half-way. The API has
no way to cancel a build, and this shows how a canceled one looks.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mkframe import schema
from mkframe.demo_server.auth import User
from mkframe.demo_server.build_columns import CANCELED, FAILED, FINISHED
from mkframe.demo_server.catalog import Instance
from mkframe.demo_server.data.projects import PATTERNS
from mkframe.demo_server.filters import (
    check_body,
    check_project_access,
    check_releases,
    find_ids,
    find_project,
    find_releases,
)
from mkframe.demo_server.messages import phase
from mkframe.demo_server.releases import GROUPS, Release
from mkframe.demo_server.responses import ApiError
from mkframe.demo_server.state import Row, State

CANCEL_WORDS = "please cancel"
_MAX_DESCRIPTION = 200_000


def start_build(state: State, user: User, body: Any) -> tuple[int, list[str]]:
    """Start a build; return its row and the warnings."""
    params = check_body(schema.RESOURCES["builds"], body)
    project = find_project(state, user, params)
    if not user.may_build:
        raise ApiError(403, "You don't have permissions to start builds in this project!")
    if not params.get("instances"):
        raise ApiError(400, "No instances specified!")
    if len(params.get("description") or "") > _MAX_DESCRIPTION:
        raise ApiError(400, "'description' is too long")
    with state.lock:
        instances = [_find_instance(state, project, entry) for entry in params["instances"]]
        instances = list({i.id: i for i in instances}.values())
        _restore(instances, params.get("restore", False))
        releases = find_releases(state, check_releases(params.get("releases", {})))
        instance_ids: dict[int, list[int]] = {}
        for instance in instances:
            instance_ids.setdefault(instance.pattern_id, []).append(instance.id)
        release_ids, warnings = _match_releases(list(instance_ids), releases)
        outcome, share, message = _decide_outcome(instances, params.get("description") or "")
        row = state.append(
            project, user.id, instance_ids, release_ids, outcome, _seconds(state, len(instances)) * share,
            message, round(100 * share), params.get("description"),
        )  # fmt: skip
    return row, warnings


def _find_instance(state: State, project: int, entry: Any) -> Instance:
    """Find one instance by id, or by pattern, folder and name."""
    by_name = isinstance(entry, dict) and all(
        isinstance(entry.get(k), str) for k in ("pattern", "folder", "name")
    )
    by_id = isinstance(entry, dict) and type(entry.get("id")) is int
    if by_id == by_name:
        raise ApiError(400, "An instance is given by its id, or by pattern, folder and name")
    if by_id:
        found = state.catalog.instances.get(entry["id"])
    else:
        (pattern,) = find_ids(state, "patterns", schema.NO_PATTERN, entry["pattern"])
        found = state.catalog.by_path.get((project, pattern, entry["folder"], entry["name"]))
    if found is None or found.project_id != project:
        raise ApiError(404, "Instance not found")
    return found


def _restore(instances: list[Instance], restore: bool) -> None:
    """Restore deleted instances, if the body allows it."""
    deleted = [i for i in instances if i.flags["deleted"]]
    if deleted and not restore:
        raise ApiError(404, "Instance not found")
    for instance in deleted:
        instance.flags["deleted"] = False


def _match_releases(patterns: list[int], releases: list[Release]) -> tuple[list[int], list[str]]:
    """Return the release ID per pattern (0 for none), and the warnings."""
    by_group = {r.group: r for r in releases}
    needed = {g: None for p in patterns if (g := PATTERNS[p].group) is not None}
    warnings = [f"No release specified for release group '{GROUPS[g]}'!" for g in needed if g not in by_group]
    for group, release in by_group.items():
        if group not in needed:
            warnings.append(f"Release group '{GROUPS[group]}' belongs to no pattern of this build!")
        elif release.closed:
            warnings.append(f"Release '{release.name}' of release group '{GROUPS[group]}' is closed!")
    release_ids = [by_group[g].id if (g := PATTERNS[p].group) in by_group else 0 for p in patterns]
    return release_ids, warnings


def _decide_outcome(instances: list[Instance], description: str) -> tuple[int, float, str]:
    """Decide how a build ends, after which share of its time, and with which message."""
    if CANCEL_WORDS in description.lower():
        return CANCELED, 0.5, phase(50)
    for i in instances:
        if i.errors:
            return FAILED, 0.3, f"Instance {i.name} (id {i.id}) has {i.errors} validation errors"
        for flag, reason in (("invalid", "is invalid"), ("build_disabled", "is disabled for builds")):
            if i.flags[flag]:
                return FAILED, 0.3, f"Instance {i.name} (id {i.id}) {reason}"
    return FINISHED, 1.0, phase(100)


def _seconds(state: State, instances: int) -> float:
    """Return the duration of a build: random, and longer with more instances."""
    rng = np.random.default_rng([state.seed, len(state.builds.id)])
    return state.build_seconds * float(rng.uniform(0.8, 1.2)) * (1 + min(instances, 200) / 200)


def start_deployment(state: State, user: User, body: Any) -> Row:
    """Record a deployment of a build; the body is inferred and unconfirmed."""
    params = check_body(schema.RESOURCES["build_deployments"], body)
    if "build_id" not in params:
        raise ApiError(400, "'build_id' is required")
    index = state.row_of(params["build_id"])
    if index is None:
        raise ApiError(404, schema.NO_RECORD.text.format(params["build_id"]))
    check_project_access(user, int(state.builds.project[index]))
    if not user.may_build:
        raise ApiError(403, "You don't have permissions to deploy builds in this project!")
    files = {r["pattern_id"]: r for r in state.find("downloads", {"build_id": {params["build_id"]}})}
    deployment = _find_deployment(state, params, files)
    file = files[deployment["pattern_id"]]
    with state.lock:
        table = state.tables["build_deployments"]
        row = {
            "id": table[-1]["id"] + 1 if table else 1,
            "build_id": params["build_id"],
            "pattern_id": deployment["pattern_id"],
            "deployment_id": deployment["id"],
            "upload_id": file["upload_id"],
            "agent_id": _check_id(state, "agents", params.get("agent_id")),
            "agent_group_id": _check_id(state, "agent_groups", params.get("agent_group_id")),
            "project_id": file["project_id"],
        }
        table.append(row)
    return row


def _find_deployment(state: State, params: dict[str, Any], files: dict[int, Row]) -> Row:
    """Find the one deployment that the body names and that has an artifact of the build."""
    key = "id" if "deployment_id" in params else "name"
    wanted = params.get("deployment_id", params.get("deployment"))
    matches = [r for r in state.tables["deployments"] if r[key] == wanted]
    if not matches:
        raise ApiError(404, schema.NO_RECORD.text.format(wanted))
    deployable = [r for r in matches if r["pattern_id"] in files]
    if len(deployable) != 1:
        raise ApiError(
            400, f"Deployment '{wanted}' fits {len(deployable)} artifacts of build {params['build_id']}"
        )
    return deployable[0]


def _check_id(state: State, table: str, id: int | None) -> int | None:
    """Return an ID that exists in a table, or None."""
    if id is not None and id not in {r["id"] for r in state.tables[table]}:
        raise ApiError(404, schema.NO_RECORD.text.format(id))
    return id
