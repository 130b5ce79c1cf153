"""The tables and views that users create, and the views that the server offers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from mkframe.demo_server.dialect._expressions import call, literal
from mkframe.demo_server.dialect._scope import Query
from mkframe.demo_server.dialect._select import QueryBinder, Relation
from mkframe.demo_server.dialect._values import DATE, INTEGER, STRING, TIMESTAMP, Column, SqlError

__all__ = ["Catalog", "Table", "TableColumn", "View", "full_name", "storing"]

_TABLES = (
    Column("ID", INTEGER), Column("TABLE_FOLDER", STRING), Column("TABLE_NAME", STRING),
    Column("TABLE_TYPE", STRING), Column("CREATED", TIMESTAMP), Column("DESCRIPTION", STRING),
)  # fmt: skip
_COLUMNS = (
    Column("ID", INTEGER), Column("TABLE_FOLDER", STRING), Column("TABLE_NAME", STRING),
    Column("COLUMN_NAME", STRING), Column("ORDINAL_POSITION", INTEGER), Column("DATA_TYPE", STRING),
    Column("CREATED", TIMESTAMP), Column("DESCRIPTION", STRING),
)  # fmt: skip
_SCHEMA = "@INFORMATION_SCHEMA."


@dataclass(eq=False)
class TableColumn:
    """A column of a table; `default` is SQL for SQLite."""

    id: int
    name: str
    type: str
    default: str | None = None
    default_on_null: bool = False
    required: bool = False
    comment: str | None = None
    size: tuple[int, ...] = ()
    """Characters of a text, or digits and decimal places of a number, where they were given."""

    @property
    def sql_name(self) -> str:
        """The name of the column in SQLite."""
        return f"c{self.id}"


@dataclass(eq=False)
class Table:
    """A table that a user created."""

    id: int
    folder: str
    name: str
    columns: list[TableColumn]
    created: str
    comment: str | None = None
    storage: int = 0
    """The number of its table in SQLite, which changes where its columns do."""
    kind = "TABLE"

    @property
    def sql_name(self) -> str:
        """The name of the table in SQLite."""
        return f"main.t{self.storage}"

    def find(self, name: str) -> TableColumn | None:
        """Return the column of a name, whatever its case."""
        return next((c for c in self.columns if c.name.upper() == name.upper()), None)


@dataclass(eq=False)
class View:
    """A view that a user created: the tree of its query, and the columns that it had then."""

    id: int
    folder: str
    name: str
    columns: list[TableColumn]
    created: str
    query: Any
    renamed: bool = False
    """Whether the view names its columns itself."""
    comment: str | None = None
    kind = "VIEW"


@dataclass
class Catalog:
    """All objects of a project's meta database."""

    objects: dict[tuple[str, str], Table | View] = field(default_factory=dict)
    views: dict[str, Relation] = field(default_factory=dict)
    """What the server offers, by full names in upper case such as @INFORMATION_SCHEMA.COMMITS."""
    _last_id: int = 0

    def next_id(self) -> int:
        """Number an object or a column."""
        self._last_id += 1
        return self._last_id

    def find(self, folder: str, name: str) -> Table | View | None:
        """Return a table or view of a user, whatever the case of its name."""
        return self.objects.get((folder.upper(), name.upper()))

    def get(self, folder: str, name: str) -> Table | View:
        """Return a table or view of a user, or raise."""
        found = self.find(folder, name)
        if found is None:
            raise missing(folder, name)
        return found

    def put(self, item: Table | View) -> None:
        """Add an object, or replace the one of its name."""
        self.objects[item.folder.upper(), item.name.upper()] = item

    def remove(self, item: Table | View) -> None:
        """Take an object out."""
        del self.objects[item.folder.upper(), item.name.upper()]

    # --- reading ----------------------------------------------------------------------------------------

    def relation(self, folder: str, name: str, binder: QueryBinder) -> Relation:
        """Return what a name in FROM stands for."""
        if name.startswith("@") and not folder:
            return self._server_view(name)
        found = self.find(folder, name)
        if found is None:
            raise missing(folder, name)
        if isinstance(found, Table):
            columns = tuple(Column(c.name, c.type) for c in found.columns)
            return Relation(columns, found.sql_name, tuple(f"{{}}.{c.sql_name}" for c in found.columns))
        return self._view(found, binder)

    def _server_view(self, name: str) -> Relation:
        key = name.upper()
        if key == _SCHEMA + "TABLES":
            return _values(_TABLES, self._table_rows())
        if key == _SCHEMA + "COLUMNS":
            return _values(_COLUMNS, self._column_rows())
        found = self.views.get(key)
        if found is None:
            raise SqlError(f"Table or View '{name}' does not exist!", "CompileError")
        return found

    def _view(self, view: View, binder: QueryBinder) -> Relation:
        if view in binder.views:
            raise SqlError(f"The view '{full_name(view)}' reads from itself.", "CompileError")
        binder.views.append(view)
        try:
            query = binder.isolated(lambda: binder.query(view.query))
        finally:
            binder.views.pop()
        places = self._places(view, query)
        columns = tuple(
            Column(c.name, query.columns[n].type) for c, n in zip(view.columns, places, strict=True)
        )
        return Relation(columns, f"({query.sql})", tuple(f"{{}}.c{n + 1}" for n in places))

    @staticmethod
    def _places(view: View, query: Query) -> list[int]:
        """Find the columns of a view in what its query yields today."""
        if view.renamed:
            if len(query.columns) < len(view.columns):
                raise SqlError(f"The view '{full_name(view)}' is invalid: columns are gone.", "CompileError")
            return list(range(len(view.columns)))
        names = [c.name.upper() for c in query.columns]
        for column in view.columns:
            if column.name.upper() not in names:
                raise SqlError(
                    f"The view '{full_name(view)}' is invalid: column '{column.name}' is gone.",
                    "CompileError",
                )
        return [names.index(c.name.upper()) for c in view.columns]

    def _table_rows(self) -> Iterator[tuple[Any, ...]]:
        for item in self.objects.values():
            yield item.id, f"/{item.folder}", item.name, item.kind, item.created, item.comment

    def _column_rows(self) -> Iterator[tuple[Any, ...]]:
        for item in self.objects.values():
            for place, column in enumerate(item.columns, 1):
                yield (
                    column.id, f"/{item.folder}", item.name, column.name, place, column.type, item.created,
                    column.comment,
                )  # fmt: skip


def missing(folder: str, name: str) -> SqlError:
    """Say that there is no such table or view."""
    shown = f"{folder}.{name}" if folder else name
    return SqlError(f"Table or View '{shown}' does not exist!", "CompileError")


def full_name(item: Table | View) -> str:
    """Return folder and name as they were written."""
    return f"{item.folder}.{item.name}" if item.folder else item.name


def _values(columns: tuple[Column, ...], rows: Iterator[tuple[Any, ...]]) -> Relation:
    lines = [f"({', '.join(map(_constant, row))})" for row in rows]
    nulls = ", ".join(f"NULL AS column{n}" for n in range(1, len(columns) + 1))
    sql = f"(VALUES {', '.join(lines)})" if lines else f"(SELECT {nulls} WHERE 0)"
    return Relation(columns, sql, tuple(f"{{}}.column{n}" for n in range(1, len(columns) + 1)))


def _constant(value: Any) -> str:
    return "NULL" if value is None else str(value) if isinstance(value, int) else literal(value)


_LONGEST_STRING = 4000
_PLACES = 10


def _stored(column: TableColumn, sql: str, type: str) -> str:
    size = column.size
    match column.type:
        case "string" | "text":
            longest = size[0] if size else _LONGEST_STRING if column.type == STRING else None
            return call("store_string", _dated(sql, type), "NULL" if longest is None else str(longest))
        case "integer":
            return sql if type == INTEGER else call("store_integer", sql)
        case "decimal":
            digits, places = (*size, 0)[:2] if size else (38, _PLACES)
            return call("store_number", sql, str(digits), str(places))
    return call("time", sql)


def _dated(sql: str, type: str) -> str:
    return call("date_text", sql) if type == DATE else sql


def storing(column: TableColumn, sql: str, type: str, table: str) -> str:
    """Return the SQL that converts a value to a column's type and checks it."""
    made = _stored(column, sql, type)
    if column.default_on_null and column.default is not None:
        made = f"coalesce({made}, {column.default})"
    if column.required:
        made = call("required", made, literal(f"{table}.{column.name}"))
    return made
