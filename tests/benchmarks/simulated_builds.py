"""Seeded histories of builds whose truth is known: what is slow, since when, and by how much."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from mkframe._pandas import TEXT

__all__ = ["History", "Kind", "information", "simulate"]

Kind = Literal["none", "step", "growth", "drift", "blip"]
_WORKLOAD = np.array([1.0, 1.1, 1.1, 1.0, 0.9, 0.15, 0.1])
"""Builds a day, from Monday to Sunday, as shares."""


@dataclass(frozen=True)
class History:
    """Builds, and what is true of them."""

    builds: pd.DataFrame
    at: pd.Timestamp | None
    sigma: float
    rho: float
    per_week: float
    day_effect: float


def simulate(
    seed: int,
    kind: Kind = "none",
    *,
    factor: float = 1.3,
    weeks: int | None = None,
    per_week: float | None = None,
    sigma: float | None = None,
    rho: float | None = None,
    day_effect: float | None = None,
    patterns: int | None = None,
    growth: float = 1.0,
) -> History:
    """Simulate the finished builds of one project.

    A build takes (base + per_instance * instances) of its pattern set, times log-normal noise that is
    correlated from build to build and has a part that all builds of a day share; 1 in 80 hangs.
    """
    g = np.random.default_rng([41, seed])
    weeks = int(g.integers(26, 53)) if weeks is None else weeks
    per_week = float(g.uniform(5, 40)) if per_week is None else per_week
    sigma = float(g.uniform(0.2, 0.5)) if sigma is None else sigma
    rho = float(g.uniform(0, 0.3)) if rho is None else rho
    day_effect = float(g.uniform(0, 0.1)) if day_effect is None else day_effect
    sets = int(g.integers(1, 4)) if patterns is None else patterns
    days = np.repeat(
        np.arange(weeks * 7), g.poisson(per_week * np.resize(_WORKLOAD / _WORKLOAD.sum(), weeks * 7))
    )
    n = len(days)
    is_night = g.random(n) < 0.3
    hours = np.where(is_night, g.uniform(21, 24, n), np.clip(g.normal(12.5, 2.5, n), 7, 19))
    order = np.lexsort((hours, days))
    t, is_night = (days + hours / 24)[order], is_night[order]
    which = g.choice(sets, n, p=g.dirichlet(np.full(sets, 4.0)))
    base, each, full = g.uniform(5, 80, sets), g.uniform(0.3, 5, sets), g.integers(15, 150, sets)
    more = 1 + (growth - 1) * t / t.max()
    few = 1 + np.floor(g.gamma(0.8, 4, n))
    instances = np.maximum(1, np.round(np.where(is_night, full[which], few) * more)).astype("int64")
    noise = g.standard_normal(n)
    for i in range(1, n):
        noise[i] = rho * noise[i - 1] + np.sqrt(1 - rho**2) * noise[i]
    shared = g.normal(0, day_effect, weeks * 7)[np.floor(t).astype(int)] if day_effect else 0.0
    hangs = np.where(g.random(n) < 1 / 80, g.uniform(2, 7, n), 1.0)
    middle = float(g.uniform(0.2, 0.8)) * weeks * 7
    change, at = _change(kind, t, middle, factor)
    seconds = (base[which] + each[which] * instances) * change * np.exp(sigma * noise + shared) * hangs
    start = pd.Timestamp("2026-01-05", tz="UTC") + pd.to_timedelta(np.round(t * 86_400e6), unit="us").as_unit(
        "us"
    )
    builds = pd.DataFrame(
        {
            "status": pd.Series("FINISHED", index=range(n), dtype=TEXT),
            "build_start": start,
            "build_end": start + pd.to_timedelta(np.round(seconds * 1e6), unit="us").as_unit("us"),
            "instances": pd.Series(instances, dtype="Int64"),
            "patterns": [[801 + int(p)] for p in which],
            "project_id": 1,
        }
    ).set_index(pd.Index(np.arange(1, n + 1), name="id"))
    moment = None if at is None else pd.Timestamp("2026-01-05", tz="UTC") + pd.Timedelta(days=at)
    return History(builds, moment, sigma, rho, per_week, day_effect)


def _change(
    kind: Kind, t: np.ndarray, middle: float, factor: float
) -> tuple[np.ndarray | float, float | None]:
    if kind == "step":
        return np.where(t >= middle, factor, 1.0), middle
    if kind == "drift":
        return factor ** (t / t.max()), None
    if kind == "blip":
        return np.where((t >= middle) & (t < middle + 7), factor, 1.0), middle
    return 1.0, None


def information(history: History, factor: float) -> float:
    """Give what a stream tells a week about a step: builds · (ln factor / sigma)² · (1 - rho) / (1 + rho)."""
    variance = history.sigma**2 + history.day_effect**2
    dependence = (1 - history.rho) / (1 + history.rho)
    return history.per_week * float(np.log(factor)) ** 2 / variance * dependence
