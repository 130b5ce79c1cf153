"""Start a build deployment.

The body of this write is inferred from the fields of a build deployment and unconfirmed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from mkframe import _validation, frames
from mkframe._http import Transport
from mkframe._text import short_repr
from mkframe.builds._reconcile import may_have_started, unconfirmed_error
from mkframe.errors import InputError, InvalidResponseError, MkframeError
from mkframe.schema import RESOURCES

__all__ = ["deploy"]

_KNOWN = RESOURCES["build_deployments"]


def deploy(
    transport: Transport,
    *,
    build_id: int,
    deployment: str | None = None,
    deployment_id: int | None = None,
    agent_id: int | None = None,
    agent_group_id: int | None = None,
) -> pd.Series[Any]:
    """Check the body of ``POST /build_deployments``, send it once, and return the server's answer."""
    fields = {
        "build_id": build_id,
        "deployment": deployment,
        "deployment_id": deployment_id,
        "agent_id": agent_id,
        "agent_group_id": agent_group_id,
    }
    body = _body(fields)
    try:
        return transport.post(_KNOWN.path, body, parse=_parse_answer)
    except MkframeError as error:
        if not may_have_started(error, transport, _KNOWN.path):
            raise
        hint = f"client.build_deployments.find(build_id={body['build_id']}) lists what was started."
        raise unconfirmed_error(error.message, error, None, body, hint) from error


def _body(fields: Mapping[str, Any]) -> dict[str, Any]:
    named = {name: value for name, value in fields.items() if value is not None}
    for key in _KNOWN.body:
        if key.required and key.name not in named:
            raise InputError(
                f"build_deployments.start needs {key.name}.", hint=f"Give {key.name}=: {key.doc}"
            )
    _validation.check_exclusive(_KNOWN.body_exclusive, named, "build_deployments.start")
    types = {key.name: key.type for key in _KNOWN.body}
    return {
        name: _validation.as_id(name, value) if types[name] == "int" else _validation.as_name(name, value)
        for name, value in named.items()
    }


def _parse_answer(chunks: Iterable[bytes]) -> pd.Series[Any]:
    answer = frames.parse_object(chunks, "the new build deployment")
    if type(answer.get("id")) is not int:
        raise InvalidResponseError(
            f"The answer is no build deployment, since it has no id: {short_repr(answer)}.",
            hint=InvalidResponseError._HINT_WRONG_SERVER,
        )
    return pd.Series(answer, name=answer.get("id"), dtype=object)
