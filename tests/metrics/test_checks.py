from __future__ import annotations

import pandas as pd
import pyarrow as pa
import pytest

from mkframe import metrics
from mkframe.errors import InputError

BUILDS_IN = [
    metrics.duration,
    metrics.durations,
    metrics.completed_builds,
    metrics.failure_rate,
    metrics.outcomes,
    metrics.throughput,
    metrics.longest,
    metrics.duration_by_instances,
    metrics.calendar,
    metrics.summary,
]
PERIODIC = [
    metrics.durations,
    metrics.failure_rate,
    metrics.outcomes,
    metrics.throughput,
    metrics.median_duration,
]


@pytest.fixture(scope="module")
def mixed(factory):
    return factory.builds(
        {"id": 9, "seconds": 60, "instances": 3, "patterns": [1, 2], "releases": [21], "user_id": 4},
        {"id": 9, "seconds": 30, "status": "FAILED", "instances": 1},
        {"id": 3, "status": "BUILDING", "build_start": "2026-05-20T10:00:00Z", "patterns": [2]},
        {"id": 5, "status": "PAUSED", "build_start": None},
        {"id": 4, "seconds": -5, "status": "CANCELED"},
    )


@pytest.mark.parametrize("function", BUILDS_IN)
def test_missing_column_raises_with_its_name(function, mixed):
    with pytest.raises(InputError, match="build_start"):
        function(mixed.drop(columns="build_start"))


@pytest.mark.parametrize("function", BUILDS_IN)
def test_times_without_zone_raise(function, mixed):
    naive = mixed.assign(build_start=mixed["build_start"].dt.tz_localize(None))
    with pytest.raises(InputError, match="not times with a zone"):
        function(naive)


@pytest.mark.parametrize("function", BUILDS_IN)
def test_columns_of_arrow_or_categories_change_nothing(function, mixed):
    whole = mixed.drop(columns="downloads")
    lists = {name: pd.ArrowDtype(pa.list_(pa.int64())) for name in ("patterns", "releases")}
    arrow = whole.convert_dtypes(dtype_backend="pyarrow").astype(lists)
    for same in (arrow, whole.astype(dict.fromkeys(["status", "build_start", "build_end"], "category"))):
        _assert_alike(function(same), function(whole))


def _assert_alike(found, expected):
    if not isinstance(expected, pd.DataFrame | pd.Series):
        assert found == expected
    elif isinstance(expected, pd.Series):
        pd.testing.assert_series_equal(found, expected)
    else:
        shared = [name for name in expected if name not in ("status", "instances", "user_id")]
        pd.testing.assert_frame_equal(found[shared], expected[shared], check_dtype=False)


@pytest.mark.parametrize("function", BUILDS_IN)
def test_metric_leaves_frame_unchanged(function, mixed):
    before = mixed.copy(deep=True)
    function(mixed)
    pd.testing.assert_frame_equal(mixed, before)


@pytest.mark.parametrize("function", [f for f in BUILDS_IN if f is not metrics.duration])
def test_empty_frame_same_columns_and_dtypes(function, mixed):
    known = mixed[mixed["status"] != "PAUSED"]
    full, empty = function(known), function(known.iloc[:0])
    assert empty.dtypes.to_dict() == full.dtypes.to_dict()
    assert empty.index.dtype == full.index.dtype
    assert empty.index.name == full.index.name


@pytest.mark.parametrize("function", [metrics.durations, metrics.failure_rate])
@pytest.mark.parametrize("by", ["pattern", "release", "project", "user"])
def test_empty_frame_by_group_same_index(function, by, mixed):
    full, empty = function(mixed, by=by), function(mixed.iloc[:0], by=by)
    assert full.index.names == empty.index.names == [by, "period"]
    assert [level.dtype for level in full.index.levels] == [level.dtype for level in empty.index.levels]


@pytest.mark.parametrize("function", PERIODIC)
@pytest.mark.parametrize("every", ["ME", "week", 7, ["D"], float("nan")])
def test_unknown_period_raises_with_choices(function, every, mixed):
    with pytest.raises(InputError, match="'D', 'W', 'M', 'Q', or None for the whole time"):
        function(mixed, every=every)


@pytest.mark.parametrize("function", PERIODIC)
@pytest.mark.parametrize("by", [None, "pattern", ("project", "user"), ["release", "pattern_set"]])
def test_whole_time_is_one_row_for_each_group(function, by, mixed):
    table = function(mixed, every=None, by=by)
    assert len(table) == (1 if by is None else len(table.droplevel("period").index.unique()))
    assert table.index.names == [*([by] if isinstance(by, str) else by or []), "period"]
    if by is not None:
        pd.testing.assert_frame_equal(function(mixed, by=by), table)


@pytest.mark.parametrize("by", ["branch", (), ("user", "user"), ("user", "project", "release"), 7, {"user"}])
@pytest.mark.parametrize("function", PERIODIC)
def test_unknown_keys_raise_with_choices(function, by, mixed):
    with pytest.raises(InputError, match="Choose one or two of 'pattern', 'release', 'project', 'user'"):
        function(mixed, by=by)


@pytest.mark.parametrize("tz", ["Vienna", "", "../etc", 3])
def test_unknown_time_zone_raises(tz, mixed):
    with pytest.raises(InputError, match="Europe/Vienna"):
        metrics.calendar(mixed, tz=tz)


def test_misspelled_status_raises(mixed):
    with pytest.raises(InputError, match="FINSHED"):
        metrics.durations(mixed, statuses=("FINSHED",))


def test_statuses_as_one_string_raises(mixed):
    with pytest.raises(InputError, match="not a sequence"):
        metrics.durations(mixed, statuses="FINISHED")


def test_statuses_with_building_raises(mixed):
    with pytest.raises(InputError, match="BUILDING"):
        metrics.longest(mixed, statuses=["BUILDING"])


def test_unlisted_status_in_frame_accepted(mixed):
    assert metrics.durations(mixed, statuses=["PAUSED"])["n"].sum() == 0


@pytest.mark.parametrize("n", [0, -1, 2.5, True, "3"])
def test_longest_invalid_n_raises(n, mixed):
    with pytest.raises(InputError, match="whole number"):
        metrics.longest(mixed, n=n)


def test_days_of_centuries_raise_with_hint(factory):
    builds = factory.builds(
        *({"build_start": f"{year}-01-01T00:00:00Z", "patterns": [*range(9)]} for year in ("0002", "9998"))
    )
    with pytest.raises(InputError, match="wrong build_start"):
        metrics.failure_rate(builds, "D")


def test_list_instead_of_frame_raises():
    with pytest.raises(InputError, match="list"):
        metrics.durations([])


@pytest.mark.parametrize("dtype", ["category", "object", "string"])
@pytest.mark.parametrize("function", [f for f in BUILDS_IN if f is not metrics.duration])
def test_status_dtype_same_counts(function, dtype, mixed):
    mixed = mixed.assign(status=[*mixed["status"][:-1], None])
    table = function(mixed.assign(status=mixed["status"].astype(dtype)))
    left, right = (pd.DataFrame(t).drop(columns="status", errors="ignore") for t in (table, function(mixed)))
    pd.testing.assert_frame_equal(left, right)


def test_duplicate_column_raises(mixed):
    with pytest.raises(InputError, match="has the column status more than once"):
        metrics.failure_rate(pd.concat([mixed, mixed["status"]], axis=1))


def test_dir_shows_public_names_only():
    assert dir(metrics) == sorted(metrics.__all__)
