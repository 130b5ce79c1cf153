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


def test_stamps_that_are_text_are_compared_as_numbers(rows):
    commits = commit_rows("FLEET R1 FINISHED 9", "FLEET R1 FAILED 10")
    commits["COMMIT_TIMESTAMP"] = commits["COMMIT_TIMESTAMP"].astype(str)
    found = impact(rows, instance="PLANE", commits=commits, **ROLES)
    assert lines(found, "last_build", "last_status")[0] == (10, "FAILED")


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


NAMES = {
    "PLANE": "equal", "plane": "case", "RAW.PLANE": "qualified", 'raw."Plane"': "qualified",
    '"PLANE"': "qualified", "[dbo].[PLANE]": "qualified", "db.`raw` . plane": "qualified",
    "RAW.PLANE.SEATS": "part", "PLANE.SEATS": "part", "PLANE.PLANE": "qualified",
    "PLANES": None, "RAW.PLANES": None, "RAWPLANE": None, "PLANE_SEATS": None, "PLANE + SEATS": None,
    "NVL(RAW.PLANE, 0)": None, "'RAW.PLANE'": None, "RAW.PLANE.": None, "RAW..PLANE": None, "": None,
}  # fmt: skip


@pytest.mark.parametrize(("name", "kind"), NAMES.items())
def test_instance_is_found_by_its_name_in_any_form(name, kind):
    rows = metadata_rows(("/F/PLANE", "R1", ["TGT A"]), ("/F/FLEET", "R1", ["SRC X"]))
    rows["NAME"] = ["A", name]
    found = impact([rows], instance="plane", **ROLES)
    assert lines(found, "instance", "name", "match") == ([] if kind is None else [("FLEET", name, kind)])


@pytest.mark.parametrize(
    ("asked", "target", "source", "kind"),
    [
        ("SEATS", "SEATS", "SEATS", "equal"),
        ("seats", "SEATS", "Seats", "case"),
        ("SEATS", "SEATS", "RAW.PLANE.SEATS", "qualified"),
        ("SEATS", "PLANE.SEATS", "SEATS", "qualified"),
        ("PLANE.SEATS", "SEATS", "SEATS", "equal"),
        ("PLANE.SEATS", "PLANE.SEATS", "RAW.PLANE.SEATS", "qualified"),
        ("SEATS", "PLANE.SEATS", "TRAIN.SEATS", None),
        ("PLANE.SEATS", "TRAIN.SEATS", "TRAIN.SEATS", None),
        ("SEATS", "SEATS", "SEATS.WIDTH", None),
    ],
)
def test_field_is_found_by_the_parts_that_both_have(asked, target, source, kind):
    rows = metadata_rows(("/F/PLANE", "R1", [f"TGT {target}"]), ("/F/FLEET", "R1", [f"SRC {source}"]))
    found = impact([rows], field=asked, **ROLES)
    assert lines(found, "matched", "match") == ([] if kind is None else [(target, kind)])


def test_loose_matches_are_counted(rows):
    more = metadata_rows(("/F/CARGO", "R1", ["SRC RAW.PLANE", "SRC PLANE.SEATS"]), pattern="MART")
    found = impact([*rows, more], instance="PLANE", **ROLES)
    sentence = "Rows whose names agree only in part: 1 but for upper and lower case, "
    assert f"{sentence}1 but for quotes or qualifiers, 1 with a part of a qualified name." in found.messages
    assert all(word not in " ".join(found.messages) for word in ("depends on", "is used by"))
