"""When durations changed, and with which build."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from mkframe import metrics
from mkframe.charts import _style
from mkframe.charts._colors import COLORS, OTHER, palette
from mkframe.charts._labels import left_out_text
from mkframe.charts._layout import is_narrow, most_rows
from mkframe.metrics._checks import status_of
from mkframe.metrics._formatting import count_text
from mkframe.metrics._grouping import local_times
from mkframe.metrics._history import history_of
from mkframe.metrics._streams import By, by_text

__all__ = ["change_points"]

_MOST_ROWS = 25
_LOOKS = {
    "slower": (COLORS["FAILED"], "^"),
    "faster": (COLORS["FINISHED"], "v"),
}
_FIRST, _LAST = np.datetime64("0100-01-01"), np.datetime64("9900-01-01")


def change_points(
    builds: pd.DataFrame,
    *,
    by: By = "pattern",
    tz: str = "UTC",
    alpha: float = 0.01,
    ax: Axes | None = None,
) -> Axes:
    """Draw when finished builds became slower or faster, with the first build after each change.

    A row for each change, the greatest first: the symbol stands at the first build after it, the line from
    the earliest to the latest time at which it may have happened. See `mkframe.metrics.change_points`.

    Parameters
    ----------
    builds : DataFrame
        As in `mkframe.metrics.change_points`.
    by : {"pattern", "release", "project", "user", "pattern_set"}, or two of them, default "pattern"
        The streams.
    tz : str, default "UTC"
        Zone in which days are cut and times are given.
    alpha : float, default 0.01
        Probability that any stream is said to have a change when none has.
    ax : Axes, optional
        Where to draw.

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        If a column is missing, an argument is not known, or the index holds no ids.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> start = pd.date_range("2026-01-05 08:00", periods=120, freq="D", tz="UTC")
    >>> seconds = [60 + (n * 7) % 11 + (30 if n >= 80 else 0) for n in range(120)]
    >>> builds = pd.DataFrame({"status": "FINISHED", "build_start": start, "instances": 3,
    ...     "patterns": [[808]] * 120, "build_end": start + pd.to_timedelta(seconds, unit="s")},
    ...     index=range(5001, 5121))
    >>> ax = change_points(builds, ax=Figure().subplots())
    >>> ax.get_yticklabels()[0].get_text()
    '808   slower × 1.47 (1.44–1.49), build 5081'
    """
    builds, left_out = history_of(builds, ["status", "build_start"])
    table = metrics.change_points(builds, by=by, tz=tz, alpha=alpha)
    found = table[table["result"] == "change"]
    size = np.abs(np.log(found["ratio"].to_numpy("float64")))
    found = found.iloc[np.argsort(-size, kind="stable")]
    shown = found.head(most_rows(ax, _MOST_ROWS))
    ax = _style.open_axes(ax, height=2.1 + 0.3 * max(len(shown), 3))
    title = f"Changes of duration per {by_text(by)}"
    silent = table.loc[table["result"] == "no change", "detectable"]
    short = int((table["result"] == "too short").sum())
    quiet = " ".join(text for text in (_quiet(silent, short), left_out_text(left_out=left_out)) if text)
    started = builds.loc[(status_of(builds) == "FINISHED").to_numpy(bool), "build_start"].dropna()
    limits = local_times(started.sort_values().iloc[[0, -1]], tz) if len(started) else None
    if not len(found) or limits is None:
        return _style.show_message(
            ax, title, f"No build began a change of duration that can be supported. {quiet}"
        )
    if limits[0] < _FIRST or limits[1] > _LAST:
        return _style.show_message(ax, title, "No build is drawn: they lie too far apart, or too far off.")
    rows = np.arange(len(shown), dtype="float64")
    at, earliest, latest = (
        _style.date_numbers(local_times(shown[name], tz)) for name in ("at", "earliest", "latest")
    )
    ax.hlines(rows, earliest, latest, color=palette(ax).weak(OTHER), linewidth=4, label="when it happened")
    is_slower = shown["ratio"].to_numpy() > 1
    for word, mask in (("slower", is_slower), ("faster", ~is_slower)):
        color, marker = _LOOKS[word]
        look: dict[str, Any] = {"marker": marker, "markersize": 7, "markeredgewidth": 0}
        ax.plot(at[mask], rows[mask], linestyle="", color=palette(ax).strong(color), label=word, **look)
    _style.set_row_labels(ax, rows, [*shown.index], [_note(row, is_narrow(ax)) for row in shown.itertuples()])
    _style.format_date_axis(ax, _style.date_numbers(limits), "W", tz)
    _style.label_axis(ax, "x", f"first build after the change ({tz})")
    _style.draw_grid(ax, "x")
    more = len(found) - len(shown)
    rest = f" {count_text(more, 'smaller change')} not drawn." if more else ""
    text = (
        "▲ slower, ▼ faster, with the size at equal numbers of instances and its 95 % interval. "
        f"Each may have come gradually.{rest}"
    )
    _style.set_heading(ax, title, text, quiet)
    return ax


def _quiet(silent: pd.Series[float], short: int) -> str:
    """Say what was looked at without finding a change."""
    parts = []
    if len(silent):
        known = silent[np.isfinite(silent)]
        size = f" (× {known.median():.2f} in the middle would show in half of them)" if len(known) else ""
        parts.append(f"{count_text(len(silent), 'stream')} without a change{size}")
    if short:
        parts.append(f"{count_text(short, 'stream')} too short to tell")
    return f"{'; '.join(parts).capitalize()}." if parts else ""


def _note(row: Any, short: bool) -> str:
    word = "slower" if row.ratio > 1 else "faster"
    size = (row.ratio, row.low, row.high) if row.ratio > 1 else (1 / row.ratio, 1 / row.high, 1 / row.low)
    interval = "" if short else f" ({size[1]:.2f}–{size[2]:.2f})"
    return f"{word} × {size[0]:.2f}{interval}, build {row.first_build}"
