"""Each filter of each resource, compared with a filter over all rows."""

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
def test_filter_on_field_returns_equal_rows(reader, resource, wanted):
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
def test_filter_by_name_equals_filter_by_id(reader, resource, wanted):
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
def test_pattern_filter_matches_any_pattern_of_build(reader, key, value):
    expected = [b for b in reader.get("/builds") if 808 in b["patterns"]]
    assert expected
    assert reader.get("/builds", **{key: value}) == expected


def test_releases_filter_matches_all_releases_of_build(reader):
    expected = [b for b in reader.get("/builds") if {21, 61} <= set(b["releases"])]
    assert expected
    assert reader.get("/builds", releases=json.dumps({"DWH_GROUP": "R1", "MART_GROUP": "R1"})) == expected


@pytest.mark.parametrize("wanted", UNSEEN, ids=lambda f: f.name)
def test_filter_without_field_splits_rows_in_two(reader, wanted):
    full, yes, no = (
        {i["id"] for i in reader.get("/instances", project="DEMO_PROJECT", **given)}
        for given in ({}, {wanted.name: "true"}, {wanted.name: "false"})
    )
    assert yes
    assert no
    assert not yes & no
    assert yes | no == full


def test_checked_out_by_user_matches_checked_out(reader):
    held = {i["id"] for i in reader.get("/instances", project_id=402, checked_out="true")}
    by_person = [
        {i["id"] for i in reader.get("/instances", project_id=402, checked_out_by_user_id=u)}
        for u in range(1, 12)
    ]
    assert set().union(*by_person) == held
    anna = reader.get("/instances", project_id=402, checked_out_by_user="anna.keller@example.com")
    assert {i["id"] for i in anna} == by_person[1]


def test_folder_filter_returns_instances_of_folder(reader):
    folders = {f["id"]: f["path"] for f in reader.get("/instance_folders", project_id=402)}
    expected = [
        i
        for i in reader.get("/instances", project_id=402)
        if folders[i["instance_folder_id"]] == "/BUSINESS_VAULT"
    ]
    assert "AIRPLANE" in [i["name"] for i in expected]
    assert reader.get("/instances", project_id=402, folder="/BUSINESS_VAULT") == expected


def test_early_release_returns_older_versions(reader):
    now = {i["id"]: i for i in reader.get("/instances", project_id=402, pattern_id=808)}
    then = reader.get("/instances", project_id=402, pattern_id=808, releases='{"DWH_GROUP": "R1"}')
    assert 0 < len(then) < len(now)
    assert sum(i["version"] for i in then) < sum(now[i["id"]]["version"] for i in then)


def test_pattern_variables_filter_by_instance(reader):
    (row,) = reader.get("/pattern_variables", instance="AIRPLANE", pattern_id=808)
    assert (row["level"], row["value"]) == ("instance", "250")
    airplane = reader.get("/instances", project_id=402, pattern_id=808, name="AIRPLANE")[0]["id"]
    assert reader.get("/pattern_variables", instance_id=airplane) == [row]


def test_several_filters_are_combined(reader):
    full = reader.get("/releases")
    expected = [r for r in full if r["group_id"] == 1 and r["closed"] is False]
    assert reader.get("/releases", group="DWH_GROUP", closed="false") == expected


@pytest.mark.parametrize("resource", schema.RESOURCES.values(), ids=lambda r: r.name)
def test_rows_have_documented_keys(reader, resource):
    if "find" in resource.verbs:
        rows = everything(reader, resource)
        assert rows
        assert {tuple(row) for row in rows} == {tuple(f.name for f in resource.fields)}


@pytest.mark.parametrize(
    "resource", [r for r in schema.RESOURCES.values() if "get" in r.verbs], ids=lambda r: r.name
)
def test_get_equals_row_of_find(reader, resource):
    row = everything(reader, resource)[-1]
    assert reader.get(f"{resource.path}/{row['id']}") == row


# --- errors -------------------------------------------------------------------------------------------

UNKNOWN_NAMES = [
    (resource, f.name, message)
    for resource in schema.RESOURCES.values()
    for f in resource.filters
    for message in resource.messages
    if message.status == 404 and message.text.startswith(f"A {f.name.replace('group', 'release group')} with")
]


@pytest.mark.parametrize(("resource", "key", "message"), UNKNOWN_NAMES, **ID)
def test_unknown_name_has_documented_message(reader, resource, key, message):
    given = {"project": "DEMO_PROJECT"} if any(rule.required for rule in resource.exclusive) else {}
    expected = (404, message.text.format("NO 'SUCH"))
    assert reader.error_of(resource.path, params={**given, key: "NO 'SUCH"}) == expected


@pytest.mark.parametrize("key", ["project_id", "pattern_id", "user_id"])
def test_unknown_id_has_documented_message(reader, key):
    assert reader.error_of("/builds", params={key: 77}) == (404, "No record found for id '77'")


@pytest.mark.parametrize(
    ("resource", "key"), [("agents", "group"), ("builds", "user"), ("build_deployments", "deployment")]
)
def test_unknown_name_without_message_finds_nothing(reader, resource, key):
    assert reader.get(f"/{resource}", **{key: "nobody"}) == []


@pytest.mark.parametrize("resource", ["instances", "instance_folders"])
def test_find_without_required_project_is_400(reader, resource):
    assert reader.error_of(f"/{resource}") == (400, "A project id or name is required!")


EXCLUSIVE = [(r, e) for r in schema.RESOURCES.values() for e in r.exclusive]


@pytest.mark.parametrize(("resource", "rule"), EXCLUSIVE, ids=lambda x: getattr(x, "name", None))
def test_name_and_id_together_are_400(reader, resource, rule):
    kinds = {f.name: f.type for f in resource.filters}
    given = {"project": "DEMO_PROJECT"} if any(e.required for e in resource.exclusive) else {}
    given |= {n: 402 if kinds[n] == "int" else "DEMO_PROJECT" for n in rule.names}
    status, message = reader.error_of(resource.path, params=given)
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
def test_filter_invalid_is_400(reader, path, query):
    assert reader.error_of(f"{path}?{query}")[0] == 400


@pytest.mark.parametrize("text", ["abc", "-1", "1.5", "99999999999999999999", "²"])
def test_get_of_invalid_id_is_404(reader, text):
    assert reader.error_of(f"/builds/{text}") == (404, f"No record found for id '{text}'")


# --- permissions ----------------------------------------------------------------------------------------


def test_project_without_permission_is_403(viewer):
    expected = (403, "You don't have permissions to access this project!")
    assert viewer.error_of("/builds?project=SALES_DWH") == expected
    assert viewer.error_of("/instances?project_id=405") == expected
    assert (
        viewer.error_of("/metadata", "POST", json={"project": "SALES_DWH", "statement": "select 1"})
        == expected
    )


def test_viewer_sees_one_project(viewer, reader):
    assert viewer.get("/builds") == reader.get("/builds", project="DEMO_PROJECT")
    assert {p["id"] for p in viewer.get("/projects")} == {402}
    assert {d["project_id"] for d in viewer.get("/downloads")} == {402}


def test_viewer_start_and_download_are_403(viewer, airplane):
    assert viewer.error_of("/builds", "POST", json=airplane) == (
        403,
        "You don't have permissions to start builds in this project!",
    )
    download = viewer.get("/downloads")[0]["id"]
    assert viewer.error_of(f"/downloads/{download}") == (
        403,
        "You don't have permissions to download build results!",
    )
