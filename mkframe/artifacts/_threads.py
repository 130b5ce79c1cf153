"""Many small jobs, a few threads; whoever interrupts is left without threads."""

from __future__ import annotations

import contextlib
import contextvars
import queue
import threading
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

__all__ = ["in_parallel"]

T = TypeVar("T")
R = TypeVar("R")
_TICK = 0.1
_GRACE = 3.0
"""Seconds given to threads that were told to stop."""


def in_parallel(
    do: Callable[[T], R],
    jobs: Sequence[T],
    workers: int,
    tick: Callable[[], None],
    halt: Callable[[], None],
) -> list[R]:
    """Do jobs in threads and give their results in order.

    Parameters
    ----------
    do : callable
        One job. What it raises ends the whole.
    jobs : sequence
        What `do` is handed.
    workers : int
        How many threads.
    tick : callable
        Called in this thread after each job, and at least about ten times a second. What it raises ends
        the whole.
    halt : callable
        Called once where the whole ends early; it must make every running `do` raise soon. A thread that
        is still held up after some seconds is left to itself and ends with Python at the latest.

    Returns
    -------
    list

    Examples
    --------
    >>> in_parallel(abs, [-1, -2, -3], 2, tick=lambda: None, halt=lambda: None)
    [1, 2, 3]
    """
    todo: queue.SimpleQueue[tuple[int, T]] = queue.SimpleQueue()
    done: queue.SimpleQueue[tuple[int, R | None, BaseException | None]] = queue.SimpleQueue()
    for numbered_job in enumerate(jobs):
        todo.put(numbered_job)
    threads = [
        # In the caller's context, so that whoever listens to what it logs hears its threads as well.
        threading.Thread(
            target=contextvars.copy_context().run,
            args=(_work, do, todo, done),
            name=f"mkframe-fetch-{n}",
            daemon=True,
        )
        for n in range(min(workers, len(jobs)))
    ]
    results: dict[int, R] = {}
    try:
        for thread in threads:
            thread.start()
        while len(results) < len(jobs):
            with contextlib.suppress(queue.Empty):
                place, result, error = done.get(timeout=_TICK)
                if error is not None:
                    raise error
                results[place] = result  # type: ignore[assignment]
            tick()
    except BaseException:
        halt()
        raise
    finally:
        _join(threads)
    return [results[place] for place in range(len(jobs))]


def _work(
    do: Callable[[T], R],
    todo: queue.SimpleQueue[tuple[int, T]],
    done: queue.SimpleQueue[tuple[int, R | None, BaseException | None]],
) -> None:
    with contextlib.suppress(queue.Empty):
        while True:
            place, job = todo.get_nowait()
            try:
                done.put((place, do(job), None))
            except BaseException as error:
                done.put((place, None, error))
                return


def _join(threads: Sequence[threading.Thread]) -> None:
    deadline = time.monotonic() + _GRACE
    for thread in threads:
        if thread.ident is not None:
            thread.join(max(0.0, deadline - time.monotonic()))
