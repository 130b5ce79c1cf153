"""The groups whose builds fail most, with these builds."""

from __future__ import annotations

import numpy as np
import pandas as pd

from mkframe.metrics._checks import status_of
from mkframe.metrics._durations import total_seconds
from mkframe.metrics._failure_rate import wilson
from mkframe.metrics._history import history_of
from mkframe.metrics._streams import By, build_ids, streams

__all__ = ["top_failing"]


def top_failing(builds: pd.DataFrame, *, by: By = "pattern") -> pd.DataFrame:
    """Rank patterns, or other groups, by how surely their builds fail, and name the failed builds.

    The order is that of the lower bound of the 95 % interval of the failure rate, failed / (finished +
    failed): a group is not called bad because of one unlucky build. The interval is that of independent
    builds (see `wilson`); `compare_periods` compares with days as units.

    Parameters
    ----------
    builds : DataFrame
        With `status`, `build_start`, `build_end` and the columns that `by` needs, indexed by id.
    by : {"pattern", "release", "project", "user", "pattern_set"}, or two of them, default "pattern"
        A build with several patterns (or releases) counts in each.

    Returns
    -------
    DataFrame
        Index `by` (str). Columns: `failed`, `n` int64, failed builds and those that finished or failed;
        `rate`, `low`, `high` float64; `seconds` float64, the time that failed builds with a duration took;
        `last_failed` datetime64[us, UTC], the latest start; `build_ids` list of int, failed builds, newest
        first. Groups without a failed build have no rows.

    Raises
    ------
    InputError
        If a column is missing, `by` is not known, or the index holds no ids.

    Examples
    --------
    >>> start = pd.date_range("2026-04-01 08:00", periods=4, freq="h", tz="UTC")
    >>> builds = pd.DataFrame({"status": ["FAILED", "FINISHED", "FAILED", "FAILED"], "build_start": start,
    ...     "build_end": start + pd.Timedelta("1min"), "patterns": [[808], [808], [808], [9]]},
    ...     index=[11, 12, 13, 14])
    >>> top_failing(builds)["build_ids"].to_dict()
    {'808': [13, 11], '9': [14]}
    """
    builds = history_of(builds, ["status", "build_start", "build_end"]).builds
    ids = build_ids(builds)
    status = status_of(builds)
    is_failed = (status == "FAILED").to_numpy(bool)
    has_result = is_failed | (status == "FINISHED").to_numpy(bool)
    names, row, place = streams(builds, by)
    many = len(names)
    n = np.bincount(place[has_result[row]], minlength=many).astype("int64")
    failed = np.bincount(place[is_failed[row]], minlength=many).astype("int64")
    # newest first; builds without a start last
    start = builds["build_start"].to_numpy("datetime64[us]")
    held = np.flatnonzero(is_failed[row])
    age = np.where(np.isnat(start), np.iinfo("int64").max, -start.astype("int64"))
    held = held[np.lexsort((-ids[row[held]], age[row[held]], place[held]))]
    parts = np.split(row[held], np.cumsum(failed)[:-1]) if many else []
    low, high = wilson(failed, n)
    table = pd.DataFrame(
        {
            "failed": failed,
            "n": n,
            "rate": failed / np.where(n > 0, n, np.nan),
            "low": low,
            "high": high,
            "seconds": total_seconds(builds, is_failed, row, place, many),
            "last_failed": pd.DatetimeIndex(
                [start[part[0]] if len(part) else np.datetime64("NaT", "us") for part in parts],
            )
            .as_unit("us")
            .tz_localize("UTC"),
            "build_ids": pd.Series([ids[part].tolist() for part in parts], dtype="object").to_numpy(),
        },
        index=names,
    )
    table = table[table["failed"] > 0]
    return table.sort_values(["low", "failed"], ascending=False, kind="stable")
