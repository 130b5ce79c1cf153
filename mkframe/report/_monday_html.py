"""The Monday page as HTML."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING

from mkframe import _page
from mkframe.metrics._formatting import day_text
from mkframe.report._monday_parts import Table

if TYPE_CHECKING:
    from mkframe.report._monday import MondayPage

__all__ = ["page", "shown"]

_INCHES, _DOTS = (9.0, 3.2), 160
_PIXELS_PER_INCH = 96
_TEXTS = (
    "builds",
    "their ids",
    "pattern set",
    "patterns",
    "pattern",
    "project",
    "release",
    "state",
    "estimate",
)
"""Columns that are no numbers."""


def page(monday: MondayPage) -> str:
    """Write the whole page."""
    return _page.page(monday.title, _body(monday))


def shown(monday: MondayPage) -> str:
    """Write the page as a part that a notebook shows."""
    return f'<style>{_page.PARTS_STYLE}</style><div class="mk-page">{_body(monday)}</div>'


def _body(monday: MondayPage) -> str:
    parts = [_page.heading(monday.title, monday.facts, monday.notice), _page.verdict(monday.verdict)]
    if monday.tiles:
        parts.append(_page.tiles(monday.tiles))
    if monday.findings:
        parts.append(_page.findings((f.topic, f.state, f.says) for f in monday.findings))
    if len(monday.recent):
        parts.append(_chart(monday))
    parts += map(_table, monday.tables)
    parts += (_page.nothing(note) for note in monday.notes)
    return "\n".join(parts)


def _table(table: Table) -> str:
    heading = f"<h2>{_page.escape(table.title)} ({len(table.frame):,})</h2>"
    note = f'<p class="mk-note">{_page.escape(table.note)}</p>' if table.note else ""
    more = _page.nothing(table.more) if table.more else ""
    return _page.together(heading + note) + _page.table(table.head, table.rows, texts=_TEXTS) + more


def _chart(monday: MondayPage) -> str:
    """Draw how builds ended day by day."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    from mkframe import charts
    from mkframe.charts._alt_text import ChartFigure

    figure = ChartFigure(figsize=_INCHES, dpi=_DOTS, layout="constrained")
    FigureCanvasAgg(figure)
    axes = charts.outcomes(monday.recent, every="D", tz=monday.week.tz, ax=figure.subplots())
    png = io.BytesIO()
    figure.savefig(png, format="png", metadata={"Software": None})
    picture = base64.b64encode(png.getvalue()).decode("ascii")
    width, height = (round(inches * _PIXELS_PER_INCH) for inches in _INCHES)
    legend = axes.get_legend()
    counts = [" ".join(text.get_text().split()) for text in legend.get_texts()] if legend else []
    says = f" By status: {'; '.join(counts)}." if counts else ""
    heading = f"<h2>The four weeks to {day_text(monday.week.last)}, day by day</h2>"
    return _page.together(heading + _page.figure(picture, f"{charts.alt_text(axes)}{says}", width, height))
