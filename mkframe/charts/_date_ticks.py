"""Ticks of date axes: at the starts of days, weeks, months, quarters or years, as many as fit."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

import numpy as np
from matplotlib.ticker import Formatter, Locator
from numpy.typing import NDArray

from mkframe.metrics._grouping import Length

__all__ = ["DateTickFormatter", "PeriodLocator"]

_STEPS = (*((n, "D") for n in (1, 2)), *((n, "W") for n in (1, 2, 4)), *((n, "M") for n in (1, 3, 6)),
          *((n, "Y") for n in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000)))  # fmt: skip
"""Steps between ticks, in days, weeks, months and years."""
_DAYS = {"D": 1.0, "W": 7.0, "M": 30.4, "Y": 365.2}
_FINEST = {"D": (1, "D"), "W": (1, "W"), "M": (1, "M"), "Q": (3, "M")}
_EPOCH = np.datetime64("1970-01-01")
_MONDAY = np.datetime64("1970-01-05")


class PeriodLocator(Locator):
    """Put ticks where periods begin, never more than fit and never within a period.

    Parameters
    ----------
    every : {"D", "W", "M", "Q"}
        Length of a period.
    most : int
        Maximum number of ticks.
    """

    def __init__(self, every: Length, most: int) -> None:
        self._every, self._most = every, max(2, most)

    def __call__(self) -> Any:
        """Return the ticks of the current view."""
        low, high = self.axis.get_view_interval()  # type: ignore[union-attr]
        return self.tick_values(low, high)

    def tick_values(self, vmin: float, vmax: float) -> Any:
        """Return the ticks between two dates, as numbers of a date axis."""
        low, high = sorted((vmin, vmax))
        steps = _STEPS[_STEPS.index(_FINEST[self._every]) :]
        for number, unit in steps:
            if (high - low) / (_DAYS[unit] * number) > self._most + 1:
                continue
            ticks = _starts(low, high, number, unit)
            if len(ticks) <= self._most:
                return ticks
        return np.zeros(0)


def _starts(low: float, high: float, number: int, unit: str) -> NDArray[np.float64]:
    first, last = (np.datetime64(_day(edge)) for edge in (low, high))
    if unit in "DW":
        day = np.timedelta64(1, "D")
        step = number * (7 if unit == "W" else 1) * day
        # days are counted from a Monday, so that a view that moves keeps its ticks
        starts = np.arange(first - (first - _MONDAY) % step, last + day, step)
    else:
        months = number * (12 if unit == "Y" else 1)
        begin = first.astype("datetime64[M]").astype(int)
        zero = -1970 * 12  # the year 0, of which decades and centuries are counted
        begin -= (begin - zero) % months
        stop = last.astype("datetime64[M]").astype(int)
        starts = np.arange(begin, stop + 1, months).astype("datetime64[M]").astype("datetime64[D]")
    numbers = (starts - _EPOCH).astype("float64")
    return numbers[(numbers >= low) & (numbers <= high)]


class DateTickFormatter(Formatter):
    """Write days, months or quarters, and the year below the first tick and wherever it changes."""

    def __init__(self, every: Length) -> None:
        self._every = every

    def __call__(self, x: float, pos: int | None = None) -> str:
        """Write one date, as for the place of the mouse."""
        day = _day(x)
        return f"{day.day} {day:%b} {day.year}"

    def format_ticks(self, values: Sequence[float]) -> list[str]:
        """Write the labels of all ticks."""
        days = [_day(value) for value in values]
        if days and all((day.month, day.day) == (1, 1) for day in days) and len(days) > 1:
            return [str(day.year) for day in days]
        is_months = all(day.day == 1 for day in days) and len(days) > 1
        labels, year = [], 0
        for day in days:
            if self._every == "Q":
                text = f"Q{(day.month + 2) // 3}"
            elif is_months or self._every == "M":
                text = f"{day:%b}"
            else:
                text = f"{day.day} {day:%b}"
            labels.append(text if day.year == year else f"{text}\n{day.year}")
            year = day.year
        return labels


def _day(number: float) -> date:
    """Read a number of a date axis, days since 1970."""
    ordinal = date(1970, 1, 1).toordinal() + int(np.floor(number))
    return date.fromordinal(min(max(ordinal, 1), date.max.toordinal()))
