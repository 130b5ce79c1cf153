"""Fetching against curl, and memory against the size of the file.

    python tests/benchmarks/bench_fetch.py [--write]

Prints ratios only: both sides ask the same server, in turns, in the same run. Needs curl.
"""

from __future__ import annotations

import argparse
import contextlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

HOME = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(HOME))

from mkframe.artifacts import File, fetch  # noqa: E402
from tests.artifacts.factory import transport  # noqa: E402
from tests.benchmarks.publishing import add_write, circumstances, publish  # noqa: E402

FILES, LATENCY, PARALLEL, ROUNDS = 200, 0.05, 8, 5

SERVER = """
import sys
from tests.artifacts.factory import artifact
from tests.support.faults import content, drip, file, serve
small = artifact(1, 1 << 20)
def script(request):
    number = int(request.path.rsplit("/", 1)[1])
    if number >= 1000:  # so many MiB, starting at 1000
        body = bytes((number - 1000) << 20)
        return drip(content(body, "application/octet-stream"), 1e-9, 1 << 20)
    return file(small, "a.zip", latency=float(sys.argv[1]))
with serve(script) as server:
    print(server.api, flush=True)
    sys.stdin.read()
"""

PEAK = """
import resource, sys
from pathlib import Path
from mkframe.artifacts import File, fetch
from tests.artifacts.factory import transport
frame = fetch(transport(sys.argv[1]), [File(int(sys.argv[2]), 1, "a.bin")], sys.argv[3], progress=False)
assert frame["status"].tolist() == ["fetched"], frame["error"].tolist()
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@contextlib.contextmanager
def server() -> Iterator[str]:
    """A server in a process of its own, so that neither side shares its interpreter."""
    command = [sys.executable, "-c", SERVER, str(LATENCY)]
    with subprocess.Popen(
        command, cwd=HOME, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin
        assert process.stdout
        try:
            yield process.stdout.readline().strip()
        finally:
            process.stdin.close()


def by_us(url: str, to: Path) -> None:
    files = [File(n, 1, f"{n}.zip") for n in range(1, FILES + 1)]
    frame = fetch(transport(url), files, to, max_workers=PARALLEL, progress=False)
    assert set(frame["status"]) == {"fetched"}, frame["error"].tolist()


def by_curl(url: str, to: Path) -> None:
    to.mkdir()
    max_workers = ["-Z", "--parallel-max", str(PARALLEL)]
    target = f"{url}/downloads/[1-{FILES}]"
    subprocess.run(
        ["curl", "-sf", *max_workers, "-H", "Authorization: Bearer word", "-o", f"{to}/#1.zip", target],
        check=True,
        stderr=subprocess.DEVNULL,
    )


def seconds(side: Callable[[str, Path], None], url: str, folder: Path) -> float:
    to = folder / side.__name__
    started = time.perf_counter()
    side(url, to)
    took = time.perf_counter() - started
    assert len(list(to.glob("*.zip"))) == FILES
    shutil.rmtree(to)
    return took


def peak(url: str, number: int, folder: Path) -> int:
    command = [sys.executable, "-c", PEAK, url, str(number), str(folder / str(number))]
    return int(subprocess.run(command, cwd=HOME, capture_output=True, text=True, check=True).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_write(parser)
    given = parser.parse_args()
    with server() as url, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pairs = [(seconds(by_us, url, folder), seconds(by_curl, url, folder)) for _ in range(ROUNDS)]
        small, large = (peak(url, number, folder) for number in (1001, 1200))
    low, *_, high = ratios = sorted(ours / theirs for ours, theirs in pairs)
    lines = [
        f"Fetching {FILES} files of 1 MiB at {LATENCY * 1000:g} ms latency, "
        f"`curl -Z --parallel-max {PARALLEL}` = 1: {statistics.median(ratios):.2f} "
        f"({low:.2f} to {high:.2f}).",
        f"Peak memory of a process that fetches one file of 200 MiB, one of 1 MiB = 1: {large / small:.2f}.",
        f"Measured {circumstances('requests', 'urllib3')}",
    ]
    publish("fetch", lines, given.write)


if __name__ == "__main__":
    main()
