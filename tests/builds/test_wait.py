"""Waiting is patient with the server, and ends with the truth."""

import contextlib
import itertools
import signal
import sys
import threading
import time
import types

import pandas as pd
import pytest

from mkframe import errors
from mkframe._http import Transport
from mkframe.demo_server import Server
from mkframe.frames import from_rows
from mkframe.settings import Secret
from tests.builds.servers import AIRPLANE, BUILDS, Relay, connect_to, login
from tests.support import faults
from tests.support.rows import row

WAIT = sys.modules["mkframe.builds._wait"]
BUILD = f"{BUILDS}/7"


@pytest.fixture
def quick(monkeypatch):
    """Looks that follow each other quickly, for tests of what is seen rather than when."""
    monkeypatch.setattr(WAIT, "_FIRST_PAUSE", 0.02)
    monkeypatch.setattr(WAIT, "_MAX_PAUSE", 0.05)


@pytest.fixture
def clock(monkeypatch):
    """A time that only passes while the waiting sleeps; its pauses are kept."""
    clock = types.SimpleNamespace(now=1000.0, pauses=[], jump=0.0)
    clock.monotonic = lambda: clock.now

    def pause(transport, seconds):
        clock.pauses.append(seconds)
        clock.now += seconds + clock.jump
        return True

    monkeypatch.setattr(WAIT, "time", clock)
    monkeypatch.setattr(Transport, "pause", pause)
    return clock


def build(status, number=7, **changes):
    return faults.reply(row("builds", number, status=status, **changes))


def waited(script, ids=7, **options):
    with faults.serve(script) as server, connect_to(server.api) as client:
        return client.builds.wait(ids, **{"progress": False, **options}), server


# --- to the end -------------------------------------------------------------------------------------


def begin(client, instance=AIRPLANE, **given):
    return client.builds.start(
        project="DEMO_PROJECT", instances=[instance], releases={"DWH_GROUP": "R1"}, **given
    ).id


def with_errors(client):
    """The id of an instance that cannot be built."""
    instances = client.instances.find(project="DEMO_PROJECT", pattern="CORE_DV_HLS", deleted=False)
    return int(instances.index[instances["errors"] > 0][0])


def test_finished_build_is_returned_as_get_returns_it(owner, quick):
    waited = owner.builds.wait(begin(owner), progress=False)
    assert (waited["status"], waited["progress"]) == ("FINISHED", 100)
    pd.testing.assert_series_equal(waited, owner.builds.get(waited.name))


def test_failed_build_is_a_result(owner, quick):
    waited = owner.builds.wait(begin(owner, with_errors(owner)), progress=False)
    assert waited["status"] == "FAILED"


def test_canceled_build_is_a_result(owner, quick):
    waited = owner.builds.wait(begin(owner, description="please cancel"), progress=False)
    assert waited["status"] == "CANCELED"


def test_several_builds_are_returned_as_find_returns_them(owner, quick):
    ids = [begin(owner), 5139, begin(owner, with_errors(owner))]
    waited = owner.builds.wait(ids, progress=False)
    assert waited["status"].tolist() == ["FINISHED", "FINISHED", "FAILED"]
    pd.testing.assert_frame_equal(waited, owner.builds.find().loc[ids], check_index_type=True)


def test_one_id_in_a_list_gives_a_frame(owner):
    assert owner.builds.wait([5139], progress=False).index.tolist() == [5139]


def test_id_given_twice_is_one_build(owner):
    assert owner.builds.wait(pd.Index([5139, 5139]), progress=False).index.tolist() == [5139]


def test_dtypes_are_those_of_find_with_unknown_columns_too():
    finished = {
        f"{BUILDS}/1": build("FINISHED", 1, queue=None),
        f"{BUILDS}/2": build("FAILED", 2, queue=3, name=None),
    }
    waited_for, _ = waited(finished, [1, 2])
    expected = from_rows(
        "builds",
        [
            row("builds", 1, status="FINISHED", queue=None),
            row("builds", 2, status="FAILED", queue=3, name=None),
        ],
    )
    pd.testing.assert_frame_equal(waited_for, expected)


def test_only_builds_that_go_on_are_asked_again(quick):
    script = {f"{BUILDS}/1": build("FINISHED", 1), BUILD: [build("BUILDING")] * 2 + [build("FINISHED")]}
    _, server = waited(script, [1, 7])
    assert (len(server.to(f"{BUILDS}/1")), len(server.to(BUILD))) == (1, 3)


def test_unknown_status_without_an_end_continues(quick):
    waiting = build("QUEUED", build_end=None)
    assert waited([waiting, waiting, build("FINISHED")])[0]["status"] == "FINISHED"


def test_unknown_status_with_an_end_ends_the_wait():
    build_of_a_new_kind, server = waited(build("PAUSED"))
    assert build_of_a_new_kind["status"] == "PAUSED"
    assert len(server.requests) == 1


# --- the ends that are errors -----------------------------------------------------------------------


def test_timeout_says_that_the_build_goes_on(owner, quick):
    number = begin(owner)
    with pytest.raises(
        errors.WaitTimeoutError, match=rf"0.1 s are over, build {number} still goes on"
    ) as caught:
        owner.builds.wait(number, timeout=0.1, progress=False)
    assert "Wait again" in caught.value.hint
    assert owner.builds.wait(number, progress=False)["status"] == "FINISHED"


def test_timeout_of_several_names_those_that_go_on():
    script = {f"{BUILDS}/{i}": build("FINISHED" if i == 2 else "BUILDING", i) for i in (1, 2, 3)}
    with pytest.raises(errors.WaitTimeoutError, match="builds 1, 3 still go on"):
        waited(script, [1, 2, 3], timeout=0)


def test_timeout_of_zero_looks_once():
    finished, server = waited(build("FINISHED"), timeout=0)
    assert finished["status"] == "FINISHED"
    assert len(server.requests) == 1


@pytest.mark.parametrize("timeout", [0, 1.5])
@pytest.mark.parametrize(
    "answer", [faults.silence(), faults.drip(build("BUILDING"), pause=0.2), build("BUILDING")]
)
def test_timeout_bounds_the_wait_for_many_builds(answer, timeout):
    script = lambda request: answer if request.path.endswith("/1") else faults.silence()  # noqa: E731
    began = time.monotonic()
    with (
        faults.serve(script) as server,
        connect_to(server.api, read_timeout=20) as client,
        pytest.raises(errors.WaitTimeoutError, match=r"builds (1, )?2, 3"),
    ):
        client.builds.wait([1, 2, 3], timeout=timeout, progress=False)
    assert time.monotonic() - began < timeout + 1.5


def test_timeout_while_the_server_is_away_says_what_is_known():
    with pytest.raises(errors.WaitTimeoutError, match=r"as far as is known .*Too tired") as caught:
        waited(faults.vendor(500, "Too tired"), timeout=0)
    assert isinstance(caught.value.__cause__, errors.ServerError)


@pytest.mark.parametrize("status", ["FAILED", "CANCELED", "PAUSED"])
def test_raise_on_failure_names_build_status_and_message(status):
    with pytest.raises(errors.BuildFailedError, match=f"Build 7 is {status}, with 'Key missing'"):
        waited(build(status, message="Key missing"), raise_on_failure=True)


def test_raise_on_failure_without_a_message_invents_none():
    with pytest.raises(errors.BuildFailedError, match=r"Build 7 is FAILED\."):
        waited(build("FAILED", message=None), raise_on_failure=True)


def test_raise_on_failure_names_a_missing_status():
    with pytest.raises(errors.BuildFailedError, match="Build 7 is without a status, with 'Key missing'"):
        waited(build(None, message="Key missing"), raise_on_failure=True)


def test_raise_on_failure_of_several_names_only_the_failed():
    script = {f"{BUILDS}/1": build("FINISHED", 1), BUILD: build("FAILED", message="Key missing")}
    with pytest.raises(errors.BuildFailedError) as caught:
        waited(script, [1, 7], raise_on_failure=True)
    assert "build 1" not in str(caught.value).lower()


def test_raise_on_failure_lets_success_through():
    assert waited(build("FINISHED"), raise_on_failure=True)[0]["status"] == "FINISHED"


def test_unknown_build_is_an_error_at_once():
    with pytest.raises(errors.NotFoundError, match="No record found"):
        waited(faults.vendor(404, "No record found for id '7'"))


def test_permanent_error_ends_the_wait():
    with pytest.raises(errors.SchemaError, match="progress"):
        waited(build("BUILDING", progress="half"))


@pytest.mark.parametrize(
    ("ids", "options"),
    [
        ("5139", {}),
        (None, {}),
        (7.0, {}),
        (True, {}),
        ([], {}),
        ([7, "8"], {}),
        (7, {"timeout": -1}),
        (7, {"timeout": float("nan")}),
        (7, {"timeout": "60"}),
        (7, {"timeout": True}),
    ],
)
def test_invalid_argument_is_refused_unsent(ids, options):
    with (
        faults.serve(build("FINISHED")) as server,
        connect_to(server.api) as client,
        pytest.raises(errors.InputError) as caught,
    ):
        client.builds.wait(ids, **options)
    assert caught.value.hint
    assert server.connections == 0


# --- a server in trouble ----------------------------------------------------------------------------


def test_server_that_restarts_is_waited_for(quick, caplog):
    with Server(builds=5, build_seconds=1.0) as server, connect_to(server.url, **login(server)) as client:
        number = begin(client)

        def restart():
            server.stop()
            time.sleep(0.2)
            server.start()

        janitor = threading.Timer(0.2, restart)
        janitor.start()
        assert client.builds.wait(number, progress=False)["status"] == "FINISHED"
        janitor.join()
    assert "connection was refused" in caplog.text


def test_token_that_expires_is_renewed(quick):
    with Server(builds=5, build_seconds=1.4, token_lifetime=0.4) as server:
        relay = Relay(server)
        with faults.serve(relay) as front, connect_to(front.api, **login(server)) as client:
            assert client.builds.wait(begin(client), progress=False)["status"] == "FINISHED"
        relay.close()
    assert len(front.to("/authentication")) >= 2


def test_expired_token_without_login_ends_the_wait(quick):
    with pytest.raises(errors.NotAuthenticatedError, match="expired"):
        waited([build("BUILDING"), faults.unauthenticated()])


TROUBLES = {
    "reset": faults.reset(),
    "closed": faults.closed(),
    "cut": faults.cut(build("FINISHED")),
    "page": faults.html(),
    "500": faults.vendor(500),
    "502 page": faults.html(502),
    "503": faults.later(503, 0),
    "504": faults.html(504),
    "429": faults.later(429, 0),
}


@pytest.mark.parametrize("trouble", TROUBLES.values(), ids=TROUBLES)
def test_transient_fault_does_not_end_the_wait(trouble, quick):
    finished, server = waited([build("BUILDING"), *[trouble] * 7, build("FINISHED")])
    assert finished["status"] == "FINISHED"
    assert len(server.to(BUILD)) == 9


def test_server_away_for_half_an_hour_ends_the_waiting(clock):
    with pytest.raises(
        errors.WaitTimeoutError, match="half an hour, build 7 still goes on, as far as is known"
    ):
        waited([build("BUILDING"), faults.vendor(500, "Down")])
    assert 1800 < clock.now - 1000 < 1900


def test_sleep_of_the_computer_does_not_end_the_wait(clock):
    clock.jump = 8 * 3600.0
    finished, _ = waited([build("BUILDING"), *[faults.vendor(500)] * 5, build("FINISHED")])
    assert finished["status"] == "FINISHED"


def test_sleep_beyond_the_timeout_looks_once_more(clock):
    clock.jump = 8 * 3600.0
    finished, _ = waited([build("BUILDING"), build("FINISHED")], timeout=60)
    assert finished["status"] == "FINISHED"


# --- how often --------------------------------------------------------------------------------------


def test_intervals_grow_to_fifteen_seconds(clock):
    waited([*[build("BUILDING")] * 20, build("FINISHED")])
    assert clock.pauses[0] == pytest.approx(0.3)
    assert all(b == pytest.approx(min(1.5 * a, 15)) for a, b in itertools.pairwise(clock.pauses))
    assert clock.pauses[-1] == 15


def test_last_pause_ends_with_the_timeout(clock):
    with pytest.raises(errors.WaitTimeoutError):
        waited(build("BUILDING"), timeout=20)
    assert sum(clock.pauses) == pytest.approx(20)


def test_closing_the_client_ends_the_waiting(monkeypatch):
    monkeypatch.setattr(WAIT, "_FIRST_PAUSE", 60.0)
    with faults.serve(build("BUILDING")) as server, connect_to(server.api) as client:
        threading.Timer(0.3, client.close).start()
        with pytest.raises(errors.WaitTimeoutError, match="The client was closed, build 7 still goes on"):
            client.builds.wait(7, progress=False)


# --- Ctrl-C -----------------------------------------------------------------------------------------


def test_interrupt_ends_the_waiting_and_not_the_build(embedded, quick):
    main, looks = threading.main_thread().ident, itertools.count()

    def instead(request):
        if request.method == "GET" and next(looks) == 2:
            signal.pthread_kill(main, signal.SIGINT)
            return faults.silence()
        return None

    relay = Relay(embedded, instead)
    with faults.serve(relay) as front, connect_to(front.api, **login(embedded)) as client:
        number = begin(client)
        with pytest.raises(KeyboardInterrupt):
            client.builds.wait(number)
        asked = [(r.method, r.path) for r in front.requests if r.path.startswith(f"{BUILDS}/")]
        assert client.builds.wait(number, progress=False)["status"] == "FINISHED"
    relay.close()
    assert asked == [("GET", f"{BUILDS}/{number}")] * 3


def test_no_thread_is_left(quick):
    with faults.serve(build("FINISHED")) as server, connect_to(server.api) as client:
        before = set(threading.enumerate())
        client.builds.wait(7)
        new = set(threading.enumerate()) - before
    assert not [thread for thread in new if thread.is_alive()]


# --- what is shown ----------------------------------------------------------------------------------


def bar_text(capsys, script, ids=7, **options):
    with contextlib.suppress(errors.WaitTimeoutError):
        waited(script, ids, **{"progress": True, **options})
    captured = capsys.readouterr()
    assert captured.out == ""
    return captured.err


def test_bar_shows_percent_elapsed_and_message(capsys, quick):
    text = bar_text(capsys, [build("BUILDING", progress=40, message="creating IICS"), build("FINISHED")])
    frames = text.split("\r")
    assert any(
        f.startswith("Build 7:  40%|") and "00:00" in f and f.endswith("creating IICS") for f in frames
    )
    assert frames[-1].rstrip().endswith("ended")
    assert "100%" in frames[-1]


def test_bar_of_several_counts_those_that_go_on(capsys, quick):
    script = {
        f"{BUILDS}/{i}": build("BUILDING" if i < 3 else "FINISHED", i, progress=i * 20) for i in (1, 2, 3)
    }
    text = bar_text(capsys, script, [1, 2, 3], timeout=0)
    assert "3 builds:  53%" in text
    assert "2 of 3 go on" in text


def test_bar_says_that_the_server_is_away(capsys, quick):
    assert "server does not answer" in bar_text(capsys, [faults.vendor(500), build("FINISHED")])


def test_bar_of_build_without_progress_is_shown(capsys, quick):
    text = bar_text(capsys, build("BUILDING", progress=None, message=None), timeout=0)
    assert "Build 7:   0%" in text
    assert "nan" not in text


def test_control_characters_of_a_message_are_removed(capsys, quick):
    text = bar_text(capsys, build("BUILDING", message="\x1b[2Jone\ntwo\x07" + "x" * 500), timeout=0)
    assert "one two" in text
    assert "\x1b[2J" not in text
    assert "\x07" not in text
    assert "x" * 100 not in text


def test_nothing_is_shown_without_progress(capsys, quick):
    waited([build("BUILDING"), build("FINISHED")], progress=False)
    assert capsys.readouterr() == ("", "")


def test_wait_names_no_secret_in_its_errors():
    with (
        faults.serve(faults.vendor(500, "Down")) as server,
        connect_to(server.api, token=Secret("canary")) as client,
        pytest.raises(errors.WaitTimeoutError) as caught,
    ):
        client.builds.wait(7, timeout=0, progress=False)
    assert "canary" not in repr(vars(caught.value))


def test_build_whose_request_fails_hides_no_other(quick):
    asked = []

    def script(request):
        asked.append(request.path)
        return faults.vendor(500) if request.path.endswith("/7") else build("FINISHED", 8)

    with pytest.raises(errors.WaitTimeoutError, match=r"build 7 still goes on"):
        waited(script, ids=[7, 8], timeout=0.3)
    assert asked.count(f"{BUILDS}/8") == 1


def test_connection_that_can_never_be_made_ends_the_wait(monkeypatch):
    monkeypatch.setenv("https_proxy", "socks5://127.0.0.1:9")
    with (
        connect_to("https://metakraftwerk.example/api/v1") as client,
        pytest.raises(errors.ConnectError, match="PySocks"),
    ):
        client.builds.wait(7, progress=False)
