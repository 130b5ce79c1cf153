"""Changes made by builds and people: the rows of the views DELIVERIES and COMMITS.

A delivery is an instance that a FINISHED build made for the first time, or whose version or template differs
from the last FINISHED build of it. A commit is a version made by a person, or by a build, which commits its
instances' metadata with any outcome. Open in the reference: whether an instance that has not changed
since its last commit by a build has a row again (here it has none), and whether COMMIT_TIMESTAMP is UTC (here
it is).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mkframe import schema
from mkframe.demo_server.build_columns import FINISHED
from mkframe.demo_server.catalog import Instance
from mkframe.demo_server.data import vocabulary
from mkframe.demo_server.data.projects import PATTERNS
from mkframe.demo_server.state import State
from mkframe.demo_server.times import iso

Values = tuple[Any, ...]
DELIVERY_COLUMNS = (
    "ID", "PATTERN", "FOLDER", "INSTANCE", "RELEASE", "USER_NAME", "BUILD_START", "BUILD_ID",
    "COMPARE_TO_BUILD_ID", "MODE", "FIELD_COUNT", "CHANGE_COUNT", "ADDED", "CHANGED", "DELETED",
)  # fmt: skip
COMMIT_COLUMNS = (
    "PATTERN", "FOLDER", "INSTANCE", "RELEASE", "USER_NAME", "TYPE", "STATUS", "COMMIT_TIMESTAMP", "DELETED",
    "DESCRIPTION",
)  # fmt: skip


class Deliveries:
    """The deliveries and commits of one project, in the columns of the views.

    Parameters
    ----------
    state : State
        The state of the server.
    project : int
        Project ID.
    """

    def __init__(self, state: State, project: int) -> None:
        self._state, self._project = state, project
        self._last_delivery: dict[int, tuple[int, int, int]] = {}
        self._last_commit: dict[int, int] = {}
        self._processed: set[int] = set()
        self._count = 0
        self.latest: dict[int, int] = {}

    def advance(self) -> tuple[list[Values], list[Values]]:
        """Return the deliveries and commits of the builds that have ended since the last call."""
        at, b = self._state.assign_downloads(), self._state.builds
        rows = self._state.find_builds({"project_id": {self._project}})
        rows = rows[b.end[rows] <= self._state.observation_times(rows, at)]
        deliveries: list[Values] = []
        commits: list[Values] = []
        for row in rows[np.argsort(b.end[rows], kind="stable")].tolist():
            if row not in self._processed:
                self._processed.add(row)
                self._add_build(row, deliveries, commits)
        return deliveries, commits

    def manual_commits(self) -> list[Values]:
        """Return the commits that people made: one per version."""
        rows = []
        for instance in self._state.catalog.instances.values():
            if instance.project_id == self._project:
                times = [instance.created, *instance.edits.tolist()]
                rows += [
                    self._commit(instance, t, instance.user_id, "Commit", "FINISHED", None) for t in times
                ]
        return rows

    def _add_build(self, row: int, deliveries: list[Values], commits: list[Values]) -> None:
        b = self._state.builds
        start, end, user = int(b.start[row]), int(b.end[row]), int(b.user[row])
        status = schema.STATUSES[b.outcome[row]]
        for pattern, instances in self._state.instances_of(row).items():
            template = self._state.catalog.pattern_version(pattern, start)
            for instance in instances:
                version = instance.version(start)
                if self._last_commit.get(instance.id) != version:
                    self._last_commit[instance.id] = version
                    commits.append(self._commit(instance, end, user, "Build", status, b.description[row]))
                if b.outcome[row] == FINISHED:
                    self._add_delivery(row, instance, version, template, deliveries)

    def _add_delivery(
        self, row: int, instance: Instance, version: int, template: int, deliveries: list[Values]
    ) -> None:
        b, columns = self._state.builds, self._state.instance_columns
        build = int(b.id[row])
        before = self._last_delivery.get(instance.id)
        self.latest[instance.id] = build
        if before and before[1:] == (version, template):
            return
        self._last_delivery[instance.id] = (build, version, template)
        fields = len(columns.get(instance, version))
        mode, counts = "CREATION", (fields, 0, 0)
        if before:
            # the reference has INST_DELTA and INSTANCE_DELTA for a changed instance
            mode = "INST_DELTA" if before[1] != version else "PATTERN_DELTA"
            counts = columns.count_changes(instance, before[1], version)
        self._count += 1
        start = int(b.start[row])
        deliveries.append(
            (self._count, PATTERNS[instance.pattern_id].name, instance.folder, instance.name,
             self._release(row, instance.pattern_id), vocabulary.USERS[int(b.user[row])], iso(start), build,
             before[0] if before else None, mode, fields, sum(counts), *counts)
        )  # fmt: skip

    def _release(self, row: int, pattern: int) -> str | None:
        b = self._state.builds
        slot = b.patterns[row].tolist().index(pattern)
        release = self._state.catalog.releases.get(int(b.releases[row, slot]))
        return release.name if release else None

    def _commit(
        self, instance: Instance, at: int, user: int, type: str, status: str, description: str | None
    ) -> Values:
        catalog, pattern = self._state.catalog, PATTERNS[instance.pattern_id]
        release = catalog.releases.get(catalog.release_at(pattern.group, at) or 0)
        return (
            pattern.name, instance.folder, instance.name, release.name if release else None,
            vocabulary.USERS[user], type, status, at, 0, description,
        )  # fmt: skip
