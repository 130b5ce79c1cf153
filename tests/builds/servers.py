"""Servers that start builds and lose answers, and clients that give up quickly."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import requests

from mkframe._http import Transport
from mkframe.client import Client
from mkframe.demo_server import Server
from mkframe.settings import Secret, Settings
from tests.support import faults
from tests.support.rows import row

BUILDS = f"{faults.API}/builds"
AIRPLANE = {"pattern": "CORE_DV_HLS", "folder": "/BUSINESS_VAULT", "name": "AIRPLANE"}
SCOPE = {"project": "DEMO_PROJECT"}
MARKER = re.compile(r"mkframe-[0-9a-f]{12}")


@contextlib.contextmanager
def connect_to(url: str, **changes: Any) -> Iterator[Client]:
    """A client whose reads are tried a few times, almost without a pause."""
    quick = {"max_attempts": 3, "max_retry_wait": 0.02, "connect_timeout": 2.0, "read_timeout": 5.0}
    settings = Settings(url, **{"token": Secret("a-token"), **quick, **changes})
    with Client(Transport(settings)) as client:
        yield client


def login(server: Server) -> dict[str, Any]:
    """Settings of the embedded server's owner."""
    return {"token": None, "email": server.email, "password": Secret(server.password)}


class Recorder:
    """Takes builds, answers each POST as told, and lists what it has taken.

    Parameters
    ----------
    answer : Answer, optional
        To every POST; by default the documented one.
    records : bool
        Whether a POST starts a build.
    sees : Answer, optional
        To every find, instead of the builds.
    late : int
        How many finds do not show the build yet.
    """

    def __init__(
        self,
        answer: faults.Answer | None = None,
        *,
        records: bool = True,
        sees: faults.Answer | None = None,
        late: int = 0,
    ) -> None:
        self.rows: list[dict[str, Any]] = []
        self.answer, self.records, self.sees, self.late = answer, records, sees, late

    def __call__(self, request: faults.Request) -> faults.Answer:
        if request.method != "POST":
            self.late -= 1
            return self.sees or faults.reply([] if self.late >= 0 else self.rows)
        number = 5139 + len(self.rows)
        if self.records:
            description = request.json().get("description")
            self.rows.append(row("builds", number, status="BUILDING", description=description))
        documented = {"build": {"id": number, "status": "BUILDING"}, "warnings": []}
        return self.answer or faults.reply(documented, 201)


class Relay:
    """Hands requests on to an embedded server and the answers back.

    `instead` is asked first and may answer in its place; `after` is asked when the server has carried the
    request out and may replace its answer. Both may answer None.
    """

    def __init__(
        self,
        server: Server,
        instead: Callable[[faults.Request], faults.Answer | None] = lambda request: None,
        after: Callable[[faults.Request], faults.Answer | None] = lambda request: None,
    ) -> None:
        self.root = server.url.removesuffix(faults.API)
        self.instead, self.after = instead, after
        self.session = requests.Session()
        self.session.trust_env = False

    def __call__(self, request: faults.Request) -> faults.Answer:
        return self.instead(request) or self._carried_out(request)

    def _carried_out(self, request: faults.Request) -> faults.Answer:
        kept = {k: v for k, v in request.headers.items() if k in ("authorization", "content-type", "accept")}
        url = self.root + request.target
        answer = self.session.request(request.method, url, data=request.body, headers=kept, timeout=10)
        passed = faults.content(answer.content, answer.headers["Content-Type"], status=answer.status_code)
        return self.after(request) or passed

    def close(self) -> None:
        self.session.close()


def is_start(request: faults.Request) -> bool:
    return request.method == "POST" and request.path == BUILDS


def sent(server: faults.Server) -> dict[str, Any]:
    """The body of the only POST that a server got."""
    (request,) = server.to(BUILDS, "POST")
    return json.loads(request.body)
