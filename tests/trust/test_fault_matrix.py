"""What becomes of every verb under every fault, as one table.

Each line of the table is a fault: the error that it is told by, a word of its hint, and what it does to
each kind of verb. A cell is one of the outcomes below; `outcome=word` is told by another hint, and
`outcome:Error=word` by another error too.

For each cell a real server on a real socket fails once, or for ever, or carries the request out or not
before it fails, and the test counts what the server saw.
"""

from __future__ import annotations

import contextlib
import logging
import math
import re
import socket
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from mkframe import errors
from mkframe._http import Transport
from mkframe.client import Client
from mkframe.limits import Limits
from mkframe.schema import AUTHENTICATION, RESOURCES
from mkframe.settings import Secret, Settings
from tests.support import faults
from tests.support.faults import Answer
from tests.trust.faults import FAULTS, LOGIN, SLOW, Fault
from tests.trust.operations import FRESH, TOKEN, VERBS, Ledger, Verb, accessors, offered

pytestmark = pytest.mark.slow

TRIES = 3

# read: every find and get. statement: metadata.query, deliveries, commits; always a POST.
TABLE = """
fault                 | error                 | hint      | read    login   fetch   wait    confirm start   deploy  statement
refused               | ConnectError          | running   | again   again   again   looks   looks   error   error   error
host unknown          | ConnectError          | spelling  | again   again   again   looks   looks   error   error   error
no connection         | ConnectError          | reachable | again   again   again   looks   looks   error   error   error
reset, request unread | ConnectionLostError   | network   | again   again   again   looks   looks   unheard doubt   error
reset, no answer      | ConnectionLostError   | network   | again   again   again   looks   looks   settled doubt   error
reset in the answer   | ConnectionLostError   | network   | again   again   again   looks   looks   settled doubt   error
reset after answer    | -                | -         | result  result  result  result  result  result  result  result
closed, no answer     | ConnectionLostError   | network   | again   again   again   looks   looks   settled doubt   error
closed in the answer  | ConnectionLostError   | network   | again   again   again   looks   looks   settled doubt   error
silence               | RequestTimeoutError   | busy      | error   error   error   looks   looks   settled doubt   error
half, then silence    | RequestTimeoutError   | busy      | error   error   error   looks   looks   settled doubt   error
drip that ends        | -                | -         | result  result  result  result  result  result  result  result
drip without end      | RequestTimeoutError   | slow      | error   error   error   looks   looks   settled doubt   error
drip of the head      | RequestTimeoutError   | slow      | error   error   error   looks   looks   settled doubt   error
401                   | NotAuthenticatedError | email=    | error   error=e-mail error error unsure error  error   error
401, can log in       | NotAuthenticatedError | new token | renewed error=e-mail renewed renewed renewed-unsure renewed renewed renewed
403                   | ForbiddenError        | permission| error   error=URL error error   unsure  error   error   error
404                   | NotFoundError         | spelling  | error   error=URL error error   unsure  error   error   error
405                   | MethodNotAllowedError | not offer | error   error=URL error error   unsure  error   error   error
429 at once           | TooManyRequestsError  | fewer     | again   again   again   looks   looks   error   error   error
429 in an hour        | TooManyRequestsError  | wait 3600 | error   error   error   looks   looks   error   error   error
429, date gone by     | TooManyRequestsError  | fewer     | again   again   again   looks   looks   error   error   error
429, date to come     | TooManyRequestsError  | to wait   | error   error   error   looks   looks   error   error   error
503 at once           | ServerError           | later     | again   again   again   looks   looks   settled doubt   error
503 in an hour        | ServerError           | wait 3600 | error   error   error   looks   looks   settled doubt   error
503, date gone by     | ServerError           | later     | again   again   again   looks   looks   settled doubt   error
503, date to come     | ServerError           | to wait   | error   error   error   looks   looks   settled doubt   error
500                   | ServerError           | later     | error   error   error   looks   looks   settled doubt   error
502 page              | ServerError           | later     | again   again   again   looks   looks   settled doubt   error
200 page              | InvalidResponseError  | proxy     | error   error   error   looks   unsure  settled doubt   error
200 truncated         | InvalidResponseError  | proxy     | error   error=URL error:ArtifactError=server looks unsure settled doubt error
200 of another shape  | InvalidResponseError  | proxy     | error   error=URL error:ArtifactError=server looks unsure settled doubt error
gzip that breaks      | ConnectionLostError   | proxy     | again   again   again   looks   looks   settled doubt   error
gzip without its end  | ConnectionLostError   | proxy     | again   again   again   looks   looks   settled doubt   error
redirect elsewhere    | RedirectError         | carried   | error   error   error   error   unsure  unsure  doubt   error
"""  # noqa: E501 - a table


@dataclass(frozen=True)
class End:
    """How a call ends: the right result, or an error; and how many requests the server then has seen."""

    error: str | None = None
    """`its own`: that of the fault; None: the right result."""
    requests: int | None = None
    """None: as many as there is time for."""


OUTCOMES = {
    # The fault is not felt.
    "result": {"lasting": End(None, 1)},
    # Tried again, TRIES times in all.
    "again": {"once": End(None, 2), "lasting": End("its own", TRIES)},
    # An error at once; nothing is sent a second time.
    "error": {"lasting": End("its own", 1)},
    # The client logs in, and sends it once more.
    "renewed": {"once": End(None, 2), "lasting": End("its own", 2)},
    "renewed-unsure": {"once": End(None, 2), "lasting": End("StartUnconfirmedError", 2)},
    # Waiting and looking go on until their time is over.
    "looks": {"once": End(None), "lasting": End("WaitTimeoutError or StartUnconfirmedError")},
    # The looking cannot see, and says so at once.
    "unsure": {"lasting": End("StartUnconfirmedError", 1)},
    # Sent once; the build is found by its marker, or nobody can tell.
    "settled": {
        "once": End(None, 1),
        "once, not carried out": End("StartUnconfirmedError", 1),
        "lasting": End("StartUnconfirmedError", 1),
    },
    # The same where the server has not even read it.
    "unheard": {"once": End("StartUnconfirmedError", 1), "lasting": End("StartUnconfirmedError", 1)},
    # Sent once; it has no marker, so nobody can tell.
    "doubt": {"lasting": End("StartUnconfirmedError", 1)},
}
OWN_HINTS = {
    "WaitTimeoutError": "Wait again",
    "StartUnconfirmedError": "Do not start|build_deployments.find",
}


# --- reading the table ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Cell:
    outcome: str
    error: str
    hint: str


def parsed(table: str) -> tuple[list[str], dict[str, list[Cell]]]:
    head, *lines = [[part.strip() for part in line.split("|")] for line in table.strip().splitlines()]
    return head[3].split(), {
        fault: [_cell(word, error, hint) for word in cells.split()] for fault, error, hint, cells in lines
    }


def _cell(word: str, error: str, hint: str) -> Cell:
    found = re.fullmatch(r"([\w-]+)(?::(\w+))?(?:=(\S+))?", word)
    assert found, word
    outcome, other_error, other_hint = found.groups()
    return Cell(outcome, other_error or error, other_hint or hint)


KINDS, ROWS = parsed(TABLE)
CASES = [
    pytest.param(fault, verb, cell, scenario, id=f"{fault}-{verb.name}-{scenario}")
    for fault, cells in ROWS.items()
    for kind, cell in zip(KINDS, cells, strict=True)
    for verb in VERBS.values()
    if verb.kind == kind
    for scenario in OUTCOMES[cell.outcome]
]


def test_the_table_names_every_fault():
    assert list(ROWS) == list(FAULTS)


@pytest.mark.parametrize("fault", ROWS)
def test_a_fault_has_an_outcome_for_every_kind_of_verb(fault):
    assert len(ROWS[fault]) == len(KINDS)
    assert {cell.outcome for cell in ROWS[fault]} <= set(OUTCOMES)


def test_every_verb_of_the_client_has_a_column():
    assert set(VERBS) == offered()
    assert {verb.kind for verb in VERBS.values()} == set(KINDS)


def test_every_resource_of_the_schema_has_its_verbs():
    assert set(accessors()) == set(RESOURCES)
    declared = {f"{name}.{verb}" for name, known in RESOURCES.items() for verb in known.verbs}
    assert declared <= set(VERBS)


# --- the cells --------------------------------------------------------------------------------------


class Failing:
    """A healthy server's script, disturbed a number of times; the login is another path."""

    def __init__(self, verb: Verb, fault: Fault, times: float, elsewhere: str, *, carries_out: bool) -> None:
        self.verb, self.fault, self.left, self.elsewhere = verb, fault, times, elsewhere
        self.carries_out = carries_out
        self.healthy = verb.healthy()

    def __call__(self, request: faults.Request) -> Answer:
        is_login = request.path == AUTHENTICATION
        good = faults.token(FRESH) if is_login else None
        if is_login is not (self.verb.kind == "login") or self.fault.answer is None or self.left <= 0:
            return good or self.healthy(request)
        self.left -= 1
        answer = self.fault.answer(good or self.verb.healthy()(request), self.elsewhere)
        is_refusal = 300 <= (answer.status or 0) < 500
        if self.carries_out and not is_refusal:
            self.healthy(request)
        return answer


class Healer(logging.Handler):
    """Ends a trouble when the log says that it is tried again."""

    def __init__(self, heal: Callable[[], None]) -> None:
        super().__init__()
        self.heal = heal

    def emit(self, record: logging.LogRecord) -> None:
        if "Trying again" in record.msg:
            self.heal()


@contextlib.contextmanager
def healed_by_trying_again(heal: Callable[[], None]) -> Iterator[None]:
    handler, log = Healer(heal), logging.getLogger("mkframe")
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)


@dataclass
class Snapshot:
    value: Any
    error: errors.MkframeError | None
    requests: int
    max_attempts: int
    script: Failing


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[faults.Server]:
    """Another host, which is to see nothing at all."""
    with faults.serve(faults.reply([])) as server:
        yield server
        assert server.connections == 0


@pytest.fixture
def carry_out(elsewhere, tmp_path, monkeypatch, caplog):
    """Call a verb at a server that fails some of the time."""
    waiting = sys.modules["mkframe.builds._wait"]
    monkeypatch.setattr(waiting, "_FIRST_PAUSE", 0.01)
    monkeypatch.setattr(waiting, "_MAX_PAUSE", 0.02)
    caplog.set_level("WARNING", "mkframe")
    resolve = socket.getaddrinfo
    unknown = []

    def getaddrinfo(host, *args, **kwargs):
        if unknown and host == "localhost":
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return resolve("127.0.0.1" if host == "localhost" else host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)

    def act(verb: Verb, fault: Fault, scenario: str, requests: int | None) -> Snapshot:
        times = 1 if scenario.startswith("once") else math.inf
        there = elsewhere.url.replace("127.0.0.1", "localhost") + verb.path
        carries_out = "not carried out" not in scenario
        script = Failing(verb, fault, times, there, carries_out=carries_out)
        unknown[:] = [] if fault.names_resolve else [True]

        def greet(number: int) -> Answer | None:
            return fault.greeting if number <= times else None

        def heal() -> None:
            if times == 1:
                server.open()
                unknown.clear()

        with (
            faults.serve(script, on_accept=greet, door=fault.door) as server,
            connect_to(server, verb, fault, lasts=times > 1) as client,
            healed_by_trying_again(heal),
        ):
            seconds = 10.0 if scenario == "once" and fault.greeting is None else 0.05
            found, error = None, None
            try:
                found = verb.call(client, tmp_path, seconds)
            except errors.MkframeError as raised:
                error = raised
            # A client in a hurry may have gone before the server reads.
            deadline = time.monotonic() + 5
            while len(server.to(verb.path, verb.method)) < (requests or 0) and time.monotonic() < deadline:
                time.sleep(0.005)
            max_attempts = 1 + sum("Trying again" in record.msg for record in caplog.records)
            return Snapshot(found, error, len(server.to(verb.path, verb.method)), max_attempts, script)

    return act


@contextlib.contextmanager
def connect_to(server: faults.Server, verb: Verb, fault: Fault, *, lasts: bool) -> Iterator[Client]:
    quick = {"max_attempts": TRIES, "max_retry_wait": 0.001, "connect_timeout": 5.0, "read_timeout": 10.0}
    token: dict[str, Any] = LOGIN if verb.kind == "login" else {"token": Secret(TOKEN)}
    url = server.api if fault.names_resolve else server.api.replace("127.0.0.1", "localhost")
    given = {**quick, **token, **fault.settings}
    if not lasts:
        # It goes on to be answered well, which may take a moment.
        given |= dict.fromkeys(fault.settings.keys() & {"read_timeout", "total_timeout"}, 0.3)
    if verb.kind == "fetch" and fault.settings is SLOW:
        given["limits"] = Limits(rate=1000, rate_window=0.1)  # a file has no deadline
    with Client(Transport(Settings(url, **given))) as client:
        yield client


def expected_requests(end: End, fault: Fault, scenario: str) -> int | None:
    if end.requests is None or fault.is_heard:
        return end.requests
    return end.requests - 1 if scenario.startswith("once") else 0


@pytest.mark.parametrize(("fault", "verb", "cell", "scenario"), CASES)
def test_cell(carry_out, fault, verb, cell, scenario):
    end = OUTCOMES[cell.outcome][scenario]
    requests = expected_requests(end, FAULTS[fault], scenario)
    seen = carry_out(verb, FAULTS[fault], scenario, requests)
    if requests is not None:
        assert seen.requests == requests
    if cell.outcome in ("again", "error"):
        assert seen.max_attempts == (end.requests if end.requests and end.requests > 1 else 1)
    if end.error is None:
        assert seen.error is None, seen.error
        verb.check(seen.value)
    elif verb.kind == "fetch":
        check_row(seen, cell)
    else:
        check_error(seen, end, cell)
    if isinstance(seen.script.healthy, Ledger):
        assert len(seen.script.healthy.taken) <= 1


def check_row(seen: Snapshot, cell: Cell) -> None:
    """A fetch raises nothing: what befell a file stands in its row."""
    assert seen.error is None
    (only,) = seen.value.to_dict("records")
    assert only["status"] == "failed"
    assert cell.hint in only["error"]


def check_error(seen: Snapshot, end: End, cell: Cell) -> None:
    error = seen.error
    assert error is not None, seen.value
    if end.error == "its own":
        assert type(error).__name__ == cell.error
        assert cell.hint in error.hint
        return
    assert type(error).__name__ in (end.error or "")
    assert re.search(OWN_HINTS[type(error).__name__], error.hint)
    assert cell.error in {type(step).__name__ for step in behind(error)}


def behind(error: BaseException) -> Iterator[BaseException]:
    step: BaseException | None = error
    while step is not None:
        yield step
        step = step.__cause__
