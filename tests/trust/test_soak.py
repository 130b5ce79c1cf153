"""Thousands of mixed requests by several threads, a tenth of them disturbed: nothing hangs, leaks or lies.

The normal run makes 500 calls. For 10,000 of them and a report::

    SOAK=10000 python -m pytest tests/trust/test_soak.py

``SEED=2`` draws others.
"""

from __future__ import annotations

import collections
import gc
import hashlib
import os
import random
import re
import resource
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from pandas.testing import assert_frame_equal, assert_series_equal

from mkframe import errors
from mkframe._http import Transport
from mkframe.client import Client
from mkframe.frames import from_rows
from mkframe.limits import Limits
from mkframe.schema import AUTHENTICATION
from mkframe.settings import Settings
from tests.builds.servers import AIRPLANE
from tests.support import faults
from tests.support.rows import row, rows
from tests.trust.faults import FAULTS, LOGIN
from tests.trust.operations import PROJECT, READERS, VERBS, Ledger, archive

pytestmark = pytest.mark.slow

CALLS = int(os.environ.get("SOAK", "500"))
SEED = int(os.environ.get("SEED", "1"))
THREADS = 8
SHARE = 0.1
ANSWERS = {name: fault.answer for name, fault in FAULTS.items() if fault.answer}
SIMPLE = [verb for verb in VERBS.values() if verb.kind in ("read", "wait", "statement", "deploy")]


# --- the server -------------------------------------------------------------------------------------


class SoakServer:
    """Answers whatever is asked, and disturbs a tenth of it."""

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)
        self.answered = 0
        self.disturbed: collections.Counter[str] = collections.Counter()
        self.started = Ledger()
        scripts = [(verb, verb.healthy()) for verb in SIMPLE]
        self.healthy = {(verb.method, verb.path): script for verb, script in scripts}
        self.statements = {verb.name: script for verb, script in scripts if verb.kind == "statement"}

    def greet(self, number: int) -> faults.Answer | None:
        if self.draw.random() > SHARE / 2:
            return None
        self.disturbed["reset, request unread"] += 1
        return faults.reset()

    def __call__(self, request: faults.Request) -> faults.Answer:
        self.answered += 1
        if self.draw.random() > SHARE:
            return self.good(request)
        name, disturb = self.draw.choice(list(ANSWERS.items()))
        self.disturbed[name] += 1
        is_start = (request.method, request.path) == ("POST", f"{faults.API}/builds")
        answer = disturb(
            faults.reply({"build": {"id": 1}}, 201) if is_start else self.good(request), "http://x"
        )
        is_refusal = 300 <= (answer.status or 0) < 500
        if not is_start or is_refusal or self.draw.random() < 0.3:
            return answer
        return disturb(self.good(request), "http://x")

    def good(self, request: faults.Request) -> faults.Answer:
        if request.path == AUTHENTICATION:
            return faults.token(f"token-{self.answered}")
        _, last = request.path.rsplit("/", 1)
        if request.path == f"{faults.API}/builds" and (
            request.method == "POST" or "project" in request.query
        ):
            return self.started(request)
        if "project_id" in request.query:
            return faults.reply(of_project(int(request.query["project_id"])))
        if "/downloads/" in request.path:
            return faults.file(archive(int(last)), f"{last}.zip")
        if "/patterns/" in request.path:
            return faults.reply(row("patterns", int(last)))
        if request.path.endswith("/metadata"):
            words = re.findall(r"\w+", request.json()["statement"])
            verb = next((READERS[word] for word in words if word in READERS), "metadata.query")
            return self.statements[verb](request)
        return self.healthy[request.method, request.path](request)


def of_project(number: int) -> list[dict[str, Any]]:
    return rows("builds", number % 50, project_id=number)


# --- the calls; each compares what it gets with the truth -------------------------------------------


def told_by(error: errors.MkframeError) -> str:
    assert error.hint, error
    assert not isinstance(error, errors.InputError), error
    return type(error).__name__


class Visitor:
    def __init__(self, client: Client, folder: Path) -> None:
        self.client, self.folder = client, folder
        self.ends: dict[str, str] = {}
        """What each start of a build was told, by its description."""
        self.tally: collections.Counter[str] = collections.Counter()

    def call(self, number: int) -> None:
        draw = random.Random(f"{SEED} {number}")
        act = draw.choice([self.simple, self.simple, self.find, self.get, self.fetch, self.start])
        try:
            notice = act(draw, number) or "right"
        except errors.MkframeError as error:
            notice = told_by(error)
        self.tally[notice] += 1

    def simple(self, draw: random.Random, number: int) -> None:
        verb = draw.choice(SIMPLE)
        verb.check(verb.call(self.client, self.folder, 5.0))

    def find(self, draw: random.Random, number: int) -> None:
        project = draw.randrange(1000)
        expected = from_rows("builds", of_project(project))
        assert_frame_equal(self.client.builds.find(project_id=project), expected)

    def get(self, draw: random.Random, number: int) -> None:
        pattern = draw.randrange(1, 1000)
        expected = from_rows("patterns", [row("patterns", pattern)]).iloc[0]
        assert_series_equal(self.client.patterns.get(pattern), expected)

    def fetch(self, draw: random.Random, number: int) -> str | None:
        wanted = draw.sample(range(1, 5000), 3)
        failed = None
        fetched = self.client.downloads.fetch(downloads=wanted, to=self.folder, progress=False, max_workers=2)
        assert fetched.index.tolist() == wanted
        for download, line in zip(wanted, fetched.to_dict("records"), strict=True):
            if line["status"] == "failed":
                failed = "failed file"
                assert isinstance(line["error"], str)
                continue
            assert line["status"] in ("fetched", "present")
            assert line["sha256"] == hashlib.sha256(archive(download)).hexdigest()
            assert Path(line["path"]).read_bytes() == archive(download)
        return failed

    def start(self, draw: random.Random, number: int) -> None:
        notice = f"Start {number}."
        try:
            run = self.client.builds.start(
                project=PROJECT, instances=[AIRPLANE], description=notice, confirm_timeout=3.0
            )
        except errors.MkframeError as error:
            self.ends[notice] = type(error).__name__
            raise
        self.ends[notice] = f"build {run.id}"


def check_starts(ends: dict[str, str], built: dict[int, str]) -> None:
    """No build runs twice, none was reported that does not run, and none runs of which no word was said."""
    by_description = collections.defaultdict(list)
    for number, description in built.items():
        by_description[description.split(" [")[0]].append(number)
    for notice, end in ends.items():
        ids = by_description.pop(notice, [])
        if end != "StartUnconfirmedError":
            assert [f"build {i}" for i in ids] == ([end] if end.startswith("build ") else []), (notice, end)
        assert len(ids) <= 1
    assert not by_description


# --- what may leak ----------------------------------------------------------------------------------


def open_files() -> int:
    return len(os.listdir("/proc/self/fd")) if sys.platform == "linux" else 0  # noqa: PTH208


def blocks() -> int:
    """Memory blocks of Python that are in use."""
    for _ in range(3):
        gc.collect()
    return sys.getallocatedblocks()


def resident() -> int:
    """Bytes that the process has in memory."""
    if sys.platform == "linux":
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    return 0


def soon(wanted: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 10
    while not wanted() and time.monotonic() < deadline:
        time.sleep(0.02)
    return wanted()


def in_parallel(call: Callable[[int], None], numbers: range) -> None:
    with ThreadPoolExecutor(THREADS) as pool:
        for future in [pool.submit(call, number) for number in numbers]:
            future.result(timeout=120)


@pytest.mark.timeout(120 + CALLS // 10)
def test_soak(tmp_path, monkeypatch, capsys, caplog):
    elsewhere, folder = tmp_path / "temporary", tmp_path / "artifacts"
    elsewhere.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(elsewhere))
    caplog.set_level("ERROR", "mkframe")  # else pytest keeps every warning
    threads, files = threading.active_count(), open_files()
    world = SoakServer(SEED)
    warm = CALLS // 4
    begun = time.monotonic()
    with faults.serve(world, on_accept=world.greet) as server:
        quick = {"max_attempts": 3, "max_retry_wait": 0.05, "read_timeout": 1.0, "total_timeout": 2.0}
        # A file has no deadline: one that drips is given up by its rate, before its padding is complete.
        limits = Limits(rate=5000, rate_window=0.5)
        with Client(Transport(Settings(server.api, limits=limits, **quick, **LOGIN))) as client:
            visitor = Visitor(client, folder)
            in_parallel(visitor.call, range(warm))
            server.forget()
            memory, size = blocks(), resident()
            in_parallel(visitor.call, range(warm, CALLS))
            requests = world.answered
            server.forget()
            grown, swelling = blocks() - memory, resident() - size
        assert soon(lambda: server.open_connections == 0)
    took = time.monotonic() - begun

    assert sum(visitor.tally.values()) == CALLS
    assert visitor.tally["right"] > 0.8 * CALLS
    check_starts(visitor.ends, world.started.taken)
    assert threading.active_count() == threads
    assert soon(lambda: open_files() <= files)
    assert list(elsewhere.iterdir()) == []
    assert list(folder.glob(".*.part")) == []
    if "SOAK" in os.environ:
        with capsys.disabled():
            sys.stdout.write(
                f"\n{CALLS} calls, {requests} requests in {server.connections} connections, {took:.0f} s, "
                f"seed {SEED}\nends: {dict(visitor.tally.most_common())}\n"
                f"disturbed: {sum(world.disturbed.values())}, {dict(world.disturbed.most_common())}\n"
                f"builds started: {len(world.started.taken)} of {len(visitor.ends)} asked for\n"
                f"memory: {grown / (CALLS - warm):+.2f} blocks a call, {swelling / 1e6:+.1f} MB in all; "
                f"threads {threading.active_count() - threads:+d}, files {open_files() - files:+d}\n"
            )
    # What the server and the test keep of each build, and what is loaded when it is first needed.
    assert grown < 3 * CALLS + 10_000
