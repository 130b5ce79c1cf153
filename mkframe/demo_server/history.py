"""The history: two years of builds, generated column by column from one seed.

Nothing here is measured at the real service. Working hours, nightly builds, habits of users, bursts
of failures, a pattern that becomes slower and one that scales badly can be found in charts and metrics.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mkframe.demo_server.build_columns import CANCELED, FAILED, FINISHED, BuildColumns
from mkframe.demo_server.catalog import Catalog
from mkframe.demo_server.data import vocabulary
from mkframe.demo_server.data.projects import ACTIVE_PROJECTS, PATTERNS, SIZES, SLOWING_PATTERN
from mkframe.demo_server.messages import EXAMPLE, fill_messages
from mkframe.demo_server.releases import GROUPS
from mkframe.demo_server.times import DAY, HISTORY_DAYS, HOUR, MINUTE, SECOND, Ints, local_offset

SLOTS = 3
"""The largest number of patterns in a build of the history."""

Floats = NDArray[np.float64]
_PROJECT_SHARE = (0.42, 0.26, 0.17, 0.15)
_HOURS = (0, 0, 0, 0, 0, 0, 1, 4, 9, 13, 14, 12, 6, 9, 13, 13, 11, 7, 4, 2, 1.5, 1, 0.5, 0)
_WEEKDAYS = (1.0, 1.2, 1.15, 1.1, 0.8, 0.12, 0.08)
_MONTHS = (0.8, 1, 1.1, 1, 1, 1, 0.75, 0.65, 1.1, 1.15, 1.1, 0.6)
_RUNNING_AGES = (40 * SECOND, 3 * MINUTE, 7 * MINUTE)
"""How long before the end of the history the builds that still run began, in ms."""
_USER_HABITS = np.array(  # weight of each project for a user, and the hour that they prefer
    [(1, 1, 1, 1, 14), (6, 1, 0, 0, 9), (5, 0, 0, 2, 15), (3, 4, 0, 0, 11), (0, 6, 1, 0, 10),
     (0, 2, 5, 0, 16), (0, 0, 5, 1, 8), (2, 0, 0, 6, 13), (1, 0, 1, 3, 17)]
)  # fmt: skip


def generate(catalog: Catalog, count: int, seed: int) -> BuildColumns:
    """Generate `count` builds, up to the catalog's `now`."""
    rng = np.random.default_rng([seed, count])
    now = catalog.now
    ids = first_id(count) + np.arange(count, dtype=np.int64)
    start, nightly = _starts(rng, count, now)
    example = np.flatnonzero(ids == EXAMPLE)
    project = _projects(rng, start, nightly)
    project[example], nightly[example] = 402, False
    user = _users(rng, project, start, nightly)
    patterns = _patterns(rng, project, nightly)
    patterns[example] = (808, 0, 0)
    counts = _counts(rng, catalog, project, patterns, start, nightly)
    offset = rng.integers(0, 1000, count)
    counts[example], offset[example], user[example] = (1, 0, 0), 0, vocabulary.OWNER[0]
    seconds = _seconds(rng, catalog, patterns, counts, start)
    seconds[example] = 18.578
    bursts = _bursts(rng, now)
    outcome, failure = _outcomes(rng, bursts, project, start, seconds, nightly)
    outcome[example] = FINISHED
    fraction = np.select([outcome == FAILED, outcome == CANCELED],
                         [rng.beta(2, 2, count), rng.uniform(0.2, 0.9, count)], 1.0)  # fmt: skip
    end = start + np.maximum(seconds * fraction * SECOND, 700).astype(np.int64)
    outcome, end = _still_running(start, end, outcome, now)
    progress = np.where(outcome == FINISHED, 100, (fraction * 100).astype(np.int64).clip(1, 99))
    builds = BuildColumns(
        ids, project, user, start, end, outcome, progress, patterns, counts, offset,
        _releases(rng, catalog, patterns, start), np.zeros(count, np.int64), [], [], [],
    )  # fmt: skip
    _number_downloads(builds, now)
    fill_messages(rng, catalog, builds, failure, nightly)
    return builds


def first_id(count: int) -> int:
    """Return the first ID of a history of `count` builds, which contains the vendor's example."""
    return max(1, EXAMPLE + 11 - count)


# --- start times --------------------------------------------------------------------------------------


def _starts(rng: np.random.Generator, count: int, now: int) -> tuple[Ints, NDArray[np.bool_]]:
    """Return the starts, and which builds are nightly: the others start in working hours."""
    nights = int(count * 0.28)
    last = now + int(local_offset(np.array([now]))[0])
    first_day = last // DAY - HISTORY_DAYS
    at = np.concatenate(
        [_working_hours(rng, count - nights, first_day, last), _nights(rng, nights, first_day, last)]
    )
    nightly = np.arange(count) >= count - nights
    at -= local_offset(at - HOUR)
    at = np.minimum(at, now - 12 * MINUTE - rng.integers(0, 3 * HOUR, count) * (at > now - 12 * MINUTE))
    order = np.argsort(at, kind="stable")
    at, nightly = at[order], nightly[order]
    running = min(len(_RUNNING_AGES), count // 10)
    at[count - running :], nightly[count - running :] = now - np.sort(_RUNNING_AGES[:running])[::-1], False
    return at, nightly


def _working_hours(rng: np.random.Generator, count: int, first_day: int, last: int) -> Ints:
    """Draw starts, weighted by hour, weekday, month, and growth over the years."""
    days = first_day + np.arange(HISTORY_DAYS + 1)
    month = days.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64) % 12
    load = np.take(_WEEKDAYS, (days + 3) % 7) * np.take(_MONTHS, month) * np.linspace(0.7, 1.3, len(days))
    weight = np.outer(load, _HOURS).ravel()
    slots = days[0] * DAY + np.arange(weight.size) * HOUR
    weight[slots > last - HOUR] = 0
    hours = rng.choice(slots, count, p=weight / weight.sum())
    return hours + rng.integers(0, HOUR, count)


def _nights(rng: np.random.Generator, count: int, first_day: int, last: int) -> Ints:
    """Draw starts in nights before working days."""
    days = first_day + np.arange(HISTORY_DAYS)
    days = days[((days + 3) % 7 < 4) | ((days + 3) % 7 == 6)]
    evenings = days[np.arange(count) * len(days) // max(count, 1)]
    at: Ints = evenings * DAY + 22 * HOUR + rng.integers(0, 4, count) * HOUR
    return at + rng.integers(0, 4 * MINUTE, count)


# --- projects, users, patterns --------------------------------------------------------------------------


def _projects(rng: np.random.Generator, start: Ints, nightly: NDArray[np.bool_]) -> Ints:
    by_day = rng.choice(ACTIVE_PROJECTS, len(start), p=_PROJECT_SHARE)
    by_night = np.take(ACTIVE_PROJECTS, np.cumsum(nightly) % len(ACTIVE_PROJECTS))
    return np.where(nightly, by_night, by_day).astype(np.int64)


def _users(rng: np.random.Generator, project: Ints, start: Ints, nightly: NDArray[np.bool_]) -> Ints:
    hour = (start + local_offset(start)) // HOUR % 24
    near = np.exp(-(((np.arange(24)[:, None] - _USER_HABITS[:, 4]) / 3.5) ** 2)) + 0.02
    share = _USER_HABITS[:, :4].T[:, None, :] * near[None]
    share = np.cumsum(share / share.sum(axis=2, keepdims=True), axis=2)
    draw = rng.random(len(start))
    index = (draw[:, None] > share[np.searchsorted(ACTIVE_PROJECTS, project), hour]).sum(axis=1)
    return np.where(nightly, vocabulary.SCHEDULER[0], 1 + index).astype(np.int64)


def _patterns(rng: np.random.Generator, project: Ints, nightly: NDArray[np.bool_]) -> Ints:
    counts = (
        1 + (rng.random(len(project)) < np.where(nightly, 0.45, 0.25)) + (rng.random(len(project)) < 0.07)
    )
    patterns = np.zeros((len(project), SLOTS), np.int64)
    for each in ACTIVE_PROJECTS:
        rows = np.flatnonzero(project == each)
        choices = np.array(list(SIZES[each]))
        weight = np.array(list(SIZES[each].values()))
        # sorting by u^(1/w) draws without replacement, by weight
        draw = rng.random((len(rows), len(choices))) ** (1 / weight)
        ranked = choices[np.argsort(-draw, axis=1)][:, :SLOTS]
        patterns[rows[:, None], np.arange(ranked.shape[1])] = ranked
    patterns[np.arange(SLOTS) >= np.clip(counts, 1, SLOTS)[:, None]] = 0
    return patterns


def _counts(
    rng: np.random.Generator, catalog: Catalog, project: Ints, patterns: Ints, start: Ints,
    nightly: NDArray[np.bool_],
) -> Ints:  # fmt: skip
    """Return the instances per pattern: nightly builds take all (at most those in `SIZES`), users a few."""
    few = 1 + rng.lognormal(0.7, 1.0, patterns.shape).astype(np.int64)
    counts = np.zeros_like(patterns)
    for (each, pattern), instances in catalog.by_pattern.items():
        created = np.array([m.created for m in instances])
        rows, slot = np.nonzero((patterns == pattern) & (project == each)[:, None])
        existing = np.searchsorted(created, start[rows], "right")
        counts[rows, slot] = np.minimum(
            np.where(nightly[rows], SIZES[each][pattern], few[rows, slot]), existing
        )
    return counts


def _releases(rng: np.random.Generator, catalog: Catalog, patterns: Ints, start: Ints) -> Ints:
    """Return the release of each pattern's group at the start; seldom a hotfix, the default one or none."""
    choice = rng.random(len(start))
    found = np.zeros_like(patterns)
    for group in GROUPS:
        line = [r for r in catalog.releases.values() if r.group == group]
        chain = [r for r in line if r.start is not None and r.hotfix_of is None]
        at = np.full(len(start), line[0].id)
        if chain:
            begins = np.array([r.start for r in chain])
            at = np.array([r.id for r in chain])[np.searchsorted(begins, start, "right") - 1]
        for fix in (r for r in line if r.hotfix_of is not None):
            at[(start >= (fix.start or 0)) & (start < (fix.end or 0)) & (choice < 0.3)] = fix.id
        at[choice > 0.96] = line[0].id
        of_group = [p.id for p in PATTERNS.values() if p.group == group]
        found = np.where(np.isin(patterns, of_group), at[:, None], found)
    found[(choice > 0.93) & (choice < 0.95)] = 0
    return found


# --- durations and outcomes -----------------------------------------------------------------------------


def _seconds(rng: np.random.Generator, catalog: Catalog, patterns: Ints, counts: Ints, start: Ints) -> Floats:
    total = np.full(len(start), 6.0)
    age = (catalog.now - start) / DAY
    for pattern in PATTERNS.values():
        work = (np.where(patterns == pattern.id, counts, 0).sum(axis=1)) ** pattern.growth * pattern.seconds
        total += work * (1 + 1.6 * np.clip(1 - age / 150, 0, 1) if pattern.id == SLOWING_PATTERN else 1.0)
    slowdown = np.where(rng.random(len(start)) < 0.012, rng.uniform(2.5, 6, len(start)), 1.0)
    return (total * rng.lognormal(0, 0.38, len(start)) * slowdown).clip(3, 2.5 * 3600)


def _bursts(rng: np.random.Generator, now: int) -> list[tuple[int, int, int, int]]:
    """Return the bursts of failures: begin, end, project (0 for all), index of the message. One is recent."""
    begins = np.append(rng.integers(now - HISTORY_DAYS * DAY, now - 30 * DAY, 13), now - 16 * DAY)
    return [
        (
            int(b),
            int(b + rng.uniform(2, 8) * DAY),
            0 if n % 5 == 3 else ACTIVE_PROJECTS[n % 4],
            n % len(vocabulary.FAILURE_MESSAGES),
        )
        for n, b in enumerate(begins)
    ]


def _outcomes(
    rng: np.random.Generator, bursts: list[tuple[int, int, int, int]], project: Ints, start: Ints,
    seconds: Floats, nightly: NDArray[np.bool_],
) -> tuple[Ints, Ints]:  # fmt: skip
    risk = np.where(nightly, 0.05, 0.09)
    failure = rng.integers(0, len(vocabulary.FAILURE_MESSAGES), len(start))
    for begin, end, burst_project, message in bursts:
        affected = (start >= begin) & (start < end) & ((project == burst_project) | (burst_project == 0))
        risk[affected], failure[affected] = 0.72, message
    cancel_risk = np.where(nightly, 0.006, 0.02 + 0.13 * (seconds > 90) + 0.25 * (seconds > 300))
    canceled = rng.random(len(start)) < cancel_risk
    failed = rng.random(len(start)) < risk
    return np.select([canceled, failed], [CANCELED, FAILED], FINISHED).astype(np.int64), failure


def _still_running(start: Ints, end: Ints, outcome: Ints, now: int) -> tuple[Ints, Ints]:
    """Let the last three builds run beyond the end of the history; they will finish."""
    running = start > now - 8 * MINUTE
    end = np.where(running, now + (now - start) // 2 + 70 * SECOND, end)
    return np.where(running | (end > now), FINISHED, outcome).astype(np.int64), end


def _number_downloads(builds: BuildColumns, now: int) -> None:
    """Number the artifacts of the finished builds; that of the vendor's example is 5442."""
    files = np.where((builds.outcome == FINISHED) & (builds.end <= now), (builds.patterns > 0).sum(axis=1), 0)
    before = np.cumsum(files) - files
    example = before[builds.id == EXAMPLE]
    first = max(1, 5442 - int(example[0])) if example.size else 1
    builds.download = np.where(files > 0, first + before, 0).astype(np.int64)
