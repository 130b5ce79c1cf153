"""The face of `WatchModel`."""

from __future__ import annotations

import datetime as dt
from typing import Any

from mkframe.forms._worker import Worker
from mkframe.forms.models.watch import BuildSnapshot, WatchModel
from mkframe.forms.views import widgets
from mkframe.forms.views.downloads import DownloadsPart
from mkframe.metrics._formatting import duration_text

__all__ = ["WatchForm", "WatchPart"]

_LOOKS = {
    "FINISHED": ("✔", "good"),
    "FAILED": ("✖", "bad"),
    "CANCELED": ("■", "stop"),
    "BUILDING": ("▶", "calm"),
}


class WatchPart(widgets.Form):
    """Status, progress, message and elapsed time of builds, as part of a form."""

    def __init__(self, model: WatchModel) -> None:
        super().__init__(model)
        self.shown = widgets.text(name="watch")
        self.again = widgets.button("Look again", "look", "Ask the server once more")
        self.press(self.again, model.resume)
        self.on(model, ["builds", "lost", "state", "alike", "heard"], self._show)
        self.children = (self.shown, widgets.row(self.again), *self.footer)

    def _show(self) -> None:
        model = self.model
        builds = _one(model.builds[0]) if len(model.builds) == 1 else _table(model.builds)
        lost = (
            widgets.markup('<div class="box note" role="status">⚠ {}</div>', model.lost) if model.lost else ""
        )
        alike = (
            f"<p>The last failed builds with a similar message:</p>{widgets.items(model.alike)}"
            if model.alike
            else ""
        )
        heard = f"Last answer at {model.heard:%H:%M:%S} UTC." if model.heard else "No answer yet."
        self.shown.value = f'{builds}{lost}{alike}<p class="soft">{heard}</p>'
        self.again.layout.display = None if model.state == "stopped" else "none"


class WatchForm(widgets.Form):
    """A form that follows builds."""

    def __init__(self, model: WatchModel, pocket: Any) -> None:
        super().__init__(model, Worker(model.look))
        model.run = pocket.run = self.worker.do
        self.part = WatchPart(model)
        self.pocket = DownloadsPart(pocket, lambda: [b.id for b in model.builds if b.files])
        self.on(model, ["builds"], self._show)
        title = "Watch a build" if len(model.builds) == 1 else f"Watch {len(model.builds)} builds"
        self.children = (widgets.heading(title), self.part, self.pocket, *self.footer)
        self.worker.do(lambda: None)

    def __repr__(self) -> str:
        told = ", ".join(f"{b.id} {b.status} {b.progress} %" for b in self.model.builds)
        return f"<WatchForm of mkframe: build {told}>"

    @property
    def result(self) -> Any:
        """The frame of the last fetch."""
        return self.pocket.model.result

    def close(self) -> None:
        """End the form and its thread; builds go on."""
        self.pocket.model.stop()
        for part in (self.part, self.pocket):
            part.close()
        super().close()

    def _show(self) -> None:
        there = any(b.files for b in self.model.builds)
        self.pocket.layout.display = None if there else "none"


def _state(build: BuildSnapshot) -> tuple[str, str, str]:
    """Sign, look and words of a build's status."""
    if build.missing:
        return "✖", "bad", build.missing
    sign, look = _LOOKS.get(build.status, ("?" if build.status else "…", "note"))
    return sign, look, build.status or "asking the server"


def _elapsed(build: BuildSnapshot) -> str:
    seconds = build.elapsed(dt.datetime.now(dt.UTC))
    return "–" if seconds is None else duration_text(round(seconds))


def _one(build: BuildSnapshot) -> str:
    sign, look, words = _state(build)
    head = widgets.markup(
        f'<div class="box {look}" role="status"><b>{sign} Build {{}}: {{}}</b>', build.id, words
    )
    if build.missing or not build.status:
        return f"{head}</div>"
    count = "–" if build.instances is None else build.instances
    return (
        f'{head}<br><span class="long">'
        f"{widgets.bar(build.progress, 100, f'Progress of build {build.id}')} {build.progress} %"
        + widgets.markup(
            " · elapsed {} · instances: {}<br>Message: {}", _elapsed(build), count, build.message or "–"
        )
        + (widgets.markup("<br>Description: {}", build.description) if build.description else "")
        + "</span></div>"
    )


def _table(builds: tuple[BuildSnapshot, ...]) -> str:
    rows = []
    for b in builds:
        sign, _, words = _state(b)
        rows.append(
            widgets.markup(f'<tr><td>{{}}</td><td class="k">{sign} {{}}</td><td class="k">', b.id, words)
            + f"{widgets.bar(b.progress, 100, f'Progress of build {b.id}')} {b.progress} %</td>"
            + widgets.markup(
                '<td class="n">{}</td><td>{}</td><td>{}</td></tr>', _elapsed(b), b.message, b.description
            )
        )
    names = ("Build", "Status", "Progress", "Elapsed", "Message", "Description")
    head = "".join(f"<th>{name}</th>" for name in names)
    return f'<div class="wide"><table><tr>{head}</tr>{"".join(rows)}</table></div>'
