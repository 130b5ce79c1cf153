"""Rows made from the schema, as a server would send them."""

from __future__ import annotations

import json
from typing import Any

from mkframe.schema import EMBEDDED_DOWNLOAD, RESOURCES, Field

START = "2026-04-02T08:14:40.320Z"


def value(field: Field, number: int) -> Any:
    """A plausible value of a field in row `number`."""
    if field.type == "downloads":
        return [download(number)]
    return {
        "int": 100 + number,
        "flag": number % 2,
        "bool": number % 2 == 0,
        "str": f"{field.name} {number}",
        "timestamp": f"2026-04-02T08:{number % 60:02d}:40.320Z",
        "naive": f"2026-04-02 10:{number % 60:02d}:40",
        "ints": [800 + number, 801 + number],
        "strs": [f"label {number}"],
        "any": {"key": number},
    }[field.type]


def download(number: int, **changes: Any) -> dict[str, Any]:
    return {f.name: value(f, number) for f in EMBEDDED_DOWNLOAD} | {"id": number} | changes


def row(resource: str, number: int = 1, **changes: Any) -> dict[str, Any]:
    """One complete row; `changes` replace or add keys."""
    known = RESOURCES[resource]
    made = {f.name: value(f, number) for f in known.fields} | {known.key: number}
    return made | changes


def rows(resource: str, count: int, **changes: Any) -> list[dict[str, Any]]:
    return [row(resource, number, **changes) for number in range(1, count + 1)]


def body(content: Any) -> bytes:
    """Compact JSON, as servers write it."""
    return json.dumps(content, separators=(",", ":")).encode()
