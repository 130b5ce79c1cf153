"""Model of the form that analyzes releases: differences, hotfixes, unbuilt changes, readiness."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Set
from pathlib import Path
from typing import Any

import pandas as pd
import traitlets as t

from mkframe._files import expand_path
from mkframe.errors import InputError
from mkframe.forms.models import offers, options, public
from mkframe.forms.models._client import ClientLike
from mkframe.forms.models.base import Model, Run

__all__ = ["KINDS", "ReleaseModel"]

KINDS = {
    "diff": "Differences",
    "carried_forward": "Hotfix",
    "unbuilt": "Unbuilt",
    "readiness": "Readiness",
}
"""The analyses of the form, with their titles."""
_ENDINGS = (".xlsx", ".html")
_UNSAFE = re.compile(r"[^\w.-]+")


class ReleaseModel(Model):
    """Model of the form that analyzes releases.

    Parameters
    ----------
    client : Client
        A client, or an object with the same methods.
    analyses : mapping
        For each of `KINDS` the function of that name, as in `mkframe.releases`.
    run : callable, optional
        Executes a slow step.

    Attributes
    ----------
    project_id, group, old, new, hotfix, labels, folder
        The choices of a person; `group` and releases are names, and `labels` block the readiness.
    projects, groups, releases, hotfixes, label_options : tuple
        The options to choose from.
    blockers : dict
        For each analysis what must be chosen first, as a sentence; empty if nothing.
    results : dict
        For each analysis its last result, of the present choices; another choice removes it.
    status_text : str
        What was saved last, as a sentence.
    offers : tuple of Offer
        What was saved last, for a person to save on the own computer.
    offers_text : str
        A sentence about what has no link.
    """

    projects = t.Tuple()
    project_id = t.Int(None, allow_none=True)
    groups = t.Tuple()
    group = t.Unicode(None, allow_none=True)
    releases = t.Tuple()
    old = t.Unicode(None, allow_none=True)
    new = t.Unicode(None, allow_none=True)
    hotfixes = t.Tuple()
    hotfix = t.Unicode(None, allow_none=True)
    label_options = t.Tuple()
    labels = t.Tuple()
    folder = t.Unicode("releases")
    blockers = t.Dict()
    results = t.Dict()
    status_text = t.Unicode("")
    offers = t.Tuple()
    offers_text = t.Unicode("")

    def __init__(
        self, client: ClientLike, analyses: Mapping[str, Callable[..., Any]], run: Run | None = None
    ) -> None:
        super().__init__(run)
        self._client, self._analyses = client, analyses
        self._known = pd.DataFrame()
        self._groups: tuple[options.Group, ...] = ()
        self._group_ids: dict[str, int] = {}
        if self.is_public:
            self.folder = str(public.folder())
        self.observe(self._on_group, "group")
        self.observe(self._on_new, "new")
        self.observe(self._on_choice, ["project_id", "group", "old", "new", "hotfix", "labels"])
        self._on_choice(None)

    @t.validate("folder")
    def _validate_folder(self, proposal: Any) -> str:
        folder: str = proposal["value"]
        if self.is_public and folder != str(public.folder()):
            raise InputError("This page writes into a folder of its own only.", hint="Save the file instead.")
        return folder

    # --- loading --------------------------------------------------------------------------------------

    def load(self) -> None:
        """Load the projects, groups, releases and labels."""
        self.run_in_background("Loading the projects", self._load)

    def _load(self) -> None:
        patterns, groups = self._client.patterns.find(), self._client.release_groups.find()
        known = self._client.releases.find()
        self._known = known[~known["deleted"].fillna(False).astype(bool)]
        self._groups = options.release_groups(groups, self._known, patterns)
        self._group_ids = {name: int(key) for key, name in options.names_by_id(groups).items()}
        self.label_options = tuple(sorted(set(self._client.labels.find()["name"].dropna())))
        self.projects = options.project_options(self._client.projects.find())
        self.groups = tuple((group.name, group.name) for group in self._groups)
        if len(self._groups) == 1:
            self.group = self._groups[0].name

    # --- choosing -------------------------------------------------------------------------------------

    def _on_group(self, _: Any) -> None:
        self.old = self.new = self.hotfix = None
        found = next((group for group in self._groups if group.name == self.group), None)
        self.releases = () if found is None else found.options
        rows = self._rows()
        fixes = set() if rows is None else set(rows.loc[rows["hotfix_of_id"].notna(), "name"])
        self.hotfixes = tuple(option for option in self.releases if option[1] in fixes)
        self.hotfix = self.hotfixes[0][1] if self.hotfixes else None
        self.new = None if found is None or rows is None else self._current(rows, found.closed | fixes)

    def _current(self, rows: pd.DataFrame, apart: Set[str]) -> str | None:
        """Return the open release that began last, or else the newest one."""
        dated = rows[rows["start_date"].notna() & ~rows["name"].isin(apart)].sort_values("start_date")
        begun = dated[dated["start_date"] <= pd.Timestamp.now(tz="UTC")]
        chosen = begun if len(begun) else dated
        return str(chosen["name"].iloc[-1]) if len(chosen) else None

    def _rows(self) -> pd.DataFrame | None:
        """Return the releases of the chosen group."""
        if self.group is None or not len(self._known):
            return None
        return self._known[self._known["group_id"] == self._group_ids.get(self.group)]

    def _on_new(self, _: Any) -> None:
        """Choose the release before the new one as the old one."""
        rows = self._rows()
        if self.new is None or rows is None:
            return
        previous = rows.loc[rows["name"] == self.new, "prev_release_id"].dropna()
        if len(previous) and int(previous.iloc[0]) in rows.index:
            self.old = str(rows.loc[int(previous.iloc[0]), "name"])

    def _on_choice(self, _: Any) -> None:
        self.results, self.status_text, self.offers, self.offers_text = {}, "", (), ""
        missing = [
            sentence
            for value, sentence in ((self.project_id, "Choose a project."), (self.group, "Choose a group."))
            if value is None
        ]
        new = [] if self.new else ["Choose the new release."]
        old = [] if self.old else ["Choose the old release."]
        same = ["Choose two different releases."] if self.new and self.new == self.old else []
        fix = [] if self.hotfix else ["Choose a hotfix." if self.hotfixes else "The group has no hotfix."]
        self.blockers = {
            "diff": " ".join([*missing, *old, *new, *same]),
            "carried_forward": " ".join([*missing, *fix]),
            "unbuilt": " ".join([*missing, *new]),
            "readiness": " ".join([*missing, *new]),
        }

    # --- analyzing ------------------------------------------------------------------------------------

    def analyze(self, kind: str) -> None:
        """Carry out an analysis of the present choices."""
        if self.blockers[kind] or self.busy:
            return
        arguments = self._arguments(kind)
        self.run_in_background(KINDS[kind], lambda: self._analyze(kind, arguments))

    def _arguments(self, kind: str) -> dict[str, Any]:
        shared = {"project": self.project_id, "group": self._group_ids[str(self.group)]}
        own: dict[str, dict[str, Any]] = {
            "diff": {"old": self.old, "new": self.new},
            "carried_forward": {"hotfix": self.hotfix},
            "unbuilt": {"release": self.new},
            "readiness": {"release": self.new, "labels": list(self.labels)},
        }
        return {**shared, **own[kind]}

    def _analyze(self, kind: str, arguments: dict[str, Any]) -> None:
        result = self._analyses[kind](self._client, **arguments)
        # a person may have chosen something else meanwhile, of which this is not the result
        if not self.blockers[kind] and self._arguments(kind) == arguments:
            self.results = {**self.results, kind: result}

    def save(self, kind: str, ending: str) -> None:
        """Write the result of an analysis as a workbook or as a page."""
        result = self.results.get(kind)
        if result is None or ending not in _ENDINGS:
            return
        # with what was asked: a release of another project or group would replace the file
        words = " ".join(map(str, (result.title, result.attrs["project"], result.attrs["group"])))
        name = _UNSAFE.sub("-", words.lower()).strip("-.")[:80] + ending
        self.run_in_background("Saving", lambda: self._save(result, name, self.folder))

    def _save(self, result: Any, name: str, folder: str) -> None:
        if self.is_public:
            with public.lock_folder() as own:
                self._offer(result.export(own / name))
            self.status_text = f"{name} is ready to be saved."
            return
        target = expand_path(folder) if folder.strip() else Path()
        target.mkdir(parents=True, exist_ok=True)
        path = result.export(target / name)
        self._offer(path)
        self.status_text = f"Written on the server: {path}"

    def _offer(self, path: Path) -> None:
        self.offers, self.offers_text = offers.make_offers([str(path)], is_public=self.is_public)
