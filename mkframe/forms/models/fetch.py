"""Model of the form that finds builds, fetches their artifacts and compares them with the build before."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd
import traitlets as t

from mkframe.errors import InputError
from mkframe.forms.models import options
from mkframe.forms.models._client import ClientLike, Progress
from mkframe.forms.models.base import Model, Run, mask, rows_of, text
from mkframe.forms.models.downloads import DownloadsModel
from mkframe.schema import STATUSES

__all__ = ["HEADER", "MAX_BUILDS", "PERIODS", "STATUS_OPTIONS", "FetchModel"]

MAX_BUILDS = 200
PERIODS = (
    ("any time", 0),
    ("last 24 hours", 1),
    ("last 7 days", 7),
    ("last 30 days", 30),
    ("last 90 days", 90),
)
ANY = "any"
HEADER = f"{'build':>6}  {'started (UTC)':<16}  {'status':<9}  {'files':>5}  patterns"
"""Header of the labels of `FetchModel.options`, which are aligned in columns."""


class FetchModel(Model):
    """Model of the form that fetches artifacts.

    Parameters
    ----------
    client : Client
        A client, or an object with the same methods.
    diff : callable
        Compares two frames of a fetch, as `mkframe.artifacts.diff`.
    run : callable, optional
        Executes a slow step.

    Attributes
    ----------
    options : tuple of (label, build id)
        The builds that match, newest first, at most `MAX_BUILDS`.
    chosen : tuple of int
        The builds to fetch.
    comparison : DataFrame
        The result of `diff`; `comparison_text` names the builds.
    is_comparing : bool
        Whether a comparison is under way; `stop_comparing` ends it.
    downloads : DownloadsModel
        Model of the target folder and the fetch.
    """

    projects = t.Tuple()
    project_id = t.Int(None, allow_none=True)
    patterns = t.Tuple()
    pattern_id = t.Int(None, allow_none=True)
    releases = t.Tuple()
    release_id = t.Int(None, allow_none=True)
    days = t.Int(0)
    status = t.Unicode("FINISHED")
    options = t.Tuple()
    options_text = t.Unicode("")
    chosen = t.Tuple()
    chosen_text = t.Unicode("")
    blockers = t.Tuple()
    comparison = t.Any(None)
    comparison_text = t.Unicode("")
    is_comparing = t.Bool(False)

    def __init__(self, client: ClientLike, diff: Callable[..., pd.DataFrame], run: Run | None = None) -> None:
        super().__init__(run)
        self._client, self._diff = client, diff
        self._builds: pd.DataFrame | None = None
        self._stop_comparing = threading.Event()
        self.downloads = DownloadsModel(client, run)
        self.observe(self._on_project, "project_id")
        self.observe(self._on_filter, ["pattern_id", "release_id", "days", "status"])
        self.observe(self._on_choice, "chosen")
        self.downloads.observe(self._on_choice, ["folder", "state"])
        self._on_filter(None)

    @property
    def result(self) -> pd.DataFrame | None:
        """The frame of the last fetch."""
        result: pd.DataFrame | None = self.downloads.result
        return result

    def load(self) -> None:
        """Load the projects, patterns and releases."""
        self.run_in_background("Loading the projects", self._load)

    def _load(self) -> None:
        self._pattern_names = options.names_by_id(self._client.patterns.find())
        groups = self._client.release_groups.find()
        self._release_names = options.release_names(self._client.releases.find(), groups)
        self.projects = options.project_options(self._client.projects.find())

    def refresh(self) -> None:
        """Load the builds of the project again."""
        if (project := self.project_id) is not None:
            self.run_in_background("Loading the builds", lambda: self._load_builds(project))

    def _on_project(self, _: Any) -> None:
        self.pattern_id = self.release_id = None
        self._builds, self.patterns, self.releases = None, (), ()
        self._on_filter(None)
        self.refresh()

    def _load_builds(self, id: int) -> None:
        """Load the builds of a project; a person may choose another project meanwhile."""
        if id != self.project_id:
            return
        builds = self._client.builds.find(project_id=id)
        if id != self.project_id:
            return
        self._builds = builds.sort_values(["build_start"], ascending=False, kind="stable")
        self.patterns = _id_options(builds["patterns"], self._pattern_names)
        self.releases = _id_options(builds["releases"], self._release_names)
        self._on_filter(None)

    def _find_matches(self) -> pd.DataFrame | None:
        builds = self._builds
        if builds is None:
            return None
        if self.status != ANY:
            builds = builds[builds["status"] == self.status]
        if self.days:
            builds = builds[builds["build_start"] >= pd.Timestamp.now("UTC") - pd.Timedelta(days=self.days)]
        for wanted, column in ((self.pattern_id, "patterns"), (self.release_id, "releases")):
            if wanted is not None:
                builds = builds[mask(wanted in (ids or ()) for ids in builds[column])]
        return builds

    def _on_filter(self, _: Any) -> None:
        matches = self._find_matches()
        if matches is None:
            self.options, self.chosen, self.options_text = (), (), "Choose a project."
        else:
            newest = rows_of(matches.head(MAX_BUILDS))
            self.options = tuple((_label(row, self._pattern_names), int(row.Index)) for row in newest)
            listed = {build for _, build in self.options}
            self.chosen = tuple(build for build in self.chosen if build in listed)
            total = 0 if self._builds is None else len(self._builds)
            more = f"; the newest {MAX_BUILDS} are shown" if len(matches) > MAX_BUILDS else ""
            self.options_text = f"{len(matches):,} of {total:,} builds match{more}."
        self._on_choice(None)

    def _on_choice(self, _: Any) -> None:
        files = sum(self._count_files(build) for build in self.chosen)
        plural = "s" * (len(self.chosen) != 1)
        chosen = f"{len(self.chosen)} build{plural} chosen, with {files} artifact{'s' * (files != 1)}."
        self.chosen_text = chosen if self._builds is not None else ""
        blockers = []
        if not self.chosen:
            blockers.append("Choose at least one build.")
        elif not files:
            blockers.append("The chosen builds have no artifacts.")
        if not self.downloads.folder.strip():
            blockers.append("Write a target folder.")
        self.blockers = tuple(blockers)

    def _count_files(self, id: int) -> int:
        cells = () if self._builds is None else self._builds.loc[[id], "downloads"]
        return sum(len(files or ()) for files in cells)

    @property
    def can_submit(self) -> bool:
        """Whether `submit` starts a fetch."""
        return not self.blockers and self.downloads.state != "fetching"

    def submit(self) -> bool:
        """Fetch the artifacts of the chosen builds; return whether this call started it."""
        return self.can_submit and self.downloads.fetch(self.chosen)

    @property
    def can_compare(self) -> bool:
        """Whether one build with artifacts is chosen, and nothing else is under way."""
        return len(self.chosen) == 1 and self.can_submit and not self.busy

    def compare(self) -> None:
        """Compare the chosen build with the build before it, pattern by pattern."""
        if self.can_compare:
            build, folder = self.chosen[0], self.downloads.folder
            self._stop_comparing.clear()
            self.comparison, self.comparison_text, self.is_comparing = None, "", True
            self.run_in_background(
                f"Comparing build {build}", lambda: self._compare_until_stopped(build, folder)
            )

    def stop_comparing(self) -> None:
        """End the comparison soon; complete files stay in the folder."""
        self._stop_comparing.set()

    def _compare_until_stopped(self, id: int, folder: str) -> None:
        try:
            self._check_stopped()
            self._compare(id, folder)
        except Exception:
            if not self._stop_comparing.is_set():
                raise
            self.comparison, self.comparison_text = None, "The comparison was stopped."
        finally:
            self.is_comparing = False

    def _check_stopped(self, _: Any = None) -> None:
        if self._stop_comparing.is_set():
            raise InputError("The comparison was stopped.")

    def _compare(self, id: int, folder: str) -> None:
        new = self._client.downloads.find(build_id=id)
        old, previous = self._previous_artifacts(id, set(new["pattern_id"]))
        if old is None:
            raise InputError(
                f"No earlier build of the same patterns as build {id} has artifacts.",
                hint="Choose another build.",
            )
        self._check_stopped()
        with self.downloads.lock_folder():
            sides = [self._fetch_side(rows, folder) for rows in (old, new)]
            self.work_alone("Comparing the files")
            self.comparison = self._diff(*sides, progress=self._check_stopped)
        self.comparison_text = (
            f"Build {id} compared with {' and '.join(f'build {b}' for b in previous)} before it."
        )

    def _previous_artifacts(self, id: int, patterns: set[int]) -> tuple[pd.DataFrame | None, list[int]]:
        """Find the artifacts of the last earlier build of each pattern, and the ids of these builds."""
        assert self._builds is not None  # noqa: S101 - a build could be chosen
        earlier = self._builds[self._builds["build_start"] < self._builds["build_start"].loc[[id]].iloc[0]]
        parts = []
        for pattern in sorted(patterns):
            builds = (
                b
                for b, files in earlier["downloads"].items()
                if any(f.pattern_id == pattern for f in files or ())
            )
            if (build := next(builds, None)) is not None:
                self._check_stopped()
                rows = self._client.downloads.find(build_id=int(build))
                parts.append(rows[rows["pattern_id"] == pattern])
        return (pd.concat(parts) if parts else None), sorted({int(b) for p in parts for b in p["build_id"]})

    def _fetch_side(self, rows: pd.DataFrame, folder: str) -> pd.DataFrame:
        received = (0, 0)

        def show(now: Progress) -> None:
            nonlocal received
            if (now.bytes, now.done) != received:
                received = now.bytes, now.done
                self.note_answer()
            if self._stop_comparing.is_set():
                now.stop()

        fetched = self.downloads.fetch_files(rows, folder, show)
        if fetched["path"].isna().any():
            raise InputError(str(fetched["error"].dropna().iloc[0]))
        return fetched


def _id_options(lists: pd.Series[Any], names: Mapping[Any, str]) -> tuple[options.Option, ...]:
    """Return the ids that occur in list cells as options, sorted by name."""
    ids = {int(i) for cell in lists for i in cell or ()}
    return tuple(sorted((names.get(i, str(i)), i) for i in ids))


def _label(row: Any, names: Mapping[Any, str]) -> str:
    start = "no start" if pd.isna(row.build_start) else f"{row.build_start:%Y-%m-%d %H:%M}"
    patterns = ", ".join(names.get(i, str(i)) for i in row.patterns or ())
    description = text(row.description)
    facts = (
        f"{row.Index:>6}  {start:<16}  {text(row.status, 'no status'):<9}  {len(row.downloads or ()):>5}  "
    )
    # HTML lists collapse several plain spaces into one.
    return facts.replace(" ", "\u00a0") + patterns + (f" · {description}" if description else "")


STATUS_OPTIONS = (ANY, *STATUSES)
