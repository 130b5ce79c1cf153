"""Release analysis on frames: pure functions, which send nothing.

The functions of `mkframe.releases` load what these take, by the same names.
"""

from mkframe.releases._carried import Carried, carried_forward
from mkframe.releases._diff import Diff, diff
from mkframe.releases._impact import Impact, impact
from mkframe.releases._notes import ReleaseNotes, notes
from mkframe.releases._readiness import Facts, Readiness, Unknown, readiness
from mkframe.releases._unbuilt import Unbuilt, unbuilt

__all__ = [
    "Carried",
    "Diff",
    "Facts",
    "Impact",
    "Readiness",
    "ReleaseNotes",
    "Unbuilt",
    "Unknown",
    "carried_forward",
    "diff",
    "impact",
    "notes",
    "readiness",
    "unbuilt",
]


def __dir__() -> list[str]:
    return sorted(__all__)
