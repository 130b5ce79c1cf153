"""The state of the embedded server: the catalog, the builds so far, and what time it is."""

from __future__ import annotations

import threading
import time
from bisect import bisect_right
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mkframe import schema
from mkframe.demo_server import configuration, history
from mkframe.demo_server.build_columns import BUILDING, FINISHED
from mkframe.demo_server.catalog import Catalog, Instance
from mkframe.demo_server.data.projects import PATTERNS
from mkframe.demo_server.instance_columns import InstanceColumns
from mkframe.demo_server.releases import GROUPS, Release, release_row
from mkframe.demo_server.serialize import build_rows, deployed, download_rows
from mkframe.demo_server.times import SECOND, Ints

Row = dict[str, Any]
_CHUNK = 2000
Mask = NDArray[np.bool_]
Where = dict[str, set[Any]]
"""Conditions of a find: the value of each key must be one of a set."""


class State:
    """Everything there is, for one server.

    Parameters
    ----------
    builds : int
        Builds in the story.
    seed : int
        Seed of the story.
    now : int
        End of the story, Unix ms.
    still : bool
        Whether the story's builds stay as they are at `now`; builds that are started run on in any case.
    build_seconds : float
        About how long a started build runs.
    instances : int, optional
        Instances in all projects.
    """

    def __init__(
        self,
        builds: int,
        seed: int,
        now: int,
        frozen: bool,
        build_seconds: float,
        instances: int | None = None,
    ) -> None:
        self.lock = threading.RLock()
        self.seed, self.frozen, self.build_seconds = seed, frozen, build_seconds
        self._clock_offset = now - time.time() * SECOND if still else 0.0
        self.catalog = Catalog(seed, now, instances)
        self.instance_columns = InstanceColumns(seed)
        self.builds = history.generate(self.catalog, builds, seed)
        self.history_length = builds
        self.first_build = history.first_id(builds)
        self.instance_ids: dict[int, list[list[int]]] = {}
        self.fetch_counts: dict[int, int] = {}
        self._next_download = int((self.builds.download + self._file_counts()).max(initial=1))
        self.tables: dict[str, list[Row]] = {
            "projects": configuration.project_rows(),
            "patterns": configuration.pattern_rows(self.catalog),
            "instance_folders": self.catalog.folders,
            "deployments": configuration.deployment_rows(),
            "functional_roles": configuration.functional_role_rows(),
            "instance_properties": configuration.instance_property_rows(),
            "pattern_variables": configuration.pattern_variable_rows(self.catalog),
            "labels": configuration.label_rows(),
            "releases": [release_row(r) for r in self.catalog.releases.values()],
            "release_groups": [{"id": i, "name": n} for i, n in GROUPS.items()],
            "agents": configuration.agent_rows(seed),
            "agent_groups": configuration.agent_group_rows(),
        }
        self.tables["build_deployments"] = deployed(self)

    # --- time -----------------------------------------------------------------------------------------

    def clock(self) -> int:
        """Return the time of this state in Unix ms."""
        return int(time.time() * SECOND + self._clock_offset)

    def observation_times(self, rows: Ints, at: int) -> Ints:
        """Return the instant at which each build is looked at: the story may stand still."""
        told = min(at, self.catalog.now) if self.frozen else at
        return np.where(rows < self.history_length, told, at)

    def assign_downloads(self) -> int:
        """Number the artifacts of builds that have finished meanwhile, in the order of their ends."""
        with self.lock:
            at, b = self.clock(), self.builds
            rows = np.flatnonzero((b.download == 0) & (b.outcome == FINISHED))
            done = rows[b.end[rows] <= self.observation_times(rows, at)]
            files = self._file_counts()
            for row in done[np.lexsort((b.id[done], b.end[done]))]:
                b.download[row] = self._next_download
                self._next_download += int(files[row])
            return at

    def _file_counts(self) -> Ints:
        files: Ints = (self.builds.patterns > 0).sum(axis=1)
        return files

    # --- builds ---------------------------------------------------------------------------------------

    def status(self, row: int, at: int) -> str:
        """Return the status of the build at a place."""
        running = self.builds.end[row] > self.observation_times(np.array([row]), at)[0]
        return schema.STATUSES[BUILDING if running else self.builds.outcome[row]]

    def row_of(self, build: int) -> int | None:
        """Return where a build lies in the columns."""
        row = build - self.first_build
        return row if 0 <= row < len(self.builds.id) else None

    def find_builds(self, where: Where) -> Ints:
        """Return the places of the builds that meet the conditions."""
        b = self.builds
        mask = np.ones(len(b.id), np.bool_)
        for key, column in (("id", b.id), ("project_id", b.project), ("user_id", b.user)):
            if key in where:
                mask &= np.isin(column, list(where[key]))
        if "pattern_id" in where:
            mask &= np.isin(b.patterns, list(where["pattern_id"])).any(axis=1)
        for release in where.get("releases", ()):
            mask &= (b.releases == release).any(axis=1)
        return np.flatnonzero(mask)

    def instances_of(self, row: int) -> dict[int, list[Instance]]:
        """Return the instances of a build per pattern."""
        b = self.builds
        patterns = [p for p in b.patterns[row].tolist() if p]
        if row in self.instance_ids:
            all_ = self.catalog.instances
            return {p: [all_[i] for i in ids] for p, ids in zip(patterns, self.instance_ids[row], strict=True)}
        found = {}
        for p, count in zip(patterns, b.counts[row].tolist(), strict=False):
            family = self.catalog.members[int(b.project[row]), p]
            there = bisect_right(family, int(b.start[row]), key=lambda m: m.created)
            found[p] = [family[(int(b.offset[row]) + n) % there] for n in range(count)]
        return found

    def append(
        self, project: int, user: int, chosen: dict[int, list[int]], releases: list[int],
        outcome: int, seconds: float, message: str, progress: int, description: str | None,
    ) -> int:  # fmt: skip
        """Add a build that starts now; return its place."""
        with self.lock:
            b, at, width = self.builds, self.assign_downloads(), max(self.builds.patterns.shape[1], len(chosen))
            row = len(b.id)
            for column in ("patterns", "counts", "releases"):
                old = getattr(b, column)
                setattr(b, column, np.pad(old, ((0, 1), (0, width - old.shape[1]))))
            b.patterns[row, : len(chosen)] = list(chosen)
            b.counts[row, : len(chosen)] = [len(ids) for ids in chosen.values()]
            b.releases[row, : len(releases)] = releases
            values = {
                "id": self.first_build + row, "project": project, "user": user, "start": at,
                "end": at + round(seconds * SECOND), "outcome": outcome, "progress": progress,
                "offset": 0, "download": 0,
            }  # fmt: skip
            for column, value in values.items():
                setattr(b, column, np.append(getattr(b, column), np.int64(value)))
            b.message.append(message)
            b.name.append(None)
            b.description.append(description)
            self.instance_ids[row] = list(chosen.values())
            return row

    # --- artifacts --------------------------------------------------------------------------------------

    def find_downloads(self, where: Where) -> tuple[Ints, Ints]:
        """Return place and slot of every artifact that meets the conditions, by download id."""
        b = self.builds
        mask = (b.patterns > 0) & (b.download > 0)[:, None]
        for key, column in (("build_id", b.id), ("project_id", b.project)):
            if key in where:
                mask &= np.isin(column, list(where[key]))[:, None]
        if "pattern_id" in where:
            mask &= np.isin(b.patterns, list(where["pattern_id"]))
        if "id" in where:
            mask &= np.isin(b.download[:, None] + np.arange(b.patterns.shape[1]), list(where["id"]))
        rows, slots = np.nonzero(mask)
        order = np.argsort(b.download[rows] + slots)
        return rows[order], slots[order]

    def count_fetch(self, id: int) -> None:
        """Note that an artifact was fetched."""
        with self.lock:
            self.fetch_counts[id] = self.fetch_counts.get(id, 0) + 1

    # --- any resource -----------------------------------------------------------------------------------

    def find(self, resource: str, where: Where, releases: dict[int, Release] | None = None) -> Iterator[Row]:
        """Yield the rows of a resource that meet the conditions, in the order of their ids."""
        with self.lock:
            at = self.assign_downloads()
            if resource == "builds":
                found = self.find_builds(where)
                return _in_chunks(lambda part: build_rows(self, found[part], at), len(found))
            if resource == "downloads":
                rows, slots = self.find_downloads(where)
                return _in_chunks(lambda part: download_rows(self, rows[part], slots[part]), len(rows))
            table = self.instance_rows(releases or {}) if resource == "instances" else self.tables[resource]
            return iter([r for r in table if all(r.get(key) in values for key, values in where.items())])

    def instance_rows(self, releases: dict[int, Release]) -> list[Row]:
        """Describe the instances, as they were at the end of the given release of a group."""
        now, rows = self.clock(), []
        for instance in self.catalog.instances.values():
            release = releases.get(PATTERNS[instance.pattern_id].group or 0)
            at = now if release is None or release.end is None else min(now, release.end)
            if instance.created <= at:
                rows.append(self.catalog.instance_row(instance, at))
        return rows


def _in_chunks(make: Callable[[slice], list[Row]], many: int) -> Iterator[Row]:
    """Make rows some at a time, when they are asked for."""
    return chain.from_iterable(make(slice(n, n + _CHUNK)) for n in range(0, many, _CHUNK))
