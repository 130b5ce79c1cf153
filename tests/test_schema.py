"""The schema against the vendor's own examples, which owe nothing to it."""

import json
from pathlib import Path

import pytest

from mkframe import schema
from mkframe.schema import RESOURCES

VENDOR = Path(__file__).parent / "vendor"

ENDPOINTS = """
    projects patterns instances instance_folders builds downloads deployments build_deployments metadata
    functional_roles instance_properties pattern_variables labels releases release_groups agents agent_groups
"""


def example(name):
    return json.loads((VENDOR / name).read_text())


def test_every_endpoint_of_the_reference_is_a_resource():
    assert set(RESOURCES) >= set(ENDPOINTS.split())


@pytest.mark.parametrize(
    ("resource", "shown"),
    [
        ("builds", example("builds_wait_true.json")["build"]),
        ("downloads", example("downloads.json")[0]),
        ("releases", example("releases.json")[0]),
    ],
    ids=["builds", "downloads", "releases"],
)
def test_example_has_the_fields_of_the_schema_in_its_order(resource, shown):
    assert list(shown) == [f.name for f in RESOURCES[resource].fields if f.name in shown]


def test_downloads_inside_a_build_have_the_short_form():
    shown = example("builds_wait_true.json")["build"]["downloads"][0]
    assert list(shown) == [f.name for f in schema.EMBEDDED_DOWNLOAD]


@pytest.mark.parametrize("resource", ["builds", "downloads", "releases"])
def test_fields_shown_as_null_may_be_null(resource):
    shown = {
        "builds": example("builds_wait_true.json")["build"],
        "downloads": example("downloads.json")[0],
        "releases": example("releases.json")[0],
    }[resource]
    nulls = [name for name, value in shown.items() if value is None]
    assert nulls
    assert all(RESOURCES[resource].field(name).null for name in nulls)


def test_error_body_has_the_documented_name():
    shown = example("error.json")
    assert schema.ERROR_NAMES[shown["code"]] == shown["name"]


@pytest.mark.parametrize("resource", RESOURCES.values(), ids=list(RESOURCES))
class TestEachResource:
    def test_names_are_unique(self, resource):
        for things in (resource.fields, resource.filters, resource.body):
            names = [thing.name for thing in things]
            assert len(names) == len(set(names))

    def test_key_is_a_field_that_is_never_null(self, resource):
        assert not resource.field(resource.key).null

    def test_exclusive_groups_name_filters(self, resource):
        names = {f.name for f in resource.filters}
        assert all(set(group.names) <= names for group in resource.exclusive)

    def test_exclusive_body_groups_name_body_keys(self, resource):
        names = {b.name for b in resource.body}
        assert all(set(group.names) <= names for group in resource.body_exclusive)

    def test_a_name_and_its_id_exclude_each_other(self, resource):
        names = {f.name for f in resource.filters}
        pairs = {(name, f"{name}_id") for name in names if f"{name}_id" in names and name != "agent"}
        excluded = {tuple(group.names) for group in resource.exclusive}
        assert pairs <= excluded

    def test_every_doc_is_a_sentence(self, resource):
        texts = [resource.doc, *resource.notes]
        texts += [thing.doc for thing in (*resource.fields, *resource.filters, *resource.body)]
        assert all(text and text.endswith(".") for text in texts)

    def test_writes_have_a_body(self, resource):
        writes = {"start", "query"} & set(resource.verbs)
        assert bool(writes) == bool(resource.body)
