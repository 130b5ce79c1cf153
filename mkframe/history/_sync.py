"""Ask the server for what has changed, and store it.

The file is open only to read what is known, and to write one answer; not while the network is waited for.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import numpy as np
import pandas as pd

from mkframe import frames
from mkframe._bars import ProgressBar
from mkframe._http import ChangedAnswer, Transport
from mkframe._pandas import TEXT
from mkframe._text import short_repr, single_line
from mkframe._validation import as_list
from mkframe.errors import (
    ForbiddenError,
    HistoryBusyError,
    HistoryError,
    InputError,
    InvalidResponseError,
    NotFoundError,
)
from mkframe.history import _file, _read, _write
from mkframe.history._layout import ACCOUNT, APPENDED, DEFAULT_RESOURCES, PER_PROJECT
from mkframe.history._rows import Rows
from mkframe.history._write import Conflict, Last, Outcome, Scope

__all__ = ["Source", "check_resources", "sync", "to_frame"]

_ATTEMPTS = 5
"""How often a question is asked again because another process has stored a newer answer."""
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class Source(Protocol):
    """The parts of a client that a sync uses."""

    _transport: Transport

    @property
    def url(self) -> str: ...
    def deliveries(self, *, project_id: int | None = None) -> pd.DataFrame: ...
    def commits(self, *, project_id: int | None = None) -> pd.DataFrame: ...


def check_resources(resources: Sequence[str]) -> list[str]:
    """Check the names of resources."""
    known = (*DEFAULT_RESOURCES, *APPENDED)
    wanted = as_list("resources", resources, f"Choose from {', '.join(known)}.")
    unknown = [name for name in wanted if name not in known]
    if unknown or not wanted:
        what = f"does not hold {short_repr(unknown[0])}" if unknown else "is given no resource"
        raise InputError(f"A history {what}.", hint=f"Choose from {', '.join(known)}.")
    return list(dict.fromkeys(wanted))


def sync(
    path: Path,
    wait: float,
    client: Source,
    projects: Sequence[str | int] | str | int | None,
    resources: Sequence[str],
    *,
    allow_gone: bool,
    progress: bool,
) -> list[Outcome]:
    """Ask for the given resources, and store what has changed."""
    run = _Sync(path, wait, client, check_resources(resources), allow_gone=allow_gone)
    try:
        outcomes = run.run(projects, progress)
    finally:
        run.flush()
    if any(outcome.how == "rows" for outcome in outcomes):
        _file.compact(path)
    return outcomes


class _Sync:
    """One sync."""

    def __init__(
        self, path: Path, wait: float, client: Source, resources: list[str], *, allow_gone: bool
    ) -> None:
        self.path, self.wait, self.client = path, wait, client
        self.resources, self.allow_gone = resources, allow_gone
        self.transport = client._transport
        self.last: dict[tuple[str, int], Last] = {}
        self.visible: frozenset[int] = frozenset()
        """Projects that the server shows at this time."""
        self.pending: list[Outcome] = []
        """Syncs that changed nothing, which are stored together."""
        self._load()

    def _load(self) -> None:
        """Read what is known."""
        if not _file.is_there(self.path):
            return
        with _file.open_to_read(self.path, self.wait, is_quick=True) as connection:
            self.last = _write.last_syncs(connection)
            (server,) = connection.execute("SELECT server FROM stored.meta").fetchall()[0]
            self._check_server(server)

    def _check_server(self, server: str | None) -> None:
        """Refuse to mix two servers; those of this machine change their ports."""
        here = _server_of(self.client.url)
        if server is not None and server != here:
            raise InputError(
                f"The history {str(self.path)!r} is of {single_line(server)}, and the client of {here}.",
                hint="Name another file for this server.",
            )

    def run(self, projects: Any, progress: bool) -> list[Outcome]:
        """Ask one question after the other."""
        listed = self._listed()
        chosen = self._chosen(projects, listed.shown)
        self.visible = frozenset(listed.shown) if listed.is_whole else frozenset()
        outcomes = [listed.outcome] if listed.outcome else []
        questions = [
            *(Scope(r, p, n) for r in PER_PROJECT if r in self.resources for p, n in chosen.items()),
            *(Scope(r) for r in self.resources if r not in (*PER_PROJECT, "projects")),
        ]
        with ProgressBar("Sync", len(questions), delay=0.5, leave=False, enabled=progress) as bar:
            for number, scope in enumerate(questions, 1):
                outcome = self._ask(scope)
                if scope.resource == "builds" and outcome.how == "unseen":
                    self.visible -= {scope.project}
                outcomes.append(outcome)
                bar.show(number)
        self.flush()
        return outcomes

    def flush(self) -> None:
        """Store the syncs that changed nothing."""
        pending, self.pending = self.pending, []
        if pending:
            with _file.open_to_write(self.path, self.wait, is_quick=True) as connection:
                self._claim(connection)
                _write.record(connection, pending)

    def _claim(self, connection: Any) -> None:
        """Write down whose history it is."""
        connection.execute(
            "UPDATE stored.meta SET server = ? WHERE server IS NULL", [_server_of(self.client.url)]
        )

    # --- projects ---------------------------------------------------------------------------------------

    def _listed(self) -> _Listed:
        """Ask for the projects, which are needed to tell gone builds from those that cannot be seen."""
        needed = "projects" in self.resources or any(r in self.resources for r in (*PER_PROJECT, "downloads"))
        if not needed:
            return _Listed({}, None, is_whole=False)
        scope = Scope("projects")
        if "projects" in self.resources:
            outcome = self._ask(scope)
            if outcome.how == "unseen":
                return _Listed({}, outcome, is_whole=False)
            if outcome.how == "refused":
                return _Listed(self._ask_names(), outcome, is_whole=True)
            with _file.open_to_read(self.path, self.wait) as connection:
                known = _read.known_syncs(connection, "projects", None, ACCOUNT)
                frame = _read.read(connection, "projects", known, project=None, gone=False)
            return _Listed(_names(frame), outcome, is_whole=True)
        try:
            return _Listed(self._ask_names(), None, is_whole=True)
        except (ForbiddenError, NotFoundError):
            return _Listed({}, None, is_whole=False)

    def _ask_names(self) -> dict[int, str]:
        answer = self.transport.get_if_changed("/projects", {}, Last().validators)
        with self._naming("/projects"):
            frame = frames.decode("projects", bytes(answer.body), self.transport.settings.limits)
        return _names(frame)

    def _chosen(self, projects: Any, listed: dict[int, str]) -> dict[int, str | None]:
        """Return the projects to ask about, by id: those given, else all that are or were shown."""
        known = {project for resource, project in self.last if resource in PER_PROJECT}
        if projects is None:
            return {int(p): listed.get(p) for p in sorted({*listed, *known})}
        one = [projects] if isinstance(projects, int | np.integer) else projects
        given = as_list("projects", one, "Give names or ids of projects.")
        return {p: listed.get(p) for p in (self._project(one, listed, known) for one in given)}

    def _project(self, given: Any, listed: dict[int, str], known: set[int]) -> int:
        if isinstance(given, str):
            found = [int(p) for p, name in listed.items() if name == given]
            if len(found) == 1:
                return found[0]
            if len(found) > 1:
                raise InputError(
                    f"{len(found)} projects are called {given!r}.", hint=f"Give the id: {sorted(found)}."
                )
            if given.isdecimal() and int(given) in {*listed, *known}:
                return int(given)
            if known:
                with _file.open_to_read(self.path, self.wait) as connection:  # it is not shown any more
                    return int(_read.project_id(connection, given) or 0)
        number = int(given) if isinstance(given, int | np.integer) and not isinstance(given, bool) else None
        if number is None or number not in {*listed, *known}:
            raise InputError(
                f"There is no project {short_repr(given)}.", hint="client.projects.find() lists them."
            )
        return number

    # --- one question -----------------------------------------------------------------------------------

    def _ask(self, scope: Scope) -> Outcome:
        started = time.monotonic()
        for _ in range(_ATTEMPTS):
            try:
                outcome = self._ask_once(scope)
            except Conflict:
                self._load()
                continue
            outcome = replace(outcome, seconds=time.monotonic() - started)
            if outcome.how == "rows":
                self.last[scope.key] = outcome.last
            else:
                self.pending.append(outcome)
            return outcome
        raise HistoryBusyError(
            f"The history {str(self.path)!r} was changed by another process each of {_ATTEMPTS} times.",
            hint="Let one process at a time sync.",
        )

    def _ask_once(self, scope: Scope) -> Outcome:
        last, asked_at = self.last.get(scope.key, Last()), dt.datetime.now(dt.UTC)
        if last.asked_at is not None and asked_at <= last.asked_at:
            raise HistoryError(
                f"The last sync of {scope.resource} was at {last.asked_at:%Y-%m-%d %H:%M:%S} UTC, and the "
                f"clock of this machine says {asked_at:%Y-%m-%d %H:%M:%S} UTC.",
                hint="Set the clock.",
            )
        nothing = Outcome(scope, "unseen", asked_at, last=last)
        is_of_project = scope.resource in PER_PROJECT
        if is_of_project and scope.project not in self.visible:
            return nothing
        try:
            if scope.resource in APPENDED:
                return self._append(scope, asked_at)
            params = {"project_id": str(scope.project)} if is_of_project else {}
            answer = self.transport.get_if_changed(f"/{scope.resource}", params, last.validators)
        except (ForbiddenError, NotFoundError):
            return nothing
        if answer.how != "rows":
            last = replace(last, validators=answer.validators)
            return Outcome(scope, answer.how, asked_at, rows=last.rows, last=last)
        return self._store(scope, last, asked_at, answer)

    def _append(self, scope: Scope, asked_at: dt.datetime) -> Outcome:
        frame = getattr(self.client, scope.resource)(project_id=scope.project)
        with _file.open_to_write(self.path, self.wait) as connection:
            self._claim(connection)
            return _write.append_rows(connection, scope, asked_at, frame)

    def _store(self, scope: Scope, last: Last, asked_at: dt.datetime, answer: ChangedAnswer) -> Outcome:
        has_projects = scope.resource == "downloads"
        with self._naming(f"/{scope.resource}"):
            rows = Rows(scope.resource, answer.body, self.transport.settings.limits)
            with _file.open_to_write(self.path, self.wait) as connection:
                self._claim(connection)
                return _write.write_rows(
                    connection,
                    scope,
                    last,
                    asked_at,
                    answer.validators,
                    rows,
                    allow_gone=self.allow_gone,
                    visible=self.visible if has_projects else None,
                )

    def _naming(self, path: str) -> Any:
        return _NameAnswer(self.transport, f"GET {self.client.url}{path}")


class _NameAnswer:
    """Redact what errors and warnings quote of an answer, and name its request in them."""

    def __init__(self, transport: Transport, request: str) -> None:
        self._redacting, self._request = transport.redact_errors(), request

    def __enter__(self) -> None:
        self._redacting.__enter__()

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        if isinstance(error, InvalidResponseError) and error.request is None:
            error.request = self._request
            error.message = f"{self._request} answered, but: {error.message}"
        self._redacting.__exit__(kind, error, trace)


class _Listed:
    """The projects that the server lists, by id, and whether it has listed all."""

    def __init__(self, shown: dict[int, str], outcome: Outcome | None, *, is_whole: bool) -> None:
        self.shown, self.outcome, self.is_whole = shown, outcome, is_whole


def _names(projects: pd.DataFrame) -> dict[int, str]:
    return dict(zip(projects.index.tolist(), projects["name"].tolist(), strict=True))


def _server_of(url: str) -> str:
    """Return what a server is known by; one of this machine has another port each time."""
    parts = urlsplit(url)
    return "this machine" if parts.hostname in _LOOPBACK else url


def to_frame(outcomes: Iterable[Outcome]) -> pd.DataFrame:
    """Make the result of a sync."""
    rows = list(outcomes)
    projects = [o.scope.project if o.scope.resource in PER_PROJECT else None for o in rows]
    columns: dict[str, Any] = {
        "resource": pd.Series([o.scope.resource for o in rows], dtype=TEXT),
        "project": pd.Series(projects, dtype="Int64"),
    }
    for name in ("rows", "new", "changed", "gone"):
        columns[name] = pd.Series([getattr(o, name) for o in rows], dtype="int64")
    columns["how"] = pd.Series([o.how for o in rows], dtype=TEXT)
    columns["seconds"] = pd.Series([o.seconds for o in rows], dtype="float64")
    return pd.DataFrame(columns)
