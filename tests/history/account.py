"""A server whose account changes from request to request, for histories."""

from __future__ import annotations

import contextlib
import copy
import gzip
import hashlib
from collections.abc import Iterator
from typing import Any

import pandas as pd

import mkframe as mk
from tests.support import faults
from tests.support.rows import body, download, row

RESOURCES = ("builds", "downloads", "releases", "projects", "patterns")


class Account:
    """Rows by resource, and how they are answered; a test changes both as it likes."""

    def __init__(self, builds: int = 30, projects: tuple[int, ...] = (402, 411)) -> None:
        self.etags, self.packed = True, True
        self.forbidden: set[int] = set()
        self.empty: set[int] = set()
        self.rows: dict[str, list[dict[str, Any]]] = {
            "projects": [row("projects", p, name=f"P{p}", deleted=False, disabled=False) for p in projects],
            "builds": [build(n, projects[n % len(projects)]) for n in range(1, builds + 1)],
            "releases": [row("releases", n, end_date="2026-12-31T23:00:00.000Z") for n in (21, 22, 23)],
            "patterns": [row("patterns", n) for n in (808, 809)],
        }
        self.rows["downloads"] = [row("downloads", b["id"], **owner(b)) for b in self.rows["builds"]]
        self.asked: list[faults.Request] = []

    def answer(self, request: faults.Request) -> faults.Answer:
        """Answer a request as Express does."""
        self.asked.append(request)
        resource = request.path.rpartition("/")[2]
        project = int(request.query.get("project_id", 0))
        if project in self.forbidden:
            return faults.vendor(403, "You don't have permissions to access this project!")
        rows = [r for r in self.rows[resource] if not project or r["project_id"] == project]
        content = body([] if project in self.empty else rows)
        tag = f'W/"{hashlib.sha256(content).hexdigest()[:27]}"'
        headers = {"ETag": tag} if self.etags else {}
        if self.etags and request.headers.get("if-none-match") == tag:
            return faults.Answer(304, headers=headers)
        if self.packed:
            content, headers = gzip.compress(content, 1, mtime=0), {**headers, "Content-Encoding": "gzip"}
        return faults.content(content, "application/json", headers=headers)

    def find(self, resource: str, number: int) -> dict[str, Any]:
        """Return one row, to be changed."""
        return next(r for r in self.rows[resource] if r["id"] == number)

    def remove(self, resource: str, *numbers: int) -> None:
        """Forget rows."""
        self.rows[resource] = [r for r in self.rows[resource] if r["id"] not in numbers]

    def copy(self) -> dict[str, list[dict[str, Any]]]:
        """Return the rows as they are now."""
        return copy.deepcopy(self.rows)


def build(number: int, project: int, **changes: Any) -> dict[str, Any]:
    """Return a build with two downloads."""
    items = [download(10 * number), download(10 * number + 1)]
    return row("builds", number, project_id=project, status="FINISHED", downloads=items, **changes)


def owner(built: dict[str, Any]) -> dict[str, Any]:
    return {"build_id": built["id"], "project_id": built["project_id"]}


@contextlib.contextmanager
def serve(account: Account) -> Iterator[mk.Client]:
    """A client of a server that answers from a account."""
    with faults.serve(account.answer) as server, mk.connect(server.api, token="a-token") as client:
        yield client


def assert_same(found: pd.DataFrame, wanted: pd.DataFrame) -> None:
    """Check that two frames are equal: dtypes, values, lists, downloads, order of columns."""
    wanted = wanted.sort_index()
    assert list(found.columns) == list(wanted.columns)
    others = [name for name in wanted.columns if name != "downloads"]
    pd.testing.assert_frame_equal(found[others], wanted[others], check_exact=True)
    if "downloads" in wanted:
        assert found["downloads"].isna().tolist() == wanted["downloads"].isna().tolist()
        left, right = mk.explode_downloads(found), mk.explode_downloads(wanted)
        pd.testing.assert_frame_equal(left, right, check_exact=True)
