"""Frames as mkframe promises them, built from the schema alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from mkframe.schema import RESOURCES, Field

START = "2026-04-01T08:00:00Z"
_LISTS = {"ints", "strs", "downloads"}


def dtype_of(field: Field) -> Any:
    """Name the dtype that the frame contract gives a field."""
    if field.type == "int":
        return "Int64" if field.null else "int64"
    if field.type in ("bool", "flag"):
        return "boolean" if field.null or field.type == "flag" else "bool"
    if field.type == "timestamp":
        return "datetime64[us, UTC]"
    if field.type in _LISTS:
        return "object"
    return pd.StringDtype(na_value=float("nan"))


def frame(resource: str, rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Build a frame: fields that a row does not name are null, empty or zero; unknown ones follow."""
    rows = [dict(row) for row in rows]
    fields = RESOURCES[resource].fields
    known = {field.name for field in fields}
    columns = {field.name: _column(field, rows) for field in fields}
    for name in dict.fromkeys(key for row in rows for key in row if key not in known):
        columns[name] = pd.Series([row.get(name) for row in rows])
    return pd.DataFrame(columns).set_index("id")


def _column(field: Field, rows: list[dict[str, Any]]) -> pd.Series:
    if field.name == "id":
        return pd.Series([row.get("id", place) for place, row in enumerate(rows, 1)], dtype="int64")
    if field.type in _LISTS:
        return pd.Series([row.get(field.name) or [] for row in rows], dtype="object")
    blank = {"int": 0, "str": ""}.get(field.type) if not field.null else None
    values = [row.get(field.name, blank) for row in rows]
    if field.type == "timestamp":
        return pd.Series(pd.to_datetime(values, utc=True, format="ISO8601")).astype(dtype_of(field))
    if field.type == "flag":
        values = [None if value is None else bool(value) for value in values]
    return pd.Series(values, dtype=dtype_of(field))


def builds(*rows: Mapping[str, Any]) -> pd.DataFrame:
    """Build a builds frame; `seconds` stands for an end so long after the start."""
    return frame("builds", [_build(row) for row in rows])


def releases(*rows: Mapping[str, Any]) -> pd.DataFrame:
    """Build a releases frame; every release is in group 1 unless it says otherwise."""
    return frame("releases", [{"group_id": 1, "name": f"R{row.get('id')}", **row} for row in rows])


def _build(row: Mapping[str, Any]) -> dict[str, Any]:
    given = {"status": "FINISHED", "build_start": START, **row}
    if "seconds" in given:
        seconds = given.pop("seconds")
        start = pd.Timestamp(given["build_start"])
        given["build_end"] = (start + pd.Timedelta(seconds=seconds)).isoformat()
    return given
