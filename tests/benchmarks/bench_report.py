"""A report on 100,000 builds, beside one on three, and the page of a week beside one on 1,000 builds.

    python tests/benchmarks/bench_report.py [--builds 100000] [--write]

Prints ratios only, medians of turns in one run. One is `mkframe report --from` on a saved answer with three
builds, or `mkframe report --period` on one with 1,000, each from the command's start to its end. Also how
much of a report is a kernel that only starts and imports, and how much of a page is reading.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

HOME = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(HOME))

from mkframe import frames  # noqa: E402
from tests.benchmarks.bench_frames import body  # noqa: E402
from tests.benchmarks.bench_insight import large  # noqa: E402
from tests.benchmarks.publishing import asked, circumstances, publish  # noqa: E402

IMPORTS = "import mkframe, pandas; from matplotlib import pyplot; pyplot.subplots()"
KERNEL = f"""
import nbclient, nbformat
cells = [nbformat.v4.new_code_cell({IMPORTS!r})]
nbclient.NotebookClient(nbformat.v4.new_notebook(cells=cells)).execute()
"""


def report(folder: Path, builds: int) -> Callable[[], float]:
    saved = folder / f"{builds}.json"
    saved.write_bytes(body(builds))
    out = folder / "report.html"
    return lambda: seconds("-m", "mkframe", "report", "--from", str(saved), "--output", str(out))


def page(folder: Path, builds: int) -> tuple[Callable[[], float], Callable[[], float]]:
    """Write builds of two years; give what times the page of their last week, and what times reading them."""
    saved, out = folder / f"{builds}-week.json", folder / "week.html"
    history = large(builds, 1)
    with saved.open("wb") as file:
        frames.write_json(history, file)
    day = f"{history['build_start'].iloc[-1]:%Y-%m-%d}"
    read = f"import mkframe; mkframe.read_json({str(saved)!r})"
    command = ("-m", "mkframe", "report", "--from", str(saved), "--period", day, "--output", str(out))
    return lambda: seconds(*command), lambda: seconds("-c", read)


def seconds(*arguments: str) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, *arguments], cwd=HOME, capture_output=True, check=True)
    return time.perf_counter() - began


def main() -> None:
    given = asked(__doc__, rounds=5)
    with tempfile.TemporaryDirectory() as name:
        many, three = report(Path(name), given.builds), report(Path(name), 3)
        turns = [(three(), many(), seconds("-c", KERNEL)) for _ in range(given.rounds)]
        (week, read), (few, read_few) = page(Path(name), given.builds), page(Path(name), 1000)
        pages = [(few(), week(), read_few(), read()) for _ in range(given.rounds)]
    slower = statistics.median(many / three for three, many, _ in turns)
    start = statistics.median(kernel / many for _, many, kernel in turns)
    longer = [week / few for few, week, _, _ in pages]
    reading = statistics.median((read - read_few) / (week - few) for few, week, read_few, read in pages)
    lines = [
        f"A report on {given.builds:,} builds takes {slower:.2f} times as long as one on three builds. "
        f"{start:.2f} of it is what a kernel takes to start, import and draw an empty chart.",
        f"The page of a week with a history of {given.builds:,} builds takes {statistics.median(longer):.2f} "
        f"({min(longer):.2f} to {max(longer):.2f}) times as long as one with 1,000 builds; {reading:.2f} of "
        "what is added is reading.",
        f"Measured {circumstances('pandas', 'matplotlib', 'ipykernel', 'nbclient', 'nbconvert')}",
    ]
    publish("report", lines, given.write)


if __name__ == "__main__":
    main()
