"""Charts of builds and releases: each function takes a builds frame or a releases frame and returns Axes.

Each draws the numbers of the function of the same name in `mkframe.metrics`. With ``ax=None`` it opens a new
figure; a given Axes is drawn on and returned, and nothing else in its figure changes. Where there is nothing
to draw, a sentence on the Axes gives the reason. No function changes a setting of matplotlib or shows the
figure; a notebook shows it.
"""

from mkframe.charts._alt_text import alt_text
from mkframe.charts._calendar import calendar
from mkframe.charts._change_points import change_points
from mkframe.charts._colors import COLORS, OTHER
from mkframe.charts._commit_lanes import commit_lanes
from mkframe.charts._cost_card import cost_card
from mkframe.charts._deliveries import artifact_use, builds_without_delivery
from mkframe.charts._duration_by_instances import duration_by_instances
from mkframe.charts._durations import durations
from mkframe.charts._eta import eta
from mkframe.charts._failure_families import failure_families
from mkframe.charts._failure_progress import failure_progress
from mkframe.charts._failure_rate import failure_rate
from mkframe.charts._longest import longest
from mkframe.charts._median_duration import median_duration
from mkframe.charts._outcomes import outcomes, throughput
from mkframe.charts._recovery import recovery
from mkframe.charts._release_changes import release_changes
from mkframe.charts._releases import releases

__all__ = [
    "COLORS",
    "OTHER",
    "alt_text",
    "artifact_use",
    "builds_without_delivery",
    "calendar",
    "change_points",
    "commit_lanes",
    "cost_card",
    "duration_by_instances",
    "durations",
    "eta",
    "failure_families",
    "failure_progress",
    "failure_rate",
    "longest",
    "median_duration",
    "outcomes",
    "recovery",
    "release_changes",
    "releases",
    "throughput",
]


def __dir__() -> list[str]:
    return sorted(__all__)
