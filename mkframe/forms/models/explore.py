"""Model of the form that filters a frame of builds, without a connection."""

from __future__ import annotations

import numbers
from typing import Any

import pandas as pd
import traitlets as t

from mkframe.errors import InputError
from mkframe.forms.models.base import Model, mask
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
        self._builds = builds
        self._filter_columns = {
            name: next(c for c in columns if c in builds.columns)
            for name, columns in _FILTERS.items()
            if set(columns) & set(builds.columns)
        }
        self.options = {name: (EVERYTHING, *self._values(c)) for name, c in self._filter_columns.items()}
        self.sortable = ("id", *(c for c in _COLUMNS if c in builds.columns and c not in _LISTS))
        self.observe(self._filter, [*_FILTERS, "first", "last"])
        self._filter(None)

    def _values(self, column: str) -> list[str]:
        values = {str(value): value for cell in self._builds[column] for value in list_items(cell)}
        return sorted(values, key=lambda value: _sort_key(values[value]))

    def _filter(self, _: Any) -> None:
        builds = self._builds
        for name, column in self._filter_columns.items():
            wanted = getattr(self, name)
            if wanted == EVERYTHING:
                continue
            builds = builds[mask(wanted in map(str, list_items(cell)) for cell in builds[column])]
        if self.first is not None:
            builds = builds[builds["build_start"] >= pd.Timestamp(self.first, tz="UTC")]
        if self.last is not None:
            builds = builds[builds["build_start"] < pd.Timestamp(self.last, tz="UTC") + pd.Timedelta(days=1)]
        empty = " Choose “all” in a filter, or a longer period." if builds.empty and len(self._builds) else ""
        # First the sentence: views draw it together with the matches, when these change.
        self.status_text = f"{len(builds):,} of {len(self._builds):,} builds.{empty}"
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


def _sort_key(value: Any) -> tuple[int, Any, str]:
    """Sort numbers by value, then texts by the alphabet."""
    return (0, value, "") if isinstance(value, numbers.Real) else (1, 0, str(value))
