"""Build histories that outlive what the server shows, in one DuckDB file each.

A version of a row is an interval of sync numbers, so that nothing is written for a row that has not changed.
"""

from mkframe.history._history import History

__all__ = ["History"]


def __dir__() -> list[str]:
    return sorted(__all__)
