"""Confirm a write whose answer was lost.

The reference has no idempotency key. Where a request was sent and no answer came back, it is unknown whether
a build runs, and sending again might start a second one. So the description of a build carries a
marker, a text that occurs once, and the project's builds are searched for it before the call returns.
"""

from __future__ import annotations

import functools
import logging
import math
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
    "MIN_REQUEST_TIME",
    "BuildStart",
    "check_confirm_timeout",
    "check_marker",
    "confirm",
    "find_started",
    "may_have_started",
    "reconcile",
    "emit_warnings",
    "unconfirmed_error",
]

log = logging.getLogger("mkframe")

MIN_REQUEST_TIME = 1.0
"""Seconds that a call with a shorter time-out may take, so that a time-out of 0 looks once."""
_MAX_PAUSE = 2.0
_GIVEN_UP = {408, 499}
"""Statuses with which a server or proxy gives up waiting: 499 is nginx's."""
_TO_REPEAT = {301, 307, 308}
"""Redirects that name the address to which the same request is to be sent: it was not carried out."""
_MAX_WARNINGS = 100
"""Warnings of one build that are shown separately."""


@dataclass(frozen=True, slots=True)
class BuildStart:
    """A build that was started.

    Parameters
    ----------
    id : int
        Build ID.
    status : str or None
        Status in the answer, usually BUILDING; None where the answer has none.
    warnings : tuple of str
        Warnings of the server, such as missing releases.
    marker : str, optional
        Text in the description by which the build can be found.
    """

    id: int
    status: str | None
    warnings: tuple[str, ...] = field(default=())
    marker: str | None = None


def may_have_started(error: MkframeError, transport: Transport, path: str) -> bool:
    """Whether a POST may have been carried out although it ended with an error.

    A 4xx says that the server refused it. A redirect may lead to the result (RFC 9110, 15.4.4). After any
    other error it is unknown, if the request was sent. An error of the login, which comes first, says that
    nothing was sent.
    """
    # Only the end is compared: how a URL is written changes on its way, such as the case of its host.
    if not (error.request or "").startswith("POST ") or not (error.request or "").endswith(path):
        return False
    if isinstance(error, ResponseError):
        status = error.status or 0
        return (not 400 <= status < 500 and status not in _TO_REPEAT) or status in _GIVEN_UP
    return isinstance(error, (ConnectionLostError, RequestTimeoutError, InvalidResponseError))


def check_marker(value: Any) -> str:
    """Check a marker that `new_marker` has made."""
    if not isinstance(value, str) or not MARKER.fullmatch(value):
        raise InputError(
            f"{value!r} is not a marker.",
            hint="A marker is mkframe- and twelve hexadecimal digits, such as mkframe-0123456789ab.",
        )
    return value


def check_confirm_timeout(value: Any) -> float:
    """Check the seconds to look for a build."""
    if not _validation.is_number(value) or not 0 <= value < math.inf:
        raise InputError(
            f"confirm_timeout must be seconds, not {value!r}.",
            hint="Write confirm_timeout=6, or leave it out.",
        )
    return float(value)


def confirm(
    transport: Transport,
    marker: str,
    *,
    project: str | int | None = None,
    project_id: int | None = None,
    confirm_timeout: float = 6.0,
    warn: bool = True,
) -> BuildStart:
    """Look for the build that carries a marker."""
    check_marker(marker)
    emit = _validation.as_bool("warn", warn)
    scope = {"project": project, "project_id": project_id}
    seconds, params = check_confirm_timeout(confirm_timeout), _validation.query_params("builds", scope)
    try:
        found = _look(transport, params, marker, seconds)
    except MkframeError as error:
        message = f"The builds could not be searched: {error.message}"
        raise unconfirmed_error(message, error, marker, scope) from error
    if found is None:
        raise _not_started(marker, scope, seconds)
    if emit:
        emit_warnings(found, transport)
    return found


def emit_warnings(started: BuildStart, transport: Transport) -> None:
    """Show the server's warnings; they are never raised, since the build's id would be lost."""
    texts = [single_line(transport.redact(text)) for text in started.warnings[:_MAX_WARNINGS]]
    if len(started.warnings) > _MAX_WARNINGS:
        further = len(started.warnings) - _MAX_WARNINGS
        texts.append(f"There are {further:,} further warnings in its .warnings.")
    for text in texts:
        try:
            warn(f"Build {started.id}: {text}")
        except UserWarning:  # where warnings are errors, they are logged
            log.warning("Build %d: %s", started.id, text)


def reconcile(
    transport: Transport,
    scope: Mapping[str, Any],
    marker: str | None,
    confirm_timeout: float,
    error: MkframeError,
) -> BuildStart:
    """After a lost answer: return the build with the marker, or raise that it is not known.

    That no build has the marker proves nothing yet: the server may record it later.
    """
    if marker is None:
        raise unconfirmed_error(error.message, error, None, scope) from error
    try:
        found = _look(transport, _validation.query_params("builds", scope), marker, confirm_timeout)
    except MkframeError as second:
        message = f"{error.message} The builds could not be searched either: {second.message}"
        raise unconfirmed_error(message, error, marker, scope) from second
    if found is None:
        late = f"{_not_found(marker, confirm_timeout)}, but the server may record it later."
        raise unconfirmed_error(f"{error.message} {late}", error, marker, scope) from error
    lost = "The server's answer was lost; the build was found by its marker, its warnings are not known."
    return BuildStart(found.id, found.status, (lost, *found.warnings), marker)


def find_started(
    transport: Transport, scope: Mapping[str, Any], marker: str, seconds: float
) -> BuildStart | None:
    """Look for a build that carries the marker of a start, before it is sent; at least once.

    Raises
    ------
    MkframeError
        If the builds cannot be searched.
    """
    try:
        found = _look(transport, _validation.query_params("builds", scope), marker, seconds, math.inf)
    except MkframeError as error:
        error.hint = f"Nothing was sent, as it is not known whether a build has its marker. {error.hint}"
        raise
    if found is None:
        return None
    known = f"It carries the marker {marker} already: nothing was sent now."
    return BuildStart(found.id, found.status, (known, *found.warnings), marker)


def _search(
    transport: Transport, params: Mapping[str, str], marker: str, timeout: float | None = None
) -> BuildStart | None:
    """Search the builds for the marker, once."""
    read = functools.partial(frames.decode, "builds", limits=transport.settings.limits)
    try:
        builds = transport.get("/builds", params, parse=read, kind="find", timeout=timeout)
    except SchemaWarning as warning:  # where warnings are errors
        raise SchemaError(str(warning)) from warning
    marked = builds[builds["description"].str.contains(marker, regex=False, na=False)]
    return None if marked.empty else _first_build(marked, marker)


def _look(
    transport: Transport,
    params: Mapping[str, str],
    marker: str,
    confirm_timeout: float,
    request_time: float = MIN_REQUEST_TIME,
) -> BuildStart | None:
    """Search the builds for the marker repeatedly: a build may be recorded late, a server may restart.

    The requests together take `confirm_timeout`, or `request_time` where that is longer.
    """
    end = time.monotonic() + max(confirm_timeout, request_time)

    def once() -> BuildStart | None:
        left = max(0.0, end - time.monotonic())
        return _search(transport, params, marker, None if left == math.inf else left)

    def pause(state: tenacity.RetryCallState) -> float:
        left = confirm_timeout - (state.seconds_since_start or 0.0)
        return max(0.0, min(left, backoff(state)))

    backoff = tenacity.wait_exponential(multiplier=0.1, max=_MAX_PAUSE)
    search = tenacity.Retrying(
        retry=tenacity.retry_if_result(lambda found: found is None)
        | tenacity.retry_if_exception_type(TRANSIENT),
        stop=tenacity.stop_after_delay(confirm_timeout),
        wait=pause,
        # The last search counts: no build, or an error.
        retry_error_callback=lambda state: state.outcome and state.outcome.result(),
        sleep=time.sleep,
    )
    found: BuildStart | None = search(once)
    return found


def _first_build(marked: Any, marker: str) -> BuildStart:
    """Return the first build that carries the marker, with a warning where there are several."""
    ids = sorted(map(int, marked.index))
    warnings: tuple[str, ...] = ()
    if len(ids) > 1:
        listed = ", ".join(map(str, ids))
        warnings = (f"Builds {listed} carry the same marker: the request was repeated on its way.",)
    status = marked.loc[ids[0], "status"]
    return BuildStart(ids[0], None if pd.isna(status) else status, warnings, marker)


def _not_started(marker: str, scope: Mapping[str, Any], confirm_timeout: float) -> NotStartedError:
    raised = NotStartedError(
        f"{_not_found(marker, confirm_timeout)}: none was started, as far as the server knows.",
        hint=f"Start it again with marker={marker!r}: start looks first, in case it was recorded late.",
    )
    raised.marker = marker
    return raised


def _not_found(marker: str, confirm_timeout: float) -> str:
    return f"After {confirm_timeout:g} s of looking no build carries the marker {marker}"


def unconfirmed_error(
    happened: str, error: MkframeError, marker: str | None, scope: Mapping[str, Any], hint: str = ""
) -> StartUnconfirmedError:
    """Make the error for a write of which it is unknown whether it was carried out."""
    if marker:
        hint = (
            f"Do not start it without its marker: {_call(marker, scope)} says what became of it, and the "
            f"same start with marker={marker!r} looks for it first."
        )
    unmarked = "Look for it in the web application before you start it again; a marker makes it searchable."
    raised = StartUnconfirmedError(
        f"{happened} Whether it was started is not known.", hint=hint or unmarked, **_error_fields(error)
    )
    raised.marker = marker
    return raised


def _error_fields(error: MkframeError) -> dict[str, Any]:
    """Return the fields that an error takes over from its cause."""
    return {
        name: getattr(error, name, None) for name in ("request", "status", "vendor_message", "body_start")
    }


def _call(marker: str, scope: Mapping[str, Any]) -> str:
    where = "".join(f", {name}={value!r}" for name, value in scope.items() if value is not None)
    return f"client.builds.confirm({marker!r}{where})"
