import gc
import json
import re
import threading
import time

import pytest

from mkframe.forms._lock import exclusive_lock
from mkframe.forms.models import StartModel
from mkframe.forms.models.selection import MOST_SHOWN
from mkframe.schema import RESOURCES
from tests.builds.servers import BUILDS, MARKER, is_start
from tests.forms.conftest import AIRPLANE, PLANES, PROJECT, client_of, followed, impatient, opened
from tests.support import faults, rows


def numbers(client):
    return set(client.builds.find(project_id=PROJECT).index)


# --- choosing ---------------------------------------------------------------------------------------------


def test_projects_that_can_be_used_come_first(client):
    model = StartModel(client)
    model.load()
    assert model.projects[-1] == ("SANDBOX_2023 (deleted)", 377)


def test_a_project_brings_its_release_groups_only(client):
    assert [group.name for group in opened(client).groups] == ["DWH_GROUP"]


def test_open_releases_stand_before_closed_ones(client):
    labels = [label for label, _ in opened(client).groups[0].options]
    closed = ["closed" in label for label in labels]
    assert closed == sorted(closed)


def test_a_hotfix_names_its_release(client):
    labels = [label for label, _ in opened(client).groups[0].options]
    assert "R4_HF1 (closed, hotfix of R4)" in labels


def test_pattern_folder_and_search_narrow_the_instances_down(client):
    model = opened(client)
    model.pattern_id, model.folder, model.search = 808, "/RAW_VAULT", "airplane detail"
    assert [label for label, _ in model.matches] == ["AIRPLANE_DETAIL · CORE_DV_HLS · /RAW_VAULT"]


def test_a_folder_holds_what_lies_below_it(client):
    model = opened(client)
    model.folder = "/RAW_VAULT"
    assert any(label.endswith("/RAW_VAULT/CRM") for label, _ in model.matches)


def test_another_project_forgets_the_choice(client):
    model = opened(client, AIRPLANE)
    model.project_id = 405
    assert (model.chosen, dict(model.releases)) == ((), {})


def test_a_mark_is_told_in_the_list(client, marked):
    model = opened(client)
    labels = {i: label for label, i in model.matches}
    assert labels[marked["build_disabled"]].endswith("⚠ disabled for builds")


def test_all_matches_are_added_shown_or_not(crowd):
    model = crowd
    model.add_matches()
    assert len(model.chosen) == 5000


def test_a_long_list_shows_its_beginning_and_says_so(crowd):
    assert len(crowd.matches) == MOST_SHOWN
    assert crowd.matches_said.startswith("5,000 of 5,000 instances match; the first 200 are shown.")


def test_the_list_of_chosen_ones_stays_short(crowd):
    crowd.add_matches()
    assert len(crowd.chosen_options) == MOST_SHOWN
    assert crowd.chosen_said == "5,000 chosen; the first 200 are shown."


def test_the_list_of_those_that_a_release_lacks_stays_short(crowd):
    crowd.add_matches()
    crowd._rows = crowd._rows.head(10)
    crowd._on_choice(None)
    assert len(crowd.chosen_options) == MOST_SHOWN + 10
    assert crowd.blockers[0].endswith("4,984 more. Remove them from the choice, or choose other releases.")


def seconds(step):
    """CPU time of this thread: what else runs, or was left behind to be collected, does not count."""
    gc.collect()
    start = time.thread_time()
    step()
    return time.thread_time() - start


def test_typing_into_the_search_costs_a_small_part_of_loading(crowd):
    def type_a_word():
        for word in ("n", "na", "nam", "name", "name 4", "name 49"):
            crowd.search = word

    assert seconds(type_a_word) < seconds(lambda: crowd._open(1))
    assert crowd.matches_said == f"{sum('49' in str(n) for n in range(1, 5001))} of 5,000 instances match."


def test_choosing_five_thousand_costs_no_more_than_loading_them(crowd):
    assert seconds(crowd.add_matches) < seconds(lambda: crowd._open(1))


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
    model = StartModel(impatient(crowded.api))
    model.load()
    model.project_id = 1
    return model


# --- preflight --------------------------------------------------------------------------------------------


def test_without_a_project_nothing_starts(client):
    assert StartModel(client).blockers == ("Choose a project.",)


def test_without_instances_nothing_starts(client):
    assert opened(client).blockers == ("Choose at least one instance.",)


def test_a_blocked_form_does_not_submit(client):
    assert not opened(client).submit()


def test_a_sound_choice_has_nothing_against_it(client):
    model = opened(client, AIRPLANE)
    assert (model.blockers, model.notices, model.can_submit) == ((), (), True)


@pytest.mark.parametrize(
    ("mark", "words"),
    [
        ("errors", r"1 instance has validation errors: \w+ \(\d\)\."),
        ("invalid", r"1 instance is invalid: \w+\."),
        ("build_disabled", r"1 instance is disabled for builds: \w+\."),
        ("checked_out", r"1 instance is checked out by someone: \w+\."),
    ],
)
def test_preflight_names_doubtful_instances(client, marked, mark, words):
    (notice,) = opened(client, marked[mark]).notices
    assert re.fullmatch(words, notice)


def test_a_deleted_instance_blocks(client, marked):
    (blocker,) = opened(client, marked["deleted"]).blockers
    assert re.fullmatch(r"1 instance is deleted: \w+. Remove them, or tick “Restore”.", blocker)


def test_restoring_turns_that_into_a_notice(client, marked):
    model = opened(client, marked["deleted"])
    model.restore = True
    assert model.blockers == ()
    assert "will be restored" in model.notices[0]


def test_a_missing_release_is_noticed(client):
    model = opened(client, AIRPLANE)
    model.choose_release("DWH_GROUP", None)
    assert model.notices == ("No release of DWH_GROUP is chosen, to which CORE_DV_HLS belongs.",)


def test_a_closed_release_is_noticed(client):
    model = opened(client, AIRPLANE)
    model.choose_release("DWH_GROUP", "R10")
    assert "Release R10 of DWH_GROUP is closed." in model.notices


def test_an_instance_that_a_release_does_not_have_is_told_and_kept(client):
    model = opened(client, AIRPLANE)
    late = [i for _, i in model.matches]
    model.add(late)
    model.choose_release("DWH_GROUP", "R2")
    assert len(model.chosen) > len(model._chosen_rows())
    assert model.blockers[0].startswith("Not among what the server lists for the chosen releases:")


def test_answers_for_a_project_that_was_left_are_dropped(client):
    model, steps = StartModel(client), []
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


def test_instances_of_releases_that_could_not_be_loaded_block(client):
    model, steps = opened(client, AIRPLANE), []
    assert model.blockers == ()
    model.run = steps.append
    model.choose_release("DWH_GROUP", "R10")
    (blocker,) = model.blockers
    assert blocker.startswith("The instances of the chosen releases are not loaded yet.")
    steps[0]()
    assert blocker not in model.blockers


def test_instances_of_one_name_are_told_apart(client):
    model = opened(client)
    model.search = "crew"
    model.add_matches()
    assert "CORE_DV_HLS CREW" in " ".join(model.blockers)


# --- preview ----------------------------------------------------------------------------------------------


@pytest.fixture
def relayed(factory):
    """A server that notes the bodies of all starts and passes them on."""
    bodies = []

    def script(request):
        if is_start(request):
            bodies.append(request.body)
        return _forwarded(factory, request)

    with faults.serve(script) as server:
        yield impatient_login(server, factory), bodies


def choose_release(model):
    model.choose_release("DWH_GROUP", None)


def describe(model):
    model.description = " said “so”, with \\ and \n <script> "


def restore(model):
    model.restore = True


@pytest.mark.parametrize("change", [lambda model: None, choose_release, describe, restore])
def test_the_preview_is_what_is_sent_byte_for_byte(relayed, change):
    client, bodies = relayed
    model = opened(client, *PLANES)
    change(model)
    shown = "".join(text for _, text in model.json)
    assert model.submit()
    assert bodies == [shown.encode()]


def test_of_very_many_instances_the_preview_shows_the_first_and_sends_all(crowd):
    crowd.add_matches()
    shown = "".join(text for _, text in crowd.json)
    assert "4,800 more" in shown
    assert len(json.loads(crowd.body())["instances"]) == 5000
    assert crowd.body().startswith(shown[: shown.index("...")].rstrip(", "))


def test_the_preview_names_the_marker_of_the_build(own):
    model = opened(own, *PLANES)
    (marker,) = set(MARKER.findall(model.body()))
    model.submit()
    assert own.builds.get(model.started.id)["description"] == f"[{marker}]"


def test_the_next_build_has_another_marker(own):
    model = opened(own, *PLANES)
    before = model.body()
    model.submit()
    model.again()
    assert MARKER.findall(model.body()) != MARKER.findall(before)


def test_a_change_of_the_choice_keeps_the_marker(own):
    model = opened(own, *PLANES)
    before = MARKER.findall(model.body())
    model.description, model.restore = "other words", True
    assert MARKER.findall(model.body()) == before


def test_the_call_to_paste_sends_the_same_body_with_a_marker_of_its_own(relayed):
    client, bodies = relayed
    model = opened(client, *PLANES)
    model.description, model.restore = "pasted “so”", True
    call, shown = model.python.replace("(run.id)", "(run.id, progress=False)"), model.body()
    exec(call, {"client": client})
    (sent,) = (body.decode() for body in bodies)
    assert MARKER.sub("", sent) == MARKER.sub("", shown)
    assert MARKER.findall(sent) != MARKER.findall(shown)


def test_instances_that_share_their_names_are_sent_by_id():
    import pandas as pd

    from mkframe.forms.models.preview import definitions

    frame = pd.DataFrame({"pattern": "P", "folder": "/F", "name": ["A", "A", "B"]}, index=[7, 8, 9])
    assert definitions(frame, frame) == [{"id": 7}, {"id": 8}, {"pattern": "P", "folder": "/F", "name": "B"}]


# --- starting once ----------------------------------------------------------------------------------------


def test_a_build_is_started_followed_and_fetched(own, tmp_path):
    model = opened(own, *PLANES)
    assert model.submit()
    followed(model)
    assert model.watching.builds[0].status == "FINISHED"
    model.pocket.folder = str(tmp_path)
    model.pocket.fetch([model.started.id])
    assert model.pocket.result["status"].tolist() == ["fetched"] * 4


def test_submitting_twice_starts_one_build(own):
    before = numbers(own)
    model = opened(own, *PLANES)
    assert [model.submit(), model.submit()] == [True, False]
    assert len(numbers(own) - before) == 1


def test_many_threads_at_once_start_one_build(own):
    before, model = numbers(own), opened(own, *PLANES)
    gate, told = threading.Barrier(8), []

    def press():
        gate.wait()
        told.append(model.submit())

    threads = [threading.Thread(target=press) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(told) == [False] * 7 + [True]
    assert len(numbers(own) - before) == 1


def test_two_kernels_of_one_machine_in_the_same_instant_start_one_build(own):
    before, models = numbers(own), [opened(own, *PLANES) for _ in range(3)]
    gate = threading.Barrier(3)

    def press(model):
        gate.wait()
        model.submit()

    threads = [threading.Thread(target=press, args=[model]) for model in models]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(model.state for model in models) == ["choosing", "choosing", "started"]
    (number,) = numbers(own) - before
    assert [m.twin_ids for m in models if m.state == "choosing"] == [(number,)] * 2


def test_who_must_wait_for_another_window_sends_nothing_yet(own):
    model, before = opened(own, *PLANES), numbers(own)
    with exclusive_lock(f"builds of {PROJECT} at {own.url}"):
        thread = threading.Thread(target=model.submit)
        thread.start()
        thread.join(0.3)
        assert (model.state, numbers(own)) == ("starting", before)
    thread.join()
    assert model.state == "started"


@pytest.fixture
def elsewhere(factory, own):
    """Two models on two machines, of which the second starts between the look and the start of the first."""
    second = opened(own, *PLANES)

    def script(request):
        if is_start(request):
            second.submit()
        return _forwarded(factory, request)

    with faults.serve(script) as server:
        yield opened(impatient_login(server, factory), *PLANES), second


def test_two_machines_in_the_same_instant_are_told_of_both_builds(elsewhere):
    first, second = elsewhere
    first.submit()
    assert (first.state, second.state, first.doubles) == ("started", "started", (second.started.id,))
    for run in (first.started, second.started):
        assert f"{run.id} (" in first.doubles_said
        assert f"marker {run.marker})" in first.doubles_said


def test_both_builds_can_be_followed_together(elsewhere):
    first, second = elsewhere
    first.submit()
    first.follow_doubles()
    followed(first)
    assert [b.id for b in first.watching.builds] == [first.started.id, second.started.id]


def test_another_choice_in_the_same_instant_is_no_double(elsewhere):
    first, second = elsewhere
    second.remove(PLANES[:1])
    first.submit()
    assert (second.state, first.doubles, first.doubles_said) == ("started", (), "")


def test_choosing_again_forgets_the_double(elsewhere):
    first, _ = elsewhere
    first.submit()
    first.again()
    assert (first.doubles, first.doubles_said) == ((), "")


def test_a_request_that_was_repeated_on_its_way_is_told(factory):
    def script(request):
        if is_start(request):
            _forwarded(factory, request)
        return _forwarded(factory, request)

    with faults.serve(script) as server:
        model = opened(impatient_login(server, factory), *PLANES)
        model.submit()
    assert "with the same marker" in model.doubles_said


def test_where_doubles_cannot_be_looked_for_that_is_told_and_the_build_followed(factory):
    def script(request):
        script.started |= is_start(request)
        blind = script.started and request.method == "GET" and request.path == BUILDS
        return faults.vendor(500, "Out of order") if blind else _forwarded(factory, request)

    script.started = False
    with faults.serve(script) as server:
        model = opened(impatient_login(server, factory), *PLANES)
        model.submit()
    assert model.state == "started"
    assert model.trouble.startswith("Looking whether it was started twice did not work.")


def test_another_kernel_is_told_of_the_build_that_was_begun(own):
    first, second = opened(own, *PLANES), opened(own, *PLANES)
    first.submit()
    before = numbers(own)
    second.submit()
    assert numbers(own) == before
    assert second.state == "choosing"
    assert f"Build {first.started.id} " in second.blockers[0]


def test_a_build_that_ended_meanwhile_is_told_as_well(own):
    first, second = opened(own, *PLANES), opened(own, *PLANES)
    first.submit()
    followed(first)
    second.submit()
    assert "was begun since you opened the project, and is FINISHED" in second.blockers[0]


def test_another_build_beside_it_is_started_on_purpose(own):
    first, second = opened(own, *PLANES), opened(own, *PLANES)
    first.submit()
    second.submit()
    second.beside = True
    assert second.submit()
    assert second.started.id != first.started.id


def test_another_choice_is_no_twin(own):
    first, second = opened(own, *PLANES), opened(own, *PLANES)
    second.search = "airport core"
    second.add_matches()
    first.submit()
    second.submit()
    assert second.state == "started"


def test_a_running_build_is_listed_and_rejoined(own):
    first = opened(own, *PLANES)
    first.submit()
    second = opened(own)
    assert first.started.id in [i for _, i in second.running]
    second.rejoin(first.started.id)
    followed(second)
    assert second.watching.builds[0].status == "FINISHED"


def test_choosing_again_keeps_what_was_chosen(own):
    model = opened(own, *PLANES)
    model.submit()
    model.again()
    assert (model.state, model.chosen, model.blockers) == ("choosing", PLANES, ())


def test_warnings_of_the_server_are_kept(own):
    model = opened(own, *PLANES)
    model.choose_release("DWH_GROUP", None)
    model.submit()
    assert model.warnings == ("No release specified for release group 'DWH_GROUP'!",)


def test_a_refusal_is_told_and_can_be_tried_again(factory):
    model = opened(client_of_viewer(factory), *PLANES)
    model.submit()
    assert "You don't have permissions to start builds in this project!" in model.trouble
    assert model.state == "choosing"


def test_an_expired_token_without_a_login_starts_nothing_and_is_told(factory):
    def script(request):
        return faults.unauthenticated() if script.expired else _forwarded(factory, request)

    script.expired = False
    with client_of(factory) as client, faults.serve(script) as server:
        client.projects.find()
        token = client._transport._token.get_secret_value()
        model = opened(impatient(server.api, token), *PLANES)
        script.expired = True
        model.submit()
    assert (model.state, server.to(BUILDS, "POST")) == ("choosing", [])
    assert "Starting the build did not work" in model.trouble
    assert "expired" in model.trouble


# --- what went wrong --------------------------------------------------------------------------------------


def test_a_lost_answer_is_looked_for_by_the_marker_that_was_shown(vanishing):
    script, model = vanishing
    (marker,) = set(MARKER.findall(script.body))
    assert (model.marker, marker in model.body()) == (marker, False)


class Vanishing:
    """Starts the build, drops the answer, and is out of order while somebody looks for it."""

    def __init__(self, factory):
        self.factory, self.order, self.posts = factory, True, 0

    def __call__(self, request):
        if is_start(request):
            self.posts, self.body = self.posts + 1, request.body.decode()
            self.order = False
            _forwarded(self.factory, request)
            return faults.reset()
        if not self.order:
            return faults.vendor(500, "Out of order")
        return _forwarded(self.factory, request)


@pytest.fixture
def vanishing(factory):
    script = Vanishing(factory)
    with faults.serve(script) as server:
        model = opened(impatient_login(server, factory), *PLANES)
        model.submit()
        yield script, model


def test_a_lost_answer_keeps_the_form_from_starting_another(vanishing):
    script, model = vanishing
    assert (model.state, model.submit(), script.posts) == ("unconfirmed", False, 1)
    assert model.marker in model.trouble


def test_a_lost_answer_is_settled_by_looking(vanishing):
    script, model = vanishing
    script.order = True
    model.confirm()
    assert model.state == "started"
    assert script.posts == 1


def test_looking_in_vain_stays_unconfirmed(vanishing):
    _, model = vanishing
    model.confirm()
    assert model.state == "unconfirmed"


def test_whoever_has_looked_elsewhere_chooses_again(vanishing):
    _, model = vanishing
    model.dismiss()
    assert (model.state, model.trouble) == ("choosing", "")


def test_nothing_is_sent_where_running_builds_cannot_be_seen(factory):
    posts = []

    def script(request):
        if request.path == "/api/v1/builds" and posts is not None and script.blind:
            posts.extend([request] if request.method == "POST" else [])
            return faults.vendor(500, "Out of order")
        return _forwarded(factory, request)

    script.blind = False
    with faults.serve(script) as server:
        model = opened(impatient_login(server, factory), *PLANES)
        script.blind = True
        model.submit()
    assert (model.state, posts) == ("choosing", [])


def test_an_unexpected_error_is_shown_and_logged(caplog):
    model = StartModel(object())
    model.load()
    assert model.trouble.startswith("Loading the projects failed unexpectedly: AttributeError:")
    assert "Traceback" in model.trace
    assert "AttributeError" in caplog.text


def client_of_viewer(factory):
    import mkframe as mk

    return mk.connect(factory.url, email=factory.viewer.email, password=factory.viewer.password)


def impatient_login(server, factory):
    class Front:
        url, email, password = server.api, factory.email, factory.password

    return client_of(Front)


def _forwarded(factory, request):
    import urllib.error
    import urllib.request

    kept = {k: v for k, v in request.headers.items() if k in ("authorization", "content-type")}
    url = factory.url.removesuffix("/api/v1") + request.target
    asked = urllib.request.Request(url, request.body or None, kept, method=request.method)
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(asked, timeout=10) as answer:
        return faults.content(answer.read(), "application/json", status=answer.status)
