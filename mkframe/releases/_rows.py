"""Metadata rows of several releases side by side, with keys and values as numbers.

A row is known by its instance, its functional role and its name. Rows that share all three are told apart by
their order. An empty text equals a missing value, as in the meta database.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mkframe._pandas import PYTHON_TEXT, text_array
from mkframe._text import short_repr
from mkframe.errors import InputError
from mkframe.metrics._checks import check_columns

__all__ = ["ABSENT", "SYSTEM_COLUMNS", "Aligned", "Bools", "CellKeys", "Ints", "align", "combine",
           "occurrences", "read_flags", "text_column"]  # fmt: skip

Ints: TypeAlias = NDArray[np.int64]
Bools: TypeAlias = NDArray[np.bool_]
CellKeys: TypeAlias = tuple[Ints, Ints]
"""Lines, and numbers of properties."""

SYSTEM_COLUMNS = ("@PATTERN", "@FOLDER", "@INSTANCE", "@RELEASE", "@POS_NO", "@DELETED")
_KEYS = ("FUNCTIONAL_ROLE", "NAME")
ABSENT = -2
"""The code of a value of a row that a release does not have; a missing value has -1."""


def text_column(values: Any, index: pd.Index[Any] | None = None) -> pd.Series[str]:
    """Return values as a column of text; missing ones stay missing.

    Examples
    --------
    >>> text_column(["R1", None]).tolist()
    ['R1', nan]
    """
    texts = text_array(np.asarray(values, dtype=object), PYTHON_TEXT)
    column: pd.Series[str] = pd.Series(texts, index=index, dtype=PYTHON_TEXT)
    return column


def read_flags(frame: pd.DataFrame, name: str) -> Bools:
    """Return a column of flags; missing ones are false, and text is what it says.

    Raises
    ------
    InputError
        If a value is none of 0, 1, true and false, which a column keeps as it came.

    Examples
    --------
    >>> read_flags(pd.DataFrame({"@DELETED": ["0", "1", None]}), "@DELETED").tolist()
    [False, True, False]
    >>> read_flags(pd.DataFrame({"deleted": pd.array([True, None], dtype="boolean")}), "deleted").tolist()
    [True, False]
    """
    values = frame[name]
    if pd.api.types.is_bool_dtype(values.dtype) or pd.api.types.is_numeric_dtype(values.dtype):
        return (values.notna() & (values != 0).fillna(False)).to_numpy(bool)
    known = {value: str(value).strip().lower() for value in values.dropna().unique()}
    if wrong := [value for value, text in known.items() if text not in _FLAGS]:
        raise InputError(
            f"{name} is {short_repr(wrong[0])} in a row, which is neither 0 nor 1.",
            hint="Look at these rows, and leave them out or put 0 or 1 there.",
        )
    return np.array([_FLAGS[known[v]] if pd.notna(v) else False for v in values], dtype=bool)


_FLAGS = {"0": False, "1": True, "false": False, "true": True, "0.0": False, "1.0": True}


@dataclass(frozen=True)
class Aligned:
    """The rows of one pattern in several releases, one line for each row that any of them has.

    Attributes
    ----------
    rows : DataFrame
        What was read, numbered from 0.
    instances : DataFrame
        ``folder`` and ``instance`` of each instance, sorted.
    has, deleted : ndarray of bool
        For each instance and release, whether it has rows there, and whether all of them are deleted.
    count : ndarray of int
        For each instance and release, its rows that are not deleted.
    row_at : ndarray of int
        For each line and release, the position in `rows`, or -1.
    instance, key, occurrence : ndarray of int
        For each line its instance, its key, and its number among the lines of that key, from 1.
    role : ndarray of int
        For each line the code of its functional role.
    position : ndarray of float
        For each row of `rows` its ``@POS_NO``.
    codes : dict of str to ndarray of int
        For each property a number for each value in `rows`; equal values have equal numbers.
    """

    rows: pd.DataFrame
    instances: pd.DataFrame
    has: Bools
    deleted: Bools
    count: Ints
    row_at: Ints
    instance: Ints
    key: Ints
    role: Ints
    occurrence: Ints
    position: NDArray[np.float64]
    codes: dict[str, Ints]

    def values(self, name: str, lines: Ints, release: int) -> NDArray[np.object_]:
        """Return the values of a column in some lines of one release; None where it has none."""
        at = self.row_at[lines, release]
        found = self.rows[name].array.take(np.where(at < 0, 0, at))
        values = np.array(found.astype(object), dtype=object)
        values[(at < 0) | pd.isna(values)] = None  # first, since pd.NA cannot be compared
        values[values == ""] = None
        return values

    def code(self, name: str, release: int) -> Ints:
        """Return the code of a property of each line in one release."""
        at = self.row_at[:, release]
        codes = self.codes[name]
        if not len(codes):
            return np.full(len(at), ABSENT, dtype="int64")
        return np.where(at < 0, ABSENT, codes[at])

    def any_row(self, lines: Ints) -> Ints:
        """Return a position in `rows` for each line, to read its key from."""
        return np.asarray(self.row_at[lines].max(axis=1), dtype="int64")

    # --- cells: lines with the numbers of properties ------------------------------------------------------

    def changed_cells(self, lines: Ints, one: int, other: int) -> CellKeys:
        """Return the cells of some lines whose values differ between two releases."""
        found = [(lines[:0], lines[:0])]
        for number, name in enumerate(self.codes):
            differ = lines[self.code(name, one)[lines] != self.code(name, other)[lines]]
            found.append((differ, np.full(len(differ), number, dtype="int64")))
        return _join(found)

    def value_cells(self, lines: Ints, release: int) -> CellKeys:
        """Return the cells of some lines that have a value; a line without any has the property -1."""
        found = [(lines[:0], lines[:0])]
        is_empty = np.ones(len(lines), dtype=bool)
        for number, name in enumerate(self.codes):
            has_value = self.code(name, release)[lines] >= 0
            is_empty &= ~has_value
            found.append((lines[has_value], np.full(int(has_value.sum()), number, dtype="int64")))
        empty = lines[is_empty]
        return _join([*found, (empty, np.full(len(empty), -1, dtype="int64"))])

    def cell_codes(self, cells: CellKeys, release: int) -> Ints:
        """Return the codes of cells in one release; where there is no property, those of its rows."""
        lines, numbers = cells
        codes = np.where(self.row_at[lines, release] >= 0, -1, ABSENT)
        for number, name in enumerate(self.codes):
            here = numbers == number
            codes[here] = self.code(name, release)[lines[here]]
        return codes

    def cell_values(self, cells: CellKeys, release: int) -> pd.Series[Any]:
        """Return the values of cells in one release, as objects; None where there is none."""
        lines, numbers = cells
        values = np.full(len(lines), None, dtype=object)
        for number, name in enumerate(self.codes):
            here = np.flatnonzero(numbers == number)
            values[here] = self.values(name, lines[here], release)
        return pd.Series(values, dtype=object)

    def cell_properties(self, cells: CellKeys) -> pd.Series[str]:
        """Return the names of the properties of cells; missing where there is none."""
        return text_column(np.array([*self.codes, None], dtype=object)[cells[1]])

    # --- columns of results -------------------------------------------------------------------------------

    def instance_columns(self, instances: Ints) -> dict[str, Any]:
        """Return pattern, folder and name of some instances."""
        pattern = self.rows["@PATTERN"].iloc[0] if len(self.rows) else None
        return {
            "pattern": text_column([pattern] * len(instances)),
            "folder": self.instances["folder"].iloc[instances].reset_index(drop=True),
            "instance": self.instances["instance"].iloc[instances].reset_index(drop=True),
        }

    def row_columns(self, lines: Ints) -> dict[str, Any]:
        """Return instance, role and name of some lines."""
        row = self.any_row(lines) if len(lines) else lines
        return {
            **self.instance_columns(self.instance[lines]),
            "role": text_column(self.rows["FUNCTIONAL_ROLE"].array.take(row)),
            "name": text_column(self.rows["NAME"].array.take(row)),
        }

    def positions(self, lines: Ints, release: int) -> pd.Series[Any]:
        """Return the ``@POS_NO`` of some lines in one release, as Int64."""
        at = self.row_at[lines, release]
        places = np.full(len(lines), np.nan)
        places[at >= 0] = self.position[at[at >= 0]]
        return pd.Series(np.where(np.isfinite(places), places, np.nan)).astype("Int64")

    def reading_order(self, lines: Ints, releases: Sequence[int], *minor: Ints) -> Ints:
        """Return the order of lines by instance and place: that in the last release which has them."""
        place = np.full(len(lines), np.inf)
        for release in releases:
            at = self.row_at[lines, release]
            place[at >= 0] = self.position[at[at >= 0]]
        keys = [*minor[::-1], self.any_row(lines) if len(lines) else lines, place, self.instance[lines]]
        return np.asarray(np.lexsort(keys), dtype="int64")


def align(rows: pd.DataFrame, releases: Sequence[str | None]) -> Aligned:
    """Put the rows of some releases of one pattern side by side.

    Parameters
    ----------
    rows : DataFrame
        Rows of ``@INSTANCES.<pattern>``, as ``client.instance_rows`` returns them.
    releases : sequence of str
        Names of releases, as they are in ``@RELEASE``.

    Raises
    ------
    InputError
        If a column is missing, or the rows are of several patterns.
    """
    _check(rows)
    release = text_column(rows["@RELEASE"])
    side = pd.Index(list(releases)).get_indexer(pd.Index(release.array)).astype("int64")
    kept = rows[side >= 0].reset_index(drop=True)
    side = side[side >= 0]
    instance, instances = _number_instances(kept)
    is_deleted = read_flags(kept, "@DELETED")
    shape = (len(instances), len(releases))
    count, deleted_count = np.zeros(shape, dtype="int64"), np.zeros(shape, dtype="int64")
    np.add.at(count, (instance[~is_deleted], side[~is_deleted]), 1)
    np.add.at(deleted_count, (instance[is_deleted], side[is_deleted]), 1)
    position = _positions(kept["@POS_NO"])
    live = np.flatnonzero(~is_deleted)
    role = _codes(kept["FUNCTIONAL_ROLE"])
    key = combine(instance, role, _codes(kept["NAME"]))
    order = live[np.lexsort((live, position[live], key[live], side[live]))]
    number = np.zeros(len(kept), dtype="int64")
    number[order] = occurrences(side[order], key[order])
    line, first = _first_seen(combine(key[live], number[live]))
    at = np.full((len(first), len(releases)), -1, dtype="int64")
    at[line, side[live]] = live
    sample = live[first]
    properties = [name for name in kept.columns if name not in (*SYSTEM_COLUMNS, *_KEYS)]
    return Aligned(
        kept, instances, count + deleted_count > 0, (deleted_count > 0) & (count == 0), count, at,
        instance[sample], key[sample], role[sample], number[sample] + 1, position,
        {str(name): _codes(kept[name]) for name in properties},
    )  # fmt: skip


def combine(*codes: Ints) -> Ints:
    """Number the combinations of several codes.

    Examples
    --------
    >>> combine(np.array([5, 5, 7]), np.array([-1, -1, 0])).tolist()
    [0, 0, 1]
    """
    made = pd.factorize(codes[0])[0].astype("int64")
    for each in codes[1:]:
        numbers, found = pd.factorize(each)
        made = pd.factorize(made * max(len(found), 1) + numbers)[0].astype("int64")
    return made


def occurrences(*codes: Ints) -> Ints:
    """Number equal combinations from 0; equal ones must follow each other.

    Examples
    --------
    >>> occurrences(np.array([4, 4, 9, 9, 9])).tolist()
    [0, 1, 0, 1, 2]
    """
    size = len(codes[0])
    is_first = np.ones(size, dtype=bool)
    if size:
        is_first[1:] = np.any([each[1:] != each[:-1] for each in codes], axis=0)
    places = np.arange(size)
    return np.asarray(places - np.maximum.accumulate(np.where(is_first, places, 0)), dtype="int64")


def _join(parts: Sequence[CellKeys]) -> CellKeys:
    return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])


def _check(rows: pd.DataFrame) -> None:
    hint = "Give the rows of one pattern, as client.instance_rows returns them."
    check_columns(rows, (*SYSTEM_COLUMNS, *_KEYS), "metadata rows", hint)
    if not rows.columns.is_unique:
        twice = ", ".join(map(str, rows.columns[rows.columns.duplicated()].unique()))
        raise InputError(f"The metadata rows have the column {twice} more than once.", hint=hint)
    if len(found := rows["@PATTERN"].dropna().unique()) > 1:
        names = ", ".join(map(str, found[:3]))
        raise InputError(f"The metadata rows are of several patterns: {short_repr(names)}.", hint=hint)


def _codes(values: pd.Series[Any]) -> Ints:
    """Number the values of a column; missing values and empty texts are -1."""
    try:
        codes, found = pd.factorize(values)
    except TypeError:  # lists or objects, which cannot be hashed
        codes, found = pd.factorize(values.map(repr, na_action="ignore"))
    codes = codes.astype("int64")
    empty = np.flatnonzero(np.asarray(found, dtype=object) == "")
    if len(empty):
        codes[codes == empty[0]] = -1
    return codes


def _positions(values: pd.Series[Any]) -> NDArray[np.float64]:
    try:
        numbers = pd.to_numeric(values)
    except (TypeError, ValueError):
        raise InputError(
            "@POS_NO holds something else than numbers.", hint="Read the rows with client.instance_rows."
        ) from None
    return np.asarray(numbers.astype("Float64").to_numpy("float64", na_value=np.inf), dtype="float64")


def _number_instances(rows: pd.DataFrame) -> tuple[Ints, pd.DataFrame]:
    """Number the instances, sorted by folder and name."""
    folder, name = _codes(rows["@FOLDER"]), _codes(rows["@INSTANCE"])
    found, first = _first_seen(combine(folder, name))
    table = pd.DataFrame(
        {
            "folder": text_column(rows["@FOLDER"].iloc[first]),
            "instance": text_column(rows["@INSTANCE"].iloc[first]),
        }
    )
    order = table.sort_values(["folder", "instance"], kind="stable").index.to_numpy()
    rank = np.empty(len(order), dtype="int64")
    rank[order] = np.arange(len(order))
    return rank[found] if len(order) else found, table.iloc[order].reset_index(drop=True)


def _first_seen(codes: Ints) -> tuple[Ints, Ints]:
    """Return codes without gaps, and the place at which each is seen first."""
    numbers = pd.factorize(codes)[0].astype("int64")
    return numbers, np.flatnonzero(~pd.Series(codes).duplicated().to_numpy()).astype("int64")
