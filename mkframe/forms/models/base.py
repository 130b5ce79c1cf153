"""The base of all models: steps whose errors are always shown and logged."""

from __future__ import annotations

import contextlib
import contextvars
import logging
import threading
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import pandas as pd
import traitlets as t

from mkframe.errors import MkframeError
from mkframe.forms.models import public

__all__ = ["Model", "Run", "Step", "forward_log_messages", "join_names", "rows_of", "text"]

log = logging.getLogger("mkframe")
Step = Callable[[], object]
Run = Callable[[Step], object]
"""Executes a step, now or later: `Worker.submit` of a form."""
_active_handlers: contextvars.ContextVar[tuple[logging.Handler, ...]] = contextvars.ContextVar(
    "_active_handlers", default=()
)
"""Handlers of this context. Threads of a fetch copy the context; threads of other forms have their own."""


class Model(t.HasTraits):
    """The state of a form, without widgets.

    Parameters
    ----------
    run : callable, optional
        Executes a slow step. The default executes it at once.

    Attributes
    ----------
    error : str
        The last error, as a sentence; empty if there is none.
    traceback : str
        Traceback of an unexpected error; empty for a visitor of a public page.
    busy : str
        The step that is being executed; empty if there is none.
    is_public : bool
        Whether a visitor uses the form. A visitor can choose neither server nor folder.
    """

    error = t.Unicode("")
    traceback = t.Unicode("")
    busy = t.Unicode("")

    def __init__(self, run: Run | None = None) -> None:
        super().__init__()
        self.is_public = public.is_public()
        self.run: Run = run or (lambda step: step())
        self._lock = threading.Lock()

    def run_in_background(self, what: str, step: Step) -> None:
        """Execute a slow step by `run`, and show its error."""
        self.run(lambda: self.run_step(what, step))

    def wake(self) -> None:
        """Let the worker look for news, also if it is idle: it looks after each step."""
        self.run(lambda: None)

    def run_step(self, what: str, step: Step) -> bool:
        """Execute a step now, show that it is under way, and show its error; return whether it succeeded."""
        self.error, self.traceback, self.busy = "", "", f"{what} ..."
        try:
            with forward_log_messages(lambda message: self.set_trait("busy", f"{what}: {message}")):
                step()
        except Exception as error:
            self.show_error(what, error)
            return False
        finally:
            self.busy = ""
        return True

    def show_error(self, what: str, error: Exception) -> None:
        """Show an error, and log it."""
        if isinstance(error, MkframeError):
            log.warning("%s did not work: %s", what, error)
            self.traceback = ""
            self.error = f"{what} did not work. {error}"
            return
        log.error("%s failed unexpectedly.", what, exc_info=error)
        self.traceback = "" if self.is_public else "".join(traceback.format_exception(error))
        self.error = f"{what} failed unexpectedly: {type(error).__name__}: {error}"


@contextlib.contextmanager
def forward_log_messages(show: Callable[[str], object]) -> Iterator[None]:
    """Pass warnings of mkframe's log to a function, such as that a request is retried.

    Only messages of this context and of the threads that it starts are passed on.
    """

    class Forward(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if self in _active_handlers.get() and record.levelno >= logging.WARNING:
                show(record.getMessage())

    handler = Forward()
    before = _active_handlers.set((*_active_handlers.get(), handler))
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)
        _active_handlers.reset(before)


def rows_of(frame: pd.DataFrame) -> Iterator[Any]:
    """Iterate over rows as named tuples; `Index` is the id."""
    return iter(frame.itertuples())


def text(cell: Any, default: str = "") -> str:
    """Format a cell as text; return the default if it is missing or empty.

    Examples
    --------
    >>> text("FAILED"), text(float("nan"), "no status")
    ('FAILED', 'no status')
    """
    return default if pd.isna(cell) else str(cell) or default


def join_names(names: list[str], most: int = 6) -> str:
    """Join the first names by commas, and count the others.

    Examples
    --------
    >>> join_names(["A", "B", "C"], most=2)
    'A, B and 1 more'
    """
    first = ", ".join(names[:most])
    return first if len(names) <= most else f"{first} and {len(names) - most:,} more"
