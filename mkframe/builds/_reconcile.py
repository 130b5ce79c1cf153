"""What became of a write whose answer was lost.

The reference knows no idempotency key. Where a request went out and no answer came back, nobody knows whether
a build runs, and sending again might start a second one. So the description of a build carries a
marker, a word that occurs once, and the project's builds are searched for it before anything is said.
"""

from __future__ import annotations

import functools
import logging
import math
import numbers
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
import tenacity

from mkframe import _validation, frames
from mkframe._http import Transport
from mkframe._text import single_line
from mkframe.builds._marker import MARKER
from mkframe.errors import (
    TRANSIENT,
    ConnectionLostError,
    InputError,
    InvalidResponseError,
    MkframeError,
    NotStartedError,
    RequestTimeoutError,
    ResponseError,
    SchemaError,
    SchemaWarning,
    StartUnconfirmedError,
    warn,
)

__all__ = [
    "BuildStart",
    "check_confirm_timeout",
    "check_marker",
    "confirm",
    "may_have_started",
    "reconcile",
    "emit_warnings",
    "unconfirmed_error",
]

log = logging.getLogger("mkframe")

_LONGEST_PAUSE = 2.0
_TIMED_OUT_UNDERWAY = 408
_MOST_TOLD = 100
"""Warnings of one build that are shown one by one."""


@dataclass(frozen=True, slots=True)
class BuildStart:
    """A build that was started.

    Parameters
    ----------
    id : int
        Build ID.
    status : str or None
        Status in the answer, usually BUILDING; None where it says none.
    warnings : tuple of str
        Warnings of the server, such as missing releases.
    marker : str, optional
        Word in the description by which the build can be found.
    """

    id: int
    status: str | None
    warnings: tuple[str, ...] = field(default=())
    marker: str | None = None


def may_have_started(error: MkframeError, transport: Transport, path: str) -> bool:
    """Whether a POST may have been carried out although it ended with an error.

    A 4xx is the server's refusal; any other error after the request went out leaves it open. An error
    of the login, which comes first, says that nothing was sent.
    """
    # Only the end is compared: how a URL is written changes on its way, such as the case of its host.
    if not (error.request or "").startswith("POST ") or not (error.request or "").endswith(path):
        return False
    if isinstance(error, ResponseError):
        status = error.status or 0
        return not 300 <= status < 500 or status == _TIMED_OUT_UNDERWAY
    return isinstance(error, (ConnectionLostError, RequestTimeoutError, InvalidResponseError))


def check_marker(value: Any) -> str:
    """Check a word that `markers.new_marker` has made."""
    if not isinstance(value, str) or not MARKER.fullmatch(value):
        raise InputError(
            f"{value!r} is not a marker.",
            hint="A marker is mkframe- and twelve hexadecimal digits, such as mkframe-0123456789ab.",
        )
    return value


def check_confirm_timeout(value: Any) -> float:
    """Check the seconds to look for a build."""
    is_number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not is_number or not 0 <= value < math.inf:
        raise InputError(
            f"confirm_timeout must be seconds, not {value!r}.",
            hint="Write confirm_timeout=6, or leave it out.",
        )
    return float(value)


def confirm(
    transport: Transport,
    marker: str,
    given: Mapping[str, Any],
    *,
    confirm_timeout: float = 6.0,
    warn: bool = True,
) -> BuildStart:
    """Look for the build that carries a marker."""
    check_marker(marker)
    aloud = _validation.as_bool("warn", warn)
    seconds, params = check_confirm_timeout(confirm_timeout), _validation.query_params("builds", given)
    try:
        found = _look(transport, params, marker, seconds)
    except MkframeError as blind:
        raise unconfirmed_error(
            f"The builds could not be searched: {blind.message}", blind, marker, given
        ) from blind
    if found is None:
        raise _not_started("", None, marker, given, seconds)
    if aloud:
        emit_warnings(found, transport)
    return found


def emit_warnings(started: BuildStart, transport: Transport) -> None:
    """Show what is to be said of a build that runs; its id is never lost for a warning's sake."""
    said = [single_line(transport.redacted(told)) for told in started.warnings[:_MOST_TOLD]]
    if len(started.warnings) > _MOST_TOLD:
        said.append(f"There are {len(started.warnings) - _MOST_TOLD:,} further warnings in its .warnings.")
    for sentence in said:
        try:
            warn(f"Build {started.id}: {sentence}")
        except UserWarning:  # where warnings are errors, the log says it
            log.warning("Build %d: %s", started.id, sentence)


def reconcile(
    transport: Transport,
    scope: Mapping[str, Any],
    marker: str | None,
    confirm_timeout: float,
    error: MkframeError,
) -> BuildStart:
    """After a lost answer: adopt the build with the marker, or say that there is none."""
    if marker is None:
        raise unconfirmed_error(error.message, error, None, scope) from error
    try:
        found = _look(transport, _validation.query_params("builds", scope), marker, confirm_timeout)
    except MkframeError as blind:
        told = f"{error.message} The builds could not be searched either: {blind.message}"
        raise unconfirmed_error(told, error, marker, scope) from blind
    if found is None:
        raise _not_started(error.message, error, marker, scope, confirm_timeout) from error
    lost = "The server's answer was lost; the build was found by its marker, its warnings are not known."
    return BuildStart(found.id, found.status, (lost, *found.warnings), marker)


def _look(
    transport: Transport, params: Mapping[str, str], marker: str, confirm_timeout: float
) -> BuildStart | None:
    """Search the builds for the marker, again and again: a build may be recorded late, a server restart."""
    read = functools.partial(frames.decode, "builds", limits=transport.settings.limits)

    def once() -> BuildStart | None:
        try:
            builds = transport.get("/builds", params, into=read, kind="find")
        except SchemaWarning as told:  # where warnings are errors
            raise SchemaError(str(told)) from told
        carrying = builds[builds["description"].str.contains(marker, regex=False, na=False)]
        return None if carrying.empty else _found(carrying, marker)

    def pause(state: tenacity.RetryCallState) -> float:
        left = confirm_timeout - (state.seconds_since_start or 0.0)
        return max(0.0, min(left, growing(state)))

    growing = tenacity.wait_exponential(multiplier=0.1, max=_LONGEST_PAUSE)
    looking = tenacity.Retrying(
        retry=tenacity.retry_if_result(lambda found: found is None)
        | tenacity.retry_if_exception_type(TRANSIENT),
        stop=tenacity.stop_after_delay(confirm_timeout),
        wait=pause,
        # What the last look saw counts: none, or that nothing can be seen.
        retry_error_callback=lambda state: state.outcome and state.outcome.result(),
        sleep=time.sleep,
    )
    found: BuildStart | None = looking(once)
    return found


def _found(carrying: Any, marker: str) -> BuildStart:
    """The first build that carries the marker; more than one is not our doing and is said."""
    ids = sorted(int(number) for number in carrying.index)
    told: tuple[str, ...] = ()
    if len(ids) > 1:
        listed = ", ".join(map(str, ids))
        told = (f"Builds {listed} carry the same marker: the request was repeated on its way.",)
    status = carrying.loc[ids[0], "status"]
    return BuildStart(ids[0], None if pd.isna(status) else status, told, marker)


def _not_started(
    happened: str, error: MkframeError | None, marker: str, scope: Mapping[str, Any], confirm_timeout: float
) -> NotStartedError:
    seen = f"After {confirm_timeout:g} s of looking no build carries the marker {marker}: none was started."
    again = f"Where the server may be slow, let {_call(marker, scope)} look once more; then start it again."
    raised = NotStartedError(f"{happened} {seen}".strip(), hint=again, **_facts(error))
    raised.marker = marker
    return raised


def unconfirmed_error(
    happened: str, error: MkframeError, marker: str | None, scope: Mapping[str, Any], hint: str = ""
) -> StartUnconfirmedError:
    """The error for a write of which nobody knows whether it was carried out."""
    if marker:
        hint = f"Do not start it again before {_call(marker, scope)} has told."
    unmarked = "Look for it in the web application before you start it again; a marker would have told."
    raised = StartUnconfirmedError(
        f"{happened} Whether it was started is not known.", hint=hint or unmarked, **_facts(error)
    )
    raised.marker = marker
    return raised


def _facts(error: MkframeError | None) -> dict[str, Any]:
    """What an error of ours keeps of the one that it explains."""
    return {
        name: getattr(error, name, None) for name in ("request", "status", "vendor_message", "body_start")
    }


def _call(marker: str, scope: Mapping[str, Any]) -> str:
    where = "".join(f", {name}={value!r}" for name, value in scope.items() if value is not None)
    return f"client.builds.confirm({marker!r}{where})"
