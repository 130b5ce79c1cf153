"""Servers and visitors for the tests of the embedded MetaKraftwerk; all go through a real socket."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
import requests

from mkframe.demo_server import Server

NOW = datetime(2026, 6, 17, 9, 30, tzinfo=UTC)
TIMEOUT = 20


@dataclass
class Visitor:
    """A plain HTTP visitor that knows nothing of mkframe but the base URL."""

    url: str
    email: str
    password: str = field(repr=False)
    session: requests.Session = field(default_factory=requests.Session)

    def __post_init__(self) -> None:
        self.session.trust_env = False
        token = self.login().json()["accessToken"]
        self.session.headers["Authorization"] = f"Bearer {token}"

    def login(self, **changes: Any) -> requests.Response:
        body = {"strategy": "local", "email": self.email, "password": self.password} | changes
        body = {key: value for key, value in body.items() if value is not None}
        return self.session.post(
            self.url.removesuffix("/api/v1") + "/authentication", json=body, timeout=TIMEOUT
        )

    def ask(self, path: str, method: str = "GET", **more: Any) -> requests.Response:
        return self.session.request(method, self.url + path, timeout=TIMEOUT, **more)

    def get(self, path: str, **params: Any) -> Any:
        answer = self.ask(path, params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, body: Any) -> requests.Response:
        return self.ask(path, "POST", json=body)

    def refusal(self, path: str, method: str = "GET", **more: Any) -> tuple[int, str]:
        answer = self.ask(path, method, **more)
        body = answer.json()
        assert body["code"] == answer.status_code
        return answer.status_code, body["message"]

    def until_done(self, build: int, seconds: float = 5) -> dict[str, Any]:
        end = time.monotonic() + seconds
        while (row := self.get(f"/builds/{build}"))["status"] == "BUILDING" and time.monotonic() < end:
            time.sleep(0.02)
        return row


@pytest.fixture(scope="session")
def visit() -> Iterator[Callable[[Server], Visitor]]:
    """Log in at a server; the connections are closed at the end."""
    visitors: list[Visitor] = []

    def enter(server: Server) -> Visitor:
        visitors.append(Visitor(server.url, server.email, server.password))
        return visitors[-1]

    yield enter
    for visitor in visitors:
        visitor.session.close()


@pytest.fixture(scope="session")
def now() -> datetime:
    """The end of the story that stands still."""
    return NOW


@pytest.fixture(scope="session")
def still() -> Iterator[Server]:
    """A story that stands still: for everything that only reads."""
    with Server(builds=1500, now=NOW) as server:
        yield server


@pytest.fixture(scope="session")
def reader(still: Server, visit: Callable[[Server], Visitor]) -> Visitor:
    return visit(still)


@pytest.fixture(scope="session")
def viewer(still: Server) -> Iterator[Visitor]:
    visitor = Visitor(still.url, still.viewer.email, still.viewer.password)
    yield visitor
    visitor.session.close()


@pytest.fixture
def quick() -> Iterator[Server]:
    """A small server of one's own, whose builds run a fraction of a second."""
    with Server(builds=60, build_seconds=0.25) as server:
        yield server


@pytest.fixture
def starter(quick: Server, visit: Callable[[Server], Visitor]) -> Visitor:
    return visit(quick)


AIRPLANE = {"pattern": "CORE_DV_HLS", "folder": "/BUSINESS_VAULT", "name": "AIRPLANE"}


@pytest.fixture
def airplane() -> dict[str, Any]:
    """The POST body of the vendor's example, without waiting."""
    return {"project": "DEMO_PROJECT", "releases": {"DWH_GROUP": "R1"}, "instances": [AIRPLANE]}
