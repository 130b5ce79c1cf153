"""The wire: logins, tokens, methods, error bodies, ETag, gzip."""

from __future__ import annotations

import gzip
import time

import jwt
import pytest
import requests

from mkframe import schema
from mkframe.demo_server import Server
from mkframe.demo_server.responses import accepts_gzip

READABLE = [r for r in schema.RESOURCES.values() if "find" in r.verbs]


def needs(resource: schema.Resource) -> dict[str, str]:
    required = any(rule.required for rule in resource.exclusive)
    return {"project": "DEMO_PROJECT"} if required else {}


def test_a_login_answers_as_documented(reader):
    answer = reader.login()
    assert answer.status_code == 201
    body = answer.json()
    assert body["authentication"] == {"strategy": "local", "accessToken": body["accessToken"]}
    assert body["user"] == {"id": 1, "email": reader.email}


def test_the_token_tells_when_it_expires(reader):
    claims = jwt.decode(reader.login().json()["accessToken"], options={"verify_signature": False})
    assert claims["exp"] - claims["iat"] == pytest.approx(3600, abs=1)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"password": "wrong"}, (401, "Invalid login")),
        ({"password": None}, (401, "Invalid login")),
        ({"password": "é\ud800"}, (401, "Invalid login")),
        ({"email": "nobody@example.com"}, (401, "Invalid login")),
        ({"email": None}, (400, "'email' is required")),
        ({"email": ""}, (400, "'email' is required")),
    ],
)
def test_a_wrong_login_is_refused(reader, changes, expected):
    answer = reader.login(**changes)
    assert (answer.status_code, answer.json()["message"]) == expected


def test_the_error_body_has_the_documented_keys(reader):
    assert reader.ask("/builds/999999").json() == {
        "name": "NotFound",
        "message": "No record found for id '999999'",
        "code": 404,
    }


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer nonsense", "Basic YTpi"])
@pytest.mark.parametrize("resource", READABLE, ids=lambda r: r.name)
def test_without_a_good_token_nothing_is_shown(still, resource, header):
    headers = {} if header is None else {"Authorization": header}
    answer = requests.get(still.url + resource.path, headers=headers, timeout=10)
    assert (answer.status_code, answer.json()) == (
        401,
        {"name": "NotAuthenticated", "message": "Not authenticated", "code": 401},
    )


def test_a_token_of_another_key_is_refused(still, reader):
    claims = jwt.decode(reader.login().json()["accessToken"], options={"verify_signature": False})
    forged = jwt.encode(claims, b"x" * 32, "HS256")
    answer = requests.get(still.url + "/projects", headers={"Authorization": f"Bearer {forged}"}, timeout=10)
    assert answer.status_code == 401


def test_a_token_expires(visit):
    with Server(builds=10, token_lifetime=0.3) as server:
        visitor = visit(server)
        assert visitor.ask("/projects").status_code == 200
        time.sleep(0.35)
        assert visitor.refusal("/projects") == (401, "Not authenticated")


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("path", ["", "/1"])
@pytest.mark.parametrize("resource", schema.RESOURCES.values(), ids=lambda r: r.name)
def test_nothing_can_be_changed_or_removed(reader, resource, path, method):
    assert reader.refusal(resource.path + path, method)[0] == 405


@pytest.mark.parametrize("resource", schema.RESOURCES.values(), ids=lambda r: r.name)
def test_post_works_only_where_it_is_documented(reader, resource):
    status = reader.ask(resource.path, "POST", json={}).status_code
    documented = {"start", "query"} & set(resource.verbs)
    assert status == (400 if documented else 501 if resource.name == "instances" else 405)


@pytest.mark.parametrize("resource", schema.RESOURCES.values(), ids=lambda r: r.name)
def test_a_single_row_is_shown_only_where_it_is_documented(reader, resource):
    status = reader.ask(f"{resource.path}/999999").status_code
    assert status == (404 if {"get", "fetch"} & set(resource.verbs) else 405)


def test_405_names_what_is_allowed(reader):
    assert reader.ask("/builds", "DELETE").headers["Allow"] == "GET, HEAD, POST"


def test_an_unknown_path_is_json_too(reader):
    assert reader.refusal("/nothing")[0] == 404


@pytest.mark.parametrize("resource", READABLE, ids=lambda r: r.name)
def test_head_answers_like_get_without_a_body(reader, resource):
    head = reader.ask(resource.path, "HEAD", params=needs(resource), headers={"Accept-Encoding": "identity"})
    get = reader.ask(resource.path, params=needs(resource), headers={"Accept-Encoding": "identity"})
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["Content-Length"] == str(len(get.content))


@pytest.mark.parametrize("resource", READABLE, ids=lambda r: r.name)
def test_what_is_known_already_is_not_sent_again(reader, resource):
    tag = reader.ask(resource.path, params=needs(resource)).headers["ETag"]
    again = reader.ask(resource.path, params=needs(resource), headers={"If-None-Match": f'"other", {tag}'})
    assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", tag)


def test_another_tag_gets_the_body(reader):
    assert reader.ask("/projects", headers={"If-None-Match": '"other"'}).status_code == 200


@pytest.mark.parametrize(
    ("header", "packed"),
    [
        ("gzip", True),
        ("deflate, gzip;q=0.5", True),
        ("*", True),
        ("gzip;q=0", False),
        ("gzip; q=0.0, *", False),
        ("*;q=0", False),
        ("gzip;q=nonsense", False),
        ("br", False),
        ("identity", False),
        ("", False),
    ],
)
def test_gzip_is_sent_to_those_who_take_it(reader, header, packed):
    assert accepts_gzip(header) is packed
    answer = reader.ask("/builds", headers={"Accept-Encoding": header}, stream=True)
    raw = answer.raw.read(decode_content=False)
    assert (answer.headers.get("Content-Encoding") == "gzip") is packed
    assert int(answer.headers["Content-Length"]) == len(raw)
    assert (gzip.decompress(raw) if packed else raw).startswith(b'[{"id":')


def test_one_connection_serves_many_requests(still):
    with requests.Session() as session:
        for _ in range(5):
            session.get(still.url + "/projects", timeout=10)
        (pool,) = session.get_adapter(still.url).poolmanager.pools._container.values()
        assert (pool.num_connections, pool.num_requests) == (1, 5)


@pytest.mark.parametrize("body", [b"{", b"[]", b'"x"', b"[" * 100_000, b"\xff"])
def test_a_body_that_is_no_json_object_is_a_bad_request(reader, body):
    assert reader.refusal("/builds", "POST", data=body)[0] == 400
