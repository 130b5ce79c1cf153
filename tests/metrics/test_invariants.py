from __future__ import annotations

from datetime import datetime

import pandas as pd
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mkframe import metrics

ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "status": st.sampled_from(["FINISHED", "FAILED", "CANCELED", "BUILDING", "PAUSED"]),
            "build_start": st.datetimes(
                min_value=datetime(2025, 12, 1),
                max_value=datetime(2026, 2, 1),
            ).map(lambda time: f"{time.isoformat()}Z"),
            "seconds": st.integers(-3, 10**5),
            "instances": st.none() | st.integers(0, 500),
            "patterns": st.lists(st.integers(1, 3), max_size=3),
        }
    ),
    max_size=25,
)
EVERY = st.sampled_from(["D", "W", "M", "Q"])
ZONES = st.sampled_from(["UTC", "Europe/Vienna", "America/St_Johns", "Pacific/Apia"])
few_examples = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
fewer_examples = settings(few_examples, max_examples=12)
"""For tests that compute many metrics of each example."""


@few_examples
@given(rows=ROWS, every=EVERY, tz=ZONES)
def test_outcomes_sum_is_number_of_builds(rows, every, tz, factory):
    assert metrics.outcomes(factory.builds(*rows), every, tz).to_numpy().sum() == len(rows)


@few_examples
@given(rows=ROWS, every=EVERY, tz=ZONES)
def test_durations_counts_sum_is_number_of_builds(rows, every, tz, factory):
    table = metrics.durations(factory.builds(*rows), every, tz=tz)
    assert table[["n", "running", "excluded", "other"]].to_numpy().sum() == len(rows)


@few_examples
@given(rows=ROWS, every=EVERY, canceled=st.sampled_from(["exclude", "count"]))
def test_rate_is_within_its_interval(rows, every, canceled, factory):
    table = metrics.failure_rate(factory.builds(*rows), every, canceled)
    known = table[table["n"] > 0]
    assert ((known["low"] >= 0) & (known["low"] <= known["rate"])).all()
    assert ((known["rate"] <= known["high"]) & (known["high"] <= 1)).all()
    assert table.loc[table["n"] == 0, ["rate", "low", "high"]].isna().all(axis=None)


@few_examples
@given(rows=ROWS, every=EVERY, tz=ZONES)
def test_throughput_periods_are_sorted_and_complete(rows, every, tz, factory):
    builds = factory.builds(*rows)
    table = metrics.throughput(builds, every, tz)
    assert table.index.is_monotonic_increasing
    assert table.index.is_unique
    assert table["builds"].sum() == len(rows)
    if rows:
        local = builds["build_start"].dt.tz_convert(tz)
        assert table["days"].sum() == (local.max().date() - local.min().date()).days + 1
        assert table.index[0] <= local.min()
        assert table["builds"].iloc[0] > 0
        assert table["builds"].iloc[-1] > 0


@few_examples
@given(rows=ROWS)
def test_quantiles_are_sorted(rows, factory):
    table = metrics.durations(factory.builds(*rows), statuses=None)
    measured = table[table["n"] > 0]
    steps = measured[["p25", "p50", "p75", "p90", "p95"]].diff(axis=1).iloc[:, 1:]
    assert (steps >= -1e-6).all(axis=None)


@few_examples
@given(rows=ROWS)
def test_classes_of_instances_sum_is_complete(rows, factory):
    builds = factory.builds(*rows)
    table = metrics.duration_by_instances(builds, None)
    assert table["n"].sum() == metrics.completed_builds(builds, None)["instances"].notna().sum()


@fewer_examples
@given(rows=ROWS)
def test_insights_count_every_build_once(rows, factory):
    builds = factory.builds(*(row | {"message": row["status"], "progress": row["instances"]} for row in rows))
    failed, finished = ((builds["status"] == word).sum() for word in ("FAILED", "FINISHED"))
    assert metrics.failure_families(builds)["builds"].sum() == failed
    assert metrics.failure_progress(builds, by="pattern_set")["builds"].sum() == failed
    assert metrics.top_failing(builds, by="pattern_set")["failed"].sum() == failed
    assert metrics.recovery(builds)["attempts"].sum() == failed
    assert metrics.cost_card(builds)[["n", "excluded"]].to_numpy().sum() == finished
    deliveries = pd.DataFrame({"BUILD_ID": builds.index[::2]})
    classes = metrics.builds_without_delivery(builds.assign(deliveries_calculated=True), deliveries)
    assert classes[["delivered", "without_delivery", "identical", "unknown"]].to_numpy().sum() == finished


@fewer_examples
@given(rows=ROWS, seed=st.integers(0, 9), tz=ZONES)
def test_insights_do_not_depend_on_the_order_of_builds(rows, seed, tz, factory):
    builds = factory.builds(*(row | {"message": f"{row['status']} X_{row['seconds']}"} for row in rows))
    shuffled = builds.sample(frac=1, random_state=seed)
    for insight in (
        lambda frame: metrics.compare_periods(frame, tz=tz, by="pattern"),
        lambda frame: metrics.change_points(frame, tz=tz),
        lambda frame: metrics.recovery(frame, tz=tz),
        lambda frame: metrics.median_duration(frame, tz=tz),
        metrics.failure_families,
        metrics.cost_card,
        metrics.top_failing,
    ):
        pd.testing.assert_frame_equal(insight(builds), insight(shuffled))


def test_sums_and_names_do_not_depend_on_the_order_of_builds(factory):
    days = [f"2025-12-{1 + number % 28:02d}T08:00:00Z" for number in range(60)]
    completed = [
        {"status": "FAILED" if number % 3 else "FINISHED", "build_start": day, "seconds": 0.1 + number / 1000}
        for number, day in enumerate(days)
    ]
    hang = [{"status": "BUILDING", "build_start": f"2026-01-0{day}T08:00:00Z"} for day in range(1, 6)]
    builds = factory.builds(*(row | {"patterns": [1]} for row in completed + hang))
    for seed in range(5):
        shuffled = builds.sample(frac=1, random_state=seed)
        for insight in (metrics.top_failing, lambda frame: metrics.findings(frame, now="2026-01-20T08:00Z")):
            pd.testing.assert_frame_equal(insight(builds), insight(shuffled), check_exact=True)


@few_examples
@given(rows=ROWS, tz=ZONES)
def test_change_lies_in_its_interval(rows, tz, factory):
    table = metrics.compare_periods(factory.builds(*rows), tz=tz)
    known = table[table["low"].notna()]
    assert (known["low"] <= known["change"] + 1e-12).all()
    assert (known["change"] <= known["high"] + 1e-12).all()
    assert not (table["supported"] & table["low"].isna()).any()
