"""From a failed build to the next finished one of the same patterns."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mkframe._pandas import TEXT
from mkframe._validation import check_timezone
from mkframe.errors import InputError
from mkframe.metrics._checks import require_columns, status_of
from mkframe.metrics._formatting import count_text, duration_text
from mkframe.metrics._history import history_of
from mkframe.metrics._moments import last_moment
from mkframe.metrics._streams import build_ids, first_places, memberships, missing_label, sets_of
from mkframe.metrics._survival import floor_text

__all__ = ["CHAINED_BY", "chains", "recovery"]

Places: TypeAlias = NDArray[np.intp]

CHAINED_BY = ("project", "patterns", "releases", "user", "description")
"""What builds of one chain may have in common."""
_ABANDONED = np.timedelta64(30, "D")


def recovery(
    builds: pd.DataFrame,
    *,
    by: Sequence[str] = ("project", "patterns"),
    now: str | datetime | None = None,
    tz: str = "UTC",
) -> pd.DataFrame:
    """List for how long builds have failed, those first that have not finished since.

    A chain opens at the end of a failed build, when the failure is known, and closes at the end of a
    finished build that started after that: one that started before shows nothing about what was done since.
    Results count in the order of their ends. Canceled and running builds are passed over.

    This is the time until the next finished build of the same patterns, no time to repair: builds do not
    tell their instances, and the finished one may be of other instances or of another branch.

    Parameters
    ----------
    builds : DataFrame
        With `status`, `build_start`, `build_end` and the columns that `by` needs, indexed by id. A build
        without an end counts from its start; one without both has no place in time and is left out.
    by : sequence of str, default ("project", "patterns")
        What the builds of a chain have in common: "project", "patterns" (the set), "releases" (the set),
        "user", "description".
    now : str or datetime, optional
        With a zone; builds that ended later are left out. By default the latest time in the frame: what
        happened after it is not known.
    tz : str, default "UTC"
        Zone in which times are given.

    Returns
    -------
    DataFrame
        Index `by` (str, a level for each), open chains first, then those abandoned, each the longest first.
        Columns: `open` bool; `attempts` int64, failed builds in the chain; `broken_at` and `closed_at`
        datetime64[us, tz], NaT while open; `seconds` float64, from `broken_at` to `closed_at`, or to `now`,
        which an open chain exceeds; `first_build` int64, `closed_by` Int64, ids; `abandoned` bool, open for
        more than 30 days; `build_ids` list of int, the failed builds; `says` str.

    Raises
    ------
    InputError
        If a column is missing, an argument is not known, or the index holds no ids.

    Examples
    --------
    >>> start = pd.date_range("2026-04-01 08:00", periods=4, freq="h", tz="UTC")
    >>> builds = pd.DataFrame({"status": ["FAILED", "FAILED", "FINISHED", "FAILED"], "build_start": start,
    ...     "build_end": start + pd.Timedelta("10min"), "patterns": [[808]] * 4, "project_id": 1},
    ...     index=[11, 12, 13, 14])
    >>> recovery(builds, now="2026-04-02T09:00Z")["says"].tolist()
    ['open for at least 21 h 50 min: 1 failed build, 14', 'closed after 2 h by 13: 2 failed builds, first 11']
    """
    return _with_sentences(chains(builds, by=by, now=now, tz=tz))


def chains(
    builds: pd.DataFrame,
    *,
    by: Sequence[str] = ("project", "patterns"),
    now: str | datetime | None = None,
    tz: str = "UTC",
    since: pd.Timestamp | None = None,
) -> pd.DataFrame:
    """List what `recovery` lists, without `says`, and without the chains that were closed before a time.

    Examples
    --------
    >>> start = pd.date_range("2026-04-01 08:00", periods=2, freq="h", tz="UTC")
    >>> builds = pd.DataFrame({"status": ["FAILED", "FINISHED"], "build_start": start, "build_end": start,
    ...     "patterns": [[808]] * 2, "project_id": 1}, index=[11, 12])
    >>> [len(chains(builds, since=moment)) for moment in (start[1], start[1] + pd.Timedelta("1s"))]
    [1, 0]
    """
    builds = history_of(builds, ["status", "build_start", "build_end"]).builds
    check_timezone(tz)
    words = _words(by)
    ids = build_ids(builds)
    moment = last_moment(builds, now)
    labels, code = _keys(builds, words)
    start, end = (builds[name].to_numpy("datetime64[us]") for name in ("build_start", "build_end"))
    known = np.where(np.isnat(end), start, end)
    status = status_of(builds)
    is_failed, is_finished = ((status == word).to_numpy(bool) for word in ("FAILED", "FINISHED"))
    held = np.flatnonzero((is_failed | is_finished) & (known <= moment))
    # of builds that end at once the failed ones come last, so that nothing is closed too early
    order = held[np.lexsort((ids[held], is_failed[held], known[held], code[held]))]
    found = _chains(code[order], start[order], known[order], is_failed[order])
    if since is not None:
        earliest = since.tz_convert(None).to_numpy()
        found = [chain for chain in found if chain[1] is None or known[order[chain[1]]] >= earliest]
    return _table(found, order, labels, code, known, ids, moment, words, tz)


def _words(by: Sequence[str]) -> tuple[str, ...]:
    words = tuple(by) if not isinstance(by, str) else (by,)
    unknown = [word for word in words if word not in CHAINED_BY]
    if unknown or not words or len(set(words)) < len(words):
        raise InputError(f"by={by!r} is not known.", hint=f"Give some of {', '.join(CHAINED_BY)}, each once.")
    return words


def _keys(builds: pd.DataFrame, words: Sequence[str]) -> tuple[list[pd.Index[str]], NDArray[np.int64]]:
    """Number the combinations of what builds have in common; names of each part in the order of numbers."""
    parts = [_part(builds, word) for word in words]
    combined = np.zeros(len(builds), dtype="int64")
    for names, place in parts:
        combined = pd.factorize(combined * max(len(names), 1) + place)[0].astype("int64")
    first = first_places(combined)
    labels = [names.take(place[first]) for names, place in parts]
    return labels, combined


def _part(builds: pd.DataFrame, word: str) -> tuple[pd.Index[str], Places]:
    if word in ("patterns", "releases"):
        return sets_of(builds, "pattern" if word == "patterns" else "release")
    if word in ("project", "user"):
        names, _, place, _ = memberships(builds, "project" if word == "project" else "user")
        return names, place
    require_columns(builds, [word])
    place, found = pd.factorize(builds[word], sort=True)
    texts = [str(text) for text in found]
    return pd.Index([*texts, missing_label(texts)], dtype=TEXT), np.where(place < 0, len(texts), place)


def _chains(
    code: NDArray[np.int64],
    start: NDArray[np.datetime64],
    known: NDArray[np.datetime64],
    is_failed: NDArray[np.bool_],
) -> list[tuple[list[int], int | None]]:
    """Walk the results in order: places of the failed builds of a chain, and of the one that closes it."""
    found: list[tuple[list[int], int | None]] = []
    began, completed = start.astype("int64").tolist(), known.astype("int64").tolist()
    failed: list[int] = []
    group = None
    for place, (own, fails) in enumerate(zip(code.tolist(), is_failed.tolist(), strict=True)):
        if own != group:
            if failed:
                found.append((failed, None))
            group, failed = own, []
        if fails:
            failed.append(place)
        elif failed and began[place] >= completed[failed[0]]:
            found.append((failed, place))
            failed = []
    if failed:
        found.append((failed, None))
    return found


def _table(
    chains: list[tuple[list[int], int | None]],
    order: Places,
    labels: list[pd.Index[str]],
    code: NDArray[np.int64],
    known: NDArray[np.datetime64],
    ids: NDArray[np.int64],
    moment: np.datetime64,
    words: Sequence[str],
    tz: str,
) -> pd.DataFrame:
    first = order[np.array([failed[0] for failed, _ in chains], dtype=np.intp)]
    is_open = np.array([closed is None for _, closed in chains], dtype=bool)
    closing = order[np.array([f[0] if closed is None else closed for f, closed in chains], dtype=np.intp)]
    unrecovered = known[first]
    until = np.where(is_open, moment, known[closing])
    lasted = until - unrecovered
    closed_at = np.where(is_open, np.datetime64("NaT", "us"), until)
    abandoned = is_open & (lasted > _ABANDONED)
    id_at = ids[order].tolist()
    failed_ids = [[id_at[place] for place in failed] for failed, _ in chains]
    seconds = lasted / np.timedelta64(1, "s")
    table = pd.DataFrame(
        {
            "open": is_open,
            "attempts": np.array([len(failed) for failed in failed_ids], dtype="int64"),
            "broken_at": _local(unrecovered, tz),
            "closed_at": _local(closed_at, tz),
            "seconds": np.asarray(seconds, dtype="float64"),
            "first_build": ids[first],
            "closed_by": pd.Series(ids[closing], dtype="Int64").mask(is_open),
            "abandoned": abandoned,
            "build_ids": pd.Series(failed_ids, dtype="object"),
        }
    )
    parts = [names.take(code[first]) for names in labels]
    sequence = np.lexsort((ids[first], -seconds, abandoned, ~is_open))
    index: pd.Index[Any] = (
        parts[0].rename(words[0]) if len(words) == 1 else pd.MultiIndex.from_arrays(parts, names=[*words])
    )
    return table.set_axis(index).iloc[sequence]


def _with_sentences(table: pd.DataFrame) -> pd.DataFrame:
    rows = zip(
        table["seconds"].tolist(),
        table["build_ids"].tolist(),
        table["closed_by"].astype("object").tolist(),
        table["abandoned"].tolist(),
        strict=True,
    )
    return table.assign(says=pd.Series([_says(*row) for row in rows], index=table.index, dtype=TEXT))


def _local(times: NDArray[np.datetime64], tz: str) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(times.astype("datetime64[us]")).tz_localize("UTC").tz_convert(tz)


def _says(seconds: float, failed: list[int], closed_by: Any, abandoned: bool) -> str:
    ids = f"first {failed[0]}" if len(failed) > 1 else str(failed[0])
    builds = f"{count_text(len(failed), 'failed build')}, {ids}"
    if closed_by is not pd.NA:
        return f"closed after {duration_text(seconds)} by {closed_by}: {builds}"
    return f"{'abandoned, ' if abandoned else ''}open for at least {floor_text(seconds)}: {builds}"
