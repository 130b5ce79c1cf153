"""How often the statements of the insight functions are true, on simulated builds.

    python tests/benchmarks/bench_insight.py [periods changes eta families costs speed]
                                             [--runs 20] [--seed 1] [--real builds.json] [--write]

Every figure is a share of simulated histories, with its 95 % interval. The histories are those of
`simulated_builds`; another simulator would give other figures. ``--write`` writes those of periods, changes,
eta and families into docs/benchmarks.md, a section each. ``--real`` takes a file with the answer of
GET /builds instead: it prints how often ranges of the remaining time held, with days as the units, and what
the other functions say.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd

HOME = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(HOME))

import mkframe as mk  # noqa: E402
from mkframe import metrics  # noqa: E402
from mkframe._pandas import TEXT  # noqa: E402
from mkframe.metrics._compare_periods import METRICS  # noqa: E402
from mkframe.metrics._failure_families import families_of  # noqa: E402
from tests.benchmarks.publishing import add_write, circumstances, publish  # noqa: E402
from tests.benchmarks.simulated_builds import History, Kind, information, simulate  # noqa: E402
from tests.benchmarks.simulated_messages import simulate_messages  # noqa: E402

NONE, SOME, STRONG = "no", "some", "strong"
PAIRS = 50
"""Pairs of weeks that are simulated in a run: they are cheap."""


Rows = list[tuple[str, str]]
"""What was simulated, and what came of it."""


def share(hits: Iterable[bool]) -> str:
    """Write a share with Wilson's 95 % interval: that of none of few is not narrow."""
    found = np.fromiter(hits, dtype=bool)
    if not len(found):
        return "none"
    (low,), (high,) = metrics.wilson([found.sum()], [len(found)])
    return f"{found.mean():.3f} ({low:.3f} to {high:.3f}) of {len(found):,}"


def say(*words: object) -> None:
    print("  ", *words, flush=True)


# --- periods ----------------------------------------------------------------------------------------------


def weeks(g: np.random.Generator, runs: int, n: int, rates: tuple[float, float], days: dict) -> pd.DataFrame:
    """Simulate pairs of weeks, one pair for each user: `n` builds a week, of which some fail."""
    users, week = (a.ravel() for a in np.indices((runs, 2, n))[:2])
    day = g.choice(7, len(users), p=np.array([20, 20, 20, 20, 16, 2, 2]) / 100)
    cell = (users * 2 + week) * 7 + day
    rate = np.take(rates, week)
    logit = np.log(rate / (1 - rate)) + g.normal(0, days["logit"], runs * 14)[cell]
    failed = g.random(len(users)) < 1 / (1 + np.exp(-logit))
    if days["incidents"]:
        has = g.random(runs * 2) < days["incidents"]
        first, length = g.integers(0, 5, runs * 2), g.integers(1, 3, runs * 2)
        pair = users * 2 + week
        hit = has[pair] & (day >= first[pair]) & (day < (first + length)[pair])
        failed = np.where(hit, g.random(len(users)) < 0.7, failed)
    seconds = np.exp(4 + g.normal(0, 0.4, len(users)) + g.normal(0, days["log"], runs * 14)[cell])
    seconds = seconds * np.take(days.get("ratio", (1.0, 1.0)), week)
    start = pd.Timestamp("2026-04-06 08:00", tz="UTC") + pd.to_timedelta(week * 7 + day, unit="D")
    start = start + pd.to_timedelta(g.integers(0, 36_000, len(users)), unit="s")
    return pd.DataFrame(
        {
            "status": np.where(failed, "FAILED", "FINISHED"),
            "build_start": start.as_unit("us"),
            "build_end": (start + pd.to_timedelta(np.round(seconds * 1e3), unit="ms")).as_unit("us"),
            "user_id": users,
        }
    )


EFFECTS = {
    NONE: {"logit": 0.0, "incidents": 0.0, "log": 0.0},
    SOME: {"logit": 0.5, "incidents": 0.0, "log": 0.2},
    STRONG: {"logit": 1.2, "incidents": 0.0, "log": 0.5},
    "an incident in 1 of 4 weeks, some": {"logit": 0.0, "incidents": 0.25, "log": 0.2},
    "an incident in 3 of 5 weeks, strong": {"logit": 0.0, "incidents": 0.6, "log": 0.5},
}


def periods(runs: int, seed: int) -> Rows:
    print("compare_periods: share of pairs of weeks that are said to differ")
    g = np.random.default_rng([1, seed])
    runs *= PAIRS
    rows: Rows = []

    def supported(n: int, rates: tuple[float, float], days: dict) -> list[pd.Series]:
        builds = weeks(g, runs, n, rates, days)
        table = metrics.compare_periods(builds, end="2026-04-20", by="user")["supported"]
        return [table.xs(name, level="metric") for name in METRICS]

    for n in (30, 150):
        worst = []
        for effect, days in EFFECTS.items():
            for rate in (0.03, 0.1, 0.25):
                found = supported(n, (rate, rate), days)
                worst.append(found)
                rates, lengths = map(share, found)
                say(f"one process, n {n}, day effects {effect}, rate {rate}: {rates}; duration {lengths}")
        for name, all_of_one in zip(("failure rates", "durations"), zip(*worst, strict=True), strict=True):
            largest = max(all_of_one, key=lambda one: one.mean())
            rows.append((f"one process, {n} builds a week: {name} said to differ", share(largest)))
    for n in (30, 150):
        for effect in (NONE, SOME, STRONG):
            days = EFFECTS[effect] | {"ratio": (1.0, 1.3)}
            rates, lengths = map(share, supported(n, (0.1, 0.35), days))
            say(f"rate .10 against .35, duration × 1.3, n {n}, day effects {effect}: {rates}; {lengths}")
            rows.append((f".10 against .35 of {n} builds, {effect} day effects: said to differ", rates))
    return rows


# --- changes ----------------------------------------------------------------------------------------------


def changes_of(history: History) -> pd.DataFrame:
    table = metrics.change_points(history.builds, by="project")
    return table[table["result"] == "change"]


def is_located(history: History, within: int = 7) -> bool:
    return bool(((changes_of(history)["at"] - history.at).abs() <= pd.Timedelta(days=within)).any())


def changes(runs: int, seed: int) -> Rows:
    print("change_points")
    begin = 100_000 * seed
    alarms: list[tuple[str, Kind, dict[str, float]]] = [
        ("no step", "none", {}),
        ("no step, sigma .5, rho .5", "none", {"sigma": 0.5, "rho": 0.5}),
        ("no step, rho .7", "none", {"rho": 0.7}),
        ("no step, day effects .3", "none", {"day_effect": 0.3}),
        ("instances × 3 only", "growth", {"growth": 3.0}),
        ("a week × 1.3", "blip", {"factor": 1.3}),
        ("a week × 3", "blip", {"factor": 3.0}),
    ]
    rows: Rows = []
    for name, kind, more in alarms:
        alarm = share(len(changes_of(simulate(begin + i, kind, **more))) > 0 for i in range(runs))
        say(f"any alarm, {name}:", alarm)
        rows.append((f"any change reported: {name}", alarm))
    bounds = [0, 4, 8, 12, 16, 25, np.inf]
    found: dict[int, list[bool]] = {i: [] for i in range(len(bounds) - 1)}
    for factor in (1.15, 1.3, 1.5, 2.0):
        for i in range(runs):
            history = simulate(begin + i, "step", factor=factor)
            place = int(np.searchsorted(bounds, information(history, factor), side="right")) - 1
            found[place].append(is_located(history))
    for place, hits in found.items():
        say(f"step located within a week, information {bounds[place]} to {bounds[place + 1]}:", share(hits))
    clear = [hit for place, hits in found.items() if bounds[place] >= 12 for hit in hits]
    rows.append(("a step located within a week, where a week's information is 12 or more", share(clear)))
    seen = []
    for i in range(runs):
        calm = simulate(begin + i)
        table = metrics.change_points(calm.builds, by="project").iloc[0]
        if table["result"] == "no change" and np.isfinite(table["detectable"]):
            builds = calm.builds.copy()
            later = np.arange(len(builds)) >= len(builds) // 2
            length = builds["build_end"] - builds["build_start"]
            builds["build_end"] = builds["build_start"] + length * np.where(later, table["detectable"], 1.0)
            seen.append("change" in set(metrics.change_points(builds, by="project")["result"]))
    say("a step of `detectable` in the middle is found:", share(seen))
    rows.append(("a step of `detectable` in the middle is reported", share(seen)))
    return rows


# --- remaining times --------------------------------------------------------------------------------------


def etas(runs: int, seed: int) -> Rows:
    print("eta at the start of each build of the last 60 %")
    kinds: list[tuple[str, Kind, dict[str, float]]] = [
        ("one process", "none", {}),
        ("× 2 from a day on", "step", {"factor": 2.0}),
        ("drift to × 1.5", "drift", {"factor": 1.5}),
        ("instances × 3", "growth", {"growth": 3.0}),
    ]
    rows: Rows = []
    for name, kind, more in kinds:
        # a call for each build: with up to 40 builds a week a figure would take hours
        g = np.random.default_rng([5, seed])
        rates = g.uniform(8, 14, runs).tolist()
        histories = [
            simulate(200_000 * seed + i, kind, weeks=26, per_week=rate, **more)
            for i, rate in enumerate(rates)
        ]
        with ProcessPoolExecutor() as pool:
            held = list(pool.map(_etas_of, histories))
        pooled = pd.concat(held)
        shares = [0.75 <= one["hit80"].mean() <= 0.85 for one in held if len(one) >= 100]
        inside = ", ".join(f"{pooled[f'hit{n}'].mean():.3f}" for n in (50, 80, 90))
        width = pooled[pooled["is_later"]] if kind == "step" else pooled
        wide, are_open = width["width"].median(), np.isinf(width["width"]).mean()
        say(f"{name}: 50, 80, 90 %: {inside} of {len(pooled):,}; histories in .75-.85: {share(shares)}")
        say(f"width / true: {wide:.2f} in the median, {are_open:.3f} are open")
        rows += [
            (f"50, 80, 90 % ranges that held, {name}", f"{inside} of {len(pooled):,}"),
            (f"histories with 75 to 85 % of their 80 % ranges held, {name}", share(shares)),
            (f"width of the median 80 % range, the true one = 1, {name}", f"{wide:.2f}"),
        ]
    return rows


def _etas_of(history: History) -> pd.DataFrame:
    builds = history.builds
    seconds = (builds["build_end"] - builds["build_start"]).dt.total_seconds()
    true = 2 * 1.2815515655446004 * np.hypot(history.sigma, history.day_effect)
    later = builds["build_start"] >= (builds["build_start"].iloc[0] if history.at is None else history.at)
    rows = []
    for place in range(int(0.4 * len(builds)), len(builds)):
        one = builds.iloc[[place]].assign(status="BUILDING")
        past = builds.iloc[max(0, place - 1500) : place]
        table = metrics.eta(one, past, now=one["build_start"].iloc[0], levels=(0.5, 0.8, 0.9)).iloc[0]
        took = seconds.iloc[place]
        hits = {f"hit{n}": table[f"low{n}"] <= took <= table[f"high{n}"] for n in (50, 80, 90)}
        wide = np.log(table["high80"] / max(table["low80"], 0.5)) / true
        rows.append(hits | {"width": wide, "is_later": bool(later.iloc[place])})
    return pd.DataFrame(rows)


# --- families ---------------------------------------------------------------------------------------------


def homogeneity_completeness(found: list[str], expected: list[int]) -> tuple[float, float]:
    """Compare two partitions, by entropies (Rosenberg and Hirschberg 2007)."""

    def entropy(values: list[object]) -> float:
        shares = np.array(list(Counter(values).values())) / len(values)
        return float(-(shares * np.log(shares)).sum())

    both = entropy(list(zip(found, expected, strict=True)))
    ours, theirs = entropy(list(found)), entropy(list(expected))
    return 1 - (both - ours) / theirs, 1 - (both - theirs) / ours


def families(runs: int, seed: int) -> Rows:
    print("failure_families of 2,000 messages: mean homogeneity, completeness")
    del runs
    rows: Rows = []
    for known in (False, True):
        judged = []
        for i in range(3):
            messages, expected, names = simulate_messages(2_000, 10 * seed + i)
            judged.append(homogeneity_completeness(families_of(messages, names if known else None), expected))
        homogeneity, completeness = np.mean(judged, axis=0)
        name, figure = f"names {'known' if known else 'not known'}", f"{homogeneity:.3f}, {completeness:.3f}"
        say(f"{name}: {figure}")
        rows.append((f"homogeneity, completeness, {name}", figure))
    return rows


# --- costs ------------------------------------------------------------------------------------------------


def costs(runs: int, seed: int) -> Rows:
    print("cost_card: share of 95 % intervals that hold base, per instance")
    runs *= 10
    for n in (15, 30, 61, 200):
        g = np.random.default_rng([3, seed, n])
        base, each = np.repeat(g.uniform(4, 40, runs), n), np.repeat(g.uniform(0.3, 3, runs), n)
        few = 1 + g.lognormal(0.7, 1.0, runs * n).astype(int)
        number = np.where(g.random(runs * n) < 0.28, g.integers(20, 60, runs * n), few)
        hangs = np.where(g.random(runs * n) < 1 / 80, g.uniform(2.5, 6, runs * n), 1.0)
        seconds = (base + each * number) * g.lognormal(0, 0.38, runs * n) * hangs
        start = pd.Timestamp("2026-04-01", tz="UTC")
        builds = pd.DataFrame(
            {
                "status": "FINISHED",
                "build_start": start,
                "build_end": start + pd.to_timedelta(np.round(seconds * 1e3), unit="ms"),
                "instances": number,
                "patterns": [[pattern] for pattern in np.repeat(np.arange(runs), n).tolist()],
            }
        )
        table = metrics.cost_card(builds.astype({"build_start": "datetime64[us, UTC]"}))
        table = table[table["refused"] == ""]
        place = table.index.astype(int) * n
        held = [
            (table[f"{name}_low"] <= expected[place]) & (expected[place] <= table[f"{name}_high"])
            for name, expected in (("base", base), ("per_instance", each))
        ]
        say(f"n {n}:", ", ".join(share(hits) for hits in held))
    return []


# --- speed and real builds --------------------------------------------------------------------------------


def large(n: int, seed: int) -> pd.DataFrame:
    """Simulate many builds of 30 patterns, in two years."""
    g = np.random.default_rng([4, seed])
    t = np.sort(g.uniform(0, 700, n))
    pattern, number = g.integers(0, 30, n), 1 + g.lognormal(1, 1, n).astype(int)
    slower = np.where((t > 350) & (pattern % 5 == 0), 1.4, 1.0)
    seconds = (10 + pattern + (1 + pattern) * number) * g.lognormal(0, 0.4, n) * slower
    start = pd.Timestamp("2024-01-01", tz="UTC") + pd.to_timedelta(np.round(t * 86_400e6), unit="us")
    status = g.choice(["FINISHED", "FAILED", "CANCELED"], n, p=[0.75, 0.2, 0.05])
    numbers = zip(g.integers(0, 900, n), g.integers(0, 99_999, n), strict=True)
    return pd.DataFrame(
        {
            "status": pd.Series(status, dtype=TEXT),
            "build_start": start.as_unit("us"),
            "build_end": (start + pd.to_timedelta(np.round(seconds * 1e6), unit="us")).as_unit("us"),
            "instances": pd.Series(number, dtype="Int64"),
            "patterns": [[800 + p] if p % 3 else [800 + p, 801 + p] for p in pattern.tolist()],
            "releases": [[21]] * n,
            "project_id": 1,
            "user_id": g.integers(0, 60, n),
            "progress": pd.Series(g.integers(0, 101, n), dtype="Int64"),
            "message": [f"Instance I_{a} (id {b}): functional role BK is missing" for a, b in numbers],
            "deliveries_calculated": pd.Series(True, index=range(n), dtype="boolean"),
        }
    ).set_index(pd.Index(np.arange(1, n + 1), name="id"))


def speed(runs: int, seed: int) -> Rows:
    print("Seconds of processor time for 100,000 builds")
    del runs
    builds = large(100_000, seed)
    running = builds.tail(5).assign(status="BUILDING")
    now = builds["build_start"].max() + pd.Timedelta("30s")
    deliveries = pd.DataFrame({"BUILD_ID": builds.index[::2]})
    calls: dict[str, Callable[[], pd.DataFrame]] = {
        "compare_periods": lambda: metrics.compare_periods(builds, by="pattern"),
        "change_points": lambda: metrics.change_points(builds),
        "eta": lambda: metrics.eta(running, builds, now=now),
        "failure_families": lambda: metrics.failure_families(builds),
        "recovery": lambda: metrics.recovery(builds),
        "cost_card": lambda: metrics.cost_card(builds),
        "failure_progress": lambda: metrics.failure_progress(builds),
        "builds_without_delivery": lambda: metrics.builds_without_delivery(builds, deliveries),
        "median_duration": lambda: metrics.median_duration(builds, by="pattern"),
        "top_failing": lambda: metrics.top_failing(builds),
    }
    for name, call in calls.items():
        began = time.process_time()
        call()
        say(f"{name}: {time.process_time() - began:.2f}")
    return []


def real(path: Path) -> None:
    builds = mk.read_json(path)
    last = builds["build_start"].max().normalize()
    end = (last - pd.Timedelta(days=last.weekday())).tz_localize(None)
    print(f"{path.name}: {len(builds):,} builds; the week before {end:%d %B %Y}")
    say(metrics.compare_periods(builds, end=end).T.to_string())
    tables = {
        "change_points": metrics.change_points(builds)[["says"]],
        "recovery": metrics.recovery(builds)[["says"]],
        "failure_families": metrics.failure_families(builds)[["builds", "share"]],
        "cost_card": metrics.cost_card(builds)[["n", "refused"]],
    }
    for name, table in tables.items():
        say(name, "\n", table.head(8).to_string())
    finished = builds[(builds["status"] == "FINISHED").to_numpy(bool)].sort_values("build_start")
    finished = finished[(finished["build_end"] >= finished["build_start"]).to_numpy(bool)]
    rows = []
    for place in range(len(finished) // 2, len(finished)):
        one = finished.iloc[[place]].assign(status="BUILDING")
        now = one["build_start"].iloc[0]
        table = metrics.eta(one, finished.iloc[:place], now=now, levels=(0.5, 0.8, 0.9)).iloc[0]
        took = (finished["build_end"].iloc[place] - now).total_seconds()
        hits = {n: table[f"low{n}"] <= took <= table[f"high{n}"] for n in (50, 80, 90)}
        rows.append(hits | {"day": now.date()})
    held = pd.DataFrame(rows)
    for n in (50, 80, 90):
        days = held.groupby("day")[n].agg(["sum", "size"])
        p, k = days["sum"].sum() / days["size"].sum(), len(days)
        rest = ((days["sum"] - p * days["size"]) ** 2).sum()
        half = 1.96 * float(np.sqrt(rest * k / (k - 1)) / days["size"].sum())
        carried = "which holds" if abs(p - n / 100) <= half else "which does not hold"
        say(
            f"eta at the start: {p:.3f} of the {n} % ranges held, {len(held)} builds on {k} days; "
            f"with days as units {max(p - half, 0):.3f} to {min(p + half, 1):.3f}, {carried} .{n}"
        )


PARTS: dict[str, Callable[[int, int], Rows]] = {
    "periods": periods,
    "changes": changes,
    "eta": etas,
    "families": families,
    "costs": costs,
    "speed": speed,
}
SIZES = {
    "periods": f"`compare_periods`, {PAIRS} pairs of weeks a run",
    "changes": "`change_points`, a history a run",
    "eta": "`eta` at the start of each build of the last 60 %, a history a run",
    "families": "`failure_families` of 2,000 messages, the mean of three corpora",
}
"""What is simulated, of the parts that have a section in docs/benchmarks.md."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", choices=[[], *PARTS], default=[])
    parser.add_argument("--runs", type=int, default=20, help="histories for each figure")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--real", type=Path, help="a file with the answer of GET /builds")
    add_write(parser)
    given = parser.parse_args()
    if given.real:
        real(given.real)
        return
    for part in given.parts or PARTS:
        rows = PARTS[part](given.runs, given.seed)
        if part in SIZES:
            table = [f"| {name} | {figure} |" for name, figure in rows]
            lines = [f"| {SIZES[part]} | |", "| --- | ---: |", *table, ""]
            size = f"--runs {given.runs} --seed {given.seed}"
            measured = f"Measured with `{size}` on {circumstances('pandas', 'numpy')}"
            publish(f"insight {part}", [*lines, measured], given.write)


if __name__ == "__main__":
    main()
