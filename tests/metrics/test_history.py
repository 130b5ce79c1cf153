"""What counts as the same build, and which dates cannot be."""

from __future__ import annotations

import itertools
import json
import re

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

import mkframe as mk
from mkframe import charts, metrics
from mkframe.errors import InputError
from mkframe.metrics._history import history_of
from tests.support.axes import note_text

KEYS = ["pattern", "release", "project", "pattern_set"]
PERIODS = ["durations", "failure_rate", "outcomes", "throughput", "calendar", "median_duration"]
OTHERS = ["duration_by_instances", "longest", "cost_card", "failure_families", "failure_progress", "recovery"]
PLACEHOLDERS = [
    "0001-01-01",
    "1601-01-01",
    "1900-01-01",
    "1970-01-01",
    "1980-01-01",
    "2000-01-01",
    "2001-01-01",
    "2099-12-31",
    "2199-12-31",
    "9999-12-31",
]


def row(number, **more):
    day = f"2026-04-{1 + number % 28:02d}"
    return {
        "id": number,
        "build_start": f"{day}T08:00:00Z",
        "build_end": f"{day}T08:{10 + number % 40}:00Z",
        "status": "FAILED" if number % 3 == 0 else "FINISHED",
        "message": "Timeout",
        "instances": 1 + number % 9,
        "progress": 50,
        "patterns": [801 + number % 2],
        "project_id": 402,
        "customer_id": 1,
    } | more


@pytest.fixture(scope="module")
def base(factory):
    return factory.builds(*map(row, range(1, 61)))


def table_of(name, builds):
    table = getattr(metrics, name)(builds)
    return pd.DataFrame(table).drop(columns="downloads", errors="ignore")


@pytest.mark.parametrize("name", [*PERIODS, *OTHERS, "compare_periods", "change_points", "top_failing"])
def test_repeated_rows_change_no_number(name, base):
    twice = pd.concat([base, base.iloc[::-1], base.iloc[7:9]])
    pd.testing.assert_frame_equal(table_of(name, twice), table_of(name, base))


@pytest.mark.parametrize("name", [*PERIODS, *OTHERS])
def test_repeated_rows_are_counted_in_the_caption(name, base):
    ax = getattr(charts, name)(pd.concat([base, base]), ax=Figure().subplots())
    assert "60 repeated rows left out." in note_text(ax)
    assert "repeated" not in note_text(getattr(charts, name)(base, ax=Figure().subplots()))


@pytest.mark.parametrize("shape", ["index", "column", "unnamed", "exploded", "names", "read again"])
def test_repeated_rows_are_found_however_ids_are_kept(shape, base):
    twice = pd.concat([base, base])
    if shape == "column":
        twice = twice.reset_index()
    elif shape == "unnamed":
        twice.index.name = None
    elif shape == "exploded":
        twice = base.assign(patterns=[[801, 802]] * 60).explode("patterns")
    elif shape == "names":
        twice = pd.concat([base.assign(pattern_names=[["CORE"]] * 60), base])
    elif shape == "read again":
        text = json.dumps([row(n) | {"user_id": 1, "releases": [], "downloads": []} for n in range(1, 61)])
        twice = pd.concat([mk.read_json(text.encode()), mk.read_json(text.encode())])
    frame, left_out = history_of(twice)
    assert (len(frame), left_out.repeated, left_out.older) == (60, 60, 0)
    if shape == "exploded":
        assert frame["patterns"].iloc[0] == [801, 802]
        assert metrics.failure_rate(twice, by="pattern")["n"].tolist() == [60, 60]
    if shape == "names":
        assert set(frame["pattern_names"].map(tuple)) == {("CORE",)}


@pytest.mark.parametrize("order", [slice(None), slice(None, None, -1)])
def test_newest_state_of_a_build_counts(order, factory):
    old = factory.builds(row(1, status="BUILDING", build_end=None, updated_at="2026-04-02T08:05:00Z"))
    new = factory.builds(row(1, status="FAILED", updated_at="2026-04-02T08:20:00Z"))
    both = pd.concat([old, new])[order]
    rate = metrics.failure_rate(both, None).iloc[0]
    assert rate[["failed", "running", "n"]].tolist() == [1, 0, 1]
    note = note_text(charts.outcomes(both, ax=Figure().subplots()))
    assert "1 older row left out." in note
    assert "1 older row" in " ".join(metrics.describe(both))


@pytest.mark.parametrize("shape", ["index", "unnamed", "column", "decimals"])
def test_ids_written_as_text_are_their_numbers(shape, base):
    text = base.set_axis(base.index.astype(str))
    twice = pd.concat([base, text.rename_axis("id")])
    if shape == "unnamed":
        twice.index = [str(number) for number in twice.index]
    elif shape == "column":
        twice = twice.reset_index()
    elif shape == "decimals":
        twice = twice.reset_index().astype({"id": float}).astype({"id": str})
    _, left_out = history_of(twice)
    assert (left_out.repeated, left_out.older) == (60, 0)


def test_newest_state_by_times_without_a_zone_is_refused(factory):
    builds = factory.builds(*(row(1, updated_at=f"2026-04-02T08:0{n}:00Z") for n in (2, 1)))
    builds["updated_at"] = builds["updated_at"].astype(str)
    with pytest.raises(InputError, match="updated_at"):
        metrics.summary(builds)


@pytest.mark.parametrize("shape", ["keys", "named keys", "customers", "column", "counted"])
def test_builds_of_two_accounts_are_both_kept(shape, base):
    other = base.assign(customer_id=2) if shape == "customers" else base
    keys = {"keys": ["a", "b"], "named keys": ["a", "b"]}.get(shape)
    names = ["account", "id"] if shape == "named keys" else None
    both = pd.concat([base, other], keys=keys, names=names)
    if shape == "column":
        both = pd.concat([base.reset_index(), base.reset_index()], keys=["a", "b"])
    if shape == "counted":
        both = pd.concat([base.reset_index(drop=True)] * 2)
    assert metrics.failure_rate(both, None)["n"].tolist() == [120]


@pytest.fixture(scope="module")
def many(base):
    """A hundred thousand builds."""
    return pd.concat([base] * 1_667).set_axis(range(1, 1_667 * 60 + 1))


@pytest.mark.parametrize(
    ("day", "size"),
    [
        *itertools.product(PLACEHOLDERS, [60]),
        *itertools.product(PLACEHOLDERS[::4], [2, 3, 100_000]),  # few, and so many that one is no share
    ],
)
def test_one_impossible_start_changes_no_period(day, size, factory, base, many):
    rest = base.iloc[:size] if size <= 60 else many
    wrong = factory.builds(row(10**6, build_start=f"{day}T00:00:00Z", build_end=f"{day}T01:00:00Z"))
    builds = pd.concat([wrong, rest])
    frame, left_out = history_of(builds)
    assert left_out.impossible == 1
    assert re.search(rf"1000000 on {int(day[-2:])} \w+ {day[:4]}", left_out.named)
    assert frame["build_start"].isna().sum() == 1
    assert metrics.suggest_period(builds) == metrics.suggest_period(rest)
    if size <= 60:
        for name in ("throughput", "calendar", "durations"):
            pd.testing.assert_frame_equal(table_of(name, builds), table_of(name, rest))
        summary = metrics.summary(builds)["value"]
        assert summary["days"] == metrics.summary(rest)["value"]["days"]
        assert summary[["impossible_dates", "builds"]].tolist() == [1, size + 1]


@pytest.mark.parametrize("years", [0, 4])
def test_start_in_the_future_is_impossible(years, factory):
    today = pd.Timestamp.now("UTC").normalize()
    days = pd.date_range(today - pd.Timedelta(days=30 + 365 * years), today, freq="D")
    starts = [*days, today + pd.Timedelta(days=500)]
    builds = factory.builds(*({"build_start": start.isoformat()} for start in starts))
    frame, left_out = history_of(builds)
    assert left_out.impossible == 1
    assert frame["build_start"].max() == today


@pytest.mark.parametrize("name", [*PERIODS, "longest", "duration_by_instances", "recovery"])
def test_impossible_start_is_named_in_the_caption(name, factory, base):
    builds = pd.concat([base, factory.builds(row(99, build_start="1970-01-01T00:00:00Z", build_end=None))])
    note = note_text(getattr(charts, name)(builds, ax=Figure().subplots()))
    assert "1 with an impossible date (99 on 1 January 1970)" in note


@pytest.mark.parametrize(
    "days",
    [
        ["2019-03-01", "2026-04-01"],
        ["2008-01-10", "2008-01-11", "2026-04-01"],
        [*(f"2015-01-{d:02d}" for d in range(1, 6)), *(f"2026-04-{d:02d}" for d in range(1, 29))],
        [*(f"1999-01-{d:02d}" for d in range(1, 6)), *(f"2026-04-{d:02d}" for d in range(1, 29))],
        [*(f"2010-{m:02d}-01" for m in range(1, 13)), "2025-04-01"],
        ["1970-01-01", "1970-01-02"],
        ["1900-01-01"],
        [],
    ],
)
def test_gap_of_years_in_a_history_stays(days, factory):
    builds = factory.builds(*({"build_start": f"{day}T08:00:00Z"} for day in days))
    frame, left_out = history_of(builds)
    assert frame is builds
    assert left_out.impossible == 0


def test_impossible_end_leaves_statistics(factory, base):
    builds = pd.concat([base, factory.builds(row(100, build_end="2199-01-01T00:00:00Z"))])
    assert metrics.durations(builds, None)["n"].iloc[0] == metrics.durations(base, None)["n"].iloc[0]
    assert metrics.recovery(builds)["seconds"].max() == metrics.recovery(base)["seconds"].max()
    assert "100 ends on 1 January 2199" in metrics.summary(builds)["text"]["impossible_dates"]


def test_nothing_more_is_left_out_of_what_is_counted():
    random = np.random.default_rng(3)
    for _ in range(300):
        size = int(random.integers(1, 40))
        kinds = random.choice([0, 300, 4_000, 500_000], size)
        days = np.array(["2026-04-01"], "M8[D]") - random.integers(0, 5 + kinds)
        start = pd.DatetimeIndex(days.astype("M8[us]")).tz_localize("UTC")
        builds = pd.DataFrame({"build_start": start}, index=pd.Index(random.integers(1, 60, size), name="id"))
        frame, first = history_of(builds)
        repeated, second = history_of(frame)
        assert repeated is frame
        assert second.repeated == second.older == second.impossible == 0
        assert frame.index.is_unique
        assert len(frame) + first.repeated + first.older == size


def test_names_known_in_some_rows_name_all(factory):
    named = factory.builds(row(1, patterns=[801, 7], releases=[21]), row(2, patterns=[]))
    named = named.assign(pattern_names=[["CORE", "7"], []], release_names=[["R1"], []], project=["DWH", None])
    plain = factory.builds(row(3, patterns=[801]), row(4, patterns=[7, 801], releases=[21]))
    both = pd.concat([named, plain])
    groups = {by: metrics.failure_rate(both, by=by)["n"].droplevel("period").to_dict() for by in KEYS}
    assert groups == {
        "pattern": {"7": 2, "CORE": 3, "(none)": 1},
        "release": {"R1": 2, "(none)": 2},
        "project": {"DWH": 4},
        "pattern_set": {"(none)": 1, "7 + CORE": 2, "CORE": 1},
    }
    assert metrics.summary(both)["text"]["busiest_pattern"] == "CORE"
    labels = [text.get_text() for text in charts.longest(both, ax=Figure().subplots()).get_yticklabels()]
    assert sum("CORE" in label for label in labels) == 3


def test_names_known_by_rows_left_aside_name_the_rest(factory):
    finished = factory.builds(
        *(row(n, status="FINISHED", build_start=f"2026-03-{n:02d}T08:00:00Z") for n in (1, 2))
    )
    failed = factory.builds(*(row(n, status="FAILED", patterns=[801, 802]) for n in (12, 13, 15)))
    both = pd.concat([finished.assign(patterns=[[801], [802]], pattern_names=[["CORE"], ["HUB"]]), failed])
    assert set(metrics.failure_progress(both).index) == {"CORE", "HUB"}
    assert metrics.failure_families(both)["patterns"].tolist() == [["CORE", "HUB"]]
    compared = metrics.compare_periods(both, by="pattern")
    assert set(compared.index.get_level_values("pattern")) == {"CORE", "HUB"}
    assert compared["n_now"].tolist() == metrics.compare_periods(failed, by="pattern")["n_now"].tolist()
