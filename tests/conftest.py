"""Fixtures for all tests."""

from collections import Counter
from collections.abc import Iterator

import pytest

import mkframe as mk

LONG = {"browser": 1_000_000, "slow": 1_000}
"""What a test with a mark counts for, where another one counts as one."""


def pytest_configure(config: pytest.Config) -> None:
    """Let xdist keep the order of `pytest_collection_modifyitems`: its own begins with the most tests."""
    config.option.loadscopereorder = False


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest files: one worker would run them alone at the end."""
    length: Counter[object] = Counter()
    for item in items:
        length[item.path] += max([1, *(LONG[mark.name] for mark in item.iter_markers() if mark.name in LONG)])
    items.sort(key=lambda item: -length[item.path])


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
