"""Pictures from frames: each function takes a builds frame (or a releases frame) and gives Axes.

Each draws what the function of the same name in `mkframe.metrics` counts. With ``ax=None`` it opens a new
figure; a given Axes is drawn on and returned, and nothing else of its figure is touched. Where there is
nothing to draw, the Axes say why. No style is changed and nothing is shown: a notebook shows the figure.
"""

from mkframe.charts.calendar_map import calendar
from mkframe.charts.canvas import COLOURS, OTHER
from mkframe.charts.count_steps import outcomes, throughput
from mkframe.charts.duration_lines import durations
from mkframe.charts.instance_cloud import duration_by_instances
from mkframe.charts.longest_bars import longest
from mkframe.charts.rate_lines import failure_rate
from mkframe.charts.release_lines import releases

__all__ = [
    "COLOURS",
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
