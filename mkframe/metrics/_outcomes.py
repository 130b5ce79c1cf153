"""Outcomes of builds: failure rates, counts per status, builds per day.

A failure rate is failed / (finished + failed). Running builds and unknown statuses are counted, but are
never part of a rate.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist
from typing import Literal, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from mkframe.errors import InputError
from mkframe.metrics._checks import check_choice, status_of
from mkframe.metrics._grouping import (
    Every,
    Groups,
    group_builds,
    length_of_period,
    local_days,
    period_edges,
)
from mkframe.metrics._history import history_of
from mkframe.metrics._streams import By, missing_label
from mkframe.schema import STATUSES

__all__ = ["Canceled", "calendar", "failure_rate", "outcomes", "throughput", "wilson"]

Canceled: TypeAlias = Literal["exclude", "count"]
_STATUS_COLUMNS = {"finished": "FINISHED", "failed": "FAILED", "canceled": "CANCELED", "running": "BUILDING"}
_BUILDING_LAST = sorted(STATUSES, key="BUILDING".__eq__)


def wilson(failed: ArrayLike, n: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Calculate the 95 % confidence interval of the share of `failed` in `n`.

    Wilson's score interval, with p = failed / n and z = 1.96: (p + z²/2n ± z √(p(1−p)/n + z²/4n²)) /
    (1 + z²/n). It stays within 0 and 1 and is reliable for few builds. E. B. Wilson, Probable inference, the
    law of succession, and statistical inference, Journal of the American Statistical Association 22 (1927).

    Parameters
    ----------
    failed, n : array-like of int
        Numerator and denominator.

    Returns
    -------
    low, high : ndarray of float64
        Bounds from 0 to 1, NaN where n is 0.

    Raises
    ------
    InputError
        If more have failed than there are, or fewer than 0.

    Examples
    --------
    >>> low, high = wilson([0], [4])
    >>> round(low[0], 3), round(high[0], 3)
    (np.float64(0.0), np.float64(0.49))
    """
    total = np.where(np.asarray(n) > 0, n, np.nan).astype("float64")
    share = np.asarray(failed) / total
    if np.any((share < 0) | (share > 1)):
        raise InputError("More have failed than there are, or fewer than 0.", hint="Write wilson(failed, n).")
    z = NormalDist().inv_cdf(0.975)
    middle = share + z**2 / (2 * total)
    half = z * np.sqrt(share * (1 - share) / total + z**2 / (4 * total**2))
    low, high = (np.asarray((middle + side * half) / (1 + z**2 / total)) for side in (-1, 1))
    # rounding must not move a bound past the share, nor outside 0 to 1
    return np.clip(np.minimum(low, share), 0, 1), np.clip(np.maximum(high, share), 0, 1)


def failure_rate(
    builds: pd.DataFrame,
    every: Every = "auto",
    canceled: Canceled = "exclude",
    by: By | None = None,
    tz: str = "UTC",
) -> pd.DataFrame:
    """Calculate the share of failed builds in each period, with its denominator and a 95 % interval.

    rate = failed / (finished + failed). A canceled build was stopped by a user and does not show whether it
    would have failed, so it is left out unless ``canceled="count"`` adds it to the denominator. Running
    builds and builds with a status that the API reference does not list are counted, but are never part of
    the rate.

    Parameters
    ----------
    builds : DataFrame
        With `status` and `build_start`.
    every : {"auto", "D", "W", "M", "Q"} or None, default "auto"
        Length of a period; None is the whole time, with builds without a start. By default the whole time
        with `by`, else as `suggest_period` suggests.
    canceled : {"exclude", "count"}, default "exclude"
        Whether canceled builds are part of the denominator.
    by : {"pattern", "release", "project", "user", "pattern_set"}, or two of them, optional
        One row for each group and period. A build with several patterns (or releases) counts in each.
    tz : str, default "UTC"
        Time zone in which days begin and end.

    Returns
    -------
    DataFrame
        Index `period` (datetime64[us, tz]; of the whole time the day of the first build), with a level for
        each key of `by` before it (str) where given. Columns `finished`, `failed`, `canceled`, `running`,
        `other` and `n`, the denominator, int64; `rate`, `low`, `high` float64 from 0 to 1 (see `wilson`),
        NaN where n is 0. With a column `gone_since`, as frames of `mk.History` have it, also `n_gone` int64,
        the builds of any status that the server shows no longer.

    Raises
    ------
    InputError
        If a column is missing or an argument is invalid.

    Examples
    --------
    >>> start = pd.to_datetime(["2026-04-01T08:00Z"] * 4, utc=True)
    >>> status = ["FINISHED", "FAILED", "FINISHED", "CANCELED"]
    >>> builds = pd.DataFrame({"status": status, "build_start": start})
    >>> failure_rate(builds)[["n", "rate"]].round(3).values.tolist()
    [[3.0, 0.333]]
    """
    builds = history_of(builds, ["status", "build_start"]).builds
    check_choice("canceled", canceled, ["exclude", "count"])
    groups = group_builds(builds, length_of_period(builds, every, by), by, tz)
    counts = _count_statuses(groups, status_of(builds), [*_STATUS_COLUMNS.values()])
    table = pd.DataFrame(counts, index=groups.index, columns=[*_STATUS_COLUMNS, "other"])
    total = table["finished"] + table["failed"] + (table["canceled"] if canceled == "count" else 0)
    low, high = wilson(table["failed"], total)
    rate = (table["failed"] / total.where(total > 0)).astype("float64")
    table = table.assign(n=total, rate=rate, low=low, high=high)
    if "gone_since" in builds.columns:
        is_gone = builds["gone_since"].notna().to_numpy().astype(np.intp)
        table["n_gone"] = groups.count_by(is_gone, 2)[:, 1]
    return table


def _count_statuses(groups: Groups, status: pd.Series[str], columns: Sequence[str]) -> NDArray[np.int64]:
    """Count the builds of each cell, one column per status; the last counts all others and missing ones."""
    positions = {name: n for n, name in enumerate(columns)}
    code, uniques = pd.factorize(status)  # -1 where missing, which is the last entry of the next line
    column = np.array([*(positions.get(name, len(columns)) for name in uniques), len(columns)])
    return groups.count_by(column[code], len(columns) + 1)


def outcomes(
    builds: pd.DataFrame, every: Every = "auto", tz: str = "UTC", by: By | None = None
) -> pd.DataFrame:
    """Count the builds of each status in each period.

    Parameters
    ----------
    builds : DataFrame
        With `status` and `build_start`.
    every : {"auto", "D", "W", "M", "Q"} or None, default "auto"
        Length of a period; None is the whole time, with builds without a start. By default the whole time
        with `by`, else as `suggest_period` suggests.
    tz : str, default "UTC"
        Time zone in which days begin and end.
    by : {"pattern", "release", "project", "user", "pattern_set"}, or two of them, optional
        One row for each group and period. A build with several patterns (or releases) counts in each.

    Returns
    -------
    DataFrame
        Index `period` (datetime64[us, tz]; of the whole time the day of the first build), with a level for
        each key of `by` before it (str) where given; int64 columns FINISHED, FAILED, CANCELED and BUILDING,
        then one for each other status that occurs, in alphabetical order; builds without a status are in the
        column "(none)". Builds without `build_start` belong to the whole time only.

    Raises
    ------
    InputError
        If a column is missing or an argument is invalid.

    Examples
    --------
    >>> start = pd.to_datetime(["2026-04-01T08:00Z"] * 2, utc=True)
    >>> outcomes(pd.DataFrame({"status": ["FAILED", "PAUSED"], "build_start": start})).iloc[0].to_dict()
    {'FINISHED': 0, 'FAILED': 1, 'CANCELED': 0, 'BUILDING': 0, 'PAUSED': 1}
    """
    builds = history_of(builds, ["status", "build_start"]).builds
    groups = group_builds(builds, length_of_period(builds, every, by), by, tz)
    status = status_of(builds)
    uniques = status.dropna().unique()
    others, missing = sorted(set(uniques) - set(STATUSES)), missing_label(uniques)
    counts = _count_statuses(groups, status, [*STATUSES, *others])
    table = pd.DataFrame(counts, index=groups.index, columns=[*STATUSES, *others, missing])
    return table[[*_BUILDING_LAST, *sorted([*others, missing] if status.hasnans else others)]]


def throughput(
    builds: pd.DataFrame, every: Every = "auto", tz: str = "UTC", by: By | None = None
) -> pd.DataFrame:
    """Count the builds of each period that have a start, and the days of it that the history covers.

    A history usually begins and ends within a period. The builds of its first and last period are divided by
    the days from the first build's day to the last build's day only; the other days of these periods are
    unknown, not idle.

    Parameters
    ----------
    builds : DataFrame
        With `build_start`; builds of every status count.
    every : {"auto", "D", "W", "M", "Q"} or None, default "auto"
        Length of a period; None is the whole time. By default the whole time with `by`, else as
        `suggest_period` suggests.
    tz : str, default "UTC"
        Time zone in which days begin and end.
    by : {"pattern", "release", "project", "user", "pattern_set"}, or two of them, optional
        One row for each group and period. A build with several patterns (or releases) counts in each. The
        days are those of the whole history.

    Returns
    -------
    DataFrame
        Index `period` (datetime64[us, tz]; of the whole time the day of the first build), with a level for
        each key of `by` before it (str) where given; `builds` int64; `days` int64, covered calendar days;
        `per_day` float64, builds / days; `partial` bool, whether days of the period are outside the history.
        Builds without `build_start` belong to no period.

    Raises
    ------
    InputError
        If a column is missing or an argument is invalid.

    Examples
    --------
    >>> start = pd.to_datetime(["2026-04-03T08:00Z", "2026-04-05T08:00Z"], utc=True)
    >>> throughput(pd.DataFrame({"build_start": start}), "W").iloc[0].to_dict()
    {'builds': 2, 'days': 3, 'per_day': 0.6666666666666666, 'partial': True}
    """
    builds = history_of(builds, ["build_start"]).builds
    length = length_of_period(builds, every, by)
    builds = builds[builds["build_start"].notna().to_numpy(bool)]
    groups = group_builds(builds, length, by, tz)
    counts = groups.count()
    started = local_days(builds, tz)
    if not len(groups.index):
        days = full = np.zeros(0, dtype="int64")
    elif length is None:
        days = full = np.full(len(counts), (started.max() - started.min()).astype("int64") + 1)
    else:
        periods = pd.DatetimeIndex(groups.index.unique("period"))
        edges = period_edges(periods, length)
        covered = np.clip(edges, started.min(), started.max() + np.timedelta64(1, "D"))
        repeats = len(counts) // len(periods)
        days, full = (np.tile(np.diff(part).astype("int64"), repeats) for part in (covered, edges))
    return pd.DataFrame(
        {"builds": counts, "days": days, "per_day": counts / days, "partial": days < full},
        index=groups.index,
    )


def calendar(builds: pd.DataFrame, tz: str = "UTC") -> pd.DataFrame:
    """Count the builds of each day, and the share that failed.

    Parameters
    ----------
    builds : DataFrame
        With `status` and `build_start`.
    tz : str, default "UTC"
        Time zone in which days begin and end.

    Returns
    -------
    DataFrame
        Index `day` (datetime64[us, tz]), every day from the first build's to the last build's. Columns
        `builds`, `finished`, `failed`, `canceled`, `running`, `other` int64; `rate` float64, failed /
        (finished + failed). A day without builds has ``builds == 0``. The rate is NaN on a day on which no
        build finished or failed, and 0 on a day on which builds finished and none failed.

    Raises
    ------
    InputError
        If a column is missing or the time zone is unknown.

    Examples
    --------
    >>> start = pd.to_datetime(["2026-04-03T08:00Z", "2026-04-05T08:00Z"], utc=True)
    >>> builds = pd.DataFrame({"status": ["FAILED", "FINISHED"], "build_start": start})
    >>> calendar(builds)["rate"].tolist()
    [1.0, nan, 0.0]
    """
    table = failure_rate(builds, "D", tz=tz).rename_axis("day")
    counts = [*_STATUS_COLUMNS, "other"]
    table.insert(0, "builds", table[counts].sum(axis=1).astype("int64"))
    return table[["builds", *counts, "rate"]]
