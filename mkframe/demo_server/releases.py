"""Release groups and their releases: chains with local-midnight dates, and hotfixes of some of them.

The newest hotfix is one of the release before that of the day, and begins after the end of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mkframe.demo_server.times import DAY, HISTORY_DAYS, iso, local, local_midnight

GROUPS = {1: "DWH_GROUP", 2: "MART_GROUP", 3: "LAKE_GROUP", 4: "LEGACY_GROUP"}
_RELEASE_DAYS = {1: 70, 2: 77, 3: 175}
"""Days that a release of a group lasts."""


@dataclass(frozen=True, slots=True)
class Release:
    """A release with its period in Unix milliseconds; a Default Release has none."""

    id: int
    group: int
    name: str
    description: str | None
    start: int | None = None
    end: int | None = None
    closed: bool = False
    deleted: bool = False
    hotfix_of: int | None = None
    previous: int | None = None


def generate_releases(now: int) -> dict[int, Release]:
    """Generate the releases up to and beyond `now` (Unix ms), by ID."""
    releases = [Release(group, group, "Default Release", None) for group in GROUPS]
    for number, (group, days) in enumerate(_RELEASE_DAYS.items()):
        releases += _chain(group, days, 21 + 40 * number, now)
    return {r.id: r for r in releases}


def _chain(group: int, days: int, first: int, now: int) -> list[Release]:
    """Generate R1, R2, ... one after the other, the last one in the future, and hotfixes of some."""
    day = local(now) // DAY - HISTORY_DAYS - 14
    made: list[Release] = []
    last = (HISTORY_DAYS + 14) // days + 2
    for number in range(1, last + 1):
        start, end = local_midnight(day), local_midnight(day + days)
        # R1 of the vendor's example is open although it has ended; so is this one
        closed = end <= now and (group, number) != (1, 1)
        description = "First release" if number == 1 else f"Release {number} of {GROUPS[group]}"
        made.append(
            Release(first + number - 1, group, f"R{number}", description, start, end, closed,
                    previous=first + number - 2 if number > 1 else None)
        )  # fmt: skip
        day += days
    return made + _hotfixes(made, first + last, now)


def _hotfixes(chain: list[Release], first: int, now: int) -> list[Release]:
    made: list[Release] = []
    for release in chain:
        day = local(release.start or 0) // DAY + 24
        start, end = local_midnight(day), local_midnight(day + 9)
        if release.id % 3 == 0 and start < now:
            made.append(_hotfix(first + len(made), release, 1, start, end, now))
    today = next(n for n, release in enumerate(chain) if (release.end or now) > now)
    before, begin = chain[today - 1], local(chain[today].start or 0) // DAY
    days = local(now) // DAY - begin
    start, end = (local_midnight(begin + max(1, days * part // 4)) for part in (1, 2))
    number = 1 + sum(hotfix.hotfix_of == before.id for hotfix in made)
    return [*made, _hotfix(first + len(made), before, number, start, end, now)]


def _hotfix(id: int, of: Release, number: int, start: int, end: int, now: int) -> Release:
    name, text = f"{of.name}_HF{number}", f"Hotfix of {of.name}"
    return Release(id, of.group, name, text, start, end, end <= now, hotfix_of=of.id, previous=of.id)


def release_row(release: Release) -> dict[str, Any]:
    """Make the row of a release."""
    return {
        "id": release.id,
        "group_id": release.group,
        "name": release.name,
        "description": release.description,
        "start_date": None if release.start is None else iso(release.start),
        "end_date": None if release.end is None else iso(release.end),
        "closed": release.closed,
        "deleted": release.deleted,
        "hotfix_of_id": release.hotfix_of,
        "prev_release_id": release.previous,
    }
