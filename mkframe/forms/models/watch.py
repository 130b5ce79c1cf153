"""Follow builds: patient with the server, honest about what is not known."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import pandas as pd
import traitlets as t

from mkframe.errors import TRANSIENT, InvalidResponseError, MkframeError, NotFoundError
from mkframe.forms.models.base import Model, overhearing, rows_of, text
from mkframe.schema import is_over

__all__ = ["BuildSnapshot", "WatchModel", "failed_alike"]

PAUSE, LONGEST_PAUSE, GROWTH = 0.7, 5.0, 1.15
"""Seconds between two looks: short at first, longer for a build that takes its time."""
_PARTICULAR = re.compile(r"'[^']*'|\"[^\"]*\"|\b[A-Z][A-Z0-9_]{2,}\b|\d+")
_MOST_ALIKE = 5


@dataclass(frozen=True, slots=True)
class BuildSnapshot:
    """A build as it was last seen; `status` is empty before the first answer."""

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

    @property
    def over(self) -> bool:
        """Whether there is nothing more to see of it."""
        return bool(self.missing) or is_over(self.status, self.end is not None)

    def elapsed(self, now: dt.datetime) -> float | None:
        """Seconds since its start, or from start to end."""
        until = self.end or (None if self.over else now)
        if self.start is None or until is None:
            return None
        return max(0.0, (until - self.start).total_seconds())


class WatchModel(Model):
    """Builds that are followed until they have ended.

    Parameters
    ----------
    client : Client
        Or anything with ``builds.get`` and ``builds.find``.
    ids : iterable of int
        Which builds.

    Attributes
    ----------
    builds : tuple of Seen
        In the order given.
    lost : str
        Why the last look gave no answer; empty where it did.
    heard : datetime
        When the server last answered.
    state : str
        ``following``, ``over`` or ``stopped`` (asking on would not help).
    alike : tuple of str
        Where a single build has failed: the last builds that failed with such a message.
    """

    builds = t.Tuple()
    lost = t.Unicode("")
    heard = t.Any(None)
    state = t.Enum(["following", "over", "stopped"], "following")
    alike = t.Tuple()

    def __init__(self, client: Any, ids: Iterable[int]) -> None:
        super().__init__()
        self._client = client
        self._pause = PAUSE
        self._turns = dict.fromkeys(map(int, ids))
        self.builds = tuple(map(BuildSnapshot, self._turns))

    def look(self) -> float | None:
        """Ask once for every build that goes on; return the seconds until the next look."""
        if self.state != "following":
            return None
        try:
            with overhearing(lambda said: self.set_trait("lost", said)):
                going = {b.id: b for b in self.builds if not b.over}
                for number in [number for number in self._turns if number in going]:
                    self._replace(self._ask(going[number]))
        except (*TRANSIENT, InvalidResponseError) as error:
            self._turns[number] = self._turns.pop(number)  # asked last the next time, it hides no other
            self._pause = min(self._pause * 2, LONGEST_PAUSE)
            self.lost = f"{error} Nothing is lost: the build goes on at the server, and this form asks again."
            return self._pause
        except MkframeError as error:
            self._give_up(error)
            return None
        except Exception as error:  # one of ours: shown and logged, and not asked for in a circle
            self.state = "stopped"
            self.fail("Looking at the build", error)
            return None
        return self._answered()

    def resume(self) -> None:
        """Look again after the form has stopped."""
        self._pause, self.state, self.lost, self.trouble = PAUSE, "following", "", ""
        self.run(lambda: None)

    def _ask(self, seen: BuildSnapshot) -> BuildSnapshot:
        try:
            return _seen(self._client.builds.get(seen.id))
        except NotFoundError as error:
            return BuildSnapshot(seen.id, missing=error.vendor_message or error.message)

    def _replace(self, seen: BuildSnapshot) -> None:
        self.builds = tuple(seen if b.id == seen.id else b for b in self.builds)
        self.lost, self.heard = "", dt.datetime.now(dt.UTC)

    def _answered(self) -> float | None:
        self._pause = min(self._pause * GROWTH, LONGEST_PAUSE)
        if not all(b.over for b in self.builds):
            return self._pause
        if len(self.builds) == 1 and self.builds[0].status == "FAILED":
            self.attempt("Looking for failed builds with a similar message", self._find_alike)
        self.state = "over"
        return None

    def _give_up(self, error: MkframeError) -> None:
        numbers = ", ".join(str(b.id) for b in self.builds if not b.over)
        self.lost = (
            f"{error} Build {numbers} goes on; connect again, then watch(client, [{numbers}]) rejoins it."
        )
        self.state = "stopped"

    def _find_alike(self) -> None:
        failed = self.builds[0]
        if failed.project_id is None:
            return  # every build there is would be too many to compare with
        builds = self._client.builds.find(project_id=failed.project_id)
        rows = failed_alike(builds, failed.id, failed.message)
        self.alike = tuple(
            f"Build {row.Index}, {_day(row.build_start)}: {row.message}" for row in rows_of(rows)
        )


def _seen(build: pd.Series[Any]) -> BuildSnapshot:
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
    )


def _number(value: Any) -> int | None:
    return None if pd.isna(value) else int(value)


def _time(value: Any) -> dt.datetime | None:
    return None if pd.isna(value) else value.to_pydatetime(warn=False)


def _day(value: Any) -> str:
    return "start unknown" if pd.isna(value) else f"{value:%Y-%m-%d %H:%M} UTC"


def failed_alike(builds: pd.DataFrame, id: int, message: str) -> pd.DataFrame:
    """The last failed builds whose message differs only in numbers, quotations and upper-case names.

    Examples
    --------
    >>> builds = pd.DataFrame(
    ...     {"status": ["FAILED"] * 3, "message": ["AIRPLANE has 2 errors", "GATE has 1 errors", "no disk"]},
    ...     index=pd.Index([7, 8, 9], name="id"),
    ... )
    >>> failed_alike(builds, 10, "CREW has 4 errors").index.tolist()
    [8, 7]
    """
    shape: Callable[[str], str] = lambda said: _PARTICULAR.sub("·", said)  # noqa: E731
    failed = builds[(builds["status"] == "FAILED") & (builds.index != id) & builds["message"].notna()]
    same = failed[failed["message"].map(shape) == shape(message)]
    return same.sort_index(ascending=False).head(_MOST_ALIKE)
