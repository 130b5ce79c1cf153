import contextlib
import datetime as dt
import threading
import time

import pytest

from mkframe.builds import _how_long
from mkframe.errors import SchemaWarning
from mkframe.forms.models import WatchModel
from mkframe.forms.models.watch import LONGEST_PAUSE, BuildSnapshot, find_similar_failures
from mkframe.frames import from_rows
from tests.builds.servers import BUILDS
from tests.forms.conftest import AIRPLANE, PROJECT, client_of_url, retrying_client, watch_to_end
from tests.support import faults, rows
from tests.support.running_builds import ELAPSED, SAYS, UNUSUAL, past, running

NOON = dt.datetime(2026, 4, 2, 12, tzinfo=dt.UTC)


def started(client, *instances, description="watched"):
    given = [{"id": i} for i in instances or (AIRPLANE,)]
    releases = {"DWH_GROUP": "R11"}
    run = client.builds.start(project_id=PROJECT, instances=given, releases=releases, description=description)
    return run.id


def test_build_is_watched_to_its_end(own):
    model = WatchModel(own, [started(own)])
    watch_to_end(model)
    (build,) = model.builds
    assert (build.status, build.progress, model.state) == ("FINISHED", 100, "over")
    assert len(build.files) == 1


def test_progress_is_shown_before_the_end(own):
    model, seen = WatchModel(own, [started(own)]), set()
    model.observe(lambda change: seen.add(change["new"][0].progress), "builds")
    watch_to_end(model)
    assert len(seen) > 2


def test_canceled_build_is_over(own):
    model = WatchModel(own, [started(own, description="please cancel")])
    watch_to_end(model)
    assert (model.builds[0].status, model.state) == ("CANCELED", "over")


def test_unknown_status_is_over_with_an_end():
    assert not BuildSnapshot(7, "PAUSED", start=NOON).over
    assert BuildSnapshot(7, "PAUSED", start=NOON, end=NOON).over


def test_failed_build_shows_similar_failures(own, marked):
    before, now = (WatchModel(own, [started(own, marked["errors"])]) for _ in range(2))
    watch_to_end(before)
    watch_to_end(now)
    assert now.similar_failures[0].startswith(f"Build {before.builds[0].id}, ")
    assert before.builds[0].message in now.similar_failures[0]


def test_several_builds_are_watched_together(own):
    ids = [started(own), started(own), 5139]
    model = WatchModel(own, ids)
    watch_to_end(model)
    assert [(b.id, b.status) for b in model.builds] == [(i, "FINISHED") for i in ids]


def test_unknown_build_shows_the_error(client):
    model = WatchModel(client, [1, 5139])
    watch_to_end(model)
    assert model.builds[0].missing == "No record found for id '1'"
    assert model.builds[1].status == "FINISHED"


def test_failed_build_without_project_loads_no_others():
    answer = faults.reply(rows.row("builds", 7, status="FAILED", project_id=None))
    with faults.serve(answer) as server:
        model = WatchModel(client_of_url(server.api), [7])
        with pytest.warns(SchemaWarning, match="project_id"):
            model.look()
    assert (model.state, model.traceback, model.similar_failures) == ("over", "", ())
    assert len(server.requests) == 1


def test_null_status_is_shown_as_text():
    with faults.serve(faults.reply(rows.row("builds", 7, status=None))) as server:
        model = WatchModel(client_of_url(server.api), [7])
        watch_to_end(model)
    assert (model.builds[0].status, model.state) == ("no status", "over")


def test_ended_build_is_not_requested_again():
    with faults.serve(faults.reply(rows.row("builds", 7, status="FINISHED"))) as server:
        model = WatchModel(client_of_url(server.api), [7])
        watch_to_end(model)
        model.look()
        assert len(server.requests) == 1


AWAY = {
    "503": faults.vendor(503, "Being restarted"),
    "reset": faults.reset(),
    "429": faults.vendor(429, "Too busy"),
    "a proxy's page": faults.html(),
    "half a body": faults.cut(faults.reply(rows.row("builds", 7))),
}


@pytest.mark.parametrize("answer", AWAY.values(), ids=AWAY)
def test_transient_error_is_shown_and_retried(answer):
    done = faults.reply(rows.row("builds", 7, status="FINISHED"))
    with faults.serve([answer, done]) as server:
        model = WatchModel(client_of_url(server.api), [7])
        assert model.look() is not None
        text, state = model.connection_error, model.state
        model.look()
    assert (state, "this form asks again" in text) == ("watching", True)
    assert (model.state, model.connection_error) == ("over", "")


def test_pauses_grow_with_repeated_errors():
    with faults.serve(faults.vendor(503)) as server:
        model = WatchModel(client_of_url(server.api), [7])
        pauses = [model.look() for _ in range(6)]
    assert pauses == sorted(pauses)
    assert pauses[-1] == LONGEST_PAUSE


def test_retry_within_a_request_is_shown():
    busy, done = faults.later(503, 0), faults.reply(rows.row("builds", 7, status="FINISHED"))
    with faults.serve([busy, done]) as server:
        model, texts = WatchModel(retrying_client(server.api), [7]), []
        model.observe(lambda change: texts.append(change["new"]), "connection_error")
        model.look()
    assert "Trying again in 0.0 s" in texts[0]


def test_expired_token_stops_with_a_hint():
    with faults.serve(faults.unauthenticated()) as server:
        model = WatchModel(client_of_url(server.api), [7])
        assert model.look() is None
    assert model.state == "stopped"
    assert "Connect once more, and open this form anew" in model.connection_error


def test_unexpected_error_stops_and_is_shown(caplog):
    model = WatchModel(object(), [7])
    assert model.look() is None
    assert model.state == "stopped"
    assert model.error.startswith("Looking at the build failed unexpectedly: AttributeError:")
    assert "Traceback" in model.traceback
    assert "AttributeError" in caplog.text


def test_resume_after_a_stop_asks_again():
    done = faults.reply(rows.row("builds", 7, status="FINISHED"))
    with faults.serve([faults.unauthenticated(), done]) as server:
        model = WatchModel(client_of_url(server.api), [7])
        model.look()
        model.resume()
        model.look()
    assert (model.state, model.connection_error) == ("over", "")


@pytest.mark.parametrize(
    ("seen", "seconds"),
    [
        (BuildSnapshot(1, "BUILDING", start=NOON), 90.0),
        (BuildSnapshot(1, "FINISHED", start=NOON, end=NOON + dt.timedelta(seconds=7)), 7.0),
        (BuildSnapshot(1, "FAILED", start=NOON), None),
        (BuildSnapshot(1, "BUILDING"), None),
        (BuildSnapshot(1, "BUILDING", start=NOON + dt.timedelta(hours=1)), 0.0),
    ],
)
def test_elapsed_time(seen, seconds):
    assert seen.elapsed(NOON + dt.timedelta(seconds=90)) == seconds


def test_similar_failures_are_the_last_five(client):
    builds = client.builds.find().assign(status="FAILED", message="Instance AIRPLANE has 3 errors")
    found = find_similar_failures(builds, builds.index[-1], "Instance GATE has 12 errors")
    assert found.index.tolist() == sorted(builds.index[:-1], reverse=True)[:5]


def test_failing_requests_do_not_hide_other_builds():
    def script(request):
        if request.path.endswith("/9"):
            return faults.reply(rows.row("builds", 9, status="FINISHED"))
        return faults.vendor(500)

    with faults.serve(script) as server, client_of_url(server.api) as client:
        model = WatchModel(client, [7, 8, 9])
        for _ in range(3):
            model.look()
    assert [b.over for b in model.builds] == [False, False, True]


# --- how long it may still take --------------------------------------------------------------------------


@pytest.fixture
def quick(monkeypatch):
    """A history that is loaded at once."""
    monkeypatch.setattr(_how_long, "_MIN_WAIT", 0.0)


@contextlib.contextmanager
def watching(answers, history=None, **options):
    """A model of a build that a server tells of, and the server."""
    script = {f"{BUILDS}/7": answers, BUILDS: faults.reply(past()) if history is None else history}
    with faults.serve(script) as server, client_of_url(server.api) as client:
        model = WatchModel(client, [7], **options)
        yield model, server
        model.close()
        assert [t.name for t in threading.enumerate() if t.name == "mkframe-how-long"] == []


def look_until(model, condition):
    end = time.monotonic() + 10
    while not condition(model.builds[0]):
        assert time.monotonic() < end, model.builds
        model.look()
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("elapsed", "text"),
    [(ELAPSED, SAYS), (UNUSUAL, "unusually long: longer than all 30 similar builds")],
)
def test_running_build_says_how_long(elapsed, text, quick):
    with watching(running(elapsed=elapsed)) as (model, server):
        look_until(model, lambda build: build.how_long)
        seen = []
        model.observe(lambda change: seen.append(change["new"][0].how_long), "builds")
        model.look()
        assert model.builds[0].how_long == text
        assert "" not in seen  # a line that comes and goes cannot be read
        assert [r.query for r in server.to(BUILDS)] == [{"project_id": "402"}]


def test_build_that_has_ended_says_nothing_of_time(quick):
    with watching([running()] * 9 + [running(status="FINISHED")]) as (model, _):
        look_until(model, lambda build: build.how_long)
        watch_to_end(model)
        assert model.builds[0].how_long == ""


def test_silent_server_leaves_no_old_sentence(quick):
    answers = [running()] * 9 + [faults.vendor(503), running()]
    with watching(answers) as (model, _):
        look_until(model, lambda build: build.how_long)
        look_until(model, lambda build: not build.how_long)
        assert "this form asks again" in model.connection_error
        look_until(model, lambda build: build.how_long)
        assert model.connection_error == ""


def test_expired_token_leaves_no_old_sentence(quick):
    with watching([running()] * 9 + [faults.unauthenticated()]) as (model, _):
        look_until(model, lambda build: build.how_long)
        look_until(model, lambda build: not build.how_long)
        assert model.state == "stopped"


@pytest.mark.parametrize("history", [from_rows("builds", past(25)), False])
def test_given_history_sends_no_request(history, quick):
    with watching(running()) as (_, server):
        model = WatchModel(client_of_url(server.api), [7], history=history)
        if history is False:
            for _ in range(3):
                model.look()
            assert model.builds[0].how_long == ""
        else:
            look_until(model, lambda build: "from 25 similar builds" in build.how_long)
        model.close()
        assert server.to(BUILDS) == []


def test_silent_history_delays_no_look(quick):
    with watching([running()] * 4 + [running(status="FINISHED")], faults.silence()) as (model, server):
        began = time.monotonic()
        watch_to_end(model)
        assert model.state == "over"
        assert time.monotonic() - began < 3
        assert len(server.to(BUILDS)) == 1


def test_elapsed_time_is_by_the_clock_of_the_server():
    with watching(running(elapsed=75.0)) as (model, _):
        model.look()
        assert model.builds[0].elapsed(model.server_time) == pytest.approx(75, abs=1)
