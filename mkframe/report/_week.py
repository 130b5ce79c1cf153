"""The week that a Monday page is about, and the builds as they were at one moment."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass

import numpy as np
import pandas as pd

from mkframe._days import day_starts
from mkframe._validation import check_timezone
from mkframe.errors import InputError
from mkframe.metrics._grouping import local_days
from mkframe.metrics._moments import last_moment, read_moment

__all__ = ["Week", "as_known", "week_of"]

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_HINT = 'Write "last-week", or a day such as 2026-07-13 for the week that holds it.'
_FIRST_YEAR, _LAST_YEAR = 1971, 2200


@dataclass(frozen=True)
class Week:
    """Seven days from Monday on, in a time zone, and the moment whose state is told.

    Parameters
    ----------
    first : date
        The Monday.
    tz : str
        Time zone of the days.
    as_of : Timestamp
        With the zone: the state that sentences about the present mean.
    is_latest : bool
        Whether `as_of` is when the builds were loaded, and no earlier moment.
    is_dated : bool
        Whether it is known when the builds were loaded.
    """

    first: dt.date
    tz: str
    as_of: pd.Timestamp
    is_latest: bool
    is_dated: bool

    @property
    def end(self) -> dt.date:
        """The Monday after."""
        return self.first + dt.timedelta(days=7)

    @property
    def last(self) -> dt.date:
        """The Sunday."""
        return self.first + dt.timedelta(days=6)

    @property
    def over(self) -> pd.Timestamp:
        """The midnight with which it ends."""
        return midnight(self.end, self.tz)

    @property
    def start(self) -> pd.Timestamp:
        """The midnight with which it begins."""
        return midnight(self.first, self.tz)

    @property
    def is_over(self) -> bool:
        """Whether all its days had passed when the builds were loaded."""
        return not self.is_dated or bool(self.as_of >= self.over)

    @property
    def is_known(self) -> bool:
        """Whether the builds were loaded, or have a time, after the week had begun."""
        return bool(self.as_of > self.start)

    def holds(
        self, builds: pd.DataFrame, weeks_before: int = 0
    ) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """Mark the builds that started in the week, or in one that many weeks before."""
        days = local_days(builds, self.tz)
        first = np.datetime64(self.first, "D") - np.timedelta64(7 * weeks_before, "D")
        mask: np.ndarray[tuple[int], np.dtype[np.bool_]] = (days >= first) & (
            days < first + np.timedelta64(7, "D")
        )
        return mask

    def days_text(self) -> str:
        """Name the days.

        Examples
        --------
        >>> week_of("2026-07-15", pd.DataFrame(), now="2026-07-20T09:00Z").days_text()
        '13 to 19 July 2026'
        """
        last = self.last
        begin = f"{self.first.day}"
        if self.first.month != last.month:
            begin += f" {self.first:%B}"
        if self.first.year != last.year:
            begin += f" {self.first.year}"
        return f"{begin} to {last.day} {last:%B %Y}"


def week_of(
    period: str, builds: pd.DataFrame, *, tz: str = "UTC", now: str | dt.datetime | None = None
) -> Week:
    """Find the week, and as of when the state of the builds is told.

    Parameters
    ----------
    period : str
        "last-week", the newest week that is over, or a day of the week.
    builds : DataFrame
        Their attributes `loaded_at` or `known_at` say when they were loaded; where these are missing, no
        more is known than the latest time in the frame.
    tz : str, default "UTC"
        Time zone of the days.
    now : str or datetime, optional
        With a zone: the present, from which "last-week" is counted, and when the builds were loaded. By
        default the clock of this machine, and what the frame says.

    Returns
    -------
    Week
        The state is that of the loading if this was in the week itself or in the week after it, else that
        of the end of the week, or of the latest time that is known.

    Raises
    ------
    InputError
        If the period cannot be read, or has not begun.

    Examples
    --------
    >>> week_of("last-week", pd.DataFrame(), now="2026-07-20T09:00Z").first.isoformat()
    '2026-07-13'
    """
    check_timezone(tz)
    clock = pd.Timestamp.now("UTC") if now is None else read_moment(now)
    first = _monday(period, clock.tz_convert(tz).date())
    start, end = midnight(first, tz), midnight(first + dt.timedelta(days=7), tz)
    if start > clock:
        raise InputError(f"The week of {first} has not begun.", hint=_HINT)
    loaded = now if now is not None else builds.attrs.get("loaded_at") or builds.attrs.get("known_at")
    if loaded is not None:
        moment = read_moment(loaded)
        is_latest = bool(moment < midnight(first + dt.timedelta(days=14), tz))
        return Week(first, tz, (moment if is_latest else end).tz_convert(tz), is_latest, True)
    known = _latest(builds)
    as_of = end if known is None or known > end else known
    return Week(first, tz, as_of.tz_convert(tz), False, False)


def _latest(builds: pd.DataFrame) -> pd.Timestamp | None:
    if "build_start" not in builds.columns or "build_end" not in builds.columns:
        return None
    known = last_moment(builds, None)
    return None if np.isnat(known) else pd.Timestamp(known).tz_localize("UTC")


def _monday(period: str, today: dt.date) -> dt.date:
    if period == "last-week":
        return today - dt.timedelta(days=today.weekday() + 7)
    try:
        if not isinstance(period, str) or not _DAY.fullmatch(period):
            raise ValueError
        day = dt.date.fromisoformat(period)
        if not _FIRST_YEAR <= day.year < _LAST_YEAR:
            raise ValueError
    except ValueError as error:
        raise InputError(f"The period {period!r:.60} is not known.", hint=_HINT) from error
    return day - dt.timedelta(days=day.weekday())


def midnight(day: dt.date, tz: str) -> pd.Timestamp:
    """Give the moment with which a local day begins."""
    return day_starts(pd.DatetimeIndex([day]).as_unit("us"), tz)[0]


def as_known(builds: pd.DataFrame, moment: pd.Timestamp) -> pd.DataFrame:
    """Give the builds as they were at a moment: later ones are left out, those that ran then run.

    Examples
    --------
    >>> start = pd.to_datetime(["2026-07-19T22:00Z", "2026-07-20T08:00Z"], utc=True)
    >>> builds = pd.DataFrame({"status": "FAILED", "build_start": start,
    ...                        "build_end": start + pd.Timedelta("3h")}, index=[7, 8])
    >>> as_known(builds, pd.Timestamp("2026-07-20T00:00Z"))["status"].to_dict()
    {7: 'BUILDING'}
    """
    begun = builds[~(builds["build_start"] > moment).to_numpy(bool)]
    runs = (begun["build_end"] > moment).to_numpy(bool)
    if not runs.any():
        return begun
    status = begun["status"].mask(runs, "BUILDING")
    return begun.assign(status=status, build_end=begun["build_end"].mask(runs))
