"""At which progress builds fail."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from mkframe.metrics._checks import check_statuses, float_values
from mkframe.metrics._durations import status_mask
from mkframe.metrics._history import history_of
from mkframe.metrics._streams import By, streams_of_part

__all__ = ["BANDS", "failure_progress"]

_WIDTH = 20
BANDS = [*(f"{low}–{low + _WIDTH - 1} %" for low in range(0, 100, _WIDTH)), "100 %"]
"""The classes of progress."""


def failure_progress(
    builds: pd.DataFrame, *, by: By = "pattern", statuses: Sequence[str] = ("FAILED",)
) -> pd.DataFrame:
    """Count failed builds by group and by the last progress that the server told.

    Whether the progress stays at the value that a build had reached when it failed is not in the vendor's
    reference; where all builds of a server have 0 or 100, it tells nothing.

    Parameters
    ----------
    builds : DataFrame
        With `status`, `progress` and the columns that `by` needs.
    by : {"pattern", "release", "project", "user", "pattern_set"}, or two of them, default "pattern"
        The rows. A build with several patterns counts in each.
    statuses : sequence of str, default ("FAILED",)
        Whose progress is counted.

    Returns
    -------
    DataFrame
        Index `by` (str), most builds first. Columns int64: `builds`; "0–19 %", "20–39 %", "40–59 %",
        "60–79 %", "80–99 %", "100 %"; `unknown`, progress missing or not from 0 to 100. The classes add up
        to `builds`. Groups without such builds have no rows.

    Raises
    ------
    InputError
        If a column is missing or an argument is not known.

    Examples
    --------
    >>> builds = pd.DataFrame({"status": "FAILED", "progress": [35, 99, 20], "patterns": [[808], [9], [808]]})
    >>> failure_progress(builds)[["builds", "20–39 %", "80–99 %"]].loc["808"].tolist()
    [2, 2, 0]
    """
    builds = history_of(builds, ["status", "progress"]).builds
    check_statuses(builds, statuses)
    part = status_mask(builds, statuses)
    held = builds[part]
    names, row, place = streams_of_part(builds, by, np.asarray(part, dtype=bool))
    progress = float_values(held["progress"])
    known = (progress >= 0) & (progress <= 100)
    band = np.where(known, np.nan_to_num(progress) // _WIDTH, len(BANDS)).astype(np.intp)
    columns = len(BANDS) + 1
    counts = np.bincount(place * columns + band[row], minlength=len(names) * columns)
    table = pd.DataFrame(
        counts.reshape(-1, columns).astype("int64"), columns=[*BANDS, "unknown"], index=names
    )
    table.insert(0, "builds", table.sum(axis=1).astype("int64"))
    return table.sort_values("builds", ascending=False, kind="stable")
