"""The routes: every resource of the schema, and the login beside them.

Open in the reference; here:

* GET of a single build deployment or pattern variable answers 405 like every undocumented method;
* POST /instances answers 501, because its body is not described; every other POST answers 201;
* an id that is no number answers 404 like an unknown one, and an unknown path 404;
* a body of more than 20 MB or 200,000 values, and one of a login of more than 64 kB, answers 413, one that
  takes longer than a minute 408, and one for which there is no room beside those that are being answered 503;
  a body's content type is not looked at, what is JSON is taken;
* what is no HTTP answers 400;
* a fetch raises the counter ``downloaded``.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from mkframe import schema
from mkframe.demo_server import actions, filters, responses
from mkframe.demo_server.artifacts import pack
from mkframe.demo_server.auth import Logins, User
from mkframe.demo_server.metadata_sql import MetaDatabase
from mkframe.demo_server.responses import ApiError
from mkframe.demo_server.state import Row, State

_ROOT = "/api/v1"
_BIGGEST_BODY, _BIGGEST_LOGIN = 20_000_000, 64_000
_MOST_VALUES, _VALUE_BYTES = 200_000, 100
"""Values in a body, and what each takes at least when it is read."""
_TEXT = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.S)
_ROOM = 50_000_000
"""Bytes for all bodies that are read and answered at the same time."""
_BODY_SECONDS = 60
_POST = {"start", "query"}
Handler = Callable[[Request], Awaitable[Response]]


def make_app(state: State, logins: Logins, latency: float) -> Starlette:
    """Build the application of one server."""
    api = _Api(state, logins)

    def route(path: str, handler: Handler) -> Route:
        async def late(request: Request) -> Response:
            if latency:
                await asyncio.sleep(latency)
            return await handler(request)

        made = Route(path, late)
        made.methods = None  # any: the handlers know which are allowed, also among those nobody has heard of
        return made

    routes = [route(schema.AUTHENTICATION, api.authenticate)]
    for resource in schema.RESOURCES.values():
        routes.append(route(_ROOT + resource.path, api.many(resource)))
        routes.append(route(_ROOT + resource.path + "/{id}", api.one(resource)))
    app = Starlette(routes=routes, exception_handlers=_HANDLERS)
    app.state.close = api.databases.close
    app.router.redirect_slashes = False
    return app


class _Api:
    def __init__(self, state: State, logins: Logins) -> None:
        self.state, self.logins = state, logins
        self.databases = MetaDatabase(state)
        self._held = 0

    async def authenticate(self, request: Request) -> Response:
        _allow(request, {"POST"})
        body = _read(await _content(request, _BIGGEST_LOGIN, lambda count: None))
        email = body.get("email") if isinstance(body, dict) else None
        if not isinstance(email, str) or not email:
            raise ApiError(400, "'email' is required")
        if body.get("strategy", "local") != "local":
            raise ApiError(400, "'strategy' must be local")
        user, token = self.logins.enter(email, body.get("password"))
        return responses.created_response(
            {
                "accessToken": token,
                "authentication": {"strategy": "local", "accessToken": token},
                "user": {"id": user.id, "email": user.email},
            }
        )

    def many(self, resource: schema.Resource) -> Handler:
        posts = bool(_POST & set(resource.verbs))
        methods = ({"GET", "HEAD"} if "find" in resource.verbs else set()) | ({"POST"} if posts else set())

        async def handle(request: Request) -> Response:
            if resource.name == "instances" and request.method == "POST":
                self.user(request)
                raise ApiError(501, "The body of POST /instances is not described, so it is not taken here")
            _allow(request, methods)
            user = self.user(request)
            if request.method == "POST":
                return await self._posted(resource, user, request)
            return await run_in_threadpool(self._find, resource, user, request)

        return handle

    def one(self, resource: schema.Resource) -> Handler:
        methods = {"GET", "HEAD"} if {"get", "fetch"} & set(resource.verbs) else set()

        async def handle(request: Request) -> Response:
            _allow(request, methods)
            user = self.user(request)
            answer = self._fetch if "fetch" in resource.verbs else self._get
            return await run_in_threadpool(answer, resource, user, request)

        return handle

    def user(self, request: Request) -> User:
        return self.logins.user(request.headers.get("authorization"))

    # --- reading ----------------------------------------------------------------------------------------

    def _find(self, resource: schema.Resource, user: User, request: Request) -> Response:
        where, releases = filters.parse_query(self.state, user, resource, request.query_params.multi_items())
        if resource.name == "builds" and releases:
            where["releases"] = {r.id for r in releases.values()}
        rows = self.state.find(resource.name, where, releases)
        visible = (r for r in rows if user.sees(_project(resource, r)))
        return responses.rows_response(request, (_shown(resource, r) for r in visible))

    def _row(self, resource: schema.Resource, user: User, request: Request) -> Row:
        text = request.path_params["id"]
        number = int(text) if text.isascii() and text.isdigit() and len(text) < 19 else -1
        rows = list(self.state.find(resource.name, {"id": {number}}))
        if not rows:
            raise ApiError(404, schema.NO_RECORD.text.format(text))
        filters.check_project_access(user, _project(resource, rows[0]))
        return rows[0]

    def _get(self, resource: schema.Resource, user: User, request: Request) -> Response:
        return responses.row_response(request, _shown(resource, self._row(resource, user, request)))

    def _fetch(self, resource: schema.Resource, user: User, request: Request) -> Response:
        row = self._row(resource, user, request)
        if not user.may_download:
            raise ApiError(403, "You don't have permissions to download build results!")
        body = pack(self.state, row["id"])
        headers = {"Content-Disposition": _disposition(row["name"])}
        answer = responses.etag_response(request, body, "application/zip", headers, pack=False)
        if request.method == "GET" and answer.status_code == 200:
            self.state.count_fetch(row["id"])
        return answer

    # --- writing ----------------------------------------------------------------------------------------

    async def _posted(self, resource: schema.Resource, user: User, request: Request) -> Response:
        """Read a body and answer it; what it takes is counted until then."""
        held = 0

        def hold(count: int) -> None:
            nonlocal held
            if self._held + count > _ROOM:
                raise ApiError(503, "Other large bodies are being answered: try again later")
            held, self._held = held + count, self._held + count

        try:
            content = await _content(request, _BIGGEST_BODY, hold)
            hold(_VALUE_BYTES * _values(content))
            return await self._post(resource, user, _read(content))
        finally:
            self._held -= held

    async def _post(self, resource: schema.Resource, user: User, body: Any) -> Response:
        if resource.name == "builds":
            return await self._start(user, body)
        if resource.name == "metadata":
            asked = await run_in_threadpool(self.databases.ask, user, body)
            return responses.created_response(await asyncio.wrap_future(asked))
        row = await run_in_threadpool(actions.start_deployment, self.state, user, body)
        return responses.created_response(_shown(resource, row))

    async def _start(self, user: User, body: Any) -> Response:
        place, warnings = await run_in_threadpool(actions.start_build, self.state, user, body)
        build = int(self.state.builds.id[place])
        if not body.get("wait"):
            short = {"id": build, "status": self.state.status(place, self.state.clock())}
            return responses.created_response({"build": short, "warnings": warnings})
        while (left := int(self.state.builds.end[place]) - self.state.clock()) > 0:
            await asyncio.sleep(min(left / 1000 + 0.002, 0.5))
        (row,) = await run_in_threadpool(self.state.find, "builds", {"id": {build}})
        return responses.created_response({"build": row, "warnings": warnings})


def _project(resource: schema.Resource, row: Row) -> int | None:
    return row["id"] if resource.name == "projects" else row.get("project_id")


def _shown(resource: schema.Resource, row: Row) -> Row:
    """Leave out what only serves the filters."""
    if len(row) == len(resource.fields):
        return row
    return {f.name: row[f.name] for f in resource.fields}


def _disposition(name: str) -> str:
    plain = name.encode("ascii", "replace").decode().replace('"', "'")
    extra = "" if plain == name else f"; filename*=UTF-8''{quote(name)}"
    return f'attachment; filename="{plain}"{extra}'


def _allow(request: Request, methods: set[str]) -> None:
    if request.method not in methods:
        raise HTTPException(405, headers={"Allow": ", ".join(sorted(methods))})


async def _content(request: Request, most: int, hold: Callable[[int], None]) -> bytes:
    """Read a body up to a size; a chunked one does not say beforehand how long it is."""
    content = bytearray()
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            if int(request.headers.get("content-length") or 0) <= most:
                async for part in request.stream():
                    if len(content) + len(part) > most:
                        break
                    hold(len(part))
                    content += part
                else:
                    return bytes(content)
    except TimeoutError:
        raise ApiError(408, "The body did not come in time") from None
    raise ApiError(413, "The body is too large")


def _values(content: bytes) -> int:
    """Count the values of a JSON text from above: each stands behind one of these signs."""
    count = _signs(content)
    if count > _MOST_VALUES:
        count = _signs(_TEXT.sub(b"", content))
    if count > _MOST_VALUES:
        raise ApiError(413, "The body holds too many values")
    return count


def _signs(content: bytes) -> int:
    return sum(map(content.count, (b"[", b"{", b",", b":")))


def _read(content: bytes) -> Any:
    try:
        return json.loads(content or b"{}")
    except (ValueError, RecursionError):
        raise ApiError(400, "The body is not valid JSON") from None


# --- errors ---------------------------------------------------------------------------------------------


async def _refused(request: Request, error: ApiError) -> Response:
    headers = {"Connection": "close"} if error.status in (408, 413, 503) else None
    return responses.error_response(error.status, error.message, headers)


async def _gone(request: Request, error: ClientDisconnect) -> Response:
    """Answer nobody: the client has hung up in the middle of its body."""
    return responses.error_response(400, "The body is not complete")


async def _no_such_thing(request: Request, error: HTTPException) -> Response:
    texts = {404: "Page not found", 405: "Not implemented"}
    headers = dict(error.headers or {})
    return responses.error_response(error.status_code, texts.get(error.status_code, error.detail), headers)


async def _broken(request: Request, error: Exception) -> Response:
    return responses.error_response(500, f"{type(error).__name__} in the embedded server")


_HANDLERS: Any = {
    ApiError: _refused,
    HTTPException: _no_such_thing,
    ClientDisconnect: _gone,
    Exception: _broken,
}
