"""The table of builds, as columns."""

from __future__ import annotations

from dataclasses import dataclass

from mkframe.demo_server.times import Ints

BUILDING, FINISHED, FAILED, CANCELED = range(4)
"""Indexes in `schema.STATUSES`."""


@dataclass(slots=True)
class BuildColumns:
    """The columns of all builds in the order of their ids.

    Times are Unix ms, statuses are indexes in `schema.STATUSES`. `end`, `outcome`, `progress` and `message`
    hold how a build ends, also before it has ended.
    """

    id: Ints
    project: Ints
    user: Ints
    start: Ints
    end: Ints
    outcome: Ints
    progress: Ints
    patterns: Ints
    counts: Ints
    offset: Ints
    releases: Ints
    download: Ints
    message: list[str]
    name: list[str | None]
    description: list[str | None]
