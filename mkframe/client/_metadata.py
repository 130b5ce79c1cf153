"""SQL in a project's meta database.

``POST /metadata`` runs any statement, writes included. Anything but one single statement that reads is
refused here unless the caller passes ``write=True``: a guard against accidents, not against malice.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import pandas as pd

from mkframe import _validation, frames
from mkframe._http import Transport
from mkframe._text import short_repr, single_line
from mkframe.client._accessor import Accessor, Id, Name
from mkframe.client._statements import check_reading
from mkframe.errors import (
    ConnectionLostError,
    InputError,
    InvalidResponseError,
    QueryFailedError,
    RequestTimeoutError,
    ServerError,
    warn,
)
from mkframe.limits import Kind, Limits
from mkframe.schema import RESOURCES, Field, FieldType

__all__ = ["Metadata", "query", "read"]

T = TypeVar("T")

_KNOWN = RESOURCES["metadata"]
_TYPES: dict[str, FieldType] = {"string": "str", "text": "str", "integer": "int", "timestamp": "naive"}
"""Column types; a column of any other, such as decimal, keeps its values."""
_MAX_SQL_SHOWN = 200
_MAX_NAMES = 5
_MAX_TEXT_SHOWN = 500


class Metadata(Accessor):
    resource = "metadata"

    def query(
        self, sql: str, *, project: Name = None, project_id: Id = None, write: bool = False
    ) -> pd.DataFrame:
        """Run one SQL statement in a project's meta database.

        Parameters
        ----------
        sql : str
            One SELECT or WITH statement, such as ``SELECT * FROM @INFORMATION_SCHEMA.DELIVERIES``.
        project : str or int, project_id : int
            Exactly one of them.
        write : bool, default False
            Allow statements that write. The check is against accidents: the server runs anything.

        Returns
        -------
        DataFrame
            Rows numbered from 0; dtypes from the answer's own columns: string and text str, integer
            Int64, timestamp datetime64[us] (the times that the server writes, without their Z: in which
            zone they are is not said; one with an offset such as +02:00 is moved to UTC), any other type
            unchanged. ``attrs["message"]`` is the sentence of the answer, where it has one, such as how many
            rows were inserted; where the service puts that sentence is open.

        Raises
        ------
        InputError
            If it is not one reading statement and `write` is not set; nothing was sent.
        QueryFailedError
            If the statement ends with status ERROR; quotes the server.

        Warns
        -----
        UserWarning
            If two columns of the result have one name: the server's rows keep only the last of them.

        Examples
        --------
        >>> import mkframe as mk
        >>> with mk.demo(builds=20) as client:
        ...     client.metadata.query("SELECT 1 AS ONE", project="DEMO_PROJECT")["ONE"].tolist()
        [1]
        """
        return query(self._transport, sql, project=project, project_id=project_id, write=write)


def query(
    transport: Transport, sql: str, *, project: Name = None, project_id: Id = None, write: bool = False
) -> pd.DataFrame:
    """Run one statement and type its rows by the answer's own column metadata."""
    limits = transport.settings.limits
    parse = functools.partial(_object, limits=limits)
    is_write = _validation.as_bool("write", write)
    answer = _ask(transport, sql, project, project_id, write=is_write, parse=parse, kind="query")
    with transport.redact_errors():
        _check(answer, sql)
        columns = [_field(column) for column in answer.get("metadata") or ()]
        _warn_of_equal_names([column.name for column in columns], "Name them with AS.")
        frame = frames.frame_from_rows(columns, answer.get("rows") or [], limits)
        if isinstance(answer.get("message"), str):
            frame.attrs["message"] = single_line(transport.redact(answer["message"]), _MAX_TEXT_SHOWN)
        return frame


def read(
    transport: Transport,
    sql: str,
    project: Name,
    project_id: Id,
    fields: Sequence[Field],
    types: Mapping[str, FieldType] | None = None,
) -> pd.DataFrame:
    """Run one statement that reads, whose columns are known, with the limits of a find.

    With `types`, columns that the fields do not name follow in the answer's order, of these types.
    """
    parse = functools.partial(_result, fields=fields, types=types, limits=transport.settings.limits)
    try:
        check_reading(sql)
    except InputError as error:
        error.hint = "Write the statement yourself, for client.metadata.query: a name in it is unusual."
        raise
    result = _ask(transport, sql, project, project_id, write=False, parse=parse, kind="find")
    with transport.redact_errors():
        _check(result.answer, sql)
        names = [column.get("name") for column in result.answer.get("metadata") or ()]
        _warn_of_equal_names(names, "client.metadata.query can give them names of their own, with AS.")
        return result.frame()


def _ask(
    transport: Transport,
    sql: str,
    project: Name,
    project_id: Id,
    *,
    write: bool,
    parse: Callable[[Iterable[bytes]], T],
    kind: Kind,
) -> T:
    """Run one statement and return what is read of the answer."""
    statement = _validation.as_name("sql", sql)
    if not write:
        check_reading(statement)
    body = _validation.project_body(project, project_id, _KNOWN.body_exclusive, "metadata.query") | {
        "statement": statement
    }
    try:
        return transport.post(_KNOWN.path, body, parse=parse, kind=kind)
    except (ConnectionLostError, RequestTimeoutError, ServerError, InvalidResponseError) as error:
        if write:
            error.hint = "It may have been carried out: check what it has changed before you send it again."
        raise


# --- the answer -------------------------------------------------------------------------------------


def _object(chunks: Iterable[bytes], limits: Limits) -> dict[str, Any]:
    return _shaped(frames.parse_object(chunks, "the result of a statement", "query", limits))


def _result(
    chunks: Iterable[bytes], fields: Sequence[Field], types: Mapping[str, FieldType] | None, limits: Limits
) -> frames.ResultReader:
    result = frames.read_result(chunks, fields, types, limits)
    _shaped(result.answer)
    return result


def _shaped(answer: dict[str, Any]) -> dict[str, Any]:
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


def _warn_of_equal_names(names: Iterable[Any], remedy: str) -> None:
    """Warn where rows, whose keys are the names, hold the last of several columns only."""
    counts = Counter(name for name in names if isinstance(name, str))
    if repeated := [single_line(name, 60) for name, count in counts.items() if count > 1]:
        listed = ", ".join(map(repr, repeated[:_MAX_NAMES])) + ", ..." * (len(repeated) > _MAX_NAMES)
        warn(
            f"Several columns of the result are called {listed}: the server's rows keep the last of each. "
            f"{remedy}"
        )


def _check(answer: Mapping[str, Any], sql: str) -> None:
    if answer["status"] != "FINISHED":
        raise _failed(answer, _validation.as_name("sql", sql))


def _failed(answer: Mapping[str, Any], sql: str) -> QueryFailedError:
    """Quote the server: where the text of an error is, is undocumented, so all unknown texts are shown."""
    documented = {field.name for field in _KNOWN.fields}
    others = (v for k, v in answer.items() if k not in documented and isinstance(v, str | dict) and v)
    texts = [v[:_MAX_TEXT_SHOWN] if isinstance(v, str) else short_repr(v, _MAX_TEXT_SHOWN) for v in others]
    text = "; ".join(texts)[:_MAX_TEXT_SHOWN]
    quoted = f": {text!r}" if text else ", without a text"
    shown = sql if len(sql) <= _MAX_SQL_SHOWN else f"{sql[:_MAX_SQL_SHOWN]}..."
    return QueryFailedError(
        f"The statement ended with status {single_line(answer['status'])}{quoted}. It was: {shown!r}.",
        hint="Check the statement; the dialect is like Oracle's and Snowflake's.",
        vendor_message=text or None,
    )
