"""Changes made by builds and people: the rows of the views DELIVERIES and COMMITS.

A delivery is an instance that a FINISHED build made for the first time, or whose version or template differs
from the last FINISHED build of it. A commit is a version made by a person, or by a build, which commits its
instances' metadata with any outcome. Open in the reference: whether an instance that has not changed
since its last commit by a build has a row again (here it has none), and whether COMMIT_TIMESTAMP is UTC (here
it is).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from mkframe import schema
from mkframe.demo_server.branches import Version, count_changes
from mkframe.demo_server.build_columns import FINISHED
from mkframe.demo_server.catalog import Instance
from mkframe.demo_server.data import vocabulary
from mkframe.demo_server.data.projects import PATTERNS
from mkframe.demo_server.instance_columns import Column
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
        self._last: dict[tuple[int, int | None], _Built] = {}
        self._newest: dict[int, _Built] = {}
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
        """Return the commits that people made: one per version, patch, and release that an instance is in."""
        rows: list[Values] = []
        for instance in self._state.catalog.instances.values():
            if instance.project_id != self._project:
                continue
            rows += [self._commit(instance, *commit) for commit in self._by_hand(instance)]
        return rows

    def _by_hand(self, instance: Instance) -> Iterator[tuple[int | None, int, int, str, str, str | None]]:
        catalog, branches = self._state.catalog, self._state.branches
        kind = ("Commit", "FINISHED")
        for number, at in enumerate([instance.created, *instance.edits.tolist()]):
            text = vocabulary.COMMITS[(instance.id * 7 + number) % len(vocabulary.COMMITS)]
            text = text.format(n=1000 + (instance.id + number) % 1000) if text and number else None
            release = catalog.release_at(PATTERNS[instance.pattern_id].group, at)
            yield release, at, instance.user_id, *kind, text
        for known in branches.releases_of(instance.pattern_id, catalog.now):
            added = branches.added_to(instance, known, catalog.now)
            if known and added and not added.by_build and added.at != instance.created:
                yield known.id, added.at, added.user, *kind, added.description
        for patch in branches.patches.get(instance.id, ()):
            if patch.committed:
                yield patch.release, patch.at, patch.user, *kind, patch.description

    def _add_build(self, row: int, deliveries: list[Values], commits: list[Values]) -> None:
        state, b = self._state, self._state.builds
        start, end, user = int(b.start[row]), int(b.end[row]), int(b.user[row])
        status = schema.STATUSES[b.outcome[row]]
        for slot, (pattern, instances) in enumerate(state.instances_of(row).items()):
            template = state.catalog.pattern_version(pattern, start)
            release = state.branches.release_of(int(b.releases[row, slot]), pattern, start)
            for instance in instances:
                commits.append(
                    self._commit(instance, release, end, user, "Build", status, b.description[row])
                )
                if b.outcome[row] == FINISHED:
                    version = state.branches.version(instance, release, start)
                    built = _Built(int(b.id[row]), version, template)
                    self._add_delivery(row, instance, release, built, deliveries)

    def _add_delivery(
        self, row: int, instance: Instance, release: int | None, built: _Built, deliveries: list[Values]
    ) -> None:
        b, branches = self._state.builds, self._state.branches
        before = self._before(instance, release)
        self.latest[instance.id] = built.build
        self._last[instance.id, release] = self._newest[instance.id] = built
        if before and (before.version, before.template) == (built.version, built.template):
            return
        columns = branches.columns(instance, built.version)
        mode, counts = "CREATION", (len(columns), 0, 0)
        if before:
            merged = self._merged(instance, built.version, before.version)
            counts = count_changes(columns, branches.columns(instance, before.version), merged)
            mode = "INST_DELTA" if sum(counts) else "PATTERN_DELTA"
            if not sum(counts) and before.template == built.template:
                return
        self._count += 1
        start, known = int(b.start[row]), self._state.catalog.releases.get(release or 0)
        deliveries.append(
            (self._count, PATTERNS[instance.pattern_id].name, instance.folder, instance.name,
             known.name if known else None, vocabulary.USERS[int(b.user[row])], iso(start), built.build,
             before.build if before else None, mode, len(columns), sum(counts), *counts)
        )  # fmt: skip

    def _before(self, instance: Instance, release: int | None) -> _Built | None:
        """Return the build to compare with."""
        at = release
        while at is not None:
            if found := self._last.get((instance.id, at)):
                return found
            at = self._state.branches.parent(at)
        return self._newest.get(instance.id)

    def _merged(self, instance: Instance, version: Version, before: Version) -> tuple[Column, ...] | None:
        """Return what a build has delivered of the release that a merge has taken over."""
        new = [p.merged for p in version.patches if p.merged and p not in before.patches]
        found = self._last.get((instance.id, new[-1])) if new else None
        return self._state.branches.columns(instance, found.version) if found else None

    def _commit(
        self, instance: Instance, release: int | None, at: int, user: int, type: str, status: str,
        description: str | None,
    ) -> Values:  # fmt: skip
        known = self._state.catalog.releases.get(release or 0)
        return (
            PATTERNS[instance.pattern_id].name, instance.folder, instance.name, known.name if known else None,
            vocabulary.USERS[user], type, status, at, int(instance.flags["deleted"]), description,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Built:
    """What a build has made of an instance."""

    build: int
    version: Version
    template: int
