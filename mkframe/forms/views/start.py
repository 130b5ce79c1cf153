"""View of the form that starts a build."""

from __future__ import annotations

import html
from typing import Any

import ipywidgets as w

from mkframe.forms._worker import Worker
from mkframe.forms.models.preview import Line
from mkframe.forms.models.start import StartModel
from mkframe.forms.views import widgets
from mkframe.forms.views.downloads import DownloadsPart
from mkframe.forms.views.selection import SelectionPart
from mkframe.forms.views.watch import WatchPart

__all__ = ["StartForm"]


class StartForm(widgets.Form):
    """A form that starts a build, watches it and fetches its artifacts."""

    def __init__(self, model: StartModel, worker: Worker, server: str) -> None:
        super().__init__(model, worker)
        self.selection = SelectionPart(model.selection, model.watch_existing, self._may_choose)
        self.check = widgets.column(*self._check())
        self.live = widgets.column()
        self.live.add_class("mkf-live")
        self.on_change(model, ["state", "busy"], self._show_check)
        self.on_change(
            model.selection,
            ["blockers", "notices", "json", "python", "duplicates", "prohibited"],
            self._show_check,
        )
        self.on_change(model.selection, ["duplicates"], self._show_duplicates)
        self.on_change(model, ["state", "watch", "warnings", "build", "concurrent_ids"], self._show_live)
        self.children = (
            widgets.heading("Start a build", server), self.selection, self.check, self.live, *self.footer,
        )  # fmt: skip
        model.selection.load()

    def __repr__(self) -> str:
        build = self.model.build
        state = f"build {build.id} was started" if build else self.model.state
        return f"<StartForm of mkframe: {state}>"

    @property
    def result(self) -> Any:
        """The frame of the last fetch."""
        return self.model.downloads.result if self.model.downloads is not None else None

    def close(self) -> None:
        """End the form and its thread; a build that was started goes on."""
        self.model.close()
        for part in (self.selection, *self.live.children):
            part.close()
        super().close()

    def _check(self) -> tuple[Any, ...]:
        model = self.model
        self.verdict = widgets.text(name="verdict")
        self.preview = widgets.text(name="preview")
        self.duplicate_buttons = widgets.row()
        self.allow_duplicate = w.Checkbox(description="Start another one nevertheless", indent=False)
        self.allow_duplicate.add_class("mkf-allow-duplicate")
        self.start_anyway = w.Checkbox(description="Start anyway", indent=False)
        self.start_anyway.add_class("mkf-start-anyway")
        self.start = widgets.button("Start build", "start", "Send the request, once", "primary")
        self.confirm = widgets.button(
            "Look whether it was started", "confirm", "Search the builds for the marker"
        )
        self.dismiss = widgets.button("I have looked; choose again", "dismiss", "Go back to choosing")
        self.link(self.allow_duplicate, "allow_duplicate", model=model.selection)
        self.link(self.start_anyway, "start_anyway", model=model.selection)
        self.on_click(self.start, model.submit, lambda: model.can_submit)
        self.on_click(self.confirm, model.confirm)
        self.on_click(self.dismiss, model.dismiss)
        return (
            widgets.section("4  Check and start"), self.verdict, self.duplicate_buttons,
            self.allow_duplicate, self.start_anyway, self.preview,
            widgets.row(self.start, self.confirm, self.dismiss),
        )  # fmt: skip

    def _may_choose(self) -> bool:
        return bool(self.model.state == "choosing")

    def _show_duplicates(self) -> None:
        buttons = [
            self.selection.watch_button(build, "watch-duplicate")
            for build in self.model.selection.duplicate_ids
        ]
        widgets.replace_children(self.duplicate_buttons, buttons)

    def _show_check(self) -> None:
        model, selection = self.model, self.model.selection
        self.start.disabled = not model.can_submit
        self.allow_duplicate.layout.display = None if selection.duplicates else "none"
        self.start_anyway.layout.display = None if selection.prohibited else "none"
        for button in (self.confirm, self.dismiss):
            button.layout.display = None if model.state == "unconfirmed" else "none"
            button.disabled = bool(model.busy)
        self.confirm.disabled = self.confirm.disabled or not model.marker
        blocked = (
            f'<div class="box stop"><b>Before it can start:</b>{widgets.items(selection.blockers)}</div>'
        )
        notices = f'<div class="box note"><b>⚠ Please note:</b>{widgets.items(selection.notices)}</div>'
        ready = '<div class="box good" role="status">✔ Ready: no problems found.</div>'
        verdict = blocked if selection.blockers else "" if selection.notices else ready
        self.verdict.value = verdict + (notices if selection.notices else "")
        self.preview.value = _preview(selection.json, selection.python)

    def _show_live(self) -> None:
        model = self.model
        is_live = model.state == "started"
        for part in (self.selection, self.check):
            part.layout.display = "none" if is_live else None
        self.selection.refresh()
        self.allow_duplicate.disabled = self.start_anyway.disabled = not self._may_choose()
        for part in self.live.children:
            part.close()
        self.live.children = self._live_parts() if is_live and model.watch is not None else ()

    def _live_parts(self) -> tuple[Any, ...]:
        model = self.model
        watch = model.watch
        downloads = DownloadsPart(model.downloads, lambda: [b.id for b in watch.builds])
        reset = widgets.button("Choose another build", "reset", "Back to the selection; the build goes on")
        self.on_click(reset, model.reset)

        def show() -> None:
            downloads.layout.display = None if any(b.files for b in watch.builds) else "none"

        part = WatchPart(watch)
        part.on_change(watch, ["builds"], show)
        warned = f'<div class="box note"><b>⚠ The server warns:</b>{widgets.items(model.warnings)}</div>'
        warnings = widgets.text(warned if model.warnings else "", "warnings")
        return *self._concurrent(), warnings, part, downloads, widgets.row(reset)

    def _concurrent(self) -> tuple[Any, ...]:
        """Warn of builds that another machine started at the same time; first, where everybody sees it."""
        model = self.model
        if not model.concurrent_ids:
            return ()
        warning = widgets.markup(
            '<div class="box bad" role="alert"><b>⚠ It runs more than once.</b> {}</div>',
            model.concurrent_text,
        )
        button = widgets.button(
            "Watch them together", "watch-concurrent", "Watch all builds that started at the same time"
        )
        self.on_click(button, model.watch_concurrent, lambda: len(model.watch.builds) == 1)
        return widgets.text(warning, "concurrent"), widgets.row(button)


def _preview(json: tuple[Line, ...], python: str) -> str:
    if not json:
        return ""
    body = "".join(f'<span class="d{depth}">{html.escape(line)}</span>' for depth, line in json)
    return (
        "<details><summary>What exactly will be sent</summary>"
        '<p class="soft">The body of POST /builds; by the marker in its description the build is found '
        f"if the answer is lost:</p><pre>{body}</pre>"
        '<p class="soft">The same as a call for a script, which makes a marker of its own:</p>'
        f"<pre>{html.escape(python)}</pre></details>"
    )
