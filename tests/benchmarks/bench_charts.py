"""Charts of 100,000 builds to PNG, beside an empty chart of the same size.

    python tests/benchmarks/bench_charts.py [--builds 100000] [--write]

Prints ratios only, medians of turns in one run. One is an empty figure of the chart's own size with one
Axes and the same layout engine, saved as PNG; beside it, the same chart of a thousandth of the builds, spread
over the same time, tells what is words and lines and what is data. Releases of matplotlib draw words at
different speeds, so each has a place of its own in docs/benchmarks.md.
"""

from __future__ import annotations

import functools
import io
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("agg")

from matplotlib import pyplot as plt
from matplotlib.axes import Axes

HOME = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(HOME))

import mkframe as mk  # noqa: E402
from tests.benchmarks.bench_frames import body  # noqa: E402
from tests.benchmarks.publishing import asked, circumstances, publish  # noqa: E402


def charts(builds: Any) -> dict[str, Callable[[], Axes]]:
    """Every chart of builds, with what it is called by."""
    drawn = ("durations", "failure_rate", "outcomes", "throughput", "calendar", "longest")
    found = {name: functools.partial(getattr(mk.charts, name), builds) for name in drawn}
    return found | {"duration_by_instances": functools.partial(mk.charts.duration_by_instances, builds)}


def seconds(draw: Callable[[], Axes]) -> float:
    began = time.perf_counter()
    figure = draw().figure
    figure.savefig(io.BytesIO(), format="png")
    took = time.perf_counter() - began
    plt.close(figure)
    return took


def empty(size: tuple[float, float]) -> Axes:
    return plt.subplots(figsize=size, layout="constrained")[1]


def ratios(draw: Callable[[], Axes], few: Callable[[], Axes], rounds: int) -> tuple[float, float]:
    """Time of a chart as multiple of an empty one, and of itself with few builds."""
    size = tuple(draw().figure.get_size_inches())
    plt.close("all")
    nothing = functools.partial(empty, size)
    turns = [(seconds(draw), seconds(nothing), seconds(few)) for _ in range(rounds)]
    return (
        statistics.median(ours / theirs for ours, theirs, _ in turns),
        statistics.median(ours / fewer for ours, _, fewer in turns),
    )


def main() -> None:
    given = asked(__doc__, rounds=9)
    builds = mk.frames.decode("builds", body(given.builds))
    few = charts(builds.iloc[::1000])
    found = {name: ratios(draw, few[name], given.rounds) for name, draw in charts(builds).items()}
    lines = [
        f"| {given.builds:,} builds, to PNG | {' | '.join(f'`{name}`' for name in found)} |",
        "| --- |" + " ---: |" * len(found),
        f"| an empty chart = 1 | {' | '.join(f'{first:.1f}' for first, _ in found.values())} |",
        f"| with every 1,000th build = 1 | {' | '.join(f'{second:.1f}' for _, second in found.values())} |",
        "",
        f"Measured {circumstances('matplotlib', 'pandas', 'numpy')}",
    ]
    release = ".".join(matplotlib.__version__.split(".")[:2])
    publish(f"charts with matplotlib {release}", lines, given.write)


if __name__ == "__main__":
    main()
