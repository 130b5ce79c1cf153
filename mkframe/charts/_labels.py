"""Text on charts: names from a server made printable, and sentences about the builds that are left out."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Sequence
from functools import lru_cache

import pandas as pd
from matplotlib import font_manager, rcParams

from mkframe import metrics
from mkframe.metrics._formatting import count_text
from mkframe.metrics._history import LeftOut

__all__ = ["builds_text", "count_negative_durations", "left_out_text", "printable_text", "short_names"]

_LEAST_LENGTH, _MOST_LENGTH = 8, 400
"""Letters that a part of a name keeps at least, and of which a name is read at most."""


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


def short_names(names: Sequence[object], max_length: int, separator: str = " · ") -> list[str]:
    """Shorten names, those that differ so that they still do: in the middle, else what they have in common.

    A name of several parts, as of a group of two keys, is a tuple; each part gets its share of the length.

    Examples
    --------
    >>> short_names(["DWH_CORE_CUSTOMER_HUB", "DWH_CORE_CUSTOMER_SAT", "AUDIT"], 12)
    ['DWH_…MER_HUB', 'DWH_…MER_SAT', 'AUDIT']
    >>> short_names(["DWH_CORE_HUB_CUSTOMER_V", "DWH_CORE_SAT_CUSTOMER_V"], 12)
    ['…HUB_…OMER_V', '…SAT_…OMER_V']
    """
    rows = [name if isinstance(name, tuple) else (name,) for name in names]
    parts = max((len(row) for row in rows), default=1)
    space = max_length - len(separator) * (parts - 1)
    columns: list[dict[str, str]] = [
        {str(row[n]): printable_text(row[n], _MOST_LENGTH) for row in rows} for n in range(parts)
    ]
    widths = [max(map(len, column.values())) for column in columns] if rows else []
    for left, n in enumerate(sorted(range(len(widths)), key=widths.__getitem__)):  # what is short stays whole
        columns[n] = _short(columns[n], max(_LEAST_LENGTH, space // (parts - left)))
        space -= min(widths[n], space // (parts - left))
    return [separator.join(columns[n][str(part)] for n, part in enumerate(row)) for row in rows]


def _short(texts: dict[str, str], length: int) -> dict[str, str]:
    """Shorten texts, and number those that are still equal."""
    short: dict[str, str] = {}
    taken: set[str] = set()
    for name, label in zip(texts, _distinct([*texts.values()], length), strict=True):
        number, text = 1, label
        while text in taken:
            number += 1
            text = f"{_cut(label, max(1, length - len(str(number)) - 2))} #{number}"
        taken.add(text)
        short[name] = text
    return short


def _distinct(texts: list[str], length: int) -> list[str]:
    """Cut texts in the middle; where that makes some equal, begin at the word in which they differ."""
    labels = [_cut(text, length) for text in texts]
    by_label: dict[str, list[int]] = defaultdict(list)
    for place, label in enumerate(labels):
        by_label[label].append(place)
    for places in by_label.values():
        group = [texts[place] for place in places]
        if len({*group}) < 2 or length < _LEAST_LENGTH // 2:  # the same, or too short: they are numbered
            continue
        common = _common_length(group)
        words = [found.end() for found in re.finditer(r"[\W_]", group[0][:common])]
        for start in ([words[-1]] if words else []) + [common]:
            rest = [_cut(text[start:], length - 1) for text in group]
            if len({*rest}) == len({*group}):
                break
        else:
            rest = _distinct([text[common:] for text in group], length - 1)
        for place, label in zip(places, rest, strict=True):
            labels[place] = label if label.startswith("…") else f"…{label}"
    return labels


def _common_length(texts: Sequence[str]) -> int:
    """Count the letters with which all texts begin."""
    differ = (n for n, chars in enumerate(zip(*texts, strict=False)) if len({*chars}) > 1)
    return next(differ, min(map(len, texts)))


def _cut(text: str, length: int) -> str:
    """Cut a text in the middle; its end, which says more, keeps more."""
    if len(text) <= length:
        return text
    head = (length - 1) * 2 // 5
    return f"{text[:head]}…{text[len(text) - (length - 1 - head) :]}"


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
