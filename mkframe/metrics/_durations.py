"""How long builds take."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mkframe.errors import InputError
from mkframe.metrics._checks import check_statuses, check_word, require_columns, status_of
from mkframe.metrics._grouping import EVERY, By, Every, Groups, group_builds

__all__ = [
    "classes_of",
    "duration",
    "duration_by_instances",
    "durations",
    "completed_builds",
    "longest",
    "wanted_of",
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
        negative where the server says that the end lies before the start.

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
    return (builds["build_end"] - builds["build_start"]).astype("timedelta64[us]").rename("duration")


def durations(
    builds: pd.DataFrame,
    every: Every = "W",
    by: By | None = None,
    tz: str = "UTC",
    statuses: Sequence[str] | None = ("FINISHED",),
) -> pd.DataFrame:
    """Sum up how long builds took in each period.

    Only finished builds are measured unless `statuses` says otherwise: a failed build stops where it fails
    and a cancelled one where someone lost patience, so neither tells how long a build takes. Running builds
    have no duration yet; they are counted and left out. As the slow ones among them are missing, quantiles
    of the last period come out low while many builds run.

    Parameters
    ----------
    builds : DataFrame
        With `status`, `build_start` and `build_end`.
    every : {"D", "W", "M", "Q"}, default "W"
        Length of a period.
    by : {"pattern", "release", "project", "user"}, optional
        One row for each group and period. A build with several patterns (or releases) counts in each.
    tz : str, default "UTC"
        Zone in which days are cut.
    statuses : sequence of str or None, default ("FINISHED",)
        Whose durations are measured; None measures every build that has ended.

    Returns
    -------
    DataFrame
        Index `period` (datetime64[us, tz]), with `by` before it (str) where given. Columns: `n` int64,
        measured builds; `p25`, `p50`, `p75`, `p90`, `p95` float64, seconds, quantiles interpolated linearly,
        NaN where n is 0; `running` int64, status BUILDING; `excluded` int64, of the wanted statuses but
        without an end or with an end before the start; `other` int64, of other statuses. The four counts
        add up to the builds of the period. Builds without `build_start` lie in no period.

    Raises
    ------
    InputError
        If a column is missing or an argument is not known.

    Examples
    --------
    >>> start = pd.to_datetime(["2026-04-01T08:00Z", "2026-04-01T09:00Z"], utc=True)
    >>> builds = pd.DataFrame({"status": ["FINISHED", "BUILDING"], "build_start": start,
    ...                        "build_end": [start[0] + pd.Timedelta("90s"), pd.NaT]})
    >>> durations(builds)[["n", "p50", "running"]].iloc[0].tolist()
    [1.0, 90.0, 1.0]
    """
    require_columns(builds, ["status", "build_start", "build_end"])
    check_word("every", every, list(EVERY))
    where = group_builds(builds, every, by, tz)
    seconds, wanted = _seconds(builds), wanted_of(builds, statuses)
    measured = (seconds >= 0) & wanted
    running = (status_of(builds) == "BUILDING").to_numpy(bool)
    quantiles = where.quantiles(seconds, measured, list(QUANTILES.values()))
    code = np.select([measured, running, wanted], [0, 1, 2], 3)  # a build is counted once
    n, run, excluded, other = where.count_by(code, 4).T
    return pd.DataFrame(
        {
            "n": n,
            **dict(zip(QUANTILES, quantiles.T, strict=True)),
            "running": run,
            "excluded": excluded,
            "other": other,
        },
        index=where.index,
    )


def completed_builds(builds: pd.DataFrame, statuses: Sequence[str] | None = ("FINISHED",)) -> pd.DataFrame:
    """List the builds that have a duration, with their number of instances.

    Parameters
    ----------
    builds : DataFrame
        With `status`, `build_start`, `build_end` and `instances`.
    statuses : sequence of str or None, default ("FINISHED",)
        Which builds; None lists every build that has ended.

    Returns
    -------
    DataFrame
        On the index of `builds`: `status` str, `build_start` datetime64[us, UTC], `instances` Int64,
        `seconds` float64. Builds whose end is missing or lies before their start are not in it.

    Raises
    ------
    InputError
        If a column is missing or a status is not known.

    Examples
    --------
    >>> start = pd.to_datetime(["2026-04-01T08:00Z"], utc=True)
    >>> builds = pd.DataFrame({"status": "FINISHED", "build_start": start, "instances": [3],
    ...                        "build_end": start + pd.Timedelta("90s")})
    >>> completed_builds(builds)[["instances", "seconds"]].iloc[0].tolist()
    [3.0, 90.0]
    """
    require_columns(builds, ["status", "build_start", "build_end", "instances"])
    seconds = _seconds(builds)
    held = np.flatnonzero((seconds >= 0) & wanted_of(builds, statuses))
    rows = builds[["status", "build_start", "instances"]].take(held)
    return rows.assign(instances=rows["instances"].astype("Int64"), seconds=seconds[held])


def longest(builds: pd.DataFrame, n: int = 10, statuses: Sequence[str] | None = None) -> pd.DataFrame:
    """Find the builds that took longest, whatever became of them.

    Parameters
    ----------
    builds : DataFrame
        A builds frame; only `status`, `build_start` and `build_end` are needed.
    n : int, default 10
        How many at most.
    statuses : sequence of str or None, default None
        Which builds; None takes every build that has ended.

    Returns
    -------
    DataFrame
        The rows of `builds`, longest first (of equals the one that started first), with `duration`
        (timedelta64[us]) as first column. Running builds are not in it, since nobody knows how long they
        will take, nor are builds whose end lies before their start.

    Raises
    ------
    InputError
        If a column is missing, a status is not known or `n` is not a positive whole number.

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
    require_columns(builds, ["status", "build_start", "build_end"])
    length = duration(builds).to_numpy("timedelta64[us]").astype("int64")  # exact, as seconds may not be
    held = (length >= 0) & wanted_of(builds, statuses)  # NaT is below all
    least = np.partition(length[held], -n)[-n] if held.sum() > n else 0
    long = np.flatnonzero(held & (length >= least))
    start = builds["build_start"].to_numpy("datetime64[us]")[long]
    top = builds.iloc[long[np.lexsort((start, -length[long]))][:n]]
    rest = top.drop(columns="duration", errors="ignore")
    rest.insert(0, "duration", duration(top))
    return rest


def duration_by_instances(
    builds: pd.DataFrame, statuses: Sequence[str] | None = ("FINISHED",)
) -> pd.DataFrame:
    """Sum up how long builds took by their number of instances.

    The classes double: 1, 2 to 3, 4 to 7, 8 to 15 instances and so on. `completed_builds` lists the single
    builds.

    Parameters
    ----------
    builds : DataFrame
        With `status`, `build_start`, `build_end` and `instances`.
    statuses : sequence of str or None, default ("FINISHED",)
        Which builds; None takes every build that has ended.

    Returns
    -------
    DataFrame
        Index `instances` (int64, the smallest number of the class); `most` int64, the largest number of the
        class; `n` int64; `p25`, `p50`, `p75`, `p90`, `p95` float64, seconds. Classes without builds are not
        in it, nor are builds whose number of instances is null or negative.

    Raises
    ------
    InputError
        If a column is missing or a status is not known.

    Examples
    --------
    >>> start = pd.to_datetime(["2026-04-01T08:00Z"] * 3, utc=True)
    >>> builds = pd.DataFrame({"status": "FINISHED", "build_start": start, "instances": [1, 4, 7],
    ...                        "build_end": start + pd.to_timedelta([5, 20, 30], unit="s")})
    >>> duration_by_instances(builds)["p50"].to_dict()
    {1: 5.0, 4: 25.0}
    """
    return classes_of(completed_builds(builds, statuses))


def classes_of(rows: pd.DataFrame) -> pd.DataFrame:
    """Sum up rows of `completed_builds` by their number of instances, as `duration_by_instances` does."""
    rows = rows[(rows["instances"] >= 0).fillna(False).to_numpy(bool)]
    number = rows["instances"].to_numpy("int64")
    power = np.clip(np.frexp(number.astype("float64"))[1] - 1, 0, 62).astype("int64")
    power -= (1 << power) > np.maximum(number, 1)  # as a float, a large number may be rounded up
    smallest = np.where(number > 0, 1 << power, 0)
    classes, place = np.unique(smallest, return_inverse=True)
    where = Groups(pd.Index(classes, name="instances"), np.arange(len(rows)), place)
    everyone = np.ones(len(rows), dtype=bool)
    quantiles = where.quantiles(rows["seconds"].to_numpy(), everyone, list(QUANTILES.values()))
    return pd.DataFrame(
        {
            "most": np.where(classes > 0, classes - 1 + classes, 0),
            "n": where.count(),
            **dict(zip(QUANTILES, quantiles.T, strict=True)),
        },
        index=where.index,
    )


def wanted_of(builds: pd.DataFrame, statuses: Sequence[str] | None) -> NDArray[np.bool_]:
    """Which builds have one of the statuses; with None those that do not run."""
    check_statuses(builds, statuses)
    status = status_of(builds)
    wanted = status != "BUILDING" if statuses is None else status.isin(statuses)
    return wanted.to_numpy(bool)


def _seconds(builds: pd.DataFrame) -> NDArray[np.float64]:
    return duration(builds).to_numpy("timedelta64[us]") / np.timedelta64(1, "s")
