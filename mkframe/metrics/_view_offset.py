"""The clock of the view DELIVERIES."""

from __future__ import annotations

import pandas as pd

from mkframe import _clock
from mkframe._pandas import plain
from mkframe.errors import InputError
from mkframe.metrics._checks import require_columns
from mkframe.metrics._streams import build_ids

__all__ = ["view_offset"]


def view_offset(deliveries: pd.DataFrame, builds: pd.DataFrame) -> _clock.Clock:
    """Measure by how much the times of the view DELIVERIES differ from UTC.

    `BUILD_START` of a delivery and `build_start` of the build with its `BUILD_ID` are the same moment. Their
    differences are rounded to quarter hours; those of more than two seconds beside one agree with nothing.
    Where summer and winter differ, the zone is the first that the differences agree with: others with the
    same rules on those days would do.

    Parameters
    ----------
    deliveries : DataFrame
        The view DELIVERIES, with `BUILD_ID` and `BUILD_START` without a zone.
    builds : DataFrame
        The builds of its project, with `build_start`, indexed by id.

    Returns
    -------
    Clock
        ``offset`` Timedelta, view minus UTC, of most builds; ``zone`` str, such as "UTC", "+01:00" or
        "Europe/Vienna", with a minus before it where the view is behind UTC by as much as the zone is ahead;
        ``n`` int, builds that were compared, each once; ``share`` float of them that agree with the zone.
        Nothing to compare gives NaT, None, 0 and 0.0.

    Raises
    ------
    InputError
        If a column is missing, or `BUILD_START` has a zone.

    Examples
    --------
    >>> start = pd.to_datetime(["2026-01-15 08:00:00.320Z", "2026-07-15 08:00:00.750Z"])
    >>> builds = pd.DataFrame({"build_start": start}, index=[11, 12])
    >>> seen = pd.to_datetime(["2026-01-15 09:00:00", "2026-07-15 10:00:00"])
    >>> clock = view_offset(pd.DataFrame({"BUILD_ID": [11, 12], "BUILD_START": seen}), builds)
    >>> clock.zone, clock.n, clock.share
    ('Europe/Vienna', 2, 1.0)
    """
    require_columns(builds, ["build_start"])
    if not isinstance(deliveries, pd.DataFrame) or not {"BUILD_ID", "BUILD_START"} <= set(deliveries.columns):
        raise InputError(
            "deliveries lacks the columns BUILD_ID and BUILD_START.", hint="Give client.deliveries(...)."
        )
    if getattr(deliveries["BUILD_START"].dtype, "tz", None) is not None:
        raise InputError(
            "BUILD_START has a zone, so its clock is known.",
            hint="Give the frame of client.deliveries(...) without utc=.",
        )
    starts = plain(builds["build_start"]).set_axis(build_ids(builds))
    return _clock.measure_deliveries(deliveries, starts)[0]
