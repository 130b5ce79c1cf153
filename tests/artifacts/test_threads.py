"""Jobs in threads: results in order, errors not hidden, no thread left."""

import contextvars
import threading
import time

import pytest

from mkframe.artifacts._threads import in_parallel


def nothing():
    pass


def worker_threads():
    return [t for t in threading.enumerate() if t.name.startswith("mkframe-fetch")]


def test_results_keep_the_order_of_the_jobs():
    def slow_first(job):
        time.sleep(0.02 if job == 0 else 0)
        return job * 2

    assert in_parallel(slow_first, range(9), 3, nothing, nothing) == [n * 2 for n in range(9)]


def test_no_jobs_need_no_threads():
    assert in_parallel(abs, [], 8, nothing, nothing) == []


def test_no_more_threads_than_asked_for():
    seen = set()

    def note(_):
        seen.add(threading.current_thread().name)
        time.sleep(0.005)

    in_parallel(note, range(12), 3, nothing, nothing)
    assert len(seen) == 3


def test_error_in_a_job_stops_the_others():
    halted = threading.Event()

    def job(number):
        if number == 2:
            raise ZeroDivisionError
        assert halted.wait(2)

    with pytest.raises(ZeroDivisionError):
        in_parallel(job, range(3), 3, nothing, halted.set)
    assert worker_threads() == []


def test_tick_is_called_while_jobs_run():
    ticks = []
    in_parallel(lambda _: time.sleep(0.25), [1], 1, lambda: ticks.append(1), nothing)
    assert len(ticks) >= 2


def test_jobs_run_in_the_context_of_the_caller():
    word = contextvars.ContextVar("word", default="nobody's")
    before = word.set("the caller's")
    values = in_parallel(lambda _: word.get(), range(4), 4, nothing, nothing)
    word.reset(before)
    assert set(values) == {"the caller's"}
