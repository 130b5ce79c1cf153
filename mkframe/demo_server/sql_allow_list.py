"""What a statement may do in SQLite: all that is not named here is refused.

SQLite brings functions, virtual tables and statements that crash it, read files, or fill the memory in one
step. `STATEMENTS`, `ACTIONS`, `FUNCTIONS` and the tables that `Authorizer` is given are the whole of what a
statement reaches. A function of one's own needs its name in `FUNCTIONS` and its code in `OUR_FUNCTIONS`.

The limits bound what SQLite does between two looks at the clock, and while it reads a statement, when it does
not look at all.

* All other functions are taken out of the connection: SQLite does not ask for those in a column's default.
* There are no views and triggers of one's own: views of views grow without bound while they are read.
* The text of a statement holds at most `MOST_SELECTS` SELECTs, since SQLite merges a chain of them into one
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
    "MOST_SELECTS",
    "OUR_FUNCTIONS",
    "STATEMENTS",
    "Authorizer",
    "check",
    "limit",
]

STATEMENTS = frozenset({"select", "insert", "update", "delete", "create", "drop"})
"""Kinds of statements that are understood, as `sql.kind` names them."""
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
MOST_SELECTS = 100
HEAP = 250_000_000
"""Bytes that SQLite may take, all of this process from the first statement on: it knows no other bound."""
_SELECT = re.compile(r"\bselect\b", re.I)
_MASTER = "sqlite_master"
_WRITES = {sqlite3.SQLITE_INSERT, sqlite3.SQLITE_UPDATE, sqlite3.SQLITE_DELETE}
_TABLES = {sqlite3.SQLITE_CREATE_TABLE, sqlite3.SQLITE_DROP_TABLE}


def check(kind: str, sql: str) -> str | None:
    """Say what is wrong with a statement before SQLite reads it; None if nothing is."""
    if kind not in STATEMENTS:
        return f"{kind.upper()[:40]} is no statement that is understood here"
    if len(sql) > LIMITS[sqlite3.SQLITE_LIMIT_SQL_LENGTH]:
        return "The statement is too large"
    if sum(1 for _ in _SELECT.finditer(sql)) > MOST_SELECTS:
        return f"The statement holds more than {MOST_SELECTS} SELECTs"
    return None


class Authorizer:
    """What SQLite asks, for each step of one statement, whether it may.

    Parameters
    ----------
    kind : str
        Kind of the statement.
    home : str
        The database of the views, which are only read.
    own : collection of str
        Tables of the user's own.
    modules : collection of str
        Virtual tables that SQLite makes as soon as they are named.
    """

    def __init__(self, kind: str, home: str, own: Collection[str], modules: Collection[str]) -> None:
        self._makes = kind in ("create", "drop")
        self._home, self._own, self._modules = home.lower(), {name.lower() for name in own}, modules

    def __call__(
        self, action: int, one: str | None, two: str | None, database: str | None, by: str | None
    ) -> int:
        """Answer whether SQLite may take a step."""
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
            self._own.add(one)
            return database == "main" and not one.startswith("sqlite_")
        if action in _WRITES:
            # SQLite keeps the list of tables by statements of its own, which it asks about too
            return database == "main" and (one in self._own or (one == _MASTER and self._makes))
        return True  # SELECT itself and the step of a recursive one: what they read is asked for beside

    def _reads(self, table: str, column: str, database: str) -> bool:
        if not column:  # only its rows count; the name may be that of a WITH, and there is no database
            return table in self._own or not (
                table in self._modules or table.startswith(("sqlite_", "pragma_"))
            )
        if database == self._home:
            return not table.startswith("sqlite_")
        return database == "main" and (table in self._own or (table == _MASTER and self._makes))


def limit(database: sqlite3.Connection) -> None:
    """Set the limits of a connection, take functions out of it, and add ours."""
    database.execute(f"PRAGMA hard_heap_limit = {HEAP}")
    database.execute("PRAGMA temp_store = MEMORY")
    for what, most in LIMITS.items():
        database.setlimit(what, most)
    for name, count in database.execute("SELECT DISTINCT name, narg FROM pragma_function_list").fetchall():
        if name.lower() not in FUNCTIONS:
            database.create_function(name, count, None)
    for (name, count), function in OUR_FUNCTIONS.items():
        database.create_function(name, count, function)


# --- functions ------------------------------------------------------------------------------------------


def _nvl(value: Any, other: Any) -> Any:
    return other if value is None else value


def _decode(value: Any = None, *pairs: Any) -> Any:
    """Oracle's DECODE: the result beside the first equal word; null equals null."""
    for word, result in zip(pairs[::2], pairs[1::2], strict=False):
        if value == word:
            return result
    return pairs[-1] if len(pairs) % 2 else None


def _text(value: Any) -> str:
    """A value as SQLite casts it."""
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
        raise OverflowError  # SQLite says then that it is too big
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
"""By name and number of arguments. SQLite's own of these names take the square of the length, in one step."""
