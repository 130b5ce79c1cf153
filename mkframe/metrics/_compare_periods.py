"""A period against the one before, with days as the units."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mkframe._days import day_starts
from mkframe._pandas import TEXT
from mkframe.errors import InputError
from mkframe.metrics._checks import status_of
from mkframe.metrics._distributions import Z95, t_quantile
from mkframe.metrics._durations import duration
from mkframe.metrics._formatting import count_text
from mkframe.metrics._grouping import Days, local_days
from mkframe.metrics._history import history_of
from mkframe.metrics._moments import is_likely, too_far
from mkframe.metrics._regression import SHORTEST
from mkframe.metrics._streams import By, streams_of_part

__all__ = ["METRICS", "compare_periods", "rate_difference"]

Floats: TypeAlias = NDArray[np.float64]

METRICS = ("failure_rate", "duration")
_LEAST_DAYS = 3
_ROUNDING = 1e-9
"""What sums of floats may be off: equal durations are no difference."""
_ONE_DAY = np.timedelta64(1, "D")


def compare_periods(
    builds: pd.DataFrame,
    *,
    end: str | date | None = None,
    days: int = 7,
    by: By | None = None,
    tz: str = "UTC",
) -> pd.DataFrame:
    r"""Compare failure rate and duration of some days with those of as many days before.

    Builds of one day share their causes, so that the days are the units, not the builds: an interval that
    takes the builds of an incident as independent calls two weeks of one process different far too often.

    Duration: the *typical day* of a period is exp of the mean, over its days with finished builds, of the
    median log seconds of a day. `change` is the ratio of the two typical days, now / before, with the
    interval of Welch's t test on the daily median logs. It is no ratio of the medians of all builds: a day
    counts once, however many builds it has.

    Failure rate: failed / (finished + failed), and `change` is the difference now - before. The variance of
    a rate is estimated by leaving out one day at a time (the jackknife, with m_d builds and x_d failures on
    day d of k): v = (k - 1) / k · Σ ((x - x_d) / (n - m_d) - x / n)², and never less than p (1 - p) / n.
    Newcombe's interval of a difference is calculated with the effective numbers p (1 - p) / v, widened from
    the normal quantile to Student's t with Satterthwaite's degrees of freedom, (v₁ + v₂)² / Σ v² / (κ - 1),
    where κ = (Σ m_d)² / Σ m_d² is the effective number of days. With no failure or only failures in a
    period its own variance is 0 and no day effect can be seen in it; the design effect of the other period
    then holds for it, too. The interval is never narrower than t · √(v₁ + v₂) on either side: when all
    failures of a week fall on two days, Newcombe's alone would be too bold.

    B. L. Welch, The generalization of "Student's" problem when several different population variances are
    involved, Biometrika 34 (1947); R. G. Newcombe, Interval estimation for the difference between
    independent proportions, Statistics in Medicine 17 (1998), method 10; F. E. Satterthwaite, An approximate
    distribution of estimates of variance components, Biometrics Bulletin 2 (1946).

    Parameters
    ----------
    builds : DataFrame
        With `status`, `build_start`, `build_end` and the columns that `by` needs.
    end : str or date, optional
        The day with which the period ends, itself no part of it: a local midnight such as "2026-07-20". By
        default the day after the one on which the last build started.
    days : int, default 7
        Length of the period, and of the one before it, in days.
    by : {"pattern", "release", "project", "user", "pattern_set"}, or two of them, optional
        One row for each metric and group. A build with several patterns (or releases) counts in each.
    tz : str, default "UTC"
        Zone in which days are cut. A build belongs to the day on which it started.

    Returns
    -------
    DataFrame
        Index `metric` (str: "failure_rate", "duration"), with `by` before it (str) where given. Columns:
        `n_now`, `n_before` int64, the builds that are measured; `days_now`, `days_before` int64, the days
        that have any; `now`, `before` float64, rates from 0 to 1, or seconds of a typical day; `change`
        float64, `low`, `high` float64, its 95 % interval, NaN where there is no comparison; `supported`
        bool, whether the interval excludes no change; `start_before`, `start_now`, `end` datetime64[us, tz];
        `says` str. With fewer than 3 days on a side there is no comparison. Groups without builds in either
        period have no rows.

    Raises
    ------
    InputError
        If a column is missing, an argument is not known, or `end` is no midnight of `tz`.

    Examples
    --------
    >>> start = pd.date_range("2026-04-06 08:00", periods=14, freq="D", tz="UTC")
    >>> seconds = [60, 61, 59, 60, 62, 60, 58, 90, 91, 89, 92, 90, 88, 91]
    >>> builds = pd.DataFrame({"status": "FINISHED", "build_start": start,
    ...                        "build_end": start + pd.to_timedelta(seconds, unit="s")})
    >>> table = compare_periods(builds)
    >>> table.loc["duration", ["change", "low", "high"]].astype(float).round(2).tolist()
    [1.5, 1.47, 1.54]
    >>> table["says"].tolist()
    ['no difference supported', 'supported']
    """
    builds = history_of(builds, ["status", "build_start", "build_end"]).builds
    if isinstance(days, bool) or not isinstance(days, int | np.integer) or not 1 <= days <= 10_000:
        raise InputError(f"days={days!r} is not a number of days.", hint="Give a whole number, such as 7.")
    started = local_days(builds, tz)
    behind = _last_day(started) if end is None else _midnight(end, tz)
    begin = behind - 2 * int(days) * _ONE_DAY
    inside = np.flatnonzero((started >= begin) & (started < behind))  # NaT is in neither
    held = builds.iloc[inside]
    names, row, group = (
        (pd.Index([""], dtype=TEXT), np.arange(len(held)), np.zeros(len(held), dtype=np.intp))
        if by is None
        else streams_of_part(builds, by, inside)
    )
    day = (started[inside] - begin).astype("int64")[row]
    values = _Values.of(held, row, group, day, int(days), len(names))
    table = _table(values, len(names))
    bounds = pd.DatetimeIndex([begin, begin + int(days) * _ONE_DAY, behind]).as_unit("us")
    local = day_starts(bounds, tz)
    for place, name in enumerate(("start_before", "start_now", "end")):
        table.insert(
            len(table.columns) - 1, name, pd.Series(local[place], index=table.index, dtype=local.dtype)
        )
    metric = pd.Index(METRICS, name="metric", dtype=TEXT)
    if by is None:
        return table.set_axis(metric)
    levels = [names.get_level_values(n).repeat(len(metric)) for n in range(names.nlevels)]
    both = metric.take(np.tile(np.arange(len(metric)), len(names)))
    return table.set_axis(pd.MultiIndex.from_arrays([*levels, both], names=[*names.names, "metric"]))


@dataclass(frozen=True)
class _Values:
    """Per group and day: how many builds failed, ended and were measured, and their median log seconds.

    Each table has a row for a group and period, those of the earlier period first, and a column for a day.
    """

    failed: Floats
    completed: Floats
    finished: Floats
    middle: Floats

    @classmethod
    def of(
        cls,
        builds: pd.DataFrame,
        row: NDArray[np.intp],
        group: NDArray[np.intp],
        day: NDArray[np.int64],
        days: int,
        groups: int,
    ) -> _Values:
        status = status_of(builds)
        seconds = duration(builds).to_numpy("timedelta64[us]") / np.timedelta64(1, "s")
        is_failed = (status == "FAILED").to_numpy(bool)[row]
        is_finished = (status == "FINISHED").to_numpy(bool)[row]
        measured = is_finished & (seconds >= 0)[row]
        cell = (day // days * groups + group) * days + day % days
        shape = (2 * groups, days)

        def count(mask: NDArray[np.bool_]) -> Floats:
            return np.bincount(cell[mask], minlength=shape[0] * days).reshape(shape).astype("float64")

        middle = np.full(shape[0] * days, np.nan)
        logs = np.log(np.maximum(seconds[row][measured], SHORTEST))
        medians = pd.Series(logs).groupby(cell[measured]).median()
        middle[medians.index.to_numpy("int64")] = medians.to_numpy("float64")
        return cls(count(is_failed), count(is_failed | is_finished), count(measured), middle.reshape(shape))


def _table(values: _Values, groups: int) -> pd.DataFrame:
    """Calculate the columns, a row of each metric for each group."""
    rate, length = _rates(values, groups), _lengths(values, groups)
    columns = {
        name: np.stack([rate[name], length[name]], axis=1).ravel()
        for name in ("n_now", "n_before", "days_now", "days_before", "now", "before", "change", "low", "high")
    }
    table = pd.DataFrame(columns)
    counts = ["n_now", "n_before", "days_now", "days_before"]
    table = table.astype(dict.fromkeys(counts, "int64"))
    none = np.tile([0.0, 1.0], groups)
    table["supported"] = (table["low"] > none + _ROUNDING) | (table["high"] < none - _ROUNDING)
    few = np.minimum(table["days_now"], table["days_before"]) < _LEAST_DAYS
    notice = [
        _reason(now, before) if is_few else "supported" if is_supported else "no difference supported"
        for now, before, is_few, is_supported in zip(
            table["days_now"], table["days_before"], few, table["supported"], strict=True
        )
    ]
    return table.assign(says=pd.Series(notice, index=table.index, dtype=TEXT))


def _reason(now: int, before: int) -> str:
    return (
        f"no comparison: builds on {count_text(int(now), 'day')} now and {count_text(int(before), 'day')} "
        f"before, {_LEAST_DAYS} are needed on each side"
    )


def _lengths(values: _Values, groups: int) -> dict[str, Floats]:
    """Compare typical days by Welch's t."""
    has = ~np.isnan(values.middle)
    k = has.sum(axis=1).astype("float64")
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.nansum(values.middle, axis=1) / k
        spread = np.where(has, values.middle - mean[:, None], 0.0)
        v = (spread**2).sum(axis=1) / (k - 1) / k
        v1, v2, k1, k2 = v[groups:], v[:groups], k[groups:], k[:groups]
        degrees = (v1 + v2) ** 2 / (v1**2 / (k1 - 1) + v2**2 / (k2 - 1))
    # days that are all alike leave nothing to divide by, and nothing to widen
    degrees = np.where(v1 + v2 == 0, k1 + k2 - 2, degrees)
    change = mean[groups:] - mean[:groups]
    can = np.minimum(k1, k2) >= _LEAST_DAYS
    half = np.full(groups, np.nan)
    half[can] = t_quantile(0.975, degrees[can]) * np.sqrt((v1 + v2)[can])
    total = values.finished.sum(axis=1)
    return {
        **_sides(total, k, np.exp(mean), groups),
        "change": np.exp(change),
        "low": np.exp(change - half),
        "high": np.exp(change + half),
    }


def _rates(values: _Values, groups: int) -> dict[str, Floats]:
    """Compare failure rates by Newcombe's interval with effective numbers of builds."""
    k = (values.completed > 0).sum(axis=1).astype("float64")
    total = values.completed.sum(axis=1)
    with np.errstate(invalid="ignore"):
        share = values.failed.sum(axis=1) / total
    low, high = np.full((2, groups), np.nan)
    can = np.flatnonzero(np.minimum(k[groups:], k[:groups]) >= _LEAST_DAYS)
    low[can], high[can] = rate_difference(
        values.failed[groups:][can],
        values.completed[groups:][can],
        values.failed[:groups][can],
        values.completed[:groups][can],
    )
    change = share[groups:] - share[:groups]
    return {**_sides(total, k, share, groups), "change": change, "low": low, "high": high}


def _sides(n: Floats, k: Floats, value: Floats, groups: int) -> dict[str, Floats]:
    return {
        "n_now": n[groups:],
        "n_before": n[:groups],
        "days_now": k[groups:],
        "days_before": k[:groups],
        "now": value[groups:],
        "before": value[:groups],
    }


def rate_difference(
    failed_now: Floats, ended_now: Floats, failed_before: Floats, ended_before: Floats
) -> tuple[Floats, Floats]:
    """Bound the difference of two rates with days as units, as `compare_periods` describes it.

    Parameters
    ----------
    failed_now, ended_now, failed_before, ended_before : ndarray of float64
        Numbers of builds: a row for each group, a column for each day. Both sides have builds.

    Returns
    -------
    low, high : ndarray of float64
        One for each row.

    Examples
    --------
    >>> low, high = rate_difference(*np.array([[[2.0, 3, 1]], [[5, 5, 5]], [[0, 1, 0]], [[5, 5, 5]]]))
    >>> round(low[0], 2), round(high[0], 2)
    (np.float64(-0.17), np.float64(0.79))
    """
    p1, n1, effect1, k1 = _side(failed_now, ended_now)
    p2, n2, effect2, k2 = _side(failed_before, ended_before)
    same1, same2 = p1 * (1 - p1) == 0, p2 * (1 - p2) == 0
    # a period without a failure cannot show that its days differ; its own effect is 1
    effect1, effect2 = np.where(same1, effect2, effect1), np.where(same2, effect1, effect2)
    v1, v2 = effect1 * p1 * (1 - p1) / n1, effect2 * p2 * (1 - p2) / n2
    with np.errstate(invalid="ignore"):
        degrees = (v1 + v2) ** 2 / (v1**2 / np.maximum(k1 - 1, 0.5) + v2**2 / np.maximum(k2 - 1, 0.5))
    degrees = np.where(same1 & same2, k1 + k2 - 2, degrees)
    t = t_quantile(0.975, np.maximum(degrees, 1))
    widen = (t / Z95) ** 2
    low1, high1 = _wilson(p1, n1 / effect1 / widen)
    low2, high2 = _wilson(p2, n2 / effect2 / widen)
    symmetric = t * np.sqrt(v1 + v2)
    below = np.maximum(np.sqrt((p1 - low1) ** 2 + (high2 - p2) ** 2), symmetric)
    above = np.maximum(np.sqrt((high1 - p1) ** 2 + (p2 - low2) ** 2), symmetric)
    return np.maximum(p1 - p2 - below, -1), np.minimum(p1 - p2 + above, 1)


def _side(failed: Floats, completed: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Give rate, number of builds, design effect and effective number of days of each row."""
    n, x = completed.sum(axis=1), failed.sum(axis=1)
    k = (completed > 0).sum(axis=1)
    p = x / n
    rest = np.maximum(n[:, None] - completed, 1)
    left_out = np.where(completed > 0, (x[:, None] - failed) / rest - p[:, None], 0.0)
    jackknife = (k - 1) / k * (left_out**2).sum(axis=1)
    independent = p * (1 - p) / n
    with np.errstate(divide="ignore", invalid="ignore"):
        effect = np.where(independent > 0, np.maximum(1.0, jackknife / independent), 1.0)
    return p, n, effect, n**2 / (completed**2).sum(axis=1)


def _wilson(p: Floats, n: Floats) -> tuple[Floats, Floats]:
    """Give Wilson's interval for numbers of builds that need not be whole."""
    middle = p + Z95**2 / (2 * n)
    half = Z95 * np.sqrt(p * (1 - p) / n + Z95**2 / (4 * n**2))
    return (middle - half) / (1 + Z95**2 / n), (middle + half) / (1 + Z95**2 / n)


def _last_day(days: Days) -> np.datetime64:
    known = days[~np.isnat(days)]
    last: np.datetime64 = known.max() if len(known) else np.datetime64("1970-01-01")
    return last + _ONE_DAY


def _midnight(end: Any, tz: str) -> np.datetime64:
    """Read the day that a period ends before."""
    hint = f'Give a day, such as end="2026-07-20", or a midnight in {tz}.'
    try:
        if isinstance(end, bool | int | float):
            raise TypeError
        time = pd.Timestamp(end)
        if pd.isna(time):
            raise ValueError
        is_far = not is_likely(time if time.tzinfo else time.tz_localize("UTC"))
        if time.tzinfo is not None and not is_far:
            time = time.tz_convert(tz).tz_localize(None)
        if not is_far and time != time.normalize():
            raise ValueError
    except (TypeError, ValueError) as error:
        raise InputError(f"end={end!r} is not a day.", hint=hint) from error
    if is_far:
        raise too_far("end", end, hint)
    return np.datetime64(time.date(), "D") if isinstance(time, datetime) else np.datetime64(time, "D")
