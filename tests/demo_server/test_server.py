"""Start, stop and restart of the server, its options, and its secrets."""

from __future__ import annotations

import contextlib
import logging
import socket
import subprocess
import sys
import threading
import time
from datetime import datetime
from email.utils import parsedate_to_datetime

import pytest
import requests

from mkframe.demo_server import Server
from mkframe.demo_server import server as server_module
from mkframe.demo_server.data import vocabulary
from mkframe.demo_server.data.projects import MIN_INSTANCES, PLACES
from mkframe.errors import InputError


def test_restart_keeps_port_token_and_builds(fast_server, writer, airplane):
    build = writer.post("/builds", airplane).json()["build"]["id"]
    before = writer.get("/builds")[:-1]
    url = fast_server.url
    fast_server.stop()
    with pytest.raises(requests.ConnectionError):
        requests.get(url + "/projects", timeout=2)
    fast_server.start()
    assert fast_server.url == url
    assert writer.wait_for_end(build)["status"] == "FINISHED"
    after = writer.get("/builds")
    assert [b for b in after if b["status"] != "BUILDING"][:50] == [
        b for b in before if b["status"] != "BUILDING"
    ][:50]


def test_stop_with_open_connections_is_fast(log_in, airplane):
    with Server(builds=10, build_seconds=30) as server:
        client = log_in(server)

        def wait():
            with pytest.raises(requests.RequestException):
                client.post("/builds", airplane | {"wait": True}).raise_for_status()

        waiting = threading.Thread(target=wait)
        idle = socket.create_connection(("127.0.0.1", int(server.url.split(":")[2].split("/")[0])))
        waiting.start()
        time.sleep(0.2)
        started = time.monotonic()
        server.stop()
        assert time.monotonic() - started < 3
        waiting.join(5)
        assert not waiting.is_alive()
        idle.close()


def test_stop_of_an_idle_server_waits_for_nothing():
    def seconds():
        with Server(builds=0) as server, socket.create_connection((server._host, server._port)):
            started = time.monotonic()
            server.stop()
            return time.monotonic() - started

    assert min(seconds() for _ in range(5)) < 0.09  # one tick of uvicorn is a tenth of a second


def test_close_ends_the_thread():
    before = {t.name for t in threading.enumerate()}
    with Server(builds=5):
        assert "mkframe-embedded" in {t.name for t in threading.enumerate()}
    assert "mkframe-embedded" not in {t.name for t in threading.enumerate()} - before


def test_two_servers_are_independent(log_in):
    with Server(builds=5) as one, Server(builds=5) as two:
        assert one.url != two.url
        assert one.password != two.password
        assert log_in(one).login(password=two.password).status_code == 401


def test_start_and_close_twice_change_nothing():
    server = Server(builds=5).start()
    url = server.url
    assert server.start() is server
    assert server.url == url
    server.close()
    server.close()


def test_repr_hides_passwords(frozen_server):
    shown = repr(frozen_server) + repr(frozen_server.viewer)
    assert frozen_server.url in shown
    assert frozen_server.password not in shown
    assert frozen_server.viewer.password not in shown


def test_url_before_start_is_error():
    with pytest.raises(RuntimeError, match=r"start\(\)"):
        _ = Server(builds=5).url


def test_port_in_use_is_error(frozen_server):
    port = int(frozen_server.url.split(":")[2].split("/")[0])
    with pytest.raises(InputError, match=f"Port {port} of .* cannot be listened on: .*in use"):
        Server(builds=5, port=port).start()


def test_port_out_of_range_is_error():
    with pytest.raises(InputError, match=r"Port 99999 of .* cannot be listened on"):
        Server(builds=5, port=99999).start()


@pytest.mark.parametrize(
    "bad",
    [
        {"builds": -1},
        {"latency": -1.0},
        {"build_seconds": -1.0},
        {"at": datetime(2026, 1, 1)},
        {"at": "2026-01-01T08:00"},
        {"at": "yesterday"},
        {"at": 7},
        {"instances": MIN_INSTANCES - 1},
    ],
    ids=str,
)
def test_arguments_invalid_are_error(bad):
    with pytest.raises(InputError, match=r"negative|no time|needs 373"):
        Server(**bad)


MOMENT = "2026-06-17T09:30Z"
STATEMENTS = (
    "CREATE TABLE scratch.notes (day TIMESTAMP)",
    "SELECT * FROM @INFORMATION_SCHEMA.TABLES",
    "SELECT * FROM @INSTANCES.CORE_DV_HLS",
    "SELECT CURRENT_RELEASE('CORE_DV_HLS') AS r",
)


def answers_of(client):
    """Return the responses to statements, then those to reads, with the paths of the latter."""
    paths = ["/builds", "/releases", "/deployments", "/instances?project_id=402", "/instances?project_id=411"]
    paths += [
        f"/downloads/{client.get('/downloads', pattern=p)[-1]['id']}" for p in ("SYN_MART", "STAGE_LOAD")
    ]
    asked = [client.post("/metadata", {"project_id": 402, "statement": sql}) for sql in STATEMENTS]
    return asked, {path: client.request(path) for path in paths}


def test_history_at_a_moment_does_not_change(log_in, monkeypatch):
    bodies = []
    for days in (0, -400, 200):
        real = time.time
        monkeypatch.setattr(time, "time", lambda real=real, shift=days * 86400: real() + shift)
        with Server(builds=60, at=MOMENT, token_lifetime=1e9) as server:
            client = log_in(server)
            asked, found = answers_of(client)
            monkeypatch.setattr(time, "time", lambda real=time.time: real() + 150 * 86400)
            asked += answers_of(client)[0][1:]
            repeated = {
                path: client.request(path, headers={"If-None-Match": answer.headers["ETag"]})
                for path, answer in found.items()
            }
            assert {answer.status_code for answer in repeated.values()} == {304}
            bodies.append([answer.content for answer in (*asked, *found.values())])
        monkeypatch.undo()
    assert bodies[0] == bodies[1] == bodies[2]
    assert b'"FINISHED"' in bodies[0][0]


def test_started_build_goes_on_after_a_moment(log_in, airplane):
    with Server(builds=60, at=MOMENT, build_seconds=0.1) as server:
        client = log_in(server)
        build = client.post("/builds", airplane | {"wait": True}).json()["build"]
        assert build["build_start"] > "2026-06-17T09:30:00.000Z"
        assert client.get("/builds")[-1] == build


def test_same_seed_and_moment_give_same_bytes(frozen_server, reader, log_in, now):
    with Server(builds=1500, at=now) as other_server:
        other = log_in(other_server)
        for path in ("/builds", "/releases", "/instances?project_id=402", "/build_deployments"):
            assert other.request(path).content == reader.request(path).content


def test_history_without_a_moment_goes_on(log_in):
    with Server(builds=30) as server:
        client = log_in(server)
        last = client.get("/builds")[-1]
        assert abs(datetime.fromisoformat(last["build_start"]).timestamp() - time.time()) < 180
        assert last["status"] == "BUILDING"


def test_empty_history_accepts_builds(log_in, airplane):
    with Server(builds=0, build_seconds=0.1) as server:
        client = log_in(server)
        assert client.get("/builds") == []
        build = client.post("/builds", airplane | {"wait": True}).json()["build"]
        assert client.get("/builds") == [build]


PLANTED = len(PLACES) * len(vocabulary.PLANTED)


def instances_of(client):
    projects = [p["id"] for p in client.get("/projects")]
    return [row for project in projects for row in client.get("/instances", project_id=project)]


@pytest.mark.parametrize(
    ("asked", "there"), [(None, MIN_INSTANCES), (MIN_INSTANCES, MIN_INSTANCES), (1500, 1500)]
)
def test_instances_have_requested_count_and_unique_names(log_in, asked, there):
    with Server(builds=20, instances=asked) as server:
        found = instances_of(log_in(server))
    places = {(i["project_id"], i["pattern_id"], i["instance_folder_id"], i["name"]) for i in found}
    assert len(found) == len(places) == there + PLANTED


def test_last_of_many_instances_can_be_built_by_name(log_in):
    with Server(builds=20, instances=1500, build_seconds=0.1) as server:
        client = log_in(server)
        rows = client.get("/instances", project_id=402, pattern_id=808, folder="/BUSINESS_VAULT")
        last = [i for i in rows if not i["errors"]][-1]
        wanted = {"pattern": "CORE_DV_HLS", "folder": "/BUSINESS_VAULT", "name": last["name"]}
        body = {"project_id": 402, "instances": [wanted], "restore": True}
        assert client.post("/builds", body).status_code == 201


def test_stop_with_running_request_logs_no_traceback(caplog):
    server = Server(builds=5, latency=30.0).start()

    def ask():
        with contextlib.suppress(requests.RequestException):
            requests.get(f"{server.url}/builds", timeout=20)

    asking = threading.Thread(target=ask)
    asking.start()
    time.sleep(0.3)
    server.stop()
    asking.join(10)
    assert not asking.is_alive()
    assert "Traceback" not in caplog.text


def test_latency_delays_responses(log_in):
    with Server(builds=5, latency=0.15) as server:
        client = log_in(server)
        started = time.monotonic()
        client.get("/projects")
        assert time.monotonic() - started > 0.15


def test_start_leaves_logging_unchanged():
    names = ("uvicorn", "uvicorn.error", "uvicorn.access", "uvicorn.asgi")
    before = [(lg.level, list(lg.handlers), lg.propagate) for lg in map(logging.getLogger, names)]
    with Server(builds=5) as server:
        requests.get(server.url, timeout=5)
    assert [(lg.level, list(lg.handlers), lg.propagate) for lg in map(logging.getLogger, names)] == before


def test_request_prints_nothing(capfd, log_in):
    with Server(builds=5) as server:
        log_in(server).get("/projects")
    assert capfd.readouterr() == ("", "")


def test_import_loads_no_server_library():
    code = (
        "import sys; before = set(sys.modules); import mkframe.demo_server; "
        "print({'uvicorn', 'starlette', 'jwt', 'numpy', 'sqlite3'} & (set(sys.modules) - before) or '[]')"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"


def test_missing_library_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    monkeypatch.delitem(sys.modules, "mkframe.demo_server.uvicorn_server", raising=False)
    monkeypatch.delattr(sys.modules["mkframe.demo_server"], "uvicorn_server", raising=False)
    with pytest.raises(ImportError, match=r'uvicorn.*pip install "mkframe\[demo\]"'):
        Server(builds=5).start()
    assert server_module.Server is Server


@pytest.mark.parametrize("at", [None, "2026-06-17T09:30Z"])
def test_responses_are_dated_by_the_clock_of_the_builds(at, airplane, log_in):
    with Server(builds=5, at=at) as server:
        writer = log_in(server)
        number = writer.post("/builds", airplane).json()["build"]["id"]
        row = writer.request(f"/builds/{number}")
        missing = writer.request("/builds/1")
    start = datetime.fromisoformat(row.json()["build_start"])
    for response in (row, missing):
        (date,) = response.raw.headers.getlist("Date")
        assert -1 <= (parsedate_to_datetime(date) - start).total_seconds() < 10
    assert missing.status_code == 404
