"""View of `SelectionModel`: project and releases, instances, description."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import ipywidgets as w

from mkframe.forms.models.selection import SelectionModel
from mkframe.forms.views import widgets

__all__ = ["SelectionPart"]

_MARKS = (
    '<p class="soft under">⚠ marks instances that can make a build fail: deleted (it needs “Restore”), '
    "invalid, with validation errors, disabled for builds or in such a folder, checked out by someone.</p>"
)


class SelectionPart(widgets.Form):
    """The part of a form that selects what is built.

    Parameters
    ----------
    model : SelectionModel
        The model.
    watch : callable
        Watches a build that runs already; takes its id.
    is_enabled : callable
        Returns whether the selection may be changed.
    """

    def __init__(
        self, model: SelectionModel, watch: Callable[[int], object], is_enabled: Callable[[], bool]
    ) -> None:
        super().__init__(model)
        self._watch, self._is_enabled = watch, is_enabled
        self._group_fields: dict[str, Any] = {}
        self.children = (
            *self._project(), *self._instances(), *self._description(), *self.footer,
        )  # fmt: skip

    def refresh(self) -> None:
        """Enable or disable all controls."""
        for control in (self.project, self.pattern, self.folder, self.search, self.matches, self.chosen,
                        self.description, self.restore, *self.selection_buttons,
                        *self._group_fields.values()):  # fmt: skip
            control.disabled = not self._is_enabled()
        self._show_running()

    def watch_button(self, build: int, name: str) -> Any:
        """Return a button that watches a build."""
        button = widgets.button(f"Watch {build}", name, f"Watch build {build} here")
        self.on_click(button, functools.partial(self._watch, build), self._is_enabled)
        return button

    def _project(self) -> tuple[Any, ...]:
        self.project = widgets.field(w.Dropdown, "Project", "project")
        self.running = widgets.column()
        self.groups = widgets.column()
        self.link(self.project, "project_id", "projects", "choose a project")
        self.on_change(self.model, ["running"], self._show_running)
        self.on_change(self.model, ["groups"], self._show_groups)
        self.on_change(self.model, ["releases"], self._show_releases)
        return widgets.section("1  Project and releases"), self.project, self.running, self.groups

    def _instances(self) -> tuple[Any, ...]:
        model = self.model
        self.pattern = widgets.field(w.Dropdown, "Pattern", "pattern")
        self.folder = widgets.field(w.Dropdown, "Folder", "instance-folder")
        self.search = widgets.field(
            w.Text, "Search", "search", placeholder="words of name, pattern or folder"
        )
        self.matches = widgets.field(w.SelectMultiple, "Instances", "matches", rows=8)
        self.chosen = widgets.field(w.SelectMultiple, "To build", "chosen", rows=5)
        self.matches_text, self.chosen_text = (
            widgets.text(name="matches-text"),
            widgets.text(name="chosen-text"),
        )
        self.link(self.pattern, "pattern_id", "patterns", "all patterns")
        self.link(self.folder, "folder", "folders", "all folders")
        self.link(self.search, "search")
        self.on_change(model, ["matches"], lambda: setattr(self.matches, "options", model.matches))
        self.on_change(
            model, ["chosen_options"], lambda: setattr(self.chosen, "options", model.chosen_options)
        )
        self.on_change(model, ["matches_text", "chosen_text"], self._show_texts)
        add = widgets.button("Add selected", "add", "Add the selected instances to the build")
        add_all = widgets.button(
            "Add all matches", "add-all", "Add every instance that matches, shown or not"
        )
        remove = widgets.button("Remove selected", "remove", "Remove the selected instances from the build")
        clear = widgets.button("Remove all", "clear", "Remove all instances from the build")
        self.selection_buttons = (add, add_all, remove, clear)
        self.on_click(add, lambda: model.add(self.matches.value), self._is_enabled)
        self.on_click(add_all, model.add_matches, self._is_enabled)
        self.on_click(remove, lambda: model.remove(self.chosen.value), self._is_enabled)
        self.on_click(clear, model.clear, self._is_enabled)
        return (
            widgets.section("2  Instances"), self.pattern, self.folder, self.search, self.matches,
            self.matches_text, widgets.text(_MARKS), widgets.row(add, add_all, under=True), self.chosen,
            self.chosen_text, widgets.row(remove, clear, under=True),
        )  # fmt: skip

    def _description(self) -> tuple[Any, ...]:
        self.description = widgets.field(
            w.Text, "Description", "description", placeholder="what this build is for"
        )
        self.restore = w.Checkbox(description="Restore deleted instances before building", indent=False)
        self.restore.layout.width = "100%"
        self.restore.add_class("mkf-restore")
        self.link(self.description, "description")
        self.link(self.restore, "restore")
        return widgets.section("3  Description"), self.description, self.restore

    def _show_texts(self) -> None:
        for shown, sentence in (
            (self.matches_text, self.model.matches_text), (self.chosen_text, self.model.chosen_text)
        ):  # fmt: skip
            shown.value = widgets.markup('<p class="soft under" role="status">{}</p>', sentence)

    def _show_running(self) -> None:
        rows = []
        for label, build in self.model.running:
            line = widgets.text(widgets.markup("▶ {}", label))
            line.layout = w.Layout(width="auto", max_width="80%")
            rows.append(widgets.row(line, self.watch_button(build, "watch-running")))
        head = [widgets.text('<p class="soft">These builds of the project are running:</p>')] if rows else []
        widgets.replace_children(self.running, [*head, *rows])

    def _show_groups(self) -> None:
        self._group_fields = {}
        for group in self.model.groups:
            options = [("no release", widgets.NOTHING), *group.options]
            field = widgets.field(w.Dropdown, group.name, "release", options=options)
            field.tooltip = f"Release of {group.name}, for {', '.join(group.patterns)}"
            field.observe(lambda change, name=group.name: self._choose_release(name, change["new"]), "value")
            self._group_fields[group.name] = field
        self._show_releases()
        widgets.replace_children(self.groups, list(self._group_fields.values()))

    def _choose_release(self, group: str, release: Any) -> None:
        if not self.is_updating:
            with self.show_errors(f"Choosing a release of {group}"):
                self.model.choose_release(group, None if release is widgets.NOTHING else release)

    def _show_releases(self) -> None:
        with self.updating():
            for name, field in self._group_fields.items():
                field.value = self.model.releases.get(name, widgets.NOTHING)
