"""What is wrong with the builds of a history now, and what is not."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from mkframe._pandas import TEXT
from mkframe._text import single_line
from mkframe._validation import check_timezone
from mkframe.errors import InputError
from mkframe.metrics._checks import require_columns, status_of
from mkframe.metrics._compare_periods import compare_periods
from mkframe.metrics._eta import eta, longer_than_text
from mkframe.metrics._formatting import count_text, day_text, duration_text, percent_text
from mkframe.metrics._history import history_of
from mkframe.metrics._moments import FIRST, LAST, last_moment
from mkframe.metrics._recovery import recovery

__all__ = ["STATES", "dated_builds", "findings", "verdict"]

Row: TypeAlias = dict[Hashable, Any]
"""A row of `compare_periods`."""

STATES = ("wrong", "unknown", "better", "unchanged", "fine")
"""States of a finding; the first needs attention."""
_DAYS = 28
_MAX_NAMED = 3
"""Times before and after, where a frame has no others, would move every period to the end of the calendar."""


@dataclass(frozen=True)
class _Finding:
    """A row of the result."""

    state: str
    short: str
    says: str


def findings(
    builds: pd.DataFrame, *, now: str | datetime | None = None, days: int = _DAYS, tz: str = "UTC"
) -> pd.DataFrame:
    """Judge a build history: what is broken, what got worse or better, what runs for unusually long.

    Nothing is called worse or better unless the 95 % interval of `compare_periods` excludes no change.

    Parameters
    ----------
    builds : DataFrame
        With `status`, `build_start`, `build_end`, `instances`, `project_id` (or `project`) and `patterns`
        (or `pattern_names`), indexed by id.
    now : str or datetime, optional
        With a zone: when the builds were loaded. By default the latest time in the frame.
    days : int, default 28
        Length of the two periods that are compared, in days. The later one ends with the day on which the
        last build started.
    tz : str, default "UTC"
        Time zone in which days are cut and named.

    Returns
    -------
    DataFrame
        Index `finding` (str): broken, failures, durations, running. Columns, all str: `state`, one of
        "wrong", "unknown", "better", "unchanged" (no change that the builds support) and "fine"; `short`, a
        few words; `says`, a sentence with the figures. Builds without a start, or with one that cannot be,
        are left out; no rows where there are no others.

    Raises
    ------
    InputError
        If a column is missing, or an argument is not known.

    Examples
    --------
    >>> start = pd.to_datetime(["2026-04-03T08:00Z", "2026-04-03T09:00Z"], utc=True)
    >>> builds = pd.DataFrame({"status": ["FINISHED", "FAILED"], "build_start": start, "instances": 3,
    ...     "build_end": start + pd.Timedelta("10min"), "patterns": [[808], [808]], "project_id": 1},
    ...     index=[11, 12])
    >>> table = findings(builds)
    >>> table.loc["broken", "says"]
    '1 pattern set has failed and not finished since: 808 (since 3 April, build 12).'
    >>> verdict(table)
    '1 pattern set is broken; too few days to compare failure rates and durations; no build runs.'
    """
    require_columns(builds, ["status", "build_start", "build_end", "instances"])
    check_timezone(tz)
    rows: dict[str, _Finding] = {}
    builds = dated_builds(builds)
    if len(builds):
        moment = pd.Timestamp(last_moment(builds, now)).tz_localize("UTC")
        periods = compare_periods(builds, days=days, tz=tz)
        failures, durations = periods.to_dict("records")
        rows = {
            "broken": _unresolved(builds, moment, tz),
            "failures": _failures(failures, days),
            "durations": _durations(durations, days),
            "running": _running(builds, moment),
        }
    table = pd.DataFrame(
        {name: [getattr(row, name) for row in rows.values()] for name in ("state", "short", "says")},
        index=pd.Index(list(rows), name="finding", dtype=TEXT),
    )
    return table.astype(TEXT)


def verdict(found: pd.DataFrame) -> str:
    """Say in one sentence what needs attention and what does not.

    Parameters
    ----------
    found : DataFrame
        What `findings` returned.

    Returns
    -------
    str

    Raises
    ------
    InputError
        If this is not what `findings` returned.
    """
    if not isinstance(found, pd.DataFrame) or not {"state", "short"} <= {*found.columns}:
        raise InputError(
            "A verdict needs what findings returned.",
            hint="Write mk.metrics.verdict(mk.metrics.findings(builds)).",
        )
    if not len(found):
        return "There are no builds to judge."
    order = sorted(range(len(found)), key=lambda n: STATES.index(found["state"].iloc[n]))
    merged = _merge([(found["state"].iloc[n], found["short"].iloc[n]) for n in order])
    wrong = _join(short for state, short in merged if state == "wrong")
    rest = [short for state, short in merged if state != "wrong"]
    text = "; ".join([*([wrong] if wrong else []), *rest])
    return f"{text[0].upper()}{text[1:]}."


def dated_builds(builds: pd.DataFrame) -> pd.DataFrame:
    """Select the builds that have a start, each once, without dates that cannot be."""
    counted = history_of(builds, ["build_start", "build_end"]).builds
    has_end = counted["build_end"].notna()
    return counted[_is_date(counted["build_start"]) & (~has_end | _is_date(counted["build_end"]))]


def _is_date(times: pd.Series[Any]) -> pd.Series[bool]:
    return (times >= FIRST) & (times < LAST)


def _merge(parts: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Say once what holds for failure rates and for durations."""
    both = {
        "too few days to compare": "too few days to compare failure rates and durations",
        "no change shown": "no change shown in failure rates and durations",
    }
    for start, sentence in both.items():
        same = [part for part in parts if part[1].startswith(start)]
        if len(same) == 2:
            place = parts.index(same[0])
            rest = [part for part in parts if part not in same]
            return [*rest[:place], (same[0][0], sentence), *rest[place:]]
    return list(parts)


def _unresolved(builds: pd.DataFrame, moment: pd.Timestamp, tz: str) -> _Finding:
    has_result = status_of(builds).isin(["FAILED", "FINISHED"])
    if not has_result.any():
        return _Finding(
            "unknown",
            "no build has finished or failed",
            "No build has finished or failed, so none is broken.",
        )
    chains = recovery(builds, now=moment, tz=tz)
    still_open = chains[chains["open"]]
    recent, abandoned = still_open[~still_open["abandoned"]], still_open[still_open["abandoned"]]
    more = ""
    if len(abandoned):
        which = f"{len(abandoned):,} more" if len(recent) else count_text(len(abandoned), "pattern set")
        has = "has" if len(abandoned) == 1 else "have"
        names = _named(abandoned, moment, tz)
        more = f" {which} {has} not finished for over 30 days since a failure: {names}."
    if len(recent):
        sets = count_text(len(recent), "pattern set")
        has, are = ("has", "is") if len(recent) == 1 else ("have", "are")
        says = f"{sets} {has} failed and not finished since: {_named(recent, moment, tz)}."
        return _Finding("wrong", f"{sets} {are} broken", says + more)
    if more:
        sets = count_text(len(abandoned), "pattern set")
        return _Finding("unknown", f"{sets} not built successfully for over 30 days", more.strip())
    failed = bool(status_of(builds).eq("FAILED").any())
    says = "Every pattern set that failed has finished since." if failed else "No build has failed."
    return _Finding("fine", "no pattern set is broken", says)


def _named(chains: pd.DataFrame, moment: pd.Timestamp, tz: str) -> str:
    """Name the chains that broke last, which somebody may be at work on."""
    newest = chains.sort_values("broken_at", ascending=False, kind="stable")
    several = len(set(newest.index.get_level_values(0))) > 1
    texts = []
    rows = zip(newest.index[:_MAX_NAMED].tolist(), newest.to_dict("records"), strict=False)
    for (project, patterns), row in rows:
        place = f" in {single_line(project, 40)}" if several else ""
        day = day_text(row["broken_at"])
        if row["broken_at"].year == moment.tz_convert(tz).year:
            day = day.rsplit(" ", 1)[0]
        attempts = f"{row['attempts']:,} failed builds, the first " if row["attempts"] > 1 else "build "
        texts.append(f"{single_line(patterns, 80)}{place} (since {day}, {attempts}{row['first_build']})")
    rest = len(chains) - len(texts)
    return "; ".join([*texts, *([f"{count_text(rest)} more before"] if rest else [])])


def _failures(row: Row, days: int) -> _Finding:
    if np.isnan(row["low"]):
        return _too_few(row, days, "failure rates", "finished or failed")
    says = (
        f"{percent_text(row['now'])} of {row['n_now']:,} builds failed {_period(row, days)}, "
        f"{percent_text(row['before'])} of {row['n_before']:,} in the {days} days before: "
    )
    if not row["supported"]:
        return _Finding(
            "unchanged", "no change shown in failure rates", f"{says}no difference that the days support."
        )
    points = f"{100 * row['low']:+.0f} to {100 * row['high']:+.0f}".replace("-", "−")
    interval = f"{points} points, 95 % interval over days"
    if row["change"] > 0:
        return _Finding("wrong", "more builds fail than before", f"{says}more than before ({interval}).")
    return _Finding("better", "fewer builds fail than before", f"{says}fewer than before ({interval}).")


def _durations(row: Row, days: int) -> _Finding:
    if np.isnan(row["low"]):
        return _too_few(row, days, "durations", "finished")
    says = (
        f"On a typical day a build took {duration_text(row['now'])} {_period(row, days)} "
        f"({count_text(int(row['n_now']), 'finished build')}), {duration_text(row['before'])} in the "
        f"{days} days before ({count_text(int(row['n_before']))}): "
    )
    if not row["supported"]:
        return _Finding(
            "unchanged", "no change shown in durations", f"{says}no difference that the days support."
        )
    interval = f"{row['low']:.2f} to {row['high']:.2f} times, 95 % interval over days"
    if row["change"] > 1:
        return _Finding("wrong", "builds take longer than before", f"{says}longer than before ({interval}).")
    return _Finding("better", "builds take less time than before", f"{says}less than before ({interval}).")


def _too_few(row: Row, days: int, what: str, which: str) -> _Finding:
    says = (
        f"Too few days to compare {what}: {count_text(int(row['n_now']), 'build')} {which} on "
        f"{count_text(int(row['days_now']), 'day')} {_period(row, days)}, {row['n_before']:,} on "
        f"{count_text(int(row['days_before']), 'day')} in the {days} days before; 3 days are needed on "
        "each side."
    )
    return _Finding("unknown", f"too few days to compare {what}", says)


def _period(row: Row, days: int) -> str:
    return f"in the {days} days to {day_text(row['end'] - pd.Timedelta(hours=1))}"


def _running(builds: pd.DataFrame, moment: pd.Timestamp) -> _Finding:
    running = builds[(status_of(builds) == "BUILDING").to_numpy(bool) & builds["build_start"].notna()]
    if not len(running):
        return _Finding("fine", "no build runs", "No build runs.")
    running = running.sort_values("build_start", kind="stable")  # those are named that have run longest
    expected = eta(running, builds, now=moment)
    count = count_text(len(running), "build")
    run = "runs" if len(running) == 1 else "run"
    unusual = expected[expected["unusually_long"].to_numpy(bool)]
    if len(unusual):
        named = "; ".join(
            f"build {index} has run for {duration_text(row['elapsed'])}, {longer_than_text(row)}"
            for index, row in unusual[:_MAX_NAMED].iterrows()
        )
        is_one = len(unusual) == 1
        return _Finding(
            "wrong",
            f"{count_text(len(unusual), 'build')} {'runs' if is_one else 'run'} for unusually long",
            f"{count} {run}, {len(unusual):,} for unusually long: {named}.",
        )
    if (expected["step"] == "none").all():
        return _Finding(
            "unknown",
            f"{count} {run}",
            f"{count} {run}. Fewer than 20 builds have finished, so nothing can be said about how long.",
        )
    newest = expected[-_MAX_NAMED:]
    ranges = "".join(f" Build {index}: {row['says']}." for index, row in newest.iterrows())
    says = f"{count} {run}, none for unusually long.{ranges}"
    return _Finding("fine", f"{count} {run}, none unusually long", says)


def _join(parts: Iterable[str]) -> str:
    *first, last = [*parts] or [""]
    return f"{', '.join(first)} and {last}" if first else last
