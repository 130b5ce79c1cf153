"""Start a build exactly once.

The API has no idempotency key. Where a request went out and no answer came back, nobody knows whether
a build runs, and sending again might start a second one. So the description carries a marker, a word
that occurs once; where the answer is lost, the project's builds are searched for it before anything is
said.
"""

from __future__ import annotations

import functools
import json
import re
import secrets
import time
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
import tenacity

from mkframe import frames, inputs
from mkframe.errors import (
    ConnectionLost,
    InputError,
    MkframeError,
    ServerError,
    TimedOut,
    UnexpectedBody,
)
from mkframe.schema import RESOURCES
from mkframe.transport import Transport

__all__ = ["BuildStart", "NotStarted", "Unconfirmed", "confirm", "start"]

_MARKER = re.compile(r"mkframe-[0-9a-f]{12}")
_LONGEST_LOOK = 2.0


class NotStarted(MkframeError):
    """The answer was lost, and no build carries the marker: none was started.

    `marker` is the word that was looked for.
    """

    marker: str


class Unconfirmed(MkframeError):
    """The answer was lost and the builds could not be searched: a build may run.

    `marker` is the word to look for later, or None where the description carries none.
    """

    marker: str | None


@dataclass(frozen=True, slots=True)
class BuildStart:
    """A build that was started.

    Parameters
    ----------
    id : int
        Build ID.
    status : str
        Status in the answer, usually BUILDING.
    warnings : tuple of str
        Warnings of the server, such as missing releases.
    marker : str, optional
        Word in the description by which the build can be found.
    """

    id: int
    status: str
    warnings: tuple[str, ...] = field(default=())
    marker: str | None = None


def start(
    transport: Transport, given: Mapping[str, Any], *, marker: bool = True, look_for: float = 6.0
) -> BuildStart:
    """Check the body of ``POST /builds``, send it once, and find out what became of it."""
    word = f"mkframe-{secrets.token_hex(6)}" if marker else None
    body = _body(given, word)
    try:
        started = transport.post("/builds", body, into=_answer)
    except (ConnectionLost, TimedOut, ServerError, UnexpectedBody) as error:
        return _settle(transport, body, word, look_for, error)
    for sentence in started.warnings:
        warnings.warn(f"Build {started.id}: {sentence}", UserWarning, stacklevel=3)
    return BuildStart(started.id, started.status, started.warnings, word)


def confirm(
    transport: Transport, marker: str, given: Mapping[str, Any], *, look_for: float = 6.0
) -> BuildStart:
    """Look for the build that carries a marker."""
    if not isinstance(marker, str) or not _MARKER.fullmatch(marker):
        raise InputError(
            f"{marker!r} is not a marker.", hint="Give the word of the error, such as mkframe-0123456789ab."
        )
    try:
        found = _look(transport, inputs.query("builds", given), marker, look_for)
    except MkframeError as error:
        raise _unconfirmed(error, marker, given) from error
    if found is None:
        raise _not_started(None, marker, look_for)
    return found


# --- what is sent -----------------------------------------------------------------------------------


def _body(given: Mapping[str, Any], marker: str | None) -> dict[str, Any]:
    """The body in the API's words; every value is checked."""
    body = inputs.project(given, RESOURCES["builds"].body_exclusive, "builds.start")
    body["instances"] = _instances(given["instances"])
    if given.get("releases") is not None:
        body["releases"] = inputs.releases("releases", given["releases"])
    description = given.get("description")
    if description is not None and not isinstance(description, str):
        raise InputError(f"description must be text, not {description!r}.", hint="Write description='...'.")
    words = [w for w in (description, f"[{marker}]" if marker else None) if w]
    if words:
        body["description"] = " ".join(words)
    if inputs.truth("restore", given.get("restore", False)):
        body["restore"] = True
    return body


def _instances(given: Any) -> list[dict[str, Any]]:
    if isinstance(given, pd.DataFrame):
        if given.index.name != "id":
            raise InputError(
                "A frame of instances must be indexed by id.", hint="Give rows of kraft.instances.find(...)."
            )
        given = [int(i) for i in given.index]
    if isinstance(given, str | Mapping) or not isinstance(given, Iterable):
        given = [given]
    definitions = [_instance(one) for one in given]
    if not definitions:
        raise InputError(
            "No instances are given.", hint='Write instances=[{"id": 7}] or rows of instances.find().'
        )
    seen: set[str] = set()
    for definition in definitions:
        key = json.dumps(definition, sort_keys=True)
        if key in seen:
            raise InputError(f"The instance {definition} is given twice.", hint="Give each instance once.")
        seen.add(key)
    return definitions


def _instance(one: Any) -> dict[str, Any]:
    """One instance: by id, by pattern, folder and name, or as a row of an instances frame."""
    if isinstance(one, pd.Series):
        one = (
            {"id": one.name}
            if one.index.intersection(["pattern_id", "instance_folder_id"]).size
            else one.to_dict()
        )
    if not isinstance(one, Mapping):
        return {"id": inputs.identifier("an instance", one)}
    keys = {key for key, value in one.items() if value is not None}
    if keys == {"id"}:
        return {"id": inputs.identifier("id", one["id"])}
    if keys == {"pattern", "folder", "name"}:
        return {key: inputs.text(key, one[key]) for key in ("pattern", "folder", "name")}
    raise InputError(
        f"An instance is named by id, or by pattern, folder and name; {dict(one)!r} is neither.",
        hint='Write {"id": 7} or {"pattern": "CORE_DV_HLS", "folder": "/BUSINESS_VAULT", "name": "AIRPLANE"}.',
    )


def _answer(chunks: Iterable[bytes]) -> BuildStart:
    """Read ``{"build": {"id", "status"}, "warnings": [...]}``."""
    answer = frames.record(chunks, "the new build")
    build, said = answer.get("build"), answer.get("warnings") or []
    number, status = (build.get("id"), build.get("status")) if isinstance(build, dict) else (None, None)
    if type(number) is not int or not isinstance(status, str) or not isinstance(said, list):
        raise UnexpectedBody(
            f"The answer names no build: {str(answer)[:80]!r}.",
            hint="Look in the web application whether the build runs.",
        )
    return BuildStart(number, status, tuple(str(sentence) for sentence in said))


# --- what became of it ------------------------------------------------------------------------------


def _settle(
    transport: Transport, body: Mapping[str, Any], marker: str | None, look_for: float, error: MkframeError
) -> BuildStart:
    """After a lost answer: adopt the build with the marker, or say that there is none."""
    scope = {name: body[name] for name in ("project", "project_id") if name in body}
    if marker is None:
        raise _unconfirmed(error, None, scope) from error
    try:
        found = _look(transport, inputs.query("builds", scope), marker, look_for)
    except MkframeError as blind:
        raise _unconfirmed(blind, marker, scope) from error
    if found is None:
        raise _not_started(error, marker, look_for) from error
    sentence = "The server's answer was lost; the build was found by its marker, its warnings are not known."
    warnings.warn(f"Build {found.id}: {sentence}", UserWarning, stacklevel=4)
    return BuildStart(found.id, found.status, (sentence,), marker)


def _look(transport: Transport, params: Mapping[str, str], marker: str, look_for: float) -> BuildStart | None:
    """Search the builds for the marker, again and again, since a build may be recorded late."""
    read = functools.partial(frames.decode, "builds")

    def once() -> BuildStart | None:
        builds = transport.get("/builds", params, into=read)
        carrying = builds[builds["description"].str.contains(marker, regex=False, na=False)]
        if carrying.empty:
            return None
        return BuildStart(int(carrying.index[0]), str(carrying["status"].iloc[0]), marker=marker)

    looking = tenacity.Retrying(
        retry=tenacity.retry_if_result(lambda found: found is None),
        stop=tenacity.stop_after_delay(look_for),
        wait=tenacity.wait_exponential(multiplier=0.1, max=_LONGEST_LOOK),
        retry_error_callback=lambda _: None,
        sleep=time.sleep,
    )
    found: BuildStart | None = looking(once)
    return found


def _not_started(error: MkframeError | None, marker: str, look_for: float) -> NotStarted:
    happened = f"{error.message} " if error else ""
    sentence = f"{happened}No build carries the marker {marker}, {look_for:g} s of looking: none was started."
    raised = NotStarted(
        sentence,
        hint=f"Start it again. If the server may be slow, kraft.builds.confirm({marker!r}) looks once more.",
        request=error.request if error else None,
    )
    raised.marker = marker
    return raised


def _unconfirmed(error: MkframeError, marker: str | None, scope: Mapping[str, Any]) -> Unconfirmed:
    where = "".join(f", {name}={value!r}" for name, value in scope.items() if value is not None)
    hint = (
        f"Do not start it again before kraft.builds.confirm({marker!r}{where}) has told."
        if marker
        else "Look in the web application before you start it again; with marker=True mkframe could tell."
    )
    raised = Unconfirmed(f"A build may have been started: {error.message}", hint=hint, request=error.request)
    raised.marker = marker
    return raised
