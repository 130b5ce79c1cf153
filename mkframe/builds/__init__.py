"""Starting builds exactly once, and waiting for them."""

from mkframe.runs.deploy import deploy
from mkframe.runs.naming import build_id, build_ids, is_build
from mkframe.runs.outcome import BuildStart, confirm
from mkframe.runs.start import start
from mkframe.runs.wait import wait

__all__ = ["BuildStart", "build_id", "build_ids", "confirm", "deploy", "is_build", "start", "wait"]
