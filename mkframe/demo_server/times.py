"""Times as the service writes them: ISO 8601 in UTC, and local wall time where its examples show that."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

SECOND = 1000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
HISTORY_DAYS = 728
"""Days from the begin of the history to its end."""

Ints = NDArray[np.int64]


def iso(ms: int) -> str:
    """Write Unix milliseconds as the vendor's examples do: ``2026-04-02T08:14:40.320Z``."""
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def iso_column(ms: Ints) -> list[str]:
    """Write a column of Unix milliseconds."""
    text = np.datetime_as_string(ms.astype("datetime64[ms]"), unit="ms")
    times: list[str] = np.char.add(text, "Z").tolist()
    return times


def local_offset(ms: Ints) -> Ints:
    """Return the milliseconds by which Central European wall time is ahead of UTC.

    The rule is written out here because the data of zoneinfo is not on every machine.
    """
    years = ms.astype("datetime64[ms]").astype("datetime64[Y]")
    summer = (ms >= _last_sunday(years, 3)) & (ms < _last_sunday(years, 10))
    return np.where(summer, 2 * HOUR, HOUR).astype(np.int64)


def _last_sunday(years: NDArray[np.datetime64], month: int) -> Ints:
    end = (years.astype("datetime64[M]") + np.timedelta64(month, "M")).astype("datetime64[D]").astype(
        np.int64
    ) - 1
    return (end - (end + 4) % 7) * DAY + HOUR


def local(ms: int) -> int:
    """Move one instant to local wall time, still in milliseconds."""
    return ms + int(local_offset(np.array([ms], np.int64))[0])


def local_midnight(day: int) -> int:
    """Return the instant at which a local day begins; `day` counts from 1970-01-01."""
    naive = day * DAY
    return naive - int(local_offset(np.array([naive - HOUR], np.int64))[0])
