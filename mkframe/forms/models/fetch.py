"""Find builds and fetch their artifacts; compare them with those of the build before."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd
import traitlets as t

from mkframe.errors import InputError
from mkframe.forms.models import options
from mkframe.forms.models.base import Model, rows_of, text
from mkframe.forms.models.downloads import DownloadsModel
from mkframe.schema import STATUSES

__all__ = ["HEADER", "MOST_BUILDS", "PERIODS", "STATUS_OPTIONS", "FetchModel"]

MOST_BUILDS = 200
PERIODS = (
    ("any time", 0),
    ("last 24 hours", 1),
    ("last 7 days", 7),
    ("last 30 days", 30),
    ("last 90 days", 90),
)
ANY = "any"
HEADER = f"{'build':>6}  {'started (UTC)':<16}  {'status':<9}  {'files':>5}  patterns"
"""Above the lines of `FetchModel.options`, which stand in columns."""


class FetchModel(Model):
    """The mind of the form that fetches artifacts.

    Parameters
    ----------
    client : Client
        Or anything with its accessors.
    diff : callable
        Compares two lists of paths, as `mkframe.artifacts.diff`.

    Attributes
    ----------
    options : tuple of (label, build id)
        The builds that match, newest first, at most `MOST_BUILDS`.
    chosen : tuple of int
        The builds to fetch.
    comparison : DataFrame
        What `diff` returned; `compared` says between which builds.
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
    options_said = t.Unicode("")
    chosen = t.Tuple()
    chosen_said = t.Unicode("")
    blockers = t.Tuple()
    comparison = t.Any(None)
    compared = t.Unicode("")

    def __init__(self, client: Any, diff: Callable[..., pd.DataFrame]) -> None:
        super().__init__()
        self._client, self._diff = client, diff
        self._builds: pd.DataFrame | None = None
        self.pocket = DownloadsModel(client)
        self.observe(self._on_project, "project_id")
        self.observe(self._on_filter, ["pattern_id", "release_id", "days", "status"])
        self.observe(self._on_choice, "chosen")
        self.pocket.observe(self._on_choice, ["folder", "state"])
        self._on_filter(None)

    @property
    def result(self) -> pd.DataFrame | None:
        """The frame of the last fetch."""
        result: pd.DataFrame | None = self.pocket.result
        return result

    def load(self) -> None:
        """Load the projects, and what belongs to none."""
        self.later("Loading the projects", self._load)

    def _load(self) -> None:
        self._pattern_names = options.names_of(self._client.patterns.find())
        groups = self._client.release_groups.find()
        self._release_names = options.release_names(self._client.releases.find(), groups)
        self.projects = options.project_options(self._client.projects.find())

    def refresh(self) -> None:
        """Load the builds of the project again."""
        if (project := self.project_id) is not None:
            self.later("Loading the builds", lambda: self._open(project))

    def _on_project(self, _: Any) -> None:
        self.pattern_id = self.release_id = None
        self._builds, self.patterns, self.releases = None, (), ()
        self._on_filter(None)
        self.refresh()

    def _open(self, id: int) -> None:
        if id != self.project_id:
            return
        builds = self._client.builds.find(project_id=id)
        if id != self.project_id:
            return
        self._builds = builds.sort_values(["build_start"], ascending=False, kind="stable")
        self.patterns = _named_ids(builds["patterns"], self._pattern_names)
        self.releases = _named_ids(builds["releases"], self._release_names)
        self._on_filter(None)

    def _matching(self) -> pd.DataFrame | None:
        builds = self._builds
        if builds is None:
            return None
        if self.status != ANY:
            builds = builds[builds["status"] == self.status]
        if self.days:
            builds = builds[builds["build_start"] >= pd.Timestamp.now("UTC") - pd.Timedelta(days=self.days)]
        for wanted, column in ((self.pattern_id, "patterns"), (self.release_id, "releases")):
            if wanted is not None:
                builds = builds[[wanted in (ids or ()) for ids in builds[column]]]
        return builds

    def _on_filter(self, _: Any) -> None:
        found = self._matching()
        if found is None:
            self.options, self.chosen, self.options_said = (), (), "Choose a project."
        else:
            shown = found.head(MOST_BUILDS)
            self.options = tuple((_label(row, self._pattern_names), int(row.Index)) for row in rows_of(shown))
            there = {build for _, build in self.options}
            self.chosen = tuple(build for build in self.chosen if build in there)
            total = 0 if self._builds is None else len(self._builds)
            more = f"; the newest {MOST_BUILDS} are shown" if len(found) > MOST_BUILDS else ""
            self.options_said = f"{len(found):,} of {total:,} builds match{more}."
        self._on_choice(None)

    def _on_choice(self, _: Any) -> None:
        files = sum(self._count(build) for build in self.chosen)
        words = "build" if len(self.chosen) == 1 else "builds"
        told = f"{len(self.chosen)} {words} chosen, with {files} artifact{'s' * (files != 1)}."
        self.chosen_said = told if self._builds is not None else ""
        said = []
        if not self.chosen:
            said.append("Choose at least one build.")
        elif not files:
            said.append("The chosen builds have no artifacts.")
        if not self.pocket.folder.strip():
            said.append("Write a target folder.")
        self.blockers = tuple(said)

    def _count(self, id: int) -> int:
        cells = () if self._builds is None else self._builds.loc[[id], "downloads"]
        return sum(len(files or ()) for files in cells)

    @property
    def can_submit(self) -> bool:
        """Whether `submit` would fetch."""
        return not self.blockers and self.pocket.state != "fetching"

    def submit(self) -> bool:
        """Fetch the artifacts of the chosen builds; whether this call is the one that does it."""
        return self.can_submit and self.pocket.fetch(self.chosen)

    @property
    def can_compare(self) -> bool:
        """Whether a single build with artifacts is chosen."""
        return len(self.chosen) == 1 and self.can_submit and not self.busy

    def compare(self) -> None:
        """Compare the chosen build with the build before it, pattern by pattern."""
        if self.can_compare:
            build = self.chosen[0]
            self.later(f"Comparing build {build}", lambda: self._compare(build, self.pocket.folder))

    def _compare(self, id: int, folder: str) -> None:
        new = self._client.downloads.find(build_id=id)
        old, before = self._before(id, set(new["pattern_id"]))
        if old is None:
            raise InputError(
                f"No earlier build of the same patterns as build {id} has artifacts.",
                hint="Choose another build.",
            )
        with self.pocket.room():
            sides = [self._paths(rows, folder) for rows in (old, new)]
            self.comparison = self._diff(*sides)
        self.compared = f"Build {id} compared with {' and '.join(f'build {b}' for b in before)} before it."

    def _before(self, id: int, patterns: set[int]) -> tuple[pd.DataFrame | None, list[int]]:
        """Artifacts of the last earlier build of each pattern."""
        assert self._builds is not None  # noqa: S101 - a build could be chosen
        earlier = self._builds[self._builds["build_start"] < self._builds["build_start"].loc[[id]].iloc[0]]
        parts = []
        for pattern in sorted(patterns):
            with_it = (
                b
                for b, files in earlier["downloads"].items()
                if any(f.pattern_id == pattern for f in files or ())
            )
            if (build := next(with_it, None)) is not None:
                rows = self._client.downloads.find(build_id=int(build))
                parts.append(rows[rows["pattern_id"] == pattern])
        return (pd.concat(parts) if parts else None), sorted({int(b) for p in parts for b in p["build_id"]})

    def _paths(self, rows: pd.DataFrame, folder: str) -> list[str]:
        fetched = self.pocket.bring(rows, folder)
        if fetched["path"].isna().any():
            raise InputError(str(fetched["error"].dropna().iloc[0]))
        paths: list[str] = fetched["path"].tolist()
        return paths


def _named_ids(lists: pd.Series[Any], names: Mapping[Any, str]) -> tuple[options.Option, ...]:
    """The ids that occur in list cells, by name."""
    ids = {int(i) for cell in lists for i in cell or ()}
    return tuple(sorted((names.get(i, str(i)), i) for i in ids))


def _label(row: Any, names: Mapping[Any, str]) -> str:
    start = "no start" if pd.isna(row.build_start) else f"{row.build_start:%Y-%m-%d %H:%M}"
    patterns = ", ".join(names.get(i, str(i)) for i in row.patterns or ())
    described = text(row.description)
    facts = (
        f"{row.Index:>6}  {start:<16}  {text(row.status, 'no status'):<9}  {len(row.downloads or ()):>5}  "
    )
    # A list would run several plain spaces together.
    return facts.replace(" ", "\u00a0") + patterns + (f" · {described}" if described else "")


STATUS_OPTIONS = (ANY, *STATUSES)
