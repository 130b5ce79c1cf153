"""One thread for one form: it does slow steps in order and looks again while there is something to see."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable

__all__ = ["Worker"]

log = logging.getLogger("mkframe")


class Worker:
    """A daemon thread that exists only while there is work.

    Parameters
    ----------
    look : callable, optional
        Called again and again; returns the seconds until the next time, or None when there is nothing
        more to see.

    Examples
    --------
    >>> worker, done = Worker(), []
    >>> worker.do(lambda: done.append(1))
    >>> worker.close()
    >>> done
    [1]
    """

    def __init__(self, look: Callable[[], float | None] | None = None) -> None:
        self._look = look or (lambda: None)
        self._steps: deque[Callable[[], object]] = deque()
        self._news = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closed = False

    @property
    def thread(self) -> threading.Thread | None:
        """The thread, while there is one."""
        return self._thread

    def do(self, step: Callable[[], object]) -> None:
        """Do a step after those that wait already."""
        with self._news:
            if self._closed:
                return
            self._steps.append(step)
            self._news.notify()
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="mkframe-form", daemon=True)
                self._thread.start()

    def close(self, timeout: float = 5.0) -> None:
        """End after the steps that were handed over, which are given `timeout` seconds."""
        with self._news:
            self._closed = True
            self._news.notify()
            thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout)
        with self._news:
            self._steps.clear()  # what waits behind a step that does not end must not begin later

    def _work(self) -> None:
        due: float | None = time.monotonic()
        while True:
            step, ended = self._next(due)
            if ended:
                return
            try:
                if step is not None:
                    step()
                pause = None if self._closed else self._look()
            except Exception:
                # Models show their own errors; this is one of ours, and the form must go on.
                log.exception("A form's step failed.")
                pause = None
            due = None if pause is None else time.monotonic() + pause

    def _next(self, due: float | None) -> tuple[Callable[[], object] | None, bool]:
        """The next step, None when it is time to look, and whether it is time to end."""
        with self._news:
            if not self._steps and due is not None and not self._closed:
                self._news.wait(max(0.0, due - time.monotonic()))
            if self._steps:
                return self._steps.popleft(), False
            if self._closed or due is None:
                self._thread = None
                return None, True
            return None, False
