"""POST /metadata: SQL on a project's meta database, in the documented dialect, run by SQLite in memory.

What the dialect leaves open is said in `dialect`. Open in the reference besides; here:

* the text of an error is in ``error``, the message of a statement that is not a query in ``message``: both
  are unknown fields; ``rows`` and ``metadata`` are empty then;
* the views can be read only, but for INSERT INTO @INSTANCES;
* a statement that runs longer than five seconds or yields more than 200,000 rows or 50 MB is an ERROR, as is
  one of more than 200,000 characters or 100 SELECTs, with more than 200 columns, with a value of more than
  1 MB or a row of more than 16 MB, or with expressions more than 100 deep;
* statements run one after the other; the next waits for its turn;
* halves of surrogate pairs, which SQLite cannot hold, come as U+FFFD;
* the rows are objects, so of columns of one name the last is kept; ``metadata`` lists all of them;
* a user has selected the release of today in each group, for CURRENT_RELEASE.
"""

from __future__ import annotations

import json
import re
import sqlite3
import sys
import threading
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from mkframe import schema
from mkframe.demo_server import sql_allow_list
from mkframe.demo_server.auth import User
from mkframe.demo_server.catalog import Instance
from mkframe.demo_server.data import vocabulary
from mkframe.demo_server.data.projects import PATTERNS
from mkframe.demo_server.defaults import add_missing_fields, default_value, missing_fields
from mkframe.demo_server.deliveries import COMMIT_COLUMNS, DELIVERY_COLUMNS, Deliveries, Values
from mkframe.demo_server.filters import check_body, find_project
from mkframe.demo_server.responses import ApiError, encode_json
from mkframe.demo_server.state import State
from mkframe.demo_server.times import iso

if TYPE_CHECKING:
    from mkframe.demo_server.dialect import Engine, Facts, Pattern, Result

_SECONDS = 5.0
_ROWS = 200_000
_MAX_PAGES = 16_000
_BYTES, _ROW_BYTES, _BATCH_BYTES, _BATCH = 50_000_000, 16_000_000, 1_000_000, 1000
"""Limits of a result, of one row, and of the rows that are encoded at once."""
_STACK = 64 * 2**20
"""Bytes of stack for SQLite, which parses a statement recursively."""
_SQLITE_TYPES = {"int": "INTEGER", "flag": "INTEGER", "bool": "INTEGER"}
"""Types of columns; all others are TEXT."""
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
    "INSTANCE_LABELS": (
        "ID", "PATTERN", "FOLDER", "INSTANCE", "LABEL", "COLOR", "USER_NAME", "CREATED",
    ),
    "PATTERN_VARIABLES": ("PATTERN", "FOLDER", "NAME", "VALUE"),
}  # fmt: skip
"""Columns of the rows that are put into a view; other columns that it has get a default value."""
_UNRELATED = 1000
"""More than there are folders above a folder."""
_REFILLED = ("INSTANCES", "INSTANCE_LABELS")
"""Views that are filled for each statement, since users may change what they show."""
_OF_DIALECT = ("TABLES", "COLUMNS")
"""Views that the dialect fills, from what users have created."""
_PROPERTIES = {"integer": "integer", "int": "integer", "decimal": "decimal", "timestamp": "timestamp"}
"""Types of instance properties that are not held as text."""
_STRATEGIES = {"OVERWRITE": "Overwrite", "RETAIN": "Retain", "MERGE": "Merge", "ADD NEW": "Add New"}


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

    def add_pattern(
        self,
        project: int,
        pattern: Pattern,
        rows: Sequence[tuple[str, str, str | None, bool, Sequence[Any]]],
        views: Mapping[str, list[Values]],
    ) -> None:
        """Offer `@INSTANCES.<pattern>` in a project, with rows for it and for other views."""

        def add() -> None:
            self._database(project).add_pattern(pattern, rows, views)

        with self._lock:
            pool = self._pool = self._pool or _start_pool()
            pool.submit(add).result()

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

    def _database(self, project: int) -> _Database:
        if project not in self._projects:
            self._projects[project] = _Database(self._state, project)
        return self._projects[project]

    def _run(self, user: User, project: int, sql: str, number: int) -> bytes:
        started = self._state.moment()
        try:
            status, rows, metadata, texts = self._database(project).run(kind(sql), sql, user)
        except MemoryError:  # the views may lack rows: they were being filled
            if database := self._projects.pop(project, None):
                database.close()
            status, rows, metadata, texts = _error(_NO_MEMORY)
        answer = {
            "id": str(self._new_id(number)),
            "user_id": user.id,
            "type": f"{kind(sql)}_statement",
            "sql": sql,
            "stmt_no": number,
            "start_time": started,
            "status": status,
            "metadata": metadata,
            **texts,
        }
        fields = [f for f in schema.RESOURCES["metadata"].fields if f.name != "rows"]
        (answer,) = add_missing_fields([answer], fields, "stmt_no")
        return encode_json(answer)[:-1] + b',"rows":[' + b",".join(rows) + b"]}"

    def _new_id(self, number: int) -> uuid.UUID:
        """Return the ID of a statement; with `at`, it follows from the seed and the statement's number."""
        if not self._state.frozen:
            return uuid.uuid4()
        return uuid.uuid5(uuid.NAMESPACE_DNS, f"{number}.{self._state.seed}.example.com")


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
        self._engine = _engine(self._db, state)
        self._unread: dict[str, int] = {}
        self._extra: dict[str, list[Values]] = {}
        self._create()

    def run(self, kind: str, sql: str, user: User) -> _Outcome:
        from mkframe.demo_server.dialect import SqlError

        self._fill()
        self._fill_instances(sql)
        if problem := sql_allow_list.check(sql):
            return _error(problem)
        user_tables = self._user_tables()
        self._until = time.monotonic() + _SECONDS
        self._engine.stop_at(self._until)
        self._db.set_authorizer(sql_allow_list.Authorizer(kind, _VIEWS_DATABASE, user_tables, self._modules))
        try:
            return self._fetch(self._engine.run(sql, self._facts(user)))
        except SqlError as err:
            return _error(str(err))
        except _ResultTooLarge as err:
            return _error(str(err))
        except MemoryError:
            return _error(_NO_MEMORY)
        except (sqlite3.Error, sqlite3.Warning, OverflowError, ValueError) as err:
            timed_out = str(err) == "interrupted"
            return _error(f"The statement ran longer than {_SECONDS:g} s" if timed_out else str(err))
        finally:
            self._until = float("inf")
            self._engine.stop_at(self._until)
            self._db.set_authorizer(None)
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")

    def _user_tables(self) -> list[str]:
        names, self._row = [], 0
        for (name,) in self._db.execute("SELECT name FROM main.sqlite_master WHERE type = 'table'"):
            names.append(name)
            self._row = 0
        return names

    def add_pattern(
        self,
        pattern: Pattern,
        rows: Sequence[tuple[str, str, str | None, bool, Sequence[Any]]],
        views: Mapping[str, list[Values]],
    ) -> None:
        self._unread.pop(pattern.name.upper(), None)
        self._engine.add_pattern(pattern, rows)
        self._offer_commits(pattern.name)
        for name, values in views.items():
            self._extra.setdefault(name, []).extend(values)
            if name not in _REFILLED:
                self._insert(name, values)

    def _facts(self, user: User) -> Facts:
        from mkframe.demo_server.dialect import Facts, SqlError

        def release(name: str) -> str | None:
            catalog = self._state.catalog
            pattern = next((p for p in PATTERNS.values() if p.name.upper() == name.upper()), None)
            if pattern is None:
                raise SqlError(f"The pattern {name!r} does not exist!", "CompileError")
            found = catalog.releases.get(catalog.release_at(pattern.group, self._state.moment()) or 0)
            return found.name if found else None

        return Facts(user.email, release)

    def interrupt(self) -> None:
        self._closing = True

    def close(self) -> None:
        self._db.close()

    # --- answering --------------------------------------------------------------------------------------

    def _fetch(self, result: Result) -> _Outcome:
        """Fetch and encode some rows at a time: as objects, they would take many times the memory."""
        names = [column.name for column in result.columns]
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

        for count, row in enumerate(result.rows, 1):
            if count > _ROWS:
                raise _ResultTooLarge(f"The statement yields more than {_ROWS} rows")
            batch.append(dict(zip(names, row, strict=True)))
            waiting, self._row = waiting + self._row, 0
            if len(batch) >= _BATCH or waiting > _BATCH_BYTES:
                encode_batch()
        encode_batch()
        columns = [{"name": c.name, "type": c.type} for c in result.columns]
        return "FINISHED", parts, columns, {"message": result.message} if result.message else {}

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
            if view.name not in _OF_DIALECT:
                self._create_view(view.name, [(f.name, f.type) for f in view.fields])
        self._insert("COMMITS", self._deliveries.manual_commits())
        self._insert("PATTERN_VARIABLES", list(self._variables()))
        for project, pattern in self._state.catalog.by_pattern:
            if project == self._project:
                self._create_pattern(pattern)

    def _create_view(self, name: str, fields: Sequence[tuple[str, str]]) -> None:
        columns = ", ".join(f"{field} {_SQLITE_TYPES.get(kind, 'TEXT')}" for field, kind in fields)
        self._db.execute(f"CREATE TABLE {_VIEWS_DATABASE}.{name} ({columns})")
        self._engine.add_view(f"@{_VIEWS_DATABASE}.{name}", f"{_VIEWS_DATABASE}.{name}", _columns(fields))

    def _create_pattern(self, id: int) -> None:
        """Offer `@COMMITS` and `@INSTANCES` of a pattern; rows of the latter come when they are asked for."""
        from mkframe.demo_server.dialect import Pattern

        pattern, tables = PATTERNS[id], self._state.tables
        roles = {
            r["name"]: _STRATEGIES.get((r["merge_strategy"] or "").upper().replace("_", " "), "Overwrite")
            for r in tables["functional_roles"]
            if r["pattern_id"] == id
        }
        described = sorted((r for r in tables["instance_properties"] if r["pattern_id"] == id), key=_place)
        properties = {"FUNCTIONAL_ROLE": "string", "NAME": "string"} | {
            r["name"]: _PROPERTIES.get(r["datatype"], "string") for r in described
        }
        known = self._state.catalog.releases.values()
        releases = [r.name for r in known if r.group == pattern.group and not r.deleted]
        self._engine.add_pattern(
            Pattern(pattern.name, properties, roles, releases if pattern.group else None)
        )
        self._unread[pattern.name.upper()] = id
        self._offer_commits(pattern.name)

    def _offer_commits(self, pattern: str) -> None:
        fields = [(f.name, f.type) for f in schema.PATTERN_VIEWS["COMMITS"].fields]
        names, name = ", ".join(field for field, _ in fields), pattern.replace("'", "''")
        commits = f"(SELECT {names} FROM {_VIEWS_DATABASE}.COMMITS WHERE PATTERN = '{name}')"  # noqa: S608 - our own names
        self._engine.add_view(f"@COMMITS.{pattern}", commits, _columns(fields))

    def _fill_instances(self, sql: str) -> None:
        """Put in the rows of the patterns that a statement names, when it names them first."""
        upper = sql.upper()
        for name, pattern in list(self._unread.items()):
            if name in upper:
                del self._unread[name]
                self._engine.set_instances(name, list(self._instance_rows(pattern)))

    def _instance_rows(self, pattern: int) -> Iterator[tuple[str, str, str | None, bool, list[Any]]]:
        branches, at = self._state.branches, self._state.moment()
        names = self._engine.properties(PATTERNS[pattern].name)
        instances = [
            i
            for i in self._state.catalog.instances.values()
            if (i.project_id, i.pattern_id) == (self._project, pattern)
        ]
        for release in branches.releases_of(pattern, at):
            for instance in instances:
                if branches.added_to(instance, release, at) is None:
                    continue
                version = branches.version(instance, release.id if release else None, at)
                for column in branches.columns(instance, version):
                    known = {
                        "FUNCTIONAL_ROLE": column.role, "NAME": column.name, "DATA_TYPE": column.type,
                        "PRECISION": column.length,
                    }  # fmt: skip
                    values = [known.get(name) for name in names]
                    deleted = bool(instance.flags["deleted"])
                    yield instance.folder, instance.name, release.name if release else None, deleted, values

    def _variables(self) -> Iterator[Values]:
        """Resolve the variables of each pattern for each of its folders: the nearest level wins."""
        rows = self._state.tables["pattern_variables"]
        folders = {
            f["id"]: f for f in self._state.tables["instance_folders"] if f["project_id"] == self._project
        }
        for folder in folders.values():
            above: list[int] = []
            at: Any = folder
            while at is not None:
                above.append(at["id"])
                at = folders.get(at["parent_folder_id"])
            own = [r for r in rows if r["pattern_id"] == folder["pattern_id"] and r["instance_id"] is None]
            for name in dict.fromkeys(r["name"] for r in own):
                found = [r for r in own if r["name"] == name]
                best = min(found, key=lambda r: self._distance(r, above))
                if self._distance(best, above) < _UNRELATED:
                    yield PATTERNS[folder["pattern_id"]].name, folder["path"], name, best["value"]

    def _distance(self, row: dict[str, Any], above: list[int]) -> int:
        if row["instance_folder_id"] is not None:
            folder = row["instance_folder_id"]
            return above.index(folder) if folder in above else _UNRELATED
        if row["project_id"] is not None:
            return _UNRELATED - 2 if row["project_id"] == self._project else _UNRELATED
        return _UNRELATED - 1

    def _fill(self) -> None:
        with self._state.lock:
            deliveries, commits = self._deliveries.advance()
            instances = [i for i in self._state.catalog.instances.values() if i.project_id == self._project]
            rows = [self._instance(i) for i in instances]
            labels = list(self._labels(instances))
        self._insert("DELIVERIES", deliveries)
        self._insert("COMMITS", commits)
        for name, values in (("INSTANCES", rows), ("INSTANCE_LABELS", labels)):
            self._db.execute(f"DELETE FROM {_VIEWS_DATABASE}.{name}")  # noqa: S608 - our own names
            self._insert(name, [*values, *self._extra.get(name, ())])

    def _labels(self, instances: list[Instance]) -> Iterator[Values]:
        colors = {row["name"]: row["color"] for row in self._state.tables["labels"]}
        number = 0
        for i in instances:
            for label in i.labels:
                number += 1
                yield (
                    number, PATTERNS[i.pattern_id].name, i.folder, i.name, label, colors.get(label),
                    vocabulary.USERS[i.user_id], iso(i.created),
                )  # fmt: skip

    def _insert(self, table: str, rows: list[Values]) -> None:
        columns = _VIEW_COLUMNS[table]
        missing = missing_fields(schema.VIEWS[table].fields, columns)
        rows = [(*row, *(default_value(f, row[:4]) for f in missing)) for row in rows] if missing else rows
        names = f" ({', '.join([*columns, *(f.name for f in missing)])})"
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


_Outcome = tuple[str, list[bytes], list[dict[str, str]], dict[str, str]]
"""Status, rows as JSON, columns, and the error or the message."""
_NO_MEMORY = "The statement needs more memory than there is for it"


class _ResultTooLarge(Exception):
    """A result that exceeds the limits."""


def _error(text: str) -> _Outcome:
    return "ERROR", [], [], {"error": text}


def _columns(fields: Sequence[tuple[str, str]]) -> list[Any]:
    from mkframe.demo_server.dialect import Column

    return [Column(name.upper(), _column_type(kind)) for name, kind in fields]


_COLUMN_TYPES = {
    "int": "integer", "flag": "integer", "bool": "integer", "timestamp": "timestamp", "naive": "timestamp",
}  # fmt: skip


def _column_type(type: str) -> str:
    return _COLUMN_TYPES.get(type, "string")


def _place(row: dict[str, Any]) -> int:
    return int(row["pos_no"])


def _engine(database: sqlite3.Connection, state: State) -> Engine:
    from mkframe.demo_server.dialect import (
        Engine,  # with sqlglot, which the start of a server should not cost
    )

    return Engine(database, state.moment)
