"""Frames of builds and releases for tests, with the dtypes of the schema."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from mkframe._pandas import text_dtype
from mkframe.schema import RESOURCES, Field

START = "2026-04-01T08:00:00Z"
_LISTS = {"ints", "strs", "downloads"}


def dtype_of(field: Field) -> Any:
    """Return the dtype of a field in a frame."""
    if field.type == "int":
        return "Int64" if field.null else "int64"
    if field.type in ("bool", "flag"):
        return "boolean" if field.null or field.type == "flag" else "bool"
    if field.type == "timestamp":
        return "datetime64[us, UTC]"
    if field.type in _LISTS:
        return "object"
    return text_dtype()


def frame(resource: str, rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Build a frame: missing fields are null, empty or zero; unknown fields come last."""
    rows = [dict(row) for row in rows]
    fields = RESOURCES[resource].fields
    known = {field.name for field in fields}
    columns = {field.name: _column(field, rows) for field in fields}
    for name in dict.fromkeys(key for row in rows for key in row if key not in known):
        columns[name] = pd.Series([row.get(name) for row in rows])
    return pd.DataFrame(columns).set_index("id")


def _column(field: Field, rows: list[dict[str, Any]]) -> pd.Series:
    if field.name == "id":
        return pd.Series([row.get("id", number) for number, row in enumerate(rows, 1)], dtype="int64")
    if field.type in _LISTS:
        return pd.Series([row.get(field.name) or [] for row in rows], dtype="object")
    blank = {"int": 0, "str": ""}.get(field.type) if not field.null else None
    values = [row.get(field.name, blank) for row in rows]
    if field.type == "timestamp":
        return pd.Series(
            [pd.NaT if value is None else pd.Timestamp(value) for value in values], dtype=dtype_of(field)
        )
    if field.type == "flag":
        values = [None if value is None else bool(value) for value in values]
    return pd.Series(values, dtype=dtype_of(field))


def builds(*rows: Mapping[str, Any]) -> pd.DataFrame:
    """Build a builds frame; `seconds` in a row sets `build_end`, counted from the start."""
    return frame("builds", [_build(row) for row in rows])


def releases(*rows: Mapping[str, Any]) -> pd.DataFrame:
    """Build a releases frame; the default group is 1."""
    return frame("releases", [{"group_id": 1, "name": f"R{row.get('id')}", **row} for row in rows])


def _build(row: Mapping[str, Any]) -> dict[str, Any]:
    fields = {"status": "FINISHED", "build_start": START, **row}
    if "seconds" in fields:
        seconds = fields.pop("seconds")
        start = pd.Timestamp(fields["build_start"])
        fields["build_end"] = (start + pd.Timedelta(seconds=seconds).as_unit("us")).isoformat()
    return fields
