"""The server as an object: starting, stopping, coming back, and keeping secrets."""

from __future__ import annotations

import contextlib
import logging
import socket
import subprocess
import sys
import threading
import time
from datetime import datetime

import pytest
import requests

from mkframe.demo_server import Server
from mkframe.demo_server import server as server_module
from mkframe.demo_server.data.projects import MIN_INSTANCES
from mkframe.errors import InputError


def test_a_restart_keeps_port_token_and_builds(quick, starter, airplane):
    build = starter.post("/builds", airplane).json()["build"]["id"]
    before = starter.get("/builds")[:-1]
    url = quick.url
    quick.stop()
    with pytest.raises(requests.ConnectionError):
        requests.get(url + "/projects", timeout=2)
    quick.start()
    assert quick.url == url
    assert starter.until_done(build)["status"] == "FINISHED"
    after = starter.get("/builds")
    assert [b for b in after if b["status"] != "BUILDING"][:50] == [
        b for b in before if b["status"] != "BUILDING"
    ][:50]


def test_stopping_is_quick_with_open_connections_and_waiting_builds(visit, airplane):
    with Server(builds=10, build_seconds=30) as server:
        visitor = visit(server)

        def wait():
            with pytest.raises(requests.RequestException):
                visitor.post("/builds", airplane | {"wait": True}).raise_for_status()

        waiting = threading.Thread(target=wait)
        idle = socket.create_connection(("127.0.0.1", int(server.url.split(":")[2].split("/")[0])))
        waiting.start()
        time.sleep(0.2)
        began = time.monotonic()
        server.stop()
        assert time.monotonic() - began < 3
        waiting.join(5)
        assert not waiting.is_alive()
        idle.close()


def test_no_thread_survives_a_closed_server():
    before = {t.name for t in threading.enumerate()}
    with Server(builds=5):
        assert "mkframe-embedded" in {t.name for t in threading.enumerate()}
    assert "mkframe-embedded" not in {t.name for t in threading.enumerate()} - before


def test_two_servers_live_side_by_side(visit):
    with Server(builds=5) as one, Server(builds=5) as two:
        assert one.url != two.url
        assert one.password != two.password
        assert visit(one).login(password=two.password).status_code == 401


def test_starting_twice_and_stopping_twice_change_nothing():
    server = Server(builds=5).start()
    url = server.url
    assert server.start() is server
    assert server.url == url
    server.close()
    server.close()


def test_passwords_stay_out_of_reprs(still):
    shown = repr(still) + repr(still.viewer)
    assert still.url in shown
    assert still.password not in shown
    assert still.viewer.password not in shown


def test_a_stopped_server_has_no_url_yet():
    with pytest.raises(RuntimeError, match=r"start\(\)"):
        _ = Server(builds=5).url


def test_a_port_in_use_is_an_error_and_leaves_nothing_behind(still):
    port = int(still.url.split(":")[2].split("/")[0])
    with pytest.raises(InputError, match=f"Port {port} of .* cannot be listened on: .*in use"):
        Server(builds=5, port=port).start()


def test_a_port_that_cannot_be_is_told():
    with pytest.raises(InputError, match=r"Port 99999 of .* cannot be listened on"):
        Server(builds=5, port=99999).start()


@pytest.mark.parametrize(
    "bad",
    [
        {"builds": -1},
        {"latency": -1.0},
        {"build_seconds": -1.0},
        {"now": datetime(2026, 1, 1)},
        {"instances": MIN_INSTANCES - 1},
    ],
    ids=str,
)
def test_impossible_arguments_are_refused(bad):
    with pytest.raises(InputError, match=r"negative|time zone|needs 373"):
        Server(**bad)


def test_the_same_seed_and_now_give_the_same_bytes(still, reader, visit, now):
    with Server(builds=1500, now=now) as twin:
        other = visit(twin)
        for path in ("/builds", "/releases", "/instances?project_id=402", "/build_deployments"):
            assert other.ask(path).content == reader.ask(path).content


def test_without_now_the_story_goes_on(visit):
    with Server(builds=30) as server:
        visitor = visit(server)
        last = visitor.get("/builds")[-1]
        assert abs(datetime.fromisoformat(last["build_start"]).timestamp() - time.time()) < 180
        assert last["status"] == "BUILDING"


def test_a_story_without_builds_can_be_added_to(visit, airplane):
    with Server(builds=0, build_seconds=0.1) as server:
        visitor = visit(server)
        assert visitor.get("/builds") == []
        build = visitor.post("/builds", airplane | {"wait": True}).json()["build"]
        assert visitor.get("/builds") == [build]


def instances_of(visitor):
    projects = [p["id"] for p in visitor.get("/projects")]
    return [row for project in projects for row in visitor.get("/instances", project_id=project)]


@pytest.mark.parametrize(
    ("asked", "there"), [(None, MIN_INSTANCES), (MIN_INSTANCES, MIN_INSTANCES), (1500, 1500)]
)
def test_there_are_as_many_instances_as_asked_for_each_with_a_name_of_its_own(visit, asked, there):
    with Server(builds=20, instances=asked) as server:
        found = instances_of(visit(server))
    places = {(i["project_id"], i["pattern_id"], i["instance_folder_id"], i["name"]) for i in found}
    assert len(found) == len(places) == there


def test_the_last_of_many_instances_can_be_built_by_its_name(visit):
    with Server(builds=20, instances=1500, build_seconds=0.1) as server:
        visitor = visit(server)
        rows = visitor.get("/instances", project_id=402, pattern_id=808, folder="/BUSINESS_VAULT")
        last = [i for i in rows if not i["errors"]][-1]
        wanted = {"pattern": "CORE_DV_HLS", "folder": "/BUSINESS_VAULT", "name": last["name"]}
        body = {"project_id": 402, "instances": [wanted], "restore": True}
        assert visitor.post("/builds", body).status_code == 201


def test_closing_breaks_off_what_is_under_way_without_a_traceback(caplog):
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


def test_latency_holds_answers_back(visit):
    with Server(builds=5, latency=0.15) as server:
        visitor = visit(server)
        began = time.monotonic()
        visitor.get("/projects")
        assert time.monotonic() - began > 0.15


def test_logging_is_left_alone():
    names = ("uvicorn", "uvicorn.error", "uvicorn.access", "uvicorn.asgi")
    before = [(lg.level, list(lg.handlers), lg.propagate) for lg in map(logging.getLogger, names)]
    with Server(builds=5) as server:
        requests.get(server.url, timeout=5)
    assert [(lg.level, list(lg.handlers), lg.propagate) for lg in map(logging.getLogger, names)] == before


def test_a_request_prints_nothing(capfd, visit):
    with Server(builds=5) as server:
        visit(server).get("/projects")
    assert capfd.readouterr() == ("", "")


def test_importing_loads_no_server_library():
    code = (
        "import sys; before = set(sys.modules); import mkframe.demo_server; "
        "print({'uvicorn', 'starlette', 'jwt', 'numpy', 'sqlite3'} & (set(sys.modules) - before) or '[]')"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"


def test_a_missing_library_is_named_with_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    monkeypatch.delitem(sys.modules, "mkframe.demo_server.uvicorn_server", raising=False)
    monkeypatch.delattr(sys.modules["mkframe.demo_server"], "uvicorn_server", raising=False)
    with pytest.raises(ImportError, match=r'uvicorn.*pip install "mkframe\[demo\]"'):
        Server(builds=5).start()
    assert server_module.Server is Server
