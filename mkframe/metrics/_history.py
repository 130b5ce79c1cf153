"""What counts as a build, and which dates cannot be: one rule each for all metrics and charts.

**The same build.** Rows are of one build where they have the same id, in the index or in a column `id`, and
do not contradict each other in `customer_id`, `project_id` or `user_id`, which never change. A level of the
index beside the id, such as the keys of ``pd.concat(..., keys=...)``, tells accounts apart. An id that is
written as text, as in a frame read from CSV, is its number. A build counts once. Of rows that differ the
one with the newest `updated_at` counts; of equal times one that has ended, then the last one. Names that
this row lacks are taken from the others. Rows of one id that only divide its lists, as
``builds.explode("patterns")`` does, are put together again. An index that only counts rows holds no ids.

**Impossible dates.** Starts are divided where more than 365 days pass without one. The part with most days
is the history; where a part lies in the years 2002 to 2099, one of those is. Another part is left out

* if the history lies in those years and the part outside of them, and it begins before 1970-01-02 or has
  builds on fewer than 5 days: placeholders such as 1900-01-01, 2000-01-01 or 2199-12-31;
* or if it lies before the history or after tomorrow, has builds on fewer than 5 days, fewer builds than the
  history and at most 2, or 1 in 100 of them, and lies more than 10 years from it, or more than 2 years and
  three times its length, or after tomorrow while the history does not: no build starts in the future.

So a part with builds on 5 days or more is never left out of a history that has a gap of years, nor are the
newest builds of one that was idle. An end is impossible by the same rule among ends, if it also lies more
than 2 years before the first start or after the last one. An impossible date is taken as missing: the build
still counts where no date is needed, as in a failure rate of all builds.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mkframe._pandas import plain_frame
from mkframe._text import single_line
from mkframe.metrics._checks import require_columns, status_of
from mkframe.metrics._formatting import count_text, day_text
from mkframe.schema import RESOURCES

__all__ = ["History", "LeftOut", "history_of", "without_repeats"]

Places = NDArray[np.intp]
Mask = NDArray[np.bool_]

_LISTS = (("pattern_names", "patterns"), ("release_names", "releases"))
_NAMES = ("project", "pattern_names", "release_names")
_FIXED = ("customer_id", "project_id", "user_id")
"""What never changes in a build: rows that differ here are of different builds."""
_GAP, _MARGIN, _FAR, _VERY_FAR = 365, 2 * 365, 2 * 365, 10 * 365
_EPOCH, _FIRST_DAY, _LAST_DAY = (
    int(np.datetime64(day, "D").astype("int64")) for day in ("1970-01-02", "2002-01-01", "2100-01-01")
)
_MANY_DAYS, _FEW_BUILDS, _FEW_SHARE = 5, 2, 0.01
_MOST_NAMED = 3
_WRITTEN_ID = re.compile(r"\s*([0-9]{1,18})(?:\.0)?\s*")


@dataclass(frozen=True)
class LeftOut:
    """What is left out of a frame of builds before anything is counted.

    Attributes
    ----------
    repeated, older : int
        Rows of a build that is there already: alike, and older states of it.
    impossible : int
        Builds with a start or an end that cannot be.
    named : str
        The first of these builds with their dates.
    without_start : int
        Builds that have no start at all.
    """

    repeated: int = 0
    older: int = 0
    impossible: int = 0
    named: str = ""
    without_start: int = 0

    def dates_text(self) -> str:
        """Say what the impossible dates are; follows the number of builds."""
        return f"with an impossible date ({self.named})"

    def rows_text(self) -> str:
        """Say how many rows are left out; empty if there are none.

        Examples
        --------
        >>> LeftOut(repeated=2_000, older=1).rows_text()
        '2,000 repeated rows left out. 1 older row left out.'
        """
        rows = ((self.repeated, "repeated row"), (self.older, "older row"))
        return " ".join(f"{count_text(number, noun)} left out." for number, noun in rows if number)


class History(NamedTuple):
    """Builds that are counted, each once, and what is left out."""

    builds: pd.DataFrame
    left_out: LeftOut


def history_of(builds: pd.DataFrame, columns: Iterable[str] = ()) -> History:
    """Check the columns, count each build once, and take impossible dates as missing.

    Parameters
    ----------
    builds : DataFrame
        Is not changed.
    columns : iterable of str
        Columns that must be there.

    Returns
    -------
    History
        Its frame is `builds` itself where nothing is left out, and no column is of Arrow or of categories.
        Applied again, nothing more is left out.

    Raises
    ------
    InputError
        If this is no frame or a column is missing.

    Examples
    --------
    >>> start = pd.to_datetime(["2026-04-01", "2026-04-01", "1970-01-01", "2026-04-02"], utc=True)
    >>> builds = pd.DataFrame({"build_start": start}, index=pd.Index([7, 7, 8, 9], name="id"))
    >>> frame, left_out = history_of(builds)
    >>> frame["build_start"].notna().to_dict()
    {7: True, 8: False, 9: True}
    >>> left_out.repeated, left_out.dates_text()
    (1, 'with an impossible date (8 on 1 January 1970)')
    """
    require_columns(builds, columns)
    builds = plain_frame(builds)
    frame, repeated, older = without_repeats(builds)
    masks = _impossible_dates(frame)
    starts = _column(frame, "build_start")
    without_start = 0 if starts is None else int(starts.isna().sum())
    if not any(mask.any() for mask in masks.values()):
        return History(frame, LeftOut(repeated, older, without_start=without_start))
    named = _name_dates(frame, masks)
    either = np.logical_or.reduce(list(masks.values()))
    frame = frame.assign(**{name: frame[name].mask(mask) for name, mask in masks.items()})
    return History(frame, LeftOut(repeated, older, int(either.sum()), named, without_start))


def without_repeats(frame: pd.DataFrame, resource: str = "builds") -> tuple[pd.DataFrame, int, int]:
    """Keep one row of each id; return the frame, the number of repeated rows and that of older ones.

    Parameters
    ----------
    frame : DataFrame
        Rows of a resource.
    resource : str, default "builds"
        What the rows are.

    Returns
    -------
    frame : DataFrame
        The frame itself where no id is there twice.
    repeated, older : int
        Rows left out that are like the one kept, and that differ from it.

    Examples
    --------
    >>> frame = pd.DataFrame({"status": ["BUILDING", "FAILED"]}, index=pd.Index([7, 7], name="id"))
    >>> kept, repeated, older = without_repeats(frame)
    >>> kept["status"].tolist(), repeated, older
    (['FAILED'], 0, 1)
    """
    keys = _keys(frame)
    if not keys or (keys[0] if len(keys) == 1 else pd.MultiIndex.from_arrays(keys)).is_unique:
        return frame, 0, 0
    code = _codes(frame, keys)
    is_repeated = np.bincount(code)[code] > 1
    if not is_repeated.any():
        return frame, 0, 0
    place = np.flatnonzero(is_repeated)
    rows, code = frame.iloc[place], code[place]
    order = np.lexsort((np.arange(len(place)), *_age(rows), code))
    last = np.append(np.diff(code[order]) != 0, True)
    kept = order[last]
    kept_of = np.zeros(int(code.max()) + 1, dtype=np.intp)
    kept_of[code[kept]] = kept
    exploded = _exploded_columns(rows)
    differs = _differences(rows, kept_of[code], resource, exploded)
    older = int(differs.sum())
    filled = _fill(rows, code, kept, exploded)
    use = ~is_repeated
    use[place[kept]] = True
    result = frame.iloc[np.flatnonzero(use)]
    if filled:
        target = np.searchsorted(np.flatnonzero(use), place[kept])
        for name, cells in filled.items():
            values = result[name].astype("object").to_numpy(copy=True)
            for at, cell in zip(target, cells, strict=True):
                values[at] = cell
            column = pd.Series(values, index=result.index, dtype="object")
            is_text = isinstance(frame[name].dtype, pd.StringDtype)
            result = result.assign(**{name: column.astype(frame[name].dtype) if is_text else column})
    return result, len(place) - len(kept) - older, older


def _keys(frame: pd.DataFrame) -> list[pd.Index[Any]]:
    """Give what tells rows of different ids apart; empty where the frame has no ids."""
    index = frame.index
    levels = [index.get_level_values(n) for n in range(index.nlevels)]
    if (ids := _column(frame, "id")) is not None:
        beside = [level for n, level in enumerate(levels) if level.name is not None or n < len(levels) - 1]
        return [*beside, _numbers(pd.Index(ids))]
    has_ids = {"id", "build_id"} & {*index.names}
    levels = [_numbers(level) for level in levels] if has_ids else [*levels[:-1], _numbers(levels[-1])]
    last = levels[-1]
    if has_ids:
        return levels
    # an unnamed index of whole numbers holds ids, unless it counts rows, which begins at 0
    is_whole = last.name is None and pd.api.types.is_integer_dtype(last)
    return levels if is_whole and not (last == 0).any() else []


def _numbers(ids: pd.Index[Any]) -> pd.Index[Any]:
    """Read ids that are written as text, as in a frame read from CSV; what is no number stays."""
    if not (ids.dtype == object or isinstance(ids.dtype, pd.StringDtype)):
        return ids
    found = [_WRITTEN_ID.fullmatch(one) if isinstance(one, str) else None for one in ids]
    numbers = [int(match[1]) if match else one for match, one in zip(found, ids, strict=True)]
    return pd.Index(numbers, name=ids.name)


def _codes(frame: pd.DataFrame, keys: list[pd.Index[Any]]) -> Places:
    """Number the ids; rows without an id, or with one of another customer or project, are never the same."""
    code = np.zeros(len(frame), dtype="int64")
    for key in keys:
        own, values = pd.factorize(key)
        code = pd.factorize(code * (len(values) + 1) + own + 1)[0]
    own = pd.factorize(keys[-1])[0]
    code[own < 0] = len(frame) + np.arange(int((own < 0).sum()))
    for name in _FIXED:
        if (column := _column(frame, name)) is None:
            continue
        column = column.reset_index(drop=True)
        value, known = pd.factorize(column.fillna(column.groupby(code).transform("first")))
        code = pd.factorize(code * (len(known) + 1) + value + 1)[0]
    return pd.factorize(code)[0]


def _age(rows: pd.DataFrame) -> list[NDArray[Any]]:
    """Give the keys to sort by, the last one first in weight: the newest state of a build comes last."""
    keys: list[NDArray[Any]] = []
    if (changed := _column(rows, "updated_at")) is not None and changed.notna().any():
        require_columns(rows, ["updated_at"])
    if _column(rows, "status") is not None:
        keys.append((status_of(rows) != "BUILDING").fillna(False).to_numpy(bool))
    if (end := _column(rows, "build_end")) is not None:
        keys.append(end.notna().to_numpy(bool))
    if (time := _times(rows, "updated_at")) is not None:
        keys.append(np.where(np.isnat(time), np.iinfo("int64").min, time.astype("int64")))
    return keys


def _exploded_columns(rows: pd.DataFrame) -> list[str]:
    """Name the columns of lists that hold single values: the frame was exploded by them."""
    found = []
    for name in (name for pair in _LISTS for name in pair):
        cells = _column(rows, name)
        single = (cell for cell in ([] if cells is None else cells) if not pd.api.types.is_list_like(cell))
        if any(not pd.isna(cell) for cell in single):
            found.append(name)
    return found


def _differences(rows: pd.DataFrame, kept: Places, resource: str, exploded: list[str]) -> Mask:
    """Mark the rows that differ from the one that is kept in a field of the API."""
    differs = np.zeros(len(rows), dtype=bool)
    for field in RESOURCES[resource].fields:
        name = field.name
        column = _column(rows, name)
        if column is None or name == "id" or name in exploded or field.type == "downloads":
            continue
        if field.type in ("ints", "strs"):
            column = column.map(lambda cell: tuple(cell) if pd.api.types.is_list_like(cell) else cell)
        code = pd.factorize(column)[0]
        differs |= code != code[kept]
    return differs


def _fill(rows: pd.DataFrame, code: Places, kept: Places, exploded: list[str]) -> dict[str, list[Any]]:
    """Give cells of the rows that are kept: names that they lack, and lists put together from their items."""
    members: dict[int, list[int]] = {}
    for at, number in enumerate(code.tolist()):
        members.setdefault(number, []).append(at)
    groups = [members[number] for number in code[kept].tolist()]
    filled: dict[str, list[Any]] = {}
    for name in _NAMES:
        column = _column(rows, name)
        if column is not None and name not in exploded:
            cells = column.tolist()
            own = [cells[at] for at in kept]
            if any(_is_missing(cell) for cell in own):
                known = [[cells[at] for at in group if not _is_missing(cells[at])] for group in groups]
                pairs = zip(own, known, strict=True)
                filled[name] = [found[-1] if _is_missing(cell) and found else cell for cell, found in pairs]
    for pair in _LISTS:
        names = [name for name in pair if name in exploded]
        if names:
            items = list(zip(*(rows[name].tolist() for name in names), strict=True))
            unique = [[*dict.fromkeys(items[at] for at in group)] for group in groups]
            for n, name in enumerate(names):
                filled[name] = [[item[n] for item in found if not _is_missing(item[n])] for found in unique]
    return filled


def _is_missing(cell: Any) -> bool:
    return len(cell) == 0 if pd.api.types.is_list_like(cell) else bool(pd.isna(cell))


def _impossible_dates(builds: pd.DataFrame) -> dict[str, Mask]:
    """Mark impossible starts and ends, of the columns that are there."""
    starts = _times(builds, "build_start")
    if starts is None or np.isnat(starts).all():
        return {}
    masks = {"build_start": _far_dates(starts)}
    ends = _times(builds, "build_end")
    if ends is not None and not np.isnat(ends).all():
        known = starts[~np.isnat(starts) & ~masks["build_start"]]
        day, first, last = (_days(part) for part in (ends, known.min(), known.max()))
        is_outside = ~np.isnat(ends) & ((day < first - _MARGIN) | (day > last + _MARGIN))
        if is_outside.any():
            masks["build_end"] = is_outside & _far_dates(ends)
    return masks


def _times(builds: pd.DataFrame, name: str) -> NDArray[np.datetime64] | None:
    column = _column(builds, name)
    if column is None or not isinstance(column.dtype, pd.DatetimeTZDtype):
        return None
    return column.to_numpy("datetime64[us]")


def _days(times: Any) -> Any:
    """Count the days from 1970 of times in microseconds; numpy's own conversion takes ten times as long."""
    return times.astype("int64") // 86_400_000_000


def _column(frame: pd.DataFrame, name: str) -> pd.Series[Any] | None:
    """Give a column; None where it is missing, or there more than once."""
    column = frame.get(name)
    return column if isinstance(column, pd.Series) else None


def _far_dates(times: NDArray[np.datetime64]) -> Mask:
    """Mark dates that lie far from the rest."""
    is_far = np.zeros(len(times), dtype=bool)
    known = np.flatnonzero(~np.isnat(times))
    day = _days(times[known])
    if int(day.max()) - int(day.min()) <= _GAP:
        return is_far
    days, place, builds = np.unique(day, return_inverse=True, return_counts=True)
    begin = np.append(0, np.flatnonzero(np.diff(days) > _GAP) + 1)
    part_of_day = np.cumsum(np.isin(np.arange(len(days)), begin)) - 1
    first, last = days[begin], days[np.append(begin[1:], len(days)) - 1]
    parts = list(
        zip(
            first.tolist(),
            last.tolist(),
            np.bincount(part_of_day).tolist(),
            np.bincount(part_of_day, builds).astype("int64").tolist(),
            strict=True,
        )
    )
    kept = _parts_kept(parts)
    is_far[known] = ~kept[part_of_day[place]]
    return is_far


def _parts_kept(parts: list[tuple[int, int, int, int]]) -> Mask:
    """Tell which parts belong to the history; each is first and last day, and numbers of days and builds."""
    credible = np.array([first >= _FIRST_DAY and last < _LAST_DAY for first, last, _, _ in parts])
    candidates = np.flatnonzero(credible) if credible.any() else np.arange(len(parts))
    core = max(candidates.tolist(), key=lambda n: (parts[n][2], parts[n][3], parts[n][1]))
    kept = np.zeros(len(parts), dtype=bool)
    kept[core] = True
    tomorrow = int(np.datetime64("now", "D").astype("int64")) + 1
    is_changed = True
    while is_changed:
        is_changed = False
        inside = np.flatnonzero(kept)
        used = [parts[n] for n in inside]
        low, high = min(part[0] for part in used), max(part[1] for part in used)
        builds = sum(part[3] for part in used)
        for n, (first, last, days, own) in enumerate(parts):
            if kept[n]:
                continue
            if credible[core] and not credible[n]:
                stays = days >= _MANY_DAYS and first >= _EPOCH
            else:
                at = int(np.searchsorted(inside, n))
                gaps = [first - parts[before][1] for before in inside[at - 1 : at] if at]
                gaps += [parts[after][0] - last for after in inside[at : at + 1]]
                gap = min(gaps)
                is_past = parts[core][1] < first <= tomorrow
                is_few = days < _MANY_DAYS and own < builds and own <= max(_FEW_BUILDS, _FEW_SHARE * builds)
                is_future = parts[core][1] <= tomorrow < first
                is_far = is_future or gap > _VERY_FAR or gap > max(_FAR, 3 * (high - low))
                stays = is_past or not (is_few and is_far)
            if stays:
                kept[n] = is_changed = True
    return kept


def _name_dates(builds: pd.DataFrame, masks: dict[str, Mask]) -> str:
    """Name the first builds with impossible dates."""
    found: list[str] = []
    total = 0
    named = np.zeros(len(builds), dtype=bool)
    for name, mask in masks.items():
        places = np.flatnonzero(mask & ~named)
        named |= mask
        total += len(places)
        word = "on" if name == "build_start" else "ends on"
        for at in places[: _MOST_NAMED - len(found)].tolist():
            label = builds["id"].iloc[at] if "id" in builds.columns else builds.index[at]
            text = ", ".join(map(str, label)) if isinstance(label, tuple) else str(label)
            found.append(f"{single_line(text, 40)} {word} {day_text(builds[name].iloc[at])}")
    more = total - len(found)
    return "; ".join([*found, *([f"{count_text(more)} more"] if more else [])])
