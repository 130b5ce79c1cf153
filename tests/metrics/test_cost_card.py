from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import least_squares

from mkframe import metrics
from tests.support.versions import TEXT

FIGURES = [f"{name}{end}" for name in ("base", "per_instance") for end in ("", "_low", "_high")]
COLUMNS = {
    "n": "int64",
    **dict.fromkeys(FIGURES, "float64"),
    "smallest": "Int64",
    "largest": "Int64",
    "excluded": "int64",
    "refused": TEXT,
}


@pytest.fixture(scope="module")
def card(factory):
    """Give the card of builds of one pattern set with these seconds and numbers of instances."""

    def make(seconds, numbers, **more):
        rows = (
            {"seconds": float(s), "instances": None if n is None else int(n), "patterns": [808]} | more
            for s, n in zip(seconds, numbers, strict=True)
        )
        return metrics.cost_card(factory.builds(*rows))

    return make


def simulated(n, base=20.0, each=1.5, sigma=0.3, seed=1):
    g = np.random.default_rng(seed)
    numbers = np.where(g.random(n) < 0.3, g.integers(20, 60, n), 1 + g.lognormal(0.7, 1, n).astype(int))
    return ((base + each * numbers) * np.exp(g.normal(0, sigma, n))).round(3), numbers


def test_exact_costs_are_found(card):
    numbers = np.arange(1, 21)
    row = card(14 + 2.5 * numbers, numbers).loc["808"]
    assert row[FIGURES].tolist() == pytest.approx([14, 14, 14, 2.5, 2.5, 2.5])
    assert row[["smallest", "largest", "n", "refused"]].tolist() == [1, 20, 20, ""]


@pytest.mark.parametrize("seed", range(5))
def test_costs_solve_the_equations_that_scipy_solves(seed, card):
    seconds, numbers = simulated(80, seed=seed)
    row = card(seconds, numbers).loc["808"]
    residuals = np.log(seconds / (row["base"] + row["per_instance"] * numbers))
    scale = 1.4826 * np.median(np.abs(residuals - np.median(residuals)))
    expected = least_squares(
        lambda x: np.log(seconds / (x[0] + x[1] * numbers)),
        [10, 1],
        bounds=(0, np.inf),
        loss="huber",
        f_scale=1.345 * scale,
        xtol=1e-14,
        ftol=1e-14,
        gtol=1e-14,
    ).x
    assert row[["base", "per_instance"]].tolist() == pytest.approx(expected.tolist(), rel=1e-4)


@pytest.mark.parametrize("n", [15, 30, 120])
def test_intervals_hold_the_truth_mostly(n, factory):
    rows = [
        {"seconds": float(seconds), "instances": int(number), "patterns": [pattern]}
        for pattern in range(1, 61)
        for seconds, number in zip(*simulated(n, seed=pattern - 1), strict=True)
    ]
    cards = metrics.cost_card(factory.builds(*rows))
    assert cards["n"].tolist() == [n] * 60
    hits = [cards["base_low"].le(20) & cards["base_high"].ge(20)]
    hits += [cards["per_instance_low"].le(1.5) & cards["per_instance_high"].ge(1.5)]
    assert 0.87 < np.mean(hits) < 1


def test_costs_are_never_negative(card):
    numbers = np.arange(1, 31)
    free, flat = card(2.0 * numbers - 0.9, numbers).loc["808"], card(60 - 0.5 * numbers, numbers).loc["808"]
    assert (free["base"], free["base_low"]) == (0, 0)
    assert flat["per_instance"] == 0
    assert flat["base"] == pytest.approx(52, abs=2)


def test_outliers_hardly_matter(card):
    seconds, numbers = simulated(200, sigma=0.1)
    wild = seconds.copy()
    wild[::25] *= 50
    calm, moved = card(seconds, numbers).loc["808"], card(wild, numbers).loc["808"]
    assert moved["base"] == pytest.approx(calm["base"], rel=0.1)
    assert moved["per_instance"] == pytest.approx(calm["per_instance"], rel=0.1)


@pytest.mark.parametrize(
    ("numbers", "refused"),
    [
        (list(range(1, 15)), "14 builds, 15 are needed"),
        ([5] * 20, "builds have 1 number of instances only, 3 different ones are needed"),
        ([5, 50] * 10, "builds have 2 numbers of instances only, 3 different ones are needed"),
        (
            [1000, 1200, 1999] * 10,
            "builds have from 1,000 to 1,999 instances, the largest must be 2 times the smallest",
        ),
    ],
)
def test_what_cannot_be_told_apart_is_refused(numbers, refused, card):
    row = card([9] * len(numbers), numbers).loc["808"]
    assert row["refused"] == refused
    assert row[FIGURES].isna().all()
    assert row["n"] == len(numbers)


def test_builds_without_instances_are_excluded_and_counted(card):
    row = card([9] * 20, [1, 2, 3, 4] * 4 + [None, None, 0, 0]).loc["808"]
    assert row[["n", "excluded"]].tolist() == [16, 4]


def test_pattern_sets_are_the_rows(factory):
    seconds, numbers = simulated(40)
    rows = [{"seconds": float(s), "instances": int(n)} for s, n in zip(seconds, numbers, strict=True)]
    builds = factory.builds(
        *(row | {"patterns": p} for row in rows for p in ([1], [1, 2])), {"status": "FAILED"}
    )
    table = metrics.cost_card(builds)
    assert table.index.tolist() == ["1", "1 + 2"]
    assert table["n"].tolist() == [40, 40]
    assert table["base"].nunique() == 1


def test_order_of_rows_makes_no_difference(factory):
    seconds, numbers = simulated(60)
    rows = (
        {"seconds": float(s), "instances": int(n), "patterns": [int(n) % 2]}
        for s, n in zip(seconds, numbers, strict=True)
    )
    builds = factory.builds(*rows)
    pd.testing.assert_frame_equal(
        metrics.cost_card(builds), metrics.cost_card(builds.sample(frac=1, random_state=4))
    )


@pytest.mark.parametrize(
    "rows", [[], [{"status": "FAILED"}], [{"seconds": 5, "instances": 2}], [{"status": "FINISHED"}]]
)
def test_columns_are_the_same_for_few_builds(rows, factory):
    table = metrics.cost_card(factory.builds(*rows))
    assert {name: str(dtype) for name, dtype in table.dtypes.items()} == COLUMNS
    assert table.index.name == "pattern_set"
    assert not [value for value in table["base"] if not math.isnan(value)]
