"""Measure the clock of a view by builds whose times are known in UTC."""

from __future__ import annotations

import datetime as dt
import functools
import numbers
import re
import zoneinfo
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mkframe._pandas import plain
from mkframe._text import short_repr
from mkframe.errors import InputError
from mkframe.schema import TERMINAL

__all__ = [
    "LEAST_SHARE",
    "NEAR",
    "Clock",
    "count_doubtful",
    "count_misfits",
    "is_of_build",
    "measure_commits",
    "measure_deliveries",
    "moments_of",
    "nearest",
    "stamp_numbers",
    "stamps_of",
    "times_of",
    "whole_numbers",
]

LEAST_SHARE = 0.9
"""Share of the measured times that must agree before a clock is used."""
NEAR = np.timedelta64(2, "s")
"""How far a time may be from where it should be: views write whole seconds."""
_NEAR_COMMIT = np.timedelta64(5, "s")
_QUARTER = np.timedelta64(15, "m")
_WIDEST = 14 * 4
"""Quarter hours by which clocks differ from UTC at most."""
_ZONES = (
    "Europe/Vienna", "Europe/London", "Europe/Helsinki", "America/New_York", "America/Chicago",
    "America/Denver", "America/Los_Angeles", "Australia/Sydney",
)  # fmt: skip
"""Zones with summer time that are tried first."""
_LEAST_STAMPS = 3
_MOST_BY_CHANCE = 0.5
"""Share of stamps off a clock that may fit another one before that is no chance."""
_EARLIEST, _LATEST = np.datetime64("1900-01-01", "us"), np.datetime64("9000-01-01", "us")
"""Years for which zones have rules that can be computed."""
_NO_BUILD = -1
_DIGITS = re.compile(r"-?[0-9]{1,18}")
_LARGEST = 2**63
_EXACT = 2**53
"""The first number whose neighbours a float does not tell apart."""

Times = NDArray[np.datetime64]
Spans = NDArray[np.timedelta64]


@dataclass(frozen=True, slots=True)
class Clock:
    """The clock of a view, as it was measured.

    Parameters
    ----------
    offset : Timedelta
        The view's time minus UTC, as most of the measured times have it; NaT where there are none.
    zone : str or None
        ``"UTC"``, a fixed offset such as ``"+01:00"``, or a zone such as ``"Europe/Vienna"`` where the offset
        differs between summer and winter; with a minus before it where the view is behind UTC by as much as
        the zone is ahead of it. None where nothing agrees.
    n : int
        Number of times that were measured.
    share : float
        Share of them that agree with the zone.
    """

    offset: Any
    zone: str | None
    n: int
    share: float

    @property
    def is_known(self) -> bool:
        """Whether enough of the measured times agree."""
        return self.zone is not None and self.share >= LEAST_SHARE

    def offsets(self, utc: Times) -> Spans:
        """Return the view's time minus UTC at moments of UTC."""
        assert self.zone is not None  # noqa: S101 - callers have checked the share
        return _offsets(self.zone, utc)

    def to_utc(self, times: Times, known: Times | None = None, moments: Times | None = None) -> Times:
        """Move times of the view to UTC; NaT where its clock repeats or skips an hour and nothing helps.

        Parameters
        ----------
        times : array of datetime64[us]
        known : array of datetime64[us], optional
            About what they are in UTC, NaT where it is not known.
        moments : array of datetime64[us], optional
            Sorted moments in UTC near which most of them are.
        """
        candidates = np.unique(self.offsets(_around(times)))
        result = np.full(times.shape, np.datetime64("NaT", "us"), "datetime64[us]")
        if not len(candidates):
            return result
        tries = np.stack([times - candidate for candidate in candidates])
        fits = np.stack([self.offsets(attempt) == times - attempt for attempt in tries]) & ~np.isnat(tries)
        if known is not None:
            near = abs(tries - known) <= NEAR
        elif moments is not None:
            near = nearest(tries, moments) <= _NEAR_COMMIT
        else:
            near = np.ones_like(fits)
        doubtful = fits.sum(axis=0) > 1
        fits &= ~doubtful | near
        single = fits.sum(axis=0) == 1
        for attempt, fit in zip(tries, fits, strict=True):
            result[single & fit] = attempt[single & fit]
        return result


def measure_deliveries(deliveries: pd.DataFrame, starts: pd.Series[Any]) -> tuple[Clock, Times]:
    """Measure the clock of deliveries by the starts of their builds.

    Parameters
    ----------
    deliveries : DataFrame
        With `BUILD_ID` and `BUILD_START`.
    starts : Series of datetime64[us, UTC]
        Starts of builds, by their ids.

    Returns
    -------
    Clock
        Each build counts once.
    array of datetime64[us]
        The start of each delivery's build in UTC, NaT where it is not known or of an impossible year.
    """
    ids = whole_numbers(deliveries["BUILD_ID"]).fillna(_NO_BUILD).to_numpy("int64")
    view = times_of(deliveries, "BUILD_START")
    known = np.full(len(ids), np.datetime64("NaT", "us"), "datetime64[us]")
    if len(starts):
        in_utc = starts[~starts.index.duplicated()]
        place = in_utc.index.get_indexer(pd.Index(ids))
        known = np.where(place < 0, known, in_utc.to_numpy("datetime64[us]")[place])
    known[~((known >= _EARLIEST) & (known < _LATEST))] = np.datetime64("NaT", "us")
    first = ~pd.Series(ids).duplicated().to_numpy(bool) & ~np.isnat(known) & ~np.isnat(view)
    return _measure_starts(view[first], known[first]), known


def whole_numbers(column: pd.Series[Any]) -> pd.Series[Any]:
    """Return a column as Int64: a number that is written as text is that number, what is none is missing."""
    if pd.api.types.is_integer_dtype(column.dtype):
        return column.astype("Int64")
    found = [_whole_number(value) for value in column]
    return pd.Series(pd.array(found, dtype="Int64"), index=column.index)


def _whole_number(value: Any) -> Any:
    if isinstance(value, str) and _DIGITS.fullmatch(value):
        return int(value)
    if isinstance(value, float) and value.is_integer() and abs(value) < _EXACT:
        return int(value)
    is_whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    return int(value) if is_whole and abs(int(value)) < _LARGEST else pd.NA


def _is_time(value: Any) -> bool:
    try:
        return isinstance(value, str) and dt.datetime.fromisoformat(value) is not None
    except ValueError:
        return False


def times_of(frame: pd.DataFrame, column: str) -> Times:
    """Return a column of times without a zone.

    Raises
    ------
    InputError
        If the column holds what is no time, which a view's column keeps.
    """
    values = plain(frame[column])
    if values.isna().all():
        return np.full(len(values), np.datetime64("NaT", "us"), "datetime64[us]")
    if not pd.api.types.is_datetime64_dtype(values.dtype):
        wrong = [value for value in values.dropna().tolist() if not _is_time(value)]
        if not wrong:
            raise InputError(
                f"{column} holds times as text.",
                hint=f"pd.to_datetime(frame[{column!r}]) makes times of them.",
            )
        raise InputError(
            f"{column} holds what is no time, such as {short_repr(wrong[0])}, and cannot be compared.",
            hint="Ask without since and utc, and look at these rows.",
        )
    times: Times = values.to_numpy("datetime64[us]")
    return times


def _measure_starts(view: Times, utc: Times) -> Clock:
    """Measure a clock by pairs of the same moment: in the view, and in UTC."""
    n = len(view)
    if not n:
        return Clock(pd.NaT, None, 0, 0.0)
    difference = view - utc
    rounded = _round(difference)
    near = abs(difference - rounded) <= NEAR
    best = Clock(pd.NaT, None, n, 0.0)
    values, counts = np.unique(rounded[near], return_counts=True)
    if len(values):
        offset, share = values[counts.argmax()], float(counts.max() / n)
        best = Clock(pd.Timedelta(offset), _fixed(offset), n, share)
    if len(values) > 1 and best.share < 1:
        for zone in _zones():
            share = float((near & (rounded == _offsets(zone, utc))).sum() / n)
            if share > best.share:
                best = Clock(best.offset, zone, n, share)
            if share == 1:
                break
    return best


def is_of_build(commits: pd.DataFrame) -> NDArray[np.bool_]:
    """Tell which commits a build has made; the others are of people."""
    return (commits["TYPE"] == "Build").fillna(False).to_numpy(bool)


def stamp_numbers(commits: pd.DataFrame) -> pd.Series[Any]:
    """Return the stamps of commits as numbers, also where the server writes some as text."""
    stamps = commits["COMMIT_TIMESTAMP"]
    return whole_numbers(stamps) if pd.api.types.is_string_dtype(stamps.dtype) else stamps


def stamps_of(commits: pd.DataFrame) -> Times:
    """Return the stamps of commits, which are Unix milliseconds, as times.

    Raises
    ------
    InputError
        If a value is no number, or none of the years of people.
    """
    values = commits["COMMIT_TIMESTAMP"]
    stamps = stamp_numbers(commits).astype("Float64").to_numpy("float64", na_value=np.nan)
    first, last = (float(day.astype("int64") // 1000) for day in (_EARLIEST, _LATEST))
    wrong = values.notna().to_numpy(bool) & ~((stamps >= first) & (stamps < last))
    if wrong.any():
        raise InputError(
            "COMMIT_TIMESTAMP holds what are no Unix milliseconds, such as "
            f"{short_repr(values[wrong].tolist()[0])}.",
            hint="Ask without utc, and look at these rows.",
        )
    result = np.full(len(stamps), np.datetime64("NaT", "us"), "datetime64[us]")
    there = ~np.isnan(stamps)
    result[there] = np.round(stamps[there] * 1000).astype("int64").view("datetime64[us]")
    return result


def moments_of(builds: pd.DataFrame) -> Times:
    """Return the starts and ends of builds that are over."""
    over = builds["build_end"].notna() & builds["status"].isin(TERMINAL)
    times = pd.concat([builds.loc[over, "build_start"], builds.loc[over, "build_end"]])
    moments: Times = times.dropna().to_numpy("datetime64[us]")
    return moments


def measure_commits(commits: pd.DataFrame, moments: Times) -> Clock | None:
    """Measure the clock of commits by the stamps of builds; None if more than one clock fits.

    Parameters
    ----------
    commits : DataFrame
        The view ``COMMITS``.
    moments : array of datetime64[us]
        Starts and ends of builds, at one of which a build commits its instances.

    Returns
    -------
    Clock or None
        Instances that were committed at one moment count once.

    Examples
    --------
    >>> start = pd.to_datetime(["2026-04-01 08:00", "2026-04-01 09:10", "2026-04-02 11:20"])
    >>> stamps = [round(time.timestamp() * 1000) + 7_200_000 for time in start.tz_localize("UTC")]
    >>> commits = pd.DataFrame({"TYPE": "Build", "COMMIT_TIMESTAMP": stamps})
    >>> measure_commits(commits, start.to_numpy("datetime64[us]")).zone
    '+02:00'
    """
    return _measure_stamps(_stamps_of_builds(commits), np.sort(moments))


def _stamps_of_builds(commits: pd.DataFrame) -> Times:
    times = stamps_of(commits)
    return np.unique(times[is_of_build(commits) & ~np.isnat(times)])


def _measure_stamps(stamps: Times, moments: Times) -> Clock | None:
    n = len(stamps)
    if n < _LEAST_STAMPS or not len(moments):
        return Clock(pd.NaT, None, n, 0.0)
    found: list[tuple[float, str, Any]] = []
    for quarters in range(-_WIDEST, _WIDEST + 1):
        offset = quarters * _QUARTER
        shift = np.full(n, offset)
        found.append((_share(stamps - shift, moments), _fixed(offset), shift))
    best = max(found, key=lambda f: f[0])
    if best[0] < 1:
        found += _tried(_ZONES_AND_MIRRORS, stamps, moments)
        best = max(found, key=lambda f: f[0])
    if best[0] < 1 and _fits_elsewhere(stamps, best[2], moments).any():
        found += _tried(_other_zones(), stamps, moments)
        best = max(found, key=lambda f: f[0])
    share, zone, shift = best
    if share >= LEAST_SHARE:
        for other, _, shift_of_other in found:
            differs = float((shift_of_other != shift).mean())
            if differs > 0 and (other == share or (other >= LEAST_SHARE and differs > 0.5)):
                return None
    values, counts = np.unique(shift, return_counts=True)
    return Clock(pd.Timedelta(values[counts.argmax()]), zone, n, share)


def _tried(zones: Iterable[str], stamps: Times, moments: Times) -> list[tuple[float, str, Any]]:
    shifts = [(zone, _shift_of(zone, stamps)) for zone in zones]
    return [(_share(stamps - there, moments), zone, there) for zone, there in shifts]


def _fits_elsewhere(stamps: Times, shift: Any, moments: Times) -> NDArray[np.bool_]:
    """Tell which stamps fit no moment by this shift, and one by an offset that most of those have."""
    off = nearest(stamps - shift, moments) > _NEAR_COMMIT
    elsewhere = np.zeros(len(stamps), dtype=np.bool_)
    for quarters in range(-_WIDEST, _WIDEST + 1):
        fits = off & (nearest(stamps - quarters * _QUARTER, moments) <= _NEAR_COMMIT)
        if fits.sum() >= max(_LEAST_STAMPS, _MOST_BY_CHANCE * off.sum()):
            elsewhere |= fits
    return elsewhere


def count_misfits(clock: Clock, commits: pd.DataFrame, moments: Times) -> int:
    """Count stamps of builds that fit another clock, where the server's has been changed."""
    stamps = _stamps_of_builds(commits)
    return int(_fits_elsewhere(stamps, _shift_by(clock, stamps), np.sort(moments)).sum())


def count_doubtful(clock: Clock, commits: pd.DataFrame) -> int:
    """Count commits that another zone moves elsewhere, though it moves those of builds alike."""
    measured, times = _stamps_of_builds(commits), stamps_of(commits)
    stamps = np.unique(times[~np.isnat(times)])
    doubtful = np.zeros(len(stamps), dtype=np.bool_)
    for zone in _ZONES_AND_MIRRORS:
        if (_shift_of(zone, measured) == _shift_by(clock, measured)).all():
            doubtful |= _shift_of(zone, stamps) != _shift_by(clock, stamps)
    return int(np.isin(times, stamps[doubtful]).sum())


def nearest(moments: Times, sorted_moments: Times) -> Spans:
    """Return how far each moment is from the nearest of sorted ones."""
    place = np.searchsorted(sorted_moments, moments)
    after = sorted_moments[np.minimum(place, len(sorted_moments) - 1)]
    before = sorted_moments[np.maximum(place - 1, 0)]
    gaps: Spans = np.minimum(abs(after - moments), abs(moments - before))
    return gaps


def _share(utc: Times, moments: Times) -> float:
    return float((nearest(utc, moments) <= _NEAR_COMMIT).mean())


def _shift_of(zone: str, stamps: Times) -> Spans:
    """Return the offset at stamps of the view; in a repeated hour, that of the later moment."""
    guess = stamps - _offsets(zone, stamps)
    return _offsets(zone, guess)


def _shift_by(clock: Clock, stamps: Times) -> Spans:
    assert clock.zone is not None  # noqa: S101 - callers have checked the share
    return _shift_of(clock.zone, stamps)


def _round(difference: Spans) -> Spans:
    quarters = np.round(difference / _QUARTER).astype(np.int64)
    rounded: Spans = (quarters * _QUARTER).astype(difference.dtype)
    return rounded


def _around(times: Times) -> Times:
    known = times[~np.isnat(times)]
    day = np.timedelta64(1, "D")
    return np.concatenate([known - day, known, known + day])


def _fixed(offset: Any) -> str:
    minutes = int(offset / np.timedelta64(1, "m"))
    sign = "-" if minutes < 0 else "+"
    return f"{sign}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}" if minutes else "UTC"


def _offsets(zone: str, utc: Times) -> Spans:
    if zone == "UTC":
        return np.zeros(utc.shape, "timedelta64[us]")
    if ":" in zone:
        minutes = int(zone[1:3]) * 60 + int(zone[4:6])
        offset = np.timedelta64(-minutes if zone[0] == "-" else minutes, "m")
        return np.full(utc.shape, offset, "timedelta64[us]")
    there = pd.DatetimeIndex(utc).tz_localize("UTC").tz_convert(zone.removeprefix("-"))
    offsets: Spans = (there.tz_localize(None).to_numpy() - utc).astype("timedelta64[us]")
    return -offsets if zone[0] == "-" else offsets


_ZONES_AND_MIRRORS = tuple(sign + zone for zone in _ZONES for sign in ("", "-"))


def _zones() -> Iterator[str]:
    yield from _ZONES_AND_MIRRORS
    yield from _other_zones()


@functools.cache
def _other_zones() -> tuple[str, ...]:
    areas = ("Africa/", "America/", "Asia/", "Atlantic/", "Australia/", "Europe/", "Pacific/")
    return tuple(sorted(z for z in zoneinfo.available_timezones() if z.startswith(areas) and z not in _ZONES))
