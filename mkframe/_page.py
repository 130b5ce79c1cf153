"""The look of pages that mkframe writes for people: one file, no script, nothing loaded from elsewhere.

Every function takes plain text and escapes it. The pages read on a phone, in print and in dark themes.
"""

from __future__ import annotations

import datetime as dt
import html
import sys
from collections.abc import Collection, Iterable, Sequence

from mkframe._text import escape_invisible

__all__ = [
    "PARTS_STYLE",
    "STATE_WORDS",
    "escape",
    "figure",
    "findings",
    "heading",
    "nothing",
    "page",
    "scroll",
    "table",
    "tiles",
    "together",
    "verdict",
]

STATE_WORDS = {
    "wrong": "Wrong",
    "unknown": "Cannot tell",
    "better": "Better",
    "unchanged": "No change shown",
    "fine": "Fine",
    "new": "New",
    "counted": "Counted",
}
"""The word for each state of a finding; colors alone would not reach everybody."""


def escape(text: object) -> str:
    """Escape text for HTML; invisible characters become visible.

    Examples
    --------
    >>> escape("<b>" + chr(0x202E))
    '&lt;b&gt;‹U+202E›'
    """
    return html.escape(escape_invisible(str(text)))


def page(title: str, body: str) -> str:
    """Write a whole page around parts that are HTML already.

    Parameters
    ----------
    title : str
        Plain text: what the page is about, and of which days.
    body : str
        HTML.

    Returns
    -------
    str
        The same for the same input but for the time in the footer.
    """
    written = dt.datetime.now(dt.UTC)
    stamp = f"{written.day} {written:%B %Y, %H:%M} UTC"
    return (
        "<!DOCTYPE html>\n"
        f'<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<style>{_PAGE_STYLE}{PARTS_STYLE}</style></head>\n"
        f'<body><main class="mk-page">\n{body}\n'
        f"<footer>Written by mkframe on {stamp}, with Python {sys.version_info[0]}.{sys.version_info[1]}."
        "</footer></main></body></html>\n"
    )


def heading(title: str, facts: Iterable[tuple[str, str]], notice: str = "") -> str:
    """Write the title, below it whose data it is and of which days, and a notice that nobody must miss.

    Examples
    --------
    >>> heading("Builds", [("Days", "1 to 7 May 2026")])[24:]
    '<h1>Builds</h1><dl><div><dt>Days</dt><dd>1 to 7 May 2026</dd></div></dl></header>'
    """
    listed = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(fact)}</dd></div>" for name, fact in facts)
    notice_part = f'<p class="mk-notice">{escape(notice)}</p>' if notice else ""
    return f'<header class="mk-head"><h1>{escape(title)}</h1>{notice_part}<dl>{listed}</dl></header>'


def verdict(sentence: str, findings: Iterable[tuple[str, str]] = ()) -> str:
    """Write the one sentence to remember, and below it each finding with its state.

    Parameters
    ----------
    sentence : str
        The verdict.
    findings : iterable of (str, str)
        State, one of `STATE_WORDS`, and sentence.

    Returns
    -------
    str
    """
    items = "".join(
        f'<li><span class="mk-state mk-{state}">{STATE_WORDS[state]}</span> <span>{escape(says)}</span></li>'
        for state, says in findings
    )
    listed = f"<ul>{items}</ul>" if items else ""
    return f'<section class="mk-verdict"><p>{escape(sentence)}</p>{listed}</section>'


def findings(rows: Iterable[tuple[str, str, str]]) -> str:
    """Write findings by topic.

    Parameters
    ----------
    rows : iterable of (str, str, str)
        Topic, state, one of `STATE_WORDS`, and sentences.

    Returns
    -------
    str
    """
    items = "".join(
        f'<div><dt>{escape(topic)} <span class="mk-state mk-{state}">{STATE_WORDS[state]}</span></dt>'
        f"<dd>{escape(says)}</dd></div>"
        for topic, state, says in rows
    )
    return f'<dl class="mk-findings">{items}</dl>'


def tiles(numbers: Iterable[tuple[str, str, str]]) -> str:
    """Write numbers large, each with its name and a note.

    Parameters
    ----------
    numbers : iterable of (str, str, str)
        Value with its unit, name, note.

    Returns
    -------
    str
    """
    return "".join(
        (
            '<div class="mk-tiles">',
            *(
                f"<div><b>{escape(value)}</b><span>{escape(name)}</span><small>{escape(note)}</small></div>"
                for value, name, note in numbers
            ),
            "</div>",
        )
    )


def table(
    head: Sequence[str], rows: Iterable[Sequence[str]], *, caption: str = "", texts: Collection[str] = ()
) -> str:
    """Write a table; the first column names the rows, and columns of `texts` are no numbers.

    Examples
    --------
    >>> table(["pattern", "builds"], [["CORE", "12"]])[85:-6]
    '<tbody><tr><th scope="row">CORE</th><td>12</td></tr></tbody></table>'
    """
    top = "".join(f"<th{_mark(name in texts)}>{escape(name)}</th>" for name in head)
    body = "".join(
        f'<tr><th scope="row">{escape(first)}</th>'
        + "".join(_cell(name, cell, texts) for name, cell in zip(head[1:], rest, strict=True))
        + "</tr>"
        for first, *rest in rows
    )
    notice_part = f"<caption>{escape(caption)}</caption>" if caption else ""
    header = f"<thead><tr>{top}</tr></thead>" if any(head) else ""
    kind = ' class="mk-rows"' if texts else ""
    return scroll(f"<table{kind}>{notice_part}{header}<tbody>{body}</tbody></table>")


def _mark(is_text: bool) -> str:
    return ' class="mk-text"' if is_text else ""


def _cell(name: str, cell: str, texts: Collection[str]) -> str:
    # on a phone each row is a block, in which its cells name their columns
    label = f' data-name="{escape(name)}"' if texts else ""
    return f"<td{_mark(name in texts)}{label}>{escape(cell)}</td>"


def figure(png: str, alt: str, width: int | None = None, height: int | None = None) -> str:
    """Write a chart with its text; where the page is narrow, it is scrolled and not shrunk.

    Parameters
    ----------
    png : str
        The picture in base64.
    alt : str
        What it shows.
    width, height : int, optional
        Size in pixels of the page.

    Returns
    -------
    str
    """
    size = f' width="{width}" height="{height}"' if width and height else ""
    picture = f'<img src="data:image/png;base64,{png}" alt="{escape(alt)}"{size}>'
    # a part that scrolls must be reached by the keyboard
    return f'<div class="mk-chart" tabindex="0" role="group" aria-label="Chart">{picture}</div>'


def scroll(part: str) -> str:
    """Let a part that is HTML already be scrolled where it is wider than the page."""
    return f'<div class="mk-scroll">{part}</div>'


def together(part: str) -> str:
    """Keep a part that is HTML already on one sheet of paper, such as a heading and its chart."""
    return f'<div class="mk-together">{part}</div>'


def nothing(sentence: str) -> str:
    """Write the sentence that stands where there is nothing to draw."""
    return f'<p class="mk-nothing">{escape(sentence)}</p>'


PARTS_STYLE = """
.mk-page { --ink: #1c2733; --soft: #566370; --line: #d5dbe1; --ground: #fff; --raised: #f4f6f8; }
.mk-page { --accent: #00507e; --wrong: #a32a00; --better: #00634c; --fine: #1f6637; --unknown: #6b5300; }
.mk-page { color: var(--ink); font: 16px/1.5 system-ui, "Segoe UI", Helvetica, Arial, sans-serif; }
.mk-head h1 { font-size: 2rem; line-height: 1.2; letter-spacing: -.01em; margin: 0 0 .5rem; }
.mk-head dl { display: flex; flex-wrap: wrap; gap: .25rem 2rem; margin: 0; color: var(--soft); }
.mk-head dl { font-size: .9rem; } .mk-head dl div { display: flex; gap: .45rem; }
.mk-head dt::after { content: ":"; } .mk-head dd { margin: 0; color: var(--ink); overflow-wrap: anywhere; }
.mk-notice { display: inline-block; margin: 0 0 .6rem; padding: .1rem .6rem; }
.mk-notice { border: 1px solid var(--unknown); }
.mk-notice { border-radius: 3px; color: var(--unknown); font-weight: 600; font-size: .9rem; }
.mk-verdict { margin: 1.3rem 0; padding: .9rem 1.1rem; background: var(--raised); }
.mk-verdict { border-left: 5px solid var(--accent); border-radius: 0 4px 4px 0; }
.mk-verdict > p { font-size: 1.2rem; line-height: 1.4; font-weight: 600; margin: 0; max-width: none; }
.mk-verdict ul { list-style: none; margin: .8rem 0 0; padding: 0; max-width: none; }
.mk-verdict li { display: grid; grid-template-columns: 9.2rem 1fr; gap: .8rem; margin: .4rem 0; }
.mk-verdict li { font-size: .95rem; overflow-wrap: anywhere; }
.mk-state { align-self: start; border: 1px solid currentColor; border-radius: 3px; padding: 0 .45rem; }
.mk-state { font-size: .8rem; font-weight: 600; line-height: 1.55; text-align: center; color: var(--soft); }
.mk-state { overflow-wrap: normal; margin-top: .1rem; } .mk-state.mk-wrong { color: #fff; }
.mk-state.mk-wrong { background: var(--wrong); border-color: var(--wrong); }
.mk-state.mk-better { color: var(--better); } .mk-state.mk-fine { color: var(--fine); }
.mk-state.mk-unknown { color: var(--unknown); }
.mk-findings { margin: 1.4rem 0; border-top: 1px solid var(--line); }
.mk-findings div { display: grid; grid-template-columns: 10rem 1fr; gap: .2rem 1.2rem; padding: .6rem 0; }
.mk-findings div { border-bottom: 1px solid var(--line); }
.mk-findings dt { font-weight: 650; } .mk-findings .mk-state { display: table; margin-top: .2rem; }
.mk-findings dd { margin: 0; max-width: 44rem; overflow-wrap: anywhere; }
.mk-state.mk-new { color: var(--accent); }
.mk-tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: .8rem; }
.mk-tiles { margin: 1.2rem 0; } .mk-tiles div { border-top: 2px solid var(--accent); padding: .45rem 0 0; }
.mk-tiles b { display: block; font-size: 1.55rem; line-height: 1.2; font-weight: 650; }
.mk-tiles b { font-variant-numeric: tabular-nums; } .mk-tiles span { display: block; font-weight: 600; }
.mk-tiles small { display: block; color: var(--soft); font-size: .82rem; line-height: 1.4; }
.mk-page table { border: 0; border-collapse: collapse; font-size: .9rem; margin: .6rem 0; }
.mk-page table { font-variant-numeric: tabular-nums; }
.mk-page th, .mk-page td { border: 0; border-bottom: 1px solid var(--line); padding: .3rem .7rem; }
.mk-page th, .mk-page td { text-align: right; vertical-align: top; }
.mk-page th:first-child, .mk-page td:first-child { padding-left: 0; text-align: left; }
.mk-page th.mk-text, .mk-page td.mk-text { text-align: left; }
.mk-page tbody th { font-weight: 400; } .mk-page thead th { border-bottom: 2px solid var(--soft); }
.mk-scroll, .mk-chart { overflow-x: auto; max-width: 100%; }
.mk-chart { background: #fff; margin: .8rem 0 1.4rem; } .mk-chart img { display: block; }
.mk-chart img { height: auto; max-width: 100%; min-width: 36rem; }
.mk-note { color: var(--soft); font-size: .88rem; margin: .1rem 0 .4rem; max-width: 46rem; }
.mk-nothing { color: var(--soft); border-left: 3px solid var(--line); padding-left: .8rem; }
@media (max-width: 40rem) {
  .mk-head h1 { font-size: 1.55rem; } .mk-head dl { display: block; }
  .mk-verdict { padding: .7rem .8rem; } .mk-verdict > p { font-size: 1.08rem; }
  .mk-verdict li { display: block; margin: .7rem 0; }
  .mk-state { display: inline-block; margin: 0 .3rem 0 0; }
  .mk-findings div { display: block; }
  .mk-rows, .mk-rows tbody, .mk-rows tr, .mk-rows tbody th, .mk-rows td { display: block; }
  .mk-rows thead { display: none; } .mk-rows tr { padding: .5rem 0; border-bottom: 1px solid var(--line); }
  .mk-page .mk-rows tbody th, .mk-page .mk-rows td { padding: 0; border: 0; text-align: left; }
  .mk-page .mk-rows tbody th { font-weight: 600; overflow-wrap: anywhere; }
  .mk-rows td::before { content: attr(data-name) ": "; color: var(--soft); }
  .mk-findings .mk-state { display: inline-block; margin: 0 0 0 .4rem; vertical-align: .1em; }
  .mk-tiles { grid-template-columns: 1fr 1fr; }
  .mk-chart::before { content: "Swipe to see all of the chart →"; position: sticky; left: 0; }
  .mk-chart::before { font-size: .78rem; color: #566370; }
}
@media (prefers-color-scheme: dark) { @media screen {
  .mk-page { --ink: #e4e8ec; --soft: #a3aeb9; --line: #3a444e; --ground: #14191e; --raised: #1e252c; }
  .mk-page { --accent: #6cb6e6; --better: #5fcfae; --fine: #7fd095; --unknown: #e0c060; --wrong: #c2410c; }
  .mk-chart { border-radius: 4px; padding: .4rem; }
} }
@media print {
  .mk-chart::before { content: none; }
  .mk-tiles { grid-template-columns: repeat(auto-fit, minmax(6.4rem, 1fr)); gap: .6rem; }
  .mk-chart, .mk-scroll { overflow: visible; } .mk-chart img { min-width: 0; }
  .mk-chart, .mk-together, .mk-verdict, .mk-tiles, .mk-findings div, .mk-page tr { break-inside: avoid; }
  .mk-state.mk-wrong { color: var(--wrong); background: none; }
  .mk-page table { font-size: .8rem; } .mk-page th, .mk-page td { padding: .2rem .45rem; }
  .mk-page th, .mk-page td { white-space: normal; overflow-wrap: break-word; }
}
"""
"""The look of the parts, also where a notebook shows one of them."""

_PAGE_STYLE = """
:root { color-scheme: light dark; }
body { margin: 0; background: #fff; }
main.mk-page { max-width: 62rem; margin: 0 auto; padding: 1.6rem 1.25rem 3rem; background: var(--ground); }
main h2 { font-size: 1.3rem; line-height: 1.3; margin: 2.4rem 0 .3rem; } main p, main ul { max-width: 46rem; }
main ul { padding-left: 1.2rem; } main li { margin: .25rem 0; } .anchor-link { display: none; }
main pre { white-space: pre-wrap; overflow-wrap: anywhere; font-size: .88rem; }
.dataframe th, .dataframe td { white-space: nowrap; }
footer { margin-top: 3rem; padding-top: .6rem; border-top: 1px solid var(--line); color: var(--soft); }
footer { font-size: .88rem; }
@media (max-width: 40rem) { main.mk-page { padding: 1rem .9rem 2rem; } }
@media (prefers-color-scheme: dark) { @media screen { body { background: #14191e; } } }
@media print {
  @page { margin: 14mm 13mm; }
  main.mk-page { max-width: none; padding: 0; font-size: 11pt; }
  main h2 { margin-top: 1.2rem; break-after: avoid; }
}
"""
