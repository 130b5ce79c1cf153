"""Outcomes of builds: counts per status, builds per day."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mkframe.metrics._checks import status_of
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

__all__ = ["count_statuses", "outcomes", "throughput"]

_BUILDING_LAST = sorted(STATUSES, key="BUILDING".__eq__)


def count_statuses(groups: Groups, status: pd.Series[str], columns: Sequence[str]) -> NDArray[np.int64]:
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
    counts = count_statuses(groups, status, [*STATUSES, *others])
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
