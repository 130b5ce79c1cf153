"""Statistics of builds and releases: each function takes a builds frame or a releases frame.

No function sends a request, draws or changes its arguments. Columns and dtypes of a result are the same for
none, one or a million builds. A build belongs to the period in which it started. Days begin and end in the
time zone `tz`, and weeks begin on Monday. A build that is in the frame twice counts once, and dates that
cannot be count as missing; `mkframe.metrics._history` has the rules.
"""

from mkframe.metrics._calendar import calendar
from mkframe.metrics._change_points import change_points
from mkframe.metrics._compare_periods import compare_periods
from mkframe.metrics._cost_card import cost_card
from mkframe.metrics._deliveries import artifact_use, builds_without_delivery
from mkframe.metrics._durations import completed_builds, duration, duration_by_instances, durations, longest
from mkframe.metrics._eta import eta
from mkframe.metrics._failure_families import failure_families
from mkframe.metrics._failure_progress import failure_progress
from mkframe.metrics._failure_rate import failure_rate, wilson
from mkframe.metrics._findings import findings, verdict
from mkframe.metrics._median_duration import median_duration
from mkframe.metrics._outcomes import outcomes, throughput
from mkframe.metrics._recovery import recovery
from mkframe.metrics._releases import releases
from mkframe.metrics._show import show
from mkframe.metrics._summary import describe, suggest_period, summary
from mkframe.metrics._thresholds import thresholds
from mkframe.metrics._top_failing import top_failing
from mkframe.metrics._view_offset import view_offset

__all__ = [
    "artifact_use",
    "builds_without_delivery",
    "calendar",
    "change_points",
    "compare_periods",
    "completed_builds",
    "cost_card",
    "describe",
    "duration",
    "duration_by_instances",
    "durations",
    "eta",
    "failure_families",
    "failure_progress",
    "failure_rate",
    "findings",
    "longest",
    "median_duration",
    "outcomes",
    "recovery",
    "releases",
    "show",
    "suggest_period",
    "summary",
    "thresholds",
    "throughput",
    "top_failing",
    "verdict",
    "view_offset",
    "wilson",
]


def __dir__() -> list[str]:
    return sorted(__all__)
