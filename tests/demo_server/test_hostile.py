"""Malicious and broken clients: they get the vendor's error body, and other clients are served."""

from __future__ import annotations

import base64
import contextlib
import json
import logging
import os
import re
import socket
import sqlite3
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from mkframe import schema
from mkframe.demo_server import Server, app, metadata_sql, sql_allow_list, uvicorn_server
from mkframe.demo_server.dialect import SqlError
from mkframe.demo_server.dialect._parse import read_tokens
from tests.support.processes import run_by_shell

KEYS = {"name", "message", "code"}
LINE = b"%s HTTP/1.1\r\nHost: x\r\n"
CLOSE = b"Connection: close\r\n\r\n"


def port_of(server):
    return int(server.url.split(":")[2].split("/")[0])


def connect(server):
    return socket.create_connection(("127.0.0.1", port_of(server)), timeout=20)


def read_responses(connection):
    """Read all responses up to the end of the connection: status, headers, body."""
    found = []
    with connection.makefile("rb") as stream:
        while line := stream.readline():
            headers = {}
            while (header := stream.readline()) not in (b"\r\n", b""):
                name, _, value = header.decode().partition(":")
                headers[name.lower()] = value.strip()
            body = stream.read(int(headers["content-length"]))
            found.append((int(line.split()[1]), headers, json.loads(body)))
    return found


def exchange(server, *parts):
    with connect(server) as connection:
        for n, part in enumerate(parts):
            if n:
                time.sleep(0.1)
            connection.sendall(part)
        return read_responses(connection)


def assert_error(found, status, words=""):
    ((got, headers, body),) = found
    assert (got, body["code"], set(body)) == (status, status, KEYS)
    assert headers["content-type"] == "application/json; charset=utf-8"
    assert words in body["message"]


@pytest.fixture(autouse=True)
def _nothing_is_logged(caplog, capfd):
    """Invalid requests leave no line in the log and none on stderr."""
    yield
    assert [r.getMessage() for r in caplog.get_records("call") if r.levelno >= logging.WARNING] == []
    assert capfd.readouterr().err == ""


# --- invalid and unusual HTTP ----------------------------------------------------------------------------

INVALID_HTTP = [
    b"\x16\x03\x01\x02\x00\x01\x00\n\r\n\r\n",
    b"hello\r\n\r\n",
    b"GET /\r\n\r\n",
    b"GET / HTTP/1.1\r\n\r\n",
    LINE % b"GET /api/v1/builds/\xff" + CLOSE,
    LINE % b"GET /api/v1/builds/5139 5140" + CLOSE,
    LINE % b"POST /api/v1/builds" + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n123456",
    LINE % b"POST /api/v1/builds" + b"Content-Length: -5\r\n\r\n",
    LINE % b"POST /api/v1/builds" + b"Content-Length: 1e3\r\n\r\n",
    LINE % b"POST /api/v1/builds" + b"Transfer-Encoding: gzip\r\n\r\n",
    LINE % b"GET /" + b"no colon\r\n\r\n",
    LINE % b"GET /" + b"X: \x00\r\n\r\n",
]


@pytest.mark.parametrize("words", INVALID_HTTP, ids=lambda w: repr(w[:60]))
def test_invalid_http_is_400(frozen_server, words):
    assert_error(exchange(frozen_server, words), 400, "not valid HTTP")


def test_invalid_chunk_is_400(frozen_server):
    head = LINE % b"POST /authentication" + b"Transfer-Encoding: chunked\r\n\r\n"
    assert_error(exchange(frozen_server, head, b"zz\r\nhello\r\n"), 400, "not valid HTTP")


def test_invalid_chunk_after_response_closes_connection(frozen_server):
    head = LINE % b"POST /api/v1/builds" + b"Transfer-Encoding: chunked\r\n\r\n"
    assert_error(exchange(frozen_server, head, b"zz\r\nhello\r\n"), 401, "Not authenticated")


@pytest.mark.parametrize("method", ["FOO", "get", "TRACE", "PROPFIND", "OPTIONS", "M-SEARCH"])
def test_unusual_method_is_405_with_allow(frozen_server, method):
    ((status, headers, body),) = exchange(frozen_server, LINE % f"{method} /api/v1/builds".encode() + CLOSE)
    assert (status, headers["allow"], body["name"]) == (405, "GET, HEAD, POST", "MethodNotAllowed")


@pytest.mark.parametrize(
    "target",
    [
        "*", "/", "//", "/api/v1", "/api/v1/", "/api/v1/builds/", "/api/v1//builds", "/API/v1/builds",
        "/api/v1/../v1/builds", "/api/v1/builds/1/2", "/api/v1/builds/a%2Fb",
        "/api/v1/downloads/..%2f..%2fetc", "example.com:443", "http://127.0.0.1/api/v1/builds",
        "/authentication/", "/api/v1/authentication", "/api/v1/users", "/" + "a" * 9000,
    ],
)  # fmt: skip
def test_invalid_path_is_404(frozen_server, target):
    assert_error(exchange(frozen_server, LINE % f"GET {target}".encode() + CLOSE), 404, "Page not found")


@pytest.mark.parametrize("id", ["%00", "%ff", "1%0a", ";1", "%D9%A3", "1e3", "0x10", "9" * 9000])
def test_invalid_id_is_404(reader, id):
    status, message = reader.error_of(f"/builds/{id}")
    assert (status, message.startswith("No record found for id '")) == (404, True)


def test_upgrade_request_is_answered_normally(frozen_server):
    headers = b"Connection: upgrade, close\r\nUpgrade: websocket\r\n\r\n"
    assert_error(exchange(frozen_server, LINE % b"GET /api/v1/builds" + headers), 401)


def test_http_1_0_is_answered(frozen_server):
    assert_error(exchange(frozen_server, b"GET /api/v1/builds HTTP/1.0\r\n\r\n"), 401)


def test_pipelined_requests_are_answered_in_order(frozen_server):
    paths = [f"GET /api/v1/{n}".encode() for n in range(3)] + [b"GET /api/v1/builds"]
    found = exchange(
        frozen_server,
        b"".join(LINE % path + b"\r\n" for path in paths) + LINE % b"DELETE /api/v1/builds" + CLOSE,
    )
    assert [status for status, *_ in found] == [404, 404, 404, 401, 405]


def test_invalid_http_in_pipeline_ends_it(frozen_server):
    found = exchange(frozen_server, LINE % b"GET /api/v1/builds" + b"\r\n" + b"nonsense\r\n\r\n")
    assert [status for status, *_ in found] == [401, 400]


# --- tokens ---------------------------------------------------------------------------------------------


def part(content):
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


CLAIMS = part(b'{"sub":"1","exp":9999999999}')
HEADERS = [
    b'{"alg":"none"}', b'{"alg":"RS256"}', b'{"alg":5}', b'{"alg":{}}', b'{"alg":["HS256"]}',
    b'{"alg":1e999}', b'{"alg":"HS256","kid":5}', b'{"alg":"HS256","crit":5}', b'{"alg":"HS256","b64":false}',
    b"[]", b"null", b"5", b"\xff", b"", b"[" * 5000, b'{"alg":' * 1200,
]  # fmt: skip


@pytest.mark.parametrize("header", HEADERS, ids=lambda h: repr(h[:40]))
@pytest.mark.parametrize("signature", ["", "x", part(b"x" * 32)])
def test_token_unsigned_is_401(frozen_server, header, signature):
    token = f"{part(header)}.{CLAIMS}.{signature}"
    response = requests.get(
        frozen_server.url + "/projects", headers={"Authorization": f"Bearer {token}"}, timeout=20
    )
    assert (response.status_code, response.json()["message"]) == (401, "Not authenticated")


@pytest.mark.parametrize(
    "header",
    [
        b"Bearer \xe9",
        b"Bearer \xff.\xff.\xff",
        b"Bearer ..",
        b"Bearer",
        b"bearer  ",
        b"Bearer " + b"a" * 9000,
    ],
)
def test_authorization_invalid_is_401(frozen_server, header):
    assert_error(
        exchange(frozen_server, LINE % b"GET /api/v1/builds" + b"Authorization: " + header + b"\r\n" + CLOSE),
        401,
    )


# --- bodies ---------------------------------------------------------------------------------------------

POSTS = [r.path for r in schema.RESOURCES.values() if {"start", "query"} & set(r.verbs)]
BODIES = [
    b"null", b"5", b"true", b'"x"', b"[]", b"{", b"\xff", b"\xef\xbb\xbf", b'{"a":1}}', b"NaN",
    b"[" * 100_000, b'{"a":' * 100_000, b'{"project_id":' + b"9" * 5000 + b"}", b'{"project_id":NaN}',
    b'{"project_id":1e999}', b'{"project_id":{}}', b'{"build_id":[]}', b'{"statement":{}}',
    b'{"project":"DEMO_PROJECT","instances":[[]]}', b'{"project":"DEMO_PROJECT","instances":[{"id":1e999}]}',
    b'{"project":{"$ne":null}}',
]  # fmt: skip


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize("body", BODIES, ids=lambda b: repr(b[:50]))
def test_body_of_invalid_type_is_400(reader, path, body):
    assert reader.error_of(path, "POST", data=body)[0] == 400


def login(server, **more):
    return requests.post(server.url.removesuffix("/api/v1") + "/authentication", timeout=20, **more)


@pytest.mark.parametrize("body", BODIES, ids=lambda b: repr(b[:50]))
def test_login_body_invalid_is_rejected(frozen_server, body):
    response = login(frozen_server, data=body)
    assert (response.status_code, set(response.json())) == (413 if len(body) > 64_000 else 400, KEYS)


@pytest.mark.parametrize("data", [b" " * 65_000, lambda: chunks(1)], ids=["of a known length", "in chunks"])
def test_login_too_large_is_not_parsed(frozen_server, data, monkeypatch):
    monkeypatch.setattr(app, "_parse_json", lambda content: pytest.fail("read"))
    response = login(frozen_server, data=data() if callable(data) else data)
    assert (response.status_code, response.json()["message"]) == (413, "The body is too large")


@pytest.mark.parametrize("value", [b"[]", b"{}", b"0", b'""', b"1.5", b"[[[[]]]]"])
@pytest.mark.parametrize("path", POSTS)
def test_body_of_many_values_is_not_parsed(reader, path, value, monkeypatch):
    monkeypatch.setattr(app, "_parse_json", lambda content: pytest.fail("read"))
    body = b'{"instances":[' + b",".join([value] * 250_000) + b"]}"
    assert reader.error_of(path, "POST", data=body) == (413, "The body holds too many values")


def test_commas_in_text_are_not_counted(reader):
    body = {"project": "," * 500_000 + '"{[' * 1000, "statement": "SELECT 1"}
    assert reader.error_of("/metadata", "POST", json=body)[0] == 404


def test_bodies_beyond_memory_limit_are_503(frozen_server, reader, monkeypatch):
    monkeypatch.setattr(app, "_BODY_MEMORY", 1_000_000)
    token = reader.session.headers["Authorization"].encode()
    head = LINE % b"POST /api/v1/builds" + b"Authorization: " + token + b"\r\n"
    with connect(frozen_server) as slow:
        slow.sendall(head + b"Content-Length: 900001\r\n\r\n" + b" " * 900_000)
        time.sleep(0.3)
        refused = reader.error_of("/builds", "POST", data=b" " * 200_000)
        slow.sendall(b" ")
        slow.recv(100)
    assert refused == (503, "Other large bodies are being answered: try again later")
    assert reader.error_of("/builds", "POST", data=b" " * 200_000)[0] == 400


@pytest.mark.parametrize("digits", [25, 5_000])
def test_content_length_of_many_digits_is_rejected(frozen_server, digits):
    head = LINE % b"POST /authentication" + b"Content-Length: " + b"9" * digits + CLOSE
    assert exchange(frozen_server, head)[0][0] in (400, 413)


@pytest.mark.parametrize(
    "flood", [b"X: y\r\n" * 20_000, b"X: " + b"y" * 100_000 + b"\r\n", b"X-%d: y\r\n" * 20_000]
)
def test_too_many_headers_are_400(frozen_server, flood):
    with connect(frozen_server) as connection:
        try:
            connection.sendall(LINE % b"GET /api/v1/builds" + flood + CLOSE)
            assert_error(read_responses(connection), 400)
        except ConnectionError:  # closed before all was sent
            pass


@pytest.mark.parametrize("depth", [900, 960, 980, 990, 1000])
def test_nested_password_is_rejected(frozen_server, depth):
    body = '{"email":"demo@example.com","password":' + "[" * depth + "]" * depth + "}"
    response = requests.post(
        frozen_server.url.removesuffix("/api/v1") + "/authentication", data=body, timeout=20
    )
    assert response.status_code in (400, 401)


HUGE = ["9" * 18, str(2**63 - 1), str(2**63), f"-{2**63}", str(2**64), "9" * 4000]


@pytest.mark.parametrize("number", HUGE, ids=lambda n: f"{n[:20]} {len(n)}")
@pytest.mark.parametrize(
    ("path", "key", "expected"),
    [
        ("/builds", "project_id", 404),
        ("/builds", "user_id", 404),
        ("/downloads", "pattern_id", 404),
        ("/downloads", "build_id", 200),
        ("/build_deployments", "build_id", 200),
        ("/releases", "group_id", 404),
    ],
)
def test_huge_number_in_filter_matches_nothing(reader, path, key, expected, number):
    response = reader.request(path, params={key: number})
    assert response.status_code == expected
    assert response.json() == [] if expected == 200 else number in response.json()["message"]


def test_number_of_too_many_digits_is_400(reader):
    assert reader.error_of(f"/builds?project_id={'9' * 9000}") == (400, "'project_id' must be an integer")


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/builds", {"project_id": int("9" * 4000), "instances": [{"id": 1}]}, 404),
        ("/builds", {"project_id": 402, "instances": [{"id": int("9" * 4000)}]}, 404),
        ("/build_deployments", {"build_id": int("9" * 4000), "deployment": "GIT_MAIN"}, 404),
        ("/metadata", {"project_id": -int("9" * 4000), "statement": "SELECT 1"}, 404),
    ],
    ids=lambda x: x if isinstance(x, str) else "",
)
def test_huge_number_in_body_is_404(reader, path, body, status):
    assert reader.error_of(path, "POST", json=body)[0] == status


def test_body_of_ten_megabytes_is_read(reader):
    assert reader.error_of("/builds", "POST", data=b'{"project":"' + b"x" * 10_000_000 + b'"}')[0] == 404


def chunks(many):
    for _ in range(many):
        yield b" " * 1_000_000


@pytest.mark.parametrize("data", [b" " * 25_000_000, chunks], ids=["of a known length", "in chunks"])
def test_body_above_limit_is_413(reader, data):
    body = data(25) if callable(data) else data
    assert reader.error_of("/builds", "POST", data=body) == (413, "The body is too large")


def test_large_body_without_token_is_401(frozen_server):
    response = requests.post(frozen_server.url + "/builds", data=b" " * 25_000_000, timeout=20)
    assert response.status_code == 401


def test_disconnect_within_body_is_not_logged(frozen_server, reader):
    with connect(frozen_server) as connection:
        connection.sendall(LINE % b"POST /authentication" + b'Content-Length: 500\r\n\r\n{"a')
        time.sleep(0.1)
    assert reader.get("/projects")


# --- slow clients ---------------------------------------------------------------------------------------


@pytest.fixture
def impatient_server(monkeypatch):
    monkeypatch.setattr(app, "_BODY_SECONDS", 0.3)
    monkeypatch.setattr(uvicorn_server, "_IDLE_SECONDS", 0.3)
    with Server(builds=5) as server:
        yield server


def test_body_that_never_arrives_is_408(impatient_server):
    head = LINE % b"POST /authentication" + b'Content-Length: 500\r\n\r\n{"a'
    assert_error(exchange(impatient_server, head), 408, "did not come in time")


@pytest.mark.parametrize("words", [b"", b"GET /api/v1/bui", LINE % b"GET /api/v1/builds"])
def test_head_that_never_arrives_closes_connection(impatient_server, words):
    assert exchange(impatient_server, words) == []


def test_many_idle_connections_do_not_block_others(frozen_server, reader):
    silent = [connect(frozen_server) for _ in range(200)]
    try:
        for n, connection in enumerate(silent):
            connection.sendall(
                (b"", b"GET /api", LINE % b"POST /authentication" + b"Content-Length: 9\r\n\r\n{")[n % 3]
            )
        assert len(reader.get("/builds")) == 1500
    finally:
        for connection in silent:
            connection.close()


def test_client_that_never_reads_does_not_block_others(frozen_server, reader):
    token = reader.session.headers["Authorization"].encode()
    with connect(frozen_server) as unread:
        unread.sendall((LINE % b"GET /api/v1/builds" + b"Authorization: " + token + b"\r\n\r\n") * 20)
        assert len(reader.get("/builds")) == 1500


# --- statements and descriptions ------------------------------------------------------------------------


def query(client, statement):
    response = client.post("/metadata", {"project": "DEMO_PROJECT", "statement": statement})
    assert response.status_code == 201, response.text
    return response.json()


def test_half_surrogate_pair_in_description_is_replaced(writer, airplane):
    response = writer.request(
        "/builds", "POST", data=json.dumps(airplane | {"description": "a\ud800", "wait": True})
    )
    build = response.json()["build"]["id"]
    found = query(writer, "SELECT DESCRIPTION D FROM @INFORMATION_SCHEMA.COMMITS WHERE TYPE = 'Build'")
    assert writer.get(f"/builds/{build}")["description"] == "a\ud800"
    assert {"D": "a\ufffd"} in found["rows"]


def test_description_too_long_is_400(writer, airplane):
    most = writer.post("/builds", airplane | {"description": "\U0001f6eb" * 200_000, "wait": True})
    assert most.status_code == 201
    refused = writer.error_of("/builds", "POST", json=airplane | {"description": "x" * 200_001})
    assert refused == (400, "'description' is too long")
    longest = query(writer, "SELECT MAX(LENGTH(DESCRIPTION)) L FROM @INFORMATION_SCHEMA.COMMITS")
    assert longest["rows"] == [{"L": 200_000}]


THOUSAND_ROWS = "WITH C AS (SELECT LEVEL AS X CONNECT BY LEVEL <= 1000) "
LONG = f"'{'x' * 100_000}'"


def chain(length, step, end=""):
    """A chain of derived tables, each of which reads the one before."""
    links = "".join(f", A{n} AS (SELECT {step} AS X FROM A{n - 1})" for n in range(1, length + 1))
    return (
        f"WITH A0 AS (SELECT ID AS X FROM @INFORMATION_SCHEMA.INSTANCES){links} SELECT X FROM A{length}{end}"
    )


@pytest.mark.parametrize(
    ("statement", "error"),
    [
        (THOUSAND_ROWS + f"SELECT X || {LONG} FROM C", "more than 2 MB"),
        (f"WITH Q(V) AS (SELECT {LONG}) SELECT {', '.join(['V'] * 190)} FROM Q", "row .* more than 16 MB"),
        (f"SELECT {', '.join('1' * 300)}", "too many columns"),
        (f"SELECT {' || '.join(['V'] * 20)} FROM (SELECT {LONG} AS V)", "longer than 1000000 characters"),
        (f"SELECT REPLACE(V, 'x', V) FROM (SELECT {LONG} AS V)", "longer than 1000000 characters"),
        (f"SELECT '{'x' * 2_000_000}'", "too large"),
        (f"SELECT {'(' * 5000}1{')' * 5000}", "nested too deeply"),
        (chain(20, "X" + " + 1" * 900), "nested too deeply"),
        (chain(5_000, "X"), "more than 100 SELECTs"),
        (f"SELECT 1 WHERE {LONG} LIKE '{'%_a' * 200}'", "LIKE with _ over such a long text"),
        (f"SELECT 1 WHERE REGEXP_INSTR('{'a' * 50}!', '^(a|aa)+$') = 1", "ran longer than"),
        ("SELECT '\0'", "the character 0"),
    ],
    ids=lambda x: x[:30],
)
def test_statement_above_limits_is_error(reader, monkeypatch, statement, error):
    monkeypatch.setattr(metadata_sql, "_BYTES", 2_000_000)
    answer = query(reader, statement)
    assert (answer["status"], answer["rows"]) == ("ERROR", [])
    assert re.search(error, answer["error"])


NOT_ALLOWED = [
        "SELECT fts3_tokenizer('simple', x'4141414141414141')", "SELECT load_extension('x')",
        "SELECT zeroblob(10)", "SELECT randomblob(10)", "SELECT printf('%.*c', 900000, 'x')",
        "SELECT json_array(1)", "SELECT group_concat(1)", "SELECT json_group_array(1)",
        "SELECT sqlite_version()",
        "SELECT CURRENT_TIMESTAMP", "SELECT 'a' GLOB '*'", "SELECT 1 -> 2", "SELECT char(1)", "SELECT hex(1)",
        "CREATE TABLE NEW (A, B AS (zeroblob(A)))", "CREATE TABLE NEW (A CHECK (randomblob(A) > 0))",
        "CREATE VIRTUAL TABLE NEW USING fts3(A)", "CREATE VIRTUAL TABLE NEW USING rtree(A, B, C)",
        "CREATE VIRTUAL TABLE temp.NEW USING fts4aux(main, A)",
        "CREATE TEMP TABLE NEW (A)", "CREATE INDEX NEW ON MINE (A)",
        "CREATE TRIGGER NEW AFTER INSERT ON MINE BEGIN SELECT 1; END",
        "CREATE TABLE NEW (A INTEGER PRIMARY KEY AUTOINCREMENT)",
        "CREATE TABLE @INFORMATION_SCHEMA.NEW (A)", "DROP TABLE @INFORMATION_SCHEMA.COMMITS",
        "WITH X AS (SELECT 1) DELETE FROM @INFORMATION_SCHEMA.COMMITS",
        "CREATE TABLE NEW AS SELECT value FROM json_each('[1]')",
        "SELECT value FROM json_each('[1]')", "SELECT COUNT(*) FROM json_each('[1]')",
        "SELECT 1 FROM json_tree('1')",
        "SELECT COUNT(*) FROM pragma_table_list", "SELECT * FROM pragma_integrity_check",
        "SELECT COUNT(*) FROM dbstat", "SELECT sql FROM sqlite_stmt", "SELECT * FROM fts3tokenize",
        "SELECT * FROM sqlite_master", "SELECT COUNT(*) FROM sqlite_master",
        "SELECT COUNT(*) FROM sqlite_schema",
        "SELECT name FROM @INFORMATION_SCHEMA.sqlite_master", "SELECT * FROM sqlite_temp_master",
        "UPDATE sqlite_master SET sql = 'x'", "DELETE FROM sqlite_master",
        "INSERT INTO sqlite_master VALUES (1, 2, 3, 4, 5)",
        "PRAGMA writable_schema = 1", "PRAGMA hard_heap_limit = 1", "DETACH INFORMATION_SCHEMA",
        "ATTACH 'x' AS X",
        "VACUUM", "ANALYZE", "REINDEX", "BEGIN", "SAVEPOINT A", "EXPLAIN SELECT 1", "ALTER TABLE MINE ADD B",
        "/* SELECT */ PRAGMA user_version", "-- SELECT\nEXPLAIN SELECT 1", "(((EXPLAIN SELECT 1",
]  # fmt: skip


@pytest.mark.parametrize("statement", NOT_ALLOWED)
def test_statement_not_allowed_is_error(frozen_server, viewer, statement):
    answer = query(viewer, statement)
    assert (answer["status"], answer["rows"]) == ("ERROR", [])
    assert re.match("(Compile|Syntax|Runtime)?Error: ", answer["error"])


UNASKED = {"EXPLAIN", "BEGIN", "REINDEX"}
"""Statements that SQLite does not ask about, that are allowed to ours, or that find nothing to do."""
REFUSED = "not authorized|authorization denied|prohibited|no such|syntax|constructor|may not"


def guarded(statement):
    """Run a statement past the dialect, as if it had let it through."""
    with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as database:
        database.execute("ATTACH ':memory:' AS INFORMATION_SCHEMA")
        database.execute("CREATE TABLE INFORMATION_SCHEMA.COMMITS (A)")
        database.execute("CREATE TABLE MINE (A)")
        modules = {row[0].lower() for row in database.execute("PRAGMA module_list")}
        sql_allow_list.apply_limits(database)
        kind = metadata_sql.kind(statement)
        database.set_authorizer(sql_allow_list.Authorizer(kind, "INFORMATION_SCHEMA", ["MINE"], modules))
        return database.execute(statement.replace("@", "")).fetchall()


@pytest.mark.parametrize("statement", [s for s in NOT_ALLOWED if not set(s.split()) & UNASKED])
def test_sqlite_refuses_statement_not_allowed(statement):
    with pytest.raises((sqlite3.Error, sqlite3.Warning), match=REFUSED):
        guarded(statement)


def test_sqlite_runs_statement_that_is_allowed():
    assert guarded("SELECT COUNT(*), COALESCE(MAX(A), 1) FROM INFORMATION_SCHEMA.COMMITS") == [(0, 1)]
    assert guarded("INSERT INTO MINE VALUES (1)") == []


def test_function_in_column_default_is_not_run(writer):
    answer = query(writer, "CREATE TABLE MINE (A INTEGER, B STRING DEFAULT zeroblob(9))")
    assert "ZEROBLOB does not exist" in answer["error"]


def test_user_table_may_have_name_of_a_module(writer):
    query(writer, "CREATE TABLE json_each (A INTEGER)")
    assert query(writer, "SELECT COUNT(*) AS N FROM json_each")["rows"] == [{"N": 0}]


def test_views_of_views_are_limited(writer):
    query(writer, "CREATE VIEW V0 AS SELECT 1 AS A")
    errors = []
    for n in range(1, 12):
        sql = f"CREATE VIEW V{n} AS SELECT X.A FROM V{n - 1} X JOIN V{n - 1} Y ON X.A = Y.A"
        errors.append(query(writer, sql).get("error"))
    assert errors[0] is None
    assert "at most 200 sources" in errors[-1] or "does not exist" in errors[-1]
    assert query(writer, "SELECT A FROM V3")["rows"] == [{"A": 1}]


RUNAWAY = "WITH C AS (SELECT LEVEL AS X CONNECT BY LEVEL > 0) "
GREEDY = {
    "sort": RUNAWAY + f"SELECT X || {LONG} FROM C ORDER BY 1",
    "doubling": chain(30, "X + X"),
    "escapes": "SELECT " + ", ".join([f"V || '{n}' AS V{n}" for n in range(15)])
    + f" FROM (SELECT '{chr(1) * 900_000}' AS V)",
    "wide": "SELECT " + ", ".join([f"V || '{n}' AS V{n}" for n in range(200)])
    + f" FROM (SELECT '\U0001f6eb{'x' * 900_000}' AS V)",
    "cells": THOUSAND_ROWS.replace("1000", "199000") + f"SELECT {', '.join(['X'] * 199)} FROM C",
}  # fmt: skip
SERVE = """
import json, resource, sys, requests
from mkframe.demo_server import Server, metadata_sql
metadata_sql._SECONDS = 2
with Server(builds=20) as server:
    root = server.url.removesuffix("/api/v1")
    login = {"strategy": "local", "email": server.viewer.email, "password": server.viewer.password}
    token = requests.post(root + "/authentication", json=login).json()["accessToken"]
    for statement in json.load(sys.stdin):
        body = {"project_id": 402, "statement": statement}
        head = {"Authorization": "Bearer " + token}
        response = requests.post(server.url + "/metadata", json=body, headers=head)
        assert response.status_code == 201, response.text
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the unit of the peak differs")
def test_large_statements_stay_below_a_gigabyte(tmp_path):
    (tmp_path / "serve.py").write_text(SERVE)
    done = run_by_shell(
        [sys.executable, str(tmp_path / "serve.py")], timeout=120, input=json.dumps(list(GREEDY.values())),
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 700_000


@pytest.mark.parametrize(
    "expression",
    [
        f"LENGTH(LTRIM(LPAD('a', 400000, 'a'), '{''.join(map(chr, range(0x4E00, 0x9E00)))}b'))",
        "INSTR(LPAD('a', 600000, 'a'), LPAD('a', 300000, 'a') || 'b')",
        "LENGTH(REPLACE(LPAD('a', 600000, 'a'), LPAD('a', 300000, 'a') || 'b', ''))",
        f"CASE WHEN LPAD('a', 100000, 'a') LIKE '%{'a' * 60}b%' THEN 1 ELSE 0 END",
        f"CASE WHEN LPAD('a', 30000, 'a') LIKE '%{'_' * 60}b%' THEN 1 ELSE 0 END",
    ],
    ids=["ltrim", "instr", "replace", "like", "any character"],
)
def test_function_with_long_text_is_fast(reader, expression):
    began = time.monotonic()
    answer = query(reader, f"SELECT {expression} AS X")
    assert answer["status"] == "FINISHED", answer["error"]
    assert time.monotonic() - began < 4


def test_requests_are_answered_while_statements_run(frozen_server, reader, viewer, monkeypatch):
    monkeypatch.setattr(metadata_sql, "_SECONDS", 6)
    body = {"project_id": 402, "statement": RUNAWAY + "SELECT MAX(X) FROM C"}
    how = {"json": body, "headers": viewer.session.headers, "timeout": 60}
    with ThreadPoolExecutor(60) as pool:  # more than the threads that response requests
        futures = [pool.submit(requests.post, frozen_server.url + "/metadata", **how) for _ in range(60)]
        time.sleep(0.5)
        monkeypatch.setattr(metadata_sql, "_SECONDS", 0.01)
        assert len(reader.get("/builds")) == 1500
        assert not any(future.done() for future in futures)
        assert {future.result().json()["status"] for future in futures} == {"ERROR"}


@pytest.mark.parametrize("words", ["/* ", "' ", '" ', "/**/", "--\n", "\n"])
def test_parse_time_is_linear_in_length(words):
    def seconds(times):
        started = time.thread_time()
        metadata_sql.kind(words * times)
        with contextlib.suppress(SqlError):
            read_tokens(words * times + "x")
        return time.thread_time() - started

    # forty times the text: a time that grows with its square would be 1,600 times as long
    assert min(map(seconds, [40_000] * 3)) < 400 * max(min(map(seconds, [1_000] * 3)), 1e-4)


def test_many_concurrent_requests_are_answered(frozen_server):
    def ask(n):
        body = BODIES[n % len(BODIES)]
        return requests.post(frozen_server.url + POSTS[n % len(POSTS)], data=body, timeout=30).status_code

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(ask, range(120))) == {401}
