"""Starting builds exactly once, and waiting for them."""

from mkframe.builds._deploy import deploy
from mkframe.builds._how_long import HowLong, RunningBuild
from mkframe.builds._ids import build_id, build_ids, is_build
from mkframe.builds._lock import exclusive_lock
from mkframe.builds._reconcile import BuildStart, confirm
from mkframe.builds._start import start, start_body
from mkframe.builds._wait import wait

__all__ = [
    "BuildStart",
    "HowLong",
    "RunningBuild",
    "build_id",
    "build_ids",
    "confirm",
    "deploy",
    "exclusive_lock",
    "is_build",
    "start",
    "start_body",
    "wait",
]


def __dir__() -> list[str]:
    return sorted(__all__)
