"""Logins, tokens, methods, error bodies, ETag, gzip."""

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


def test_login_returns_documented_body(reader):
    response = reader.login()
    assert response.status_code == 201
    body = response.json()
    assert body["authentication"] == {"strategy": "local", "accessToken": body["accessToken"]}
    assert body["user"] == {"id": 1, "email": reader.email}


def test_token_contains_expiry(reader):
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
def test_login_invalid_is_rejected(reader, changes, expected):
    response = reader.login(**changes)
    assert (response.status_code, response.json()["message"]) == expected


def test_error_has_documented_body(reader):
    assert reader.request("/builds/999999").json() == {
        "name": "NotFound",
        "message": "No record found for id '999999'",
        "code": 404,
    }


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer nonsense", "Basic YTpi"])
@pytest.mark.parametrize("resource", READABLE, ids=lambda r: r.name)
def test_find_without_valid_token_is_401(frozen_server, resource, header):
    headers = {} if header is None else {"Authorization": header}
    response = requests.get(frozen_server.url + resource.path, headers=headers, timeout=10)
    assert (response.status_code, response.json()) == (
        401,
        {"name": "NotAuthenticated", "message": "Not authenticated", "code": 401},
    )


def test_token_of_another_key_is_401(frozen_server, reader):
    claims = jwt.decode(reader.login().json()["accessToken"], options={"verify_signature": False})
    forged = jwt.encode(claims, b"x" * 32, "HS256")
    response = requests.get(
        frozen_server.url + "/projects", headers={"Authorization": f"Bearer {forged}"}, timeout=10
    )
    assert response.status_code == 401


def test_token_expired_is_401(log_in):
    with Server(builds=10, token_lifetime=0.3) as server:
        client = log_in(server)
        assert client.request("/projects").status_code == 200
        time.sleep(0.35)
        assert client.error_of("/projects") == (401, "Not authenticated")


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("path", ["", "/1"])
@pytest.mark.parametrize("resource", schema.RESOURCES.values(), ids=lambda r: r.name)
def test_method_that_changes_rows_is_405(reader, resource, path, method):
    assert reader.error_of(resource.path + path, method)[0] == 405


@pytest.mark.parametrize("resource", schema.RESOURCES.values(), ids=lambda r: r.name)
def test_post_undocumented_is_405(reader, resource):
    status = reader.request(resource.path, "POST", json={}).status_code
    documented = {"start", "query"} & set(resource.verbs)
    assert status == (400 if documented else 501 if resource.name == "instances" else 405)


@pytest.mark.parametrize("resource", schema.RESOURCES.values(), ids=lambda r: r.name)
def test_get_by_id_undocumented_is_405(reader, resource):
    status = reader.request(f"{resource.path}/999999").status_code
    assert status == (404 if {"get", "fetch"} & set(resource.verbs) else 405)


def test_405_has_allow_header(reader):
    assert reader.request("/builds", "DELETE").headers["Allow"] == "GET, HEAD, POST"


def test_unknown_path_has_error_body(reader):
    assert reader.error_of("/nothing")[0] == 404


@pytest.mark.parametrize("resource", READABLE, ids=lambda r: r.name)
def test_head_equals_get_without_body(reader, resource):
    head = reader.request(
        resource.path, "HEAD", params=needs(resource), headers={"Accept-Encoding": "identity"}
    )
    get = reader.request(resource.path, params=needs(resource), headers={"Accept-Encoding": "identity"})
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["Content-Length"] == str(len(get.content))


@pytest.mark.parametrize("resource", READABLE, ids=lambda r: r.name)
def test_if_none_match_same_etag_is_304(reader, resource):
    tag = reader.request(resource.path, params=needs(resource)).headers["ETag"]
    second = reader.request(
        resource.path, params=needs(resource), headers={"If-None-Match": f'"other", {tag}'}
    )
    assert (second.status_code, second.content, second.headers["ETag"]) == (304, b"", tag)


def test_if_none_match_other_etag_returns_body(reader):
    assert reader.request("/projects", headers={"If-None-Match": '"other"'}).status_code == 200


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
def test_gzip_follows_accept_encoding(reader, header, packed):
    assert accepts_gzip(header) is packed
    response = reader.request("/builds", headers={"Accept-Encoding": header}, stream=True)
    raw = response.raw.read(decode_content=False)
    assert (response.headers.get("Content-Encoding") == "gzip") is packed
    assert int(response.headers["Content-Length"]) == len(raw)
    assert (gzip.decompress(raw) if packed else raw).startswith(b'[{"id":')


def test_connection_is_reused(frozen_server):
    with requests.Session() as session:
        for _ in range(5):
            session.get(frozen_server.url + "/projects", timeout=10)
        (pool,) = session.get_adapter(frozen_server.url).poolmanager.pools._container.values()
        assert (pool.num_connections, pool.num_requests) == (1, 5)


@pytest.mark.parametrize("body", [b"{", b"[]", b'"x"', b"[" * 100_000, b"\xff"])
def test_body_not_a_json_object_is_400(reader, body):
    assert reader.error_of("/builds", "POST", data=body)[0] == 400
