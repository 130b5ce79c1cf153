"""Builds against limits that somebody has set, for alarms."""

from __future__ import annotations

import math
from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from mkframe._pandas import TEXT
from mkframe._text import single_line
from mkframe._validation import is_number
from mkframe.errors import InputError
from mkframe.metrics._checks import status_of
from mkframe.metrics._failure_rate import wilson
from mkframe.metrics._findings import dated_builds
from mkframe.metrics._formatting import count_text, duration_text, percent_text
from mkframe.metrics._history import history_of
from mkframe.metrics._moments import last_moment
from mkframe.metrics._recovery import recovery
from mkframe.metrics._survival import floor_text

__all__ = ["thresholds"]

_MAX_NAMED = 5
Row = tuple[str, float, float, int, str]


def thresholds(
    builds: pd.DataFrame,
    *,
    max_failure_rate: float | None = None,
    min_builds: int = 20,
    broken_for: timedelta | None = None,
    running_for: timedelta | None = None,
    days: float | None = None,
    now: str | datetime | None = None,
) -> pd.DataFrame:
    """Compare a build history with limits, and say for each whether it is exceeded.

    Parameters
    ----------
    builds : DataFrame
        With `status`, `build_start` and `build_end`, and for `broken_for` `patterns` and `project_id` (or
        their names), indexed by id.
    max_failure_rate : float, optional
        Largest failed / (finished + failed), from 0 to 1.
    min_builds : int, default 20
        Fewest builds that finished or failed from which a rate is judged.
    broken_for : timedelta, optional
        Longest time from a failed build without a finished one of the same project and patterns since, as
        `recovery` counts it.
    running_for : timedelta, optional
        Longest time that a build may run.
    days : float, optional
        Count only builds for the failure rate that started in so many days before `now`; all by default.
    now : str or datetime, optional
        With a zone: when the builds were loaded. By default the latest time in the frame.

    Returns
    -------
    DataFrame
        Index `check` (str), a row for each limit that is given: failure_rate, broken_for, running_for.
        Columns: `state` str, "fine", "broken" (the limit is exceeded) or "unknown"; `value` float64, the rate
        or the longest seconds, NaN where there is none; `limit` float64; `n` int64, builds that were counted;
        `says` str, the evidence.

    Raises
    ------
    InputError
        If a column is missing or a limit cannot be used.

    Examples
    --------
    >>> start = pd.to_datetime(["2026-04-03T08:00Z", "2026-04-03T09:00Z"], utc=True)
    >>> builds = pd.DataFrame({"status": ["FINISHED", "FAILED"], "build_start": start,
    ...     "build_end": start + pd.Timedelta("10min")}, index=[11, 12])
    >>> thresholds(builds, max_failure_rate=0.2, min_builds=2)["says"].tolist()
    ['50.0 % of 2 builds failed, more than 20.0 % (95 % interval 9.5 % to 90.5 %)']
    """
    builds = history_of(builds, ["status", "build_start", "build_end"]).builds
    _check_limits(max_failure_rate, min_builds, days)
    for name, length in (("broken_for", broken_for), ("running_for", running_for)):
        if length is not None and not (isinstance(length, timedelta) and length.total_seconds() >= 0):
            raise InputError(
                f"{name}={length!r} is no length of time.",
                hint="Give a timedelta, such as timedelta(days=1).",
            )
    moment = pd.Timestamp(last_moment(dated_builds(builds), now))
    rows: dict[str, Row] = {}
    if max_failure_rate is not None:
        rows["failure_rate"] = _failure_rate(builds, max_failure_rate, min_builds, days, moment)
    if broken_for is not None:
        rows["broken_for"] = _broken_for(builds, broken_for.total_seconds(), moment)
    if running_for is not None:
        rows["running_for"] = _running_for(builds, running_for.total_seconds(), moment)
    table = pd.DataFrame(
        list(rows.values()),
        columns=["state", "value", "limit", "n", "says"],
        index=pd.Index(list(rows), name="check", dtype=TEXT),
    )
    return table.astype({"state": TEXT, "value": "float64", "limit": "float64", "n": "int64", "says": TEXT})


def _check_limits(rate: float | None, least: int, days: float | None) -> None:
    if rate is not None and not (is_number(rate) and 0 <= rate <= 1):
        raise InputError(f"max_failure_rate={rate!r} is no rate.", hint="Give 0 to 1, such as 0.2.")
    if isinstance(least, bool) or not isinstance(least, int) or least < 1:
        raise InputError(f"min_builds={least!r} is no number of builds.", hint="Give 1 or more.")
    if days is not None and not (is_number(days) and 0 < days < math.inf):
        raise InputError(f"days={days!r} is no number of days.", hint="Give a number above 0, such as 28.")


def _failure_rate(
    builds: pd.DataFrame, limit: float, least: int, days: float | None, moment: pd.Timestamp
) -> Row:
    start = builds["build_start"].dt.tz_convert(None)
    inside = np.ones(len(builds), dtype=bool)
    where = ""
    if days is not None:
        inside = (start > moment - pd.Timedelta(days=days)).to_numpy(bool)
        where = f" in the last {days:g} {'day' if days == 1 else 'days'}"
    status = status_of(builds)[inside]
    failed = int((status == "FAILED").sum())
    n = failed + int((status == "FINISHED").sum())
    counted = count_text(n, "build")
    if n < least:
        few, verb = f"only {counted}" if n else "no build", "is" if least == 1 else "are"
        says = f"{few} finished or failed{where}; {least:,} {verb} needed to judge the failure rate"
        return "unknown", failed / n if n else math.nan, limit, n, says
    rate = failed / n
    low, high = (percent_text(float(bound)) for bound in wilson(failed, n))
    exceeds = rate > limit
    words = "more than" if exceeds else "not more than"
    says = (
        f"{percent_text(rate)} of {counted} failed{where}, {words} {percent_text(limit)} "
        f"(95 % interval {low} to {high})"
    )
    return "broken" if exceeds else "fine", rate, limit, n, says


def _broken_for(builds: pd.DataFrame, limit: float, moment: pd.Timestamp) -> Row:
    n = int(status_of(builds).isin(["FAILED", "FINISHED"]).sum())
    if not n:
        return "unknown", math.nan, limit, 0, "no build has finished or failed"
    if pd.isna(moment):
        says = f"{count_text(n, 'build')} finished or failed, none with a known start"
        return "unknown", math.nan, limit, n, says
    chains = recovery(builds, now=moment.tz_localize("UTC"))
    chains = chains[chains["open"]].sort_values("seconds", ascending=False, kind="stable")
    longest = float(chains["seconds"].max()) if len(chains) else math.nan
    late = chains[chains["seconds"] > limit]
    if not len(late):
        rest = f"; {count_text(len(chains), 'pattern set')} for less" if len(chains) else ""
        return "fine", longest, limit, n, f"nothing is broken for more than {duration_text(limit)}{rest}"
    named = [
        f"patterns {single_line(patterns, 80)} of project {single_line(project, 40)} for "
        f"{floor_text(row['seconds'])} (first build {row['first_build']})"
        for (project, patterns), row in zip(late.index[:_MAX_NAMED], late.to_dict("records"), strict=False)
    ]
    more = f"; {len(late) - _MAX_NAMED:,} more" if len(late) > _MAX_NAMED else ""
    says = (
        f"{count_text(len(late), 'pattern set')} broken for more than {duration_text(limit)}: "
        f"{'; '.join(named)}{more}"
    )
    return "broken", longest, limit, n, says


def _running_for(builds: pd.DataFrame, limit: float, moment: pd.Timestamp) -> Row:
    running = builds[(status_of(builds) == "BUILDING").to_numpy(bool)]
    n = len(running)
    if not len(builds):
        return "unknown", math.nan, limit, 0, "there are no builds"
    if not n:
        return "fine", math.nan, limit, 0, "no build runs"
    seconds = (moment - running["build_start"].dt.tz_convert(None)).dt.total_seconds()
    longest = float(seconds.max())
    late = seconds[seconds > limit].sort_values(ascending=False)
    if len(late):
        named = [f"build {index} for {floor_text(length)}" for index, length in late[:_MAX_NAMED].items()]
        more = f"; {len(late) - _MAX_NAMED:,} more" if len(late) > _MAX_NAMED else ""
        says = (
            f"{count_text(len(late), 'build')} running for more than {duration_text(limit)}: "
            f"{'; '.join(named)}{more}"
        )
        return "broken", longest, limit, n, says
    if seconds.isna().any():
        missing = count_text(int(seconds.isna().sum()), "running build")
        return "unknown", longest, limit, n, f"{missing} without a start"
    return (
        "fine",
        longest,
        limit,
        n,
        f"{count_text(n, 'build')} running, none for more than {duration_text(limit)}",
    )
