"""Everything a client can be asked, with what a healthy server answers and what is then right.

Made from the schema and the accessors, so that a new resource or verb comes along by itself; the few
verbs that are no `find` or `get` are written out.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from pandas.testing import assert_frame_equal, assert_series_equal

from mkframe.client import Accessor, Client
from mkframe.frames import from_rows
from mkframe.schema import AUTHENTICATION, RESOURCES, VIEWS
from tests.builds.servers import AIRPLANE
from tests.support import faults
from tests.support.rows import row, rows, value

MARKER = "mkframe-0123456789ab"
PROJECT = "DEMO_PROJECT"
TOKEN, FRESH = "canary-token-1f7a", "canary-fresh-93c2"
SENDS_NOTHING = {"close", "builds.new_marker"}
COMPOSED = {"add_names", "builds.instances", "downloads.diff", "instance_rows"}
"""Verbs of the client that ask by other verbs only."""

Script = Callable[[faults.Request], faults.Answer]


@dataclass(frozen=True)
class Verb:
    """One thing that can be asked.

    `call` is handed the client, a folder, and the seconds that may be spent in looking again. `healthy`
    makes a new server's script; `check` raises where the result is not the truth.
    """

    name: str
    kind: str
    method: str
    path: str
    call: Callable[[Client, Path, float], Any]
    healthy: Callable[[], Script]
    check: Callable[[Any], None]


def always(answer: faults.Answer) -> Callable[[], Script]:
    return lambda: lambda request: answer


def archive(number: int) -> bytes:
    """A ZIP archive that no other download has."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as packed:
        packed.writestr(zipfile.ZipInfo("which.txt"), f"This is download {number}. " * 20)
    return held.getvalue()


class Ledger:
    """A server that takes builds and lists those it has taken; `taken` has their descriptions, by id."""

    def __init__(self) -> None:
        self.taken: dict[int, str] = {}

    def __call__(self, request: faults.Request) -> faults.Answer:
        if request.method == "GET":
            return faults.reply([building(number, notice) for number, notice in self.taken.items()])
        number = 5139 + len(self.taken)
        self.taken[number] = request.json()["description"]
        return faults.reply({"build": {"id": number, "status": "BUILDING"}, "warnings": []}, 201)


def building(number: int, description: str) -> dict[str, Any]:
    return row("builds", number, status="BUILDING", description=description)


def result_of_a_statement(answered: list[dict[str, Any]], types: dict[str, str]) -> faults.Answer:
    known = {f.name: value(f, 1) for f in RESOURCES["metadata"].fields}
    columns = [{"name": name, "type": kind} for name, kind in types.items()]
    return faults.reply(known | {"status": "FINISHED", "rows": answered, "metadata": columns}, 201)


def equal(expected: Any) -> Callable[[Any], None]:
    def check(got: Any) -> None:
        assert got == expected

    return check


# --- the verbs --------------------------------------------------------------------------------------


def find(name: str) -> Verb:
    needed = any(e.required and "project" in e.names for e in RESOURCES[name].exclusive)
    given = {"project": PROJECT} if needed else {}
    sent = rows(name, 3)
    return Verb(
        f"{name}.find",
        "read",
        "GET",
        f"{faults.API}/{name}",
        lambda client, folder, seconds: getattr(client, name).find(**given),
        always(faults.reply(sent)),
        lambda got: assert_frame_equal(got, from_rows(name, sent)),
    )


def get(name: str) -> Verb:
    sent = row(name, 7)
    return Verb(
        f"{name}.get",
        "read",
        "GET",
        f"{faults.API}/{name}/7",
        lambda client, folder, seconds: getattr(client, name).get(7),
        always(faults.reply(sent)),
        lambda got: assert_series_equal(got, from_rows(name, [sent]).iloc[0]),
    )


READERS = {
    "DELIVERIES": "deliveries",
    "COMMITS": "commits",
    "INSTANCE_LABELS": "instance_labels",
    "PATTERN_VARIABLES": "folder_variables",
    "TABLES": "tables",
    "COLUMNS": "table_columns",
}


def view(name: str) -> Verb:
    fields = VIEWS[name].fields
    answered = [{f.name: value(f, number) for f in fields} for number in (1, 2)]

    def check(got: pd.DataFrame) -> None:
        first, last = fields[0].name, fields[1].name
        assert got.reset_index()[[first, last]].to_dict("records") == [
            {first: line[first], last: line[last]} for line in answered
        ]

    return Verb(
        READERS[name],
        "statement",
        "POST",
        f"{faults.API}/metadata",
        lambda client, folder, seconds: getattr(client, READERS[name])(project=PROJECT),
        always(result_of_a_statement(answered, {f.name: "string" for f in fields})),
        check,
    )


def started(got: Any) -> None:
    assert (got.id, got.status) == (5139, "BUILDING")


def fetched(got: pd.DataFrame) -> None:
    (only,) = got.to_dict("records")
    assert (only["status"], only["bytes"]) == ("fetched", len(archive(7)))
    assert only["sha256"] == hashlib.sha256(archive(7)).hexdigest()
    assert Path(only["path"]).read_bytes() == archive(7)


def carrying_the_marker() -> Script:
    return lambda request: faults.reply([*rows("builds", 2), ours])


ours = building(5139, f"By hand [{MARKER}]")
finished = row("builds", 8, status="FINISHED")

WRITTEN_OUT = [
    Verb(
        "builds.wait",
        "wait",
        "GET",
        f"{faults.API}/builds/8",
        lambda client, folder, seconds: client.builds.wait(8, timeout=seconds, progress=False),
        always(faults.reply(finished)),
        lambda got: assert_series_equal(got, from_rows("builds", [finished]).iloc[0]),
    ),
    Verb(
        "builds.confirm",
        "confirm",
        "GET",
        f"{faults.API}/builds",
        lambda client, folder, seconds: client.builds.confirm(MARKER, confirm_timeout=seconds),
        carrying_the_marker,
        started,
    ),
    Verb(
        "builds.start",
        "start",
        "POST",
        f"{faults.API}/builds",
        lambda client, folder, seconds: client.builds.start(
            project=PROJECT, instances=[AIRPLANE], confirm_timeout=seconds
        ),
        Ledger,
        started,
    ),
    Verb(
        "build_deployments.start",
        "deploy",
        "POST",
        f"{faults.API}/build_deployments",
        lambda client, folder, seconds: client.build_deployments.start(build_id=1, deployment_id=2),
        always(faults.reply(row("build_deployments", 7), 201)),
        lambda got: equal(row("build_deployments", 7))(got.to_dict()),
    ),
    Verb(
        "downloads.fetch",
        "fetch",
        "GET",
        f"{faults.API}/downloads/7",
        lambda client, folder, seconds: client.downloads.fetch(downloads=[7], to=folder, progress=False),
        always(faults.file(archive(7))),
        fetched,
    ),
    Verb(
        "metadata.query",
        "statement",
        "POST",
        f"{faults.API}/metadata",
        lambda client, folder, seconds: client.metadata.query("SELECT 1 AS ONE FROM T", project=PROJECT),
        always(result_of_a_statement([{"ONE": 1}], {"ONE": "integer"})),
        lambda got: equal([1])(got["ONE"].tolist()),
    ),
    *map(view, READERS),
    Verb(
        "login",
        "login",
        "POST",
        AUTHENTICATION,
        lambda client, folder, seconds: client.projects.find(),
        lambda: lambda request: faults.reply(rows("projects", 3)),
        lambda got: equal([1, 2, 3])(got.index.tolist()),
    ),
]


def public(thing: type) -> list[str]:
    return [name for name in dir(thing) if not name.startswith("_") and callable(getattr(thing, name))]


def accessors() -> dict[str, type[Accessor]]:
    return {kind.resource: kind for kind in _subclasses(Accessor) if hasattr(kind, "resource")}


def _subclasses(kind: type) -> list[type]:
    return [kind, *(deeper for each in kind.__subclasses__() for deeper in _subclasses(each))]


MAKERS = {"find": find, "get": get}
VERBS = {
    verb.name: verb
    for verb in [
        *(MAKERS[word](name) for name, kind in accessors().items() for word in MAKERS if hasattr(kind, word)),
        *WRITTEN_OUT,
    ]
}


def offered() -> set[str]:
    """All that a client offers, as the names of verbs."""
    of_resources = {f"{name}.{word}" for name, kind in accessors().items() for word in public(kind)}
    return (of_resources | {"login", *public(Client)}) - SENDS_NOTHING - COMPOSED
