"""Retries of reads: which errors, after which pause, and what is logged."""

from __future__ import annotations

import logging
import math
import threading
import time
from dataclasses import dataclass
from typing import Self

import tenacity

from mkframe import errors
from mkframe._http.timeouts import current_scope
from mkframe.settings import Settings

__all__ = ["Deadline", "read_retries"]

log = logging.getLogger("mkframe")


@dataclass(frozen=True, slots=True)
class Deadline:
    """The end of a read with all its retries.

    Parameters
    ----------
    seconds : float, default infinity
        Seconds that the caller has given.
    end : float, default infinity
        When they have passed, by `time.monotonic`.
    """

    seconds: float = math.inf
    end: float = math.inf

    @classmethod
    def after(cls, seconds: float | None) -> Self:
        """Return the deadline after so many seconds from now; None means no deadline."""
        return cls() if seconds is None else cls(seconds, time.monotonic() + seconds)

    def cap(self, settings: Settings) -> Settings:
        """Return the settings with time-outs no longer than the time that is left."""
        return settings if self.end == math.inf else settings.capped_at(self.end - time.monotonic())

    def cap_whole(self, settings: Settings) -> Settings:
        """Return the settings with time-outs no longer than the time that was given: errors name these."""
        return settings.capped_at(self.seconds)


def read_retries(
    settings: Settings, stopped: threading.Event | None = None, timeout: float | None = None
) -> tenacity.Retrying:
    """Return a tenacity object that repeats a function as `settings` allow, within `timeout` seconds.

    An event `stopped` that is set ends a pause at once. In a canceled `CancelScope`, or
    one without repeats, nothing is repeated.
    """
    scope = current_scope()

    def is_retryable(error: BaseException) -> bool:
        if not isinstance(error, errors.MkframeError) or not error.retryable:
            return False
        if scope is not None and (scope.is_canceled or not scope.repeats):
            return False
        return (error.retry_after or 0) <= settings.max_retry_wait

    def pause(state: tenacity.RetryCallState) -> float:
        retry_after = getattr(_failure(state), "retry_after", None)
        return float(retry_after) if retry_after is not None else backoff(state)

    def log_retry(state: tenacity.RetryCallState) -> None:
        error, wait = _failure(state), state.next_action.sleep if state.next_action else 0
        log.warning(
            "%s Trying again in %.1f s (%d of %d).",
            getattr(error, "message", error),
            wait,
            state.attempt_number,
            settings.max_attempts - 1,
        )

    backoff = tenacity.wait_random_exponential(multiplier=0.5, max=settings.max_retry_wait)
    last = tenacity.stop_after_attempt(settings.max_attempts)
    return tenacity.Retrying(
        retry=tenacity.retry_if_exception(is_retryable),
        stop=last if timeout is None else last | tenacity.stop_before_delay(timeout),
        wait=pause,
        before_sleep=log_retry,
        sleep=tenacity.sleep_using_event(stopped) if stopped else scope.pause if scope else time.sleep,
        reraise=True,
    )


def _failure(state: tenacity.RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome else None
