"""A summary of a build history: figures as a table (`summary`) and as description (`describe`)."""

from __future__ import annotations

import html
from datetime import datetime
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from mkframe._pandas import TEXT, as_text
from mkframe._text import single_line
from mkframe.metrics._checks import status_of
from mkframe.metrics._durations import duration
from mkframe.metrics._failure_rate import failure_rate
from mkframe.metrics._formatting import count_text, day_text, duration_text, percent_text
from mkframe.metrics._grouping import Length, length_of_period, local_days
from mkframe.metrics._history import LeftOut, history_of
from mkframe.metrics._moments import read_moment
from mkframe.metrics._streams import memberships

__all__ = ["describe", "suggest_period", "summary"]

Figures: TypeAlias = dict[str, tuple[float, str]]

_WINDOW_DAYS = 28
_COUNTS = ("finished", "failed", "canceled", "running", "other")
_SILENT_DAYS = 7
"""Days without a build after which this is said."""
_LEFT_OUT = (
    ("running", "running build", "(no duration, no result yet)"),
    ("without_start", "build", "without a start"),
    ("end_before_start", "build", "whose end lies before the start"),
)


def summary(builds: pd.DataFrame, tz: str = "UTC") -> pd.DataFrame:
    """Summarize a build history in figures that can be read in 30 seconds.

    The last four weeks are the 28 days that end with the day on which the last build started. They are
    compared with the 28 days before, by the same measures; where the history is shorter than these 56 days,
    the earlier figures are NaN. Each build counts once, and dates that cannot be count as missing.

    Parameters
    ----------
    builds : DataFrame
        With `status`, `build_start`, `build_end` and `patterns` (or `pattern_names`).
    tz : str, default "UTC"
        Time zone in which days begin and end.

    Returns
    -------
    DataFrame
        Index `figure` (str); `value` float64, durations in seconds and rates from 0 to 1, NaN where there
        is none; `text` str, the value as text with its unit, or a name or day. Figures: builds, finished,
        failed, canceled, running, other; failure_rate with _low, _high (Wilson, 95 %) and _n, the number
        finished or failed; duration_p50, duration_p95 and duration_n of finished builds; days, first_day,
        last_day; busiest_pattern; recent_ and earlier_ failure_rate, failure_n, duration_p50, duration_n;
        without_start; end_before_start; impossible_dates, builds with a date that cannot be, with the first
        of them as text; repeated_rows and older_rows, rows left out because their build is there already;
        with a column `gone_since`, as frames of `mk.History` have it, n_gone, builds that the server shows
        no longer.

    Raises
    ------
    InputError
        If a column is missing or the time zone is unknown.

    Examples
    --------
    >>> start = pd.to_datetime(["2026-04-03T08:00Z", "2026-04-05T08:00Z"], utc=True)
    >>> builds = pd.DataFrame({"status": ["FAILED", "FINISHED"], "build_start": start,
    ...                        "build_end": start + pd.Timedelta("90s"), "patterns": [[808], [808]]})
    >>> summary(builds).loc[["builds", "failure_rate", "duration_p50"], "text"].tolist()
    ['2', '50.0 %', '1 min 30 s']
    """
    builds, left_out = history_of(builds, ["status", "build_start", "build_end"])
    days = local_days(builds, tz)
    figures = _totals(builds) | _days(builds, days, left_out) | _busiest_pattern(builds)
    last = np.nanmax(days) if figures["days"][0] else np.datetime64("NaT", "D")
    window = np.timedelta64(_WINDOW_DAYS, "D")
    recent = days > last - window
    earlier = (days > last - 2 * window) & ~recent
    if figures["days"][0] < 2 * _WINDOW_DAYS:  # figures of a shorter window cannot be compared
        earlier = np.zeros(len(days), dtype=bool)
    for name, mask in (("recent", recent), ("earlier", earlier)):
        totals = _totals(builds[mask])
        figures[f"{name}_failure_rate"] = totals["failure_rate"]
        figures[f"{name}_failure_n"] = totals["failure_rate_n"]
        figures[f"{name}_duration_p50"] = totals["duration_p50"]
        figures[f"{name}_duration_n"] = totals["duration_n"]
    figures |= _rows_left_out(left_out)
    if "gone_since" in builds.columns:
        figures["n_gone"] = _count_figure(int(builds["gone_since"].notna().sum()))
    table = pd.DataFrame.from_dict(figures, orient="index", columns=["value", "text"]).rename_axis("figure")
    table.index = as_text(table.index)
    return table.astype({"value": "float64", "text": TEXT})


def suggest_period(builds: pd.DataFrame) -> Length:
    """Suggest a length of period for the charts and metrics of a build history.

    Parameters
    ----------
    builds : DataFrame
        With `build_start`.

    Returns
    -------
    str
        ``"D"`` up to four weeks, ``"W"`` up to 400 days, else ``"M"``.

    Raises
    ------
    InputError
        If the column is missing.

    Examples
    --------
    >>> start = pd.to_datetime(["2026-04-03T08:00Z", "2026-07-05T08:00Z"], utc=True)
    >>> suggest_period(pd.DataFrame({"build_start": start}))
    'W'
    """
    return length_of_period(history_of(builds, ["build_start"]).builds, "auto") or "D"


class Sentences(list[str]):
    """Sentences that a notebook shows as a list; HTML in names that came from a server is escaped."""

    def __str__(self) -> str:
        return "\n".join(self)

    def _repr_html_(self) -> str:
        return f"<ul>{''.join(f'<li>{html.escape(sentence)}</li>' for sentence in self)}</ul>"


def describe(builds: pd.DataFrame, tz: str = "UTC", now: str | datetime | None = None) -> Sentences:
    r"""Describe a build history in a few sentences, with the figures of `summary`.

    The newest weeks are named with their last day, and where no build has started in the 7 days until now, a
    sentence before them says so: a history that was saved some time ago is no news.

    Parameters
    ----------
    builds : DataFrame
        With `status`, `build_start`, `build_end` and `patterns` (or `pattern_names`).
    tz : str, default "UTC"
        Time zone in which days begin and end.
    now : str or datetime, optional
        With a zone. By default the clock of this machine.

    Returns
    -------
    list of str
        Plain text that a notebook shows as a list. The name of a pattern is cut after 80 characters, and
        invisible characters in it are escaped. Escape the text yourself before you put it into HTML.

    Raises
    ------
    InputError
        If a column is missing, the time zone is unknown, or `now` is no time with a zone.

    Examples
    --------
    >>> start = pd.to_datetime(["2026-04-03T08:00Z", "2026-04-05T08:00Z"], utc=True)
    >>> builds = pd.DataFrame({"status": ["FAILED", "FINISHED"], "build_start": start,
    ...                        "build_end": start + pd.Timedelta("90s"), "patterns": [[808], [808]]})
    >>> print(*describe(builds)[:2], sep="\n")
    2 builds started from 3 April 2026 to 5 April 2026 (3 days): 1 finished, 1 failed, 0 canceled.
    50.0 % of the 2 builds that finished or failed have failed (95 % interval 9.5 % to 90.5 %).
    """
    moment = pd.Timestamp.now("UTC") if now is None else read_moment(now)
    table = summary(builds, tz)
    builds, left_out = history_of(builds, ["status", "build_start", "build_end"])
    value, text = table["value"], table["text"]
    if not value["builds"]:
        return Sentences(["There are no builds."])
    description = [
        _builds_sentence(value, text, int(builds["build_start"].notna().sum())),
        _failure_sentence(value, text),
        _duration_sentence(value, text),
    ]
    if value["busiest_pattern"] > 0:
        description.append(
            f"The pattern built most often is {single_line(text['busiest_pattern'], 80)}: "
            f"{count_text(int(value['busiest_pattern']), 'build')}."
        )
    last = builds["build_start"].max()
    silent = (moment.tz_convert(tz).date() - last.tz_convert(tz).date()).days if value["days"] else 0
    if silent > _SILENT_DAYS:
        description.append(f"No build has started since {text['last_day']}, for {silent:,} days.")
    description += [_comparison_sentence(value, text), _left_out_sentence(value, left_out)]
    return Sentences(sentence for sentence in description if sentence)


def _count_figure(number: int) -> tuple[float, str]:
    return float(number), count_text(number)


def _totals(builds: pd.DataFrame) -> Figures:
    """Count the builds by status, and calculate their failure rate and the durations of finished builds."""
    rate = failure_rate(builds[["status", "build_start"]], every=None)
    figures: Figures = {"builds": _count_figure(len(builds))}
    figures |= {name: _count_figure(int(rate[name].sum())) for name in _COUNTS}
    shares = rate[["rate", "low", "high"]].to_numpy()[0] if len(rate) else [np.nan] * 3
    for name, share in zip(("", "_low", "_high"), shares, strict=True):
        figures[f"failure_rate{name}"] = float(share), percent_text(share)
    figures["failure_rate_n"] = _count_figure(int(rate["n"].sum()))
    seconds = duration(builds)[(status_of(builds) == "FINISHED").to_numpy(bool)].dt.total_seconds()
    measured = seconds[seconds >= 0]
    for name, q in (("p50", 0.5), ("p95", 0.95)):
        quantile = float(measured.quantile(q))
        figures[f"duration_{name}"] = quantile, duration_text(quantile)
    return figures | {"duration_n": _count_figure(len(measured))}


def _days(builds: pd.DataFrame, days: np.ndarray[Any, np.dtype[np.datetime64]], left_out: LeftOut) -> Figures:
    """Find the first and the last day, and count the builds with wrong or missing times."""
    known = days[~np.isnat(days)]
    bounds = [known.min().item(), known.max().item()] if len(known) else []
    length = (bounds[1] - bounds[0]).days + 1 if bounds else 0
    first, last = [day_text(day) for day in bounds] or ["–", "–"]
    return {
        "days": _count_figure(length),
        "first_day": (float("nan"), first),
        "last_day": (float("nan"), last),
        "without_start": _count_figure(left_out.without_start),
        "end_before_start": _count_figure(int((duration(builds) < pd.Timedelta(0)).sum())),
    }


def _rows_left_out(left_out: LeftOut) -> Figures:
    dates = f"{count_text(left_out.impossible)}: {left_out.named}" if left_out.impossible else "0"
    return {
        "impossible_dates": (float(left_out.impossible), dates),
        "repeated_rows": _count_figure(left_out.repeated),
        "older_rows": _count_figure(left_out.older),
    }


def _busiest_pattern(builds: pd.DataFrame) -> Figures:
    labels, _, group, n_known = memberships(builds, "pattern")
    counts = np.bincount(group, minlength=len(labels))[:n_known]  # without the group of no pattern
    if not len(counts):
        return {"busiest_pattern": (float("nan"), "–")}
    return {"busiest_pattern": (float(counts.max()), str(labels[int(counts.argmax())]))}


def _builds_sentence(value: pd.Series[float], text: pd.Series[str], started: int) -> str:
    parts = [f"{text[name]} {name}" for name in ("finished", "failed", "canceled")]
    parts += [f"{text['running']} running"] if value["running"] else []
    parts += [f"{text['other']} with another status"] if value["other"] else []
    sentence = count_text(int(value["builds"]), "build")
    if 0 < started < value["builds"]:
        sentence += f", {count_text(started)} of them"
    if value["days"]:
        days = count_text(int(value["days"]), "day")
        sentence += f" started from {text['first_day']} to {text['last_day']} ({days})"
    return f"{sentence}: {', '.join(parts)}."


def _failure_sentence(value: pd.Series[float], text: pd.Series[str]) -> str:
    if not value["failure_rate_n"]:
        return "None of them has finished or failed, so there is no failure rate."
    if value["failure_rate_n"] == 1:
        return f"The one build that finished or failed has {'' if value['failure_rate'] else 'not '}failed."
    builds = count_text(int(value["failure_rate_n"]), "build")
    return (
        f"{text['failure_rate']} of the {builds} that finished or failed have failed "
        f"(95 % interval {text['failure_rate_low']} to {text['failure_rate_high']})."
    )


def _duration_sentence(value: pd.Series[float], text: pd.Series[str]) -> str:
    if not value["duration_n"]:
        reason = "No finished build has a duration" if value["finished"] else "No build has finished"
        return f"{reason}, so there is no typical duration."
    has = "has" if value["duration_n"] == 1 else "have"
    measured = f" that {has} a duration" if value["finished"] > value["duration_n"] else ""
    if value["duration_n"] == 1:
        return f"The one finished build{measured} took {text['duration_p50']}."
    return (
        f"Half of the {count_text(int(value['duration_n']), 'finished build')}{measured} took at most "
        f"{text['duration_p50']}, 95 in 100 at most {text['duration_p95']}."
    )


def _comparison_sentence(value: pd.Series[float], text: pd.Series[str]) -> str:
    if not value["earlier_failure_n"] or not value["recent_failure_n"]:
        return ""
    # no medians here: those of two periods may point another way than a typical day of `compare_periods`
    return (
        f"In the {_WINDOW_DAYS} days to {text['last_day']}, {text['recent_failure_rate']} of "
        f"{text['recent_failure_n']} failed; in the {_WINDOW_DAYS} days before, "
        f"{text['earlier_failure_rate']} of {text['earlier_failure_n']}."
    )


def _left_out_sentence(value: pd.Series[float], left_out: LeftOut) -> str:
    parts = [f"{count_text(int(value[name]), noun)} {why}" for name, noun, why in _LEFT_OUT if value[name]]
    if left_out.impossible:
        parts.append(f"{count_text(left_out.impossible, 'build')} {left_out.dates_text()}")
    sentence = f"Left out of these figures where they do not apply: {'; '.join(parts)}." if parts else ""
    return " ".join(part for part in (sentence, left_out.rows_text()) if part)
