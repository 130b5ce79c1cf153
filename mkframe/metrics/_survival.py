"""Quantiles of times of which some are known to be longer than what has passed."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from mkframe.metrics._formatting import duration_text

__all__ = ["floor_text", "kaplan_meier_quantile"]

_STEPS = ((86_400, 3_600), (3_600, 60), (10, 1))


def kaplan_meier_quantile(seconds: ArrayLike, is_over: ArrayLike, p: float = 0.5) -> float:
    """Estimate the time by which a share of all has ended, with those that go on as censored.

    The curve of E. L. Kaplan and P. Meier, Nonparametric estimation from incomplete observations, Journal
    of the American Statistical Association 53 (1958): S(t) = Π (1 - d / n) over the times up to t, with d
    ends among n that were still observed. The quantile is the first time at which 1 - S is at least p.

    Parameters
    ----------
    seconds : array-like of float
        What each took, or has taken so far. NaN is left out.
    is_over : array-like of bool
        Whether it has ended.
    p : float, default 0.5
        The share.

    Returns
    -------
    float
        Seconds; inf where too many go on, NaN where there is none.

    Examples
    --------
    >>> kaplan_meier_quantile([1, 2, 3, 4], [True, True, False, True])
    2.0
    """
    time = np.asarray(seconds, dtype="float64")
    known = ~np.isnan(time)
    time, over = time[known], np.asarray(is_over, dtype=bool)[known]
    if not len(time):
        return math.nan
    found, place = np.unique(time, return_inverse=True)
    ends = np.bincount(place, over, len(found))
    observed = np.cumsum(np.bincount(place, minlength=len(found))[::-1])[::-1]
    completed = 1 - np.cumprod(1 - ends / observed)
    reached = np.flatnonzero(completed >= p - 1e-12)
    return float(found[reached[0]]) if len(reached) else math.inf


def floor_text(seconds: float) -> str:
    """Write a duration that is a lower bound: rounded down, so that it is not exceeded.

    Examples
    --------
    >>> floor_text(40 * 86_400 - 60), floor_text(119.9)
    ('39 d 23 h', '1 min 59 s')
    """
    step = next((step for least, step in _STEPS if seconds >= least), 0.1)
    return duration_text(math.floor(seconds / step + 1e-9) * step) if math.isfinite(seconds) else "–"
