"""Start a build.

The body is checked and sent once. Where the answer is lost, the build is searched by its marker.
"""

from __future__ import annotations

import contextlib
import functools
import json
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from mkframe import _validation, frames
from mkframe._http import Transport
from mkframe._text import short_repr
from mkframe.builds._lock import exclusive_lock
from mkframe.builds._marker import new_marker, use_marker, with_marker
from mkframe.builds._reconcile import (
    BuildStart,
    check_confirm_timeout,
    check_marker,
    emit_warnings,
    find_started,
    may_have_started,
    reconcile,
)
from mkframe.errors import (
    InputError,
    InvalidResponseError,
    MkframeError,
    NotFoundError,
    ResponseError,
    SchemaWarning,
)
from mkframe.schema import RESOURCES

__all__ = ["start", "start_body"]

_KNOWN = RESOURCES["builds"]
_IDS = range(2**63)
_BY_NAME = ("pattern", "folder", "name")
_INSTANCE_COLUMNS = {"pattern_id", "instance_folder_id", "identity_id"}
"""Columns by which a frame or row of instances is recognized; other rows have ids, too."""
_MAX_SHOWN = 5
"""Instances that an error lists."""
_HINT = (
    'Write {"id": 7} or {"pattern": "CORE_DV_HLS", "folder": "/BUSINESS_VAULT", "name": "AIRPLANE"}, '
    "or give rows of client.instances.find(...)."
)


def start(
    transport: Transport,
    *,
    instances: Any,
    project: str | int | None = None,
    project_id: int | None = None,
    releases: Mapping[str, str] | None = None,
    description: str | None = None,
    restore: bool = False,
    marker: bool | str = True,
    confirm_timeout: float = 6.0,
    warn: bool = True,
) -> BuildStart:
    """Check the body of ``POST /builds``, send it once, and confirm that the build was started.

    With a marker that the caller gives nothing is sent where a build has it already. One that a start may
    have used is looked for as long as after a lost answer: the server may record that build any moment.
    """
    seconds = check_confirm_timeout(confirm_timeout)
    emit = _validation.as_bool("warn", warn)
    text: str | None
    if isinstance(marker, str):
        text = check_marker(marker)
    else:
        text = new_marker() if _validation.as_bool("marker", marker) else None
    scope = _validation.project_body(project, project_id, _KNOWN.body_exclusive, "builds.start")
    definitions = _instances(instances)
    if releases is not None:
        releases = _validation.as_releases("releases", releases)
    if description is not None and not isinstance(description, str):
        raise InputError(f"description must be text, not {description!r}.", hint="Write description='...'.")
    body = start_body(
        **scope,
        instances=definitions,
        releases=releases,
        description=description,
        restore=_validation.as_bool("restore", restore),
        marker=text,
    )
    look = 0.0 if text is None or use_marker(text) else seconds
    try:
        if isinstance(marker, str):
            with _marker_lock(transport, marker):
                found = find_started(transport, scope, marker, look)
                started = found or _send(transport, body, scope, marker, seconds)
        else:
            started = _send(transport, body, scope, text, seconds)
    except KeyboardInterrupt as interrupt:
        call = f"client.builds.confirm({text!r}) finds it" if text else "client.builds.find(...) lists it"
        interrupt.add_note(f"A build may run: {call}.")
        raise
    if emit:
        emit_warnings(started, transport)
    return started


def _marker_lock(transport: Transport, marker: str) -> contextlib.AbstractContextManager[None]:
    """Return a lock, so that of several starts with one marker at once the later ones find the build.

    Markers share 256 locks, since a lock file is never removed.
    """
    name = f"marker {marker[-2:]} at {transport.settings.url}"
    return exclusive_lock(name, what=f"a build, perhaps that with the marker {marker}")


def start_body(
    *,
    instances: list[dict[str, Any]],
    project: str | None = None,
    project_id: int | None = None,
    releases: Mapping[str, str] | None = None,
    description: str | None = None,
    restore: bool = False,
    marker: str | None = None,
) -> dict[str, Any]:
    """Write the body of ``POST /builds``; what is not given is left out. Nothing is checked.

    Parameters
    ----------
    instances : list of dict
        Instances by ``id``, or by ``pattern``, ``folder`` and ``name``.
    project : str, project_id : int
        One of them.
    releases : mapping of str to str, optional
        Release per release group.
    description : str, optional
        Description of the build, without its marker.
    restore : bool, default False
        Whether deleted instances are restored.
    marker : str, optional
        Marker that is added to the description.

    Returns
    -------
    dict
        The keys of the API, in the order of its reference.

    Examples
    --------
    >>> start_body(project_id=402, instances=[{"id": 7}], marker="mkframe-0123456789ab")
    {'project_id': 402, 'instances': [{'id': 7}], 'description': '[mkframe-0123456789ab]'}
    """
    body = {
        "project": project,
        "project_id": project_id,
        "instances": instances,
        "releases": releases,
        "description": with_marker(description, marker),
        "restore": restore,
    }
    # The id of a project may be 0.
    return {key: value for key, value in body.items() if value or (key == "project_id" and value is not None)}


def _send(
    transport: Transport,
    body: Mapping[str, Any],
    scope: Mapping[str, Any],
    marker: str | None,
    confirm_timeout: float,
) -> BuildStart:
    try:
        started = transport.post(_KNOWN.path, body, parse=_parse_answer)
    except MkframeError as error:
        if not may_have_started(error, transport, _KNOWN.path):
            if isinstance(error, NotFoundError) and "instance" in (error.vendor_message or "").lower():
                error.message += f" {_missing_instances(transport, scope, body['instances'])}"
            if not isinstance(error, ResponseError):
                error.hint = f"No build was started. {error.hint}"
            raise
        return reconcile(transport, scope, marker, confirm_timeout, error)
    return BuildStart(started.id, started.status, started.warnings, marker)


def _missing_instances(transport: Transport, scope: Mapping[str, Any], given: list[dict[str, Any]]) -> str:
    """Say which of the given instances the project does not have, as far as ids and names tell."""
    missing = given
    if len(given) > 1:
        read = functools.partial(frames.decode, "instances", limits=transport.settings.limits)
        with contextlib.suppress(MkframeError, SchemaWarning):
            params = _validation.query_params("instances", scope)
            known = transport.get("/instances", params, parse=read, kind="find")
            ids, names = set(known.index), set(known["name"])
            missing = [i for i in given if i.get("id", "") not in ids and i.get("name", "") not in names]
    listed = ", ".join(map(short_repr, missing[:_MAX_SHOWN]))
    more = f" and {len(missing) - _MAX_SHOWN:,} others" if len(missing) > _MAX_SHOWN else ""
    if missing and (len(given) == 1 or len(missing) < len(given)):
        return f"The project has no {listed}{more}."
    return f"It is one or more of these: {', '.join(map(short_repr, given[:_MAX_SHOWN]))}" + (
        f" and {len(given) - _MAX_SHOWN:,} others." if len(given) > _MAX_SHOWN else "."
    )


# --- instances --------------------------------------------------------------------------------------


def _instances(given: Any) -> list[dict[str, Any]]:
    """Write the instances as the API takes them; each may be given once."""
    definitions = [_instance(one) for one in _as_iterable(given)]
    if not definitions:
        raise InputError("No instances are given.", hint=_HINT)
    seen: set[str] = set()
    for definition in definitions:
        key = json.dumps(definition, sort_keys=True)
        if key in seen:
            raise InputError(f"The instance {definition} is given twice.", hint="Give each instance once.")
        seen.add(key)
    return definitions


def _as_iterable(given: Any) -> Iterable[Any]:
    """Return the instances one by one, also where a single one is given."""
    if isinstance(given, pd.DataFrame):
        if not set(given.columns) >= _INSTANCE_COLUMNS:
            raise InputError(
                "The frame is not one of instances.", hint="Give rows of client.instances.find(...)."
            )
        return _validation.frame_ids(given)
    _validation.check_ids(given, "id", "instance_id")
    several: Iterable[Any] = given if _validation.is_several(given) else [given]
    return several


def _instance(one: Any) -> dict[str, Any]:
    """Write one instance: by id, by pattern, folder and name, or as a row of an instances frame."""
    if isinstance(one, pd.Series):
        one = {"id": _validation.row_id(one)} if set(one.index) >= _INSTANCE_COLUMNS else one.to_dict()
    if isinstance(one, str):
        raise InputError(
            f"The instance {short_repr(one)} is given by its name alone, which several may have.", hint=_HINT
        )
    if not isinstance(one, Mapping):
        return {"id": _validation.as_id("an instance", one)}
    keys = {key for key, value in one.items() if value is not None}
    if keys == {"id"}:
        return {"id": _validation.as_id("id", one["id"])}
    if keys == set(_BY_NAME):
        return {key: _validation.as_name(key, one[key]) for key in _BY_NAME}
    text = repr(dict(one))
    raise InputError(
        "An instance is given by its id, or by pattern, folder and name, with no other key; "
        f"this is neither: {text if len(text) < 200 else text[:200] + '...'}.",
        hint=_HINT,
    )


def _parse_answer(chunks: Iterable[bytes]) -> BuildStart:
    """Read ``{"build": {"id", "status"}, "warnings": [...]}``."""
    answer = frames.parse_object(chunks, "the new build")
    build, warnings = answer.get("build"), answer.get("warnings") or []
    number, status = (build.get("id"), build.get("status")) if isinstance(build, dict) else (None, None)
    if type(number) is not int or number not in _IDS or not isinstance(status, str):
        raise InvalidResponseError(
            f"The answer names no build: {short_repr(answer)}.",
            hint="Look in the web application whether the build runs.",
        )
    warnings = warnings if isinstance(warnings, list) else [warnings]
    return BuildStart(number, status, tuple(map(_as_text, warnings)))


def _as_text(warning: Any) -> str:
    try:
        return str(warning)
    except RecursionError:
        return short_repr(warning)
