"""Quantiles of Student's t, which neither numpy nor pandas has."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Z95", "t_quantile"]

Z95 = NormalDist().inv_cdf(0.975)
"""The normal quantile of a two-sided 95 % interval."""

Floats = NDArray[np.float64]
_MANY = 1e5
"""Degrees of freedom from which the first terms of the expansion about the normal quantile suffice."""


def t_quantile(p: float, df: ArrayLike) -> Floats:
    """Invert the distribution function of Student's t.

    Newton's method on the regularized incomplete beta function, P(|T| > t) = I_x(df/2, 1/2) with
    x = df / (df + t²). It begins at the normal quantile, which lies below; the function is concave above 0,
    so every step stays below the root and none overshoots. M. Abramowitz and I. A. Stegun, Handbook of
    Mathematical Functions (1964), 26.5.8 and 26.7.1; for very many degrees 26.7.5.

    Parameters
    ----------
    p : float
        Probability from 0.5 up and below 1.
    df : array-like of float
        Degrees of freedom, 0.5 or more. They need not be whole numbers.

    Returns
    -------
    ndarray of float64
        One quantile for each of the degrees of freedom, NaN where they are NaN.

    Examples
    --------
    >>> t_quantile(0.975, [4, 1000]).round(3).tolist()
    [2.776, 1.962]
    """
    degrees: Floats = np.atleast_1d(np.asarray(df, dtype="float64"))
    z = NormalDist().inv_cdf(p)
    out: Floats = z + (z**3 + z) / (4 * degrees) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * degrees**2)
    few = degrees < _MANY
    n, t = degrees[few], np.full(int(few.sum()), z)
    log_beta = np.array([_log_beta(v / 2) for v in n.tolist()])
    for _ in range(100):
        above = _incomplete_beta(n / (n + t * t), t * t / (n + t * t), n / 2, log_beta) / 2
        density = np.exp(-(n + 1) / 2 * np.log1p(t * t / n) - log_beta) / np.sqrt(n)
        step = (above - (1 - p)) / density
        t = t + step
        # The next step would be as small as the square of this one: below what rounding leaves of it.
        if not (np.abs(step) > 1e-9 * t).any():
            break
    out[few] = t
    return out


def _log_beta(a: float) -> float:
    """Give log B(a, 1/2); for large a by Stirling's series, as the difference of two logs loses digits."""
    if a < 50:
        return math.lgamma(a) + math.lgamma(0.5) - math.lgamma(a + 0.5)
    return (math.log(math.pi) - math.log(a)) / 2 + 1 / (8 * a) - 1 / (192 * a**3) + 1 / (640 * a**5)


def _incomplete_beta(x: Floats, rest: Floats, a: Floats, log_beta: Floats) -> Floats:
    """Evaluate I_x(a, 1/2) for x and rest = 1 - x, by the continued fraction that converges fast."""
    b = np.full_like(a, 0.5)
    is_small = x < (a + 1) / (a + b + 2)
    low, high = np.where(is_small, x, rest), np.where(is_small, rest, x)
    first, second = np.where(is_small, a, b), np.where(is_small, b, a)
    with np.errstate(divide="ignore"):
        front = np.exp(first * np.log(low) + second * np.log(high) - log_beta) / first
    part: Floats = front * _continued_fraction(low, first, second)
    value: Floats = np.where(is_small, part, 1 - part)
    return value


def _continued_fraction(x: Floats, a: Floats, b: Floats) -> Floats:
    """Evaluate the continued fraction of the incomplete beta function by Lentz's method."""
    c: Any = np.ones_like(x)
    d: Any = 1 / (1 - (a + b) * x / (a + 1))
    value = d
    for m in range(1, 300):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        previous = value
        for term in (even, odd):
            d = 1 / (1 + term * d)
            c = 1 + term / c
            value = value * d * c
        if not (np.abs(value - previous) > 1e-15 * np.abs(value)).any():
            break
    return np.asarray(value)
