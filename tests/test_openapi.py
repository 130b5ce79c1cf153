"""The document of the API: valid for others, and the schema in other words."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from mkframe import openapi, schema
from mkframe.__main__ import main
from mkframe.errors import InputError
from tests.support import rows
from tests.support.owners import plant

PAGE = openapi.document()
RESOURCES = [*schema.RESOURCES.values(), schema.LOGIN]
POSTS = [(r, v) for r in RESOURCES for v in r.verbs if v in ("start", "query", "login")]
NAMES = {"ids": lambda x: getattr(x, "name", x)}


def operation(resource, verb):
    tail, method = {"find": ("", "get"), "get": ("/{id}", "get"), "fetch": ("/{id}", "get")}.get(
        verb, ("", "post")
    )
    return PAGE["paths"][resource.path + tail][method]


def errors_of(shape, value):
    """What an independent validator has against a value."""
    whole = {"components": PAGE["components"], **shape}
    return [e.message for e in Draft202012Validator(whole).iter_errors(value)]


def body_of(resource, verb):
    return operation(resource, verb)["requestBody"]["content"]["application/json"]["schema"]


# --- the whole ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("url", [schema.BASE_URL, "http://127.0.0.1:8080/api/v1"])
def test_document_is_valid(url):
    assert list(OpenAPIV31SpecValidator(openapi.document(url)).iter_errors()) == []


def test_operations_equal_the_verbs_of_the_schema():
    found = {
        each["operationId"]
        for item in PAGE["paths"].values()
        for each in item.values()
        if "operationId" in each
    }
    assert found == {f"{r.name}_{verb}" for r in RESOURCES for verb in r.verbs}


def test_login_is_at_the_root_without_token():
    item = openapi.document("https://example.com:8443/api/v1")["paths"][schema.AUTHENTICATION]
    assert item["servers"] == [{"url": "https://example.com:8443"}]
    assert item["post"]["security"] == []


def test_other_operations_need_a_token():
    assert PAGE["security"] == [{"bearer": []}]
    assert [o for i in PAGE["paths"].values() for o in i.values() if "security" in o] == [
        PAGE["paths"][schema.AUTHENTICATION]["post"]
    ]


@pytest.mark.parametrize("resource", RESOURCES, ids=lambda r: r.name)
def test_notes_are_in_the_description(resource):
    (tag,) = [t for t in PAGE["tags"] if t["name"] == resource.name]
    assert tag["description"].startswith(resource.doc)
    assert all(note in tag["description"] for note in resource.notes)


# --- requests -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("resource", [r for r in RESOURCES if "find" in r.verbs], ids=lambda r: r.name)
def test_a_find_has_the_filters_of_the_schema(resource):
    given = operation(resource, "find")["parameters"]
    assert [p["name"] for p in given] == [f.name for f in resource.filters]
    assert all(p["description"].startswith(f.doc) for p, f in zip(given, resource.filters, strict=True))


EXCLUSIVE = [(r, rule) for r in RESOURCES for rule in r.exclusive]


@pytest.mark.parametrize(("resource", "rule"), EXCLUSIVE, **NAMES)
def test_filters_that_exclude_each_other_say_so(resource, rule):
    find = operation(resource, "find")
    descriptions = {p["name"]: p["description"] for p in find["parameters"]}
    assert ("Exactly one is needed: " if rule.required else "At most one may be given: ") + ", ".join(
        rule.names
    ) in find["description"]
    assert all(other in descriptions[name] for name in rule.names for other in rule.names if other != name)


PLAIN = {"int": 5, "str": "x", "bool": True, "releases": {"DWH_GROUP": "R1"}, "instances": [{"id": 1}]}
ALIEN = {"int": "5", "str": 5, "bool": 1, "releases": {"DWH_GROUP": 1}, "instances": {}}


def full(resource, without=()):
    """A body with all keys, of an exclusive group the first."""
    dropped = {name for rule in resource.body_exclusive for name in rule.names[1:]} | set(without)
    return {b.name: PLAIN[b.type] for b in resource.body if b.name not in dropped}


@pytest.mark.parametrize(("resource", "verb"), POSTS, **NAMES)
class TestEachBody:
    def test_is_accepted_as_in_the_schema(self, resource, verb):
        assert errors_of(body_of(resource, verb), full(resource)) == []

    def test_is_refused_without_what_is_required(self, resource, verb):
        required = [b.name for b in resource.body if b.required]
        required += [rule.names[0] for rule in resource.body_exclusive if rule.required]
        assert all(errors_of(body_of(resource, verb), full(resource, [name])) for name in required)

    def test_is_refused_with_a_value_of_another_type(self, resource, verb):
        kinds = {b.name: b.type for b in resource.body}
        bodies = [full(resource) | {name: ALIEN[kinds[name]]} for name in full(resource)]
        assert all(errors_of(body_of(resource, verb), each) for each in bodies)

    def test_is_refused_with_two_of_an_exclusive_group(self, resource, verb):
        every = {b.name: PLAIN[b.type] for b in resource.body}
        for rule in resource.body_exclusive:
            both = full(resource) | {name: every[name] for name in rule.names}
            assert errors_of(body_of(resource, verb), both)


@pytest.mark.parametrize(
    ("instance", "good"),
    [
        ({"id": 20001}, True),
        ({"pattern": "CORE_DV_HLS", "folder": "/BUSINESS_VAULT", "name": "AIRPLANE"}, True),
        ({"pattern": "CORE_DV_HLS", "name": "AIRPLANE"}, False),
        ({"id": 20001, "pattern": "CORE_DV_HLS", "folder": "/BUSINESS_VAULT", "name": "AIRPLANE"}, False),
        ({}, False),
        (20001, False),
    ],
    ids=str,
)
def test_an_instance_is_named_in_one_of_two_ways(instance, good):
    shape = {"$ref": "#/components/schemas/build_instance"}
    assert (errors_of(shape, instance) == []) is good


# --- answers --------------------------------------------------------------------------------------------


def row_of(resource, **changes):
    key = resource.field(resource.key)
    return rows.row(resource.name, **({key.name: rows.value(key, 1)} | changes))


@pytest.mark.parametrize("resource", schema.RESOURCES.values(), ids=lambda r: r.name)
class TestEachRow:
    def test_is_what_the_schema_says(self, resource):
        shape = {"$ref": f"#/components/schemas/{resource.name}"}
        assert errors_of(shape, row_of(resource)) == []
        assert list(PAGE["components"]["schemas"][resource.name]["properties"]) == [
            f.name for f in resource.fields
        ]

    def test_may_hold_null_exactly_where_the_schema_allows_it(self, resource):
        shape = {"$ref": f"#/components/schemas/{resource.name}"}
        allowed = [
            f.name for f in resource.fields if not errors_of(shape, row_of(resource, **{f.name: None}))
        ]
        assert allowed == [f.name for f in resource.fields if f.null]


def test_start_response_is_short_or_whole_build():
    shape = {"$ref": "#/components/schemas/build_started"}
    assert errors_of(shape, {"build": {"id": 5139, "status": "BUILDING"}, "warnings": []}) == []
    assert errors_of(shape, {"build": rows.row("builds"), "warnings": ["x"]}) == []
    assert errors_of(shape, {"build": {"id": 5139}, "warnings": []})


def error_texts(resource, verb):
    """Status and sentence of every documented error of an operation."""
    return {
        (int(status), example["value"]["message"])
        for status, answer in operation(resource, verb)["responses"].items()
        for example in answer.get("content", {}).get("application/json", {}).get("examples", {}).values()
    }


def test_errors_match_the_reference():
    builds, downloads = schema.RESOURCES["builds"], schema.RESOURCES["downloads"]
    start = (403, "You don't have permissions to start builds in this project!")
    assert start in error_texts(builds, "start") - error_texts(builds, "find") - error_texts(builds, "get")
    assert error_texts(builds, "get") == {
        (401, "Not authenticated"),
        (404, "No record found for id 'X'"),
    }
    assert (403, "You don't have permissions to download build results!") in error_texts(downloads, "fetch")
    assert error_texts(schema.LOGIN, "login") == {(400, "'email' is required"), (401, "Invalid login")}


@pytest.mark.parametrize("resource", RESOURCES, ids=lambda r: r.name)
def test_no_documented_sentence_is_lost(resource):
    everywhere = {text for verb in resource.verbs for _, text in error_texts(resource, verb)}
    assert everywhere == {m.text.format("X") for m in resource.messages}


def test_an_error_has_the_documented_body():
    shape = {"$ref": "#/components/schemas/error"}
    assert errors_of(shape, {"name": "BadRequest", "message": "x", "code": 400, "className": "x"}) == []
    assert errors_of(shape, {"name": "BadRequest", "message": "x"})


# --- the command ----------------------------------------------------------------------------------------


def test_the_command_prints_the_document(capsys):
    assert main(["openapi"]) == 0
    assert json.loads(capsys.readouterr().out) == PAGE


def test_two_runs_print_the_same_bytes():
    command = [sys.executable, "-m", "mkframe", "openapi"]
    one, two = (subprocess.run(command, capture_output=True, check=True).stdout for _ in range(2))
    assert one == two
    assert one.isascii()


def test_the_command_writes_a_file_for_another_server(tmp_path, capsys):
    path = tmp_path / "api.json"
    assert main(["openapi", "--output", str(path), "--url", "http://127.0.0.1:8080/api/v1"]) == 0
    assert json.loads(path.read_text()) == openapi.document("http://127.0.0.1:8080/api/v1")
    assert str(path) in capsys.readouterr().out


def test_console_without_a_letter_of_a_name_is_no_error(tmp_path):
    command = [sys.executable, "-m", "mkframe", "openapi", "--output", str(tmp_path / "ż.json")]
    sentence = subprocess.run(
        command, capture_output=True, check=True, env=os.environ | {"PYTHONIOENCODING": "cp1252"}
    )
    assert b"\\u017c.json is written" in sentence.stdout


def test_unwritable_file_is_an_error(tmp_path, capsys):
    assert main(["openapi", "--output", str(tmp_path / "missing" / "api.json")]) == 1
    sentence = capsys.readouterr().err
    assert sentence.startswith("mkframe: ")
    assert "missing" in sentence


def test_a_link_of_another_user_is_not_followed(tmp_path, capsys, monkeypatch):
    (tmp_path / "precious").write_text("precious")
    plant(monkeypatch, tmp_path / "api.json", tmp_path / "precious")
    assert main(["openapi", "--output", str(tmp_path / "api.json")]) == 1
    assert "is a link of another user and is not followed" in capsys.readouterr().err
    assert (tmp_path / "precious").read_text() == "precious"


def test_closed_pipe_is_no_error():
    command = f"{sys.executable} -m mkframe openapi | head -c 1"
    finished = subprocess.run(command, shell=True, capture_output=True, text=True, check=True)
    assert (finished.stdout, finished.stderr) == ("{", "")


@pytest.mark.parametrize("url", ["", "ftp://host/api/v1", "host/api/v1", "https://"])
def test_invalid_base_url_is_refused(url):
    with pytest.raises(InputError, match="http"):
        openapi.document(url)
