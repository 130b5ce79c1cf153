"""How builds ended, and how many there were."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist
from typing import Literal, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from mkframe.metrics._checks import check_word, require_columns, status_of
from mkframe.metrics._grouping import EVERY, By, Every, Groups, edges, group_builds, local_days, unnamed
from mkframe.schema import STATUSES

__all__ = ["Canceled", "calendar", "failure_rate", "outcomes", "throughput", "wilson"]

Canceled: TypeAlias = Literal["exclude", "count"]
_COUNTS = {"finished": "FINISHED", "failed": "FAILED", "canceled": "CANCELED", "running": "BUILDING"}
_ENDINGS_FIRST = sorted(STATUSES, key="BUILDING".__eq__)


def wilson(failed: ArrayLike, n: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Bound a share of `failed` in `n` with 95 % confidence.

    Wilson's score interval, with p = failed / n and z = 1.96: (p + z²/2n ± z √(p(1−p)/n + z²/4n²)) /
    (1 + z²/n). It stays within 0 and 1 and is sound for few builds. E. B. Wilson, Probable inference, the
    law of succession, and statistical inference, Journal of the American Statistical Association 22 (1927).

    Parameters
    ----------
    failed, n : array-like of int
        Numerator and denominator.

    Returns
    -------
    low, high : ndarray of float64
        NaN where n is 0.

    Examples
    --------
    >>> low, high = wilson([0], [4])
    >>> round(low[0], 3), round(high[0], 3)
    (np.float64(0.0), np.float64(0.49))
    """
    total = np.where(np.asarray(n) > 0, n, np.nan).astype("float64")
    share = np.asarray(failed) / total
    z = NormalDist().inv_cdf(0.975)
    middle = share + z**2 / (2 * total)
    half = z * np.sqrt(share * (1 - share) / total + z**2 / (4 * total**2))
    low, high = (np.asarray((middle + side * half) / (1 + z**2 / total)) for side in (-1, 1))
    # rounding must not push the bounds past the share they enclose
    return np.clip(np.minimum(low, share), 0, 1), np.clip(np.maximum(high, share), 0, 1)


def failure_rate(
    builds: pd.DataFrame,
    every: Every | None = "W",
    canceled: Canceled = "exclude",
    by: By | None = None,
    tz: str = "UTC",
) -> pd.DataFrame:
    """Give the share of failed builds in each period, with its denominator and a 95 % interval.

    rate = failed / (finished + failed). A cancelled build was interrupted by a person and says nothing about
    failure, so it is left out unless ``canceled="count"`` adds it to the denominator. Running builds and
    builds with a status that the reference does not list are counted, but are never part of the rate.

    Parameters
    ----------
    builds : DataFrame
        With `status` and `build_start`.
    every : {"D", "W", "M", "Q"} or None, default "W"
        Length of a period; None takes all builds as one, those without a start included.
    canceled : {"exclude", "count"}, default "exclude"
        Whether cancelled builds are part of the denominator.
    by : {"pattern", "release", "project", "user"}, optional
        One row for each group and period. A build with several patterns (or releases) counts in each.
    tz : str, default "UTC"
        Zone in which days are cut.

    Returns
    -------
    DataFrame
        Index `period` (datetime64[us, tz]; with ``every=None`` the day of the first build), with `by` before
        it (str) where given. Columns `finished`, `failed`, `canceled`, `running`, `other` and `n`, the
        denominator, int64; `rate`, `low`, `high` float64 from 0 to 1 (see `wilson`), NaN where n is 0.

    Raises
    ------
    InputError
        If a column is missing or an argument is not known.

    Examples
    --------
    >>> start = pd.to_datetime(["2026-04-01T08:00Z"] * 4, utc=True)
    >>> status = ["FINISHED", "FAILED", "FINISHED", "CANCELED"]
    >>> builds = pd.DataFrame({"status": status, "build_start": start})
    >>> failure_rate(builds)[["n", "rate"]].round(3).values.tolist()
    [[3.0, 0.333]]
    """
    require_columns(builds, ["status", "build_start"])
    check_word("canceled", canceled, ["exclude", "count"])
    where = group_builds(builds, every, by, tz)
    counted = _tally(where, status_of(builds), [*_COUNTS.values()])
    table = pd.DataFrame(counted, index=where.index, columns=[*_COUNTS, "other"])
    total = table["finished"] + table["failed"] + (table["canceled"] if canceled == "count" else 0)
    low, high = wilson(table["failed"], total)
    rate = (table["failed"] / total.where(total > 0)).astype("float64")
    return table.assign(n=total, rate=rate, low=low, high=high)


def _tally(where: Groups, status: pd.Series[str], words: Sequence[str]) -> NDArray[np.int64]:
    """Count the builds of each cell, one column a status; the last counts all others and missing ones."""
    places = {word: place for place, word in enumerate(words)}
    code, found = pd.factorize(status)  # -1 where missing
    place = np.array([*(places.get(word, len(words)) for word in found), len(words)])
    return where.count_by(place[code], len(words) + 1)


def outcomes(builds: pd.DataFrame, every: Every = "W", tz: str = "UTC") -> pd.DataFrame:
    """Count the builds of each status in each period.

    Parameters
    ----------
    builds : DataFrame
        With `status` and `build_start`.
    every : {"D", "W", "M", "Q"}, default "W"
        Length of a period.
    tz : str, default "UTC"
        Zone in which days are cut.

    Returns
    -------
    DataFrame
        Index `period` (datetime64[us, tz]); int64 columns FINISHED, FAILED, CANCELED and BUILDING, then one
        for each other word that occurs, in alphabetical order. Builds without `build_start` lie in no period.

    Raises
    ------
    InputError
        If a column is missing or an argument is not known.

    Examples
    --------
    >>> start = pd.to_datetime(["2026-04-01T08:00Z"] * 2, utc=True)
    >>> outcomes(pd.DataFrame({"status": ["FAILED", "PAUSED"], "build_start": start})).iloc[0].to_dict()
    {'FINISHED': 0, 'FAILED': 1, 'CANCELED': 0, 'BUILDING': 0, 'PAUSED': 1}
    """
    require_columns(builds, ["status", "build_start"])
    check_word("every", every, list(EVERY))
    where = group_builds(builds, every, None, tz)
    status = status_of(builds)
    found = status.dropna().unique()
    others, missing = sorted(set(found) - set(STATUSES)), unnamed(found)
    counted = _tally(where, status, [*STATUSES, *others])
    table = pd.DataFrame(counted, index=where.index, columns=[*STATUSES, *others, missing])
    return table[[*_ENDINGS_FIRST, *sorted([*others, missing] if status.hasnans else others)]]


def throughput(builds: pd.DataFrame, every: Every = "W", tz: str = "UTC") -> pd.DataFrame:
    """Count the builds of each period and the days of it that the history covers.

    A history begins and ends in the middle of a period. Its first and last period are divided by the days
    from the first build's day to the last build's day only, so they do not look idle.

    Parameters
    ----------
    builds : DataFrame
        With `build_start`; builds of every status count.
    every : {"D", "W", "M", "Q"}, default "W"
        Length of a period.
    tz : str, default "UTC"
        Zone in which days are cut.

    Returns
    -------
    DataFrame
        Index `period` (datetime64[us, tz]); `builds` int64; `days` int64, covered calendar days; `per_day`
        float64, builds / days; `partial` bool, whether days of the period lie outside the history. Builds
        without `build_start` lie in no period.

    Raises
    ------
    InputError
        If a column is missing or an argument is not known.

    Examples
    --------
    >>> start = pd.to_datetime(["2026-04-03T08:00Z", "2026-04-05T08:00Z"], utc=True)
    >>> throughput(pd.DataFrame({"build_start": start})).iloc[0].to_dict()
    {'builds': 2, 'days': 3, 'per_day': 0.6666666666666666, 'partial': True}
    """
    check_word("every", every, list(EVERY))
    where = group_builds(builds, every, None, tz)
    counted = where.count()
    if not len(where.index):
        days = full = np.zeros(0, dtype="int64")
    else:
        started = local_days(builds, tz)
        bounds = edges(pd.DatetimeIndex(where.index), every)
        inside = np.clip(bounds, np.nanmin(started), np.nanmax(started) + np.timedelta64(1, "D"))
        days, full = (np.diff(part).astype("int64") for part in (inside, bounds))
    return pd.DataFrame(
        {"builds": counted, "days": days, "per_day": counted / days, "partial": days < full},
        index=where.index,
    )


def calendar(builds: pd.DataFrame, tz: str = "UTC") -> pd.DataFrame:
    """Count the builds of each day, and the share that failed.

    Parameters
    ----------
    builds : DataFrame
        With `status` and `build_start`.
    tz : str, default "UTC"
        Zone in which days are cut.

    Returns
    -------
    DataFrame
        Index `day` (datetime64[us, tz]), every day from the first build's to the last build's. Columns
        `builds`, `finished`, `failed`, `canceled`, `running`, `other` int64; `rate` float64, failed /
        (finished + failed). A day without builds has ``builds == 0``; a day on which nothing has finished
        or failed has a NaN rate; only a day on which all that ended well has the rate 0.

    Raises
    ------
    InputError
        If a column is missing or the zone is not known.

    Examples
    --------
    >>> start = pd.to_datetime(["2026-04-03T08:00Z", "2026-04-05T08:00Z"], utc=True)
    >>> builds = pd.DataFrame({"status": ["FAILED", "FINISHED"], "build_start": start})
    >>> calendar(builds)["rate"].tolist()
    [1.0, nan, 0.0]
    """
    table = failure_rate(builds, "D", tz=tz).rename_axis("day")
    counts = [*_COUNTS, "other"]
    table.insert(0, "builds", table[counts].sum(axis=1).astype("int64"))
    return table[["builds", *counts, "rate"]]
