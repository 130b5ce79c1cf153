"""A token and a password go through every path and are found nowhere but where they were put.

Each path is walked with canaries, words that occur once. All that somebody may then see is searched:
results and errors with what hangs on them, tracebacks with the variables of their frames, pickles, the
logs of all libraries at DEBUG, warnings, output, files, widgets and notebooks.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import json
import logging
import os
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import quote

import ipywidgets
import pytest

import mkframe as mk
from mkframe import forms, openapi, settings
from mkframe._commands import parser as command_parser
from mkframe._http import Transport, redaction, session
from mkframe.client import Client
from mkframe.client import _traceback as client_traceback
from mkframe.errors import InputError, MkframeError
from mkframe.schema import AUTHENTICATION
from mkframe.settings import Secret, Settings
from tests.support import faults
from tests.support.faults import Answer, Request
from tests.support.rows import row, rows
from tests.trust.canaries import (
    EMAIL,
    FRESH,
    PASSWORD,
    SECRETS,
    TOKEN,
    disguises,
    family,
    files,
    remnants,
    traces,
    verbose,
    views,
)
from tests.trust.operations import archive

pytestmark = pytest.mark.slow

ACCOUNTS: dict[str, dict[str, Any]] = {
    "token": {"token": Secret(TOKEN)},
    "login": {"email": EMAIL, "password": Secret(PASSWORD)},
    "both": {"token": Secret(TOKEN), "email": EMAIL, "password": Secret(PASSWORD)},
}
"""Made here, so that no variable of a test holds a word itself."""
QUICK = {"max_attempts": 2, "max_retry_wait": 0.01, "connect_timeout": 5.0, "read_timeout": 10.0}


# --- the server ---------------------------------------------------------------------------------------


def kraftwerk(request: Request) -> Answer:
    """A healthy server that knows the canaries."""
    if request.path == AUTHENTICATION:
        known = request.json().get("password") == PASSWORD
        return faults.token(FRESH, EMAIL) if known else faults.vendor(401, "Invalid login")
    if request.headers.get("authorization") not in (f"Bearer {TOKEN}", f"Bearer {FRESH}"):
        return faults.unauthenticated()
    name = request.path.removeprefix(f"{faults.API}/")
    if request.method == "POST":
        return faults.reply({"build": {"id": 5139, "status": "BUILDING"}, "warnings": ["Mind the gap"]}, 201)
    if name.startswith("downloads/"):
        return faults.file(archive(7))
    if "/" in name:
        return faults.reply(row(name.split("/")[0], 7, status="FINISHED"))
    return faults.reply(rows(name, 3))


def carried(request: Request) -> str:
    """All that is secret in a request."""
    return f"{request.headers.get('authorization', '')} {request.body.decode()}".strip()


ECHOES: dict[str, Callable[[str], Answer]] = {
    **{
        f"{status}": lambda echo, status=status: faults.vendor(status, f"refused: {echo}")
        for status in (400, 401, 403, 404, 405, 408, 418, 429, 500, 503)
    },
    "long message": lambda echo: faults.vendor(500, "x" * 250 + echo),
    "message in JSON": lambda echo: faults.vendor(500, json.dumps({"headers": echo})),
    "web page": lambda echo: faults.html(502, f"<html>{echo}"),
    "web page, cut": lambda echo: faults.html(502, f"<html>{'x' * 50}{echo}"),
    "web page with 200": lambda echo: faults.html(200, f"<html>{echo}"),
    "plain text": lambda echo: faults.content(echo.encode(), "text/plain", status=500),
    "another shape": lambda echo: faults.reply({"name": echo, "id": echo, "build": echo}),
    "another type": lambda echo: faults.reply([{"id": echo}]),
    "broken JSON": lambda echo: faults.content(f'[{{"id": "{echo}'.encode(), "application/json"),
    "redirect": lambda echo: faults.redirect(f"https://elsewhere.example/?from={quote(echo)}"),
    "status line": lambda echo: Answer(f"{echo}".replace("\n", " ")),  # type: ignore[arg-type]
    "strange header": lambda echo: faults.reply([], headers={"X-Said": echo}),
    "Retry-After": lambda echo: faults.later(503, echo),
    "Content-Type": lambda echo: faults.content(b"[", echo),
    "Content-Encoding": lambda echo: faults.reply([], headers={"Content-Encoding": echo}),
    "packed": lambda echo: faults.zipped(faults.vendor(500, echo)),
    "packed and broken": lambda echo: faults.broken_gzip(faults.reply([{"id": 1, "name": echo}])),
    "cut": lambda echo: faults.cut(faults.vendor(500, echo * 3)),
    "cookie": lambda echo: faults.vendor(500, "no", headers={"Set-Cookie": f"s={quote(echo)}"}),
    "cookie that is none": lambda echo: faults.reply([], headers={"Set-Cookie": f"{echo}; Expires={echo}"}),
    "header without a colon": lambda echo: head("Content-Type: text/plain", one(echo)),
    "header without a name": lambda echo: head(f": {one(echo)}"),
    "header that goes on from none": lambda echo: head(f" {one(echo)}"),
    "header from a mailbox": lambda echo: head("X: 1", f"From {one(echo)}"),
    "header of many parts": lambda echo: head(f"Content-Type: multipart/{one(echo)}"),
    "two lengths": lambda echo: head("Content-Length: 2", f"Content-Length: {one(echo)}"),
    "version": lambda echo: faults.bare(f"HTTP/{one(echo)} 200 OK\r\n\r\n".encode()),
    "reason": lambda echo: faults.bare(f"HTTP/1.1 500 {one(echo)}\r\n\r\n".encode()),
    "chunk": lambda echo: head("Transfer-Encoding: chunked", body=f"{one(echo)}\r\n"),
    "trailer": lambda echo: head("Transfer-Encoding: chunked", body=f"2\r\n[]\r\n0\r\n{one(echo)}\r\n\r\n"),
}  # fmt: skip
"""How a server may give back what it was sent."""


def one(echo: str) -> str:
    """On one line."""
    return " ".join(echo.split())


def head(*lines: str, body: str = "[]") -> Answer:
    """An answer with a head as it is given."""
    return faults.bare("\r\n".join(["HTTP/1.1 200 OK", *lines, "", body]).encode())


DELIVERED = (
    "another shape",
    "another type",
    "broken JSON",
    "strange header",
    "Content-Encoding",
    "cookie that is none",
    "trailer",
)
"""To a fetch any bytes with status 200 are the file, which is kept as it is."""

ASKED: dict[str, tuple[str, str, Callable[[Client, Path], Any]]] = {
    "find": ("token", f"{faults.API}/builds", lambda client, _: client.builds.find()),
    "get": ("token", f"{faults.API}/releases/7", lambda client, _: client.releases.get(7)),
    "login": ("login", AUTHENTICATION, lambda client, _: client.builds.find()),
    "find after a login": ("login", f"{faults.API}/projects", lambda client, _: client.projects.find()),
    "start": ("token", f"{faults.API}/builds", lambda client, _: started(client)),
    "wait": (
        "token",
        f"{faults.API}/builds/7",
        lambda client, _: client.builds.wait(7, timeout=0, progress=False),
    ),
    "query": ("token", f"{faults.API}/metadata", lambda client, _: client.deliveries(project="A")),
    "fetch": (
        "token",
        f"{faults.API}/downloads/7",
        lambda client, folder: client.downloads.fetch(downloads=[7], to=folder, progress=False),
    ),
}
"""By which account, where the echo is, and how it is asked."""


def started(client: Client) -> Any:
    return client.builds.start(project_id=402, instances=[7], confirm_timeout=0)


# --- the search ---------------------------------------------------------------------------------------


class Watch:
    """Remembers what can be seen of a path, and tells how much that was."""

    def __init__(self, caplog: Any, capfd: Any, folder: Path) -> None:
        self._caplog, self._capfd, self.folder = caplog, capfd, folder
        self._shown: list[str | bytes] = []
        self.warnings: list[warnings.WarningMessage] = []

    def see(self, *things: Any) -> None:
        for thing in things:
            self._shown += views(thing)

    def everything(self) -> list[str | bytes]:
        for record in self._caplog.records:
            self._shown += [repr(vars(record)), record.getMessage()]
            if record.exc_info:
                self._shown += views(record.exc_info[1])
        out = self._capfd.readouterr()
        echo = [str(warning.message) for warning in self.warnings]
        return [*self._shown, *echo, self._caplog.text, out.out, out.err, *files(self.folder)]

    def traces(self, words: dict[str, str] = SECRETS) -> list[str]:
        shown = self.everything()
        assert sum(map(len, shown)) > 1000, "next to nothing was looked at"
        return [trace for text in shown for trace in (*traces(text, words), *remnants(text, words))]


@pytest.fixture
def watch(caplog, capfd, tmp_path) -> Iterator[Watch]:
    caplog.set_level(logging.DEBUG)
    for name in ("urllib3", "requests", "mkframe"):
        caplog.set_level(logging.DEBUG, name)
    folder = tmp_path / "seen"
    folder.mkdir()
    made = Watch(caplog, capfd, folder)
    with warnings.catch_warnings(record=True) as made.warnings:
        warnings.simplefilter("always")
        yield made


@contextlib.contextmanager
def connect_to(url: str, account: str) -> Iterator[Client]:
    with Client(Transport(Settings(url, **ACCOUNTS[account], **QUICK))) as client:
        yield client


def walk(watch: Watch, url: str, asked: str) -> None:
    """Ask once, and look at what comes of it and at the client."""
    account, _, ask = ASKED[asked]
    with connect_to(url, account) as client:
        try:
            watch.see(ask(client, watch.folder))
        except MkframeError as error:
            watch.see(error, error.args)
        watch.see(client)


# --- the search proves itself -------------------------------------------------------------------------


@pytest.mark.parametrize("name", SECRETS)
@pytest.mark.parametrize("disguise", disguises(TOKEN))
def test_search_finds_each_disguise(name, disguise):
    hidden = b"before " + disguises(SECRETS[name])[disguise] + b" after"
    assert [t for t in traces(hidden) if t.startswith(f"{name} (")]


LEAKS = {
    "a secret that shows itself": lambda patch: patch.setattr(Secret, "__repr__", Secret.get_secret_value),
    "an echo that is let through": lambda patch: patch.setattr(redaction._SecretForms, "redact", cut_only),
    "frames that are kept": lambda patch: (
        patch.setattr(session, "Redacting", RedactsOnly),
        patch.setattr(client_traceback, "strip_tracebacks", lambda error, handled: error),
    ),
    "headers that are printed": lambda patch: patch.setattr(HTTPConnection, "debuglevel", 1),
}


def cut_only(self: object, text: str, most: int = 1 << 16) -> str:
    return text[:most]


class RedactsOnly(redaction.Redacting):
    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, MkframeError):
            redaction._redact(error, redaction._SecretForms(self._secrets()), lambda step: step)


@pytest.mark.parametrize("leak", LEAKS.values(), ids=LEAKS)
def test_search_finds_a_leak_that_is_made(leak, watch, monkeypatch):
    leak(monkeypatch)
    with faults.serve(lambda request: ECHOES["another type"](carried(request))) as server:
        walk(watch, server.api, "find")
    assert watch.traces()


@pytest.mark.parametrize("place", ["log", "print", "warning", "file", "pickle", "attrs", "widget"])
def test_search_finds_what_is_left_in_each_place(place, watch):
    frame = mk.read_json(b"[]")
    frame.attrs = {"by": TOKEN} if place == "attrs" else {}
    match place:
        case "log":
            logging.getLogger("urllib3").debug("%s", TOKEN)
        case "print":
            print(TOKEN)  # noqa: T201
        case "warning":
            warnings.warn(TOKEN, stacklevel=1)
        case "file":
            (watch.folder / ".hidden").write_text(TOKEN)
        case "pickle":
            watch.see(frozenset({TOKEN}))
        case "widget":
            watch.see(ipywidgets.VBox([ipywidgets.Text(TOKEN)]))
    watch.see(frame, mk.read_json(b"[]"))
    assert watch.traces()


# --- paths --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("asked", ASKED)
def test_nothing_is_seen_where_all_goes_well(asked, watch):
    with faults.serve(kraftwerk) as server:
        walk(watch, server.api, asked)
        assert any(TOKEN in carried(r) or PASSWORD in r.json()["password"] for r in server.requests)
    assert watch.traces() == []


CELLS = [(echo, asked) for echo in ECHOES for asked in ASKED if asked != "fetch" or echo not in DELIVERED]


@pytest.mark.parametrize(("echo", "asked"), CELLS)
def test_nothing_is_seen_where_the_server_gives_it_back(echo, asked, watch):
    where = ASKED[asked][1]

    def script(request: Request) -> Answer:
        echoed = request.path == where and (asked != "start" or request.method == "POST")
        return ECHOES[echo](carried(request)) if echoed else kraftwerk(request)

    with faults.serve(script) as server:
        walk(watch, server.api, asked)
        assert server.to(where)
    assert watch.traces() == []


@pytest.mark.parametrize("echo", ["401", "web page with 200", "status line"])
def test_nothing_is_seen_in_a_verbose_traceback(echo, watch):
    """What IPython shows after ``%xmode Verbose``, which looks into the variables of each line."""
    with faults.serve(lambda request: ECHOES[echo](carried(request))) as server:
        with connect_to(server.api, "login") as client, pytest.raises(MkframeError) as caught:
            client.builds.find()
        shown = verbose(caught.value)
    assert "sending.py" in shown
    assert "without_inner_frames" in shown
    assert traces(shown) == []


DISGUISES: dict[str, Callable[[str], str]] = {
    "signature": lambda word: word.rpartition(".")[2][-12:],
    "other case": str.swapcase,
    "base64": lambda word: base64.b64encode(f"a:{word}".encode()).decode(),
    "words apart": lambda word: " ".join(word[i : i + 6] for i in range(0, len(word), 6)),
    "in a URL": lambda word: quote(quote(word, safe="")),
    "at the cut of a start": lambda word: "x" * 70 + word,
    "at the cut of a sentence": lambda word: "x" * 293 + word,
}  # fmt: skip
"""Where no secret as a whole is seen, but enough of one, or all of it in another way."""


def built(**words: Any) -> dict[str, Any]:
    return row("builds", 7) | {"status": "FAILED"} | words


PLACES: dict[str, tuple[str, Callable[[str], Any], Callable[[Client, Path], Any]]] = {
    "refusal": (
        "*",
        lambda echo: faults.vendor(400, echo),
        lambda client, _: client.builds.find(),
    ),
    "refused token": (
        "*",
        lambda echo: faults.vendor(401, echo),
        lambda client, _: client.builds.find(),
    ),
    "refused login": (
        AUTHENTICATION,
        lambda echo: faults.vendor(401, echo),
        lambda client, _: client.builds.find(),
    ),
    "answer of a login": (
        AUTHENTICATION,
        lambda echo: faults.reply({"accessToken": [echo]}, 201),
        lambda client, _: client.builds.find(),
    ),
    "busy": ("*", lambda echo: faults.vendor(503, echo), lambda client, _: client.builds.find()),
    "page": ("*", lambda echo: faults.html(200, echo), lambda client, _: client.builds.find()),
    "no JSON": (
        "*",
        lambda echo: faults.content(echo.encode(), "text/plain"),
        lambda client, _: client.builds.find(),
    ),
    "value": (
        "*",
        lambda echo: faults.reply([{"id": echo}]),
        lambda client, _: client.builds.find(),
    ),
    "name": ("*", lambda echo: faults.reply([{echo: 1}]), lambda client, _: client.builds.find()),
    "redirect": ("*", lambda echo: faults.redirect(echo), lambda client, _: client.builds.find()),
    "header": ("*", lambda echo: head(echo), lambda client, _: client.builds.find()),
    "status line": (
        "*",
        lambda echo: faults.bare(f"{echo}\r\n".encode()),
        lambda client, _: client.builds.find(),
    ),
    "file": (
        "*",
        lambda echo: faults.html(200, echo),
        lambda client, folder: client.downloads.fetch(downloads=7, to=folder, progress=False)["error"][7],
    ),
    "start": (
        "*",
        lambda echo: faults.reply({"build": {"id": 5, "status": "BUILDING"}, "warnings": [echo]}, 201),
        lambda client, _: started(client) and None,
    ),
    "failed build": (
        "*",
        lambda echo: faults.reply(built(message=echo, progress=7)),
        lambda client, _: client.builds.wait(7, raise_on_failure=True),
    ),
    "failed statement": (
        "*",
        lambda echo: faults.reply({"status": "ERROR", "rows": [], "metadata": [], "error": echo}, 201),
        lambda client, _: client.metadata.query("SELECT 1", project="A"),
    ),
    "rows of a statement": (
        "*",
        lambda echo: faults.reply(
            {
                "status": "FINISHED",
                "rows": [{"N": echo}],
                "metadata": [{"name": "N", "type": "integer"}],
            },
            201,
        ),
        lambda client, _: client.metadata.query("SELECT 1", project="A") is None,
    ),
}
"""By whom it is echo, and who asks; results that hold the words as data are not looked at."""


@pytest.mark.parametrize("word", ["token", "password"])
@pytest.mark.parametrize("disguise", DISGUISES.values(), ids=DISGUISES)
@pytest.mark.parametrize("place", PLACES)
def test_no_part_is_seen_where_the_server_says_it(place, disguise, word, watch):
    where, say, ask = PLACES[place]

    def script(request: Request) -> Answer:
        """Made here, so that no variable of the test holds what is echo."""
        if (where == "*" and request.path != AUTHENTICATION) or where == request.path:
            return say(disguise(SECRETS[word]))
        return faults.token(FRESH) if request.path == AUTHENTICATION else faults.unauthenticated()

    with faults.serve(script) as server, connect_to(server.api, "both") as client:
        try:
            watch.see(ask(client, watch.folder))
        except MkframeError as error:
            watch.see(error, *map(repr, family(error)))
        watch.see(client)
        assert where == "*" or server.to(where)
    assert watch.traces() == []


@pytest.mark.parametrize("echo", ["401", "header without a colon", "status line", "web page with 200"])
def test_nothing_is_seen_of_an_error_that_nobody_catches(echo, tmp_path):
    """By a console that has set up no logs: what Python itself writes to stderr, and where it ends."""
    source = "import mkframe as mk; mk.connect().builds.find()"
    with faults.serve(lambda request: ECHOES[echo](f"\x1b[31m\x9b2J{carried(request)}\x07")) as server:
        environment = {"MKFRAME_URL": server.api, "MKFRAME_TOKEN": TOKEN, "HOME": str(tmp_path)}
        done = subprocess.run(
            [sys.executable, "-Wdefault", "-X", "dev", "-c", source],
            env={**os.environ, **environment},
            cwd=Path(mk.__file__).parents[1],
            capture_output=True,
            check=False,
            timeout=110,
            text=True,
            encoding="utf-8",
        )
    assert done.returncode == 1
    assert "mkframe.errors." in done.stderr
    assert remnants(done.stdout + done.stderr) == []
    assert [c for c in done.stderr if not (c.isprintable() or c == "\n")] == []


def test_nothing_of_others_is_changed(watch):
    """The logs of the libraries are as they were, for whoever else uses them."""
    with faults.serve(faults.unauthenticated()) as server:
        walk(watch, server.api, "find")
    names = [
        name for name in logging.root.manager.loggerDict if name.partition(".")[0] in ("urllib3", "requests")
    ]
    assert names
    assert [name for name in names if logging.getLogger(name).filters] == []
    assert HTTPConnection.response_class.__module__ == "http.client"


def test_nothing_is_seen_of_tokens_that_are_renewed(watch):
    def expired(request: Request) -> Answer:
        if request.path == AUTHENTICATION or request.headers["authorization"] == f"Bearer {FRESH}":
            return kraftwerk(request)
        return faults.vendor(401, carried(request))

    with faults.serve(expired) as server, connect_to(server.api, "both") as client:
        watch.see(client.builds.find(), client.identity, client)
        assert [r.path for r in server.requests].count(AUTHENTICATION) == 1
    assert watch.traces() == []


def test_an_old_token_is_known_as_well(watch):
    """An answer that is late speaks of the token before."""

    def script(request: Request) -> Answer:
        if request.path == AUTHENTICATION:
            return kraftwerk(request)
        old = request.headers["authorization"] == f"Bearer {TOKEN}"
        return faults.unauthenticated() if old else faults.vendor(500, f"was {TOKEN}")

    with faults.serve(script) as server, connect_to(server.api, "both") as client:
        with pytest.raises(MkframeError) as caught:
            client.builds.find()
        watch.see(caught.value)
    assert watch.traces() == []


def test_no_address_is_in_results_and_files(watch):
    with faults.serve(kraftwerk) as server, connect_to(server.api, "login") as client:
        watch.see(
            client.builds.find(), client.downloads.fetch(downloads=[7], to=watch.folder, progress=False)
        )
    assert watch.traces({"e-mail": EMAIL}) == []
    assert {p.name for p in watch.folder.iterdir()} == {"artifact.zip", ".mkframe.jsonl"}


# --- forms and notebooks ------------------------------------------------------------------------------


@pytest.fixture
def form() -> Iterator[Any]:
    made = forms.connect()
    yield made
    made.close()


def entered(form: Any, url: str, way: str, word: str) -> None:
    """Fill the form as a person does, and wait for its thread after the button."""
    form.method.value, form.url.value = way, url
    if way == "password":
        form.email.value = "ada@example.org"
    form.secret.value = word


@pytest.mark.parametrize("word", [TOKEN, PASSWORD])
@pytest.mark.parametrize("pressed", [False, True], ids=["entered", "pressed"])
@pytest.mark.parametrize("server_is", ["healthy", "refusing", "refusing in capitals", "broken"])
def test_nothing_is_seen_of_the_form_that_connects(form, word, pressed, server_is, watch):
    scripts = {
        "healthy": kraftwerk,
        "refusing": lambda request: faults.vendor(401, f"Wrong: {carried(request)}"),
        "refusing in capitals": lambda request: faults.vendor(401, f"Wrong: {carried(request).upper()}"),
        "broken": lambda request: faults.html(200, carried(request)),
    }
    with faults.serve(scripts[server_is]) as server:
        entered(form, server.api, "token" if word == TOKEN else "password", word)
        assert form.model.has_secret
        if pressed:
            form.connect.click()
            form.worker.close(timeout=30)
            assert server.requests
            assert bool(form.client) == (server_is == "healthy")
        watch.see(form, form.model, vars(form.model), form.model.trait_values(), form.client)
        form.close()
    assert watch.traces() == []


def test_nothing_is_seen_where_connecting_fails_unexpectedly(watch):
    """A defect of ours is logged with its traceback, whose frames must not hold the word."""

    def connect(**given: str) -> Client:
        given.clear()
        raise RuntimeError("a defect")

    model = forms.ConnectModel(connect, mk.demo)
    model.method = "token"
    model.take_secret(TOKEN)
    model.submit()
    watch.see(model, model.traceback)
    assert "a defect" in model.error
    assert watch.traces() == []


CELLS_OF_A_NOTEBOOK = """
%xmode Verbose
import logging, os, warnings
logging.basicConfig(level=logging.DEBUG)
import mkframe as mk
---
client = mk.connect()
client.builds.find()
---
client
---
client.downloads.fetch(downloads=[7], to="artifacts")
---
form = mk.forms.connect()
form.method.value, form.email.value = "password", "ada@example.org"
form.secret.value = os.environ["MKFRAME_PASSWORD"]
form
---
form.connect.click()
form.worker.close(30)
form.model
---
mk.forms.fetch_artifacts(client)
---
client.releases.find()
---
mk.connect("nonsense", token=os.environ["MKFRAME_PASSWORD"])
---
vars(client._transport)
"""


def test_nothing_is_seen_in_a_notebook_that_was_run_and_saved(tmp_path, monkeypatch):
    """Errors with ``%xmode Verbose``, logs at DEBUG, forms and their state, all in one file."""
    import nbclient
    import nbformat

    def script(request: Request) -> Answer:
        refused = request.path == f"{faults.API}/releases"
        return faults.vendor(500, f"Failed: {carried(request)}") if refused else kraftwerk(request)

    cells = [nbformat.v4.new_code_cell(source.strip()) for source in CELLS_OF_A_NOTEBOOK.split("---")]
    notebook = nbformat.v4.new_notebook(cells=cells)
    with faults.serve(script) as server:
        environment = account_of(server.api) | {"PYTHONPATH": str(Path(mk.__file__).parents[1])}
        client = nbclient.NotebookClient(
            notebook,
            allow_errors=True,
            timeout=120,
            store_widget_state=True,
            resources={"metadata": {"path": str(tmp_path)}},
        )
        client.execute(env={**os.environ, **environment, "PYDEVD_DISABLE_FILE_VALIDATION": "1"})
    text = nbformat.writes(notebook)
    assert all(word in text for word in ("application/vnd.jupyter.widget-state+json", "ServerError", "DEBUG"))
    assert traces(text) == []
    assert [trace for content in files(tmp_path) for trace in traces(content)] == []


def account_of(url: str) -> dict[str, str]:
    return {"MKFRAME_URL": url, "MKFRAME_EMAIL": EMAIL, "MKFRAME_PASSWORD": PASSWORD}


# --- reports and the command line ---------------------------------------------------------------------


def test_nothing_is_seen_of_a_report_nor_of_its_processes(tmp_path):
    """The page, what is printed, and the command lines of all processes while the account is asked."""
    lines: list[bytes] = []

    def script(request: Request) -> Answer:
        for path in command_lines():
            with contextlib.suppress(OSError):  # some end in between
                lines.append(path.read_bytes())
        return kraftwerk(request)

    with faults.serve(script) as server:
        done = subprocess.run(
            [sys.executable, "-m", "mkframe", "report", "--output", str(tmp_path / "out.html")],
            env={**os.environ, **account_of(server.api), "HOME": str(tmp_path)},
            cwd=Path(mk.__file__).parents[1],
            capture_output=True,
            check=False,
            timeout=110,
        )
    assert done.returncode == 0, done.stderr.decode()
    assert sys.platform != "linux" or any(b"report" in line for line in lines)
    shown = [done.stdout, done.stderr, *lines, *files(tmp_path)]
    assert [trace for text in shown for trace in traces(text, SECRETS | {"e-mail": EMAIL})] == []


def command_lines() -> list[Path]:
    """Of all processes, where the system tells them so."""
    return list(Path("/proc").glob("[0-9]*/cmdline"))


def test_no_option_of_the_command_line_takes_a_secret():
    """What is written there, every user of the machine can read."""

    def options(parser: argparse.ArgumentParser) -> Iterator[str]:
        for action in parser._actions:
            yield from (*action.option_strings, action.dest)
            for inner in (action.choices or {}).values() if isinstance(action.choices, dict) else ():
                yield from options(inner)

    words = set(options(command_parser()))
    assert "--project" in words
    assert not [word for word in words if any(s in word for s in ("token", "password", "secret", "email"))]


def test_nothing_is_seen_in_the_description_of_the_api(monkeypatch):
    for name, word in account_of("https://metakraftwerk.example/api/v1").items():
        monkeypatch.setenv(name, word)
    assert traces(json.dumps(openapi.document()), SECRETS | {"e-mail": EMAIL}) == []


def test_the_description_of_the_api_refuses_an_address_with_a_password():
    with pytest.raises(InputError, match="user name or password") as caught:
        openapi.document(f"https://ada:{quote(PASSWORD)}@metakraftwerk.example/api/v1")
    assert traces(str(caught.value)) == []


# --- credentials stay at home -------------------------------------------------------------------------

HOME = "https://metakraftwerk.example/api/v1"
_HINT_WRONG_SERVER = {
    "another host": "https://elsewhere.example/api/v1/builds",
    "plain http": "http://metakraftwerk.example/api/v1/builds",
    "another port": "https://metakraftwerk.example:8443/api/v1/builds",
    "a host below": "https://builds.metakraftwerk.example/api/v1/builds",
    "a host above": "https://example/api/v1/builds",
    "a longer name": "https://metakraftwerk.example.elsewhere.example/",
    "a name before": "https://xmetakraftwerk.example/",
    "user name": "https://metakraftwerk.example@elsewhere.example/",
    "user name and password": "https://metakraftwerk.example:443@elsewhere.example/",
    "name in the path": "https://elsewhere.example/metakraftwerk.example",
    "name in the fragment": "https://elsewhere.example#@metakraftwerk.example/",
    "name in the query": "https://elsewhere.example?@metakraftwerk.example/",
    "backslash": "https://elsewhere.example\\@metakraftwerk.example/",
    "full-width letter": "https://\uff4braft.example/",
    "Cyrillic letter": "https://kr\u0430ft.example/",
    "Turkish dotless i": "https://metakraftwerk.example\u0131/",
    "soft hyphen": "https://kra\u00adft.example/",
    "zero-width space": "https://client\u200b.example/",
    "other full stop": "https://client\u3002example/",
    "percent": "https://client%2eexample/",
    "dot at the end": "https://metakraftwerk.example./",
    "punycode": "https://xn--metakraftwerk-.example/",
    "no scheme": "//metakraftwerk.example/api/v1/builds",
    "another scheme": "ftp://metakraftwerk.example/api/v1/builds",
    "web socket": "wss://metakraftwerk.example/api/v1/builds",
    "a file": "file://metakraftwerk.example/api/v1/builds",
    "nothing": "",
}


@pytest.mark.parametrize("url", _HINT_WRONG_SERVER.values(), ids=_HINT_WRONG_SERVER)
def test_the_token_goes_nowhere_else(url):
    assert not Settings(HOME).may_receive_token(url)


@pytest.mark.parametrize(
    "url",
    [
        f"{HOME}/builds",
        "https://METAKRAFTWERK.Example/x",
        "https://metakraftwerk.example:443/",
        f"{HOME}?q=@b",
    ],
)
def test_the_token_goes_home(url):
    assert Settings(HOME).may_receive_token(url)


NOT_THIS_MACHINE = [
    "metakraftwerk.example", "127.0.0.1.metakraftwerk.example",
    "localhost.metakraftwerk.example", "localhost.", "127.1", "127.0.1",
    "2130706433", "0x7f000001", "0177.0.0.1", "0.0.0.0", "[::]", "[::ffff:10.0.0.1]", "10.0.0.1",
    "169.254.169.254", "192.168.1.1", "128.0.0.1", "xn--localhost-", "127.0.0.1@metakraftwerk.example",
    "localhost%2e",
]  # fmt: skip


@pytest.mark.parametrize("host", NOT_THIS_MACHINE)
def test_plain_http_is_refused_but_on_this_machine(host):
    with pytest.raises(InputError):
        settings.load(f"http://{host}/api/v1", token=TOKEN)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "localhost", "LOCALHOST", "[::1]"])
def test_plain_http_serves_on_this_machine(host):
    assert settings.load(f"http://{host}:8080/api/v1", token=TOKEN).is_on_this_machine


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("asked", ASKED)
def test_no_other_server_is_asked(status, asked, tmp_path):
    """The same machine by another port, by another name, and by https."""
    with faults.serve(faults.reply([])) as other:
        port = other.url.rpartition(":")[2]
        places = iter(
            [f"http://127.0.0.1:{port}/", f"//localhost:{port}/", f"https://127.0.0.1:{port}/x"] * 20
        )

        def script(request: Request) -> Answer:
            here = request.path == ASKED[asked][1] and (asked != "start" or request.method == "POST")
            return faults.redirect(next(places), status) if here else kraftwerk(request)

        with faults.serve(script) as server, connect_to(server.api, ASKED[asked][0]) as client:
            for _ in range(3):
                with contextlib.suppress(MkframeError):
                    ASKED[asked][2](client, tmp_path)
        assert len(server.to(ASKED[asked][1])) >= 3
        assert other.connections == 0


def test_cookies_are_neither_kept_nor_sent():
    with faults.serve(faults.reply([], headers={"Set-Cookie": "session=1; Path=/"})) as server:
        with connect_to(server.api, "token") as client:
            client.builds.find()
            client.builds.find()
        assert [r.headers.get("cookie") for r in server.requests] == [None, None]
