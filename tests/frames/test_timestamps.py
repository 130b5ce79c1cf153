from __future__ import annotations

import datetime as dt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mkframe.frames._timestamps import timestamps
from tests.support.settings import amount

DAYS = st.datetimes(dt.datetime(1, 1, 3), dt.datetime(9999, 12, 29))
LOCAL = st.sampled_from(
    [
        "%Y-%m-%dT%H:%M:%S",
        "%Y-%m-%d %H:%M:%S",
        "%Y-%m-%dT%H:%M",
        "%Y-%m-%dT%H:%M:%S.%f",
        "%Y%m%dT%H%M%S",
        "%G-W%V-%uT%H:%M",
    ]
)
ZONES = st.sampled_from(["Z", "", "+00:00", "-00:00", "+02:00", "-05:30", "+0200", "-11", "+23:59", "z"])


def utc(text: str) -> np.datetime64:
    """Python's own reading, as a witness."""
    time = dt.datetime.fromisoformat(text.upper())
    return np.datetime64(time.astimezone(dt.UTC).replace(tzinfo=None) if time.tzinfo else time, "us")


def text_of(time: dt.datetime, form: str) -> str:
    """`strftime` with four digits for every year."""
    year = "%G" if "%G" in form else "%Y"
    number = time.isocalendar().year if "%G" in form else time.year
    return time.strftime(form.replace(year, f"{number:04}"))


@given(st.lists(st.tuples(DAYS, LOCAL, ZONES), max_size=8))
@amount(100)
def test_times_are_read_as_python_reads_them(parts):
    texts = [text_of(time, form) + zone for time, form, zone in parts]
    times, invalid, naive = timestamps(texts)
    assert invalid == []
    assert times.tolist() == [utc(text).item() for text in texts]
    assert sorted(naive) == [place for place, (_, _, zone) in enumerate(parts) if not zone]


@pytest.mark.parametrize("digits", ["3", "32", "320", "3204", "32048", "320480", "3204800"])
def test_fractions_of_any_width_are_read(digits):
    (time,), invalid, _ = timestamps([f"2026-04-02T08:14:40.{digits}+01:00"])
    assert not invalid
    assert time == np.datetime64(f"2026-04-02T07:14:40.{digits[:6]}")


@pytest.mark.parametrize(
    "odd",
    [
        "2026-13-02T08:14:40Z",
        "2026-02-30T08:14:40Z",
        "2026-04-02T24:00:00Z",
        "2026-04-02t24:00:00+02:00",
        "20260402T240000Z",
        "2026-04-02T08:60:00Z",
        "2026-04-02T08:14:60Z",
        "2026-04-02T08:14:40+24:00",
        "2026-04-02T08:14:40+01:60",
        "2026-04-02T08:14:40.3204801Z",
        "2026-04-02-05:00",
        "0000-01-01T00:00:00Z",
        "0000-12-31T23:00:00-02:00",
        "0001-01-01T00:00:00+01:00",
        "9999-12-31T23:59:59-01:00",
        "２０２６-04-02T08:14:40Z",
        "2026-04-02T08:14:40Z ",
        "yesterday",
        "",
        1775124880,
        True,
        [],
        {},
    ],
)
def test_invalid_time_leaves_others_unchanged(odd):
    plain = "2026-04-02T08:14:40Z"
    times, invalid, naive = timestamps([plain, odd, None, plain])
    assert invalid == [1]
    assert naive == []
    assert times[[0, 3]].tolist() == [utc(plain).item()] * 2
    assert np.isnat(times[[1, 2]]).all()


def test_the_ends_of_the_calendar_are_times():
    ends = ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z", "0001-01-01T01:00:00+01:00"]
    times, invalid, _ = timestamps(ends)
    assert not invalid
    assert times.tolist() == [utc(end).item() for end in ends]


def test_no_values_are_no_times():
    times, invalid, naive = timestamps([None, None])
    assert np.isnat(times).all()
    assert (invalid, naive) == ([], [])
