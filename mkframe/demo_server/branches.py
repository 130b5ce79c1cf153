"""What the instances hold in each release, at any time.

The releases of a group follow one another: each begins with the instances and rows that the one before has
then, and people edit in the release of the day. A hotfix begins with the rows of its release, and holds the
instances that were added to it. So does a Default Release beside the dated ones. Edits that belong to one
release are `Patch`es; those of a release are inherited by what begins later with its rows.

Open in the reference; here: a build that names no release of a group is made in the release of the day. An
instance that a build needs and its release lacks is added by the build, from the release of the day.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from mkframe.demo_server.catalog import Catalog, Instance
from mkframe.demo_server.data.projects import PATTERNS
from mkframe.demo_server.instance_columns import Column, InstanceColumns
from mkframe.demo_server.releases import Release

__all__ = ["Added", "Branches", "Change", "Patch", "Version", "count_changes"]


@dataclass(frozen=True, slots=True)
class Change:
    """A change of one row: its new column, or none where the row is deleted."""

    name: str
    column: Column | None = None


@dataclass(frozen=True, slots=True)
class Patch:
    """Edits of an instance in one release.

    Parameters
    ----------
    instance, release : int
        Their IDs.
    at : int
        When they were made, Unix ms.
    user : int
        User ID.
    changes : tuple of Change
        The rows.
    description : str, optional
        Description of the commit.
    committed : bool
        Whether they were committed by hand; if not, they are in the working state until a build commits them.
    merged : int, optional
        The release whose changes this commit takes over.
    """

    instance: int
    release: int
    at: int
    user: int
    changes: tuple[Change, ...]
    description: str | None = None
    committed: bool = True
    merged: int | None = None


@dataclass(frozen=True, slots=True)
class Version:
    """A state of an instance: the version of its line of edits, and the patches on top, in their order."""

    line: int
    patches: tuple[Patch, ...] = ()

    @property
    def number(self) -> int:
        """The number that the API shows."""
        return self.line + sum(patch.committed for patch in self.patches)


@dataclass(frozen=True, slots=True)
class Added:
    """How an instance came into a release: when, and by whose commit."""

    at: int
    user: int
    description: str | None
    by_build: bool = False


class Branches:
    """The state of every instance in every release.

    Parameters
    ----------
    catalog : Catalog
    columns : InstanceColumns
    built : callable
        Yields instance, release, start and user of builds in releases beside the dated ones, oldest first.
    """

    def __init__(
        self,
        catalog: Catalog,
        columns: InstanceColumns,
        built: Callable[[], Iterator[tuple[int, int, int, int]]],
    ) -> None:
        self._catalog, self._columns, self._built = catalog, columns, built
        self.patches: dict[int, list[Patch]] = {}
        """By instance, in the order of their times."""
        self.added: dict[tuple[int, int], Added] = {}
        """Instances in releases, where the rules above do not say it: by instance and release."""
        self.absent: set[tuple[int, int]] = set()
        """Instances that a release lacks although the one before has them."""
        self._side: dict[tuple[int, int], Added] | None = None

    # --- releases ---------------------------------------------------------------------------------------

    def release_of(self, named: int, pattern: int, at: int) -> int | None:
        """Return the release in which a build works: the named one, or else that of the day."""
        return named or self._catalog.release_at(PATTERNS[pattern].group, at)

    def releases_of(self, pattern: int, at: int) -> list[Release | None]:
        """Return the releases of a pattern that have begun; one without a name where it has no group."""
        group = PATTERNS[pattern].group
        if group is None:
            return [None]
        known = [r for r in self._catalog.releases.values() if r.group == group and not r.deleted]
        return [r for r in known if r.start is None or r.start <= at]

    def _is_dated(self, release: Release) -> bool:
        """Whether a release is one of those that follow one another, or the only one of its group."""
        if release.hotfix_of is not None:
            return False
        return release.start is not None or not self._has_dated(release.group)

    def _has_dated(self, group: int) -> bool:
        return any(r.group == group and r.start is not None for r in self._catalog.releases.values())

    def parent(self, release: int | None) -> int | None:
        """Return the release with whose rows a release began."""
        known = self._catalog.releases.get(release or 0)
        return None if known is None else known.hotfix_of or known.previous

    # --- instances --------------------------------------------------------------------------------------

    def added_to(self, instance: Instance, release: Release | None, at: int) -> Added | None:
        """Return how an instance came into a release up to a moment, or None if it is not in it."""
        if release is None:
            return Added(instance.created, instance.user_id, None) if instance.created <= at else None
        key = instance.id, release.id
        found = self.added.get(key)
        if found is None and self._is_dated(release) and key not in self.absent:
            found = self._carried(instance, release)
        elif found is None:
            found = self._side_members().get(key)
        return found if found and found.at <= at else None

    def newest_release(self, instance: Instance, at: int) -> int | None:
        """Return the release of the day, or the last one before it that has the instance."""
        release = self._catalog.releases.get(
            self._catalog.release_at(PATTERNS[instance.pattern_id].group, at) or 0
        )
        while release and release.previous and self.added_to(instance, release, at) is None:
            release = self._catalog.releases[release.previous]
        return release.id if release else None

    def _carried(self, instance: Instance, release: Release) -> Added | None:
        """Tell how an instance came into one of the releases that follow one another."""
        begin = release.start or 0
        if instance.created >= begin:
            in_time = release.end is None or instance.created < release.end
            return Added(instance.created, instance.user_id, None) if in_time else None
        before = self._catalog.releases.get(release.previous or 0)
        text = f"Added from {before.name}" if before else None
        return Added(begin, 1, text)

    def _side_members(self) -> dict[tuple[int, int], Added]:
        if self._side is None:
            self._side = {}
            for instance, release, at, user in self._built():
                self.add_by_build(instance, release, at, user)
        return self._side

    def add_by_build(self, instance: int, release: int, at: int, user: int) -> None:
        """Note that a build has needed an instance in a release."""
        if self._side is not None:
            self._side.setdefault((instance, release), Added(at, user, None, by_build=True))

    def is_beside(self, release: int) -> bool:
        """Whether a release is a hotfix, or a Default Release beside dated ones."""
        return not self._is_dated(self._catalog.releases[release])

    # --- states -----------------------------------------------------------------------------------------

    def version(self, instance: Instance, release: int | None, at: int) -> Version:
        """Return the state of an instance in a release at a moment; without one, that of its own line."""
        if release is None:
            return Version(instance.version(at))
        known = self._catalog.releases[release]
        if self._is_dated(known):
            end = at if known.end is None else min(at, known.end)
            line = instance.version(max(end, instance.created))
        else:
            added = self.added_to(instance, known, at)
            line = instance.version(added.at if added else at)
        return Version(line, tuple(self._patches(instance.id, known, at)))

    def _patches(self, instance: int, release: Release, at: int) -> list[Patch]:
        found = self.patches.get(instance)
        if found is None:
            return []
        own = [p for p in found if p.release == release.id and p.at <= at]
        parent = self._catalog.releases.get(self.parent(release.id) or 0)
        return own if parent is None else self._patches(instance, parent, min(at, release.start or at)) + own

    def patch(self, patch: Patch) -> None:
        """Add edits of an instance."""
        held = self.patches.setdefault(patch.instance, [])
        held.append(patch)
        held.sort(key=lambda p: p.at)

    def columns(self, instance: Instance, version: Version) -> tuple[Column, ...]:
        """Return the rows of an instance in a state."""
        rows = list(self._columns.get(instance, version.line))
        for patch in version.patches:
            for change in patch.changes:
                _apply(rows, change)
        return tuple(rows)


def _apply(rows: list[Column], change: Change) -> None:
    place = next((n for n, row in enumerate(rows) if row.name == change.name), None)
    if change.column is None:
        if place is not None:
            del rows[place]
    elif place is None:
        rows.append(change.column)
    else:
        rows[place] = replace(change.column, role=rows[place].role)


def count_changes(
    new: tuple[Column, ...], old: tuple[Column, ...], other: tuple[Column, ...] | None = None
) -> tuple[int, int, int]:
    """Count the rows that were added, changed and deleted; what is as in `other` does not count."""
    before, after = {c.name: c for c in old}, {c.name: c for c in new}
    beside = after if other is None else {c.name: c for c in other}

    def counts(name: str) -> bool:
        return other is None or beside.get(name) != after.get(name)

    added = sum(counts(name) for name in after.keys() - before.keys())
    changed = sum(before[name] != after[name] and counts(name) for name in before.keys() & after.keys())
    deleted = sum(counts(name) for name in before.keys() - after.keys())
    return added, changed, deleted
