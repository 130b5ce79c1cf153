"""Store answers: new versions of rows that changed, the end of those that are gone, the sync itself."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from mkframe._http import Validators
from mkframe.errors import SchemaError, SchemaWarning, warn
from mkframe.frames._columns import Array
from mkframe.history._layout import ACCOUNT, SEEN, columns
from mkframe.history._rows import Rows
from mkframe.history._tables import to_table, unknown_names, view_table

if TYPE_CHECKING:
    import duckdb

__all__ = [
    "Conflict",
    "Last",
    "Outcome",
    "Scope",
    "append_rows",
    "last_syncs",
    "record",
    "write_rows",
]

_MAX_GONE, _MAX_GONE_SHARE = 10, 5
"""More rows than the first, and more than one in the second, are gone at once only if that is allowed."""
_NO_IDS: Array = np.empty(0, dtype=np.int64)


class Conflict(Exception):
    """The scope was synced by somebody else since the question was prepared."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What one question is about: a resource, of one project or of the account."""

    resource: str
    project: int = ACCOUNT
    name: str | None = None
    """Name of the project at this time."""

    @property
    def key(self) -> tuple[str, int]:
        """What identifies the scope."""
        return self.resource, self.project


@dataclass(frozen=True, slots=True)
class Last:
    """The last sync in which the server showed the rows of a scope."""

    sync: int = 0
    asked_at: dt.datetime | None = None
    validators: Validators = field(default_factory=Validators)
    rows: int = 0
    fields: tuple[str, ...] = ()
    nested: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one question has come to; a row of the result of a sync, and of the table of syncs."""

    scope: Scope
    how: str
    asked_at: dt.datetime
    seconds: float = 0.0
    rows: int = 0
    new: int = 0
    changed: int = 0
    gone: int = 0
    last: Last = field(default_factory=Last)
    """What is known of the rows: the answer's own, or that of the sync before."""


def last_syncs(connection: duckdb.DuckDBPyConnection) -> dict[tuple[str, int], Last]:
    """Return the last sync of each scope, by resource and project."""
    found = connection.execute(
        f"""SELECT resource, scope, sync, asked_at, etag, wire, body, "rows", fields, nested FROM stored.syncs
        WHERE how IN {SEEN} QUALIFY row_number() OVER (PARTITION BY resource, scope ORDER BY sync DESC) = 1"""
    ).fetchall()
    return {
        (row[0], row[1]): Last(row[2], row[3], Validators(*row[4:7]), row[7], tuple(row[8]), tuple(row[9]))
        for row in found
    }


def record(connection: duckdb.DuckDBPyConnection, outcomes: Sequence[Outcome]) -> None:
    """Store syncs that changed nothing, in one transaction.

    One that somebody else has overtaken is left out: what it compared with is not the last any more.
    """
    connection.execute("BEGIN")
    for outcome in outcomes:
        if _last_of(connection, outcome.scope) == outcome.last.sync:
            _insert(connection, _next_number(connection), outcome)
    connection.execute("COMMIT")


def write_rows(
    connection: duckdb.DuckDBPyConnection,
    scope: Scope,
    last: Last,
    asked_at: dt.datetime,
    validators: Validators,
    rows: Rows,
    *,
    allow_gone: bool = False,
    visible: frozenset[int] | None = None,
    places: Array | None = None,
) -> Outcome:
    """Store the rows of an answer, in one transaction.

    Parameters
    ----------
    connection : connection
        To the history.
    scope : Scope
        What was asked for.
    last : Last
        The sync before, with which the answer is compared.
    asked_at : datetime
        When it was asked.
    validators : Validators
        By what the answer is known again.
    rows : Rows
        The answer.
    allow_gone : bool
        Whether any number of rows may be gone, all of them included.
    visible : set of int, optional
        Projects that the server shows; rows of others, which are missing from an answer about the account,
        are not gone. None where that does not matter.
    places : ndarray of int, optional
        The rows that belong to the scope; all of them by default.

    Returns
    -------
    Outcome
        How is "rows", "unseen" if there are none where there were some, or "refused" if too many are gone.

    Raises
    ------
    Conflict
        If somebody else has synced the scope meanwhile.
    SchemaError
        If an id comes twice.
    """
    connection.execute("BEGIN")
    if _last_of(connection, scope) != last.sync:
        raise Conflict
    update = _Update(connection, scope, _next_number(connection), last)
    update.take(rows, np.arange(len(rows)) if places is None else places)
    outcome = Outcome(scope, "rows", asked_at, rows=update.size, last=last)
    kept, gone = update.missing(visible)
    count = update.held - len(kept)
    if not allow_gone and update.held and not update.size:
        connection.execute("ROLLBACK")
        return replace(outcome, how="unseen")
    if not allow_gone and len(gone) > _MAX_GONE and len(gone) * _MAX_GONE_SHARE > count:
        connection.execute("ROLLBACK")
        return replace(outcome, how="refused", gone=len(gone))
    update.end(gone)
    if len(kept):  # the same answer may mean another thing once their projects are shown again
        validators = Validators()
    names, nested = rows.order((*last.fields, *update.fields), (*last.nested, *update.nested))
    known = Last(update.number, asked_at, validators, update.size, tuple(names), tuple(nested))
    outcome = replace(outcome, new=update.new, changed=update.changed, gone=len(gone), last=known)
    _insert(connection, update.number, outcome)
    connection.execute("COMMIT")
    for name in update.with_nulls:
        warn(
            f"Column {name!r} of {scope.resource} was expected without nulls, but some rows are null.",
            SchemaWarning,
        )
    return outcome


class _Update:
    """The change of one scope by one answer."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, scope: Scope, number: int, last: Last) -> None:
        self.connection, self.scope, self.number = connection, scope, number
        self.table = f"stored.{scope.resource}"
        self.given = {"scope": scope.project, "number": number}
        found = self._run(f"SELECT raw, id FROM {self.table}_raw WHERE scope = $scope").fetchnumpy()
        self._hashes, self._ids = found["raw"], found["id"]
        self._lacking: Array = _NO_IDS
        """Ids of stored rows that the answer lacks."""
        self.held = len(self._ids)
        """Number of rows before."""
        self.size = self.new = self.changed = 0
        self.fields: dict[str, None] = {}
        self.nested: dict[str, None] = {}
        self.with_nulls: dict[str, None] = {}
        """Columns with nulls that the reference rules out."""

    def _run(self, sql: str, **given: Any) -> duckdb.DuckDBPyConnection:
        used = {name: value for name, value in {**self.given, **given}.items() if f"${name}" in sql}
        return self.connection.execute(sql, used)

    def _register(self, name: str, ids: Array) -> None:
        import pyarrow as pa

        self.connection.register(name, pa.table({"id": ids}))

    def take(self, rows: Rows, places: Array) -> None:
        """Read the rows with unknown bytes, and store those whose values are new."""
        read_ids: list[Array] = []
        shown, fresh = self._find(rows.hashes, places)
        for part, read, text in rows.pieces(fresh):
            table = to_table(self.scope.resource, read, text)
            names, nested = unknown_names(self.scope.resource, read)
            self.fields |= dict.fromkeys(names)
            self.nested |= dict.fromkeys(nested)
            odd = (b.field.name for b in read.builders if b.has_nulls and not b.field.null)
            self.with_nulls |= dict.fromkeys(odd)
            read_ids.append(table["id"].to_numpy())
            self._store(table, rows.hashes[part])
        self.size = len(places)
        ids = np.concatenate([_NO_IDS, *read_ids])
        unique, counts = np.unique(ids, return_counts=True)
        known = self._ids[shown]
        twice = [*unique[counts > 1].tolist(), *unique[np.isin(unique, known)].tolist()]
        if twice or len(known) + len(ids) < self.size:
            raise SchemaError(
                f"The answer lists {self.scope.resource} {twice[0] if twice else 'of the same id'} twice.",
                hint="Nothing of it was stored; ask again.",
            )
        self._lacking = np.setdiff1d(self._ids[~shown], unique)

    def _find(self, hashes: Array, places: Array) -> tuple[Array, Array]:
        """Mark the stored rows whose bytes are among those given, and return the places of the others."""
        if not self.held:
            return np.zeros(0, dtype=np.bool_), places
        order = np.argsort(self._hashes)
        wanted = hashes[places]
        at = order[np.minimum(np.searchsorted(self._hashes, wanted, sorter=order), self.held - 1)]
        is_known = self._hashes[at] == wanted
        shown = np.zeros(self.held, dtype=np.bool_)
        shown[at[is_known]] = True
        return shown, places[~is_known]

    def _store(self, table: Any, hashes: Array) -> None:
        import pyarrow as pa

        names = ", ".join(columns(self.scope.resource))
        self.connection.register("fresh", table)
        is_new = np.ones(len(table), dtype=np.bool_)
        if self.held:
            same = " AND ".join(
                f"n.{name} IS NOT DISTINCT FROM o.{name}" for name in columns(self.scope.resource)
            )
            old = f"SELECT * FROM {self.table} WHERE scope = $scope AND to_sync IS NULL"
            unchanged = self._run(f"SELECT n.id FROM fresh n JOIN ({old}) o ON n.id = o.id WHERE {same}")
            unchanged_ids = unchanged.fetchnumpy()["id"]
            is_new = ~np.isin(table["id"].to_numpy(), unchanged_ids)
            self.connection.register("fresh", table.filter(pa.array(is_new)))
            self._register("ids", table["id"].to_numpy())
            self._forget_bytes()
            changed = self._end("SELECT id FROM fresh")
            self.changed += changed
            self.new -= changed
        self._run(f"INSERT INTO {self.table} SELECT $scope, $number, NULL, {names} FROM fresh")
        self.new += int(is_new.sum())
        self.connection.register("raws", pa.table({"id": table["id"], "raw": hashes}))
        self._run(f"INSERT INTO {self.table}_raw SELECT $scope, id, raw FROM raws")

    def _end(self, ids: str) -> int:
        """End the present versions of some rows; return how many there were."""
        found = self._run(
            f"UPDATE {self.table} SET to_sync = $number "
            f"WHERE scope = $scope AND to_sync IS NULL AND id IN ({ids})"
        ).fetchall()
        return int(found[0][0])

    def missing(self, visible: frozenset[int] | None) -> tuple[Array, Array]:
        """Return the ids that the answer lacks: those of projects that cannot be seen, and those gone."""
        lacking = self._lacking
        if visible is None or not len(lacking):
            return _NO_IDS, lacking
        self._register("ids", lacking)
        self._register("visible", np.fromiter(visible, dtype=np.int64, count=len(visible)))
        found = self._run(
            f"""SELECT id FROM {self.table} WHERE scope = $scope AND to_sync IS NULL
            AND id IN (SELECT id FROM ids) AND project_id IN (SELECT id FROM visible)"""
        )
        gone = np.asarray(found.fetchnumpy()["id"])
        return np.setdiff1d(lacking, gone), gone

    def end(self, gone: Array) -> None:
        """End the versions of rows that are gone."""
        if len(gone):
            self._register("ids", gone)
            self._end("SELECT id FROM ids")
            self._forget_bytes()

    def _forget_bytes(self) -> None:
        """Remove the hashes of some rows."""
        self._run(f"DELETE FROM {self.table}_raw WHERE scope = $scope AND id IN (SELECT id FROM ids)")


def append_rows(
    connection: duckdb.DuckDBPyConnection, scope: Scope, asked_at: dt.datetime, frame: pd.DataFrame
) -> Outcome:
    """Add the rows of a view that are not there yet, in one transaction."""
    table, names = f"stored.{scope.resource}", ", ".join(columns(scope.resource))
    connection.execute("BEGIN")
    number = _next_number(connection)
    connection.register("fresh", view_table(scope.resource, frame))
    known = f"SELECT {names} FROM {table} WHERE scope = $scope"
    lacking = f"SELECT {names} FROM fresh EXCEPT ALL {known}"
    if "ID" in frame.index.names:
        lacking = (
            f'SELECT {names} FROM fresh WHERE "ID" NOT IN (SELECT "ID" FROM {table} WHERE scope = $scope)'
        )
    given = {"scope": scope.project, "number": number}
    insert = f"INSERT INTO {table} SELECT $scope, $number, f.* FROM ({lacking}) f"
    new = int(connection.execute(insert, given).fetchall()[0][0])
    outcome = Outcome(
        scope,
        "rows" if new else "same",
        asked_at,
        rows=len(frame),
        new=new,
        last=Last(number, asked_at, rows=len(frame)),
    )
    _insert(connection, number, outcome)
    connection.execute("COMMIT")
    return outcome


def _last_of(connection: duckdb.DuckDBPyConnection, scope: Scope) -> int:
    """Return the number of the last sync in which the rows of a scope were shown, or 0."""
    found = connection.execute(
        f"SELECT max(sync) FROM stored.syncs WHERE resource = ? AND scope = ? AND how IN {SEEN}",
        [scope.resource, scope.project],
    ).fetchall()
    return int(found[0][0] or 0)


def _next_number(connection: duckdb.DuckDBPyConnection) -> int:
    return int(connection.execute("SELECT coalesce(max(sync), 0) + 1 FROM stored.syncs").fetchall()[0][0])


def _insert(connection: duckdb.DuckDBPyConnection, number: int, outcome: Outcome) -> None:
    """Store a sync."""
    scope, last, seen = outcome.scope, outcome.last, outcome.how in ("304", "same", "rows")
    validators = last.validators if seen else Validators()
    connection.execute(
        "INSERT INTO stored.syncs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            number, scope.resource, scope.project, scope.name, outcome.asked_at, outcome.how,
            validators.etag, validators.wire, validators.body, list(last.fields), list(last.nested),
            outcome.rows, outcome.new, outcome.changed, outcome.gone,
        ],
    )  # fmt: skip
