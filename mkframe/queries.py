"""SQL in a project's meta database, and the two views that tell its history.

``POST /metadata`` runs any statement, writes included. What is not one single reading statement is
refused here unless the caller asks for it: a guard against accidents, not against malice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from mkframe import frames, inputs
from mkframe.errors import InputError, MkframeError, UnexpectedBody
from mkframe.schema import RESOURCES, VIEWS, Field, FieldType
from mkframe.transport import Transport

__all__ = ["QueryFailed", "query", "view"]

_KNOWN = RESOURCES["metadata"]
_WRITES = {"INSERT", "UPDATE", "DELETE", "MERGE", "UPSERT", "INTO"}
_TYPES: dict[str, FieldType] = {"string": "str", "integer": "int", "timestamp": "timestamp"}
"""Column types that the reference names; a column of any other type keeps what came."""


class QueryFailed(MkframeError):
    """The statement was run and ended with status ERROR."""


def query(transport: Transport, sql: str, given: Mapping[str, Any], *, write: bool = False) -> pd.DataFrame:
    """Run one statement and shape its rows by the answer's own column metadata."""
    answer = _ask(transport, sql, given, write=write)
    columns = [_field(column) for column in answer.get("metadata") or ()]
    return frames.table(columns, answer.get("rows") or [])


def view(transport: Transport, name: str, given: Mapping[str, Any]) -> pd.DataFrame:
    """Read one of the documented views, typed by the schema."""
    fields = VIEWS[name].fields
    answer = _ask(transport, f"SELECT * FROM @INFORMATION_SCHEMA.{name}", given, write=False)  # noqa: S608 - a name of the schema
    frame = frames.table(fields, answer.get("rows") or [])
    return frame.set_index("ID") if fields[0].name == "ID" else frame


def _ask(transport: Transport, sql: str, given: Mapping[str, Any], *, write: bool) -> dict[str, Any]:
    statement = inputs.text("sql", sql)
    if not write:
        _check_reading(statement)
    body = inputs.project(given, _KNOWN.body_exclusive, "metadata.query") | {"statement": statement}
    answer = transport.post(_KNOWN.path, body, into=_object)
    if answer.get("status") != "FINISHED":
        raise _failed(answer, statement)
    return answer


def _check_reading(sql: str) -> None:
    import sqlparse
    from sqlparse.tokens import DDL, DML, Keyword

    statements = [s for s in sqlparse.parse(sql) if s.token_first(skip_ws=True, skip_cm=True) is not None]
    hint = "Send one SELECT or WITH statement; write=True lifts this guard."
    full = [s for s in statements if str(s).strip().strip(";").strip()]
    if len(full) != 1:
        raise InputError(f"{len(full)} statements are given, not one.", hint=hint)
    kind = full[0].get_type()
    if kind != "SELECT":
        first = full[0].token_first(skip_ws=True, skip_cm=True)
        raise InputError(f"The statement does not only read: it starts with {str(first)[:20]!r}.", hint=hint)
    for token in full[0].flatten():
        word = token.value.upper()
        if token.ttype is DDL or (token.ttype in (DML, Keyword) and word in _WRITES):
            raise InputError(f"The statement does not only read: it holds {word}.", hint=hint)


def _object(chunks: Iterable[bytes]) -> dict[str, Any]:
    answer = frames.record(chunks, "the result of a statement")
    lists = [answer.get("rows") or [], answer.get("metadata") or []]
    shaped = all(isinstance(items, list) and all(isinstance(i, dict) for i in items) for items in lists)
    if not shaped or not isinstance(answer.get("status"), str):
        raise UnexpectedBody(f"The answer is no result of a statement: {str(answer)[:80]!r}.")
    return answer


def _field(column: Any) -> Field:
    if not isinstance(column.get("name"), str):
        raise UnexpectedBody(f"A column of the answer has no name: {str(column)[:80]!r}.")
    kind = str(column.get("type", "")).lower()
    return Field(column["name"], _TYPES.get(kind, "any"), f"Column of type {kind}.")


def _failed(answer: Mapping[str, Any], sql: str) -> QueryFailed:
    """Quote the server: where it puts the text of an error is not said, so any unknown text is shown."""
    documented = {field.name for field in _KNOWN.fields}
    texts = [str(v) for k, v in answer.items() if k not in documented and isinstance(v, str | dict) and v]
    said = "; ".join(texts)[:500] or "without a text"
    return QueryFailed(
        f"The statement ended with status {answer['status']}: {said!r}. It was: {sql[:200]!r}.",
        hint="Check the statement; the dialect is like Oracle's and Snowflake's.",
        vendor_message=said,
    )
