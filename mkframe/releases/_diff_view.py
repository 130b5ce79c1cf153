"""The view of a difference: patterns and folders fold to instances, instances to rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from mkframe.metrics._formatting import count_text
from mkframe.releases import _html

__all__ = ["diff_body", "diff_facts", "side_text"]

_MAX_LINES = 20_000
"""Most lines of rows on a page; a browser takes long for more."""
_KEY, _KEYS = "key of role and name occurs", "keys of role and name occur"
_LINE = ["role", "name", "kind", "property", "old", "new"]


def side_text(side: Mapping[str, Any]) -> str:
    """Say of one release whether it is frozen, and when it was read.

    Examples
    --------
    >>> side_text({"release": "R6", "closed": True, "read_at": "2026-04-02 08:15:00 UTC"})
    'R6 is closed, so its rows are frozen; read 2026-04-02 08:15:00 UTC.'
    """
    closed = side.get("closed")
    if closed is None:
        state = "is open or closed; the rows do not tell"
    elif closed:
        state = "is closed, so its rows are frozen"
    else:
        state = "is open, so its rows are a working state that changes with every edit, committed or not"
    read = f"; read {side['read_at']}" if "read_at" in side else ""
    return f"{side['release']} {state}{read}."


def diff_facts(diff: Any) -> list[str]:
    """Return the sentences about a difference."""
    attrs = diff.attrs
    old, new = attrs["old"]["release"], attrs["new"]["release"]
    summary = diff.summary
    counts = {kind: int(summary[kind].sum()) for kind in ("added", "removed", "changed", "moved")}
    changed = attrs["compared"] - attrs["unchanged"]
    rows = ", ".join(f"{number:,} {kind}" for kind, number in counts.items() if number) or "none"
    facts = [
        f"From {old} to {new}: {count_text(attrs['compared'], 'instance')} in both releases, "
        f"{changed:,} of them with differences. Rows: {rows}."
        if attrs["compared"]
        else f"From {old} to {new}: no instance is in both releases."
    ]
    states = diff.instances["state"].value_counts()
    facts += [
        f"{count_text(int(number), 'instance')} {_state_text(str(state), old, new)}."
        for state, number in states.items()
    ]
    if len(diff.renames):
        facts.append(
            f"{count_text(len(diff.renames), 'pair')} of a removed and an added row may be a rename; "
            "they count as removed and added."
        )
    if len(diff.duplicates):
        facts.append(
            f"{count_text(len(diff.duplicates), _KEY, _KEYS)} more than once in an instance; the rows are "
            "compared in order."
        )
    return [*facts, side_text(attrs["old"]), side_text(attrs["new"])]


def _state_text(state: str, old: str, new: str) -> str:
    return " ".join({"old": old, "new": new, "old,": f"{old},"}.get(word, word) for word in state.split())


def diff_body(diff: Any, limit: int | None) -> str:
    """Return the HTML of a difference."""
    first, *others = diff.messages
    parts = [f"<p><b>{_html.text(first)}</b></p>", _html.items(others)]
    shown = diff.summary[diff.summary["state"] == "in both"]
    shown = shown[(shown[["added", "removed", "changed", "moved"]] > 0).any(axis=1)]
    left = 0 if limit is None else max(0, len(shown) - limit)
    parts += _instances(diff, shown if limit is None else shown.head(limit), left)
    for title, table in (
        ("Instances that are not in both releases", diff.instances),
        ("Rows that may have been renamed", diff.renames),
        ("Keys that occur more than once", diff.duplicates),
    ):
        if len(table):
            more = _html.left_out(len(table) - (limit or len(table)), "row")
            body = _html.table(table.head(limit or len(table)))
            parts.append(_html.fold(f"{_html.text(title)} ({len(table):,})", body + more))
    return "".join(parts)


def _instances(diff: Any, shown: pd.DataFrame, left: int) -> list[str]:
    key = ["pattern", "folder", "instance"]
    rows = dict(list(pd.DataFrame(diff).groupby(key, dropna=False, sort=False)))
    moved = dict(list(diff.order.groupby(key, dropna=False, sort=False)))
    parts: list[str] = []
    budget, without_rows = _MAX_LINES, 0
    for (pattern, folder), members in shown.groupby(["pattern", "folder"], dropna=False, sort=False):
        inside = []
        for member in members.itertuples(index=False):
            name = (member.pattern, member.folder, member.instance)
            lines = rows.get(name)
            size = 0 if lines is None else len(lines)
            body = ""
            if size > budget:
                without_rows += 1
                body = _html.paragraph(f"Its {size:,} lines are not shown.", "soft")
            elif lines is not None:
                budget -= size
                body = _html.table(lines[_LINE], style="kind")
            if name in moved:
                body += _moved(moved[name])
            inside.append(_html.fold(f"{_html.text(member.instance)} {_counts(member)}", body))
        title = f"<b>{_html.text(pattern)}</b> {_html.text(folder)} {_counts_of(members)}"
        parts.append(_html.fold(title, "".join(inside), is_open=len(parts) == 0))
    parts.append(_html.left_out(left, "instance", "show(limit=None) or export() has all of them"))
    if without_rows:
        these = count_text(without_rows, "instance", "instances")
        parts.append(
            _html.paragraph(f"The rows of {these} are not shown; the workbook of export() has them.", "soft")
        )
    return parts


def _moved(rows: pd.DataFrame) -> str:
    table = rows[["role", "name", "old_pos", "new_pos"]]
    return _html.paragraph("Moved among the rows of both releases:", "soft") + _html.table(table)


def _counts(member: Any) -> str:
    names = ("added", "removed", "changed", "moved")
    counts = [f"{getattr(member, name):,} {name}" for name in names if getattr(member, name)]
    return f'<span class="soft">{", ".join(counts)}</span>'


def _counts_of(members: pd.DataFrame) -> str:
    names = ("added", "removed", "changed", "moved")
    counts = [f"{int(members[name].sum()):,} {name}" for name in names if members[name].sum()]
    return f'<span class="soft">{count_text(len(members), "instance")}: {", ".join(counts)}</span>'
