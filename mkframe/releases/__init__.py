"""Release analysis: what differs between releases, what is missing, and whether one can be released."""

from mkframe.releases import frames

__all__ = ["frames"]


def __dir__() -> list[str]:
    return sorted(__all__)
