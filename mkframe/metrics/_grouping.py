"""Group builds by the period in which they started and, on request, by pattern, release, project or user.

`group_builds` assigns builds to the cells of a result; a cell is one period of one group. Periods and groups
without builds keep their cell, so that an empty period shows as 0 instead of missing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mkframe._text import short_repr
from mkframe._validation import check_timezone
from mkframe.errors import InputError, TooManyPeriodsError
from mkframe.metrics._checks import check_choice, require_columns
from mkframe.schema import RESOURCES

__all__ = [
    "BY",
    "EVERY",
    "By",
    "Every",
    "Groups",
    "check_lists",
    "group_builds",
    "list_items",
    "local_days",
    "local_times",
    "memberships",
    "missing_label",
    "period_edges",
]

Every: TypeAlias = Literal["D", "W", "M", "Q"]
By: TypeAlias = Literal["pattern", "release", "project", "user"]
Days: TypeAlias = NDArray[np.datetime64]

EVERY = {"D": "day", "W": "week", "M": "month", "Q": "quarter"}
"""Allowed lengths of a period, with their names."""
BY = {
    "pattern": ("pattern_names", "patterns"),
    "release": ("release_names", "releases"),
    "project": ("project", "project_id"),
    "user": ("user_id",),
}
"""Allowed values of `by`, with the columns that hold the groups: names before ids."""
_PERIOD_STEPS: dict[str, tuple[str, np.timedelta64, int]] = {
    "D": ("datetime64[D]", np.timedelta64(1, "D"), 1),
    "W": ("datetime64[D]", np.timedelta64(7, "D"), 7),
    "M": ("datetime64[M]", np.timedelta64(1, "M"), 28),
    "Q": ("datetime64[M]", np.timedelta64(3, "M"), 90),
}
"""For each length of a period: the numpy unit of its starts, the step between them, its minimum of days."""
_MAX_CELLS = 2_000_000
_SECOND_DAY, _LAST_DAY = np.datetime64("0001-01-02"), np.datetime64("9999-12-31")


@dataclass(frozen=True)
class Groups:
    """Builds assigned to the cells of a result.

    Attributes
    ----------
    index : Index
        One entry per cell.
    row : ndarray of int
        Positions of builds in their frame; a build in several groups is there several times.
    cell : ndarray of int
        For each entry of `row`, the position of its cell in `index`.
    """

    index: pd.Index[Any]
    row: NDArray[np.intp]
    cell: NDArray[np.intp]

    def count(self) -> NDArray[np.int64]:
        """Count the builds of each cell."""
        return np.bincount(self.cell, minlength=len(self.index)).astype("int64")

    def count_by(self, code: NDArray[np.intp], n_codes: int) -> NDArray[np.int64]:
        """Count the builds of each cell by code (0 to `n_codes` - 1, one per build): one column per code."""
        counts = np.bincount(self.cell * n_codes + code[self.row], minlength=len(self.index) * n_codes)
        return counts.astype("int64").reshape(-1, n_codes)

    def quantiles(
        self, values: NDArray[np.float64], mask: NDArray[np.bool_], q: list[float]
    ) -> NDArray[np.float64]:
        """Interpolate quantiles (numpy's method "linear") per cell; NaN where a cell is empty."""
        selected = mask[self.row]
        cell = self.cell[selected]
        quantiles = pd.Series(values[self.row[selected]]).groupby(cell).quantile(np.asarray(q))
        table = np.full((len(self.index), len(q)), np.nan)
        table[np.flatnonzero(np.bincount(cell))] = quantiles.to_numpy("float64").reshape(-1, len(q))
        return table


def group_builds(builds: pd.DataFrame, every: Every | None, by: By | None, tz: str) -> Groups:
    """Assign every build that has a start to its cells; with ``every=None`` all builds share one period.

    Parameters
    ----------
    builds : DataFrame
        With `build_start`, and the columns that `by` needs.
    every : {"D", "W", "M", "Q"} or None
        Length of a period.
    by : {"pattern", "release", "project", "user"} or None
        A build with several patterns or releases is assigned to each.
    tz : str
        Time zone in which days begin and end.

    Returns
    -------
    Groups
        Its index is `period` (datetime64[us, tz]), or `by` (str) and `period`; it includes the periods
        without builds between the first and the last.

    Raises
    ------
    InputError
        If an argument is invalid, a column is missing, or there would be more than 2,000,000 cells.
    TooManyPeriodsError
        If the first and the last build are too far apart for such short periods.

    Examples
    --------
    >>> builds = pd.DataFrame({"build_start": pd.to_datetime(["2026-04-01", "2026-04-14"], utc=True)})
    >>> group_builds(builds, "W", None, "UTC").index.strftime("%d %b").tolist()
    ['30 Mar', '06 Apr', '13 Apr']
    """
    check_choice("every", every, [*EVERY, None])
    check_choice("by", by, [*BY, None])
    periods, code = _periods(local_days(builds, tz), every)
    index = _localize(periods, tz)
    if by is None:
        row = np.flatnonzero(code >= 0)
        return Groups(index, row, code[row])
    labels, row, group, _ = memberships(builds, by)
    if (cells := len(labels) * len(periods)) > _MAX_CELLS:
        raise InputError(
            f"That would be {cells:,} rows: {len(labels):,} groups in {len(periods):,} periods.",
            hint='Choose longer periods, such as every="M", or fewer builds.',
        )
    has_period = code[row] >= 0
    product = pd.MultiIndex.from_product([labels, index], names=[by, "period"])
    return Groups(product, row[has_period], (group * len(periods) + code[row])[has_period])


def local_days(builds: pd.DataFrame, tz: str) -> Days:
    """Return the local day on which each build started (datetime64[D], NaT without a start).

    Examples
    --------
    >>> builds = pd.DataFrame({"build_start": pd.to_datetime(["2026-04-01T23:00Z"], utc=True)})
    >>> str(local_days(builds, "Europe/Vienna")[0])
    '2026-04-02'
    """
    check_timezone(tz)
    require_columns(builds, ["build_start"])
    days: Days = local_times(builds["build_start"], tz).astype("datetime64[D]")
    return days


def local_times(times: pd.Series, tz: str) -> NDArray[np.datetime64]:
    """Convert times to the local time of a zone, without the zone; the first and last day stay in UTC.

    The calendar of Python ends at the years 1 and 9999. A conversion could leave it on its first and last
    day, so times on these days are not converted.

    Examples
    --------
    >>> times = pd.Series(pd.to_datetime(["2026-04-01T23:00Z", "9999-12-31T23:00Z"], utc=True))
    >>> local_times(times, "Europe/Vienna").astype("datetime64[h]").astype(str).tolist()
    ['2026-04-02T01', '9999-12-31T23']
    """
    utc = times.to_numpy("datetime64[us]")
    is_edge = (utc < _SECOND_DAY) | (utc >= _LAST_DAY)
    inner = times.mask(is_edge) if is_edge.any() else times
    local = inner.dt.tz_convert(tz).dt.tz_localize(None).to_numpy("datetime64[us]")
    return np.where(is_edge, utc, local)


def memberships(
    builds: pd.DataFrame, by: By
) -> tuple[pd.Index[str], NDArray[np.intp], NDArray[np.intp], int]:
    """List the groups of builds, and the builds of each group.

    Groups are distinguished by their ids, where the frame has them: two releases of one name are two groups.
    Names that do not match the ids, such as names that a user has set, are used without the ids.

    Parameters
    ----------
    builds : DataFrame
        With one of the columns that `BY` lists for `by`.
    by : {"pattern", "release", "project", "user"}
        What to group by.

    Returns
    -------
    labels : Index of str
        Label of each group; the last one is for builds without a group, if there are any.
    row, group : ndarray of int
        One entry per pair of build and group: the position of the build in the frame and of the group in
        `labels`.
    n_known : int
        Number of groups without the one for builds that have none.

    Examples
    --------
    >>> labels, row, group, n_known = memberships(pd.DataFrame({"patterns": [[808, 9], []]}), "pattern")
    >>> labels.tolist(), row.tolist(), group.tolist(), n_known
    (['9', '808', '(none)'], [0, 0, 1], [0, 1, 2], 2)
    """
    columns = [name for name in BY[by] if name in builds.columns] or [BY[by][-1]]
    require_columns(builds, columns)
    flat = builds[columns].reset_index(drop=True)
    if RESOURCES["builds"].field(BY[by][-1]).type == "ints":
        flat = _explode_lists(flat)
        columns = list(flat.columns)
    group, labels = _factorize(flat[columns[-1]])
    if len(columns) > 1:
        name, names = _factorize(flat[columns[0]])
        match = _names_match_ids(name, group, len(names))
        group, labels = _label_groups(name, names, group, labels) if match else (name, names)
    n_known = len(labels)
    labels += [missing_label(labels)] if (group < 0).any() else []
    # one integer per pair of build and group makes them unique: a build that lists a group twice counts once;
    # the remainder turns -1, no group, into the last code
    pairs = np.unique(flat.index.to_numpy("int64") * (n_known + 1) + group % (n_known + 1))
    row, group = np.divmod(pairs, n_known + 1)
    return pd.Index(labels, dtype="str"), row, group, n_known


def _factorize(values: pd.Series[Any]) -> tuple[NDArray[np.intp], list[str]]:
    """Return the code of each value, -1 where it is missing, and the sorted values as text."""
    code, uniques = pd.factorize(values, sort=True)
    return code, [str(value) for value in uniques]


def _explode_lists(columns: pd.DataFrame) -> pd.DataFrame:
    """Make a row of each list item; where names and ids differ in number, keep the names only."""
    for name in columns:
        check_lists(columns[name])  # text would be exploded as one item
    try:
        return columns.explode([*columns.columns])
    except ValueError:  # lists of different lengths in one row
        return columns.iloc[:, :1].explode(columns.columns[0])


def check_lists(column: pd.Series[Any]) -> None:
    """Refuse a column of lists that holds text, as a frame read from CSV does.

    Examples
    --------
    >>> check_lists(pd.Series([[808, 809], []]))
    """
    if str not in set(map(type, column)):
        return
    texts = [cell for cell in column if isinstance(cell, str) and cell[:1] == "[" and cell[-1:] == "]"]
    if texts:
        raise InputError(
            f"The column {column.name} holds text, such as {short_repr(texts[0])}, instead of lists.",
            hint=f"Read it with json.loads: frame[{column.name!r}].map(json.loads).",
        )


def _names_match_ids(name: NDArray[np.intp], group: NDArray[np.intp], n_names: int) -> bool:
    """Test that each id has at most one name and each name an id; arguments are codes, -1 is missing."""
    pairs = np.unique(group * (n_names + 1) + name + 1)  # one integer per pair of id and name
    pairs = pairs[pairs >= 0]
    return len(pairs) == group.max(initial=-1) + 1 and not ((group < 0) & (name >= 0)).any()


def _label_groups(
    name: NDArray[np.intp], names: list[str], group: NDArray[np.intp], ids: list[str]
) -> tuple[NDArray[np.intp], list[str]]:
    """Label groups with their names, and the id where two names are equal; return codes and sorted labels."""
    has_group = group >= 0
    _, first = np.unique(group[has_group], return_index=True)
    labels = [names[n] if n >= 0 else id_ for n, id_ in zip(name[has_group][first], ids, strict=True)]
    # repeated, since "A (1)" may itself be the name of another group
    while len(counts := Counter(labels)) < len(labels):
        labels = [f"{x} ({id_})" if counts[x] > 1 else x for x, id_ in zip(labels, ids, strict=True)]
    order = sorted(range(len(labels)), key=labels.__getitem__)
    new_code = np.empty(len(order) + 1, dtype=np.intp)
    new_code[order], new_code[-1] = np.arange(len(order)), -1  # code -1 takes the last entry and stays -1
    return new_code[group], [labels[n] for n in order]


def list_items(cell: Any) -> Any:
    """Return the items of a cell: of a list, or one value where a frame was exploded or joined, or none.

    Examples
    --------
    >>> list_items([808, 809]), list_items(808), list_items(None)
    ([808, 809], (808,), ())
    """
    if pd.api.types.is_list_like(cell):
        return cell
    return () if pd.isna(cell) else (cell,)


def missing_label(labels: Iterable[str], label: str = "(none)") -> str:
    """Return a label for builds without a value; more brackets make it differ from all others.

    Examples
    --------
    >>> missing_label(["CORE_DV_HLS"]), missing_label(["(none)"])
    ('(none)', '((none))')
    """
    used = set(labels)
    while label in used:
        label = f"({label})"
    return label


def period_edges(index: pd.DatetimeIndex, every: Every) -> Days:
    """Return the local days on which the periods of a result begin, and the end of the last one.

    Examples
    --------
    >>> index = pd.DatetimeIndex(["2026-01-01", "2026-02-01"], tz="UTC")
    >>> period_edges(index, "M").tolist()[-1].isoformat()
    '2026-03-01'
    """
    days = index.tz_localize(None).to_numpy("datetime64[us]").astype("datetime64[D]")
    return np.concatenate([days, _next_starts(days[-1:], every)])


def _periods(days: Days, every: Every | None) -> tuple[Days, NDArray[np.intp]]:
    """Return the starts of all periods from the first to the last, and the period of each day, -1 for NaT."""
    known = days[~np.isnat(days)]
    if every is None:
        first = known.min(keepdims=True) if len(known) else days[:1]
        return first, np.zeros(len(days), dtype=np.intp)
    if not len(known):
        return known, np.full(len(days), -1, dtype=np.intp)
    starts = _period_starts(days, every)
    first, last = np.nanmin(starts), np.nanmax(starts)
    unit, step, min_days = _PERIOD_STEPS[every]
    # checked before the array of periods is made: a wrong year would make it gigabytes long
    if (count := int((last - first).astype("int64")) // min_days) > _MAX_CELLS:
        raise TooManyPeriodsError(
            f"That would be {count:,} rows, because the builds are so far apart.",
            hint='Choose longer periods, such as every="M", or look for builds with a wrong build_start.',
        )
    first, end = (day.astype(unit) for day in (first, _next_starts(last, every)))
    periods = np.arange(first, end, step).astype("datetime64[D]")
    return periods, np.where(np.isnat(starts), -1, np.searchsorted(periods, starts))


def _period_starts(days: Days, every: Every) -> Days:
    if every == "D":
        return days
    if every == "W":  # 1969-12-29 is the Monday of the week of 1970-01-01, which numpy counts days from
        return days - (days - np.datetime64("1969-12-29")) % np.timedelta64(7, "D")
    months = days.astype("datetime64[M]")
    if every == "Q":
        months = months - (months - np.datetime64("1970-01")) % np.timedelta64(3, "M")
    return months.astype("datetime64[D]")


def _next_starts(starts: Any, every: Every) -> Any:
    unit, step, _ = _PERIOD_STEPS[every]
    return (starts.astype(unit) + step).astype("datetime64[D]")


def _localize(days: Days, tz: str) -> pd.DatetimeIndex:
    midnights = pd.DatetimeIndex(days.astype("datetime64[us]"), name="period")
    # where clocks change at midnight, a day begins at its first instant that exists
    return midnights.tz_localize(tz, ambiguous=np.ones(len(days), dtype=bool), nonexistent="shift_forward")
