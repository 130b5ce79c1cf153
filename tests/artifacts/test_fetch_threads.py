"""Threads of a fetch: errors are raised, and no thread is left."""

import contextvars
import threading
import time

import pytest

from mkframe.artifacts import _fetch
from mkframe.artifacts._fetch import _run_all


def nothing():
    pass


class Job:
    """Calls a function in place of a download."""

    def __init__(self, run, stop=nothing):
        self.run = run
        self.stop = stop


def worker_threads():
    return [t for t in threading.enumerate() if t.name.startswith("mkframe-fetch")]


def test_every_file_is_run_once():
    seen = []
    _run_all(Job(seen.append), range(50), 3, nothing)
    assert sorted(seen) == list(range(50))
    assert worker_threads() == []


def test_no_files_need_no_threads():
    _run_all(Job(None), [], 8, nothing)
    assert worker_threads() == []


def test_number_of_threads_is_limited():
    seen = set()

    def note(_):
        seen.add(threading.current_thread().name)
        time.sleep(0.005)

    _run_all(Job(note), range(12), 3, nothing)
    assert len(seen) == 3


def test_error_in_a_thread_stops_the_others():
    stopped = threading.Event()

    def run(number):
        if number == 2:
            raise ZeroDivisionError
        assert stopped.wait(2)

    with pytest.raises(ZeroDivisionError):
        _run_all(Job(run, stopped.set), range(3), 3, nothing)
    assert worker_threads() == []


def test_error_drops_waiting_files_at_once():
    stopped = threading.Event()
    seen = []

    def run(number):
        seen.append(number)
        stopped.wait(2)

    def tick():
        raise ZeroDivisionError

    begun = time.monotonic()
    with pytest.raises(ZeroDivisionError):
        _run_all(Job(run, stopped.set), range(1000), 2, tick)
    assert time.monotonic() - begun < 2
    assert len(seen) < 1000
    assert worker_threads() == []


def test_blocked_thread_does_not_block_the_caller(monkeypatch):
    monkeypatch.setattr(_fetch, "_STOP_TIMEOUT", 0.1)
    released = threading.Event()

    def tick():
        raise ZeroDivisionError

    try:
        with pytest.raises(ZeroDivisionError):
            _run_all(Job(lambda _: released.wait(10)), [1], 1, tick)
        (thread,) = worker_threads()
    finally:
        released.set()
    thread.join(5)
    assert worker_threads() == []


def test_tick_is_called_while_threads_run():
    ticks = []
    _run_all(Job(lambda _: time.sleep(0.25)), [1], 1, lambda: ticks.append(1))
    assert len(ticks) >= 2


def test_threads_run_in_the_context_of_the_caller():
    word = contextvars.ContextVar("word", default="nobody's")
    before = word.set("the caller's")
    values = []
    _run_all(Job(lambda _: values.append(word.get())), range(4), 4, nothing)
    word.reset(before)
    assert values == ["the caller's"] * 4
