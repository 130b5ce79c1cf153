"""Checks of the arguments that metrics and charts take.

Each check returns None or raises `InputError`; none changes or converts its argument.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mkframe._pandas import as_text, plain, text_dtype
from mkframe.errors import InputError
from mkframe.schema import RESOURCES, STATUSES

__all__ = ["check_statuses", "check_choice", "float_values", "require_columns", "status_of"]


def check_columns(frame: Any, columns: Iterable[str], noun: str, hint: str) -> None:
    """Refuse what is no frame, or lacks a column, or has one twice.

    Raises
    ------
    InputError
        The sentence names the column; the hint is the one given.

    Examples
    --------
    >>> check_columns(pd.DataFrame({"TYPE": ["Build"]}), ["TYPE"], "commits", "Use client.commits.")
    """
    if not isinstance(frame, pd.DataFrame):
        raise InputError(f"A DataFrame of {noun} was expected, not {type(frame).__name__}.", hint=hint)
    columns = tuple(columns)
    if missing := [name for name in columns if name not in frame.columns]:
        raise InputError(f"This needs the column {', '.join(missing)}, which the frame lacks.", hint=hint)
    for name in columns:
        if isinstance(frame[name], pd.DataFrame):
            raise InputError(f"The frame has the column {name} more than once.", hint=hint)


def require_columns(frame: pd.DataFrame, columns: Iterable[str], resource: str = "builds") -> None:
    """Refuse a frame that lacks a column, or has times without a zone in one.

    Parameters
    ----------
    frame : DataFrame
        The argument to check.
    columns : iterable of str
        The columns that must be there.
    resource : str, default "builds"
        The resource whose frame is expected.

    Raises
    ------
    InputError
        If `frame` is no DataFrame, or a column is missing, there twice, or holds times without a zone. The
        sentence names the column.

    Examples
    --------
    >>> require_columns(pd.DataFrame({"status": ["FAILED"]}), ["status"])
    """
    hint = f"Pass a {resource} frame as client.{resource}.find() or mk.read_json() returns it."
    columns = tuple(columns)
    check_columns(frame, columns, resource, hint)
    times = {field.name for field in RESOURCES[resource].fields if field.type == "timestamp"}
    for name in times.intersection(columns):
        if not isinstance(plain(frame[name].iloc[:0]).dtype, pd.DatetimeTZDtype):
            raise InputError(
                f"The column {name} holds {frame[name].dtype}, not times with a zone.",
                hint=f'Use pd.to_datetime(frame["{name}"], utc=True, format="ISO8601"), or: {hint}',
            )


def status_of(builds: pd.DataFrame) -> pd.Series[str]:
    """Return the column `status` as text, also where it holds categories or objects; missing ones are NaN.

    Examples
    --------
    >>> status_of(pd.DataFrame({"status": pd.Categorical(["FAILED", None])})).tolist()
    ['FAILED', nan]
    """
    status = builds["status"]
    text: pd.Series[str] = as_text(status) if status.dtype == object else status.astype(text_dtype())
    return text


def float_values(values: pd.Series[Any]) -> NDArray[np.float64]:
    """Give numbers as floats, whatever their dtype; missing ones are NaN.

    Examples
    --------
    >>> float_values(pd.Series([3, None], dtype="Int64")).tolist()
    [3.0, nan]
    """
    return np.asarray(values.astype("Float64").to_numpy("float64", na_value=np.nan), dtype="float64")


def check_choice(name: str, value: str | None, allowed: Sequence[str | None]) -> None:
    """Refuse a value that is not among the allowed ones of an argument.

    Examples
    --------
    >>> check_choice("every", "W", ["D", "W"])
    """
    if value not in allowed:
        choices = ", ".join(map(repr, allowed))
        raise InputError(f"{name}={value!r} is invalid.", hint=f"Choose one of {choices}.")


def check_statuses(builds: pd.DataFrame, statuses: Sequence[str] | None) -> None:
    """Refuse a status that is neither in the API reference nor in the frame, and refuse BUILDING.

    Examples
    --------
    >>> check_statuses(pd.DataFrame({"status": ["PAUSED"]}), ["FINISHED", "PAUSED"])
    """
    if statuses is None:
        return
    if isinstance(statuses, str) or not all(isinstance(status, str) for status in statuses):
        raise InputError(
            f"statuses={statuses!r} is not a sequence of strings.", hint='Write statuses=("FINISHED",).'
        )
    if "BUILDING" in statuses:
        raise InputError(
            "A build with status BUILDING has no duration yet.",
            hint="Leave BUILDING out; running builds are counted separately.",
        )
    unlisted = set(statuses) - set(STATUSES)
    if unlisted and (unknown := sorted(unlisted.difference(status_of(builds).dropna().unique()))):
        raise InputError(
            f"No build has the status {', '.join(unknown)}.",
            hint=f"The API reference lists {', '.join(STATUSES)}; statuses=None takes every ended build.",
        )
