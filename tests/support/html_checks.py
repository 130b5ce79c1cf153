"""What a page written for people must keep to."""

from __future__ import annotations

import re
from html.parser import HTMLParser

_VOID = {"meta", "img", "br", "hr", "input", "link", "col", "wbr"}
_KNOWN = {
    "id",
    "class",
    "style",
    "lang",
    "charset",
    "name",
    "content",
    "src",
    "href",
    "alt",
    "width",
    "height",
}
_KNOWN |= {
    "tabindex",
    "role",
    "aria-label",
    "border",
    "scope",
    "colspan",
    "rowspan",
    "scoped",
    "open",
    "data-name",
}


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.faults: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("script", "iframe", "object", "form", "base"):
            self.faults.append(f"<{tag}>")
        self.faults += [f"{name}={value}" for name, value in attrs if name not in _KNOWN]
        self.faults += [f"{n}={v}"[:80] for n, v in attrs if n in ("src", "href") and not _inside(v or "")]
        if tag not in _VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in _VOID:  # <br/>
            return
        if not self.open or self.open.pop() != tag:
            self.faults.append(f"</{tag}>")


def _inside(url: str) -> bool:
    return url.startswith(("data:image/png;base64,", "#"))


def faults(page: str) -> list[str]:
    """Tags that do not close, tags and attributes that no report has, links outside, control characters."""
    reader = _Reader()
    reader.feed(page)
    reader.close()
    return [
        *reader.faults,
        *reader.open,
        *re.findall(r"[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069]", page),
    ]
