"""The parts of a report that say whose data it is and what is wrong with it."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from mkframe import _page, metrics
from mkframe._text import single_line
from mkframe.metrics._findings import STATES, dated_builds
from mkframe.metrics._formatting import count_text, day_text

__all__ = ["HEAD_TYPE", "Head", "head", "project_names", "source_text"]

HEAD_TYPE = "application/vnd.mkframe.head+json"
"""Media type under which a head tells `write` the title of the page and the number of builds."""
_RECENT_DAYS = 7
"""Days without a build after which a report says first that its figures are old."""
_MAX_PROJECTS = 8


@dataclass(frozen=True)
class Head:
    """The head of a report, which a notebook shows, too.

    Parameters
    ----------
    html : str
        The head, as HTML.
    facts : dict
        What `write` needs to know: `title` of the page and number of `builds`.
    """

    html: str
    facts: dict[str, Any]

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        shown = f'<style>{_page.PARTS_STYLE}</style><div class="mk-page">{self.html}</div>'
        bundle: dict[str, Any] = {"text/html": shown, HEAD_TYPE: {**self.facts, "html": self.html}}
        return bundle


def head(
    title: str,
    builds: pd.DataFrame,
    *,
    source: str = "server",
    project: str | int | None = None,
    tz: str = "UTC",
) -> Head:
    """Say whose builds these are and of which days, then the verdict, then what was found.

    Parameters
    ----------
    title : str
        What the report is about, such as "Build history".
    builds : DataFrame
        Builds, as `find` or `mk.read_json` return them.
    source : str, default "server"
        "server", "demo", or the file that was read.
    project : str or int, optional
        The project that was asked for; all by default.
    tz : str, default "UTC"
        Time zone of the days.

    Returns
    -------
    Head
        A notebook shows it.

    Raises
    ------
    InputError
        If a column is missing or the time zone is unknown.

    Examples
    --------
    >>> import mkframe as mk
    >>> head("Build history", mk.read_json(b"[]"), source="builds.json").facts
    {'title': 'Build history of all projects', 'builds': 0}
    """
    projects = project_names(builds, project)
    many = count_text(len(projects), "project") if projects else "all projects"
    name = f"{title} of {projects[0] if len(projects) == 1 else many}"
    summary = metrics.summary(builds, tz)
    days = _days_text(summary)
    facts = [("Days", f"{days} ({tz})" if days else "none"), ("Source", source_text(builds, source))]
    if len(projects) > 1:
        more = [f"{len(projects) - _MAX_PROJECTS} more"] if len(projects) > _MAX_PROJECTS else []
        facts.append(("Projects", ", ".join([*projects[:_MAX_PROJECTS], *more])))
    loaded = builds.attrs.get("loaded_at")
    if loaded:
        when = pd.Timestamp(loaded).tz_convert(tz)
        facts.append(("Loaded", f"{day_text(when)}, {when:%H:%M}"))
    notice = "Made-up history: nothing of this happened" if source == "demo" else ""
    parts = [_page.heading(name, facts, notice)]
    if len(builds):
        parts += [_verdict(builds, loaded, tz), _page.tiles(_tiles(summary))]
    else:
        asked = "" if project is None else f" of {projects[0]}"
        parts.append(_page.verdict(f"There are no builds{asked}."))
    full = f"{name}, {days}" if days else name
    return Head("".join(parts), {"title": full, "builds": len(builds)})


def project_names(builds: pd.DataFrame, project: str | int | None) -> list[str]:
    """Name the projects: the one that was asked for, or those of the builds; ids where no name is known.

    Where all builds are of one project, that is its name in them: a history may know it by several.
    """
    known = builds["project"].dropna().unique().tolist() if "project" in builds.columns else []
    if project is not None:
        return [_project_text(known[0] if len(known) == 1 else project)]
    column = next((name for name in ("project", "project_id") if name in builds.columns), None)
    return [] if column is None else sorted(map(_project_text, builds[column].dropna().unique()))


def _project_text(project: object) -> str:
    return single_line(project, 80) if isinstance(project, str) else f"project {project}"


def source_text(builds: pd.DataFrame, source: str) -> str:
    if source == "demo":
        return "the embedded server"
    if source == "server":
        return single_line(builds.attrs.get("url", "a MetaKraftwerk server"), 200)
    name = single_line(Path(source).name or source, 100)
    if "known_at" not in builds.attrs:
        return f"saved answer {name}"
    known_at = builds.attrs["known_at"]
    asked = (
        f"asked {str(known_at)[:16].replace('T', ' ')} UTC" if known_at else "which holds no answer of then"
    )
    return f"history {name}, {asked}"


def _days_text(summary: pd.DataFrame) -> str:
    days = int(summary["value"]["days"])
    first, last = summary["text"][["first_day", "last_day"]]
    if not days:
        return ""
    return last if days == 1 else f"{first} to {last}, {count_text(days, 'day')}"


def _verdict(builds: pd.DataFrame, loaded: str | None, tz: str) -> str:
    found = metrics.findings(builds, now=loaded, tz=tz)
    sentence = metrics.verdict(found)
    starts = dated_builds(builds)["build_start"]
    now = pd.Timestamp(loaded or dt.datetime.now(dt.UTC))
    if len(starts) and len(found):
        last = starts.max().tz_convert(tz)
        idle = (now.tz_convert(tz).date() - last.date()).days
        if idle > _RECENT_DAYS:
            since = f"No build has started since {day_text(last)}, {idle:,} days ago."
            sentence = f"{since} As of that day: {sentence[0].lower()}{sentence[1:]}"
    rows = sorted(zip(found["state"], found["says"], strict=True), key=lambda row: STATES.index(row[0]))
    return _page.verdict(sentence, rows)


def _tiles(summary: pd.DataFrame) -> list[tuple[str, str, str]]:
    value, text = summary["value"], summary["text"]
    others = [f"{text[name]} {name}" for name in ("canceled", "running", "other") if value[name]]
    numbers = [(text["builds"], "builds", ", ".join([f"{text['finished']} finished", *others]))]
    if value["failure_rate_n"]:
        n = count_text(int(value["failure_rate_n"]))
        interval = f"95 % interval {text['failure_rate_low']} to {text['failure_rate_high']}"
        numbers.append(
            (text["failure_rate"], "failed", f"{text['failed']} of {n} finished or failed; {interval}")
        )
    if value["duration_n"]:
        n = count_text(int(value["duration_n"]), "finished build")
        note = f"half of the {n} took at most this; 95 in 100 at most {text['duration_p95']}"
        numbers.append((text["duration_p50"], "typical duration", note))
    # a number and its percent sign stay on one line
    return [(number, name, note.replace(" %", "\u00a0%")) for number, name, note in numbers]
