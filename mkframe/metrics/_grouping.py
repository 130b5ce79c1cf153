"""Group builds by the period in which they started and, on request, by one key or two.

`group_builds` assigns builds to the cells of a result; a cell is one period of one group. Periods of a group
without builds keep their cell, so that an empty period shows as 0 instead of missing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mkframe._days import day_starts
from mkframe._validation import check_timezone
from mkframe.errors import InputError, TooManyPeriodsError
from mkframe.metrics._checks import require_columns
from mkframe.metrics._streams import By, streams

__all__ = [
    "EVERY",
    "Days",
    "Every",
    "Groups",
    "Length",
    "group_builds",
    "length_of_period",
    "local_days",
    "local_times",
    "period_edges",
    "period_name",
]

Length: TypeAlias = Literal["D", "W", "M", "Q"]
Every: TypeAlias = Length | Literal["auto"] | None
Days: TypeAlias = NDArray[np.datetime64]

EVERY = {"D": "day", "W": "week", "M": "month", "Q": "quarter"}
"""Allowed lengths of a period, with their names."""
_MAX_DAYS_OF_DAYS, _MAX_DAYS_OF_WEEKS = 28, 400
_PERIOD_STEPS: dict[str, tuple[str, np.timedelta64, int]] = {
    "D": ("datetime64[D]", np.timedelta64(1, "D"), 1),
    "W": ("datetime64[D]", np.timedelta64(7, "D"), 7),
    "M": ("datetime64[M]", np.timedelta64(1, "M"), 28),
    "Q": ("datetime64[M]", np.timedelta64(3, "M"), 90),
}
"""For each length of a period: the numpy unit of its starts, the step between them, its minimum of days."""
_MAX_CELLS = 2_000_000
_SECOND_DAY, _LAST_DAY = np.datetime64("0001-01-02"), np.datetime64("9999-12-31")


@dataclass(frozen=True)
class Groups:
    """Builds assigned to the cells of a result.

    Attributes
    ----------
    index : Index
        One entry per cell.
    row : ndarray of int
        Positions of builds in their frame; a build in several groups is there several times.
    cell : ndarray of int
        For each entry of `row`, the position of its cell in `index`.
    """

    index: pd.Index[Any]
    row: NDArray[np.intp]
    cell: NDArray[np.intp]

    def count(self) -> NDArray[np.int64]:
        """Count the builds of each cell."""
        return np.bincount(self.cell, minlength=len(self.index)).astype("int64")

    def count_by(self, code: NDArray[np.intp], n_codes: int) -> NDArray[np.int64]:
        """Count the builds of each cell by code (0 to `n_codes` - 1, one per build): one column per code."""
        counts = np.bincount(self.cell * n_codes + code[self.row], minlength=len(self.index) * n_codes)
        return counts.astype("int64").reshape(-1, n_codes)

    def quantiles(
        self, values: NDArray[np.float64], mask: NDArray[np.bool_], q: list[float]
    ) -> NDArray[np.float64]:
        """Interpolate quantiles (numpy's method "linear") per cell; NaN where a cell is empty."""
        selected = mask[self.row]
        cell = self.cell[selected]
        quantiles = pd.Series(values[self.row[selected]]).groupby(cell).quantile(np.asarray(q))
        table = np.full((len(self.index), len(q)), np.nan)
        table[np.flatnonzero(np.bincount(cell))] = quantiles.to_numpy("float64").reshape(-1, len(q))
        return table


def length_of_period(builds: pd.DataFrame, every: Every, by: By | None = None) -> Length | None:
    """Check the length of a period, and choose it where it is "auto"; None is the whole time.

    With `by` the whole time is chosen: rates of one group in one week are of few builds. Without, days are
    chosen up to four weeks, weeks up to 400 days, else months.

    Raises
    ------
    InputError
        On another word, or where the column `build_start` is missing.

    Examples
    --------
    >>> start = pd.to_datetime(["2026-04-03T08:00Z", "2026-07-05T08:00Z"], utc=True)
    >>> builds = pd.DataFrame({"build_start": start})
    >>> length_of_period(builds, "auto"), length_of_period(builds, "auto", "pattern")
    ('W', None)
    """
    if every is None:
        return None
    if every != "auto":
        if not isinstance(every, str) or every not in EVERY:
            raise InputError(
                f"every={every!r} is invalid.",
                hint="Choose one of 'D', 'W', 'M', 'Q', or None for the whole time as one period, or 'auto', "
                "which chooses by the length of the history.",
            )
        return every
    if by is not None:
        return None
    require_columns(builds, ["build_start"])
    span = builds["build_start"].max() - builds["build_start"].min()
    days = span.total_seconds() / 86_400  # pandas 2 divides in nanoseconds, which end after 292 years
    return "M" if days > _MAX_DAYS_OF_WEEKS else "W" if days > _MAX_DAYS_OF_DAYS else "D"


def period_name(every: Length | None) -> str:
    """Name a length of period.

    Examples
    --------
    >>> period_name("W"), period_name(None)
    ('week', 'whole time')
    """
    return "whole time" if every is None else EVERY[every]


def group_builds(builds: pd.DataFrame, every: Length | None, by: By | None, tz: str) -> Groups:
    """Assign every build that has a start to its cells; with ``every=None`` all builds share one period.

    Parameters
    ----------
    builds : DataFrame
        With `build_start`, and the columns that `by` needs.
    every : {"D", "W", "M", "Q"} or None
        Length of a period; None is the whole time, to which builds without a start belong, too.
    by : {"pattern", "release", "project", "user", "pattern_set"}, or two of them, or None
        A build with several patterns or releases is assigned to each.
    tz : str
        Time zone in which days begin and end.

    Returns
    -------
    Groups
        Its index is `period` (datetime64[us, tz]), or the keys (str) and `period`; it includes the periods
        without builds between the first and the last.

    Raises
    ------
    InputError
        If an argument is invalid, a column is missing, or there would be more than 2,000,000 cells.
    TooManyPeriodsError
        If the first and the last build are too far apart for such short periods.

    Examples
    --------
    >>> builds = pd.DataFrame({"build_start": pd.to_datetime(["2026-04-01", "2026-04-14"], utc=True)})
    >>> group_builds(builds, "W", None, "UTC").index.strftime("%d %b").tolist()
    ['30 Mar', '06 Apr', '13 Apr']
    """
    periods, code = _periods(local_days(builds, tz), every)
    index = _localize(periods, tz)
    is_skipped = index.duplicated(keep="last")  # a day that the zone does not have
    if is_skipped.any():
        code = np.where(code < 0, code, code - np.cumsum(is_skipped)[code])
        periods, index = periods[~is_skipped], index[~is_skipped]
    if by is None:
        row = np.flatnonzero(code >= 0)
        return Groups(index, row, code[row])
    labels, row, group = streams(builds, by)
    if (cells := len(labels) * len(periods)) > _MAX_CELLS:
        raise InputError(
            f"That would be {cells:,} rows: {len(labels):,} groups in {len(periods):,} periods.",
            hint='Choose longer periods, such as every="M", or fewer builds.',
        )
    has_period = code[row] >= 0
    levels = [labels.get_level_values(n).repeat(len(periods)) for n in range(labels.nlevels)]
    times = index.take(np.tile(np.arange(len(periods)), len(labels)))
    product = pd.MultiIndex.from_arrays([*levels, times], names=[*labels.names, "period"])
    return Groups(product, row[has_period], (group * len(periods) + code[row])[has_period])


def local_days(builds: pd.DataFrame, tz: str) -> Days:
    """Return the local day on which each build started (datetime64[D], NaT without a start).

    Examples
    --------
    >>> builds = pd.DataFrame({"build_start": pd.to_datetime(["2026-04-01T23:00Z"], utc=True)})
    >>> str(local_days(builds, "Europe/Vienna")[0])
    '2026-04-02'
    """
    check_timezone(tz)
    require_columns(builds, ["build_start"])
    days: Days = local_times(builds["build_start"], tz).astype("datetime64[D]")
    return days


def local_times(times: pd.Series, tz: str) -> NDArray[np.datetime64]:
    """Convert times to the local time of a zone, without the zone; the first and last day stay in UTC.

    The calendar of Python ends at the years 1 and 9999. A conversion could leave it on its first and last
    day, so times on these days are not converted.

    Examples
    --------
    >>> times = pd.Series(np.array(["2026-04-01T23:00", "9999-12-31T23:00"], dtype="datetime64[us]"))
    >>> times = times.dt.tz_localize("UTC")
    >>> local_times(times, "Europe/Vienna").astype("datetime64[h]").astype(str).tolist()
    ['2026-04-02T01', '9999-12-31T23']
    """
    utc = times.to_numpy("datetime64[us]")
    is_edge = (utc < _SECOND_DAY) | (utc >= _LAST_DAY)
    inner = times.mask(is_edge) if is_edge.any() else times
    local = inner.dt.tz_convert(tz).dt.tz_localize(None).to_numpy("datetime64[us]")
    return np.where(is_edge, utc, local)


def period_edges(index: pd.DatetimeIndex, every: Length) -> Days:
    """Return the local days on which the periods of a result begin, and the end of the last one.

    Examples
    --------
    >>> index = pd.DatetimeIndex(["2026-01-01", "2026-02-01"], tz="UTC")
    >>> period_edges(index, "M").tolist()[-1].isoformat()
    '2026-03-01'
    """
    days = index.tz_localize(None).to_numpy("datetime64[us]").astype("datetime64[D]")
    return np.concatenate([days, _next_starts(days[-1:], every)])


def _periods(days: Days, every: Length | None) -> tuple[Days, NDArray[np.intp]]:
    """Return the starts of all periods from the first to the last, and the period of each day, -1 for NaT."""
    known = days[~np.isnat(days)]
    if every is None:
        first = known.min(keepdims=True) if len(known) else days[:1]
        return first, np.zeros(len(days), dtype=np.intp)
    if not len(known):
        return known, np.full(len(days), -1, dtype=np.intp)
    starts = _period_starts(days, every)
    first, last = np.nanmin(starts), np.nanmax(starts)
    unit, step, min_days = _PERIOD_STEPS[every]
    # checked before the array of periods is made: a wrong year would make it gigabytes long
    if (count := int((last - first).astype("int64")) // min_days) > _MAX_CELLS:
        raise TooManyPeriodsError(
            f"That would be {count:,} rows, because the builds are so far apart.",
            hint='Choose longer periods, such as every="M", or look for builds with a wrong build_start.',
        )
    first, end = (day.astype(unit) for day in (first, _next_starts(last, every)))
    periods = np.arange(first, end, step).astype("datetime64[D]")
    return periods, np.where(np.isnat(starts), -1, np.searchsorted(periods, starts))


def _period_starts(days: Days, every: Length) -> Days:
    if every == "D":
        return days
    if every == "W":  # 1969-12-29 is the Monday of the week of 1970-01-01, which numpy counts days from
        return days - (days - np.datetime64("1969-12-29")) % np.timedelta64(7, "D")
    months = days.astype("datetime64[M]")
    if every == "Q":
        months = months - (months - np.datetime64("1970-01")) % np.timedelta64(3, "M")
    return months.astype("datetime64[D]")


def _next_starts(starts: Any, every: Length) -> Any:
    unit, step, _ = _PERIOD_STEPS[every]
    return (starts.astype(unit) + step).astype("datetime64[D]")


def _localize(days: Days, tz: str) -> pd.DatetimeIndex:
    return day_starts(pd.DatetimeIndex(days.astype("datetime64[us]"), name="period"), tz)
