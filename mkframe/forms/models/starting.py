"""Start a build: press once, follow it, fetch."""

from __future__ import annotations

import warnings
from typing import Any

import traitlets as t

from mkframe.errors import MkframeError, NotStarted, Unconfirmed
from mkframe.forms.models import preflight
from mkframe.forms.models.base import rows_of
from mkframe.forms.models.choosing import ChoosingModel
from mkframe.forms.models.following import RUNNING, WatchModel
from mkframe.forms.models.pocket import PocketModel

__all__ = ["StartModel"]


class StartModel(ChoosingModel):
    """The mind of the form that starts a build.

    Parameters
    ----------
    kraft : Client
        Or anything with its accessors.
    look_for : float, default 6
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
    watching, pocket
        The models of the build that is followed, and of fetching its artifacts.
    """

    state = t.Enum(["choosing", "starting", "unconfirmed", "started"], "choosing")
    started = t.Any(None)
    marker = t.Unicode(None, allow_none=True)
    warnings = t.Tuple()
    watching = t.Instance(WatchModel, allow_none=True)
    pocket = t.Instance(PocketModel, allow_none=True)

    def __init__(self, kraft: Any, look_for: float = 6.0) -> None:
        super().__init__(kraft)
        self._look_for = look_for

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
        sent, request = False, self.request()
        try:
            # What was still being loaded when the button was pressed may speak against it now.
            if self.blockers or self._has_twin(request):
                self.state = "choosing"
                return
            sent = True
            self._begun(self._send(request))
        except Exception as error:
            self._not_begun(error, sent)
            raise

    def _has_twin(self, request: dict[str, Any]) -> bool:
        """Whether such a build runs, or was begun elsewhere since the project was opened."""
        if self.beside:
            return False
        builds = self._kraft.builds.find(project_id=self.project_id)
        patterns = set(self._chosen_rows()["pattern_id"])
        found = preflight.alike(builds, patterns, len(request["instances"]), self._known)
        self.twins = tuple(_twin_said(row) for row in rows_of(found))
        self._show_running(builds)
        return bool(self.twins)

    def _send(self, request: dict[str, Any]) -> Any:
        with warnings.catch_warnings():
            # They are in the result as well, and the form shows them.
            warnings.simplefilter("ignore", UserWarning)
            return self._kraft.builds.start(**request, look_for=self._look_for)

    def _begun(self, started: Any) -> None:
        self.started, self.warnings = started, tuple(started.warnings)
        self._known.add(started.id)
        self.twins, self.beside = (), False
        self.follow(started.id)
        self.state = "started"

    def _not_begun(self, error: Exception, sent: bool) -> None:
        """After an error: nothing was started, or nobody knows."""
        unknown = isinstance(error, Unconfirmed) or not isinstance(error, MkframeError)
        self.marker = getattr(error, "marker", None)
        self.state = "unconfirmed" if sent and unknown else "choosing"

    def confirm(self) -> None:
        """Find out what became of a start whose answer was lost."""
        if self.state == "unconfirmed" and self.marker and not self.busy:
            self.later("Looking for the build", self._confirm)

    def _confirm(self) -> None:
        marker = self.marker
        try:
            self._begun(
                self._kraft.builds.confirm(marker, project_id=self.project_id, look_for=self._look_for)
            )
        except NotStarted:
            self.state = "choosing"
            raise

    def dismiss(self) -> None:
        """Go back to choosing after a person has looked in the web application."""
        if self.state == "unconfirmed":
            self.trouble, self.state = "", "choosing"

    def follow(self, id: int) -> None:
        """Follow a build: the one that was started, or one that runs already."""
        self.pocket = PocketModel(self._kraft)
        self.pocket.run = self.run
        watching = WatchModel(self._kraft, [id])
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

    def look(self) -> float | None:
        """Look at the build that is followed; seconds until the next look."""
        return self.watching.look() if self.watching is not None else None

    def again(self) -> None:
        """Go back to choosing; what was chosen is kept."""
        with self._lock:
            if self.state != "started":
                return
            self.state = "choosing"
        self.watching = self.pocket = self.started = None
        self.warnings = ()
        if (project := self.project_id) is not None:
            self.later("Looking at the builds of the project", lambda: self._recall(project))

    def _recall(self, id: int) -> None:
        builds = self._kraft.builds.find(project_id=id)
        self._known |= set(builds.index)
        self._show_running(builds)
        self.twins = ()


def _twin_said(row: Any) -> str:
    verb = (
        "is running"
        if row.status in RUNNING
        else f"was begun since you opened the project, and is {row.status}"
    )
    return (
        f"Build {row.Index} {verb}, with the same patterns and as many instances. "
        f"Press “Watch {row.Index}” above to rejoin it, or tick “Start another one beside it”."
    )
