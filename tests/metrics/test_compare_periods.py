from __future__ import annotations

import math
from datetime import UTC, date, datetime

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.proportion import confint_proportions_2indep

from mkframe import metrics
from mkframe.errors import InputError
from tests.support.versions import TEXT

COLUMNS = {
    "n_now": "int64",
    "n_before": "int64",
    "days_now": "int64",
    "days_before": "int64",
    "now": "float64",
    "before": "float64",
    "change": "float64",
    "low": "float64",
    "high": "float64",
    "supported": "bool",
    "start_before": "datetime64[us, Europe/Vienna]",
    "start_now": "datetime64[us, Europe/Vienna]",
    "end": "datetime64[us, Europe/Vienna]",
    "says": TEXT,
}


def day(number: int, hour: int = 8) -> str:
    return f"2026-04-{number:02d}T{hour:02d}:00:00Z"


def weeks(factory, seconds_before, seconds_now, **more):
    """Give builds on the days of two weeks: a list of seconds for each day from Monday, 6 April."""
    return factory.builds(
        *(
            {"build_start": day(6 + place), "seconds": s, **more}
            for place, values in enumerate([*seconds_before, *seconds_now])
            for s in values
        )
    )


def failures(factory, before, now):
    """Give builds on the days of two weeks: pairs (failed, ended) for each day."""
    return factory.builds(
        *(
            {"build_start": day(6 + place), "seconds": 9, "status": status}
            for place, (failed, completed) in enumerate([*before, *now])
            for status in ["FAILED"] * failed + ["FINISHED"] * (completed - failed)
        )
    )


def expected_rates(before, now):
    """Calculate the interval by plain loops, scipy and statsmodels."""

    def side(days):
        days = [(x, m) for x, m in days if m]
        n, x, k = sum(m for _, m in days), sum(x for x, _ in days), len(days)
        p = x / n
        jackknife = (k - 1) / k * sum(((x - a) / max(n - m, 1) - p) ** 2 for a, m in days)
        v0 = p * (1 - p) / n
        return n, p, max(1.0, jackknife / v0) if v0 else None, n**2 / sum(m**2 for _, m in days)

    (n1, p1, e1, k1), (n2, p2, e2, k2) = side(now), side(before)
    e1, e2 = e1 or e2 or 1.0, e2 or e1 or 1.0
    v1, v2 = e1 * p1 * (1 - p1) / n1, e2 * p2 * (1 - p2) / n2
    degrees = (v1 + v2) ** 2 / (v1**2 / (k1 - 1) + v2**2 / (k2 - 1)) if v1 + v2 else k1 + k2 - 2
    t = stats.t.ppf(0.975, max(degrees, 1))
    g = (t / stats.norm.ppf(0.975)) ** 2
    m1, m2 = n1 / e1 / g, n2 / e2 / g
    low, high = confint_proportions_2indep(p1 * m1, m1, p2 * m2, m2, method="newcomb")
    half = t * math.sqrt(v1 + v2)
    d = p1 - p2
    return d, max(min(low, d - half), -1), min(max(high, d + half), 1)


@pytest.mark.parametrize("seconds", [7.0, 90.0, 600.0, 1234.5])
@pytest.mark.parametrize("before", [20, 25, 27, 28])
def test_equal_durations_are_no_difference(before, seconds, factory):
    first = pd.Timestamp("2026-04-01T08:00Z")
    days = [*range(before), *range(28, 56)]
    starts = [(first + pd.Timedelta(days=n)).isoformat() for n in days]
    builds = factory.builds(*({"build_start": start, "seconds": seconds} for start in starts))
    assert not metrics.compare_periods(builds, days=28).loc["duration", "supported"]


def test_durations_equal_welch_of_scipy(factory):
    rng = np.random.default_rng(1)
    before = [np.exp(rng.normal(4, 0.5, n)).round(3).tolist() for n in (3, 8, 1, 0, 5, 2, 0)]
    now = [np.exp(rng.normal(4.2, 0.5, n)).round(3).tolist() for n in (9, 1, 4, 6, 2, 0, 1)]
    row = metrics.compare_periods(weeks(factory, before, now)).loc["duration"]
    a, b = ([np.median(np.log(d)) for d in side if d] for side in (now, before))
    interval = stats.ttest_ind(a, b, equal_var=False).confidence_interval(0.95)
    assert row["change"] == pytest.approx(math.exp(np.mean(a) - np.mean(b)), rel=1e-12)
    assert [row["low"], row["high"]] == pytest.approx(
        np.exp([interval.low, interval.high]).tolist(), rel=1e-9
    )
    assert row["now"] / row["before"] == pytest.approx(row["change"], rel=1e-12)
    assert row[["n_now", "n_before", "days_now", "days_before"]].tolist() == [23, 19, 6, 5]


@pytest.mark.parametrize(
    ("before", "now"),
    [
        ([(1, 8), (0, 9), (2, 7), (1, 10), (0, 6)], [(4, 9), (3, 8), (5, 9), (2, 7), (6, 10)]),
        ([(0, 30), (0, 31), (0, 29), (0, 25), (0, 35)], [(20, 30), (1, 30), (0, 30), (0, 30), (0, 28)]),
        ([(0, 5), (0, 5), (0, 5)], [(0, 4), (0, 5), (0, 1)]),
        ([(5, 5), (5, 5), (1, 1)], [(0, 4), (0, 5), (0, 1)]),
        ([(1, 1), (0, 0), (0, 1), (1, 2)], [(3, 40), (0, 0), (0, 1), (1, 1)]),
    ],
)
def test_rates_equal_statsmodels(before, now, factory):
    before, now = (side + [(0, 0)] * (7 - len(side)) for side in (before, now))
    row = metrics.compare_periods(failures(factory, before, now)).loc["failure_rate"]
    expected = expected_rates(before, now)
    assert row[["change", "low", "high"]].tolist() == pytest.approx(list(expected), rel=1e-9, abs=1e-12)
    assert row["supported"] == (expected[1] > 0 or expected[2] < 0)


def test_days_are_units_when_an_incident_fills_two(factory):
    calm = [(1, 30)] * 5 + [(0, 0)] * 2
    incident = [(20, 30), (18, 30), (1, 30), (0, 30), (1, 30), (0, 0), (0, 0)]
    row = metrics.compare_periods(failures(factory, calm, incident)).loc["failure_rate"]
    low, _ = confint_proportions_2indep(40, 150, 5, 150, method="newcomb")
    assert low > 0.1  # independent builds would say that it differs
    assert row["says"] == "no difference supported"


def test_change_on_every_day_is_supported(factory):
    row = metrics.compare_periods(failures(factory, [(3, 30)] * 7, [(10, 30)] * 7)).loc["failure_rate"]
    assert (row["says"], row["supported"]) == ("supported", True)
    assert 0 < row["low"] < row["change"] < row["high"]


@pytest.mark.parametrize("days", [0, 1, 2])
def test_under_three_days_there_is_no_comparison(days, factory):
    table = metrics.compare_periods(weeks(factory, [[60]] * 7, [[90, 95]] * days), end="2026-04-20")
    many = f"{days} day{'s' * (days != 1)} now and 7 days before"
    text = f"no comparison: builds on {many}, 3 are needed on each side"
    assert table["says"].tolist() == [text, text]
    assert table[["low", "high"]].isna().all(axis=None)
    assert not table["supported"].any()


def test_constant_durations_support_nothing(factory):
    row = metrics.compare_periods(weeks(factory, [[60, 60]] * 7, [[60]] * 7)).loc["duration"]
    assert row[["change", "low", "high"]].tolist() == [1, 1, 1]
    assert not row["supported"]


def test_typical_day_is_not_swayed_by_one_full_day(factory):
    now = [[10], [10], [10], [10], [500] * 50, [10], [10]]
    row = metrics.compare_periods(weeks(factory, [[10]] * 7, now)).loc["duration"]
    assert row["now"] == pytest.approx(math.exp((6 * math.log(10) + math.log(500)) / 7))


def test_what_has_no_duration_or_result_is_not_counted(factory):
    more = [{"status": s, "build_start": day(15), "seconds": 5} for s in ("CANCELED", "PAUSED")]
    more += [{"status": "BUILDING", "build_start": day(15)}, {"build_start": day(15), "seconds": -5}]
    builds = factory.builds(*({"build_start": day(d), "seconds": 9} for d in range(6, 20)), *more)
    table = metrics.compare_periods(builds)
    assert table["n_now"].tolist() == [8, 7]  # the finished build that ends before it starts has a result


@pytest.mark.parametrize(
    "end",
    [
        "2026-04-20",
        date(2026, 4, 20),
        datetime(2026, 4, 20),
        pd.Timestamp("2026-04-20", tz="Europe/Vienna"),
        datetime(2026, 4, 19, 22, tzinfo=UTC),
        np.datetime64("2026-04-20"),
    ],
)
def test_end_is_an_exclusive_local_midnight(end, factory):
    builds = factory.builds(
        *({"build_start": day(d), "seconds": 9} for d in range(6, 20)),
        {"build_start": "2026-04-19T22:00:00Z", "seconds": 9},
        {"build_start": "2026-04-05T22:00:00Z", "seconds": 9},
        {"build_start": "2026-04-12T21:59:59Z", "seconds": 9},
        {"build_start": "2026-04-12T22:00:00Z", "seconds": 9},
    )
    table = metrics.compare_periods(builds, end=end, tz="Europe/Vienna")
    assert table.loc["duration", ["n_now", "n_before"]].tolist() == [8, 9]
    bounds = table[["start_before", "start_now", "end"]].iloc[0]
    assert [str(time.date()) for time in bounds] == ["2026-04-06", "2026-04-13", "2026-04-20"]


@pytest.mark.parametrize(
    "end", ["2026-04-20T01:00", "next week", 20, True, pd.NaT, datetime(2026, 4, 20, tzinfo=UTC)]
)
def test_end_that_is_no_midnight_is_refused(end, factory):
    with pytest.raises(InputError, match="is not a day"):
        metrics.compare_periods(factory.builds(), end=end, tz="Europe/Vienna")


@pytest.mark.parametrize("days", [0, -7, True, 2.5, "7"])
def test_days_must_be_a_whole_number(days, factory):
    with pytest.raises(InputError, match="days="):
        metrics.compare_periods(factory.builds(), days=days)


def test_default_end_is_the_day_after_the_last_build(factory):
    builds = weeks(factory, [[9]] * 7, [[9]] * 6)
    assert str(metrics.compare_periods(builds)["end"].iloc[0].date()) == "2026-04-19"


@pytest.mark.parametrize("rows", [[], [{"build_start": day(1), "seconds": 9}], [{"build_start": None}]])
def test_columns_are_the_same_for_few_builds(rows, factory):
    table = metrics.compare_periods(factory.builds(*rows), tz="Europe/Vienna")
    assert {name: str(dtype) for name, dtype in table.dtypes.items()} == COLUMNS
    assert table.index.tolist() == ["failure_rate", "duration"]


@pytest.mark.parametrize("by", ["pattern", "pattern_set", "release", "project", "user"])
def test_each_group_is_compared_as_if_alone(by, factory):
    rng = np.random.default_rng(2)
    builds = factory.builds(
        *(
            {
                "build_start": day(6 + int(rng.integers(0, 14))),
                "seconds": int(rng.integers(1, 99)),
                "status": str(rng.choice(["FAILED", "FINISHED"])),
                "patterns": [int(g)],
                "releases": [int(g)],
                "project_id": int(g),
                "user_id": int(g),
            }
            for g in rng.integers(1, 4, 200)
        )
    )
    table = metrics.compare_periods(builds, by=by, end="2026-04-20")
    assert table.index.names == [by, "metric"]
    for group in ("1", "2", "3"):
        alone = metrics.compare_periods(builds[builds["user_id"] == int(group)], end="2026-04-20")
        pd.testing.assert_frame_equal(table.loc[group], alone)
    assert metrics.compare_periods(builds.iloc[:0], by=by).index.names == [by, "metric"]


def test_order_of_rows_makes_no_difference(factory):
    builds = weeks(factory, [[5, 9, 7]] * 7, [[8, 3]] * 7)
    shuffled = builds.sample(frac=1, random_state=3)
    pd.testing.assert_frame_equal(metrics.compare_periods(builds), metrics.compare_periods(shuffled))
