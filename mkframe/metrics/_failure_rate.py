"""The share of builds that fail: failed / (finished + failed), with a 95 % interval.

Running builds and unknown statuses are counted, but are never part of a rate.
"""

from __future__ import annotations

from statistics import NormalDist
from typing import Literal, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from mkframe.errors import InputError
from mkframe.metrics._checks import check_choice, status_of
from mkframe.metrics._grouping import Every, group_builds, length_of_period
from mkframe.metrics._history import history_of
from mkframe.metrics._outcomes import count_statuses
from mkframe.metrics._streams import By

__all__ = ["STATUS_COLUMNS", "Canceled", "failure_rate", "wilson"]

Canceled: TypeAlias = Literal["exclude", "count"]
STATUS_COLUMNS = {"finished": "FINISHED", "failed": "FAILED", "canceled": "CANCELED", "running": "BUILDING"}
"""Columns that count builds, with their statuses."""


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
    counts = count_statuses(groups, status_of(builds), [*STATUS_COLUMNS.values()])
    table = pd.DataFrame(counts, index=groups.index, columns=[*STATUS_COLUMNS, "other"])
    total = table["finished"] + table["failed"] + (table["canceled"] if canceled == "count" else 0)
    low, high = wilson(table["failed"], total)
    rate = (table["failed"] / total.where(total > 0)).astype("float64")
    table = table.assign(n=total, rate=rate, low=low, high=high)
    if "gone_since" in builds.columns:
        is_gone = builds["gone_since"].notna().to_numpy().astype(np.intp)
        table["n_gone"] = groups.count_by(is_gone, 2)[:, 1]
    return table
