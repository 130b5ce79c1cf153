"""Numbers from frames: each function takes a builds frame (or a releases frame) and gives a frame.

Nothing here sends, draws or changes what it was given. Columns and dtypes are the same for none, one or a
million builds. A build belongs to the period in which it started; days and weeks are cut in the zone `tz`,
weeks begin on Monday. Every row of the frame counts, so a build that is in the frame twice counts twice.
"""

from mkframe.metrics._durations import completed_builds, duration, duration_by_instances, durations, longest
from mkframe.metrics._outcomes import calendar, failure_rate, outcomes, throughput, wilson
from mkframe.metrics._releases import releases
from mkframe.metrics._summary import describe, suggest_period, summary

__all__ = [
    "calendar",
    "duration",
    "duration_by_instances",
    "durations",
    "completed_builds",
    "failure_rate",
    "suggest_period",
    "longest",
    "outcomes",
    "releases",
    "describe",
    "summary",
    "throughput",
    "wilson",
]
