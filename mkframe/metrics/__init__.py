"""Numbers from frames: each function takes a builds frame (or a releases frame) and gives a frame.

Nothing here sends, draws or changes what it was given. Columns and dtypes are the same for none, one or a
million builds. A build belongs to the period in which it started; days and weeks are cut in the zone `tz`,
weeks begin on Monday. Every row of the frame counts, so a build that is in the frame twice counts twice.
"""

from mkframe.metrics.overview import fitting_period, sentences, summary
from mkframe.metrics.release_order import releases
from mkframe.metrics.results import calendar, failure_rate, outcomes, throughput, wilson
from mkframe.metrics.timing import duration, duration_by_instances, durations, ended, longest

__all__ = [
    "calendar",
    "duration",
    "duration_by_instances",
    "durations",
    "ended",
    "failure_rate",
    "fitting_period",
    "longest",
    "outcomes",
    "releases",
    "sentences",
    "summary",
    "throughput",
    "wilson",
]
