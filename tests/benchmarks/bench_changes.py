"""How often change_points finds a step, and how often it says one where there is none, in harder cases.

    python tests/benchmarks/bench_changes.py [--runs 1000] [--seed 1] [--write]

Every figure is a share of simulated streams with its standard error. A stream has 5 to 40 finished builds a
week; its log seconds have a standard deviation of .12 to .5 beside base and part per instance. Streams are
asked in one frame, with alpha times their number, which is the alpha of each stream on its own.
"""

from __future__ import annotations

import argparse
import sys
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

HOME = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(HOME))

from mkframe import metrics  # noqa: E402
from tests.benchmarks.publishing import add_write, circumstances, publish  # noqa: E402

TOGETHER = 50
ALPHA = 0.01
FIRST = pd.Timestamp("2025-06-02", tz="UTC")
REST = 0.15
"""Builds of a day of the weekend, as a share of those of a workday."""
WORKDAYS = np.array([1.0, 0.2, 0.0, -0.2, -0.3, -0.5, 0.6])
"""Effects of days of the week."""
CALM: dict[str, dict[str, Any]] = {
    "independent": {},
    "correlation .6 from build to build": {"rho": 0.6},
    "correlation .6, t with 3 degrees of freedom, days .2": {"rho": 0.6, "tails": 3, "day": 0.2},
    "days .3": {"day": 0.3},
    "days of the week .3": {"weekday": 0.3},
    "a part of a week .5": {"season": 0.5},
    "no builds on weekends": {"rest": 0.0},
}
GROWING: dict[str, dict[str, Any]] = {
    "instances × 3, gradually": {"growth": 3.0},
    "instances × 3, at once": {"jump": 3.0},
}
BLIPS: dict[str, dict[str, Any]] = {"a week × 1.3": {"blip": 1.3}, "a week × 3": {"blip": 3.0}}
STEPS: dict[str, dict[str, Any]] = {
    "independent": {},
    "correlation .6 from build to build": {"rho": 0.6},
    "t with 3 degrees of freedom": {"tails": 3},
    "no builds on weekends": {"rest": 0.0},
    "instances × 3, gradually": {"growth": 3.0},
    "days .1": {"day": 0.1},
    "days .2": {"day": 0.2},
}


def correlated(g: np.random.Generator, n: int, rho: float, tails: int | None) -> np.ndarray:
    """Draw values of variance 1 that are correlated with the one before."""
    values = g.standard_normal(n) if tails is None else g.standard_t(tails, n) / np.sqrt(tails / (tails - 2))
    for i in range(1, n) if rho else ():
        values[i] = rho * values[i - 1] + np.sqrt(1 - rho**2) * values[i]
    return values


def rates(per_week: float, rest: float) -> np.ndarray:
    """Give the expected builds of each day of a week."""
    of_week = np.array([1, 1, 1, 1, 1, rest, rest])
    return of_week / of_week.sum() * per_week


def stream(
    g: np.random.Generator,
    *,
    per_week: float,
    sigma: float,
    factor: float = 1.0,
    rho: float = 0.0,
    tails: int | None = None,
    day: float = 0.0,
    weekday: float = 0.0,
    season: float = 0.0,
    rest: float = REST,
    growth: float = 1.0,
    jump: float = 1.0,
    blip: float = 1.0,
) -> tuple[pd.DataFrame, pd.Timestamp]:
    """Simulate the finished builds of a stream, and when it changes."""
    length = 7 * int(g.integers(26, 53))
    days = np.repeat(np.arange(length), g.poisson(np.resize(rates(per_week, rest), length)))
    t = np.sort(days + g.uniform(7, 19, len(days)) / 24)
    days, n = np.floor(t).astype(int), len(t)
    at = length * float(g.uniform(0.25, 0.75))
    log = sigma * correlated(g, n, rho, tails) + g.normal(0, day, length)[days]
    log += weekday * WORKDAYS[days % 7] + season * np.sin(2 * np.pi * t / 7)
    which = g.integers(0, int(g.integers(1, 4)), n)
    base, each = g.uniform(5, 100, 3)[which], g.uniform(0.3, 5, 3)[which]
    more = (1 + (growth - 1) * t / length) * np.where(t >= at, jump, 1.0)
    instances = np.maximum(1, np.round((1 + g.gamma(1, 6, n)) * more))
    change = np.where(t >= at, factor, 1.0) * np.where((t >= at) & (t < at + 7), blip, 1.0)
    seconds = (base + each * instances) * np.exp(log) * change
    start = FIRST + pd.to_timedelta(np.round(t * 86_400e6), unit="us")
    builds = pd.DataFrame(
        {
            "status": "FINISHED",
            "build_start": start.as_unit("us"),
            "build_end": (start + pd.to_timedelta(np.round(seconds * 1e6), unit="us")).as_unit("us"),
            "instances": pd.Series(instances.astype("int64"), dtype="Int64"),
            "patterns": [[801 + int(place)] for place in which],
        }
    )
    return builds, FIRST + pd.Timedelta(days=at)


def informative(g: np.random.Generator, case: dict[str, Any]) -> dict[str, float]:
    """Draw rate, spread and step with 12 to 20 units of information a week."""
    per_week, sigma, information = g.uniform(5, 40), g.uniform(0.12, 0.45), g.uniform(12, 20)
    day, variance = case.get("day", 0.0), sigma**2 + case.get("day", 0.0) ** 2
    # of successive builds, the share of one day: what a day shares is correlation between these
    same = 1 - (1 - np.exp(-rates(per_week, case.get("rest", REST)))).sum() / per_week
    rho = (case.get("rho", 0.0) * sigma**2 + same * day**2) / variance
    step = np.sqrt(information * variance / per_week * (1 + rho) / (1 - rho))
    return {"per_week": per_week, "sigma": sigma, "factor": float(np.exp(step))}


def asked(case: dict[str, Any], runs: int, seed: int, name: str, is_step: bool) -> list[tuple[bool, bool]]:
    """Tell of each stream whether a change is said, and whether one within a week of the true one."""
    g = np.random.default_rng([51, seed, zlib.crc32(name.encode())])
    found = []
    for _ in range(-(-runs // TOGETHER)):
        parts, moments = [], []
        for number in range(TOGETHER):
            calm = {"per_week": g.uniform(5, 40), "sigma": g.uniform(0.15, 0.5)}
            drawn = informative(g, case) if is_step else calm
            builds, moment = stream(g, **drawn, **case)
            parts.append(builds.assign(user_id=number))
            moments.append(moment)
        together = pd.concat(parts, ignore_index=True)
        together.index = pd.Index(np.arange(1, len(together) + 1), name="id")
        table = metrics.change_points(together, by="user", alpha=ALPHA * TOGETHER)
        table = table[table["result"] == "change"]
        own = table.index.astype(int)
        for number, moment in enumerate(moments):
            at = table["at"][own == number]
            found.append((len(at) > 0, bool(((at - moment).abs() <= pd.Timedelta(days=7)).any())))
    return found[:runs]


def share(hits: Iterable[bool]) -> str:
    p = float(np.mean(values := [*hits]))
    return f"{100 * p:.1f} ± {100 * np.sqrt(p * (1 - p) / len(values)):.1f} %"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=1000, help="streams for each figure")
    parser.add_argument("--seed", type=int, default=1)
    add_write(parser)
    given = parser.parse_args()
    lines = [
        f"| {given.runs:,} streams each | said to change | located within a week |",
        "| --- | ---: | ---: |",
    ]
    kinds = (("no step", CALM), ("no step", GROWING), ("no step", BLIPS), ("a step", STEPS))
    for kind, cases in kinds:
        for name, case in cases.items():
            found = asked(case, given.runs, given.seed, f"{kind} {name}", kind == "a step")
            located = share(hit for _, hit in found) if kind == "a step" else ""
            lines.append(f"| {kind}: {name} | {share(one for one, _ in found)} | {located} |")
            print(lines[-1], file=sys.stderr, flush=True)
    publish("changes", [*lines, "", f"Measured {circumstances('pandas', 'numpy')}"], given.write)


if __name__ == "__main__":
    main()
