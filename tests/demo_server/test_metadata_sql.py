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
KINDS = {"int": "integer", "flag": "integer", "str": "string", "naive": "timestamp"}


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
    own = view.name in ("TABLES", "COLUMNS")
    assert bool(response["rows"]) is (project != "SANDBOX_2023" and not own)


def test_labels_have_the_colors_of_the_endpoint(reader):
    colors = {r["name"]: r["color"] for r in reader.get("/labels")}
    found = rows(reader, f"SELECT LABEL, COLOR, CREATED FROM {VIEW}INSTANCE_LABELS")
    assert found
    assert all(row["COLOR"] == colors[row["LABEL"]] and row["CREATED"] for row in found)


def test_variables_of_a_folder_are_the_nearest_ones(reader):
    sql = f"SELECT FOLDER, VALUE FROM {VIEW}PATTERN_VARIABLES WHERE PATTERN = 'CORE_DV_HLS' AND NAME = "
    sizes = {r["FOLDER"]: r["VALUE"] for r in rows(reader, sql + "'BATCH_SIZE'")}
    (first,) = (r for r in reader.get("/pattern_variables", project_id=402, pattern="CORE_DV_HLS",
                                      name="BATCH_SIZE") if r["level"] == "instance_folder")  # fmt: skip
    (folder,) = (f for f in reader.get("/instance_folders", project_id=402, pattern="CORE_DV_HLS")
                 if f["id"] == first["instance_folder_id"])  # fmt: skip
    near = {path for path in sizes if f"{path}/".startswith(f"{folder['path']}/")}
    assert {path: size for path, size in sizes.items() if path in near} == dict.fromkeys(near, "5000")
    assert {size for path, size in sizes.items() if path not in near} == {"1000"}
    assert {r["VALUE"] for r in rows(reader, sql + "'TARGET_SCHEMA'")} == {"DEMO_PROJECT"}


def test_commits_of_a_pattern_are_those_of_the_schema(reader):
    listed = f"SELECT * FROM {VIEW}COMMITS WHERE PATTERN = 'CORE_DV_HLS' ORDER BY COMMIT_TIMESTAMP, INSTANCE"
    own = rows(reader, "SELECT * FROM @COMMITS.CORE_DV_HLS ORDER BY COMMIT_TIMESTAMP, INSTANCE")
    expected = [{k: v for k, v in row.items() if k != "PATTERN"} for row in rows(reader, listed)]
    assert own == expected
    assert own


def test_instance_rows_follow_the_documented_columns(reader):
    answer = query(reader, "SELECT * FROM @INSTANCES.CORE_DV_HLS")
    technical = ["@PATTERN", "@FOLDER", "@INSTANCE", "@RELEASE", "@POS_NO", "@DELETED"]
    listed = [r["name"] for r in reader.get("/instance_properties", pattern="CORE_DV_HLS")]
    names = [c["name"] for c in answer["metadata"]]
    assert (names[:6], names[6:8]) == (technical, ["FUNCTIONAL_ROLE", "NAME"])
    assert set(names[8:]) == set(listed) - {"FUNCTIONAL_ROLE", "NAME"}
    instances = {(r["@FOLDER"], r["@INSTANCE"]) for r in answer["rows"]}
    listed = reader.get("/instances", project_id=402, pattern="CORE_DV_HLS")
    assert len(instances) == len(listed)
    assert {i for _, i in instances} == {row["name"] for row in listed}


def test_inserted_instance_rows_are_read_back(writer):
    columns = "@FOLDER, @RELEASE, @INSTANCE, @POS_NO, FUNCTIONAL_ROLE, NAME"
    answer = query(
        writer, f"INSERT INTO @INSTANCES.CORE_DV_HLS ({columns}) SELECT '/X', 'R1', 'NEW', 1, 'SK', 'K'"
    )
    assert answer["message"] == "Inserted 1 records, merged 0 records, created 1 new instances"
    found = rows(writer, "SELECT NAME FROM @INSTANCES.CORE_DV_HLS WHERE \"@INSTANCE\" = 'NEW'")
    assert found == [{"NAME": "K"}]


def test_current_user_and_release_are_those_of_the_asker(viewer):
    (row,) = rows(viewer, "SELECT CURRENT_USER AS U, CURRENT_RELEASE('CORE_DV_HLS') AS R")
    today = [r for r in viewer.get("/releases", group="DWH_GROUP") if r["name"] == row["R"]]
    assert row["U"] == viewer.email
    assert today[0]["start_date"] <= "2026-06-17T09:30" < today[0]["end_date"]


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
        ("73/4", 18.25),
        ("'DN' || NULL || 25", "DN25"),
    ],
)
def test_expression_returns_value(reader, sql, value):
    assert rows(reader, f"SELECT {sql} AS V") == [{"V": value}]


def test_lower_case_window_and_limit_are_accepted(reader):
    sql = (
        "with d as (select pattern, row_number() over (partition by pattern order by id) as n "
        "from @information_schema.deliveries) "
        "select pattern, max(n) n from d group by pattern order by 2 limit 2"
    )
    found = rows(reader, sql)
    assert [list(r) for r in found] == [["PATTERN", "N"]] * 2


def test_repeated_columns_keep_the_last_value(reader):
    response = query(reader, "SELECT 1 AS A, 'x' AS A, 3 AS A")
    assert response["rows"] == [{"A": 3}]
    assert [c["name"] for c in response["metadata"]] == ["A", "A", "A"]


@pytest.mark.parametrize(
    "sql",
    [
        "SELEKT 1",
        "SELECT * FROM NOWHERE",
        "SELECT CURRENT_RELEASE('NOWHERE')",
        f"DELETE FROM {VIEW}COMMITS",
        f"UPDATE {VIEW}INSTANCES SET DELETED = 1",
        f"DROP TABLE {VIEW}DELIVERIES",
        f"CREATE TABLE {VIEW}MINE (A)",
        "ATTACH '/tmp/x.db' AS X",
        "PRAGMA writable_schema = 1",
        "VACUUM INTO '/tmp/x.db'",
        "SELECT load_extension('x')",
        "SELECT x'ff'",
        "SELECT 9e999",
        "SELECT '\ud800'",
        "SELECT 1; SELECT 2",
        "SELECT SUM(A) FROM (SELECT 9223372036854775807 AS A UNION ALL SELECT 1)",
    ],
)
def test_statement_invalid_has_error_text(reader, sql):
    response = query(reader, sql)
    assert (response["status"], response["rows"], response["metadata"]) == ("ERROR", [], [])
    assert response["error"]


def test_views_survive_invalid_statements(reader):
    (row,) = rows(reader, f"SELECT COUNT(*) AS N FROM {VIEW}COMMITS")
    assert row["N"] > 0


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
    response = query(reader, "SELECT MAX(X) AS M FROM (SELECT LEVEL AS X CONNECT BY LEVEL > 0)")
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
