"""The difference between two releases, row by row and property by property."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mkframe.errors import InputError
from mkframe.releases._diff_view import diff_body, diff_facts
from mkframe.releases._result import Result, concat
from mkframe.releases._rows import Aligned, Bools, CellKeys, Ints, align, combine, occurrences, text_column

__all__ = ["DIFF_COLUMNS", "KINDS", "Diff", "diff", "diff_of"]

KINDS = ("added", "removed", "changed")
_TEXT, _INT = "text", "Int64"
_ROW = {"pattern": _TEXT, "folder": _TEXT, "instance": _TEXT, "role": _TEXT, "name": _TEXT}
DIFF_COLUMNS = {
    **_ROW, "kind": _TEXT, "property": _TEXT, "old": "object", "new": "object", "occurrence": _INT,
    "old_pos": _INT, "new_pos": _INT,
}  # fmt: skip
_ORDER_COLUMNS = {**_ROW, "occurrence": _INT, "old_pos": _INT, "new_pos": _INT}
_RENAME_COLUMNS = {
    "pattern": _TEXT, "folder": _TEXT, "instance": _TEXT, "role": _TEXT, "old_name": _TEXT, "new_name": _TEXT,
    "old_pos": _INT, "new_pos": _INT,
}  # fmt: skip
_DUPLICATE_COLUMNS = {**_ROW, "old_rows": _INT, "new_rows": _INT}
_SUMMARY_COLUMNS = {
    "pattern": _TEXT, "folder": _TEXT, "instance": _TEXT, "state": _TEXT, "old_rows": _INT, "new_rows": _INT,
    "added": _INT, "removed": _INT, "changed": _INT, "moved": _INT, "rename_candidates": _INT,
    "duplicate_keys": _INT,
}  # fmt: skip
STATES = (
    "in both", "only in old", "only in new", "deleted in old", "deleted in new", "deleted in both",
    "deleted in old, not in new", "deleted in new, not in old",
)  # fmt: skip
"""Where an instance is; a deleted one has only deleted rows there."""


class Diff(Result):
    """The difference between two releases: a frame with further tables beside it.

    Attributes
    ----------
    summary : DataFrame
        One row for each instance with a difference, or that is not in both releases: ``pattern``,
        ``folder``, ``instance``, ``state`` str; ``old_rows``, ``new_rows``, ``added``, ``removed``,
        ``changed`` (rows, not cells), ``moved``, ``rename_candidates`` and ``duplicate_keys`` Int64.
    instances : DataFrame
        The instances that are not in both releases, or are deleted in one: ``pattern``, ``folder``,
        ``instance``, ``state`` str. Their rows are not in the diff.
    order : DataFrame
        Rows that both releases have, but at another place among such rows: ``pattern``, ``folder``,
        ``instance``, ``role``, ``name`` str; ``occurrence``, ``old_pos``, ``new_pos`` Int64.
    renames : DataFrame
        Candidates only: a removed and an added row of one role at one place with equal properties.
        ``pattern``, ``folder``, ``instance``, ``role``, ``old_name``, ``new_name`` str; ``old_pos``,
        ``new_pos`` Int64.
    duplicates : DataFrame
        Keys that occur more than once in an instance: the columns of a row, ``old_rows``, ``new_rows``.
    """

    _metadata = ["summary", "instances", "order", "renames", "duplicates"]  # noqa: RUF012 - as pandas has it
    TITLE = "Differences"
    summary: pd.DataFrame
    instances: pd.DataFrame
    order: pd.DataFrame
    renames: pd.DataFrame
    duplicates: pd.DataFrame

    @property
    def title(self) -> str:
        """What is compared."""
        return f"Differences from {self.attrs['old']['release']} to {self.attrs['new']['release']}"

    def _facts(self) -> Sequence[str]:
        return diff_facts(self)

    def _tables(self) -> Mapping[str, pd.DataFrame]:
        return {
            "Instances": self.summary, "Not in both": self.instances, "Moved": self.order,
            "May be renamed": self.renames, "Duplicate keys": self.duplicates,
        }  # fmt: skip

    def _body(self, limit: int | None) -> str:
        return diff_body(self, limit)


def diff(rows: pd.DataFrame | Iterable[pd.DataFrame], *, old: str, new: str) -> Diff:
    """Compare the metadata rows of two releases.

    Rows are paired by instance, functional role and name; rows that share these are paired in order. An
    empty text equals a missing value. ``@POS_NO`` is not compared: it shifts behind every insert.

    Parameters
    ----------
    rows : DataFrame or iterable of DataFrame
        Rows of ``@INSTANCES.<pattern>`` of both releases, one frame for each pattern.
    old, new : str
        Names of the releases.

    Returns
    -------
    Diff
        One row for each metadata row and property: ``pattern``, ``folder``, ``instance``, ``role``, ``name``,
        ``kind`` (added, removed or changed), ``property`` str, ``old`` and ``new`` object, ``occurrence``
        Int64 (2 for the second row of a key), ``old_pos`` and ``new_pos`` Int64. An added or removed row has
        a line for each property with a value; if none has one, a single line without `property`. Instances
        of one release only, and deleted ones, are in `instances` instead.

    Raises
    ------
    InputError
        If a column is missing, a frame has rows of several patterns, or both releases are the same.

    Examples
    --------
    >>> rows = pd.DataFrame({"@PATTERN": "DV", "@FOLDER": "/RAW", "@INSTANCE": "AIRPLANE",
    ...     "@RELEASE": ["R1", "R2", "R2"], "@POS_NO": [1, 1, 2], "@DELETED": 0, "FUNCTIONAL_ROLE": "ATTR",
    ...     "NAME": ["SEATS", "SEATS", "WEIGHT"], "DATA_TYPE": ["int", "bigint", "int"]})
    >>> diff(rows, old="R1", new="R2")[["name", "kind", "old", "new"]].values.tolist()
    [['SEATS', 'changed', 'int', 'bigint'], ['WEIGHT', 'added', None, 'int']]
    """
    if old == new:
        raise InputError(f"Both releases are {old!r}.", hint="Name two releases.")
    frames = [rows] if isinstance(rows, pd.DataFrame) else list(rows)
    return diff_of([_diff_pattern(align(each, [old, new])) for each in frames], old, new)


def diff_of(parts: Sequence[dict[str, Any]], old: str, new: str) -> Diff:
    """Join the differences of several patterns."""
    result = Diff(concat([part["lines"] for part in parts], DIFF_COLUMNS))
    result.summary = concat([part["summary"] for part in parts], _SUMMARY_COLUMNS)
    result.instances = concat([part["instances"] for part in parts], dict.fromkeys(_INSTANCE, _TEXT))
    result.order = concat([part["order"] for part in parts], _ORDER_COLUMNS)
    result.renames = concat([part["renames"] for part in parts], _RENAME_COLUMNS)
    result.duplicates = concat([part["duplicates"] for part in parts], _DUPLICATE_COLUMNS)
    result.attrs = {
        "old": {"release": old},
        "new": {"release": new},
        "compared": sum(part["compared"] for part in parts),
        "unchanged": sum(part["unchanged"] for part in parts),
        "notes": ["An instance without any row in a release looks as if it were not in that release."],
    }
    return result


_INSTANCE = ("pattern", "folder", "instance", "state")


def _diff_pattern(data: Aligned) -> dict[str, Any]:
    in_both: Bools = np.all(data.count > 0, axis=1)
    lines = np.flatnonzero(in_both[data.instance]).astype("int64")
    is_old, is_new = data.row_at[lines, 0] >= 0, data.row_at[lines, 1] >= 0
    added, removed, both = lines[~is_old], lines[~is_new], lines[is_old & is_new]
    cells = {
        "added": data.value_cells(added, 1),
        "removed": data.value_cells(removed, 0),
        "changed": data.changed_cells(both, 0, 1),
    }
    order, renames = _moved(data, both), _renames(data, removed, added)
    duplicates = _duplicates(data, lines)
    counted = {kind: np.unique(cells[kind][0]) for kind in KINDS}
    counted |= {"moved": order, "rename_candidates": renames[0], "duplicate_keys": duplicates}
    counts = {name: _count(data, rows) for name, rows in counted.items()}
    has_change: Bools = np.any([counts[name] > 0 for name in (*KINDS, "moved")], axis=0)
    state = _states(data)
    summary = pd.DataFrame(
        {**data.instance_columns(np.arange(len(state))), "state": text_column(state),
         "old_rows": data.count[:, 0], "new_rows": data.count[:, 1], **counts}
    )  # fmt: skip
    apart = np.flatnonzero(state != STATES[0])
    return {
        "lines": _lines(data, cells),
        "summary": summary[has_change | (state != STATES[0]) | (counts["duplicate_keys"] > 0)],
        "instances": pd.DataFrame({**data.instance_columns(apart), "state": text_column(state[apart])}),
        "order": _rows(data, order),
        "renames": _rename_rows(data, *renames),
        "duplicates": _duplicate_rows(data, duplicates),
        "compared": int(in_both.sum()),
        "unchanged": int((in_both & ~has_change).sum()),
    }


def _lines(data: Aligned, cells: Mapping[str, CellKeys]) -> pd.DataFrame:
    line = np.concatenate([cells[kind][0] for kind in KINDS])
    number = np.concatenate([cells[kind][1] for kind in KINDS])
    kind = np.repeat(np.array(KINDS, dtype=object), [len(cells[kind][0]) for kind in KINDS])
    order = data.reading_order(line, (0, 1), number)
    found = line[order], number[order]
    return _rows(data, found[0]).assign(
        kind=text_column(kind[order]),
        property=data.cell_properties(found),
        old=data.cell_values(found, 0),
        new=data.cell_values(found, 1),
    )


def _moved(data: Aligned, both: Ints) -> Ints:
    """Return the fewest lines that would have to move to give an instance its new order."""
    if not len(both):
        return both
    instance = data.instance[both]
    by_old = np.lexsort((data.row_at[both, 0], data.position[data.row_at[both, 0]], instance))
    by_new = np.lexsort((data.row_at[both, 1], data.position[data.row_at[both, 1]], instance))
    rank = np.empty(len(both), dtype="int64")
    rank[by_new] = np.arange(len(both))
    sequence, owner = rank[by_old], instance[by_old]
    falls = np.flatnonzero((sequence[1:] < sequence[:-1]) & (owner[1:] == owner[:-1]))
    starts = np.searchsorted(owner, np.unique(owner[falls]))
    moved = []
    for start in starts.tolist():
        end = int(np.searchsorted(owner, owner[start], "right"))
        moved.append(by_old[start:end][~_longest_rise(sequence[start:end].tolist())])
    found = both[np.concatenate(moved)] if moved else both[:0]
    return found[data.reading_order(found, (0, 1))]


def _longest_rise(sequence: list[int]) -> Bools:
    """Mark the members of a longest increasing subsequence.

    Examples
    --------
    >>> _longest_rise([3, 0, 1, 2]).tolist()
    [False, True, True, True]
    """
    ends: list[int] = []
    places: list[int] = []
    previous: list[int] = []
    for place, value in enumerate(sequence):
        length = bisect_right(ends, value)
        previous.append(places[length - 1] if length else -1)
        if length == len(ends):
            ends.append(value)
            places.append(place)
        else:
            ends[length], places[length] = value, place
    kept = np.zeros(len(sequence), dtype=bool)
    at = places[-1] if places else -1
    while at >= 0:
        kept[at] = True
        at = previous[at]
    return kept


def _renames(data: Aligned, removed: Ints, added: Ints) -> tuple[Ints, Ints]:
    """Pair removed and added lines of one role, between the same rows, with equal properties."""
    if not len(removed) or not len(added):
        return removed[:0], added[:0]
    lines = np.concatenate([removed, added])
    before = np.concatenate([_row_before(data, 0)[removed], _row_before(data, 1)[added]])
    values = [np.concatenate([data.code(name, 0)[removed], data.code(name, 1)[added]]) for name in data.codes]
    group = combine(data.instance[lines], data.role[lines], before, *values)
    release = np.repeat([0, 1], [len(removed), len(added)])
    place = data.position[np.concatenate([data.row_at[removed, 0], data.row_at[added, 1]])]
    order = np.lexsort((np.arange(len(lines)), place, group, release))
    number = occurrences(release[order], group[order])
    table = pd.DataFrame({"group": group[order], "number": number, "line": lines[order]})
    pairs = table[release[order] == 0].merge(table[release[order] == 1], on=["group", "number"])
    return pairs["line_x"].to_numpy("int64"), pairs["line_y"].to_numpy("int64")


def _row_before(data: Aligned, release: int) -> Ints:
    """Return for each line the nearest line before it that both releases have; -1 at the start."""
    at = data.row_at[:, release]
    here = np.flatnonzero(at >= 0)
    order = here[np.lexsort((at[here], data.position[at[here]], data.instance[here]))]
    common = (data.row_at[order] >= 0).all(axis=1)
    places = np.arange(len(order))
    instance = data.instance[order]
    is_start = np.ones(len(order), dtype=bool)
    is_start[1:] = instance[1:] != instance[:-1]
    start = np.maximum.accumulate(np.where(is_start, places, 0))
    # shifted by one: a row does not come before itself
    seen = np.maximum.accumulate(np.where(common, places, -1))
    last: Ints = np.concatenate([[-1], seen[:-1]])[: len(order)]
    before: Ints = np.full(len(at), -1, dtype="int64")
    known = last >= start
    before[order[known]] = order[last[known]]
    return before


def _duplicates(data: Aligned, lines: Ints) -> Ints:
    """Return the first line of each key that has a second row in a release."""
    keys = np.unique(data.key[lines[data.occurrence[lines] > 1]])
    found: Ints = lines[np.isin(data.key[lines], keys) & (data.occurrence[lines] == 1)]
    return found


def _states(data: Aligned) -> NDArray[np.object_]:
    names = {
        ("rows", "rows"): STATES[0], ("rows", "none"): STATES[1], ("none", "rows"): STATES[2],
        ("deleted", "rows"): STATES[3], ("rows", "deleted"): STATES[4], ("deleted", "deleted"): STATES[5],
        ("deleted", "none"): STATES[6], ("none", "deleted"): STATES[7],
    }  # fmt: skip
    each = np.where(data.deleted, "deleted", np.where(data.has, "rows", "none"))
    return np.array([names[old, new] for old, new in each.tolist()], dtype=object)


def _count(data: Aligned, lines: Ints) -> Ints:
    return np.asarray(np.bincount(data.instance[lines], minlength=len(data.instances)), dtype="int64")


def _rows(data: Aligned, lines: Ints) -> pd.DataFrame:
    positions = {"old_pos": data.positions(lines, 0), "new_pos": data.positions(lines, 1)}
    return pd.DataFrame({**data.row_columns(lines), "occurrence": data.occurrence[lines], **positions})


def _rename_rows(data: Aligned, removed: Ints, added: Ints) -> pd.DataFrame:
    old, new = _rows(data, removed), _rows(data, added)
    return old.rename(columns={"name": "old_name"}).assign(new_name=new["name"], new_pos=new["new_pos"])


def _duplicate_rows(data: Aligned, lines: Ints) -> pd.DataFrame:
    size = int(data.key.max()) + 1 if len(data.key) else 0
    counts = [
        np.bincount(data.key[data.row_at[:, side] >= 0], minlength=size)[data.key[lines]] for side in (0, 1)
    ]
    return pd.DataFrame(data.row_columns(lines)).assign(old_rows=counts[0], new_rows=counts[1])
