"""The embedded server against the document of its API, by schemathesis.

Requests are generated from the document, both those that it allows and others; a second run uses names and
ids that exist, so that requests get further than the first 404. FUZZ is the number of requests per operation
and run, drawn anew each time; without it there are few, always the same.
"""

from __future__ import annotations

import copy
import os
from collections import Counter

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.openapi.checks import JsonSchemaError, UndefinedContentType, UndefinedStatusCode
from schemathesis.specs.openapi import checks

from mkframe import openapi, schema
from mkframe.demo_server import Server

pytestmark = pytest.mark.slow

MANY = int(os.environ.get("FUZZ", 0))
CHECKS = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
    checks.negative_data_rejection,
]
OPERATIONS = [
    (resource, verb) for resource in (*schema.RESOURCES.values(), schema.LOGIN) for verb in resource.verbs
]
RELEASES = {"type": "object", "properties": {"DWH_GROUP": {"enum": ["R1"]}}, "additionalProperties": False}
INSTANCES = [
    {"id": 20001},
    {"id": 20002},
    {"pattern": "CORE_DV_HLS", "folder": "/BUSINESS_VAULT", "name": "AIRPLANE"},
]
STATEMENTS = [
    "SELECT 1",
    "SELECT * FROM @INFORMATION_SCHEMA.COMMITS",
    "CREATE TABLE IF NOT EXISTS T (A)",
    "SELEKT",
]
KNOWN = {
    "project": {"enum": ["DEMO_PROJECT"]},
    "project_id": {"enum": [402]},
    "build_id": {"enum": [5139]},
    "user": {"enum": ["demo@example.com"]},
    "folder": {"enum": ["/BUSINESS_VAULT"]},
    "releases": RELEASES,
    "instances": {"type": "array", "minItems": 1, "maxItems": 3, "items": {"enum": INSTANCES}},
    "statement": {"enum": STATEMENTS},
    "strategy": {"enum": ["local"]},
}


@pytest.fixture(scope="module")
def busy():
    with Server(builds=60, build_seconds=0.02) as server:
        yield server


@pytest.fixture(scope="module")
def client(busy, log_in):
    return log_in(busy)


@pytest.fixture(scope="module")
def page(busy):
    """The document without security: else half of all invalid requests only lack a token."""
    return openapi.document(busy.url) | {"security": []}


def path_of(resource, verb):
    return resource.path + ("/{id}" if verb in ("get", "fetch") else "")


def method_of(resource, verb):
    return "GET" if verb in ("find", "get", "fetch") else "POST"


def send_generated(page, client, resource, verb, mode, required_checks):
    """Send requests that schemathesis generates, check each response, and count them by status."""
    root = client.url.removesuffix("/api/v1") if resource is schema.LOGIN else client.url
    loaded = schemathesis.openapi.from_dict(page)
    operation = loaded[path_of(resource, verb)][method_of(resource, verb)]
    statuses = Counter()

    @settings(
        max_examples=MANY or 4,
        derandomize=not MANY,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
    )
    @given(operation.as_strategy(generation_mode=mode))
    def exchange(case):
        response = case.call(base_url=root, session=client.session, timeout=30)
        statuses[response.status_code] += 1
        case.validate_response(response, checks=required_checks)

    exchange()
    return statuses


@pytest.mark.parametrize("mode", GenerationMode, ids=lambda m: m.value)
@pytest.mark.parametrize(("resource", "verb"), OPERATIONS, ids=lambda x: getattr(x, "name", x))
def test_generated_request_gets_documented_response(page, client, resource, verb, mode):
    assert send_generated(page, client, resource, verb, mode, CHECKS)


@pytest.mark.parametrize("turn", [0, 1], ids=["by name", "by id"])
@pytest.mark.parametrize(("resource", "verb"), OPERATIONS, ids=lambda x: getattr(x, "name", x))
def test_generated_request_with_known_ids_succeeds(page, client, busy, resource, verb, turn):
    known = with_known_values(page, client, busy, resource, verb, turn)
    required_checks = [*CHECKS, checks.positive_data_acceptance]
    statuses = send_generated(known, client, resource, verb, GenerationMode.POSITIVE, required_checks)
    assert {200, 201} & statuses.keys(), f"only {dict(statuses)}"


# --- known names and ids --------------------------------------------------------------------------------


def with_known_values(page, client, server, resource, verb, turn):
    """Restrict the document to names and ids that exist, and to one of each exclusive group."""
    page = copy.deepcopy(page)
    operation = page["paths"][path_of(resource, verb)][method_of(resource, verb).lower()]
    rules = resource.exclusive if verb == "find" else resource.body_exclusive
    dropped = {name for rule in rules for name in rule.names if name != rule.names[turn]}
    if "parameters" in operation:
        left = [p for p in operation["parameters"] if p["name"] not in dropped]
        for parameter in left:
            narrow(parameter, client, server, resource)
        operation["parameters"] = left
    else:
        shape = operation["requestBody"]["content"]["application/json"]["schema"]
        shape.pop("allOf", None)
        shape["required"] += [rule.names[turn] for rule in rules if rule.required]
        shape["properties"] = {
            name: choices(client, server, resource, name) or known
            for name, known in shape["properties"].items()
            if name not in dropped
        }
        shape["additionalProperties"] = False
    return page


def narrow(parameter, client, server, resource):
    values = choices(client, server, resource, parameter["name"])
    if "content" in parameter:
        parameter["content"]["application/json"]["schema"] = RELEASES
    elif values:
        parameter["schema"] = values
    parameter["required"] = parameter["in"] == "path" or parameter["name"] in ("project", "project_id")


def choices(client, server, resource, name):
    """The values that a parameter or a key of a body may have, where they matter."""
    if name in ("email", "password"):
        return {"enum": [getattr(server, name)]}
    if name in KNOWN:
        return KNOWN[name]
    if name == "id":
        rows = client.get(resource.path, **needed(resource))
        return {"enum": [row["id"] for row in rows[-5:]]}
    stem = name.removesuffix("_id")
    if stem == "group":
        stem = "agent_group" if resource.name == "agents" else "release_group"
    if stem + "s" in schema.RESOURCES and (resource.name, name) != ("agents", "agent_id"):
        other = schema.RESOURCES[stem + "s"]
        rows = client.get(other.path, **needed(other))[:3]
        return {"enum": [row["id" if name.endswith("_id") else "name"] for row in rows]}
    return None


def needed(resource):
    return {"project_id": 402} if any(rule.required for rule in resource.exclusive) else {}


# --- the checks themselves ------------------------------------------------------------------------------


def other_type(page):
    page["components"]["schemas"]["projects"]["properties"]["name"]["type"] = "integer"


def other_media(page):
    page["paths"]["/projects"]["get"]["responses"]["2XX"]["content"] = {"text/csv": {}}


def other_status(page):
    answers = page["paths"]["/projects"]["get"]["responses"]
    answers["202"] = answers.pop("2XX")


@pytest.mark.parametrize(
    ("change", "error"),
    [(other_type, JsonSchemaError), (other_media, UndefinedContentType), (other_status, UndefinedStatusCode)],
)
def test_wrong_document_is_detected(page, client, change, error):
    wrong = copy.deepcopy(page)
    change(wrong)
    with pytest.raises(FailureGroup) as caught:
        send_generated(wrong, client, schema.RESOURCES["projects"], "find", GenerationMode.POSITIVE, CHECKS)
    assert caught.group_contains(error)
