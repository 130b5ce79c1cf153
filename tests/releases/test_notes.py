"""Release notes."""

import pandas as pd
import pytest

from mkframe import releases
from mkframe.errors import InputError
from mkframe.releases.frames import diff, notes
from tests.support import release_server
from tests.support.metadata_rows import lines, metadata_rows


@pytest.fixture
def difference():
    rows = metadata_rows(
        ("/RAW/PLANE", "R1", ["A X int 1", "A Y int"]),
        ("/RAW/PLANE", "R2", ["A X text 2", "A N_1 int"]),
        ("/RAW/NEW", "R2", ["A X int"]),
        ("/RAW/GONE", "R1", ["A X int"]),
        ("/RAW/GONE", "(R2)", ["A X int"]),
        ("/RAW/ABSENT", "R1", ["A X int"]),
        ("/RAW/SAME", "R1", ["A X int"]),
        ("/RAW/SAME", "R2", ["A X int"]),
        ("/MART/BACK", "(R1)", ["A X int"]),
        ("/MART/BACK", "R2", ["A X int"]),
    )
    return diff(rows, old="R1", new="R2")


DELIVERIES = pd.DataFrame(
    {"PATTERN": "DV", "FOLDER": "/RAW", "INSTANCE": ["PLANE", "PLANE", "NEW"],
     "USER_NAME": ["eva.lindqvist@example.com", "BOB", "eva.lindqvist@example.com"]}
)  # fmt: skip
BUILDS = pd.DataFrame({"status": ["FINISHED", "FAILED", "FINISHED", "CANCELED"]})


def test_notes_list_instances_by_what_became_of_them(difference):
    made = notes(difference)
    assert lines(made, "folder", "instance", "change", "added", "removed", "changed") == [
        ("/MART", "BACK", "created", 0, 0, 0),
        ("/RAW", "NEW", "created", 0, 0, 0),
        ("/RAW", "PLANE", "changed", 1, 1, 1),
        ("/RAW", "GONE", "removed", 0, 0, 0),
    ]
    assert made.messages[0] == "R2 after R1: 4 instances with changes: 2 created, 1 changed, 1 removed."
    assert "1 instance of R1 is not in R2: not added there, which removes nothing." in made.messages
    assert "Its builds were not read." in made.messages


def test_notes_name_people_by_initials_unless_asked(difference):
    made = notes(difference, deliveries=DELIVERIES)
    assert made.set_index("instance").loc["PLANE", "delivered_by"] == "EL, B"
    assert "lindqvist" not in made.markdown
    named = notes(difference, deliveries=DELIVERIES, people=True)
    assert "eva.lindqvist@example.com" in named.markdown.replace("\\", "")


def test_notes_count_builds_with_an_interval(difference):
    text = "\n".join(notes(difference, builds=BUILDS).messages)
    assert (
        "4 builds, 1 of them failed, failure rate 33.3 % of n = 3 finished or failed builds (6.1 % to" in text
    )
    none = "\n".join(notes(difference, builds=BUILDS.iloc[:0]).messages)
    assert "It has no builds." in none


def test_notes_say_which_hotfixes_are_whole(difference):
    text = "\n".join(notes(difference, hotfixes={"R1.HF1": True, "R1.HF2": False}).messages)
    assert "Contains the hotfix R1.HF1." in text
    assert "Does not contain all changes of R1.HF2." in text


def test_markdown_lists_fields_and_escapes(difference):
    text = notes(difference, tickets=pd.DataFrame(
        {"pattern": "DV", "folder": "/RAW", "instance": "PLANE", "ticket": ["T-1", "T-1", "<b>"]}
    )).markdown  # fmt: skip
    assert "* Changed: **PLANE** \\(tickets T\\-1, \\<b\\>\\)" in text
    assert "    * changed A X \\(DATA\\_TYPE, PRECISION\\)" in text
    assert "    * added A N\\_1" in text
    assert "    * removed A Y" in text
    assert text.startswith("# Release notes of R2\n")


def test_page_of_notes_escapes_what_the_server_sent(tmp_path):
    rows = metadata_rows(("/RAW/<i>P", "R1", ["A <i>X int"]), ("/RAW/<i>P", "R2", ["A <i>X text"]))
    made = notes(diff(rows, old="R1", new="R2"))
    page = made.export(tmp_path / "n.html").read_text()
    assert "<i>" not in page
    assert "&lt;i&gt;X" in page


def test_notes_without_changes_are_true():
    made = notes(diff(metadata_rows(), old="R1", new="R2"))
    assert made.messages[0] == "R2 after R1: 0 instances with changes."
    assert made.markdown.count("##") == 0
    with pytest.raises(InputError, match="result of a diff"):
        notes(pd.DataFrame())


def test_notes_of_a_client_have_tickets_hotfixes_and_builds():
    story = release_server.story_in_order()
    row = story.row("PLANE", "SEATS", "R7")
    story.rows["DV"].append({**row, "@POS_NO": 3, "FUNCTIONAL_ROLE": "TICKET", "NAME": "DWH-7"})
    story.deliveries.append(
        {"ID": 1, "PATTERN": "DV", "FOLDER": "/RAW", "INSTANCE": "PLANE", "RELEASE": "R7",
         "USER_NAME": "eva.lindqvist@example.com", "BUILD_START": "2026-04-02 10:00:00", "BUILD_ID": 5002,
         "COMPARE_TO_BUILD_ID": None, "MODE": "CREATION", "FIELD_COUNT": 2, "CHANGE_COUNT": 2, "ADDED": 2,
         "CHANGED": 0, "DELETED": 0}
    )  # fmt: skip
    with story.client() as client:
        made = releases.notes(client, project="DEMO_PROJECT", old="R6", new="R7", ticket_role="TICKET")
    assert lines(made, "instance", "tickets", "delivered_by") == [("PLANE", "DWH-7", "EL")]
    text = "\n".join(made.messages)
    assert "Contains the hotfix R6.HF1." in text
    assert "2 builds, 1 of them failed" in text


def test_notes_say_what_could_not_be_read():
    story = release_server.story_in_order()
    story.refused |= {"/builds", "@INFORMATION_SCHEMA.DELIVERIES"}
    with story.client() as client:
        made = releases.notes(client, project="DEMO_PROJECT", old="R6", new="R7")
    text = "\n".join(made.messages)
    assert "Its builds were not read." in text
    assert "The deliveries could not be read." in text
