"""Numbers and days as text for sentences, charts and forms."""

from __future__ import annotations

import itertools
import math
from datetime import date, datetime

__all__ = ["count_text", "day_text", "duration_text", "percent_text"]

_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def duration_text(seconds: float) -> str:
    """Write a duration with its two largest units.

    Parameters
    ----------
    seconds : float
        Seconds; NaN is written as a dash.

    Returns
    -------
    str

    Examples
    --------
    >>> [duration_text(s) for s in (0.4, 18.6, 90, 7053, 97_573, float("nan"))]
    ['0.4 s', '19 s', '1 min 30 s', '1 h 58 min', '1 d 3 h', '–']
    """
    if not math.isfinite(seconds):
        return "–"
    if abs(seconds) < 9.95 and not float(seconds).is_integer():
        return f"{seconds:.1f} s"
    for (size, unit), (smaller_size, smaller_unit) in itertools.pairwise(_UNITS):
        # rounded to the smaller unit before it is split: 3,599.6 s is 1 h, not 60 min
        count = round(seconds / smaller_size)
        if count >= size // smaller_size:
            whole, rest = divmod(count, size // smaller_size)
            return f"{whole} {unit} {rest} {smaller_unit}" if rest else f"{whole} {unit}"
    return f"{round(seconds)} s"


def percent_text(share: float) -> str:
    """Write a share of 0 to 1 in percent with one decimal; only none is 0 and only all is 100.

    Examples
    --------
    >>> percent_text(1345 / 2193), percent_text(float("nan"))
    ('61.3 %', '–')
    >>> percent_text(1 / 3000), percent_text(0), percent_text(2999 / 3000)
    ('< 0.1 %', '0.0 %', '> 99.9 %')
    """
    if not math.isfinite(share):
        return "–"
    text = f"{100 * share:.1f} %"
    if text == "0.0 %" and share > 0:
        return "< 0.1 %"
    return "> 99.9 %" if text == "100.0 %" and share < 1 else text


def count_text(number: int, noun: str = "", plural: str = "") -> str:
    """Write a count with a thousands separator, and its noun in the singular or plural.

    Examples
    --------
    >>> count_text(4424, "build"), count_text(1, "build"), count_text(2, "day")
    ('4,424 builds', '1 build', '2 days')
    """
    word = noun if number == 1 else plural or f"{noun}s"
    return f"{number:,} {word}" if noun else f"{number:,}"


def day_text(day: date | datetime) -> str:
    """Write a date in full.

    Examples
    --------
    >>> day_text(date(2026, 4, 8))
    '8 April 2026'
    """
    return f"{day.day} {day:%B} {day.year:04}"
