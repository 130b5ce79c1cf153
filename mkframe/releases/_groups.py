"""The releases of a release group: which come before one, which follow, and whose hotfixes count."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

__all__ = ["Group", "Release", "releases_of"]

_DEFAULT_RELEASE = "default release"


@dataclass(frozen=True, slots=True)
class Release:
    """A release.

    Attributes
    ----------
    key, name : int, str
        Its id and name.
    start, end : Timestamp, optional
        Its planned dates, with a zone.
    closed : bool, optional
        Whether it is closed; None if the server does not say.
    deleted : bool
        Whether it is deleted.
    hotfix_of, previous : int, optional
        Ids of the release that it fixes, and of the release before it.
    """

    key: int
    name: str
    start: pd.Timestamp | None = None
    end: pd.Timestamp | None = None
    closed: bool | None = None
    deleted: bool = False
    hotfix_of: int | None = None
    previous: int | None = None


@dataclass(frozen=True)
class Group:
    """The releases of one release group.

    Attributes
    ----------
    key, name : int, str
        The group.
    releases : dict of int to Release
        All its releases by id, deleted ones too.
    """

    key: int
    name: str
    releases: dict[int, Release]

    @property
    def live(self) -> list[Release]:
        """The releases that are not deleted."""
        return [each for each in self.releases.values() if not each.deleted]

    def get(self, name: str) -> Release:
        """Return the release of a name that is not deleted."""
        return next(each for each in self.live if each.name == name)

    def before(self, release: int) -> tuple[list[int], str]:
        """Return the releases before one, nearest first, and a sentence where the chain is not known."""
        found: list[int] = []
        at = self._previous(release)
        while at is not None:
            name = self.releases[found[-1] if found else release].name
            if at not in self.releases:
                return found, f"The release before {name} is not listed, so the earlier ones are not known."
            if at in found or at == release:
                other = self.releases[at].name
                return found, f"{name} follows {other} in a circle, so the earlier releases are not known."
            found.append(at)
            at = self._previous(at)
        return found, ""

    def after(self, release: int) -> list[Release]:
        """Return the releases that follow one: no hotfixes, no deleted ones, not the Default Release."""
        chains = {each.key: self.before(each.key)[0] for each in self.live if each.hotfix_of is None}
        followers = [
            self.releases[key]
            for key, chain in chains.items()
            if release in chain and key != release and self.releases[key].name.lower() != _DEFAULT_RELEASE
        ]
        return sorted(followers, key=lambda each: (len(chains[each.key]), each.key))

    def unlinked(self, release: int) -> list[str]:
        """Name the releases that may follow one, but have no previous release and begin later."""
        start = self.releases[release].start
        return [
            each.name
            for each in self.live
            if each.previous is None and each.hotfix_of is None and each.key != release
            and start is not None and each.start is not None and each.start > start
        ]  # fmt: skip

    def hotfixes_before(self, release: int) -> list[Release]:
        """Return the hotfixes of earlier releases, whose changes a release should have, oldest first."""
        chain = self.before(release)[0]
        own_parent = self.releases[release].hotfix_of
        found = [
            each
            for each in self.live
            if each.hotfix_of in chain and each.key != release
            # of hotfixes of the same release only those that this one is built on come before it
            and (each.hotfix_of != own_parent or each.key in chain)
        ]  # fmt: skip
        return sorted(found, key=lambda each: (-chain.index(each.hotfix_of or 0), each.key))

    def unknown_hotfixes(self, release: int) -> list[str]:
        """Say of which hotfixes it is not known whether a release should have their changes."""
        found = self.releases[release]
        # without a previous release it stands alone, although it may follow those that began earlier
        start = found.start if found.previous is None and found.hotfix_of is None else None
        says = []
        for fix in self.live:
            parent = self.releases.get(fix.hotfix_of or 0)
            if fix.hotfix_of is not None and parent is None:
                says.append(f"The release that {fix.name} fixes is not listed.")
            elif parent is None or parent.start is None or start is None or parent.start >= start:
                continue
            else:
                says.append(f"{found.name} names no release before it, so it may lack {fix.name}.")
        return says

    def between(self, parent: int, release: int) -> list[Release]:
        """Return the releases on the way from one to a later one, without hotfixes and both ends."""
        chain = self.before(release)[0]
        way = reversed(chain[: chain.index(parent)])
        return [self.releases[key] for key in way if self.releases[key].hotfix_of is None]

    def _previous(self, release: int) -> int | None:
        found = self.releases[release]
        return found.hotfix_of if found.previous is None else found.previous


def releases_of(table: pd.DataFrame, group: int) -> dict[int, Release]:
    """Return the releases of one group from a frame of ``client.releases.find``."""
    rows: dict[Any, Any] = table[table["group_id"] == group].to_dict("index")
    return {int(key): _release(int(key), row) for key, row in rows.items()}


def _release(key: int, row: dict[str, Any]) -> Release:
    closed, deleted = (_known(row[name]) for name in ("closed", "deleted"))
    return Release(
        key, str(row["name"]), _known(row["start_date"]), _known(row["end_date"]),
        None if closed is None else bool(closed), bool(deleted),
        _number(row["hotfix_of_id"]), _number(row["prev_release_id"]),
    )  # fmt: skip


def _known(value: Any) -> Any:
    return None if pd.isna(value) else value


def _number(value: Any) -> int | None:
    return None if pd.isna(value) else int(value)
