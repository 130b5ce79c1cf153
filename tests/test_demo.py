"""`mk.demo()` and `mkframe demo`."""

import asyncio
import gc
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

import mkframe as mk
from mkframe.__main__ import main
from mkframe.demo_server import Server
from mkframe.errors import InputError


def test_demo_has_requested_number_of_builds():
    with mk.demo(builds=25) as client:
        assert len(client.builds.find()) == 25


def remaining_threads(before):
    """Return the new threads that do not end within a few seconds."""
    new = set(threading.enumerate()) - before
    for thread in new:
        thread.join(timeout=5)
    return [thread for thread in new if thread.is_alive()]


def test_close_stops_the_server():
    before = set(threading.enumerate())
    client = mk.demo(builds=12)
    client.projects.find()
    client.close()
    assert not remaining_threads(before)


def test_collected_client_stops_the_server():
    before = set(threading.enumerate())
    client = mk.demo(builds=12)
    del client
    gc.collect()
    assert not remaining_threads(before)


def test_accessor_keeps_server_running():
    builds = mk.demo(builds=12).builds
    gc.collect()
    assert len(builds.find()) == 12


def listening_ports():
    """Return the ports on which this process listens, at any address."""
    own = {target(link) for link in Path("/proc/self/fd").iterdir()}
    tables = [Path(f"/proc/net/{name}").read_text().splitlines()[1:] for name in ("tcp", "tcp6")]
    rows = [line.split() for table in tables for line in table]
    return {row[1] for row in rows if row[3] == "0A" and f"socket:[{row[9]}]" in own}


def target(link):
    try:
        return str(link.readlink())
    except OSError:  # the descriptor of the folder itself
        return None


def assert_nothing_runs(threads, ports):
    assert not remaining_threads(threads)
    if sys.platform == "linux":
        assert listening_ports() == ports


@pytest.fixture
def ports():
    return listening_ports() if sys.platform == "linux" else set()


@pytest.mark.parametrize(
    "host",
    ["0.0.0.0", "", "0", "::", "10.255.255.1", "no host", "a\0b", "a" * 300, None, 127],
)
def test_host_not_loopback_listens_nowhere(host, ports):
    threads = set(threading.enumerate())
    with pytest.raises(InputError, match=r"cannot be listened on|not a text"):
        mk.demo(builds=12, host=host)
    assert_nothing_runs(threads, ports)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "::1"] if socket.has_ipv6 else ["127.0.0.1", "localhost"]
)
def test_loopback_host_is_served(host):
    with mk.demo(builds=12, host=host) as client:
        assert len(client.builds.find()) == 12


@pytest.mark.parametrize("port", [-1, 99_999, "80", 1.5, None])
def test_port_invalid_listens_nowhere(port, ports):
    threads = set(threading.enumerate())
    with pytest.raises(InputError, match="cannot be listened on"):
        mk.demo(builds=12, port=port)
    assert_nothing_runs(threads, ports)


@pytest.mark.parametrize("error", [InputError("no"), KeyboardInterrupt(), MemoryError()], ids=repr)
def test_failed_connection_stops_the_server(error, ports, monkeypatch):
    def fail(*given, **how):
        raise error

    threads = set(threading.enumerate())
    monkeypatch.setattr("mkframe._demo.Transport", fail)
    with pytest.raises(type(error)):
        mk.demo(builds=12)
    assert_nothing_runs(threads, ports)


@pytest.fixture
def slow(monkeypatch):
    """A server that never starts, until it is stopped."""

    async def wait(server, sockets=None):
        while not server.should_exit:
            await asyncio.sleep(0.01)

    monkeypatch.setattr("uvicorn.Server.startup", wait)


@pytest.mark.usefixtures("slow")
def test_interrupted_start_stops_the_server(ports, monkeypatch):
    def interrupt(seconds):
        raise KeyboardInterrupt

    threads = set(threading.enumerate())
    clock = SimpleNamespace(sleep=interrupt, monotonic=time.monotonic, time=time.time)
    monkeypatch.setattr("mkframe.demo_server.server.time", clock)
    with pytest.raises(KeyboardInterrupt):
        mk.demo(builds=12)
    assert_nothing_runs(threads, ports)


@pytest.mark.usefixtures("slow")
def test_server_that_never_starts_is_stopped(ports, monkeypatch):
    monkeypatch.setattr("mkframe.demo_server.server._START_TIMEOUT", 0.2)
    threads = set(threading.enumerate())
    with pytest.raises(RuntimeError, match="did not start"):
        mk.demo(builds=12)
    assert_nothing_runs(threads, ports)


def test_failed_thread_start_leaves_no_port(ports, monkeypatch):
    def fail(thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", fail)
    with pytest.raises(RuntimeError, match="new thread"):
        Server(builds=5).start()
    assert_nothing_runs(set(threading.enumerate()), ports)


def test_two_demos_are_independent():
    with mk.demo(builds=12) as one, mk.demo(builds=13) as two:
        assert (len(one.builds.find()), len(two.builds.find())) == (12, 13)


def test_command_without_extra_names_it(monkeypatch, capsys):
    for name in [name for name in sys.modules if name.startswith("mkframe.demo_server")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "starlette", None)
    monkeypatch.setitem(sys.modules, "starlette.applications", None)
    assert main(["demo"]) == 1
    assert 'pip install "mkframe[demo]"' in capsys.readouterr().err


def test_command_with_a_moment_without_a_zone_is_refused(capsys):
    assert main(["demo", "--at", "2026-06-17T09:30"]) == 1
    assert "has no time zone" in capsys.readouterr().err


def test_command_prints_usable_settings(monkeypatch):
    options = ["--builds", "30", "--at", "2026-06-17T09:30Z"]
    command = [sys.executable, "-m", "mkframe", "demo", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            output = "".join(iter(process.stdout.readline, "Ctrl-C ends it.\n"))
            for name, value in re.findall(r"export (\w+)=(\S+)", output):
                monkeypatch.setenv(name, value)
            starts = mk.connect().builds.find()["build_start"]
            assert len(starts) == 30
            assert starts.max().floor("1h") == pd.Timestamp("2026-06-17 09:00Z")
        finally:
            process.send_signal(signal.SIGINT)
        assert process.wait(10) == 130
