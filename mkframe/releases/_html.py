"""HTML of results: everything from a server is escaped, and nothing outside is referred to."""

from __future__ import annotations

import datetime as dt
import html
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from mkframe._text import escape_invisible
from mkframe.metrics._formatting import count_text

__all__ = ["box", "fold", "items", "left_out", "page", "paragraph", "table", "text", "value_text"]

_LONG_WORD = 40
"""Characters of a word that may break anywhere; others stay whole where a table is wide."""
_STYLE = """
.mkr{font:14px/1.45 system-ui,"Segoe UI",Helvetica,Arial,sans-serif;color:var(--ink,#1f2328)}
.mkr{background:var(--ground,#fff)}
.mkr h1{font-size:1.6em;margin:.2em 0}.mkr h2{font-size:1.15em;margin:1.4em 0 .3em}
.mkr p{margin:.35em 0;max-width:60em}.mkr ul{margin:.3em 0;padding-left:1.3em;max-width:60em}
.mkr table{border-collapse:collapse;margin:.4em 0 .8em;font-size:.93em}
.mkr th,.mkr td{text-align:left;vertical-align:top;padding:.2em .8em .2em 0}.mkr .long{overflow-wrap:anywhere}
.mkr th,.mkr td{border-bottom:1px solid var(--line,#d8dee4)}
.mkr td.n,.mkr th.n{text-align:right;white-space:nowrap}
.mkr summary{cursor:pointer;padding:.15em 0}.mkr details details{margin-left:1.2em}
.mkr .soft{color:var(--soft,#57606a)}.mkr td:first-child{white-space:nowrap}
.mkr .ok{color:#1a7f37}.mkr .blocks{color:#c62828}.mkr .warns{color:#8a5a00}
.mkr .unknown{color:var(--soft,#57606a)}
.mkr .ok,.mkr .blocks,.mkr .warns,.mkr .unknown{font-weight:600}
.mkr td.ok,.mkr td.blocks,.mkr td.warns,.mkr td.unknown{white-space:nowrap}
.mkr .added{background:#dafbe1}.mkr .removed{background:#ffebe9}.mkr .changed{background:#fff8c5}
.mkr .box{border-left:5px solid;padding:.4em .8em;margin:.6em 0;background:var(--raised,#f6f8fa)}
@media (max-width:40rem){.mkr table{display:block;overflow-x:auto}.mkr td{min-width:5em}
.mkr td:first-child{white-space:normal}.mkr .checks thead{display:none}
.mkr .checks tr{display:block;padding:.4em 0;border-bottom:1px solid var(--line,#d8dee4)}
.mkr .checks td{display:inline-block;border:0;min-width:0;padding:0 .6em 0 0}
.mkr .checks td:first-child{font-weight:600}.mkr .checks td:nth-child(n+4){display:block}}
@media screen and (prefers-color-scheme:dark){
.mk-page .mkr .ok{color:#7fd095}.mk-page .mkr .warns{color:#e0c060}
.mk-page .mkr .blocks{color:#ff9a85}.mk-page .mkr .added{background:#123a20}
.mk-page .mkr .removed{background:#4d1f1c}.mk-page .mkr .changed{background:#403610}}
@media print{.mkr table,.mkr .box{break-inside:avoid}.mkr thead{display:table-header-group}}
"""


def text(value: Any) -> str:
    """Escape a text for HTML, show its invisible characters, and isolate its writing direction.

    Examples
    --------
    >>> text("<b>")
    '<bdi>&lt;b&gt;</bdi>'
    """
    return f"<bdi>{html.escape(escape_invisible(str(value)))}</bdi>"


def value_text(value: Any) -> str:
    """Write a cell as text; a dash if it is missing.

    Examples
    --------
    >>> value_text(None), value_text(38.0), value_text("int")
    ('–', '38', 'int')
    """
    if value is None or value is pd.NA or (isinstance(value, float) and pd.isna(value)):
        return "–"
    if isinstance(value, pd.Timestamp):
        return "–" if pd.isna(value) else value.isoformat(sep=" ", timespec="seconds")
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def paragraph(sentence: str, style: str = "") -> str:
    """Make a paragraph of an escaped sentence."""
    return f'<p class="{style}">{text(sentence)}</p>' if style else f"<p>{text(sentence)}</p>"


def items(messages: Iterable[str]) -> str:
    """Make a list of escaped sentences; an empty text if there are none."""
    lines = "".join(f"<li>{text(sentence)}</li>" for sentence in messages)
    return f"<ul>{lines}</ul>" if lines else ""


def left_out(number: int, noun: str, where: str = "export() has all of them") -> str:
    """Say how many more there are than are shown; an empty text if none is left out.

    Examples
    --------
    >>> left_out(1, "row")
    '<p class="soft"><bdi>1 more row is not shown; export() has all of them.</bdi></p>'
    """
    if number <= 0:
        return ""
    verb = "is" if number == 1 else "are"
    return paragraph(f"{count_text(number, f'more {noun}')} {verb} not shown; {where}.", "soft")


def box(sentence: str, style: str) -> str:
    """Make a box with a colored border."""
    return f'<div class="box {style}" role="status">{text(sentence)}</div>'


def fold(title: str, body: str, *, is_open: bool = False) -> str:
    """Make a section that folds; the title is HTML."""
    return f"<details{' open' if is_open else ''}><summary>{title}</summary>{body}</details>"


def table(frame: pd.DataFrame, headers: Mapping[str, str] | None = None, style: str = "") -> str:
    """Make a table of a frame, without its index; the column `style` gives the class of its own cells."""
    titles = {name: (headers or {}).get(str(name), str(name).replace("_", " ")) for name in frame.columns}
    numbers = {name for name in frame.columns if pd.api.types.is_numeric_dtype(frame[name])}
    head = "".join(_cell("th", title, "n" if name in numbers else "") for name, title in titles.items())
    rows: list[Sequence[Any]] = list(frame.itertuples(index=False, name=None))
    lines = []
    for row in rows:
        cells = []
        for name, value in zip(frame.columns, row, strict=True):
            shown = value_text(value)
            other = shown if name == style else "long" if _has_long_word(shown) else ""
            cells.append(_cell("td", shown, "n" if name in numbers else other))
        lines.append(f"<tr>{''.join(cells)}</tr>")
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table>"


def _has_long_word(shown: str) -> bool:
    return len(shown) > _LONG_WORD and max(map(len, shown.split()), default=0) > _LONG_WORD


def _cell(tag: str, shown: str, style: str) -> str:
    name = f' class="{html.escape(style, quote=True)}"' if style else ""
    return f"<{tag}{name}>{text(shown)}</{tag}>"


def fragment(body: str) -> str:
    """Make a part of a page, with its styles."""
    return f'<style>{_STYLE}</style><div class="mkr">{body}</div>'


def page(title: str, body: str) -> str:
    """Make a page that refers to nothing outside and runs no script."""
    written = dt.datetime.now(dt.UTC).strftime("%d %B %Y, %H:%M UTC")
    return (
        "<!DOCTYPE html>\n"
        f'<html lang="en"><head><meta charset="utf-8"><title>{html.escape(escape_invisible(title))}</title>\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<style>:root{{color-scheme:light}}body{{margin:1.5rem auto;max-width:72rem;padding:0 1rem;"
        f"background:#fff}}{_STYLE}</style></head>\n"
        f'<body><main class="mkr"><h1>{text(title)}</h1>\n{body}\n'
        f'<p class="soft">Written by mkframe on {written}.</p></main></body></html>\n'
    )
