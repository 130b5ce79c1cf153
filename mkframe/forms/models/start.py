"""Model of the form that starts a build: select, start once, watch, fetch.

Invariants: one call of `StartModel.submit` sends at most one request, and while the outcome of a request is
unknown no other can be sent.
"""

from __future__ import annotations

from typing import Any

import pandas as pd
import traitlets as t

from mkframe.builds import BuildStart, exclusive_lock
from mkframe.builds._marker import marker_in
from mkframe.errors import MkframeError, NotStartedError, StartUnconfirmedError
from mkframe.forms.models import preflight
from mkframe.forms.models._client import ClientLike
from mkframe.forms.models.base import Model, Run, rows_of, text
from mkframe.forms.models.downloads import DownloadsModel
from mkframe.forms.models.selection import SelectionModel
from mkframe.forms.models.watch import WatchModel
from mkframe.metrics._eta import HISTORY_COLUMNS

__all__ = ["StartModel"]


class StartModel(Model):
    """Model of the form that starts a build.

    Parameters
    ----------
    client : Client
        A client, or an object with the same methods.
    confirm_timeout : float, default 6
        Seconds to look for a build whose answer was lost.
    run : callable, optional
        Executes a slow step.

    Attributes
    ----------
    selection : SelectionModel
        What is selected for the build.
    state : str
        ``choosing``, ``starting`` (one request is under way), ``unconfirmed`` (its answer was lost) or
        ``started``. Only ``choosing`` without blockers can be submitted, and leaving it is atomic.
    build : BuildStart
        The build; None before it was started.
    marker : str
        The marker of the last request, by which a build is looked for if the answer was lost.
    warnings : tuple of str
        Warnings of the server about the start.
    concurrent_ids, concurrent_text : tuple of int, str
        Builds that look the same and were started elsewhere at the same time.
    watch, downloads : WatchModel, DownloadsModel
        The models of the build that is watched, and of fetching its artifacts.
    """

    state = t.Enum(["choosing", "starting", "unconfirmed", "started"], "choosing")
    build = t.Any(None)
    marker = t.Unicode(None, allow_none=True)
    warnings = t.Tuple()
    concurrent_ids = t.Tuple()
    concurrent_text = t.Unicode("")
    watch = t.Instance(WatchModel, allow_none=True)
    downloads = t.Instance(DownloadsModel, allow_none=True)

    def __init__(self, client: ClientLike, confirm_timeout: float = 6.0, run: Run | None = None) -> None:
        super().__init__(run)
        self.selection = SelectionModel(client, run)
        self.selection.observe(self._clear_error, ["project_id", "releases"])
        self._client = client
        self._confirm_timeout = confirm_timeout
        self._ids_before: set[int] = set()
        self._history: pd.DataFrame | bool = True
        self._signature: tuple[set[int], int] = (set(), 0)

    @property
    def can_submit(self) -> bool:
        """Whether `submit` sends a request."""
        return self.state == "choosing" and not self.selection.blockers

    def submit(self) -> bool:
        """Start the build once; return whether this call started it.

        The state changes under a lock before anything else: a second call, from another tab or a double
        click, finds it changed and does nothing.
        """
        with self._lock:
            if not self.can_submit:
                return False
            self.state = "starting"
        self.run_in_background("Starting the build", self._start)
        return True

    def _start(self) -> None:
        selection, sent = self.selection, False
        try:
            with exclusive_lock(f"builds of {selection.project_id} at {self._client.url}"):
                # Blockers may be new: what was still loading when the button was pressed is loaded now.
                if selection.blockers:
                    self.state = "choosing"
                    return
                if self._show_duplicates(self._load_builds()):
                    return
                request = selection.request()
                self.marker, sent = request["marker"], True
                build = self._client.builds.start(
                    **request, confirm_timeout=self._confirm_timeout, warn=False
                )
            self._show_started(build)
        except Exception as error:
            self._show_not_started(error, sent)
            raise

    def _load_builds(self) -> pd.DataFrame:
        builds = self._client.builds.find(project_id=self.selection.project_id)
        rows = self.selection.chosen_rows()
        self._signature = set(rows["pattern_id"]), len(rows)
        self._ids_before = set(builds.index)
        self._history = builds[list(HISTORY_COLUMNS)]  # says how long it takes, without a further request
        return builds

    def _show_duplicates(self, builds: pd.DataFrame) -> bool:
        """Show builds alike; under the lock, so that a click on one of them finds that it may be watched."""
        with self._lock:
            if found := self.selection.find_duplicates(builds):
                self.state = "choosing"
        return found

    def _show_started(self, build: BuildStart) -> None:
        self.build, self.warnings = build, tuple(build.warnings)
        self.selection.finish(build.id)
        self._watch(build.id)
        self.state = "started"
        self.run_in_background("Looking whether it was started twice", lambda: self._find_concurrent(build))

    def _find_concurrent(self, build: BuildStart) -> None:
        """Find builds that another machine started between our check and our start."""
        builds = self._client.builds.find(project_id=self.selection.project_id)
        others = builds[~builds.index.isin([*self._ids_before, build.id])]
        found = preflight.similar_builds(others, *self._signature, set())
        if self.build is build and len(found):
            self.concurrent_text = _concurrent_text(found, build)
            self.concurrent_ids = tuple(int(i) for i in found.index)

    def _show_not_started(self, error: Exception, sent: bool) -> None:
        """Allow another start, or none if a build may run."""
        unknown = isinstance(error, StartUnconfirmedError) or not isinstance(error, MkframeError)
        if sent:
            self.selection.renew_marker()
        self.state = "unconfirmed" if sent and unknown else "choosing"

    def confirm(self) -> None:
        """Find out whether a build runs after its answer was lost."""
        marker = self.marker
        if self.state == "unconfirmed" and marker and not self.busy:
            self.run_in_background("Looking for the build", lambda: self._confirm(marker))

    def _confirm(self, marker: str) -> None:
        try:
            build = self._client.builds.confirm(
                marker,
                project_id=self.selection.project_id,
                confirm_timeout=self._confirm_timeout,
                warn=False,
            )
        except NotStartedError:
            self.state = "choosing"
            raise
        self._show_started(build)

    def dismiss(self) -> None:
        """Go back to choosing after a person has looked in the web application."""
        if self.state == "unconfirmed":
            self.error, self.state = "", "choosing"

    def _clear_error(self, _: Any) -> None:
        if self.state == "choosing":
            self.error, self.traceback = "", ""

    def _watch(self, *ids: int) -> None:
        if self.downloads is None:
            self.downloads = DownloadsModel(self._client, self.run)
        self._end_watching()
        self.watch = WatchModel(self._client, ids, self.run, self._history)

    def _end_watching(self) -> None:
        if self.watch is not None:
            self.watch.close()

    def close(self) -> None:
        """End what is under way; a build that was started goes on."""
        self._end_watching()
        if self.downloads is not None:
            self.downloads.stop()

    def watch_existing(self, id: int) -> None:
        """Watch a build that runs already instead of starting one."""
        with self._lock:
            if self.state != "choosing":
                return
            self.state = "started"
        self.build, self.warnings, self._history = None, (), True
        self._watch(id)
        self.wake()

    def watch_concurrent(self) -> None:
        """Watch all builds that were started at the same time."""
        if self.build is not None and self.concurrent_ids:
            self._watch(self.build.id, *self.concurrent_ids)
            self.wake()

    def look(self) -> float | None:
        """Ask for the build that is watched; return the seconds until the next time, or None to stop."""
        return self.watch.look() if self.watch is not None else None

    def reset(self) -> None:
        """Go back to choosing; the selection is kept."""
        with self._lock:
            if self.state != "started":
                return
            self.state = "choosing"
        self.close()
        self.watch = self.downloads = self.build = None
        self._history = True
        self.warnings, self.concurrent_ids, self.concurrent_text = (), (), ""
        self.selection.reload_builds()


def _concurrent_text(found: pd.DataFrame, build: BuildStart) -> str:
    others = " and ".join(
        f"{row.Index} ({text(row.status, 'no status')}, {_marker_text(row.description, build.marker)})"
        for row in rows_of(found)
    )
    return (
        f"Not only your build {build.id} (marker {build.marker}) but also {others} started at the same time, "
        "with the same patterns and as many instances: Start was pressed in two places, or the request was "
        "repeated on its way. The API has nothing that could prevent it, and no way to cancel a build. If "
        "one is enough, find out whose the other is, and whether the web application lets you interrupt it."
    )


def _marker_text(description: Any, own: str | None) -> str:
    found = marker_in(description)
    if found is None:
        return "without a marker"
    return "with the same marker" if found == own else f"marker {found}"
