"""The story: there must be something to find in it, and the same seed must tell it again."""

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
CATALOGUE = Catalog(7, NOW)


@pytest.fixture(scope="module")
def story():
    return generate(CATALOGUE, 4000, 7)


@pytest.fixture(scope="module")
def long_story():
    return generate(CATALOGUE, 40_000, 7)


def seconds(story, mask):
    return (story.end - story.start)[mask] / 1000


def test_weekdays_are_busier_than_weekends(story):
    weekday = ((story.start + local_offset(story.start)) // DAY + 3) % 7
    counts = np.bincount(weekday, minlength=7)
    assert counts[:5].min() > 2 * counts[5:].max()


def test_people_work_by_day_and_the_scheduler_by_night(story):
    hour = (story.start + local_offset(story.start)) // HOUR % 24
    night = (hour >= 22) | (hour < 6)
    assert night[story.user == 11].mean() > 0.99
    assert night[story.user != 11].mean() < 0.05


def test_people_have_their_projects_and_hours(long_story):
    hour = (long_story.start + local_offset(long_story.start)) // HOUR % 24
    early, late = (np.median(hour[long_story.user == u]) for u in (7, 9))
    assert early + 3 < late
    assert (long_story.project[long_story.user == 2] == 402).mean() > 0.6


def test_failures_come_in_bursts(story):
    failed = story.outcome == FAILED
    rates = []
    for project in np.unique(story.project):
        of = story.project == project
        week = (story.start[of] - story.start[0]) // (7 * DAY)
        per_week = np.bincount(week, failed[of]) / np.maximum(np.bincount(week), 1)
        rates += per_week[np.bincount(week) >= 5].tolist()
    assert np.median(rates) < 0.15
    assert max(rates) > 0.5


def test_messages_of_failures_recur_once_names_and_numbers_are_masked(story):
    said = [m for m, o in zip(story.message, story.outcome, strict=True) if o == FAILED]
    masked = collections.Counter(re.sub(r"[\d.]+|'[^']*'|/[A-Z_/]+|\b[A-Z][A-Z_]+\b", "*", m) for m in said)
    assert len(set(said)) > 0.6 * len(said)
    assert len(masked) < 10


def test_slow_builds_are_canceled_more_often(long_story):
    by_hand = long_story.user != 11
    canceled = long_story.outcome[by_hand] == CANCELED
    work = long_story.counts[by_hand].sum(axis=1)
    assert canceled[work > 20].mean() > 2 * canceled[work < 4].mean()


def test_one_pattern_has_become_slower(long_story):
    one = (
        (long_story.patterns[:, 0] == 821)
        & (long_story.patterns[:, 1] == 0)
        & (long_story.outcome == FINISHED)
    )
    each = seconds(long_story, one) / long_story.counts[one, 0]
    age = (NOW - long_story.start[one]) / DAY
    assert np.median(each[age < 30]) > 1.6 * np.median(each[(age > 200)])


def test_one_pattern_suffers_from_growth(long_story):
    def slope(pattern):
        one = (
            (long_story.patterns[:, 0] == pattern)
            & (long_story.patterns[:, 1] == 0)
            & (long_story.outcome == FINISHED)
            & (long_story.counts[:, 0] > 3)
        )
        return np.polyfit(np.log(long_story.counts[one, 0]), np.log(seconds(long_story, one)), 1)[0]

    assert slope(834) > 1.35
    assert slope(808) < 1.1


def test_durations_span_seconds_to_an_hour(story):
    took = seconds(story, story.outcome == FINISHED)
    assert np.quantile(took, 0.05) < 20
    assert 30 < np.median(took) < 150
    assert 900 < np.quantile(took, 0.99) < 2 * 3600


def test_a_few_builds_are_at_work_at_the_end(story):
    assert 3 <= (story.end > NOW).sum() <= 6
    assert (story.start <= NOW).all()


def test_instances_of_a_build_existed_when_it_started(story):
    for row in range(0, len(story.id), 37):
        for pattern, count in zip(story.patterns[row], story.counts[row], strict=True):
            if pattern:
                family = CATALOGUE.members[int(story.project[row]), int(pattern)]
                assert 1 <= count <= sum(m.created <= story.start[row] for m in family)


@pytest.mark.parametrize("many", [0, 1, 5, 12, 300, 6000])
def test_a_story_has_as_many_builds_as_asked(many):
    story = generate(CATALOGUE, many, 7)
    assert len(story.id) == len(story.message) == len(story.start) == many
    assert (np.diff(story.id) == 1).all()
    assert (np.diff(story.start) >= 0).all()
    assert (EXAMPLE in story.id) is (many >= 11)


def test_the_same_seed_tells_the_same_and_another_one_does_not(story):
    again, other = generate(Catalog(7, NOW), 4000, 7), generate(Catalog(8, NOW), 4000, 8)
    assert np.array_equal(story.end, again.end)
    assert story.message == again.message
    assert not np.array_equal(story.end, other.end)


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
def test_summer_time_begins_and_ends_on_last_sundays(utc, hours):
    ms = int(datetime.fromisoformat(utc).timestamp() * 1000)
    assert local(ms) - ms == hours * HOUR


@pytest.mark.parametrize(
    ("day", "utc"), [("2026-01-15", "2026-01-14T23:00:00.000Z"), ("2026-07-15", "2026-07-14T22:00:00.000Z")]
)
def test_a_local_day_begins_before_the_utc_day(day, utc):
    number = int(np.datetime64(day).astype(int))
    assert iso(local_midnight(number)) == utc
