"""Tables as a person reads them in a notebook: durations, rates, days and numbers with their units."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable
from typing import Any

import pandas as pd

from mkframe._text import single_line
from mkframe.errors import InputError
from mkframe.metrics._formatting import count_text, duration_text, percent_text
from mkframe.metrics._moments import in_calendar

__all__ = ["Table", "show"]

_MOST_ROWS, _LONGEST_TEXT, _MOST_ITEMS = 100, 160, 4
_COST = ("base", "base_low", "base_high", "per_instance", "per_instance_low", "per_instance_high")
_SECONDS = frozenset({"p25", "p50", "p75", "p90", "p95", "seconds", "seconds_without", "elapsed", *_COST})
_RATES = frozenset({"rate", "share"})
_IDS = frozenset({"id", "first_build", "closed_by", "build", "mts"})
_MISSING = "–"
Format = Callable[[Any], str]


class Table:
    """A frame as a notebook shows it; `frame` is the frame itself.

    Attributes
    ----------
    frame : DataFrame
        What was given, with its dtypes.
    """

    def __init__(self, frame: pd.DataFrame) -> None:
        self.frame = frame

    def _texts(self) -> tuple[pd.DataFrame, str]:
        """Write the first rows as texts, and say how many more there are."""
        head = self.frame.head(_MOST_ROWS)
        more = len(self.frame) - len(head)
        return _text_frame(head), f"{count_text(more, 'more row')}." if more else ""

    def __repr__(self) -> str:
        texts, more = self._texts()
        return "\n".join(part for part in (texts.to_string(), more) if part)

    def _repr_html_(self) -> str:
        texts, more = self._texts()
        # pandas cuts long cells by an option of the reader; these are short already
        with pd.option_context("display.max_colwidth", None, "display.max_columns", None):
            table = texts.to_html(escape=True, border=0)
        return f"{table}<p>{more}</p>" if more else table


def show(table: pd.DataFrame) -> Table:
    """Show a table in a notebook with readable durations, rates, months and numbers.

    Nothing is converted: `frame` of the result is the table, and no option of pandas is changed. Seconds are
    written as "1 min 30 s", shares as "10.5 %", periods as "Oct 2024" or "7 Oct 2024", times with their
    zone, lists with commas, and what is missing as a dash.

    Parameters
    ----------
    table : DataFrame
        What a function of `mkframe.metrics` returned, or any other frame.

    Returns
    -------
    Table
        For the end of a cell; the first 100 rows are written.

    Raises
    ------
    InputError
        If it is no frame.

    Examples
    --------
    >>> start = pd.to_datetime(["2026-04-01T08:00Z"], utc=True)
    >>> index = pd.Index(["CORE"], name="pattern")
    >>> table = pd.DataFrame({"n": [1200], "p50": [90.0], "rate": [2 / 19], "at": start}, index=index)
    >>> show(table)
                 n         p50    rate                   at
    pattern
    CORE     1,200  1 min 30 s  10.5 %  1 Apr 2026 08:00 UTC
    """
    if not isinstance(table, pd.DataFrame):
        raise InputError(
            f"A DataFrame was expected, not {type(table).__name__}.", hint="For a Series: row.to_frame()."
        )
    return Table(table)


def _text_frame(frame: pd.DataFrame) -> pd.DataFrame:
    formats = _formats_by_row(frame)
    columns = []
    for place, name in enumerate(frame.columns):
        values = in_calendar(frame.iloc[:, place])
        if formats is not None and name in ("now", "before", "change", "low", "high"):
            pairs = zip(formats, values, strict=True)
            texts = [_shown(value, write[name in ("now", "before")]) for write, value in pairs]
        else:
            write = _format(str(name), values, frame)
            texts = [_shown(value, write) for value in values]
        columns.append(texts)
    names = [_label(name) for name in frame.columns]
    index = _text_index(frame)
    rows = list(zip(*columns, strict=True)) if columns else [()] * len(frame)
    return pd.DataFrame(rows, index=index, columns=pd.Index(names, name=frame.columns.name), dtype="object")


def _text_index(frame: pd.DataFrame) -> pd.Index[Any]:
    levels = [frame.index.get_level_values(n) for n in range(frame.index.nlevels)]
    texts = []
    for level in levels:
        values = in_calendar(pd.Series(level))
        write = _format(str(level.name), values, frame)
        is_plain = pd.api.types.is_integer_dtype(level)
        texts.append([str(value) if is_plain else _shown(value, write) for value in values])
    if len(texts) == 1:
        return pd.Index(texts[0], name=frame.index.name, dtype="object")
    return pd.MultiIndex.from_arrays(texts, names=frame.index.names)


def _formats_by_row(frame: pd.DataFrame) -> list[tuple[Format, Format]] | None:
    """Give the formats of changes and of values for each row of `compare_periods`; else None."""
    if "metric" not in frame.index.names or "change" not in frame.columns:
        return None
    points: Format = lambda change: f"{100 * change:+.1f} points".replace("-", "−")  # noqa: E731
    formats = {"failure_rate": (points, percent_text), "duration": (_times, duration_text)}
    metrics = frame.index.get_level_values("metric")
    return [formats.get(str(metric), (_number, _number)) for metric in metrics]


def _format(name: str, values: pd.Series[Any], frame: pd.DataFrame) -> Format:
    """Choose how values of a column are written: by its dtype, its name and the columns beside it."""
    columns = {*map(str, frame.columns)}
    dtype = values.dtype
    if pd.api.types.is_timedelta64_dtype(dtype):
        return lambda value: duration_text(value.total_seconds())
    if isinstance(dtype, pd.DatetimeTZDtype) or pd.api.types.is_datetime64_dtype(dtype):
        return _time_format(name, values)
    if pd.api.types.is_bool_dtype(dtype):
        return lambda value: "yes" if value else "no"
    if pd.api.types.is_integer_dtype(dtype):
        return str if name in _IDS or name.endswith("_id") else count_text
    if pd.api.types.is_float_dtype(dtype):
        ends = name.rstrip("0123456789.") in ("low", "high")
        if name in _SECONDS or ("median" in columns and (ends or name == "median")):
            return _length
        if name in _RATES or (ends and _RATES & columns):
            return percent_text
        return _times if name in ("ratio", "detectable") or (ends and "ratio" in columns) else _number
    return _any


def _time_format(name: str, values: pd.Series[Any]) -> Format:
    known = values.dropna()
    is_day = bool(len(known)) and all(time == time.normalize() for time in known)
    is_month = name == "period" and len(known.unique()) > 1 and all(time.day == 1 for time in known)
    if is_day and is_month:
        return lambda time: f"{time:%b} {time.year:04}"
    if is_day:
        return _day
    return lambda time: f"{_day(time)} {time:%H:%M}{f' {time.tzname()}' if time.tzinfo else ''}"


def _day(time: dt.date) -> str:
    return f"{time.day} {time:%b} {time.year:04}"


def _length(seconds: float) -> str:
    return "open" if math.isinf(seconds) else duration_text(seconds)


def _times(ratio: float) -> str:
    return f"× {ratio:.2f}" if math.isfinite(ratio) else "× ∞"


def _number(value: float) -> str:
    if not math.isfinite(value):
        return str(value).replace("inf", "∞")
    return f"{value:,.0f}" if abs(value) >= 100 or float(value).is_integer() else f"{value:.3g}"


def _any(value: Any) -> str:
    if pd.api.types.is_list_like(value):
        items = list(value)
        if not all(isinstance(item, str | int | float) for item in items):
            return count_text(len(items), "item") if items else ""
        more = f", {len(items) - _MOST_ITEMS:,} more" if len(items) > _MOST_ITEMS else ""
        return single_line(", ".join(map(str, items[:_MOST_ITEMS])), _LONGEST_TEXT) + more
    return single_line(value, _LONGEST_TEXT)


def _shown(value: Any, write: Format) -> str:
    if pd.api.types.is_list_like(value):
        return write(value)
    return _MISSING if pd.isna(value) else write(value)


def _label(name: Any) -> str:
    if isinstance(name, pd.Timestamp):
        return _day(name)
    return single_line(name, _LONGEST_TEXT)
