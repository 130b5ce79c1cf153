"""Fields and resources that are in the schema only: the demo server serves them without being changed."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import typing
from datetime import datetime

import pytest

from mkframe import openapi, schema
from mkframe.demo_server import Server
from mkframe.demo_server.defaults import default_value

FIELDS = tuple(schema.Field(f"new_{t}", t, "Made up.", null=False) for t in typing.get_args(schema.FieldType))
FILTERS = tuple(
    schema.Filter(f"new_{field}", kind, "Made up.")
    for field, kind in (("int", "int"), ("bool", "bool"), ("flag", "bool"), ("str", "str"), ("ints", "int"))
)
READABLE = [r.name for r in schema.RESOURCES.values() if "find" in r.verbs]
CHECKS = {
    "int": lambda v: type(v) is int,
    "bool": lambda v: type(v) is bool,
    "flag": lambda v: v in (0, 1) and type(v) is int,
    "str": lambda v: type(v) is str,
    "timestamp": lambda v: datetime.fromisoformat(v).tzinfo is not None,
    "naive": datetime.fromisoformat,
    "ints": lambda v: v and all(type(i) is int for i in v),
    "strs": lambda v: v and all(type(s) is str for s in v),
    "downloads": lambda v: v == [],
    "any": lambda v: v is not None,
}


def assert_new_fields(row):
    wrong = [f.name for f in FIELDS if f.name not in row or not CHECKS[f.type](row[f.name])]
    assert wrong == []


@pytest.fixture(scope="module")
def patch():
    with pytest.MonkeyPatch.context() as patch:
        yield patch


@pytest.fixture(scope="module")
def extended_server(patch, now):
    """A server whose schema has a field of each type in all places, and filters on them."""
    for name, resource in schema.RESOURCES.items():
        new = {"fields": (*resource.fields, *FIELDS), "filters": (*resource.filters, *FILTERS)}
        patch.setitem(schema.RESOURCES, name, dataclasses.replace(resource, **new))
    for name, view in schema.VIEWS.items():
        patch.setitem(schema.VIEWS, name, dataclasses.replace(view, fields=(*FIELDS, *view.fields)))
    patch.setattr(schema, "LOGIN", dataclasses.replace(schema.LOGIN, fields=(*schema.LOGIN.fields, *FIELDS)))
    for name in ("STARTED", "EMBEDDED_DOWNLOAD"):
        patch.setattr(schema, name, (*getattr(schema, name), *FIELDS))
    with Server(builds=60, at=now, build_seconds=0.02) as server:
        yield server


@pytest.fixture(scope="module")
def client(extended_server, log_in):
    return log_in(extended_server)


def needed(resource):
    return {"project_id": 402} if any(rule.required for rule in schema.RESOURCES[resource].exclusive) else {}


@pytest.mark.parametrize("resource", READABLE)
def test_new_field_has_value_of_its_type(client, resource):
    rows = client.get(f"/{resource}", **needed(resource))
    assert rows
    assert {tuple(row) for row in rows} == {tuple(f.name for f in schema.RESOURCES[resource].fields)}
    for row in rows:
        assert_new_fields(row)


@pytest.mark.parametrize("resource", [r for r in READABLE if "get" in schema.RESOURCES[r].verbs])
def test_new_field_of_get_equals_find(client, resource):
    row = client.get(f"/{resource}", **needed(resource))[-1]
    assert client.get(f"/{resource}/{row['id']}") == row


@pytest.mark.parametrize("wanted", FILTERS, ids=lambda f: f.name)
@pytest.mark.parametrize("resource", READABLE)
def test_filter_on_new_field_returns_equal_rows(client, resource, wanted):
    rows = client.get(f"/{resource}", **needed(resource))
    value = rows[0][wanted.name]
    value = value[0] if isinstance(value, list) else value
    text = str(bool(value)).lower() if wanted.type == "bool" else value
    expected = [r for r in rows if value in (v if isinstance(v := r[wanted.name], list) else [v])]
    assert client.get(f"/{resource}", **needed(resource), **{wanted.name: text}) == expected


def test_new_field_is_in_openapi_document(extended_server):
    schemas = openapi.document(extended_server.url)["components"]["schemas"]
    for resource in READABLE:
        assert {f.name for f in FIELDS} < schemas[resource]["properties"].keys()


def test_new_field_is_in_embedded_downloads(client):
    downloads = [d for build in client.get("/builds") for d in build["downloads"]]
    assert downloads
    for download in downloads:
        assert_new_fields(download)


def test_new_field_is_in_responses_to_posts(client, airplane):
    assert_new_fields(client.login().json())
    assert_new_fields(client.post("/builds", airplane).json())
    waited = client.post("/builds", airplane | {"wait": True}).json()
    assert_new_fields(waited)
    assert_new_fields(waited["build"])
    deployment = client.post("/build_deployments", {"build_id": 5139, "deployment": "GIT_MAIN"})
    assert deployment.status_code == 201
    assert_new_fields(deployment.json())


@pytest.mark.parametrize("view", sorted(schema.VIEWS.keys() - {"TABLES", "COLUMNS"}))  # users fill these
def test_new_field_is_in_view(client, view):
    body = {"project": "DEMO_PROJECT", "statement": f"SELECT * FROM @INFORMATION_SCHEMA.{view}"}
    result = client.post("/metadata", body).json()
    assert result["status"] == "FINISHED"
    assert_new_fields(result)
    assert [c["name"] for c in result["metadata"]] == [f.name.upper() for f in schema.VIEWS[view].fields]
    for row in result["rows"]:
        assert type(row["NEW_INT"]) is int
        assert row["NEW_STR"].startswith("new_str ")
        assert row["PATTERN"] in {"CORE_DV_HLS", "STAGE_LOAD", "BV_PIT_BRIDGE", "COMMON_AUDIT"}


@pytest.mark.usefixtures("extended_server")
def test_new_field_equals_that_of_another_server(client, log_in, now):
    with Server(builds=60, at=now) as other_server:
        other = log_in(other_server)
        for path in ("/labels", "/releases", "/instances?project_id=402"):
            assert other.request(path).content == client.request(path).content


def test_default_value_differs_between_rows():
    assert len({default_value(FIELDS[0], number) for number in range(50)}) > 40


# --- a resource without demo data -----------------------------------------------------------------------

WIDGETS = schema.Resource(
    "widgets",
    "Made up.",
    fields=(schema.Field("id", "int", "ID.", null=False), schema.Field("project_id", "int", "Project.")),
    filters=(
        schema.Filter("project", "str", "Project name."),
        schema.Filter("project_id", "int", "Project ID."),
        schema.Filter("size", "int", "Size."),
    ),
    exclusive=(schema.Exclusive(("project", "project_id"), required=True),),
    verbs=("find", "get", "start"),
)


@pytest.fixture(scope="module")
def widget_client(log_in):
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(schema.RESOURCES, "widgets", WIDGETS)
        with Server(builds=5) as server:
            yield log_in(server)


def test_new_resource_has_no_rows(widget_client):
    assert widget_client.get("/widgets", project="DEMO_PROJECT") == []
    assert widget_client.get("/widgets", project_id=402, size=3) == []
    assert "/widgets" in openapi.document()["paths"]


@pytest.mark.parametrize(
    ("path", "method", "expected"),
    [
        ("/widgets", "GET", (400, "A project id or name is required!")),
        ("/widgets?project=X", "GET", (404, "A project with the name 'X' does not exist!")),
        ("/widgets?project_id=7", "GET", (404, "No record found for id '7'")),
        ("/widgets?project_id=402&size=x", "GET", (400, "'size' must be an integer")),
        ("/widgets?project_id=402&color=x", "GET", (400, "Unknown query parameter 'color'")),
        ("/widgets/1", "GET", (404, "No record found for id '1'")),
        ("/widgets", "POST", (501, "The demo server has no POST /widgets")),
        ("/widgets", "DELETE", (405, "Not implemented")),
    ],
)
def test_new_resource_checks_requests(widget_client, path, method, expected):
    assert widget_client.error_of(path, method) == expected


# --- through the client, in a process whose schema was changed before the other modules were imported -------

SCRIPT = """
import dataclasses, json
from mkframe import schema

types = ("int", "bool", "flag", "str", "timestamp", "ints", "strs")
new = tuple(schema.Field(f"new_{type}", type, "Made up.", null=False) for type in types)
for name in ("labels", "builds"):
    resource = schema.RESOURCES[name]
    schema.RESOURCES[name] = dataclasses.replace(resource, fields=(*resource.fields, *new))

import mkframe as mk
from mkframe import frames, openapi

found = {}
with mk.demo(builds=20) as client:
    document = openapi.document(client.url)["components"]["schemas"]
    for name in ("labels", "builds"):
        accessor = getattr(client, name)
        frame = accessor.find()
        row = accessor.get(int(frame.index[-1]))
        found[name] = {
            field.name: [
                str(frame[field.name].dtype) == str(frames.dtype_of(field)),
                int(frame[field.name].isna().sum()),
                str(row[field.name]) == str(frame[field.name].iloc[-1]),
                field.name in document[name]["required"],
            ]
            for field in new
        }
print(json.dumps(found))
"""


def test_new_field_is_read_by_client():
    result = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)
    for name in ("labels", "builds"):
        assert len(found[name]) == 7
        assert found[name] == {field: [True, 0, True, True] for field in found[name]}
