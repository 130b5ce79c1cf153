"""Moments of knowledge: what `as_of` may be."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

import numpy as np
import pandas as pd

from mkframe._text import short_repr
from mkframe._validation import check_timezone
from mkframe.errors import InputError

__all__ = ["as_moment", "as_utc"]

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_LAST_YEAR = 9999
"""Year at the end of the calendar, in which no time is computed; it is after all syncs."""
_HINT = 'Write as_of="2026-11-23" for the end of that day, or "2026-11-23 08:00" for a moment.'


def as_moment(as_of: Any, tz: str) -> dt.datetime | None:
    """Return the last microsecond that counts; None for now.

    A date means the end of that day in `tz`. A time without a zone is one in `tz`.

    Examples
    --------
    >>> as_moment("2026-11-23", "Europe/Vienna").isoformat()
    '2026-11-23T22:59:59.999999+00:00'
    """
    check_timezone(tz)
    if as_of is None:
        return None
    is_day = isinstance(as_of, dt.date) and not isinstance(as_of, dt.datetime)
    is_day = is_day or (isinstance(as_of, str) and bool(_DAY.fullmatch(as_of.strip())))
    is_day = is_day or (isinstance(as_of, np.datetime64) and as_of.dtype == np.dtype("datetime64[D]"))
    if not is_day and not isinstance(as_of, dt.datetime | str | np.datetime64):
        raise InputError(f"as_of is {short_repr(as_of)}, which is no time.", hint=_HINT)
    try:
        found = pd.Timestamp(as_of)
        if pd.isna(found):
            raise ValueError("it is missing")
        if found.year >= _LAST_YEAR:
            return None
        if is_day:
            found = found + pd.Timedelta(days=1)
        local: Any = found
        if found.tzinfo is None:  # what pandas raises of such a time differs by its version
            local = found.tz_localize(tz, ambiguous="NaT", nonexistent="NaT")
        if pd.isna(local):
            raise ValueError(f"in {tz} clocks change then, so that it is no moment or two")
        utc = local.tz_convert("UTC")
        moment = as_utc(utc - pd.Timedelta("1us") if is_day else utc)
    except (ValueError, OverflowError, pd.errors.OutOfBoundsDatetime) as error:
        raise InputError(f"as_of is {short_repr(as_of)}: {error}.", hint=_HINT) from error
    return moment


def as_utc(time: pd.Timestamp) -> dt.datetime:
    """Return a time as Python's, in UTC and whole microseconds."""
    return time.floor("us").to_pydatetime(warn=False).astimezone(dt.UTC)
