"""The face of `PocketModel`: target folder, fetch button, one bar for each file and one for all."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import ipywidgets as w

from mkframe.forms.models.pocket import PocketFile, PocketModel
from mkframe.forms.views import parts

__all__ = ["PocketPart"]

_SIGNS = {"fetched": "✔ fetched", "present": "✔ there already", "refused": "✖ refused", "failed": "✖ failed",
          "waiting": "… waiting", "fetching": "▶ fetching"}  # fmt: skip


class PocketPart(parts.Form):
    """The part of a form that fetches the artifacts of some builds."""

    def __init__(self, model: PocketModel, builds: Callable[[], Iterable[int]]) -> None:
        super().__init__(model)
        self._builds = builds
        self.folder = parts.field(w.Text, "Target folder", "folder", continuous_update=False)
        self.space = parts.text(name="space")
        self.fetch = parts.button(
            "Fetch artifacts", "fetch", "Fetch all artifacts into the folder", "primary"
        )
        self.halt = parts.button("Stop", "stop", "Stop after the file that is under way")
        self.files = parts.text(name="files")
        self.link(self.folder, "folder")
        self.press(self.fetch, lambda: model.fetch(self._builds()), lambda: model.state != "fetching")
        self.press(self.halt, model.stop, lambda: model.state == "fetching")
        self.on(model, ["space", "state", "files", "said"], self._show)
        self.children = (
            parts.section("Artifacts"), self.folder, self.space,
            parts.row(self.fetch, self.halt), self.files, *self.footer,
        )  # fmt: skip

    def _show(self) -> None:
        model = self.model
        self.space.value = parts.markup('<p class="soft">{}, with a folder for each build.</p>', model.space)
        self.fetch.disabled = self.folder.disabled = model.state == "fetching"
        self.halt.disabled = model.state != "fetching"
        self.halt.layout.display = "none" if self.halt.disabled else None
        done = sum(f.done for f in model.files)
        count = len(model.files)
        total = f"<p><b>{parts.bar(done, count, 'All files')} {done} of {count} files</b></p>"
        rows = "".join(_row(f) for f in model.files)
        table = f'<div class="wide"><table>{rows}</table></div>' if rows else ""
        said = parts.markup('<div class="box calm" role="status">{}</div>', model.said) if model.said else ""
        self.files.value = (total + table if rows else "") + said


def _row(file: PocketFile) -> str:
    value = {"waiting": 0.0, "fetching": 0.5}.get(file.status, 1.0)
    return (
        parts.markup("<tr><td>{}</td><td>", file.name)
        + parts.bar(value, 1, f"Progress of {file.name}")
        + parts.markup("</td><td>{}</td><td>{}</td></tr>", _SIGNS.get(file.status, file.status), file.said)
    )
