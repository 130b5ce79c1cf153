"""Render a comparison: as HTML in a notebook, as text elsewhere."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, replace

import pandas as pd

from mkframe._text import escape_invisible
from mkframe.errors import InputError

__all__ = ["DiffView", "show"]

_REQUIRED_COLUMNS = ("name", "change", "kind", "diff", "note")
_SIGNS = {"changed": "±", "only in old": "−", "only in new": "+", "unchanged": "="}
_GREEN, _RED, _GREY = "#dafbe1", "#ffebe9", "#eaeef2"
_SHADES = {"+": _GREEN, "-": _RED, "@": _GREY}
_MAX_CHARS = 2 << 20
"""Characters of names and diffs that are shown at most; a browser takes long for more."""
_ADVICE = re.compile(r";[^;]*\.$")
_PRE = "overflow-x:auto;line-height:1.35;margin:0.3em 0;color:#1f2328;background:#fff"


class DiffView:
    """Display a comparison as HTML in a notebook and as text elsewhere; `show` returns it."""

    def __init__(self, frame: pd.DataFrame, limit: int | None = 100, lines: int | None = 500) -> None:
        self._frame = frame
        self._limit = limit
        self._lines = lines

    def __repr__(self) -> str:
        parts = [_headline(self._frame)]
        rows, rest = self._rows()
        for row in rows:
            parts.append(f"{row.sign} {row.name} {row.summary}")
            parts.extend(text for text in (row.diff, row.more, row.note) if text)
        return "\n".join([*parts, *rest])

    def _repr_html_(self) -> str:
        return self.to_html(advice=True)

    def to_html(self, *, advice: bool = False) -> str:
        """Render it, with or without the advice how code shows the rest."""
        rows, rest = self._rows()
        if not advice:
            rows = [replace(row, more=_ADVICE.sub(".", row.more)) for row in rows]
            rest = [_ADVICE.sub(".", line) for line in rest]
        parts = [f"<p><b>{html.escape(_headline(self._frame))}</b></p>"]
        parts.extend(_block(row) for row in rows)
        parts.extend(f"<p>{html.escape(line)}</p>" for line in rest)
        return f"<div>{''.join(parts)}</div>"

    def _rows(self) -> tuple[list[_Row], list[str]]:
        """Return the rows to display, and sentences about the rest."""
        most = len(self._frame) if self._limit is None else self._limit
        rows: list[_Row] = []
        remaining = _MAX_CHARS
        for values in self._frame[list(_REQUIRED_COLUMNS)].head(most).itertuples(index=False):
            name, change, kind, diff, note = ("" if pd.isna(value) else str(value) for value in values)
            remaining -= len(name)
            if remaining <= 0:
                left = len(self._frame) - len(rows)
                verb = "is" if left == 1 else "are"
                return rows, [f"{left:,} more {verb} too long to be shown at once; show rows of the frame."]
            visible, more = self._shorten(diff, remaining)
            remaining -= len(visible)
            summary = f"({kind}, {change}{_counts(diff)})"
            sign = _SIGNS.get(change, "?")
            rows.append(
                _Row(
                    sign,
                    escape_invisible(name),
                    escape_invisible(summary),
                    escape_invisible(visible),
                    more,
                    escape_invisible(note),
                )
            )
        left = len(self._frame) - len(rows)
        verb = "is" if left == 1 else "are"
        return rows, [f"{left:,} more {verb} not shown; show(frame, limit=None) shows all."] if left else []

    def _shorten(self, diff: str, remaining: int) -> tuple[str, str]:
        """Return the part of a diff to display, and a sentence about the rest."""
        every = diff.split("\n")
        left = 0 if self._lines is None else len(every) - self._lines
        visible = "\n".join(every[: self._lines]) if left > 0 else diff
        if len(visible) > remaining:
            return visible[
                :remaining
            ], f"{len(diff) - remaining:,} more characters; the column diff has them all."
        return visible, f"{left:,} more lines; show(frame, lines=None) shows all." if left > 0 else ""


@dataclass(frozen=True, slots=True)
class _Row:
    """One member to display, with invisible characters escaped."""

    sign: str
    name: str
    summary: str
    diff: str
    more: str
    note: str


def show(frame: pd.DataFrame, limit: int | None = 100, lines: int | None = 500) -> DiffView:
    r"""Render a comparison, with its unified diffs.

    Everything from the archives is escaped, and invisible characters are escaped. Added and removed
    lines differ in sign as well as in color.

    Parameters
    ----------
    frame : DataFrame
        From `diff`, or rows of it.
    limit : int or None, default 100
        Most members to display; the rest is counted.
    lines : int or None, default 500
        Most lines of each diff to display; the rest is counted. At most 2 Mi characters of names and diffs
        are displayed at once; a sentence counts the rest.

    Returns
    -------
    DiffView
        Displays itself.

    Raises
    ------
    InputError
        If the frame lacks a column.

    Examples
    --------
    >>> patch = "--- old/a.sql\n+++ new/a.sql\n@@ -1 +1 @@\n-SELECT 1\n+SELECT 2"
    >>> row = {"name": "a.sql", "change": "changed", "kind": "sql", "diff": patch, "note": None}
    >>> print(show(pd.DataFrame([row])))
    1 changed.
    ± a.sql (sql, changed, +1 −1)
    --- old/a.sql
    +++ new/a.sql
    @@ -1 +1 @@
    -SELECT 1
    +SELECT 2
    """
    missing = [column for column in _REQUIRED_COLUMNS if column not in frame.columns]
    if missing:
        raise InputError(f"The frame has no column {missing[0]!r}.", hint="Give a frame that diff returned.")
    return DiffView(frame, limit, lines)


def _headline(frame: pd.DataFrame) -> str:
    counts = frame["change"].value_counts()
    parts = [f"{counts[change]:,} {change}" for change in _SIGNS if change in counts]
    return f"{', '.join(parts)}." if parts else "No differences."


def _counts(diff: str) -> str:
    if not diff:
        return ""
    lines = diff.split("\n")[2:]
    return f", +{sum(x.startswith('+') for x in lines)} −{sum(x.startswith('-') for x in lines)}"


def _block(row: _Row) -> str:
    """Render one member; its diff can be collapsed."""
    title = f"{row.sign} <code>{html.escape(row.name)}</code> {html.escape(row.summary)}"
    if row.note:
        return f"<div>{title} {html.escape(row.note)}</div>"
    if not row.diff:
        return f"<div>{title} {html.escape(row.more)}</div>" if row.more else f"<div>{title}</div>"
    lines = row.diff.split("\n")
    shaded = "\n".join(_shade(line, "@" if place < 2 else line[:1]) for place, line in enumerate(lines))
    pre = f'<pre style="{_PRE}">{shaded}</pre>'
    return f"<details open><summary>{title}</summary>{pre}{html.escape(row.more)}</details>"


def _shade(line: str, sign: str) -> str:
    text = html.escape(line)
    return f'<span style="background:{_SHADES[sign]}">{text}</span>' if sign in _SHADES else text
