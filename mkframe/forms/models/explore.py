"""Model of the form that filters a frame of builds, without a connection."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import traitlets as t

from mkframe.errors import InputError
from mkframe.forms.models.base import Model
from mkframe.metrics._history import LeftOut, without_repeats
from mkframe.metrics._streams import list_items

__all__ = ["EVERYTHING", "MAX_ROWS", "ExploreModel"]

EVERYTHING = "all"
MAX_ROWS = 100
_FILTERS = {
    "project": ("project", "project_id"),
    "pattern": ("pattern_names", "patterns"),
    "release": ("release_names", "releases"),
    "status": ("status",),
    "user": ("user_id",),
}
"""For each filter the columns that it can use, the preferred one first."""
_COLUMNS = ("project", "project_id", "status", "build_start", "build_end", "user_id", "instances",
          "pattern_names", "patterns", "release_names", "releases", "description", "message")  # fmt: skip


class ExploreModel(Model):
    """Model of the form that explores builds.

    Parameters
    ----------
    builds : DataFrame
        As ``builds.find`` or `mk.read_json` return them; with the columns of ``client.add_names`` the
        filters show names instead of ids.

    Attributes
    ----------
    options : dict
        For each filter its values; ``all`` first.
    project, pattern, release, status, user : str
        The chosen value of each filter.
    first, last : date
        The period, in days of UTC, both included.
    sort_by, descending : str, bool
        Order of the table; all matches are sorted before the first rows are taken.
    matches : DataFrame
        The builds that match.
    status_text : str
        How many builds match.
    """

    project = t.Unicode(EVERYTHING)
    pattern = t.Unicode(EVERYTHING)
    release = t.Unicode(EVERYTHING)
    status = t.Unicode(EVERYTHING)
    user = t.Unicode(EVERYTHING)
    first = t.Any(None)
    last = t.Any(None)
    sort_by = t.Unicode("build_start")
    descending = t.Bool(True)
    matches = t.Any(None)
    status_text = t.Unicode("")

    def __init__(self, builds: pd.DataFrame) -> None:
        super().__init__()
        if not isinstance(builds, pd.DataFrame) or not {"status", "build_start"} <= set(builds.columns):
            raise InputError(
                "explore needs a frame of builds.", hint="Give client.builds.find(...) or mk.read_json(...)."
            )
        if not builds.columns.is_unique:
            twice = ", ".join(map(str, builds.columns[builds.columns.duplicated()].unique()))
            raise InputError(
                f"The frame has more than one column {twice:.80}.",
                hint="Drop or rename one: builds.loc[:, ~builds.columns.duplicated()].",
            )
        self._builds, repeated, older = without_repeats(builds)
        self._left_out = LeftOut(repeated, older).rows_text()
        self._members = {
            name: self._members_of([column for column in columns if column in builds.columns])
            for name, columns in _FILTERS.items()
            if {*columns} & {*builds.columns}
        }
        self.options = {
            name: (EVERYTHING, *sorted(members, key=_sort_key)) for name, members in self._members.items()
        }
        self.sortable = ("id", *(c for c in _COLUMNS if c in builds.columns and c not in _LISTS))
        self.observe(self._filter, [*_FILTERS, "first", "last"])
        self._filter(None)

    def _members_of(self, columns: list[str]) -> dict[str, list[int]]:
        """Give for each value of a filter the places of its builds; a name counts for all rows of its id."""
        cells = [[_known(cell) for cell in self._builds[column]] for column in columns]
        name_of: dict[Any, Any] = {}
        for names, ids in zip(*cells, strict=True) if len(cells) > 1 else ():
            if len(names) == len(ids):
                name_of.update(zip(ids, names, strict=True))
        members: dict[str, list[int]] = {}
        for at, found in enumerate(zip(*cells, strict=True)):
            values = found[0] or [name_of.get(value, value) for value in found[-1]]
            for value in dict.fromkeys(map(str, values)):
                members.setdefault(value, []).append(at)
        return members

    def _filter(self, _: Any) -> None:
        matches = np.ones(len(self._builds), dtype=bool)
        for name, members in self._members.items():
            if (wanted := getattr(self, name)) != EVERYTHING:
                matches &= np.isin(np.arange(len(matches)), members.get(wanted, []))
        builds = self._builds[matches]
        if self.first is not None:
            builds = builds[builds["build_start"] >= pd.Timestamp(self.first, tz="UTC")]
        if self.last is not None:
            builds = builds[builds["build_start"] < pd.Timestamp(self.last, tz="UTC") + pd.Timedelta(days=1)]
        empty = " Choose “all” in a filter, or a longer period." if builds.empty and len(self._builds) else ""
        # First the sentence: views draw it together with the matches, when these change.
        left_out = f" {self._left_out}" if self._left_out else ""
        self.status_text = f"{len(builds):,} of {len(self._builds):,} builds.{empty}{left_out}"
        self.matches = builds

    def table(self) -> tuple[pd.DataFrame, str]:
        """Return the first rows of the sorted matches, and a sentence about them."""
        rows = (
            self.matches.sort_values(
                self.sort_by, ascending=not self.descending, kind="stable", na_position="last"
            )
            if self.sort_by != "id"
            else self.matches.sort_index(ascending=not self.descending)
        )
        # A column of ids is left out if the column of its names is there.
        preferred = {columns[0] for columns in _FILTERS.values()}
        ids = {c[-1] for c in _FILTERS.values() if c[0] in self._builds.columns} - preferred
        columns = [c for c in _COLUMNS if c in rows.columns and c not in ids]
        if rows.empty:
            return rows[columns], "No build to list."
        more = f"The first {MAX_ROWS} of {len(rows):,} builds" if len(rows) > MAX_ROWS else "All builds"
        order = "descending" if self.descending else "ascending"
        return rows.head(MAX_ROWS)[columns], f"{more} of the selection, by {self.sort_by}, {order}."


_LISTS = ("pattern_names", "patterns", "release_names", "releases")


def _known(cell: Any) -> list[Any]:
    return [item for item in list_items(cell) if not pd.isna(item)]


def _sort_key(value: str) -> tuple[int, int, str]:
    """Sort numbers by value, then texts by the alphabet."""
    return (0, int(value), "") if value.isdecimal() else (1, 0, value)
