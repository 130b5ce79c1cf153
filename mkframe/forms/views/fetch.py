"""View of the form that fetches artifacts."""

from __future__ import annotations

from typing import Any

import ipywidgets as w

from mkframe.artifacts import DiffView
from mkframe.forms._worker import Worker
from mkframe.forms.models.fetch import HEADER, PERIODS, STATUS_OPTIONS, FetchModel
from mkframe.forms.views import widgets
from mkframe.forms.views.downloads import DownloadsPart

__all__ = ["FetchForm"]


class FetchForm(widgets.Form):
    """A form that finds builds and fetches their artifacts; `result` is the frame of the last fetch."""

    def __init__(self, model: FetchModel, worker: Worker, server: str) -> None:
        super().__init__(model, worker)
        self.downloads = DownloadsPart(model.downloads, lambda: model.chosen)
        self.compare = widgets.button(
            "Compare with the build before", "compare", "Compare its artifacts with the last earlier ones"
        )
        self.stop_comparing = widgets.button("Stop comparing", "stop-comparing", "End the comparison")
        self.on_click(self.compare, model.compare, lambda: model.can_compare, then=self.stop_comparing)
        self.on_click(self.stop_comparing, self._stop_comparing, lambda: model.is_comparing)
        self.on_click(self.downloads.fetch, lambda: None, lambda: model.can_submit)
        self.difference = widgets.text(name="difference")
        self.blocked = widgets.text(name="fetch-blocked")
        self.on_change(model, ["blockers", "busy", "chosen", "is_comparing"], self._show_blocked)
        self.on_change(model.downloads, ["state"], self._show_blocked)
        self.on_change(model, ["comparison", "comparison_text"], self._show_difference)
        self.children = (
            widgets.heading("Fetch artifacts", server), *self._filters(), self.blocked, self.downloads,
            widgets.row(self.compare, self.stop_comparing), self.difference, *self.footer,
        )  # fmt: skip
        model.load()

    @property
    def result(self) -> Any:
        """The frame of the last fetch."""
        return self.model.result

    def close(self) -> None:
        """End the form and its thread."""
        self.model.downloads.stop()
        self.model.stop_comparing()
        self.downloads.close()
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
        self.summary = widgets.text(name="fetch-summary")
        head = widgets.text(f'<div class="under"><div class="columns">{HEADER}</div></div>')
        self.link(self.project, "project_id", "projects", "choose a project")
        self.link(self.pattern, "pattern_id", "patterns", "all patterns")
        self.link(self.release, "release_id", "releases", "all releases")
        self.link(self.period, "days")
        self.link(self.status, "status")
        self.link(self.builds, "chosen", "options")
        self.on_change(model, ["options_text", "chosen_text"], self._show_summary)
        self.on_click(self.refresh, model.refresh)
        return (widgets.section("Builds"), self.project, self.pattern, self.release, self.period, self.status,
                head, self.builds, self.summary, widgets.row(self.refresh, under=True))  # fmt: skip

    def _show_summary(self) -> None:
        model = self.model
        self.summary.value = widgets.markup(
            '<p class="soft under" role="status">{} {}</p>', model.options_text, model.chosen_text
        )

    def _show_blocked(self) -> None:
        model = self.model
        blocked = f'<div class="box stop"><b>Before it can fetch:</b>{widgets.items(model.blockers)}</div>'
        self.blocked.value = blocked if model.blockers else ""
        self.downloads.fetch.disabled = not model.can_submit
        self.compare.disabled = not model.can_compare
        self.stop_comparing.disabled = not model.is_comparing
        self.stop_comparing.layout.display = None if model.is_comparing else "none"

    def _stop_comparing(self) -> None:
        self.model.stop_comparing()
        self.worker.cancel()

    def _show_difference(self) -> None:
        model = self.model
        self.difference.value = ""
        if model.comparison is None:
            if model.comparison_text:
                self.difference.value = widgets.markup('<p role="status">{}</p>', model.comparison_text)
        else:
            head = widgets.markup("<p><b>{}</b></p>", model.comparison_text)
            self.difference.value = f'<div class="wide">{head}{DiffView(model.comparison).to_html()}</div>'
