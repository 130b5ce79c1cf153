"""An engine on a database of its own, and what statements yield there."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from mkframe.demo_server.dialect import Engine, Facts, SqlError

NOW = 1_780_000_000_000
PUMP = (
    "CREATE TABLE d.pump (id INTEGER, site STRING, rate DECIMAL, parent INTEGER)",
    "INSERT INTO d.pump VALUES (1, 'north', 12.5, NULL), (2, 'north', NULL, 1), (3, 'south', 7, 1), "
    "(4, 'south', 7, 3), (5, NULL, 3.25, 3)",
)


class Asked:
    """Runs statements, and returns their rows, their first row, their message or their error."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.facts = Facts("jane", {"PIPES": "R2"}.get)

    def result(self, sql: str) -> Any:
        return self.engine.run(sql, self.facts)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        return list(self.result(sql).rows)

    def one(self, expressions: str) -> tuple[Any, ...]:
        (row,) = self.rows(f"SELECT {expressions}")
        return row

    def columns(self, sql: str) -> list[tuple[str, str]]:
        return [(c.name, c.type) for c in self.result(sql).columns]

    def error(self, sql: str) -> str:
        with pytest.raises((SqlError, sqlite3.Error)) as caught:
            self.rows(sql)
        return str(caught.value)


@pytest.fixture
def make_engine() -> Iterator[Callable[..., Engine]]:
    """Make engines; their databases are closed at the end."""
    with contextlib.ExitStack() as stack:

        def make(**options: Any) -> Engine:
            database = sqlite3.connect(":memory:", isolation_level=None)
            stack.enter_context(contextlib.closing(database))
            return Engine(database, lambda: NOW, **options)

        yield make


@pytest.fixture
def asked(make_engine: Callable[..., Engine]) -> Asked:
    return Asked(make_engine())


@pytest.fixture
def pumps(asked: Asked) -> Asked:
    for sql in PUMP:
        asked.result(sql)
    return asked
