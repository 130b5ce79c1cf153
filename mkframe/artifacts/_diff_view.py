"""A comparison to look at: in a notebook as HTML, elsewhere as text."""

from __future__ import annotations

import html
from collections.abc import Iterator

import pandas as pd

from mkframe._text import escape_invisible
from mkframe.errors import InputError

__all__ = ["DiffView", "show"]

_NEEDED = ("name", "change", "kind", "diff", "note")
_SIGNS = {"added": "+", "removed": "−", "changed": "±", "unchanged": "="}
_GREEN, _RED, _GREY = "#dafbe1", "#ffebe9", "#eaeef2"
_SHADES = {"+": _GREEN, "-": _RED, "@": _GREY}
_PRE = "overflow-x:auto;line-height:1.35;margin:0.3em 0;color:#1f2328;background:#fff"


class DiffView:
    """What `show` returns: HTML where a notebook asks for it, text elsewhere."""

    def __init__(self, frame: pd.DataFrame, limit: int | None, lines: int | None) -> None:
        self._frame = frame
        self._limit = limit
        self._lines = lines

    def __repr__(self) -> str:
        parts = [_headline(self._frame)]
        for name, change, kind, diff, note in self._rows():
            parts.append(f"{_SIGNS.get(change, '?')} {name} ({kind}, {change}{_counts(diff)})")
            parts.extend(text for text in (*self._shortened(diff), note) if text)
        return "\n".join([*parts, *self._rest()])

    def _repr_html_(self) -> str:
        parts = [f"<p><b>{html.escape(_headline(self._frame))}</b></p>"]
        parts.extend(_block(*row, *self._shortened(row[3])) for row in self._rows())
        parts.extend(f"<p>{html.escape(line)}</p>" for line in self._rest())
        return f"<div>{''.join(parts)}</div>"

    def _rows(self) -> Iterator[tuple[str, str, str, str, str]]:
        shown = self._frame[list(_NEEDED)].head(len(self._frame) if self._limit is None else self._limit)
        for row in shown.itertuples(index=False):
            name, change, kind, diff, note = (
                "" if pd.isna(value) else escape_invisible(str(value)) for value in row
            )
            yield name, change, kind, diff, note

    def _shortened(self, diff: str) -> tuple[str, str]:
        """The part of a diff that is shown, and how much is not."""
        every = diff.split("\n")
        left = 0 if self._lines is None else len(every) - self._lines
        if left <= 0:
            return diff, ""
        return "\n".join(every[: self._lines]), f"{left:,} more lines; show(frame, lines=None) shows all."

    def _rest(self) -> list[str]:
        left = 0 if self._limit is None else len(self._frame) - self._limit
        return [f"{left:,} more are not shown; show(frame, limit=None) shows all."] if left > 0 else []


def show(frame: pd.DataFrame, limit: int | None = 100, lines: int | None = 500) -> DiffView:
    r"""Render a comparison, with its unified diffs.

    Everything from the archives is escaped, and invisible characters are spelled out. Added and removed
    lines differ in sign as well as in colour.

    Parameters
    ----------
    frame : DataFrame
        From `diff`, or rows of it.
    limit : int or None, default 100
        How many members are shown; what is left is counted.
    lines : int or None, default 500
        How many lines of each diff are shown; what is left is counted.

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
    lacking = [column for column in _NEEDED if column not in frame.columns]
    if lacking:
        raise InputError(f"The frame has no column {lacking[0]!r}.", hint="Give a frame that diff returned.")
    return DiffView(frame, limit, lines)


def _headline(frame: pd.DataFrame) -> str:
    counts = frame["change"].value_counts()
    said = [f"{counts[change]:,} {change}" for change in _SIGNS if change in counts]
    return f"{', '.join(said)}." if said else "No differences."


def _counts(diff: str) -> str:
    if not diff:
        return ""
    lines = diff.split("\n")[2:]
    return f", +{sum(x.startswith('+') for x in lines)} −{sum(x.startswith('-') for x in lines)}"


def _block(name: str, change: str, kind: str, diff: str, note: str, shown: str, more: str) -> str:
    """One member; its diff can be folded away."""
    title = (
        f"{_SIGNS.get(change, '?')} <code>{html.escape(name)}</code> "
        f"{html.escape(f'({kind}, {change}{_counts(diff)})')}"
    )
    if note:
        return f"<div>{title} {html.escape(note)}</div>"
    if not diff:
        return f"<div>{title}</div>"
    shaded = [_shaded(line, "@" if place < 2 else line[:1]) for place, line in enumerate(shown.split("\n"))]
    newline = "\n"
    pre = f'<pre style="{_PRE}">{newline.join(shaded)}</pre>'
    return f"<details open><summary>{title}</summary>{pre}{html.escape(more)}</details>"


def _shaded(line: str, sign: str) -> str:
    text = html.escape(line)
    return f'<span style="background:{_SHADES[sign]}">{text}</span>' if sign in _SHADES else text
