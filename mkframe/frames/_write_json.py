"""Write frames as JSON that `read_json` reads into the same frames."""

from __future__ import annotations

import datetime as dt
import decimal
import json
from collections.abc import Iterator
from typing import IO, Any

import msgspec
import numpy as np
import pandas as pd

from mkframe.errors import InputError
from mkframe.frames._arrow_tables import fields_of_frame, named_columns
from mkframe.frames._nested import DownloadsDtype
from mkframe.schema import Field

__all__ = ["write_json"]

_BLOCK = 10_000
_MILLISECOND = 1000


def write_json(frame: pd.DataFrame, file: IO[bytes]) -> None:
    r"""Write a frame as a JSON array of rows, as the API answers.

    Raises
    ------
    InputError
        If a value is nothing that JSON holds.

    Examples
    --------
    >>> import io
    >>> file = io.BytesIO()
    >>> write_json(pd.DataFrame({"name": ["DWH_GROUP"]}, index=pd.Index([1], name="id")), file)
    >>> file.getvalue()
    b'[{"id":1,"name":"DWH_GROUP"}]\n'
    """
    columns = dict(named_columns(frame))
    fields = fields_of_frame(frame, list(columns))
    file.write(b"[")
    for start in range(0, len(frame), _BLOCK):
        part = {name: values[start : start + _BLOCK] for name, values in columns.items()}
        cells = [_cells(name, values, fields.get(name)) for name, values in part.items()]
        rows = (dict(zip(part, row, strict=True)) for row in zip(*cells, strict=True))
        file.write(b",\n" * bool(start) + b",\n".join(map(_encode_row, rows)))
    file.write(b"]\n")


def _encode_row(row: dict[str, Any]) -> bytes:
    try:
        return msgspec.json.encode(row)
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(
            f"A row cannot be written as JSON: {error}.", hint="Which column holds unusual texts or numbers?"
        ) from error


def _cells(name: str, values: Any, field: Field | None) -> Iterator[Any]:
    """Return the cells of a column as msgspec writes them; null where one is missing."""
    dtype = values.dtype
    if isinstance(dtype, DownloadsDtype):
        return iter(values)
    if pd.api.types.is_datetime64_any_dtype(dtype):
        return _times(values)
    if pd.api.types.is_timedelta64_dtype(dtype):
        values = values.dt.total_seconds()
    cells = values.to_numpy(dtype=object)
    missing = pd.isna(pd.Series(cells, dtype=object)).to_numpy()
    if pd.api.types.is_bool_dtype(dtype) and field is not None and field.type == "flag":
        return (None if gone else int(cell) for cell, gone in zip(cells, missing, strict=True))
    if pd.api.types.is_numeric_dtype(dtype) and not pd.api.types.is_float_dtype(dtype):
        return (None if gone else cell for cell, gone in zip(cells, missing, strict=True))
    if not pd.api.types.is_object_dtype(dtype) and pd.api.types.is_string_dtype(dtype):
        return (None if gone else cell for cell, gone in zip(cells, missing, strict=True))
    return (None if gone else _encode(name, cell) for cell, gone in zip(cells, missing, strict=True))


def _times(values: Any) -> Iterator[str | None]:
    """Return times in UTC in the vendor's form, with microseconds where there are any."""
    zone = "Z" if isinstance(values.dtype, pd.DatetimeTZDtype) else ""
    times = pd.Series(values).reset_index(drop=True)
    times = times.dt.tz_convert("UTC").dt.tz_localize(None) if zone else times
    micros = times.to_numpy().astype("datetime64[us]")
    exact = micros.astype("datetime64[ms]") == micros
    short, long = np.datetime_as_string(micros, "ms"), np.datetime_as_string(micros, "us")
    texts = zip(np.isnat(micros), exact, short.tolist(), long.tolist(), strict=True)
    return (None if gone else (ms if whole else us) + zone for gone, whole, ms, us in texts)


def _encode(name: str, cell: Any) -> msgspec.Raw:
    """Encode one value of an object column or a float; the standard library writes what msgspec does not."""
    try:
        return msgspec.Raw(json.dumps(cell, allow_nan=False, default=_plain).encode())
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(
            f"The column {name!r} cannot be written as JSON: {error}.", hint="Convert it, or leave it out."
        ) from error


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    if isinstance(value, decimal.Decimal | pd.Period):
        return str(value)
    raise TypeError(f"JSON has no {type(value).__name__}")
