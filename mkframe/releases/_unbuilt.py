"""Instances that were committed and not built since, by the commits of a project."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from mkframe._clock import is_of_build, stamp_numbers
from mkframe._text import short_repr
from mkframe.errors import InputError
from mkframe.metrics._checks import check_columns
from mkframe.metrics._formatting import count_text, duration_text
from mkframe.releases import _html
from mkframe.releases._result import Result
from mkframe.releases._rows import Bools, combine, read_flags, text_column

__all__ = ["Unbuilt", "unbuilt"]

_REQUIRED = ("FOLDER", "INSTANCE", "RELEASE", "TYPE", "STATUS", "COMMIT_TIMESTAMP", "DELETED")
_KEY = ("PATTERN", "FOLDER", "INSTANCE", "RELEASE")
_DTYPES = {
    "pattern": "text", "folder": "text", "instance": "text", "release": "text", "state": "text",
    "user": "text", "committed": "Int64", "built": "Int64", "tried": "Int64", "tried_status": "text",
    "description": "text", "age": "timedelta64[us]",
}  # fmt: skip
_ENDED_WITHOUT = ("FAILED", "CANCELED")
_STATES = {
    "unbuilt": "committed and not built since",
    "tried": "committed, and the only builds since failed or were canceled",
    "building": "committed, and a build since has not ended",
}


class Unbuilt(Result):
    """Instances whose newest commit by hand was not built; a frame with further tables beside it.

    Attributes
    ----------
    checked_out : DataFrame or None
        Instances that are checked out now: ``pattern``, ``folder``, ``instance`` str, and ``user_id`` Int64,
        the owner. What is edited there is in no commit yet. None if it was not read.
    """

    _metadata = ["checked_out"]  # noqa: RUF012 - as pandas has it
    TITLE = "Unbuilt"
    checked_out: pd.DataFrame | None

    @property
    def title(self) -> str:
        """Which release it is about."""
        release = self.attrs.get("release")
        return f"Unbuilt changes in {release}" if release else "Unbuilt changes"

    def _facts(self) -> Sequence[str]:
        attrs, facts = self.attrs, []
        where = f" in {attrs['release']}" if attrs.get("release") else ""
        number, total = len(self), count_text(attrs["instances"], "instance")
        facts.append(
            f"{number:,} of {total} with commits{where} {'has' if number == 1 else 'have'} changes that no "
            "finished build contains."
            if number
            else f"None of {total} with commits{where} is unbuilt."
            if attrs["instances"]
            else f"No instance has a commit{where}."
        )
        counts = self["state"].value_counts()
        facts += [f"{int(counts[s]):,} {text}." for s, text in _STATES.items() if s in counts.index]
        if attrs["deleted"]:
            facts.append(f"{count_text(attrs['deleted'], 'deleted instance')} left out.")
        if self.checked_out is not None:
            out = count_text(len(self.checked_out), "instance is", "instances are")
            facts.append(
                f"{out} checked out now; what is edited there is in no commit yet."
                if len(self.checked_out)
                else "No instance is checked out now."
            )
        else:
            facts.append("Which instances are checked out now was not read.")
        return facts

    def _tables(self) -> Mapping[str, pd.DataFrame]:
        return {} if self.checked_out is None else {"Checked out": self.checked_out}

    def _body(self, limit: int | None) -> str:
        first, *others = self.messages
        shown = pd.DataFrame(self).head(limit or len(self))
        columns = ["state", "folder", "instance", "pattern", "release", "user", "age", "description"]
        table = shown[columns].assign(age=[_age_text(age) for age in shown["age"]])
        parts = [f"<p><b>{_html.text(first)}</b></p>", _html.items(others)]
        parts.append(_html.table(table) if len(table) else "")
        parts.append(_html.left_out(len(self) - len(shown), "instance"))
        if self.checked_out is not None and len(self.checked_out):
            title = f"Checked out ({len(self.checked_out):,})"
            parts.append(_html.fold(title, _html.table(self.checked_out), is_open=True))
        return "".join(parts)


def unbuilt(
    commits: pd.DataFrame,
    *,
    release: str | None = None,
    checked_out: pd.DataFrame | None = None,
    now: int | None = None,
) -> Unbuilt:
    """Find instances whose newest commit by hand is later than their newest finished build in a release.

    Only stamps of commits are compared with one another, so the clock of the server does not matter. An
    instance in two releases counts in each. Deleted instances are left out and counted.

    Parameters
    ----------
    commits : DataFrame
        The view ``COMMITS``, as ``client.commits`` returns it.
    release : str, optional
        Name of the only release; all by default. Release names are unique within a release group only.
    checked_out : DataFrame, optional
        Instances that are checked out now: ``pattern``, ``folder``, ``instance``.
    now : int, optional
        The present time in Unix milliseconds, on the clock of the commits; ages need it.

    Returns
    -------
    Unbuilt
        One row for each instance and release, oldest change first: ``pattern``, ``folder``, ``instance``,
        ``release`` str; ``state`` str: "unbuilt", "tried" (the only builds since failed or were canceled)
        or "building" (a build since has not ended); ``user`` str, who committed; ``committed``, ``built``,
        ``tried`` Int64, stamps in milliseconds; ``tried_status``, ``description`` str; ``age`` timedelta,
        missing without `now`.

    Raises
    ------
    InputError
        If a column is missing.

    Examples
    --------
    >>> commits = pd.DataFrame({"PATTERN": "DV", "FOLDER": "/RAW", "INSTANCE": "AIRPLANE", "RELEASE": "R1",
    ...     "USER_NAME": "ANNA", "TYPE": ["Build", "Commit"], "STATUS": "FINISHED",
    ...     "COMMIT_TIMESTAMP": [1000, 2000], "DELETED": 0, "DESCRIPTION": [None, "wider"]})
    >>> unbuilt(commits)[["instance", "state", "user"]].values.tolist()
    [['AIRPLANE', 'unbuilt', 'ANNA']]
    """
    _check(commits)
    rows = commits.reset_index(drop=True)
    if release is not None:
        rows = rows[(rows["RELEASE"] == release).fillna(False).to_numpy(bool)].reset_index(drop=True)
    keys = [name for name in _KEY if name in rows.columns]
    group = combine(*(pd.factorize(rows[name])[0].astype("int64") for name in keys))
    live, deleted = _drop_deleted(rows, group)
    result = Unbuilt(_newest(rows[live], pd.Series(group[live]), now))
    result.checked_out = checked_out
    result.attrs = {
        "release": release,
        "instances": int(pd.Series(group[live]).nunique()),
        "deleted": deleted,
        "notes": [] if now is not None else ["Ages are left out: the clock of the commits is not known."],
    }
    return result


def _check(commits: pd.DataFrame) -> None:
    hint = "Give the commits as client.commits returns them."
    check_columns(commits, _REQUIRED, "commits", hint)
    stamps = commits["COMMIT_TIMESTAMP"]
    if stamps.isna().any():
        raise InputError("A commit has no COMMIT_TIMESTAMP.", hint="Without it the order is not known.")
    if (wrong := stamp_numbers(commits).isna().to_numpy(bool)).any():
        shown = short_repr(stamps[wrong].tolist()[0])
        raise InputError(f"A COMMIT_TIMESTAMP is {shown}, which is no whole number.", hint=hint)


def _drop_deleted(rows: pd.DataFrame, group: Any) -> tuple[Bools, int]:
    """Mark the rows to look at, and count the instances whose newest commit is that of a deleted one.

    An instance that was created again shares its name with deleted ones, whose commits do not count.
    """
    is_deleted = read_flags(rows, "DELETED")
    stamps = stamp_numbers(rows).astype("int64")
    newest = stamps.groupby(group).transform("max")
    newest_live = stamps.where(~is_deleted, -(2**62)).groupby(group).transform("max")
    is_gone = np.asarray(newest_live < newest, dtype=bool)
    return ~is_deleted & ~is_gone, int(pd.Series(group[is_gone]).nunique())


def _newest(rows: pd.DataFrame, group: pd.Series[int], now: int | None) -> pd.DataFrame:
    """Return the instances whose newest commit by hand is later than their newest finished build."""
    rows = rows.assign(group=group.to_numpy(), stamp=stamp_numbers(rows).astype("int64"))
    is_build = is_of_build(rows)
    is_built = is_build & (rows["STATUS"] == "FINISHED").fillna(False).to_numpy(bool)
    # of several at one instant the last row stands for all
    by_hand = rows[~is_build].sort_values("stamp", kind="stable").drop_duplicates("group", keep="last")
    built = rows[is_built].groupby("group")["stamp"].max()
    found = by_hand.assign(built=by_hand["group"].map(built).astype("Int64"))
    found = found[(found["built"].isna() | (found["stamp"] > found["built"])).to_numpy(bool)]
    later = rows[is_build & ~is_built].merge(found[["group", "stamp"]], on="group", suffixes=("", "_hand"))
    later = later[later["stamp"] >= later["stamp_hand"]].sort_values("stamp", kind="stable")
    last = later.drop_duplicates("group", keep="last").set_index("group")
    running = later.loc[~later["STATUS"].isin(_ENDED_WITHOUT), "group"].unique()
    tried = found["group"].map(last["stamp"]).astype("Int64")
    state = np.where(found["group"].isin(running), "building", np.where(tried.isna(), "unbuilt", "tried"))
    columns = {
        **{name.lower(): found.get(name) for name in _KEY},
        "state": state,
        "user": found.get("USER_NAME"),
        "committed": found["stamp"],
        "built": found["built"],
        "tried": tried,
        "tried_status": found["group"].map(last["STATUS"]),
        "description": found.get("DESCRIPTION"),
        "age": pd.NaT if now is None else pd.to_timedelta(now - found["stamp"], unit="ms"),
    }
    table = pd.DataFrame({name: _typed(columns[name], found.index, kind) for name, kind in _DTYPES.items()})
    return table.sort_values("committed", kind="stable").reset_index(drop=True)


def _typed(values: Any, index: pd.Index[Any], dtype: str) -> pd.Series[Any]:
    column = pd.Series(values, index=index, dtype=object)
    return text_column(column, index) if dtype == "text" else column.astype(pd.api.types.pandas_dtype(dtype))


def _age_text(age: Any) -> str:
    return "–" if pd.isna(age) else duration_text(age.total_seconds())
