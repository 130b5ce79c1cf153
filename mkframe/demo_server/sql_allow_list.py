"""The functions and tables that rewritten statements may use in SQLite; everything else is refused.

SQLite brings functions, virtual tables and statements that crash it, read files, or fill the memory in one
step. The dialect rewrites every statement and passes on nothing that it does not know; `ACTIONS`, `FUNCTIONS`
and the tables that `Authorizer` is given hold if it errs. A function of SQLite needs its name in `FUNCTIONS`.

The limits bound the work of SQLite between two calls of the progress handler, and while it parses a
statement: then it calls no handler.

* All other functions are removed from the connection: the authorizer is not called for a column's default.
* There are no views and triggers in SQLite: the dialect puts the query of a view in its place, and limits how
  many sources a statement reads from.
* The text of a statement holds at most `MAX_SELECTS` SELECTs, since SQLite merges a chain of them into one
  expression that is as deep as all of them together, and walks through it on the stack.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Collection

__all__ = [
    "FUNCTIONS",
    "HEAP",
    "LIMITS",
    "MAX_SELECTS",
    "PREFIX",
    "Authorizer",
    "check",
    "apply_limits",
]

ACTIONS = frozenset(
    {
        sqlite3.SQLITE_SELECT,
        sqlite3.SQLITE_RECURSIVE,
        sqlite3.SQLITE_READ,
        sqlite3.SQLITE_FUNCTION,
        sqlite3.SQLITE_INSERT,
        sqlite3.SQLITE_UPDATE,
        sqlite3.SQLITE_DELETE,
        sqlite3.SQLITE_CREATE_TABLE,
        sqlite3.SQLITE_DROP_TABLE,
        sqlite3.SQLITE_TRANSACTION,
    }
)
FUNCTIONS = frozenset(
    {
        "avg", "count", "max", "min", "sum", "row_number", "rank", "dense_rank", "first_value",
        "last_value", "nth_value", "lag", "lead", "coalesce", "nullif",
    }
)  # fmt: skip
"""SQLite's own functions that rewritten statements call; those of the dialect begin with `PREFIX`."""
PREFIX = "mk_"
LIMITS = {
    sqlite3.SQLITE_LIMIT_LENGTH: 1_000_000,
    sqlite3.SQLITE_LIMIT_SQL_LENGTH: 1_000_000,
    sqlite3.SQLITE_LIMIT_COLUMN: 200,
    sqlite3.SQLITE_LIMIT_EXPR_DEPTH: 100,
    sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH: 200,
    sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER: 250,
    sqlite3.SQLITE_LIMIT_ATTACHED: 1,
    sqlite3.SQLITE_LIMIT_WORKER_THREADS: 0,
}
MAX_SELECTS = 100
HEAP = 250_000_000
"""Bytes that SQLite may allocate in the whole process, from the first statement on: it has no other limit."""
_SELECT = re.compile(r"\bselect\b", re.I)
_MASTER = "sqlite_master"
_WRITES = {sqlite3.SQLITE_INSERT, sqlite3.SQLITE_UPDATE, sqlite3.SQLITE_DELETE}
_TABLES = {sqlite3.SQLITE_CREATE_TABLE, sqlite3.SQLITE_DROP_TABLE}


def check(sql: str) -> str | None:
    """Return the error text of a statement that nothing must parse, or None."""
    if len(sql) > LIMITS[sqlite3.SQLITE_LIMIT_SQL_LENGTH]:
        return "The statement is too large"
    if sum(1 for _ in _SELECT.finditer(sql)) > MAX_SELECTS:
        return f"The statement holds more than {MAX_SELECTS} SELECTs"
    return None


class Authorizer:
    """The authorizer callback of SQLite for one statement.

    Parameters
    ----------
    kind : str
        Kind of the statement.
    views_database : str
        The database of the views, which can only be read.
    user_tables : collection of str
        Tables that the user has created.
    modules : collection of str
        Virtual tables that SQLite creates as soon as they are named.
    """

    def __init__(
        self, kind: str, views_database: str, user_tables: Collection[str], modules: Collection[str]
    ) -> None:
        self._changes_tables = kind in ("create", "drop", "alter")
        self._views_database, self._modules = views_database.lower(), modules
        self._user_tables = {name.lower() for name in user_tables}

    def __call__(
        self, action: int, one: str | None, two: str | None, database: str | None, by: str | None
    ) -> int:
        """Return whether SQLite may take a step."""
        allowed = action in ACTIONS and self._allows(
            action, (one or "").lower(), (two or "").lower(), (database or "").lower()
        )
        return sqlite3.SQLITE_OK if allowed else sqlite3.SQLITE_DENY

    def _allows(self, action: int, one: str, two: str, database: str) -> bool:
        if action == sqlite3.SQLITE_FUNCTION:
            return two in FUNCTIONS or two.startswith(PREFIX)
        if action == sqlite3.SQLITE_READ:
            return self._reads(one, two, database)
        if action in _TABLES:
            self._user_tables.add(one)
            return database == "main" and not one.startswith("sqlite_")
        if action in _WRITES:
            return database == "main" and self._is_user_table(one)
        return True  # SELECT and a recursive step: what they read is authorized separately

    def _reads(self, table: str, column: str, database: str) -> bool:
        if not column:  # as in COUNT(*); the name may be that of a WITH, and no database is given
            return table in self._user_tables or not (
                table in self._modules or table.startswith(("sqlite_", "pragma_"))
            )
        if database == self._views_database:
            return not table.startswith("sqlite_")
        return database == "main" and self._is_user_table(table)

    def _is_user_table(self, table: str) -> bool:
        # SQLite updates its list of tables by statements that are authorized too
        return table in self._user_tables or (table == _MASTER and self._changes_tables)


def apply_limits(database: sqlite3.Connection) -> None:
    """Set the limits of a connection, and remove its functions."""
    database.execute(f"PRAGMA hard_heap_limit = {HEAP}")
    database.execute("PRAGMA temp_store = MEMORY")
    for category, maximum in LIMITS.items():
        database.setlimit(category, maximum)
    for name, count in database.execute("SELECT DISTINCT name, narg FROM pragma_function_list").fetchall():
        if name.lower() not in FUNCTIONS:
            database.create_function(name, count, None)
