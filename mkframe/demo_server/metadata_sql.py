"""POST /metadata: SQL on a project's meta database, run by SQLite in memory.

Open in the reference; here:

* the text of an error is in ``error``, an unknown field, and ``rows`` and ``metadata`` are empty then;
* the dialect is SQLite's with NVL and DECODE added; CONNECT BY is not understood;
* the views can only be read; tables of the user can be created, filled and dropped, up to a size; no other
  statement is accepted;
* a statement that runs longer than five seconds or yields more than 200,000 rows or 20 MB is an ERROR, as is
  one of more than a million characters or 100 SELECTs, with more than 200 columns, with a value of more than
  1 MB or a row of more than 16 MB, with a pattern of LIKE of more than 200 characters, or with expressions
  more than 100 deep;
* statements run one after the other;
* halves of surrogate pairs, which SQLite cannot hold, come as U+FFFD;
* column names come in upper case, a repeated one gets a number; numbers with a fraction have the type
  ``float``, bytes come as hexadecimal text, and an infinite number, which JSON does not have, as null;
* TABLES and COLUMNS list the views; INSTANCE_LABELS and PATTERN_VARIABLES hold columns of our own choice.
"""

from __future__ import annotations

import json
import math
import re
import sqlite3
import sys
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from mkframe import schema
from mkframe.demo_server import sql_allow_list
from mkframe.demo_server.auth import User
from mkframe.demo_server.catalog import Instance
from mkframe.demo_server.data.projects import PATTERNS
from mkframe.demo_server.defaults import add_missing_fields, default_value, missing_fields
from mkframe.demo_server.deliveries import COMMIT_COLUMNS, DELIVERY_COLUMNS, Deliveries, Values
from mkframe.demo_server.filters import check_body, find_project
from mkframe.demo_server.responses import ApiError, encode_json
from mkframe.demo_server.state import State

_SECONDS = 5.0
_ROWS = 200_000
_MAX_PAGES = 16_000
_BYTES, _ROW_BYTES, _BATCH_BYTES, _BATCH = 20_000_000, 16_000_000, 1_000_000, 1000
"""Limits of a result, of one row, and of the rows that are encoded at once."""
_STACK = 64 * 2**20
"""Bytes of stack for SQLite, which parses a statement recursively."""
_SQLITE_TYPES = {"int": "INTEGER", "flag": "INTEGER", "bool": "INTEGER"}
"""Types of columns; all others are TEXT."""
_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
# a token that is never closed ends with the text: else each of many openings would be searched to the end
_WORDS = re.compile(
    r"'[^']*(?:'|\Z)|\"[^\"]*(?:\"|\Z)|--[^\n]*|/\*.*?(?:\*/|\Z)|@(?=INFORMATION_SCHEMA\b)", re.I | re.S
)
_NOTE = re.compile(r"\s*(--[^\n]*(?:\n|\Z)|/\*.*?(?:\*/|\Z))", re.S)
_FIRST = re.compile(r"\W*([A-Za-z]+)")
_HALVES = re.compile("[\ud800-\udfff]")
_KINDS = {"with": "select", "values": "select"}
_VIEWS_DATABASE = "INFORMATION_SCHEMA"
_VIEW_COLUMNS = {
    "DELIVERIES": DELIVERY_COLUMNS,
    "COMMITS": COMMIT_COLUMNS,
    "INSTANCES": (
        "ID", "PATTERN", "FOLDER", "INSTANCE", "UPLOAD_ENABLED", "INSERT_ENABLED", "EDIT_ENABLED",
        "BUILD_ENABLED", "LATEST_BUILD_ID", "DELETED", "DESCRIPTION",
    ),
}  # fmt: skip
"""Columns of the rows that are put into a view; other columns that it has get a default value."""
_EXTRA = {
    "INSTANCE_LABELS": ("INSTANCE_ID INTEGER", "LABEL TEXT"),
    "PATTERN_VARIABLES": ("PATTERN TEXT", "NAME TEXT", "LEVEL TEXT", "VALUE TEXT"),
    "TABLES": ("TABLE_NAME TEXT", "DESCRIPTION TEXT"),
    "COLUMNS": ("TABLE_NAME TEXT", "COLUMN_NAME TEXT", "POSITION INTEGER", "DATA_TYPE TEXT"),
}


class MetaDatabase:
    """The meta databases of all projects, filled on first use.

    One thread runs all statements, one after the other: other requests are answered meanwhile, and the memory
    of one statement is in use at most.
    """

    def __init__(self, state: State) -> None:
        self._state = state
        self._lock = threading.Lock()
        self._projects: dict[int, _Database] = {}
        self._pool: ThreadPoolExecutor | None = None
        self._count = 0

    def ask(self, user: User, body: Any) -> Future[bytes]:
        """Check a request, and submit its statement; the future holds the response body as JSON."""
        params = check_body(schema.RESOURCES["metadata"], body)
        project = find_project(self._state, user, params)
        if not isinstance(params.get("statement"), str) or not params["statement"].strip():
            raise ApiError(400, "'statement' is required")
        with self._lock:
            self._count += 1
            pool = self._pool = self._pool or _start_pool()
            return pool.submit(self._run, user, project, params["statement"], self._count)

    def close(self) -> None:
        """Interrupt the running statement, and close all databases."""
        with self._lock:
            pool, self._pool = self._pool, None
        for database in list(self._projects.values()):
            database.interrupt()
        if pool:
            pool.shutdown(cancel_futures=True)
        while self._projects:
            self._projects.popitem()[1].close()

    def _run(self, user: User, project: int, sql: str, number: int) -> bytes:
        started = self._state.clock()
        try:
            if project not in self._projects:
                self._projects[project] = _Database(self._state, project)
            status, rows, metadata, error = self._projects[project].run(kind(sql), sql)
        except MemoryError:  # the views may lack rows: they were being filled
            if database := self._projects.pop(project, None):
                database.close()
            status, rows, metadata, error = _error(_NO_MEMORY)
        answer = {
            "id": str(uuid.uuid4()),
            "user_id": user.id,
            "type": f"{kind(sql)}_statement",
            "sql": sql,
            "stmt_no": number,
            "start_time": started,
            "status": status,
            "metadata": metadata,
        } | ({"error": error} if error else {})
        fields = [f for f in schema.RESOURCES["metadata"].fields if f.name != "rows"]
        (answer,) = add_missing_fields([answer], fields, "stmt_no")
        return encode_json(answer)[:-1] + b',"rows":[' + b",".join(rows) + b"]}"


def _start_pool() -> ThreadPoolExecutor:
    """Start one thread with a large stack: the default size differs between systems."""
    pool = ThreadPoolExecutor(1, "mkframe-embedded-sql")
    default = threading.stack_size(_STACK)
    try:
        pool.submit(int)
    finally:
        threading.stack_size(default)
    return pool


def kind(sql: str) -> str:
    """Return the kind of a statement, such as select or insert."""
    at = 0
    while note := _NOTE.match(sql, at):
        at = note.end()
    word = _FIRST.match(sql, at)
    first = word.group(1).lower() if word else "unknown"
    return _KINDS.get(first, first)


class _Database:
    def __init__(self, state: State, project: int) -> None:
        self._state, self._project = state, project
        self._deliveries = Deliveries(state, project)
        self._until = float("inf")
        self._closing = False
        self._row = 0
        self._db = sqlite3.connect(":memory:", check_same_thread=False, isolation_level=None)
        self._db.execute(f"ATTACH ':memory:' AS {_VIEWS_DATABASE}")
        self._db.execute(f"PRAGMA main.max_page_count = {_MAX_PAGES}")
        self._db.execute(f"PRAGMA temp.max_page_count = {_MAX_PAGES}")
        self._modules = {row[0].lower() for row in self._db.execute("PRAGMA module_list")}
        sql_allow_list.apply_limits(self._db)
        self._db.text_factory = self._decode
        self._db.set_progress_handler(lambda: self._closing or time.monotonic() > self._until, 1000)
        self._create()

    def run(self, kind: str, sql: str) -> _Outcome:
        self._fill()
        if problem := sql_allow_list.check(kind, sql):
            return _error(problem)
        user_tables = self._user_tables()
        self._until = time.monotonic() + _SECONDS
        self._db.set_authorizer(sql_allow_list.Authorizer(kind, _VIEWS_DATABASE, user_tables, self._modules))
        try:
            cursor = self._db.execute(_WORDS.sub(lambda m: m[0] if m[0] != "@" else "", sql))
            return self._fetch(cursor)
        except _ResultTooLarge as err:
            return _error(str(err))
        except MemoryError:
            return _error(_NO_MEMORY)
        except (sqlite3.Error, sqlite3.Warning, OverflowError, ValueError) as err:
            messages = {
                "interrupted": f"The statement ran longer than {_SECONDS:g} s",
                "user-defined function raised exception": "A function in it is not understood here",
            }
            return _error(messages.get(str(err), str(err)))
        finally:
            self._until = float("inf")
            self._db.set_authorizer(None)
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")

    def _user_tables(self) -> list[str]:
        names, self._row = [], 0
        for (name,) in self._db.execute("SELECT name FROM main.sqlite_master WHERE type = 'table'"):
            names.append(name)
            self._row = 0
        return names

    def interrupt(self) -> None:
        self._closing = True

    def close(self) -> None:
        self._db.close()

    # --- answering --------------------------------------------------------------------------------------

    def _fetch(self, cursor: sqlite3.Cursor) -> _Outcome:
        """Fetch and encode some rows at a time: as objects, they would take many times the memory."""
        columns = [_Column(name) for name in _unique_names([c[0] for c in cursor.description or ()])]
        names = [column.name for column in columns]
        parts: list[bytes] = []
        batch: list[dict[str, Any]] = []
        total = waiting = 0

        def encode_batch() -> None:
            nonlocal total, waiting
            if batch:
                parts.append(encode_json(batch)[1:-1])
                total, waiting = total + len(parts[-1]), 0
                batch.clear()
            if total > _BYTES:
                raise _ResultTooLarge(f"The statement yields more than {_BYTES // 1_000_000} MB")

        for count, row in enumerate(cursor, 1):
            if count > _ROWS:
                raise _ResultTooLarge(f"The statement yields more than {_ROWS} rows")
            batch.append(dict(zip(names, map(self._plain, columns, row), strict=True)))
            waiting, self._row = waiting + self._row, 0
            if len(batch) >= _BATCH or waiting > _BATCH_BYTES:
                encode_batch()
        encode_batch()
        return "FINISHED", parts, [{"name": c.name, "type": c.type()} for c in columns], None

    def _plain(self, column: _Column, value: Any) -> Any:
        if isinstance(value, bytes):
            value = value.hex()
            self._count(value)
        elif isinstance(value, float) and not math.isfinite(value):
            value = None
        column.add(value)
        return value

    def _decode(self, text: bytes) -> str:
        """Decode a text of a row, and count its memory."""
        decoded = text.decode()
        self._count(decoded)
        return decoded

    def _count(self, text: str) -> None:
        self._row += sys.getsizeof(text)
        if self._row > _ROW_BYTES:
            raise _ResultTooLarge(f"A row of the statement takes more than {_ROW_BYTES // 1_000_000} MB")

    # --- filling ----------------------------------------------------------------------------------------

    def _create(self) -> None:
        for view in schema.VIEWS.values():
            columns = (f"{f.name} {_SQLITE_TYPES.get(f.type, 'TEXT')}" for f in view.fields)
            self._db.execute(f"CREATE TABLE {_VIEWS_DATABASE}.{view.name} ({', '.join(columns)})")
        for name, extra in _EXTRA.items():
            self._db.execute(f"CREATE TABLE {_VIEWS_DATABASE}.{name} ({', '.join(extra)})")
        self._insert("COMMITS", self._deliveries.manual_commits())
        self._insert("TABLES", [(v.name, v.doc) for v in schema.VIEWS.values()])
        self._insert(
            "COLUMNS",
            [(v.name, f.name, n, _column_type(f.type))
             for v in schema.VIEWS.values() for n, f in enumerate(v.fields, 1)],
        )  # fmt: skip
        self._insert(
            "PATTERN_VARIABLES",
            [(PATTERNS[r["pattern_id"]].name, r["name"], r["level"], r["value"])
             for r in self._state.tables["pattern_variables"] if r["project_id"] in (None, self._project)],
        )  # fmt: skip

    def _fill(self) -> None:
        with self._state.lock:
            deliveries, commits = self._deliveries.advance()
            instances = [i for i in self._state.catalog.instances.values() if i.project_id == self._project]
            rows = [self._instance(i) for i in instances]
            labels = [(i.id, label) for i in instances for label in i.labels]
        self._insert("DELIVERIES", deliveries)
        self._insert("COMMITS", commits)
        for name, values in (("INSTANCES", rows), ("INSTANCE_LABELS", labels)):
            self._db.execute(f"DELETE FROM {_VIEWS_DATABASE}.{name}")  # noqa: S608 - our own names
            self._insert(name, values)

    def _insert(self, table: str, rows: list[Values]) -> None:
        columns = _VIEW_COLUMNS.get(table, ())
        missing = missing_fields(schema.VIEWS[table].fields, columns) if columns else []
        rows = [(*row, *(default_value(f, row[:4]) for f in missing)) for row in rows] if missing else rows
        names = f" ({', '.join([*columns, *(f.name for f in missing)])})" if columns else ""
        if rows:
            marks = ", ".join("?" * len(rows[0]))
            values = [tuple(map(_to_sqlite, row)) for row in rows]
            self._db.execute("BEGIN")
            self._db.executemany(f"INSERT INTO {_VIEWS_DATABASE}.{table}{names} VALUES ({marks})", values)  # noqa: S608
            self._db.execute("COMMIT")

    def _instance(self, i: Instance) -> Values:
        enabled = [int(not i.flags[f"{what}_disabled"]) for what in ("upload", "insert", "edit", "build")]
        return (
            i.id, PATTERNS[i.pattern_id].name, i.folder, i.name, *enabled,
            self._deliveries.latest.get(i.id), int(i.flags["deleted"]), None,
        )  # fmt: skip


def _to_sqlite(value: Any) -> Any:
    """Return a value that SQLite can hold."""
    if isinstance(value, list):
        return json.dumps(value)
    return _HALVES.sub("\ufffd", value) if isinstance(value, str) else value


# --- results --------------------------------------------------------------------------------------------


_Outcome = tuple[str, list[bytes], list[dict[str, str]], str | None]
"""Status, rows as JSON, columns, and the error text."""
_NO_MEMORY = "The statement needs more memory than there is for it"


class _ResultTooLarge(Exception):
    """A result that exceeds the limits."""


def _error(text: str) -> _Outcome:
    return "ERROR", [], [], text


def _unique_names(found: list[str]) -> list[str]:
    """Return the names in upper case; a repeated one gets a number."""
    names: list[str] = []
    for name in (n.upper() for n in found):
        names.append(name if name not in names else f"{name}_{sum(n.startswith(name) for n in names)}")
    return names


class _Column:
    """The name of a column, and the types that fit all its values so far."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._types: list[str] | None = None

    def add(self, value: Any) -> None:
        if value is None or self._types == []:
            return
        types = self._types if self._types is not None else list(_TESTS)
        self._types = [name for name in types if _TESTS[name](value)]

    def type(self) -> str:
        if self._types is None:
            declared = (f.type for view in schema.VIEWS.values() for f in view.fields if f.name == self.name)
            return _column_type(next(declared, "str"))
        return next(iter(self._types), "string")


_TESTS: dict[str, Callable[[Any], bool]] = {
    "integer": lambda v: isinstance(v, int),
    "float": lambda v: isinstance(v, (int, float)),
    "timestamp": lambda v: isinstance(v, str) and _TIMESTAMP.fullmatch(v) is not None,
}
"""Tests of the types of values, the narrowest type first; any other text or mixture is a string."""


_COLUMN_TYPES = {"int": "integer", "flag": "integer", "bool": "integer", "timestamp": "timestamp"}


def _column_type(type: str) -> str:
    return {"int": "integer", "flag": "integer", "bool": "integer", "timestamp": "timestamp"}.get(
        type, "string"
    )
