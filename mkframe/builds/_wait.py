"""Wait for builds to end.

A server that cannot be reached for a while is asked again. The end of the waiting never ends a build.
"""

from __future__ import annotations

import contextlib
import functools
import math
import time
from collections.abc import Iterable
from typing import Any

import pandas as pd

from mkframe import _validation, frames
from mkframe._bars import ProgressBar
from mkframe._http import Transport
from mkframe._text import single_line
from mkframe.builds._how_long import HowLong, RunningBuild
from mkframe.builds._reconcile import MIN_REQUEST_TIME
from mkframe.errors import (
    TRANSIENT,
    BuildFailedError,
    ConnectError,
    InputError,
    InvalidResponseError,
    MkframeError,
    SchemaError,
    WaitTimeoutError,
)
from mkframe.schema import is_over

__all__ = ["wait"]

_FIRST_PAUSE, _MAX_PAUSE, _GROWTH = 0.3, 15.0, 1.5
_MAX_SILENCE = 1800.0
_MAX_MESSAGE = 60


class _Watch:
    """The last known rows of some builds, and the pause until the next request."""

    def __init__(self, transport: Transport, ids: Iterable[int]) -> None:
        self.transport = transport
        self.rows: dict[int, pd.DataFrame | None] = dict.fromkeys(ids)
        self.order = dict.fromkeys(self.rows)
        self.bodies: dict[int, bytes] = {}
        self.pause = _FIRST_PAUSE
        self.silent_seconds = 0.0
        self.last_look = time.monotonic()
        self.error: MkframeError | None = None

    @property
    def open(self) -> list[int]:
        """Builds that have not ended, as far as is known."""
        return [i for i, row in self.rows.items() if row is None or not _has_ended(row)]

    def look(self, until: float = math.inf) -> None:
        """Request every build that has not ended, once; an error that may pass is kept in `error`.

        A build whose request fails comes last the next time, so that it does not hide the others.
        """
        self.error = None
        going = set(self.open)
        for number in [number for number in self.order if number in going]:
            timeout = None if math.isinf(until) else until - time.monotonic()
            if timeout is not None and timeout <= 0:
                break
            try:
                self.bodies[number], self.rows[number] = self.transport.get(
                    f"/builds/{number}", parse=functools.partial(_read, number), timeout=timeout
                )
            except SchemaError:
                raise
            except (*TRANSIENT, InvalidResponseError) as error:
                if isinstance(error, ConnectError) and not error.retryable:
                    raise  # such as an invalid proxy: no time will help
                self.error = error
                self.order[number] = self.order.pop(number)
                self._count_silence()
                break
            self.silent_seconds = 0.0
        self.last_look = time.monotonic()

    def _count_silence(self) -> None:
        """Give up after half an hour without an answer; time in which the computer slept does not count."""
        self.silent_seconds += min(time.monotonic() - self.last_look, 4 * _MAX_PAUSE)
        if self.silent_seconds > _MAX_SILENCE:
            raise _timeout_error(self, "The server has not answered for half an hour") from self.error

    def pause_until(self, until: float) -> None:
        """Pause, longer each time, but not beyond a time."""
        if not self.transport.pause(max(0.0, min(self.pause, until - time.monotonic()))):
            raise _timeout_error(self, "The client was closed")
        self.pause = min(self.pause * _GROWTH, _MAX_PAUSE)

    def progress(self) -> float:
        """Percent done, over all builds."""
        shares = [_percent(row, number in self.open) for number, row in self.rows.items()]
        return sum(shares) / len(shares)

    def status_text(self) -> str:
        """Describe the builds that have not ended, in one line."""
        if self.error:
            return "the server does not answer, asking again"
        known = self.known()
        return _message(known[0]) if len(known) == 1 else f"{len(self.open)} of {len(self.rows)} go on"

    def known(self) -> list[pd.DataFrame]:
        """Return the rows of the builds that have not ended, as far as they were seen."""
        return [row for i in self.open if (row := self.rows[i]) is not None]

    def result(self) -> pd.DataFrame:
        """Decode the builds as `find` does, unknown columns included."""
        return frames.decode("builds", b"[" + b",".join(self.bodies[i] for i in self.rows) + b"]")


def _has_ended(row: pd.DataFrame) -> bool:
    return is_over(row["status"].iloc[0], bool(row["build_end"].notna().iloc[0]))


def wait(
    transport: Transport,
    ids: list[int],
    *,
    timeout: float | None = None,
    raise_on_failure: bool = False,
    progress: bool = True,
    how_long: HowLong | None = None,
) -> pd.DataFrame:
    """Request builds until all have ended; Ctrl-C ends the waiting, not the builds.

    Where a bar is shown, `how_long` says there what is known of the time that is left.
    """
    if not ids:
        raise InputError("There is no build to wait for.", hint="Give a build id, or several.")
    _check_timeout(timeout)
    _validation.as_bool("progress", progress)
    watch = _Watch(transport, ids)
    until = math.inf if timeout is None else time.monotonic() + timeout
    title = f"Build {ids[0]}" if len(ids) == 1 else f"{len(ids)} builds"
    with contextlib.ExitStack() as stack:
        bar = stack.enter_context(ProgressBar(title, 100, enabled=progress))
        if how_long is not None:
            stack.callback(how_long.close)
        while True:
            watch.look(max(until, time.monotonic() + MIN_REQUEST_TIME))
            bar.show(watch.progress(), *_texts(watch, how_long if bar.is_shown else None))
            if not watch.open:
                break
            if time.monotonic() >= until:
                raise _timeout_error(watch, f"The {timeout:g} s are over") from watch.error
            watch.pause_until(until)
    builds = watch.result()
    if raise_on_failure:
        with transport.redact_errors():
            _raise_on_failure(builds)
    return builds


def _texts(watch: _Watch, how_long: HowLong | None) -> list[str]:
    """Write what the bar says, from the longest to the shortest: no number of them may be cut."""
    if not watch.open:
        return ["ended"]
    status = watch.transport.redact(watch.status_text())
    if how_long is None or watch.error:
        return [status]
    running = [RunningBuild.of(row.iloc[0]) for row in watch.known()]
    texts = how_long.ask(running, watch.transport.server_time)
    if not texts:
        return [status]
    if len(watch.open) == 1:
        (text,) = texts.values()
        message = f" | {status}" if status else ""
        return [f"{text.says}{message}", text.says, f"{text.short}{message}", text.short, status]
    named = " | ".join(f"{number}: {text.short}" for number, text in texts.items())
    unusual = sum(text.is_unusual for text in texts.values())
    count = f"{status}, {unusual} for unusually long" if unusual else status
    return [f"{status} | {named}", count]


def _check_timeout(timeout: Any) -> None:
    if timeout is not None and not (_validation.is_number(timeout) and timeout >= 0):
        raise InputError(
            f"timeout must be seconds, not {timeout!r}.", hint="Write timeout=600, or leave it out."
        )


def _read(number: int, chunks: Iterable[bytes]) -> tuple[bytes, pd.DataFrame]:
    body = b"".join(chunks)
    return body, frames.decode_row("builds", body, key=number)


def _percent(row: pd.DataFrame | None, running: bool) -> float:
    if row is None:
        return 0.0
    if not running:
        return 100.0
    return float(row["progress"].fillna(0).clip(0, 100).iloc[0])


def _message(row: pd.DataFrame) -> str:
    """Write the build's message on one line, without control characters of a terminal."""
    text = row["message"].iloc[0]
    line = "".join(c if c.isprintable() else " " for c in text) if isinstance(text, str) else ""
    return line[:_MAX_MESSAGE]


def _timeout_error(watch: _Watch, why: str) -> WaitTimeoutError:
    several = len(watch.open) > 1
    listed = ", ".join(map(str, watch.open))
    state = f"build{'s' if several else ''} {listed} still {'go' if several else 'goes'} on"
    caveat = f", as far as is known ({watch.error.message})" if watch.error else ""
    return WaitTimeoutError(
        f"{why}, {state}{caveat}; only the waiting has ended.",
        hint="Wait again with client.builds.wait(...), with a longer timeout or none.",
    )


def _raise_on_failure(builds: pd.DataFrame) -> None:
    failed = builds[builds["status"] != "FINISHED"]
    if len(failed):
        columns = zip(failed.index, failed["status"], failed["message"], strict=True)
        sentence = "; ".join(
            f"build {i} is {single_line(status) if isinstance(status, str) else 'without a status'}"
            + (f", with {single_line(message)!r}" if isinstance(message, str) else "")
            for i, status, message in columns
        )
        raise BuildFailedError(
            f"{sentence[:1].upper()}{sentence[1:]}.", hint="The text is the last progress message."
        )
