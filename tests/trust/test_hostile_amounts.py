"""Six megabytes that unpack to six gigabytes: one error each, and no process above one gigabyte."""

import gzip
import json
import sys

import pytest

from mkframe.schema import AUTHENTICATION
from tests.support import faults
from tests.support.processes import run_by_shell

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(sys.platform == "win32", reason="the peak of a process is not told there"),
]

CALL = """
import json, resource, sys
import mkframe as mk

url, login, folder, call = sys.argv[1:]
given = {"email": "ada@example.org", "password": "open sesame"} if login == "login" else {"token": "a-token"}
with mk.connect(url, **given) as client:
    try:
        got = eval(call)
        said = ["result", " ".join(got["error"]) if hasattr(got, "columns") else str(got)]
    except mk.errors.MkframeError as error:
        said = [type(error).__name__, str(error)]
kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform == "darwin" else 1)
print(json.dumps([*said, kib / 1024]))
"""
BUILD = "client.builds.start(project='P', instances=[1], confirm_timeout=0.1)"
VERBS = {
    "find": ("client.release_groups.find()", "ResponseTooLargeError"),
    "find of builds": ("client.builds.find()", "ResponseTooLargeError"),
    "get": ("client.release_groups.get(1)", "ResponseTooLargeError"),
    "query": ("client.metadata.query('SELECT 1 FROM T', project='P')", "ResponseTooLargeError"),
    "start": (BUILD, "StartUnconfirmedError"),
    "deployment": ("client.build_deployments.start(build_id=1, deployment_id=2)", "StartUnconfirmedError"),
    "fetch": (
        "client.downloads.fetch(downloads=1, to=folder, progress=False, max_bytes=1 << 28)",
        "result",
    ),
    "saved": ("mk.read_json(folder + '/saved.json.gz', 'release_groups')", "ResponseTooLargeError"),
}
PART = 64 << 20


def bomb(start, unit=b"a"):
    """A text that begins so, and goes on for six gigabytes."""
    part = gzip.compress(unit * (PART // len(unit)))
    return gzip.compress(start) + part * (6 * 1024**3 // PART)


BODIES = {
    "one text": lambda: bomb(b'[{"id":1,"name":"'),
    "rows": lambda: bomb(b'[{"id":1,"name":"a"}', b',{"id":1,"name":"a"}'),
    "rows of lists": lambda: bomb(
        b'[{"id":1,"name":"a"}', b',{"id":1,"name":"a","x":[%s[]]}' % (b"[]," * 1000)
    ),
    "large rows": lambda: bomb(
        b'[{"id":1,"name":"a"}', b',{"id":1,"name":"a","x":[%s[]]}' % (b'{"":0},' * 2_000_000)
    ),
    "space": lambda: bomb(b"[", b" "),
    "an object": lambda: bomb(b'{"id":1,"x":[0', b',{"":0}'),
}


def called(server, verb, folder, login="token"):
    command = [sys.executable, "-c", CALL, server.api, login, str(folder), verb]
    done = run_by_shell(command, timeout=550)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", VERBS)
def test_text_without_end_is_one_error(name, tmp_path):
    call, expected = VERBS[name]
    packed = BODIES["an object" if name in ("start", "deployment", "get") else "one text"]()
    (tmp_path / "saved.json.gz").write_bytes(packed)
    answer = faults.content(packed, "application/json", headers={"Content-Encoding": "gzip"})
    with faults.serve(answer) as server:
        kind, message, peak = called(server, call, tmp_path)
        posts = [request for request in server.requests if request.method == "POST"]
    assert (kind, peak < 1024) == (expected, True), (message, peak)
    assert "is larger than" in message
    assert len(posts) == (name in ("start", "deployment", "query"))


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("call", ["client.release_groups.find()", "client.builds.find()"])
def test_find_without_end_takes_no_gigabyte(body, call, tmp_path):
    answer = faults.content(BODIES[body](), "application/json", headers={"Content-Encoding": "gzip"})
    with faults.serve(answer) as server:
        kind, message, peak = called(server, call, tmp_path)
        assert len(server.requests) == 1
    assert (kind in ("ResponseTooLargeError", "InvalidResponseError"), peak < 1024) == (True, True), (
        kind,
        message,
        peak,
    )


@pytest.mark.parametrize("status", [200, 302, 401, 500])
def test_login_without_end_is_one_error(status, tmp_path):
    packed = bomb(b'{"accessToken":"')
    headers = {"Content-Encoding": "gzip", "Location": "http://127.0.0.1:1/"}
    answer = faults.content(packed, "application/json", headers=headers, status=status)
    with faults.serve({AUTHENTICATION: answer}) as server:
        kind, message, peak = called(server, "client.projects.find()", tmp_path, "login")
        assert len(server.requests) == 1
    named = {
        200: "ResponseTooLargeError",
        302: "RedirectError",
        401: "NotAuthenticatedError",
        500: "ServerError",
    }
    assert (kind, peak < 300) == (named[status], True), (message, peak)


@pytest.mark.parametrize("status", [302, 307, 400, 404, 500])
@pytest.mark.parametrize("name", ["find", "query", "fetch"])
def test_refusal_without_end_is_told_by_its_status(status, name, tmp_path):
    headers = {"Content-Encoding": "gzip", "Location": "http://127.0.0.1:1/"}
    packed = bomb(b'{"message":"')
    answer = faults.content(packed, "application/json", headers=headers, status=status)
    with faults.serve(answer) as server:
        _, message, peak = called(server, VERBS[name][0], tmp_path)
        assert len(server.requests) == 1
    assert f"(status {status})" in message
    assert peak < 300


@pytest.mark.parametrize("depth", [400, 2_000_000])
@pytest.mark.parametrize("start", [b'[{"id":1,"name":', b'{"build":', b'{"status":', b'{"id":1,"name":'])
@pytest.mark.parametrize("name", ["find", "get", "query", "start", "deployment"])
def test_deep_nesting_ends_no_process(name, start, depth, tmp_path):
    closing = b"}]" if start.startswith(b"[") else b"}"
    text = start + b"[" * depth + b"]" * depth + closing
    with faults.serve(faults.content(text, "application/json")) as server:
        kind, message, peak = called(server, VERBS[name][0], tmp_path)
    known = ["InvalidResponseError", "SchemaError", "StartUnconfirmedError"]
    known += ["result"] * (name == "deployment")  # whatever else it holds, it has its id
    assert kind in known, message
    assert len(message) < 1000
    assert peak < 1024
