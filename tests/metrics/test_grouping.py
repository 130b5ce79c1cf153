from __future__ import annotations

import ast
import json
import re

import numpy as np
import pandas as pd
import pytest

from mkframe import metrics
from mkframe.errors import InputError, TooManyPeriodsError
from mkframe.metrics._grouping import local_days


def starts(table):
    return table.index.strftime("%Y-%m-%d").tolist()


def test_week_begins_on_monday(factory):
    builds = factory.builds({"build_start": "2026-04-05T23:59:59Z"}, {"build_start": "2026-04-06T00:00:00Z"})
    table = metrics.throughput(builds, "W")
    assert starts(table) == ["2026-03-30", "2026-04-06"]
    assert table["builds"].tolist() == [1, 1]


@pytest.mark.parametrize(
    ("every", "expected"),
    [
        ("M", ["2025-11-01", "2025-12-01", "2026-01-01", "2026-02-01"]),
        ("Q", ["2025-10-01", "2026-01-01"]),
    ],
)
def test_periods_without_builds_are_included(every, expected, factory):
    builds = factory.builds({"build_start": "2025-11-30T10:00:00Z"}, {"build_start": "2026-02-01T10:00:00Z"})
    table = metrics.outcomes(builds, every)
    assert starts(table) == expected
    assert table.sum().sum() == 2


def test_days_in_time_zone_begin_at_local_midnight(factory):
    builds = factory.builds({"build_start": "2026-04-05T22:30:00Z"})
    table = metrics.failure_rate(builds, "D", tz="Europe/Vienna")
    assert str(table.index.dtype) == "datetime64[us, Europe/Vienna]"
    assert starts(table) == ["2026-04-06"]


def test_day_without_midnight_begins_at_next_instant(factory):
    builds = factory.builds({"build_start": "2024-04-26T10:00:00Z"})
    table = metrics.outcomes(builds, "D", tz="Africa/Cairo")
    assert table.index[0].isoformat() == "2024-04-26T01:00:00+03:00"


def test_times_beyond_nanoseconds_are_grouped(factory):
    builds = factory.builds({"build_start": "2400-01-31T10:00:00Z", "seconds": 5})
    assert starts(metrics.durations(builds, "M")) == ["2400-01-01"]


def test_build_of_several_patterns_counts_in_each(factory):
    builds = factory.builds({"patterns": [808, 9, 9]}, {"patterns": [9]}, {"patterns": []})
    table = metrics.failure_rate(builds, None, by="pattern")
    assert table["finished"].droplevel("period").to_dict() == {"9": 2, "808": 1, "(none)": 1}


def test_names_are_preferred_to_ids(factory):
    builds = factory.builds({"patterns": [9], "pattern_names": ["CORE_DV_HLS"]})
    table = metrics.durations(builds, by="pattern")
    assert table.index.get_level_values("pattern").tolist() == ["CORE_DV_HLS"]


def test_groups_share_their_periods(factory):
    builds = factory.builds(
        {"user_id": 1, "build_start": "2026-04-01T08:00:00Z"},
        {"user_id": 2, "build_start": "2026-04-20T08:00:00Z"},
    )
    table = metrics.durations(builds, "W", by="user")
    assert table.groupby(level="user").size().tolist() == [4, 4]


@pytest.mark.parametrize("tz", ["Europe/Vienna", "America/St_Johns"])
def test_first_and_last_calendar_day_stay_in_utc(tz):
    times = pd.DatetimeIndex(np.array(["0001-01-01T00:00", "2026-01-01T12:00", "9999-12-31T23:59"], "M8[us]"))
    days = local_days(pd.DataFrame({"build_start": times.tz_localize("UTC")}), tz)
    assert days.astype(str).tolist() == ["0001-01-01", "2026-01-01", "9999-12-31"]


def test_pattern_named_none_differs_from_no_pattern(factory):
    builds = factory.builds(
        {"pattern_names": ["(none)"]}, {"pattern_names": []}, {"pattern_names": ["(none)"]}
    )
    table = metrics.failure_rate(builds, None, by="pattern")
    assert table["finished"].droplevel("period").to_dict() == {"(none)": 2, "((none))": 1}
    assert metrics.summary(builds)["text"]["busiest_pattern"] == "(none)"


def test_status_named_none_differs_from_no_status(factory):
    builds = factory.builds({"status": "(none)"}, {"status": None}, {"status": None})
    assert metrics.outcomes(builds)[["(none)", "((none))"]].to_numpy().tolist() == [[1, 2]]


def test_releases_of_one_name_are_labeled_with_ids(factory):
    builds = factory.builds(
        {"releases": [21, 31], "release_names": ["R1", "R1"]},
        {"releases": [21], "release_names": ["R1"]},
        {"releases": [22], "release_names": ["R2"]},
    )
    table = metrics.failure_rate(builds, None, by="release")
    assert table["finished"].droplevel("period").to_dict() == {"R1 (21)": 2, "R1 (31)": 1, "R2": 1}


def test_projects_without_name_are_labeled_with_ids(factory):
    builds = factory.builds({"project_id": 402}, {"project_id": 405}, {"project_id": 411})
    builds["project"] = ["DEMO", None, None]
    table = metrics.failure_rate(builds, None, by="project")
    assert table.index.get_level_values("project").tolist() == ["405", "411", "DEMO"]


def test_names_that_do_not_match_ids_replace_them(factory):
    builds = factory.builds({"patterns": [808]}, {"patterns": [808]})
    builds["pattern_names"] = [["HUB"], ["SATELLITE"]]
    table = metrics.failure_rate(builds, None, by="pattern")
    assert table.index.get_level_values("pattern").tolist() == ["HUB", "SATELLITE"]


@pytest.mark.parametrize(("column", "items"), [("patterns", [808, 809]), ("pattern_names", ["HUB", "O'SAT"])])
@pytest.mark.parametrize("write", [str, json.dumps])
def test_lists_as_text_raise_with_a_hint_that_works(factory, column, items, write):
    """As `DataFrame.to_csv` and `mk.export` write lists."""
    builds = factory.builds({"patterns": [808]})
    builds[column] = [write(items)]
    with pytest.raises(InputError, match=f"{column} holds text, such as .* instead of lists") as caught:
        metrics.failure_rate(builds, by="pattern")
    name = re.search(r"\.map\((.*)\)", caught.value.hint)[1]
    reader = {"json.loads": json.loads, "ast.literal_eval": ast.literal_eval}[name]
    assert builds[column].map(reader).tolist() == [items]


def test_too_many_groups_raise_without_start_hint(factory):
    builds = factory.builds({"build_start": "2024-01-01T00:00Z"}, {"build_start": "2025-12-31T00:00Z"})
    many = pd.concat([builds] * 2_000)
    many["user_id"] = range(4_000)
    with pytest.raises(InputError, match="4,000 groups in 731 periods") as caught:
        metrics.durations(many, "D", by="user")
    assert not isinstance(caught.value, TooManyPeriodsError)


@pytest.mark.parametrize(
    ("tz", "day", "days"),
    [
        ("Pacific/Apia", "2011-12-30", ["29 00:00", "31 00:00"]),
        ("Pacific/Kwajalein", "1993-08-21", ["20 00:00", "22 00:00"]),
        ("Africa/Cairo", "2024-04-26", ["25 00:00", "26 01:00", "27 00:00"]),
        ("Australia/Lord_Howe", "2026-04-05", ["04 00:00", "05 00:00", "06 00:00"]),
    ],
)
@pytest.mark.parametrize("by", [None, "user"])
def test_days_are_those_that_the_zone_has(factory, tz, day, days, by):
    """Samoa had no 30 December 2011: a row for it stood behind that of the next day."""
    times = [pd.Timestamp(day, tz="UTC") + pd.Timedelta(hours=hours) for hours in range(-24, 25, 3)]
    builds = factory.builds(*({"build_start": time.tz_convert("UTC").isoformat()} for time in times))
    counts = metrics.outcomes(builds, "D", tz=tz, by=by)["FINISHED"]
    counts = counts if by is None else counts.droplevel(by)
    assert set(days) <= set(counts.index.strftime("%d %H:%M"))
    assert counts.index.is_monotonic_increasing
    expected = pd.Series([time.tz_convert(tz).date() for time in times]).value_counts()
    assert {start.date(): n for start, n in counts.items()} == expected.to_dict()
