"""When the days of a time zone begin."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd

__all__ = ["day_starts"]


def day_starts(days: pd.DatetimeIndex, tz: str | dt.tzinfo) -> pd.DatetimeIndex:
    """Return the first moment of each day in a time zone.

    Where clocks change at midnight, a day begins with its first moment that exists, or the first of two. A
    day that the zone has skipped, such as 30 December 2011 in Samoa, begins with the day after it.

    Parameters
    ----------
    days : DatetimeIndex
        Midnights without a zone.
    tz : str or tzinfo
        Time zone.

    Examples
    --------
    >>> days = pd.DatetimeIndex(["2011-12-29", "2011-12-30", "2011-12-31"])
    >>> day_starts(days, "Pacific/Apia").strftime("%d %H:%M").tolist()
    ['29 00:00', '31 00:00', '31 00:00']
    """

    def localize(midnights: pd.DatetimeIndex) -> pd.DatetimeIndex:
        first = np.ones(len(midnights), dtype=bool)
        return midnights.tz_localize(tz, ambiguous=first, nonexistent="shift_forward")

    starts = localize(days)
    is_skipped = starts.tz_localize(None).normalize() > days
    if is_skipped.any():
        starts = starts.where(~is_skipped, localize(days + np.timedelta64(1, "D")))
    return starts
