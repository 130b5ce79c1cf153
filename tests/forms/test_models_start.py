import threading
import time

import pytest

from mkframe.builds import _how_long, exclusive_lock
from mkframe.demo_server import Server
from mkframe.forms.models import StartModel
from tests.builds.servers import BUILDS, MARKER, is_start
from tests.forms.conftest import (
    PLANES,
    PROJECT,
    client_of,
    client_of_url,
    start_model,
    watch_to_end,
)
from tests.support import faults


def numbers(client):
    return set(client.builds.find(project_id=PROJECT).index)


# --- what is sent ----------------------------------------------------------------------------------------


@pytest.fixture
def relayed(factory):
    """A server that notes the bodies of all starts and passes them on."""
    bodies = []

    def script(request):
        if is_start(request):
            bodies.append(request.body)
        return _forwarded(factory, request)

    with faults.serve(script) as server:
        yield client_through(server, factory), bodies


def choose_release(model):
    model.selection.choose_release("DWH_GROUP", None)


def describe(model):
    model.selection.description = " said “so”, with \\ and \n <script> "


def restore(model):
    model.selection.restore = True


@pytest.mark.parametrize("change", [lambda model: None, choose_release, describe, restore])
def test_preview_equals_the_request_byte_for_byte(relayed, change):
    client, bodies = relayed
    model = start_model(client, *PLANES)
    change(model)
    shown = "".join(text for _, text in model.selection.json)
    assert model.submit()
    assert bodies == [shown.encode()]


def test_preview_contains_the_marker_of_the_build(own):
    model = start_model(own, *PLANES)
    (marker,) = set(MARKER.findall(model.selection.body()))
    model.submit()
    assert own.builds.get(model.build.id)["description"] == f"[{marker}]"


def test_next_build_has_another_marker(own):
    model = start_model(own, *PLANES)
    before = model.selection.body()
    model.submit()
    model.reset()
    assert MARKER.findall(model.selection.body()) != MARKER.findall(before)


def test_python_call_sends_the_same_body_with_own_marker(relayed):
    client, bodies = relayed
    model = start_model(client, *PLANES)
    model.selection.description, model.selection.restore = "pasted “so”", True
    call, shown = (
        model.selection.python.replace("(run.id)", "(run.id, progress=False)"),
        model.selection.body(),
    )
    exec(call, {"client": client})
    (sent,) = (body.decode() for body in bodies)
    assert MARKER.sub("", sent) == MARKER.sub("", shown)
    assert MARKER.findall(sent) != MARKER.findall(shown)


# --- starting once ----------------------------------------------------------------------------------------


def test_submit_with_blockers_does_nothing(client):
    assert not start_model(client).submit()


def test_valid_selection_can_be_submitted(client):
    model = start_model(client, *PLANES[:1])
    assert (model.selection.blockers, model.selection.notices, model.can_submit) == ((), (), True)


def test_build_is_started_watched_and_fetched(own, tmp_path):
    model = start_model(own, *PLANES)
    assert model.submit()
    watch_to_end(model)
    assert model.watch.builds[0].status == "FINISHED"
    model.downloads.folder = str(tmp_path)
    model.downloads.fetch([model.build.id])
    assert model.downloads.result["status"].tolist() == ["fetched"] * 4


def test_second_submit_starts_no_build(own):
    before = numbers(own)
    model = start_model(own, *PLANES)
    assert [model.submit(), model.submit()] == [True, False]
    assert len(numbers(own) - before) == 1


def test_submit_in_many_threads_starts_one_build(own):
    before, model = numbers(own), start_model(own, *PLANES)
    gate, results = threading.Barrier(8), []

    def press():
        gate.wait()
        results.append(model.submit())

    threads = [threading.Thread(target=press) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == [False] * 7 + [True]
    assert len(numbers(own) - before) == 1


def test_kernels_of_one_machine_start_one_build(own):
    before, models = numbers(own), [start_model(own, *PLANES) for _ in range(3)]
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
    assert [m.selection.duplicate_ids for m in models if m.state == "choosing"] == [(number,)] * 2


def test_submit_during_another_start_waits(own):
    model, before = start_model(own, *PLANES), numbers(own)
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
    second = start_model(own, *PLANES)

    def script(request):
        if is_start(request):
            second.submit()
        return _forwarded(factory, request)

    with faults.serve(script) as server:
        yield start_model(client_through(server, factory), *PLANES), second


def test_concurrent_start_names_both_builds(elsewhere):
    first, second = elsewhere
    first.submit()
    assert (first.state, second.state, first.concurrent_ids) == ("started", "started", (second.build.id,))
    for run in (first.build, second.build):
        assert f"{run.id} (" in first.concurrent_text
        assert f"marker {run.marker})" in first.concurrent_text


def test_concurrent_builds_can_be_watched_together(elsewhere):
    first, second = elsewhere
    first.submit()
    first.watch_concurrent()
    watch_to_end(first)
    assert [b.id for b in first.watch.builds] == [first.build.id, second.build.id]


def test_concurrent_start_of_others_is_ignored(elsewhere):
    first, second = elsewhere
    second.selection.remove(PLANES[:1])
    first.submit()
    assert (second.state, first.concurrent_ids, first.concurrent_text) == ("started", (), "")


def test_reset_clears_concurrent_builds(elsewhere):
    first, _ = elsewhere
    first.submit()
    first.reset()
    assert (first.concurrent_ids, first.concurrent_text) == ((), "")


def test_repeated_request_is_shown(factory):
    def script(request):
        if is_start(request):
            _forwarded(factory, request)
        return _forwarded(factory, request)

    with faults.serve(script) as server:
        model = start_model(client_through(server, factory), *PLANES)
        model.submit()
    assert "with the same marker" in model.concurrent_text


def test_failed_search_for_concurrent_builds_is_shown(factory):
    def script(request):
        script.started |= is_start(request)
        blind = script.started and request.method == "GET" and request.path == BUILDS
        return faults.vendor(500, "Out of order") if blind else _forwarded(factory, request)

    script.started = False
    with faults.serve(script) as server:
        model = start_model(client_through(server, factory), *PLANES)
        model.submit()
    assert model.state == "started"
    assert model.error.startswith("Looking whether it was started twice did not work.")


def test_running_duplicate_blocks(own):
    first, second = start_model(own, *PLANES), start_model(own, *PLANES)
    first.submit()
    before = numbers(own)
    second.submit()
    assert numbers(own) == before
    assert second.state == "choosing"
    assert f"Build {first.build.id} " in second.selection.blockers[0]


def test_finished_duplicate_blocks(own):
    first, second = start_model(own, *PLANES), start_model(own, *PLANES)
    first.submit()
    watch_to_end(first)
    second.submit()
    assert "was started since you opened the project, and is FINISHED" in second.selection.blockers[0]


def test_allowed_duplicate_starts(own):
    first, second = start_model(own, *PLANES), start_model(own, *PLANES)
    first.submit()
    second.submit()
    second.selection.allow_duplicate = True
    assert second.submit()
    assert second.build.id != first.build.id


def test_other_selection_is_no_duplicate(own):
    first, second = start_model(own, *PLANES), start_model(own, *PLANES)
    second.selection.search = "airport core"
    second.selection.add_matches()
    first.submit()
    second.submit()
    assert second.state == "started"


def test_running_build_is_listed_and_watched():
    # long enough for a second form to open while the build runs, on a busy machine too
    with Server(60, build_seconds=5) as server, client_of(server) as client:
        first = start_model(client, *PLANES)
        first.submit()
        second = start_model(client)
        assert first.build.id in [i for _, i in second.selection.running]
        second.watch_existing(first.build.id)
        watch_to_end(second)
    assert second.watch.builds[0].status == "FINISHED"


def test_duplicate_is_watched_as_soon_as_it_is_shown(own):
    model, clicks = start_model(own, *PLANES), []
    started = start_model(own, *PLANES)
    started.submit()

    def click(change):
        clicks.append(threading.Thread(target=model.watch_existing, args=change["new"]))
        clicks[0].start()
        clicks[0].join(0.1)

    model.selection.observe(click, "duplicate_ids")
    model.submit()
    clicks[0].join()
    assert (model.state, model.watch.builds[0].id) == ("started", started.build.id)


def test_reset_keeps_the_selection(own):
    model = start_model(own, *PLANES)
    model.submit()
    model.reset()
    assert (model.state, model.selection.chosen, model.selection.blockers) == ("choosing", PLANES, ())


def test_warnings_of_the_server_are_kept(own):
    model = start_model(own, *PLANES)
    model.selection.choose_release("DWH_GROUP", None)
    model.submit()
    assert model.warnings == ("No release specified for release group 'DWH_GROUP'!",)


def test_refused_start_can_be_repeated(factory):
    model = start_model(client_of_viewer(factory), *PLANES)
    model.submit()
    assert "You don't have permissions to start builds in this project!" in model.error
    assert model.state == "choosing"


def test_expired_token_starts_nothing(factory):
    def script(request):
        return faults.unauthenticated() if script.expired else _forwarded(factory, request)

    script.expired = False
    with client_of(factory) as client, faults.serve(script) as server:
        client.projects.find()
        token = client._transport._token.get_secret_value()
        model = start_model(client_of_url(server.api, token), *PLANES)
        script.expired = True
        model.submit()
    assert (model.state, server.to(BUILDS, "POST")) == ("choosing", [])
    assert "Starting the build did not work" in model.error
    assert "expired" in model.error


# --- what went wrong --------------------------------------------------------------------------------------


def test_lost_answer_keeps_the_marker_of_the_preview(vanishing):
    script, model = vanishing
    (marker,) = set(MARKER.findall(script.body))
    assert (model.marker, marker in model.selection.body()) == (marker, False)


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
        model = start_model(client_through(server, factory), *PLANES)
        model.submit()
        yield script, model


def test_lost_answer_prevents_another_start(vanishing):
    script, model = vanishing
    assert (model.state, model.submit(), script.posts) == ("unconfirmed", False, 1)
    assert model.marker in model.error


def test_confirm_after_a_lost_answer_finds_the_build(vanishing):
    script, model = vanishing
    script.order = True
    model.confirm()
    assert model.state == "started"
    assert script.posts == 1


def test_failed_confirm_stays_unconfirmed(vanishing):
    _, model = vanishing
    model.confirm()
    assert model.state == "unconfirmed"


def test_other_release_clears_the_error_of_a_start(client):
    model = start_model(client)
    model.error, model.traceback = "Starting the build did not work.", "Traceback"
    model.selection.choose_release("DWH_GROUP", "R10")
    assert (model.error, model.traceback) == ("", "")


def test_other_release_keeps_the_error_of_a_lost_answer(vanishing):
    _, model = vanishing
    before = model.error
    model.selection.choose_release("DWH_GROUP", "R10")
    assert model.error == before != ""


def test_dismiss_goes_back_to_choosing(vanishing):
    _, model = vanishing
    model.dismiss()
    assert (model.state, model.error) == ("choosing", "")


def test_failed_search_for_duplicates_sends_nothing(factory):
    posts = []

    def script(request):
        if request.path == "/api/v1/builds" and posts is not None and script.blind:
            posts.extend([request] if request.method == "POST" else [])
            return faults.vendor(500, "Out of order")
        return _forwarded(factory, request)

    script.blind = False
    with faults.serve(script) as server:
        model = start_model(client_through(server, factory), *PLANES)
        script.blind = True
        model.submit()
    assert (model.state, posts) == ("choosing", [])


def test_unexpected_error_is_shown_and_logged(caplog):
    model = StartModel(object())
    model.selection.load()
    assert model.selection.error.startswith("Loading the projects failed unexpectedly: AttributeError:")
    assert "Traceback" in model.selection.traceback
    assert "AttributeError" in caplog.text


def client_of_viewer(factory):
    import mkframe as mk

    return mk.connect(factory.url, email=factory.viewer.email, password=factory.viewer.password)


def client_through(server, factory):
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


# --- how long it may still take --------------------------------------------------------------------------


@pytest.fixture
def finds(own, monkeypatch):
    """The filters of all finds of builds, whose history is used at once."""
    monkeypatch.setattr(_how_long, "_MIN_WAIT", 0.0)
    sent, find = [], own.builds.find
    own.builds.find = lambda **filters: sent.append(filters) or find(**filters)
    return sent


def how_long(model):
    """Look until it is said how long the build may still take."""
    for _ in range(200):
        model.look()
        if text := model.watch.builds[0].how_long:
            return text
        time.sleep(0.01)
    raise AssertionError(model.watch.builds)


def test_started_build_says_how_long_without_a_request(own, finds):
    model = start_model(own, *PLANES)
    model.submit()
    sent = len(finds)
    assert "finishe" in how_long(model)
    assert len(finds) == sent
    model.close()


def test_build_watched_later_loads_its_own_history(own, finds):
    model = start_model(own, *PLANES)
    model.submit()
    model.reset()
    sent = len(finds)
    model.watch_existing(int(own.builds.find().index[-1]))
    assert "finishe" in how_long(model)
    model.close()
    project = own.builds.get(model.watch.builds[0].id)["project_id"]
    assert finds[sent + 1 :] == [{"project_id": project}]
