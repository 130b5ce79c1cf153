"""What all models share: steps that cannot fail unseen."""

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

__all__ = ["Model", "listed", "overhearing", "rows_of", "text"]

log = logging.getLogger("mkframe")
Step = Callable[[], object]
_EARS: contextvars.ContextVar[tuple[logging.Handler, ...]] = contextvars.ContextVar("_EARS", default=())
"""Who listens to what is going on here; other forms' work has other listeners."""


class Model(t.HasTraits):
    """A form's mind.

    Attributes
    ----------
    trouble : str
        What went wrong last, as a sentence; empty while all is well.
    trace : str
        Traceback of an unexpected error; a visitor of a public page gets none.
    busy : str
        What is going on; empty at rest.
    run : callable
        Does a slow step: at once, unless a form puts its worker here.
    is_public : bool
        Whether a visitor uses the form, who chooses neither host nor folder.
    """

    trouble = t.Unicode("")
    trace = t.Unicode("")
    busy = t.Unicode("")

    def __init__(self) -> None:
        super().__init__()
        self.is_public = public.is_public()
        self.run: Callable[[Step], object] = lambda step: step()
        self._lock = threading.Lock()

    def later(self, what: str, step: Step) -> None:
        """Do a slow step by `run`; what goes wrong in it is shown."""
        self.run(lambda: self.attempt(what, step))

    def attempt(self, what: str, step: Step) -> bool:
        """Do a step now, say what goes on, and show what goes wrong; whether it went well."""
        self.trouble, self.trace, self.busy = "", "", f"{what} ..."
        try:
            with overhearing(lambda said: self.set_trait("busy", f"{what}: {said}")):
                step()
        except Exception as error:
            self.fail(what, error)
            return False
        finally:
            self.busy = ""
        return True

    def fail(self, what: str, error: Exception) -> None:
        """Show an error, and log it."""
        if isinstance(error, MkframeError):
            log.warning("%s did not work: %s", what, error)
            self.trace = ""
            self.trouble = f"{what} did not work. {error}"
            return
        log.error("%s failed unexpectedly.", what, exc_info=error)
        self.trace = "" if self.is_public else "".join(traceback.format_exception(error))
        self.trouble = f"{what} failed unexpectedly: {type(error).__name__}: {error}"


@contextlib.contextmanager
def overhearing(hear: Callable[[str], None]) -> Iterator[None]:
    """Pass on what mkframe logs here and in threads of what is called, such as that a read is tried again."""

    class Ear(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if self in _EARS.get() and record.levelno >= logging.WARNING:
                hear(record.getMessage())

    ear = Ear()
    before = _EARS.set((*_EARS.get(), ear))
    log.addHandler(ear)
    try:
        yield
    finally:
        log.removeHandler(ear)
        _EARS.reset(before)


def rows_of(frame: pd.DataFrame) -> Iterator[Any]:
    """Rows as named tuples; `Index` is the id."""
    return iter(frame.itertuples())


def text(cell: Any, otherwise: str = "") -> str:
    """Write a cell, or something else where it is missing or empty.

    Examples
    --------
    >>> text("FAILED"), text(float("nan"), "no status")
    ('FAILED', 'no status')
    """
    return otherwise if pd.isna(cell) else str(cell) or otherwise


def listed(names: list[str], most: int = 6) -> str:
    """Write names one after the other, and count those beyond the first few.

    Examples
    --------
    >>> listed(["A", "B", "C"], most=2)
    'A, B and 1 more'
    """
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most:,} more"
