"""Chart of the longest builds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator
from numpy.typing import NDArray

from mkframe import metrics
from mkframe._validation import check_timezone
from mkframe.charts import _style
from mkframe.charts._colors import palette
from mkframe.charts._labels import builds_text, left_out_text, printable_text
from mkframe.charts._layout import font_size, is_narrow
from mkframe.metrics._checks import require_columns, status_of
from mkframe.metrics._durations import status_mask
from mkframe.metrics._formatting import count_text, duration_text
from mkframe.metrics._grouping import local_times
from mkframe.metrics._history import history_of, without_repeats
from mkframe.metrics._streams import NAMED, memberships

__all__ = ["longest"]


def longest(
    builds: pd.DataFrame,
    n: int = 10,
    statuses: Sequence[str] | None = None,
    tz: str = "UTC",
    ax: Axes | None = None,
) -> Axes:
    """Draw the builds that took longest as bars, with id, start, pattern and status.

    Parameters
    ----------
    builds : DataFrame
        With `status`, `build_start` and `build_end`; `patterns` or `pattern_names` are shown where present.
    n : int, default 10
        Maximum number of builds.
    statuses : sequence of str or None, default None
        Statuses of the builds to rank; None ranks every build that has ended.
    tz : str, default "UTC"
        Time zone of the starts.
    ax : Axes, optional
        Where to draw.

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        If a column is missing or an argument is invalid.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> start = pd.to_datetime(["2026-04-01T08:00Z"], utc=True)
    >>> builds = pd.DataFrame({"status": "FAILED", "build_start": start, "patterns": [[808]],
    ...                        "build_end": start + pd.Timedelta("90s")}, index=[5139])
    >>> longest(builds, ax=Figure().subplots()).get_yticklabels()[0].get_text()
    '5139   1 Apr 2026 08:00   808'
    """
    require_columns(builds, ["status", "build_start", "build_end"])
    once, _, _ = without_repeats(builds)
    builds, left_out = history_of(builds)
    rows = metrics.longest(builds.assign(pattern_text=_patterns(builds)), n, statuses)
    check_timezone(tz)
    ax = _style.open_axes(ax, height=1.6 + 0.3 * max(len(rows), 3))
    noun = "builds" if statuses is None else builds_text(statuses)
    title = f"The {count_text(len(rows))} longest {noun}" if len(rows) != 1 else f"The longest {noun[:-1]}"
    selected, length = status_mask(builds, statuses), metrics.duration(builds).to_numpy("timedelta64[us]")
    measured = int((selected & (length >= np.timedelta64(0, "us"))).sum())
    missing = left_out_text(
        (int((status_of(builds) == "BUILDING").sum()), "running"),
        (int((selected & (length < np.timedelta64(0, "us"))).sum()), "that end before they start"),
        (int((selected & metrics.duration(once).isna().to_numpy(bool)).sum()), "without a start or an end"),
        left_out=left_out,
    )
    if not len(rows):
        message = f"There are no {builds_text(statuses)} with a duration. {missing}"
        return _style.show_message(ax, f"The longest {noun}", message)
    seconds = rows["duration"].dt.total_seconds().to_numpy("float64")
    _draw_bars(ax, status_of(rows), seconds)
    starts = local_times(rows["build_start"], tz).tolist()
    when = "%b %Y" if is_narrow(ax) else "%b %Y %H:%M"
    before = [
        f"{index}   {start.day} {start:{when}}   " for index, start in zip(rows.index, starts, strict=True)
    ]
    places = np.arange(len(rows), dtype="float64")
    _style.set_row_labels(ax, places, rows["pattern_text"].tolist(), before=before, max_length=28)
    text = f"Of {count_text(measured, noun[:-1])} with a duration. At the left: id, start ({tz}) and pattern."
    _style.set_heading(ax, title, text, missing)
    return ax


def _draw_bars(ax: Axes, statuses: pd.Series[str], seconds: NDArray[np.float64]) -> None:
    bars = ax.barh(np.arange(len(seconds)), seconds, 0.55)
    for bar, status in zip(bars, statuses, strict=True):
        bar.set(**_style.bar_style(ax, status))
    texts = [
        f"{duration_text(length)}  {printable_text(status)}"
        for status, length in zip(statuses, seconds, strict=True)
    ]
    ax.bar_label(bars, texts, padding=5, fontsize=font_size(ax), color=palette(ax).text, parse_math=False)
    ax.set_xlim(0, max(seconds.max(), 1e-3) * 1.02)
    ax.xaxis.set_major_locator(NullLocator())
    ax.spines["bottom"].set_visible(False)


def _patterns(builds: pd.DataFrame) -> list[str]:
    """Write the patterns of each build, with the names that any row knows; empty where there are none."""
    if not {*NAMED["pattern"]} & {*builds.columns}:
        return [""] * len(builds)
    labels, row, place, known = memberships(builds, "pattern")
    found: list[list[str]] = [[] for _ in range(len(builds))]
    for at, group in zip(row.tolist(), place.tolist(), strict=True):
        if group < known:
            found[at].append(labels[group])
    return [", ".join(names) for names in found]
