"""Where each build is counted: in its period and, on request, in its pattern, release, project or user."""

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
from mkframe.metrics._checks import check_word, require_columns
from mkframe.schema import RESOURCES

__all__ = [
    "BY",
    "EVERY",
    "NONE",
    "By",
    "Groups",
    "Every",
    "group_builds",
    "check_lists",
    "edges",
    "local_days",
    "local_times",
    "members",
    "memberships",
    "unnamed",
]

Every: TypeAlias = Literal["D", "W", "M", "Q"]
By: TypeAlias = Literal["pattern", "release", "project", "user"]
Days: TypeAlias = NDArray[np.datetime64]
Mask: TypeAlias = NDArray[np.bool_]

EVERY = {"D": "day", "W": "week", "M": "month", "Q": "quarter"}
"""The lengths of a period and their names."""
BY = {
    "pattern": ("pattern_names", "patterns"),
    "release": ("release_names", "releases"),
    "project": ("project", "project_id"),
    "user": ("user_id",),
}
"""What builds may be grouped by, and the columns that say it, names before ids."""
NONE = "(none)"
"""The group of builds that name no pattern, release or project."""
_STEPS: dict[str, tuple[str, np.timedelta64, int]] = {
    "D": ("datetime64[D]", np.timedelta64(1, "D"), 1),
    "W": ("datetime64[D]", np.timedelta64(7, "D"), 7),
    "M": ("datetime64[M]", np.timedelta64(1, "M"), 28),
    "Q": ("datetime64[M]", np.timedelta64(3, "M"), 90),
}
"""What the starts of periods are counted in, how far they lie apart, and how many days that is at least."""
_MOST_CELLS = 2_000_000
_SECOND_DAY, _LAST_DAY = np.datetime64("0001-01-02"), np.datetime64("9999-12-31")


@dataclass(frozen=True)
class Groups:
    """The cells of an answer, and for each counted row the cell it lies in."""

    index: pd.Index[Any]
    row: NDArray[np.intp]
    cell: NDArray[np.intp]

    def count(self) -> NDArray[np.int64]:
        """Count the rows of each cell."""
        return np.bincount(self.cell, minlength=len(self.index)).astype("int64")

    def count_by(self, code: NDArray[np.intp], number: int) -> NDArray[np.int64]:
        """Count the rows of each cell by a code below `number`, given per build: one column a code."""
        place = self.cell * number + code[self.row]
        found = np.bincount(place, minlength=len(self.index) * number)
        return found.astype("int64").reshape(-1, number)

    def quantiles(self, values: NDArray[np.float64], mask: Mask, at: list[float]) -> NDArray[np.float64]:
        """Interpolate quantiles (numpy's method "linear") per cell; NaN where a cell is empty."""
        held = mask[self.row]
        cell = self.cell[held]
        grouped = pd.Series(values[self.row[held]]).groupby(cell)
        found = grouped.quantile(np.asarray(at)).to_numpy("float64")
        table = np.full((len(self.index), len(at)), np.nan)
        table[np.flatnonzero(np.bincount(cell))] = found.reshape(-1, len(at))
        return table


def group_builds(builds: pd.DataFrame, every: Every | None, by: By | None, tz: str) -> Groups:
    """Give every build that has a start its cell; with ``every=None`` all builds share one period.

    Parameters
    ----------
    builds : DataFrame
        With `build_start`, and the columns that `by` needs.
    every : {"D", "W", "M", "Q"} or None
        Length of a period.
    by : {"pattern", "release", "project", "user"} or None
        A build with several patterns or releases lies in the cell of each.
    tz : str
        Zone in which days are cut.

    Returns
    -------
    Groups
        Its index is `period` (datetime64[us, tz]), or `by` (str) and `period`; periods without builds
        between the first and the last are there.

    Raises
    ------
    InputError
        On an unknown word, a missing column, or a history too long for such short periods.

    Examples
    --------
    >>> builds = pd.DataFrame({"build_start": pd.to_datetime(["2026-04-01", "2026-04-14"], utc=True)})
    >>> group_builds(builds, "W", None, "UTC").index.strftime("%d %b").tolist()
    ['30 Mar', '06 Apr', '13 Apr']
    """
    check_word("every", every, [*EVERY, None])
    check_word("by", by, [*BY, None])
    periods, code = _periods(local_days(builds, tz), every)
    index = _localized(periods, tz)
    if by is None:
        placed = np.flatnonzero(code >= 0)
        return Groups(index, placed, code[placed])
    groups, row, group, _ = memberships(builds, by)
    if (rows := len(groups) * len(periods)) > _MOST_CELLS:
        raise InputError(
            f"That would be {rows:,} rows: {len(groups):,} groups in {len(periods):,} periods.",
            hint='Choose longer periods, such as every="M", or fewer builds.',
        )
    has_period = code[row] >= 0
    product = pd.MultiIndex.from_product([groups, index], names=[by, "period"])
    return Groups(product, row[has_period], (group * len(periods) + code[row])[has_period])


def local_days(builds: pd.DataFrame, tz: str) -> Days:
    """Name the local day on which each build started (NaT without a start).

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
    """Give the wall clock of a zone; that of UTC on the first and last day of the calendar.

    Examples
    --------
    >>> times = pd.Series(pd.to_datetime(["2026-04-01T23:00Z", "9999-12-31T23:00Z"], utc=True))
    >>> local_times(times, "Europe/Vienna").astype("datetime64[h]").astype(str).tolist()
    ['2026-04-02T01', '9999-12-31T23']
    """
    utc = times.to_numpy("datetime64[us]")
    is_edge = (utc < _SECOND_DAY) | (utc >= _LAST_DAY)  # beyond them there is no date in Python
    inside = times.mask(is_edge) if is_edge.any() else times
    local = inside.dt.tz_convert(tz).dt.tz_localize(None).to_numpy("datetime64[us]")
    return np.where(is_edge, utc, local)


def memberships(
    builds: pd.DataFrame, by: By
) -> tuple[pd.Index[str], NDArray[np.intp], NDArray[np.intp], int]:
    """List the groups; for each pair of build and group, the row and the group's place; how many have names.

    Groups are told apart by their ids, where the frame has them: two releases of one name are two groups.
    Names that are not those of the ids, such as a person's own, stand alone.

    Examples
    --------
    >>> groups, row, group, named = memberships(pd.DataFrame({"patterns": [[808, 9], []]}), "pattern")
    >>> groups.tolist(), row.tolist(), group.tolist(), named
    (['9', '808', '(none)'], [0, 0, 1], [0, 1, 2], 2)
    """
    columns = [name for name in BY[by] if name in builds.columns] or [BY[by][-1]]
    require_columns(builds, columns)
    flat = builds[columns].reset_index(drop=True)
    if RESOURCES["builds"].field(BY[by][-1]).type == "ints":
        flat = _opened(flat)
        columns = list(flat.columns)
    group, names = _numbered(flat[columns[-1]])
    if len(columns) > 1:
        word, words = _numbered(flat[columns[0]])
        group, names = _named(word, words, group, names) if _are_of(word, group, words) else (word, words)
    known = len(names)
    names += [unnamed(names)] if (group < 0).any() else []
    # a build that names a group twice is in it once; -1, no group, comes last
    pairs = np.unique(flat.index.to_numpy("int64") * (known + 1) + group % (known + 1))
    row, place = np.divmod(pairs, known + 1)
    return pd.Index(names, dtype="str"), row, place, known


def _numbered(values: pd.Series[Any]) -> tuple[NDArray[np.intp], list[str]]:
    """The number of each value in their order, -1 where it is missing, and what they are."""
    number, found = pd.factorize(values, sort=True)
    return number, [str(value) for value in found]


def _opened(columns: pd.DataFrame) -> pd.DataFrame:
    """A row for each item of the lists; names that are not those of the ids stand alone."""
    for name in columns:
        check_lists(columns[name])  # each would be one item
    try:
        return columns.explode([*columns.columns])
    except ValueError:
        return columns.iloc[:, :1].explode(columns.columns[0])


def check_lists(column: pd.Series[Any]) -> None:
    """Refuse lists that a file has turned into text.

    Examples
    --------
    >>> check_lists(pd.Series([[808, 809], []]))
    """
    if str not in set(map(type, column)):
        return
    words = [cell for cell in column if isinstance(cell, str) and cell[:1] == "[" and cell[-1:] == "]"]
    if words:
        raise InputError(
            f"The column {column.name} holds text, such as {short_repr(words[0])}, where lists were.",
            hint=f"Read it with json.loads: frame[{column.name!r}].map(json.loads).",
        )


def _are_of(word: NDArray[np.intp], group: NDArray[np.intp], words: list[str]) -> bool:
    """Whether each group has one name, or none, and no name is without a group."""
    pairs = np.unique(group * (len(words) + 1) + word + 1)
    held = pairs[pairs >= 0]
    return len(held) == group.max(initial=-1) + 1 and not ((group < 0) & (word >= 0)).any()


def _named(
    word: NDArray[np.intp], words: list[str], group: NDArray[np.intp], ids: list[str]
) -> tuple[NDArray[np.intp], list[str]]:
    """Give groups their names, with the id where two have the same, and put them in that order."""
    held = group >= 0
    _, first = np.unique(group[held], return_index=True)
    names = [words[at] if at >= 0 else key for at, key in zip(word[held][first], ids, strict=True)]
    while len(often := Counter(names)) < len(names):
        names = [f"{name} ({key})" if often[name] > 1 else name for name, key in zip(names, ids, strict=True)]
    order = sorted(range(len(names)), key=names.__getitem__)
    place = np.empty(len(order) + 1, dtype=np.intp)
    place[order], place[-1] = np.arange(len(order)), -1
    return place[group], [names[at] for at in order]


def members(cell: Any) -> Any:
    """What a cell holds: the items of a list, one value where a frame was exploded or joined, or nothing.

    Examples
    --------
    >>> members([808, 809]), members(808), members(None)
    ([808, 809], (808,), ())
    """
    if pd.api.types.is_list_like(cell):
        return cell
    return () if pd.isna(cell) else (cell,)


def unnamed(names: Iterable[str]) -> str:
    """Name the group of what has no name; in more brackets where something is called so.

    Examples
    --------
    >>> unnamed(["CORE_DV_HLS"]), unnamed(["(none)"])
    ('(none)', '((none))')
    """
    taken, name = set(names), NONE
    while name in taken:
        name = f"({name})"
    return name


def edges(index: pd.DatetimeIndex, every: Every) -> Days:
    """Bound the periods of an answer: one local day more than there are periods.

    Examples
    --------
    >>> edges(pd.DatetimeIndex(["2026-01-01", "2026-02-01"], tz="UTC"), "M").tolist()[-1].isoformat()
    '2026-03-01'
    """
    days = index.tz_localize(None).to_numpy("datetime64[us]").astype("datetime64[D]")
    return np.concatenate([days, _following(days[-1:], every)])


def _periods(days: Days, every: Every | None) -> tuple[Days, NDArray[np.intp]]:
    known = days[~np.isnat(days)]
    if every is None:
        first = known.min(keepdims=True) if len(known) else days[:1]
        return first, np.zeros(len(days), dtype=np.intp)
    if not len(known):
        return known, np.full(len(days), -1, dtype=np.intp)
    starts = _start(days, every)
    first, last = np.nanmin(starts), np.nanmax(starts)
    unit, step, least = _STEPS[every]
    _check_size(int((last - first).astype("int64")) // least)
    first, behind = (day.astype(unit) for day in (first, _following(last, every)))
    periods = np.arange(first, behind, step).astype("datetime64[D]")
    return periods, np.where(np.isnat(starts), -1, np.searchsorted(periods, starts))


def _start(days: Days, every: Every) -> Days:
    if every == "D":
        return days
    if every == "W":  # the Monday before, or on, the Thursday that the count of days begins with
        return days - (days - np.datetime64("1969-12-29")) % np.timedelta64(7, "D")
    months = days.astype("datetime64[M]")
    if every == "Q":
        months = months - (months - np.datetime64("1970-01")) % np.timedelta64(3, "M")
    return months.astype("datetime64[D]")


def _following(starts: Any, every: Every) -> Any:
    unit, step, _ = _STEPS[every]
    return (starts.astype(unit) + step).astype("datetime64[D]")


def _localized(days: Days, tz: str) -> pd.DatetimeIndex:
    midnights = pd.DatetimeIndex(days.astype("datetime64[us]"), name="period")
    # where clocks change at midnight a day begins at its first instant that exists
    return midnights.tz_localize(tz, ambiguous=np.ones(len(days), dtype=bool), nonexistent="shift_forward")


def _check_size(number: int) -> None:
    if number > _MOST_CELLS:
        raise TooManyPeriodsError(
            f"That would be {number:,} rows, because the builds lie so far apart.",
            hint='Choose longer periods, such as every="M", or look for builds with a wrong build_start.',
        )
