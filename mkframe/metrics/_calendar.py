"""Builds of each day, and the share that failed."""

from __future__ import annotations

import pandas as pd

from mkframe.metrics._failure_rate import STATUS_COLUMNS, failure_rate

__all__ = ["calendar"]


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
    counts = [*STATUS_COLUMNS, "other"]
    table.insert(0, "builds", table[counts].sum(axis=1).astype("int64"))
    return table[["builds", *counts, "rate"]]
