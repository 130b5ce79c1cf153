"""What builds cost to begin with and for each instance."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from mkframe import metrics
from mkframe.charts import _style
from mkframe.charts._colors import GROUP_STYLES, palette
from mkframe.charts._labels import left_out_text, short_names
from mkframe.charts._layout import is_narrow
from mkframe.metrics._formatting import count_text, duration_text
from mkframe.metrics._history import history_of

__all__ = ["cost_card"]

_STYLES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (1, 1)))
_POINTS = 40


def cost_card(builds: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw the typical seconds of each pattern set's builds over their numbers of instances.

    A line reaches from the smallest to the largest number of instances that was built; the six sets with
    most builds have one. The legend gives base and part with their 95 % intervals. See
    `mkframe.metrics.cost_card`.

    Parameters
    ----------
    builds : DataFrame
        As in `mkframe.metrics.cost_card`.
    ax : Axes, optional
        Where to draw.

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        If a column is missing.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> start = pd.date_range("2026-04-01 08:00", periods=40, freq="h", tz="UTC")
    >>> numbers = [1 + n % 20 for n in range(40)]
    >>> builds = pd.DataFrame({"status": "FINISHED", "build_start": start, "instances": numbers,
    ...     "patterns": [[808]] * 40, "build_end": start + pd.to_timedelta(
    ...     [14 + 2 * k for k in numbers], unit="s")})
    >>> cost_card(builds, ax=Figure().subplots()).get_legend().get_texts()[0].get_text()
    '808: 14 s (14–14) + 2 s (2–2) per instance, 40 builds'
    """
    builds, left_out = history_of(builds)
    table = metrics.cost_card(builds)
    known = table[table["refused"] == ""].sort_values("n", ascending=False, kind="stable")
    shown = known.head(len(GROUP_STYLES))
    refused = table.loc[table["refused"] != "", "refused"]
    reasons = refused.str.replace(r"[\d,]+ builds?, ", "builds, ", regex=True).value_counts()
    quiet = (
        f"Refused: {count_text(len(refused), 'pattern set')}, most often as {reasons.index[0]}."
        if len(refused)
        else ""
    )
    quiet = " ".join(text for text in (quiet, left_out_text(left_out=left_out)) if text)
    ax = _style.open_axes(ax, height=4.2 + 0.22 * len(shown))
    title = "Typical seconds of a build"
    if not len(shown):
        return _style.show_message(
            ax, title, f"There are no pattern sets whose base and part can be told apart. {quiet}"
        )
    drawn = []
    names = short_names([*shown.index], 16 if is_narrow(ax) else 28)
    rows = [row for _, row in shown.iterrows()]
    labels = [_label(name, row, is_narrow(ax)) for name, row in zip(names, rows, strict=True)]
    for line, row in enumerate(rows):
        number = np.geomspace(float(row["smallest"]), float(row["largest"]), _POINTS)
        seconds = np.maximum(row["base"] + row["per_instance"] * number, _style.MIN_SECONDS)
        drawn.append(seconds)
        ink = palette(ax).ink(GROUP_STYLES[line][0])
        ax.plot(number, seconds, color=ink, linestyle=_STYLES[line], linewidth=2, label=labels[line])
    _style.format_duration_axis(ax, np.concatenate(drawn))
    ax.set_xscale("log")
    ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    _style.label_axis(ax, "x", "instances in the build (logarithmic)")
    _style.add_legend(ax, ax.lines, labels, columns=1)
    more = len(known) - len(shown)
    rest = f" {count_text(more, 'more pattern set')} with fewer builds not drawn." if more else ""
    sentence = f"Base + part for each instance, medians; long builds lie above, so totals are greater.{rest}"
    _style.set_heading(ax, title, sentence, quiet)
    return ax


def _label(name: str, row: pd.Series[float], short: bool) -> str:
    base, part = (
        duration_text(row[key]) + ("" if short else _interval(row, key)) for key in ("base", "per_instance")
    )
    return f"{name}: {base} + {part} per instance, {count_text(int(row['n']), 'build')}"


def _interval(row: pd.Series[float], key: str) -> str:
    return f" ({_figure(row[f'{key}_low'])}–{_figure(row[f'{key}_high'])})"


def _figure(seconds: float) -> str:
    return f"{seconds:.3g}" if seconds < 100 else f"{seconds:,.0f}"
