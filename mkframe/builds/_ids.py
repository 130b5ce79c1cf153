"""Which builds a person means: by id, as what a start gave, or as rows of a frame."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pandas as pd

from mkframe import _validation
from mkframe._text import single_line
from mkframe.builds._reconcile import BuildStart
from mkframe.errors import InputError

__all__ = ["build_id", "build_ids", "is_build"]

_OF_A_BUILD = {"status", "build_start"}
"""Columns by which a frame or row is known to be one of builds; other rows have ids, too."""
_BELONGING = "build_id"
"""A column that only what belongs to a build has, also where the build was joined to it."""
_HINT = "Give the id of a build, several ids, or rows of client.builds.find(...)."


def is_build(thing: Any) -> bool:
    """Whether a thing is a build: what a start gave, or a row of a frame of builds.

    Examples
    --------
    >>> is_build(BuildStart(5139, "BUILDING")), is_build(pd.Series({"name": "a.zip"}, name=5442))
    (True, False)
    """
    return isinstance(thing, BuildStart) or (_validation.is_frame_row(thing) and _has_builds(thing.index))


def _has_builds(labels: Any) -> bool:
    return set(labels) >= _OF_A_BUILD and _BELONGING not in labels


def build_id(thing: Any) -> int:
    """Give the id of one build.

    Examples
    --------
    >>> build_id(BuildStart(5139, "BUILDING")), build_id(5140)
    (5139, 5140)
    """
    if _validation.is_frame_row(thing) and not is_build(thing):
        raise InputError(f"The row {single_line(thing.name)} is not one of builds.", hint=_HINT)
    if isinstance(thing, BuildStart):
        return thing.id
    return _validation.as_id(
        "the id of a build", _validation.row_id(thing) if _validation.is_frame_row(thing) else thing
    )


def build_ids(given: Any) -> tuple[list[int], bool]:
    """Give the ids of builds, each once, and whether a single build was given.

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
        if given.index.name != "id" or not _has_builds(given.columns):
            raise InputError("The frame is not one of builds.", hint=_HINT)
        given = list(given.index)
    _validation.check_ids(given, "id", "build_id")
    single = (
        isinstance(given, BuildStart | str)
        or _validation.is_frame_row(given)
        or not isinstance(given, Iterable)
    )
    ids = [build_id(one) for one in ([given] if single else given)]
    return list(dict.fromkeys(ids)), single
