"""Many small jobs, a few threads, one bar; whoever interrupts is left without threads."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

__all__ = ["Meter", "in_parallel"]

T = TypeVar("T")
R = TypeVar("R")
_TICK = 0.1
_UNNOTICED = 0.5
"""Seconds within which nobody misses a bar."""
_GRACE = 3.0
"""Seconds given to threads that were told to stop."""


class Meter:
    """How far each of several files is; threads write, one bar shows.

    A file counts as one and one that is under way as its share, since sizes are not known before. The bar
    appears after half a second: quick work shows none, and does not wait for its import.

    Parameters
    ----------
    keys : sequence of int
        One for each file.
    visible : bool
        Whether there is a bar at all.
    """

    def __init__(self, keys: Sequence[int], *, visible: bool) -> None:
        self._bytes = dict.fromkeys(keys, 0)
        self._share = dict.fromkeys(keys, 0.0)
        self._visible = visible
        self._started = time.monotonic()
        self._bar: Any = None

    def set(self, key: int, bytes: int, expected: int | None) -> None:
        """Say how much of a file has come."""
        self._bytes[key] = bytes
        self._share[key] = min(bytes / expected, 0.99) if expected else 0.0

    def done(self, key: int) -> None:
        """Say that a file is through, whatever became of it."""
        self._share[key] = 1.0

    def show(self) -> None:
        """Bring the bar up to date."""
        waited = time.monotonic() - self._started
        if not self._visible or waited < _UNNOTICED:
            return
        if self._bar is None:
            self._bar = _bar(len(self._share), waited)
        through = sum(share == 1.0 for share in self._share.values())
        size = self._bar.format_sizeof(sum(self._bytes.values()), "B")
        self._bar.set_description_str(f"{through} of {len(self._share)} files, {size}", refresh=False)
        self._bar.update(sum(self._share.values()) - self._bar.n)

    def close(self) -> None:
        """Leave the bar as it stands in the end."""
        if self._bar is not None:
            self.show()
            self._bar.close()


def _bar(total: int, waited: float) -> Any:
    """A bar that suits terminal or notebook."""
    from tqdm.auto import tqdm

    # tqdm's thread that wakes stalled bars would outlive us; `show` is called often enough
    unwatched = type("Bar", (tqdm,), {"monitor_interval": 0})
    bar = unwatched(
        total=total, bar_format="{desc} {percentage:3.0f}%|{bar}| {elapsed}<{remaining}", miniters=0
    )
    bar.start_t -= waited
    return bar


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
        Called in this thread about ten times a second.
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
        threading.Thread(target=_work, args=(do, todo, done), name=f"mkframe-crew-{n}", daemon=True)
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
