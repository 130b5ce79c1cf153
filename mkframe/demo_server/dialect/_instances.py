"""INSERT INTO @INSTANCES.<pattern>: rows of metadata, merged into instances role by role."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mkframe.demo_server.dialect._catalog import TableColumn, storing
from mkframe.demo_server.dialect._scope import Query
from mkframe.demo_server.dialect._select import Relation
from mkframe.demo_server.dialect._values import INTEGER, STRING, Column, SqlError

__all__ = ["InstanceTable", "Pattern", "Written"]

STRATEGIES = ("Overwrite", "Retain", "Merge", "Add New")
_TECHNICAL = ("@FOLDER", "@RELEASE", "@INSTANCE", "@POS_NO")
_KEYS = ("FUNCTIONAL_ROLE", "NAME")
_MOST = 200_000

Location = tuple[str, str, str | None]
"""Folder, instance, release."""
Values = tuple[Any, ...]


@dataclass(frozen=True)
class Pattern:
    """What an `@INSTANCES` view needs to know of its pattern.

    Parameters
    ----------
    name : str
        Name of the pattern.
    properties : mapping of str to str
        Instance properties in their order, with their types (``string``, ``integer``, ``decimal``, ...);
        FUNCTIONAL_ROLE and NAME are among them.
    roles : mapping of str to str
        Functional roles with their merge strategies: Overwrite, Retain, Merge or Add New.
    releases : sequence of str, optional
        Names of the releases of its group; None without release management.
    refuse : callable, optional
        Takes folder, instance and release; returns why they must not be written, or None.
    """

    name: str
    properties: Mapping[str, str]
    roles: Mapping[str, str]
    releases: Sequence[str] | None = None
    refuse: Callable[[str, str, str | None], str | None] = field(default=lambda _f, _i, _r: None)

    def __post_init__(self) -> None:
        if missing := [key for key in _KEYS if key not in self.properties]:
            raise ValueError(f"The pattern {self.name} lacks the properties {', '.join(missing)}.")
        if wrong := sorted(set(self.roles.values()) - set(STRATEGIES)):
            raise ValueError(f"There is no merge strategy {wrong[0]!r}; use {', '.join(STRATEGIES)}.")


@dataclass(frozen=True, slots=True)
class Written:
    """What an INSERT did."""

    inserted: int
    merged: int
    created: int
    patched: int

    def __str__(self) -> str:
        text = f"Inserted {self.inserted} records, merged {self.merged} records"
        if self.created or not self.patched:
            text += f", created {self.created} new instances"
        return text + (f", patched {self.patched} existing instances" if self.patched else "")


class InstanceTable:
    """The rows of all instances of a pattern, in a table of SQLite."""

    def __init__(self, database: sqlite3.Connection, number: int, pattern: Pattern) -> None:
        self._database, self.pattern = database, pattern
        self._table = f"main.p{number}"
        self._properties = [
            TableColumn(0, name, column_type) for name, column_type in pattern.properties.items()
        ]
        fields = ["folder", "instance", "release", "pos_no", "deleted", *self._fields]
        database.execute(f"CREATE TABLE {self._table} ({', '.join(fields)})")

    @property
    def _fields(self) -> list[str]:
        return [f"c{n}" for n in range(1, len(self._properties) + 1)]

    @property
    def relation(self) -> Relation:
        """What the view shows: the technical columns, then the properties."""
        technical = (
            Column("@PATTERN", STRING), Column("@FOLDER", STRING), Column("@INSTANCE", STRING),
            Column("@RELEASE", STRING), Column("@POS_NO", INTEGER), Column("@DELETED", INTEGER),
        )  # fmt: skip
        name = "'" + self.pattern.name.replace("'", "''") + "'"
        columns = technical + tuple(Column(c.name, c.type) for c in self._properties)
        fields = ("folder", "instance", "release", "pos_no", "deleted", *self._fields)
        sql = (name.replace("{", "{{").replace("}", "}}"), *(f"{{}}.{field}" for field in fields))
        return Relation(columns, self._table, sql)

    def replace_rows(self, rows: Iterable[tuple[str, str, str | None, bool, Sequence[Any]]]) -> None:
        """Put in all rows anew: folder, instance, release, whether it is deleted, and the properties.

        The rows of an instance are numbered in the order in which they come.
        """
        places: dict[Location, int] = {}
        made = []
        for folder, instance, release, deleted, values in rows:
            place = (folder, instance, release)
            places[place] = places.get(place, 0) + 1
            cleaned = [None if v == "" else v for v in values]
            made.append((folder, instance, release, places[place], int(deleted), *cleaned))
        self._database.execute(f"DELETE FROM {self._table}")
        self._insert(made)

    def _insert(self, rows: list[tuple[Any, ...]]) -> None:
        marks = ", ".join("?" * (5 + len(self._properties)))
        self._database.executemany(f"INSERT INTO {self._table} VALUES ({marks})", rows)

    # --- writing ----------------------------------------------------------------------------------------

    def insert(self, columns: list[str], query: Query, overwrite: set[str] | None, partial: bool) -> Written:
        """Merge the rows of a query into the instances; `overwrite` is None, all roles (empty) or some."""
        self._check_columns(columns, query)
        for role in sorted(overwrite or ()):
            self._check_role(role)
        groups: dict[Location, list[tuple[Any, int, Values]]] = {}
        for number, row in enumerate(self._read(columns, query)):
            folder, release, instance, position, *values = row
            place = self._place(folder, instance, release)
            groups.setdefault(place, []).append((position, number, tuple(values)))
        inserted = merged = created = patched = 0
        for place, given in groups.items():
            new = [values for _, _, values in sorted(given, key=lambda g: (g[0] is None, g[0] or 0, g[1]))]
            old, deleted = self._present(place)
            rows, one, two = self._merged(old or [], new, overwrite, partial)
            inserted, merged = inserted + one, merged + two
            created, patched = created + (old is None), patched + (old is not None)
            where = "folder IS ? AND instance IS ? AND release IS ?"
            self._database.execute(f"DELETE FROM {self._table} WHERE {where}", place)
            self._insert([(*place, n, deleted, *values) for n, values in enumerate(rows, 1)])
        return Written(inserted, merged, created, patched)

    def _check_columns(self, columns: list[str], query: Query) -> None:
        upper = [c.upper() for c in columns]
        needed = [*_TECHNICAL, *_KEYS]
        if lacking := [n for n in needed if n not in upper]:
            raise SqlError(f"INSERT INTO @INSTANCES needs the columns {', '.join(lacking)}.", "CompileError")
        known = {*_TECHNICAL, *(p.name.upper() for p in self._properties)}
        for column in upper:
            if column not in known:
                raise SqlError(f"Column '{column}' does not exist!", "CompileError")
            if upper.count(column) > 1:
                raise SqlError(f"Column '{column}' is named twice.", "CompileError")
        if len(columns) != len(query.columns):
            raise SqlError(
                f"INSERT names {len(columns)} columns, the query has {len(query.columns)}.", "CompileError"
            )

    def _read(self, columns: list[str], query: Query) -> list[Values]:
        """Run the query: folder, release, instance, position, and all properties converted."""
        upper = [c.upper() for c in columns]
        technical = [TableColumn(0, n, INTEGER if n == "@POS_NO" else STRING) for n in _TECHNICAL]
        parts = []
        for column in [*technical, *self._properties]:
            if column.name.upper() in upper:
                place = upper.index(column.name.upper())
                found_type = query.columns[place].type
                parts.append(
                    storing(column, f"q.c{place + 1}", found_type, f"@INSTANCES.{self.pattern.name}")
                )
            else:
                parts.append("NULL")
        sql = f"SELECT {', '.join(parts)} FROM ({query.sql}) AS q"
        rows = self._database.execute(sql).fetchmany(_MOST + 1)
        if len(rows) > _MOST:
            raise SqlError(f"This server inserts at most {_MOST} rows at once.")
        return rows

    def _place(self, folder: Any, instance: Any, release: Any) -> Location:
        if folder is None or instance is None:
            raise SqlError("@FOLDER and @INSTANCE must not be empty.")
        pattern = self.pattern
        if pattern.releases is None:
            if release is not None:
                raise SqlError(f"The pattern {pattern.name} has no releases; @RELEASE must be NULL.")
        elif release not in pattern.releases:
            shown = "NULL" if release is None else repr(release)
            raise SqlError(f"The pattern {pattern.name} has no release {shown}.")
        if reason := pattern.refuse(folder, instance, release):
            raise SqlError(reason)
        return folder, instance, release

    def _present(self, place: Location) -> tuple[list[Values] | None, int]:
        rows = self._database.execute(
            f"SELECT deleted, {', '.join(self._fields)} FROM {self._table} "
            "WHERE folder IS ? AND instance IS ? AND release IS ? ORDER BY pos_no",
            place,
        ).fetchall()
        return ([tuple(r[1:]) for r in rows], rows[0][0]) if rows else (None, 0)

    def _check_role(self, role: Any) -> str:
        if role not in self.pattern.roles:
            raise SqlError(f"The pattern {self.pattern.name} has no functional role {role!r}.")
        return self.pattern.roles[role]

    def _merged(
        self, old: list[Values], new: list[Values], overwrite: set[str] | None, partial: bool
    ) -> tuple[list[Values], int, int]:
        """Return the rows of an instance after an INSERT, and how many were inserted and merged."""
        names = [p.name.upper() for p in self._properties]
        role_at, name_at = names.index("FUNCTIONAL_ROLE"), names.index("NAME")
        for values in new:
            if values[role_at] is None or values[name_at] is None:
                raise SqlError("FUNCTIONAL_ROLE and NAME must not be empty.")
            self._check_role(values[role_at])
        roles = dict.fromkeys(v[role_at] for v in [*old, *new])
        rows: list[Values] = []
        inserted = merged = 0
        for role in roles:
            before = [v for v in old if v[role_at] == role]
            after = [v for v in new if v[role_at] == role]
            forced = overwrite is not None and (not overwrite or role in overwrite)
            strategy = "Overwrite" if forced else self.pattern.roles.get(role, "Overwrite")
            if not after:
                rows += [] if strategy == "Overwrite" and not partial else before
            elif strategy == "Overwrite" or (strategy == "Retain" and not before):
                rows, inserted = rows + after, inserted + len(after)
            elif strategy == "Retain":
                rows += before
            else:
                kept, one, two = _by_key(before, after, name_at, replacing=strategy == "Merge")
                rows, inserted, merged = rows + kept, inserted + one, merged + two
        return rows, inserted, merged


def _by_key(
    before: list[Values], after: list[Values], name_at: int, *, replacing: bool
) -> tuple[list[Values], int, int]:
    kept = list(before)
    places = {values[name_at]: place for place, values in enumerate(kept)}
    inserted = merged = 0
    for values in after:
        place = places.get(values[name_at])
        if place is None:
            places[values[name_at]] = len(kept)
            kept.append(values)
            inserted += 1
        elif replacing:
            kept[place] = values
            merged += 1
    return kept, inserted, merged
