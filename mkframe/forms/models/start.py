"""Start a build: press once, follow it, fetch."""

from __future__ import annotations

from typing import Any

import traitlets as t

from mkframe.builds._marker import marker_in
from mkframe.errors import MkframeError, NotStartedError, StartUnconfirmedError
from mkframe.forms import _lock
from mkframe.forms.models import preflight
from mkframe.forms.models.base import rows_of, text
from mkframe.forms.models.downloads import DownloadsModel
from mkframe.forms.models.selection import SelectionModel
from mkframe.forms.models.watch import WatchModel
from mkframe.schema import RUNNING

__all__ = ["StartModel"]


class StartModel(SelectionModel):
    """The mind of the form that starts a build.

    Parameters
    ----------
    client : Client
        Or anything with its accessors.
    confirm_timeout : float, default 6
        Seconds to look for a build whose answer was lost.

    Attributes
    ----------
    state : str
        ``choosing``, ``starting`` (one request is under way), ``unconfirmed`` (its answer was lost) or
        ``started``. Only ``choosing`` without blockers can be submitted, and leaving it is atomic.
    started : BuildStart
        The build, None before.
    marker : str
        The word by which a lost build is looked for.
    doubles, doubles_said : tuple of int, str
        Builds that look the same and were begun elsewhere in the same moment.
    watching, pocket
        The models of the build that is followed, and of fetching its artifacts.
    """

    state = t.Enum(["choosing", "starting", "unconfirmed", "started"], "choosing")
    started = t.Any(None)
    marker = t.Unicode(None, allow_none=True)
    warnings = t.Tuple()
    doubles = t.Tuple()
    doubles_said = t.Unicode("")
    watching = t.Instance(WatchModel, allow_none=True)
    pocket = t.Instance(DownloadsModel, allow_none=True)

    def __init__(self, client: Any, confirm_timeout: float = 6.0) -> None:
        super().__init__(client)
        self._confirm_timeout = confirm_timeout
        self._before: set[int] = set()
        self._alike: tuple[set[int], int] = (set(), 0)

    @property
    def can_submit(self) -> bool:
        """Whether `submit` would send."""
        return self.state == "choosing" and not self.blockers

    def submit(self) -> bool:
        """Start the build, once; whether this call is the one that does it.

        The state changes under a lock before anything else: a second call, from another tab or a double
        click, finds it changed and does nothing.
        """
        with self._lock:
            if not self.can_submit:
                return False
            self.state = "starting"
        self.later("Starting the build", self._start)
        return True

    def _start(self) -> None:
        sent = False
        try:
            with _lock.exclusive_lock(f"builds of {self.project_id} at {self._client.url}"):
                # What was still being loaded when the button was pressed may speak against it now.
                if self.blockers or self._has_twin():
                    self.state = "choosing"
                    return
                request = self.request()
                self.marker, sent = request["marker"], True
                started = self._client.builds.start(
                    **request, confirm_timeout=self._confirm_timeout, warn=False
                )
            self._begun(started)
        except Exception as error:
            self._not_begun(error, sent)
            raise

    def _has_twin(self) -> bool:
        """Whether such a build runs, or was begun elsewhere since the project was opened."""
        builds = self._client.builds.find(project_id=self.project_id)
        rows = self._chosen_rows()
        self._alike = set(rows["pattern_id"]), len(rows)
        self._before = set(builds.index)
        self._show_running(builds)
        if self.beside:
            return False
        found = preflight.similar_builds(builds, *self._alike, self._known)
        self.twin_ids = tuple(int(i) for i in found.index)
        self.twins = tuple(_twin_said(row) for row in rows_of(found))
        return bool(self.twins)

    def _begun(self, started: Any) -> None:
        self.started, self.warnings = started, tuple(started.warnings)
        self._marker = ""
        self._known.add(started.id)
        self.twins, self.twin_ids, self.beside = (), (), False
        self._check()
        self.follow(started.id)
        self.state = "started"
        self.later("Looking whether it was started twice", lambda: self._look_beside(started))

    def _look_beside(self, started: Any) -> None:
        """Look for a build that another machine began between our look and our start."""
        builds = self._client.builds.find(project_id=self.project_id)
        others = builds[~builds.index.isin([*self._before, started.id])]
        found = preflight.similar_builds(others, *self._alike, set())
        if self.started is started and len(found):
            self.doubles_said = _doubles_said(found, started)
            self.doubles = tuple(int(i) for i in found.index)

    def _not_begun(self, error: Exception, sent: bool) -> None:
        """After an error: nothing was started, or nobody knows."""
        unknown = isinstance(error, StartUnconfirmedError) or not isinstance(error, MkframeError)
        if sent:
            self._marker = ""
        self.state = "unconfirmed" if sent and unknown else "choosing"
        self._check()

    def confirm(self) -> None:
        """Find out what became of a start whose answer was lost."""
        if self.state == "unconfirmed" and self.marker and not self.busy:
            self.later("Looking for the build", self._confirm)

    def _confirm(self) -> None:
        marker = self.marker
        try:
            found = self._client.builds.confirm(
                marker, project_id=self.project_id, confirm_timeout=self._confirm_timeout, warn=False
            )
        except NotStartedError:
            self.state = "choosing"
            raise
        self._begun(found)

    def dismiss(self) -> None:
        """Go back to choosing after a person has looked in the web application."""
        if self.state == "unconfirmed":
            self.trouble, self.state = "", "choosing"

    def follow(self, *ids: int) -> None:
        """Follow a build: the one that was started, one that runs already, or all that began at once."""
        if self.pocket is None:
            self.pocket = DownloadsModel(self._client)
            self.pocket.run = self.run
        watching = WatchModel(self._client, ids)
        watching.run = self.run
        self.watching = watching

    def rejoin(self, id: int) -> None:
        """Follow a build that runs already instead of starting one."""
        with self._lock:
            if self.state != "choosing":
                return
            self.state = "started"
        self.started, self.warnings = None, ()
        self.follow(id)
        self.run(lambda: None)

    def follow_doubles(self) -> None:
        """Follow all builds that were begun in the same moment."""
        if self.started is not None and self.doubles:
            self.follow(self.started.id, *self.doubles)
            self.run(lambda: None)

    def look(self) -> float | None:
        """Look at the build that is followed; seconds until the next look."""
        return self.watching.look() if self.watching is not None else None

    def again(self) -> None:
        """Go back to choosing; what was chosen is kept."""
        with self._lock:
            if self.state != "started":
                return
            self.state = "choosing"
        if self.pocket is not None:
            self.pocket.stop()
        self.watching = self.pocket = self.started = None
        self.warnings, self.doubles, self.doubles_said = (), (), ""
        if (project := self.project_id) is not None:
            self.later("Looking at the builds of the project", lambda: self._recall(project))

    def _recall(self, id: int) -> None:
        builds = self._client.builds.find(project_id=id)
        self._known |= set(builds.index)
        self._show_running(builds)
        self.twins, self.twin_ids = (), ()


def _doubles_said(found: Any, started: Any) -> str:
    others = " and ".join(
        f"{row.Index} ({text(row.status, 'no status')}, {_marker_said(row.description, started.marker)})"
        for row in rows_of(found)
    )
    return (
        f"Not only your build {started.id} (marker {started.marker}) but also {others} began in this moment, "
        "with the same patterns and as many instances: Start was pressed in two places, or the request was "
        "repeated on its way. The API has nothing that could prevent it, and no way to cancel a build. If "
        "one is enough, find out whose the other is, and whether the web application lets you interrupt it."
    )


def _marker_said(description: Any, own: str | None) -> str:
    found = marker_in(description)
    if found is None:
        return "without a marker"
    return "with the same marker" if found == own else f"marker {found}"


def _twin_said(row: Any) -> str:
    verb = (
        "is running"
        if row.status in RUNNING
        else f"was begun since you opened the project, and is {text(row.status, 'without a status')}"
    )
    return (
        f"Build {row.Index} {verb}, with the same patterns and as many instances. "
        f"Press “Watch {row.Index}” to rejoin it, or tick “Start another one beside it”."
    )
