"""The routes: each resource of the schema, and the login.

Open in the reference; here:

* GET of a single pattern variable answers 405 like every undocumented method;
* POST /instances answers 501, because its body is not described; every other POST answers 201;
* an id that is not a number answers 404 like an unknown one, and an unknown path 404;
* a resource without demo data has no rows, and a POST to it answers 501;
* a body of more than 20 MB or 200,000 values, and one of a login of more than 64 kB, answers 413, one that
  takes longer than a minute 408, and one that exceeds the memory for all bodies in progress 503; the content
  type of a body is ignored;
* a request that is not valid HTTP answers 400;
* a fetch raises the counter ``downloaded``.

A field of the schema that the demo server does not know gets a value by its type: see `defaults`.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from email.utils import formatdate
from typing import Any
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mkframe import schema
from mkframe.demo_server import actions, filters, responses
from mkframe.demo_server.artifacts import make_zip
from mkframe.demo_server.auth import Logins, User
from mkframe.demo_server.defaults import add_missing_fields
from mkframe.demo_server.metadata_sql import MetaDatabase
from mkframe.demo_server.planting import Planting
from mkframe.demo_server.responses import ApiError
from mkframe.demo_server.state import Row, State
from mkframe.demo_server.times import SECOND

_ROOT = "/api/v1"
_MAX_BODY, _MAX_LOGIN = 20_000_000, 64_000
_MAX_VALUES, _VALUE_BYTES = 200_000, 100
"""Values in a body, and the bytes that each takes at least when it is parsed."""
_JSON_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.S)
_BODY_MEMORY = 50_000_000
"""Bytes for all bodies in progress together."""
_BODY_SECONDS = 60
_POST_VERBS = {"start", "query"}
Handler = Callable[[Request], Awaitable[Response]]


def make_app(state: State, logins: Logins, latency: float) -> Starlette:
    """Make the application of one server; `latency` is in seconds."""
    api = _Api(state, logins)

    def make_route(path: str, handler: Handler) -> Route:
        async def handle(request: Request) -> Response:
            if latency:
                await asyncio.sleep(latency)
            return await handler(request)

        route = Route(path, handle)
        route.methods = None  # any: the handlers check the method, so that 405 has the error body
        return route

    routes = [make_route(schema.AUTHENTICATION, api.authenticate)]
    for resource in schema.RESOURCES.values():
        routes.append(make_route(_ROOT + resource.path, api.collection(resource)))
        routes.append(make_route(_ROOT + resource.path + "/{id}", api.item(resource)))
    app = Starlette(routes=routes, exception_handlers=_HANDLERS)
    app.add_middleware(_Dated, clock=state.clock)
    app.state.close, app.state.planting = api.databases.close, Planting(state, api.databases)
    app.router.redirect_slashes = False
    return app


class _Dated:
    """Gives each response the ``Date`` of the server's own clock, from which its builds have their times."""

    def __init__(self, app: ASGIApp, clock: Callable[[], int]) -> None:
        self._app, self._clock = app, clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_dated(message: Message) -> None:
            if message["type"] == "http.response.start":
                date = formatdate(self._clock() / SECOND, usegmt=True)
                message = {**message, "headers": [*message["headers"], (b"date", date.encode())]}
            await send(message)

        await self._app(scope, receive, send_dated)


class _Api:
    def __init__(self, state: State, logins: Logins) -> None:
        self.state, self.logins = state, logins
        self.databases = MetaDatabase(state)
        self._body_bytes = 0

    async def authenticate(self, request: Request) -> Response:
        _allow(request, {"POST"})
        body = _parse_json(await _read_body(request, _MAX_LOGIN, lambda count: None))
        email = body.get("email") if isinstance(body, dict) else None
        if not isinstance(email, str) or not email:
            raise ApiError(400, "'email' is required")
        if body.get("strategy", "local") != "local":
            raise ApiError(400, "'strategy' must be local")
        user, token = self.logins.log_in(email, body.get("password"))
        login = {
            "accessToken": token,
            "authentication": {"strategy": "local", "accessToken": token},
            "user": {"id": user.id, "email": user.email},
        }
        return responses.created_response(_complete(schema.LOGIN.fields, login))

    def collection(self, resource: schema.Resource) -> Handler:
        posts = bool(_POST_VERBS & set(resource.verbs))
        methods = ({"GET", "HEAD"} if "find" in resource.verbs else set()) | ({"POST"} if posts else set())

        async def handle(request: Request) -> Response:
            if resource.name == "instances" and request.method == "POST":
                self.user(request)
                raise ApiError(501, "The body of POST /instances is not described, so it is not taken here")
            _allow(request, methods)
            user = self.user(request)
            if request.method == "POST":
                return await self._read_and_post(resource, user, request)
            return await run_in_threadpool(self._find, resource, user, request)

        return handle

    def item(self, resource: schema.Resource) -> Handler:
        methods = {"GET", "HEAD"} if {"get", "fetch"} & set(resource.verbs) else set()

        async def handle(request: Request) -> Response:
            _allow(request, methods)
            user = self.user(request)
            respond = self._fetch if "fetch" in resource.verbs else self._get
            return await run_in_threadpool(respond, resource, user, request)

        return handle

    def user(self, request: Request) -> User:
        return self.logins.authenticate(request.headers.get("authorization"))

    # --- reading ----------------------------------------------------------------------------------------

    def _find(self, resource: schema.Resource, user: User, request: Request) -> Response:
        where, releases = filters.parse_query(self.state, user, resource, request.query_params.multi_items())
        if resource.name == "builds" and releases:
            where["releases"] = {r.id for r in releases.values()}
        rows = self.state.find(resource.name, where, releases)
        visible = (r for r in rows if user.may_see(_project(resource, r)))
        return responses.rows_response(request, _public_rows(resource, visible))

    def _row(self, resource: schema.Resource, user: User, request: Request) -> Row:
        text = request.path_params["id"]
        number = int(text) if text.isascii() and text.isdigit() and len(text) < 19 else -1
        rows = list(self.state.find(resource.name, {resource.key: {number}}))
        if not rows:
            raise ApiError(404, schema.NO_RECORD.text.format(text))
        filters.check_project_access(user, _project(resource, rows[0]))
        return rows[0]

    def _get(self, resource: schema.Resource, user: User, request: Request) -> Response:
        return responses.row_response(request, _public_row(resource, self._row(resource, user, request)))

    def _fetch(self, resource: schema.Resource, user: User, request: Request) -> Response:
        row = self._row(resource, user, request)
        if not user.may_download:
            raise ApiError(403, "You don't have permissions to download build results!")
        body = make_zip(self.state, row["id"])
        headers = {"Content-Disposition": _disposition(row["name"])}
        answer = responses.etag_response(request, body, "application/zip", headers, compress=False)
        if request.method == "GET" and answer.status_code == 200:
            self.state.count_fetch(row["id"])
        return answer

    # --- writing ----------------------------------------------------------------------------------------

    async def _read_and_post(self, resource: schema.Resource, user: User, request: Request) -> Response:
        """Read a body and answer it; its memory is counted until the response is ready."""
        own_bytes = 0

        def reserve(count: int) -> None:
            nonlocal own_bytes
            if self._body_bytes + count > _BODY_MEMORY:
                raise ApiError(503, "Other large bodies are being answered: try again later")
            own_bytes, self._body_bytes = own_bytes + count, self._body_bytes + count

        try:
            content = await _read_body(request, _MAX_BODY, reserve)
            reserve(_VALUE_BYTES * _count_values(content))
            return await self._post(resource, user, _parse_json(content))
        finally:
            self._body_bytes -= own_bytes

    async def _post(self, resource: schema.Resource, user: User, body: Any) -> Response:
        if resource.name == "builds":
            return await self._start(user, body)
        if resource.name == "metadata":
            answer = await run_in_threadpool(self.databases.ask, user, body)
            return responses.created_response(await asyncio.wrap_future(answer))
        if resource.name != "build_deployments":
            raise ApiError(501, f"The demo server has no POST {resource.path}")
        row = await run_in_threadpool(actions.start_deployment, self.state, user, body)
        return responses.created_response(_public_row(resource, _complete(resource.fields, row)))

    async def _start(self, user: User, body: Any) -> Response:
        index, warnings = await run_in_threadpool(actions.start_build, self.state, user, body)
        build = int(self.state.builds.id[index])
        if not body.get("wait"):
            short = {"id": build, "status": self.state.status(index, self.state.clock())}
            return responses.created_response(
                _complete(schema.STARTED, {"build": short, "warnings": warnings})
            )
        while (remaining := int(self.state.builds.end[index]) - self.state.clock()) > 0:
            await asyncio.sleep(min(remaining / 1000 + 0.002, 0.5))
        (row,) = await run_in_threadpool(self.state.find, "builds", {"id": {build}})
        started = {"build": _public_row(schema.RESOURCES["builds"], row), "warnings": warnings}
        return responses.created_response(_complete(schema.STARTED, started))


def _project(resource: schema.Resource, row: Row) -> int | None:
    return row["id"] if resource.name == "projects" else row.get("project_id")


def _complete(fields: Sequence[schema.Field], row: Row) -> Row:
    """Add default values of the fields that the schema declares and this module does not know."""
    (completed,) = add_missing_fields([row], fields, "id")
    return completed


def _public_rows(resource: schema.Resource, rows: Iterable[Row]) -> Iterator[Row]:
    """Yield the declared fields of rows in their order; other keys serve filters only."""
    names = [f.name for f in resource.fields]
    return (row if [*row] == names else {name: row[name] for name in names} for row in rows)


def _public_row(resource: schema.Resource, row: Row) -> Row:
    return next(_public_rows(resource, [row]))


def _disposition(name: str) -> str:
    plain = name.encode("ascii", "replace").decode().replace('"', "'")
    extra = "" if plain == name else f"; filename*=UTF-8''{quote(name)}"
    return f'attachment; filename="{plain}"{extra}'


def _allow(request: Request, methods: set[str]) -> None:
    if request.method not in methods:
        raise HTTPException(405, headers={"Allow": ", ".join(sorted(methods))})


async def _read_body(request: Request, limit: int, reserve: Callable[[int], None]) -> bytes:
    """Read a body up to a size; the length of a chunked one is not known beforehand."""
    content = bytearray()
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            if int(request.headers.get("content-length") or 0) <= limit:
                async for part in request.stream():
                    if len(content) + len(part) > limit:
                        break
                    reserve(len(part))
                    content += part
                else:
                    return bytes(content)
    except TimeoutError:
        raise ApiError(408, "The body did not come in time") from None
    raise ApiError(413, "The body is too large")


def _count_values(content: bytes) -> int:
    """Return an upper bound of the values in a JSON text: each follows one of its separators."""
    count = _count_separators(content)
    if count > _MAX_VALUES:
        count = _count_separators(_JSON_STRING.sub(b"", content))
    if count > _MAX_VALUES:
        raise ApiError(413, "The body holds too many values")
    return count


def _count_separators(content: bytes) -> int:
    return sum(map(content.count, (b"[", b"{", b",", b":")))


def _parse_json(content: bytes) -> Any:
    try:
        return json.loads(content or b"{}")
    except (ValueError, RecursionError):
        raise ApiError(400, "The body is not valid JSON") from None


# --- errors ---------------------------------------------------------------------------------------------


async def _on_api_error(request: Request, error: ApiError) -> Response:
    headers = {"Connection": "close"} if error.status in (408, 413, 503) else None
    return responses.error_response(error.status, error.message, headers)


async def _on_disconnect(request: Request, error: ClientDisconnect) -> Response:
    """Return a response that nobody reads: the client has disconnected within its body."""
    return responses.error_response(400, "The body is not complete")


async def _on_http_error(request: Request, error: HTTPException) -> Response:
    texts = {404: "Page not found", 405: "Not implemented"}
    headers = dict(error.headers or {})
    return responses.error_response(error.status_code, texts.get(error.status_code, error.detail), headers)


async def _on_exception(request: Request, error: Exception) -> Response:
    return responses.error_response(500, f"{type(error).__name__} in the embedded server")


_HANDLERS: Any = {
    ApiError: _on_api_error,
    HTTPException: _on_http_error,
    ClientDisconnect: _on_disconnect,
    Exception: _on_exception,
}
