"""What a history costs: a first load, refreshes, reading back, and its file.

    python tests/benchmarks/bench_history.py [--builds 100000] [--rounds 3] [--write]

Prints ratios of processor time, medians of turns in one run. The server is another process, so only the
client is measured, its HTTP and the opening of the file included.
"""

from __future__ import annotations

import contextlib
import functools
import gzip
import hashlib
import http.server
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

HOME = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(HOME))

import mkframe as mk  # noqa: E402
from tests.benchmarks.bench_frames import body, memory  # noqa: E402
from tests.benchmarks.publishing import asked, circumstances, publish  # noqa: E402

PROJECT = {"id": 1, "name": "P", "deleted": False, "disabled": False}
NIGHTS, NIGHTLY_SHARE, COMPARED = 80, 200, 20


# --- the server ---------------------------------------------------------------------------------------


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers from the file ``body.json`` of a folder, with ETags, as Express does."""

    protocol_version = "HTTP/1.1"
    folder = Path()
    packed = False

    def log_message(self, *_: Any) -> None:
        """Print nothing."""

    @staticmethod
    @functools.lru_cache(maxsize=1)
    def content(folder: Path, packed: bool, changed: int) -> tuple[bytes, str]:
        found = (folder / "body.json").read_bytes()
        return gzip.compress(found, 1, mtime=0) if packed else found, hashlib.sha256(found).hexdigest()

    def do_GET(self) -> None:
        if self.path.endswith("/projects"):
            content, tag, packed = json.dumps([PROJECT]).encode(), "projects", False
        else:
            changed = (self.folder / "body.json").stat().st_mtime_ns
            content, tag = self.content(self.folder, self.packed, changed)
            packed = self.packed
        tag = f'W/"{tag}"' if not (self.folder / "no-etags").exists() else ""
        if tag and self.headers.get("If-None-Match") == tag:
            self.send_response(304)
            self.send_header("ETag", tag)
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        if tag:
            self.send_header("ETag", tag)
        if packed:
            self.send_header("Content-Encoding", "gzip")
        self.end_headers()
        self.wfile.write(content)


def run_server(folder: str, packed: str) -> None:
    Handler.folder, Handler.packed = Path(folder), packed == "packed"
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(server.server_address[1], flush=True)
    server.serve_forever()


@contextlib.contextmanager
def serve(folder: Path, packed: bool) -> Iterator[mk.Client]:
    command = [sys.executable, __file__, "--serve", str(folder), "packed" if packed else "plain"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        port = process.stdout.readline().strip() if process.stdout else ""
        try:
            with mk.connect(f"http://127.0.0.1:{port}/api/v1", token="t") as client:
                client.projects.find()
                yield client
        finally:
            process.kill()


# --- measuring ----------------------------------------------------------------------------------------


def seconds(act: Callable[[], Any]) -> float:
    """Processor seconds of this process."""
    started = time.process_time()
    act()
    return time.process_time() - started


def changed(rows: list[dict[str, Any]], word: str, dice: random.Random, share: int) -> bytes:
    for row in dice.sample(rows, len(rows) // share):
        row["message"], row["updated_at"] = word, "2026-11-20T00:00:00.000Z"
    return json.dumps(rows, separators=(",", ":")).encode()


def one_round(folder: Path, builds: int, packed: bool, number: int) -> dict[str, float]:
    """Ratios of one history from its first load on."""
    dice, target = random.Random(number), folder / "body.json"
    rows = [{**row, "project_id": 1} for row in json.loads(body(builds))]
    first = changed(rows, "first", dice, builds)
    target.write_bytes(first)
    history = mk.History(folder / f"{number}.duckdb")
    found: dict[str, float] = {}
    with serve(folder, packed) as client:
        sync = functools.partial(history.sync, client, resources=["builds"], progress=False)
        mk.read_json(first)
        reading = seconds(lambda: mk.read_json(first))
        before = memory("VmRSS") - len(first)
        Path("/proc/self/clear_refs").write_text("5")
        load = seconds(sync)
        found["first load / read_json"] = load / reading
        found["peak / body"] = (memory("VmHWM") - before - len(first)) / len(first)
        found["file / JSON"] = history.path.stat().st_size / len(first)
        asked_at = history.syncs()["asked_at"].iloc[-1]
        found["304"] = seconds(sync) / load
        (folder / "no-etags").touch()
        found["same body"] = seconds(sync) / load
        target.write_bytes(changed(rows, "second", dice, 100))
        found["1 % changed"] = seconds(sync) / load
        del rows[::100]
        target.write_bytes(changed(rows, "third", dice, builds))
        found["1 % gone"] = seconds(sync) / load
        (folder / "no-etags").unlink()
    found["read back / read_json"] = seconds(lambda: history.builds(gone=False)) / reading
    found["as of the first / read_json"] = seconds(lambda: history.builds(as_of=asked_at)) / reading
    return found


def nights(folder: Path, builds: int) -> tuple[float, float, float]:
    """Growth of the file over nightly answers, at its largest and in the end, and drift of their cost."""
    dice, history = random.Random(1), mk.History(folder / "nights.duckdb")
    rows = [{**row, "project_id": 1} for row in json.loads(body(builds))]
    texts = [json.dumps(row, separators=(",", ":")).encode() for row in rows]
    costs, sizes = [], []
    for night in range(NIGHTS + 1):
        for place in dice.sample(range(builds), builds // NIGHTLY_SHARE if night else 0):
            rows[place] |= {"message": f"night {night}", "updated_at": "2026-11-20T00:00:00.000Z"}
            texts[place] = json.dumps(rows[place], separators=(",", ":")).encode()
        content = b"[" + b",".join(texts) + b"]"
        at = f"2026-01-01T{night // 60:02d}:{night % 60:02d}:00Z"
        costs.append(seconds(lambda: history.take(content, project=1, asked_at=at)))  # noqa: B023
        sizes.append(history.path.stat().st_size)
    drift = statistics.mean(costs[-COMPARED:]) / statistics.mean(costs[1 : COMPARED + 1])
    return max(sizes) / sizes[0], sizes[-1] / sizes[0], drift


def main() -> None:
    if sys.argv[1:2] == ["--serve"]:
        run_server(*sys.argv[2:])
        return
    given = asked(__doc__, rounds=3)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        turns = {
            packed: [one_round(folder, given.builds, packed, 2 * n + packed) for n in range(given.rounds)]
            for packed in (True, False)
        }
        most, growth, drift = nights(folder, given.builds)
    lines = [f"| {given.builds:,} builds | gzip | plain |", "| --- | ---: | ---: |"]
    for key in turns[True][0]:
        cells = [statistics.median(turn[key] for turn in turns[packed]) for packed in (True, False)]
        is_share = key in ("304", "same body", "1 % changed", "1 % gone", "file / JSON")
        label = f"refresh, {key} / first load" if is_share and "/" not in key else key
        lines.append(f"| {label} | {' | '.join(f'{c:.1%}' if is_share else f'{c:.2f}' for c in cells)} |")
    lines += [
        "",
        f"Over {NIGHTS} nightly answers of {given.builds:,} builds, of which 1 in {NIGHTLY_SHARE} had "
        f"changed, the file grew to {growth:.2f} times its size, {most:.2f} times at most, and the last "
        f"{COMPARED} cost {drift:.2f} times the first {COMPARED}.",
        f"Measured {circumstances('pandas', 'pyarrow', 'duckdb', 'msgspec')}",
    ]
    publish("history", lines, given.write)


if __name__ == "__main__":
    main()
