"""The Monday page: what a week of builds shows, in sentences that the numbers carry."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mkframe._files import expand_path
from mkframe._pandas import TEXT, plain_frame
from mkframe._text import single_line
from mkframe.errors import InputError
from mkframe.exports import export_sheets
from mkframe.metrics._checks import require_columns
from mkframe.metrics._formatting import count_text, day_text, duration_text, percent_text
from mkframe.metrics._history import LeftOut, history_of
from mkframe.metrics._recovery import chains
from mkframe.report import _monday_html, _monday_text
from mkframe.report import _monday_parts as parts
from mkframe.report._head import project_names, source_text
from mkframe.report._monday_parts import Finding, Numbers, Part, Row, Table
from mkframe.report._target import write_text
from mkframe.report._week import Week, as_known, week_of

__all__ = ["MondayPage", "monday"]

_COLUMNS = ("status", "build_start", "build_end", "instances", "project_id", "patterns")
_MOST_PROJECTS = 8
_CHART_WEEKS = 4
_HOURS = 48 * 3600
_VIEWS = {
    "deliveries": "what builds delivered",
    "releases": "which releases are past their end",
    "commits": "which commits are not built",
}
_NOT_ASKED = "Not asked"
_PAST = "they show the present, and the week is past"


@dataclass(frozen=True)
class MondayPage:
    """What the builds of a week show; a notebook shows it as the page that `html` writes.

    Attributes
    ----------
    title : str
        Whose builds, and the days.
    facts : sequence of (str, str)
        Names and values: days, state as of when, source.
    notice : str
        What nobody must miss, such as that the history is made up.
    verdict : str
        One sentence.
    findings : sequence of Finding
        Sentences by topic, each with its state.
    tiles : sequence of (str, str, str)
        Values, their names, and notes.
    tables : sequence of Table
        Details.
    notes : sequence of str
        What is left out.
    week : Week
        The days and the moment.
    recent : DataFrame
        The builds that are drawn.
    """

    title: str
    facts: Sequence[tuple[str, str]]
    notice: str
    verdict: str
    findings: Sequence[Finding]
    tiles: Sequence[tuple[str, str, str]]
    tables: Sequence[Table]
    notes: Sequence[str]
    week: Week
    recent: pd.DataFrame

    def html(self) -> str:
        """Write one HTML page that refers to nothing outside; the same but for the time in its last line."""
        return _monday_html.page(self)

    def text(self) -> str:
        """Write plain text for mail or chat; the same for the same builds."""
        return _monday_text.text(self)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the page to a file: HTML, or by the suffix plain text (``.txt``) or a workbook (``.xlsx``).

        Parameters
        ----------
        path : path
            It is replaced only by a complete file. A workbook needs the extra ``excel`` and has all rows.

        Returns
        -------
        Path
            The file.

        Raises
        ------
        InputError
            If it cannot be written.
        """
        suffix = expand_path(path).suffix.lower()
        if suffix == ".xlsx":
            return export_sheets(self.sheets(), path, tz=self.week.tz)
        return write_text(path, self.text() if suffix == ".txt" else self.html())

    def sheets(self) -> dict[str, pd.DataFrame]:
        """Give the sentences, and the whole of each table, by the titles of sheets."""
        rows = [("Verdict", "", self.verdict), *((f.topic, f.state, f.says) for f in self.findings)]
        rows += [("Note", "", note) for note in self.notes]
        rows = [*((name, "", fact) for name, fact in self.facts), *rows]
        sheets = {"Week": pd.DataFrame(rows, columns=["topic", "state", "says"], dtype=TEXT)}
        return sheets | {table.title[:31]: table.frame for table in self.tables}

    def only_news(self) -> MondayPage:
        """Leave out what was so before the week, and what shows no change; keep what was not asked."""
        news = [finding for finding in self.findings if finding.is_news]
        not_asked = [finding for finding in self.findings if finding.topic == _NOT_ASKED]
        topics = {finding.topic for finding in news}
        rest = [f.topic.lower() for f in self.findings if not (f.is_news or f.topic == _NOT_ASKED)]
        note = f"Left out, since they show nothing new: {', '.join(rest)}." if rest else ""
        nothing = f"The builds show nothing new in the week of {self.week.days_text()}."
        return replace(
            self,
            verdict=self.verdict if news else nothing,
            findings=[*news, *not_asked],
            tiles=[],
            tables=[table for table in self.tables if table.topic in topics],
            notes=[*self.notes, *filter(None, [note])],
            recent=self.recent.iloc[:0],
        )

    def __str__(self) -> str:
        return self.text()

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return {"text/html": _monday_html.shown(self), "text/plain": self.text()}


def monday(
    builds: pd.DataFrame,
    *,
    period: str = "last-week",
    tz: str = "UTC",
    now: str | dt.datetime | None = None,
    project: str | int | None = None,
    source: str = "server",
    deliveries: Mapping[int, pd.DataFrame] | None = None,
    releases: pd.DataFrame | None = None,
    commits: Mapping[int, pd.DataFrame] | None = None,
    reasons: Mapping[str, str] | None = None,
) -> MondayPage:
    """Say what a week of builds shows: what is broken, what got worse, and what cannot be told.

    Nothing is called worse or better unless a 95 % interval with days as units excludes no change (see
    `mkframe.metrics.compare_periods`), and no pattern slower unless `mkframe.metrics.change_points` finds a
    lasting change. What is broken or runs is told as of the moment when the builds were loaded, if that was
    in the week or in the one after it, else as of the end of the week. No request is sent.

    Parameters
    ----------
    builds : DataFrame
        The whole history, not the week alone, as `find`, `mk.read_json` or `mk.History.builds` return it.
    period : str, default "last-week"
        "last-week", or a day such as "2026-07-13" for the week that holds it. Weeks begin on Monday.
    tz : str, default "UTC"
        Time zone of the days.
    now : str or datetime, optional
        With a zone: when the builds were loaded. By default their attribute `loaded_at` or `known_at`; of a
        frame without these no more is known than its latest time.
    project : str or int, optional
        The project that was asked for, for the title.
    source : str, default "server"
        "server", "demo", or the file that was read.
    deliveries : mapping of int to DataFrame, optional
        The view DELIVERIES of each project that was asked for, by the id of the project.
    releases : DataFrame, optional
        Releases.
    commits : mapping of int to DataFrame, optional
        The view COMMITS of each project that was asked for.
    reasons : mapping of str to str, optional
        Why "deliveries", "releases" or "commits" were not asked for, or not of all projects.

    Returns
    -------
    MondayPage
        A notebook shows it; `save` writes it as HTML, text or workbook.

    Raises
    ------
    InputError
        If a column is missing, or an argument cannot be used.

    Examples
    --------
    >>> start = pd.to_datetime(["2026-07-14T08:00Z", "2026-07-15T08:00Z"], utc=True)
    >>> builds = pd.DataFrame({"status": ["FINISHED", "FAILED"], "build_start": start, "instances": 3,
    ...     "build_end": start + pd.Timedelta("10min"), "patterns": [[808], [808]], "project_id": 402},
    ...     index=[11, 12])
    >>> page = monday(builds, now="2026-07-20T08:00Z")
    >>> page.title
    'Project 402, 13 to 19 July 2026'
    >>> page.findings[0].says
    '1 pattern set is broken: 808 (since 15 July, build 12). It broke in the week.'
    """
    builds = plain_frame(builds)
    week = week_of(period, builds, tz=tz, now=now)
    require_columns(builds, _COLUMNS)
    counted, left_out = history_of(builds)
    known = as_known(counted, week.as_of)
    projects = project_names(known, project)
    numbers, before = (parts.numbers_of(known[week.holds(known, weeks)]) for weeks in (0, 1))
    compared = parts.comparison(known, week) if week.is_known else None
    found = _parts(known, numbers, compared, week, _instance_names(deliveries, commits))
    if week.is_known:
        found += _asked(known, week, deliveries, releases, commits, dict(reasons or {}))
    findings = [part.finding for part in found]
    in_chart = known[np.logical_or.reduce([week.holds(known, weeks) for weeks in range(_CHART_WEEKS)])]
    return MondayPage(
        title=f"{_whose(known, projects, project)}, {week.days_text()}",
        facts=_facts(builds, week, projects, source),
        notice="Made-up history: nothing of this happened" if source == "demo" else "",
        verdict=_verdict(findings, numbers, week),
        findings=findings,
        tiles=_tiles(numbers, before, compared, found) if week.is_known else [],
        tables=[table for part in found for table in part.tables],
        notes=_notes(left_out),
        week=week,
        recent=in_chart if numbers.builds else in_chart.iloc[:0],
    )


def _parts(
    builds: pd.DataFrame,
    numbers: Numbers,
    compared: Mapping[str, Row] | None,
    week: Week,
    names: Sequence[str],
) -> list[Part]:
    """Say what the builds alone show; of a week of which nothing is known only what is broken."""
    held = chains(builds, now=week.as_of, tz=week.tz, since=week.start)
    found: list[Part | None] = [parts.unresolved(builds, held, week)]
    if compared is not None:
        found.append(parts.recovered(held, week))
        if numbers.builds:
            found += [
                Part(parts.failures(compared["failure_rate"])),
                parts.families(builds, week, names),
                Part(parts.lengths(compared["duration"], numbers.by_status["running"])),
            ]
        found += [parts.changes(builds, week), parts.running(builds, week)]
    return [part for part in found if part is not None]


def _asked(
    builds: pd.DataFrame,
    week: Week,
    deliveries: Mapping[int, pd.DataFrame] | None,
    releases: pd.DataFrame | None,
    commits: Mapping[int, pd.DataFrame] | None,
    reasons: dict[str, str],
) -> list[Part]:
    """Say what deliveries, releases and commits show, and what was not asked."""
    if not week.is_latest:
        given = {"releases": releases, "commits": commits}
        reasons |= {name: _PAST for name, value in given.items() if value is not None}
        releases = commits = None
    makers: dict[str, Callable[[], Part]] = {}
    if deliveries is not None:
        makers["deliveries"] = lambda: parts.deliveries_part(builds, deliveries, week)
    if releases is not None:
        makers["releases"] = lambda: parts.releases_part(builds, releases, week)
    if commits is not None:
        makers["commits"] = lambda: parts.unbuilt_part(commits, _names_of_projects(builds))
    found = []
    for name, make in makers.items():
        try:
            found.append(make())
        except InputError as error:  # what a server sends there must not cost the page
            reasons[name] = f"not usable: {single_line(error.message, 160).rstrip('.')}"
    missing = _not_asked(deliveries, releases, commits, reasons)
    return found if missing is None else [*found, missing]


def _whose(builds: pd.DataFrame, projects: Sequence[str], project: str | int | None) -> str:
    """Begin the title with the project, or with the number of projects."""
    if len(projects) != 1:
        return count_text(len(projects), "project") if projects else "All projects"
    is_name = isinstance(project, str) or ("project" in builds.columns and builds["project"].notna().any())
    return projects[0] if is_name else projects[0].capitalize()


def _instance_names(*views: Mapping[int, pd.DataFrame] | None) -> list[str]:
    """Collect the names of instances, which messages may hold."""
    frames = [frame["INSTANCE"] for view in views for frame in (view or {}).values() if "INSTANCE" in frame]
    return sorted({*pd.concat(frames).dropna()}) if frames else []


def _not_asked(
    deliveries: object, releases: object, commits: object, reasons: Mapping[str, str]
) -> Part | None:
    """Say what was not asked, and why, by reason."""
    given = {"deliveries": deliveries, "releases": releases, "commits": commits}
    missing: dict[str, list[str]] = {}
    for name, value in given.items():
        if value is None or name in reasons:
            missing.setdefault(reasons.get(name, ""), []).append(_VIEWS[name])
    if not missing:
        return None
    texts = [", ".join(views) + (f" ({reason})" if reason else "") for reason, views in missing.items()]
    text = "; ".join(texts)
    return Part(Finding(_NOT_ASKED, "unknown", "", f"{text[0].upper()}{text[1:]}."))


def _names_of_projects(builds: pd.DataFrame) -> dict[int, str]:
    if "project" not in builds.columns:
        return {}
    named = builds.dropna(subset=["project"]).drop_duplicates("project_id")
    return dict(zip(named["project_id"].astype(int).tolist(), named["project"].tolist(), strict=True))


def _facts(builds: pd.DataFrame, week: Week, projects: Sequence[str], source: str) -> list[tuple[str, str]]:
    as_of = f"{day_text(week.as_of)}, {week.as_of:%H:%M}"
    if not week.is_dated and week.as_of != week.over:
        as_of += ", the latest time in the builds"
    facts = [("Days", f"Monday {day_text(week.first)} to Sunday {day_text(week.last)} ({week.tz})")]
    facts += [("State as of", as_of), ("Source", source_text(builds, source))]
    if len(projects) > 1:
        more = [f"{len(projects) - _MOST_PROJECTS} more"] if len(projects) > _MOST_PROJECTS else []
        facts.append(("Projects", ", ".join([*projects[:_MOST_PROJECTS], *more])))
    return facts


def _verdict(findings: Sequence[Finding], numbers: Numbers, week: Week) -> str:
    """Say in one sentence what needs attention, and whether failures and durations changed."""
    by_topic = {finding.topic: finding for finding in findings}
    wrong = [finding.short for finding in findings if finding.state == "wrong"]
    rest = [] if wrong or "Broken" not in by_topic else [by_topic["Broken"].short]
    pair = [by_topic[topic] for topic in ("Failures", "Durations") if topic in by_topic]
    calm = [finding.short for finding in pair if finding.state != "wrong"]
    if not numbers.by_status["finished"] + numbers.by_status["failed"]:
        calm = [] if rest == [parts.NONE_ENDED] else calm[:1]  # each says what the one before has said
    for same in ("no change shown in ", "too few days to compare "):
        if len(calm) == 2 and all(short.startswith(same) for short in calm):
            calm = [f"{same}failure rates and durations"]
    begin = []
    if not week.is_known:
        begin = [f"no build of this week is known, the latest time in the builds is {day_text(week.as_of)}"]
    elif not numbers.builds:
        begin = ["no build started in this week"]
    if not len(findings):
        return "There are no builds."
    text = "; ".join([*begin, *([_listed(wrong)] if wrong else []), *rest, *calm])
    so_far = "" if week.is_over else "So far: "
    return f"{so_far}{text if so_far else text[0].upper() + text[1:]}."


def _listed(texts: Sequence[str]) -> str:
    *first, last = texts
    return f"{', '.join(first)} and {last}" if first else last


def _tiles(
    numbers: Numbers, before: Numbers, compared: Mapping[str, Row] | None, found: Sequence[Part]
) -> list[tuple[str, str, str]]:
    listed = [table.frame["abandoned"] for part in found for table in part.tables if table.topic == "Broken"]
    old = int(sum(is_old.sum() for is_old in listed))
    recent = sum(map(len, listed)) - old
    name = "pattern set broken" if recent == 1 else "pattern sets broken"
    has = "it has" if recent == 1 else "they have" if recent else "none has"
    none_ended = any(part.finding.short == parts.NONE_ENDED for part in found)
    what = parts.NONE_ENDED if none_ended else f"{has} failed and not finished since"
    more = f"; {old:,} more for over 30 days" if old else ""
    counts = [f"{number:,} {word}" for word, number in numbers.by_status.items() if number]
    then = f"the week before {before.builds:,}"
    tiles = [
        (f"{recent:,}", name, f"{what}{more}"),
        (
            f"{numbers.builds:,}",
            "build" if numbers.builds == 1 else "builds",
            "; ".join(filter(None, [", ".join(counts), then])),
        ),
    ]
    rate, length = (compared["failure_rate"], compared["duration"]) if compared else ({}, {})
    if rate.get("n_now"):
        note = f"{numbers.by_status['failed']:,} of {rate['n_now']:,} finished or failed"
        note += f"; the week before {percent_text(rate['before'])}" if rate["n_before"] else ""
        tiles.append((percent_text(rate["now"]), "failed", note))
    if length.get("n_now"):
        note = count_text(int(length["n_now"]), "finished build")
        note += f"; the week before {duration_text(length['before'])}" if length["n_before"] else ""
        tiles.append((duration_text(length["now"]), "a build on a typical day", note))
    if numbers.by_status["failed"] + numbers.by_status["canceled"]:
        note = f"of {_hours(numbers.seconds)} of all builds that have ended"
        note += f"; the week before {_hours(before.seconds_lost)} of {_hours(before.seconds)}"
        tiles.append((_hours(numbers.seconds_lost), "in failed and canceled builds", note))
    return tiles


def _hours(seconds: float) -> str:
    """Write a sum of times: in hours where it is long."""
    return duration_text(seconds) if seconds < _HOURS else f"{seconds / 3600:,.0f} h"


def _notes(left_out: LeftOut) -> list[str]:
    notes = []
    if left_out.impossible:
        notes.append(
            f"{count_text(left_out.impossible, 'build')} {left_out.dates_text()}: that date is not used."
        )
    if left_out.without_start:
        notes.append(f"{count_text(left_out.without_start, 'build')} without a start: of no week.")
    return [*notes, *filter(None, [left_out.rows_text()])]
