"""The base of all models: steps whose errors are always shown and logged."""

from __future__ import annotations

import contextlib
import contextvars
import logging
import re
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import pandas as pd
import traitlets as t

from mkframe.errors import MkframeError, NotAuthenticatedError, StartUnconfirmedError
from mkframe.forms.models import public

__all__ = [
    "Model",
    "Run",
    "Step",
    "forward_log_messages",
    "join_names",
    "mask",
    "rows_of",
    "sentence_of",
    "text",
    "without_code",
]

log = logging.getLogger("mkframe")
_SENTENCE_END = re.compile(r"(?<=[.!?:])\s+(?=[A-Z“])")
_CODE = re.compile(r"\b[a-z_]+=|\b(mk|client|errors|frame|artifacts)\.[a-z]|[a-z_]\(|\bas to\b")
_SILENCE, _TICK = 3.0, 1.0
"""Seconds without an answer before a form says so, and between two updates."""
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
        self._answered_at = 0.0

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
            with self.waiting(what), forward_log_messages(lambda message: self._show_message(what, message)):
                step()
        except Exception as error:
            self.show_error(what, error)
            return False
        finally:
            self.busy = ""
        return True

    def _show_message(self, what: str, message: str) -> None:
        self.note_answer()
        self.busy = f"{what}: {without_code(message)}"

    @contextlib.contextmanager
    def waiting(self, what: str) -> Iterator[None]:
        """Say for how long there has been no answer, while the block waits for a server."""
        before, is_over = self.busy, threading.Event()
        self.note_answer()

        def say() -> None:
            shown = ""
            while not is_over.wait(_TICK):
                silent = time.monotonic() - self._answered_at
                if silent >= _SILENCE:
                    self.busy = shown = f"{what}: no answer for {silent:.0f} s, still waiting"
                elif shown and self.busy == shown:
                    self.busy, shown = before, ""

        clock = threading.Thread(target=say, name="mkframe-form-clock", daemon=True)
        clock.start()
        try:
            yield
        finally:
            is_over.set()
            clock.join()
            self.busy = before

    def note_answer(self) -> None:
        """Count the silence of the server from now on."""
        self._answered_at = time.monotonic()

    def work_alone(self, what: str) -> None:
        """Show a part of a step that asks no server."""
        self._answered_at = float("inf")
        self.busy = f"{what} ..."

    def show_error(self, what: str, error: Exception) -> None:
        """Show an error, and log it."""
        if isinstance(error, MkframeError):
            log.warning("%s did not work: %s", what, error)
            self.traceback = ""
            self.error = f"{what} did not work. {sentence_of(error)}"
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


def mask(wanted: Iterable[bool]) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Return which rows are wanted; a plain list without rows would choose columns.

    Examples
    --------
    >>> pd.DataFrame({"status": []})[mask([])].columns.tolist()
    ['status']
    """
    return np.fromiter(wanted, dtype=bool)


def without_code(text: str) -> str:
    """Leave out the sentences after the first that name Python: a form has buttons and fields instead.

    Examples
    --------
    >>> without_code("The folder 'a' cannot be opened. Give another as to=.")
    "The folder 'a' cannot be opened."
    """
    first, *others = _SENTENCE_END.split(text)
    return " ".join([first, *(other for other in others if not _CODE.search(other))])


def sentence_of(error: MkframeError) -> str:
    """Describe an error and what to try in a form, without Python.

    Examples
    --------
    >>> sentence_of(MkframeError("It is not known.", hint="Try mk.connect() once more. Is the URL right?"))
    'It is not known. Is the URL right?'
    """
    if isinstance(error, StartUnconfirmedError) and error.marker:
        hint = f"Do not start it anew before you know: a build with the marker {error.marker} may run."
    elif isinstance(error, NotAuthenticatedError):
        hint = "If the token has expired, connect once more."
    else:
        hint = " ".join(part for part in _SENTENCE_END.split(error.hint) if not _CODE.search(part))
    return f"{error.message} {hint}".strip()


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
