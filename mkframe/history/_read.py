"""Read frames back: as they are, as they were known at a time, and how they came to be."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from mkframe._pandas import TEXT
from mkframe.errors import InputError
from mkframe.history._layout import PER_PROJECT, SEEN, columns, fields_of
from mkframe.history._tables import to_frame, view_frame
from mkframe.metrics._grouping import local_times
from mkframe.schema import RESOURCES

if TYPE_CHECKING:
    import duckdb

__all__ = [
    "Known",
    "changes",
    "known_project",
    "known_syncs",
    "moves",
    "project_id",
    "read",
    "read_table",
    "read_view",
    "syncs",
]


_TIMES: Any = "datetime64[us, UTC]"


@dataclass(frozen=True, slots=True)
class Known:
    """The sync that holds what was known of one scope at a time."""

    scope: int
    sync: int
    asked_at: dt.datetime
    fields: tuple[str, ...]
    nested: tuple[str, ...]


def known_syncs(
    connection: duckdb.DuckDBPyConnection, resource: str, moment: dt.datetime | None, scope: int | None
) -> list[Known]:
    """Return the last sync of each scope at or before a moment, in which the rows were shown."""
    found = connection.execute(
        f"""SELECT scope, sync, asked_at, fields, nested FROM stored.syncs
        WHERE resource = $resource AND how IN {SEEN} AND asked_at <= $moment
        AND ($scope IS NULL OR scope = $scope)
        QUALIFY row_number() OVER (PARTITION BY scope ORDER BY sync DESC) = 1 ORDER BY scope""",
        {"resource": resource, "moment": moment or dt.datetime.max.replace(tzinfo=dt.UTC), "scope": scope},
    ).fetchall()
    return [Known(row[0], row[1], row[2], tuple(row[3]), tuple(row[4])) for row in found]


def read(
    connection: duckdb.DuckDBPyConnection,
    resource: str,
    known: Sequence[Known],
    *,
    project: int | None,
    gone: bool,
) -> pd.DataFrame:
    """Read the rows that some syncs showed; with `gone` those too that had been shown before."""
    table = read_table(connection, resource, known, project=project, gone=gone)
    names = dict.fromkeys(name for k in known for name in k.fields)
    nested = dict.fromkeys(name for k in known for name in k.nested)
    frame = to_frame(resource, table, [*names], [*nested])
    if gone:
        since = table["gone_since"].to_numpy(zero_copy_only=False).astype("datetime64[us]")
        frame["gone_since"] = pd.array(since, dtype=_TIMES)
    return frame


def read_table(
    connection: duckdb.DuckDBPyConnection,
    resource: str,
    known: Sequence[Known],
    *,
    project: int | None,
    gone: bool,
) -> Any:
    """Read the same rows into a table, by id; columns of the file, then ``from_sync`` and ``gone_since``."""
    import pyarrow as pa

    connection.register(
        "known",
        pa.table(
            {
                "scope": pa.array([k.scope for k in known], pa.int64()),
                "sync": pa.array([k.sync for k in known], pa.int64()),
            }
        ),
    )
    names = ", ".join(f"v.{name}" for name in columns(resource))
    only = "" if project is None or resource in PER_PROJECT else "AND v.project_id = $project"
    given = {"project": project} if only else {}
    live = f"""SELECT {names}, v.from_sync, NULL::TIMESTAMPTZ AS gone_since
        FROM stored.{resource} v JOIN known k ON v.scope = k.scope
        WHERE v.from_sync <= k.sync AND (v.to_sync IS NULL OR v.to_sync > k.sync) {only}"""
    table = connection.sql(live, params=given).to_arrow_table()
    if gone:
        past = f"""SELECT {names}, v.from_sync, s.asked_at AS gone_since
            FROM stored.{resource} v JOIN known k ON v.scope = k.scope
            JOIN stored.syncs s ON s.sync = v.to_sync
            WHERE v.to_sync <= k.sync {only} AND v.id NOT IN (SELECT id FROM live)
            QUALIFY row_number() OVER (PARTITION BY v.id ORDER BY v.to_sync DESC) = 1"""
        connection.register("live", table.select(["id"]))
        table = pa.concat_tables([table, connection.sql(past, params=given).to_arrow_table()])
    return _sorted(table)


def read_view(connection: duckdb.DuckDBPyConnection, resource: str, project: int | None) -> pd.DataFrame:
    """Read the rows of a view that syncs have collected."""
    where = "" if project is None else "WHERE scope = $project"
    given = {} if project is None else {"project": project}
    names = ", ".join(columns(resource))
    order = '"ID"' if resource == "deliveries" else '"COMMIT_TIMESTAMP", from_sync'
    sql = f"SELECT {names} FROM stored.{resource} {where} ORDER BY {order}"
    return view_frame(resource, connection.sql(sql, params=given).to_arrow_table())


def _sorted(table: Any) -> Any:
    """Sort rows by id; of a row that two scopes show, since it has moved, keep the newest."""
    ids = table["id"].to_numpy()
    if len(ids) < 2 or (np.diff(ids) > 0).all():
        return table
    order = np.lexsort((table["from_sync"].to_numpy(), ids))
    is_last = np.append(np.diff(ids[order]) > 0, True)
    return table.take(order[is_last])


def project_id(connection: duckdb.DuckDBPyConnection, project: str | int | None) -> int | None:
    """Return the id of a project that is named as it was at any time.

    Raises
    ------
    InputError
        If the history knows no such project, or several.
    """
    if project is None:
        return None
    if isinstance(project, bool) or not isinstance(project, str | int | np.integer):
        raise InputError(f"project is {project!r:.80}.", hint="Give its name or its id.")
    names = connection.execute(
        f"""SELECT scope, name, max(sync) AS last FROM stored.syncs
        WHERE resource IN {PER_PROJECT} GROUP BY ALL ORDER BY last DESC"""
    ).fetchall()
    if not isinstance(project, str):
        return int(project)
    newest: dict[int, str | None] = {}
    for scope, name, _ in names:
        newest.setdefault(scope, name)
    now = {scope for scope, name in newest.items() if name == project}
    ever = now or {scope for scope, name, _ in names if name == project}
    if len(ever) == 1:
        return int(ever.pop())
    if not ever and project.isdecimal() and int(project) in newest:
        return int(project)
    listed = ", ".join(sorted({str(name) for name in newest.values() if name})[:20])
    if ever:
        raise InputError(
            f"The history has {len(ever)} projects of the name {project!r}.",
            hint=f"Give the id: {', '.join(map(str, sorted(ever)))}.",
        )
    raise InputError(f"The history has no project {project!r}.", hint=f"There is: {listed or 'none'}.")


def known_project(connection: duckdb.DuckDBPyConnection, project: str | int | None) -> int | None:
    """Return the id of a project of which the history holds something, or was asked for."""
    number = project_id(connection, project)
    if number is None or isinstance(project, str):
        return number
    lists = " UNION ALL ".join(
        [
            f"SELECT scope AS id FROM stored.syncs WHERE resource IN {PER_PROJECT}",
            "SELECT id FROM stored.projects",
            "SELECT project_id FROM stored.downloads",
        ]
    )
    found = connection.execute(f"SELECT count(*) FROM ({lists}) WHERE id = ?", [number]).fetchall()
    if not found[0][0]:
        raise InputError(f"The history has no project {number}.", hint="History.projects() lists them.")
    return number


# --- how rows came to be ------------------------------------------------------------------------------

_VERSIONS = """
    SELECT v.*, f.asked_at AS first_seen, t.asked_at AS until,
        (SELECT max(asked_at) FROM stored.syncs s WHERE s.resource = $resource AND s.scope = v.scope
            AND s.how IN {seen} AND s.sync >= v.from_sync AND (v.to_sync IS NULL OR s.sync < v.to_sync)
        ) AS last_seen
    FROM stored.{resource} v JOIN stored.syncs f ON f.sync = v.from_sync
    LEFT JOIN stored.syncs t ON t.sync = v.to_sync
"""


def changes(connection: duckdb.DuckDBPyConnection, resource: str, key: int) -> pd.DataFrame:
    """List the versions of one row."""
    sql = _VERSIONS.format(resource=resource, seen=SEEN)
    found = connection.execute(
        f"SELECT first_seen, last_seen, until, {', '.join(columns(resource))} FROM ({sql}) "
        "WHERE id = $id ORDER BY from_sync",
        {"resource": resource, "id": key},
    ).fetchall()
    names = [field.name for field in fields_of(resource)]
    changed: list[list[str]] = []
    before: Mapping[str, Any] | None = None
    for row in found:
        values = {**dict(zip(names, row[3:-1], strict=True)), **_unknown(row[-1])}
        keys = dict.fromkeys([*values, *(before or {})])
        changed.append([] if before is None else [k for k in keys if values.get(k) != before.get(k)])
        before = values
    times = [pd.array([row[n] for row in found], dtype=_TIMES) for n in range(3)]
    frame = pd.DataFrame(dict(zip(("first_seen", "last_seen", "until"), times, strict=True)))
    frame["changed"] = pd.Series(changed, index=frame.index, dtype="object")
    return frame


def _unknown(extra: str | None) -> dict[str, Any]:
    import msgspec

    return {} if extra is None else dict(msgspec.json.decode(extra))


_MOVES = """
    WITH versions AS (
        SELECT *, lag(from_sync) OVER w AS old_from, lag(to_sync) OVER w AS old_to, {lags}
        FROM stored.{resource} WINDOW w AS (PARTITION BY scope, id ORDER BY from_sync)
    )
    SELECT v.id, {values}, s.asked_at AS not_after, v.from_sync,
        (SELECT max(asked_at) FROM stored.syncs q WHERE q.resource = $resource AND q.scope = v.scope
            AND q.how IN {seen} AND q.sync < v.old_to) AS not_before
    FROM versions v JOIN stored.syncs s ON s.sync = v.from_sync
    WHERE v.old_from IS NOT NULL AND ({moved}) ORDER BY v.from_sync, v.id
"""


def moves(
    connection: duckdb.DuckDBPyConnection, resource: str, names: Sequence[str], tz: str
) -> pd.DataFrame:
    """List when the values of some columns moved, between which two syncs, and by how many days."""
    fields = {field.name: field for field in RESOURCES[resource].fields}
    quoted = {name: f'"{name}"' for name in names}
    sql = _MOVES.format(
        resource=resource,
        seen=SEEN,
        lags=", ".join(f'lag({q}) OVER w AS "old_{name}"' for name, q in quoted.items()),
        values=", ".join(f'v."old_{name}", v.{q}' for name, q in quoted.items()),
        moved=" OR ".join(f'v."old_{name}" IS DISTINCT FROM v.{q}' for name, q in quoted.items()),
    )
    found = connection.execute(sql, {"resource": resource}).fetchall()
    rows = []
    for number, *values, not_after, _, not_before in found:
        for place, name in enumerate(names):
            was, now = values[2 * place : 2 * place + 2]
            if was != now:
                days = _days(was, now, tz) if fields[name].type == "timestamp" else None
                rows.append((number, name, _cell(was), _cell(now), not_before, not_after, days))
    table = list(zip(*rows, strict=True)) or [()] * 7
    return pd.DataFrame(
        {
            "id": pd.array(table[0], dtype="int64"),
            "column": pd.Series(table[1], dtype=TEXT),
            "was": pd.Series(table[2], dtype="object"),
            "now": pd.Series(table[3], dtype="object"),
            "not_before": pd.array(table[4], dtype=_TIMES),
            "not_after": pd.array(table[5], dtype=_TIMES),
            "days": pd.array(table[6], dtype="Int64"),
        }
    )


def _cell(value: Any) -> Any:
    return pd.Timestamp(value).tz_convert("UTC") if isinstance(value, dt.datetime) else value


def _days(was: dt.datetime | None, now: dt.datetime | None, tz: str) -> int | None:
    """Count the days between the local dates of two times."""
    if was is None or now is None:
        return None
    local = local_times(pd.Series(pd.array([was, now], dtype=_TIMES)), tz)
    return int(np.diff(local.astype("datetime64[D]")).astype("int64")[0])


def syncs(connection: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """List all syncs."""
    found = connection.sql("SELECT * FROM syncs ORDER BY sync").to_arrow_table()
    project = found["project"]
    return pd.DataFrame(
        {
            "resource": pd.Series(found["resource"].to_pylist(), dtype=TEXT),
            "project": pd.Series(project.to_pylist(), dtype="Int64"),
            "asked_at": pd.array(found["asked_at"].to_numpy().astype("datetime64[us]"), dtype=_TIMES),
            "how": pd.Series(found["how"].to_pylist(), dtype=TEXT),
            **{name: found[name].to_numpy() for name in ("rows", "new", "changed", "gone")},
        }
    ).set_index(pd.Index(found["sync"].to_numpy(), name="sync"))
