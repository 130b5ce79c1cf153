"""Read which builds an argument names: by id, as the result of a start, or as rows of a frame."""

from __future__ import annotations

from typing import Any

import pandas as pd

from mkframe import _validation
from mkframe._text import single_line
from mkframe.builds._reconcile import BuildStart
from mkframe.errors import InputError

__all__ = ["build_id", "build_ids", "is_build"]

_BUILD_COLUMNS = {"status", "build_start"}
"""Columns by which a frame or row of builds is recognized; other rows have ids, too."""
_OTHER_COLUMN = "build_id"
"""A column that downloads and deployments have and builds do not, also after a join with builds."""
_HINT = "Give the id of a build, several ids, or rows of client.builds.find(...)."


def is_build(value: Any) -> bool:
    """Whether an object is a build: the result of a start, or a row of a frame of builds.

    Examples
    --------
    >>> is_build(BuildStart(5139, "BUILDING")), is_build(pd.Series({"name": "a.zip"}, name=5442))
    (True, False)
    """
    return isinstance(value, BuildStart) or (_validation.is_frame_row(value) and _has_builds(value.index))


def _has_builds(labels: Any) -> bool:
    return set(labels) >= _BUILD_COLUMNS and _OTHER_COLUMN not in labels


def build_id(value: Any) -> int:
    """Return the id of one build.

    Examples
    --------
    >>> build_id(BuildStart(5139, "BUILDING")), build_id(5140)
    (5139, 5140)
    """
    if _validation.is_frame_row(value) and not is_build(value):
        raise InputError(f"The row {single_line(value.name)} is not one of builds.", hint=_HINT)
    if isinstance(value, BuildStart):
        return value.id
    return _validation.as_id(
        "the id of a build", _validation.row_id(value) if _validation.is_frame_row(value) else value
    )


def build_ids(given: Any) -> tuple[list[int], bool]:
    """Return the ids of builds, each once, and whether a single build was given.

    Raises
    ------
    InputError
        If one of them is no build.

    Examples
    --------
    >>> build_ids([5139, 5140, 5139]), build_ids(5139)
    (([5139, 5140], False), ([5139], True))
    """
    if isinstance(given, pd.DataFrame):
        if not _has_builds(given.columns):
            raise InputError("The frame is not one of builds.", hint=_HINT)
        given = _validation.frame_ids(given)
    _validation.check_ids(given, "id", "build_id")
    single = not _validation.is_several(given)
    ids = [build_id(one) for one in ([given] if single else given)]
    return list(dict.fromkeys(ids)), single
