"""Starting builds exactly once, and waiting for them."""

from mkframe.runs.deploy import deploy
from mkframe.runs.start import BuildStart, NotStarted, Unconfirmed, confirm, start
from mkframe.runs.wait import BuildFailed, StillBuilding, wait

__all__ = [
    "BuildFailed",
    "BuildStart",
    "NotStarted",
    "StillBuilding",
    "Unconfirmed",
    "confirm",
    "deploy",
    "start",
    "wait",
]
