"""View of the form that watches builds."""

from __future__ import annotations

from typing import Any

from mkframe.forms._worker import Worker
from mkframe.forms.models.downloads import DownloadsModel
from mkframe.forms.models.watch import BuildSnapshot, WatchModel
from mkframe.forms.views import widgets
from mkframe.forms.views.downloads import DownloadsPart
from mkframe.metrics._formatting import duration_text

__all__ = ["WatchForm", "WatchPart"]

_STYLES = {
    "FINISHED": ("✔", "good"),
    "FAILED": ("✖", "bad"),
    "CANCELED": ("■", "stop"),
    "BUILDING": ("▶", "calm"),
}


class WatchPart(widgets.Form):
    """Status, progress, message and elapsed time of builds, as part of a form."""

    def __init__(self, model: WatchModel) -> None:
        super().__init__(model)
        self.text = widgets.text(name="watch")
        self.resume = widgets.button("Look again", "look", "Ask the server once more")
        self.on_click(self.resume, model.resume)
        self.on_change(
            model, ["builds", "connection_error", "state", "similar_failures", "last_seen"], self._show
        )
        self.children = (self.text, widgets.row(self.resume), *self.footer)

    def _show(self) -> None:
        model = self.model
        builds = _one(model, model.builds[0]) if len(model.builds) == 1 else _table(model)
        error = (
            widgets.markup('<div class="box note" role="status">⚠ {}</div>', model.connection_error)
            if model.connection_error
            else ""
        )
        similar = (
            f"<p>The last failed builds with a similar message:</p>{widgets.items(model.similar_failures)}"
            if model.similar_failures
            else ""
        )
        answer = f"Last answer at {model.last_seen:%H:%M:%S} UTC." if model.last_seen else "No answer yet."
        self.text.value = f'{builds}{error}{similar}<p class="soft">{answer}</p>'
        self.resume.layout.display = None if model.state == "stopped" else "none"


class WatchForm(widgets.Form):
    """A form that watches builds."""

    def __init__(self, model: WatchModel, downloads: DownloadsModel, worker: Worker) -> None:
        super().__init__(model, worker)
        self.part = WatchPart(model)
        self.downloads = DownloadsPart(downloads, lambda: [b.id for b in model.builds if b.files])
        self.on_change(model, ["builds"], self._show)
        title = "Watch a build" if len(model.builds) == 1 else f"Watch {len(model.builds)} builds"
        self.children = (widgets.heading(title), self.part, self.downloads, *self.footer)
        model.wake()

    def __repr__(self) -> str:
        states = ", ".join(f"{b.id} {b.status} {b.progress} %" for b in self.model.builds)
        return f"<WatchForm of mkframe: build {states}>"

    @property
    def result(self) -> Any:
        """The frame of the last fetch."""
        return self.downloads.model.result

    def close(self) -> None:
        """End the form and its thread; builds go on."""
        self.model.close()
        self.downloads.model.stop()
        for part in (self.part, self.downloads):
            part.close()
        super().close()

    def _show(self) -> None:
        has_files = any(b.files for b in self.model.builds)
        self.downloads.layout.display = None if has_files else "none"


def _state(build: BuildSnapshot) -> tuple[str, str, str]:
    """Return the sign, CSS class and text for the status of a build."""
    if build.missing:
        return "✖", "bad", build.missing
    sign, style = _STYLES.get(build.status, ("?" if build.status else "…", "note"))
    return sign, style, build.status or "asking the server"


def _elapsed(model: WatchModel, build: BuildSnapshot) -> str:
    seconds = build.elapsed(model.server_time)
    return "–" if seconds is None else duration_text(round(seconds))


def _one(model: WatchModel, build: BuildSnapshot) -> str:
    sign, style, status = _state(build)
    head = widgets.markup(
        f'<div class="box {style}" role="status"><b>{sign} Build {{}}: {{}}</b>', build.id, status
    )
    if build.missing or not build.status:
        return f"{head}</div>"
    count = "–" if build.instances is None else build.instances
    return (
        f'{head}<br><span class="long">'
        f"{widgets.bar(build.progress, 100, f'Progress of build {build.id}')} {build.progress} %"
        + widgets.markup(
            " · elapsed {} · instances: {}<br>Message: {}",
            _elapsed(model, build),
            count,
            build.message or "–",
        )
        + (widgets.markup("<br>How long: {}", build.how_long) if build.how_long else "")
        + (widgets.markup("<br>Description: {}", build.description) if build.description else "")
        + "</span></div>"
    )


def _table(model: WatchModel) -> str:
    rows = []
    for b in model.builds:
        sign, _, status = _state(b)
        rows.append(
            widgets.markup(f'<tr><td>{{}}</td><td class="k">{sign} {{}}</td><td class="k">', b.id, status)
            + f"{widgets.bar(b.progress, 100, f'Progress of build {b.id}')} {b.progress} %</td>"
            + widgets.markup(
                '<td class="n">{}</td><td class="says">{}</td><td>{}</td><td>{}</td></tr>',
                _elapsed(model, b),
                b.how_long,
                b.message,
                b.description,
            )
        )
    names = ("Build", "Status", "Progress", "Elapsed", "How long", "Message", "Description")
    head = "".join(f"<th>{name}</th>" for name in names)
    return f'<div class="wide"><table><tr>{head}</tr>{"".join(rows)}</table></div>'
