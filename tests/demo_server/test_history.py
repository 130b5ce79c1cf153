"""The history: its patterns are there to be found, and a seed always gives the same one."""

from __future__ import annotations

import collections
import re
from datetime import UTC, datetime

import numpy as np
import pytest

from mkframe.demo_server.build_columns import CANCELED, FAILED, FINISHED
from mkframe.demo_server.catalog import Catalog
from mkframe.demo_server.history import EXAMPLE, generate
from mkframe.demo_server.times import DAY, HOUR, iso, local, local_midnight, local_offset

NOW = int(datetime(2026, 6, 17, 9, 30, tzinfo=UTC).timestamp() * 1000)
CATALOG = Catalog(7, NOW)


@pytest.fixture(scope="module")
def history():
    return generate(CATALOG, 4000, 7)


@pytest.fixture(scope="module")
def long_history():
    return generate(CATALOG, 40_000, 7)


def seconds(history, mask):
    return (history.end - history.start)[mask] / 1000


def test_weekdays_have_more_builds_than_weekends(history):
    weekday = ((history.start + local_offset(history.start)) // DAY + 3) % 7
    counts = np.bincount(weekday, minlength=7)
    assert counts[:5].min() > 2 * counts[5:].max()


def test_users_build_by_day_and_scheduler_by_night(history):
    hour = (history.start + local_offset(history.start)) // HOUR % 24
    night = (hour >= 22) | (hour < 6)
    assert night[history.user == 11].mean() > 0.99
    assert night[history.user != 11].mean() < 0.05


def test_users_have_preferred_projects_and_hours(long_history):
    hour = (long_history.start + local_offset(long_history.start)) // HOUR % 24
    early, late = (np.median(hour[long_history.user == u]) for u in (7, 9))
    assert early + 3 < late
    assert (long_history.project[long_history.user == 2] == 402).mean() > 0.6


def test_failures_come_in_bursts(history):
    failed = history.outcome == FAILED
    rates = []
    for project in np.unique(history.project):
        of = history.project == project
        week = (history.start[of] - history.start[0]) // (7 * DAY)
        per_week = np.bincount(week, failed[of]) / np.maximum(np.bincount(week), 1)
        rates += per_week[np.bincount(week) >= 5].tolist()
    assert np.median(rates) < 0.15
    assert max(rates) > 0.5


def test_failure_messages_recur_when_masked(history):
    messages = [m for m, o in zip(history.message, history.outcome, strict=True) if o == FAILED]
    masked = collections.Counter(
        re.sub(r"[\d.]+|'[^']*'|/[A-Z_/]+|\b[A-Z][A-Z_]+\b", "*", m) for m in messages
    )
    assert len(set(messages)) > 0.6 * len(messages)
    assert len(masked) < 10


def test_slow_builds_are_canceled_more_often(long_history):
    by_hand = long_history.user != 11
    canceled = long_history.outcome[by_hand] == CANCELED
    work = long_history.counts[by_hand].sum(axis=1)
    assert canceled[work > 20].mean() > 2 * canceled[work < 4].mean()


def test_one_pattern_becomes_slower(long_history):
    one = (
        (long_history.patterns[:, 0] == 821)
        & (long_history.patterns[:, 1] == 0)
        & (long_history.outcome == FINISHED)
    )
    each = seconds(long_history, one) / long_history.counts[one, 0]
    age = (NOW - long_history.start[one]) / DAY
    assert np.median(each[age < 30]) > 1.6 * np.median(each[(age > 200)])


def test_one_pattern_grows_faster_than_linearly(long_history):
    def slope(pattern):
        one = (
            (long_history.patterns[:, 0] == pattern)
            & (long_history.patterns[:, 1] == 0)
            & (long_history.outcome == FINISHED)
            & (long_history.counts[:, 0] > 3)
        )
        return np.polyfit(np.log(long_history.counts[one, 0]), np.log(seconds(long_history, one)), 1)[0]

    assert slope(834) > 1.35
    assert slope(808) < 1.1


def test_durations_range_from_seconds_to_an_hour(history):
    took = seconds(history, history.outcome == FINISHED)
    assert np.quantile(took, 0.05) < 20
    assert 30 < np.median(took) < 150
    assert 900 < np.quantile(took, 0.99) < 2 * 3600


def test_few_builds_run_at_end_of_history(history):
    assert 3 <= (history.end > NOW).sum() <= 6
    assert (history.start <= NOW).all()


def test_instances_exist_at_start_of_build(history):
    for row in range(0, len(history.id), 37):
        for pattern, count in zip(history.patterns[row], history.counts[row], strict=True):
            if pattern:
                instances = CATALOG.by_pattern[int(history.project[row]), int(pattern)]
                assert 1 <= count <= sum(m.created <= history.start[row] for m in instances)


@pytest.mark.parametrize("many", [0, 1, 5, 12, 300, 6000])
def test_history_has_requested_number_of_builds(many):
    history = generate(CATALOG, many, 7)
    assert len(history.id) == len(history.message) == len(history.start) == many
    assert (np.diff(history.id) == 1).all()
    assert (np.diff(history.start) >= 0).all()
    assert (EXAMPLE in history.id) is (many >= 11)


def test_history_depends_on_seed_only(history):
    second, other = generate(Catalog(7, NOW), 4000, 7), generate(Catalog(8, NOW), 4000, 8)
    assert np.array_equal(history.end, second.end)
    assert history.message == second.message
    assert not np.array_equal(history.end, other.end)


# --- times ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("utc", "hours"),
    [
        ("2026-03-29T00:59:59+00:00", 1),
        ("2026-03-29T01:00:00+00:00", 2),
        ("2026-10-25T00:59:59+00:00", 2),
        ("2026-10-25T01:00:00+00:00", 1),
        ("2023-03-26T01:00:00+00:00", 2),
        ("2028-10-29T01:00:00+00:00", 1),
    ],
)
def test_summer_time_changes_on_last_sundays(utc, hours):
    ms = int(datetime.fromisoformat(utc).timestamp() * 1000)
    assert local(ms) - ms == hours * HOUR


@pytest.mark.parametrize(
    ("day", "utc"), [("2026-01-15", "2026-01-14T23:00:00.000Z"), ("2026-07-15", "2026-07-14T22:00:00.000Z")]
)
def test_local_midnight_is_before_utc_midnight(day, utc):
    number = int(np.datetime64(day).astype(int))
    assert iso(local_midnight(number)) == utc
