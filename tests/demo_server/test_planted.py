"""Releases, hotfixes and commits that are told on purpose: all views and endpoints say the same of them."""

from __future__ import annotations

import collections
import io
import json
import zipfile
from datetime import datetime

import pytest

from mkframe.demo_server import Server
from mkframe.demo_server.data import vocabulary
from mkframe.demo_server.data.projects import PATTERNS, PLACES

PROJECTS = {402: "DEMO_PROJECT", 405: "SALES_DWH", 411: "FINANCE_MART", 418: "LOGISTICS_LAKE"}
GROUPS = {1: "DWH_GROUP", 2: "MART_GROUP", 3: "LAKE_GROUP"}
NAMES = {1: ("R10", "R10_HF2", "R11"), 2: ("R9", "R9_HF2", "R10"), 3: ("R4", "R4_HF1", "R5")}
places = pytest.mark.parametrize("place", PLACES, ids=lambda place: PROJECTS[place[0]])

KEYS = {"HK": ("CHAR", 32), "ID": ("VARCHAR", 50)}
FIELDS = {
    "CODE": ("VARCHAR", 50), "NAME": ("VARCHAR", 200), "STATUS": ("VARCHAR", 50), "AMOUNT": ("NUMBER", 18),
    "REMARK": ("VARCHAR", 200), "VALID_FROM": ("DATE", None),
}  # fmt: skip
LONG = {"AMOUNT": ("NUMBER", 24)}
TOLD = {
    # base, hotfix, next: what differs from the first rows; None is a row that is not there
    "EXCHANGE_RATE": ({}, LONG, LONG),
    "LANGUAGE": ({}, {"APPROVED_AT": ("TIMESTAMP", None)}, {"APPROVED_AT": ("TIMESTAMP", None)}),
    "BUSINESS_PARTNER": ({}, {"REMARK": ("VARCHAR", 500)}, {}),
    "EMPLOYEE": ({}, {"SOURCE_KEY": ("VARCHAR", 200)}, {}),
    "CONTACT_PERSON": ({}, {"STATUS": None}, {}),
    "BANK_ACCOUNT": ({}, LONG | {"NAME": ("VARCHAR", 400)}, LONG),
    "COUNTRY": ({}, {"CODE": ("VARCHAR", 80)}, {"CODE": ("VARCHAR", 100)}),
    "FAX_NUMBER": ({}, {"NAME": ("VARCHAR", 400)}, None),
    "CONSENT": ({}, None, {"PRIORITY": ("INTEGER", None)}),
    "COMPLAINT": ({}, None, {"STATUS": ("VARCHAR", 20)}),
    "SURVEY": ({}, None, {"NAME": ("VARCHAR", 300), "SEEN_AT": ("TIMESTAMP", None)}),
    "HOLIDAY": ({}, None, {"NAME": ("VARCHAR", 250)}),
    "TERRITORY": ({}, None, {"CODE": ("VARCHAR", 60)}),
    "VOUCHER": ({}, None, {}),
    "LEGACY_CODE": ({}, None, {}),
    "WARRANTY": ({"REMARK": ("VARCHAR", 300)}, None, {}),
    "TELEX": ({}, None, {}),
}


@pytest.fixture(scope="module")
def full(log_in, now):
    with Server(builds=2000, at=now) as server:
        yield log_in(server)


def rows(client, statement, project):
    answer = client.post("/metadata", {"project_id": project, "statement": statement}).json()
    assert answer["status"] == "FINISHED", answer
    return answer["rows"]


def view(client, name, project):
    return rows(client, f"SELECT * FROM @INFORMATION_SCHEMA.{name}", project)


def told_columns(name, changes):
    fields = {f"{name}_{key}": kind for key, kind in KEYS.items()} | FIELDS | changes
    return {field: kind for field, kind in fields.items() if kind}


@places
def test_rows_of_each_release_are_those_told(full, place):
    project, pattern = place
    found = collections.defaultdict(dict)
    for row in rows(full, f"SELECT * FROM @INSTANCES.{PATTERNS[pattern].name}", project):
        key = row["@INSTANCE"], row["@RELEASE"]
        found[key][row["NAME"]] = row["DATA_TYPE"], row["PRECISION"]
    assert set(TOLD) == set(vocabulary.PLANTED)
    for name, states in TOLD.items():
        for release, changes in zip(NAMES[PLACES[place]], states, strict=True):
            expected = {} if changes is None else told_columns(name, changes)
            assert found.get((name, release), {}) == expected, (name, release)


@places
def test_commits_say_what_was_built(full, place):
    base, fix, today = NAMES[PLACES[place]]
    last = collections.defaultdict(lambda: {"Commit": 0, "FINISHED": 0, "FAILED": 0})
    for row in view(full, "COMMITS", place[0]):
        if row["PATTERN"] == PATTERNS[place[1]].name and row["INSTANCE"] in TOLD:
            kind = row["STATUS"] if row["TYPE"] == "Build" else "Commit"
            state = last[row["INSTANCE"], row["RELEASE"]]
            state[kind] = max(state[kind], row["COMMIT_TIMESTAMP"])
    assert all(last[name, base]["FINISHED"] for name in TOLD)
    for name in ("SURVEY", "HOLIDAY", "EXCHANGE_RATE", "COUNTRY"):
        assert last[name, today]["FINISHED"], name
        built = last[name, today]["Commit"] < last[name, today]["FINISHED"]
        assert built is (name != "SURVEY"), name
    assert not last["CONSENT", today]["FINISHED"]
    assert not last["CONSENT", today]["FAILED"]
    complaint = last["COMPLAINT", today]
    assert not complaint["FINISHED"]
    assert not complaint["FAILED"] or complaint["Commit"] < complaint["FAILED"]
    assert all(last[name, fix]["FINISHED"] > last[name, fix]["Commit"] for name in list(TOLD)[:8])


def test_failed_build_has_tried_an_instance(full):
    tried = [
        row
        for project in PROJECTS
        for row in view(full, "COMMITS", project)
        if (row["INSTANCE"], row["STATUS"]) == ("COMPLAINT", "FAILED")
    ]
    assert len(tried) >= 2
    failed = [b["message"] for b in full.get("/builds") if b["status"] == "FAILED"]
    assert sum("COMPLAINT" in message for message in failed) == len(tried)


@pytest.mark.parametrize("project", PROJECTS)
def test_builds_commit_all_their_instances_at_once(full, project):
    releases = {r["id"]: r["name"] for r in full.get("/releases")}
    at_once = collections.defaultdict(list)
    for row in view(full, "COMMITS", project):
        if row["TYPE"] == "Build":
            at_once[row["COMMIT_TIMESTAMP"], row["STATUS"], row["DESCRIPTION"]].append(row)
    names = {p.id: p.name for p in PATTERNS.values()}
    completed = [b for b in full.get("/builds", project_id=project) if b["build_end"]]
    for build in completed:
        end = unix_ms(build["build_end"])
        commits = at_once.pop((end, build["status"], build["description"]))
        assert len(commits) == build["instances"]
        assert {c["PATTERN"] for c in commits} == {names[p] for p in build["patterns"]}
        assert {releases[r] for r in build["releases"]} <= {c["RELEASE"] for c in commits}
    assert not at_once


def unix_ms(text):
    return round(datetime.fromisoformat(text).timestamp() * 1000)


@pytest.mark.parametrize("project", PROJECTS)
def test_deliveries_agree_with_builds_and_commits(full, project):
    releases = {r["id"]: r["name"] for r in full.get("/releases")}
    builds = {b["id"]: b for b in full.get("/builds", project_id=project)}
    committed = {
        (c["COMMIT_TIMESTAMP"], c["PATTERN"], c["FOLDER"], c["INSTANCE"], c["RELEASE"], c["USER_NAME"])
        for c in view(full, "COMMITS", project)
    }
    for row in view(full, "DELIVERIES", project):
        build = builds[row["BUILD_ID"]]
        key = unix_ms(build["build_end"]), *(row[n] for n in ("PATTERN", "FOLDER", "INSTANCE"))
        assert (*key, row["RELEASE"], row["USER_NAME"]) in committed
        assert not build["releases"] or row["RELEASE"] in {*map(releases.get, build["releases"]), None}
        assert (row["COMPARE_TO_BUILD_ID"] or 0) < row["BUILD_ID"]


def test_merged_changes_are_delivered_once(full):
    fix, today = NAMES[1][1:]
    found = [r for r in view(full, "DELIVERIES", 402) if r["INSTANCE"] in ("EXCHANGE_RATE", "LANGUAGE")]
    assert {r["INSTANCE"] for r in found if r["RELEASE"] == fix} == {"EXCHANGE_RATE", "LANGUAGE"}
    assert all(r["CHANGE_COUNT"] == 0 for r in found if r["RELEASE"] == today)


@places
def test_instances_of_a_release_are_those_with_rows(full, place):
    project, pattern = place
    found = collections.defaultdict(set)
    statement = (
        f'SELECT DISTINCT "@RELEASE" R, "@FOLDER" F, "@INSTANCE" I FROM @INSTANCES.{PATTERNS[pattern].name}'
    )
    for row in rows(full, statement, project):
        found[row["R"]].add((row["F"], row["I"]))
    folders = {f["id"]: f["path"] for f in full.get("/instance_folders", project_id=project)}
    group = GROUPS[PLACES[place]]
    for release in found:
        given = {"releases": json.dumps({group: release}), "pattern_id": pattern, "project_id": project}
        listed = {(folders[i["instance_folder_id"]], i["name"]) for i in full.get("/instances", **given)}
        assert listed == found[release], release


def test_flags_are_those_of_the_filters(full):
    def listed(**given):
        return {i["name"] for i in full.get("/instances", project_id=402, pattern_id=808, **given)}

    for name, given in {
        "VOUCHER": {"invalid": "true"}, "LEGACY_CODE": {"build_disabled": "true"},
        "TELEX": {"deleted": "true"}, "TERRITORY": {"checked_out": "true"},
    }.items():  # fmt: skip
        assert listed(**given) & set(TOLD) == {name}
    off = {r["INSTANCE"] for r in view(full, "INSTANCES", 402) if not r["BUILD_ENABLED"]}
    assert off & set(TOLD) == {"LEGACY_CODE"}
    labels = {(r["INSTANCE"], r["LABEL"], r["COLOR"]) for r in view(full, "INSTANCE_LABELS", 402)}
    assert {("CONSENT", "to_do", "blue"), ("HOLIDAY", "approved", "green")} < labels


def test_variables_differ_between_folders(full):
    found = {
        (r["FOLDER"], r["VALUE"])
        for r in view(full, "PATTERN_VARIABLES", 402)
        if (r["PATTERN"], r["NAME"]) == ("CORE_DV_HLS", "DATABASE")
    }
    assert found == {
        ("/RAW_VAULT", "DWH_TEST"), ("/RAW_VAULT/CRM", "DWH_TEST"), ("/RAW_VAULT/ERP", "DWH_TEST"),
        ("/BUSINESS_VAULT", "DWH_PROD"), ("/BUSINESS_VAULT/CRM", "DWH_DEV"), ("/ARCHIVE", "DWH_DEV"),
    }  # fmt: skip
    listed = full.get("/pattern_variables", pattern="CORE_DV_HLS", name="DATABASE", project_id=402)
    assert {r["value"] for r in listed} >= {"DWH_TEST", "DWH_PROD", "DWH_DEV"}


def test_artifact_of_a_hotfix_has_its_rows(full):
    names = {r["name"]: r["id"] for r in full.get("/releases", group="DWH_GROUP")}
    seen = {}
    for row in view(full, "DELIVERIES", 402):
        if row["INSTANCE"] == "BUSINESS_PARTNER":
            (file,) = full.get("/downloads", build_id=row["BUILD_ID"], pattern_id=808)
            archive = zipfile.ZipFile(io.BytesIO(full.request(f"/downloads/{file['id']}").content))
            text = archive.read(f"{row['FOLDER'].strip('/')}/BUSINESS_PARTNER.xml").decode()
            seen[row["RELEASE"]] = 'precision="500"' in text
            assert names[row["RELEASE"]] in full.get(f"/builds/{row['BUILD_ID']}")["releases"]
    assert seen == {"R10": False, "R10_HF2": True}


def test_build_in_an_ended_release_has_the_rows_of_then(writer):
    body = {
        "project": "DEMO_PROJECT", "releases": {"DWH_GROUP": "R1"}, "wait": True,
        "instances": [{"pattern": "CORE_DV_HLS", "folder": "/BUSINESS_VAULT", "name": "AIRPLANE"}],
    }  # fmt: skip
    first = writer.post("/builds", body).json()["build"]
    statement = (
        "SELECT NAME FROM @INSTANCES.CORE_DV_HLS WHERE \"@INSTANCE\" = 'AIRPLANE' AND \"@RELEASE\" = 'R1'"
    )
    names = {r["NAME"] for r in rows(writer, statement, 402)}
    archive = zipfile.ZipFile(io.BytesIO(writer.request(f"/downloads/{first['downloads'][0]['id']}").content))
    text = archive.read("BUSINESS_VAULT/AIRPLANE.xml").decode()
    assert names
    assert all(f'name="{name}"' in text for name in names)
    commits = [
        c for c in view(writer, "COMMITS", 402) if c["COMMIT_TIMESTAMP"] == unix_ms(first["build_end"])
    ]
    assert [(c["INSTANCE"], c["RELEASE"], c["TYPE"]) for c in commits] == [("AIRPLANE", "R1", "Build")]


@pytest.mark.parametrize("builds", [0, 12, 300])
def test_short_history_has_the_rows_too(log_in, builds):
    with Server(builds=builds) as server:
        client = log_in(server)
        found = rows(client, 'SELECT DISTINCT "@INSTANCE" I FROM @INSTANCES.CORE_DV_HLS', 402)
        assert {r["I"] for r in found} >= set(TOLD)
        assert len(client.get("/builds")) == builds
