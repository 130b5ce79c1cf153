"""POST /metadata: SQL on a project's meta database, run by SQLite in memory.

Open in the reference; here:

* the text of an error is in ``error``, an unknown field, and ``rows`` and ``metadata`` are empty then;
* the dialect is SQLite's with NVL and DECODE added; CONNECT BY is not understood;
* the views can be read only; tables of one's own can be made, filled and dropped, up to a size;
* a statement that runs longer than five seconds or yields more than 200,000 rows or 50 MB is an ERROR, as is
  one of more than a million characters, with more than 200 columns, or with a value of more than 1 MB;
* halves of surrogate pairs, which SQLite cannot hold, come as U+FFFD;
* column names come in upper case, a repeated one gets a number; numbers with a fraction have the type
  ``float``, bytes come as hexadecimal text, and an infinite number, which JSON does not have, as null;
* TABLES and COLUMNS list the views; INSTANCE_LABELS and PATTERN_VARIABLES hold columns of our own choice.
"""

from __future__ import annotations

import math
import re
import sqlite3
import threading
import time
import uuid
from collections.abc import Callable
from typing import Any

from mkframe import schema
from mkframe.demo_server.auth import User
from mkframe.demo_server.data import catalog
from mkframe.demo_server.deliveries import Ledger, Values
from mkframe.demo_server.filters import check_body, project_of
from mkframe.demo_server.responses import ApiError
from mkframe.demo_server.state import State

_SECONDS = 5.0
_ROWS = 200_000
_PAGES = 16_000
_BYTES = 50_000_000
_LIMITS = {
    sqlite3.SQLITE_LIMIT_LENGTH: 1_000_000,
    sqlite3.SQLITE_LIMIT_SQL_LENGTH: 1_000_000,
    sqlite3.SQLITE_LIMIT_COLUMN: 200,
}
"""What a statement may ask for; together they bound the memory that a row takes."""
_SQLITE_TYPES = {"int": "INTEGER", "flag": "INTEGER", "str": "TEXT", "timestamp": "TEXT"}
_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
# what is never closed ends with the text: else each of many openings would be searched to the end
_WORDS = re.compile(
    r"'[^']*(?:'|\Z)|\"[^\"]*(?:\"|\Z)|--[^\n]*|/\*.*?(?:\*/|\Z)|@(?=INFORMATION_SCHEMA\b)", re.I | re.S
)
_NOTE = re.compile(r"\s*(--[^\n]*(?:\n|\Z)|/\*.*?(?:\*/|\Z))", re.S)
_FIRST = re.compile(r"\W*([A-Za-z]+)")
_HALVES = re.compile("[\ud800-\udfff]")
_KINDS = {"with": "select", "values": "select"}
_HOME = "INFORMATION_SCHEMA"
_EXTRA = {
    "INSTANCE_LABELS": ("INSTANCE_ID INTEGER", "LABEL TEXT"),
    "PATTERN_VARIABLES": ("PATTERN TEXT", "NAME TEXT", "LEVEL TEXT", "VALUE TEXT"),
    "TABLES": ("TABLE_NAME TEXT", "DESCRIPTION TEXT"),
    "COLUMNS": ("TABLE_NAME TEXT", "COLUMN_NAME TEXT", "POSITION INTEGER", "DATA_TYPE TEXT"),
}
_FORBIDDEN = {sqlite3.SQLITE_ATTACH, sqlite3.SQLITE_DETACH, sqlite3.SQLITE_PRAGMA}


class MetaDatabase:
    """The meta databases of all projects, filled when first asked."""

    def __init__(self, world: State) -> None:
        self._world = world
        self._lock = threading.Lock()
        self._projects: dict[int, _Database] = {}
        self._count = 0

    def ask(self, user: User, body: Any) -> dict[str, Any]:
        """Run the statement of a request."""
        given = check_body(schema.RESOURCES["metadata"], body)
        project = project_of(self._world, user, given)
        if not isinstance(given.get("statement"), str) or not given["statement"].strip():
            raise ApiError(400, "'statement' is required")
        sql, began = given["statement"], self._world.clock()
        with self._lock:
            self._count += 1
            number = self._count
            if project not in self._projects:
                self._projects[project] = _Database(self._world, project)
            database = self._projects[project]
        outcome = database.run(sql)
        return {
            "id": str(uuid.uuid4()),
            "user_id": user.id,
            "type": f"{kind(sql)}_statement",
            "sql": sql,
            "stmt_no": number,
            "start_time": began,
            **outcome,
        }

    def close(self) -> None:
        """End what runs, and give everything back."""
        with self._lock:
            while self._projects:
                self._projects.popitem()[1].close()


def kind(sql: str) -> str:
    """Return the kind of a statement, such as select or insert."""
    at = 0
    while note := _NOTE.match(sql, at):
        at = note.end()
    word = _FIRST.match(sql, at)
    first = word.group(1).lower() if word else "unknown"
    return _KINDS.get(first, first)


class _Database:
    def __init__(self, world: State, project: int) -> None:
        self._world, self._project = world, project
        self._ledger = Ledger(world, project)
        self._lock = threading.Lock()
        self._until = 0.0
        self._db = sqlite3.connect(":memory:", check_same_thread=False, isolation_level=None)
        self._db.execute(f"ATTACH ':memory:' AS {_HOME}")
        self._db.execute(f"PRAGMA main.max_page_count = {_PAGES}")
        self._db.execute(f"PRAGMA temp.max_page_count = {_PAGES}")
        for what, most in _LIMITS.items():
            self._db.setlimit(what, most)
        self._db.create_function("NVL", 2, lambda value, other: other if value is None else value)
        self._db.create_function("DECODE", -1, _decode)
        self._db.set_progress_handler(lambda: time.monotonic() > self._until, 1000)
        self._create()

    def run(self, sql: str) -> dict[str, Any]:
        with self._lock:
            self._fill()
            self._until = time.monotonic() + _SECONDS
            self._db.set_authorizer(_authorize)
            try:
                cursor = self._db.execute(_WORDS.sub(lambda m: m[0] if m[0] != "@" else "", sql))
                rows = _fetch(cursor)
                names = _names([c[0] for c in cursor.description or ()])
            except _TooMuch as err:
                return _error(str(err))
            except (sqlite3.Error, sqlite3.Warning, OverflowError, ValueError) as err:
                timed_out = str(err) == "interrupted"
                return _error(f"The statement ran longer than {_SECONDS:g} s" if timed_out else str(err))
            finally:
                self._until = float("inf")
                self._db.set_authorizer(None)
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
        return _result(names, rows)

    def close(self) -> None:
        self._db.interrupt()
        with self._lock:
            self._db.close()

    # --- filling ----------------------------------------------------------------------------------------

    def _create(self) -> None:
        self._until = float("inf")
        for view in schema.VIEWS.values():
            columns = (f"{f.name} {_SQLITE_TYPES[f.type]}" for f in view.fields)
            self._db.execute(f"CREATE TABLE {_HOME}.{view.name} ({', '.join(columns)})")
        for name, extra in _EXTRA.items():
            self._db.execute(f"CREATE TABLE {_HOME}.{name} ({', '.join(extra)})")
        self._insert("COMMITS", self._ledger.by_hand())
        self._insert("TABLES", [(v.name, v.doc) for v in schema.VIEWS.values()])
        self._insert(
            "COLUMNS",
            [(v.name, f.name, n, _column_type(f.type))
             for v in schema.VIEWS.values() for n, f in enumerate(v.fields, 1)],
        )  # fmt: skip
        self._insert(
            "PATTERN_VARIABLES",
            [(catalog.PATTERNS[r["pattern_id"]].name, r["name"], r["level"], r["value"])
             for r in self._world.tables["pattern_variables"] if r["project_id"] in (None, self._project)],
        )  # fmt: skip

    def _fill(self) -> None:
        with self._world.lock:
            deliveries, commits = self._ledger.advance()
            instances = [i for i in self._world.catalogue.instances.values() if i.project_id == self._project]
            rows = [self._instance(i) for i in instances]
            labels = [(i.id, label) for i in instances for label in i.labels]
        self._insert("DELIVERIES", deliveries)
        self._insert("COMMITS", commits)
        for name, values in (("INSTANCES", rows), ("INSTANCE_LABELS", labels)):
            self._db.execute(f"DELETE FROM {_HOME}.{name}")  # noqa: S608 - our own names
            self._insert(name, values)

    def _insert(self, table: str, rows: list[Values]) -> None:
        rows = [tuple(_whole(v) if isinstance(v, str) else v for v in row) for row in rows]
        if rows:
            marks = ", ".join("?" * len(rows[0]))
            self._db.execute("BEGIN")
            self._db.executemany(f"INSERT INTO {_HOME}.{table} VALUES ({marks})", rows)  # noqa: S608
            self._db.execute("COMMIT")

    def _instance(self, i: catalog.Instance) -> Values:
        enabled = [int(not i.flags[f"{what}_disabled"]) for what in ("upload", "insert", "edit", "build")]
        return (
            i.id, catalog.PATTERNS[i.pattern_id].name, i.folder, i.name, *enabled,
            self._ledger.latest.get(i.id), int(i.flags["deleted"]), None,
        )  # fmt: skip


def _authorize(action: int, one: str | None, two: str | None, database: str | None, by: str | None) -> int:
    """Allow reading, and writing outside the views."""
    writes = action not in (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION,
                            sqlite3.SQLITE_RECURSIVE, sqlite3.SQLITE_TRANSACTION)  # fmt: skip
    denied = action in _FORBIDDEN or (writes and (database or "").upper() == _HOME)
    return sqlite3.SQLITE_DENY if denied else sqlite3.SQLITE_OK


def _decode(value: Any = None, *pairs: Any) -> Any:
    """Oracle's DECODE: the result beside the first equal word; null equals null."""
    for word, result in zip(pairs[::2], pairs[1::2], strict=False):
        if value == word:
            return result
    return pairs[-1] if len(pairs) % 2 else None


def _whole(text: str) -> str:
    return _HALVES.sub("\ufffd", text)


# --- results --------------------------------------------------------------------------------------------


class _TooMuch(Exception):
    """An answer that would not fit."""


def _fetch(cursor: sqlite3.Cursor) -> list[tuple[Any, ...]]:
    """Fetch row by row: a few rows of much text fill the memory before their number is known."""
    rows: list[tuple[Any, ...]] = []
    size = 0
    for row in cursor:
        rows.append(row)
        size += sum(len(v) for v in row if isinstance(v, (str, bytes)))
        if len(rows) > _ROWS:
            raise _TooMuch(f"The statement yields more than {_ROWS} rows")
        if size > _BYTES:
            raise _TooMuch(f"The statement yields more than {_BYTES // 1_000_000} MB")
    return rows


def _error(text: str) -> dict[str, Any]:
    return {"status": "ERROR", "rows": [], "metadata": [], "error": text}


def _names(found: list[str]) -> list[str]:
    names: list[str] = []
    for name in (n.upper() for n in found):
        names.append(name if name not in names else f"{name}_{sum(n.startswith(name) for n in names)}")
    return names


def _result(names: list[str], rows: list[tuple[Any, ...]]) -> dict[str, Any]:
    plain = [tuple(map(_plain, row)) for row in rows]
    types = [_type_of(name, [row[n] for row in plain]) for n, name in enumerate(names)]
    return {
        "status": "FINISHED",
        "rows": [dict(zip(names, row, strict=True)) for row in plain],
        "metadata": [{"name": n, "type": t} for n, t in zip(names, types, strict=True)],
    }


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _type_of(name: str, values: list[Any]) -> str:
    known = [v for v in values if v is not None]
    tests: tuple[tuple[str, Callable[[Any], bool]], ...] = (
        ("integer", lambda v: isinstance(v, int)),
        ("float", lambda v: isinstance(v, (int, float))),
        ("timestamp", lambda v: isinstance(v, str) and _TIMESTAMP.fullmatch(v) is not None),
    )
    if not known:
        declared = (f.type for view in schema.VIEWS.values() for f in view.fields if f.name == name)
        return _column_type(next(declared, "str"))
    return next((word for word, test in tests if all(map(test, known))), "string")


def _column_type(type: str) -> str:
    return {"int": "integer", "flag": "integer", "timestamp": "timestamp"}.get(type, "string")
