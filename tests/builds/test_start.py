"""A build is started exactly once, and every call ends in the truth."""

import dataclasses
import pickle
import re
import signal
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor

import pandas as pd
import pytest

from mkframe import errors, frames
from mkframe.demo_server import Server
from mkframe.settings import Secret
from tests.builds.servers import (
    AIRPLANE,
    BUILDS,
    MARKER,
    SCOPE,
    Recorder,
    Relay,
    connect_to,
    is_start,
    login,
    sent,
)
from tests.support import faults
from tests.support.rows import row, rows

INSTANCES = frames.from_rows("instances", rows("instances", 3))
SOON = 0.05
"""Seconds to look for a build, where none is there to be found; 6 by default, too long for tests."""


def start(client, **given):
    return client.builds.start(**{**SCOPE, "instances": [AIRPLANE], "confirm_timeout": SOON, **given})


def started(script, **given):
    """What a server was sent by one start."""
    with faults.serve(script) as server, connect_to(server.api) as client:
        start(client, **given)
    return sent(server)


# --- what is sent -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("instances", "expected"),
    [
        pytest.param([7, 8], [{"id": 7}, {"id": 8}], id="ids"),
        pytest.param(7, [{"id": 7}], id="one id"),
        pytest.param(pd.Series([7, 8]), [{"id": 7}, {"id": 8}], id="a column of ids"),
        pytest.param((i for i in (7, 8)), [{"id": 7}, {"id": 8}], id="an iterator of ids"),
        pytest.param([{"id": 7}], [{"id": 7}], id="a dict with the id"),
        pytest.param([AIRPLANE], [AIRPLANE], id="a dict with the name"),
        pytest.param(AIRPLANE, [AIRPLANE], id="one dict"),
        pytest.param([{"id": None, **AIRPLANE}], [AIRPLANE], id="a dict with an empty key"),
        pytest.param(pd.Series(AIRPLANE), [AIRPLANE], id="a Series with the name"),
        pytest.param(pd.DataFrame([AIRPLANE]).iloc[0], [AIRPLANE], id="a row with the name"),
        pytest.param([7, AIRPLANE], [{"id": 7}, AIRPLANE], id="both ways"),
        pytest.param(INSTANCES, [{"id": 1}, {"id": 2}, {"id": 3}], id="an instances frame"),
        pytest.param(INSTANCES[INSTANCES.index > 1], [{"id": 2}, {"id": 3}], id="rows of it"),
        pytest.param(INSTANCES.iloc[1], [{"id": 2}], id="one row of it"),
        pytest.param([INSTANCES.iloc[1], 7], [{"id": 2}, {"id": 7}], id="a row of it and an id"),
        pytest.param(INSTANCES.index, [{"id": 1}, {"id": 2}, {"id": 3}], id="its index"),
    ],
)
def test_instances_are_sent_as_documented(instances, expected):
    assert started(Recorder(), instances=instances)["instances"] == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"project": "DEMO_PROJECT"}, {"project": "DEMO_PROJECT"}),
        ({"project": None, "project_id": 402}, {"project_id": 402}),
        ({"project": 402}, {"project_id": 402}),
    ],
)
def test_project_is_sent_by_name_or_id(given, expected):
    sent = started(Recorder(), **given)
    assert {k: v for k, v in sent.items() if k.startswith("project")} == expected


def test_whole_body_is_the_documented_one():
    given = {"releases": {"DWH_GROUP": "R1"}, "description": "build via rest api", "restore": True}
    sent = started(Recorder(), marker=False, **given)
    assert sent == {**SCOPE, "instances": [AIRPLANE], **given}


def test_nothing_is_sent_that_was_not_given():
    assert started(Recorder(), marker=False) == {**SCOPE, "instances": [AIRPLANE]}


@pytest.mark.parametrize("description", [None, "", "nightly", "Größe [mkframe-0123456789ab] \udc00"])
def test_marker_follows_the_description(description):
    words = started(Recorder(), description=description)["description"]
    own_text, _, marker = words.rpartition("[")
    assert own_text.rstrip() == (description or "")
    assert MARKER.fullmatch(marker.removesuffix("]"))


def test_each_start_has_its_own_marker():
    with faults.serve(Recorder()) as server, connect_to(server.api) as client:
        markers = {start(client).marker for _ in range(5)}
    assert len(markers) == 5


def test_given_marker_is_sent():
    with faults.serve(Recorder()) as server, connect_to(server.api) as client:
        word = client.builds.new_marker()
        run = start(client, description="nightly", marker=word)
    assert MARKER.fullmatch(word)
    assert (run.marker, sent(server)["description"]) == (word, f"nightly [{word}]")


def test_given_marker_finds_build_after_lost_answer():
    with faults.serve(Recorder(faults.reset())) as server, connect_to(server.api) as client:
        run = start(client, marker="mkframe-0123456789ab", warn=False)
    assert (run.id, run.marker) == (5139, "mkframe-0123456789ab")


def test_drawing_a_marker_sends_nothing(silent):
    with connect_to(silent.api) as client:
        client.builds.new_marker()
    assert silent.connections == 0


# --- what comes back --------------------------------------------------------------------------------


def test_result_is_small_and_frozen():
    with faults.serve(Recorder()) as server, connect_to(server.api) as client:
        run = start(client)
    assert (run.id, run.status, run.warnings) == (5139, "BUILDING", ())
    assert f"[{run.marker}]" == sent(server)["description"]
    with pytest.raises(dataclasses.FrozenInstanceError):
        run.id = 1


def test_warnings_are_shown_at_the_call_and_kept():
    answer = {"build": {"id": 7, "status": "BUILDING"}, "warnings": ["No release!", "Closed!"]}
    with (
        faults.serve(faults.reply(answer)) as server,
        connect_to(server.api) as client,
        pytest.warns(UserWarning, match="Build 7: ") as shown,
    ):
        run = client.builds.start(**SCOPE, instances=[7])
    assert [str(w.message) for w in shown] == ["Build 7: No release!", "Build 7: Closed!"]
    assert {w.filename for w in shown} == {__file__}
    assert run.warnings == ("No release!", "Closed!")


def test_warn_false_keeps_warnings_without_showing(caplog):
    answer = {"build": {"id": 7, "status": "BUILDING"}, "warnings": ["No release!"]}
    with faults.serve(faults.reply(answer)) as server, connect_to(server.api) as client:
        run = client.builds.start(**SCOPE, instances=[7], warn=False)  # a Python warning would be an error
    assert (run.warnings, caplog.text) == (("No release!",), "")


def test_warnings_nested_deeply_do_not_lose_the_build():
    text = b'{"build": {"id": 7, "status": "BUILDING"}, "warnings": [%s%s]}' % (b"[" * 600, b"]" * 600)
    answer = faults.content(text, "application/json", status=201)
    with faults.serve(answer) as server, connect_to(server.api) as client:
        run = start(client, warn=False)
    assert (run.id, len(run.warnings)) == (7, 1)


def test_many_warnings_are_kept_and_some_shown():
    sent = [f"Warning {n}" for n in range(5000)]
    answer = faults.reply({"build": {"id": 7, "status": "BUILDING"}, "warnings": sent})
    with (
        faults.serve(answer) as server,
        connect_to(server.api) as client,
        pytest.warns(UserWarning, match="Build 7: ") as shown,
    ):
        run = start(client)
    assert len(run.warnings) == 5000
    assert len(shown) == 101
    assert "4,900 further warnings" in str(shown[-1].message)


@pytest.mark.parametrize(("sent", "kept"), [(None, ()), ("One text.", ("One text.",)), ([1], ("1",))])
def test_warnings_of_another_shape_are_kept(sent, kept):
    answer = faults.reply({"build": {"id": 7, "status": "BUILDING"}, "warnings": sent})
    with faults.serve(answer) as server, connect_to(server.api) as client, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert start(client).warnings == kept


def test_a_real_server_warns_of_a_missing_release(owner):
    with pytest.warns(UserWarning, match="DWH_GROUP"):
        run = start(owner)
    assert len(run.warnings) == 1


def test_rows_of_find_start_a_build_of_those_instances(owner):
    rows = owner.instances.find(project="DEMO_PROJECT", pattern="CORE_DV_HLS").head(2)
    run = start(owner, instances=rows, releases={"DWH_GROUP": "R1"})
    build = owner.builds.get(run.id)
    assert build["instances"] == 2
    assert build["patterns"] == rows["pattern_id"].unique().tolist()


def test_deleted_instance_is_built_only_with_restore(owner):
    deleted = owner.instances.find(project="DEMO_PROJECT", deleted=True).head(1)
    releases = {"DWH_GROUP": "R1"}
    with pytest.raises(errors.NotFoundError, match="Instance not found"):
        start(owner, instances=deleted, releases=releases)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        assert start(owner, instances=deleted, releases=releases, restore=True).status == "BUILDING"


# --- refused before anything is sent ----------------------------------------------------------------

BAD = {
    "no project": ({"project": None}, "needs project or project_id"),
    "both projects": ({"project_id": 402}, "both project and project_id"),
    "project of no name": ({"project": " "}, "project must be a name"),
    "project id as text": ({"project": None, "project_id": "402"}, "whole number"),
    "no instance": ({"instances": []}, "No instances are given"),
    "empty frame": ({"instances": INSTANCES.head(0)}, "No instances are given"),
    "instances missing": ({"instances": None}, "an instance must be a whole number, not None"),
    "instance as text": ({"instances": "AIRPLANE"}, "'AIRPLANE'"),
    "instance as bytes": ({"instances": b"7"}, "whole number"),
    "instance as fraction": ({"instances": [7.0]}, "7.0"),
    "instance as truth": ({"instances": [True]}, "True"),
    "no folder": (
        {"instances": [{"pattern": "P", "name": "A"}]},
        "by its id, or by pattern, folder and name",
    ),
    "id and name": ({"instances": [{"id": 7, **AIRPLANE}]}, "with no other key"),
    "empty dict": ({"instances": [{}]}, "this is neither"),
    "folder of no name": ({"instances": [{**AIRPLANE, "folder": ""}]}, "folder must be a name"),
    "id as text": ({"instances": [{"id": "7"}]}, "id must be a whole number"),
    "one instance twice": ({"instances": [7, {"id": 7}]}, "given twice"),
    "one name twice": ({"instances": [AIRPLANE, dict(AIRPLANE)]}, "given twice"),
    "frame of builds": ({"instances": frames.from_rows("builds", rows("builds", 2))}, "not one of instances"),
    "frame without ids": ({"instances": INSTANCES.reset_index(drop=True)}, "not indexed by the ids"),
    "row of a build": (
        {"instances": frames.from_rows("builds", rows("builds", 1)).iloc[0]},
        "this is neither",
    ),
    "row of a download": (
        {"instances": frames.from_rows("downloads", rows("downloads", 1)).iloc[0]},
        "this is neither",
    ),
    "releases as list": ({"releases": ["R1"]}, "releases must map"),
    "release as id": ({"releases": {"DWH_GROUP": 21}}, "names to names"),
    "description": ({"description": 5}, "description must be text"),
    "restore": ({"restore": 1}, "restore must be True or False"),
    "marker as number": ({"marker": 1}, "marker must be True or False"),
    "marker of another form": ({"marker": "yes"}, "'yes' is not a marker"),
    "marker with more around it": ({"marker": "mkframe-0123456789ab]"}, "is not a marker"),
    "empty marker": ({"marker": ""}, "'' is not a marker"),
    "warn": ({"warn": "no"}, "warn must be True or False"),
    "confirm_timeout as text": ({"confirm_timeout": "6"}, "confirm_timeout must be seconds"),
    "confirm_timeout below zero": ({"confirm_timeout": -1}, "confirm_timeout must be seconds"),
    "confirm_timeout without end": ({"confirm_timeout": float("inf")}, "confirm_timeout must be seconds"),
    "confirm_timeout not a number": ({"confirm_timeout": float("nan")}, "confirm_timeout must be seconds"),
}


@pytest.fixture(scope="module")
def silent():
    """A server that must not be asked."""
    with faults.serve(faults.vendor(500, "asked")) as server:
        yield server


@pytest.mark.parametrize(("given", "sentence"), BAD.values(), ids=BAD)
def test_invalid_argument_is_refused_unsent(silent, given, sentence):
    with connect_to(silent.api) as client, pytest.raises(errors.InputError, match=sentence) as caught:
        start(client, **given)
    assert caught.value.hint
    assert silent.connections == 0


# --- refused by the server --------------------------------------------------------------------------


@pytest.mark.parametrize("status", [400, 403, 404, 405, 429, 301, 307, 308])
def test_refusal_is_raised_without_a_search(status):
    with (
        faults.serve(faults.vendor(status, "No.")) as server,
        connect_to(server.api) as client,
        pytest.raises(errors.for_status(status)) as caught,
    ):
        start(client)
    assert caught.value.status == status
    assert [r.method for r in server.requests] == ["POST"]


def test_refused_connection_says_that_nothing_was_sent():
    with (
        faults.nobody_listens() as url,
        connect_to(url) as client,
        pytest.raises(errors.ConnectError, match="nothing was sent"),
    ):
        start(client)


@pytest.mark.parametrize("instances", ["AIRPLANE", ["AIRPLANE"], pd.Series(["AIRPLANE"]), [7, "AIRPLANE"]])
def test_instance_by_its_name_alone_is_explained(silent, instances):
    with connect_to(silent.api) as client, pytest.raises(errors.InputError, match="its name alone") as caught:
        start(client, instances=instances)
    assert '"pattern"' in caught.value.hint
    assert silent.connections == 0


@pytest.mark.parametrize(
    ("instances", "happened"),
    [
        ([AIRPLANE], "The project has no {'pattern': 'CORE_DV_HLS'"),
        ([1, 2, 77, 78], r"The project has no {'id': 77}, {'id': 78}\."),
        ([AIRPLANE | {"name": "name 1"}, AIRPLANE], "The project has no .*'AIRPLANE'"),
        ([1, 2], r"one or more of these: {'id': 1}, {'id': 2}\."),
        (list(range(50, 70)), "one or more of these: .* and 15 others"),
    ],
)
@pytest.mark.parametrize("can_look", [True, False])
def test_missing_instance_is_named(instances, happened, can_look):
    script = {
        f"POST {BUILDS}": faults.vendor(404, "Instance not found"),
        "/api/v1/instances": faults.reply(rows("instances", 3)) if can_look else faults.vendor(403),
    }
    if not can_look and len(instances) > 1:
        happened = "one or more of these: {"
    with (
        faults.serve(script) as server,
        connect_to(server.api) as client,
        pytest.raises(errors.NotFoundError, match=happened),
    ):
        start(client, instances=instances)
    assert len(server.to(BUILDS, "POST")) == 1


def test_expired_token_is_renewed_and_the_body_sent_again():
    script = {
        "POST " + BUILDS: [
            faults.unauthenticated(),
            Recorder()(faults.Request("POST", BUILDS, {}, b"{}", 1)),
        ],
        "/authentication": faults.token("fresh"),
    }
    with (
        faults.serve(script) as server,
        connect_to(server.api, email="ada@example.org", password=Secret("word")) as client,
    ):
        assert start(client).id == 5139
    first, second = server.to(BUILDS, "POST")
    assert first.body == second.body
    assert second.headers["authorization"] == "Bearer fresh"


def test_failing_login_means_nothing_was_sent():
    with (
        faults.serve({"/authentication": faults.reset()}) as server,
        connect_to(server.api, token=None, email="ada@example.org", password=Secret("word")) as client,
        pytest.raises(errors.ConnectionLostError, match="/authentication"),
    ):
        start(client)
    assert server.to(BUILDS) == []


# --- the answer is lost -----------------------------------------------------------------------------

DOCUMENTED = faults.reply({"build": {"id": 1, "status": "BUILDING"}, "warnings": []}, 201)
LOST = {
    "reset": faults.reset(),
    "closed": faults.closed(),
    "cut": faults.cut(DOCUMENTED),
    "reset in the body": faults.cut(DOCUMENTED, "reset"),
    "no answer in time": faults.silence(),
    "broken gzip": faults.broken_gzip(DOCUMENTED),
    "page": faults.html(),
    "empty": faults.content(b"", "application/json"),
    "broken JSON": faults.content(b'{"build": {"id":', "application/json"),
    "list": faults.reply([]),
    "no build": faults.reply({"warnings": []}),
    "no status": faults.reply({"build": {"id": 7}}),
    "id as text": faults.reply({"build": {"id": "7", "status": "BUILDING"}}),
    "id of hundreds of digits": faults.content(
        b'{"build": {"id": 1%s, "status": "BUILDING"}}' % (b"0" * 400), "application/json"
    ),
    "id below zero": faults.reply({"build": {"id": -1, "status": "BUILDING"}}),
    "nested deeply": faults.content(
        b'{"build": %s%s}' % (b"[" * 600, b"]" * 600), "application/json", status=201
    ),
    "text without end": faults.zipped(
        faults.content(b'{"build": {"id": 7, "status": "%s' % (b"a" * (17 << 20)), "application/json")
    ),
    "packed otherwise": faults.content(
        DOCUMENTED.body, "application/json", headers={"Content-Encoding": "br"}
    ),
    "length that is no number": faults.replace(DOCUMENTED, headers={"Content-Length": "+5"}),
    "length of gigabytes": faults.overclaimed(DOCUMENTED, 1 << 33),
    "202": faults.reply({}, 202),
    "204": faults.Answer(204),
    "302": faults.redirect("/builds/5142", 302),
    "303": faults.redirect("/builds/5142", 303),
    "304": faults.Answer(304),
    "408": faults.vendor(408),
    "499": faults.html(499),
    "500": faults.vendor(500),
    "502 page": faults.html(502),
    "503": faults.later(503, 0),
    "504": faults.html(504),
}
lost = pytest.mark.parametrize("answer", LOST.values(), ids=LOST)


def trial(recorder, **given):
    """One start, whose warnings are not looked at; the server that saw it, and what came of it."""
    with (
        faults.serve(recorder) as server,
        connect_to(server.api, read_timeout=0.3) as client,
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore", UserWarning)
        try:
            outcome = start(client, **given)
        except errors.MkframeError as error:
            outcome = error
    assert len(server.to(BUILDS, "POST")) == 1
    return server, outcome


@lost
def test_build_of_a_lost_answer_is_adopted(answer):
    recorder = Recorder(answer)
    recorder.rows = rows("builds", 3)
    server, run = trial(recorder)
    assert (run.id, run.status) == (5142, "BUILDING")
    assert run.marker in sent(server)["description"]


@lost
def test_lost_start_that_is_not_found_is_unconfirmed(answer):
    """A server that was too slow, or its proxy, may record it later."""
    _, outcome = trial(Recorder(answer, records=False), confirm_timeout=0)
    assert isinstance(outcome, errors.StartUnconfirmedError)
    assert "the server may record it later" in outcome.message
    assert f"client.builds.confirm('{outcome.marker}', project='DEMO_PROJECT')" in outcome.hint
    assert f"marker='{outcome.marker}'" in outcome.hint


@pytest.mark.parametrize("call", ["confirm", "start"])
@pytest.mark.parametrize("fault", [faults.silence(), faults.html(504), faults.reset()])
def test_start_recorded_late_is_found_by_its_marker(fault, call):
    recorder = Recorder(fault, late=99)
    with faults.serve(recorder) as server, connect_to(server.api, read_timeout=0.3) as client:
        with pytest.raises(errors.StartUnconfirmedError) as caught:
            start(client, confirm_timeout=0)
        marker, recorder.answer = caught.value.marker, None
        with pytest.raises(errors.NotStartedError, match="as far as the server knows") as unseen:
            client.builds.confirm(marker, confirm_timeout=0)
        assert unseen.value.marker == marker
        recorder.late = 0
        if call == "confirm":
            assert client.builds.confirm(marker).id == 5139
        else:
            with pytest.warns(UserWarning, match="carries the marker .* already: nothing was sent"):
                found = start(client, marker=marker)
            assert (found.id, found.marker) == (5139, marker)
        assert len(server.to(BUILDS, "POST")) == 1


def test_start_with_a_marker_of_no_build_is_sent():
    with faults.serve(Recorder()) as server, connect_to(server.api) as client:
        assert start(client, marker=WORD, confirm_timeout=0).id == 5139
        assert WORD in sent(server)["description"]


@pytest.mark.parametrize("made", ["for this start", "by an earlier kernel"])
def test_start_looks_long_for_a_marker_that_may_be_used(made):
    """The request of the earlier start may be on its way still."""
    with faults.serve(Recorder(late=2)) as server, connect_to(server.api) as client:
        marker = client.builds.new_marker() if made == "for this start" else WORD
        assert start(client, marker=marker, confirm_timeout=0.3).id == 5139
        looks = len(server.to(BUILDS, "GET"))
        assert looks == 1 if made == "for this start" else looks > 2


def test_starts_with_one_marker_at_once_send_once():
    built = faults.reply({"build": {"id": 5139, "status": "BUILDING"}}, 201, latency=0.2)
    with (
        faults.serve(Recorder(built)) as server,
        connect_to(server.api) as client,
        ThreadPoolExecutor(4) as pool,
    ):
        marker = client.builds.new_marker()
        found = list(pool.map(lambda _: start(client, marker=marker, warn=False), range(4)))
        assert len(server.to(BUILDS, "POST")) == 1
    assert {run.id for run in found} == {5139}
    assert sorted(len(run.warnings) for run in found) == [0, 1, 1, 1]


@pytest.mark.parametrize("sees", [faults.vendor(403, "Not for you"), faults.reply([1]), faults.html(502)])
def test_start_that_cannot_look_first_sends_nothing(sees):
    with faults.serve(Recorder(sees=sees)) as server, connect_to(server.api) as client:
        with pytest.raises(errors.MkframeError, match="Nothing was sent") as caught:
            start(client, marker=WORD)
        assert not isinstance(caught.value, errors.StartUnconfirmedError)
        assert server.to(BUILDS, "POST") == []


def test_login_without_an_answer_starts_nothing():
    script = {"/authentication": faults.silence(), "*": Recorder()}
    settings = {"token": None, "email": "a@example.org", "password": Secret("open sesame")}
    with faults.serve(script) as server, connect_to(server.api, read_timeout=0.1, **settings) as client:
        with pytest.raises(errors.RequestTimeoutError, match="No build was started"):
            start(client)
        assert server.to(BUILDS) == []


@pytest.mark.parametrize("sees", [faults.silence(), faults.drip(faults.reply([]), pause=0.2)])
def test_confirm_timeout_bounds_the_whole_call(sees):
    with faults.serve(Recorder(sees=sees)) as server, connect_to(server.api, read_timeout=60) as client:
        began = time.monotonic()
        with pytest.raises((errors.StartUnconfirmedError, errors.NotStartedError)):
            client.builds.confirm(WORD, confirm_timeout=1.2)
        assert time.monotonic() - began < 2


@lost
def test_failing_search_names_the_confirm_call(answer):
    server, outcome = trial(Recorder(answer, sees=faults.vendor(403, "Not for you")))
    assert isinstance(outcome, errors.StartUnconfirmedError)
    assert outcome.marker in sent(server)["description"]
    assert f"client.builds.confirm('{outcome.marker}', project='DEMO_PROJECT')" in outcome.hint


@pytest.mark.parametrize("sees", [faults.reset(), faults.html(), faults.vendor(503), faults.reply([1])])
def test_any_error_of_the_search_is_unconfirmed(sees):
    _, outcome = trial(Recorder(faults.reset(), sees=sees))
    assert isinstance(outcome, errors.StartUnconfirmedError)
    assert "could not be searched" in outcome.message


@lost
def test_lost_answer_without_marker_is_unconfirmed(answer):
    server, outcome = trial(Recorder(answer), marker=False)
    assert isinstance(outcome, errors.StartUnconfirmedError)
    assert outcome.marker is None
    assert server.to(BUILDS, "GET") == []


def test_lost_answer_warning_is_shown_at_the_call():
    with (
        faults.serve(Recorder(faults.reset())) as server,
        connect_to(server.api) as client,
        pytest.warns(UserWarning, match="answer was lost") as shown,
    ):
        run = client.builds.start(**SCOPE, instances=[7])
    assert shown[0].filename == __file__
    assert len(run.warnings) == 1


def test_looking_asks_only_for_builds_of_the_project():
    server, _ = trial(Recorder(faults.reset()), project=None, project_id=402)
    assert [r.query for r in server.to(BUILDS, "GET")] == [{"project_id": "402"}]


def test_build_that_is_recorded_late_is_found():
    server, run = trial(Recorder(faults.reset(), late=3), confirm_timeout=5)
    assert run.id == 5139
    assert len(server.to(BUILDS, "GET")) == 4


def test_server_restart_during_search_is_retried():
    recorder = Recorder(faults.reset())
    away = [faults.vendor(503)] * 4

    def script(request):
        return away.pop() if request.method == "GET" and away else recorder(request)

    _, run = trial(script, confirm_timeout=5)
    assert run.id == 5139


def test_marker_on_two_builds_is_a_warning():
    recorder = Recorder(faults.reset())

    def repeated(request):
        if request.method == "POST":
            recorder(request)
        return recorder(request)

    _, run = trial(repeated)
    assert run.id == 5139
    assert "5139, 5140 carry the same marker" in run.warnings[1]


def test_lost_answer_keeps_what_the_server_said():
    _, outcome = trial(Recorder(faults.vendor(500, "Disk full"), records=False))
    assert (outcome.status, outcome.vendor_message) == (500, "Disk full")
    assert "Disk full" in str(outcome)


def test_error_survives_pickling():
    _, outcome = trial(Recorder(faults.reset(), records=False))
    copy = pickle.loads(pickle.dumps(outcome))
    assert (type(copy), copy.marker, str(copy)) == (type(outcome), outcome.marker, str(outcome))


def test_interrupt_names_the_confirm_call():
    main = threading.main_thread().ident

    def script(request):
        signal.pthread_kill(main, signal.SIGINT)
        return faults.silence()

    with (
        faults.serve(script) as server,
        connect_to(server.api) as client,
        pytest.raises(KeyboardInterrupt) as caught,
    ):
        start(client)
    (marker,) = MARKER.findall(sent(server)["description"])
    assert caught.value.__notes__ == [f"A build may run: client.builds.confirm('{marker}') finds it."]


# --- settling it later ------------------------------------------------------------------------------

WORD = "mkframe-0123456789ab"


def test_confirm_finds_the_build():
    recorder = Recorder()
    recorder.rows = rows("builds", 3)
    recorder.rows[1]["description"] = f"nightly [{WORD}]"
    with faults.serve(recorder) as server, connect_to(server.api) as client:
        assert client.builds.confirm(WORD, project_id=402).id == 2
    assert [r.query for r in server.requests] == [{"project_id": "402"}]


def test_build_found_without_a_status_has_none():
    recorder = Recorder()
    recorder.rows = rows("builds", 1, status=None, description=f"[{WORD}]")
    with faults.serve(recorder) as server, connect_to(server.api) as client:
        assert client.builds.confirm(WORD).status is None


def test_confirm_with_warn_false_shows_no_warnings():
    recorder = Recorder()
    recorder.rows = rows("builds", 2, description=f"[{WORD}]")
    with faults.serve(recorder) as server, connect_to(server.api) as client:
        run = client.builds.confirm(WORD, warn=False)
    assert "carry the same marker" in run.warnings[0]


def test_confirm_says_that_none_was_started():
    with (
        faults.serve(Recorder()) as server,
        connect_to(server.api) as client,
        pytest.raises(errors.NotStartedError, match=f"(?i)no build carries the marker {WORD}"),
    ):
        client.builds.confirm(WORD, confirm_timeout=0)


def test_confirm_that_cannot_look_stays_unconfirmed():
    with (
        faults.nobody_listens() as url,
        connect_to(url) as client,
        pytest.raises(errors.StartUnconfirmedError, match="connection was refused") as caught,
    ):
        client.builds.confirm(WORD, project="DEMO_PROJECT", confirm_timeout=0)
    assert caught.value.marker == WORD


@pytest.mark.parametrize(
    ("marker", "given"),
    [
        ("", {}),
        ("mkframe-", {}),
        (f" {WORD}", {}),
        (None, {}),
        (5139, {}),
        (WORD, {"confirm_timeout": -1}),
        (WORD, {"project": "A", "project_id": 1}),
        (WORD, {"project_id": "402"}),
        (WORD, {"warn": None}),
    ],
)
def test_confirm_refuses_a_bad_argument(silent, marker, given):
    with connect_to(silent.api) as client, pytest.raises(errors.InputError):
        client.builds.confirm(marker, **given)
    assert silent.connections == 0


# --- a hundred times --------------------------------------------------------------------------------

TIMES = 100


def quiet_start(client, number):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return start(client, description=f"number {number}", releases={"DWH_GROUP": "R1"})


@pytest.fixture
def fresh():
    """A server of one's own, and a client of it that sees the truth."""
    with Server(builds=5, build_seconds=0.2) as server, connect_to(server.url, **login(server)) as client:
        yield server, client


@pytest.mark.slow
def test_hundred_lost_answers_are_hundred_builds(fresh):
    embedded, direct_client = fresh
    before = set(direct_client.builds.find().index)
    relay = Relay(embedded, after=lambda request: faults.reset() if is_start(request) else None)
    with faults.serve(relay) as server, connect_to(server.api, **login(embedded)) as client:
        ids = {quiet_start(client, number).id: number for number in range(TIMES)}
    relay.close()
    builds = direct_client.builds.find()
    new = builds.loc[~builds.index.isin(before), "description"].str.replace(r" \[.*", "", regex=True)
    assert new.to_dict() == {i: f"number {number}" for i, number in ids.items()}
    assert len(server.to(BUILDS, "POST")) == TIMES == len(ids)


@pytest.mark.slow
def test_hundred_dropped_requests_start_nothing(fresh):
    """Each call comes on a connection of its own, which is reset before anything of it is read."""
    embedded, direct_client = fresh
    before = direct_client.builds.find()
    relay, token, dropping = Relay(embedded), direct_client._transport._current_token(), threading.Event()

    def drop(number):
        unread = dropping.is_set()
        dropping.clear()
        # A little later, so that the request is on its way when the connection breaks.
        return faults.Answer(None, latency=0.005, end="reset") if unread else None

    with faults.serve(relay, on_accept=drop) as server:
        for number in range(TIMES):
            dropping.set()
            with (
                connect_to(server.api, token=token) as client,
                pytest.raises((errors.StartUnconfirmedError, errors.ConnectError)),
            ):
                start(client, description=f"number {number}", confirm_timeout=0)
    relay.close()
    assert server.to(BUILDS, "POST") == []
    assert len(server.to(BUILDS, "GET")) > TIMES / 2
    pd.testing.assert_index_equal(direct_client.builds.find().index, before.index)


def test_starts_lost_at_any_point_are_never_doubled(fresh):
    """Dropped once it was read, answered, reset when it was carried out: what is said is what there is."""
    embedded, direct_client = fresh
    turns = iter(["drop", "answer", "reset"] * 7)
    turn = {}

    def instead(request):
        if is_start(request):
            turn["now"] = next(turns)
        return faults.reset() if is_start(request) and turn["now"] == "drop" else None

    def after(request):
        return faults.reset() if is_start(request) and turn["now"] == "reset" else None

    before = len(direct_client.builds.find())
    relay, ids = Relay(embedded, instead, after), []
    with faults.serve(relay) as server, connect_to(server.api, **login(embedded)) as client:
        for number in range(21):
            try:
                ids.append(quiet_start(client, number).id)
            except errors.StartUnconfirmedError:
                ids.append(None)
    relay.close()
    assert [i is None for i in ids] == [True, False, False] * 7
    builds = direct_client.builds.find()
    assert len(builds) == before + 14
    assert all(
        re.match(rf"number {number} \[", builds.loc[i, "description"])
        for number, i in enumerate(ids)
        if i is not None
    )


def test_warnings_that_are_errors_do_not_lose_the_build(caplog):
    answer = faults.reply({"build": {"id": 7, "status": "BUILDING"}, "warnings": ["No release for X."]}, 201)
    with faults.serve(answer) as server, connect_to(server.api) as client, warnings.catch_warnings():
        warnings.simplefilter("error")
        started = client.builds.start(project="P", instances=[1])
    assert (started.id, started.warnings) == (7, ("No release for X.",))
    assert "Build 7: No release for X." in caplog.text


def test_warnings_that_are_errors_do_not_lose_the_marker():
    odd = faults.reply([row("builds", 1, build_start="2026-04-02T08:14:40")])

    def script(request):
        return faults.reset() if is_start(request) else odd

    with faults.serve(script) as server, connect_to(server.api) as client, warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(
            errors.StartUnconfirmedError, match=r"be searched either: .*without a time zone"
        ) as caught:
            client.builds.start(project="P", instances=[1], confirm_timeout=0.1)
    assert re.fullmatch(r"mkframe-[0-9a-f]{12}", caught.value.marker)
