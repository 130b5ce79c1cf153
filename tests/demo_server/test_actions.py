"""POST /builds and POST /build_deployments, with each outcome."""

from __future__ import annotations

import io
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor

import pytest

from mkframe.demo_server import Server

FIELDS = {"project": "DEMO_PROJECT"}


def test_start_returns_short_build_at_once(writer, airplane):
    before = max(b["id"] for b in writer.get("/builds"))
    response = writer.post("/builds", airplane)
    assert response.status_code == 201
    assert response.json() == {"build": {"id": before + 1, "status": "BUILDING"}, "warnings": []}


def test_build_progresses_to_finished(log_in, airplane):
    with Server(builds=20, build_seconds=0.6) as server:
        client = log_in(server)
        build = client.post("/builds", airplane).json()["build"]["id"]
        seen = []
        while (row := client.get(f"/builds/{build}"))["status"] == "BUILDING":
            seen.append((row["progress"], row["message"], row["build_end"], row["downloads"]))
            time.sleep(0.03)
        assert [p for p, *_ in seen] == sorted(p for p, *_ in seen)
        assert seen[0][0] < 50 < seen[-1][0] < 100
        assert len({m for _, m, *_ in seen}) >= 3
        assert {(end, len(files)) for *_, end, files in seen} == {(None, 0)}
        assert (row["status"], row["progress"], len(row["downloads"])) == ("FINISHED", 100, 1)
        assert row["releases"] == [21]


def test_start_with_wait_returns_whole_build(writer, airplane):
    body = writer.post("/builds", airplane | {"wait": True, "description": "x"}).json()
    assert body["build"] == writer.get(f"/builds/{body['build']['id']}")
    assert body["build"]["status"] == "FINISHED"


def test_finished_build_has_a_zip(writer, airplane):
    build = writer.post("/builds", airplane | {"wait": True}).json()["build"]
    (file,) = writer.get("/downloads", build_id=build["id"])
    content = writer.request(f"/downloads/{file['id']}").content
    assert "BUSINESS_VAULT/AIRPLANE.xml" in zipfile.ZipFile(io.BytesIO(content)).namelist()


def test_downloads_are_numbered_by_end_of_build(writer, airplane):
    builds = [writer.post("/builds", airplane).json()["build"]["id"] for _ in range(4)]
    rows = sorted((writer.wait_for_end(b) for b in builds), key=lambda r: (r["build_end"], r["id"]))
    numbers = [r["downloads"][0]["id"] for r in rows]
    assert numbers == list(range(numbers[0], numbers[0] + 4))


@pytest.mark.parametrize("flag", ["errors", "invalid", "build_disabled"])
def test_build_of_invalid_instance_fails_with_message(writer, airplane, flag):
    if flag == "errors":
        rows = [i for i in writer.get("/instances", project_id=402, deleted="false") if i["errors"]]
    else:
        rows = writer.get("/instances", project_id=402, deleted="false", **{flag: "true"})
    body = airplane | {"instances": [{"id": rows[0]["id"]}], "wait": True}
    build = writer.post("/builds", body).json()["build"]
    assert (build["status"], build["downloads"]) == ("FAILED", [])
    assert rows[0]["name"] in build["message"]


def test_please_cancel_cancels_build(writer, airplane):
    build = writer.post("/builds", airplane | {"description": "Please cancel this", "wait": True}).json()[
        "build"
    ]
    assert (build["status"], build["progress"], build["downloads"]) == ("CANCELED", 50, [])


def test_several_patterns_give_several_artifacts(writer):
    rows = writer.get("/instances", project_id=402, deleted="false", invalid="false", build_disabled="false")
    good = {i["pattern_id"]: i["id"] for i in rows if not i["errors"]}
    body = {"project_id": 402, "instances": [{"id": i} for i in good.values()], "wait": True}
    build = writer.post("/builds", body).json()["build"]
    assert len(build["patterns"]) == len(build["downloads"]) == len(good) == 4
    assert build["instances"] == 4


def test_instance_given_twice_is_built_once(writer, airplane):
    body = airplane | {"instances": airplane["instances"] * 2, "wait": True}
    assert writer.post("/builds", body).json()["build"]["instances"] == 1


@pytest.mark.parametrize(
    ("releases", "warning"),
    [
        ({}, "No release specified for release group 'DWH_GROUP'!"),
        ({"DWH_GROUP": "R2"}, "Release 'R2' of release group 'DWH_GROUP' is closed!"),
        (
            {"DWH_GROUP": "R1", "MART_GROUP": "R1"},
            "Release group 'MART_GROUP' belongs to no pattern of this build!",
        ),
    ],
)
def test_unsuitable_releases_are_warnings(writer, airplane, releases, warning):
    response = writer.post("/builds", airplane | {"releases": releases})
    assert (response.status_code, response.json()["warnings"]) == (201, [warning])


def test_deleted_instance_needs_restore(writer, airplane):
    deleted = writer.get("/instances", project_id=402, deleted="true", build_disabled="false")[0]
    body = airplane | {"instances": [{"id": deleted["id"]}]}
    assert writer.error_of("/builds", "POST", json=body) == (404, "Instance not found")
    assert writer.post("/builds", body | {"restore": True}).status_code == 201
    left = writer.get("/instances", project_id=402, deleted="true")
    assert deleted["id"] not in [i["id"] for i in left]


INSTANCE = {"pattern": "CORE_DV_HLS", "folder": "/BUSINESS_VAULT", "name": "AIRPLANE"}
REFUSED = [
    ({"instances": [INSTANCE]}, 400, "A project id or name is required!"),
    (FIELDS, 400, "No instances specified!"),
    (FIELDS | {"instances": []}, 400, "No instances specified!"),
    ({"project": "X", "instances": [INSTANCE]}, 404, "A project with the name 'X' does not exist!"),
    ({"project_id": 7, "instances": [INSTANCE]}, 404, "No record found for id '7'"),
    (FIELDS | {"instances": [{"id": 7}]}, 404, "Instance not found"),
    (FIELDS | {"instances": [INSTANCE | {"name": "X"}]}, 404, "Instance not found"),
    (FIELDS | {"instances": [INSTANCE | {"folder": "/"}]}, 404, "Instance not found"),
    ({"project": "SALES_DWH", "instances": [INSTANCE]}, 404, "Instance not found"),
    (
        FIELDS | {"instances": [INSTANCE | {"pattern": "X"}]},
        404,
        "A pattern with the name 'X' does not exist!",
    ),
    (
        FIELDS | {"instances": [INSTANCE], "releases": {"X": "R1"}},
        404,
        "A release group with the name 'X' does not exist!",
    ),
    (
        FIELDS | {"instances": [INSTANCE], "releases": {"DWH_GROUP": "X"}},
        404,
        "A release with the name 'X' does not exist!",
    ),
]


@pytest.mark.parametrize(("body", "status", "message"), REFUSED, ids=range(len(REFUSED)))
def test_start_invalid_has_documented_message(reader, body, status, message):
    assert reader.error_of("/builds", "POST", json=body) == (status, message)


@pytest.mark.parametrize(
    "change",
    [
        {"project_id": 402},
        {"wait": "true"},
        {"restore": 1},
        {"description": 5},
        {"releases": []},
        {"releases": {"DWH_GROUP": 1}},
        {"instances": "AIRPLANE"},
        {"instances": [5]},
        {"instances": [{}]},
        {"instances": [{"id": True}]},
        {"instances": [INSTANCE | {"id": 20001}]},
        {"nonsense": 1},
    ],
    ids=str,
)
def test_start_body_invalid_is_400(reader, airplane, change):
    assert reader.error_of("/builds", "POST", json=airplane | change)[0] == 400


def test_start_invalid_adds_no_build(writer):
    before = len(writer.get("/builds"))
    for body, *_ in REFUSED:
        writer.post("/builds", body)
    assert len(writer.get("/builds")) == before


def test_description_is_returned_unchanged(writer, airplane):
    text = "\u202e<script>\U0001f6eb '=cmd()\ud800"
    build = writer.post("/builds", airplane | {"description": text}).json()["build"]["id"]
    assert writer.get(f"/builds/{build}")["description"] == text


def test_concurrent_starts_are_all_recorded(writer, airplane):
    before = len(writer.get("/builds"))
    with ThreadPoolExecutor(6) as pool:
        jobs = [pool.submit(writer.post, "/builds", airplane) for _ in range(24)]
        looks = [pool.submit(writer.get, "/builds") for _ in range(12)]
        ids = [job.result().json()["build"]["id"] for job in jobs]
    assert sorted(ids) == list(range(min(ids), min(ids) + 24))
    assert all(len({b["id"] for b in look.result()}) == len(look.result()) for look in looks)
    rows = writer.get("/builds")
    assert len(rows) == before + 24


# --- deployments ----------------------------------------------------------------------------------------


def test_deployment_is_recorded(writer):
    target = writer.get("/deployments", pattern_id=808)[0]
    body = {"build_id": 5139, "deployment_id": target["id"], "agent_id": 1}
    row = writer.post("/build_deployments", body).json()
    assert row["pattern_id"] == 808
    assert row in writer.get("/build_deployments", build_id=5139)
    (file,) = writer.get("/downloads", build_id=5139)
    assert row["upload_id"] == file["upload_id"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 400),
        ({"build_id": 5139}, 400),
        ({"deployment": "GIT_MAIN"}, 400),
        ({"build_id": 5139, "deployment": "GIT_MAIN", "deployment_id": 1}, 400),
        ({"build_id": 5139, "deployment": "SYNAPSE_TEST"}, 400),
        ({"build_id": 5139, "deployment": "X"}, 404),
        ({"build_id": 5139, "deployment": "GIT_MAIN", "agent_id": 99}, 404),
        ({"build_id": 1, "deployment": "GIT_MAIN"}, 404),
    ],
)
def test_deployment_invalid_is_rejected(reader, body, status):
    assert reader.error_of("/build_deployments", "POST", json=body)[0] == status
