"""What a build costs to begin with, and what each instance adds."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mkframe._pandas import TEXT, as_text
from mkframe.metrics._checks import float_values, status_of
from mkframe.metrics._distributions import t_quantile
from mkframe.metrics._durations import completed_builds
from mkframe.metrics._formatting import count_text
from mkframe.metrics._history import history_of
from mkframe.metrics._regression import CLIP, SHORTEST, median_deviation
from mkframe.metrics._streams import pattern_sets

__all__ = ["cost_card"]

Floats: TypeAlias = NDArray[np.float64]

_LEAST_BUILDS, _LEAST_NUMBERS, _LEAST_SPREAD = 15, 3, 2
_ROUNDS = 60


def cost_card(builds: pd.DataFrame) -> pd.DataFrame:
    r"""Divide the typical seconds of a pattern set's builds into a base and a part for each instance.

    log seconds = log(base + per_instance · instances) + noise, with base and per_instance of at least 0, by
    Huber's method with Gauss-Newton steps. The noise of durations is even on the logarithmic scale, so these
    are typical (median) seconds: long builds lie above, and totals are greater than the card says. The
    intervals are those of the sandwich estimator, with residuals divided by 1 - leverage (HC3) and Student's
    t with n - 2 degrees of freedom, cut at 0: J. G. MacKinnon and H. White, Some
    heteroskedasticity-consistent covariance matrix estimators, Journal of Econometrics 29 (1985).

    Builds tell the total of their instances only. What each pattern of a set costs cannot be told from that,
    so the sets are the rows.

    Parameters
    ----------
    builds : DataFrame
        With `status`, `build_start`, `build_end`, `instances` and `patterns` (or `pattern_names`). Finished
        builds are measured.

    Returns
    -------
    DataFrame
        Index `pattern_set` (str). Columns: `n` int64, measured builds; `base`, `base_low`, `base_high`,
        `per_instance`, `per_instance_low`, `per_instance_high` float64, seconds with 95 % intervals, NaN
        where refused; `smallest`, `largest` Int64, numbers of instances; `excluded` int64, finished builds
        without a duration or a number of instances from 1 up; `refused` str, why base and part cannot be
        told apart, empty where they can: under 15 builds, under 3 different numbers of instances, or a
        largest number below twice the smallest. Only sets with finished builds have rows.

    Raises
    ------
    InputError
        If a column is missing.

    Examples
    --------
    >>> start = pd.date_range("2026-04-01 08:00", periods=40, freq="h", tz="UTC")
    >>> numbers = [1 + n % 20 for n in range(40)]
    >>> builds = pd.DataFrame({"status": "FINISHED", "build_start": start, "instances": numbers,
    ...     "patterns": [[808]] * 40, "build_end": start + pd.to_timedelta(
    ...     [(14 + 2 * k) * (1.1 if k % 2 else 0.9) for k in numbers], unit="s")})
    >>> cost_card(builds)[["base", "per_instance"]].round(1).loc["808"].tolist()
    [14.4, 1.9]
    """
    builds = history_of(builds, ["status", "build_start", "build_end", "instances"]).builds
    counted = builds.drop(columns="id", errors="ignore").reset_index(drop=True)
    rows = completed_builds(counted)
    is_finished = (status_of(counted) == "FINISHED").to_numpy(bool)
    names, sets = pattern_sets(counted)
    finished = np.bincount(sets[is_finished], minlength=len(names))
    number = float_values(rows["instances"])
    usable = number >= 1
    seconds = np.maximum(rows["seconds"].to_numpy("float64")[usable], SHORTEST)
    number, place = number[usable], sets[rows.index.to_numpy()[usable]]
    # in one order, so that the order of rows makes no difference to the last digit
    order = np.lexsort((seconds, number, place))
    seconds, number = seconds[order], number[order]
    limits = np.searchsorted(place[order], np.arange(len(names) + 1))
    cards = [
        _card(seconds[limits[at] : limits[at + 1]], number[limits[at] : limits[at + 1]], int(finished[at]))
        for at in np.flatnonzero(finished)
    ]
    types = {"n": "int64", **dict.fromkeys(_FIGURES, "float64"), "smallest": "Int64", "largest": "Int64"}
    types |= {"excluded": "int64", "refused": TEXT}
    columns = {name: pd.Series([card[name] for card in cards], dtype=dtype) for name, dtype in types.items()}
    index = as_text(names[np.flatnonzero(finished)]).rename("pattern_set")
    return pd.DataFrame(columns).set_axis(index)


_FIGURES = [f"{name}{end}" for name in ("base", "per_instance") for end in ("", "_low", "_high")]


def _card(seconds: Floats, number: Floats, finished: int) -> dict[str, Any]:
    n = len(seconds)
    extent = (int(number.min()), int(number.max())) if n else (pd.NA, pd.NA)
    card: dict[str, Any] = dict.fromkeys(_FIGURES, np.nan)
    card |= {"n": n, "smallest": extent[0], "largest": extent[1], "excluded": finished - n}
    refused = _reason(number)
    if not refused:
        estimate, half = _fit(seconds, number)
        values = np.stack([estimate, np.maximum(estimate - half, 0), estimate + half], axis=1)
        card |= dict(zip(_FIGURES, values.ravel().tolist(), strict=True))
    return card | {"refused": refused}


def _reason(number: Floats) -> str:
    if len(number) < _LEAST_BUILDS:
        return f"{count_text(len(number), 'build')}, {_LEAST_BUILDS} are needed"
    distinct = len(np.unique(number))
    if distinct < _LEAST_NUMBERS:
        have = count_text(distinct, "number")
        return f"builds have {have} of instances only, {_LEAST_NUMBERS} different ones are needed"
    if number.max() < _LEAST_SPREAD * number.min():
        return (
            f"builds have from {number.min():,.0f} to {number.max():,.0f} instances, "
            f"the largest must be {_LEAST_SPREAD} times the smallest"
        )
    return ""


def _fit(seconds: Floats, number: Floats) -> tuple[Floats, Floats]:
    """Estimate base and part, and half the width of their intervals."""
    columns = np.stack([np.ones_like(number), number])
    estimate = _not_negative(columns, seconds, 1 / seconds**2)
    for _ in range(_ROUNDS):
        fitted = estimate @ columns
        residuals = np.log(seconds / fitted)
        bound = CLIP * median_deviation(residuals)
        weights = bound / np.maximum(np.abs(residuals), bound)
        # a step of Gauss and Newton on the logarithmic scale
        following = _not_negative(columns, fitted * (1 + residuals), weights / fitted**2)
        is_settled = np.max(np.abs(following - estimate)) < 1e-9 * np.max(following)
        estimate = following
        if is_settled:
            break
    gradient = columns / (estimate @ columns)
    residuals = np.log(seconds / (estimate @ columns))
    bound = CLIP * median_deviation(residuals)
    inside = np.abs(residuals) <= bound
    plain = np.linalg.pinv(gradient @ gradient.T)
    leverage = np.einsum("in,ij,jn->n", gradient, plain, gradient)
    psi = np.clip(residuals, -bound, bound) / np.maximum(1 - leverage, 0.05)
    bread = np.linalg.pinv((gradient * inside) @ gradient.T)
    covariance = bread @ ((gradient * psi**2) @ gradient.T) @ bread
    return estimate, t_quantile(0.975, len(seconds) - 2) * np.sqrt(np.diag(covariance))


def _not_negative(columns: Floats, values: Floats, weights: Floats) -> Floats:
    """Fit two coefficients of at least 0 by weighted least squares."""
    gram = (columns * weights) @ columns.T
    right = (columns * weights) @ values
    determinant = gram[0, 0] * gram[1, 1] - gram[0, 1] ** 2
    if determinant > 1e-12 * gram[0, 0] * gram[1, 1]:
        both = np.linalg.solve(gram, right)
        if (both >= 0).all():
            return np.asarray(both)
    # one of them is 0; values are positive, so that the other is, too
    alone = right / np.diag(gram)
    is_better = right**2 / np.diag(gram)
    return np.where(np.arange(2) == int(np.argmax(is_better)), alone, 0.0)
