"""The Monday page as plain text, for mail and chat."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from mkframe import _page
from mkframe._text import single_line
from mkframe.report._monday_parts import Table

if TYPE_CHECKING:
    from mkframe.report._monday import MondayPage

__all__ = ["text"]


def text(page: MondayPage) -> str:
    """Write the sentences, then the details; a line for each, which the reader's program wraps."""
    return "\n".join(_lines(page)) + "\n"


def _lines(page: MondayPage) -> Iterator[str]:
    yield from (page.title, "=" * len(page.title))
    if page.notice:
        yield page.notice
    yield from (f"{name}: {single_line(fact)}" for name, fact in page.facts)
    yield from ("", page.verdict)
    if page.tiles:
        yield ""
        yield from (f"{value} {name}: {note}" for value, name, note in page.tiles)
    if page.findings:
        yield ""
        yield from (
            f"* {finding.topic} [{_page.STATE_WORDS[finding.state].lower()}]: {finding.says}"
            for finding in page.findings
        )
    for table in page.tables:
        yield from _table(table)
    if page.notes:
        yield from ("", *page.notes)


def _table(table: Table) -> Iterator[str]:
    title = f"{table.title} ({len(table.frame):,})"
    yield from ("", title, "-" * len(title))
    if table.note:
        yield table.note
    for first, *cells in table.rows:
        named = (f"{name} {cell}" for name, cell in zip(table.head[1:], cells, strict=True) if cell)
        yield f"- {first}: {'; '.join(named)}"
    if table.more:
        yield table.more
