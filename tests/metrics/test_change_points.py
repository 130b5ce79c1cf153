from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from mkframe import metrics
from mkframe.errors import InputError
from mkframe.metrics._change_points import _inflation, _p_maximum
from tests.support.versions import TEXT

COLUMNS = {
    "result": TEXT,
    "at": "datetime64[us, Europe/Vienna]",
    "first_build": "Int64",
    "earliest": "datetime64[us, Europe/Vienna]",
    "latest": "datetime64[us, Europe/Vienna]",
    "ratio": "float64",
    "low": "float64",
    "high": "float64",
    "p": "float64",
    "n_before": "Int64",
    "n_after": "Int64",
    "n": "int64",
    "detectable": "float64",
    "says": TEXT,
}
START = pd.Timestamp("2026-01-05T08:00:00Z")


@pytest.fixture(scope="module")
def history(factory):
    """Give builds, two a day, whose seconds a function of their number changes."""

    def make(
        n=300, change=lambda k: 1.0, seed=1, sigma=0.2, instances=lambda k, g: int(g.integers(1, 30)), **more
    ):
        g = np.random.default_rng(seed)
        rows = []
        for k in range(n):
            number = instances(k, g)
            seconds = (20 + 3 * number) * change(k) * math.exp(g.normal(0, sigma))
            start = (START + pd.Timedelta(hours=12 * k)).isoformat()
            rows.append(
                {
                    "id": 1001 + k,
                    "build_start": start,
                    "seconds": seconds,
                    "instances": number,
                    "patterns": [808],
                }
                | more
            )
        return factory.builds(*rows)

    return make


def step_at(place, factor):
    return lambda k: factor if k >= place else 1.0


def together(builds, every):
    """Let many builds start at once, each as long as it was."""
    start = builds["build_start"].dt.floor(every)
    return builds.assign(build_start=start, build_end=start + (builds["build_end"] - builds["build_start"]))


def test_step_is_found_with_its_first_build(history):
    row = metrics.change_points(history(change=step_at(180, 1.8))).loc["808"]
    assert row["result"] == "change"
    assert abs(row["first_build"] - 1181) <= 4
    assert row["at"] == START + pd.Timedelta(hours=12 * (int(row["first_build"]) - 1001))
    assert row["low"] < 1.8 < row["high"]
    assert row["earliest"] <= row["at"] <= row["latest"]
    assert row[["n_before", "n_after"]].sum() == row["n"] == 300
    assert row["says"].startswith("slower by × 1.")
    assert "(or gradually)" in row["says"]


def test_faster_builds_are_called_faster(history):
    row = metrics.change_points(history(change=step_at(150, 0.5))).iloc[0]
    assert row["high"] < 1
    assert row["says"].startswith("faster by × ")


@pytest.mark.parametrize("seed", range(3))
def test_crowded_day_counts_little_more_than_another(seed, factory):
    g = np.random.default_rng(seed)
    shared = g.normal(0, 0.2, 150)
    # 30 builds of one day, as fast as before the change by what they share
    shared[86] = -0.4
    rows = [(day, hour) for day in range(150) for hour in (8, 14)] + [(86, 10 + k / 60) for k in range(30)]
    builds = factory.builds(
        *(
            {
                "id": 1001 + number,
                "build_start": (START + pd.Timedelta(days=day, hours=hour - 8)).isoformat(),
                "seconds": math.exp(4 + shared[day] + g.normal(0, 0.05) + 0.4 * (day >= 75)),
                "instances": 3,
                "patterns": [808],
            }
            for number, (day, hour) in enumerate(rows)
        )
    )
    row = metrics.change_points(builds).iloc[0]
    assert abs((row["at"] - START).days - 75) <= 2


def test_two_steps_are_two_rows_in_order(history):
    table = metrics.change_points(history(n=500, change=lambda k: 2.0 if 150 <= k < 330 else 1.0))
    assert table["result"].tolist() == ["change", "change"]
    assert (table["ratio"] > 1).tolist() == [True, False]
    assert table["n_after"].iloc[0] == table["n_before"].iloc[1]
    assert table["at"].is_monotonic_increasing


def test_constant_durations_have_no_change(history):
    table = metrics.change_points(history(sigma=0.0, instances=lambda k, g: 5))
    assert table["result"].tolist() == ["no change"]


def test_growth_of_instances_is_no_change(history):
    grown = history(instances=lambda k, g: 1 + int(g.integers(1, 10) * (1 + k / 100)))
    assert metrics.change_points(grown)["result"].tolist() == ["no change"]


def test_one_slow_week_is_no_change(history):
    blip = history(change=lambda k: 2.0 if 150 <= k < 164 else 1.0)
    assert metrics.change_points(blip)["result"].tolist() == ["no change"]


@pytest.mark.parametrize("seed", range(5))
def test_correlated_noise_is_no_change(seed, history):
    g = np.random.default_rng(seed)
    noise = [0.0]
    for _ in range(400):
        noise.append(0.6 * noise[-1] + 0.4 * g.normal())
    table = metrics.change_points(history(n=400, sigma=0.0, change=lambda k: math.exp(noise[k])))
    assert table["result"].tolist() == ["no change"]


def test_order_of_rows_makes_no_difference(history):
    builds = history(change=step_at(150, 1.4))
    builds = together(builds, "3D")
    shuffled = builds.sample(frac=1, random_state=7)
    pd.testing.assert_frame_equal(metrics.change_points(builds), metrics.change_points(shuffled))
    pd.testing.assert_frame_equal(metrics.change_points(builds), metrics.change_points(builds))


def test_change_never_parts_builds_that_start_together(history):
    builds = together(history(change=step_at(151, 3.0)), "2D")
    first = metrics.change_points(builds)["first_build"].iloc[0]
    assert builds.loc[first, "build_start"] > builds.loc[first - 1, "build_start"]


def test_only_finished_builds_count(history):
    slow = history(change=step_at(150, 3.0), status="FAILED")
    assert metrics.change_points(slow)["n"].tolist() == [0]
    assert metrics.change_points(slow)["result"].tolist() == ["too short"]


@pytest.mark.parametrize(("n", "hours"), [(31, 12), (40, 1)])
def test_short_streams_are_told(n, hours, history):
    builds = history(n=n)
    builds["build_start"] = START + pd.to_timedelta(hours * np.arange(n), unit="h")
    builds["build_end"] = builds["build_start"] + pd.Timedelta("60s")
    row = metrics.change_points(builds).iloc[0]
    assert row["result"] == "too short"
    assert math.isnan(row["detectable"])
    assert row["says"].startswith(f"too short: {n} finished builds in ")


def test_silence_tells_what_would_have_shown(history):
    few, many = (metrics.change_points(history(n=n)).iloc[0] for n in (60, 600))
    assert few["detectable"] > many["detectable"] > 1
    assert f"× {many['detectable']:.2f} in the middle would show in 4 of 5 cases" in many["says"]


def test_detectable_step_is_mostly_found(history):
    found = 0
    for seed in range(12):
        calm = history(n=150, seed=seed)
        size = metrics.change_points(calm)["detectable"].iloc[0]
        stepped = history(n=150, seed=seed, change=step_at(75, size))
        found += "change" in metrics.change_points(stepped)["result"].tolist()
    assert 6 <= found <= 12


def test_alpha_is_divided_by_the_streams(history):
    builds = history(n=240, change=step_at(120, 1.13))
    alone = metrics.change_points(builds, alpha=0.05)
    assert alone["result"].tolist() == ["change"]
    p = alone["p"].iloc[0]
    others = [history(n=60, seed=k, patterns=[900 + k]) for k in range(6)]
    together = pd.concat([builds, *others])
    together = together.set_axis(range(1, len(together) + 1))
    assert metrics.change_points(together, alpha=p * 7.01).loc["808", "result"] == "change"
    assert metrics.change_points(together, alpha=p * 6.99).loc["808", "result"] == "no change"


def test_streams_of_pattern_sets_and_patterns(history):
    one, both = history(n=100, patterns=[1]), history(n=100, seed=2, patterns=[1, 2])
    builds = pd.concat([one, both.set_axis(both.index + 5000)])
    assert metrics.change_points(builds)["n"].to_dict() == {"1": 200, "2": 100}
    assert metrics.change_points(builds, by="pattern_set")["n"].to_dict() == {"1": 100, "1 + 2": 100}


@pytest.mark.parametrize("n", [0, 1, 40, 100])
def test_columns_are_the_same_for_few_builds(n, history):
    table = metrics.change_points(history(n=n), tz="Europe/Vienna")
    assert {name: str(dtype) for name, dtype in table.dtypes.items()} == COLUMNS
    assert (table.index.name, len(table)) == ("pattern", min(n, 1))


@pytest.mark.parametrize("alpha", [0, 1, -0.1, True, "0.01", float("nan")])
def test_alpha_must_be_a_probability(alpha, factory):
    with pytest.raises(InputError, match="alpha="):
        metrics.change_points(factory.builds(), alpha=alpha)


def test_index_must_hold_ids(history):
    with pytest.raises(InputError, match="indexed by their id"):
        metrics.change_points(history().reset_index())


def test_p_of_the_maximum_agrees_with_simulation():
    g = np.random.default_rng(5)
    n, low, high = 400, 20, 380
    bridge = np.cumsum(g.standard_normal((4000, n)), axis=1)
    share = np.arange(1, n + 1) / n
    bridge -= share * bridge[:, -1:]
    z = np.abs(bridge[:, low:high]) / np.sqrt(n * share[low:high] * (1 - share[low:high]))
    for x in (2.8, 3.2):
        p = _p_maximum(x, low / n, high / n)
        found = (z.max(axis=1) > x).mean()
        assert 0.5 * p < found < 1.15 * p  # discrete places, so the formula is an upper bound


def test_inflation_grows_with_dependence():
    g = np.random.default_rng(6)
    psi = g.standard_normal(1000)
    alone = np.arange(1000)
    assert _inflation(psi, alone) < 1.1
    assert _inflation(np.repeat(psi[::4], 4), alone) > 2
    assert _inflation(np.repeat(psi[::10], 10), np.repeat(np.arange(100), 10)) == pytest.approx(
        math.sqrt(10), rel=0.1
    )
