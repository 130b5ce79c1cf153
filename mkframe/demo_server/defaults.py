"""Values of fields that the schema declares and the demo server has no data for.

A value depends on the type, the name and the row's id of a field only: it is the same in each server.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from mkframe.demo_server.times import DAY, iso
from mkframe.schema import Field

_FIRST_DAY = 20_000
"""Day of the earliest timestamp, counted from 1970-01-01."""
_VALUES: dict[str, Callable[[str, int], Any]] = {
    "int": lambda name, n: n,
    "bool": lambda name, n: n % 2 == 1,
    "flag": lambda name, n: n % 2,
    "str": lambda name, n: f"{name} {n}",
    "timestamp": lambda name, n: iso((_FIRST_DAY + n) * DAY),
    "naive": lambda name, n: iso((_FIRST_DAY + n) * DAY),
    "ints": lambda name, n: [n],
    "strs": lambda name, n: [f"{name} {n}"],
    "downloads": lambda name, n: [],
    "any": lambda name, n: f"{name} {n}",
}


def default_value(field: Field, id: object) -> Any:
    """Return a value of a field's type for the row of an id."""
    return _VALUES[field.type](field.name, zlib.crc32(f"{field.name} {id}".encode()) % 1000)


def add_missing_fields(rows: list[dict[str, Any]], fields: Sequence[Field], key: str) -> list[dict[str, Any]]:
    """Return rows, all of the same keys, with a default value for each declared field that they lack."""
    missing = missing_fields(fields, rows[0]) if rows else []
    if not missing:
        return rows
    return [row | {f.name: default_value(f, row.get(key)) for f in missing} for row in rows]


def missing_fields(fields: Sequence[Field], known: Collection[str] | Mapping[str, Any]) -> list[Field]:
    """Return the declared fields that are not among the known ones."""
    return [f for f in fields if f.name not in known]
