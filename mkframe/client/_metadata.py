"""SQL in a project's meta database, and the two views that tell its history.

``POST /metadata`` runs any statement, writes included. What is not one single reading statement is
refused here unless the caller asks for it: a guard against accidents, not against malice.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from mkframe import _validation, frames
from mkframe._http import Transport
from mkframe._text import short_repr, single_line
from mkframe.client._statements import check_reading
from mkframe.errors import (
    ConnectionLostError,
    InvalidResponseError,
    QueryFailedError,
    RequestTimeoutError,
    ServerError,
)
from mkframe.limits import Limits
from mkframe.schema import RESOURCES, VIEWS, Field, FieldType

__all__ = ["query", "view"]

_KNOWN = RESOURCES["metadata"]
_TYPES: dict[str, FieldType] = {"string": "str", "integer": "int", "timestamp": "timestamp"}
"""Column types that the reference names; a column of any other type keeps what came."""
_LONGEST_SHOWN = 200
_LONGEST_SAID = 500


def query(transport: Transport, sql: str, given: Mapping[str, Any], *, write: bool = False) -> pd.DataFrame:
    """Run one statement and shape its rows by the answer's own column metadata."""
    answer = _ask(transport, sql, given, write=_validation.as_bool("write", write))
    with transport.withheld():
        columns = [_field(column) for column in answer.get("metadata") or ()]
        return frames.frame_from_rows(columns, answer.get("rows") or [], transport.settings.limits)


def view(transport: Transport, name: str, given: Mapping[str, Any]) -> pd.DataFrame:
    """Read one of the documented views, typed by the schema."""
    fields = VIEWS[name].fields
    answer = _ask(transport, f"SELECT * FROM @INFORMATION_SCHEMA.{name}", given, write=False)  # noqa: S608 - a name of the schema
    with transport.withheld():
        frame = frames.frame_from_rows(fields, answer.get("rows") or [], transport.settings.limits)
    return frame.set_index("ID") if fields[0].name == "ID" else frame


def _ask(transport: Transport, sql: str, given: Mapping[str, Any], *, write: bool) -> dict[str, Any]:
    statement = _validation.as_name("sql", sql)
    if not write:
        check_reading(statement)
    body = _validation.project_body(given, _KNOWN.body_exclusive, "metadata.query") | {"statement": statement}
    try:
        read = functools.partial(_object, limits=transport.settings.limits)
        answer = transport.post(_KNOWN.path, body, into=read, kind="query")
    except (ConnectionLostError, RequestTimeoutError, ServerError, InvalidResponseError) as error:
        if write:
            error.hint = "It may have been carried out: look what it has changed before you send it again."
        raise
    if answer["status"] != "FINISHED":
        with transport.withheld():
            raise _failed(answer, statement)
    return answer


# --- the answer -------------------------------------------------------------------------------------


def _object(chunks: Iterable[bytes], limits: Limits) -> dict[str, Any]:
    answer = frames.parse_object(chunks, "the result of a statement", "query", limits)
    lists = [answer.get("rows") or [], answer.get("metadata") or []]
    shaped = all(isinstance(items, list) and all(isinstance(i, dict) for i in items) for items in lists)
    if not shaped or not isinstance(answer.get("status"), str):
        raise InvalidResponseError(
            f"The answer is no result of a statement: {short_repr(answer)}.",
            hint=InvalidResponseError._HINT_WRONG_SERVER,
        )
    return answer


def _field(column: Mapping[str, Any]) -> Field:
    if not isinstance(column.get("name"), str):
        raise InvalidResponseError(
            f"A column of the answer has no name: {short_repr(column)}.",
            hint=InvalidResponseError._HINT_WRONG_SERVER,
        )
    kind = column.get("type")
    known = _TYPES.get(kind.lower(), "any") if isinstance(kind, str) else "any"
    return Field(column["name"], known, f"Column of type {short_repr(kind)}.")


def _failed(answer: Mapping[str, Any], sql: str) -> QueryFailedError:
    """Quote the server: where it puts the text of an error is not said, so any unknown text is shown."""
    documented = {field.name for field in _KNOWN.fields}
    others = (v for k, v in answer.items() if k not in documented and isinstance(v, str | dict) and v)
    texts = [v[:_LONGEST_SAID] if isinstance(v, str) else short_repr(v, _LONGEST_SAID) for v in others]
    said = "; ".join(texts)[:_LONGEST_SAID]
    quoted = f": {said!r}" if said else ", without a text"
    shown = sql if len(sql) <= _LONGEST_SHOWN else f"{sql[:_LONGEST_SHOWN]}..."
    return QueryFailedError(
        f"The statement ended with status {single_line(answer['status'])}{quoted}. It was: {shown!r}.",
        hint="Check the statement; the dialect is like Oracle's and Snowflake's.",
        vendor_message=said or None,
    )
