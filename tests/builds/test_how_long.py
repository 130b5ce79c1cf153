"""How long a build may still take is said beside a wait, and never costs it anything."""

import contextlib
import datetime as dt
import logging
import os
import signal
import sys
import threading
import time

import pandas as pd
import pytest

import mkframe as mk
from mkframe import _bars, errors, metrics
from mkframe.builds import HowLong, RunningBuild
from mkframe.frames import from_rows
from mkframe.metrics._eta import EtaFit
from tests.builds.servers import BUILDS, connect_to
from tests.support import faults
from tests.support.rows import row
from tests.support.running_builds import ELAPSED, NOON, SAME, SAYS, UNUSUAL, past, running, written

MODULE, WAIT = sys.modules["mkframe.builds._how_long"], sys.modules["mkframe.builds._wait"]
BUILD = f"{BUILDS}/7"
THREAD = "mkframe-how-long"


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Looks that follow each other quickly, and a history that is loaded at once."""
    monkeypatch.setattr(WAIT, "_FIRST_PAUSE", 0.05)
    monkeypatch.setattr(WAIT, "_MAX_PAUSE", 0.05)
    monkeypatch.setattr(MODULE, "_MIN_WAIT", 0.0)


def scripted(answers, history):
    """A server with the answers about build 7, and the history of its project."""
    return {
        BUILD: [*answers],
        BUILDS: history if isinstance(history, faults.Answer) else faults.reply(history),
    }


def bar_of(capsys, script, ids=7, **options):
    """Wait; return what the bar has shown, line by line, and the server."""
    with faults.serve(script) as server, connect_to(server.api) as client:
        with contextlib.suppress(errors.WaitTimeoutError):
            client.builds.wait(ids, **options)
        assert [t.name for t in threading.enumerate() if t.name == THREAD] == []
    return capsys.readouterr().err.replace("\x1b[A", "").split("\r"), server  # of bars of other tests


def draw_bars_with(monkeypatch, **options):
    """Draw bars as tqdm does where the environment has these options."""
    kind = _bars._tqdm_class()

    class Bar(kind):
        def __init__(self, *positional, **more):
            super().__init__(*positional, **more, **options)

    monkeypatch.setattr(_bars, "_tqdm_class", lambda: Bar)


def says(elapsed, count=30):
    """The sentence of the metric, of a build that has run for so many seconds."""
    build = from_rows("builds", [row("builds", 7, status="BUILDING", build_start=written(NOON), **SAME)])
    now = NOON + dt.timedelta(seconds=elapsed)
    return metrics.eta(build, from_rows("builds", past(count)), now=now)["says"].iloc[0]


FINISHED = running(status="FINISHED")


# --- what is said ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("elapsed", "count", "words"),
    [
        (ELAPSED, 30, "from 30 similar builds; if it finishes"),
        (UNUSUAL, 30, "unusually long: longer than all 30 similar builds"),
        (ELAPSED, 19, "no idea: under 20 finished builds to compare with"),
    ],
)
def test_bar_says_the_sentence_of_the_metric(elapsed, count, words, capsys):
    lines, _ = bar_of(capsys, scripted([running(elapsed=elapsed)] * 9 + [FINISHED], past(count)))
    assert words in says(elapsed, count)
    assert any(f"{says(elapsed, count)} | " in line for line in lines)
    assert lines[-1].rstrip().endswith("ended")


def test_elapsed_time_grows_with_the_clock_of_the_server(capsys):
    later = [
        running(elapsed=s, now=NOON + dt.timedelta(seconds=s)) for s in (0.0, 0.0, 0.0, 30.0, 8400.0, 8400.0)
    ]
    lines, _ = bar_of(capsys, scripted([*later, FINISHED], past()))
    assert any("took longer than this one now; if it finishes" in line for line in lines)


@pytest.mark.parametrize("hours", [-9, 5000])
def test_clock_of_this_machine_plays_no_part(hours, capsys):
    now = dt.datetime.now(dt.UTC).replace(microsecond=0) + dt.timedelta(hours=hours)
    shift = now - NOON
    history = [
        build
        | {k: written(dt.datetime.fromisoformat(build[k]) + shift) for k in ("build_start", "build_end")}
        for build in past()
    ]
    lines, _ = bar_of(capsys, scripted([running(now=now)] * 9 + [FINISHED], history))
    assert any(SAYS in line for line in lines)


def test_answer_without_a_date_says_nothing(capsys):
    undated = faults.reply(row("builds", 7, status="BUILDING", build_end=None))
    lines, server = bar_of(capsys, scripted([undated] * 9 + [FINISHED], past()))
    assert server.to(BUILDS) == []
    assert not any("similar" in line or "no idea" in line for line in lines)


@pytest.mark.parametrize(
    ("elapsed", "words"),
    [
        (-0.9, "if it finishes"),
        (-59.0, "if it finishes"),
        (-7200.0, "by the server's clock it has not started"),
    ],
)
def test_start_after_the_server_clock_is_told(elapsed, words, capsys):
    lines, _ = bar_of(capsys, scripted([running(elapsed=elapsed)] * 9 + [FINISHED], past()))
    assert any(words in line for line in lines)
    assert not any("later than now" in line or "unusually" in line for line in lines)


def test_builds_of_several_projects_are_each_compared_with_their_own(capsys):
    def script(request):
        if request.path == BUILDS:
            project = int(request.query["project_id"])
            return faults.reply(past(30 if project == 402 else 5, project))
        number = int(request.path.rsplit("/", 1)[1])
        return running(number, project_id=402 if number < 9 else 403, elapsed=UNUSUAL if number == 8 else 10)

    lines, server = bar_of(capsys, script, [7, 8, 9], timeout=1)
    assert sorted(r.query["project_id"] for r in server.to(BUILDS)) == ["402", "403"]
    line = [line.split(", ", 1)[1].rstrip() for line in lines if "9: " in line][-1]
    assert line.startswith("3 of 3 go on | 7: if it finishes: ")
    assert "| 8: unusually long: longer than all 30 similar builds | 9: no idea: " in line


@pytest.mark.parametrize(
    ("columns", "elapsed", "shown"),
    [
        (200, ELAPSED, "from 30 similar builds; if it finishes | creating"),
        (135, ELAPSED, "from 30 similar builds; if it finishes"),
        (97, ELAPSED, "if it finishes: 1 h 41 min to 2 h 34 min more (80 %) | creating"),
        (79, ELAPSED, "if it finishes: 1 h 41 min to 2 h 34 min more (80 %)"),
        (50, ELAPSED, "creating"),
        (74, UNUSUAL, "unusually long: longer than all 30 similar builds"),
    ],
)
def test_text_of_the_bar_is_never_cut_in_a_number(columns, elapsed, shown, capsys, monkeypatch):
    draw_bars_with(monkeypatch, ncols=columns)
    answer = running(elapsed=elapsed, message="creating")
    lines, _ = bar_of(capsys, scripted([answer] * 9 + [FINISHED], past()))
    line = next(line.rstrip() for line in reversed(lines) if "ended" not in line)
    assert len(line) <= columns
    assert line.endswith(shown)
    assert line.split(", ", 1)[1].startswith(("unusually", "if it", "1 h", "creating"))


# --- what it costs ---------------------------------------------------------------------------------------


def test_history_is_loaded_once_and_only_in_a_long_wait(capsys, monkeypatch):
    script = scripted([running()] * 20 + [FINISHED], past())
    _, server = bar_of(capsys, script)
    assert [r.query for r in server.to(BUILDS)] == [{"project_id": "402"}]
    monkeypatch.setattr(MODULE, "_MIN_WAIT", 30.0)
    _, server = bar_of(capsys, script)
    assert server.to(BUILDS) == []


@pytest.mark.parametrize("options", [{"progress": False}, {"history": False}])
def test_nothing_is_loaded_where_nothing_is_shown(options, capsys):
    lines, server = bar_of(capsys, scripted([running()] * 9 + [FINISHED], past()), **options)
    assert server.to(BUILDS) == []
    assert not any("if it finishes" in line for line in lines)


def test_disabled_bar_loads_nothing(capsys, monkeypatch):
    draw_bars_with(monkeypatch, disable=True)
    _, server = bar_of(capsys, scripted([running()] * 9 + [FINISHED], past()))
    assert server.to(BUILDS) == []


def test_given_history_is_used_without_a_request(capsys):
    history = from_rows("builds", past())
    lines, server = bar_of(capsys, scripted([running()] * 9 + [FINISHED], past(19)), history=history)
    assert server.to(BUILDS) == []
    assert any(SAYS in line for line in lines)


@pytest.mark.parametrize(
    "history", [from_rows("builds", past(3)).drop(columns="patterns"), pd.DataFrame(), None, 7, "builds"]
)
@pytest.mark.parametrize("progress", [True, False])
def test_history_that_is_none_is_refused_unsent(history, progress):
    with (
        faults.serve(FINISHED) as server,
        connect_to(server.api) as client,
        pytest.raises(errors.InputError) as caught,
    ):
        client.builds.wait(7, history=history, progress=progress)
    assert caught.value.hint
    assert server.connections == 0


FAILURES = {
    "403": faults.vendor(403, "Not for you"),
    "500": faults.vendor(500, "Disk full"),
    "503": faults.later(503, 0),
    "page": faults.html(),
    "reset": faults.reset(),
    "cut": faults.cut(faults.reply(past())),
    "lists of text": faults.reply([build | {"patterns": "all"} for build in past()]),
}


@pytest.mark.parametrize("answer", FAILURES.values(), ids=FAILURES)
def test_history_that_fails_costs_nothing_and_one_line(answer, capsys, caplog):
    caplog.set_level(logging.INFO, "mkframe")
    lines, server = bar_of(capsys, scripted([running()] * 9 + [FINISHED], answer))
    assert len(server.to(BUILDS)) == 1
    assert lines[-1].rstrip().endswith("ended")
    (message,) = [record.getMessage() for record in caplog.records]
    assert message.startswith("It is not said how long builds may still take. ")
    assert "\n" not in message


def test_build_without_a_project_loads_nothing(capsys):
    with pytest.warns(errors.SchemaWarning, match="project_id"):
        _, server = bar_of(capsys, scripted([running(project_id=None)] * 9 + [FINISHED], past()))
    assert server.to(BUILDS) == []


SLOW = {
    "silence": faults.silence(),
    "half a body": faults.cut(faults.reply(past(2000)), "hang"),
    "drip": faults.drip(faults.reply(past()), pause=0.05),
}


@pytest.mark.parametrize("answer", SLOW.values(), ids=SLOW)
def test_slow_history_delays_neither_end_nor_timeout(answer, capsys, caplog):
    began = time.monotonic()
    lines, _ = bar_of(capsys, scripted([running()] * 4 + [FINISHED], answer))
    assert lines[-1].rstrip().endswith("ended")
    bar_of(capsys, scripted([running()], answer), timeout=0.5)
    assert time.monotonic() - began < 4
    assert caplog.records == []


def test_closed_client_ends_the_wait_and_the_loading(monkeypatch):
    with (
        faults.serve(scripted([running()], faults.silence())) as server,
        connect_to(server.api) as client,
    ):
        threading.Timer(0.4, client.close).start()
        with pytest.raises(errors.WaitTimeoutError, match="The client was closed"):
            client.builds.wait(7)
        assert [t for t in threading.enumerate() if t.name == THREAD] == []


def test_interrupt_ends_the_loading_too():
    asked = threading.Event()

    def script(request):
        if request.path == BUILDS:
            asked.set()
            return faults.silence()
        if asked.is_set():
            os.kill(os.getpid(), signal.SIGINT)
        return running()

    with faults.serve(script) as server, connect_to(server.api) as client:
        with pytest.raises(KeyboardInterrupt):
            client.builds.wait(7)
        assert [t for t in threading.enumerate() if t.name == THREAD] == []
        assert len(server.to(BUILDS)) == 1


# --- the parts -------------------------------------------------------------------------------------------


def ask_until_there(how_long, builds, now=NOON):
    end = time.monotonic() + 10
    while not (texts := how_long.ask(builds, now)) and time.monotonic() < end:
        time.sleep(0.01)
    return texts


def read(**changes):
    own = {"status": "BUILDING", "build_end": None, "build_start": written(NOON), "project_id": 402, **SAME}
    return RunningBuild.of(from_rows("builds", [row("builds", 7, **own, **changes)]).iloc[0])


def test_only_running_builds_are_told_of():
    history = from_rows("builds", past())
    how_long = HowLong(EtaFit.of, lambda project: history)
    other = RunningBuild(8, 402, "QUEUED", NOON, 3, [808])
    bare = RunningBuild(9, 402, "BUILDING", None, None, None)
    texts = ask_until_there(how_long, [read(), other, bare])
    assert texts[7].says == says(0.0)
    assert sorted(texts) == [7, 9]
    assert texts[9].says == "no idea: the build has no start"
    how_long.close()


def test_defect_in_the_calculation_is_one_line(caplog):
    class Broken:
        def how_long(self, running, now):
            raise ZeroDivisionError("by zero")

    how_long = HowLong(lambda history, now: Broken(), lambda project: pd.DataFrame())
    deadline = time.monotonic() + 5
    while not caplog.records and time.monotonic() < deadline:
        assert how_long.ask([read()], NOON) == {}
        time.sleep(0.01)
    assert how_long.ask([read()], NOON) == {}
    assert [record.getMessage() for record in caplog.records] == [
        "It is not said how long builds may still take. ZeroDivisionError: by zero"
    ]


def test_project_that_fails_leaves_what_is_known_of_others(caplog):
    def load(project):
        if project == 402:
            return from_rows("builds", past())
        raise errors.ForbiddenError("Not yours.")

    how_long = HowLong(EtaFit.of, load)
    theirs = RunningBuild(8, 403, "BUILDING", NOON, 3, [808])
    assert sorted(ask_until_there(how_long, [read(), theirs])) == [7]
    how_long.close()
    assert sorted(how_long.ask([read(), theirs], NOON)) == []
    assert [record.getMessage() for record in caplog.records] == [
        "It is not said how long builds may still take. Not yours."
    ]


def test_closed_before_it_began_loads_nothing():
    how_long = HowLong(EtaFit.of, lambda project: pytest.fail("loaded"))
    how_long.close()
    assert how_long.ask([read()], NOON) == {}


def test_frozen_demo_server_gives_no_nonsense(capsys):
    with mk.demo(builds=300, at="2026-06-17T09:30Z", build_seconds=1.5) as client:
        run = client.builds.start(
            project="DEMO_PROJECT",
            instances=[{"pattern": "CORE_DV_HLS", "folder": "/BUSINESS_VAULT", "name": "AIRPLANE"}],
            releases={"DWH_GROUP": "R1"},
        )
        client.builds.wait(run.id)
    shown = capsys.readouterr().err
    assert "similar builds; if it finishes" in shown
    assert "unusually" not in shown
