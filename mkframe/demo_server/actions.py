"""POST /builds and POST /build_deployments.

Open in the reference; here:

* a build whose instances have validation errors, are invalid or build-disabled starts and FAILS;
* a closed release, a release of a group that no pattern of the build has, and a group without a release
  are warnings;
* a deleted instance is "not found" unless ``restore`` is true;
* ``message`` of a FAILED build says why;
* a description of more than 200,000 characters answers 400.

Ours alone: a build whose description holds the words "please cancel" is canceled half-way, because the
API has no way to cancel one and somebody may want to see it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mkframe import schema
from mkframe.demo_server.auth import User
from mkframe.demo_server.build_columns import CANCELED, FAILED, FINISHED
from mkframe.demo_server.catalog import Instance
from mkframe.demo_server.data.projects import PATTERNS
from mkframe.demo_server.filters import check_body, check_releases, find_ids, check_project_access, find_project, find_releases
from mkframe.demo_server.messages import phase
from mkframe.demo_server.releases import GROUPS, Release
from mkframe.demo_server.responses import ApiError
from mkframe.demo_server.state import Row, State

CANCEL_WORDS = "please cancel"
_LONGEST_DESCRIPTION = 200_000
_BUILDS = schema.RESOURCES["builds"]
_DEPLOYED = schema.RESOURCES["build_deployments"]


def start_build(state: State, user: User, body: Any) -> tuple[int, list[str]]:
    """Start a build; return its place and the warnings."""
    given = check_body(_BUILDS, body)
    project = find_project(state, user, given)
    if not user.may_build:
        raise ApiError(403, "You don't have permissions to start builds in this project!")
    if not given.get("instances"):
        raise ApiError(400, "No instances specified!")
    if len(given.get("description") or "") > _LONGEST_DESCRIPTION:
        raise ApiError(400, "'description' is too long")
    with state.lock:
        instances = [_instance(state, project, entry) for entry in given["instances"]]
        instances = list({i.id: i for i in instances}.values())
        _restore(instances, given.get("restore", False))
        releases = find_releases(state, check_releases(given.get("releases", {})))
        chosen: dict[int, list[int]] = {}
        for instance in instances:
            chosen.setdefault(instance.pattern_id, []).append(instance.id)
        per_slot, warnings = _choose(state, list(chosen), releases)
        outcome, share, message = _fate(instances, given.get("description") or "")
        row = state.append(
            project, user.id, chosen, per_slot, outcome, _seconds(state, len(instances)) * share,
            message, round(100 * share), given.get("description"),
        )  # fmt: skip
    return row, warnings


def _instance(state: State, project: int, entry: Any) -> Instance:
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
        found = state.catalog.named.get((project, pattern, entry["folder"], entry["name"]))
    if found is None or found.project_id != project:
        raise ApiError(404, "Instance not found")
    return found


def _restore(instances: list[Instance], restore: bool) -> None:
    deleted = [i for i in instances if i.flags["deleted"]]
    if deleted and not restore:
        raise ApiError(404, "Instance not found")
    for instance in deleted:
        instance.flags["deleted"] = False


def _choose(state: State, patterns: list[int], releases: list[Release]) -> tuple[list[int], list[str]]:
    """Return the release per pattern (0 for none), and what is odd about the choice."""
    by_group = {r.group: r for r in releases}
    needed = {g: None for p in patterns if (g := PATTERNS[p].group) is not None}
    warnings = [f"No release specified for release group '{GROUPS[g]}'!" for g in needed if g not in by_group]
    for group, release in by_group.items():
        if group not in needed:
            warnings.append(f"Release group '{GROUPS[group]}' belongs to no pattern of this build!")
        elif release.closed:
            warnings.append(f"Release '{release.name}' of release group '{GROUPS[group]}' is closed!")
    slots = [by_group[g].id if (g := PATTERNS[p].group) in by_group else 0 for p in patterns]
    return slots, warnings


def _fate(instances: list[Instance], description: str) -> tuple[int, float, str]:
    """Decide how a build ends, after which share of its time, and with which message."""
    if CANCEL_WORDS in description.lower():
        return CANCELED, 0.5, phase(50)
    for i in instances:
        if i.errors:
            return FAILED, 0.3, f"Instance {i.name} (id {i.id}) has {i.errors} validation errors"
        for flag, why in (("invalid", "is invalid"), ("build_disabled", "is disabled for builds")):
            if i.flags[flag]:
                return FAILED, 0.3, f"Instance {i.name} (id {i.id}) {why}"
    return FINISHED, 1.0, phase(100)


def _seconds(state: State, instances: int) -> float:
    """More instances take a little longer, and no two builds the same time."""
    rng = np.random.default_rng([state.seed, len(state.builds.id)])
    return state.build_seconds * float(rng.uniform(0.8, 1.2)) * (1 + min(instances, 200) / 200)


def start_deployment(state: State, user: User, body: Any) -> Row:
    """Record a deployment of a build; the body is inferred and unconfirmed."""
    given = check_body(_DEPLOYED, body)
    if "build_id" not in given:
        raise ApiError(400, "'build_id' is required")
    place = state.row_of(given["build_id"])
    if place is None:
        raise ApiError(404, schema.NO_RECORD.text.format(given["build_id"]))
    check_project_access(user, int(state.builds.project[place]))
    if not user.may_build:
        raise ApiError(403, "You don't have permissions to deploy builds in this project!")
    files = {r["pattern_id"]: r for r in state.find("downloads", {"build_id": {given["build_id"]}})}
    target = _target(state, given, files)
    file = files[target["pattern_id"]]
    with state.lock:
        table = state.tables["build_deployments"]
        row = {
            "id": table[-1]["id"] + 1 if table else 1,
            "build_id": given["build_id"],
            "pattern_id": target["pattern_id"],
            "deployment_id": target["id"],
            "upload_id": file["upload_id"],
            "agent_id": _known(state, "agents", given.get("agent_id")),
            "agent_group_id": _known(state, "agent_groups", given.get("agent_group_id")),
            "project_id": file["project_id"],
        }
        table.append(row)
    return row


def _target(state: State, given: dict[str, Any], files: dict[int, Row]) -> Row:
    key = "id" if "deployment_id" in given else "name"
    wanted = given.get("deployment_id", given.get("deployment"))
    named = [r for r in state.tables["deployments"] if r[key] == wanted]
    if not named:
        raise ApiError(404, schema.NO_RECORD.text.format(wanted))
    fitting = [r for r in named if r["pattern_id"] in files]
    if len(fitting) != 1:
        raise ApiError(
            400, f"Deployment '{wanted}' fits {len(fitting)} artifacts of build {given['build_id']}"
        )
    return fitting[0]


def _known(state: State, table: str, id: int | None) -> int | None:
    if id is not None and id not in {r["id"] for r in state.tables[table]}:
        raise ApiError(404, schema.NO_RECORD.text.format(id))
    return id
