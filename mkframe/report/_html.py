"""Write an executed notebook as HTML: its text, tables and charts, without code."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from mkframe import _page
from mkframe.report._head import HEAD_TYPE

if TYPE_CHECKING:
    from nbformat import NotebookNode

__all__ = ["page"]

_WARNING = re.compile(r"^.+?:\d+: \w*Warning: (.+)$", re.M)


def page(notebook: NotebookNode, name: str) -> str:
    """Write the page of an executed notebook; its warnings become notes at the end.

    Parameters
    ----------
    notebook : NotebookNode
        It is changed.
    name : str
        Title where no head gives one.

    Returns
    -------
    str
    """
    notes = _extract_warnings(notebook)
    facts = _take_head(notebook)
    title = facts.get("title") or name.replace("_", " ").capitalize()
    return _page.page(title, _body(notebook) + _notes_html(notes))


def _extract_warnings(notebook: NotebookNode) -> list[str]:
    """Remove warnings from the cells and return their messages without source paths."""
    notes: dict[str, None] = {}
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        texts = [out.text for out in cell.outputs if out.get("name") == "stderr"]
        cell.outputs = [out for out in cell.outputs if out.get("name") != "stderr"]
        for text in texts:
            notes.update(dict.fromkeys(_WARNING.findall(text) or [text.strip()]))
    return list(notes)


def _take_head(notebook: NotebookNode) -> dict[str, Any]:
    """Begin the page with the head, and end it there if there are no builds."""
    for n, cell in enumerate(notebook.cells):
        for output in cell.get("outputs", ()):
            facts: dict[str, Any] = output.get("data", {}).get(HEAD_TYPE, {})
            if facts:
                notebook.cells = notebook.cells[n : None if facts["builds"] else n + 1]
                return facts
    return {}


def _body(notebook: NotebookNode) -> str:
    """Write the cells; in print a heading stays with the chart or table that follows it."""
    from nbconvert.filters import markdown2html

    parts: list[str] = []
    heading = ""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            heading += markdown2html(cell.source)
        elif cell.cell_type == "code":
            for part in filter(None, map(_part, cell.outputs)):
                parts.append(_page.together(heading + part) if heading else part)
                heading = ""
    return "\n".join([*parts, heading])


def _part(output: NotebookNode) -> str:
    """Write one output; a chart with nothing to draw is its sentence."""
    data, metadata = output.get("data", {}), output.get("metadata", {})
    if HEAD_TYPE in data:
        return str(data[HEAD_TYPE]["html"])
    if "text/html" in data:
        return _page.scroll(data["text/html"])
    if "image/png" in data:
        alt = metadata.get("alt", "A chart without a description.")
        if metadata.get("mkframe", {}).get("message"):
            return _page.nothing(alt)
        size = metadata.get("image/png", {})
        png = "".join(data["image/png"].split())
        return _page.figure(png, alt, size.get("width"), size.get("height"))
    text = output.get("text") or data.get("text/plain")
    return f"<pre>{_page.escape(text)}</pre>" if text else ""


def _notes_html(notes: list[str]) -> str:
    items = "".join(f"<li>{_page.escape(note)}</li>" for note in notes)
    return f"<h2>Notes</h2><ul>{items}</ul>" if notes else ""
