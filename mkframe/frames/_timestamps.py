"""Times in any form of ISO 8601, for the strict path.

Times of one shape, such as ``0000-00-00T00:00:00+00:00``, are read together; only what is rare, or no time
at all, is read one by one.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from mkframe.frames._columns import STORAGE, Array
from mkframe.frames._fast import EARLIEST, SchemaMismatch, parse_local_times

__all__ = ["Timestamps", "timestamps"]

_DIGITS = bytes.maketrans(b"123456789", b"0" * 9)
_ISO = re.compile(
    r"(?:\d{4}-\d\d-\d\d|\d{8}|\d{4}-W\d\d(?:-\d)?|\d{4}W\d\d\d?)"
    r"(?:[T ](?:\d\d(?::\d\d(?::\d\d(?:[.,]\d+)?)?)?|\d{4}(?:\d\d(?:[.,]\d+)?)?)"
    r"(?P<zone>Z|[+-]\d\d(?::?\d\d(?::?\d\d)?)?)?)?",
    re.ASCII | re.IGNORECASE,
)
"""Python accepts more: any sign between day and time, so it reads the zone of 2026-04-02-05:00 as an hour."""
_NUMPY_FORM = re.compile(r"(?P<local>0000-00-00[T ]00:00(?::00(?:\.0{1,6})?)?)(?P<zone>Z|[+-]00(?::?00)?)?")
"""Shapes that numpy reads up to the zone."""
_UNSUPPORTED = re.compile(r"[.,]\d{6}0*[1-9]|[+-]\d\d:?(?:\d\d:?)?[6-9]\d|[Tt ]24")
"""Digits below microseconds; a zone of sixty minutes, which Python reads as an hour; and the hour 24, which
it reads as midnight from 3.14 on and refuses before."""
_LATEST = np.datetime64("9999-12-31T23:59:59.999999")


class Timestamps(NamedTuple):
    """Times in UTC, NaT for None, and the places of invalid values and of times without a zone."""

    times: Array
    invalid: list[int]
    naive: list[int]


def timestamps(values: Sequence[Any]) -> Timestamps:
    """Read times in any form of ISO 8601 that microseconds can hold; those without a zone as UTC.

    Examples
    --------
    >>> times, invalid, naive = timestamps(["2026-04-02T08:14:40+02:00", None, "2026-04-02", "yesterday"])
    >>> times[0], invalid, naive
    (np.datetime64('2026-04-02T06:14:40.000000'), [3], [2])
    """
    shapes: dict[str, list[int]] = {}
    for place, (value, shape) in enumerate(zip(values, _shapes(values), strict=True)):
        if value is not None:
            shapes.setdefault(shape, []).append(place)
    found = Timestamps(np.full(len(values), "NaT", dtype=STORAGE["timestamp"]), [], [])
    for shape, places in shapes.items():
        form = _ISO.fullmatch(shape)
        if not form:
            found.invalid.extend(places)
            continue
        if not form["zone"]:
            found.naive.extend(places)
        given = [values[place] for place in places]
        try:
            found.times[places] = _parse_batch(shape, given)
        except SchemaMismatch:
            single = list(map(_parse_one, given))
            found.invalid.extend(place for place, time in zip(places, single, strict=True) if time is None)
            found.times[places] = np.array(single, dtype=STORAGE["timestamp"])
    return found


def _shapes(values: Sequence[Any]) -> list[str]:
    """Replace each digit of a text by 0; nothing remains of what is not a line of ASCII, and so no time."""
    lines = "\n".join(v if isinstance(v, str) and v.isascii() and v.isprintable() else "" for v in values)
    return lines.encode("ascii").translate(_DIGITS).decode("ascii").split("\n") if values else []


def _parse_batch(shape: str, values: Sequence[str]) -> Array:
    """Read times of one shape.

    Raises
    ------
    SchemaMismatch
        If numpy does not read this shape, or a value is no time.
    """
    form = _NUMPY_FORM.fullmatch(shape)
    if not form:
        raise SchemaMismatch
    width = form.end("local")
    letters = np.frombuffer("".join(values).encode("ascii"), dtype=np.uint8).reshape(len(values), len(shape))
    times = parse_local_times(letters[:, :width])
    if (form["zone"] or "Z") != "Z":
        times = times - _offsets(form["zone"], letters[:, width:])
    if (times < EARLIEST).any() or (times > _LATEST).any():
        raise SchemaMismatch
    return times


def _offsets(zone: str, letters: Array) -> Array:
    """Return how far times are ahead of UTC."""
    places = [place for place, letter in enumerate(zone) if letter == "0"]
    digits = letters[:, places].astype(np.int64) - ord("0")
    hours = 10 * digits[:, 0] + digits[:, 1]
    minutes = 10 * digits[:, -2] + digits[:, -1] if len(places) == 4 else np.zeros_like(hours)
    if (hours > 23).any() or (minutes > 59).any():
        raise SchemaMismatch
    return (60 * hours + minutes).astype("timedelta64[m]") * (-1 if zone[0] == "-" else 1)


def _parse_one(value: str) -> dt.datetime | None:
    """Read one time of a form that `_ISO` matches; return None where there is no such time."""
    if _UNSUPPORTED.search(value):
        return None
    try:
        time = dt.datetime.fromisoformat(value.upper())
        return time if time.tzinfo is None else time.astimezone(dt.UTC).replace(tzinfo=None)
    except (ValueError, OverflowError):
        return None
