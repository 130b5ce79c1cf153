"""What a body should become, by Python's own json and the schema: slow, plain, and written apart."""

from __future__ import annotations

import calendar
import json
import re
from typing import Any

from mkframe.schema import EMBEDDED_DOWNLOAD, RESOURCES, Field

INT64 = (-(2**63), 2**63 - 1)
DTYPES = {"int": ("int64", "Int64"), "flag": ("bool", "boolean"), "bool": ("bool", "boolean")}
KINDS = {int: "Int64", float: "Float64", bool: "boolean", str: "str"}


class Refused(Exception):
    """No frame may come of this."""


class Unclear(Exception):
    """Too deep or too large for this oracle: a frame or an error, no matter which."""


def parsed(content: bytes) -> Any:
    """Read JSON by the letter of RFC 8259; the last of equal keys counts."""

    def refuse(word: str) -> None:
        raise Refused(word)

    def finite(word: str) -> float:
        if abs(float(word)) == float("inf"):
            raise Refused(word)
        return float(word)

    try:
        value = json.loads(content.decode("utf-8"), parse_constant=refuse, parse_float=finite)
    except RecursionError as error:
        raise Unclear from error
    except ValueError as error:
        raise Refused from error
    if _deep(value):
        raise Unclear
    return value


def _deep(value: Any) -> bool:
    """Whether it nests so deeply that readers differ; looks for half characters on the way."""
    waiting, deepest = [(value, 0)], 0
    while waiting:
        item, depth = waiting.pop()
        deepest = max(deepest, depth)
        if isinstance(item, dict):
            waiting += [(part, depth + 1) for pair in item.items() for part in pair]
        elif isinstance(item, list):
            waiting += [(part, depth + 1) for part in item]
        elif isinstance(item, str) and any(0xD800 <= ord(c) < 0xE000 for c in item):
            raise Refused(item)
    return deepest > 200


class Expected:
    """Columns of a frame, and whether a warning goes with it."""

    def __init__(self, resource: str, rows: Any) -> None:
        known = RESOURCES[resource]
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise Refused
        if any(row.get(known.key) is None for row in rows):
            raise Refused
        self.warned = False
        self.dtypes: dict[str, str] = {}
        self.values: dict[str, list[Any]] = {}
        fields = [*known.fields, *_others(rows, known.fields)]
        inside = [d for row in rows for d in _inside(row.get("downloads")) if resource == "builds"]
        self.nested = [*EMBEDDED_DOWNLOAD, *_others(inside, EMBEDDED_DOWNLOAD)]
        for field in fields:
            self._column(field, [row.get(field.name) for row in rows])

    def _column(self, field: Field, given: list[Any]) -> None:
        values = [self._given(field, value) for value in given]
        self.values[field.name] = values
        if field.type == "any":
            kinds = {type(value) for value in values if value is not None}
            kind = KINDS.get(kinds.pop(), "object") if len(kinds) == 1 else "object"
            self.dtypes[field.name] = "object" if kind == "Int64" and _large(values) else kind
        elif field.type in DTYPES:
            is_null = None in values
            self.warned |= is_null and not field.null
            self.dtypes[field.name] = DTYPES[field.type][field.null or is_null]
        else:
            self.dtypes[field.name] = {"str": "str", "timestamp": "datetime64[us, UTC]"}.get(
                field.type, "object"
            )

    def _given(self, field: Field, value: Any) -> Any:
        return None if value is None else self._value(field, value)

    def _value(self, field: Field, value: Any) -> Any:
        match field.type, value:
            case "any", _:
                return value
            case "int", _:
                return _whole(value)
            case "flag" | "bool", bool() | int() if value in (0, 1) and not isinstance(value, float):
                return bool(value)
            case "str", str():
                return value
            case "timestamp", str():
                micros, has_zone = instant(value)
                self.warned |= not has_zone
                return micros
            case "ints", list():
                return [_whole(item) for item in value]
            case "strs", list() if all(isinstance(item, str) for item in value):
                return value
            case "downloads", list() if all(isinstance(item, dict) for item in value):
                return [{f.name: self._given(f, item.get(f.name)) for f in self.nested} for item in value]
        raise Refused((field.name, value))


def _inside(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _others(rows: list[dict[str, Any]], fields: tuple[Field, ...]) -> list[Field]:
    known = {field.name for field in fields}
    long_form = {field.name: field for field in RESOURCES["downloads"].fields}
    names = [name for name in dict.fromkeys(key for row in rows for key in row) if name not in known]
    if any(c in '"\\' or c < " " for name in names for c in name):
        raise Refused(names)
    if fields is EMBEDDED_DOWNLOAD:
        return [long_form.get(name, Field(name, "any", "")) for name in names]
    return [Field(name, "any", "") for name in names]


def _whole(value: Any) -> int:
    if isinstance(value, float) and value == int(value) and abs(value) < 2**53:
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool) and INT64[0] <= value <= INT64[1]:
        return value
    raise Refused(value)


def _large(values: list[Any]) -> bool:
    return any(value is not None and not INT64[0] <= value <= INT64[1] for value in values)


_TIME = re.compile(
    r"(\d{4})(?:-(\d\d)-(\d\d)|(\d\d)(\d\d)|-W(\d\d)(?:-(\d))?|W(\d\d)(\d)?)"
    r"(?:[T ](\d\d)(?::(\d\d)(?::(\d\d)(?:[.,](\d+))?)?|(\d\d)(?:(\d\d)(?:[.,](\d+))?)?)?(Z|[+-][\d:]+)?)?",
    re.ASCII,
)
_ZONE = re.compile(r"([+-])(\d\d)(?::?(\d\d)(?::?(\d\d))?)?", re.ASCII)


def instant(text: str) -> tuple[int, bool]:
    """Microseconds since 1970 by arithmetic alone, and whether a zone was named."""
    found = _TIME.fullmatch(text.upper() if text.isascii() else text)
    if not found:
        raise Refused(text)
    year, *rest = found.groups()
    month, day = rest[0] or rest[2], rest[1] or rest[3]
    week, weekday = rest[4] or rest[6], rest[5] or rest[7]
    hour, minute, second, fraction = rest[8], rest[9] or rest[12], rest[10] or rest[13], rest[11] or rest[14]
    hour, minute, second = (int(part or 0) for part in (hour, minute, second))
    fraction = (fraction or "").rstrip("0")
    if len(fraction) > 6 or hour > 23 or minute > 59 or second > 59:
        raise Refused(text)
    if week:
        days = _days(int(year), 1, 4)
        days += 7 * (int(week) - 1) - (days + 3) % 7 + int(weekday or 1) - 1
        long = (_days(int(year), 1, 1) + 3) % 7 == 3 or (_days(int(year), 12, 31) + 3) % 7 == 3
        if not 1 <= int(week) <= 52 + long or not 1 <= int(weekday or 1) <= 7:
            raise Refused(text)
    else:
        days = _days(int(year), int(month), int(day))
    seconds = 86_400 * days + 3_600 * hour + 60 * minute + second - _offset(rest[15])
    if not _days(1, 1, 1) * 86_400 <= seconds < (_days(9999, 12, 31) + 1) * 86_400:
        raise Refused(text)
    return seconds * 10**6 + int(fraction.ljust(6, "0") or 0), rest[15] is not None


def _days(year: int, month: int, day: int) -> int:
    if not (year >= 1 and 1 <= month <= 12 and 1 <= day <= calendar.monthrange(year, month)[1]):
        raise Refused((year, month, day))
    return (
        365 * (year - 1)
        + (year - 1) // 4
        - (year - 1) // 100
        + (year - 1) // 400
        - 719_162
        + day
        - 1
        + sum(calendar.monthrange(year, m)[1] for m in range(1, month))
    )


def _offset(zone: str | None) -> int:
    if zone is None or zone == "Z":
        return 0
    found = _ZONE.fullmatch(zone)
    if not found:
        raise Refused(zone)
    hours, minutes, seconds = (int(part or 0) for part in found.groups()[1:])
    if hours > 23 or minutes > 59 or seconds > 59:
        raise Refused(zone)
    return (-1 if found[1] == "-" else 1) * (3_600 * hours + 60 * minutes + seconds)
