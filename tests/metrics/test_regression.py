from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm

from mkframe.metrics._regression import CLIP, FREQUENT, Design, fit_huber, median_deviation


def data(n=400, seed=1, sets=3):
    g = np.random.default_rng(seed)
    group = g.integers(0, sets, n)
    instances = 1 + g.lognormal(1, 1, n).astype(int)
    y = np.log(10 + 9 * group + (1 + group) * instances) + g.normal(0, 0.4, n) + 2 * (g.random(n) < 0.03)
    return group, instances.astype("float64"), y


def dense(group, instances):
    u = np.log(instances)
    masks = [(group == k).astype(float) for k in np.unique(group)]
    return np.column_stack([m * u**power for m in masks for power in (0, 1, 2)])


def test_first_fit_is_least_squares_of_numpy():
    group, instances, y = data()
    design = Design.of(group, instances)
    columns = dense(group, instances)
    expected = y - columns @ np.linalg.lstsq(columns, y, rcond=None)[0]
    assert design.residuals(design.gram(), y) == pytest.approx(expected, abs=1e-10)


def test_huber_fit_solves_the_equations_of_statsmodels():
    group, instances, y = data()
    step = (np.arange(len(y)) >= 150).astype(float)[:, None]
    fit = fit_huber(Design.of(group, instances), y + 0.3 * step[:, 0], step)
    columns = np.column_stack([dense(group, instances), step])

    class Scale(sm.robust.scale.HuberScale):
        def __call__(self, df_resid, nobs, resid):
            return fit.scale

    model = sm.RLM(y + 0.3 * step[:, 0], columns, M=sm.robust.norms.HuberT(CLIP))
    expected = model.fit(scale_est=Scale(), tol=1e-12, maxiter=500)
    assert fit.extra[0] == pytest.approx(expected.params[-1], abs=1e-6)
    assert fit.residuals == pytest.approx(expected.resid, abs=1e-5)
    assert fit.scale == pytest.approx(median_deviation(fit.residuals), rel=1e-6)


def test_outliers_hardly_move_the_fit():
    group, instances, y = data(sets=1)
    wild = y.copy()
    wild[::20] += 50
    design = Design.of(group, instances)
    moved = fit_huber(design, wild).residuals[1::20] - fit_huber(design, y).residuals[1::20]
    assert np.abs(moved).max() < 0.2


def test_rare_pattern_sets_share_their_columns():
    group = np.repeat([0, 1, 2, 3], [FREQUENT, FREQUENT - 1, 2, FREQUENT + 5])
    design = Design.of(group, np.ones(len(group)))
    assert [np.unique(design.block[group == g]).size for g in range(4)] == [1, 1, 1, 1]
    assert len({int(design.block[group == g][0]) for g in range(4)}) == 3


def test_builds_without_instances_have_no_slope():
    instances = np.array([np.nan] * 30 + list(range(1, 31)))
    design = Design.of(np.zeros(60, dtype=np.intp), instances)
    assert len(np.unique(design.block[:30])) == 1
    assert design.block[0] != design.block[30]
    assert design.terms[design.block[0]] == 1


@pytest.mark.parametrize(("distinct", "terms"), [(1, 1), (2, 2), (4, 2), (5, 3)])
def test_number_of_columns_follows_the_instance_numbers(distinct, terms):
    instances = np.resize(np.arange(1.0, distinct + 1), 60)
    assert Design.of(np.zeros(60, dtype=np.intp), instances).terms.tolist() == [terms]
