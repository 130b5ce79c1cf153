"""The selection of a build: options, filters, checks and preview."""

import gc
import json
import re
import time

import pytest

from mkframe.forms.models.selection import MAX_SHOWN, SelectionModel
from mkframe.schema import RESOURCES
from tests.builds.servers import MARKER
from tests.forms.conftest import AIRPLANE, PLANES, PROJECT, client_of_url, selection_model
from tests.support import faults, rows
from tests.support.running_builds import UNUSUAL, dated, past, running_row

# --- options ---------------------------------------------------------------------------------------------


def test_projects_list_usable_ones_first(client):
    model = SelectionModel(client)
    model.load()
    assert model.projects[-1] == ("SANDBOX_2023 (deleted)", 377)


def test_groups_are_those_of_the_project(client):
    assert [group.name for group in selection_model(client).groups] == ["DWH_GROUP"]


def test_releases_list_open_ones_first(client):
    labels = [label for label, _ in selection_model(client).groups[0].options]
    closed = ["closed" in label for label in labels]
    assert closed == sorted(closed)


def test_hotfix_label_names_its_release(client):
    labels = [label for label, _ in selection_model(client).groups[0].options]
    assert "R4_HF1 (closed, hotfix of R4)" in labels


def test_pattern_folder_and_search_filter_instances(client):
    model = selection_model(client)
    model.pattern_id, model.folder, model.search = (
        808,
        "/RAW_VAULT",
        "airplane detail",
    )
    assert [label for label, _ in model.matches] == ["AIRPLANE_DETAIL · CORE_DV_HLS · /RAW_VAULT"]


def test_folder_filter_includes_subfolders(client):
    model = selection_model(client)
    model.folder = "/RAW_VAULT"
    assert any(label.endswith("/RAW_VAULT/CRM") for label, _ in model.matches)


def test_other_project_clears_the_selection(client):
    model = selection_model(client, AIRPLANE)
    model.project_id = 405
    assert (model.chosen, dict(model.releases)) == ((), {})


def test_flag_is_in_the_label(client, marked):
    model = selection_model(client)
    labels = {i: label for label, i in model.matches}
    assert labels[marked["build_disabled"]].endswith("⚠ disabled for builds")


def test_add_matches_adds_hidden_matches(crowd):
    model = crowd
    model.add_matches()
    assert len(model.chosen) == 5000


def test_long_list_of_matches_is_cut_with_a_sentence(crowd):
    assert len(crowd.matches) == MAX_SHOWN
    assert crowd.matches_text.startswith("5,000 of 5,000 instances match; the first 200 are shown.")


def test_long_list_of_chosen_instances_is_cut(crowd):
    crowd.add_matches()
    assert len(crowd.chosen_options) == MAX_SHOWN
    assert crowd.chosen_text == "5,000 chosen; the first 200 are shown."


def test_long_list_of_missing_instances_is_cut(crowd):
    crowd.add_matches()
    crowd._rows = crowd._rows.head(10)
    crowd._on_choice(None)
    assert len(crowd.chosen_options) == MAX_SHOWN + 10
    assert crowd.blockers[0].endswith("4,984 more. Remove them from the choice, or choose other releases.")


def seconds(step):
    """CPU time of this thread: what else runs, or was left behind to be collected, does not count."""
    gc.collect()
    start = time.thread_time()
    step()
    return time.thread_time() - start


def test_search_is_faster_than_loading(crowd):
    def type_a_word():
        for word in ("n", "na", "nam", "name", "name 4", "name 49"):
            crowd.search = word

    assert seconds(type_a_word) < seconds(lambda: crowd._load_project(1))
    assert crowd.matches_text == f"{sum('49' in str(n) for n in range(1, 5001))} of 5,000 instances match."


def test_add_of_5000_instances_is_faster_than_loading(crowd):
    assert seconds(crowd.add_matches) < seconds(lambda: crowd._load_project(1))


@pytest.fixture(scope="module")
def crowded():
    """A project with 5,000 instances."""
    instances = faults.reply(rows.rows("instances", 5000, pattern_id=1, instance_folder_id=1, errors=0))
    answers = {f"/api/v1/{name}": faults.reply(rows.rows(name, 1, release_group_id=1)) for name in RESOURCES}
    script = answers | {"/api/v1/builds": faults.reply([])}
    script["/api/v1/instances"] = lambda r: faults.reply([]) if "true" in r.query.values() else instances
    with faults.serve(script) as server:
        yield server


@pytest.fixture
def crowd(crowded):
    model = SelectionModel(client_of_url(crowded.api))
    model.load()
    model.project_id = 1
    return model


# --- checks --------------------------------------------------------------------------------------------


def test_missing_project_blocks(client):
    assert SelectionModel(client).blockers == ("Choose a project.",)


def test_missing_instances_block(client):
    assert selection_model(client).blockers == ("Choose at least one instance.",)


PROHIBITED = {
    "errors": r"1 instance has validation errors: \w+ \(\d\)\.",
    "invalid": r"1 instance is invalid: \w+\.",
    "build_disabled": r"1 instance is disabled for builds: \w+\.",
}


@pytest.mark.parametrize("mark", PROHIBITED)
def test_prohibited_instance_blocks_until_start_anyway(client, marked, mark):
    model = selection_model(client, marked[mark])
    first, last = model.blockers
    assert re.fullmatch(PROHIBITED[mark], first)
    assert "tick “Start anyway”" in last
    assert model.notices == ()
    model.start_anyway = True
    assert (model.blockers, model.notices) == ((), (first,))


def test_start_anyway_is_asked_again_for_another_choice(client, marked):
    model = selection_model(client, marked["errors"])
    model.start_anyway = True
    model.add([marked["build_disabled"]])
    assert not model.start_anyway
    assert len(model.blockers) == 3
    model.start_anyway = True
    model.description = "sent all the same"
    assert model.start_anyway
    model.finish(7)
    assert model.blockers


def test_checked_out_instance_is_noticed(client, marked):
    (notice,) = selection_model(client, marked["checked_out"]).notices
    assert re.fullmatch(r"1 instance is checked out by someone: \w+\.", notice)


def test_deleted_instance_blocks(client, marked):
    (blocker,) = selection_model(client, marked["deleted"]).blockers
    assert re.fullmatch(r"1 instance is deleted: \w+. Remove them, or tick “Restore”.", blocker)


def test_deleted_instance_with_restore_is_noticed(client, marked):
    model = selection_model(client, marked["deleted"])
    model.restore = True
    assert model.blockers == ()
    assert "will be restored" in model.notices[0]


def test_missing_release_is_noticed(client):
    model = selection_model(client, AIRPLANE)
    model.choose_release("DWH_GROUP", None)
    assert model.notices == ("No release of DWH_GROUP is chosen, to which CORE_DV_HLS belongs.",)


def test_closed_release_blocks_until_start_anyway(client):
    model = selection_model(client, AIRPLANE)
    model.choose_release("DWH_GROUP", "R10")
    assert "Release R10 of DWH_GROUP is closed." in model.blockers
    model.start_anyway = True
    assert (model.blockers, model.notices) == ((), ("Release R10 of DWH_GROUP is closed.",))


def test_instance_missing_in_a_release_blocks(client):
    model = selection_model(client, AIRPLANE)
    late = [i for _, i in model.matches]
    model.add(late)
    model.choose_release("DWH_GROUP", "R2")
    assert len(model.chosen) > len(model.chosen_rows())
    assert model.blockers[0].startswith("Not among what the server lists for the chosen releases:")


def test_answers_for_a_former_project_are_dropped(client):
    model, steps = SelectionModel(client), []
    model.load()
    find = client.instances.find

    def leaving(**given):
        if given["project_id"] == PROJECT:
            model.project_id = 405
        return find(**given)

    model.run = steps.append
    model.project_id = PROJECT
    client.instances.find = leaving
    try:
        steps[0]()
    finally:
        del client.instances.find
    assert model.project_id == 405
    assert model._rows.empty
    assert model.groups == ()


def test_release_that_is_not_loaded_blocks(client):
    model, steps = selection_model(client, AIRPLANE), []
    assert model.blockers == ()
    model.run = steps.append
    model.choose_release("DWH_GROUP", "R10")
    blocker = model.blockers[-1]
    assert blocker.startswith("The instances of the chosen releases are not loaded yet.")
    steps[0]()
    assert blocker not in model.blockers


def test_equal_names_are_shown_with_their_pattern(client):
    model = selection_model(client)
    model.search = "CREW"
    model.add_matches()
    assert "CORE_DV_HLS CREW" in " ".join(model.blockers)


# --- preview ----------------------------------------------------------------------------------------------


def test_preview_of_5000_instances_is_cut(crowd):
    crowd.add_matches()
    shown = "".join(text for _, text in crowd.json)
    assert "4,800 more" in shown
    assert len(json.loads(crowd.body())["instances"]) == 5000
    assert crowd.body().startswith(shown[: shown.index("...")].rstrip(", "))


def test_change_of_the_selection_keeps_the_marker(own):
    model = selection_model(own, *PLANES)
    before = MARKER.findall(model.body())
    model.description, model.restore = "other words", True
    assert MARKER.findall(model.body()) == before


def test_ambiguous_instances_are_defined_by_id():
    import pandas as pd

    from mkframe.forms.models.preview import definitions

    frame = pd.DataFrame({"pattern": "P", "folder": "/F", "name": ["A", "A", "B"]}, index=[7, 8, 9])
    assert definitions(frame, frame) == [{"id": 7}, {"id": 8}, {"pattern": "P", "folder": "/F", "name": "B"}]


def test_running_builds_that_are_unusually_long_are_told():
    builds = [*past(), running_row(7, elapsed=UNUSUAL, description=None), running_row(8, description="mine")]
    with faults.serve(dated(builds)) as server, client_of_url(server.api) as client:
        found, model = client.builds.find(project_id=402), SelectionModel(client)
        model.find_duplicates(found)
    assert model.running == (
        ("Build 8 (BUILDING, 40 %): mine", 8),
        ("Build 7 (BUILDING, 40 %, unusually long: longer than all 30 similar builds)", 7),
    )


def test_running_builds_without_a_clock_of_the_server_are_listed():
    builds = [*past(), running_row(7, elapsed=UNUSUAL, description=None)]
    with faults.serve(faults.reply(builds)) as server, client_of_url(server.api) as client:
        found, model = client.builds.find(project_id=402), SelectionModel(client)
        model.find_duplicates(found)
    assert model.running == (("Build 7 (BUILDING, 40 %)", 7),)
