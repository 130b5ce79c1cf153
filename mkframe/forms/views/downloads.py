"""View of `DownloadsModel`: folder on the server, fetch button, bars, and links that save the files.

A visitor cannot choose a folder.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import ipywidgets as w

from mkframe.forms.models.downloads import DownloadedFile, DownloadsModel
from mkframe.forms.views import widgets

__all__ = ["DownloadsPart"]

_SIGNS = {"fetched": "✔ fetched", "present": "✔ present", "refused": "✖ refused", "failed": "✖ failed",
          "waiting": "… waiting", "fetching": "▶ fetching"}  # fmt: skip
_FIRST = ("fetching", "failed", "refused", "waiting")
_MOST_ROWS = 50


class DownloadsPart(widgets.Form):
    """The part of a form that fetches the artifacts of some builds."""

    def __init__(self, model: DownloadsModel, builds: Callable[[], Iterable[int]]) -> None:
        super().__init__(model)
        self._builds = builds
        self.folder = widgets.field(w.Text, "Folder on server", "folder", continuous_update=False)
        self.space = widgets.text(name="space")
        self.fetch = widgets.button(
            "Fetch artifacts", "fetch", "Fetch all artifacts of these builds", "primary"
        )
        self.halt = widgets.button("Stop", "stop", "Stop the fetch; complete files stay")
        self.files, self.offers = widgets.text(name="files"), widgets.text(name="offers")
        if not model.is_public:
            self.link(self.folder, "folder")
        self.on_click(self.fetch, lambda: model.fetch(self._builds()), self._may_fetch, then=self.halt)
        self.on_click(self.halt, model.stop, lambda: model.state == "fetching")
        self.on_change(model, ["space", "state", "files", "status_text"], self._show)
        self.on_change(model, ["offers", "offers_text"], self._show_offers)
        fields = () if model.is_public else (self.folder, self.space)
        self.children = (
            widgets.section("Artifacts"), *fields, widgets.row(self.fetch, self.halt), self.files,
            self.offers, *self.footer,
        )  # fmt: skip

    def _may_fetch(self) -> bool:
        return bool(self.model.state != "fetching")

    def _show(self) -> None:
        model = self.model
        self.space.value = widgets.markup(
            '<p class="soft">On the computer that runs this notebook: {}, with a folder for each build.</p>',
            model.space,
        )
        self.fetch.disabled = self.folder.disabled = model.state == "fetching"
        self.halt.disabled = model.state != "fetching"
        self.halt.layout.display = "none" if self.halt.disabled else None
        total = widgets.bar(model.share, 1, "All files") + widgets.markup(" {}", model.files_text)
        table = f"<p><b>{total}</b></p>{_table(model.files)}" if model.files else ""
        status = widgets.markup('<div class="box calm" role="status">{}</div>', model.status_text)
        self.files.value = table + (status if model.status_text else "")

    def _show_offers(self) -> None:
        self.offers.value = widgets.save_links(self.model.offers, self.model.offers_text)


def _table(files: Sequence[DownloadedFile]) -> str:
    """Return a row for each file; of very many, running and failed ones come first."""
    rows = sorted(files, key=_order)[:_MOST_ROWS] if len(files) > _MOST_ROWS else files
    more = f'<p class="soft">... and {len(files) - len(rows):,} more</p>' if len(files) > len(rows) else ""
    return f'<div class="wide"><table class="files">{"".join(_row(f) for f in rows)}</table></div>{more}'


def _order(file: DownloadedFile) -> int:
    return _FIRST.index(file.status) if file.status in _FIRST else len(_FIRST)


def _row(file: DownloadedFile) -> str:
    return (
        widgets.markup("<tr><td>{}</td><td>", file.name)
        + widgets.bar(file.share, 1, f"Progress of {file.name}")
        + widgets.markup(
            "</td><td>{}</td><td>{}</td></tr>", _SIGNS.get(file.status, file.status), file.detail
        )
    )
