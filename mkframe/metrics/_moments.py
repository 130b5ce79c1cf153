"""Times that arguments name, and the latest time that a frame knows."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pandas as pd

from mkframe.errors import InputError

__all__ = ["last_moment", "read_moment"]


def read_moment(now: str | datetime) -> pd.Timestamp:
    """Read a time with a zone, and give it in UTC.

    Raises
    ------
    InputError
        If it is no time, or has no zone.

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
