"""Pictures from frames: each function takes a builds frame (or a releases frame) and gives Axes.

Each draws what the function of the same name in `mkframe.metrics` counts. With ``ax=None`` it opens a new
figure; a given Axes is drawn on and returned, and nothing else of its figure is touched. Where there is
nothing to draw, the Axes say why. No style is changed and nothing is shown: a notebook shows the figure.
"""

from mkframe.charts._calendar import calendar
from mkframe.charts._duration_by_instances import duration_by_instances
from mkframe.charts._durations import durations
from mkframe.charts._failure_rate import failure_rate
from mkframe.charts._longest import longest
from mkframe.charts._outcomes import outcomes, throughput
from mkframe.charts._releases import releases
from mkframe.charts._style import COLORS, OTHER

__all__ = [
    "COLORS",
    "OTHER",
    "calendar",
    "duration_by_instances",
    "durations",
    "failure_rate",
    "longest",
    "outcomes",
    "releases",
    "throughput",
]
