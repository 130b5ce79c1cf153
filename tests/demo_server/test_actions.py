"""POST /builds and POST /build_deployments, to each of their ends."""

from __future__ import annotations

import io
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor

import pytest

from mkframe.demo_server import Server

FIELDS = {"project": "DEMO_PROJECT"}


def test_a_build_starts_at_once_with_the_short_answer(starter, airplane):
    before = max(b["id"] for b in starter.get("/builds"))
    answer = starter.post("/builds", airplane)
    assert answer.status_code == 201
    assert answer.json() == {"build": {"id": before + 1, "status": "BUILDING"}, "warnings": []}


def test_a_build_progresses_to_finished(visit, airplane):
    with Server(builds=20, build_seconds=0.6) as server:
        visitor = visit(server)
        build = visitor.post("/builds", airplane).json()["build"]["id"]
        seen = []
        while (row := visitor.get(f"/builds/{build}"))["status"] == "BUILDING":
            seen.append((row["progress"], row["message"], row["build_end"], row["downloads"]))
            time.sleep(0.03)
        assert [p for p, *_ in seen] == sorted(p for p, *_ in seen)
        assert seen[0][0] < 50 < seen[-1][0] < 100
        assert len({m for _, m, *_ in seen}) >= 3
        assert {(end, len(files)) for *_, end, files in seen} == {(None, 0)}
        assert (row["status"], row["progress"], len(row["downloads"])) == ("FINISHED", 100, 1)
        assert row["releases"] == [21]


def test_wait_answers_with_the_whole_build(starter, airplane):
    body = starter.post("/builds", airplane | {"wait": True, "description": "x"}).json()
    assert body["build"] == starter.get(f"/builds/{body['build']['id']}")
    assert body["build"]["status"] == "FINISHED"


def test_a_finished_build_delivers_a_zip(starter, airplane):
    build = starter.post("/builds", airplane | {"wait": True}).json()["build"]
    (file,) = starter.get("/downloads", build_id=build["id"])
    content = starter.ask(f"/downloads/{file['id']}").content
    assert "BUSINESS_VAULT/AIRPLANE.xml" in zipfile.ZipFile(io.BytesIO(content)).namelist()


def test_downloads_are_numbered_in_the_order_of_the_ends(starter, airplane):
    builds = [starter.post("/builds", airplane).json()["build"]["id"] for _ in range(4)]
    rows = sorted((starter.until_done(b) for b in builds), key=lambda r: (r["build_end"], r["id"]))
    numbers = [r["downloads"][0]["id"] for r in rows]
    assert numbers == list(range(numbers[0], numbers[0] + 4))


@pytest.mark.parametrize("flag", ["errors", "invalid", "build_disabled"])
def test_a_build_of_a_bad_instance_fails_and_says_why(starter, airplane, flag):
    if flag == "errors":
        rows = [i for i in starter.get("/instances", project_id=402, deleted="false") if i["errors"]]
    else:
        rows = starter.get("/instances", project_id=402, deleted="false", **{flag: "true"})
    body = airplane | {"instances": [{"id": rows[0]["id"]}], "wait": True}
    build = starter.post("/builds", body).json()["build"]
    assert (build["status"], build["downloads"]) == ("FAILED", [])
    assert rows[0]["name"] in build["message"]


def test_please_cancel_cancels(starter, airplane):
    build = starter.post("/builds", airplane | {"description": "Please cancel this", "wait": True}).json()[
        "build"
    ]
    assert (build["status"], build["progress"], build["downloads"]) == ("CANCELED", 50, [])


def test_instances_of_several_patterns_give_several_artifacts(starter):
    rows = starter.get("/instances", project_id=402, deleted="false", invalid="false", build_disabled="false")
    good = {i["pattern_id"]: i["id"] for i in rows if not i["errors"]}
    body = {"project_id": 402, "instances": [{"id": i} for i in good.values()], "wait": True}
    build = starter.post("/builds", body).json()["build"]
    assert len(build["patterns"]) == len(build["downloads"]) == len(good) == 4
    assert build["instances"] == 4


def test_an_instance_named_twice_is_built_once(starter, airplane):
    body = airplane | {"instances": airplane["instances"] * 2, "wait": True}
    assert starter.post("/builds", body).json()["build"]["instances"] == 1


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
def test_odd_releases_are_warnings(starter, airplane, releases, warning):
    answer = starter.post("/builds", airplane | {"releases": releases})
    assert (answer.status_code, answer.json()["warnings"]) == (201, [warning])


def test_a_deleted_instance_must_be_restored(starter, airplane):
    deleted = starter.get("/instances", project_id=402, deleted="true", build_disabled="false")[0]
    body = airplane | {"instances": [{"id": deleted["id"]}]}
    assert starter.refusal("/builds", "POST", json=body) == (404, "Instance not found")
    assert starter.post("/builds", body | {"restore": True}).status_code == 201
    left = starter.get("/instances", project_id=402, deleted="true")
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
def test_a_refused_build_says_why(reader, body, status, message):
    assert reader.refusal("/builds", "POST", json=body) == (status, message)


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
def test_a_body_of_another_shape_is_a_bad_request(reader, airplane, change):
    assert reader.refusal("/builds", "POST", json=airplane | change)[0] == 400


def test_a_refused_build_does_not_exist(starter):
    before = len(starter.get("/builds"))
    for body, *_ in REFUSED:
        starter.post("/builds", body)
    assert len(starter.get("/builds")) == before


def test_any_text_comes_back_as_it_was(starter, airplane):
    text = "\u202e<script>\U0001f6eb '=cmd()\ud800"
    build = starter.post("/builds", airplane | {"description": text}).json()["build"]["id"]
    assert starter.get(f"/builds/{build}")["description"] == text


def test_builds_started_at_the_same_time_are_all_there(starter, airplane):
    before = len(starter.get("/builds"))
    with ThreadPoolExecutor(6) as pool:
        jobs = [pool.submit(starter.post, "/builds", airplane) for _ in range(24)]
        looks = [pool.submit(starter.get, "/builds") for _ in range(12)]
        ids = [job.result().json()["build"]["id"] for job in jobs]
    assert sorted(ids) == list(range(min(ids), min(ids) + 24))
    assert all(len({b["id"] for b in look.result()}) == len(look.result()) for look in looks)
    rows = starter.get("/builds")
    assert len(rows) == before + 24


# --- deployments ----------------------------------------------------------------------------------------


def test_a_deployment_is_recorded(starter):
    target = starter.get("/deployments", pattern_id=808)[0]
    body = {"build_id": 5139, "deployment_id": target["id"], "agent_id": 1}
    row = starter.post("/build_deployments", body).json()
    assert row["pattern_id"] == 808
    assert row in starter.get("/build_deployments", build_id=5139)
    (file,) = starter.get("/downloads", build_id=5139)
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
def test_a_deployment_that_cannot_be_is_refused(reader, body, status):
    assert reader.refusal("/build_deployments", "POST", json=body)[0] == status
