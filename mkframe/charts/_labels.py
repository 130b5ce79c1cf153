"""Words on charts: what a server gave, and what a chart says of itself."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from functools import lru_cache

import pandas as pd
from matplotlib import font_manager, rcParams

from mkframe import metrics
from mkframe.metrics._formatting import count_text

__all__ = ["ends_first", "left_out", "noun", "printable"]


def printable(text: object, most: int = 40) -> str:
    r"""Make a word from a server fit to be drawn: one line, no control characters, only known glyphs.

    Examples
    --------
    >>> printable("a\x1b[31m\nb"), printable("abcdef", 4)
    ('a□[31m b', 'abc…')
    """
    line = " ".join(str(text).split())[: most + 1]
    glyphs = _glyphs(tuple(rcParams["font.family"]))
    line = "".join(
        char if ord(char) in glyphs and unicodedata.category(char)[0] != "C" else "□" for char in line
    )
    return line if len(line) <= most else f"{line[: most - 1]}…"


@lru_cache(maxsize=8)
def _glyphs(families: tuple[str, ...]) -> frozenset[int]:
    fonts = (
        font_manager.get_font(font_manager.findfont(font_manager.FontProperties(family=[family])))
        for family in families
    )
    return frozenset(code for font in fonts for code in font.get_charmap())


def left_out(*parts: tuple[int, str]) -> str:
    """Say what is not drawn.

    Examples
    --------
    >>> left_out((3, "running"), (0, "without a start"), (1200, "canceled"))
    'Left out: 3 running, 1,200 canceled.'
    """
    said = [f"{count_text(number)} {why}" for number, why in parts if number]
    return f"Left out: {', '.join(said)}." if said else ""


def noun(statuses: Sequence[str] | None) -> str:
    """Name the builds of some statuses.

    Examples
    --------
    >>> noun(["FINISHED"]), noun(None)
    ('finished builds', 'ended builds')
    """
    words = "" if statuses is None else " or ".join(printable(word).lower() for word in statuses) + " "
    return f"{words}builds" if statuses is not None else "ended builds"


def ends_first(builds: pd.DataFrame) -> int:
    """Count the builds whose end lies before their start."""
    return int((metrics.duration(builds) < pd.Timedelta(0)).sum())
