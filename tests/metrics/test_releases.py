from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mkframe import metrics
from mkframe.errors import InputError


def order(frame):
    return metrics.releases(frame).index.tolist()


def test_releases_order_of_chains_and_hotfixes(factory):
    frame = factory.releases(
        {"id": 3, "prev_release_id": 2, "start_date": "2026-03-01T23:00:00Z"},
        {"id": 10, "hotfix_of_id": 1, "start_date": "2026-04-01T23:00:00Z"},
        {"id": 11, "hotfix_of_id": 10, "start_date": "2026-05-01T23:00:00Z"},
        {"id": 2, "prev_release_id": 1, "start_date": "2026-06-01T23:00:00Z"},
        {"id": 1, "start_date": "2026-01-01T23:00:00Z"},
    )
    table = metrics.releases(frame)
    assert table.index.tolist() == [1, 10, 11, 2, 3]
    assert table["depth"].tolist() == [0, 1, 2, 0, 0]
    assert table["position"].tolist() == [0, 1, 2, 3, 4]


def test_second_hotfix_follows_the_first(factory):
    frame = factory.releases(
        {"id": 1}, {"id": 6, "hotfix_of_id": 1, "prev_release_id": 7}, {"id": 7, "hotfix_of_id": 1}
    )
    table = metrics.releases(frame)
    assert table.index.tolist() == [1, 7, 6]
    assert table["depth"].tolist() == [0, 1, 1]


def test_links_to_unknown_ids_or_other_groups_ignored(factory):
    frame = factory.releases(
        {"id": 5, "prev_release_id": 999, "hotfix_of_id": 998},
        {"id": 4, "group_id": 2, "hotfix_of_id": 5},
        {"id": 3, "hotfix_of_id": 3},
    )
    table = metrics.releases(frame)
    assert table.index.tolist() == [5, 3, 4]
    assert table["depth"].tolist() == [0, 0, 0]
    assert table["position"].tolist() == [0, 1, 0]


def test_circular_chain_keeps_every_release(factory):
    frame = factory.releases({"id": 1, "prev_release_id": 2}, {"id": 2, "prev_release_id": 1})
    assert sorted(order(frame)) == [1, 2]


links = st.none() | st.integers(1, 8)


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(st.tuples(links, links, st.integers(1, 2)), max_size=8))
def test_any_links_list_every_release_once(rows, factory):
    frame = factory.releases(
        *(
            {"id": id_, "prev_release_id": before, "hotfix_of_id": above, "group_id": group}
            for id_, (before, above, group) in enumerate(rows, 1)
        )
    )
    table = metrics.releases(frame)
    assert sorted(table.index) == list(range(1, len(rows) + 1))
    assert table["group_id"].is_monotonic_increasing


def test_build_of_several_releases_counts_in_each(factory):
    builds = factory.builds(
        {"releases": [1, 2], "build_start": "2026-04-02T08:00:00Z"},
        {"releases": [1, 1], "build_start": "2026-04-01T08:00:00Z"},
        {"releases": [77]},
        {"releases": []},
    )
    table = metrics.releases(factory.releases({"id": 1}, {"id": 2}, {"id": 3}), builds)
    assert table["builds"].tolist() == [2, 1, 0]
    assert table["first_build"].iloc[0] == pd.Timestamp("2026-04-01T08:00:00Z")
    assert table["last_build"].iloc[0] == pd.Timestamp("2026-04-02T08:00:00Z")
    assert pd.isna(table["first_build"].iloc[2])


def test_without_builds_frame_counts_are_null(factory):
    table = metrics.releases(factory.releases({"id": 1}))
    assert table["builds"].isna().all()


def test_empty_frames_same_dtypes(factory):
    releases, builds = factory.releases({"id": 1}), factory.builds({"releases": [1]})
    tables = [
        metrics.releases(r, b) for r in (releases, releases.iloc[:0]) for b in (None, builds, builds.iloc[:0])
    ]
    assert all(table.dtypes.to_dict() == tables[0].dtypes.to_dict() for table in tables)


def test_missing_release_column_raises_with_its_name(factory):
    with pytest.raises(InputError, match="hotfix_of_id"):
        metrics.releases(factory.releases({"id": 1}).drop(columns="hotfix_of_id"))


def test_releases_without_group_form_a_group(factory):
    frame = factory.releases({"id": 1}, {"id": 2, "hotfix_of_id": 1}, {"id": 3, "hotfix_of_id": 2})
    frame["group_id"] = pd.array([7, None, None], dtype="Int64")
    table = metrics.releases(frame)
    assert table.index.tolist() == [1, 2, 3]
    assert table["position"].tolist() == [0, 0, 1]
    assert table["depth"].tolist() == [0, 0, 1]


def test_releases_without_id_index_raise(factory):
    frame = factory.releases({"id": 21}, {"id": 22}).reset_index()
    with pytest.raises(InputError, match=r"not indexed by their id.*set_index"):
        metrics.releases(frame)


def test_successor_of_hotfix_is_no_hotfix(factory):
    frame = factory.releases(
        {"id": 1}, {"id": 2, "hotfix_of_id": 1}, {"id": 3, "prev_release_id": 2}, {"id": 4, "hotfix_of_id": 1}
    )
    assert metrics.releases(frame)["depth"].to_dict() == {1: 0, 2: 1, 3: 0, 4: 1}


@pytest.mark.parametrize(
    ("tz", "now", "expected"),
    [
        ("Europe/Vienna", "2026-04-03T21:59Z", [2, 0, None, None]),
        ("Europe/Vienna", "2026-04-03T22:00Z", [3, 0, None, None]),
        ("UTC", "2026-04-03T22:00Z", [3, 0, None, None]),
    ],
)
def test_open_releases_after_their_end_are_overdue(tz, now, expected, factory):
    ends = ["2026-03-31T22:00:00Z", "2026-05-01T00:00:00Z", "2026-01-01T00:00:00Z", None]
    rows = [
        {"id": n, "start_date": "2026-01-01T00:00:00Z", "end_date": end, "closed": n == 3}
        for n, end in enumerate(ends, start=1)
    ]
    table = metrics.releases(factory.releases(*rows), tz=tz, now=now)
    assert [None if pd.isna(days) else days for days in table.loc[[1, 2, 3, 4], "overdue_days"]] == expected
    assert {str(table[name].dtype) for name in ("start_date", "end_date", "first_build")} == {
        f"datetime64[us, {tz}]"
    }
    assert table["overdue_days"].dtype == "Int64"


def test_repeated_releases_have_one_row(factory):
    frame = factory.releases({"id": 1}, {"id": 2})
    pd.testing.assert_frame_equal(metrics.releases(pd.concat([frame, frame])), metrics.releases(frame))


FAR = ["9999-12-31T23:30:00Z", "9999-12-31T00:00:00Z", "0001-01-01T00:30:00Z"]


@pytest.mark.parametrize("tz", ["Europe/Vienna", "America/New_York"])
@pytest.mark.parametrize("date", FAR)
def test_date_at_the_end_of_the_calendar_is_shown(factory, date, tz):
    frame = factory.releases(
        {"id": 1, "start_date": "2026-03-01T23:00:00Z", "end_date": date, "closed": False}
    )
    table = metrics.releases(frame, tz=tz, now="2026-04-01T12:00Z")
    assert date[:10] in repr(table["end_date"])
    assert table["end_date"].tolist() == frame["end_date"].tolist()
    assert str(table["start_date"].dtype) == f"datetime64[us, {tz}]"
    assert table["overdue_days"].tolist() == [0 if date > "2026" else 739706]


@pytest.mark.parametrize("time", [*FAR, "0001-01-01T00:30+14:00", "1899-12-31T23:59Z", "2200-01-01T00:00Z"])
@pytest.mark.parametrize("name", ["releases", "describe", "findings", "recovery", "median_duration"])
def test_present_time_far_outside_is_refused(factory, name, time):
    given = factory.releases({"id": 1}) if name == "releases" else factory.builds({"id": 1, "seconds": 60})
    with pytest.raises(InputError, match="is before 1900 or after 2199"):
        getattr(metrics, name)(given, now=time, tz="Europe/Vienna")


@pytest.mark.parametrize("end", ["9999-12-31", "0001-01-01", pd.Timestamp("9999-12-31T23:00:00Z")])
def test_end_of_a_period_far_outside_is_refused(factory, end):
    with pytest.raises(InputError, match="is before 1900 or after 2199"):
        metrics.compare_periods(factory.builds({"id": 1, "seconds": 60}), end=end, tz="Europe/Vienna")
