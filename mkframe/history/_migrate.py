"""Bring a history that was written with other fields up to the present schema.

A field that the schema has gained was unknown before, so its values are in the JSON of unknown fields; one
that it has lost becomes unknown. A value that does not fit its field stays in that JSON, and is missing in
its column. What was stored of the bytes of rows stays as it is, so that they are known again.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from mkframe.errors import SchemaError
from mkframe.frames._columns import Array, ColumnChunk
from mkframe.frames._strict import check
from mkframe.history._layout import INSIDE, TABLES, VERSIONED, create_table, create_views, fields_of
from mkframe.history._rows import PIECE, to_json
from mkframe.history._tables import one_array, to_array, to_objects, to_texts

if TYPE_CHECKING:
    import duckdb

__all__ = ["guess_types", "migrate"]

Types = Mapping[str, Mapping[str, str]]
"""Type of each field, by table."""


def migrate(connection: duckdb.DuckDBPyConnection, held: Types) -> list[str]:
    """Give all tables the columns of the present schema, in the transaction that is open.

    Parameters
    ----------
    connection : connection
        To the history.
    held : mapping
        The types of the fields that it was written with.

    Returns
    -------
    list of str
        What does not fit its field, as sentences.
    """
    misfits: list[str] = []
    for name in TABLES:
        if name not in held:
            connection.execute(create_table(name))
            continue
        parts = (name, INSIDE) if "downloads" in held[name].values() else (name,)
        changes = {part: _Change(part, held[part]) for part in parts}
        if any(change.is_needed for change in changes.values()):
            _rewrite(connection, name, changes)
            misfits += [sentence for change in changes.values() for sentence in change.misfits_text(name)]
    connection.execute(create_views())
    return misfits


def guess_types(connection: duckdb.DuckDBPyConnection) -> Types:
    """Find out the types of the fields of a file that does not say them."""
    kinds = {"BIGINT": "int", "BOOLEAN": "bool", "TIMESTAMP WITH TIME ZONE": "timestamp", "BIGINT[]": "ints"}
    kinds |= {"TIMESTAMP": "naive", "VARCHAR[]": "strs", "VARCHAR": "str"}
    own = ("scope", "from_sync", "to_sync", "extra")
    found: dict[str, dict[str, str]] = {}
    for name in TABLES:
        known = {field.name: field.type for field in fields_of(name)}
        rows = connection.execute(f"DESCRIBE stored.{name}").fetchall()
        found[name] = {
            column: known["downloads"]
            if kind.startswith("STRUCT")
            else _guess(kinds[kind], known.get(column))
            for column, kind, *_ in rows
            if column not in own
        }
    inside = connection.execute(
        "DESCRIBE SELECT unnest(d) FROM (SELECT unnest(downloads) AS d FROM stored.builds)"
    ).fetchall()
    found[INSIDE] = {column: kinds[kind] for column, kind, *_ in inside if column not in own}
    return found


def _guess(kind: str, now: str | None) -> str:
    return "flag" if kind == "bool" and now == "flag" else kind


class _Change:
    """How the columns of one table, or of the downloads inside builds, differ from the present ones."""

    def __init__(self, name: str, held: Mapping[str, str]) -> None:
        self.name = name
        fields = fields_of(name)
        self.is_needed = list(held.items()) != [(f.name, f.type) for f in fields]
        self.kept = [f for f in fields if held.get(f.name) == f.type]
        self.added = [f for f in fields if held.get(f.name) != f.type]
        kept = {f.name for f in self.kept}
        self.dropped = {field: kind for field, kind in held.items() if field not in kept}
        self.misfits: dict[str, int] = {}
        """Numbers of values that do not fit, by field."""
        self.left: set[str] = set()
        """Dropped fields that have values."""

    def convert(self, columns: Mapping[str, Any], size: int, keys: Sequence[Any]) -> dict[str, Any]:
        """Return the present columns of some rows, the JSON of unknown fields among them."""
        found = {field.name: columns[field.name] for field in self.kept}
        if not self.is_needed:
            return found | {"extra": columns["extra"]}
        old = {name: _values(columns[name], kind) for name, kind in self.dropped.items()}
        if columns["extra"].null_count == size and not any(map(_is_any_there, old.values())):
            found |= {f.name: to_array(f, [check(f, [None] * size, keys)]) for f in self.added}
            return found | {"extra": columns["extra"]}
        records = [dict(record) for record in to_objects(columns["extra"])]
        for name, values in old.items():
            for record, value in zip(records, values, strict=True):
                if value is not None:
                    record[name] = value
                    self.left.add(name)
        for field in self.added:
            found[field.name] = to_array(field, [self._fit(field, records, keys)])
        return found | {"extra": to_texts([self._text(record) for record in records], size)}

    def _fit(self, field: Any, records: list[dict[str, Any]], keys: Sequence[Any]) -> ColumnChunk:
        """Take the values of a field that fit it out of the unknown ones."""
        values = [record.get(field.name) for record in records]
        with contextlib.suppress(SchemaError):
            chunk = check(field, values, keys)
            for record in records:
                record.pop(field.name, None)
            return chunk
        for place, value in enumerate(values):
            try:
                check(field, [value], [keys[place]])
                records[place].pop(field.name, None)
            except SchemaError:
                values[place] = None
                self.misfits[field.name] = self.misfits.get(field.name, 0) + 1
        return check(field, values, keys)

    def _text(self, record: dict[str, Any]) -> str | None:
        """Write unknown fields as syncs do."""
        if not record:
            return None
        return to_json(record) if self.name in (*VERSIONED, INSIDE) else json.dumps(record)

    def misfits_text(self, resource: str) -> list[str]:
        """Say what does not fit."""
        what = f"the downloads inside {resource}" if self.name == INSIDE else resource
        return [
            f"{count} stored values of {name!r} of {what} are not what the reference says; they are missing "
            "in its column, and stay among the unknown fields."
            for name, count in self.misfits.items()
        ]


def _is_any_there(values: Sequence[Any]) -> bool:
    return any(value is not None for value in values)


def _rewrite(connection: duckdb.DuckDBPyConnection, name: str, changes: Mapping[str, _Change]) -> None:
    """Write a table anew."""
    import pyarrow as pa

    old = f"stored.{name}_old"
    connection.execute(f"ALTER TABLE stored.{name} RENAME TO {name}_old")
    connection.execute(create_table(name))
    (last,) = connection.execute(f"SELECT max(rowid) FROM {old}").fetchall()[0]
    for start in range(0, (-1 if last is None else last) + 1, PIECE):
        rows = f"SELECT * FROM {old} WHERE rowid BETWEEN {start} AND {start + PIECE - 1} ORDER BY rowid"
        table = connection.sql(rows).to_arrow_table()
        columns = {column: one_array(table[column]) for column in table.column_names}
        if INSIDE in changes:
            columns["downloads"] = _lists(columns["downloads"], changes[INSIDE])
        keys = ["scope", "from_sync"] + ["to_sync"] * (name in VERSIONED)
        converted = changes[name].convert(columns, table.num_rows, range(table.num_rows))
        connection.register("piece", pa.table({key: columns[key] for key in keys} | converted))
        connection.execute(f"INSERT INTO stored.{name} BY NAME SELECT * FROM piece")
    connection.execute(f"DROP TABLE {old}")
    for part, change in changes.items():
        _rename_unknown(connection, name, "nested" if part == INSIDE else "fields", change)


def _lists(column: Any, change: _Change) -> Any:
    """Convert the downloads inside some builds."""
    import pyarrow as pa

    flat = column.flatten()
    parts = {name: flat.field(name) for name in (*(f.name for f in change.kept), *change.dropped, "extra")}
    converted = change.convert(parts, len(flat), range(len(flat)))
    names = [*(field.name for field in fields_of(INSIDE)), "extra"]
    structs = pa.StructArray.from_arrays([converted[name] for name in names], names)
    lengths = column.value_lengths().fill_null(0).to_numpy(zero_copy_only=False)
    bounds = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(bounds), structs, mask=column.is_null())


def _rename_unknown(connection: duckdb.DuckDBPyConnection, name: str, column: str, change: _Change) -> None:
    """Correct which unknown fields the syncs of a table have shown."""
    known = [field.name for field in fields_of(change.name)]
    left = [field for field in change.dropped if field in change.left and field not in known]
    connection.execute(
        f"""UPDATE stored.syncs SET {column} = list_concat($left::VARCHAR[],
            list_filter({column}, lambda n: NOT list_contains($known::VARCHAR[], n)))
        WHERE resource = $name AND {column} IS NOT NULL""",
        {"left": left, "known": known, "name": name},
    )


def _values(column: Any, kind: str) -> Sequence[Any]:
    """Return the values of a column as a server would write them."""
    if kind in ("timestamp", "naive"):
        return _times(column.to_numpy(zero_copy_only=False).astype("datetime64[us]"), kind)
    values = column.to_pylist()
    if kind == "any":
        return [None if value is None else msgspec.json.decode(value) for value in values]
    return [None if value is None else int(value) for value in values] if kind == "flag" else values


def _times(times: Array, kind: str) -> Sequence[str | None]:
    """Write times in milliseconds, as JavaScript does, or in microseconds where they have such."""
    whole = times.astype("datetime64[ms]")
    texts = np.where(whole == times, np.datetime_as_string(whole), np.datetime_as_string(times)).tolist()
    zone = "Z" if kind == "timestamp" else ""
    return [None if text == "NaT" else f"{text}{zone}" for text in texts]
