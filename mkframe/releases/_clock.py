"""The clock of the commits, measured against the builds that made some of them."""

from __future__ import annotations

import numpy as np
import pandas as pd

__all__ = ["commit_offset"]

_QUARTER = 15 * 60_000
_MOST = 14 * 4
"""Quarters of an hour between a local time and UTC."""
_NEAR = 5_000
"""Milliseconds between a commit and the start or end of its build."""
_SHARE, _FEWEST = 0.9, 3


def commit_offset(commits: pd.DataFrame, builds: pd.DataFrame) -> int | None:
    """Measure by how many milliseconds the stamps of commits are ahead of UTC.

    A build commits its instances at its start or its end. The offset is the only number of quarter hours by
    which 90 % of the stamps of builds come within five seconds of that; without one it is not known.

    Parameters
    ----------
    commits : DataFrame
        The view ``COMMITS``.
    builds : DataFrame
        Builds of the same project.

    Returns
    -------
    int or None

    Examples
    --------
    >>> start = pd.to_datetime(["2026-04-01 08:00", "2026-04-01 09:10", "2026-04-02 11:20"], utc=True)
    >>> builds = pd.DataFrame({"build_start": start, "build_end": start + pd.Timedelta("60s")})
    >>> stamps = [round(time.timestamp() * 1000) + 7_200_000 for time in start]
    >>> commit_offset(pd.DataFrame({"TYPE": "Build", "COMMIT_TIMESTAMP": stamps}), builds)
    7200000
    """
    is_build = (commits["TYPE"] == "Build").fillna(False).astype(bool)
    stamps = np.unique(commits.loc[is_build, "COMMIT_TIMESTAMP"].dropna().to_numpy("int64"))
    ends = pd.concat([builds["build_start"], builds["build_end"]]).dropna()
    known = np.sort(ends.astype("datetime64[ms, UTC]").astype("int64").to_numpy())
    if len(stamps) < _FEWEST or not len(known):
        return None
    shares = {}
    for quarters in range(-_MOST, _MOST + 1):
        moved = stamps - quarters * _QUARTER
        place = np.searchsorted(known, moved)
        before, after = known[np.maximum(place - 1, 0)], known[np.minimum(place, len(known) - 1)]
        distance = np.minimum(np.abs(moved - before), np.abs(after - moved))
        shares[quarters] = float((distance <= _NEAR).mean())
    found = [quarters for quarters, share in shares.items() if share >= _SHARE]
    return found[0] * _QUARTER if len(found) == 1 else None
