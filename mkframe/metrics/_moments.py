"""Times that arguments name, and the latest time that a frame knows."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from mkframe.errors import InputError

__all__ = ["FIRST", "LAST", "in_calendar", "is_likely", "last_moment", "read_moment", "too_far"]

FIRST, LAST = pd.Timestamp("1900-01-01", tz="UTC"), pd.Timestamp("2200-01-01", tz="UTC")
"""Times before and from here on stand for no time, and zones could move some of them beyond the calendar."""
_SECOND_YEAR, _LAST_YEAR = np.datetime64("0002-01-01"), np.datetime64("9999-01-01")


def is_likely(time: pd.Timestamp) -> bool:
    """Whether a time with a zone lies in years in which something can be planned or have happened."""
    return bool(FIRST <= time < LAST)


def too_far(name: str, value: Any, hint: str) -> InputError:
    """Make the error of an argument that is not likely."""
    return InputError(f"{name}={value!r} is before {FIRST.year} or after {LAST.year - 1}.", hint=hint)


def read_moment(now: str | datetime) -> pd.Timestamp:
    """Read a time with a zone, and give it in UTC.

    Raises
    ------
    InputError
        If it is no time, has no zone, or is before 1900 or after 2199.

    Examples
    --------
    >>> read_moment("2026-04-01T10:00+02:00")
    Timestamp('2026-04-01 08:00:00+0000', tz='UTC')
    """
    hint = 'Give a time with its zone, such as pd.Timestamp.now("UTC").'
    try:
        moment = pd.Timestamp(now)
    except (TypeError, ValueError) as error:
        raise InputError(f"now={now!r} is not a time.", hint=hint) from error
    if pd.isna(moment) or moment.tzinfo is None:
        raise InputError(f"now={now!r} is not a time with a zone.", hint=hint)
    if not is_likely(moment):
        raise too_far("now", now, hint)
    return moment.tz_convert("UTC")


def last_moment(builds: pd.DataFrame, now: str | datetime | None) -> np.datetime64:
    """Read a time, or find the latest in the frame; NaT where there is none. It is naive, in UTC.

    Examples
    --------
    >>> str(last_moment(pd.DataFrame(), "2026-04-01T10:00+02:00"))
    '2026-04-01T08:00:00.000000'
    """
    if now is not None:
        return read_moment(now).tz_localize(None).as_unit("us").to_numpy()
    times = [builds[name].to_numpy("datetime64[us]") for name in ("build_start", "build_end")]
    known = np.concatenate(times)
    known = known[~np.isnat(known)]
    return known.max() if len(known) else np.datetime64("NaT", "us")


def in_calendar(values: pd.Series[Any]) -> pd.Series[Any]:
    """Give times in UTC where a zone could move one of them beyond the calendar."""
    if not isinstance(values.dtype, pd.DatetimeTZDtype):
        return values
    utc = values.to_numpy("datetime64[us]")
    is_edge = (utc < _SECOND_YEAR) | (utc >= _LAST_YEAR)
    return values.dt.tz_convert("UTC") if is_edge.any() else values
