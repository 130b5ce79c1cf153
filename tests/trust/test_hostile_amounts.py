"""Six megabytes that unpack to six gigabytes: one error each, and no process above one gigabyte."""

import contextlib
import functools
import gzip
import itertools
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

login, folder, call, *urls = sys.argv[1:]
given = {"email": "ada@example.org", "password": "open sesame"} if login == "login" else {"token": "a-token"}
for url in urls:
    with mk.connect(url, **given) as client:
        try:
            got = eval(call)
            said = ["result", " ".join(got["error"]) if hasattr(got, "columns") else str(got)]
        except mk.errors.MkframeError as error:
            said = [type(error).__name__, str(error)]
    kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform == "darwin" else 1)
    print(json.dumps([*said, kib / 1024]), flush=True)
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
    return gzip.compress(start) + part(unit) * (6 * 1024**3 // PART)


@functools.lru_cache(maxsize=2)
def part(unit):
    return gzip.compress(unit * (PART // len(unit)))


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
    ((kind, message, peak),) = called_each([server], verb, folder, login)
    return kind, message, peak


def called_each(servers, verb, folder, login="token"):
    """Call each server in one process; the peak is that of all calls so far."""
    command = [sys.executable, "-c", CALL, login, str(folder), verb, *(server.api for server in servers)]
    done = run_by_shell(command, timeout=550)
    results = [json.loads(line) for line in done.stdout.splitlines()]
    assert (done.returncode, len(results)) == (0, len(servers)), (results, done.stderr)
    return results


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


@contextlib.contextmanager
def serving(scripts):
    """A server for each script."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(faults.serve(script)) for script in scripts]


LOGINS = {
    200: "ResponseTooLargeError",
    302: "RedirectError",
    401: "NotAuthenticatedError",
    500: "ServerError",
}


def test_login_without_end_is_one_error(tmp_path):
    packed = bomb(b'{"accessToken":"')
    headers = {"Content-Encoding": "gzip", "Location": "http://127.0.0.1:1/"}
    answers = [
        faults.content(packed, "application/json", headers=headers, status=status) for status in LOGINS
    ]
    with serving([{AUTHENTICATION: answer} for answer in answers]) as servers:
        results = called_each(servers, "client.projects.find()", tmp_path, "login")
        assert [len(server.requests) for server in servers] == [1] * len(LOGINS)
    assert [kind for kind, _, _ in results] == list(LOGINS.values()), results
    assert max(peak for _, _, peak in results) < 300, results


@pytest.mark.parametrize("name", ["find", "query", "fetch"])
def test_refusal_without_end_is_told_by_its_status(name, tmp_path):
    headers = {"Content-Encoding": "gzip", "Location": "http://127.0.0.1:1/"}
    packed, statuses = bomb(b'{"message":"'), [302, 307, 400, 404, 500]
    answers = [
        faults.content(packed, "application/json", headers=headers, status=status) for status in statuses
    ]
    with serving(answers) as servers:
        results = called_each(servers, VERBS[name][0], tmp_path)
        assert [len(server.requests) for server in servers] == [1] * len(statuses)
    for (_, message, _), status in zip(results, statuses, strict=True):
        assert f"(status {status})" in message
    assert max(peak for _, _, peak in results) < 300, results


STARTS = [b'[{"id":1,"name":', b'{"build":', b'{"status":', b'{"id":1,"name":']


@pytest.mark.parametrize("name", ["find", "get", "query", "start", "deployment"])
def test_deep_nesting_ends_no_process(name, tmp_path):
    texts = [
        start + b"[" * depth + b"]" * depth + (b"}]" if start.startswith(b"[") else b"}")
        for start, depth in itertools.product(STARTS, [400, 2_000_000])
    ]
    with serving([faults.content(text, "application/json") for text in texts]) as servers:
        results = called_each(servers, VERBS[name][0], tmp_path)
    known = ["InvalidResponseError", "SchemaError", "StartUnconfirmedError"]
    known += ["result"] * (name == "deployment")  # whatever else it holds, it has its id
    for kind, message, peak in results:
        assert kind in known, message
        assert len(message) < 1000
        assert peak < 1024, results
