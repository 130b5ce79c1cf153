from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import t as student

from mkframe.metrics import _distributions
from mkframe.metrics._distributions import t_quantile

DEGREES = np.concatenate([np.linspace(0.5, 3, 30), np.geomspace(3, 1e12, 300), [99_999.0, 100_000.0]])


@pytest.mark.parametrize("p", [0.5, 0.6, 0.9, 0.975, 0.99, 0.9995])
def test_t_quantile_equals_scipy(p):
    assert t_quantile(p, DEGREES) == pytest.approx(student.ppf(p, DEGREES), rel=1e-10, abs=1e-15)


def test_t_quantile_stops_where_rounding_is_all_that_is_left(monkeypatch):
    evaluated = []
    beta = _distributions._incomplete_beta
    monkeypatch.setattr(_distributions, "_incomplete_beta", lambda *a: evaluated.append(1) or beta(*a))
    t_quantile(0.975, [50.0, 99_999.0])
    assert len(evaluated) < 10


def test_t_quantile_of_nan_is_nan():
    assert np.isnan(t_quantile(0.975, [np.nan, 5.0])).tolist() == [True, False]


def test_t_quantile_of_nothing_is_empty():
    assert t_quantile(0.975, []).tolist() == []
