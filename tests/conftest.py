"""Fixtures for all tests."""

from collections.abc import Iterator

import pytest

import mkframe as mk


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """No test sees the settings of whoever runs it, or leaves anything in that user's home folder."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path_factory.getbasetemp() / "state"))
    account = ("MKFRAME_URL", "MKFRAME_TOKEN", "MKFRAME_EMAIL", "MKFRAME_PASSWORD")
    for name in (*account, "MKFRAME_PUBLIC", "MKFRAME_PUBLIC_DEMO"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def client() -> Iterator[mk.Client]:
    """A client of one embedded server, for tests that only read."""
    with mk.demo(builds=300, seed=7) as client:
        yield client
