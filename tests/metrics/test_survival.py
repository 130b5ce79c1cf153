from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import CensoredData, ecdf

from mkframe.metrics._survival import kaplan_meier_quantile


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("p", [0.25, 0.5, 0.9])
def test_quantile_equals_scipy(seed, p):
    g = np.random.default_rng(seed)
    seconds = g.integers(1, 30, 40).astype(float)
    is_over = g.random(40) < 0.7
    curve = ecdf(CensoredData(uncensored=seconds[is_over], right=seconds[~is_over])).cdf
    reached = curve.quantiles[curve.probabilities >= p - 1e-12]
    assert kaplan_meier_quantile(seconds, is_over, p) == (reached.min() if len(reached) else math.inf)


def test_quantile_of_nothing_is_nan():
    assert math.isnan(kaplan_meier_quantile([], []))
    assert math.isnan(kaplan_meier_quantile([np.nan], [True]))


def test_quantile_that_is_not_reached_is_infinite():
    assert kaplan_meier_quantile([1, 5, 5], [True, False, False]) == math.inf
