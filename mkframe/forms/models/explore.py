"""Filter any frame of builds, without a connection."""

from __future__ import annotations

import numbers
from typing import Any

import pandas as pd
import traitlets as t

from mkframe.errors import InputError
from mkframe.forms.models.base import Model
from mkframe.metrics._grouping import list_items

__all__ = ["EVERYTHING", "MOST_ROWS", "ExploreModel"]

EVERYTHING = "all"
MOST_ROWS = 100
_FILTERS = {
    "project": ("project", "project_id"),
    "pattern": ("pattern_names", "patterns"),
    "release": ("release_names", "releases"),
    "status": ("status",),
    "user": ("user_id",),
}
"""For each filter the columns that can serve it, the best first."""
_SHOWN = ("project", "project_id", "status", "build_start", "build_end", "user_id", "instances",
          "pattern_names", "patterns", "release_names", "releases", "description", "message")  # fmt: skip


class ExploreModel(Model):
    """The mind of the form that explores builds.

    Parameters
    ----------
    builds : DataFrame
        As ``builds.find`` or `mk.read_json` return them; with the columns of ``client.names`` the filters
        show names instead of ids.

    Attributes
    ----------
    options : dict
        For each filter its words; ``all`` first.
    project, pattern, release, status, user : str
        What is chosen.
    first, last : date
        The period, in days of UTC, both included.
    sort_by, descending : str, bool
        Order of the table; the whole selection is sorted before its first rows are shown.
    shown : DataFrame
        The builds that match.
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
    shown = t.Any(None)
    said = t.Unicode("")

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
        self._serving = {
            name: next(c for c in columns if c in builds.columns)
            for name, columns in _FILTERS.items()
            if set(columns) & set(builds.columns)
        }
        self.options = {name: (EVERYTHING, *self._words(c)) for name, c in self._serving.items()}
        self.sortable = ("id", *(c for c in _SHOWN if c in builds.columns and c not in _LISTS))
        self.observe(self._filter, [*_FILTERS, "first", "last"])
        self._filter(None)

    def _words(self, column: str) -> list[str]:
        values = {str(value): value for cell in self._builds[column] for value in list_items(cell)}
        return sorted(values, key=lambda word: _rank(values[word]))

    def _filter(self, _: Any) -> None:
        builds = self._builds
        for name, column in self._serving.items():
            wanted = getattr(self, name)
            if wanted == EVERYTHING:
                continue
            builds = builds[[wanted in map(str, list_items(cell)) for cell in builds[column]]]
        found = self._in_period(builds)
        self.said = f"{len(found):,} of {len(self._builds):,} builds."
        self.shown = found

    def _in_period(self, builds: pd.DataFrame) -> pd.DataFrame:
        if self.first is not None:
            builds = builds[builds["build_start"] >= pd.Timestamp(self.first, tz="UTC")]
        if self.last is not None:
            builds = builds[builds["build_start"] < pd.Timestamp(self.last, tz="UTC") + pd.Timedelta(days=1)]
        return builds

    def table(self) -> tuple[pd.DataFrame, str]:
        """The first rows of the sorted selection, and a sentence about them."""
        rows = (
            self.shown.sort_values(
                self.sort_by, ascending=not self.descending, kind="stable", na_position="last"
            )
            if self.sort_by != "id"
            else self.shown.sort_index(ascending=not self.descending)
        )
        columns = [c for c in self._table_columns() if c in rows.columns]
        more = f"The first {MOST_ROWS} of {len(rows):,} builds" if len(rows) > MOST_ROWS else "All builds"
        order = "descending" if self.descending else "ascending"
        return rows.head(MOST_ROWS)[columns], f"{more} of the selection, by {self.sort_by}, {order}."

    def _table_columns(self) -> list[str]:
        worse = {columns[-1] for columns in _FILTERS.values() if columns[0] in self._builds.columns} - {
            columns[0] for columns in _FILTERS.values()
        }
        return [c for c in _SHOWN if c not in worse]


_LISTS = ("pattern_names", "patterns", "release_names", "releases")


def _rank(value: Any) -> tuple[int, Any, str]:
    """Numbers in their order, then words in theirs."""
    return (0, value, "") if isinstance(value, numbers.Real) else (1, 0, str(value))
