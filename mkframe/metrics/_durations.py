"""Durations of builds: per build, per period, per number of instances.

A duration is `build_end` - `build_start`. Running builds have none. An end before the start is kept in
`duration` as a negative value and left out of every statistic.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mkframe._pandas import plain
from mkframe.errors import InputError
from mkframe.metrics._checks import check_statuses, require_columns, status_of
from mkframe.metrics._grouping import Every, Groups, group_builds, length_of_period
from mkframe.metrics._history import history_of
from mkframe.metrics._streams import By

__all__ = [
    "completed_builds",
    "duration",
    "duration_by_instances",
    "durations",
    "longest",
    "quantiles_by_instances",
    "status_mask",
    "total_seconds",
]

QUANTILES = {"p25": 0.25, "p50": 0.5, "p75": 0.75, "p90": 0.9, "p95": 0.95}


def duration(builds: pd.DataFrame) -> pd.Series:
    """Measure each build from `build_start` to `build_end`.

    Parameters
    ----------
    builds : DataFrame
        With `build_start` and `build_end`.

    Returns
    -------
    Series
        `duration`, timedelta64[us], on the index of `builds`; NaT while a build runs or a time is missing,
        negative where the end lies before the start. It is the plain difference, also of dates that cannot
        be; `completed_builds` and the other metrics leave these out.

    Raises
    ------
    InputError
        If a column is missing.

    Examples
    --------
    >>> builds = pd.DataFrame({
    ...     "build_start": pd.to_datetime(["2026-04-02T08:14:40Z"], utc=True),
    ...     "build_end": pd.to_datetime(["2026-04-02T08:14:58Z"], utc=True),
    ... })
    >>> duration(builds).dt.total_seconds().tolist()
    [18.0]
    """
    require_columns(builds, ["build_start", "build_end"])
    start, end = (plain(builds[name]) for name in ("build_start", "build_end"))
    result: pd.Series = (end - start).astype("timedelta64[us]").rename("duration")
    return result


def durations(
    builds: pd.DataFrame,
    every: Every = "auto",
    by: By | None = None,
    tz: str = "UTC",
    statuses: Sequence[str] | None = ("FINISHED",),
) -> pd.DataFrame:
    """Summarize how long builds took in each period.

    Only finished builds are measured by default: a failed build stops where it fails and a canceled one when
    a user stops it, so neither shows how long a build takes. Running builds have no duration yet; they are
    counted and left out. The slow ones among them are missing, so the quantiles of the last period are too
    low while many builds run.

    Parameters
    ----------
    builds : DataFrame
        With `status`, `build_start` and `build_end`.
    every : {"auto", "D", "W", "M", "Q"} or None, default "auto"
        Length of a period; None is the whole time, with builds without a start. By default the whole time
        with `by`, else as `suggest_period` suggests.
    by : {"pattern", "release", "project", "user", "pattern_set"}, or two of them, optional
        One row for each group and period. A build with several patterns (or releases) counts in each.
    tz : str, default "UTC"
        Time zone in which days begin and end.
    statuses : sequence of str or None, default ("FINISHED",)
        Statuses of the builds to measure; None measures every build that has ended.

    Returns
    -------
    DataFrame
        Index `period` (datetime64[us, tz]; of the whole time the day of the first build), with a level for
        each key of `by` before it (str) where given. Columns: `n` int64,
        measured builds; `p25`, `p50`, `p75`, `p90`, `p95` float64, seconds, quantiles interpolated linearly,
        NaN where n is 0; `running` int64, status BUILDING; `excluded` int64, with one of `statuses` but
        without an end or with an end before the start; `other` int64, of other statuses. The four counts
        add up to the builds of the period. Builds without `build_start` belong to the whole time only.

    Raises
    ------
    InputError
        If a column is missing or an argument is invalid.

    Examples
    --------
    >>> start = pd.to_datetime(["2026-04-01T08:00Z", "2026-04-01T09:00Z"], utc=True)
    >>> builds = pd.DataFrame({"status": ["FINISHED", "BUILDING"], "build_start": start,
    ...                        "build_end": [start[0] + pd.Timedelta("90s"), pd.NaT]})
    >>> durations(builds)[["n", "p50", "running"]].iloc[0].tolist()
    [1.0, 90.0, 1.0]
    """
    builds = history_of(builds, ["status", "build_start", "build_end"]).builds
    groups = group_builds(builds, length_of_period(builds, every, by), by, tz)
    seconds, selected = _duration_seconds(builds), status_mask(builds, statuses)
    measured = (seconds >= 0) & selected
    is_running = (status_of(builds) == "BUILDING").to_numpy(bool)
    quantiles = groups.quantiles(seconds, measured, list(QUANTILES.values()))
    # select takes the first condition that holds, so each build is in exactly one of the four counts
    code = np.select([measured, is_running, selected], [0, 1, 2], 3)
    n, running, excluded, other = groups.count_by(code, 4).T
    return pd.DataFrame(
        {
            "n": n,
            **dict(zip(QUANTILES, quantiles.T, strict=True)),
            "running": running,
            "excluded": excluded,
            "other": other,
        },
        index=groups.index,
    )


def completed_builds(builds: pd.DataFrame, statuses: Sequence[str] | None = ("FINISHED",)) -> pd.DataFrame:
    """List the builds that have a duration, with their number of instances.

    Parameters
    ----------
    builds : DataFrame
        With `status`, `build_start`, `build_end` and `instances`.
    statuses : sequence of str or None, default ("FINISHED",)
        Statuses of the builds to list; None lists every build that has ended.

    Returns
    -------
    DataFrame
        On the index of `builds`: `status` str, `build_start` datetime64[us, UTC], `instances` Int64,
        `seconds` float64. Builds whose end is missing or lies before their start are left out.

    Raises
    ------
    InputError
        If a column is missing or a status is unknown.

    Examples
    --------
    >>> start = pd.to_datetime(["2026-04-01T08:00Z"], utc=True)
    >>> builds = pd.DataFrame({"status": "FINISHED", "build_start": start, "instances": [3],
    ...                        "build_end": start + pd.Timedelta("90s")})
    >>> completed_builds(builds)[["instances", "seconds"]].iloc[0].tolist()
    [3.0, 90.0]
    """
    builds = history_of(builds, ["status", "build_start", "build_end", "instances"]).builds
    seconds = _duration_seconds(builds)
    measured = np.flatnonzero((seconds >= 0) & status_mask(builds, statuses))
    rows = builds[["status", "build_start", "instances"]].take(measured)
    return rows.assign(instances=rows["instances"].astype("Int64"), seconds=seconds[measured])


def longest(builds: pd.DataFrame, n: int = 10, statuses: Sequence[str] | None = None) -> pd.DataFrame:
    """Find the builds that took longest, by default of every status.

    Parameters
    ----------
    builds : DataFrame
        A builds frame; only `status`, `build_start` and `build_end` are needed.
    n : int, default 10
        Maximum number of builds.
    statuses : sequence of str or None, default None
        Statuses of the builds to rank; None ranks every build that has ended.

    Returns
    -------
    DataFrame
        The rows of `builds`, longest first (of equals the one that started first), with `duration`
        (timedelta64[us]) as first column. Running builds are left out, since their duration is unknown, and
        so are builds whose end lies before their start. A build that is there twice has one row.

    Raises
    ------
    InputError
        If a column is missing, a status is unknown or `n` is not a positive whole number.

    Examples
    --------
    >>> start = pd.to_datetime(["2026-04-01T08:00Z", "2026-04-01T08:00Z"], utc=True)
    >>> builds = pd.DataFrame({"status": ["FAILED", "FINISHED"], "build_start": start,
    ...                        "build_end": start + pd.to_timedelta([30, 90], unit="s")})
    >>> longest(builds, n=1)["status"].tolist()
    ['FINISHED']
    """
    if isinstance(n, bool) or not isinstance(n, int) or n < 1:
        raise InputError(
            f"n={n!r} is not a number of builds.", hint="Give a whole number from 1 up, such as n=10."
        )
    builds = history_of(builds, ["status", "build_start", "build_end"]).builds
    # whole microseconds are exact; seconds as floats would make long durations equal that are not
    micros = duration(builds).to_numpy("timedelta64[us]").astype("int64")
    measured = (micros >= 0) & status_mask(builds, statuses)  # NaT is the smallest integer
    # a partition finds the n-th longest without sorting all; ties with it stay until the sort by start
    shortest = np.partition(micros[measured], -n)[-n] if measured.sum() > n else 0
    candidates = np.flatnonzero(measured & (micros >= shortest))
    start = builds["build_start"].to_numpy("datetime64[us]")[candidates]
    top = builds.iloc[candidates[np.lexsort((start, -micros[candidates]))][:n]]
    table = top.drop(columns="duration", errors="ignore")
    table.insert(0, "duration", duration(top))
    return table


def duration_by_instances(
    builds: pd.DataFrame, statuses: Sequence[str] | None = ("FINISHED",)
) -> pd.DataFrame:
    """Summarize how long builds took by their number of instances.

    The classes double: 1, 2 to 3, 4 to 7, 8 to 15 instances and so on. `completed_builds` lists the single
    builds.

    Parameters
    ----------
    builds : DataFrame
        With `status`, `build_start`, `build_end` and `instances`.
    statuses : sequence of str or None, default ("FINISHED",)
        Statuses of the builds to measure; None measures every build that has ended.

    Returns
    -------
    DataFrame
        Index `instances` (int64, the smallest number of the class); `most` int64, the largest number of the
        class; `n` int64; `p25`, `p50`, `p75`, `p90`, `p95` float64, seconds. Classes without builds are
        left out, and so are builds whose number of instances is null or negative.

    Raises
    ------
    InputError
        If a column is missing or a status is unknown.

    Examples
    --------
    >>> start = pd.to_datetime(["2026-04-01T08:00Z"] * 3, utc=True)
    >>> builds = pd.DataFrame({"status": "FINISHED", "build_start": start, "instances": [1, 4, 7],
    ...                        "build_end": start + pd.to_timedelta([5, 20, 30], unit="s")})
    >>> duration_by_instances(builds)["p50"].to_dict()
    {1: 5.0, 4: 25.0}
    """
    return quantiles_by_instances(completed_builds(builds, statuses))


def quantiles_by_instances(rows: pd.DataFrame) -> pd.DataFrame:
    """Group rows of `completed_builds` by class of instances; see `duration_by_instances` for the result."""
    rows = rows[(rows["instances"] >= 0).fillna(False).to_numpy(bool)]
    instances = rows["instances"].to_numpy("int64")
    power = np.clip(np.frexp(instances.astype("float64"))[1] - 1, 0, 62).astype("int64")
    power -= (1 << power) > np.maximum(instances, 1)  # as a float, a large number may be rounded up
    smallest = np.where(instances > 0, 1 << power, 0)
    classes, cell = np.unique(smallest, return_inverse=True)
    groups = Groups(pd.Index(classes, name="instances"), np.arange(len(rows)), cell)
    mask = np.ones(len(rows), dtype=bool)
    quantiles = groups.quantiles(rows["seconds"].to_numpy(), mask, list(QUANTILES.values()))
    return pd.DataFrame(
        {
            "most": np.where(classes > 0, classes - 1 + classes, 0),  # 2 * classes would overflow at 2**62
            "n": groups.count(),
            **dict(zip(QUANTILES, quantiles.T, strict=True)),
        },
        index=groups.index,
    )


def status_mask(builds: pd.DataFrame, statuses: Sequence[str] | None) -> NDArray[np.bool_]:
    """Mark the builds that have one of the statuses; with None those that are not running."""
    check_statuses(builds, statuses)
    status = status_of(builds)
    mask = status != "BUILDING" if statuses is None else status.isin(statuses)
    return mask.to_numpy(bool)


def _duration_seconds(builds: pd.DataFrame) -> NDArray[np.float64]:
    return duration(builds).to_numpy("timedelta64[us]") / np.timedelta64(1, "s")


def total_seconds(
    builds: pd.DataFrame, mask: NDArray[np.bool_], row: NDArray[np.intp], group: NDArray[np.intp], many: int
) -> NDArray[np.float64]:
    """Add up how long the builds of each group took; those count that are marked and have a duration.

    Whole microseconds are added, so that the order of the builds changes nothing.
    """
    micros = duration(builds).to_numpy("timedelta64[us]").astype("int64")
    counted = np.where(mask & (micros >= 0), micros, 0)  # NaT is the smallest integer
    return np.bincount(group, counted[row], many) / 1e6
