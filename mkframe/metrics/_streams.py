"""Builds that are compared with each other: those of one pattern set, pattern, project, release or user."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mkframe.errors import InputError
from mkframe.metrics._checks import check_choice
from mkframe.metrics._grouping import BY, By, memberships

__all__ = ["STREAMS", "Stream", "build_ids", "pattern_sets", "sets_of", "streams"]

Stream: TypeAlias = By | Literal["pattern_set"]
Places: TypeAlias = NDArray[np.intp]

STREAMS = [*BY, "pattern_set"]
"""What builds may be divided by; a build has one pattern set and may have many patterns."""


def streams(builds: pd.DataFrame, by: Stream) -> tuple[pd.Index[str], Places, Places]:
    """List the streams, and for each pair of build and stream the row and the place of the stream.

    Parameters
    ----------
    builds : DataFrame
        With the columns that `by` needs.
    by : {"pattern", "release", "project", "user", "pattern_set"}
        A build with several patterns or releases lies in the stream of each.

    Returns
    -------
    names : Index of str
    row, place : ndarray of intp
        Sorted by row.

    Raises
    ------
    InputError
        On an unknown word or a missing column.

    Examples
    --------
    >>> names, row, place = streams(pd.DataFrame({"patterns": [[9, 808], [808]]}), "pattern_set")
    >>> names.tolist(), place.tolist()
    (['808', '9 + 808'], [1, 0])
    """
    check_choice("by", by, STREAMS)
    if by == "pattern_set":
        names, code = pattern_sets(builds)
        return names, np.arange(len(builds), dtype=np.intp), code
    names, row, place, _ = memberships(builds, by)
    return names, row, place


def pattern_sets(builds: pd.DataFrame) -> tuple[pd.Index[str], Places]:
    """Name the pattern sets, and give for each build the place of its own.

    The order of the patterns in a build, and one that is named twice, make no difference.

    Examples
    --------
    >>> names, code = pattern_sets(pd.DataFrame({"patterns": [[9, 808], [808, 9], []]}))
    >>> names.tolist(), code.tolist()
    (['(none)', '9 + 808'], [1, 1, 0])
    """
    return sets_of(builds, "pattern")


def sets_of(builds: pd.DataFrame, by: By) -> tuple[pd.Index[str], Places]:
    """Name the sets of groups that builds are in, and give for each build the place of its own.

    Examples
    --------
    >>> names, code = sets_of(pd.DataFrame({"releases": [[1], [2, 1]]}), "release")
    >>> names.tolist(), code.tolist()
    (['1', '1 + 2'], [0, 1])
    """
    names, row, place, _ = memberships(builds, by)
    begins = np.flatnonzero(np.diff(row, prepend=-1))
    sizes = np.diff(begins, append=len(row))
    code = np.zeros(len(builds), dtype=np.intp)
    for position in range(int(sizes.max(initial=0))):
        has = sizes > position
        member = np.zeros(len(builds), dtype=np.intp)
        member[has] = place[begins[has] + position] + 1
        # numbered anew in every turn, so that the product stays small
        code = pd.factorize(code * (len(names) + 1) + member)[0]
    _, first = np.unique(code, return_index=True)
    labels = [" + ".join(names[place[begins[at] : begins[at] + sizes[at]]]) for at in first]
    order = sorted(range(len(first)), key=labels.__getitem__)
    rank = np.empty(len(order), dtype=np.intp)
    rank[order] = np.arange(len(order))
    return pd.Index([labels[at] for at in order], dtype="str"), rank[code]


def build_ids(builds: pd.DataFrame) -> NDArray[np.int64]:
    """Give the ids of builds, which are the index of a frame.

    Raises
    ------
    InputError
        If the index does not hold whole numbers, or the ids still stand in a column.

    Examples
    --------
    >>> build_ids(pd.DataFrame({"status": ["FAILED"]}, index=[5139])).tolist()
    [5139]
    """
    index: pd.Index[Any] = builds.index
    is_whole = pd.api.types.is_integer_dtype(index) and not index.hasnans
    if "id" in builds.columns or not (is_whole or index.empty):
        raise InputError("The builds are not indexed by their id.", hint='builds.set_index("id") does so.')
    return index.to_numpy("int64")
