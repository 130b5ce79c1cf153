"""Vectors of the documented dialect, through a client of the demo server."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

import mkframe as mk
from mkframe.demo_server import Server

DATA = json.loads((Path(__file__).parent / "vectors.json").read_text())
PROJECTS = ["DEMO_PROJECT", "SALES_DWH", "LOGISTICS_LAKE"]


@pytest.fixture(scope="module")
def server():
    with Server(builds=5) as server:
        yield server


@pytest.fixture(scope="module")
def client(server):
    with mk.connect(server.url, email=server.email, password=server.password) as client:
        yield client


@pytest.fixture
def query(server, client):
    """Query a project whose tables of the vectors are gone."""
    fixture = DATA["pipe_load"]
    server.add_pattern(
        402,
        "PIPE_LOAD",
        properties=dict.fromkeys(fixture["properties"], "string"),
        roles=fixture["roles"],
        rows=[(folder, name, None, row) for folder, name, row in fixture["rows"]],
    )

    def run(statement):
        return client.metadata.query(statement, project="DEMO_PROJECT", write=True)

    yield run
    found = run("SELECT TABLE_FOLDER AS F, TABLE_NAME AS N, TABLE_TYPE AS T FROM @INFORMATION_SCHEMA.TABLES")
    for folder, name, kind in found.itertuples(index=False):
        run(f"DROP {kind} {folder[1:]}.{name}")


def plain(frame):
    values = [[None if pd.isna(v) else v for v in row] for row in frame.itertuples(index=False)]
    return [[float(v) if isinstance(v, int | float) else v for v in row] for row in values]


@pytest.mark.parametrize("vector", DATA["vectors"], ids=[v["id"] for v in DATA["vectors"]])
def test_vector_gives_the_documented_rows(query, vector):
    for statement in (DATA["pump"] if vector["pump"] else []) + vector["setup"]:
        query(statement)
    if "error" in vector:
        with pytest.raises(mk.errors.QueryFailedError, match=vector["error"]):
            query(vector["statement"])
        return
    frame = query(vector["statement"])
    expected = [[float(v) if isinstance(v, int | float) else v for v in row] for row in vector["rows"]]
    found = plain(frame)
    if not vector["ordered"]:
        found, expected = sorted(found, key=repr), sorted(expected, key=repr)
    assert list(frame.columns) == vector["columns"]
    assert found == expected


def test_demo_answers_in_the_dialect():
    with mk.demo(builds=5) as client:
        frame = client.metadata.query("SELECT 9/4 AS Q, 'a' || NULL AS T", project="DEMO_PROJECT")
    assert plain(frame) == [[2.25, "a"]]
