"""All that goes wrong between a client and a server, and how to bring it about."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from mkframe.settings import Secret
from tests.support import faults
from tests.support.faults import Answer, replace

LOGIN = {"email": "ada@example.org", "password": Secret("canary-password-5be0")}


@dataclass(frozen=True)
class Fault:
    """How to bring a fault about.

    `answer` turns a good answer, and the address of another host, into the faulty one.
    """

    answer: Callable[[Answer, str], Answer] | None = None
    greeting: Answer | None = None
    door: faults.Door = "open"
    names_resolve: bool = True
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def is_heard(self) -> bool:
        """Whether the server sees the request."""
        return self.answer is not None


def padded(good: Answer) -> Answer:
    return replace(good, body=good.body + b" " * 10_000)


def truncated(good: Answer) -> Answer:
    return replace(good, body=good.body[: len(good.body) // 2])


def of_another_shape(good: Answer) -> Answer:
    return replace(good, body=b"{}" if good.body.startswith(b"[") else b"[]")


GONE_BY = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
TO_COME = dt.datetime(2100, 1, 1, tzinfo=dt.UTC)
SILENT = {"read_timeout": 0.05}
SLOW = {"total_timeout": 0.04}
FAULTS = {
    "refused": Fault(door="refusing"),
    "host unknown": Fault(names_resolve=False),
    "no connection": Fault(door="deaf", settings={"connect_timeout": 0.015}),
    "reset, request unread": Fault(greeting=faults.reset()),
    "reset, no answer": Fault(lambda good, _: faults.reset()),
    "reset in the answer": Fault(lambda good, _: faults.cut(good, "reset")),
    "reset after answer": Fault(lambda good, _: replace(good, end="reset")),
    "closed, no answer": Fault(lambda good, _: faults.closed()),
    "closed in the answer": Fault(lambda good, _: faults.cut(good)),
    "silence": Fault(lambda good, _: faults.silence(), settings=SILENT),
    "half, then silence": Fault(lambda good, _: faults.cut(good, "hang"), settings=SILENT),
    "drip that ends": Fault(lambda good, _: faults.drip(good, 0.001, 1 + len(good.body) // 8, head=True)),
    "drip without end": Fault(lambda good, _: faults.drip(padded(good), 0.01), settings=SLOW),
    "drip of the head": Fault(lambda good, _: faults.drip(padded(good), 0.01, head=True), settings=SLOW),
    "401": Fault(lambda good, _: faults.unauthenticated()),
    "401, can log in": Fault(lambda good, _: faults.unauthenticated(), settings=LOGIN),
    "403": Fault(lambda good, _: faults.vendor(403)),
    "404": Fault(lambda good, _: faults.vendor(404)),
    "405": Fault(lambda good, _: faults.vendor(405)),
    "429 at once": Fault(lambda good, _: faults.later(429, 0)),
    "429 in an hour": Fault(lambda good, _: faults.later(429, 3600)),
    "429, date gone by": Fault(lambda good, _: faults.later(429, GONE_BY)),
    "429, date to come": Fault(lambda good, _: faults.later(429, TO_COME)),
    "503 at once": Fault(lambda good, _: faults.later(503, 0)),
    "503 in an hour": Fault(lambda good, _: faults.later(503, 3600)),
    "503, date gone by": Fault(lambda good, _: faults.later(503, GONE_BY)),
    "503, date to come": Fault(lambda good, _: faults.later(503, TO_COME)),
    "500": Fault(lambda good, _: faults.vendor(500)),
    "502 page": Fault(lambda good, _: faults.html(502)),
    "200 page": Fault(lambda good, _: faults.html(200)),
    "200 truncated": Fault(lambda good, _: truncated(good)),
    "200 of another shape": Fault(lambda good, _: of_another_shape(good)),
    "gzip that breaks": Fault(lambda good, _: faults.broken_gzip(good)),
    "gzip without its end": Fault(lambda good, _: faults.unfinished_gzip(good)),
    "redirect elsewhere": Fault(lambda good, elsewhere: faults.redirect(elsewhere)),
}
