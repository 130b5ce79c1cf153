"""Text on charts: names from a server made printable, and sentences about the builds that are left out."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from functools import lru_cache

import pandas as pd
from matplotlib import font_manager, rcParams

from mkframe import metrics
from mkframe.metrics._formatting import count_text
from mkframe.metrics._history import LeftOut

__all__ = ["builds_text", "count_negative_durations", "left_out_text", "printable_text"]


def printable_text(text: object, max_length: int = 40) -> str:
    r"""Make text from a server printable: one line, with a box for control characters and unknown glyphs.

    Examples
    --------
    >>> printable_text("a\x1b[31m\nb"), printable_text("abcdef", 4)
    ('a□[31m b', 'abc…')
    """
    line = " ".join(str(text).split())[: max_length + 1]
    # matplotlib warns of every character that the font lacks, and draws it as a box anyway
    glyphs = _glyphs(tuple(rcParams["font.family"]))
    line = "".join(
        char if ord(char) in glyphs and unicodedata.category(char)[0] != "C" else "□" for char in line
    )
    return line if len(line) <= max_length else f"{line[: max_length - 1]}…"


@lru_cache(maxsize=8)
def _glyphs(families: tuple[str, ...]) -> frozenset[int]:
    fonts = (
        font_manager.get_font(font_manager.findfont(font_manager.FontProperties(family=[family])))
        for family in families
    )
    return frozenset(code for font in fonts for code in font.get_charmap())


def left_out_text(*parts: tuple[int, str], left_out: LeftOut | None = None) -> str:
    """List how many builds and rows are left out, and why; empty if there are none.

    Examples
    --------
    >>> left_out_text((3, "running"), (0, "without a start"), (1200, "canceled"))
    'Left out: 3 running, 1,200 canceled.'
    >>> left_out_text((3, "running"), left_out=LeftOut(repeated=1))
    'Left out: 3 running. 1 repeated row left out.'
    """
    counts = [f"{count_text(number)} {why}" for number, why in parts if number]
    if left_out is not None and left_out.impossible:
        counts.append(f"{count_text(left_out.impossible)} {printable_text(left_out.dates_text(), 160)}")
    builds = f"Left out: {', '.join(counts)}." if counts else ""
    rows = left_out.rows_text() if left_out is not None else ""
    return " ".join(text for text in (builds, rows) if text)


def builds_text(statuses: Sequence[str] | None) -> str:
    """Describe the builds of some statuses.

    Examples
    --------
    >>> builds_text(["FINISHED", "FAILED"]), builds_text(None)
    ('finished or failed builds', 'ended builds')
    """
    if statuses is None:
        return "ended builds"
    return " or ".join(printable_text(status).lower() for status in statuses) + " builds"


def count_negative_durations(builds: pd.DataFrame) -> int:
    """Count the builds whose end lies before their start."""
    return int((metrics.duration(builds) < pd.Timedelta(0)).sum())
