"""Check a Monday page: recompute each number from raw rows, by other code than mkframe's.

`faults` reads the plain text of a page. Every line must be one that is known here, every number in it must be
what plain loops over the rows give, and a sentence that calls something worse or better must be carried by an
interval that scipy and statsmodels calculate.
"""

from __future__ import annotations

import datetime as dt
import functools
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from scipy import stats
from statsmodels.stats.proportion import confint_proportions_2indep

DAY = dt.timedelta(days=1)
UNITS = {"d": 86_400, "h": 3_600, "min": 60, "s": 1}
NUMBER = r"(\d[\d,]*)"
TIME = r"((?:\d+(?:\.\d+)? (?:d|h|min|s)\b ?)+|\d[\d,]* h)"


@dataclass(eq=False)
class Case:
    """Raw rows, and what the page was asked for.

    `builds` are dicts with id, status, start, end (times with a zone, or None), instances, patterns (names),
    project (name) and message. What the rows say is counted once for each case: pages that differ in one
    number are checked against it.
    """

    builds: list[dict[str, Any]]
    first: dt.date
    as_of: dt.datetime
    tz: str = "UTC"
    delivered: set[int] | None = None
    releases: list[dict[str, Any]] | None = None
    commits: list[dict[str, Any]] | None = None
    known: list[dict[str, Any]] = field(default_factory=list)
    days: list[dt.date] = field(default_factory=list)

    def __post_init__(self) -> None:
        for build in self.builds:
            if build["start"] <= self.as_of:
                runs = build["end"] is not None and build["end"] > self.as_of
                changed = {"status": "BUILDING", "end": None} if runs else {}
                self.known.append(build | changed)
        self.days = [self.day(build) for build in self.known]

    def midnight(self, days: int) -> dt.datetime:
        return dt.datetime.combine(self.first + days * DAY, dt.time(), ZoneInfo(self.tz))

    def day(self, build: dict[str, Any]) -> dt.date:
        return build["start"].astimezone(ZoneInfo(self.tz)).date()

    def of_week(self, weeks_before: int = 0) -> list[dict[str, Any]]:
        begin = self.first - 7 * weeks_before * DAY
        return [b for b, day in zip(self.known, self.days, strict=True) if begin <= day < begin + 7 * DAY]

    def label(self, patterns: Iterable[str], project: str) -> set[str]:
        return {*patterns, project}


def seconds_of(build: dict[str, Any]) -> float:
    return (build["end"] - build["start"]).total_seconds() if build["end"] else 0.0


def count(builds: Iterable[dict[str, Any]], *statuses: str) -> int:
    return sum(build["status"] in statuses for build in builds)


def is_time(text: str, seconds: float) -> bool:
    """Whether a time as text is that number of seconds, as exact as it is written."""
    parts = re.findall(r"([\d,.]+) (d|h|min|s)", text)
    value = sum(float(number.replace(",", "")) * UNITS[unit] for number, unit in parts)
    if len(parts) == 1 and "," not in text and "." not in text and parts[0][1] != "s":
        least = {"d": 3_600, "h": 3_600 if value >= 48 * 3600 else 60, "min": 1}[parts[0][1]]
    elif len(parts) == 1:
        least = 0.1 if "." in text else UNITS[parts[0][1]]
    else:
        least = UNITS[parts[-1][1]]
    return abs(value - seconds) <= least / 2 + 1e-6


def is_floor(text: str, seconds: float) -> bool:
    """Whether a time as text is the greatest of its steps that the seconds reach."""
    step = next((s for least, s in ((86_400, 3_600), (3_600, 60), (10, 1)) if seconds >= least), 0.1)
    return is_time(text, math.floor(seconds / step + 1e-9) * step)


def is_share(text: str, share: float) -> bool:
    return abs(float(text) - 100 * share) <= 0.05 + 1e-9


def are_ids(text: str, ids: list[int]) -> bool:
    """Whether ids as text are the first of these, and count the rest."""
    listed, _, more = text.partition(" and ")
    own = [int(id_) for id_ in listed.split(", ")]
    rest = whole(more.removesuffix(" more")) if more else 0
    return own == ids[: len(own)] and len(own) + rest == len(ids)


def whole(text: str) -> int:
    return int(text.replace(",", ""))


# --- intervals ----------------------------------------------------------------------------------------


def by_day(
    case: Case, weeks_before: int, keep: Callable[[dict[str, Any]], bool]
) -> list[list[dict[str, Any]]]:
    days: dict[dt.date, list[dict[str, Any]]] = {}
    for build in case.of_week(weeks_before):
        if keep(build):
            days.setdefault(case.day(build), []).append(build)
    return list(days.values())


@functools.lru_cache(maxsize=16)
def rate_interval(case: Case) -> tuple[float, float] | None:
    """Bound the difference of failure rates, in points; None with under 3 days on a side."""
    sides = []
    for weeks in (0, 1):
        days = by_day(case, weeks, lambda b: b["status"] in ("FAILED", "FINISHED"))
        if len(days) < 3:
            return None
        pairs = [(count(day, "FAILED"), len(day)) for day in days]
        n, x, k = sum(m for _, m in pairs), sum(a for a, _ in pairs), len(pairs)
        p = x / n
        v0 = p * (1 - p) / n
        jackknife = (k - 1) / k * sum(((x - a) / max(n - m, 1) - p) ** 2 for a, m in pairs)
        sides.append((n, p, max(1.0, jackknife / v0) if v0 else None, n**2 / sum(m**2 for _, m in pairs), k))
    (n1, p1, e1, k1, days1), (n2, p2, e2, k2, days2) = sides
    e1, e2 = e1 or e2 or 1.0, e2 or e1 or 1.0
    v1, v2 = e1 * p1 * (1 - p1) / n1, e2 * p2 * (1 - p2) / n2
    if v1 + v2:
        degrees = (v1 + v2) ** 2 / (v1**2 / max(k1 - 1, 0.5) + v2**2 / max(k2 - 1, 0.5))
    else:
        degrees = days1 + days2 - 2
    t = stats.t.ppf(0.975, max(degrees, 1))
    g = (t / stats.norm.ppf(0.975)) ** 2
    m1, m2 = n1 / e1 / g, n2 / e2 / g
    low, high = confint_proportions_2indep(p1 * m1, m1, p2 * m2, m2, method="newcomb")
    half = t * math.sqrt(v1 + v2)
    return 100 * max(min(low, p1 - p2 - half), -1), 100 * min(max(high, p1 - p2 + half), 1)


@functools.lru_cache(maxsize=16)
def typical_days(case: Case, weeks_before: int) -> list[float]:
    """Median log seconds of the finished builds of each day."""
    days = by_day(case, weeks_before, lambda b: b["status"] == "FINISHED" and b["end"] is not None)
    return [float(np.median([math.log(max(seconds_of(b), 0.001)) for b in day])) for day in days]


@functools.lru_cache(maxsize=16)
def duration_interval(case: Case) -> tuple[float, float] | None:
    now, before = typical_days(case, 0), typical_days(case, 1)
    if min(len(now), len(before)) < 3:
        return None
    interval = stats.ttest_ind(now, before, equal_var=False).confidence_interval(0.95)
    return math.exp(interval.low), math.exp(interval.high)


@functools.lru_cache(maxsize=16)
def chains_of(case: Case) -> list[dict[str, Any]]:
    """From a failed build to the next finished one of the same patterns that started after it."""
    groups: dict[Any, list[dict[str, Any]]] = {}
    for build in case.known:
        if build["status"] in ("FAILED", "FINISHED"):
            groups.setdefault((build["project"], frozenset(build["patterns"])), []).append(build)
    found = []
    for (project, patterns), builds in groups.items():
        chain: dict[str, Any] | None = None
        for build in sorted(builds, key=lambda b: (b["end"] or b["start"], b["status"] == "FAILED", b["id"])):
            end = build["end"] or build["start"]
            if build["status"] == "FAILED":
                if chain is None:
                    chain = {
                        "names": {*patterns, project},
                        "at": end,
                        "ids": [],
                        "by": None,
                        "until": case.as_of,
                    }
                    found.append(chain)
                chain["ids"].append(build["id"])
            elif chain is not None and build["start"] >= chain["at"]:
                chain |= {"by": build["id"], "until": end}
                chain = None
    for chain in found:
        chain["seconds"] = (chain["until"] - chain["at"]).total_seconds()
        chain["old"] = chain["by"] is None and chain["seconds"] > 30 * 86_400
    return found


@functools.lru_cache(maxsize=16)
def overdue(case: Case) -> tuple[list[tuple[str, int]], int, int]:
    """Open releases past their end with days, how many have an end, and how many are open."""
    zone = ZoneInfo(case.tz)
    is_open = [r for r in case.releases or [] if not r["closed"] and not r["deleted"]]
    dated = [r for r in is_open if r["end"] is not None]
    today = case.as_of.astimezone(zone).date()
    days = [(r["name"], (today - r["end"].astimezone(zone).date()).days) for r in dated]
    return [pair for pair in days if pair[1] > 0], len(dated), len(is_open)


@functools.lru_cache(maxsize=16)
def unbuilt(case: Case) -> tuple[int, int]:
    """Instances whose newest commit by hand is later than their newest finished build, and all of them."""
    newest: dict[Any, dict[str, int]] = {}
    for row in case.commits or []:
        key = (row["project"], row["PATTERN"], row["FOLDER"], row["INSTANCE"], row["RELEASE"])
        stamps = newest.setdefault(key, {"hand": -1, "built": -1})
        if row["TYPE"] == "Commit":
            stamps["hand"] = max(stamps["hand"], row["COMMIT_TIMESTAMP"])
        elif row["STATUS"] == "FINISHED":
            stamps["built"] = max(stamps["built"], row["COMMIT_TIMESTAMP"])
    return sum(s["hand"] > s["built"] for s in newest.values()), len(newest)


def template(text: str) -> re.Pattern[str]:
    """Make a pattern of a kind of message."""
    parts = re.split(r"<[a-z*]+>", text.removesuffix("..."))
    end = r".*" if text.endswith("...") else ""
    return re.compile(r"\S.*?".join(map(re.escape, parts)) + end + r"$")


# --- the page -----------------------------------------------------------------------------------------


def faults(text: str, case: Case) -> list[str]:
    """List the lines that are not known, the numbers that are wrong, and the claims that nothing carries."""
    return _Reader(case).read(text)


class _Reader:
    def __init__(self, case: Case) -> None:
        self.case = case
        self.now, self.before = case.of_week(), case.of_week(1)
        self.chains = chains_of(case)
        self.open = [c for c in self.chains if c["by"] is None]
        self.recent = [c for c in self.open if not c["old"]]
        begin = case.midnight(0)
        self.recovered = [c for c in self.chains if c["at"] < begin and c["by"] and c["until"] >= begin]
        self.table = ""
        self.sizes: dict[str, int] = {}
        self.rows: Counter[str] = Counter()
        self.checked: Counter[str] = Counter()
        self.shown: Counter[str] = Counter()
        self.interval: tuple[float, float] | None = None
        self.none = 0.0

    def read(self, text: str) -> list[str]:
        verdict = text.split("\n\n", 2)[1]
        found = [] if self._verdict(verdict) else [verdict]
        for line in text.splitlines():
            is_known = line == verdict or not line.strip("=-")
            if is_known or not (line.startswith("* ") or re.search(r"\d", line)):
                continue
            if heading := re.fullmatch(r"(\D+) \((\d[\d,]*)\)", line):
                self.table = heading[1]
                self.sizes[self.table] = whole(heading[2])
                fine = self._size(self.table) in (None, whole(heading[2]))
                found += [] if fine else [line]
                continue
            self.rows[self.table] += line.startswith("- ")
            start = re.match(r"\* ([A-Za-z ]+) \[[a-z ]+\]: ", line)
            parts = _split_sentences(line[start.end() :]) if start else [line]
            found += [s for s in parts if not (self._holds if _has_number(s) else self._carried)(s)]
        found += [table for table, size in self.sizes.items() if size != self.rows[table]]
        return found if self.checked == self.shown else [*found, f"{self.checked} is not {self.shown}"]

    def _size(self, table: str) -> int | None:
        sizes = {
            "Failed and not finished since": len(self.open),
            "Finished again": len(self.recovered),
            "Running builds": count(self.case.known, "BUILDING"),
            "Releases past their end": len(overdue(self.case)[0]),
            "Committed and not built": unbuilt(self.case)[0],
        }
        return sizes.get(table)

    def _holds(self, sentence: str) -> bool:
        for pattern, check in _CHECKS:
            if match := re.fullmatch(pattern, sentence):
                try:
                    return bool(check(self, *match.groups()))
                except (StopIteration, KeyError):
                    return False  # a build or release that is named does not exist
        return False

    def _carried(self, sentence: str) -> bool:
        """Check what is claimed without a number."""
        failed = count(self.case.known, "FAILED")
        claims = {
            "It broke in the week.": len(self.recent) == 1 and self._when(self.recent[0]) == "in",
            "It broke after the week.": len(self.recent) == 1 and self._when(self.recent[0]) == "after",
            "No build runs.": not count(self.case.known, "BUILDING"),
            "No build has failed.": not failed,
            "Every pattern set that failed has finished since.": failed > 0 and not self.open,
            "No build has finished or failed.": not count(self.case.known, "FINISHED", "FAILED"),
            "No build of this week finished or failed.": not count(self.now, "FINISHED", "FAILED"),
            "No build of this week has finished.": not count(self.now, "FINISHED"),
        }
        if sentence == "No difference is supported.":
            low, high = self.interval or (math.nan, math.nan)
            return low <= self.none <= high
        return claims.get(
            sentence, not re.search(r"\b(more|fewer|longer|shorter|slower|faster)\b", sentence, re.I)
        )

    def _when(self, chain: dict[str, Any]) -> str:
        begin, over = self.case.midnight(0), self.case.midnight(7)
        return "before" if chain["at"] < begin else "in" if chain["at"] < over else "after"

    # sentences

    def _title(self, whose: str, days: str) -> bool:
        projects = {build["project"] for build in self.case.known}
        many = f"{len(projects)} projects" if projects else "All projects"
        if whose != (next(iter(projects)) if len(projects) == 1 else many):
            return False
        first, last = self.case.first, self.case.first + 6 * DAY
        return days.endswith(f"{last.day} {last:%B %Y}") and days.startswith(f"{first.day} ")

    def _days(self, first: str, last: str, tz: str) -> bool:
        begin, end = self.case.first, self.case.first + 6 * DAY
        named = [f"{day.day} {day:%B %Y}" for day in (begin, end)]
        return [first, last, tz] == [*named, self.case.tz]

    def _as_of(self, day: str, time: str) -> bool:
        moment = self.case.as_of.astimezone(ZoneInfo(self.case.tz))
        return (day, time) == (f"{moment.day} {moment:%B %Y}", f"{moment:%H:%M}")

    def _tile_builds(self, total: str, counts: str, before: str) -> bool:
        words = {"finished": "FINISHED", "failed": "FAILED", "canceled": "CANCELED", "running": "BUILDING"}
        value = {word: whole(number) for number, word in re.findall(rf"{NUMBER} (\w+)", counts)}
        true = {w: count(self.now, s) for w, s in words.items() if count(self.now, s)}
        return value == true and whole(total) == len(self.now) and whole(before) == len(self.before)

    def _rate(self, share: str, failed: str, of: str, before: str | None) -> bool:
        finished, was = count(self.now, "FAILED", "FINISHED"), count(self.before, "FAILED", "FINISHED")
        fine = whole(failed) == count(self.now, "FAILED") and whole(of) == finished
        fine = fine and is_share(share, whole(failed) / finished)
        return fine and (before is None or is_share(before, count(self.before, "FAILED") / was))

    def _failures(
        self, share: str, failed: str, of: str, before: str | None, x: str | None, n: str | None
    ) -> bool:
        self.interval, self.none = rate_interval(self.case), 0.0
        was = (count(self.before, "FAILED"), count(self.before, "FAILED", "FINISHED"))
        fine = self._rate(share, failed, of, before)
        return fine and ((x is None and not was[1]) or (x is not None and (whole(x), whole(n or "0")) == was))

    def _claim(self, word: str, low: str, high: str) -> bool:
        """A claim holds if the interval lies wholly on its side, with the bounds that are named."""
        bounds = self.interval
        if bounds is None:
            return False
        if word == "More":
            own = bounds
        elif word == "Fewer":
            own = (-bounds[1], -bounds[0])
        else:
            own = bounds if word == "Longer" else (1 / bounds[1], 1 / bounds[0])
        return own[0] > self.none and all(
            abs(float(value) - true) <= 0.5 * 10.0 ** -len(value.partition(".")[2]) + 1e-9
            for value, true in zip((low, high), own, strict=True)
        )

    def _durations(self, now: str, n: str, before: str | None, m: str | None) -> bool:
        self.interval, self.none = duration_interval(self.case), 1.0
        fine = is_time(now, math.exp(np.mean(typical_days(self.case, 0))))
        fine = fine and whole(n) == count(self.now, "FINISHED")
        if before is None:
            return fine and not count(self.before, "FINISHED")
        was = is_time(before, math.exp(np.mean(typical_days(self.case, 1))))
        return fine and was and (m is None or whole(m) == count(self.before, "FINISHED"))

    def _few(self, now: str, before: str) -> bool:
        keep = ("FINISHED",) if self.none else ("FINISHED", "FAILED")
        days = [len(by_day(self.case, weeks, lambda b: b["status"] in keep)) for weeks in (0, 1)]
        return self.interval is None and [whole(now), whole(before)] == days

    def _lost(self, lost: str, of: str, lost_before: str, of_before: str) -> bool:
        true = []
        for builds in (self.now, self.before):
            true.append(sum(seconds_of(b) for b in builds if b["status"] in ("FAILED", "CANCELED")))
            true.append(sum(map(seconds_of, builds)))
        return all(is_time(t, s) for t, s in zip((lost, of, lost_before, of_before), true, strict=True))

    def _broken_line(self, number: str, names: str, since: str, attempts: str | None, build: str) -> bool:
        last = max(self.recent, key=lambda c: c["at"])
        local = last["at"].astimezone(ZoneInfo(self.case.tz))
        fine = whole(number) == len(self.recent) and int(build) == last["ids"][0]
        fine = fine and since.split(" 20")[0] == f"{local.day} {local:%B}"
        fine = fine and set(names.replace(" in ", " + ").split(" + ")) <= last["names"]
        return fine and (1 if attempts is None else whole(attempts)) == len(last["ids"])

    def _broke(self, inside: str | None, after: str | None) -> bool:
        times = Counter(self._when(chain) for chain in self.recent)
        return (whole(inside or "0"), whole(after or "0")) == (times["in"], times["after"])

    def _chain_row(self, names: str, at: str, lasted: str, attempts: str, ids: str, by: str | None) -> bool:
        chains = self.recovered if self.table == "Finished again" else self.open
        for chain in chains:
            if are_ids(ids, chain["ids"]) and len(chain["ids"]) == whole(attempts):
                local = chain["at"].astimezone(ZoneInfo(self.case.tz))
                close = (is_floor if by is None else is_time)(lasted, chain["seconds"])
                named = set(names.replace(" in ", " + ").split(" + ")) <= chain["names"]
                return (
                    close
                    and named
                    and at == f"{local.day} {local:%b %Y, %H:%M}"
                    and (by is None or int(by) == chain["by"])
                )
        return False

    def _messages(
        self, failed: str, kinds: str | None = None, most: str | None = None, text: str = ""
    ) -> bool:
        messages = [b["message"] for b in self.now if b["status"] == "FAILED"]
        self.checked["kinds"] = self.rows_of(kinds, most)
        own = sum(bool(template(text).match(m)) for m in messages)
        return whole(failed) == len(messages) and own == (len(messages) if most is None else whole(most))

    def rows_of(self, kinds: str | None, most: str | None) -> int:
        return 1 if most is None or kinds is None else whole(kinds)

    def _each(self, failed: str) -> bool:
        messages = [b["message"] for b in self.now if b["status"] == "FAILED"]
        self.checked["kinds"] = whole(failed)
        return whole(failed) == len(messages) == len(set(messages))

    def _message_row(self, text: str, now: str, before: str, ids: str) -> bool:
        pattern, begin = template(text), self.case.midnight(-56)
        own = [b["id"] for b in self.now if b["status"] == "FAILED" and pattern.match(b["message"])]
        held = [
            b
            for b in self.case.known
            if b["status"] == "FAILED" and begin <= b["start"] < self.case.midnight(0)
        ]
        was = sum(bool(pattern.match(b["message"])) for b in held)
        self.shown["kinds"] += 1
        return (whole(now), whole(before)) == (len(own), was) and are_ids(ids, sorted(own))

    def _new_kinds(self, number: str, texts: str) -> bool:
        begin = self.case.midnight(-56)
        held = [
            b
            for b in self.case.known
            if b["status"] == "FAILED" and begin <= b["start"] < self.case.midnight(0)
        ]
        quoted = re.findall("“(.+?)”", texts)
        seen = any(template(text).match(b["message"]) for text in quoted for b in held)
        return not seen and bool(held) and (whole(number) == len(quoted) or whole(number) > 2)

    def _change(
        self,
        many: str | None,
        are: str | None,
        name: str,
        is_: str | None,
        size: str,
        low: str,
        high: str,
        since: str,
        build: str,
    ) -> bool:
        """Regress log seconds on the step, pattern sets and instances by least squares, without outliers."""
        word = are or is_ or ""
        self.checked[word] += whole(many or "1")
        self.checked[f"{name} from {build}"] += 1
        own = [b for b in self.case.known if name in b["patterns"] and b["status"] == "FINISHED" and b["end"]]
        own = [b for b in own if b["start"] >= self.case.as_of - 364 * DAY]
        first = next(b for b in own if b["id"] == int(build))
        local = first["start"].astimezone(ZoneInfo(self.case.tz))
        sets = sorted({tuple(sorted(b["patterns"])) for b in own})
        y = np.log([seconds_of(b) for b in own])
        u = np.log([max(b["instances"], 1) for b in own])
        columns = [np.array([float(b["start"] >= first["start"]) for b in own])]
        for each in sets:
            is_own = np.array([float(tuple(sorted(b["patterns"])) == each) for b in own])
            columns += [is_own, is_own * u]
        x = np.stack(columns, axis=1)
        keep = np.ones(len(y), dtype=bool)
        for _ in range(5):
            fitted = np.linalg.lstsq(x[keep], y[keep], rcond=None)[0]
            rest = y - x @ fitted
            keep = np.abs(rest - np.median(rest)) < 3 * 1.4826 * np.median(np.abs(rest - np.median(rest)))
        step = math.exp(fitted[0] if word == "slower" else -fitted[0])
        return (
            since.split(" 20")[0] == f"{local.day} {local:%B}"
            and 1 < float(low) <= float(size) <= float(high)
            and float(low) * 0.97 <= step <= float(high) * 1.03
        )

    def _change_row(self, name: str, build: str, size: str, low: str, high: str) -> bool:
        word = "slower" if float(size) > 1 else "faster"
        self.shown[word] += 1
        if f"{name} from {build}" in self.checked:
            self.shown[f"{name} from {build}"] += 1
        return float(low) <= float(size) <= float(high) and (float(low) > 1 or float(high) < 1)

    def _more_rows(self, number: str) -> bool:
        self.rows[self.table] += whole(number)
        return self.table == "Messages of failed builds" or self.rows[self.table] == self.sizes[self.table]

    def _no_change(self, weeks: str, enough: str, few: str | None) -> bool:
        return int(weeks) == 26 and (whole(enough), whole(few or "0")) == self._streams()

    def _streams(self) -> tuple[int, int]:
        streams: dict[str, list[dt.datetime]] = {}
        for build in self.case.known:
            if build["start"] >= self.case.as_of - 364 * DAY:
                for name in build["patterns"]:
                    own = streams.setdefault(name, [])
                    if build["status"] == "FINISHED" and build["end"]:
                        own.append(build["start"])
        long = sum(len(s) >= 32 and max(s) - min(s) >= 14 * DAY for s in streams.values())
        return long, len(streams) - long

    def _running(self, number: str, unusual: str | None = None, rest: str = "") -> bool:
        named = re.findall(r"build (\d+) \(([^,]+), longer than (?:all|(\d+) of) (\d+) similar", rest)
        fine = whole(number) == count(self.case.known, "BUILDING")
        for build, elapsed, _, of in named:
            row = next(b for b in self.case.known if b["id"] == int(build))
            fine = fine and is_time(elapsed, (self.case.as_of - row["start"]).total_seconds())
            fine = fine and int(of) == self._similar(row)
        return fine and (unusual is None or whole(unusual) == len(named) or len(named) == 3)

    def _similar(self, row: dict[str, Any]) -> int:
        finished = [b for b in self.case.known if b["status"] == "FINISHED" and b["end"] <= self.case.as_of]
        return min(60, sum(set(b["patterns"]) == set(row["patterns"]) for b in finished))

    def _running_row(self, build: str, elapsed: str, says: str) -> bool:
        row = next(b for b in self.case.known if b["id"] == int(build))
        fine = is_time(elapsed, (self.case.as_of - row["start"]).total_seconds())
        if similar := re.search(r"(?:from|all) (\d+) similar", says):
            fine = fine and int(similar[1]) == self._similar(row)
        return fine and row["status"] == "BUILDING"

    def _deliveries(self, without: str, of: str, time: str | None) -> bool:
        finished = [b for b in self.now if b["status"] == "FINISHED"]
        nothing = [b for b in finished if b["id"] not in (self.case.delivered or set())]
        fine = (whole(without), whole(of)) == (len(nothing), len(finished))
        return fine and (time is None or is_time(time, sum(map(seconds_of, nothing))))

    def _delivery_row(self, names: str, finished: str, without: str, time: str, ids: str) -> bool:
        own = [
            b for b in self.now if b["status"] == "FINISHED" and set(b["patterns"]) == set(names.split(" + "))
        ]
        nothing = [b for b in own if b["id"] not in (self.case.delivered or set())]
        return (
            (whole(finished), whole(without)) == (len(own), len(nothing))
            and is_time(time, sum(map(seconds_of, nothing)))
            and are_ids(ids, sorted(b["id"] for b in nothing))
        )

    def _releases(self, number: str, dated: str, listed: str) -> bool:
        late, known, _ = overdue(self.case)
        named = [(name, int(days)) for name, days in re.findall(r"([\w.]+) \((\d+) days?\)", listed)]
        return whole(number) == len(late) and whole(dated) == known and set(named) <= set(late)

    def _no_releases(self, total: str, dated: str) -> bool:
        late, known, is_open = overdue(self.case)
        return not late and (whole(total), whole(dated)) == (is_open, known)

    def _release_row(self, name: str, last: str, days: str) -> bool:
        ends = {
            r["name"]: r["end"].astimezone(ZoneInfo(self.case.tz))
            for r in self.case.releases or []
            if r["end"]
        }
        return last == f"{ends[name].day} {ends[name]:%B %Y}" and (name, int(days)) in overdue(self.case)[0]

    def _unbuilt(self, number: str, total: str) -> bool:
        return (whole(number), whole(total)) == unbuilt(self.case)

    def _verdict(self, text: str) -> bool:
        late, slow = overdue(self.case)[0], count(self.case.known, "BUILDING")
        checks: dict[str, Callable[[int], bool]] = {
            r"(\d+) pattern sets? (?:is|are) broken": lambda n: n == len(self.recent),
            r"(\d+) pattern sets? abandoned": lambda n: n == len(self.open),
            r"(\d+) open releases? (?:is|are) past (?:its|their) end": lambda n: n == len(late),
            r"(\d+) patterns? (?:is|are) slower": lambda n: 0 < n <= sum(self._streams()),
            r"(\d+) builds? runs? for unusually long": lambda n: 0 < n <= slow,
            r"the latest time in the builds is (\d+) \w+ 20\d\d": lambda n: n == self.case.as_of.day,
        }
        fine = True
        for pattern, check in checks.items():
            if match := re.search(pattern, text, re.I):
                fine = fine and check(int(match[1]))
                text = text.replace(match[0], "")
        rates, lengths = rate_interval(self.case), duration_interval(self.case)
        claims = {
            "more builds failed": rates is not None and rates[0] > 0,
            "fewer builds failed": rates is not None and rates[1] < 0,
            "builds took longer": lengths is not None and lengths[0] > 1,
            "builds took less time": lengths is not None and lengths[1] < 1,
            "no pattern set is broken": not self.recent,
            "no build started in this week": not self.now,
        }
        fine = fine and all(true for words, true in claims.items() if words in text.lower())
        return fine and not re.search(r"\d", text)


def _has_number(sentence: str) -> bool:
    """Tell whether a sentence has a number, in digits or in words."""
    return bool(re.search(r"\d", sentence)) or any(re.fullmatch(p, sentence) for p, _ in _CHECKS[_WORDS:])


def _split_sentences(text: str) -> list[str]:
    """Cut at full stops outside of quoted messages and numbers."""
    parts = re.split(r"(?<=\.)\s(?=[A-Z\d“])", text)
    joined: list[str] = []
    for part in parts:
        if joined and joined[-1].count("“") > joined[-1].count("”"):
            joined[-1] += f" {part}"
        else:
            joined.append(part)
    return joined


_FAMILY = r"“(.+)”"
_WORDS = 4
"""The checks from which on a sentence without digits is one of theirs; those before are of the head."""
_CHECKS: list[tuple[str, Callable[..., bool]]] = [
    (r"(.+), (\d+ ?.* to \d+ \w+ \d{4})", _Reader._title),
    (r"Days: Monday (.+) to Sunday (.+) \((.+)\)", _Reader._days),
    (r"State as of: (.+), (\d\d:\d\d)(?:, the latest time in the builds)?", _Reader._as_of),
    (r"(?:Source|Projects): .*", lambda self: True),
    (
        rf"{NUMBER} pattern sets? broken: .*?(?:; {NUMBER} more for over 30 days)?",
        lambda self, n, old: (
            whole(n) == len(self.recent) and whole(old or "0") == len(self.open) - len(self.recent)
        ),
    ),
    (
        rf"{NUMBER} builds?: (?:(.+); )?the week before {NUMBER}",
        lambda self, n, counts, before: self._tile_builds(n, counts or "", before),
    ),
    (
        rf"([\d.]+) % failed: {NUMBER} of {NUMBER} finished or failed(?:; the week before ([\d.]+) %)?",
        _Reader._rate,
    ),
    (
        rf"{TIME} a build on a typical day: {NUMBER} finished builds?(?:; the week before {TIME})?",
        lambda self, now, n, before: self._durations(now, n, before, None),
    ),
    (
        rf"{TIME} in failed and canceled builds: of {TIME} of all builds that have ended"
        rf"; the week before {TIME} of {TIME}",
        _Reader._lost,
    ),
    (
        rf"{NUMBER} pattern sets? (?:is|are) broken(?:: |; the last to break: )(.+) \(since (.+?), "
        rf"(?:{NUMBER} failed builds, the first |build )(\d+)\)\.",
        _Reader._broken_line,
    ),
    (
        rf"(?:{NUMBER} broke in the week)?(?:(?:, )?{NUMBER} (?:broke )?after (?:it|the week))?\.",
        _Reader._broke,
    ),
    (
        rf"{NUMBER} (?:more )?(?:pattern sets? )?(?:has|have) not finished for over 30 days"
        r" since a failure\.",
        lambda self, n: whole(n) == len(self.open) - len(self.recent),
    ),
    (
        rf"{NUMBER} pattern sets? that (?:was|were) broken when the week began (?:has|have) finished since\.",
        lambda self, n: whole(n) == len(self.recovered),
    ),
    (
        rf"([\d.]+) % failed, {NUMBER} of {NUMBER} that finished or failed"
        rf"; (?:the week before ([\d.]+) %, {NUMBER} of {NUMBER}"
        r"|no build finished or failed the week before)\.",
        _Reader._failures,
    ),
    (
        r"(More|Fewer) failed, by ([\d.]+) to ([\d.]+) points \(95 % interval, days as units\)\.",
        _Reader._claim,
    ),
    (
        r"(Longer|Shorter), by a factor of ([\d.]+) to ([\d.]+) \(95 % interval, days as units\)\.",
        _Reader._claim,
    ),
    (
        rf"On a typical day a finished build took {TIME} \({NUMBER} builds?\)"
        rf"; (?:the week before {TIME} \({NUMBER}\)|no build finished the week before)\.",
        _Reader._durations,
    ),
    (
        rf"{NUMBER} builds? of this week still runs?, and (?:is|are) not counted\.",
        lambda self, n: whole(n) == count(self.now, "BUILDING"),
    ),
    (rf"Too few days to compare: {NUMBER} and {NUMBER}; 3 are needed on each side\.", _Reader._few),
    (rf"The one failed build says {_FAMILY}\.", lambda self, text: self._messages("1", text=text)),
    (rf"Both failed builds say {_FAMILY}\.", lambda self, text: self._messages("2", text=text)),
    (rf"All {NUMBER} failed builds say {_FAMILY}\.", lambda self, n, text: self._messages(n, text=text)),
    (rf"{NUMBER} failed builds, {NUMBER} kinds of message; {NUMBER} say {_FAMILY}\.", _Reader._messages),
    (rf"{NUMBER} failed builds, each with a message of its own\.", lambda self, n: self._each(n)),
    (rf"{NUMBER} kinds? (?:was|were) not seen in the 8 weeks before: (.+)\.", _Reader._new_kinds),
    (
        rf"No lasting change in the last (\d+) weeks \({NUMBER} patterns? with enough builds"
        rf"(?:, {NUMBER} with too few)?\)\.",
        _Reader._no_change,
    ),
    (
        r"In at least half of them one by a factor of ([\d.]+) would most likely have shown\.",
        lambda self, size: float(size) > 1,
    ),
    (
        r"No pattern has 32 finished builds, which are needed to tell whether it became slower\.",
        lambda self: self._streams()[0] == 0,
    ),
    (
        r"(?:(\d+) patterns are (\w+), most of all )?([^\s,]+)(?:,| is (slower|faster)) "
        r"by a factor of about ([\d.]+) "
        r"\(([\d.]+) to ([\d.]+)\) since about (.+), build (\d+)\.",
        _Reader._change,
    ),
    (rf"{NUMBER} builds? runs?, none for unusually long\.", _Reader._running),
    (
        rf"{NUMBER} builds? runs?; fewer than 20 builds have finished, so nothing is known of how long\.",
        lambda self, n: self._running(n) and count(self.case.known, "FINISHED") < 20,
    ),
    (rf"{NUMBER} builds? runs?, {NUMBER} for unusually long: (.+)\.", _Reader._running),
    (
        rf"{NUMBER} of {NUMBER} finished builds? changed nothing that counts as a delivery"
        rf"(?:; \w+ took {TIME})?\.",
        _Reader._deliveries,
    ),
    (
        rf"(?:Each of {NUMBER}|The one) finished builds? changed something that counts as a delivery\.",
        lambda self, n: self._deliveries("0", n or "1", None),
    ),
    (
        rf"{NUMBER} open releases? (?:is|are) past (?:its|their) end"
        rf", of {NUMBER} that (?:has|have) one: (.+)\.",
        _Reader._releases,
    ),
    (
        rf"None of {NUMBER} open releases? is past its end; {NUMBER} (?:has|have) an end\.",
        _Reader._no_releases,
    ),
    (r"There is no open release\.", lambda self: self._no_releases("0", "0")),
    (r"No instance has a commit\.", lambda self: unbuilt(self.case) == (0, 0)),
    (
        rf"{NUMBER} of {NUMBER} instances? with commits, counted in each release, "
        r"(?:has|have) changes that no finished build contains\.",
        _Reader._unbuilt,
    ),
    (
        r"- (.+): failed (.+?); (?:not finished for|finished after) (.+?); failed builds (\d+)"
        r"; their ids ([^;]+)(?:; finished by (\d+))?",
        _Reader._chain_row,
    ),
    (
        rf"- (.+): this week {NUMBER}; 8 weeks before {NUMBER}; patterns [^;]*; builds (.+)",
        _Reader._message_row,
    ),
    (r"- (\d+): pattern set .+?; runs for (.+?); estimate (.+)", _Reader._running_row),
    (
        rf"- (.+): finished builds {NUMBER}; without delivery {NUMBER}; their time (.+?); their ids (.+)",
        _Reader._delivery_row,
    ),
    (r"- (\S+): last day (.+?); past it by (\d+) days?", _Reader._release_row),
    (
        r"- (\S+): since about .+; first build (\d+); between .+; factor ([\d.]+)"
        r"; 95 % interval ([\d.]+) to ([\d.]+); .+",
        _Reader._change_row,
    ),
    (r"- /\S+: .*state .+", lambda self: True),
    (rf"{NUMBER} more rows? (?:is|are) not shown\.", _Reader._more_rows),
    (r"Durations of finished builds at equal numbers of instances, in 52 weeks .*", lambda self: True),
]
