"""The thread of a form: it executes slow steps in order, and looks for news between them."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable

from mkframe.client import CancelScope

__all__ = ["Worker"]

log = logging.getLogger("mkframe")


class Worker:
    """A daemon thread that exists only while there is work.

    Attributes
    ----------
    look : callable
        Looks for news after each step; returns the seconds until it is called again, or None to stop.

    Examples
    --------
    >>> worker, done = Worker(), []
    >>> worker.submit(lambda: done.append(1))
    >>> worker.close()
    >>> done
    [1]
    """

    def __init__(self, look: Callable[[], float | None] | None = None) -> None:
        self.look = look or (lambda: None)
        self._steps: deque[Callable[[], object]] = deque()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closed = False
        self._scope = CancelScope()

    @property
    def thread(self) -> threading.Thread | None:
        """The thread; None while there is no work."""
        return self._thread

    def submit(self, step: Callable[[], object]) -> None:
        """Execute a step after those that wait already."""
        with self._changed:
            if self._closed:
                return
            self._steps.append(step)
            self._changed.notify()
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="mkframe-form", daemon=True)
                self._thread.start()

    def cancel(self) -> None:
        """End the requests of the step that is being executed; they raise an error in it."""
        self._scope.cancel()

    def close(self, timeout: float = 5.0) -> None:
        """End after the submitted steps, for which it waits up to `timeout` seconds; then cancel them.

        A connection that is being made cannot be canceled: its thread ends with its time-out.
        """
        with self._changed:
            self._closed = True
            self._changed.notify()
            thread = self._thread
        is_other = thread is not None and thread is not threading.current_thread()
        if thread is not None and is_other:
            thread.join(timeout)
        with self._changed:
            self._steps.clear()  # a step behind one that does not end must not begin later
        if thread is not None and is_other and thread.is_alive():
            self.cancel()
            thread.join(timeout)

    def _work(self) -> None:
        due: float | None = time.monotonic()
        while True:
            step, is_over = self._next(due)
            if is_over:
                return
            self._scope = CancelScope()
            try:
                with self._scope:
                    if step is not None:
                        step()
                    pause = None if self._closed else self.look()
            except Exception:
                # Models show their own errors; this is a defect of mkframe, and the form must go on.
                log.exception("A form's step failed.")
                pause = None
            due = None if pause is None else time.monotonic() + pause

    def _next(self, due: float | None) -> tuple[Callable[[], object] | None, bool]:
        """Wait; return the next step, or None if it is time to look, and whether it is time to end."""
        with self._changed:
            if not self._steps and due is not None and not self._closed:
                self._changed.wait(max(0.0, due - time.monotonic()))
            if self._steps:
                return self._steps.popleft(), False
            if self._closed or due is None:
                self._thread = None
                return None, True
            return None, False
