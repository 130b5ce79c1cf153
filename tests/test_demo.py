"""`mk.demo()` and `mkframe demo`."""

import gc
import re
import signal
import subprocess
import sys
import threading

import mkframe as mk
from mkframe.__main__ import main


def test_demo_of_a_size():
    with mk.demo(builds=25) as client:
        assert len(client.builds.find()) == 25


def lasting(before):
    """Threads that are new and stay: those that were told to end are given time to do so."""
    new = set(threading.enumerate()) - before
    for thread in new:
        thread.join(timeout=5)
    return [thread for thread in new if thread.is_alive()]


def test_closing_ends_the_server():
    before = set(threading.enumerate())
    client = mk.demo(builds=12)
    client.projects.find()
    client.close()
    assert not lasting(before)


def test_a_forgotten_client_takes_its_server_along():
    before = set(threading.enumerate())
    client = mk.demo(builds=12)
    del client
    gc.collect()
    assert not lasting(before)


def test_accessor_keeps_its_server_alive():
    builds = mk.demo(builds=12).builds
    gc.collect()
    assert len(builds.find()) == 12


def test_two_demos_live_side_by_side():
    with mk.demo(builds=12) as one, mk.demo(builds=13) as two:
        assert (len(one.builds.find()), len(two.builds.find())) == (12, 13)


def test_command_says_which_extra_it_needs(monkeypatch, capsys):
    for name in [name for name in sys.modules if name.startswith("mkframe.demo_server")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "starlette", None)
    monkeypatch.setitem(sys.modules, "starlette.applications", None)
    assert main(["demo"]) == 1
    assert 'pip install "mkframe[demo]"' in capsys.readouterr().err


def test_command_serves_whoever_takes_its_words(monkeypatch):
    command = [sys.executable, "-m", "mkframe", "demo", "--builds", "30"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            said = "".join(iter(process.stdout.readline, "Ctrl-C ends it.\n"))
            for name, value in re.findall(r"export (\w+)=(\S+)", said):
                monkeypatch.setenv(name, value)
            assert len(mk.connect().builds.find()) == 30
        finally:
            process.send_signal(signal.SIGINT)
        assert process.wait(10) == 130
