"""The face of `StartModel`."""

from __future__ import annotations

import functools
import html
from typing import Any

import ipywidgets as w

from mkframe.forms._worker import Worker
from mkframe.forms.models.preview import Line
from mkframe.forms.models.start import StartModel
from mkframe.forms.views import widgets
from mkframe.forms.views.downloads import DownloadsPart
from mkframe.forms.views.watch import WatchPart

__all__ = ["StartForm"]

_MARKS = (
    '<p class="soft under">⚠ stands beside what a build may stumble over: deleted (it needs “Restore”), '
    "invalid, with validation errors, disabled for builds or in such a folder, checked out by someone.</p>"
)


class StartForm(widgets.Form):
    """A form that starts a build, follows it and fetches its artifacts."""

    def __init__(self, model: StartModel, where: str) -> None:
        super().__init__(model, Worker(model.look))
        model.run = self.worker.do
        self.choices = widgets.column(*self._project(), *self._instances(), *self._words())
        self.check = widgets.column(*self._check())
        self.live = widgets.column()
        self.live.add_class("mkf-live")
        self.on(model, ["state", "blockers", "notices", "json", "python", "busy", "twins"], self._show_check)
        self.on(model, ["twins"], self._show_twins)
        self.on(model, ["state", "watching", "warnings", "started", "doubles"], self._show_live)
        self.children = (
            widgets.heading("Start a build", where),
            self.choices,
            self.check,
            self.live,
            *self.footer,
        )
        model.load()

    def __repr__(self) -> str:
        started = self.model.started
        told = f"build {started.id} was started" if started else self.model.state
        return f"<StartForm of mkframe: {told}>"

    @property
    def result(self) -> Any:
        """The frame of the last fetch."""
        return self.model.pocket.result if self.model.pocket is not None else None

    def close(self) -> None:
        """End the form and its thread; a build that was started goes on."""
        if self.model.pocket is not None:
            self.model.pocket.stop()
        for part in self.live.children:
            part.close()
        super().close()

    # --- the controls ---------------------------------------------------------------------------------

    def _project(self) -> tuple[Any, ...]:
        self.project = widgets.field(w.Dropdown, "Project", "project")
        self.running = widgets.column()
        self.groups = widgets.column()
        self.link(self.project, "project_id", "projects", "choose a project")
        self.on(self.model, ["running", "state"], self._show_running)
        self.on(self.model, ["groups"], self._show_groups)
        self.on(self.model, ["releases"], self._show_releases)
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
        self.said, self.chosen_said = widgets.text(name="matches-said"), widgets.text(name="chosen-said")
        self.link(self.pattern, "pattern_id", "patterns", "all patterns")
        self.link(self.folder, "folder", "folders", "all folders")
        self.link(self.search, "search")
        self.on(model, ["matches"], lambda: setattr(self.matches, "options", model.matches))
        self.on(model, ["chosen_options"], lambda: setattr(self.chosen, "options", model.chosen_options))
        self.on(model, ["matches_said", "chosen_said"], self._show_said)
        add = widgets.button("Add selected", "add", "Add the selected instances to the build")
        add_all = widgets.button(
            "Add all matches", "add-all", "Add every instance that matches, shown or not"
        )
        remove = widgets.button("Remove selected", "remove", "Take the selected instances out of the build")
        clear = widgets.button("Remove all", "clear", "Take all instances out of the build")
        self.movers = (add, add_all, remove, clear)
        may = self._may_choose
        self.press(add, lambda: model.add(self.matches.value), may)
        self.press(add_all, model.add_matches, may)
        self.press(remove, lambda: model.remove(self.chosen.value), may)
        self.press(clear, model.clear, may)
        return (
            widgets.section("2  Instances"), self.pattern, self.folder, self.search, self.matches, self.said,
            widgets.text(_MARKS), widgets.row(add, add_all, under=True), self.chosen, self.chosen_said,
            widgets.row(remove, clear, under=True),
        )  # fmt: skip

    def _words(self) -> tuple[Any, ...]:
        self.description = widgets.field(
            w.Text, "Description", "description", placeholder="what this build is for"
        )
        self.restore = w.Checkbox(description="Restore deleted instances before building", indent=False)
        self.restore.layout.width = "100%"
        self.restore.add_class("mkf-restore")
        self.link(self.description, "description")
        self.link(self.restore, "restore")
        return widgets.section("3  Description"), self.description, self.restore

    def _check(self) -> tuple[Any, ...]:
        model = self.model
        self.verdict = widgets.text(name="verdict")
        self.preview = widgets.text(name="preview")
        self.rejoining = widgets.row()
        self.beside = w.Checkbox(description="Start another one beside it", indent=False)
        self.beside.add_class("mkf-beside")
        self.start = widgets.button("Start build", "start", "Send the request, once", "primary")
        self.confirm = widgets.button(
            "Look whether it was started", "confirm", "Search the builds for the marker"
        )
        self.dismiss = widgets.button("I have looked; choose again", "dismiss", "Go back to choosing")
        self.link(self.beside, "beside")
        self.press(self.start, model.submit, lambda: model.can_submit)
        self.press(self.confirm, model.confirm)
        self.press(self.dismiss, model.dismiss)
        buttons = widgets.row(self.start, self.confirm, self.dismiss)
        return (
            widgets.section("4  Check and start"),
            self.verdict,
            self.rejoining,
            self.beside,
            self.preview,
            buttons,
        )

    # --- what they show -------------------------------------------------------------------------------

    def _show_said(self) -> None:
        self.said.value = widgets.markup(
            '<p class="soft under" role="status">{}</p>', self.model.matches_said
        )
        self.chosen_said.value = widgets.markup(
            '<p class="soft under" role="status">{}</p>', self.model.chosen_said
        )

    def _show_running(self) -> None:
        rows = []
        for label, build in self.model.running:
            join = self._rejoiner(build, "join")
            said = widgets.text(widgets.markup("▶ {}", label))
            said.layout = w.Layout(width="auto", max_width="80%")
            rows.append(widgets.row(said, join))
        head = [widgets.text('<p class="soft">These builds of the project are running:</p>')] if rows else []
        _replace(self.running, [*head, *rows])

    def _show_twins(self) -> None:
        _replace(self.rejoining, [self._rejoiner(build, "rejoin") for build in self.model.twin_ids])

    def _rejoiner(self, build: int, name: str) -> Any:
        join = widgets.button(f"Watch {build}", name, f"Follow build {build} here")
        self.press(join, functools.partial(self.model.rejoin, build), self._may_choose)
        return join

    def _may_choose(self) -> bool:
        return bool(self.model.state == "choosing")

    def _show_groups(self) -> None:
        self._group_fields = {}
        for group in self.model.groups:
            options = [("no release", None), *group.options]
            chooser = widgets.field(w.Dropdown, group.name, "release", options=options)
            chooser.tooltip = f"Release of {group.name}, for {', '.join(group.patterns)}"
            chooser.observe(lambda change, name=group.name: self._take_release(name, change["new"]), "value")
            self._group_fields[group.name] = chooser
        _replace(self.groups, list(self._group_fields.values()))

    def _take_release(self, group: str, release: str | None) -> None:
        if not self.is_filling:
            with self.guarded(f"Choosing a release of {group}"):
                self.model.choose_release(group, release)

    def _show_releases(self) -> None:
        with self._filled():
            for name, chooser in getattr(self, "_group_fields", {}).items():
                chooser.value = self.model.releases.get(name)

    def _show_check(self) -> None:
        model = self.model
        self.start.disabled = not model.can_submit
        self.beside.layout.display = None if model.twins else "none"
        for shown in (self.confirm, self.dismiss):
            shown.layout.display = None if model.state == "unconfirmed" else "none"
            shown.disabled = bool(model.busy)
        self.confirm.disabled = self.confirm.disabled or not model.marker
        blocked = f'<div class="box stop"><b>Before it can start:</b>{widgets.items(model.blockers)}</div>'
        noted = f'<div class="box note"><b>⚠ Please note:</b>{widgets.items(model.notices)}</div>'
        ready = '<div class="box good" role="status">✔ Ready: nothing speaks against it.</div>'
        verdict = blocked if model.blockers else "" if model.notices else ready
        self.verdict.value = verdict + (noted if model.notices else "")
        self.preview.value = _preview(model.json, model.python)

    def _show_live(self) -> None:
        model = self.model
        choosing = model.state in ("choosing", "starting", "unconfirmed")
        for part in (self.choices, self.check):
            part.layout.display = None if choosing else "none"
        for control in self._controls():
            control.disabled = not self._may_choose()
        for part in self.live.children:
            part.close()
        self.live.children = () if choosing or model.watching is None else self._live_parts()

    def _controls(self) -> tuple[Any, ...]:
        return (self.project, self.pattern, self.folder, self.search, self.matches, self.chosen,
                self.description, self.restore, self.beside, *self.movers,
                *self._group_fields.values())  # fmt: skip

    def _live_parts(self) -> tuple[Any, ...]:
        model = self.model
        warned = f'<div class="box note"><b>⚠ The server warns:</b>{widgets.items(model.warnings)}</div>'
        watching = model.watching
        pocket = DownloadsPart(model.pocket, lambda: [b.id for b in watching.builds])
        again = widgets.button("Choose another build", "again", "Back to the choices; the build goes on")
        self.press(again, model.again)

        def show() -> None:
            pocket.layout.display = None if any(b.files for b in watching.builds) else "none"

        watch = WatchPart(watching)
        watch.on(watching, ["builds"], show)
        warnings = widgets.text(warned if model.warnings else "", "warnings")
        return *self._doubled(), warnings, watch, pocket, widgets.row(again)

    def _doubled(self) -> tuple[Any, ...]:
        """Said where it cannot be missed: another machine has begun the same build."""
        model = self.model
        if not model.doubles:
            return ()
        said = '<div class="box bad" role="alert"><b>⚠ It runs more than once.</b> {}</div>'
        both = widgets.button("Watch them together", "doubles", "Follow all builds that began in this moment")
        self.press(both, model.follow_doubles, lambda: len(model.watching.builds) == 1)
        return widgets.text(widgets.markup(said, model.doubles_said), "doubled"), widgets.row(both)


def _preview(json: tuple[Line, ...], python: str) -> str:
    if not json:
        return ""
    body = "".join(f'<span class="d{depth}">{html.escape(line)}</span>' for depth, line in json)
    return (
        "<details><summary>What exactly will be sent</summary>"
        '<p class="soft">The body of POST /builds; by the marker in its description the build is found '
        f"should the answer be lost:</p><pre>{body}</pre>"
        '<p class="soft">The same as a call for a script, which draws a marker of its own:</p>'
        f"<pre>{html.escape(python)}</pre></details>"
    )


def _replace(box: Any, children: list[Any]) -> None:
    """Put other widgets into a box, and end those that were there."""
    before, box.children = box.children, tuple(children)
    for child in before:
        child.close()
