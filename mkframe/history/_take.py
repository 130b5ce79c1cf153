"""Saved answers become history."""

from __future__ import annotations

import datetime as dt
import hashlib
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mkframe import frames
from mkframe._http import Validators
from mkframe._text import short_repr
from mkframe.errors import InputError
from mkframe.history import _file, _read, _write
from mkframe.history._layout import ACCOUNT, VERSIONED
from mkframe.history._moments import as_utc
from mkframe.history._rows import Rows
from mkframe.history._write import Last, Outcome, Scope
from mkframe.limits import DEFAULT

__all__ = ["take"]


def take(
    path: Path,
    wait: float,
    source: bytes | str | PathLike[str],
    resource: str,
    project: str | int | None,
    asked_at: dt.datetime | str | None,
) -> list[Outcome]:
    """Store a saved answer; see `mk.History.take`."""
    if resource not in VERSIONED:
        raise InputError(
            f"A history takes no saved {short_repr(resource)}.", hint=f"Choose from {', '.join(VERSIONED)}."
        )
    if project is not None and resource != "builds":
        raise InputError(f"{resource} are those of the whole account.", hint="Leave project out.")
    moment = _moment(asked_at)
    body = frames.read_body(source)
    rows = Rows(resource, body, DEFAULT)
    with _file.open_to_write(path, wait) as connection:
        scopes = _scopes(connection, rows, body, project)
        lasts = _write.last_syncs(connection)
        for scope, _ in scopes:
            _check_order(scope, lasts.get(scope.key, Last()), moment)
        is_whole = len(scopes) == 1 and len(scopes[0][1]) == len(rows)
        known = Validators(body=hashlib.sha256(body).hexdigest()) if is_whole else Validators()
        outcomes = []
        for scope, places in scopes:
            last = lasts.get(scope.key, Last())
            outcome = _write.write_rows(connection, scope, last, moment, known, rows, places=places)
            if outcome.how != "rows":
                _write.record(connection, [outcome])
            outcomes.append(outcome)
    _file.compact(path)
    return outcomes


def _moment(asked_at: dt.datetime | str | None) -> dt.datetime:
    now = dt.datetime.now(dt.UTC)
    if asked_at is None:
        return now
    try:
        found = pd.Timestamp(asked_at)
        moment = as_utc(found.tz_localize("UTC") if found.tzinfo is None else found)
    except (ValueError, TypeError, OverflowError) as error:
        raise InputError(
            f"asked_at is {short_repr(asked_at)}, which is no time.", hint='Write "2026-11-23 08:00".'
        ) from error
    if moment > now:
        raise InputError(
            f"asked_at is {short_repr(asked_at)}, which is not yet.", hint="Give a time that has passed."
        )
    return moment


def _scopes(connection: Any, rows: Rows, body: bytes, project: str | int | None) -> list[tuple[Scope, Any]]:
    """Return the scopes that the rows belong to, with the places of their rows."""
    everything = np.arange(len(rows))
    if rows.resource != "builds":
        return [(Scope(rows.resource, ACCOUNT), everything)]
    projects = frames.decode("builds", body)["project_id"]
    if projects.isna().any():
        raise InputError(
            f"{projects.isna().sum()} builds name no project.", hint="Give the project: project=402."
        )
    ids = projects.to_numpy(dtype="int64")
    if project is None:
        return [(Scope("builds", int(p)), everything[ids == p]) for p in np.unique(ids)]
    number = _read.project_id(connection, project)
    if (ids != number).any():
        raise InputError(
            f"The answer holds builds of project {ids[ids != number][0]}, not of {number} only.",
            hint="Leave project out, or name the right one.",
        )
    return [(Scope("builds", int(number or 0)), everything)]


def _check_order(scope: Scope, last: Last, moment: dt.datetime) -> None:
    if last.asked_at is not None and moment <= last.asked_at:
        of = f"{scope.resource} of project {scope.project}" if scope.project else scope.resource
        raise InputError(
            f"The answer is of {moment:%Y-%m-%d %H:%M:%S} UTC, and the history knows {of} of "
            f"{last.asked_at:%Y-%m-%d %H:%M:%S} UTC already.",
            hint="Take saved answers in the order of their times, before the first sync.",
        )
