"""Projects, releases and patterns that a test plants are what endpoints and views show."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

import mkframe as mk
from mkframe.demo_server import Server
from mkframe.errors import InputError, NotFoundError
from tests.support.versions import TEXT

PROPERTIES = {
    "FUNCTIONAL_ROLE": "string", "NAME": "string", "DATA_TYPE": "string", "WIDTH": "integer",
}  # fmt: skip
RELEASES = [
    {"name": "R1", "closed": True, "end": datetime(2026, 3, 1, tzinfo=UTC)},
    {"name": "R2", "previous": "R1", "start": datetime(2026, 3, 1, tzinfo=UTC)},
    {"name": "R1_HF", "hotfix_of": "R1"},
]
COMMIT = {
    "FOLDER": "/RAW/CRM", "INSTANCE": "CUSTOMER", "RELEASE": "R1", "USER_NAME": "anna", "TYPE": "Build",
    "STATUS": "FAILED", "COMMIT_TIMESTAMP": 1775124880390, "DELETED": 0,
}  # fmt: skip
DELIVERY = {"ID": 7, "FOLDER": "/RAW/CRM", "INSTANCE": "CUSTOMER", "BUILD_ID": 11, "MODE": "CREATION"}


def plant(server, number):
    project = server.add_project(f"P{number:03}")
    server.add_releases(f"G{number:03}", RELEASES)
    rows = [
        ("/RAW/CRM", "CUSTOMER", release, ["SK", "CUSTOMER_HK", "CHAR", number])
        for release in ("R1", "R1_HF", "R2")
    ]
    server.add_pattern(
        project,
        f"HUB_{number:03}",
        properties=PROPERTIES,
        roles={"SK": "Overwrite"},
        rows=[*rows, ("/RAW", "STORE", "R2", ["SK", "STORE_HK", None, None])],
        group=f"G{number:03}",
        commits=[COMMIT],
        deliveries=[DELIVERY],
        labels=[{"ID": 1, "FOLDER": "/RAW", "INSTANCE": "STORE", "LABEL": "to_do"}],
        instances={
            ("/RAW", "STORE"): {"errors": 2, "checked_out_by_user_id": 3},
            ("/OLD", "GONE"): {"deleted": True},
        },
    )
    return project


@pytest.fixture(scope="module")
def server():
    with Server(builds=20) as server:
        plant(server, 1)
        yield server


@pytest.fixture(scope="module")
def client(server):
    with mk.connect(server.url, email=server.email, password=server.password) as client:
        yield client


GIVEN = {"project": "P001", "pattern": "HUB_001"}


def test_planted_rows_are_read_by_release_and_folder(client):
    every = client.instance_rows(**GIVEN)
    assert every.dtypes.astype(str)[["DATA_TYPE", "WIDTH"]].tolist() == [TEXT, "Int64"]
    assert every.groupby("@RELEASE").size().to_dict() == {"R1": 1, "R1_HF": 1, "R2": 2}
    assert client.instance_rows(**GIVEN, releases=["R1", "R2"], folder="/RAW/CRM")["@RELEASE"].tolist() == [
        "R1", "R2",
    ]  # fmt: skip


def test_planted_releases_know_one_another(client):
    releases = client.releases.find(group="G001").reset_index().set_index("name")
    ids = releases["id"].to_dict()
    assert (releases.at["R1_HF", "hotfix_of_id"], releases.at["R2", "prev_release_id"]) == (
        ids["R1"],
        ids["R1"],
    )
    assert releases["closed"].to_dict() == {"R1": True, "R2": False, "R1_HF": False}
    assert releases.at["R1", "end_date"] == releases.at["R2", "start_date"]


def test_planted_commits_deliveries_and_labels_are_in_the_views(client):
    (commit,) = client.commits(**GIVEN).drop(columns="PATTERN").to_dict("records")
    assert {key: commit[key] for key in COMMIT} == COMMIT
    assert client.commits(project="P001")["PATTERN"].tolist() == ["HUB_001"]
    assert client.deliveries(project="P001", build_id=11)["MODE"].to_dict() == {7: "CREATION"}
    assert client.instance_labels(project="P001")[["INSTANCE", "LABEL"]].values.tolist() == [
        ["STORE", "to_do"]
    ]


def test_planted_instances_are_listed_with_their_flags(client):
    def names(**given):
        return sorted(client.instances.find(**GIVEN, **given)["name"])

    assert names() == ["CUSTOMER", "GONE", "STORE"]
    assert (names(invalid=True), names(deleted=True), names(checked_out=True)) == (
        ["STORE"],
        ["GONE"],
        ["STORE"],
    )
    assert names(releases={"G001": "R1_HF"}) == ["CUSTOMER"]
    assert names(folder="/RAW/CRM") == ["CUSTOMER"]
    assert client.instance_properties.find(pattern="HUB_001")["name"].tolist() == list(PROPERTIES)
    sql = "SELECT INSTANCE, DELETED FROM @INFORMATION_SCHEMA.INSTANCES ORDER BY 1"
    view = client.metadata.query(sql, project="P001")
    assert view.values.tolist() == [["CUSTOMER", 0], ["GONE", 1], ["STORE", 0]]


def test_many_projects_are_independent(server, client):
    for number in range(2, 40):
        plant(server, number)
    for number in (2, 21, 39):
        rows = client.instance_rows(project=f"P{number:03}", pattern=f"HUB_{number:03}", releases="R1")
        assert rows["WIDTH"].tolist() == [number]
        assert len(client.commits(project=f"P{number:03}")) == 1
    with pytest.raises(NotFoundError):
        client.commits(project="P999")


@pytest.mark.parametrize(
    "wrong",
    [
        lambda server: server.add_project("DEMO_PROJECT"),
        lambda server: server.add_releases("G", [{"name": "R1", "hotfix_of": "R0"}]),
        lambda server: server.add_releases("G", [{"name": "R1", "ends": None}]),
        lambda server: server.add_releases("G", [{"name": "R1", "end": datetime(2026, 1, 1)}]),
        lambda server: server.add_releases("G", [{}]),
        lambda server: server.add_pattern(402, "X", properties=PROPERTIES, roles={}, group="NO_SUCH"),
        lambda server: server.add_pattern(402, "X", properties={}, roles={}),
        lambda server: server.add_pattern(
            402, "X", properties=PROPERTIES, roles={}, commits=[{"BUILD_ID": 1}]
        ),
        lambda server: Server().add_project("P"),
    ],
)
def test_wrong_planting_is_refused(server, wrong):
    with pytest.raises(InputError):
        wrong(server)
