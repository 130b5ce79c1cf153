"""Start a build: its body is checked, sent once, and what became of it is found out."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from mkframe import _validation, frames
from mkframe._http import Transport
from mkframe._text import short_repr
from mkframe.builds._marker import new_marker, with_marker
from mkframe.builds._reconcile import (
    BuildStart,
    check_confirm_timeout,
    check_marker,
    emit_warnings,
    may_have_started,
    reconcile,
)
from mkframe.errors import InputError, InvalidResponseError, MkframeError
from mkframe.schema import RESOURCES

__all__ = ["start"]

_KNOWN = RESOURCES["builds"]
_IDS = range(2**63)
_BY_NAME = ("pattern", "folder", "name")
_OF_AN_INSTANCE = {"pattern_id", "instance_folder_id", "identity_id"}
"""Columns by which a frame or row is known to be one of instances; other rows have ids, too."""
_HOW = (
    'Write {"id": 7} or {"pattern": "CORE_DV_HLS", "folder": "/BUSINESS_VAULT", "name": "AIRPLANE"}, '
    "or give rows of client.instances.find(...)."
)


def start(
    transport: Transport,
    given: Mapping[str, Any],
    *,
    marker: bool | str = True,
    confirm_timeout: float = 6.0,
    warn: bool = True,
) -> BuildStart:
    """Check the body of ``POST /builds``, send it once, and find out what became of it."""
    seconds, aloud = check_confirm_timeout(confirm_timeout), _validation.as_bool("warn", warn)
    word = _marker(marker)
    body = _body(given, word)
    scope: dict[str, Any] = {name: body[name] for name in ("project", "project_id") if name in body}
    try:
        started = _send(transport, body, scope, word, seconds)
    except KeyboardInterrupt as stop:
        told = (
            f"client.builds.confirm({word!r}) tells"
            if word
            else "client.builds.find(...) lists the last ones"
        )
        stop.add_note(f"A build may run: {told}.")
        raise
    if aloud:
        emit_warnings(started, transport)
    return started


def _marker(given: bool | str) -> str | None:
    """The word that the description will carry."""
    if isinstance(given, str):
        return check_marker(given)
    return new_marker() if _validation.as_bool("marker", given) else None


def _send(
    transport: Transport,
    body: Mapping[str, Any],
    scope: Mapping[str, Any],
    word: str | None,
    confirm_timeout: float,
) -> BuildStart:
    try:
        started = transport.post(_KNOWN.path, body, into=_answer)
    except MkframeError as error:
        if not may_have_started(error, transport, _KNOWN.path):
            raise
        return reconcile(transport, scope, word, confirm_timeout, error)
    return BuildStart(started.id, started.status, started.warnings, word)


# --- what is sent -----------------------------------------------------------------------------------


def _body(given: Mapping[str, Any], marker: str | None) -> dict[str, Any]:
    """The body in the API's words; every value is checked."""
    body = _validation.project_body(given, _KNOWN.body_exclusive, "builds.start")
    body["instances"] = _instances(given["instances"])
    if given.get("releases") is not None:
        body["releases"] = _validation.as_releases("releases", given["releases"])
    description = given.get("description")
    if description is not None and not isinstance(description, str):
        raise InputError(f"description must be text, not {description!r}.", hint="Write description='...'.")
    if words := with_marker(description, marker):
        body["description"] = words
    if _validation.as_bool("restore", given.get("restore", False)):
        body["restore"] = True
    return body


def _instances(given: Any) -> list[dict[str, Any]]:
    definitions = [_instance(one) for one in _one_by_one(given)]
    if not definitions:
        raise InputError("No instances are given.", hint=_HOW)
    seen: set[str] = set()
    for definition in definitions:
        key = json.dumps(definition, sort_keys=True)
        if key in seen:
            raise InputError(f"The instance {definition} is given twice.", hint="Give each instance once.")
        seen.add(key)
    return definitions


def _one_by_one(given: Any) -> Iterable[Any]:
    """What is given, as several; a single instance is one of one."""
    if isinstance(given, pd.DataFrame):
        if given.index.name != "id" or not set(given.columns) >= _OF_AN_INSTANCE:
            raise InputError(
                "The frame is not one of instances.", hint="Give rows of client.instances.find(...)."
            )
        return list(given.index)
    if (
        _validation.is_frame_row(given)
        or isinstance(given, str | bytes | Mapping)
        or not isinstance(given, Iterable)
    ):
        return [given]
    _validation.check_ids(given, "id", "instance_id")
    return given


def _instance(one: Any) -> dict[str, Any]:
    """One instance: by id, by pattern, folder and name, or as a row of an instances frame."""
    if isinstance(one, pd.Series):
        one = {"id": _validation.row_id(one)} if set(one.index) >= _OF_AN_INSTANCE else one.to_dict()
    if not isinstance(one, Mapping):
        return {"id": _validation.as_id("an instance", one)}
    keys = {key for key, value in one.items() if value is not None}
    if keys == {"id"}:
        return {"id": _validation.as_id("id", one["id"])}
    if keys == set(_BY_NAME):
        return {key: _validation.as_name(key, one[key]) for key in _BY_NAME}
    shown = repr(dict(one))
    raise InputError(
        "An instance is given by its id, or by pattern, folder and name, with no other key; "
        f"this is neither: {shown if len(shown) < 200 else shown[:200] + '...'}.",
        hint=_HOW,
    )


def _answer(chunks: Iterable[bytes]) -> BuildStart:
    """Read ``{"build": {"id", "status"}, "warnings": [...]}``."""
    answer = frames.parse_object(chunks, "the new build")
    build, said = answer.get("build"), answer.get("warnings") or []
    number, status = (build.get("id"), build.get("status")) if isinstance(build, dict) else (None, None)
    if type(number) is not int or number not in _IDS or not isinstance(status, str):
        raise InvalidResponseError(
            f"The answer names no build: {short_repr(answer)}.",
            hint="Look in the web application whether the build runs.",
        )
    sentences = said if isinstance(said, list) else [said]
    return BuildStart(number, status, tuple(map(_sentence, sentences)))


def _sentence(said: Any) -> str:
    try:
        return str(said)
    except RecursionError:
        return short_repr(said)
