"""Statements that write: tables and views, INSERT, UPDATE, DELETE, MERGE, comments."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from sqlglot import exp

from mkframe.demo_server.dialect._catalog import (
    Catalog,
    Table,
    TableColumn,
    View,
    full_name,
    missing,
    storing,
)
from mkframe.demo_server.dialect._expressions import Facts, check_arguments
from mkframe.demo_server.dialect._instances import InstanceTable
from mkframe.demo_server.dialect._parse import Tokens, parse_expression, parse_query, parse_source
from mkframe.demo_server.dialect._scope import Bound, Query, Scope, Source
from mkframe.demo_server.dialect._select import QueryBinder
from mkframe.demo_server.dialect._values import (
    ANY,
    DATE,
    INTEGER,
    NULL,
    NUMBER,
    STRING,
    TEXT,
    TIMESTAMP,
    Column,
    SqlError,
    unsupported,
)

__all__ = ["Writer"]

_TYPES = {
    "STRING": STRING, "TEXT": TEXT, "INTEGER": INTEGER, "DECIMAL": NUMBER, "TIMESTAMP": TIMESTAMP,
    "DATE": DATE,
    "INT": INTEGER, "VARCHAR": STRING, "NUMBER": NUMBER, "NUMERIC": NUMBER,
}  # fmt: skip
"""The documented types; the words of the last line occur in examples of the documentation only."""
_STORED = {NULL: STRING, ANY: STRING}
_MOST_ROWS = 200_000
_AFTER_DEFAULT = (",", "NOT", "NULL", "ADD", "DROP", "MODIFY")
_LONGEST_NAME = 200
_BLOCKS = {"BEGIN", "DECLARE", "CALL", "EXECUTE", "LET", "RETURN", "IF", "FOR", "WHILE", "LOOP", "REPEAT"}


@dataclass(frozen=True, slots=True)
class _Target:
    """A table to write to, perhaps through a view: what the statement sees of it, as `t`."""

    table: Table
    source: Source
    columns: tuple[TableColumn, ...]
    conditions: tuple[str, ...] = ()

    def column(self, name: str) -> TableColumn:
        places = self.source.find(name)
        if not places:
            raise SqlError(f"Column '{name}' does not exist!", "CompileError")
        return self.columns[places[0]]


class Writer:
    """Runs one statement that writes; returns the message of the server, if one is documented."""

    def __init__(
        self, database: sqlite3.Connection, catalog: Catalog, instances: dict[str, InstanceTable],
        facts: Facts, now: Callable[[], str],
    ) -> None:  # fmt: skip
        self._database, self._catalog, self._instances = database, catalog, instances
        self._facts, self._now = facts, now

    def run(self, tokens: Tokens) -> str | None:
        """Run a statement, or raise and change nothing."""
        word = tokens.word()
        run = {
            "CREATE": self._create, "ALTER": self._alter, "DROP": self._drop, "TRUNCATE": self._truncate,
            "COMMENT": self._comment, "INSERT": self._insert, "UPDATE": self._update, "DELETE": self._delete,
            "MERGE": self._merge,
        }.get(word)  # fmt: skip
        if run is None:
            if word in _BLOCKS:
                raise unsupported(f"{word}: scripting (blocks, procedures, CALL)")
            raise tokens.error("a statement of the dialect is expected")
        tokens.take(word)
        return run(tokens)

    def _binder(self) -> QueryBinder:
        return QueryBinder(self._catalog, self._facts)

    def _execute(self, sql: str, values: tuple[Any, ...] = ()) -> sqlite3.Cursor:
        return self._database.execute(sql, values)

    # --- CREATE -----------------------------------------------------------------------------------------

    def _create(self, tokens: Tokens) -> str | None:
        replacing = tokens.take("OR", "REPLACE")
        if tokens.word() == "PROCEDURE":
            raise unsupported("CREATE PROCEDURE")
        if tokens.take("VIEW"):
            return self._create_view(tokens, replacing)
        tokens.take("TRANSIENT")  # as in an example of the documentation; it changes nothing that can be seen
        if not tokens.take("TABLE"):
            raise unsupported(f"CREATE {tokens.word()}")
        return self._create_table(tokens, replacing)

    def _create_table(self, tokens: Tokens, replacing: bool) -> str | None:
        skipping = tokens.take("IF", "NOT", "EXISTS")
        folder, name = self._new_path(tokens)
        present = self._catalog.find(folder, name)
        if present is not None and skipping:
            return None
        shown = f"{folder}.{name}" if folder else name
        if present is not None and not (replacing and isinstance(present, Table)):
            raise SqlError(
                f"Failed to create table '{shown}': There already exists a table at this path ({shown})!",
                "RuntimeError",
            )
        columns: list[TableColumn] = []
        names: list[str] | None = None
        if tokens.word() == "(":
            names, columns = self._definitions(tokens.inside())
        query = self._as_query(tokens, names)
        if query is not None:
            made = names or [c.name for c in query.columns]
            columns = [
                self._new_column(n, _STORED.get(c.type, c.type))
                for n, c in zip(made, query.columns, strict=True)
            ]
        elif not columns:
            raise tokens.error("column definitions or AS query are expected")
        _check_unique([c.name for c in columns])
        number = self._catalog.next_id()
        table = Table(number, folder, name, columns, self._now(), storage=number)
        self._execute(f"CREATE TABLE {table.sql_name} ({', '.join(c.sql_name for c in columns)})")
        if query is not None:
            self._fill(table, columns, query)
        if isinstance(present, Table):
            self._execute(f"DROP TABLE {present.sql_name}")
        self._catalog.put(table)
        return f"Table '{shown}' was created"

    def _new_path(self, tokens: Tokens) -> tuple[str, str]:
        folder, name = tokens.path("a table or view")
        if name.startswith("@"):
            raise SqlError(f"{name} cannot be created.", "CompileError")
        if max(len(folder), len(name)) > _LONGEST_NAME:
            raise SqlError(f"A name has at most {_LONGEST_NAME} characters.", "CompileError")
        return folder, name

    def _new_column(self, name: str, type: str) -> TableColumn:
        if len(name) > _LONGEST_NAME:
            raise SqlError(f"A name has at most {_LONGEST_NAME} characters.", "CompileError")
        return TableColumn(self._catalog.next_id(), name, type)

    def _definitions(self, inside: Tokens) -> tuple[list[str] | None, list[TableColumn]]:
        """Read column definitions, or the plain names that stand before AS query."""
        if inside.word(1) in (",", ""):
            names = [inside.name("a column")]
            while inside.take(","):
                names.append(inside.name("a column"))
            inside.end()
            return names, []
        columns = [self._definition(inside)]
        while inside.take(","):
            columns.append(self._definition(inside))
        inside.end()
        return None, columns

    def _definition(self, tokens: Tokens, known: TableColumn | None = None) -> TableColumn:
        """Read name, type, DEFAULT and NULL; those left out stay as they are in `known`."""
        name = tokens.name("a column")
        made = self._new_column(name, "")
        if known is not None:
            made = TableColumn(
                known.id, known.name, known.type, known.default, known.default_on_null, known.required,
                known.comment, known.size,
            )  # fmt: skip
        if tokens.word() not in (",", "DEFAULT", "NOT", "NULL", "") or known is None:
            made.type, made.size = self._type(tokens)
        while len(tokens) and tokens.word() != ",":
            if tokens.take("DEFAULT"):
                self._read_default(made, name, tokens)
            elif tokens.take("NOT", "NULL"):
                made.required = True
            elif tokens.take("NULL"):
                made.required = False
            else:
                break
        return made

    def _read_default(self, column: TableColumn, name: str, tokens: Tokens) -> None:
        column.default_on_null = tokens.take("ON", "NULL")
        part = tokens.first() if tokens.word() == "NULL" else tokens.until(*_AFTER_DEFAULT)
        default = self._constant(part)
        plain = TableColumn(0, name, column.type, size=column.size)
        column.default = storing(plain, default.sql, default.type, name)
        column.required = column.required or column.default_on_null

    def _type(self, tokens: Tokens) -> tuple[str, tuple[int, ...]]:
        word = tokens.word()
        if word not in _TYPES:
            raise SqlError(
                f"The type {word or 'of a column'} is unknown; the types are STRING, TEXT, INTEGER, DECIMAL "
                "and TIMESTAMP.",
                "CompileError",
            )
        tokens.take(word)
        size: list[int] = []
        if tokens.word() == "(":
            inside = tokens.inside()
            size.append(inside.whole_number())
            if inside.take(","):
                size.append(inside.whole_number())
            inside.end()
            most = {STRING: (4000,), NUMBER: (38, 38)}.get(_TYPES[word], ())
            if len(size) > len(most) or size[0] < 1 or any(n > m for n, m in zip(size, most, strict=False)):
                raise unsupported(f"{word}({', '.join(map(str, size))})")
        return _TYPES[word], tuple(size)

    def _constant(self, tokens: Tokens) -> Bound:
        node = parse_expression(tokens)
        if node.find(exp.Select) is not None:
            raise unsupported("A query in DEFAULT")
        bound = self._binder().value(node, Scope())
        if bound.aggregate or bound.window:
            raise unsupported("An aggregate or a window in DEFAULT")
        return bound

    def _as_query(self, tokens: Tokens, names: list[str] | None) -> Query | None:
        if not tokens.take("AS"):
            tokens.end()
            if names is not None:
                raise SqlError("A column needs a type.", "CompileError")
            return None
        query = self._binder().query(parse_query(tokens))
        if names is not None and len(names) != len(query.columns):
            raise SqlError(f"{len(names)} names for {len(query.columns)} columns.", "CompileError")
        return query

    def _create_view(self, tokens: Tokens, replacing: bool) -> str | None:
        skipping = tokens.take("IF", "NOT", "EXISTS")
        folder, name = self._new_path(tokens)
        present = self._catalog.find(folder, name)
        if present is not None and skipping:
            return None
        shown = f"{folder}.{name}" if folder else name
        if present is not None and (not replacing or isinstance(present, Table)):
            raise SqlError(
                f"Failed to create view '{shown}': There already exists a {present.kind.lower()} at this "
                f"path ({shown})!",
                "RuntimeError",
            )
        names = tokens.names("a column") if tokens.word() == "(" else None
        tokens.expect("AS")
        node = parse_query(tokens)
        binder = self._binder()
        if present is not None:
            binder.views.append(present)
        query = binder.query(node)
        if names is not None and len(names) != len(query.columns):
            raise SqlError(f"{len(names)} names for {len(query.columns)} columns.", "CompileError")
        columns = [
            self._new_column(n, _STORED.get(c.type, c.type))
            for n, c in zip(names or [c.name for c in query.columns], query.columns, strict=True)
        ]
        _check_unique([c.name for c in columns])
        made = View(self._catalog.next_id(), folder, name, columns, self._now(), node, names is not None)
        self._catalog.put(made)
        return None

    # --- ALTER, DROP, TRUNCATE, COMMENT -----------------------------------------------------------------

    def _table(self, tokens: Tokens) -> Table:
        folder, name = tokens.path("a table")
        found = self._catalog.get(folder, name)
        if isinstance(found, View):
            raise SqlError(f"'{full_name(found)}' is a view, not a table.", "CompileError")
        return found

    def _alter(self, tokens: Tokens) -> str | None:
        if not tokens.take("TABLE"):
            raise unsupported(f"ALTER {tokens.word()}")
        table = self._table(tokens)
        shown = full_name(table)
        if tokens.take("RENAME", "TO"):
            self._rename(table, tokens)
        elif tokens.take("RENAME", "COLUMN"):
            self._rename_column(table, tokens)
        else:
            changed = replace(
                table, columns=list(table.columns)
            )  # what fails half-way leaves the table as it is
            self._change_columns(changed, tokens)
            while len(tokens):
                self._change_columns(changed, tokens)
            table.columns, table.storage = changed.columns, changed.storage
        return f"Table '{shown}' was altered"

    def _rename(self, table: Table, tokens: Tokens) -> None:
        folder, name = self._new_path(tokens)
        tokens.end()
        present = self._catalog.find(folder, name)
        if present is not None and present is not table:
            shown = f"{folder}.{name}" if folder else name
            raise SqlError(f"There already exists a table at this path ({shown})!", "RuntimeError")
        self._catalog.remove(table)
        table.folder, table.name = folder, name
        self._catalog.put(table)

    def _rename_column(self, table: Table, tokens: Tokens) -> None:
        column = self._column(table, tokens.name("a column"))
        tokens.expect("TO")
        name = tokens.name("a column")
        tokens.end()
        other = table.find(name)
        if other is not None and other is not column:
            raise SqlError(f"The table has a column '{name}' already.", "CompileError")
        column.name = name

    @staticmethod
    def _column(table: Table, name: str) -> TableColumn:
        found = table.find(name)
        if found is None:
            raise SqlError(f"Column '{name}' does not exist!", "CompileError")
        return found

    def _change_columns(self, table: Table, tokens: Tokens) -> None:
        if tokens.take("ADD"):
            for part in _listed(tokens):
                self._add_column(table, self._definition(part))
                part.end()
        elif tokens.take("MODIFY"):
            for part in _listed(tokens):
                self._modify(table, part)
                part.end()
        elif tokens.take("DROP", "COLUMN"):
            self._drop_columns(table, [tokens.name("a column")])
        elif tokens.take("DROP"):
            self._drop_columns(table, tokens.names("a column"))
        else:
            raise tokens.error("RENAME, ADD, DROP or MODIFY is expected")

    def _has_rows(self, table: Table, where: str = "1") -> bool:
        sql = f"SELECT 1 FROM {table.sql_name} WHERE {where} LIMIT 1"
        return self._execute(sql).fetchone() is not None

    def _add_column(self, table: Table, column: TableColumn) -> None:
        if table.find(column.name) is not None:
            raise SqlError(f"The table has a column '{column.name}' already.", "CompileError")
        if column.required and column.default is None and self._has_rows(table):
            raise SqlError("A NOT NULL column of a table with rows needs a DEFAULT.")
        values = [c.sql_name for c in table.columns] + [column.default or "NULL"]
        self._rebuild(table, [*table.columns, column], values)

    def _modify(self, table: Table, tokens: Tokens) -> None:
        name = Tokens(tokens.copy().rest(), tokens.sql).name("a column")
        column = self._column(table, name)
        made = self._definition(tokens, column)
        filled = self._has_rows(table, f"{column.sql_name} IS NOT NULL")
        if made.type != column.type and filled:
            raise SqlError(f"column to be modified must be empty to change its type: {column.name}")
        if made.required and self._has_rows(table, f"{column.sql_name} IS NULL"):
            raise SqlError(f"cannot enable NOT NULL: column {column.name} holds NULL")
        table.columns[table.columns.index(column)] = made

    def _drop_columns(self, table: Table, names: list[str]) -> None:
        _check_unique(names)
        dropped = [self._column(table, n) for n in names]
        if len(dropped) >= len(table.columns):
            raise SqlError("cannot drop all columns in a table")
        left = [c for c in table.columns if c not in dropped]
        self._rebuild(table, left, [c.sql_name for c in left])

    def _rebuild(self, table: Table, columns: list[TableColumn], values: list[str]) -> None:
        """Copy a table to one of other columns, for the authorizer does not let SQLite alter tables."""
        old, table.storage = table.sql_name, self._catalog.next_id()
        self._execute(f"CREATE TABLE {table.sql_name} ({', '.join(c.sql_name for c in columns)})")
        self._execute(f"INSERT INTO {table.sql_name} SELECT {', '.join(values)} FROM {old}")
        self._execute(f"DROP TABLE {old}")
        table.columns = columns

    def _drop(self, tokens: Tokens) -> str | None:
        kind = tokens.word()
        if kind not in ("TABLE", "VIEW"):
            raise unsupported(f"DROP {kind}")
        tokens.take(kind)
        optional = tokens.take("IF", "EXISTS")
        folder, name = tokens.path("a table or view")
        tokens.end()
        found = self._catalog.find(folder, name)
        if found is None or found.kind != kind:
            if optional and found is None:
                return None
            raise missing(folder, name)
        if isinstance(found, Table):
            self._execute(f"DROP TABLE {found.sql_name}")
        self._catalog.remove(found)
        return f"Table '{full_name(found)}' was dropped" if kind == "TABLE" else None

    def _truncate(self, tokens: Tokens) -> str | None:
        tokens.expect("TABLE")
        optional = tokens.take("IF", "EXISTS")
        copy = tokens.copy()
        folder, name = copy.path("a table")
        if optional and self._catalog.find(folder, name) is None:
            return None
        table = self._table(tokens)
        tokens.end()
        self._execute(f"DELETE FROM {table.sql_name}")
        return None

    def _comment(self, tokens: Tokens) -> str | None:
        tokens.expect("ON")
        if tokens.take("COLUMN"):
            parts = [tokens.raw_name("a column")]
            while tokens.take("."):
                parts.append(tokens.raw_name("a column"))
            text = self._comment_text(tokens)
            if not 2 <= len(parts) <= 3:
                raise SqlError("A column is written folder.table.column.", "SyntaxError")
            item = self._catalog.get(parts[-3] if len(parts) == 3 else "", parts[-2])
            column = next((c for c in item.columns if c.name.upper() == parts[-1].upper()), None)
            if column is None:
                raise SqlError(f"Column '{parts[-1]}' does not exist!", "CompileError")
            column.comment = text
            return f"Comment on column '{'.'.join(parts)}' was created"
        if not tokens.take("TABLE"):
            raise unsupported(f"COMMENT ON {tokens.word()}")
        folder, name = tokens.path("a table or view")
        text = self._comment_text(tokens)
        item = self._catalog.get(folder, name)
        item.comment = text
        return f"Comment on table '{f'{folder}.{name}' if folder else name}' was created"

    @staticmethod
    def _comment_text(tokens: Tokens) -> str | None:
        tokens.expect("IS")
        text = tokens.text()
        tokens.end()
        return text or None

    # --- INSERT -----------------------------------------------------------------------------------------

    def _insert(self, tokens: Tokens) -> str | None:
        tokens.expect("INTO")
        if tokens.is_view():
            return self._insert_instances(tokens)
        binder = self._binder()
        folder, name = tokens.path("a table")
        target = self._target(folder, name, name, binder)
        names: list[str] | None = None
        if tokens.word() == "(" and tokens.word(1) not in ("SELECT", "WITH", "("):
            names = tokens.names("a column")
            _check_unique(names)
        columns = [target.column(n) for n in names] if names else list(target.columns)
        if tokens.take("VALUES"):
            self._insert_values(target.table, columns, tokens)
            return None
        query = binder.query(parse_query(tokens))
        self._fill(target.table, columns, query)
        return None

    def _fill(self, table: Table, columns: list[TableColumn], query: Query) -> None:
        if len(columns) != len(query.columns):
            raise SqlError(
                f"{len(columns)} columns are to be filled, the query has {len(query.columns)}.",
                "CompileError",
            )
        given = {
            column.id: (f"q.c{n}", c.type)
            for n, (column, c) in enumerate(zip(columns, query.columns, strict=True), 1)
        }
        names, values = self._complete(table, given)
        self._execute(f"INSERT INTO {table.sql_name} ({names}) SELECT {values} FROM ({query.sql}) AS q")

    @staticmethod
    def _complete(table: Table, given: dict[int, tuple[str, str]]) -> tuple[str, str]:
        """Return all columns of a table, and their values: given, default or NULL."""
        values = []
        for column in table.columns:
            if column.id in given:
                values.append(storing(column, *given[column.id], full_name(table)))
            elif column.default is not None:
                values.append(column.default)
            else:
                values.append(storing(column, "NULL", NULL, full_name(table)))
        return ", ".join(c.sql_name for c in table.columns), ", ".join(values)

    def _insert_values(self, table: Table, columns: list[TableColumn], tokens: Tokens) -> None:
        rows, binder = [], self._binder()
        while True:
            rows.append(self._row_of_values(columns, tokens.inside(), Scope(), binder))
            if not tokens.take(","):
                break
        tokens.end()
        lines = []
        for given in rows:
            names, values = self._complete(table, given)
            lines.append(f"({values})")
        self._execute(f"INSERT INTO {table.sql_name} ({names}) VALUES {', '.join(lines)}")

    @staticmethod
    def _row_of_values(
        columns: list[TableColumn], inside: Tokens, scope: Scope, binder: QueryBinder
    ) -> dict[int, tuple[str, str]]:
        given: dict[int, tuple[str, str]] = {}
        count = 0
        while len(inside):
            part = inside.until(",")
            if count < len(columns) and not (part.word() == "DEFAULT" and len(part) == 1):
                bound = binder.value(parse_expression(part), scope)
                if bound.aggregate or bound.window:
                    raise unsupported("An aggregate or a window in VALUES")
                given[columns[count].id] = (bound.sql, bound.type)
            count += 1
            if not inside.take(","):
                break
        inside.end()
        if count != len(columns):
            raise SqlError(f"{len(columns)} columns are to be filled, VALUES has {count}.", "CompileError")
        return given

    def _insert_instances(self, tokens: Tokens) -> str | None:
        _, name = tokens.path("a view")
        schema, _, pattern = name.partition(".")
        table = self._instances.get(pattern.upper()) if schema.upper() == "@INSTANCES" else None
        if table is None:
            if schema.upper() == "@INSTANCES":
                raise missing("", name)
            raise SqlError(f"{name} can be read only.", "CompileError")
        inside = tokens.inside()
        columns = [inside.column()]
        while inside.take(","):
            columns.append(inside.column())
        inside.end()
        overwrite: set[str] | None = None
        if tokens.take("OVERWRITE"):
            overwrite = set()
            if tokens.word() == "(" and tokens.word(1) not in ("SELECT", "WITH", "("):
                overwrite = set(_texts(tokens.inside()))
        partial = tokens.take("PARTIAL")
        if tokens.word() == "VALUES":
            raise unsupported("INSERT INTO @INSTANCES with VALUES; it takes a query")
        query = self._binder().query(parse_query(tokens))
        return str(table.insert(columns, query, overwrite, partial))

    # --- UPDATE, DELETE, MERGE --------------------------------------------------------------------------

    def _target(self, folder: str, name: str, alias: str, binder: QueryBinder) -> _Target:
        """Return the table behind a name; a view must be simple."""
        if name.startswith("@") and not folder:
            raise SqlError(f"{name} can be read only; rows come by INSERT INTO @INSTANCES.", "CompileError")
        found = self._catalog.get(folder, name)
        if isinstance(found, Table):
            columns = tuple(found.columns)
            source = Source(
                alias, folder if alias == name else "", tuple(Column(c.name, c.type) for c in columns),
                tuple(f"t.{c.sql_name}" for c in columns),
            )  # fmt: skip
            return _Target(found, source, columns)
        if found in binder.views:
            raise SqlError(f"The view '{full_name(found)}' reads from itself.", "CompileError")
        binder.views.append(found)
        inner = self._target_of_query(found.query, alias, binder)
        binder.views.pop()
        wanted = [c.name for c in found.columns]
        if not found.renamed:
            places = [inner.source.find(n)[0] if inner.source.find(n) else -1 for n in wanted]
            if -1 in places:
                raise SqlError(f"The view '{full_name(found)}' is invalid: columns are gone.", "CompileError")
        else:
            places = list(range(len(wanted)))
        source = Source(
            alias, "", tuple(Column(n, inner.columns[p].type) for n, p in zip(wanted, places, strict=True)),
            tuple(inner.source.sql[p] for p in places),
        )  # fmt: skip
        return _Target(inner.table, source, tuple(inner.columns[p] for p in places), inner.conditions)

    def _target_of_query(self, node: exp.Expr, alias: str, binder: QueryBinder) -> _Target:
        while isinstance(node, (exp.Subquery, exp.Paren)):
            check_arguments(node, "this", name="A query to write through")
            node = node.this
        if not isinstance(node, exp.Select):
            raise unsupported("Writing through a query with set operators")
        check_arguments(node, "expressions", "from_", "where", "kind", name="Writing through a query")
        clause = node.args.get("from_")
        if clause is None:
            raise unsupported("Writing through a query without FROM")
        inner_node = clause.this
        name = inner_node.alias_or_name
        if isinstance(inner_node, exp.Subquery):
            copy = inner_node.copy()
            copy.set("alias", None)
            inner = self._target_of_query(copy, name, binder)
        elif isinstance(inner_node, exp.Table):
            inner = self._target(inner_node.text("db"), inner_node.name, name, binder)
        else:
            raise unsupported("Writing through such a query")
        scope = Scope(sources=[inner.source])
        places = [place for item in node.expressions for place in self._places(item, inner, scope, binder)]
        conditions = inner.conditions
        if node.args.get("where") is not None:
            conditions += (binder.condition(node.args["where"].this, scope, "where").sql,)
        source = Source(
            alias, "", tuple(Column(n, inner.columns[p].type) for n, p in places),
            tuple(inner.source.sql[p] for _, p in places),
        )  # fmt: skip
        return _Target(inner.table, source, tuple(inner.columns[p] for _, p in places), conditions)

    @staticmethod
    def _places(item: exp.Expr, inner: _Target, scope: Scope, binder: QueryBinder) -> list[tuple[str, int]]:
        """Return the names of an item of a select list, and the columns of the target that they stand for."""
        shown = item.this if isinstance(item, exp.Alias) else item
        if isinstance(shown, exp.Star) or (
            isinstance(shown, exp.Column) and isinstance(shown.this, exp.Star)
        ):
            return [(c.name, n) for n, c in enumerate(inner.source.columns)]
        bound = binder.value(shown, scope) if isinstance(shown, exp.Column) else None
        if bound is None or bound.sql not in inner.source.sql:
            raise unsupported("Writing through a query with expressions")
        place = inner.source.sql.index(bound.sql)
        if isinstance(item, exp.Alias):
            return [(binder.identifier(item.args["alias"]), place)]
        return [(inner.source.columns[place].name, place)]

    def _read_target(self, tokens: Tokens, binder: QueryBinder, *stops: str) -> _Target:
        """Read a table, a view or a query in parentheses, and its alias."""
        if tokens.word() == "(":
            node = parse_query(tokens.inside())
            alias = self._alias(tokens, "", *stops)
            return self._target_of_query(node, alias, binder)
        folder, name = tokens.path("a table")
        alias = self._alias(tokens, name, *stops)
        return self._target(folder, name, alias, binder)

    @staticmethod
    def _alias(tokens: Tokens, default: str, *stops: str) -> str:
        if tokens.take("AS"):
            return tokens.name("an alias")
        if not len(tokens) or tokens.word() in stops:
            return default
        return tokens.name("an alias")

    def _update(self, tokens: Tokens) -> str | None:
        binder = self._binder()
        target = self._read_target(tokens, binder, "SET")
        scope = Scope(sources=[target.source])
        tokens.expect("SET")
        settings = self._settings(tokens, target, scope, binder, ("WHERE",), qualified=False)
        where = self._where(tokens, target, scope, binder)
        tokens.end()
        sets = ", ".join(f"{c.sql_name} = {sql}" for c, sql in settings)
        self._execute(f"UPDATE {target.table.sql_name} AS t SET {sets}{where}")
        return None

    def _settings(
        self, tokens: Tokens, target: _Target, scope: Scope, binder: QueryBinder, stops: tuple[str, ...], *,
        qualified: bool,
    ) -> list[tuple[TableColumn, str]]:  # fmt: skip
        made: list[tuple[TableColumn, str]] = []
        while True:
            name = tokens.name("a column")
            if tokens.take("."):
                if not qualified:
                    raise SqlError(f"SET takes column names without the table: {name}.", "CompileError")
                if name.upper() != target.source.name.upper():
                    raise SqlError(
                        f"SET can change columns of the target only, not of {name}.", "CompileError"
                    )
                name = tokens.name("a column")
            column = target.column(name)
            tokens.expect("=")
            part = tokens.until(",", *stops)
            if part.word() == "DEFAULT" and len(part) == 1:
                value = Bound(column.default or "NULL", column.type)
            else:
                value = binder.value(parse_expression(part), scope)
            if value.aggregate or value.window:
                raise unsupported("An aggregate or a window in SET")
            made.append((column, storing(column, value.sql, value.type, full_name(target.table))))
            if not tokens.take(","):
                break
        _check_unique([c.name for c, _ in made])
        return made

    def _where(self, tokens: Tokens, target: _Target, scope: Scope, binder: QueryBinder) -> str:
        conditions = list(target.conditions)
        if tokens.take("WHERE"):
            conditions.append(self._condition(tokens.until(), scope, binder))
        return " WHERE " + " AND ".join(conditions) if conditions else ""

    @staticmethod
    def _condition(tokens: Tokens, scope: Scope, binder: QueryBinder) -> str:
        bound = binder.condition(parse_expression(tokens), scope, "where")
        if bound.aggregate or bound.window:
            raise unsupported("An aggregate or a window in WHERE")
        return bound.sql

    def _delete(self, tokens: Tokens) -> str | None:
        tokens.take("FROM")
        binder = self._binder()
        target = self._read_target(tokens, binder, "WHERE")
        scope = Scope(sources=[target.source])
        where = self._where(tokens, target, scope, binder)
        tokens.end()
        self._execute(f"DELETE FROM {target.table.sql_name} AS t{where}")
        return None

    def _merge(self, tokens: Tokens) -> str | None:
        binder = self._binder()
        tokens.expect("INTO")
        target = self._read_target(tokens, binder, "USING")
        tokens.expect("USING")
        scope = Scope()
        from_sql = binder.source(parse_source(tokens.until("ON")), scope)
        scope.add(target.source)
        source_only = Scope(sources=scope.sources[:-1])
        tokens.expect("ON")
        condition = self._condition(tokens.until("WHEN"), scope, binder)
        joined = " AND ".join([condition, *target.conditions])
        merge = _Merge(target, from_sql, joined)
        while tokens.take("WHEN"):
            if tokens.take("MATCHED", "THEN", "UPDATE", "SET"):
                self._merge_update(merge, tokens, scope, binder)
            elif tokens.take("NOT", "MATCHED", "THEN", "INSERT"):
                self._merge_insert(merge, tokens, source_only, binder)
            else:
                raise tokens.error("MATCHED THEN UPDATE SET or NOT MATCHED THEN INSERT is expected")
        tokens.end()
        if merge.settings is None and merge.inserted is None:
            raise tokens.error("WHEN MATCHED or WHEN NOT MATCHED is expected")
        self._run_merge(merge)
        return None

    def _merge_update(self, merge: _Merge, tokens: Tokens, scope: Scope, binder: QueryBinder) -> None:
        if merge.settings is not None:
            raise SqlError("MERGE has WHEN MATCHED twice.", "SyntaxError")
        stops = ("WHERE", "DELETE", "WHEN")
        merge.settings = self._settings(tokens, merge.target, scope, binder, stops, qualified=True)
        for column, _ in merge.settings:
            if f"t.{column.sql_name} " in merge.condition.replace(")", " ").replace(",", " "):
                raise SqlError(f"columns referenced in the ON clause cannot be updated: {column.name}")
        if tokens.take("WHERE"):
            merge.update_where = self._condition(tokens.until("DELETE", "WHEN"), scope, binder)
        if tokens.take("DELETE"):
            tokens.expect("WHERE")
            merge.delete_where = self._condition(tokens.until("WHEN"), scope, binder)

    def _merge_insert(self, merge: _Merge, tokens: Tokens, scope: Scope, binder: QueryBinder) -> None:
        if merge.inserted is not None:
            raise SqlError("MERGE has WHEN NOT MATCHED twice.", "SyntaxError")
        names = tokens.names("a column") if tokens.word() == "(" else None
        columns = [merge.target.column(n) for n in names] if names else list(merge.target.columns)
        _check_unique([c.name for c in columns])
        tokens.expect("VALUES")
        merge.inserted = self._row_of_values(columns, tokens.inside(), scope, binder)
        if tokens.take("WHERE"):
            merge.insert_where = self._condition(tokens.until("WHEN"), scope, binder)

    def _run_merge(self, merge: _Merge) -> None:
        table = merge.target.table
        matched: list[Any] = []
        new: list[Any] = []
        if merge.settings is not None:
            values = ", ".join(sql for _, sql in merge.settings)
            matched = self._rows(
                f"SELECT {values}, t.rowid FROM {merge.source} JOIN {table.sql_name} AS t "
                f"ON {merge.condition} WHERE {merge.update_where}"
            )
            if len({row[-1] for row in matched}) < len(matched):
                raise SqlError(
                    "unable to get a stable set of rows: several source rows match one row of the target"
                )
        names = ""
        if merge.inserted is not None:
            names, values = self._complete(table, merge.inserted)
            new = self._rows(
                f"SELECT {values} FROM {merge.source} WHERE NOT EXISTS (SELECT 1 FROM {table.sql_name} AS t "
                f"WHERE {merge.condition}) AND {merge.insert_where}"
            )
        if merge.settings is not None:
            sets = ", ".join(f"{c.sql_name} = ?" for c, _ in merge.settings)
            self._database.executemany(f"UPDATE {table.sql_name} SET {sets} WHERE rowid = ?", matched)
        if merge.delete_where is not None:
            updated = {row[-1] for row in matched}
            gone = self._rows(
                f"SELECT t.rowid FROM {merge.source} JOIN {table.sql_name} AS t ON {merge.condition} "
                f"WHERE {merge.delete_where}"
            )
            self._database.executemany(
                f"DELETE FROM {table.sql_name} WHERE rowid = ?",
                [row for row in gone if row[0] in updated],
            )
        if new:
            marks = ", ".join("?" * len(table.columns))
            self._database.executemany(f"INSERT INTO {table.sql_name} ({names}) VALUES ({marks})", new)

    def _rows(self, sql: str) -> list[Any]:
        rows = self._execute(sql).fetchmany(_MOST_ROWS + 1)
        if len(rows) > _MOST_ROWS:
            raise SqlError(f"This server merges at most {_MOST_ROWS} rows at once.")
        return rows


@dataclass
class _Merge:
    """The parts of a MERGE; the target is `t`."""

    target: _Target
    source: str
    condition: str
    settings: list[tuple[TableColumn, str]] | None = None
    update_where: str = "1"
    delete_where: str | None = None
    inserted: dict[int, tuple[str, str]] | None = None
    insert_where: str = "1"


def _check_unique(names: list[str]) -> None:
    upper = [n.upper() for n in names]
    for name in upper:
        if upper.count(name) > 1:
            raise SqlError(f"duplicate column name: {name}", "CompileError")


def _listed(tokens: Tokens) -> list[Tokens]:
    """Split definitions in parentheses, or take the single one without them."""
    if tokens.word() != "(":
        return [tokens.until("ADD", "DROP", "MODIFY")]
    inside, parts = tokens.inside(), []
    while len(inside):
        parts.append(inside.until(","))
        if not inside.take(","):
            break
    inside.end()
    return parts


def _texts(inside: Tokens) -> list[str]:
    found = [inside.text()]
    while inside.take(","):
        found.append(inside.text())
    inside.end()
    return found
