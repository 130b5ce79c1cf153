"""Filters: each of every resource, against a plain filter over the full answer."""

from __future__ import annotations

import json

import pytest

from mkframe import schema

PLAIN = [
    (resource, f)
    for resource in schema.RESOURCES.values()
    for f in resource.filters
    if f.name in {field.name for field in resource.fields} and f.type != "releases"
]
NAMED = [
    (resource, f)
    for resource in schema.RESOURCES.values()
    for f in resource.filters
    if f.type == "str" and f"{f.name}_id" in {field.name for field in resource.fields}
]
UNSEEN = [f for f in schema.RESOURCES["instances"].filters if f.type == "bool"]
ID = {"ids": lambda x: getattr(x, "name", None)}


def everything(reader, resource, given=None):
    """All rows; where a project is required, of all projects one after the other."""
    if not any(rule.required for rule in resource.exclusive):
        return reader.get(resource.path, **(given or {}))
    if given and {"project", "project_id"} & given.keys():
        return reader.get(resource.path, **given)
    projects = [p["id"] for p in reader.get("/projects")]
    return [row for p in projects for row in reader.get(resource.path, project_id=p, **(given or {}))]


def text(value):
    return str(value).lower() if isinstance(value, bool) else str(value)


def some(values):
    known = sorted({v for v in values if v is not None}, key=str)
    return known[:: max(1, len(known) // 3)][:4]


@pytest.mark.parametrize(("resource", "wanted"), PLAIN, **ID)
def test_a_filter_on_a_field_keeps_exactly_the_equal_rows(reader, resource, wanted):
    full = everything(reader, resource)
    values = some(row[wanted.name] for row in full)
    assert values
    for value in values:
        expected = [row for row in full if row[wanted.name] == value]
        assert everything(reader, resource, {wanted.name: text(value)}) == expected


TABLES = {
    "project": "projects",
    "pattern": "patterns",
    "deployment": "deployments",
    "instance_folder": "instance_folders",
}


def names_of(reader, resource, key):
    if key == "group":
        table = "agent_groups" if resource.name == "agents" else "release_groups"
    else:
        table = TABLES.get(key)
    rows = everything(reader, schema.RESOURCES[table]) if table else []
    return {row["id"]: row["name"] for row in rows}


@pytest.mark.parametrize(("resource", "wanted"), NAMED, **ID)
def test_a_name_finds_the_rows_of_its_id(reader, resource, wanted):
    full = everything(reader, resource)
    if wanted.name == "user":
        expected = [row for row in full if row["user_id"] == 1]
        assert everything(reader, resource, {"user": reader.email}) == expected
        return
    column = f"{wanted.name}_id"
    names = names_of(reader, resource, wanted.name)
    for name in some(names[row[column]] for row in full if row[column] is not None):
        expected = [row for row in full if row[column] is not None and names[row[column]] == name]
        assert everything(reader, resource, {wanted.name: name}) == expected


@pytest.mark.parametrize(("key", "value"), [("pattern", "CORE_DV_HLS"), ("pattern_id", 808)])
def test_builds_are_found_by_any_of_their_patterns(reader, key, value):
    expected = [b for b in reader.get("/builds") if 808 in b["patterns"]]
    assert expected
    assert reader.get("/builds", **{key: value}) == expected


def test_builds_are_found_by_all_of_the_releases(reader):
    expected = [b for b in reader.get("/builds") if {21, 61} <= set(b["releases"])]
    assert expected
    assert reader.get("/builds", releases=json.dumps({"DWH_GROUP": "R1", "MART_GROUP": "R1"})) == expected


@pytest.mark.parametrize("wanted", UNSEEN, ids=lambda f: f.name)
def test_a_state_that_rows_do_not_show_splits_them_in_two(reader, wanted):
    full, yes, no = (
        {i["id"] for i in reader.get("/instances", project="DEMO_PROJECT", **given)}
        for given in ({}, {wanted.name: "true"}, {wanted.name: "false"})
    )
    assert yes
    assert no
    assert not yes & no
    assert yes | no == full


def test_a_person_holds_what_is_checked_out(reader):
    held = {i["id"] for i in reader.get("/instances", project_id=402, checked_out="true")}
    by_person = [
        {i["id"] for i in reader.get("/instances", project_id=402, checked_out_by_user_id=u)}
        for u in range(1, 12)
    ]
    assert set().union(*by_person) == held
    anna = reader.get("/instances", project_id=402, checked_out_by_user="anna.keller@example.com")
    assert {i["id"] for i in anna} == by_person[1]


def test_a_folder_holds_the_instances_that_lie_in_it(reader):
    folders = {f["id"]: f["path"] for f in reader.get("/instance_folders", project_id=402)}
    expected = [
        i
        for i in reader.get("/instances", project_id=402)
        if folders[i["instance_folder_id"]] == "/BUSINESS_VAULT"
    ]
    assert "AIRPLANE" in [i["name"] for i in expected]
    assert reader.get("/instances", project_id=402, folder="/BUSINESS_VAULT") == expected


def test_an_early_release_shows_fewer_instances_in_older_versions(reader):
    now = {i["id"]: i for i in reader.get("/instances", project_id=402, pattern_id=808)}
    then = reader.get("/instances", project_id=402, pattern_id=808, releases='{"DWH_GROUP": "R1"}')
    assert 0 < len(then) < len(now)
    assert sum(i["version"] for i in then) < sum(now[i["id"]]["version"] for i in then)


def test_variables_are_found_by_their_instance(reader):
    (row,) = reader.get("/pattern_variables", instance="AIRPLANE", pattern_id=808)
    assert (row["level"], row["value"]) == ("instance", "250")
    airplane = reader.get("/instances", project_id=402, pattern_id=808, name="AIRPLANE")[0]["id"]
    assert reader.get("/pattern_variables", instance_id=airplane) == [row]


def test_filters_add_up(reader):
    full = reader.get("/releases")
    expected = [r for r in full if r["group_id"] == 1 and r["closed"] is False]
    assert reader.get("/releases", group="DWH_GROUP", closed="false") == expected


@pytest.mark.parametrize("resource", schema.RESOURCES.values(), ids=lambda r: r.name)
def test_every_row_has_exactly_the_documented_keys(reader, resource):
    if "find" in resource.verbs:
        rows = everything(reader, resource)
        assert rows
        assert {tuple(row) for row in rows} == {tuple(f.name for f in resource.fields)}


@pytest.mark.parametrize(
    "resource", [r for r in schema.RESOURCES.values() if "get" in r.verbs], ids=lambda r: r.name
)
def test_a_single_row_equals_the_one_in_the_list(reader, resource):
    row = everything(reader, resource)[-1]
    assert reader.get(f"{resource.path}/{row['id']}") == row


# --- refusals -------------------------------------------------------------------------------------------

UNKNOWN_NAMES = [
    (resource, f.name, message)
    for resource in schema.RESOURCES.values()
    for f in resource.filters
    for message in resource.messages
    if message.status == 404 and message.text.startswith(f"A {f.name.replace('group', 'release group')} with")
]


@pytest.mark.parametrize(("resource", "key", "message"), UNKNOWN_NAMES, **ID)
def test_an_unknown_name_gets_the_documented_sentence(reader, resource, key, message):
    given = {"project": "DEMO_PROJECT"} if any(rule.required for rule in resource.exclusive) else {}
    expected = (404, message.text.format("NO 'SUCH"))
    assert reader.refusal(resource.path, params={**given, key: "NO 'SUCH"}) == expected


@pytest.mark.parametrize("key", ["project_id", "pattern_id", "user_id"])
def test_an_unknown_id_gets_the_documented_sentence(reader, key):
    assert reader.refusal("/builds", params={key: 77}) == (404, "No record found for id '77'")


@pytest.mark.parametrize(
    ("resource", "key"), [("agents", "group"), ("builds", "user"), ("build_deployments", "deployment")]
)
def test_an_unknown_name_without_a_documented_sentence_finds_nothing(reader, resource, key):
    assert reader.get(f"/{resource}", **{key: "nobody"}) == []


@pytest.mark.parametrize("resource", ["instances", "instance_folders"])
def test_a_project_is_required(reader, resource):
    assert reader.refusal(f"/{resource}") == (400, "A project id or name is required!")


EXCLUSIVE = [(r, e) for r in schema.RESOURCES.values() for e in r.exclusive]


@pytest.mark.parametrize(("resource", "rule"), EXCLUSIVE, ids=lambda x: getattr(x, "name", None))
def test_a_name_and_an_id_for_the_same_thing_are_refused(reader, resource, rule):
    kinds = {f.name: f.type for f in resource.filters}
    given = {"project": "DEMO_PROJECT"} if any(e.required for e in resource.exclusive) else {}
    given |= {n: 402 if kinds[n] == "int" else "DEMO_PROJECT" for n in rule.names}
    status, message = reader.refusal(resource.path, params=given)
    assert status == 400
    assert all(name in message for name in rule.names)


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/builds", "project_id=abc"),
        ("/builds", "project_id=1.5"),
        ("/builds", "project_id="),
        ("/releases", "closed=perhaps"),
        ("/builds", "releases=R1"),
        ("/builds", "releases=[]"),
        ("/builds", 'releases={"DWH_GROUP":1}'),
        ("/builds", "nonsense=1"),
        ("/builds", "project=DEMO_PROJECT&project=SALES_DWH"),
    ],
)
def test_what_is_no_proper_filter_is_a_bad_request(reader, path, query):
    assert reader.refusal(f"{path}?{query}")[0] == 400


@pytest.mark.parametrize("text", ["abc", "-1", "1.5", "99999999999999999999", "²"])
def test_a_row_of_no_such_id_is_not_found(reader, text):
    assert reader.refusal(f"/builds/{text}") == (404, f"No record found for id '{text}'")


# --- permissions ----------------------------------------------------------------------------------------


def test_a_project_that_one_may_not_see_is_forbidden(viewer):
    expected = (403, "You don't have permissions to access this project!")
    assert viewer.refusal("/builds?project=SALES_DWH") == expected
    assert viewer.refusal("/instances?project_id=405") == expected
    assert (
        viewer.refusal("/metadata", "POST", json={"project": "SALES_DWH", "statement": "select 1"})
        == expected
    )


def test_a_viewer_sees_the_rows_of_one_project(viewer, reader):
    assert viewer.get("/builds") == reader.get("/builds", project="DEMO_PROJECT")
    assert {p["id"] for p in viewer.get("/projects")} == {402}
    assert {d["project_id"] for d in viewer.get("/downloads")} == {402}


def test_a_viewer_may_neither_start_nor_download(viewer, airplane):
    assert viewer.refusal("/builds", "POST", json=airplane) == (
        403,
        "You don't have permissions to start builds in this project!",
    )
    download = viewer.get("/downloads")[0]["id"]
    assert viewer.refusal(f"/downloads/{download}") == (
        403,
        "You don't have permissions to download build results!",
    )
