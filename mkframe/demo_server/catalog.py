"""The instances, folders and releases of the demo server, generated from a seed.

The same seed and `now` give the same catalog. Open in the reference; here: people do not edit at weekends.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mkframe.demo_server.data import vocabulary
from mkframe.demo_server.data.projects import CUSTOMER, MIN_INSTANCES, PATTERNS, PLACES, SIZES, Pattern
from mkframe.demo_server.releases import generate_releases
from mkframe.demo_server.times import DAY, HISTORY_DAYS, HOUR, Ints

Row = dict[str, Any]


@dataclass(slots=True)
class Instance:
    """An instance with all its versions; `edits` holds the times of its changes (Unix ms)."""

    id: int
    identity_id: int
    project_id: int
    pattern_id: int
    folder_id: int
    folder: str
    name: str
    user_id: int
    created: int
    edits: Ints
    errors: int = 0
    labels: list[str] = field(default_factory=list)
    flags: dict[str, bool] = field(default_factory=dict)
    checked_out_by: int | None = None

    def version(self, at: int) -> int:
        """Return the number of the version that was current at an instant (Unix ms)."""
        return 1 + int(np.searchsorted(self.edits, at, "right"))

    def version_start(self, version: int) -> int:
        """Return the instant (Unix ms) at which a version began."""
        return self.created if version == 1 else int(self.edits[version - 2])


class Catalog:
    """Releases, folders and instances at `now`.

    Parameters
    ----------
    seed : int
        Seed of the history.
    now : int
        End of the history, Unix ms.
    instances : int, optional
        Instances in all projects; they are shared out as in `SIZES`.
    """

    def __init__(self, seed: int, now: int, instances: int | None = None) -> None:
        self.seed, self.now = seed, now
        self.start = now - HISTORY_DAYS * DAY
        self.releases = generate_releases(now)
        self.folders = _folders()
        self.instances = _instances(seed, self.start, now, self.folders, _sizes(instances or MIN_INSTANCES))
        self.by_pattern: dict[tuple[int, int], list[Instance]] = {}
        for instance in self.instances.values():
            self.by_pattern.setdefault((instance.project_id, instance.pattern_id), []).append(instance)
        self.planted = self._planted()
        """Instances with cases that are told on purpose, by project and pattern; no history has them."""
        self.by_path = {(i.project_id, i.pattern_id, i.folder, i.name): i for i in self.instances.values()}
        self.pattern_changes = {p.id: _pattern_changes(seed, p, self.start, now) for p in PATTERNS.values()}

    def _planted(self) -> dict[tuple[int, int], list[Instance]]:
        planted: dict[tuple[int, int], list[Instance]] = {}
        folders = {(f["project_id"], f["pattern_id"], f["path"]): f["id"] for f in self.folders}
        for (project, pattern), group in PLACES.items():
            today = self.releases[self.release_at(group, self.now) or 0]
            created = (today.start or self.now) - 40 * DAY + 10 * HOUR
            for index, name in enumerate(vocabulary.PLANTED):
                paths = PATTERNS[pattern].folders
                path = paths[index % len(paths)]
                instance = Instance(
                    20001 + len(self.instances), 50001 + len(self.instances), project, pattern,
                    folders[project, pattern, path], path, name, 2 + index % 8, created,
                    np.empty(0, np.int64), errors=3 if name == "VOUCHER" else 0,
                    labels=list(_LABELED.get(name, ())),
                    flags=dict.fromkeys((*_FLAGS, "invalid"), False),
                    checked_out_by=2 + index % 8 if name == "TERRITORY" else None,
                )  # fmt: skip
                for flag in _FLAGGED.get(name, ()):
                    instance.flags[flag] = True
                self.instances[instance.id] = instance
                planted.setdefault((project, pattern), []).append(instance)
        return planted

    def pattern_version(self, pattern: int, at: int) -> int:
        """Count the changes of a pattern's template up to an instant."""
        return int(np.searchsorted(self.pattern_changes[pattern], at, "right"))

    def release_at(self, group: int | None, at: int) -> int | None:
        """Return the release of a group in whose period an instant lies, else its Default Release."""
        if group is None:
            return None
        chain = [r for r in self.releases.values() if r.group == group and r.hotfix_of is None]
        dated = [r.id for r in chain if r.start is not None and r.start <= at]
        return dated[-1] if dated else chain[0].id

    def instance_row(self, instance: Instance, version: int, release: int | None) -> Row:
        """Make the row of an instance in a version and a release."""
        return {
            "id": instance.id,
            "customer_id": CUSTOMER,
            "name": instance.name,
            "project_id": instance.project_id,
            "pattern_id": instance.pattern_id,
            "errors": instance.errors,
            "instance_folder_id": instance.folder_id,
            "version": version,
            "description": None if instance.id % 3 else f"{instance.name} in {instance.folder}",
            "release_id": release,
            "identity_id": instance.identity_id,
            "user_id": instance.user_id,
            "latest_commit_id": instance.identity_id * 100 + version,
            "labels": instance.labels,
            "folder": instance.folder,
            "checked_out": instance.checked_out_by is not None,
            "checked_out_by_user_id": instance.checked_out_by,
            **instance.flags,
        }


# --- folders and instances ------------------------------------------------------------------------------

_LABELED = {
    "CONSENT": ("to_do",),
    "COMPLAINT": ("to_do",),
    "SURVEY": ("for_review",),
    "HOLIDAY": ("approved",),
}
_FLAGGED = {"VOUCHER": ("invalid",), "LEGACY_CODE": ("build_disabled",), "TELEX": ("deleted",)}
INSTANCE_FLAGS = (
    "deleted", "upload_disabled", "insert_disabled", "build_disabled", "edit_disabled", "invalid",
)  # fmt: skip
_FLAGS = INSTANCE_FLAGS[:-1]


def _folders() -> list[Row]:
    rows: list[Row] = []
    for project, sizes in SIZES.items():
        for pattern in sizes:
            paths: dict[str, int] = {}
            for path in (*PATTERNS[pattern].folders, "/ARCHIVE"):
                parent, _, name = path.rpartition("/")
                paths[path] = 301 + len(rows)
                flags = dict.fromkeys(_FLAGS, False)
                if path == "/ARCHIVE":
                    flags |= {"deleted": pattern % 2 == 1, "build_disabled": True, "upload_disabled": True}
                rows.append(
                    {"id": paths[path], "project_id": project, "pattern_id": pattern,
                     "parent_folder_id": paths.get(parent), "name": name, "path": path, **flags}
                )  # fmt: skip
    return rows


def _sizes(instances: int) -> list[tuple[int, int, int]]:
    """Share out a number of instances in proportion to `SIZES`; the sum is exact."""
    pairs = [(project, pattern) for project, sizes in SIZES.items() for pattern in sizes]
    ends = (
        np.cumsum([0] + [SIZES[project][pattern] for project, pattern in pairs]) * instances // MIN_INSTANCES
    )
    return [(*pair, size) for pair, size in zip(pairs, np.diff(ends).tolist(), strict=True)]


def _instances(
    seed: int, start: int, now: int, folders: list[Row], sizes: list[tuple[int, int, int]]
) -> dict[int, Instance]:
    folder_ids = {(f["project_id"], f["pattern_id"], f["path"]): f["id"] for f in folders}
    instances: dict[int, Instance] = {}
    for project, pattern, size in sizes:
        for instance in _pattern_instances(seed, project, pattern, size, start, now, 20001 + len(instances)):
            instance.folder_id = folder_ids[project, pattern, instance.folder]
            instances[instance.id] = instance
    return instances


def _pattern_instances(
    seed: int, project: int, pattern: int, size: int, start: int, now: int, first: int
) -> list[Instance]:
    """Generate the instances of a pattern in a project, oldest first; 60 % exist when the history begins."""
    rng = np.random.default_rng([seed, project, pattern])
    old = int(size * 0.6)
    created = np.concatenate(
        [start - rng.integers(DAY, 300 * DAY, old), rng.integers(start, now - 5 * DAY, size - old)]
    )
    created.sort()
    edits = _edits(rng, np.maximum(created, start).tolist(), now)
    return [
        _instance(project, pattern, index, first + index, at, its_edits)
        for index, (at, its_edits) in enumerate(zip(created.tolist(), edits, strict=True))
    ]


def _edits(rng: np.random.Generator, starts: list[int], now: int) -> list[Ints]:
    """Generate the edits of each instance since its start."""
    drawn: list[Ints] = [np.empty(0, np.int64)]
    for start in starts:
        count = int(rng.poisson((now - start) / DAY / 50))
        drawn.append(rng.integers(start, now - 2 * 60_000, count))
    counts = [len(edits) for edits in drawn[1:]]
    edits = np.concatenate(drawn)
    # people do not edit at weekends: such an edit is moved to the Friday before
    weekday = (edits // DAY + 3) % 7
    edits = np.maximum(edits - np.clip(weekday - 4, 0, 2) * DAY, np.repeat(starts, counts) + 1)
    edits = edits[np.lexsort((edits, np.repeat(np.arange(len(starts)), counts)))]
    ends = np.cumsum([0, *counts]).tolist()
    return [edits[begin:end] for begin, end in itertools.pairwise(ends)]


def _instance(project: int, pattern: int, index: int, id: int, created: int, edits: Ints) -> Instance:
    nouns, folders = vocabulary.NOUNS[project], PATTERNS[pattern].folders
    number = index // len(nouns)
    suffix = vocabulary.SUFFIXES[number] if number < len(vocabulary.SUFFIXES) else f"_{number}"
    name = nouns[index % len(nouns)] + suffix
    folder = folders[index % len(folders)]
    if (pattern, index) == (808, 0):
        folder = "/BUSINESS_VAULT"  # AIRPLANE, as in the vendor's example
    flags = {flag: index % 23 == 7 + n for n, flag in enumerate(_FLAGS)}
    return Instance(
        id, id + 30000, project, pattern, 0, folder, name, 2 + (id % 8), created, edits,
        errors=1 + index % 4 if index % 17 == 5 else 0,
        labels=[label for label, nth in (("PII", 6), ("CORE", 4)) if index % nth == 1],
        flags={**flags, "invalid": index % 19 == 14},
        checked_out_by=2 + index % 8 if index % 11 == 3 else None,
    )  # fmt: skip


def _pattern_changes(seed: int, pattern: Pattern, start: int, now: int) -> Ints:
    rng = np.random.default_rng([seed, pattern.id])
    return np.sort(rng.integers(start + 60 * DAY, now - 20 * DAY, pattern.versions))
