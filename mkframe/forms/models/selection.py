"""Choose what to build: loading, filtering, checking."""

from __future__ import annotations

from typing import Any

import pandas as pd
import traitlets as t

from mkframe.forms.models import options, preflight, preview
from mkframe.forms.models.base import Model, rows_of, text
from mkframe.schema import RUNNING

__all__ = ["MOST_SHOWN", "SelectionModel"]

MOST_SHOWN = 200
"""Instances in the list at a time: a browser stays quick, and nobody reads more."""


def _nothing() -> pd.DataFrame:
    """The instances of no project."""
    instances = pd.DataFrame(columns=["name", "pattern_id", "errors", "instance_folder_id"])
    folders = pd.DataFrame(columns=["path", "build_disabled"])
    return options.instance_table(
        instances.astype({"errors": int}), dict.fromkeys(options.FLAGS, ()), instances, folders
    )


class SelectionModel(Model):
    """What is chosen for a build, and what speaks against it.

    Parameters
    ----------
    client : Client
        Or anything with its accessors.

    Attributes
    ----------
    project_id, releases, pattern_id, folder, search, chosen, description, restore
        What a person chooses; `chosen` are instance ids.
    projects, groups, patterns, folders, matches, chosen_options, running : tuple
        What there is to choose from.
    blockers, notices : tuple of str
        What must be done first, and what should be known.
    json, python : tuple of (depth, text), str
        What would be sent, byte for byte where the lines are put together, and the call for a script.
    twins, twin_ids, beside : tuple of str, tuple of int, bool
        Builds that look the same, and whether another one is wanted beside them.
    """

    projects = t.Tuple()
    project_id = t.Int(None, allow_none=True)
    groups = t.Tuple()
    releases = t.Dict()
    patterns = t.Tuple()
    pattern_id = t.Int(None, allow_none=True)
    folders = t.Tuple()
    folder = t.Unicode("")
    search = t.Unicode("")
    matches = t.Tuple()
    matches_said = t.Unicode("")
    chosen = t.Tuple()
    chosen_options = t.Tuple()
    chosen_said = t.Unicode("")
    description = t.Unicode("")
    restore = t.Bool(False)
    running = t.Tuple()
    twins = t.Tuple()
    twin_ids = t.Tuple()
    beside = t.Bool(False)
    blockers = t.Tuple()
    notices = t.Tuple()
    json = t.Tuple()
    python = t.Unicode("")

    def __init__(self, client: Any) -> None:
        super().__init__()
        self._client = client
        self._rows = _nothing()
        self._known: set[int] = set()
        self._marker = ""
        self._project_names: dict[int, str] = {}
        self._labels: dict[int, str] = {}
        self._filled: tuple[int, dict[str, str] | None] | None = None
        self._check()
        self.observe(self._on_project, "project_id")
        self.observe(self._on_releases, "releases")
        self.observe(self._on_filter, ["pattern_id", "folder", "search"])
        self.observe(self._on_choice, ["chosen", "description", "restore", "beside", "twins"])

    # --- loading --------------------------------------------------------------------------------------

    def load(self) -> None:
        """Load the projects, and what belongs to none."""
        self.later("Loading the projects", self._load)

    def _load(self) -> None:
        projects = self._client.projects.find()
        self._patterns = self._client.patterns.find()
        self._groups = self._client.release_groups.find()
        self._releases = self._client.releases.find()
        self._project_names = projects["name"].to_dict()
        self.projects = options.project_options(projects)

    def _on_project(self, _: Any) -> None:
        self.chosen, self.pattern_id, self.folder, self.search = (), None, "", ""
        self.groups, self.patterns, self.folders, self.running = (), (), (), ()
        self.twins, self.twin_ids = (), ()
        self.set_trait("releases", {})
        self._rows = _nothing()
        self._on_filter(None)
        self._check()
        if (project := self.project_id) is not None:
            name = self._project_names.get(project, project)
            self.later(f"Loading {name}", lambda: self._open(project))

    def _open(self, id: int) -> None:
        """Load a project; another one may have been chosen while this waited."""
        if id != self.project_id:
            return
        folders = self._client.instance_folders.find(project_id=id)
        if id != self.project_id:
            return
        self._folders = folders
        if not self._fill(id):
            return
        own = self._patterns[self._patterns.index.isin([*self._rows["pattern_id"], *folders["pattern_id"]])]
        self.groups = options.release_groups(self._groups, self._releases, own)
        self.patterns = options.pattern_options(own, self._rows)
        self.folders = options.folder_options(folders, self._rows)
        builds = self._client.builds.find(project_id=id)
        if id != self.project_id:
            return
        self._known = set(builds.index)
        self._show_running(builds)
        self._on_choice(None)

    def _fill(self, id: int) -> bool:
        """Load the instances, as the server lists them for the chosen releases, and which filters hold.

        False where another project was chosen meanwhile: its rows are not to be replaced by these.
        """
        releases = dict(self.releases) or None
        given: dict[str, Any] = {"project_id": id, "releases": releases}
        instances = self._client.instances.find(**given)
        flagged = {flag: self._client.instances.find(**given, **{flag: True}) for flag in options.FLAGS}
        if id != self.project_id:
            return False
        # Whether a find without filter lists deleted instances is not documented.
        unlisted = [rows[~rows.index.isin(instances.index)] for rows in flagged.values()]
        instances = pd.concat([instances, *(rows for rows in unlisted if len(rows))])
        instances = instances[~instances.index.duplicated()]
        ids = {flag: rows.index for flag, rows in flagged.items()}
        self._rows = options.instance_table(instances, ids, self._patterns, self._folders)
        words = self._rows["name"] + " · " + self._rows["pattern"]
        self._labels.update(zip(map(int, self._rows.index), words, strict=True))
        self._filled = (id, releases)
        self._on_filter(None)
        return True

    def _on_releases(self, change: Any) -> None:
        if (project := self.project_id) is not None and change.new != change.old and len(self._rows):
            self.later("Loading the instances of these releases", lambda: self._refill(project))
        self._check()

    def _refill(self, id: int) -> None:
        if id == self.project_id and self._fill(id):
            self._on_choice(None)

    def _show_running(self, builds: pd.DataFrame) -> None:
        running = builds[builds["status"].isin(RUNNING)].sort_index(ascending=False)
        self.running = tuple((_running_said(row), int(row.Index)) for row in rows_of(running))

    # --- choosing -------------------------------------------------------------------------------------

    def choose_release(self, group: str, release: str | None) -> None:
        """Choose a release of a group, or none."""
        rest = {name: kept for name, kept in self.releases.items() if name != group}
        self.releases = {**rest, group: release} if release else rest

    def add(self, ids: Any) -> None:
        """Add instances to the choice."""
        self.chosen = tuple(dict.fromkeys([*self.chosen, *(int(i) for i in ids)]))

    def add_matches(self) -> None:
        """Add all instances that match the filters, shown or not."""
        self.add(self._matching().index)

    def remove(self, ids: Any) -> None:
        """Take instances out of the choice."""
        gone = set(ids)
        self.chosen = tuple(i for i in self.chosen if i not in gone)

    def clear(self) -> None:
        """Take all instances out of the choice."""
        self.chosen = ()

    def _matching(self) -> pd.DataFrame:
        return options.matching(self._rows, self.pattern_id, self.folder, self.search)

    def _on_filter(self, _: Any) -> None:
        found = self._matching()
        self.matches = _options(found.head(MOST_SHOWN))
        self.matches_said = _found_said(len(found), len(self._rows))

    def _on_choice(self, _: Any) -> None:
        kept = self._chosen_rows()
        lost = self._lost()
        gone = [(f"{self._labels.get(i, i)}  ⚠ not in these releases", i) for i in lost[:MOST_SHOWN]]
        self.chosen_options = (*gone, *_options(kept.head(MOST_SHOWN)))
        more = f"; the first {MOST_SHOWN} are shown" if len(kept) > MOST_SHOWN else ""
        self.chosen_said = f"{len(self.chosen):,} chosen{more}."
        self._check()

    def _chosen_rows(self) -> pd.DataFrame:
        return self._rows[self._rows.index.isin(list(self.chosen))]

    def _lost(self) -> list[int]:
        """Chosen instances that are not there in the chosen releases."""
        there = set(self._rows.index)
        return [i for i in self.chosen if i not in there]

    # --- checking -------------------------------------------------------------------------------------

    def request(self) -> dict[str, Any]:
        """Arguments of ``client.builds.start``, as they stand."""
        name = None if self.project_id is None else self._project_names.get(self.project_id)
        project = {"project": name} if name else {"project_id": self.project_id}
        return {
            **project,
            "instances": preview.definitions(self._chosen_rows(), self._rows),
            "releases": dict(self.releases) or None,
            "description": self.description.strip() or None,
            "restore": self.restore,
            "marker": self._marker,
        }

    def body(self) -> str:
        """The body that will be sent, with all instances and exactly as it goes over the wire."""
        return "".join(text for _, text in preview.as_json(self.request()))

    def _check(self) -> None:
        """Bring blockers, notices and preview up to date."""
        chosen, lost = self._chosen_rows(), [self._labels.get(i, str(i)) for i in self._lost()]
        project = None if self.project_id is None else str(self.project_id)
        twins = () if self.beside else self.twins
        self.blockers = preflight.blockers(project, chosen, lost, self.restore, twins)
        if len(self.chosen) and self._filled != (self.project_id, dict(self.releases) or None):
            self.blockers += (_NOT_LOADED,)
        self.notices = preflight.notices(chosen, self.groups, self.releases, self.restore)
        if project is None or chosen.empty:
            self.json, self.python = (), ""
            return
        # Drawn before it is sent, so that what is shown is what is sent; each serves one build.
        self._marker = self._marker or self._client.builds.new_marker()
        request = self.request()
        self.json, self.python = (
            preview.as_json(request, MOST_SHOWN),
            preview.as_python(request, MOST_SHOWN),
        )


_NOT_LOADED = (
    "The instances of the chosen releases are not loaded yet. "
    "Where that failed, choose another and then these again."
)


def _options(rows: pd.DataFrame) -> tuple[options.Option, ...]:
    return tuple(zip(rows["label"], (int(i) for i in rows.index), strict=True))


def _found_said(found: int, total: int) -> str:
    if not total:
        return "No instances yet: choose a project."
    if found > MOST_SHOWN:
        return (
            f"{found:,} of {total:,} instances match; the first {MOST_SHOWN} are shown. "
            "Type more words to narrow them down; “Add all matches” adds every match, shown or not."
        )
    return f"{found:,} of {total:,} instances match."


def _running_said(row: Any) -> str:
    described = text(row.description)
    progress = "" if pd.isna(row.progress) else f", {row.progress} %"
    return f"Build {row.Index} ({row.status}{progress})" + (f": {described}" if described else "")
