"""Say how long running builds may still take, beside a wait that it neither delays nor ends."""

from __future__ import annotations

import datetime as dt
import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, Self

import pandas as pd

from mkframe._http import CancelScope
from mkframe._pandas import TEXT
from mkframe._text import short_repr, single_line
from mkframe.errors import InputError, MkframeError

__all__ = ["Fit", "FittedHistory", "HowLong", "HowLongText", "RunningBuild"]

log = logging.getLogger("mkframe")

_MIN_WAIT = 2.0
"""Seconds that a wait must last before the history is loaded: shorter ones send no further request."""
_MAX_AHEAD = dt.timedelta(minutes=1)
"""How much later than the server's clock a build may have started: clocks of one service differ a little."""
_CLOSE_TIMEOUT = 0.5
"""Seconds to wait for the thread at the end; loading is canceled, a calculation ends by itself."""


class HowLongText(NamedTuple):
    """What is said of a running build, and what of it fits a narrow place."""

    says: str
    short: str
    is_unusual: bool


class FittedHistory(Protocol):
    """A history that can be asked of running builds, as `mkframe.metrics.EtaFit`."""

    def how_long(self, running: pd.DataFrame, now: dt.datetime) -> Mapping[int, tuple[str, str, bool]]: ...


Fit = Callable[[pd.DataFrame, dt.datetime], FittedHistory]
"""Fits the builds of a history that ended by a time."""
_CELLS = ("project_id", "status", "build_start", "instances")
_NOT_STARTED = "no idea: by the server's clock it has not started yet"


@dataclass(frozen=True, slots=True)
class RunningBuild:
    """What of a running build counts for how long it takes."""

    id: int
    project_id: int | None
    status: str | None
    build_start: dt.datetime | None
    instances: float | None
    patterns: Any

    @classmethod
    def of(cls, build: pd.Series[Any]) -> Self:
        """Read a row of a find."""
        known = {name: None if pd.isna(build[name]) else build[name] for name in _CELLS}
        return cls(int(build.name), patterns=build["patterns"], **known)  # type: ignore[call-overload]


class HowLong:
    """Says how long running builds may still take, once their history is there.

    The history is loaded and fitted once, in a thread of its own, after the first two seconds; until then,
    and where it cannot be loaded, nothing is said. Times are compared with the server's clock only: without
    one nothing is said, and a build that starts later than it by over a minute has not started yet.

    Parameters
    ----------
    fit : callable
        Fits a history: a metric, which this layer does not know.
    load : callable
        Loads the builds of a project, whose id it takes.
    history : DataFrame, optional
        Builds to compare with; nothing is loaded then.
    """

    @classmethod
    def of(cls, history: Any, fit: Fit, load: Callable[[int], pd.DataFrame]) -> Self | None:
        """Read the argument `history` of a wait: a frame, True to load one, or False for None.

        Raises
        ------
        InputError
            If it is something else, or the frame lacks a column.
        """
        if isinstance(history, pd.DataFrame):
            fit(history.head(0), dt.datetime.now(dt.UTC))  # raises if a column is missing
            return cls(fit, load, history)
        if not isinstance(history, bool):
            raise InputError(
                f"history={short_repr(history)} is no frame of builds.",
                hint="Give client.builds.find(project=...), or False to compare with none.",
            )
        return cls(fit, load) if history else None

    def __init__(
        self, fit: Fit, load: Callable[[int], pd.DataFrame], history: pd.DataFrame | None = None
    ) -> None:
        self._fit, self._load, self._history = fit, load, history
        self._began: float | None = None
        self._thread: threading.Thread | None = None
        self._scope = CancelScope(repeats=False)
        self._fitted: dict[int | None, FittedHistory] = {}

    def ask(self, builds: Sequence[RunningBuild], now: dt.datetime | None) -> dict[int, HowLongText]:
        """Say it of the builds of which something can be said, by id; never waits for the history.

        Parameters
        ----------
        builds : sequence of RunningBuild
            Builds that run, as they were seen last.
        now : datetime or None
            The server's clock.
        """
        began = self._began = self._began or time.monotonic()
        if now is None or not builds or self._scope.is_canceled:
            return {}
        if self._thread is None and time.monotonic() - began >= _MIN_WAIT:
            self._begin(builds, now)
        try:
            texts = self._ask(builds, now)
        except Exception as error:  # whoever waits must not notice
            self._fitted = {}
            self._give_up(error)
            return {}
        ahead = {b.id: HowLongText(_NOT_STARTED, _NOT_STARTED, False) for b in builds if _is_ahead(b, now)}
        return {number: ahead.get(number, text) for number, text in texts.items()}

    def _ask(self, builds: Sequence[RunningBuild], now: dt.datetime) -> dict[int, HowLongText]:
        found: dict[int, HowLongText] = {}
        for project, fitted in self._fitted.items():
            own = [b for b in builds if project in (None, b.project_id)]
            if own:
                texts = fitted.how_long(_frame(own, now), now)
                found |= {number: HowLongText(*text) for number, text in texts.items()}
        return found

    def close(self) -> None:
        """End the loading; nothing more is loaded."""
        self._scope.cancel()
        if self._thread is not None:
            self._thread.join(_CLOSE_TIMEOUT)

    def _begin(self, builds: Iterable[RunningBuild], now: dt.datetime) -> None:
        projects = dict.fromkeys(b.project_id for b in builds if b.project_id is not None)
        self._thread = threading.Thread(
            target=self._work, args=(list(projects), now), name="mkframe-how-long", daemon=True
        )
        self._thread.start()

    def _work(self, projects: Sequence[int], now: dt.datetime) -> None:
        try:
            with self._scope:
                if self._history is not None:
                    self._fitted, self._history = {None: self._fit(self._history, now)}, None
                    return
                for project in projects:
                    fitted = self._fit(self._load(project), now)
                    self._fitted = {**self._fitted, project: fitted}
        except Exception as error:
            self._give_up(error)

    def _give_up(self, error: Exception) -> None:
        """Log in one line why nothing more is said."""
        if not self._scope.is_canceled:
            text = error.message if isinstance(error, MkframeError) else f"{type(error).__name__}: {error}"
            log.warning("It is not said how long builds may still take. %s", single_line(text))


def _is_ahead(build: RunningBuild, now: dt.datetime) -> bool:
    return build.build_start is not None and build.build_start - now > _MAX_AHEAD


def _frame(builds: Sequence[RunningBuild], now: dt.datetime) -> pd.DataFrame:
    """Make a frame of builds; the server's clock has whole seconds, so that one may start a little later."""
    starts = [None if b.build_start is None else min(b.build_start, now) for b in builds]
    return pd.DataFrame(
        {
            "status": pd.Series([b.status for b in builds], dtype=TEXT),
            "build_start": pd.Series(starts, dtype="datetime64[us, UTC]"),
            "instances": pd.Series([b.instances for b in builds], dtype="float64"),
            "patterns": pd.Series([b.patterns for b in builds], dtype="object"),
        }
    ).set_axis(pd.Index([b.id for b in builds], name="id", dtype="int64"))
