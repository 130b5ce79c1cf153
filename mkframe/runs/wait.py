"""Wait for builds: patient with the server, and honest about what goes on without us."""

from __future__ import annotations

import functools
import time
from collections.abc import Iterable
from typing import Any

import pandas as pd

from mkframe import frames
from mkframe.errors import (
    ConnectionFailed,
    InputError,
    MkframeError,
    ServerError,
    TooManyRequests,
    UnexpectedBody,
)
from mkframe.schema import STATUSES, TERMINAL
from mkframe.transport import Transport

__all__ = ["BuildFailed", "StillBuilding", "wait"]

RUNNING = tuple(status for status in STATUSES if status not in TERMINAL)
_FIRST_PAUSE, _LONGEST_PAUSE, _GROWTH = 0.3, 15.0, 1.5
_SILENCE = 1800.0


class BuildFailed(MkframeError):
    """A build that was waited for did not finish."""


class StillBuilding(MkframeError):
    """The time to wait was over; the build goes on."""


class _Watch:
    """The last known state of some builds, and the pause until the next look."""

    def __init__(self, transport: Transport, ids: Iterable[int]) -> None:
        self.transport = transport
        self.rows: dict[int, pd.DataFrame | None] = dict.fromkeys(ids)
        self.pause = _FIRST_PAUSE
        self.silent_since: float | None = None
        self.trouble = ""

    @property
    def open(self) -> list[int]:
        """Builds that have not ended, as far as is known."""
        return [i for i, row in self.rows.items() if row is None or row["status"].iloc[0] in RUNNING]

    def look(self) -> None:
        """Ask once for every build that has not ended; a server that is away is asked again later."""
        try:
            for number in self.open:
                read = functools.partial(frames.decode_row, "builds")
                self.rows[number] = self.transport.get(f"/builds/{number}", into=read)
            self.trouble, self.silent_since = "", None
        except (ConnectionFailed, ServerError, TooManyRequests, UnexpectedBody) as error:
            self.trouble = "the server does not answer"
            self.silent_since = self.silent_since or time.monotonic()
            if time.monotonic() - self.silent_since > _SILENCE:
                raise error

    def rest(self, until: float) -> None:
        """Pause, a little longer each time."""
        time.sleep(max(0.0, min(self.pause, until - time.monotonic())))
        self.pause = min(self.pause * _GROWTH, _LONGEST_PAUSE)

    def progress(self) -> float:
        """Percent done, over all builds."""
        shares = [_percent(row, number in self.open) for number, row in self.rows.items()]
        return sum(shares) / len(shares)

    def words(self) -> str:
        """One line about the builds that go on."""
        if self.trouble:
            return self.trouble
        messages = [str(row["message"].iloc[0]) for i in self.open if (row := self.rows[i]) is not None]
        return messages[0][:60] if len(messages) == 1 else f"{len(self.open)} of {len(self.rows)} go on"


def wait(
    transport: Transport,
    ids: list[int],
    *,
    timeout: float | None = None,
    raise_on_failure: bool = False,
    progress: bool = True,
) -> pd.DataFrame:
    """Look at builds until all have ended; Ctrl-C ends the waiting, not the builds."""
    if not ids:
        raise InputError("There is no build to wait for.", hint="Give a build id, or several.")
    if timeout is not None and not timeout >= 0:
        raise InputError(
            f"timeout must be seconds, not {timeout!r}.", hint="Write timeout=600, or leave it out."
        )
    watch = _Watch(transport, ids)
    until = float("inf") if timeout is None else time.monotonic() + timeout
    with _bar(ids, progress) as bar:
        while True:
            watch.look()
            bar.n = watch.progress()
            bar.set_postfix_str(watch.words() if watch.open else "ended")
            if not watch.open:
                break
            if time.monotonic() >= until:
                raise _still_building(watch, timeout)
            watch.rest(until)
    builds = pd.concat([row for row in watch.rows.values() if row is not None])
    if raise_on_failure:
        _raise_on_failure(builds)
    return builds


def _bar(ids: list[int], progress: bool) -> Any:
    from tqdm.auto import tqdm

    name = f"Build {ids[0]}" if len(ids) == 1 else f"{len(ids)} builds"
    form = "{desc}: {percentage:3.0f}%|{bar}| {elapsed}{postfix}"
    return tqdm(total=100, desc=name, bar_format=form, disable=not progress)


def _percent(row: pd.DataFrame | None, running: bool) -> float:
    if row is None:
        return 0.0
    if not running:
        return 100.0
    return float(row["progress"].fillna(0).clip(0, 100).iloc[0])


def _still_building(watch: _Watch, timeout: float | None) -> StillBuilding:
    numbers = ", ".join(map(str, watch.open))
    verb = "goes on" if len(watch.open) == 1 else "go on"
    trouble = f" ({watch.trouble})" if watch.trouble else ""
    return StillBuilding(
        f"After {timeout:g} s build {numbers} still {verb}{trouble}; only the waiting has ended.",
        hint="Wait again with kraft.builds.wait(...), with a longer timeout or none.",
    )


def _raise_on_failure(builds: pd.DataFrame) -> None:
    bad = builds[builds["status"] != "FINISHED"]
    if len(bad):
        told = "; ".join(f"build {row.Index} is {row.status}: {row.message!r}" for row in bad.itertuples())
        raise BuildFailed(f"{told[:1].upper()}{told[1:]}.", hint="The message is the last progress text.")
