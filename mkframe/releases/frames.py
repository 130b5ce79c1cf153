"""Release analysis on frames: pure functions, which send nothing.

The functions of `mkframe.releases` load what these take, by the same names.
"""

from mkframe.releases._carried import Carried, carried_forward
from mkframe.releases._diff import Diff, diff

__all__ = ["Carried", "Diff", "carried_forward", "diff"]


def __dir__() -> list[str]:
    return sorted(__all__)
