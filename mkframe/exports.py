"""Write frames as files: for spreadsheets, in which no cell is read as a formula, and to be read back."""

from __future__ import annotations

import contextlib
import csv
import datetime as dt
import importlib.util
import io
import json
import math
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import IO, Any

import msgspec
import numpy as np
import pandas as pd

from mkframe._days import day_starts
from mkframe._files import atomic_write, expand_path
from mkframe._pandas import plain
from mkframe._text import escape_invisible
from mkframe._validation import check_timezone
from mkframe.errors import InputError, warn
from mkframe.frames import write_json, write_parquet

__all__ = ["export", "export_sheets"]

_FORMULA_SIGNS = "=+\\-@\u2212\ufe62\ufe63\ufe66\ufe6b\uff0b\uff0d\uff1d\uff20"
"""Characters that a formula begins with, as OWASP lists them, and their small and full-width forms."""
_IGNORED = r"\"\u034f\u115f\u1160\u2800\u3164\ufe00-\ufe0f\uffa0"
"""Characters that a spreadsheet may ignore before a formula, as it ignores spaces: quotes and fillers."""
_FORMULA = re.compile(rf"[\t\r\n]|[\s{_IGNORED}]*+[{_FORMULA_SIGNS}]")
_FORMULA_AFTER_SEPARATOR = re.compile(rf"(?<=[;\t\n])(?=(?:(?![\t\n])[\s{_IGNORED}])*+[{_FORMULA_SIGNS}])")
"""Where such a cell would begin in a spreadsheet that separates cells by another character than the comma."""
_ESCAPE = re.compile(r"_(?=x[0-9A-Fa-f]{4}_)")
"""Text that a workbook would read as an escaped character."""
_MAX_ROWS, _MAX_COLUMNS, _MAX_LENGTH, _MAX_EXACT = 1_048_575, 16_384, 32_767, 10**15
"""Limits of a sheet: rows below its header, columns, characters in a cell, and exact whole numbers."""
_DAYS = frozenset({"period", "day", "start_before", "start_now", "end"})
"""Columns of metrics that hold days, weeks or months: written as dates of their own zone."""
_FIRST_DAY, _LAST_DAY = dt.datetime(1900, 3, 1), dt.datetime(9999, 12, 31)
_MAX_DIGITS, _MAX_EXPONENT = 15, 300
"""Digits and power of ten up to which a workbook keeps a decimal number."""
_FORMATS = (
    (dt.datetime, "yyyy-mm-dd hh:mm:ss.000"),
    (dt.date, "yyyy-mm-dd"),
    (dt.time, "hh:mm:ss.000"),
)
"""How a workbook shows times; a datetime is a date as well, so it comes first."""
_CHANGES = {
    "quoted": "began like a formula, or would after a semicolon or line break, and got an apostrophe",
    "escaped": "held invisible or control characters, which are spelled out, such as ‹U+001B›",
    "cut": f"had more than the {_MAX_LENGTH:,} characters that a cell holds, and lost the rest; "
    "CSV has them whole",
}
Rows = Iterator[tuple[Any, ...]]


def export(frame: pd.DataFrame, path: str | os.PathLike[str], *, tz: str | None = None) -> Path:
    """Write a frame as Parquet or JSON to be read back, or as CSV or a workbook that runs nothing.

    `mk.read_parquet` reads an equal frame from Parquet, `mk.read_json` from JSON where the frame is an answer
    of the API.

    A name or message may begin like a formula (``=``, ``+``, ``-``, ``@``), which a spreadsheet would
    compute. In a workbook such a text stays text. CSV has no type for text, so there an apostrophe goes
    before it, also where spaces or quotes come first, and after a semicolon, a tab or a line break, at which
    some spreadsheets separate cells. A warning counts these and other changes.

    Parameters
    ----------
    frame : DataFrame
        Any frame; the index goes before the columns, unless it only counts the rows.
    path : path
        File to write: ``.parquet`` (extra ``arrow``), ``.json``, ``.csv`` or ``.xlsx`` (extra ``excel``). It
        is replaced only when the new file is complete.
    tz : str, optional
        Time zone in which CSV and workbooks have times; by default each column's own, or UTC where a column
        has several. A workbook has no zones: its headers name them. Parquet and JSON hold UTC.

    Returns
    -------
    Path
        The file. Parquet has the types of `mk.to_arrow`. JSON has a row a line, in the form of the API, with
        durations as seconds, dates and decimal numbers as text. CSV is UTF-8 with a byte order mark, which
        Excel asks for, and times have their offset. In CSV and workbooks days, weeks and months of metrics
        are dates, whatever `tz` is: April in Vienna stays April. Durations are seconds there, lists are
        JSON, and what is missing is empty; in a workbook, numbers of more than 15 digits and times that it
        cannot hold are texts. A time that has none in its zone, on the first or last day of the calendar,
        stays in UTC.

    Raises
    ------
    InputError
        If the suffix is another, the zone is unknown, the extra is not installed, the frame has more
        rows or columns than a sheet, a column is nothing that the file can hold, or the file cannot be
        written.

    Warns
    -----
    UserWarning
        If texts were changed or cut: how many, and how.

    Examples
    --------
    >>> builds = pd.DataFrame({"name": ["NIGHTLY"], "patterns": [[808, 809]]})
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     print(export(builds, Path(folder) / "builds.csv").read_text("utf-8-sig"))
    name,patterns
    NIGHTLY,"[808, 809]"
    """
    target = expand_path(path)
    _check(frame, target, tz, (*_WRITERS, ".csv", ".xlsx"))
    suffix = target.suffix.lower()
    if suffix in _WRITERS:
        return atomic_write(target, lambda file: _WRITERS[suffix](frame, file), "Name another file.")
    is_csv = suffix == ".csv"
    writer = _CellWriter(is_csv, tz)
    columns = [writer.column(name, values) for name, values in _columns(frame)]
    rows, write = zip(*columns, strict=True), _csv if is_csv else _xlsx
    atomic_write(target, lambda file: write(file, rows), "Name another file.")
    writer.warn_changes(target)
    return target


def export_sheets(
    frames: Mapping[str, pd.DataFrame], path: str | os.PathLike[str], *, tz: str | None = None
) -> Path:
    """Write frames as the sheets of one Excel workbook, with the care of `export`.

    Parameters
    ----------
    frames : mapping of str to DataFrame
        Titles of the sheets, up to 31 characters, and their frames.
    path : path
        File to write, ``.xlsx`` (extra ``excel``).
    tz : str, optional
        Time zone in which times are written; by default each column's own.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    InputError
        As `export` does.
    """
    target = expand_path(path)
    writer = _CellWriter(False, tz)
    sheets = {}
    for title, frame in frames.items():
        _check(frame, target, tz, (".xlsx",))
        columns = [writer.column(name, values) for name, values in _columns(frame)]
        sheets[title] = zip(*columns, strict=True)
    atomic_write(target, lambda file: _workbook(file, sheets), "Name another file.")
    writer.warn_changes(target)
    return target


def _check(frame: pd.DataFrame, target: Path, tz: str | None, suffixes: Sequence[str]) -> None:
    """Refuse what cannot be written, before a file is opened."""
    suffix = target.suffix.lower()
    is_xlsx = suffix == ".xlsx"
    if suffix not in suffixes:
        raise InputError(
            f"{target.name!r} does not end in {' or '.join(suffixes)}.", hint="Name the file so."
        )
    if not isinstance(frame, pd.DataFrame) or frame.columns.nlevels > 1:
        raise InputError("Only a frame with one header is exported.", hint="For a Series: row.to_frame().")
    if is_xlsx and importlib.util.find_spec("openpyxl") is None:
        raise InputError(
            "A workbook needs openpyxl.",
            hint='Install it with: pip install "mkframe[excel]", or write a .csv.',
        )
    if is_xlsx and len(frame) > _MAX_ROWS:
        raise InputError(
            f"A sheet holds {_MAX_ROWS:,} rows, not {len(frame):,}.", hint="Write a .csv, or a part of it."
        )
    if is_xlsx and (columns := frame.shape[1] + _index_columns(frame)) > _MAX_COLUMNS:
        raise InputError(
            f"A sheet holds {_MAX_COLUMNS:,} columns, not {columns:,}.", hint="Write a .csv, or a part of it."
        )
    if tz is not None:
        check_timezone(tz)


_WRITERS = {".parquet": write_parquet, ".json": write_json}
"""Files to be read back, by suffix."""


# --- from a frame to cells ----------------------------------------------------------------------------


def _index_columns(frame: pd.DataFrame) -> int:
    """Count the columns of the index; none where it only counts the rows."""
    is_default = isinstance(frame.index, pd.RangeIndex) and frame.index.name is None
    return 0 if is_default else frame.index.nlevels


def _columns(frame: pd.DataFrame) -> Iterator[tuple[str, pd.Series[Any]]]:
    """Yield all columns by position, since names may repeat; the index first, unless it only counts rows."""
    whole = frame.reset_index(allow_duplicates=True) if _index_columns(frame) else frame
    return ((_name_text(name), plain(whole.iloc[:, place])) for place, name in enumerate(whole.columns))


def _name_text(name: Any) -> str:
    """Write the name of a column; a day, as in a table of periods that was turned, as a date."""
    is_day = isinstance(name, pd.Timestamp) and name == name.normalize()
    return str(name.date()) if is_day else str(name)


def _zone_of(values: pd.Series[Any]) -> dt.tzinfo | None:
    """Give the zone of a column of times: UTC where it has several, None where it has none."""
    if isinstance(values.dtype, pd.DatetimeTZDtype):
        return values.dtype.tz
    if values.dtype != object:
        return None
    times = (value for value in values if isinstance(value, dt.datetime) and not pd.isna(value))
    zones = {str(time.tzinfo): time.tzinfo for time in times if time.tzinfo is not None}
    return dt.UTC if len(zones) > 1 else next(iter(zones.values()), None)


def _is_naive(value: Any) -> bool:
    return isinstance(value, dt.datetime) and not pd.isna(value) and value.tzinfo is None


def _are_days(name: str, values: pd.Series[Any]) -> bool:
    """Tell whether these are days of a metric: local midnights, or the first instant where there is none."""
    if name not in _DAYS or not isinstance(values.dtype, pd.DatetimeTZDtype):
        return False
    known = values.dropna()
    if known.empty:
        return False
    with contextlib.suppress(OverflowError, ValueError, NotImplementedError):  # at the ends of the calendar
        days = pd.DatetimeIndex(known.dt.tz_localize(None)).normalize()
        return bool((day_starts(days, values.dtype.tz) == pd.DatetimeIndex(known)).all())
    return False


class _CellWriter:
    """Make cells safe for spreadsheets, and count the changes."""

    def __init__(self, is_csv: bool, tz: str | None) -> None:
        self._is_csv, self._tz = is_csv, tz
        self._zone: dt.tzinfo = dt.UTC
        self._counts: Counter[str] = Counter()

    def column(self, name: str, values: pd.Series[Any]) -> list[Any]:
        """Convert a column to cells, the header first."""
        if pd.api.types.is_timedelta64_dtype(values.dtype):
            name = f"{name} (s)"
        if _are_days(name, values):
            return [self.cell(name), *(None if pd.isna(day) else self._date(day.date()) for day in values)]
        own = _zone_of(values)
        if own is not None and not self._is_csv and any(_is_naive(value) for value in values):
            raise InputError(
                f"The column {name!r} holds times with a zone and times without one, which a workbook would "
                "show alike.",
                hint="Give all of them a zone, or write a .csv.",
            )
        if own is not None:
            self._zone = own if self._tz is None else pd.DatetimeTZDtype("us", self._tz).tz
            name = name if self._is_csv else f"{name} ({self._tz or own})"
        return [self.cell(name), *map(self.cell, self._local(values))]

    def _local(self, values: pd.Series[Any]) -> list[Any]:
        """Return the values of a column; times are converted at once where all of them exist in the zone."""
        if isinstance(values.dtype, pd.DatetimeTZDtype):
            with contextlib.suppress(OverflowError, ValueError):
                return [_in_calendar(value) for value in values.dt.tz_convert(self._zone)]
        return [pd.Timestamp(value) if isinstance(value, np.datetime64) else value for value in values]

    def cell(self, value: Any) -> Any:
        """Convert a value to a cell: text, number, bool, time, or None for an empty cell."""
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, int) and self._is_exact(value):
            return value
        if not pd.api.types.is_scalar(value):
            as_json = json.dumps(value, ensure_ascii=False, default=_as_json)
            return self._text(as_json)
        if pd.isna(value):
            return None
        if isinstance(value, dt.timedelta | np.timedelta64):
            return pd.Timedelta(value).total_seconds()
        if isinstance(value, dt.datetime):
            return self._time(value)
        if isinstance(value, dt.date):
            return self._date(value)
        if isinstance(value, dt.time):
            # a sheet has no zones, and shows fractions of a second as thousandths
            return value.isoformat() if self._is_csv or value.tzinfo or value.microsecond % 1000 else value
        if isinstance(value, Decimal):
            return self._decimal(value)
        plain = value.item() if hasattr(value, "item") else value
        return plain if self._is_exact(plain) else self._text(str(plain))

    def _is_exact(self, value: Any) -> bool:
        if type(value) is int:
            return self._is_csv or abs(value) < _MAX_EXACT
        return isinstance(value, bool) or (isinstance(value, float) and math.isfinite(value))

    def _date(self, day: dt.date) -> Any:
        is_kept = not self._is_csv and _FIRST_DAY.date() <= day <= _LAST_DAY.date()
        return day if is_kept else day.isoformat()

    def _decimal(self, value: Decimal) -> Any:
        """Keep a number as one where no digit is lost."""
        if not value.is_finite():
            return self._text(str(value))
        digits = len(value.normalize().as_tuple().digits)
        is_short = digits <= _MAX_DIGITS and abs(value.adjusted()) <= _MAX_EXPONENT
        return value if self._is_csv or is_short else self._text(str(value))

    def _time(self, value: dt.datetime) -> Any:
        try:
            is_local = value.tzinfo in (None, self._zone)
            local = value if is_local else _in_calendar(value.astimezone(self._zone))
        except (OverflowError, ValueError):  # out of the range of datetime
            return value.isoformat(sep=" ")
        local_time = local.replace(tzinfo=None)
        if self._is_csv or not _FIRST_DAY <= local_time <= _LAST_DAY:
            return local.isoformat(sep=" ")
        return local_time

    def _text(self, text: str) -> str:
        escaped = escape_invisible(text)
        self._counts["escaped"] += escaped != text
        if self._is_csv:
            quoted = _FORMULA_AFTER_SEPARATOR.sub("'", f"'{escaped}" if _FORMULA.match(escaped) else escaped)
            self._counts["quoted"] += quoted != escaped
            return quoted
        if (excess := len(_for_workbook(escaped)) - _MAX_LENGTH) > 0:
            self._counts["cut"] += 1
            return escaped[: max(0, len(escaped) - excess)]
        return escaped

    def warn_changes(self, target: Path) -> None:
        """Warn about the changes."""
        for change, count in self._counts.items():
            if count:
                noun = "cells" if count > 1 else "cell"
                warn(f"{target.name}: {count:,} {noun} that {_CHANGES[change]}.")


def _in_calendar(value: Any) -> Any:
    """Return a time, unless it lies in a year that no calendar has, as pandas 2 makes them."""
    if not pd.isna(value) and not dt.MINYEAR <= value.year <= dt.MAXYEAR:
        raise OverflowError
    return value


def _as_json(value: Any) -> Any:
    """Convert what JSON does not know: the downloads inside a build, and other objects."""
    if isinstance(value, np.ndarray | np.generic):  # Parquet gives arrays back
        return value.tolist()
    if isinstance(value, Iterable):
        return list(value)
    return msgspec.to_builtins(value) if isinstance(value, msgspec.Struct) else str(value)


# --- from cells to a file -----------------------------------------------------------------------------


def _csv(file: IO[bytes], rows: Rows) -> None:
    text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
    try:
        csv.writer(text, lineterminator="\n").writerows(rows)
    finally:
        text.detach()  # so that the file stays open


def _xlsx(file: IO[bytes], rows: Rows) -> None:
    _workbook(file, {"mkframe": rows})


def _workbook(file: IO[bytes], sheets: Mapping[str, Rows]) -> None:
    from openpyxl import Workbook

    book = Workbook(write_only=True)
    for title, rows in sheets.items():
        sheet = book.create_sheet(title)
        sheet.freeze_panes = "A2"
        for row in rows:
            sheet.append([_cell(sheet, value) for value in row])
    book.save(file)


def _for_workbook(text: str) -> str:
    return _ESCAPE.sub("_x005F_", text)


def _cell(sheet: Any, value: Any) -> Any:
    """Make a cell of a workbook, in which text stays text whatever it looks like."""
    from openpyxl.cell import WriteOnlyCell

    if not isinstance(value, str | dt.date | dt.time):
        return value
    cell = WriteOnlyCell(sheet, value=value)
    if not isinstance(value, str):
        cell.number_format = next(text for kind, text in _FORMATS if isinstance(value, kind))
        return cell
    cell.value = _for_workbook(value)
    cell.data_type = "s"
    cell.quotePrefix = bool(_FORMULA.match(value))  # also after a person has edited it
    return cell
