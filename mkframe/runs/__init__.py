"""Starting builds exactly once, and waiting for them."""

from mkframe.runs.deploy import deploy
from mkframe.runs.outcome import BuildStart, NotStarted, Unconfirmed, confirm
from mkframe.runs.start import start
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
