"""As fast as the wire: `find` over a throttled link, against ``curl --compressed``.

A server on this machine sends one gzip body of 100,000 builds at 100 Mbit/s. Printed is the time until the
typed frame is there, as a ratio to the time until curl has written the bytes, interleaved in one run.

Run by: python tests/benchmarks/bench_wire.py [--write]
"""

import gzip
import http.server
import multiprocessing
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HOME = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(HOME))

import mkframe as mk  # noqa: E402
from tests.benchmarks.bench_frames import body, seconds  # noqa: E402
from tests.benchmarks.publishing import asked, circumstances, publish  # noqa: E402

RATE = 100e6 / 8
PIECE = 1 << 15


class Throttled(http.server.BaseHTTPRequestHandler):
    """Sends a file, compressed already, no faster than the link."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # on a kept connection it would hold back small answers for 40 ms
    body = b""

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        began = time.perf_counter()
        for start in range(0, len(self.body), PIECE):
            self.wfile.write(self.body[start : start + PIECE])
            ahead = (start + PIECE) / RATE - (time.perf_counter() - began)
            if ahead > 0:
                time.sleep(ahead)

    def log_message(self, *_):
        pass


def serve(path, port):
    Throttled.body = Path(path).read_bytes()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Throttled)
    port.send(server.server_port)
    server.serve_forever()


def main():
    options = asked(__doc__, rounds=7)
    with tempfile.TemporaryDirectory() as folder:
        plain = body(options.builds)
        packed = Path(folder) / "builds.json.gz"
        packed.write_bytes(gzip.compress(plain, 6))
        here, there = multiprocessing.Pipe()
        server = multiprocessing.Process(target=serve, args=(packed, there), daemon=True)
        server.start()
        url = f"http://127.0.0.1:{here.recv()}/api/v1"
        curl = ["curl", "--silent", "--compressed", "--output", f"{folder}/builds.json", f"{url}/builds"]
        with mk.connect(url, token="-") as client:
            assert len(client.builds.find()) == options.builds
            sides = [lambda: client.builds.find(), lambda: subprocess.run(curl, check=True)]
            rounds = [[seconds(side) for side in sides] for _ in range(options.rounds)]
        server.terminate()
        size = packed.stat().st_size
    ratios = sorted(ours / theirs for ours, theirs in rounds)
    low, high = ratios[0], ratios[-1]
    lines = [
        f"`find` of {options.builds:,} builds over a link of {RATE * 8 / 1e6:.0f} Mbit/s "
        f"({len(plain) / 1e6:.0f} MB, {size / 1e6:.1f} MB packed), "
        f"`curl --compressed` = 1: {statistics.median(ratios):.2f} ({low:.2f} to {high:.2f}).",
        f"Measured {circumstances('pandas', 'msgspec', 'requests', 'urllib3')}",
    ]
    publish("wire", lines, options.write)


if __name__ == "__main__":
    multiprocessing.set_start_method("spawn")
    main()
