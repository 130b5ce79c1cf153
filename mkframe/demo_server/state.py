"""The state of the demo server: the catalog, the builds so far, and the clock."""

from __future__ import annotations

import threading
import time
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from mkframe import schema
from mkframe.demo_server import configuration, history, planted
from mkframe.demo_server.branches import Branches
from mkframe.demo_server.build_columns import BUILDING, FINISHED
from mkframe.demo_server.catalog import Catalog, Instance
from mkframe.demo_server.data.projects import PATTERNS
from mkframe.demo_server.defaults import add_missing_fields
from mkframe.demo_server.instance_columns import InstanceColumns
from mkframe.demo_server.releases import Release
from mkframe.demo_server.serialize import build_deployment_rows, build_rows, download_rows
from mkframe.demo_server.times import SECOND, Ints

Row = dict[str, Any]
_CHUNK_ROWS = 2000
Where = dict[str, set[Any]]
"""Conditions of a find: the value of each key must be one of a set."""
_COLUMN_FILTERS = {
    "builds": {"id", "project_id", "user_id", "pattern_id", "releases"},
    "downloads": {"id", "build_id", "project_id", "pattern_id"},
}
"""Conditions that are checked on columns, before rows are made."""


@dataclass(frozen=True, slots=True)
class ExtraInstance:
    """An instance of a planted pattern: its row, the release group, and the names of its releases."""

    row: Row
    group: int | None
    releases: frozenset[str | None]


class State:
    """All data of one server.

    Parameters
    ----------
    builds : int
        Builds in the history.
    seed : int
        Seed of the history.
    now : int
        End of the history, Unix ms.
    frozen : bool
        Whether the history's builds stay as they are at `now`; started builds run on in any case.
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
        self._clock_offset = now - time.time() * SECOND if frozen else 0.0
        self.catalog = Catalog(seed, now, instances)
        self.instance_columns = InstanceColumns(seed)
        self.builds = history.generate(self.catalog, builds, seed)
        self.history_length = builds
        self.first_build = history.first_id(builds)
        self.branches = Branches(self.catalog, self.instance_columns, self._built_beside)
        self._substitutes = planted.plant(self.catalog, self.instance_columns, self.branches, self.builds)
        self.extra_instances: list[ExtraInstance] = []
        self._instance_ids: dict[int, list[list[int]]] = {}  # of started builds: per row and pattern
        self._fetch_counts: dict[int, int] = {}
        self._next_download = int((self.builds.download + self._file_counts()).max(initial=1))
        self.tables = configuration.tables(self.catalog, seed)
        self.tables["build_deployments"] = self._history_deployments()

    def _history_deployments(self) -> list[Row]:
        by_pattern: dict[int, list[int]] = {}
        for row in self.tables["deployments"]:
            by_pattern.setdefault(row["pattern_id"], []).append(row["id"])
        rows, slots = self.find_downloads({"pattern_id": set(by_pattern)})
        return build_deployment_rows(self.builds, rows, slots, by_pattern)

    # --- time -----------------------------------------------------------------------------------------

    def clock(self) -> int:
        """Return the server's time in Unix ms."""
        return int(time.time() * SECOND + self._clock_offset)

    def moment(self) -> int:
        """Return the instant of what is described: the end of a frozen history, until a build is started."""
        untouched = self.frozen and len(self.builds.id) == self.history_length
        return self.catalog.now if untouched else self.clock()

    def observation_times(self, rows: Ints, at: int) -> Ints:
        """Return the instant at which each build is described: a frozen history stays at its end."""
        of_history = min(at, self.catalog.now) if self.frozen else at
        return np.where(rows < self.history_length, of_history, at)

    def assign_downloads(self) -> int:
        """Number the artifacts of builds that have finished, in the order of their ends; return the time."""
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
        """Return the status of the build in a row."""
        running = self.builds.end[row] > self.observation_times(np.array([row]), at)[0]
        return schema.STATUSES[BUILDING if running else self.builds.outcome[row]]

    def row_of(self, build: int) -> int | None:
        """Return the row of a build in the columns."""
        row = build - self.first_build
        return row if 0 <= row < len(self.builds.id) else None

    def find_builds(self, where: Where) -> Ints:
        """Return the rows of the builds that meet the conditions."""
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
        if row in self._instance_ids:
            known, started = self.catalog.instances, self._instance_ids[row]
            return {p: [known[i] for i in ids] for p, ids in zip(patterns, started, strict=True)}
        found = {}
        for p, count in zip(patterns, b.counts[row].tolist(), strict=False):
            candidates = self.catalog.by_pattern[int(b.project[row]), p]
            existing = bisect_right(candidates, int(b.start[row]), key=lambda m: m.created)
            found[p] = [candidates[(int(b.offset[row]) + n) % existing] for n in range(count)]
            if instead := self._substitutes.get(row, {}).get(p):
                found[p][-len(instead) :] = instead
        return found

    def _built_beside(self) -> Iterator[tuple[int, int, int, int]]:
        """Yield the instances of all builds in hotfixes and the like, with release, start and user."""
        b = self.builds
        beside = [r for r in self.catalog.releases if self.branches.is_beside(r)]
        for row in np.flatnonzero(np.isin(b.releases, beside).any(axis=1)).tolist():
            yield from self._places_beside(row)

    def _places_beside(self, row: int) -> Iterator[tuple[int, int, int, int]]:
        b = self.builds
        for slot, instances in enumerate(self.instances_of(row).values()):
            release = int(b.releases[row, slot])
            if release and self.branches.is_beside(release):
                for instance in instances:
                    yield instance.id, release, int(b.start[row]), int(b.user[row])

    def append(
        self, project: int, user: int, instance_ids: dict[int, list[int]], releases: list[int],
        outcome: int, seconds: float, message: str, progress: int, description: str | None,
    ) -> int:  # fmt: skip
        """Add a build that starts now, of instances by pattern; return its row."""
        with self.lock:
            b, at, patterns = self.builds, self.assign_downloads(), len(instance_ids)
            row, width = len(b.id), max(b.patterns.shape[1], patterns)
            for column in ("patterns", "counts", "releases"):
                old = getattr(b, column)
                setattr(b, column, np.pad(old, ((0, 1), (0, width - old.shape[1]))))
            b.patterns[row, :patterns] = list(instance_ids)
            b.counts[row, :patterns] = [len(ids) for ids in instance_ids.values()]
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
            self._instance_ids[row] = list(instance_ids.values())
            for place in self._places_beside(row):
                self.branches.add_by_build(*place)
            return row

    # --- artifacts --------------------------------------------------------------------------------------

    def find_downloads(self, where: Where) -> tuple[Ints, Ints]:
        """Return row and slot of every artifact that meets the conditions, by download id."""
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
        """Count a fetch of an artifact."""
        with self.lock:
            self._fetch_counts[id] = self._fetch_counts.get(id, 0) + 1

    # --- any resource -----------------------------------------------------------------------------------

    def find(self, resource: str, where: Where, releases: dict[int, Release] | None = None) -> Iterator[Row]:
        """Yield the rows of a resource that meet the conditions, in the order of their ids.

        A resource without demo data has no rows; a declared field without demo data has a default value.
        """
        with self.lock:
            at = self.assign_downloads()
            if resource == "builds":
                found = self.find_builds(where)
                times = self.observation_times(found, at)
                chunks = _chunks(lambda part: build_rows(self.builds, found[part], times[part]), len(found))
            elif resource == "downloads":
                rows, slots = self.find_downloads(where)
                started_from = self.first_build + self.history_length
                chunks = _chunks(
                    lambda part: download_rows(
                        self.builds, rows[part], slots[part], self._fetch_counts, started_from
                    ),
                    len(rows),
                )
            elif resource == "instances":
                chunks = iter([self.instance_rows(releases or {})])
            else:
                chunks = iter([list(self.tables.get(resource, ()))])
        return _select(chunks, schema.RESOURCES[resource], where)

    def instance_rows(self, releases: dict[int, Release]) -> list[Row]:
        """Make the rows of instances, as they are in the given release of a group, or that of the day."""
        now, rows, branches = self.moment(), [], self.branches
        for instance in self.catalog.instances.values():
            group = PATTERNS[instance.pattern_id].group
            named = releases.get(group or 0)
            if named and branches.added_to(instance, named, now) is None:
                continue
            if instance.created <= now:
                release = named.id if named else branches.newest_release(instance, now)
                number = branches.version(instance, release, now).number
                rows.append(self.catalog.instance_row(instance, number, release))
        for extra in self.extra_instances:
            named = releases.get(extra.group or 0)
            if named is None or named.name in extra.releases:
                rows.append(extra.row | ({"release_id": named.id} if named else {}))
        return rows


def _chunks(make: Callable[[slice], list[Row]], count: int) -> Iterator[list[Row]]:
    """Make rows some at a time, when they are needed."""
    return (make(slice(n, n + _CHUNK_ROWS)) for n in range(0, count, _CHUNK_ROWS))


def _select(chunks: Iterator[list[Row]], resource: schema.Resource, where: Where) -> Iterator[Row]:
    """Complete rows, and yield those that meet the conditions which no column has checked."""
    left = {k: v for k, v in where.items() if k not in _COLUMN_FILTERS.get(resource.name, ())}
    for chunk in chunks:
        rows = add_missing_fields(chunk, resource.fields, resource.key)
        for key, values in left.items():
            rows = [row for row in rows if _matches(row.get(key), values)]
        yield from rows


def _matches(value: Any, values: set[Any]) -> bool:
    """Whether a value is one of a set, or a list holds one of them."""
    return any(v in values for v in value) if isinstance(value, list) else value in values
