"""POST /metadata: the views, allowed statements, and errors."""

from __future__ import annotations

import re
import sqlite3
import uuid

import pytest

from mkframe import schema
from mkframe.demo_server import Server, metadata_sql
from mkframe.demo_server.metadata_sql import kind

VIEW = "@INFORMATION_SCHEMA."
KINDS = {"int": "integer", "flag": "integer", "str": "string", "timestamp": "timestamp"}


def query(client, statement, project="DEMO_PROJECT"):
    response = client.post("/metadata", {"project": project, "statement": statement})
    assert response.status_code == 201
    return response.json()


def rows(client, statement, project="DEMO_PROJECT"):
    response = query(client, statement, project)
    assert response["status"] == "FINISHED", response
    return response["rows"]


def test_query_returns_documented_keys(reader):
    response = query(reader, "SELECT 1 AS ONE")
    documented = [f.name for f in schema.RESOURCES["metadata"].fields]
    assert sorted(response) == sorted(documented)
    assert uuid.UUID(response["id"])
    fixed = {"user_id": 1, "type": "select_statement", "sql": "SELECT 1 AS ONE", "status": "FINISHED"}
    assert {key: response[key] for key in fixed} == fixed
    assert (response["rows"], response["metadata"]) == ([{"ONE": 1}], [{"name": "ONE", "type": "integer"}])


def test_statements_are_numbered(reader):
    assert query(reader, "SELECT 1")["stmt_no"] + 1 == query(reader, "SELECT 1")["stmt_no"]


@pytest.mark.parametrize("project", ["DEMO_PROJECT", "LOGISTICS_LAKE", "SANDBOX_2023"])
@pytest.mark.parametrize("view", schema.VIEWS.values(), ids=lambda v: v.name)
def test_view_has_documented_columns(reader, view, project):
    response = query(reader, f"SELECT * FROM {VIEW}{view.name}", project)
    assert response["status"] == "FINISHED"
    assert [(c["name"], c["type"]) for c in response["metadata"] if c["name"] != "DESCRIPTION"] == [
        (f.name, KINDS[f.type]) for f in view.fields if f.name != "DESCRIPTION"
    ]
    assert bool(response["rows"]) is (project != "SANDBOX_2023")


@pytest.mark.parametrize("view", ["TABLES", "COLUMNS", "INSTANCE_LABELS", "PATTERN_VARIABLES"])
def test_views_outside_the_schema_have_rows(reader, view):
    assert rows(reader, f"SELECT * FROM {VIEW}{view}")


def test_deliveries_are_of_finished_builds_of_project(reader):
    builds = {b["id"]: b for b in reader.get("/builds", project="SALES_DWH") if b["status"] == "FINISHED"}
    found = rows(reader, f"SELECT * FROM {VIEW}DELIVERIES", "SALES_DWH")
    assert all(row["BUILD_START"] == builds[row["BUILD_ID"]]["build_start"] for row in found)
    assert {row["MODE"] for row in found} == {"CREATION", "INST_DELTA", "PATTERN_DELTA"}


def test_delivery_counts_add_up(reader):
    for row in rows(reader, f"SELECT * FROM {VIEW}DELIVERIES"):
        assert row["CHANGE_COUNT"] == row["ADDED"] + row["CHANGED"] + row["DELETED"]
        assert (row["COMPARE_TO_BUILD_ID"] is None) is (row["MODE"] == "CREATION")
        if row["MODE"] == "PATTERN_DELTA":
            assert row["CHANGE_COUNT"] == 0


def test_instance_has_one_creation(reader):
    sql = (
        f"SELECT COUNT(*) N FROM {VIEW}DELIVERIES WHERE MODE = 'CREATION' GROUP BY PATTERN, FOLDER, INSTANCE"
    )
    assert {row["N"] for row in rows(reader, sql)} == {1}


def test_commits_are_of_users_and_builds(reader):
    found = rows(reader, f"SELECT DISTINCT TYPE, STATUS FROM {VIEW}COMMITS")
    assert {("Commit", "FINISHED"), ("Build", "FINISHED"), ("Build", "FAILED")} <= {
        (r["TYPE"], r["STATUS"]) for r in found
    }


def test_view_instances_equals_endpoint(reader):
    found = rows(reader, f"SELECT ID, INSTANCE, BUILD_ENABLED, DELETED FROM {VIEW}INSTANCES")
    listed = {i["id"]: i["name"] for i in reader.get("/instances", project_id=402)}
    off = {i["id"] for i in reader.get("/instances", project_id=402, build_disabled="true")}
    assert {r["ID"]: r["INSTANCE"] for r in found} == listed
    assert {r["ID"] for r in found if not r["BUILD_ENABLED"]} == off


def test_new_build_is_in_views(writer, airplane):
    before = len(rows(writer, f"SELECT * FROM {VIEW}DELIVERIES"))
    others = [i for i in writer.get("/instances", project_id=402, pattern_id=845) if not i["errors"]]
    body = {"project_id": 402, "instances": [{"id": others[0]["id"]}], "wait": True, "restore": True}
    for row in others:
        build = writer.post("/builds", body | {"instances": [{"id": row["id"]}]}).json()["build"]
        found = rows(writer, f"SELECT * FROM {VIEW}DELIVERIES WHERE BUILD_ID = {build['id']}")
        if found:
            break
    assert (found[0]["INSTANCE"], found[0]["USER_NAME"]) == (row["name"], writer.email)
    assert len(rows(writer, f"SELECT * FROM {VIEW}DELIVERIES")) == before + 1
    latest = rows(writer, f"SELECT LATEST_BUILD_ID L FROM {VIEW}INSTANCES WHERE ID = {row['id']}")
    assert latest == [{"L": build["id"]}]


@pytest.mark.parametrize(
    ("sql", "value"),
    [
        ("NVL(NULL, 'x')", "x"),
        ("NVL(0, 'x')", 0),
        ("DECODE(2, 1, 'one', 2, 'two', 'many')", "two"),
        ("DECODE(3, 1, 'one', 2, 'two', 'many')", "many"),
        ("DECODE(3, 1, 'one')", None),
        ("DECODE(NULL, NULL, 'none')", "none"),
        ("'@INFORMATION_SCHEMA.X'", "@INFORMATION_SCHEMA.X"),
        ("x'00ff'", "00ff"),
        ("9e999", None),
    ],
)
def test_expression_returns_value(reader, sql, value):
    assert rows(reader, f"SELECT {sql} AS V") == [{"V": value}]


def test_lower_case_window_and_limit_are_accepted(reader):
    sql = (
        "with d as (select pattern, row_number() over (partition by pattern order by id) as n "
        "from @information_schema.deliveries) select pattern, max(n) n from d group by 1 order by 2 limit 2"
    )
    found = rows(reader, sql)
    assert [list(r) for r in found] == [["PATTERN", "N"]] * 2


def test_repeated_columns_get_numbers(reader):
    assert rows(reader, "SELECT 1 AS A, 2 AS A, 3 AS A") == [{"A": 1, "A_1": 2, "A_2": 3}]


@pytest.mark.parametrize(
    "sql",
    [
        "SELEKT 1",
        "SELECT * FROM NOWHERE",
        f"DELETE FROM {VIEW}COMMITS",
        f"UPDATE {VIEW}INSTANCES SET DELETED = 1",
        f"DROP TABLE {VIEW}DELIVERIES",
        f"CREATE TABLE {VIEW}MINE (A)",
        "ATTACH '/tmp/x.db' AS X",
        "PRAGMA writable_schema = 1",
        "VACUUM INTO '/tmp/x.db'",
        "SELECT load_extension('x')",
        "SELECT CAST(x'ff' AS TEXT)",
        "SELECT '\ud800'",
        "SELECT 1; SELECT 2",
        "SELECT ABS(-9223372036854775808)",
    ],
)
def test_statement_invalid_has_error_text(reader, sql):
    response = query(reader, sql)
    assert (response["status"], response["rows"], response["metadata"]) == ("ERROR", [], [])
    assert response["error"]


def test_views_survive_invalid_statements(reader):
    assert rows(reader, f"SELECT COUNT(*) > 0 AS OK FROM {VIEW}COMMITS") == [{"OK": 1}]


def test_user_tables_can_be_written(writer):
    for sql, word in (
        ("CREATE TABLE NOTES (A INTEGER)", "create"),
        ("INSERT INTO NOTES VALUES (1), (2)", "insert"),
        ("UPDATE NOTES SET A = 3 WHERE A = 2", "update"),
        ("DELETE FROM NOTES WHERE A = 1", "delete"),
    ):
        response = query(writer, sql)
        assert (response["type"], response["status"]) == (f"{word}_statement", "FINISHED")
    assert rows(writer, "SELECT * FROM NOTES") == [{"A": 3}]


def test_close_closes_databases(monkeypatch, log_in):
    opened = []

    def connect(*given, **how):
        opened.append(sqlite3.Connection(*given, **how))
        return opened[-1]

    monkeypatch.setattr(sqlite3, "connect", connect)
    with Server(60) as server:
        query(log_in(server), "SELECT 1")
    (database,) = opened
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        database.execute("SELECT 1")


def test_statement_too_long_running_is_stopped(reader, monkeypatch):
    monkeypatch.setattr(metadata_sql, "_SECONDS", 0.2)
    response = query(
        reader, "WITH RECURSIVE C(X) AS (SELECT 1 UNION ALL SELECT X + 1 FROM C) SELECT MAX(X) FROM C"
    )
    assert (response["status"], response["error"]) == ("ERROR", "The statement ran longer than 0.2 s")


def test_result_with_too_many_rows_is_error(reader, monkeypatch):
    monkeypatch.setattr(metadata_sql, "_ROWS", 10)
    response = query(reader, f"SELECT * FROM {VIEW}INSTANCES")
    assert re.search("more than 10 rows", response["error"])


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("-- note\nselect 1", "select"),
        ("/* a */ WITH x AS (SELECT 1) SELECT 1", "select"),
        ("insert", "insert"),
        ("", "unknown"),
    ],
)
def test_kind_of_statement(sql, expected):
    assert kind(sql) == expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"statement": "SELECT 1"}, (400, "A project id or name is required!")),
        ({"project": "X", "statement": "SELECT 1"}, (404, "A project with the name 'X' does not exist!")),
        ({"project": "DEMO_PROJECT"}, (400, "'statement' is required")),
        ({"project": "DEMO_PROJECT", "statement": " "}, (400, "'statement' is required")),
    ],
)
def test_query_invalid_has_documented_message(reader, body, expected):
    assert reader.error_of("/metadata", "POST", json=body) == expected
