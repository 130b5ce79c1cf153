"""The dialect in front of a SQLite database: statements come in, rows and messages go out."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from mkframe.demo_server.dialect._catalog import Catalog
from mkframe.demo_server.dialect._expressions import Facts, call
from mkframe.demo_server.dialect._functions import Failure, register
from mkframe.demo_server.dialect._instances import InstanceTable, Pattern
from mkframe.demo_server.dialect._parse import Tokens, parse_query, read_tokens
from mkframe.demo_server.dialect._select import QueryBinder, Relation
from mkframe.demo_server.dialect._statements import Writer
from mkframe.demo_server.dialect._values import (
    ANY,
    DATE,
    NULL,
    STRING,
    TEXT,
    TIMESTAMP,
    Column,
    SqlError,
    from_time,
    to_wire,
)

__all__ = ["Engine", "Result"]

_ANSWERED = {NULL: STRING, ANY: STRING, TEXT: STRING, DATE: TIMESTAMP}
"""Types that an answer does not name; a column of mixed types is called a string."""
_READING = ("SELECT", "WITH", "(")


@dataclass(frozen=True, slots=True)
class Result:
    """What a statement yields: its columns and rows, and the message of the server."""

    columns: tuple[Column, ...] = ()
    rows: Iterable[tuple[Any, ...]] = ()
    message: str | None = None


class Engine:
    """Runs statements of the documented dialect on a SQLite database.

    Parameters
    ----------
    database : sqlite3.Connection
        A database of its own, with ``isolation_level=None``; functions and tables are added to it.
    clock : callable
        Returns the present time in Unix milliseconds.
    offset : timedelta, default 0
        Wall time minus UTC: what the times of an answer lose before their Z.
    """

    def __init__(
        self, database: sqlite3.Connection, clock: Callable[[], int], offset: timedelta = timedelta(0)
    ) -> None:
        self._database, self._clock, self._offset = database, clock, offset
        self._failure = Failure()
        self._catalog = Catalog()
        self._instances: dict[str, InstanceTable] = {}
        register(database, self._failure)

    def stop_at(self, moment: float) -> None:
        """Stop what runs at a moment of `time.monotonic`; SQLite needs a progress handler besides."""
        self._failure.until = moment

    def add_view(self, name: str, table: str, columns: Sequence[Column]) -> None:
        """Offer a table of the database as a view that can be read.

        Parameters
        ----------
        name : str
            Its name, such as ``@INFORMATION_SCHEMA.COMMITS`` or ``@COMMITS.<pattern>``.
        table : str
            The table in SQLite; times are texts there, ISO 8601 with Z.
        columns : sequence of Column
            Columns of the table, and their types here.
        """
        sql = []
        for column in columns:
            quoted = '{}."' + column.name.replace('"', '""').replace("{", "{{").replace("}", "}}") + '"'
            sql.append(call("from_wire", quoted) if column.type == TIMESTAMP else quoted)
        self._catalog.views[name.upper()] = Relation(tuple(columns), table, tuple(sql))

    def add_views(self, views: Mapping[str, tuple[str, Sequence[Column]]]) -> None:
        """Offer several tables as views: name to table and columns."""
        for name, (table, columns) in views.items():
            self.add_view(name, table, columns)

    def add_pattern(
        self, pattern: Pattern, rows: Iterable[tuple[str, str, str | None, bool, Sequence[Any]]] = ()
    ) -> InstanceTable:
        """Offer `@INSTANCES.<pattern>`, to read and to insert into; a pattern of that name is replaced.

        Parameters
        ----------
        pattern : Pattern
            Its properties, roles and releases.
        rows : iterable of tuple
            Folder, instance, release, whether the instance is deleted, and the properties of each row.
        """
        table = InstanceTable(self._database, self._catalog.next_id(), pattern)
        table.replace_rows(rows)
        self._instances[pattern.name.upper()] = table
        self._catalog.views[f"@INSTANCES.{pattern.name}".upper()] = table.relation
        return table

    def set_instances(
        self, pattern: str, rows: Iterable[tuple[str, str, str | None, bool, Sequence[Any]]]
    ) -> None:
        """Replace all rows of `@INSTANCES.<pattern>`, as `add_pattern` takes them."""
        self._instances[pattern.upper()].replace_rows(rows)

    def properties(self, pattern: str) -> list[str]:
        """Return the instance properties of a pattern, in the order of their values in a row."""
        return list(self._instances[pattern.upper()].pattern.properties)

    def run(self, sql: str, facts: Facts) -> Result:
        """Run one statement.

        Raises
        ------
        SqlError
            If the statement is wrong, or if this server does not support it.
        sqlite3.Error
            If SQLite stops it.
        """
        self._failure.take()
        try:
            tokens = read_tokens(sql)
            if not len(tokens):
                raise SqlError("The statement is empty.", "SyntaxError")
            if tokens.word() in _READING:
                return self._read(tokens, facts)
            return self._write(tokens, facts)
        except RecursionError:
            raise SqlError("The statement is nested too deeply for this server.", "SyntaxError") from None

    def _read(self, tokens: Tokens, facts: Facts) -> Result:
        query = QueryBinder(self._catalog, facts).query(parse_query(tokens))
        columns = tuple(Column(c.name, _ANSWERED.get(c.type, c.type)) for c in query.columns)
        return Result(columns, self._rows(query.sql))

    def _rows(self, sql: str) -> Iterator[tuple[Any, ...]]:
        try:
            for row in self._database.execute(sql):
                yield tuple(to_wire(value, self._offset) for value in row)
        except sqlite3.Error as error:
            raise (self._failure.take() or error) from None

    def _write(self, tokens: Tokens, facts: Facts) -> Result:
        writer = Writer(self._database, self._catalog, self._instances, facts, self._now)
        self._database.execute("BEGIN")
        try:
            message = writer.run(tokens)
            self._database.execute("COMMIT")
        except BaseException as error:
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            if isinstance(error, sqlite3.Error):
                raise (self._failure.take() or error) from None
            raise
        return Result(message=message)

    def _now(self) -> str:
        moment = datetime.fromtimestamp(self._clock() / 1000, UTC).replace(tzinfo=None)
        return from_time(moment.replace(microsecond=0) + self._offset)
