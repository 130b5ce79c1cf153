"""View of the form that analyzes releases: choices above a tab for each analysis."""

from __future__ import annotations

import functools
from typing import Any

import ipywidgets as w

from mkframe.forms._worker import Worker
from mkframe.forms.models.release import KINDS, ReleaseModel
from mkframe.forms.views import widgets

__all__ = ["ReleaseForm"]

_BUTTONS = {
    "diff": ("Compare the releases", "Compare the metadata rows of both releases"),
    "carried_forward": ("Check the hotfix", "Look for the changes of the hotfix in all later releases"),
    "unbuilt": ("Look for unbuilt changes", "Look for commits of the new release that no build contains"),
    "readiness": ("Check the release", "Check whether the new release can be released"),
}


class ReleaseForm(widgets.Form):
    """A form that analyzes releases; `results` are the frames of what was analyzed."""

    def __init__(self, model: ReleaseModel, worker: Worker, server: str) -> None:
        super().__init__(model, worker)
        self.project = widgets.field(w.Dropdown, "Project", "release-project")
        self.group = widgets.field(w.Dropdown, "Release group", "release-group")
        self.old = widgets.field(w.Dropdown, "Old release", "release-old")
        self.new = widgets.field(w.Dropdown, "New release", "release-new")
        self.hotfix = widgets.field(w.Dropdown, "Hotfix", "release-hotfix")
        self.labels = widgets.field(w.SelectMultiple, "Blocking labels", "release-labels", rows=4)
        self.folder = widgets.field(w.Text, "Folder for files", "release-folder", continuous_update=False)
        self.link(self.project, "project_id", "projects", "choose a project")
        self.link(self.group, "group", "groups", "choose a group")
        self.link(self.old, "old", "releases", "choose a release")
        self.link(self.new, "new", "releases", "choose a release")
        self.link(self.hotfix, "hotfix", "hotfixes", "choose a hotfix")
        self.link(self.labels, "labels", "label_options")
        if not model.is_public:
            self.link(self.folder, "folder")
        self.buttons: dict[str, tuple[Any, Any, Any]] = {}
        self.shown: dict[str, Any] = {}
        self._results: dict[str, Any] = {}
        self.tabs = w.Tab(children=[self._tab(kind) for kind in KINDS])
        for place, title in enumerate(KINDS.values()):
            self.tabs.set_title(place, title)  # ipywidgets 7 takes no titles=
        self.saved, self.offers = widgets.text(name="release-saved"), widgets.text(name="release-offers")
        self.on_change(model, ["results", "blockers", "busy"], self._show)
        self.on_change(model, ["status_text", "offers"], self._show_saved)
        folder = () if model.is_public else (self.folder,)
        self.children = (
            widgets.heading("Analyze releases", server), self.project, self.group, self.old, self.new,
            *folder, self.tabs, self.saved, self.offers, *self.footer,
        )  # fmt: skip
        model.load()

    @property
    def results(self) -> dict[str, Any]:
        """The results by the names of their functions: diff, carried_forward, unbuilt, readiness."""
        results: dict[str, Any] = self.model.results
        return results

    def _tab(self, kind: str) -> Any:
        title, tooltip = _BUTTONS[kind]
        start = widgets.button(title, f"release-{kind}", tooltip, "primary")
        book = widgets.button("Save as Excel", f"release-{kind}-xlsx", "Write a workbook into the folder")
        page = widgets.button("Save as page", f"release-{kind}-html", "Write one HTML file, to print or send")
        self.buttons[kind] = start, book, page
        self.shown[kind] = widgets.text(name=f"release-{kind}-result")
        has_result = functools.partial(self._has_result, kind)
        self.on_click(start, lambda: self.model.analyze(kind), lambda: not self.model.blockers[kind])
        self.on_click(book, lambda: self.model.save(kind, ".xlsx"), has_result)
        self.on_click(page, lambda: self.model.save(kind, ".html"), has_result)
        own = {"carried_forward": (self.hotfix,), "readiness": (self.labels,)}.get(kind, ())
        return widgets.column(*own, widgets.row(start, book, page), self.shown[kind])

    def _has_result(self, kind: str) -> bool:
        return kind in self.model.results

    def _show(self) -> None:
        model = self.model
        for kind, (start, book, page) in self.buttons.items():
            blocked, result = model.blockers[kind], model.results.get(kind)
            start.disabled = bool(blocked or model.busy)
            book.disabled = page.disabled = result is None or bool(model.busy)
            if result is None:
                self.shown[kind].value = widgets.markup('<p class="soft">{}</p>', blocked) if blocked else ""
            elif result is not self._results.get(kind):  # making the HTML of a large one takes a while
                self.shown[kind].value = f'<div class="wide">{result.show()._repr_html_()}</div>'
        self._results = dict(model.results)

    def _show_saved(self) -> None:
        text = self.model.status_text
        self.saved.value = (
            widgets.markup('<div class="box good" role="status">{}</div>', text) if text else ""
        )
        self.offers.value = widgets.save_links(self.model.offers, self.model.offers_text)
