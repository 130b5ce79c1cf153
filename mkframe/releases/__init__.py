"""Release analysis: what differs between releases, what is missing, and whether one can be released.

Each function takes the client first and everything else by name. It reads what it needs and hands that to the
function of the same name in `mkframe.releases.frames`. Each result is a frame: a notebook shows it as a view
that folds, `export` writes it as a workbook or a page, and `attrs` say what could not be known.
"""

from mkframe.releases import frames
from mkframe.releases._analysis import carried_forward, diff, impact, notes, readiness, unbuilt

__all__ = ["carried_forward", "diff", "frames", "impact", "notes", "readiness", "unbuilt"]


def __dir__() -> list[str]:
    return sorted(__all__)
