"""The sentences and tables of the Monday page, each from builds as they were at one moment.

A sentence says that something got worse or better only where the 95 % interval of the metric that it names
excludes no change. What was not asked is said to be so, and is never 0.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from mkframe import metrics
from mkframe._text import single_line
from mkframe.metrics._checks import status_of
from mkframe.metrics._durations import duration
from mkframe.metrics._eta import longer_than_text
from mkframe.metrics._formatting import count_text, day_text, duration_text, percent_text
from mkframe.metrics._grouping import local_times
from mkframe.metrics._streams import build_ids, memberships, pattern_sets
from mkframe.metrics._survival import floor_text
from mkframe.releases import frames as release_frames
from mkframe.report._week import Week

__all__ = [
    "Finding",
    "MOST_ROWS",
    "NONE_ENDED",
    "Numbers",
    "Part",
    "Table",
    "unresolved",
    "changes",
    "comparison",
    "deliveries_part",
    "failures",
    "families",
    "numbers_of",
    "lengths",
    "recovered",
    "releases_part",
    "running",
    "unbuilt_part",
]

Row: TypeAlias = dict[Hashable, Any]

NONE_ENDED = "no build has finished or failed"
MOST_ROWS = 12
_MOST_NAMED, _MOST_IDS = 3, 8
_HISTORY_DAYS, _SHOWN_DAYS, _NEW_DAYS = 364, 182, 56
"""Days of history that are searched for changes, in which a change is named, and in which it is news."""
_FAMILY_WEEKS = 8


@dataclass(frozen=True)
class Finding:
    """One sentence, or a few, of one topic.

    Parameters
    ----------
    topic : str
        What it is about, in a word.
    state : str
        One of the states of `mkframe._page`.
    short : str
        A few words for the verdict.
    says : str
        The sentences.
    is_news : bool
        Whether something happened in the week that was not so before.
    """

    topic: str
    state: str
    short: str
    says: str
    is_news: bool = False


@dataclass(frozen=True)
class Table:
    """A table of details: the first rows as text, and the whole frame for a workbook.

    Parameters
    ----------
    topic : str
        That of the finding.
    title, note : str
        What it lists, and how it is counted.
    head : sequence of str
        Names of the columns.
    rows : sequence of sequence of str
        Cells; the first one names the row.
    frame : DataFrame
        All rows.
    """

    topic: str
    title: str
    note: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    frame: pd.DataFrame

    @property
    def more(self) -> str:
        """How many rows are left out."""
        rest = len(self.frame) - len(self.rows)
        if rest <= 0:
            return ""
        return f"{count_text(rest, 'more row')} {'is' if rest == 1 else 'are'} not shown."


@dataclass(frozen=True)
class Part:
    """A finding and its tables."""

    finding: Finding
    tables: tuple[Table, ...] = ()


# --- what is broken -----------------------------------------------------------------------------------


def unresolved(builds: pd.DataFrame, chains: pd.DataFrame, week: Week) -> Part:
    """Say which pattern sets have failed and not finished since."""
    topic = "Broken"
    still_open = chains[chains["open"]]
    recent, old = still_open[~still_open["abandoned"]], still_open[still_open["abandoned"]]
    more = ""
    if len(old):
        has = "has" if len(old) == 1 else "have"
        which = f"{len(old):,} more {has}" if len(recent) else f"{count_text(len(old), 'pattern set')} {has}"
        more = f"{which} not finished for over 30 days since a failure."
    table = _chains_table(topic, still_open, week)
    tables = (table,) if len(still_open) else ()
    if len(recent):
        count, are = count_text(len(recent), "pattern set"), "is" if len(recent) == 1 else "are"
        newest = recent.sort_values("broken_at", ascending=False, kind="stable")
        says = [f"{count} {are} broken{_newest(_chain_names(newest), _since(newest, week))}."]
        is_in, is_after = (recent["broken_at"] >= week.start), (recent["broken_at"] >= week.over)
        says += [_when(int((is_in & ~is_after).sum()), int(is_after.sum()), len(recent)), more]
        return Part(Finding(topic, "wrong", f"{count} {are} broken", _join(says), bool(is_in.any())), tables)
    if len(old):
        return Part(
            Finding(
                topic, "unknown", f"{count_text(len(old), 'pattern set')} abandoned since a failure", more
            ),
            tables,
        )
    status = status_of(builds)
    if not status.isin(["FAILED", "FINISHED"]).any():
        return Part(Finding(topic, "unknown", NONE_ENDED, f"{NONE_ENDED[0].upper()}{NONE_ENDED[1:]}."))
    failed = bool((status == "FAILED").any())
    says_fine = "Every pattern set that failed has finished since." if failed else "No build has failed."
    return Part(Finding(topic, "fine", "no pattern set is broken", says_fine))


def recovered(chains: pd.DataFrame, week: Week) -> Part | None:
    """Say which pattern sets were broken when the week began and have finished since; None if none did."""
    was_open = (chains["broken_at"] < week.start).to_numpy(bool)
    closed = chains[was_open & (chains["closed_at"] >= week.start).to_numpy(bool)]
    if not len(closed):
        return None
    topic = "Finished again"
    longest = closed.sort_values("seconds", ascending=False, kind="stable")
    one = len(closed) == 1
    sets = (
        f"{count_text(len(closed), 'pattern set')} that {'was' if one else 'were'} broken when the week began"
    )
    says = f"{sets} {'has' if one else 'have'} finished since."
    table = _chains_table(topic, longest, week)
    return Part(Finding(topic, "counted", f"{len(closed):,} finished again", says, is_news=True), (table,))


def _chain_names(chains: pd.DataFrame) -> list[str]:
    projects = chains.index.get_level_values(0)
    several = len(set(projects)) > 1
    return [
        single_line(patterns, 60) + (f" in {single_line(project, 40)}" if several else "")
        for project, patterns in chains.index
    ]


def _since(chains: pd.DataFrame, week: Week) -> list[str]:
    return [
        f"since {_short_day(row['broken_at'], week)}, "
        + (f"{row['attempts']:,} failed builds, the first " if row["attempts"] > 1 else "build ")
        + str(row["first_build"])
        for row in chains.to_dict("records")
    ]


def _newest(names: Sequence[str], texts: Sequence[str]) -> str:
    return f"{': ' if len(names) == 1 else '; the last to break: '}{names[0]} ({texts[0]})"


def _when(inside: int, after: int, total: int) -> str:
    """Say how many broke in the week and after it."""
    if total == 1:
        return "It broke in the week." if inside else "It broke after the week." if after else ""
    parts = [f"{inside:,} broke in the week" if inside else "", f"{after:,} after it" if after else ""]
    if not inside and after:
        parts = [f"{after:,} broke after the week"]
    text = ", ".join(filter(None, parts))
    return f"{text}." if text else ""


def _short_day(moment: pd.Timestamp, week: Week) -> str:
    text = day_text(moment)
    return text.rsplit(" ", 1)[0] if moment.year == week.as_of.year else text


def _listed(names: Sequence[str], texts: Sequence[str]) -> str:
    shown = [f"{name} ({text})" for name, text in zip(names, texts, strict=True)][:_MOST_NAMED]
    rest = len(names) - len(shown)
    return ", ".join(shown) + (f" and {rest:,} more" if rest else "")


def _chains_table(topic: str, chains: pd.DataFrame, week: Week) -> Table:
    is_open = topic == "Broken"
    head = ["pattern set", "failed", "not finished for" if is_open else "finished after", "failed builds"]
    head += ["their ids"] + ([] if is_open else ["finished by"])
    rows = [
        [
            name,
            _time_text(row["broken_at"]),
            (floor_text if is_open else duration_text)(row["seconds"]),
            f"{row['attempts']:,}",
            ids_text(row["build_ids"]),
            *([] if is_open else [str(row["closed_by"])]),
        ]
        for name, row in zip(_chain_names(chains), chains.head(MOST_ROWS).to_dict("records"), strict=False)
    ]
    note = (
        "Counted from the end of a failed build until a build of the pattern set that started after that has "
        "finished; that one may be of other instances or of another branch."
    )
    title = "Failed and not finished since" if is_open else topic
    return Table(topic, title, note if is_open else "", head, rows, chains.reset_index())


# --- failures and durations -----------------------------------------------------------------------------


def comparison(builds: pd.DataFrame, week: Week) -> dict[str, Row]:
    """Compare the week with the one before."""
    table = metrics.compare_periods(builds, end=str(week.end), days=7, tz=week.tz)
    return {str(name): row for name, row in zip(table.index, table.to_dict("records"), strict=True)}


def failures(row: Row) -> Finding:
    """Say how many builds failed, and whether that is more or less than in the week before."""
    topic = "Failures"
    if not row["n_now"]:
        return Finding(
            topic, "unknown", "no build finished or failed", "No build of this week finished or failed."
        )
    failed, before = (
        round(row[name] * row[f"n_{name}"]) if row[f"n_{name}"] else 0 for name in ("now", "before")
    )
    says = f"{percent_text(row['now'])} failed, {failed:,} of {row['n_now']:,} that finished or failed"
    says += (
        f"; the week before {percent_text(row['before'])}, {before:,} of {row['n_before']:,}."
        if row["n_before"]
        else "; no build finished or failed the week before."
    )
    if np.isnan(row["low"]):
        return _too_few(topic, "failure rates", says, row)
    if not row["supported"]:
        return Finding(
            topic, "unchanged", "no change shown in failure rates", f"{says} No difference is supported."
        )
    low, high = sorted(abs(100 * row[end]) for end in ("low", "high"))
    interval = f"by {_beside(low, 0)} to {_beside(high, 0)} points (95 % interval, days as units)"
    if row["change"] > 0:
        return Finding(topic, "wrong", "more builds failed", f"{says} More failed, {interval}.", is_news=True)
    return Finding(topic, "better", "fewer builds failed", f"{says} Fewer failed, {interval}.", is_news=True)


def lengths(row: Row, still_run: int) -> Finding:
    """Say how long builds took on a typical day, and whether that is more or less than the week before."""
    topic = "Durations"
    if not row["n_now"]:
        return Finding(topic, "unknown", "no build finished", "No build of this week has finished.")
    number = count_text(int(row["n_now"]), "build")
    says = f"On a typical day a finished build took {duration_text(row['now'])} ({number})"
    says += (
        f"; the week before {duration_text(row['before'])} ({row['n_before']:,})."
        if row["n_before"]
        else "; no build finished the week before."
    )
    if still_run:
        run, are = ("runs", "is") if still_run == 1 else ("run", "are")
        says += f" {count_text(still_run, 'build')} of this week still {run}, and {are} not counted."
    if np.isnan(row["low"]):
        return _too_few(topic, "durations", says, row)
    if not row["supported"]:
        return Finding(
            topic, "unchanged", "no change shown in durations", f"{says} No difference is supported."
        )
    is_longer = row["change"] > 1
    bounds = (row["low"], row["high"]) if is_longer else (1 / row["high"], 1 / row["low"])
    interval = (
        f"by a factor of {_beside(bounds[0], 1)} to {_beside(bounds[1], 1)} (95 % interval, days as units)"
    )
    if is_longer:
        return Finding(topic, "wrong", "builds took longer", f"{says} Longer, {interval}.", is_news=True)
    return Finding(topic, "better", "builds took less time", f"{says} Shorter, {interval}.", is_news=True)


def _beside(value: float, none: float) -> str:
    """Round a bound, but not to the value that it excludes."""
    for digits in range(1 if none == 0 else 2, 10):
        text = f"{value:.{digits}f}"
        if float(text) != none:
            return text
    return f"{value:g}"


def _too_few(topic: str, what: str, says: str, row: Row) -> Finding:
    few = (
        f"Too few days to compare: {row['days_now']:,} and {row['days_before']:,}; 3 are needed on each side."
    )
    return Finding(topic, "unknown", f"too few days to compare {what}", f"{says} {few}")


def families(builds: pd.DataFrame, week: Week, names: Iterable[str] = ()) -> Part | None:
    """Say what the failed builds of the week have in common; None where none failed."""
    topic = "Messages"
    begin = week.start - pd.Timedelta(days=7 * _FAMILY_WEEKS)
    held = builds[
        (builds["build_start"] >= begin).to_numpy(bool) & (status_of(builds) == "FAILED").to_numpy(bool)
    ]
    held = held[(held["build_start"] < week.start).to_numpy(bool) | week.holds(held)]
    ids = set(build_ids(held[week.holds(held)]).tolist())
    if not ids or "message" not in held.columns:
        return None
    table = metrics.failure_families(held, names=[*_pattern_names(held), *names])
    own = [[id_ for id_ in found if id_ in ids] for found in table["build_ids"]]
    table = table.assign(
        now=[len(found) for found in own],
        before=[len(found) - len(now) for found, now in zip(table["build_ids"], own, strict=True)],
        build_ids=pd.Series(own, index=table.index, dtype="object"),
    )
    table = table[table["now"] > 0].sort_values(["now", "before"], ascending=False, kind="stable")
    new = table[(table["before"] == 0).to_numpy(bool)] if len(held) > len(ids) else table.iloc[:0]
    first, most = _quoted(table.index[0]), int(table["now"].iloc[0])
    count, kinds = count_text(len(ids), "failed build"), f"{len(table):,} kinds of message"
    if len(ids) == 1:
        says = f"The one failed build says {first}."
    elif len(table) == 1:
        says = f"{'Both failed builds' if len(ids) == 2 else f'All {count}'} say {first}."
    elif most == 1:
        says = f"{count}, each with a message of its own."
    else:
        says = f"{count}, {kinds}; {most:,} say {first}."
    if len(new):
        was = "kind was" if len(new) == 1 else "kinds were"
        named = ", ".join(_quoted(name) for name in new.index[:2])
        rest = f" and {len(new) - 2:,} more" if len(new) > 2 else ""
        says += f" {len(new):,} {was} not seen in the {_FAMILY_WEEKS} weeks before: {named}{rest}."
    head = ["message", "this week", f"{_FAMILY_WEEKS} weeks before", "patterns", "builds"]
    rows = [
        [
            single_line(name, 160),
            f"{row['now']:,}",
            f"{row['before']:,}",
            single_line(", ".join(row["patterns"][:4]), 120) + ("..." if len(row["patterns"]) > 4 else ""),
            ids_text(row["build_ids"]),
        ]
        for name, row in zip(table.index[:MOST_ROWS], table.to_dict("records"), strict=False)
    ]
    note = (
        "Names, numbers and times in messages are put aside; messages that differ in them only are one kind."
    )
    frame = table[
        ["now", "before", "patterns", "build_ids", "first_seen", "last_seen", "example"]
    ].reset_index()
    state = "new" if len(new) else "counted"
    short = f"{count_text(len(new), 'new kind')} of failure" if len(new) else "no new kind of failure"
    return Part(
        Finding(topic, state, short, says, is_news=len(new) > 0),
        (Table(topic, "Messages of failed builds", note, head, rows, frame),),
    )


def _pattern_names(builds: pd.DataFrame) -> list[str]:
    return memberships(builds, "pattern")[0].tolist() if "pattern_names" in builds.columns else []


def _quoted(text: str) -> str:
    return f"“{single_line(text, 80)}”"


# --- lasting changes and running builds -----------------------------------------------------------------


def changes(builds: pd.DataFrame, week: Week) -> Part:
    """Say which patterns have become slower or faster for good."""
    topic = "Lasting changes"
    begin = week.as_of - pd.Timedelta(days=_HISTORY_DAYS)
    table = metrics.change_points(builds[(builds["build_start"] >= begin).to_numpy(bool)], tz=week.tz)
    last = table[~table.index.duplicated(keep="last")]
    scanned = last[(last["result"] != "too short").to_numpy(bool)]
    short = len(last) - len(scanned)
    if not len(scanned):
        says = "No pattern has 32 finished builds, which are needed to tell whether it became slower."
        return Part(Finding(topic, "unknown", "too few builds to tell what became slower", says))
    is_recent = (scanned["at"] >= week.as_of - pd.Timedelta(days=_SHOWN_DAYS)).fillna(False).to_numpy(bool)
    found = scanned[is_recent]
    found = found.iloc[np.argsort(-np.abs(np.log(found["ratio"].to_numpy("float64"))), kind="stable")]
    slower, faster = found[(found["ratio"] > 1).to_numpy(bool)], found[(found["ratio"] < 1).to_numpy(bool)]
    looked = f"{count_text(len(scanned), 'pattern')} with enough builds" + (
        f", {short:,} with too few" if short else ""
    )
    if not len(found):
        size = float(np.sort(scanned["detectable"].to_numpy("float64"))[(len(scanned) - 1) // 2])
        power = (
            f" In at least half of them one by a factor of {math.ceil(100 * size) / 100:.2f} would most "
            "likely have shown."
            if math.isfinite(size)
            else ""
        )
        says = f"No lasting change in the last {_SHOWN_DAYS // 7} weeks ({looked}).{power}"
        return Part(Finding(topic, "unchanged", "no lasting change of durations", says))
    news = (found["at"] >= week.as_of - pd.Timedelta(days=_NEW_DAYS)).any()
    says_all = []
    for word, part in (("slower", slower), ("faster", faster)):
        if len(part):
            name, change = single_line(part.index[0], 60), _change_text(part.iloc[0].to_dict(), week)
            says_all.append(
                f"{name} is {word} {change}."
                if len(part) == 1
                else f"{len(part):,} patterns are {word}, most of all {name}, {change}."
            )
    head = [
        "pattern",
        "since about",
        "first build",
        "between",
        "factor",
        "95 % interval",
        "builds before, after",
    ]
    rows = [
        [
            single_line(name, 80),
            day_text(row["at"]),
            str(row["first_build"]),
            f"{_short_day(row['earliest'], week)} and {_short_day(row['latest'], week)}",
            f"{row['ratio']:.2f}",
            f"{row['low']:.2f} to {row['high']:.2f}",
            f"{row['n_before']:,}, {row['n_after']:,}",
        ]
        for name, row in zip(found.index[:MOST_ROWS], found.to_dict("records"), strict=False)
    ]
    note = (
        f"Durations of finished builds at equal numbers of instances, in {_HISTORY_DAYS // 7} weeks "
        f"({looked}); a change may have come gradually."
    )
    state = "wrong" if len(slower) else "better"
    many = len(slower) or len(faster)
    is_are = "is" if many == 1 else "are"
    short_text = f"{count_text(many, 'pattern')} {is_are} {'slower' if len(slower) else 'faster'}"
    table_part = Table(topic, topic, note, head, rows, found.reset_index().drop(columns="says"))
    return Part(Finding(topic, state, short_text, _join(says_all), is_news=bool(news)), (table_part,))


def _change_text(row: Row, week: Week) -> str:
    is_slower = row["ratio"] > 1
    size = [row[name] if is_slower else 1 / row[name] for name in ("ratio", "low", "high")]
    low, high = sorted(size[1:])
    return (
        f"by a factor of about {size[0]:.2f} ({_beside(low, 1)} to {_beside(high, 1)}) since about "
        f"{_short_day(row['at'], week)}, build {row['first_build']}"
    )


def running(builds: pd.DataFrame, week: Week) -> Part:
    """Say which builds run, and which of them for unusually long."""
    topic = "Running"
    runs = builds[
        (status_of(builds) == "BUILDING").to_numpy(bool) & builds["build_start"].notna().to_numpy(bool)
    ]
    if not len(runs):
        return Part(Finding(topic, "fine", "no build runs", "No build runs."))
    expected = metrics.eta(runs, builds, now=week.as_of).sort_values(
        "elapsed", ascending=False, kind="stable"
    )
    names, code = pattern_sets(runs)
    name_of = {
        int(id_): single_line(names[place], 60) for id_, place in zip(build_ids(runs), code, strict=True)
    }
    count, run = count_text(len(runs), "build"), "runs" if len(runs) == 1 else "run"
    unusual = expected[expected["unusually_long"].to_numpy(bool)]
    known = (expected["step"] != "none").to_numpy(bool)
    head = ["build", "pattern set", "runs for", "estimate"]
    rows = [
        [str(index), name_of[int(index)], duration_text(row["elapsed"]), row["says"]]
        for index, row in zip(expected.index[:MOST_ROWS], expected.to_dict("records"), strict=False)
    ]
    frame = expected.assign(pattern_set=[name_of[int(index)] for index in expected.index]).reset_index(
        names="build"
    )
    table = Table(topic, "Running builds", "", head, rows, frame)
    if len(unusual):
        named = [
            f"{duration_text(row['elapsed'])}, {longer_than_text(row)}" for row in unusual.to_dict("records")
        ]
        one = len(unusual) == 1
        listed = _listed([f"build {index}" for index in unusual.index], named)
        says = f"{count} {run}, {len(unusual):,} for unusually long: {listed}."
        short = f"{count_text(len(unusual), 'build')} {'runs' if one else 'run'} for unusually long"
        return Part(Finding(topic, "wrong", short, says, is_news=True), (table,))
    if not known.any():
        says = f"{count} {run}; fewer than 20 builds have finished, so nothing is known of how long."
        return Part(Finding(topic, "unknown", f"{count} {run}", says), (table,))
    says = f"{count} {run}, none for unusually long."
    if not known.all():
        unknown = int((~known).sum())
        says = f"{count} {run}; of {unknown:,} nothing is known of how long, the others are not unusual."
    return Part(Finding(topic, "fine", f"{count} {run}, none unusually long", says), (table,))


# --- deliveries, releases, commits ----------------------------------------------------------------------


def deliveries_part(builds: pd.DataFrame, deliveries: Mapping[int, pd.DataFrame], week: Week) -> Part:
    """Say how many finished builds of the week have no delivery, of the projects that were asked for."""
    topic = "Without delivery"
    own = builds[week.holds(builds)]
    parts = [
        metrics.builds_without_delivery(own[(own["project_id"] == project).to_numpy(bool)], frame)
        for project, frame in sorted(deliveries.items())
    ]
    table = pd.concat(parts) if parts else pd.DataFrame()
    finished = int(table["finished"].sum()) if len(table) else 0
    if not finished:
        return Part(
            Finding(
                topic,
                "counted",
                "no build finished",
                "No build finished that could have delivered something.",
            )
        )
    unknown, without = int(table["unknown"].sum()), int(table["without_delivery"].sum())
    known = finished - unknown
    seconds = float(table["seconds_without"].sum())
    of = count_text(known, "finished build")
    says = f"{without:,} of {of} changed nothing that counts as a delivery"
    says += f"; {'it' if without == 1 else 'they'} took {duration_text(seconds)}."
    if not without:
        whole = "The one finished build" if known == 1 else f"Each of {of}"
        says = f"{whole} changed something that counts as a delivery."
    if unknown:
        says += f" Of {unknown:,} more it is not known."
    if not known:
        says = f"Of the {count_text(finished, 'finished build')} it is not known what they delivered."
    shown = table[(table["without_delivery"] > 0).to_numpy(bool)]
    shown = shown.sort_values(["seconds_without", "finished"], ascending=False, kind="stable")
    head = ["pattern set", "finished builds", "without delivery", "their time", "their ids"]
    rows = [
        [single_line(name, 80), f"{row['finished'] - row['unknown']:,}", f"{row['without_delivery']:,}",
         duration_text(row["seconds_without"]), ids_text(row["build_ids"])]
        for name, row in zip(shown.index[:MOST_ROWS], shown.to_dict("records"), strict=False)
    ]  # fmt: skip
    note = "No row in the view DELIVERIES; that is no proof that the artifact is as before."
    tables = (
        (Table(topic, "Builds without delivery", note, head, rows, shown.reset_index()),)
        if len(shown)
        else ()
    )
    state = "counted" if known else "unknown"
    return Part(Finding(topic, state, f"{without:,} of {of} without delivery", says), tables)


def releases_part(builds: pd.DataFrame, releases: pd.DataFrame, week: Week) -> Part:
    """Say which open releases are past their end, of the groups that these builds are of."""
    topic = "Releases"
    table = metrics.releases(releases)
    used = {id_ for cell in builds["releases"] for id_ in cell} if "releases" in builds.columns else set()
    groups = set(table.loc[table.index.isin(used), "group_id"])
    if groups:
        table = table[table["group_id"].isin(groups).to_numpy(bool)]
    is_open = ~table["closed"].fillna(False).to_numpy(bool) & ~table["deleted"].fillna(False).to_numpy(bool)
    table = table[is_open]
    today = np.datetime64(week.as_of.date(), "D")
    ends = local_times(table["end_date"], week.tz).astype("datetime64[D]")
    days = (today - ends).astype("float64")
    late = table.assign(overdue_days=days)[np.nan_to_num(days, nan=-1) > 0]
    late = late.sort_values(["overdue_days", "name"], ascending=[False, True], kind="stable")
    dated = int((~np.isnat(ends)).sum())
    if not len(late):
        has = count_text(len(table), "open release")
        says = f"None of {has} is past its end; {dated:,} {'has' if dated == 1 else 'have'} an end."
        says = says if len(table) else "There is no open release."
        return Part(Finding(topic, "fine", "no open release is past its end", says))
    late = late.astype({"overdue_days": "int64"})
    names = [_release_name(index, late) for index in late.index]
    texts = [count_text(int(number), "day") for number in late["overdue_days"]]
    count, are = count_text(len(late), "open release"), "is" if len(late) == 1 else "are"
    its = "its" if len(late) == 1 else "their"
    have = "has" if dated == 1 else "have"
    says = f"{count} {are} past {its} end, of {dated:,} that {have} one: {_listed(names, texts)}."
    last_days = local_times(late["end_date"], week.tz).astype("datetime64[D]").tolist()
    rows = [
        [name, day_text(day), text]
        for name, day, text in zip(names[:MOST_ROWS], last_days, texts, strict=False)
    ]
    frame = late[["name", "group_id", "end_date", "overdue_days"]].reset_index()
    shown = Table(topic, "Releases past their end", "", ["release", "last day", "past it by"], rows, frame)
    news = bool((late["overdue_days"] <= (week.as_of.date() - week.first).days).any())
    return Part(Finding(topic, "wrong", f"{count} {are} past {its} end", says, is_news=news), (shown,))


def _release_name(index: int, table: pd.DataFrame) -> str:
    name = table.loc[index, "name"]
    text = single_line(name, 60) if isinstance(name, str) else "release"
    return f"{text} (id {index})" if (table["name"] == name).sum() != 1 else text


def unbuilt_part(commits: Mapping[int, pd.DataFrame], project_names: Mapping[int, str]) -> Part:
    """Say how many instances were committed and not built since, of the projects that were asked for."""
    topic = "Not built"
    found = {project: release_frames.unbuilt(frame) for project, frame in sorted(commits.items())}
    total = sum(int(result.attrs["instances"]) for result in found.values())
    parts = [
        pd.DataFrame(result).assign(project=project_names.get(project, str(project)))
        for project, result in found.items()
    ]
    table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
    of = count_text(total, "instance")
    if not len(table):
        says = f"None of {of} with commits is unbuilt." if total else "No instance has a commit."
        return Part(Finding(topic, "fine", "nothing is unbuilt", says))
    has = "has changes" if len(table) == 1 else "have changes"
    each = f"{len(table):,} of {of} with commits, counted in each release,"
    says = f"{each} {has} that no finished build contains."
    several = len(found) > 1
    head = ["instance", *(["project"] if several else []), "pattern", "release", "state"]
    words = {"unbuilt": "not built", "tried": "built without success", "building": "a build runs"}
    rows = [
        [
            single_line(f"{row['folder']}/{row['instance']}", 100),
            *([single_line(row["project"], 40)] if several else []),
            single_line(row["pattern"], 60),
            single_line(row["release"], 40),
            words[row["state"]],
        ]
        for row in table.head(MOST_ROWS).to_dict("records")
    ]
    frame = table[["project", "pattern", "folder", "instance", "release", "state", "description"]]
    shown = Table(topic, "Committed and not built", "", head, rows, frame)
    return Part(Finding(topic, "counted", f"{len(table):,} of {of} unbuilt", says), (shown,))


# --- numbers --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Numbers:
    """Counts and times of the builds of a week.

    Parameters
    ----------
    builds : int
        All of them.
    by_status : dict of str to int
        Counts; "other" for a status that the reference does not list.
    seconds_lost, seconds : float
        Time of failed and canceled builds, and of all that have ended.
    """

    builds: int
    by_status: dict[str, int]
    seconds_lost: float
    seconds: float


def numbers_of(builds: pd.DataFrame) -> Numbers:
    """Count builds by status, and add up their times."""
    status = status_of(builds)
    words = {"FINISHED": "finished", "FAILED": "failed", "CANCELED": "canceled", "BUILDING": "running"}
    counts = {word: int((status == name).sum()) for name, word in words.items()}
    counts["other"] = len(builds) - sum(counts.values())
    seconds = duration(builds).dt.total_seconds().to_numpy("float64")
    seconds = np.where(seconds >= 0, seconds, 0.0)
    is_lost = status.isin(["FAILED", "CANCELED"]).to_numpy(bool)
    return Numbers(len(builds), counts, float(seconds[is_lost].sum()), float(seconds.sum()))


def ids_text(ids: Iterable[int]) -> str:
    """List ids, the first ones only.

    Examples
    --------
    >>> ids_text([4, 5]), ids_text(range(10))
    ('4, 5', '0, 1, 2, 3, 4, 5, 6, 7 and 2 more')
    """
    listed = list(ids)
    rest = len(listed) - _MOST_IDS
    return ", ".join(map(str, listed[:_MOST_IDS])) + (f" and {rest:,} more" if rest > 0 else "")


def _time_text(moment: pd.Timestamp) -> str:
    return f"{moment.day} {moment:%b %Y, %H:%M}"


def _join(says: Iterable[str]) -> str:
    return " ".join(filter(None, says))
