"""The face of `FetchModel`."""

from __future__ import annotations

from typing import Any

import ipywidgets as w

from mkframe.artifacts import show
from mkframe.forms._worker import Worker
from mkframe.forms.models.fetch import HEADER, PERIODS, STATUS_OPTIONS, FetchModel
from mkframe.forms.views import widgets
from mkframe.forms.views.downloads import DownloadsPart

__all__ = ["FetchForm"]


class FetchForm(widgets.Form):
    """A form that finds builds and fetches their artifacts; `result` is the frame of the last fetch."""

    def __init__(self, model: FetchModel, where: str) -> None:
        super().__init__(model, Worker())
        model.run = model.pocket.run = self.worker.do
        self.pocket = DownloadsPart(model.pocket, lambda: model.chosen)
        self.compare = widgets.button(
            "Compare with the build before", "compare", "Compare its artifacts with the last earlier ones"
        )
        self.press(self.compare, model.compare, lambda: model.can_compare)
        self.press(self.pocket.fetch, lambda: None, lambda: model.can_submit)
        self.difference = widgets.text(name="difference")
        self.blocked = widgets.text(name="fetch-blocked")
        self.on(model, ["blockers", "busy", "chosen"], self._show_blocked)
        self.on(model.pocket, ["state"], self._show_blocked)
        self.on(model, ["comparison", "compared"], self._show_difference)
        self.children = (
            widgets.heading("Fetch artifacts", where), *self._filters(), self.blocked, self.pocket,
            widgets.row(self.compare), self.difference, *self.footer,
        )  # fmt: skip
        model.load()

    @property
    def result(self) -> Any:
        """The frame of the last fetch."""
        return self.model.result

    def close(self) -> None:
        """End the form and its thread."""
        self.model.pocket.stop()
        self.pocket.close()
        super().close()

    def _filters(self) -> tuple[Any, ...]:
        model = self.model
        self.project = widgets.field(w.Dropdown, "Project", "fetch-project")
        self.pattern = widgets.field(w.Dropdown, "Pattern", "fetch-pattern")
        self.release = widgets.field(w.Dropdown, "Release", "fetch-release")
        self.period = widgets.field(w.Dropdown, "Started", "fetch-period", options=PERIODS)
        self.status = widgets.field(w.Dropdown, "Status", "fetch-status", options=STATUS_OPTIONS)
        self.builds = widgets.field(w.SelectMultiple, "Builds", "fetch-builds", rows=8)
        self.refresh = widgets.button("Load the builds again", "refresh", "Ask the server for the builds")
        self.said = widgets.text(name="fetch-said")
        head = widgets.text(f'<div class="under"><div class="columns">{HEADER}</div></div>')
        self.link(self.project, "project_id", "projects", "choose a project")
        self.link(self.pattern, "pattern_id", "patterns", "all patterns")
        self.link(self.release, "release_id", "releases", "all releases")
        self.link(self.period, "days")
        self.link(self.status, "status")
        self.link(self.builds, "chosen", "options")
        self.on(model, ["options_said", "chosen_said"], self._show_said)
        self.press(self.refresh, model.refresh)
        return (widgets.section("Builds"), self.project, self.pattern, self.release, self.period, self.status,
                head, self.builds, self.said, widgets.row(self.refresh, under=True))  # fmt: skip

    def _show_said(self) -> None:
        model = self.model
        self.said.value = widgets.markup(
            '<p class="soft under" role="status">{} {}</p>', model.options_said, model.chosen_said
        )

    def _show_blocked(self) -> None:
        model = self.model
        blocked = f'<div class="box stop"><b>Before it can fetch:</b>{widgets.items(model.blockers)}</div>'
        self.blocked.value = blocked if model.blockers else ""
        self.pocket.fetch.disabled = not model.can_submit
        self.compare.disabled = not model.can_compare

    def _show_difference(self) -> None:
        model = self.model
        if model.comparison is not None:
            head = widgets.markup("<p><b>{}</b></p>", model.compared)
            self.difference.value = f'<div class="wide">{head}{show(model.comparison)._repr_html_()}</div>'
