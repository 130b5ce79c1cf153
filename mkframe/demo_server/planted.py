"""Instances whose release management is told on purpose, in the active projects.

A group has a previous release B, the release of the day N, and a hotfix F of B that began after the end of B.
They are R10, R11 and R10_HF2 in DWH_GROUP, R9, R10 and R9_HF2 in MART_GROUP, R4, R5 and R4_HF1 in LAKE_GROUP;
the release of the day began six or seven weeks before the moment of the server.

In each of the patterns CORE_DV_HLS of DEMO_PROJECT, SF_DIM_FACT of SALES_DWH, SYN_STAGING of FINANCE_MART and
FAB_LAKEHOUSE of LOGISTICS_LAKE there are these instances, created in B. They begin with the same rows: two
keys, CODE VARCHAR 50, NAME VARCHAR 200, STATUS VARCHAR 50, AMOUNT NUMBER 18, REMARK VARCHAR 200, VALID_FROM
DATE.

| instance | told |
| --- | --- |
| EXCHANGE_RATE | F makes AMOUNT longer (24); N has taken it over by a merge |
| LANGUAGE | F adds APPROVED_AT; N has taken it over by a merge |
| BUSINESS_PARTNER | F makes REMARK longer (500); N has not |
| EMPLOYEE | F adds SOURCE_KEY; N has not |
| CONTACT_PERSON | F deletes STATUS; N still has it |
| BANK_ACCOUNT | F makes AMOUNT (24) and NAME (400) longer; N has taken over AMOUNT only |
| COUNTRY | conflict: F makes CODE 80 long, N 100 |
| FAX_NUMBER | F makes NAME longer (400); the instance was never added to N |
| CONSENT | committed in N (adds PRIORITY), never built in N |
| COMPLAINT | committed in N (STATUS 20), and tried by a build that failed only |
| SURVEY | committed (NAME 300) and built in N, then committed again (adds SEEN_AT) |
| HOLIDAY | committed (NAME 250) and built in N |
| TERRITORY | checked out in N, with an edit that is not committed (CODE 60) |
| VOUCHER | has three validation errors and is invalid |
| LEGACY_CODE | must not be built |
| WARRANTY | committed in B two days after the end of B (REMARK 300), and built there then |
| TELEX | deleted |

All are built in B. The cases of the hotfix are built in F and, but for FAX_NUMBER, in N; a merge is not
delivered again where F was built. For that, they take the place of others in builds of the history: no build,
count or time differs. It needs builds of the kind. Where those of F are too few, up to two of N in its
time are made in F; up to two of N within ten days after the end of B are made in B. A history of 2,000 builds
has most cases; COMPLAINT is tried where a build of N has failed. In a short history they are not built.

The labels `to_do`, `for_review` and `approved` are on CONSENT and COMPLAINT, on SURVEY, and on HOLIDAY.

The pattern variable DATABASE is DWH_TEST in the first folder of each pattern, DWH_PROD in the last but one,
and DWH_DEV, like the default, in the last: in CORE_DV_HLS that is /BUSINESS_VAULT/CRM, below /BUSINESS_VAULT.

A test that needs other cases plants projects of its own: see `Server.add_project`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from mkframe.demo_server.branches import Added, Branches, Change, Patch
from mkframe.demo_server.build_columns import FAILED, FINISHED, BuildColumns
from mkframe.demo_server.catalog import Catalog, Instance
from mkframe.demo_server.data import vocabulary
from mkframe.demo_server.data.projects import PLACES
from mkframe.demo_server.instance_columns import Column, InstanceColumns
from mkframe.demo_server.messages import EXAMPLE
from mkframe.demo_server.releases import Release
from mkframe.demo_server.times import DAY, HOUR, MINUTE, Ints

__all__ = ["Substitutes", "plant"]

Substitutes = dict[int, dict[int, list[Instance]]]
"""Instances that take the place of others in a build, by its row and the pattern."""

_FIELD = "SRC_AND_TGT_FIELD"
_LATE = 10 * DAY
"""How long after its end builds are still made in a release."""
_MOVED = 2
"""Builds of the release of the day that are made in another one, for each pattern and kind."""


def _field(name: str, length: int | None = None) -> Change:
    data_type, usual = vocabulary.ATTRIBUTES[name]
    return Change(name, Column(name, data_type, length or usual, _FIELD))


_AMOUNT, _NAME = Change("AMOUNT", Column("AMOUNT", "NUMBER", 24, _FIELD)), _field("NAME", 400)
_FIXED: Mapping[str, tuple[Change, ...]] = {
    "EXCHANGE_RATE": (_AMOUNT,),
    "LANGUAGE": (_field("APPROVED_AT"),),
    "BUSINESS_PARTNER": (_field("REMARK", 500),),
    "EMPLOYEE": (_field("SOURCE_KEY"),),
    "CONTACT_PERSON": (Change("STATUS"),),
    "BANK_ACCOUNT": (_AMOUNT, _NAME),
    "COUNTRY": (_field("CODE", 80),),
    "FAX_NUMBER": (_NAME,),
}
"""What the hotfix changes."""
_MERGED: Mapping[str, tuple[Change, ...]] = {
    "EXCHANGE_RATE": (_AMOUNT,),
    "LANGUAGE": (_field("APPROVED_AT"),),
    "BANK_ACCOUNT": (_AMOUNT,),
}
"""What the release of the day takes over from the hotfix."""
_BUILT_IN_NEXT = ("SURVEY", "HOLIDAY", *(name for name in _FIXED if name != "FAX_NUMBER"))


def columns_of(name: str) -> tuple[Column, ...]:
    """Return the rows that a planted instance begins with."""
    keys = (Column(f"{name}_HK", "CHAR", 32, "SK"), Column(f"{name}_ID", "VARCHAR", 50, "BK"))
    fields = ("CODE", "NAME", "STATUS", "AMOUNT", "REMARK", "VALID_FROM")
    return keys + tuple(Column(n, *vocabulary.ATTRIBUTES[n], _FIELD) for n in fields)


def plant(
    catalog: Catalog, columns: InstanceColumns, branches: Branches, builds: BuildColumns
) -> Substitutes:
    """Tell the releases of the planted instances; return in which builds they take the place of others.

    The column `releases` of a few builds is changed.
    """
    substitutes: Substitutes = {}
    for (project, pattern), group in PLACES.items():
        place = _Scene(catalog, branches, builds, substitutes, project, pattern, group)
        for instance in place.instances.values():
            columns.fix(instance, columns_of(instance.name))
        place.tell()
    return substitutes


class _Scene:
    """One pattern of one project."""

    def __init__(
        self,
        catalog: Catalog,
        branches: Branches,
        builds: BuildColumns,
        substitutes: Substitutes,
        project: int,
        pattern: int,
        group: int,
    ) -> None:
        self.catalog, self.branches, self.builds, self.substitutes = catalog, branches, builds, substitutes
        self.project, self.pattern, self.now = project, pattern, catalog.now
        planted = catalog.planted[project, pattern]
        self.instances = {instance.name: instance for instance in planted}
        self.next = catalog.releases[catalog.release_at(group, catalog.now) or 0]
        self.base = catalog.releases[self.next.previous or 0]
        self.fix = next(r for r in reversed(list(catalog.releases.values())) if r.hotfix_of == self.base.id)

    def tell(self) -> None:
        """Tell the cases of the table at the top, in the order of their times."""
        self._build(self.instances, self._rows(self.base, FINISHED, self.instances["CONSENT"].created))
        self._fix()
        self._build_late()
        self._commit_and_build()

    def _fix(self) -> None:
        begin, end = _span(self.fix)
        for number, (name, changes) in enumerate(_FIXED.items()):
            instance = self.instances[name]
            key = (instance.id, self.fix.id)
            self.branches.added[key] = Added(begin, 1, f"Added from {self.base.name}")
            at = begin + 9 * HOUR + number * 20 * MINUTE
            self._commit(name, self.fix, at, changes, "Hotfix, ticket DWH-{}")
        rows = self._rows(self.fix, FINISHED, begin + 12 * HOUR)
        if self._counts(rows).sum() < len(_FIXED):
            others = self._rows(self.next, FINISHED, begin + 12 * HOUR)
            others = others[self.builds.start[others] < end]
            largest = np.argsort(-self._counts(others), kind="stable")[:_MOVED]
            rows = np.concatenate([rows, self._move(others[largest], self.fix)])
        self._build(_FIXED, rows)
        for number, (name, changes) in enumerate(_MERGED.items()):
            at = end + 9 * HOUR + number * 20 * MINUTE
            self._commit(name, self.next, at, changes, f"Merge {self.fix.name}", merged=self.fix.id)
        self._commit("COUNTRY", self.next, begin + DAY + 10 * HOUR, (_field("CODE", 100),), "Longer codes")
        self.branches.absent.add((self.instances["FAX_NUMBER"].id, self.next.id))

    def _build_late(self) -> None:
        """Let builds work in the previous release after its end; one of them has the late commit."""
        end = self.base.end or 0
        at = end + 2 * DAY + 10 * HOUR
        self._commit(
            "WARRANTY", self.base, at, (_field("REMARK", 300),), "Urgent, after the end of {release}"
        )
        rows = self._rows(self.next, FINISHED, end)
        late = rows[(self.builds.start[rows] < end + _LATE) & ~np.isin(rows, list(self.substitutes))]
        late = self._move(late[np.argsort(self.builds.start[late] < at, kind="stable")][:_MOVED], self.base)
        self._build(["WARRANTY"], late[self.builds.start[late] > at])

    def _move(self, rows: Ints, release: Release) -> Ints:
        """Let builds of the release of the day be made in another one; return them."""
        releases = self.builds.releases
        releases[rows] = np.where(releases[rows] == self.next.id, release.id, releases[rows])
        return rows

    def _commit_and_build(self) -> None:
        begin, now = self.next.start or 0, self.now
        early = begin + (now - begin) // 5 // HOUR * HOUR
        self._commit("CONSENT", self.next, early, (_field("PRIORITY"),), "New attribute, ticket DWH-{}")
        self._commit("SURVEY", self.next, early, (_field("NAME", 300),), "Longer names")
        self._commit("HOLIDAY", self.next, early, (_field("NAME", 250),), "Longer names, after review")
        rows = self._rows(self.next, FINISHED, _span(self.fix)[1] + 12 * HOUR)
        ends = self._build(_BUILT_IN_NEXT, rows)
        built = ends.get("SURVEY", early + DAY)
        self._commit("SURVEY", self.next, built + (now - built) // 3, (_field("SEEN_AT"),), "Ticket DWH-{}")
        failed = self._rows(self.next, FAILED, begin + 12 * HOUR)[-1:]
        at = int(self.builds.start[failed[0]]) - 2 * HOUR if failed.size else early
        self._commit("COMPLAINT", self.next, at, (_field("STATUS", 20),), "Shorter status")
        self._build(["COMPLAINT"], failed)
        for row in failed.tolist():
            complaint = self.instances["COMPLAINT"]
            self.builds.message[row] = (
                f"Instance {complaint.name} (id {complaint.id}): functional role BK is missing, "
                "8 fields checked"
            )
        territory = self.instances["TERRITORY"]
        change = (_field("CODE", 60),)
        user = territory.checked_out_by or territory.user_id
        self.branches.patch(
            Patch(territory.id, self.next.id, now - 12 * MINUTE, user, change, committed=False)
        )

    def _commit(
        self, name: str, release: Release, at: int, changes: tuple[Change, ...], text: str, **more: Any
    ) -> None:
        instance = self.instances[name]
        text = text.format(1000 + instance.id % 1000, release=release.name)
        self.branches.patch(Patch(instance.id, release.id, at, instance.user_id, changes, text, **more))

    # --- builds -----------------------------------------------------------------------------------------

    def _rows(self, release: Release, outcome: int, after: int) -> Ints:
        """Return builds of this pattern in a release that began after a moment and have ended."""
        b = self.builds
        found = (b.patterns == self.pattern) & (b.releases == release.id)
        fits = found.any(axis=1) & (b.project == self.project) & (b.outcome == outcome)
        return np.flatnonzero(fits & (b.start > after) & (b.end <= self.now) & (b.id != EXAMPLE))

    def _counts(self, rows: Ints) -> Ints:
        """Return how many instances of the pattern builds have."""
        b = self.builds
        counts: Ints = np.where(b.patterns[rows] == self.pattern, b.counts[rows], 0).sum(axis=1)
        return counts

    def _build(self, names: Any, rows: Ints) -> dict[str, int]:
        """Put instances in the place of others, in the largest builds first; return the ends by name."""
        waiting = list(names)
        ends: dict[str, int] = {}
        counts = self._counts(rows)
        for place in np.argsort(-counts, kind="stable").tolist():
            row = int(rows[place])
            held = self.substitutes.setdefault(row, {}).setdefault(self.pattern, [])
            known = {instance.name for instance in held}
            free = int(counts[place]) - len(held)
            placed = [name for name in waiting if name not in known][:free]
            held += [self.instances[name] for name in placed]
            waiting = [name for name in waiting if name not in placed]
            ends |= dict.fromkeys(placed, int(self.builds.end[row]))
            if not waiting:
                break
        return ends


def _span(release: Release) -> tuple[int, int]:
    return release.start or 0, release.end or 0
