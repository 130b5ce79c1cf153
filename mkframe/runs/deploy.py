"""Start a build deployment. The body of this write is inferred from its fields and unconfirmed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from mkframe import frames, inputs
from mkframe.errors import ConnectionLost, ServerError, TimedOut, UnexpectedBody
from mkframe.runs.start import Unconfirmed
from mkframe.schema import RESOURCES
from mkframe.transport import Transport

__all__ = ["deploy"]

_KNOWN = RESOURCES["build_deployments"]


def deploy(transport: Transport, given: Mapping[str, Any]) -> pd.Series[Any]:
    """Check the body of ``POST /build_deployments``, send it once, and return the server's answer."""
    body = _body(given)
    try:
        return transport.post(_KNOWN.path, body, into=_answer)
    except (ConnectionLost, TimedOut, ServerError, UnexpectedBody) as error:
        raised = Unconfirmed(
            f"The deployment may have been started: {error.message}",
            hint=f"kraft.build_deployments.find(build_id={body['build_id']}) lists what was started.",
            request=error.request,
        )
        raised.marker = None
        raise raised from error


def _body(given: Mapping[str, Any]) -> dict[str, Any]:
    named = {name: value for name, value in given.items() if value is not None}
    inputs.check_exclusive(_KNOWN.body_exclusive, named, "build_deployments.start")
    types = {key.name: key.type for key in _KNOWN.body}
    return {
        name: inputs.identifier(name, value) if types[name] == "int" else inputs.text(name, value)
        for name, value in named.items()
    }


def _answer(chunks: Iterable[bytes]) -> pd.Series[Any]:
    answer = frames.record(chunks, "the new build deployment")
    return pd.Series(answer, name=answer.get("id"), dtype=object)
