"""Whether a release is ready: scenarios on a server that is written by the reference."""

import json

import pandas as pd
import pytest

from mkframe import releases
from mkframe.errors import InputError
from tests.support import release_server
from tests.support.metadata_rows import lines

WARNING = {
    "deployment",
    "past_its_end",
    "dates",
    "builds_after_end",
    "build_disabled",
    "failed_patterns",
    "scope",
}


def states(result):
    return {check: state for check, state in lines(result, "check", "state") if state != "ok"}


def ready(story, labels=("for_review",), release="R7"):
    with story.client() as client:
        return releases.readiness(client, project=release_server.PROJECT, release=release, labels=labels)


def in_order(story):
    pass


def errors(story):
    story.instance("SEAT")["errors"] = 2


def checked_out(story):
    story.instance("SEAT")["checked_out"] = True


def unbuilt(story):
    story.commit("SEAT", -1)


def tried(story):
    story.commit("SEAT", -2)
    story.commit("SEAT", -1, "Build", "CANCELED")
    story.build(5010, -1, "CANCELED")


def last_build(story):
    story.build(5010, -1, "FAILED")


def running(story):
    story.build(5010, 0, "BUILDING")


def label(story):
    story.label("SEAT", "for_review", -3)
    story.label("SEAT", "to_do", -3)
    story.label("GONE", "for_review", -3)


def hotfix_missing(story):
    story.row("PLANE", "SEATS", "R7")["DATA_TYPE"] = "int"


def hotfix_conflict(story):
    story.row("PLANE", "SEATS", "R7")["DATA_TYPE"] = "decimal"


def hotfix_row_removed(story):
    story.rows["DV"].remove(story.row("PLANE", "SEATS", "R7"))


def closed(story):
    story.release("R7")["closed"] = True


def past_its_end(story):
    story.release("R7")["end_date"] = release_server.iso(-5)


def built_after_end(story):
    story.release("R7")["end_date"] = release_server.iso(-5)
    story.build(5010, -1)
    for row in story.build_deployments[:]:
        story.build_deployments.append({**row, "build_id": 5010})


def no_dates(story):
    story.release("R7")["end_date"] = None


def not_deployed(story):
    story.build_deployments.pop()


def disabled(story):
    story.instance("SEAT")["build_disabled"] = True


def disabled_folder(story):
    story.folders[0]["build_disabled"] = True


def other_pattern_failed(story):
    story.build(5010, -3, "FAILED", patterns=(808,))
    story.build(5011, -2, patterns=(809,))
    story.build_deployments.append({**story.build_deployments[0], "build_id": 5011, "pattern_id": 809})


def no_commits_view(story):
    story.refused.add("@INFORMATION_SCHEMA.COMMITS")


def no_rows_view(story):
    story.refused.add("@INSTANCES.STAGE")


def no_labels_view(story):
    story.refused.add("@INFORMATION_SCHEMA.INSTANCE_LABELS")


def no_builds(story):
    story.refused.add("/builds")


def no_instances(story):
    story.refused.add("/instances")


def no_deployments(story):
    story.refused.add("/build_deployments")


def chain_is_cut(story):
    story.release("R7")["prev_release_id"] = 4711


def blocked_and_unknown(story):
    errors(story)
    no_commits_view(story)


SCENARIOS = [
    (in_order, {}, 0),
    (errors, {"validation_errors": "blocks"}, 3),
    (checked_out, {"checked_out": "blocks"}, 3),
    (unbuilt, {"unbuilt": "blocks"}, 3),
    (tried, {"unbuilt": "blocks"}, 3),
    (last_build, {"last_build": "blocks"}, 3),
    (running, {"build_running": "blocks"}, 3),
    (label, {"label for_review": "blocks"}, 3),
    (hotfix_missing, {"hotfix_missing": "blocks"}, 3),
    (hotfix_conflict, {"hotfix_conflict": "blocks"}, 3),
    (hotfix_row_removed, {"hotfix_conflict": "blocks"}, 3),
    (closed, {"release_open": "blocks"}, 3),
    (past_its_end, {"past_its_end": "warns"}, 0),
    (built_after_end, {"past_its_end": "warns", "builds_after_end": "warns"}, 0),
    (no_dates, {"dates": "warns"}, 0),
    (not_deployed, {"deployment": "warns"}, 0),
    (disabled, {"build_disabled": "warns"}, 0),
    (disabled_folder, {"build_disabled": "warns"}, 0),
    (other_pattern_failed, {"failed_patterns": "warns"}, 0),
    (no_commits_view, {"unbuilt": "unknown"}, 4),
    (no_rows_view, {"hotfix_missing": "unknown", "hotfix_conflict": "unknown"}, 4),
    (no_labels_view, {"label for_review": "unknown"}, 4),
    (
        no_builds,
        dict.fromkeys(
            ("last_build", "build_running", "deployment", "builds_after_end", "failed_patterns"), "unknown"
        ),
        4,
    ),
    (no_deployments, {"deployment": "unknown"}, 0),
    (chain_is_cut, {"hotfix_missing": "unknown", "hotfix_conflict": "unknown"}, 4),
    (blocked_and_unknown, {"validation_errors": "blocks", "unbuilt": "unknown"}, 3),
]


@pytest.mark.parametrize(("plant", "expected", "code"), SCENARIOS, ids=[s[0].__name__ for s in SCENARIOS])
def test_scenario_turns_only_its_check(plant, expected, code):
    story = release_server.story_in_order()
    plant(story)
    result = ready(story)
    assert states(result) == expected
    assert result.ready is (code == 0)
    assert result.attrs["ready"] is (code == 0)
    assert result.exit_code == code
    assert set(result.loc[~result["may_block"], "check"]) == WARNING


def test_instances_that_cannot_be_read_leave_their_checks_unknown():
    story = release_server.story_in_order()
    no_instances(story)
    result = ready(story)
    found = states(result)
    assert set(found.values()) == {"unknown"}
    what_to_do = result.set_index("check").loc["checked_out", "what_to_do"]
    assert what_to_do.startswith("Ask for the permission")
    assert {"validation_errors", "checked_out", "label for_review"} <= set(found)


def test_evidence_names_what_was_found_and_what_to_do():
    story = release_server.story_in_order()
    unbuilt(story)
    label(story)
    last_build(story)
    result = ready(story).set_index("check")
    assert result.loc["unbuilt", "evidence"] == "/RAW/SEAT."
    assert result.loc["label for_review", "evidence"] == "/RAW/SEAT. The oldest for about 3 d."
    assert result.loc["last_build", "evidence"].startswith("Build 5010 failed")
    assert (result.loc[result["state"] == "blocks", "what_to_do"] != "").all()
    assert (result.loc[result["state"] == "ok", "what_to_do"] == "").all()


@pytest.mark.parametrize(("days", "is_named"), [(-0.5, True), (-1.5, False)])
def test_end_that_may_be_the_midnight_of_a_last_day_is_named(days, is_named):
    story = release_server.story_in_order()
    story.release("R7")["end_date"] = release_server.iso(days)
    row = ready(story).set_index("check").loc["past_its_end"]
    assert row["state"] == "warns"
    assert ("the day is not over yet" in row["evidence"]) is is_named


def no_start(story):
    story.build(5010, -3, "FAILED")
    story.builds[-1]["build_start"] = None


def no_status(story):
    next(c for c in story.commits if c["INSTANCE"] == "SEAT" and c["TYPE"] == "Build")["STATUS"] = None


BOTH = {"hotfix_missing", "hotfix_conflict"}


@pytest.mark.parametrize(
    ("plant", "unknown"),
    [
        (lambda story: story.release("R7").update(prev_release_id=27), BOTH),
        (lambda story: story.release("R7").update(prev_release_id=None), BOTH),
        (lambda story: story.release("R6").update(prev_release_id=27), BOTH),
        (lambda story: story.release("R6.HF1").update(hotfix_of_id=99), BOTH),
        (no_start, {"last_build"}),
        (no_status, {"unbuilt"}),
        (lambda story: story.release("R6").update(deleted=None), set()),
        (lambda story: story.builds[1].update(deleted=None), set()),
        (lambda story: story.rows["DV"][0].update({"@DELETED": None}), set()),
        (lambda story: story.instance("SEAT").update(pattern_id=None), set()),
    ],
)
@pytest.mark.filterwarnings("ignore::mkframe.errors.SchemaWarning")
def test_what_the_server_leaves_out_is_unknown_and_no_traceback(plant, unknown):
    story = release_server.story_in_order()
    plant(story)
    assert states(ready(story)) == dict.fromkeys(unknown, "unknown")


def test_label_that_nobody_defined_is_unknown():
    result = ready(release_server.story_in_order(), labels="for_reviw")
    assert states(result) == {"label for_reviw": "unknown"}
    assert not result.ready
    assert result.set_index("check").loc["label for_reviw", "what_to_do"].startswith("Write the name")


def test_empty_release_gets_sentences_that_are_true_of_it():
    result = ready(release_server.story_in_order(), release="Default Release").set_index("check")
    assert result.loc["deployment", "evidence"] == "The release has no finished build."
    assert result.loc["unbuilt", "evidence"] == "No commits."
    for check in ("validation_errors", "checked_out", "build_disabled"):
        assert result.loc[check, "evidence"] == "It has no instances."


def test_instances_without_commits_are_counted_beside_those_with():
    story = release_server.story_in_order()
    story.commits = [each for each in story.commits if (each["INSTANCE"], each["RELEASE"]) != ("SEAT", "R7")]
    result = ready(story)
    says = "None of 2 instances with commits. 1 instance of the release has none, not even by a build."
    assert result.set_index("check").loc["unbuilt", "evidence"] == says
    assert result.ready


def test_deleted_instances_are_listed_and_count_nowhere():
    result = ready(release_server.story_in_order())
    assert lines(result.details["deleted_instances"], "instance") == [("GONE",)]
    assert "1 deleted instance counts nowhere." in result.messages
    assert any("R6 stands for the common ancestor" in sentence for sentence in result.messages)
    assert "Project DEMO_PROJECT, release group DWH_GROUP." in result.show()._repr_html_()
    assert result.attrs["hotfixes"] == ["R6.HF1"]
    assert result.set_index("check").loc["hotfix_missing", "evidence"] == "None of the changes of R6.HF1."
    assert result.set_index("check").loc["scope", "n"] == 3


def test_hotfix_taken_over_on_the_way_is_no_conflict():
    story = release_server.story_in_order()
    for instance in ("PLANE", "SEAT", "LOAD"):
        for row in [r for rows in story.rows.values() for r in rows if r["@RELEASE"] == "R7"]:
            if row["@INSTANCE"] == instance:
                pattern = story.rows[row["@PATTERN"]]
                pattern.append({**row, "@RELEASE": "R8"})
    story.row("PLANE", "SEATS", "R8")["DATA_TYPE"] = "decimal"
    assert "hotfix_conflict" not in states(ready(story, release="R8"))
    story.row("PLANE", "SEATS", "R8")["DATA_TYPE"] = "int"
    assert states(ready(story, release="R8"))["hotfix_missing"] == "blocks"


def test_verdict_says_what_blocks_and_what_is_unknown():
    story = release_server.story_in_order()
    assert ready(story).verdict == "R7 is ready: no check blocks."
    past_its_end(story)
    assert ready(story).verdict == "R7 is ready: no check blocks. 1 warning."
    no_commits_view(story)
    assert "1 check could not be made" in ready(story).verdict
    errors(story)
    assert ready(story).verdict.startswith("R7 is not ready: 1 check blocks, and 1 check could not be made.")


def test_text_has_what_blocks_first_and_no_control_characters():
    story = release_server.story_in_order()
    errors(story)
    story.instance("SEAT")["name"] = "A\x1b[31m\nB"
    story.projects[0]["name"] = "DEMO\n\x1b[31mPROJECT"
    past_its_end(story)
    result = ready(story)
    text = result.text().splitlines()
    assert text[0].startswith(
        "DEMO ‹U+001B›[31mPROJECT, DWH_GROUP: R7 is not ready: 1 check blocks. 1 warning."
    )
    assert text[2].split()[:4] == ["BLOCKS", "validation", "errors", "1"]
    assert "Correct them" in text[3]
    assert text[4].startswith("warns    past its end")
    assert "\x1b" not in result.text()
    assert json.loads(json.dumps(result.as_dict()))["checks"][1]["state"] == "blocks"


@pytest.mark.parametrize(
    ("how", "sentence"),
    [
        ({"project": "NOPE"}, "There is no project 'NOPE'"),
        ({"release": "R9"}, "There is no release 'R9'"),
        ({"group": "NOPE"}, "There is no release group 'NOPE'"),
        ({"group": "MART_GROUP"}, "no release 'R7' in the group MART_GROUP"),
    ],
)
def test_unknown_names_are_refused(how, sentence):
    with release_server.story_in_order().client() as client, pytest.raises(InputError, match=sentence):
        releases.readiness(client, **{"project": "DEMO_PROJECT", "release": "R7", **how})


def test_release_name_of_several_groups_needs_a_group():
    story = release_server.story_in_order()
    story.release("R70")["name"] = "R7"
    with story.client() as client:
        with pytest.raises(InputError, match="DWH_GROUP, MART_GROUP"):
            releases.readiness(client, project="DEMO_PROJECT", release="R7")
        result = releases.readiness(client, project="DEMO_PROJECT", release="R7", group="DWH_GROUP")
        assert result.ready
    story.releases[-1]["deleted"] = True
    assert ready(story).ready


def test_view_and_export_escape_what_the_server_sent(tmp_path):
    story = release_server.story_in_order()
    story.instance("SEAT")["name"] = "<img src=x>"
    story.instances[[i["name"] for i in story.instances].index("<img src=x>")]["errors"] = 1
    result = ready(story)
    for page in (result.show()._repr_html_(), result.export(tmp_path / "r.html").read_text()):
        assert "<img" not in page
        assert "&lt;img src=x&gt;" in page
    sheets = pd.read_excel(result.export(tmp_path / "r.xlsx"), sheet_name=None)
    assert list(sheets)[:2] == ["Readiness", "validation errors"]
    assert len(sheets["Readiness"]) == len(result)
    json.dumps(result.attrs)


# --- the other functions, on the same server ----------------------------------------------------------


def test_diff_of_two_releases_says_which_is_frozen():
    story = release_server.story_in_order()
    with story.client() as client:
        result = releases.diff(client, project=402, old="R6", new="R7")
    assert lines(result, "instance", "name", "kind", "old", "new") == [
        ("PLANE", "SEATS", "changed", "int", "bigint")
    ]
    assert result.attrs["old"]["closed"] is True
    assert result.attrs["new"]["closed"] is False
    assert any(s.startswith("R6 is closed, so its rows are frozen; read 20") for s in result.messages)
    assert "Project DEMO_PROJECT, release group DWH_GROUP." in result.messages
    assert result.attrs["patterns"] == ["DV", "STAGE"]


def test_diff_reads_the_patterns_that_are_named():
    with release_server.story_in_order().client() as client:
        assert len(releases.diff(client, project=402, old="R6", new="R7", patterns="STAGE")) == 0
        with pytest.raises(InputError, match="has no pattern 'MART'"):
            releases.diff(client, project=402, old="R6", new="R7", patterns=["MART"])


def test_hotfix_is_compared_with_every_release_that_follows():
    story = release_server.story_in_order()
    story.rows["DV"].append({**story.row("PLANE", "SEATS", "R6"), "@RELEASE": "R8"})
    with story.client() as client:
        result = releases.carried_forward(client, project="DEMO_PROJECT", hotfix="R6.HF1")
        with pytest.raises(InputError, match="R7 is not a hotfix"):
            releases.carried_forward(client, project="DEMO_PROJECT", hotfix="R7")
    assert lines(result, "into", "name", "fate") == [("R7", "SEATS", "carried"), ("R8", "SEATS", "missing")]
    assert result.attrs["approximate"] is False


def test_unbuilt_of_a_release_leaves_other_groups_out():
    story = release_server.story_in_order()
    unbuilt(story)
    checked_out(story)
    story.commits.append({**story.commits[-1], "PATTERN": "MART"})
    with story.client() as client:
        result = releases.unbuilt(client, project="DEMO_PROJECT", release="R7")
        everywhere = releases.unbuilt(client, project="DEMO_PROJECT")
    assert lines(result, "pattern", "instance", "state") == [("DV", "SEAT", "unbuilt")]
    assert lines(result.checked_out, "instance", "folder") == [("SEAT", "/RAW")]
    assert len(everywhere) == 3
