"""Servers and clients for the tests of the embedded MetaKraftwerk; all go through a real socket."""

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
class HttpClient:
    """An HTTP client without mkframe."""

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

    def request(self, path: str, method: str = "GET", **more: Any) -> requests.Response:
        return self.session.request(method, self.url + path, timeout=TIMEOUT, **more)

    def get(self, path: str, **params: Any) -> Any:
        response = self.request(path, params=params)
        assert response.status_code == 200, response.text
        return response.json()

    def post(self, path: str, body: Any) -> requests.Response:
        return self.request(path, "POST", json=body)

    def error_of(self, path: str, method: str = "GET", **more: Any) -> tuple[int, str]:
        response = self.request(path, method, **more)
        body = response.json()
        assert body["code"] == response.status_code
        return response.status_code, body["message"]

    def wait_for_end(self, build: int, seconds: float = 5) -> dict[str, Any]:
        end = time.monotonic() + seconds
        while (row := self.get(f"/builds/{build}"))["status"] == "BUILDING" and time.monotonic() < end:
            time.sleep(0.02)
        return row


@pytest.fixture(scope="session")
def log_in() -> Iterator[Callable[[Server], HttpClient]]:
    """Log in to a server; the connections are closed at the end."""
    clients: list[HttpClient] = []

    def connect(server: Server) -> HttpClient:
        clients.append(HttpClient(server.url, server.email, server.password))
        return clients[-1]

    yield connect
    for client in clients:
        client.session.close()


@pytest.fixture(scope="session")
def now() -> datetime:
    """The end of the frozen history."""
    return NOW


@pytest.fixture(scope="session")
def frozen_server() -> Iterator[Server]:
    """A server whose history does not change, for tests that only read."""
    with Server(builds=1500, at=NOW) as server:
        yield server


@pytest.fixture(scope="session")
def reader(frozen_server: Server, log_in: Callable[[Server], HttpClient]) -> HttpClient:
    return log_in(frozen_server)


@pytest.fixture(scope="session")
def viewer(frozen_server: Server) -> Iterator[HttpClient]:
    client = HttpClient(frozen_server.url, frozen_server.viewer.email, frozen_server.viewer.password)
    yield client
    client.session.close()


@pytest.fixture
def fast_server() -> Iterator[Server]:
    """A small server for one test, whose builds run a fraction of a second."""
    with Server(builds=60, build_seconds=0.25) as server:
        yield server


@pytest.fixture
def writer(fast_server: Server, log_in: Callable[[Server], HttpClient]) -> HttpClient:
    return log_in(fast_server)


AIRPLANE = {"pattern": "CORE_DV_HLS", "folder": "/BUSINESS_VAULT", "name": "AIRPLANE"}


@pytest.fixture
def airplane() -> dict[str, Any]:
    """The POST body of the vendor's example, without waiting."""
    return {"project": "DEMO_PROJECT", "releases": {"DWH_GROUP": "R1"}, "instances": [AIRPLANE]}
