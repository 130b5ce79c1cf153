"""The median duration of periods in which builds still run."""

from __future__ import annotations

import math
from datetime import datetime

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mkframe._pandas import TEXT
from mkframe.metrics._checks import status_of
from mkframe.metrics._durations import duration
from mkframe.metrics._formatting import duration_text
from mkframe.metrics._grouping import Every, group_builds, length_of_period
from mkframe.metrics._history import history_of
from mkframe.metrics._moments import last_moment
from mkframe.metrics._streams import By
from mkframe.metrics._survival import floor_text, kaplan_meier_quantile

__all__ = ["median_duration"]


def median_duration(
    builds: pd.DataFrame,
    *,
    every: Every = "auto",
    by: By | None = None,
    now: str | datetime | None = None,
    tz: str = "UTC",
) -> pd.DataFrame:
    """Give the median duration of finished and running builds, with what running builds leave open.

    A running build will take longer than it has taken until now. The median of finished builds alone comes
    out low while many run, as the slow ones are missing. Two bounds hold whatever the running builds will
    take: the median with each of them at its time until now, and the median with each of them as longer than
    all. Between them lies the estimate of Kaplan and Meier, which takes running builds as censored. Where
    half or more of the builds still run, there is no estimate and no upper bound.

    That is said of builds that finish: failed and canceled builds are left out, and a running build may yet
    fail.

    Parameters
    ----------
    builds : DataFrame
        With `status`, `build_start`, `build_end` and the columns that `by` needs.
    every : {"auto", "D", "W", "M", "Q"} or None, default "auto"
        Length of a period; a build lies in the one in which it started. None is the whole time. By default
        the whole time with `by`, else as `suggest_period` suggests.
    by : {"pattern", "release", "project", "user", "pattern_set"}, or two of them, optional
        One row for each group and period. A build with several patterns (or releases) counts in each.
    now : str or datetime, optional
        With a zone, until when running builds have run. By default the latest time in the frame.
    tz : str, default "UTC"
        Zone in which days are cut.

    Returns
    -------
    DataFrame
        Index `period` (datetime64[us, tz]; of the whole time the day of the first build), with a level for
        each key of `by` before it (str) where given. Columns: `finished`,
        `running` int64; `median`, `low`, `high` float64, seconds; NaN where there are no builds or, for
        `median`, half or more run, and `high` is inf there; `text` str, such as "1 min 30 s",
        "1 min 20 s to 2 min (3 of 20 still run)" or "> 2 h (12 of 20 still run)". Finished builds without a
        duration are not counted, nor builds without `build_start`.

    Raises
    ------
    InputError
        If a column is missing or an argument is not known.

    Examples
    --------
    >>> start = pd.to_datetime(["2026-04-01T08:00Z"] * 3, utc=True)
    >>> builds = pd.DataFrame({"status": ["FINISHED", "BUILDING", "BUILDING"], "build_start": start,
    ...                        "build_end": [start[0] + pd.Timedelta("90s"), pd.NaT, pd.NaT]})
    >>> median_duration(builds, now="2026-04-01T10:00Z")["text"].tolist()
    ['> 2 h (2 of 3 still run)']
    """
    builds = history_of(builds, ["status", "build_start", "build_end"]).builds
    length = length_of_period(builds, every, by)
    builds = builds[builds["build_start"].notna().to_numpy(bool)]
    where = group_builds(builds, length, by, tz)
    moment = last_moment(builds, now)
    status = status_of(builds)
    running = (status == "BUILDING").to_numpy(bool)
    took = duration(builds).to_numpy("timedelta64[us]") / np.timedelta64(1, "s")
    until = pd.Series(moment, index=builds.index, dtype="datetime64[us]").dt.tz_localize("UTC")
    passed = (until - builds["build_start"]).dt.total_seconds().to_numpy("float64")
    finished = (status == "FINISHED").to_numpy(bool) & (took >= 0)
    seconds = np.where(running, np.maximum(passed, 0.0), took)
    counted = finished | running
    low = where.quantiles(seconds, counted, [0.5])[:, 0]
    with np.errstate(invalid="ignore"):
        high = _medians_from_above(where.row, where.cell, len(where.index), seconds, finished, running)
    many = where.count_by(np.select([finished, running], [0, 1], 2), 3)
    median = low.copy()
    order = np.argsort(where.cell, kind="stable")
    limits = np.searchsorted(where.cell[order], np.arange(len(where.index) + 1))
    for cell in np.flatnonzero((many[:, 1] > 0) & np.isfinite(high)):
        rows = where.row[order[limits[cell] : limits[cell + 1]]]
        rows = rows[counted[rows]]
        estimate = kaplan_meier_quantile(seconds[rows], finished[rows])
        median[cell] = min(max(estimate, low[cell]), high[cell])
    median[np.isinf(high)] = np.nan
    table = pd.DataFrame(
        {"finished": many[:, 0], "running": many[:, 1], "median": median, "low": low, "high": high},
        index=where.index,
    )
    sentence = [
        _text(low, high, n, running)
        for low, high, n, running in zip(
            table["low"], table["high"], table["finished"], table["running"], strict=True
        )
    ]
    return table.assign(text=pd.Series(sentence, index=table.index, dtype=TEXT))


def _medians_from_above(
    row: NDArray[np.intp],
    cell: NDArray[np.intp],
    cells: int,
    seconds: NDArray[np.float64],
    finished: NDArray[np.bool_],
    running: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """Give the median of each cell with running builds as longer than all; inf where they are half."""
    counted = (finished | running)[row]
    row, cell = row[counted], cell[counted]
    values = np.where(running[row], math.inf, seconds[row])
    order = np.lexsort((values, cell))
    values = values[order]
    sizes = np.bincount(cell, minlength=cells)
    begins = np.concatenate([[0], np.cumsum(sizes)[:-1]]) if cells else np.zeros(0, dtype="int64")
    found = np.full(cells, math.nan)
    has = sizes > 0
    below, above = (begins + (sizes - 1) // 2)[has], (begins + sizes // 2)[has]
    found[has] = (values[below] + values[above]) / 2
    return found


def _text(low: float, high: float, finished: int, running: int) -> str:
    if math.isnan(low) or not running:
        return duration_text(low)
    still = f"({running:,} of {finished + running:,} still run)"
    if math.isinf(high):
        return f"> {floor_text(low)} {still}"
    ends = sorted(
        {duration_text(low), duration_text(high)}, key=[duration_text(low), duration_text(high)].index
    )
    return f"{' to '.join(ends)} {still}"
