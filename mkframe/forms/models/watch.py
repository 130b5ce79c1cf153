"""Model of the form that watches builds: it asks again after temporary errors, and shows what is unknown."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd
import traitlets as t

from mkframe.builds import HowLong, RunningBuild
from mkframe.errors import TRANSIENT, InvalidResponseError, MkframeError, NotFoundError
from mkframe.forms.models._client import ClientLike
from mkframe.forms.models.base import Model, Run, forward_log_messages, rows_of, sentence_of, text
from mkframe.metrics._eta import EtaFit
from mkframe.schema import is_over

__all__ = ["BuildSnapshot", "WatchModel", "find_similar_failures"]

PAUSE, LONGEST_PAUSE, GROWTH = 0.7, 5.0, 1.15
"""Seconds between two requests: the first pause, the longest, and the factor from one to the next."""
_VARIABLE_PART = re.compile(r"'[^']*'|\"[^\"]*\"|\b[A-Z][A-Z0-9_]{2,}\b|\d+")
_MAX_SIMILAR = 5


@dataclass(frozen=True, slots=True)
class BuildSnapshot:
    """The last known state of a build; `status` is empty before the first answer.

    `how_long` says how long it may still take, in the words of `mkframe.metrics.eta`; empty if nothing is
    known.
    """

    id: int
    status: str = ""
    progress: int = 0
    message: str = ""
    description: str = ""
    instances: int | None = None
    start: dt.datetime | None = None
    end: dt.datetime | None = None
    project_id: int | None = None
    files: tuple[tuple[int, str], ...] = ()
    missing: str = ""
    patterns: tuple[int, ...] = ()
    how_long: str = ""

    @property
    def over(self) -> bool:
        """Whether the build has ended or does not exist."""
        return bool(self.missing) or is_over(self.status, self.end is not None)

    def elapsed(self, now: dt.datetime | None) -> float | None:
        """Return the seconds from start to end, or from start to now while it runs; None if unknown.

        `now` is of the server's clock, as the start is.
        """
        until = self.end or (None if self.over else now)
        if self.start is None or until is None:
            return None
        return max(0.0, (until - self.start).total_seconds())


class WatchModel(Model):
    """Model that watches builds until they have ended.

    Parameters
    ----------
    client : Client
        A client, or an object with ``builds.get``, ``builds.find`` and ``server_time``.
    ids : iterable of int
        Which builds.
    run : callable, optional
        Executes a slow step.
    history : DataFrame or bool, default True
        Builds from which it is said how long a build may still take; True loads those of its project once,
        after two seconds, in a thread of its own.

    Attributes
    ----------
    builds : tuple of BuildSnapshot
        In the order of `ids`.
    connection_error : str
        Why the last request had no answer; empty if it had one.
    last_seen : datetime
        Time of the last answer, by the clock of this machine.
    server_time : datetime
        Clock of the server in that moment; None if it is not known.
    state : str
        ``watching``, ``over`` or ``stopped`` (another request would not help).
    similar_failures : tuple of str
        If a single build has failed: the last builds that failed with a similar message.
    """

    builds = t.Tuple()
    connection_error = t.Unicode("")
    last_seen = t.Any(None)
    server_time = t.Any(None)
    state = t.Enum(["watching", "over", "stopped"], "watching")
    similar_failures = t.Tuple()

    def __init__(
        self,
        client: ClientLike,
        ids: Iterable[int],
        run: Run | None = None,
        history: pd.DataFrame | bool = True,
    ) -> None:
        super().__init__(run)
        self._client = client
        load = lambda project: client.builds.find(project_id=project)  # noqa: E731
        self._how_long = HowLong.of(history, EtaFit.of, load)
        self._pause = PAUSE
        self._queue = dict.fromkeys(map(int, ids))
        self.builds = tuple(map(BuildSnapshot, self._queue))

    def look(self) -> float | None:
        """Ask once for every build that runs; return the seconds until the next time, or None to stop."""
        if self.state != "watching":
            return None
        try:
            with (
                self.waiting("Asking the server"),
                forward_log_messages(lambda message: self.set_trait("connection_error", message)),
            ):
                running = {b.id: b for b in self.builds if not b.over}
                for build_id in [i for i in self._queue if i in running]:
                    self._update(self._load(running[build_id]))
            self._say_how_long()
        except (*TRANSIENT, InvalidResponseError) as error:
            # Asked last the next time: a build whose requests fail must not keep the others from an answer.
            self._queue[build_id] = self._queue.pop(build_id)
            self._pause = min(self._pause * 2, LONGEST_PAUSE)
            self._show_how_long({})  # it would be of the past
            nothing_is_lost = "Nothing is lost: the build goes on at the server, and this form asks again."
            self.connection_error = f"{sentence_of(error)} {nothing_is_lost}"
            return self._pause
        except MkframeError as error:
            self._stop(error)
            return None
        except Exception as error:  # a defect of mkframe: it would come again with every request
            self.state = "stopped"
            self.show_error("Looking at the build", error)
            return None
        return self._next_pause()

    def close(self) -> None:
        """End the thread that loads builds to compare with."""
        if self._how_long is not None:
            self._how_long.close()

    def _say_how_long(self) -> None:
        if self._how_long is None:
            return
        running = [b for b in self.builds if b.status and not b.over]
        asked = [
            RunningBuild(b.id, b.project_id, b.status, b.start, b.instances, b.patterns) for b in running
        ]
        texts = self._how_long.ask(asked, self.server_time)
        self._show_how_long({number: text.says for number, text in texts.items()})

    def _show_how_long(self, texts: Mapping[int, str]) -> None:
        self.builds = tuple(replace(b, how_long=texts.get(b.id, "")) for b in self.builds)

    def resume(self) -> None:
        """Ask again after the form has stopped."""
        self._pause, self.state, self.connection_error, self.error = PAUSE, "watching", "", ""
        self.wake()

    def _load(self, build: BuildSnapshot) -> BuildSnapshot:
        try:
            return _snapshot(self._client.builds.get(build.id))
        except NotFoundError as error:
            return BuildSnapshot(build.id, missing=error.vendor_message or error.message)

    def _update(self, build: BuildSnapshot) -> None:
        # until it is said anew, what was said before stays: a line that comes and goes cannot be read
        self.builds = tuple(
            replace(build, how_long="" if build.over else b.how_long) if b.id == build.id else b
            for b in self.builds
        )
        self.note_answer()
        self.server_time = self._client.server_time
        self.connection_error, self.last_seen = "", dt.datetime.now(dt.UTC)

    def _next_pause(self) -> float | None:
        self._pause = min(self._pause * GROWTH, LONGEST_PAUSE)
        if not all(b.over for b in self.builds):
            return self._pause
        if len(self.builds) == 1 and self.builds[0].status == "FAILED":
            self.run_step("Looking for failed builds with a similar message", self._load_similar_failures)
        self.state = "over"
        self.close()
        return None

    def _stop(self, error: MkframeError) -> None:
        ids = ", ".join(str(b.id) for b in self.builds if not b.over)
        self.connection_error = (
            f"{sentence_of(error)} Build {ids} goes on. Connect once more, and open this form anew."
        )
        self._show_how_long({})
        self.state = "stopped"

    def _load_similar_failures(self) -> None:
        failed = self.builds[0]
        if failed.project_id is None:
            return  # without a project this would load all builds of the account
        builds = self._client.builds.find(project_id=failed.project_id)
        self.similar_failures = tuple(
            f"Build {row.Index}, {_day(row.build_start)}: {row.message}"
            for row in rows_of(find_similar_failures(builds, failed.id, failed.message))
        )


def _snapshot(build: pd.Series[Any]) -> BuildSnapshot:
    return BuildSnapshot(
        id=int(build.name),  # type: ignore[call-overload]
        status=text(build["status"], "no status"),
        progress=min(100, max(0, _number(build["progress"]) or 0)),
        message=text(build["message"]),
        description=text(build["description"]),
        instances=_number(build["instances"]),
        start=_time(build["build_start"]),
        end=_time(build["build_end"]),
        project_id=_number(build["project_id"]),
        files=tuple((int(file.id), file.name or "") for file in build["downloads"] or ()),
        patterns=tuple(build["patterns"] or ()),
    )


def _number(value: Any) -> int | None:
    return None if pd.isna(value) else int(value)


def _time(value: Any) -> dt.datetime | None:
    return None if pd.isna(value) else value.to_pydatetime(warn=False)


def _day(value: Any) -> str:
    return "start unknown" if pd.isna(value) else f"{value:%Y-%m-%d %H:%M} UTC"


def find_similar_failures(builds: pd.DataFrame, id: int, message: str) -> pd.DataFrame:
    """Find the last failed builds whose message differs only in numbers, quotations and upper-case names.

    Examples
    --------
    >>> builds = pd.DataFrame(
    ...     {"status": ["FAILED"] * 3, "message": ["AIRPLANE has 2 errors", "GATE has 1 errors", "no disk"]},
    ...     index=pd.Index([7, 8, 9], name="id"),
    ... )
    >>> find_similar_failures(builds, 10, "CREW has 4 errors").index.tolist()
    [8, 7]
    """
    failed = builds[(builds["status"] == "FAILED") & (builds.index != id) & builds["message"].notna()]
    template = _VARIABLE_PART.sub("·", message)
    same = failed[failed["message"].map(lambda other: _VARIABLE_PART.sub("·", other)) == template]
    return same.sort_index(ascending=False).head(_MAX_SIMILAR)
