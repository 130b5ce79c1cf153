"""The embedded server against the document of its API, by schemathesis.

A stranger sends whatever the document allows, and what it does not allow; an acquaintance knows the names and
ids that exist, so that requests come further than the first 404. FUZZ is the number of requests per
operation and visitor, chosen anew in each run; without it there are few, and always the same.
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
def visitor(busy, visit):
    return visit(busy)


@pytest.fixture(scope="module")
def page(busy):
    """The document without its security: else half of all bad requests are merely without a token."""
    return openapi.document(busy.url) | {"security": []}


def path_of(resource, verb):
    return resource.path + ("/{id}" if verb in ("get", "fetch") else "")


def method_of(resource, verb):
    return "GET" if verb in ("find", "get", "fetch") else "POST"


def converse(page, visitor, resource, verb, mode, demands):
    """Send what schemathesis thinks of, check each answer, and count them by status."""
    root = visitor.url.removesuffix("/api/v1") if resource is schema.LOGIN else visitor.url
    loaded = schemathesis.openapi.from_dict(page)
    operation = loaded[path_of(resource, verb)][method_of(resource, verb)]
    seen = Counter()

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
        answer = case.call(base_url=root, session=visitor.session, timeout=30)
        seen[answer.status_code] += 1
        case.validate_response(answer, checks=demands)

    exchange()
    return seen


@pytest.mark.parametrize("mode", GenerationMode, ids=lambda m: m.value)
@pytest.mark.parametrize(("resource", "verb"), OPERATIONS, ids=lambda x: getattr(x, "name", x))
def test_a_stranger_is_answered_as_documented(page, visitor, resource, verb, mode):
    assert converse(page, visitor, resource, verb, mode, CHECKS)


@pytest.mark.parametrize("turn", [0, 1], ids=["by name", "by id"])
@pytest.mark.parametrize(("resource", "verb"), OPERATIONS, ids=lambda x: getattr(x, "name", x))
def test_an_acquaintance_gets_what_is_asked_for(page, visitor, busy, resource, verb, turn):
    known = acquaint(page, visitor, busy, resource, verb, turn)
    demands = [*CHECKS, checks.positive_data_acceptance]
    seen = converse(known, visitor, resource, verb, GenerationMode.POSITIVE, demands)
    assert {200, 201} & seen.keys(), f"only {dict(seen)}"


# --- who knows the place --------------------------------------------------------------------------------


def acquaint(page, visitor, server, resource, verb, turn):
    """Tell the document which names and ids there are, and leave one of each exclusive group."""
    page = copy.deepcopy(page)
    operation = page["paths"][path_of(resource, verb)][method_of(resource, verb).lower()]
    rules = resource.exclusive if verb == "find" else resource.body_exclusive
    dropped = {name for rule in rules for name in rule.names if name != rule.names[turn]}
    if "parameters" in operation:
        left = [p for p in operation["parameters"] if p["name"] not in dropped]
        for parameter in left:
            narrow(parameter, visitor, server, resource)
        operation["parameters"] = left
    else:
        shape = operation["requestBody"]["content"]["application/json"]["schema"]
        shape.pop("allOf", None)
        shape["required"] += [rule.names[turn] for rule in rules if rule.required]
        shape["properties"] = {
            name: choices(visitor, server, resource, name) or known
            for name, known in shape["properties"].items()
            if name not in dropped
        }
        shape["additionalProperties"] = False
    return page


def narrow(parameter, visitor, server, resource):
    values = choices(visitor, server, resource, parameter["name"])
    if "content" in parameter:
        parameter["content"]["application/json"]["schema"] = RELEASES
    elif values:
        parameter["schema"] = values
    parameter["required"] = parameter["in"] == "path" or parameter["name"] in ("project", "project_id")


def choices(visitor, server, resource, name):
    """The values that a parameter or a key of a body may have, where they matter."""
    if name in ("email", "password"):
        return {"enum": [getattr(server, name)]}
    if name in KNOWN:
        return KNOWN[name]
    if name == "id":
        rows = visitor.get(resource.path, **needed(resource))
        return {"enum": [row["id"] for row in rows[-5:]]}
    stem = name.removesuffix("_id")
    if stem == "group":
        stem = "agent_group" if resource.name == "agents" else "release_group"
    if stem + "s" in schema.RESOURCES and (resource.name, name) != ("agents", "agent_id"):
        other = schema.RESOURCES[stem + "s"]
        rows = visitor.get(other.path, **needed(other))[:3]
        return {"enum": [row["id" if name.endswith("_id") else "name"] for row in rows]}
    return None


def needed(resource):
    return {"project_id": 402} if any(rule.required for rule in resource.exclusive) else {}


# --- what the checks are worth --------------------------------------------------------------------------


def other_type(page):
    page["components"]["schemas"]["projects"]["properties"]["name"]["type"] = "integer"


def other_media(page):
    page["paths"]["/projects"]["get"]["responses"]["2XX"]["content"] = {"text/csv": {}}


def other_status(page):
    answers = page["paths"]["/projects"]["get"]["responses"]
    answers["202"] = answers.pop("2XX")


@pytest.mark.parametrize(
    ("lie", "error"),
    [(other_type, JsonSchemaError), (other_media, UndefinedContentType), (other_status, UndefinedStatusCode)],
)
def test_a_document_that_says_otherwise_is_found_out(page, visitor, lie, error):
    wrong = copy.deepcopy(page)
    lie(wrong)
    with pytest.raises(FailureGroup) as caught:
        converse(wrong, visitor, schema.RESOURCES["projects"], "find", GenerationMode.POSITIVE, CHECKS)
    assert caught.group_contains(error)
