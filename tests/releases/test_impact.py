"""What may depend on an instance or a field."""

import pytest

from mkframe import releases
from mkframe.errors import InputError
from mkframe.releases.frames import impact
from tests.support import release_server
from tests.support.metadata_rows import commit_rows, lines, metadata_rows

ROLES = {"source_roles": ["SRC"], "target_roles": ["TGT"]}


@pytest.fixture
def rows():
    stage = metadata_rows(
        ("/RAW/PLANE", "R1", ["SRC erp", "TGT SEATS"]), ("/RAW/PLANE", "R2", ["SRC erp"]), pattern="STAGE"
    )
    vault = metadata_rows(
        ("/RAW/FLEET", "R1", ["SRC plane", "SRC seats"]), ("/RAW/OTHER", "R2", ["SRC FLEET"]),
        ("/RAW/REPORT", "R1", ["SRC FLEET", "TGT PLANE"]), ("/RAW/GONE", "(R1)", ["SRC PLANE"]),
        pattern="DV",
    )  # fmt: skip
    return [stage, vault]


def test_instances_downstream_are_followed_in_their_release(rows):
    found = impact(rows, instance="plane", **ROLES)
    assert lines(
        found, "distance", "source_instance", "matched", "pattern", "instance", "release", "name"
    ) == [
        (1, "PLANE", "PLANE", "DV", "FLEET", "R1", "plane"),
        (2, "FLEET", "FLEET", "DV", "REPORT", "R1", "FLEET"),
    ]
    assert found.messages[0] == "2 candidates in 5 instances of DV, STAGE."
    assert any("prove nothing" in sentence for sentence in found.messages)


def test_field_is_matched_as_target_and_source(rows):
    found = impact(rows, field="SEATS", **ROLES)
    assert lines(found, "source_pattern", "source_instance", "instance", "name") == [
        ("STAGE", "PLANE", "FLEET", "seats")
    ]
    assert len(impact(rows, field="SEATS", source_roles=["SRC"], target_roles=["OTHER"])) == 0


def test_instances_in_a_circle_end(rows):
    circle = metadata_rows(("/F/A", "R1", ["SRC B"]), ("/F/B", "R1", ["SRC A"]))
    assert lines(impact([circle], instance="A", **ROLES), "distance", "instance") == [(1, "B")]


def test_last_build_is_that_of_the_release(rows):
    commits = commit_rows("FLEET R1 FINISHED 10", "FLEET R1 FAILED 20", "FLEET R2 FINISHED 30")
    found = impact(rows, instance="PLANE", commits=commits, **ROLES)
    assert lines(found, "instance", "last_build", "last_status") == [
        ("FLEET", 20, "FAILED"),
        ("REPORT", None, None),
    ]


def test_nothing_of_that_name_is_said(rows):
    found = impact(rows, instance="NOPE", **ROLES)
    assert len(found) == 0
    assert "Nothing is called NOPE." in found.messages
    assert found.dtypes.to_dict() == impact(rows, instance="PLANE", **ROLES).dtypes.to_dict()
    with pytest.raises(InputError, match="not both"):
        impact(rows, **ROLES)


def test_impact_of_a_client_prints_its_roles():
    story = release_server.story_in_order()
    row = story.row("SEAT", "WEIGHT", "R7")
    row["NAME"] = "PLANE"
    story.roles = [
        {"id": 1, "pattern_id": 808, "name": "ATTR", "class": "Functional", "domain": "FIELD",
         "cardinality_min": "0", "cardinality_max": "N", "pos_no": 1, "deleted": False, "disabled": False,
         "readonly": False, "merge_strategy": None}
    ]  # fmt: skip
    with story.client() as client:
        found = releases.impact(client, project="DEMO_PROJECT", instance="PLANE")
        assert lines(found, "instance", "role", "release", "last_status") == [
            ("SEAT", "ATTR", "R7", "FINISHED")
        ]
        assert "Sources are rows of the roles ATTR" in found.messages[1]
        with pytest.raises(InputError, match="no instances of 'NOPE'"):
            releases.impact(client, project="DEMO_PROJECT", instance="PLANE", patterns="NOPE")
