"""View of the form that explores builds: filters above charts and a table."""

from __future__ import annotations

import base64
import html
import io
import itertools
from collections.abc import Callable, Mapping
from typing import Any

import ipywidgets as w
import pandas as pd

from mkframe.errors import MkframeError
from mkframe.forms.models.base import sentence_of
from mkframe.forms.models.explore import ExploreModel
from mkframe.forms.views import widgets

__all__ = ["ExploreForm"]

_DPI = 90


class ExploreForm(widgets.Form):
    """A form that filters builds; `result` are the builds that match.

    Parameters
    ----------
    model : ExploreModel
        The model.
    charts : mapping
        Title and a function that draws a frame of builds on an Axes.
    """

    def __init__(self, model: ExploreModel, charts: Mapping[str, Callable[..., Any]]) -> None:
        super().__init__(model)
        self._charts = charts
        self.filters = [self._filter(name) for name in model.options]
        self.first, self.last = (
            widgets.field(w.DatePicker, label, name)
            for label, name in (("From (UTC)", "from"), ("To (UTC)", "to"))
        )
        self.link(self.first, "first")
        self.link(self.last, "last")
        self.status, self.table = widgets.text(name="explored"), widgets.text(name="table")
        self.images = [widgets.text(name="picture") for _ in charts]
        self.notes = [widgets.text(name="no-chart") for _ in charts]
        parts = zip(map(widgets.section, charts), self.images, self.notes, strict=True)
        charts_with_titles = itertools.chain(*parts)
        self.sort = widgets.field(w.Dropdown, "Sort by", "sort", options=model.sortable)
        self.down = w.Checkbox(description="Descending", indent=False)
        self.link(self.sort, "sort_by")
        self.link(self.down, "descending")
        self.on_change(model, ["matches"], self._draw)
        self.on_change(model, ["matches", "sort_by", "descending"], self._show_table)
        self.children = (
            widgets.heading("Explore builds"), *self.filters, self.first, self.last, self.status,
            *charts_with_titles, widgets.section("Builds"), self.sort, self.down, self.table, *self.footer,
        )  # fmt: skip

    @property
    def result(self) -> pd.DataFrame:
        """The builds that match."""
        matches: pd.DataFrame = self.model.matches
        return matches

    def _filter(self, name: str) -> Any:
        field = widgets.field(
            w.Dropdown, name.capitalize(), f"explore-{name}", options=self.model.options[name]
        )
        self.link(field, name)
        return field

    def _draw(self) -> None:
        self.status.value = widgets.markup('<p role="status"><b>{}</b></p>', self.model.status_text)
        errors: list[Exception] = []
        for image, note, draw in zip(self.images, self.notes, self._charts.values(), strict=True):
            image.value, sentence = self._picture(draw, errors)
            note.value = widgets.markup('<p class="soft">{}</p>', sentence) if sentence else ""
        for error in errors:  # after all charts that can be drawn
            raise error

    def _picture(self, draw: Callable[..., Any], errors: list[Exception]) -> tuple[str, str]:
        """Return a chart, or nothing and the reason: a chart of other filters must not stay."""
        if self.model.matches.empty:
            return "", "No build matches, so there is nothing to draw."
        try:
            return _picture_html(draw, self.model.matches), ""
        except MkframeError as error:
            return "", sentence_of(error)
        except Exception as error:  # a defect of mkframe: the other charts and the table are drawn
            errors.append(error)
            return "", "This chart cannot be drawn; the error is below."

    def _show_table(self) -> None:
        rows, sentence = self.model.table()
        table = _format_cells(rows).to_html(escape=True, border=0, na_rep="–", index_names=False)
        self.table.value = (
            widgets.markup('<p class="soft">{}</p>', sentence) + f'<div class="grid">{table}</div>'
        )


def _format_cells(rows: pd.DataFrame) -> pd.DataFrame:
    """Format times to the second, and lists as text."""
    times = rows.select_dtypes("datetimetz").columns
    lists = [name for name in rows.columns if any(isinstance(cell, list) for cell in rows[name])]
    formatted = {name: rows[name].dt.strftime("%Y-%m-%d %H:%M:%S") for name in times}
    formatted |= {name: rows[name].map(lambda cell: ", ".join(map(str, cell or ()))) for name in lists}
    return rows.assign(**formatted)


def _picture_html(draw: Callable[..., Any], builds: pd.DataFrame) -> str:
    """Draw a chart as an image with the text of the chart; an Image widget would have none."""
    from matplotlib.figure import Figure

    from mkframe.charts import alt_text

    figure = Figure(figsize=(8.4, 3.8), layout="constrained")
    draw(builds, ax=figure.subplots())
    sink = io.BytesIO()
    figure.savefig(sink, format="png", dpi=_DPI)
    png = base64.b64encode(sink.getvalue()).decode()
    alt = html.escape(alt_text(figure))
    return f'<img class="mkf-chart" src="data:image/png;base64,{png}" alt="{alt}" style="max-width:100%">'
