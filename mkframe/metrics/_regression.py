"""Log seconds of builds from their pattern set and number of instances, by robust regression.

The columns are 1, u and u² per pattern set, with u = log(instances). A single slope would be wrong: a build
costs base + per_instance · instances, whose log bends in u. Since a build has one pattern set, the columns
of different sets never overlap; every sum is a count per set, and the time grows with the builds alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

__all__ = ["CLIP", "FREQUENT", "SHORTEST", "Design", "Fit", "fit_huber", "huber_loss", "median_deviation"]

Floats: TypeAlias = NDArray[np.float64]
Places: TypeAlias = NDArray[np.intp]

CLIP = 1.345
"""Standard deviations beyond which Huber's estimate bounds a residual; 95 % efficient for normal ones."""
SHORTEST = 0.5
"""Seconds; a build that took less counts as this long, since there is no logarithm of 0."""
FREQUENT = 20
"""Builds that a pattern set needs for columns of its own; all rarer ones share theirs."""
_ROUNDS = 50
_TERMS = 3


@dataclass(frozen=True)
class Design:
    """The columns of a regression: for each build its block, and 1, u, u², centered and scaled in it."""

    block: Places
    basis: Floats
    terms: NDArray[np.int64]
    middle: Floats
    scale: Floats

    @classmethod
    def of(cls, group: Places, instances: Floats) -> Design:
        """Make the columns.

        Parameters
        ----------
        group : ndarray of intp
            The pattern set of each build.
        instances : ndarray of float64
            Numbers of instances. Builds without one, NaN, form blocks of their own, without a slope.

        Returns
        -------
        Design
        """
        unknown = np.isnan(instances)
        u = np.log(np.maximum(np.where(unknown, 1.0, instances), 1.0))
        key = group * 2 + unknown
        often = np.bincount(key, minlength=1) >= FREQUENT
        is_rare = (np.bincount(key, minlength=1) > 0) & ~often
        # rare sets are block 0, where there are any
        place = np.cumsum(often) - 1 + int(is_rare.any())
        block = np.where(often, place, 0)[key]
        many = int(block.max(initial=-1)) + 1
        size = np.bincount(block, minlength=many).astype("float64")
        middle = np.bincount(block, u, many) / size
        centered = u - middle[block]
        scale = np.sqrt(np.bincount(block, centered**2, many) / size)
        value, values = pd.factorize(u)
        pairs = pd.factorize(block * len(values) + value)[1]
        distinct = np.bincount(pairs // max(len(values), 1), minlength=many)
        terms = np.select([distinct > 4, distinct > 1], [3, 2], 1)
        scale = np.where((terms > 1) & (scale > 0), scale, 1.0)
        v = centered / scale[block]
        basis = np.stack([np.ones_like(v), v, v * v])
        basis *= np.arange(_TERMS)[:, None] < terms[block]
        return cls(block, basis, terms, middle, scale)

    def gram(self, weights: Floats | None = None) -> Floats:
        """Sum the products of the columns of each block: a matrix of 3 × 3 for each."""
        weighted = self.basis if weights is None else self.basis * weights
        found = np.empty((len(self.terms), _TERMS, _TERMS))
        for i in range(_TERMS):
            for j in range(i + 1):
                # the first column is 1 everywhere
                found[:, i, j] = found[:, j, i] = self._sum(weighted[i] * self.basis[j] if j else weighted[i])
        # a column that a block lacks is a row of the unit matrix, so that its coefficient is 0
        lacks = np.arange(_TERMS) >= self.terms[:, None]
        found[:, np.arange(_TERMS), np.arange(_TERMS)] += lacks
        return found

    def coefficients(self, gram: Floats, values: Floats, weights: Floats | None = None) -> Floats:
        """Regress values on the columns: the three coefficients of each block."""
        weighted = values if weights is None else values * weights
        right = np.stack([self._sum(row * weighted) for row in self.basis], axis=1)
        return np.asarray(np.linalg.solve(gram, right[:, :, None])[:, :, 0])

    def predict(self, coefficients: Floats) -> Floats:
        """Give the fitted value of each build."""
        constant, slope, bend = (column[self.block] for column in coefficients.T.copy())
        fitted: Floats = constant + self.basis[1] * slope + self.basis[2] * bend
        return fitted

    def residuals(self, gram: Floats, values: Floats, weights: Floats | None = None) -> Floats:
        """Take away what the columns explain."""
        return values - self.predict(self.coefficients(gram, values, weights))

    def _sum(self, values: Floats) -> Floats:
        return np.asarray(np.bincount(self.block, values, len(self.terms)), dtype="float64")


@dataclass(frozen=True)
class Fit:
    """Coefficients per block and of the extra columns, residuals, and the scale of these."""

    coefficients: Floats
    extra: Floats
    residuals: Floats
    scale: float


def median_deviation(values: Floats) -> float:
    """Estimate a standard deviation by the median absolute deviation from the median.

    Examples
    --------
    >>> round(median_deviation(np.array([1.0, 2, 3, 4, 100])), 3)
    1.483
    """
    return max(1.4826 * _median(np.abs(values - _median(values))), 1e-9)


def _median(values: Floats) -> float:
    """Give the median of values without NaN; np.median takes twice as long for some hundred of them."""
    half = len(values) // 2
    if len(values) % 2:
        return float(np.partition(values, half)[half])
    parts = np.partition(values, [half - 1, half])
    return float((parts[half - 1] + parts[half]) / 2)


def fit_huber(design: Design, values: Floats, extra: Floats | None = None, start: Fit | None = None) -> Fit:
    """Estimate by Huber's method, with iterated weights and the median deviation as scale.

    The block columns are eliminated by the theorem of Frisch, Waugh and Lovell, so that only the extra
    columns need a dense system. P. J. Huber, Robust estimation of a location parameter, Annals of
    Mathematical Statistics 35 (1964).

    Parameters
    ----------
    design : Design
        Columns per pattern set.
    values : ndarray of float64
        What is explained.
    extra : ndarray of float64, optional
        More columns, one row for each build.
    start : Fit, optional
        A fit of the same values, from whose weights the iteration begins.

    Returns
    -------
    Fit
    """
    columns = np.zeros((len(values), 0)) if extra is None else extra
    weights = None if start is None else _weights(start.residuals, start.scale)
    residuals = previous = np.full(len(values), np.inf)
    scale = 0.0
    for _ in range(_ROUNDS):
        gram = design.gram(weights)
        b: Floats = np.zeros(columns.shape[1])
        if columns.shape[1]:
            parts = np.stack([design.residuals(gram, column, weights) for column in columns.T], axis=1)
            weighted = parts if weights is None else parts * weights[:, None]
            b[:] = np.linalg.lstsq(weighted.T @ parts, weighted.T @ values, rcond=None)[0]
        rest = values - columns @ b
        coefficients = design.coefficients(gram, rest, weights)
        residuals = rest - design.predict(coefficients)
        scale = median_deviation(residuals)
        if np.max(np.abs(residuals - previous), initial=0.0) < 1e-6 * scale:
            break
        previous = residuals
        weights = _weights(residuals, scale)
    return Fit(coefficients, b, residuals, scale)


def huber_loss(values: Floats) -> Floats:
    """Give Huber's loss of residuals in standard deviations: half the square, and a line beyond the bound.

    Examples
    --------
    >>> huber_loss(np.array([-1.0, 1.345, 3.345])).round(3).tolist()
    [0.5, 0.905, 3.595]
    """
    size = np.abs(values)
    inside = np.minimum(size, CLIP)
    return np.asarray(inside * (size - inside / 2))


def _weights(residuals: Floats, scale: float) -> Floats:
    """Give Huber's weights: 1 within the bound, and falling with the distance beyond it."""
    return np.asarray(CLIP * scale / np.maximum(np.abs(residuals), CLIP * scale))
