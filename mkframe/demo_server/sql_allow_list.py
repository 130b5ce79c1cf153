"""The statements, functions and tables that SQLite may use; everything else is refused.

SQLite brings functions, virtual tables and statements that crash it, read files, or fill the memory in one
step. A statement reaches only `STATEMENTS`, `ACTIONS`, `FUNCTIONS` and the tables that `Authorizer` is given.
A function in Python needs its name in `FUNCTIONS` and its code in `OUR_FUNCTIONS`.

The limits bound the work of SQLite between two calls of the progress handler, and while it parses a
statement: then it calls no handler.

* All other functions are removed from the connection: the authorizer is not called for a column's default.
* Users cannot create views and triggers: views of views grow without bound while they are parsed.
* The text of a statement holds at most `MAX_SELECTS` SELECTs, since SQLite merges a chain of them into one
  expression that is as deep as all of them together, and walks through it on the stack.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Collection
from typing import Any

__all__ = [
    "FUNCTIONS",
    "HEAP",
    "LIMITS",
    "MAX_SELECTS",
    "OUR_FUNCTIONS",
    "STATEMENTS",
    "Authorizer",
    "check",
    "apply_limits",
]

STATEMENTS = frozenset({"select", "insert", "update", "delete", "create", "drop"})
"""Kinds of statements that are accepted, as `metadata_sql.kind` names them."""
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
    }
)
FUNCTIONS = frozenset(
    {
        # of rows and groups of rows
        "avg", "count", "max", "min", "sum", "row_number", "rank", "dense_rank", "first_value",
        "last_value", "nth_value", "lag", "lead",
        # of conditions
        "coalesce", "nullif", "nvl", "decode", "like",
        # of numbers
        "abs", "acos", "asin", "atan", "atan2", "ceil", "cos", "cosh", "exp", "floor", "ln", "log", "mod",
        "power", "round", "sign", "sin", "sinh", "sqrt", "tan", "tanh", "trunc",
        # of texts
        "instr", "length", "lower", "ltrim", "replace", "rtrim", "substr", "trim", "upper",
    }
)  # fmt: skip
LIMITS = {
    sqlite3.SQLITE_LIMIT_LENGTH: 1_000_000,
    sqlite3.SQLITE_LIMIT_SQL_LENGTH: 1_000_000,
    sqlite3.SQLITE_LIMIT_COLUMN: 200,
    sqlite3.SQLITE_LIMIT_EXPR_DEPTH: 100,
    sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH: 200,
    sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER: 100,
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


def check(kind: str, sql: str) -> str | None:
    """Return the error text of a statement that SQLite must not parse, or None."""
    if kind not in STATEMENTS:
        return f"{kind.upper()[:40]} is no statement that is understood here"
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
        self._changes_tables = kind in ("create", "drop")
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
            return two in FUNCTIONS
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
    """Set the limits of a connection, remove its functions, and add ours."""
    database.execute(f"PRAGMA hard_heap_limit = {HEAP}")
    database.execute("PRAGMA temp_store = MEMORY")
    for category, maximum in LIMITS.items():
        database.setlimit(category, maximum)
    for name, count in database.execute("SELECT DISTINCT name, narg FROM pragma_function_list").fetchall():
        if name.lower() not in FUNCTIONS:
            database.create_function(name, count, None)
    for (name, count), function in OUR_FUNCTIONS.items():
        database.create_function(name, count, function)


# --- functions ------------------------------------------------------------------------------------------


def _nvl(value: Any, other: Any) -> Any:
    return other if value is None else value


def _decode(value: Any = None, *pairs: Any) -> Any:
    """Oracle's DECODE: return the result after the first equal value; null equals null."""
    for candidate, result in zip(pairs[::2], pairs[1::2], strict=False):
        if value == candidate:
            return result
    return pairs[-1] if len(pairs) % 2 else None


def _text(value: Any) -> str:
    """Return a value as SQLite casts it to text."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _instr(text: Any, part: Any) -> int | None:
    return None if text is None or part is None else _text(text).find(_text(part)) + 1


def _replace(text: Any, part: Any, other: Any) -> str | None:
    if text is None or part is None or other is None:
        return None
    whole, old, new = _text(text), _text(part), _text(other)
    if not old:
        return whole
    if len(whole) + whole.count(old) * (len(new) - len(old)) > LIMITS[sqlite3.SQLITE_LIMIT_LENGTH]:
        raise OverflowError  # SQLite reports that as "string or blob too big"
    return whole.replace(old, new)


def _trims(left: bool, right: bool) -> Callable[[Any, Any], str | None]:
    """Make TRIM, LTRIM or RTRIM with the characters to remove; `str.strip` is slow with many of them."""

    def trim(text: Any, characters: Any) -> str | None:
        if text is None or characters is None:
            return None
        whole, gone = _text(text), set(_text(characters))
        start, end = 0, len(whole)
        while left and start < end and whole[start] in gone:
            start += 1
        while right and start < end and whole[end - 1] in gone:
            end -= 1
        return whole[start:end]

    return trim


OUR_FUNCTIONS: dict[tuple[str, int], Callable[..., Any]] = {
    ("nvl", 2): _nvl,
    ("decode", -1): _decode,
    ("instr", 2): _instr,
    ("replace", 3): _replace,
    ("trim", 2): _trims(left=True, right=True),
    ("ltrim", 2): _trims(left=True, right=False),
    ("rtrim", 2): _trims(left=False, right=True),
}
"""Functions by name and number of arguments. SQLite's own take quadratic time, in one step."""
