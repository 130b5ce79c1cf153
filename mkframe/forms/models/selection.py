"""Model of what is selected for a build: loading, filters, selection, checks and preview."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pandas as pd
import traitlets as t

from mkframe.forms.models import options, preflight, preview
from mkframe.forms.models._client import ClientLike
from mkframe.forms.models.base import Model, Run, rows_of, text
from mkframe.metrics._eta import EtaFit
from mkframe.schema import RUNNING

__all__ = ["MAX_SHOWN", "SelectionModel"]

MAX_SHOWN = 200
"""Most instances in a list, so that the browser stays fast."""


def _empty_table() -> pd.DataFrame:
    """Return the instances of no project."""
    instances = pd.DataFrame(columns=["name", "pattern_id", "errors", "instance_folder_id"])
    folders = pd.DataFrame(columns=["path", "build_disabled"])
    return options.instance_table(
        instances.astype({"errors": int}), dict.fromkeys(options.FLAGS, ()), instances, folders
    )


class SelectionModel(Model):
    """Model of what is selected for a build, and of what prevents it.

    Parameters
    ----------
    client : Client
        A client, or an object with the same methods.
    run : callable, optional
        Executes a slow step.

    Attributes
    ----------
    project_id, releases, pattern_id, folder, search, chosen, description, restore
        The choices of a person; `chosen` are instance ids.
    projects, groups, patterns, folders, matches, chosen_options, running : tuple
        The options to choose from, and the builds of the project that are running.
    blockers, notices : tuple of str
        What must be done first, and what should be known.
    json, python : tuple of (depth, text), str
        The request, byte for byte if the lines are joined, and the call for a script.
    duplicates, duplicate_ids, allow_duplicate : tuple of str, tuple of int, bool
        Builds that look the same, and whether another one is wanted nevertheless.
    prohibited, start_anyway : tuple of str, bool
        What the web application does not build, and whether it is sent all the same; another choice asks
        again.
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
    matches_text = t.Unicode("")
    chosen = t.Tuple()
    chosen_options = t.Tuple()
    chosen_text = t.Unicode("")
    description = t.Unicode("")
    restore = t.Bool(False)
    running = t.Tuple()
    duplicates = t.Tuple()
    duplicate_ids = t.Tuple()
    allow_duplicate = t.Bool(False)
    prohibited = t.Tuple()
    start_anyway = t.Bool(False)
    blockers = t.Tuple()
    notices = t.Tuple()
    json = t.Tuple()
    python = t.Unicode("")

    def __init__(self, client: ClientLike, run: Run | None = None) -> None:
        super().__init__(run)
        self._client = client
        self._rows = _empty_table()
        self._known_builds: set[int] = set()
        self._marker = ""
        self._project_names: dict[Any, str] = {}
        self._labels: dict[int, str] = {}
        self._loaded: tuple[int, dict[str, str] | None] | None = None
        self._on_filter(None)
        self._check()
        self.observe(self._on_project, "project_id")
        self.observe(self._on_releases, "releases")
        self.observe(self._on_filter, ["pattern_id", "folder", "search"])
        self.observe(self._on_choice, ["chosen", "description", "restore", "allow_duplicate", "duplicates"])
        self.observe(self._on_choice, "start_anyway")

    # --- loading --------------------------------------------------------------------------------------

    def load(self) -> None:
        """Load the projects, patterns and releases."""
        self.run_in_background("Loading the projects", self._load)

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
        self.duplicates, self.duplicate_ids = (), ()
        self.set_trait("releases", {})
        self._rows, self._loaded = _empty_table(), None
        self._on_filter(None)
        self._check()
        if (project := self.project_id) is not None:
            name = self._project_names.get(project, project)
            self.run_in_background(f"Loading {name}", lambda: self._load_project(project))

    def _load_project(self, id: int) -> None:
        """Load a project. A person may choose another one before or while this runs: nothing is kept then."""
        if id != self.project_id:
            return
        folders = self._client.instance_folders.find(project_id=id)
        if id != self.project_id:
            return
        self._folders = folders
        if not self._load_instances(id):
            return
        own = self._patterns[self._patterns.index.isin([*self._rows["pattern_id"], *folders["pattern_id"]])]
        self.groups = options.release_groups(self._groups, self._releases, own)
        self.patterns = options.pattern_options(own, self._rows)
        self.folders = options.folder_options(folders, self._rows)
        builds = self._client.builds.find(project_id=id)
        if id != self.project_id:
            return
        self._known_builds = set(builds.index)
        self._show_running(builds)
        self._on_choice(None)

    def _load_instances(self, id: int) -> bool:
        """Load the instances of the chosen releases and their flags.

        Return False if another project was chosen meanwhile: its rows must not be replaced by these.
        """
        releases = dict(self.releases) or None
        filters: dict[str, Any] = {"project_id": id, "releases": releases}
        instances = self._client.instances.find(**filters)
        flagged = {flag: self._client.instances.find(**filters, **{flag: True}) for flag in options.FLAGS}
        if id != self.project_id:
            return False
        # The API documentation does not say whether a find without filters returns deleted instances.
        unlisted = [rows[~rows.index.isin(instances.index)] for rows in flagged.values()]
        instances = pd.concat([instances, *(rows for rows in unlisted if len(rows))])
        instances = instances[~instances.index.duplicated()]
        ids = {flag: rows.index for flag, rows in flagged.items()}
        self._rows = options.instance_table(instances, ids, self._patterns, self._folders)
        labels = self._rows["name"] + " · " + self._rows["pattern"]
        self._labels.update(zip(map(int, self._rows.index), labels, strict=True))
        self._loaded = (id, releases)
        self._on_filter(None)
        return True

    def _on_releases(self, change: Any) -> None:
        if (project := self.project_id) is not None and change.new != change.old and len(self._rows):
            self.run_in_background(
                "Loading the instances of these releases", lambda: self._reload_instances(project)
            )
        self._check()

    def _reload_instances(self, id: int) -> None:
        if id == self.project_id and self._load_instances(id):
            self._on_choice(None)

    def reload_builds(self) -> None:
        """Load the builds of the project again; those of now are no duplicates of the next start."""
        if (project := self.project_id) is not None:
            self.run_in_background(
                "Looking at the builds of the project", lambda: self._reload_builds(project)
            )

    def _reload_builds(self, id: int) -> None:
        builds = self._client.builds.find(project_id=id)
        self._known_builds |= set(builds.index)
        self._show_running(builds)
        self.duplicates, self.duplicate_ids = (), ()

    def _show_running(self, builds: pd.DataFrame) -> None:
        running = builds[builds["status"].isin(RUNNING)].sort_index(ascending=False)
        unusual = self._find_unusual(running, builds)
        self.running = tuple(
            (_running_label(row, unusual.get(row.Index, "")), int(row.Index)) for row in rows_of(running)
        )

    def _find_unusual(self, running: pd.DataFrame, builds: pd.DataFrame) -> dict[int, str]:
        """Say which builds run for unusually long; a range would be of the past while the list is shown."""
        now = self._client.server_time
        if now is None or running.empty:
            return {}
        texts = EtaFit.of(builds, now).how_long(running, now)
        return {number: short for number, (_, short, is_unusual) in texts.items() if is_unusual}

    # --- choosing -------------------------------------------------------------------------------------

    def choose_release(self, group: str, release: str | None) -> None:
        """Choose a release of a group, or none."""
        others = {name: chosen for name, chosen in self.releases.items() if name != group}
        self.releases = {**others, group: release} if release else others

    def add(self, ids: Iterable[int]) -> None:
        """Add instances to the selection."""
        self.chosen = tuple(dict.fromkeys([*self.chosen, *(int(i) for i in ids)]))

    def add_matches(self) -> None:
        """Add all instances that match the filters, also those that the list does not show."""
        self.add(self._find_matches().index)

    def remove(self, ids: Iterable[int]) -> None:
        """Remove instances from the selection."""
        removed = set(ids)
        self.chosen = tuple(i for i in self.chosen if i not in removed)

    def clear(self) -> None:
        """Remove all instances from the selection."""
        self.chosen = ()

    def chosen_rows(self) -> pd.DataFrame:
        """Return the chosen instances that the chosen releases have."""
        return self._rows[self._rows.index.isin(list(self.chosen))]

    def _find_matches(self) -> pd.DataFrame:
        return options.filter_instances(self._rows, self.pattern_id, self.folder, self.search)

    def _on_filter(self, _: Any) -> None:
        matches = self._find_matches()
        self.matches = _options(matches.head(MAX_SHOWN))
        self.matches_text = self._describe_matches(len(matches), len(self._rows))

    def _describe_matches(self, matches: int, total: int) -> str:
        if self.project_id is None:
            return "No instances yet: choose a project."
        if self._loaded is None or self._loaded[0] != self.project_id:
            return "The instances of this project are not loaded yet."
        if not total:
            chosen = " in the chosen releases" if self.releases else ""
            return f"The server lists no instances of this project{chosen}."
        return _matches_text(matches, total)

    def _on_choice(self, _: Any) -> None:
        rows, missing = self.chosen_rows(), self._missing_ids()
        absent = [(f"{self._labels.get(i, i)}  ⚠ not in these releases", i) for i in missing[:MAX_SHOWN]]
        self.chosen_options = (*absent, *_options(rows.head(MAX_SHOWN)))
        more = f"; the first {MAX_SHOWN} are shown" if len(rows) > MAX_SHOWN else ""
        self.chosen_text = f"{len(self.chosen):,} chosen{more}."
        self._check()

    def _missing_ids(self) -> list[int]:
        """Return the chosen instances that the chosen releases do not have."""
        present = set(self._rows.index)
        return [i for i in self.chosen if i not in present]

    # --- checking -------------------------------------------------------------------------------------

    def request(self) -> dict[str, Any]:
        """Return the arguments of ``client.builds.start``."""
        name = None if self.project_id is None else self._project_names.get(self.project_id)
        project = {"project": name} if name else {"project_id": self.project_id}
        return {
            **project,
            "instances": preview.definitions(self.chosen_rows(), self._rows),
            "releases": dict(self.releases) or None,
            "description": self.description.strip() or None,
            "restore": self.restore,
            "marker": self._marker,
        }

    def body(self) -> str:
        """Return the request body as it will be sent, with all instances."""
        return "".join(text for _, text in preview.as_json(self.request()))

    def renew_marker(self) -> None:
        """Take another marker for the next build: each marker is sent once."""
        self._marker = ""
        self._check()

    def finish(self, id: int) -> None:
        """Prepare the next build after this one was started."""
        self._known_builds.add(id)
        self.renew_marker()
        self.duplicates, self.duplicate_ids, self.allow_duplicate = (), (), False
        self.start_anyway = False

    def find_duplicates(self, builds: pd.DataFrame) -> bool:
        """Show builds that look the same and run, or began after the project was loaded.

        Return whether they prevent a start.
        """
        self._show_running(builds)
        if self.allow_duplicate:
            return False
        rows = self.chosen_rows()
        found = preflight.similar_builds(builds, set(rows["pattern_id"]), len(rows), self._known_builds)
        self.duplicate_ids = tuple(int(i) for i in found.index)
        self.duplicates = tuple(_duplicate_text(row) for row in rows_of(found))
        return bool(self.duplicates)

    def _check(self) -> None:
        """Update blockers, notices and preview."""
        rows, missing = self.chosen_rows(), [self._labels.get(i, str(i)) for i in self._missing_ids()]
        project = None if self.project_id is None else str(self.project_id)
        duplicates = () if self.allow_duplicate else self.duplicates
        prohibited = preflight.prohibited(rows, self.groups, self.releases)
        if prohibited != self.prohibited:  # "start anyway" was said of other things
            self.prohibited = prohibited
            self.start_anyway = False
        asked = () if self.start_anyway else prohibited
        self.blockers = preflight.blockers(project, rows, missing, self.restore, duplicates, asked)
        if len(self.chosen) and self._loaded != (self.project_id, dict(self.releases) or None):
            self.blockers += (_NOT_LOADED,)
        notices = preflight.notices(rows, self.groups, self.releases, self.restore)
        self.notices = (*prohibited, *notices) if self.start_anyway else notices
        if project is None or rows.empty:
            self.json, self.python = (), ""
            return
        # The marker is made before the start, so that the preview shows exactly what is sent.
        self._marker = self._marker or self._client.builds.new_marker()
        request = self.request()
        self.json, self.python = (
            preview.as_json(request, MAX_SHOWN),
            preview.as_python(request, MAX_SHOWN),
        )


_NOT_LOADED = (
    "The instances of the chosen releases are not loaded yet. "
    "If that failed, choose another and then these again."
)


def _options(rows: pd.DataFrame) -> tuple[options.Option, ...]:
    return tuple(zip(rows["label"], (int(i) for i in rows.index), strict=True))


def _matches_text(matches: int, total: int) -> str:
    if matches > MAX_SHOWN:
        return (
            f"{matches:,} of {total:,} instances match; the first {MAX_SHOWN} are shown. "
            "Type more words to narrow them down; “Add all matches” adds every match, shown or not."
        )
    return f"{matches:,} of {total:,} instances match."


def _running_label(row: Any, unusual: str) -> str:
    description = text(row.description)
    progress = [] if pd.isna(row.progress) else [f"{row.progress} %"]
    state = ", ".join([row.status, *progress, *([unusual] if unusual else [])])
    return f"Build {row.Index} ({state})" + (f": {description}" if description else "")


def _duplicate_text(row: Any) -> str:
    state = (
        "is running"
        if row.status in RUNNING
        else f"was started since you opened the project, and is {text(row.status, 'without a status')}"
    )
    return (
        f"Build {row.Index} {state}, with the same patterns and as many instances. "
        f"Press “Watch {row.Index}” to watch it, or tick “Start another one nevertheless”."
    )
