from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from mkframe import metrics
from mkframe.errors import InputError
from mkframe.metrics._eta import EtaFit, _order_statistics
from tests.support.versions import TEXT

START = pd.Timestamp("2026-04-01T08:00:00Z")
COLUMNS = {
    "elapsed": "float64",
    "median": "float64",
    "low50": "float64",
    "high50": "float64",
    "low80": "float64",
    "high80": "float64",
    "n": "int64",
    "of": "int64",
    "step": TEXT,
    "unusually_long": "bool",
    "says": TEXT,
}


@pytest.fixture(scope="module")
def past(factory):
    """Give finished builds, one an hour, that took so many seconds."""

    def make(seconds, patterns=(808,), instances=3, **more):
        numbers = np.resize(instances, len(seconds)).tolist()
        return factory.builds(
            *(
                {
                    "id": 100 + k,
                    "build_start": (START + pd.Timedelta(hours=k)).isoformat(),
                    "seconds": s,
                    "instances": number,
                    "patterns": list(patterns),
                }
                | more
                for k, (s, number) in enumerate(zip(seconds, numbers, strict=True))
            )
        )

    return make


@pytest.fixture(scope="module")
def asked(factory):
    """Give a running build, and the moment when it has run so many seconds."""

    def make(elapsed=0.0, **more):
        start = pd.Timestamp("2026-05-01T08:00:00Z")
        row = {
            "id": 7,
            "status": "BUILDING",
            "build_start": start.isoformat(),
            "instances": 3,
            "patterns": [808],
        }
        return factory.builds(row | more), start + pd.Timedelta(seconds=elapsed)

    return make


SPREAD = [79.0 + (-1) ** k * (1 + 6 * (k // 2) % 19) for k in range(38)] + [79.0]
"""60 to 98 s, by turns as far above and below the middle, so that recent builds tell of no shift."""


def test_ranges_are_order_statistics(past, asked):
    running, now = asked()
    row = metrics.eta(running, past(SPREAD), now=now, levels=(0.5,)).loc[7]
    alpha = EtaFit.of(past(SPREAD), now)._model.alphas([0.5])["same patterns"][0.5]
    assert alpha == pytest.approx(0.5, abs=0.15)
    low, high = _order_statistics(39, alpha)
    # one build left out of 39 moves the fit by 1 / 39 of its distance
    assert row["median"] == pytest.approx(79, abs=1.5)
    assert row["low50"] == pytest.approx(sorted(SPREAD)[low - 1], abs=1.5)
    assert row["high50"] == pytest.approx(sorted(SPREAD)[high - 1], abs=1.5)
    assert row[["n", "of", "step"]].tolist() == [39, 39, "same patterns"]


def test_elapsed_time_leaves_out_shorter_builds(past, asked):
    running, now = asked(elapsed=80)
    row = metrics.eta(running, past(SPREAD), now=now).loc[7]
    assert row["elapsed"] == 80
    assert row["n"] == pytest.approx(sum(s > 80 for s in SPREAD), abs=1)
    assert 0 < row["low80"] <= row["low50"] <= row["median"] <= row["high50"] <= row["high80"] < 19
    assert f"from 39 similar builds, of which {row['n']} took longer than this one now" in row["says"]
    assert row["says"].endswith("if it finishes")


def test_build_longer_than_all_has_no_range(past, asked):
    running, now = asked(elapsed=500)
    row = metrics.eta(running, past(SPREAD), now=now).loc[7]
    assert row["n"] == 0
    assert math.isnan(row["median"])
    assert math.isnan(row["low80"])
    assert math.isinf(row["high80"])
    assert row["unusually_long"]
    assert row["says"] == "unusually long: longer than all 39 similar builds"


def test_few_left_builds_have_an_open_range(past, asked):
    running, now = asked(elapsed=95)
    row = metrics.eta(running, past(SPREAD), now=now, levels=(0.5, 0.8)).loc[7]
    assert 1 <= row["n"] <= 4
    assert math.isinf(row["high80"])
    assert "or more (80 %)" in row["says"]
    assert row["low80"] >= 0


@pytest.mark.parametrize(("elapsed", "is_unusual"), [(96.0, False), (99.9, True)])
def test_unusually_long_is_beyond_the_range_of_the_start(elapsed, is_unusual, past, asked):
    running, now = asked(elapsed=elapsed)
    row = metrics.eta(running, past(SPREAD), now=now).loc[7]
    assert row["unusually_long"] == is_unusual
    assert row["says"].startswith("unusually long: ") == is_unusual


def test_pattern_set_is_compared_before_all_patterns(past, asked, factory):
    slow = past([540.0 + s for s in SPREAD[:30]], patterns=[1, 808])
    history = pd.concat([past(SPREAD), slow.set_axis(slow.index + 900)])
    for patterns, step, low, high in (
        ([808], "same patterns", 55, 105),
        ([808, 1], "same patterns", 590, 650),
        ([5], "all patterns", 55, 650),
    ):
        running, now = asked(patterns=patterns)
        row = metrics.eta(running, history, now=now).loc[7]
        assert row["step"] == step
        assert low < row["low80"] < row["high80"] < high
    assert "builds of all patterns" in row["says"]


def test_under_twenty_builds_there_is_no_idea(past, asked):
    running, now = asked()
    row = metrics.eta(running, past(SPREAD[:19]), now=now).loc[7]
    assert row[["n", "of", "step"]].tolist() == [0, 0, "none"]
    assert row[["median", "low50", "high80"]].isna().all()
    assert row["says"] == "no idea: under 20 finished builds to compare with"


def test_builds_that_ended_later_are_not_used(past, asked):
    running, _ = asked(build_start=(START + pd.Timedelta(hours=25)).isoformat())
    history = past([60.0] * 25 + [9000.0] * 40)
    then = START + pd.Timedelta(hours=25)
    row = metrics.eta(running, history, now=then).loc[7]
    assert row["of"] == 25
    assert row["high80"] == pytest.approx(60, rel=1e-6)
    pd.testing.assert_frame_equal(
        metrics.eta(running, history, now=then), metrics.eta(running, history.iloc[:25], now=then)
    )


def test_only_finished_builds_are_used(past, asked):
    running, now = asked()
    failed = past([5.0] * 40, status="FAILED")
    history = pd.concat([past(SPREAD), failed.set_axis(failed.index + 900)])
    pd.testing.assert_frame_equal(
        metrics.eta(running, history, now=now), metrics.eta(running, past(SPREAD), now=now)
    )


def test_instances_move_the_range(past, asked):
    g = np.random.default_rng(3)
    numbers = g.integers(1, 60, 200)
    history = past((10 + 5 * numbers) * np.exp(g.normal(0, 0.1, 200)), instances=numbers)
    for number in (2, 20, 50):
        running, now = asked(instances=number)
        row = metrics.eta(running, history, now=now).loc[7]
        assert row["low80"] < 10 + 5 * number < row["high80"]
        assert row["high80"] / row["low80"] < 1.5


def test_more_instances_than_ever_are_told(past, asked):
    g = np.random.default_rng(3)
    numbers = g.integers(1, 30, 200)
    history = past((10 + 5 * numbers) * np.exp(g.normal(0, 0.1, 200)), instances=numbers)
    running, now = asked(instances=300)
    row = metrics.eta(running, history, now=now).loc[7]
    assert 0.7 * 1510 < row["median"] < 1.4 * 1510
    assert "it has more instances than any of them" in row["says"]


def test_doubled_durations_are_followed(past, asked):
    g = np.random.default_rng(4)
    seconds = np.exp(4 + g.normal(0, 0.3, 300)) * np.where(np.arange(300) >= 200, 2, 1)
    running, now = asked()
    row = metrics.eta(running, past(seconds), now=now).loc[7]
    assert row["median"] == pytest.approx(2 * math.exp(4), rel=0.15)


@pytest.mark.parametrize("after", [6, 20])
def test_change_of_all_patterns_is_followed(after, past, asked):
    before, sets, sigma = 40, 8, 0.25
    widths, medians = [], []
    for seed in range(4):
        g = np.random.default_rng([8, seed])
        which = np.concatenate([g.permutation(np.repeat(range(sets), n)) for n in (before, after)])
        factor = np.where(np.arange(len(which)) < before * sets, 1, 2)
        seconds = np.exp(4 + 0.2 * which + g.normal(0, sigma, len(which))) * factor
        history = past(seconds)
        history["patterns"] = [[808 + int(number)] for number in which]
        now = history["build_end"].max()
        for number in range(sets):
            running, _ = asked(patterns=[808 + number], build_start=now.isoformat())
            row = metrics.eta(running, history, now=now).iloc[0]
            widths.append(math.log(row["high80"] / row["low80"]) / (2 * 1.2816 * sigma))
            medians.append(row["median"] / (2 * math.exp(4 + 0.2 * number)))
    # the newest 60 builds of a set are mostly older than the change
    assert np.median(widths) < 1.5
    assert np.median(medians) == pytest.approx(1, abs=0.1)


def test_change_of_one_pattern_set_moves_no_other(past, asked):
    g = np.random.default_rng(9)
    which = np.tile(range(4), 60)
    is_slow = (which == 0) & (np.arange(240) >= 160)
    history = past(np.exp(4 + g.normal(0, 0.2, 240)) * np.where(is_slow, 2, 1))
    history["patterns"] = [[808 + int(number)] for number in which]
    medians = [
        metrics.eta(running, history, now=now)["median"].iloc[0] / math.exp(4)
        for running, now in (asked(patterns=[808 + number]) for number in range(4))
    ]
    assert medians[1:] == pytest.approx([1, 1, 1], rel=0.15)
    assert medians[0] > 1.3


def test_ranges_of_rare_sets_learn_from_rare_sets(past, asked):
    seconds = np.array([SPREAD[k % 39] for k in range(300)])
    is_rare = np.arange(300) % 12 == 0
    history = past(np.where(is_rare, 900, seconds))
    history["patterns"] = [[900 + k // 60] if rare else [808] for k, rare in enumerate(is_rare)]
    highs = {}
    for pattern in (808, 904, 5):
        running, now = asked(patterns=[pattern])
        highs[pattern] = metrics.eta(running, history, now=now).loc[7, "high80"]
    # 5 of the 60 newest builds are of rare sets: not enough to be in the range, but each was missed
    assert highs[808] < 105
    assert highs[904] == highs[5] > 900


def test_level_holds_its_share_of_builds(past, factory):
    g = np.random.default_rng(5)
    history = past(np.exp(4 + g.normal(0, 0.4, 400)), instances=1)
    took = (history["build_end"] - history["build_start"]).dt.total_seconds()
    hits = []
    for place in range(160, 400, 6):
        one = history.iloc[[place]].assign(status="BUILDING")
        row = metrics.eta(one, history.iloc[:place], now=one["build_start"].iloc[0]).iloc[0]
        hits.append(row["low80"] <= took.iloc[place] <= row["high80"])
    assert 0.65 < np.mean(hits) < 0.95


def test_start_in_the_future_or_missing_is_told(past, asked):
    running, now = asked(build_start=None)
    assert metrics.eta(running, past(SPREAD), now=now)["says"].tolist() == ["no idea: the build has no start"]
    running, now = asked(elapsed=-30)
    row = metrics.eta(running, past(SPREAD), now=now).loc[7]
    assert row["elapsed"] == -30
    assert row["n"] == 39
    assert row["says"].startswith("starts 30 s later than now: ")


@pytest.mark.parametrize("is_tied", [False, True])
def test_order_of_rows_makes_no_difference(is_tied, past, asked):
    g = np.random.default_rng(6)
    history = past(np.exp(g.normal(4, 0.5, 200)), instances=g.integers(1, 9, 200))
    history["patterns"] = [[808 + int(number)] for number in g.integers(0, 4, 200)]
    if is_tied:
        history["build_end"] = history["build_start"].max() + pd.Timedelta(hours=1)
    running, now = asked(elapsed=20)
    pd.testing.assert_frame_equal(
        metrics.eta(running, history, now=now),
        metrics.eta(running, history.sample(frac=1, random_state=1), now=now),
    )


@pytest.mark.parametrize("status", ["FINISHED", "FAILED", "PAUSED", None])
def test_only_running_builds_have_rows(status, past, asked):
    running, now = asked(status=status)
    table = metrics.eta(running, past(SPREAD), now=now)
    assert len(table) == 0
    assert {name: str(dtype) for name, dtype in table.dtypes.items()} == COLUMNS


@pytest.mark.parametrize("n", [0, 1, 25])
def test_columns_are_the_same_for_any_history(n, past, asked):
    running, now = asked()
    table = metrics.eta(running, past(SPREAD[:n]), now=now)
    assert {name: str(dtype) for name, dtype in table.dtypes.items()} == COLUMNS


def test_now_is_the_clock_by_default(past, asked):
    running, _ = asked()
    elapsed = (pd.Timestamp.now("UTC") - running["build_start"].iloc[0]).total_seconds()
    assert metrics.eta(running, past(SPREAD))["elapsed"].iloc[0] == pytest.approx(elapsed, abs=60)


@pytest.mark.parametrize("now", ["2026-05-01 08:00", "today?", pd.NaT])
def test_now_needs_a_zone(now, past, asked):
    with pytest.raises(InputError, match="now="):
        metrics.eta(asked()[0], past(SPREAD), now=now)


@pytest.mark.parametrize("levels", ["0.5", 0.5, (0,), (1,), (80,), (True,), (float("nan"),)])
def test_levels_must_be_shares(levels, past, asked):
    with pytest.raises(InputError, match="level"):
        metrics.eta(asked()[0], past(SPREAD), now=asked()[1], levels=levels)


@pytest.mark.parametrize(
    ("n", "alpha", "places"), [(39, 0.5, (10, 30)), (19, 0.1, (1, 19)), (18, 0.1, (0, 19)), (9, 0.2, (1, 9))]
)
def test_order_statistics_follow_the_rule_of_n_plus_one(n, alpha, places):
    assert _order_statistics(n, alpha) == places


# --- a history that is asked again -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("elapsed", "short"),
    [
        (0.0, "if it finishes: 1 min 3 s to 1 min 33 s more (80 %)"),
        (97.6, "unusually long: longer than 38 of 39 similar builds"),
        (200.0, "unusually long: longer than all 39 similar builds"),
        (-30.0, "starts 30 s later than now: if it finishes: 1 min 33 s to 2 min 3 s more (80 %)"),
    ],
)
def test_fit_says_the_sentence_of_eta_at_each_time(elapsed, short, past, asked):
    running, now = asked(elapsed)
    fit = EtaFit.of(past(SPREAD), running["build_start"].iloc[0])
    row = metrics.eta(running, past(SPREAD), now=now).iloc[0]
    assert fit.how_long(running, now) == {7: (row["says"], short, row["unusually_long"])}


def test_fit_uses_no_build_that_ended_after_it(past, asked):
    running, now = asked(10)
    fit = EtaFit.of(past([60.0] * 25 + [9000.0] * 40), START + pd.Timedelta(hours=25))
    assert "from 25 similar builds" in fit.how_long(running, now)[7][0]


def test_fit_tells_pattern_sets_that_it_has_not_seen(past, asked):
    running, now = asked(10, patterns=[5])
    fit = EtaFit.of(past(SPREAD), now)
    assert "from 39 builds of all patterns" in fit.how_long(running, now)[7][0]
    few = EtaFit.of(past(SPREAD[:19]), now).how_long(running, now)[7]
    assert few == (*["no idea: under 20 finished builds to compare with"] * 2, False)


@pytest.mark.parametrize("column", ["status", "build_start", "build_end", "instances", "patterns"])
def test_fit_needs_the_columns_of_a_find(column, past):
    with pytest.raises(InputError, match=column):
        EtaFit.of(past(SPREAD).drop(columns=column), START)
