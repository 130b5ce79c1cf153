"""The few figures that a team lead reads first."""

from __future__ import annotations

import html
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from mkframe._text import single_line
from mkframe.metrics._checks import require_columns, status_of
from mkframe.metrics._durations import duration
from mkframe.metrics._formatting import count_text, day_text, duration_text, percent_text
from mkframe.metrics._grouping import Every, local_days, memberships
from mkframe.metrics._outcomes import failure_rate

__all__ = ["suggest_period", "describe", "summary"]

Figures: TypeAlias = dict[str, tuple[float, str]]

_WINDOW = 28
_MANY_DAYS = 400


def summary(builds: pd.DataFrame, tz: str = "UTC") -> pd.DataFrame:
    """Give the figures of a 30-second summary.

    The last four weeks are the 28 days that end with the day on which the last build started, and are
    compared with the 28 days before, by the same measures; where the history does not reach back so far,
    the earlier figures are NaN.

    Parameters
    ----------
    builds : DataFrame
        With `status`, `build_start`, `build_end` and `patterns` (or `pattern_names`).
    tz : str, default "UTC"
        Zone in which days are cut.

    Returns
    -------
    DataFrame
        Index `figure` (str); `value` float64, durations in seconds and rates from 0 to 1, NaN where there
        is none; `text` str, the same for people, or a name or day. Figures: builds, finished, failed,
        canceled, running, other; failure_rate with _low, _high (Wilson, 95 %) and _n, the number finished
        or failed; duration_p50, duration_p95 and duration_n of finished builds; days, first_day, last_day;
        busiest_pattern; recent_ and earlier_ failure_rate, failure_n, duration_p50, duration_n;
        without_start; end_before_start.

    Raises
    ------
    InputError
        If a column is missing or the zone is not known.

    Examples
    --------
    >>> start = pd.to_datetime(["2026-04-03T08:00Z", "2026-04-05T08:00Z"], utc=True)
    >>> builds = pd.DataFrame({"status": ["FAILED", "FINISHED"], "build_start": start,
    ...                        "build_end": start + pd.Timedelta("90s"), "patterns": [[808], [808]]})
    >>> summary(builds).loc[["builds", "failure_rate", "duration_p50"], "text"].tolist()
    ['2', '50.0 %', '1 min 30 s']
    """
    require_columns(builds, ["status", "build_start", "build_end"])
    days = local_days(builds, tz)
    rows = _totals(builds) | _span(builds, days) | _busiest(builds)
    last = np.nanmax(days) if rows["days"][0] else np.datetime64("NaT", "D")
    window = np.timedelta64(_WINDOW, "D")
    recent = days > last - window
    earlier = (days > last - 2 * window) & ~recent
    if rows["days"][0] < 2 * _WINDOW:  # a shorter window would not be the same measure
        earlier = np.zeros(len(days), dtype=bool)
    for name, chosen in (("recent", recent), ("earlier", earlier)):
        rows |= {f"{name}_{figure}": entry for figure, entry in _window(builds[chosen]).items()}
    table = pd.DataFrame.from_dict(rows, orient="index", columns=["value", "text"]).rename_axis("figure")
    table.index = table.index.astype("str")
    return table.astype({"value": "float64", "text": "str"})


def suggest_period(builds: pd.DataFrame) -> Every:
    """Choose a length of period that suits how long the history is.

    Parameters
    ----------
    builds : DataFrame
        With `build_start`.

    Returns
    -------
    str
        ``"D"`` up to four weeks, ``"W"`` up to 400 days, else ``"M"``.

    Examples
    --------
    >>> start = pd.to_datetime(["2026-04-03T08:00Z", "2026-07-05T08:00Z"], utc=True)
    >>> suggest_period(pd.DataFrame({"build_start": start}))
    'W'
    """
    require_columns(builds, ["build_start"])
    days = (builds["build_start"].max() - builds["build_start"].min()) / pd.Timedelta(days=1)
    return "M" if days > _MANY_DAYS else "W" if days > _WINDOW else "D"


class Sentences(list[str]):
    """Sentences that a notebook shows as a list, with whatever a server put into them escaped."""

    def __str__(self) -> str:
        return "\n".join(self)

    def _repr_html_(self) -> str:
        return f"<ul>{''.join(f'<li>{html.escape(sentence)}</li>' for sentence in self)}</ul>"


def describe(builds: pd.DataFrame, tz: str = "UTC") -> Sentences:
    r"""Say the figures of `summary` in a few sentences.

    Parameters
    ----------
    builds : DataFrame
        With `status`, `build_start`, `build_end` and `patterns` (or `pattern_names`).
    tz : str, default "UTC"
        Zone in which days are cut.

    Returns
    -------
    list of str
        Plain text that a notebook shows as a list. A pattern's name is cut after 80 characters, and what is
        invisible in it spelled out; escape it where you put it into HTML yourself.

    Raises
    ------
    InputError
        If a column is missing or the zone is not known.

    Examples
    --------
    >>> start = pd.to_datetime(["2026-04-03T08:00Z", "2026-04-05T08:00Z"], utc=True)
    >>> builds = pd.DataFrame({"status": ["FAILED", "FINISHED"], "build_start": start,
    ...                        "build_end": start + pd.Timedelta("90s"), "patterns": [[808], [808]]})
    >>> print(*describe(builds)[:2], sep="\n")
    2 builds started from 3 April 2026 to 5 April 2026 (3 days): 1 finished, 1 failed, 0 canceled.
    50.0 % of the 2 builds that finished or failed have failed (95 % interval 9.5 % to 90.5 %).
    """
    table = summary(builds, tz)
    value, text = table["value"], table["text"]
    if not value["builds"]:
        return Sentences(["There are no builds."])
    said = [_opening(value, text), _failures(value, text), _times(value, text)]
    if value["busiest_pattern"] > 0:
        said.append(
            f"The pattern built most often is {single_line(text['busiest_pattern'], 80)}: "
            f"{count_text(int(value['busiest_pattern']), 'build')}."
        )
    said += [_comparison(value, text), _left_out(value)]
    return Sentences(sentence for sentence in said if sentence)


def _number(number: int) -> tuple[float, str]:
    return float(number), count_text(number)


def _totals(builds: pd.DataFrame) -> Figures:
    rate = failure_rate(builds[["status", "build_start"]], every=None)
    counts = ["finished", "failed", "canceled", "running", "other"]
    rows: Figures = {"builds": _number(len(builds))}
    rows |= {name: _number(int(rate[name].sum())) for name in counts}
    shares = rate[["rate", "low", "high"]].reindex([*rate.index] or [0]).iloc[0]
    for name, share in zip(("", "_low", "_high"), shares, strict=True):
        rows[f"failure_rate{name}"] = float(share), percent_text(share)
    rows["failure_rate_n"] = _number(int(rate["n"].sum()))
    return rows | _times_of(builds, ("p50", "p95"))


def _times_of(builds: pd.DataFrame, names: tuple[str, ...]) -> Figures:
    seconds = duration(builds)[(status_of(builds) == "FINISHED").to_numpy(bool)].dt.total_seconds()
    measured = seconds[seconds >= 0]
    rows: Figures = {}
    for name in names:
        at = float(measured.quantile(int(name[1:]) / 100))
        rows[f"duration_{name}"] = at, duration_text(at)
    return rows | {"duration_n": _number(len(measured))}


def _span(builds: pd.DataFrame, days: np.ndarray[Any, np.dtype[np.datetime64]]) -> Figures:
    started = days[~np.isnat(days)]
    negative = int((duration(builds) < pd.Timedelta(0)).sum())
    bounds = [started.min().item(), started.max().item()] if len(started) else []
    length = (bounds[1] - bounds[0]).days + 1 if bounds else 0
    first, last = [day_text(day) for day in bounds] or ["–", "–"]
    return {
        "days": _number(length),
        "first_day": (float("nan"), first),
        "last_day": (float("nan"), last),
        "without_start": _number(len(days) - len(started)),
        "end_before_start": _number(negative),
    }


def _busiest(builds: pd.DataFrame) -> Figures:
    groups, _, place, named = memberships(builds, "pattern")
    counts = np.bincount(place, minlength=len(groups))[:named]
    if not len(counts):
        return {"busiest_pattern": (float("nan"), "–")}
    return {"busiest_pattern": (float(counts.max()), str(groups[int(counts.argmax())]))}


def _window(builds: pd.DataFrame) -> Figures:
    totals = _totals(builds)
    return {
        "failure_rate": totals["failure_rate"],
        "failure_n": totals["failure_rate_n"],
        "duration_p50": totals["duration_p50"],
        "duration_n": totals["duration_n"],
    }


def _opening(value: pd.Series[float], text: pd.Series[str]) -> str:
    span = (
        f" started from {text['first_day']} to {text['last_day']} ({count_text(int(value['days']), 'day')})"
    )
    parts = [f"{text[name]} {word}" for name, word in _WORDS.items() if name in _ENDED or value[name]]
    many = count_text(int(value["builds"]), "build")
    if value["without_start"]:
        many += f", {count_text(int(value['builds'] - value['without_start']))} of them"
    return f"{many}{span if value['days'] else ''}: {', '.join(parts)}."


def _failures(value: pd.Series[float], text: pd.Series[str]) -> str:
    if not value["failure_rate_n"]:
        return "None of them has finished or failed, so there is no failure rate."
    if value["failure_rate_n"] == 1:
        return f"The one build that finished or failed has {'' if value['failure_rate'] else 'not '}failed."
    many = count_text(int(value["failure_rate_n"]), "build")
    return (
        f"{text['failure_rate']} of the {many} that finished or failed have failed "
        f"(95 % interval {text['failure_rate_low']} to {text['failure_rate_high']})."
    )


def _times(value: pd.Series[float], text: pd.Series[str]) -> str:
    if not value["duration_n"]:
        without = "No finished build has a duration" if value["finished"] else "No build has finished"
        return f"{without}, so there is no typical duration."
    has = "has" if value["duration_n"] == 1 else "have"
    measured = f" that {has} a duration" if value["finished"] > value["duration_n"] else ""
    if value["duration_n"] == 1:
        return f"The one finished build{measured} took {text['duration_p50']}."
    return (
        f"Half of the {count_text(int(value['duration_n']), 'finished build')}{measured} took at most "
        f"{text['duration_p50']}, 95 in 100 at most {text['duration_p95']}."
    )


def _comparison(value: pd.Series[float], text: pd.Series[str]) -> str:
    if not value["earlier_failure_n"] or not value["recent_failure_n"]:
        return ""
    said = (
        f"In the last four weeks {text['recent_failure_rate']} of {text['recent_failure_n']} failed; "
        f"in the four weeks before, {text['earlier_failure_rate']} of {text['earlier_failure_n']}."
    )
    if value["recent_duration_n"] and value["earlier_duration_n"]:
        said += (
            f" The median duration of finished builds went from {text['earlier_duration_p50']} "
            f"to {text['recent_duration_p50']}."
        )
    return said


def _left_out(value: pd.Series[float]) -> str:
    parts = [
        f"{count_text(int(value[name]), noun, plural)} {why}"
        for name, noun, plural, why in _LEFT_OUT
        if value[name]
    ]
    return f"Left out of these figures where they do not apply: {'; '.join(parts)}." if parts else ""


_ENDED = ("finished", "failed", "canceled")
_WORDS = {name: name for name in (*_ENDED, "running")} | {"other": "with another status"}
_LEFT_OUT = (
    ("running", "running build", "", "(no duration, no result yet)"),
    ("without_start", "build", "", "without a start"),
    ("end_before_start", "build", "", "whose end lies before the start"),
)
