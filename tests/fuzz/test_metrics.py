"""Metrics of unusual builds equal counts in plain Python, have the declared columns, or raise InputError."""

import datetime as dt
import inspect
from collections import Counter, defaultdict
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mkframe import frames, metrics
from mkframe.errors import InputError
from mkframe.metrics._history import history_of
from tests.fuzz import bodies
from tests.support import strategies
from tests.support.rows import row
from tests.support.settings import amount, attempt

pytestmark = pytest.mark.slow

ZONES = st.sampled_from(
    ["UTC", "Europe/Vienna", "America/St_Johns", "Pacific/Apia", "Africa/Cairo", "Asia/Kathmandu"]
)
OPTIONS = {
    "every": st.sampled_from(["D", "W", "M", "Q"]),
    "by": st.sampled_from([None, "pattern", "release", "project", "user"]),
    "canceled": st.sampled_from(["exclude", "count"]),
    "tz": ZONES,
    "statuses": st.sampled_from([("FINISHED",), None, ("FINISHED", "FAILED"), ()]),
    "n": st.integers(1, 12),
}
FUNCTIONS = [
    metrics.duration,
    metrics.durations,
    metrics.duration_by_instances,
    metrics.completed_builds,
    metrics.failure_rate,
    metrics.longest,
    metrics.outcomes,
    metrics.summary,
    metrics.throughput,
    metrics.calendar,
]
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


@st.composite
def calls(draw):
    """A function and options that it takes."""
    function = draw(st.sampled_from(FUNCTIONS))
    names = [name for name in inspect.signature(function).parameters if name in OPTIONS]
    return function, {name: draw(OPTIONS[name]) for name in names if draw(st.booleans())}


def dtypes_of(table):
    table = table.to_frame() if isinstance(table, pd.Series) else table
    return {name: str(dtype) for name, dtype in table.dtypes.items()}


@given(st.one_of(strategies.builds(), strategies.transformed_histories()), calls())
@amount(80)
def test_any_frame_gives_declared_columns_or_error(frame, call):
    function, options = call
    before = frame.copy(deep=True)
    table = attempt(function, frame, **options)
    pd.testing.assert_frame_equal(frame, before)
    if isinstance(table, InputError):
        return
    if function in (metrics.longest, metrics.completed_builds, metrics.duration):  # rows of the frame itself
        assert set(table.index) <= set(frame.index)
        return
    empty = dtypes_of(function(frame.iloc[:0], **options))
    full = dtypes_of(table)
    assert list(full)[: len(empty)] == list(empty)
    assert {full[name] for name in full.keys() - empty.keys()} <= {"int64"}
    assert {name: full[name] for name in empty} == empty
    assert function is metrics.summary or table.index.is_unique


@given(st.one_of(strategies.builds(), strategies.transformed_histories()), ZONES)
@amount(30)
def test_any_frame_can_be_described(frame, tz):
    try:
        description = metrics.describe(frame, tz)
        assert metrics.suggest_period(frame) in ("D", "W", "M")
    except InputError:
        return
    assert description
    assert all(sentence.endswith(".") and "nan" not in sentence.split() for sentence in description)
    assert all(len(sentence) < 2_000 for sentence in description)
    page = description._repr_html_()
    assert "<script" not in page
    assert page.count("<") == 2 * len(description) + 2


def micros(column):
    values = column.to_numpy("datetime64[us]").astype("int64").tolist()
    return [None if gap else value for gap, value in zip(column.isna(), values, strict=True)]


class PlainBuilds:
    """Builds as lists of Python values, each once and without dates that cannot be."""

    def __init__(self, frame, every, tz):
        frame = history_of(frame).builds
        start, end = micros(frame["build_start"]), micros(frame["build_end"])
        self.seconds = [
            None if None in pair else (pair[1] - pair[0]) / 1e6 for pair in zip(start, end, strict=True)
        ]
        self.status = [None if pd.isna(status) else status for status in frame["status"]]
        days = [
            None if s is None else (EPOCH + dt.timedelta(microseconds=s)).astimezone(ZoneInfo(tz)).date()
            for s in start
        ]
        self.period = [None if day is None else first_day(day, every) for day in days]


def first_day(day, every):
    if every == "D":
        return day
    if every == "W":
        return day - dt.timedelta(days=day.weekday())
    return day.replace(month=day.month if every == "M" else (day.month - 1) // 3 * 3 + 1, day=1)


def as_lists(column):
    return [
        cell if isinstance(cell, list) else [] if cell is None or cell != cell else [cell] for cell in column
    ]


def pairs_of(names, ids):
    """Names and ids of each build; the side that is missing is None."""
    for words, numbers in zip(names, ids, strict=True):
        if not words or not numbers or len(words) == len(numbers):
            long = max(len(words), len(numbers))
            yield list(zip(words or [None] * long, numbers or [None] * long, strict=True))
        else:
            yield [(word, None) for word in words]


def labels_of(pairs):
    """Groups of each build: ids with the one name that any row knows, or names where an id has several."""
    pairs = [[(None if str(n) == str(w) else w, n) for w, n in build] for build in pairs]
    known = {pair for build in pairs for pair in build if None not in pair}
    names = {n: sorted(w for w, other in known if other == n) for _, n in known}
    ids = {w: sorted(n for other, n in known if other == w) for w, _ in known}
    is_clear = all(len(words) == 1 for words in names.values())

    def group(word, number):
        if is_clear:
            sole = ids[word][0] if number is None and len(ids.get(word, ())) == 1 else number
            return (sole, None) if sole is not None else (None, word)
        sole = names[number][0] if word is None and len(names.get(number, ())) == 1 else word
        return (None, sole) if sole is not None else (number, None)

    groups = [[group(*pair) for pair in build if pair != (None, None)] for build in pairs]
    used = dict.fromkeys(entry for build in groups for entry in build)
    labels = {
        (n, w): str(w if n is None else names[n][0] if len(names.get(n, ())) == 1 else n) for n, w in used
    }
    while len(often := Counter(labels.values())) < len(labels):
        labels = {
            entry: f"{label} ({entry[0]})" if often[label] > 1 and entry[0] is not None else label
            for entry, label in labels.items()
        }
    return [[labels[entry] for entry in build] for build in groups]


def groups_of(frame, by):
    """Labels of the groups of each build."""
    frame = history_of(frame).builds
    if by is None:
        return [[None]] * len(frame)
    names = {"pattern": "pattern_names", "release": "release_names", "project": "project"}.get(by)
    ids = {"project": "project_id", "user": "user_id"}.get(by, f"{by}s")
    if names in frame and ids in frame:
        cells = labels_of(pairs_of(as_lists(frame[names]), as_lists(frame[ids])))
    else:
        cells = as_lists(frame[names if names in frame else ids])
    none = "(none)"
    while none in {str(name) for cell in cells for name in cell}:
        none = f"({none})"
    return [list(dict.fromkeys(map(str, cell))) or [none] for cell in cells]


def quantile(values, share):
    """Interpolate linearly between sorted values."""
    values = sorted(values)
    position = (len(values) - 1) * share
    low = int(position)
    return values[low] + (values[min(low + 1, len(values) - 1)] - values[low]) * (position - low)


@given(strategies.histories(far=False), OPTIONS["every"], OPTIONS["by"], OPTIONS["canceled"], ZONES)
@amount(30)
def test_failure_rate_equals_plain_counting(frame, every, by, canceled, tz):
    plain = PlainBuilds(frame, every, tz)
    counts = defaultdict(Counter)
    for names, period, status in zip(groups_of(frame, by), plain.period, plain.status, strict=True):
        for name in names if period else ():
            counts[name, period][status] += 1
    table = metrics.failure_rate(frame, every, canceled, by, tz)
    total = 0
    for key, line in zip(table.index, table.itertuples(), strict=True):
        name, period = key if by else (None, key)
        expected = counts[name, period.date()]
        over = ["FINISHED", "FAILED"] + ["CANCELED"] * (canceled == "count")
        n = sum(expected[status] for status in over)
        assert (line.finished, line.failed, line.n) == (expected["FINISHED"], expected["FAILED"], n)
        assert np.isnan(line.rate) if not n else line.rate == expected["FAILED"] / n
        assert line.other == sum(
            count for status, count in expected.items() if status not in (*over, "CANCELED", "BUILDING")
        )
        total += expected.total()
    assert total == sum(expected.total() for expected in counts.values())


@given(strategies.histories(far=False), OPTIONS["every"], OPTIONS["by"], OPTIONS["statuses"], ZONES)
@amount(30)
def test_durations_equal_quantiles_of_sorted_lists(frame, every, by, statuses, tz):
    plain = PlainBuilds(frame, every, tz)
    expected = defaultdict(list)
    for names, period, status, seconds in zip(
        groups_of(frame, by), plain.period, plain.status, plain.seconds, strict=True
    ):
        wanted = status != "BUILDING" if statuses is None else status in statuses
        if period and wanted and seconds is not None and seconds >= 0:
            for name in names:
                expected[name, period].append(seconds)
    table = metrics.durations(frame, every, by, tz, statuses)
    assert table["n"].sum() == sum(map(len, expected.values()))
    for key, line in zip(table.index, table.itertuples(), strict=True):
        name, period = key if by else (None, key)
        values = expected[name, period.date()]
        assert line.n == len(values)
        for share in (25, 50, 75, 90, 95):
            mine = getattr(line, f"p{share}")
            assert np.isclose(mine, quantile(values, share / 100)) if values else np.isnan(mine)


@given(strategies.histories(), st.integers(1, 5))
@amount(40)
def test_longest_equals_sorted_list(frame, n):
    counted = history_of(frame).builds
    ends = zip(micros(counted["build_start"]), micros(counted["build_end"]), counted["status"], strict=True)
    lengths = [
        end - start for start, end, status in ends if None not in (start, end) and status != "BUILDING"
    ]
    mine = metrics.longest(frame, n)["duration"].to_numpy("timedelta64[us]").astype("int64").tolist()
    assert mine == sorted((length for length in lengths if length >= 0), reverse=True)[:n]


@given(strategies.histories())
@amount(40)
def test_classes_of_instances_are_powers_of_two(frame):
    plain = PlainBuilds(frame, "D", "UTC")
    expected = defaultdict(list)
    counted = history_of(frame).builds
    for number, status, seconds in zip(counted["instances"], plain.status, plain.seconds, strict=True):
        if (
            status == "FINISHED"
            and seconds is not None
            and seconds >= 0
            and number is not pd.NA
            and number >= 0
        ):
            expected[1 << int(number).bit_length() - 1 if number else 0].append(seconds)
    table = metrics.duration_by_instances(frame)
    assert table["n"].to_dict() == {key: len(expected[key]) for key in sorted(expected)}
    assert table["most"].to_dict() == {key: max(2 * key - 1, 0) for key in sorted(expected)}


@given(strategies.histories(), OPTIONS["every"])
@amount(40)
def test_throughput_days_and_builds_add_up(frame, every):
    days = [day for day in PlainBuilds(frame, "D", "UTC").period if day]
    try:
        table = metrics.throughput(frame, every)
    except InputError:
        assert (max(days) - min(days)).days > 10**6
        return
    assert table["builds"].sum() == len(days)
    assert table["days"].sum() == ((max(days) - min(days)).days + 1 if days else 0)


@st.composite
def releases(draw):
    """Releases whose chains may be circular or refer to missing releases."""
    ids = st.none() | st.integers(1, 6)
    rows = [
        row(
            "releases",
            draw(st.integers(1, 6)),
            group_id=draw(st.integers(1, 2)),
            name=draw(strategies.NAMES),
            closed=draw(st.none() | st.booleans()),
            deleted=draw(st.none() | st.booleans()),
            hotfix_of_id=draw(ids),
            prev_release_id=draw(ids),
            start_date=strategies.format_timestamp(
                draw(st.none() | st.integers(strategies.YEAR_1, strategies.YEAR_9999))
            ),
            end_date=strategies.format_timestamp(
                draw(st.none() | st.sampled_from([strategies.YEAR_9999, strategies.NEAR]))
            ),
        )
        for _ in range(draw(st.integers(0, 8)))
    ]
    return frames.from_rows("releases", rows)


@given(releases(), st.none() | strategies.transformed_histories())
@amount(30)
def test_any_links_list_every_release_once(frame, builds):
    try:
        table = metrics.releases(frame, builds)
    except InputError:
        assert builds is not None
        table = metrics.releases(frame)
        builds = None
    assert sorted(table.index) == sorted(set(frame.index))
    assert dtypes_of(table) == dtypes_of(metrics.releases(frame.iloc[:0]))
    for _, group in table.groupby("group_id"):
        assert group["position"].tolist() == list(range(len(group)))
    if builds is not None:
        cells = history_of(builds).builds["releases"]
        named = Counter(r for cell in cells if isinstance(cell, list) for r in set(cell))
        assert table["builds"].tolist() == [named[key] for key in table.index]


@given(bodies.bodies("releases").map(strategies.frame_of_body))
@amount(20)
def test_releases_of_any_response_can_be_ordered(frame):
    table = attempt(metrics.releases, frame)
    assert isinstance(table, InputError) or sorted(table.index) == sorted(set(frame.index))
