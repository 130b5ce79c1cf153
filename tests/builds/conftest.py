"""An embedded server that builds quickly, and a client that may write."""

import pytest

from mkframe.demo_server import Server
from tests.builds.servers import connect_to, login


@pytest.fixture(scope="module")
def embedded():
    with Server(builds=12, build_seconds=0.4) as server:
        yield server


@pytest.fixture
def owner(embedded):
    with connect_to(embedded.url, **login(embedded)) as client:
        yield client
