"""Fetched files are whole, safe and never over somebody else's, whatever the server does."""

import _thread
import contextlib
import gzip
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import tracemalloc
import warnings
from pathlib import Path

import pytest

from mkframe.artifacts import File, fetch
from mkframe.artifacts._manifest import NAME
from mkframe.errors import InputError
from mkframe.limits import Limits
from mkframe.settings import Secret
from tests.artifacts.factory import artifact, make_zip, transport, tree, visible_files
from tests.artifacts.test_filenames import HOSTILE
from tests.support.faults import (
    Answer,
    broken_gzip,
    chunked,
    closed,
    content,
    cut,
    drip,
    file,
    html,
    later,
    nobody_listens,
    overclaimed,
    reply,
    reset,
    serve,
    silence,
    token,
    unauthenticated,
    vendor,
    vendor_body,
    zipped,
)
from tests.support.owners import give_away, plant
from tests.support.versions import TEXT

PATH = "/api/v1/downloads/1"
WHOLE = artifact(1)
A = File(1, 9, "a.zip")


def number(request):
    return int(request.path.rsplit("/", 1)[1])


def every(request):
    """A server on which each download is an artifact of its own."""
    return file(artifact(number(request)), f"{number(request)}.zip")


def get(script, to, files=(A,), **how):
    """Fetch from a server with that script."""
    with serve(script) as server:
        return fetch(transport(server.api), files, to, **{"progress": False} | how)


def files(count):
    return [File(n, 9, f"{n}.zip") for n in range(1, count + 1)]


def sources(count):
    return {f"{n}.zip": artifact(n) for n in range(1, count + 1)}


# --- the frame ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [0, 1, 3])
def test_frame_has_the_same_columns_and_dtypes_for_any_number(count, tmp_path):
    frame = get(every, tmp_path, files(count))
    assert (frame.index.name, frame.index.dtype, len(frame)) == ("id", "int64", count)
    assert {name: str(dtype) for name, dtype in frame.dtypes.items()} == {
        "build_id": "Int64",
        "name": TEXT,
        "path": TEXT,
        "bytes": "Int64",
        "sha256": TEXT,
        "status": TEXT,
        "error": TEXT,
    }


def test_row_matches_the_file_on_disk(tmp_path):
    row = get(every, tmp_path, [A]).loc[1]
    assert Path(row["path"]).read_bytes() == WHOLE
    assert (row["build_id"], row["name"], row["bytes"], row["status"]) == (9, "a.zip", len(WHOLE), "fetched")


def test_rows_keep_the_given_order(tmp_path):
    assert get(every, tmp_path, reversed(files(5))).index.tolist() == [5, 4, 3, 2, 1]


def test_folder_is_made(tmp_path):
    get(every, tmp_path / "new" / "folder")
    assert (tmp_path / "new" / "folder" / "a.zip").read_bytes() == WHOLE


def test_tilde_is_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    get(every, "~/folder")
    assert (tmp_path / "folder" / "a.zip").read_bytes() == WHOLE


def test_name_comes_from_the_header_where_none_is_given(tmp_path):
    get(every, tmp_path, [File(1)])
    assert visible_files(tmp_path) == {"1.zip": WHOLE}


def test_artifact_need_not_be_an_archive(tmp_path):
    get(content(b"SELECT 1", "text/plain"), tmp_path, [File(1, 9, "a.sql")])
    assert visible_files(tmp_path) == {"a.sql": b"SELECT 1"}


def test_name_with_lone_surrogate_is_kept_in_the_frame(tmp_path):
    assert get(every, tmp_path, [File(1, 9, "\ud800.zip")]).loc[1, "name"] == "\ud800.zip"


# --- bad arguments ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("option", "value"),
    [*(("max_workers", value) for value in (0, 17, 2.0, True, "8")), ("overwrite", "no"), ("by_build", 1)],
)
def test_invalid_option_sends_nothing(option, value, tmp_path):
    with serve(every) as server, pytest.raises(InputError, match=f"{option} must be"):
        fetch(transport(server.api), [A], tmp_path, **{option: value})
    assert server.requests == []


def test_one_id_with_two_names_sends_nothing(tmp_path):
    with serve(every) as server, pytest.raises(InputError, match="given twice"):
        fetch(transport(server.api), [A, File(1, 9, "b.zip")], tmp_path)
    assert server.requests == []


def test_file_given_twice_is_fetched_once(tmp_path):
    with serve(every) as server:
        assert len(fetch(transport(server.api), [A, A], tmp_path)) == len(server.requests) == 1


def test_folder_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "to").write_text("mine")
    with serve(every) as server, pytest.raises(InputError, match="cannot be created"):
        fetch(transport(server.api), [A], tmp_path / "to")


# --- present or kept ----------------------------------------------------------------------------------


def test_whole_file_is_not_fetched_again(tmp_path):
    with serve(every) as server:
        first = fetch(transport(server.api), files(4), tmp_path, progress=False)
        second = fetch(transport(server.api), files(4), tmp_path, progress=False)
    assert len(server.requests) == 4
    assert set(second["status"]) == {"present"}
    assert second[["path", "bytes", "sha256"]].equals(first[["path", "bytes", "sha256"]])


def test_equal_file_of_unknown_origin_counts_as_present(tmp_path):
    (tmp_path / "a.zip").write_bytes(WHOLE)
    assert get(every, tmp_path).loc[1, "status"] == "present"


def test_lost_file_is_fetched_again(tmp_path):
    with serve(every) as server:
        fetch(transport(server.api), [A], tmp_path)
        (tmp_path / "a.zip").unlink()
        assert fetch(transport(server.api), [A], tmp_path).loc[1, "status"] == "fetched"


def test_different_file_is_left_as_it_is(tmp_path):
    (tmp_path / "a.zip").write_bytes(b"mine")
    row = get(every, tmp_path).loc[1]
    assert (tmp_path / "a.zip").read_bytes() == b"mine"
    assert row["status"] == "refused"
    assert "overwrite=True" in row["error"]


def test_file_changed_by_its_owner_is_left_as_it_is(tmp_path):
    with serve(every) as server:
        fetch(transport(server.api), [A], tmp_path)
        (tmp_path / "a.zip").write_bytes(b"mine")
        assert fetch(transport(server.api), [A], tmp_path).loc[1, "status"] == "refused"
    assert (tmp_path / "a.zip").read_bytes() == b"mine"


def test_different_file_is_replaced_when_asked(tmp_path):
    (tmp_path / "a.zip").write_bytes(b"mine")
    get(every, tmp_path, overwrite=True)
    assert visible_files(tmp_path) == {"a.zip": WHOLE}


def test_folder_with_the_name_is_left_as_it_is(tmp_path):
    (tmp_path / "a.zip").mkdir()
    assert get(every, tmp_path).loc[1, "status"] == "refused"


@pytest.mark.parametrize("name", ["a.zip", None])
def test_equal_names_get_the_same_counters_in_every_run(name, tmp_path):
    wanted = [File(n, 9, name) for n in (1, 2, 3)]

    def script(request):
        return file(artifact(number(request)), "a.zip")

    with serve(script) as server:
        first = fetch(transport(server.api), wanted, tmp_path)
        shutil.copy(tmp_path / NAME, tmp_path / "kept")
        for path in first["path"]:
            Path(path).unlink()
        second = fetch(transport(server.api), reversed(wanted), tmp_path)
    assert sorted(Path(p).name for p in first["path"]) == ["a (2).zip", "a (3).zip", "a.zip"]
    assert second["path"].sort_index().equals(first["path"])
    assert all(Path(path).read_bytes() == artifact(n) for n, path in second["path"].items())


def test_lowest_id_keeps_the_plain_name(tmp_path):
    frame = get(every, tmp_path, [File(n, 9, "a.zip") for n in (3, 1, 2)])
    assert [Path(frame.loc[n, "path"]).name for n in (1, 2, 3)] == ["a.zip", "a (2).zip", "a (3).zip"]


# --- faults -------------------------------------------------------------------------------------------

BROKEN = {
    "reset at half": cut(file(WHOLE), "reset"),
    "closed at half": cut(file(WHOLE)),
    "closed at half, chunked": cut(chunked(file(WHOLE), 1000)),
    "less than promised": overclaimed(file(WHOLE)),
    "closed at half, length unknown": Answer(
        body=WHOLE[: len(WHOLE) // 2], framing="close", headers={"Content-Type": "application/zip"}
    ),
    "no answer": closed(),
    "reset before the answer": reset(),
    "busy": later(503, 0),
    "too many requests": later(429, 0),
    "bad gateway": html(502),
    "damaged gzip": broken_gzip(file(WHOLE)),
}


@pytest.mark.parametrize("fault", BROKEN.values(), ids=BROKEN)
def test_broken_stream_is_restarted(fault, tmp_path):
    assert get([fault, file(WHOLE)], tmp_path).loc[1, "status"] == "fetched"
    assert visible_files(tmp_path) == {"a.zip": WHOLE}


@pytest.mark.parametrize("fault", BROKEN.values(), ids=BROKEN)
def test_stream_that_stays_broken_leaves_nothing(fault, tmp_path):
    with serve(fault) as server:
        row = fetch(transport(server.api, max_attempts=2, max_retry_wait=0.01), [A], tmp_path).loc[1]
    assert (row["status"], tree(tmp_path)) == ("failed", {})


ODD = {
    "drip": drip(file(WHOLE), 0.001, 4000),
    "gzip": zipped(file(WHOLE)),
    "chunked": chunked(file(WHOLE)),
    "chunked gzip": chunked(zipped(file(WHOLE))),
    "length unknown": Answer(body=WHOLE, framing="close"),
}


@pytest.mark.parametrize("answer", ODD.values(), ids=ODD)
def test_unusual_but_complete_stream_is_fetched(answer, tmp_path):
    get(answer, tmp_path)
    assert visible_files(tmp_path) == {"a.zip": WHOLE}


REFUSED = {
    "not found": (vendor(404, "No record found for id '1'"), "No record found"),
    "forbidden": (vendor(403, "You don't have permissions to download build results!"), "permissions"),
    "token expired": (unauthenticated(), "Not authenticated"),
    "a page": (html(200), "web page"),
    "an error with status 200": (reply(vendor_body(404, "No record")), "NotFound (404): 'No record'"),
    "no archive": (content(b'{"error": 1}', "application/json"), "not arrive as a complete ZIP"),
    "archive in a broken archive": (
        content(make_zip({"x": artifact(2), "y": b"y"}, 0)[: 60 + len(artifact(2))], "application/zip"),
        "not arrive as a complete ZIP",
    ),
}


@pytest.mark.parametrize(("answer", "sentence"), REFUSED.values(), ids=REFUSED)
def test_permanent_error_is_reported_and_not_retried(answer, sentence, tmp_path):
    with serve(answer) as server:
        row = fetch(transport(server.api), [A], tmp_path).loc[1]
    assert (row["status"], len(server.requests), tree(tmp_path)) == ("failed", 1, {})
    assert sentence in row["error"]


def test_error_with_status_200_is_no_file_of_any_name(tmp_path):
    with serve(reply(vendor_body(404, "No record"))) as server:
        row = fetch(transport(server.api), [File(1)], tmp_path, progress=False).loc[1]
    assert (row["status"], tree(tmp_path)) == ("failed", {})
    assert "an error of the server, NotFound (404): 'No record' instead of a file" in row["error"]


def test_one_bad_file_does_not_stop_the_others(tmp_path):
    def script(request):
        return vendor(404) if number(request) == 2 else every(request)

    frame = get(script, tmp_path, files(5), max_workers=2)
    assert frame["status"].tolist() == ["fetched", "failed", "fetched", "fetched", "fetched"]
    assert visible_files(tmp_path) == {n: b for n, b in sources(5).items() if n != "2.zip"}


def test_expired_token_is_renewed_during_a_fetch(tmp_path):
    def script(request):
        if request.path == "/authentication":
            return token("fresh")
        is_old = request.headers["authorization"] == "Bearer word"
        return unauthenticated() if is_old and len(server.requests) > 3 else every(request)

    with serve(script) as server:
        login = {"email": "ada@example.org", "password": Secret("open sesame")}
        fetch(transport(server.api, **login), files(8), tmp_path, progress=False)
    assert visible_files(tmp_path) == sources(8)
    assert len(server.to("/authentication")) == 1


def test_expired_token_without_login_fails_then_rerun_completes(tmp_path):
    def script(request):
        return unauthenticated() if len(server.requests) > 3 else every(request)

    with serve(script) as server:
        frame = fetch(transport(server.api), files(6), tmp_path, progress=False)
    assert frame["status"].value_counts().to_dict() == {"fetched": 3, "failed": 3}
    assert get(every, tmp_path, files(6))["error"].isna().all()
    assert visible_files(tmp_path) == sources(6)


def test_server_that_is_down_fails_every_row(tmp_path):
    with nobody_listens() as url:
        frame = fetch(transport(url, max_attempts=2, max_retry_wait=0.01), files(3), tmp_path, progress=False)
    assert frame["error"].str.contains("refused; nothing was sent").all()


def test_removed_folder_is_reported_then_rerun_completes(tmp_path):
    to = tmp_path / "to"
    asked = []  # threads ask in an order of their own

    def script(request):
        asked.append(number(request))
        if len(asked) == 3:
            to.rename(tmp_path / "gone")
        return every(request)

    frame = get(script, to, files(5), max_workers=1)
    late = frame.drop(index=asked[:2])
    assert late["status"].tolist() == ["failed"] * 3
    assert late["error"].str.contains("does not exist any more").all()
    assert not to.exists()
    get(every, to, files(5))
    assert visible_files(to) == sources(5)


@contextlib.contextmanager
def small_disk(folder):
    """A real file system of 256 KiB, where one may be mounted."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)]
    if not shutil.which("mount") or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("no file system may be mounted here")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_full_disk_is_reported_then_rerun_completes(tmp_path):
    to = tmp_path / "to"

    wanted = {f"{n}.zip": artifact(n, 100_000) for n in (1, 2, 3)}

    def script(request):
        return file(artifact(number(request), 100_000))

    with small_disk(to):
        frame = get(script, to, files(3), max_workers=1)
        failed = frame[frame["status"] == "failed"]
        assert len(failed) >= 2
        assert failed["error"].str.contains("is full").all()
        assert visible_files(to).items() <= wanted.items()
        assert not list(to.glob(".*.part"))
        subprocess.run(["mount", "-o", "remount,size=8m", str(to)], check=True)
        get(script, to, files(3))
        assert visible_files(to) == wanted


FETCH = """
import sys
from mkframe.artifacts import File, fetch
from tests.artifacts.factory import transport
files = [File(n, 9, f"{n}.zip") for n in range(1, int(sys.argv[3]) + 1)]
"""


def script_of(code):
    return [sys.executable, "-c", FETCH + code]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no limit for file sizes there")
def test_file_size_limit_is_reported_then_rerun_completes(tmp_path):
    code = """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
print(fetch(transport(sys.argv[1]), files, sys.argv[2], progress=False)["error"].str.cat())
"""
    with serve(every) as server:
        command = [*script_of(code), server.api, str(tmp_path), "2"]
        output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert output.count("not allowed") == 2
    assert tree(tmp_path) == {}
    get(every, tmp_path, files(2))
    assert visible_files(tmp_path) == sources(2)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no such signal there")
def test_killed_fetch_keeps_complete_files_then_rerun_completes(tmp_path):
    def script(request):
        quick = number(request) <= 3
        return every(request) if quick else drip(every(request), 0.02, 1000)

    code = "fetch(transport(sys.argv[1]), files, sys.argv[2], progress=False)"
    with serve(script) as server:
        process = subprocess.Popen([*script_of(code), server.api, str(tmp_path), "8"])
        while len(visible_files(tmp_path)) < 3 or not list(tmp_path.glob(".*.part")):
            assert process.poll() is None, "the fetch ended before it could be killed"
            time.sleep(0.01)
        process.kill()
        process.wait()
    assert visible_files(tmp_path).items() <= sources(8).items()
    assert list(tmp_path.glob(".*.part"))
    frame = get(every, tmp_path, files(8))
    assert visible_files(tmp_path) == sources(8)
    assert set(tree(tmp_path)) == {*sources(8), NAME}
    assert frame["status"].value_counts().to_dict() == {"fetched": 5, "present": 3}


def fetch_threads():
    return [t for t in threading.enumerate() if t.name.startswith("mkframe-fetch")]


@pytest.fixture
def _interruptible():
    """Ctrl-C works as in a terminal, also where the tests run in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_interruptible")
@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "hold",
    [lambda answer: drip(answer, 0.05, 1000), lambda answer: drip(answer, 30.0, 1000), lambda _: silence()],
    ids=["bytes come slowly", "no bytes come", "no answer comes"],
)
def test_interrupt_leaves_no_thread_and_no_partial_file(hold, tmp_path):
    interrupted = []

    def interrupt():
        deadline = time.monotonic() + 5
        while visible_files(tmp_path) != sources(2) and time.monotonic() < deadline:
            time.sleep(0.01)
        interrupted.append(time.monotonic())
        _thread.interrupt_main()

    def script(request):
        if number(request) == 8:
            threading.Thread(target=interrupt, daemon=True).start()
        return every(request) if number(request) < 3 else hold(every(request))

    with serve(script) as server:
        client = transport(server.api, read_timeout=60)
        with pytest.raises(KeyboardInterrupt):
            fetch(client, files(8), tmp_path, max_workers=8, progress=False)
        assert time.monotonic() - interrupted[0] < 2
        assert fetch_threads() == []
        assert visible_files(tmp_path) == sources(2)
        assert not list(tmp_path.glob(".*.part"))


# --- hostile names ------------------------------------------------------------------------------------


def test_hostile_names_never_write_outside(tmp_path):
    to = tmp_path / "deep" / "to"
    wanted = [File(n, 9, name) for n, name in enumerate(HOSTILE, 1)]
    frame = get(every, to, wanted)
    assert set(frame["status"]) == {"fetched"}
    assert_only_inside(tmp_path, to, len(HOSTILE))


def test_hostile_header_names_never_write_outside(tmp_path):
    to = tmp_path / "deep" / "to"
    sendable = [n for n in HOSTILE if n.isascii() and n.isprintable()]

    def script(request):
        return file(artifact(number(request)), sendable[number(request) - 1].replace("\\", "\\\\"))

    frame = get(script, to, [File(n) for n in range(1, len(sendable) + 1)])
    assert set(frame["status"]) == {"fetched"}
    assert_only_inside(tmp_path, to, len(sendable))


def assert_only_inside(root, to, count):
    outside = [p for p in tree(root) if not (root / p).is_relative_to(to)]
    assert outside == ["deep"]
    assert len(visible_files(to)) == count
    assert set(tree(to)) == {*visible_files(to), NAME}


def test_hostile_manifest_never_writes_outside(tmp_path):
    to = tmp_path / "to"
    to.mkdir()
    with serve(every) as server:
        (to / NAME).write_text(
            f'{{"server":"{server.api}","id":1,"build_id":9,"name":"../x.zip","bytes":1,"sha256":""}}\n'
        )
        fetch(transport(server.api), [A], to)
    assert [p for p in tree(tmp_path) if not p.startswith("to")] == []


def planted(to, url, content=b"evil"):
    """A list that says that download 1 is there."""
    to.mkdir(exist_ok=True)
    (to / "a.zip").write_bytes(content)
    entry = {"server": url, "id": 1, "build_id": 9, "name": "a.zip", "bytes": len(content)}
    entry["sha256"] = hashlib.sha256(content).hexdigest()
    (to / NAME).write_text(json.dumps(entry) + "\n")


@pytest.mark.parametrize("foreign", [[NAME], ["a.zip"], [NAME, "a.zip"]])
def test_manifest_of_another_user_skips_no_request(foreign, tmp_path, monkeypatch):
    with serve(every) as server, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        planted(tmp_path, server.api)
        give_away(monkeypatch, *[tmp_path / name for name in foreign])
        frame = fetch(transport(server.api), [A], tmp_path, progress=False)
    assert len(server.requests) == 1
    assert frame.loc[1, "status"] == "refused"
    assert (tmp_path / "a.zip").read_bytes() == b"evil"


def test_files_are_fetched_beside_a_manifest_of_another_user(tmp_path, monkeypatch):
    (tmp_path / NAME).write_text("theirs\n")
    give_away(monkeypatch, tmp_path / NAME)
    for status in ("fetched", "present"):
        with pytest.warns(UserWarning, match="belongs to another user and is ignored"):
            assert set(get(every, tmp_path, files(2))["status"]) == {status}
    assert (tmp_path / NAME).read_text() == "theirs\n"


@pytest.mark.parametrize("below", ["", "new"])
def test_folder_behind_a_link_of_another_user_is_refused(tmp_path, below, monkeypatch):
    (tmp_path / "home").mkdir()
    plant(monkeypatch, tmp_path / "to", tmp_path / "home")
    with serve(every) as server, pytest.raises(InputError, match="is a link of another user"):
        fetch(transport(server.api), [A], tmp_path / "to" / below)
    assert server.requests == []
    assert tree(tmp_path / "home") == {}


def test_folder_of_a_build_behind_a_link_of_another_user_is_refused(tmp_path, monkeypatch):
    (tmp_path / "home").mkdir()
    plant(monkeypatch, tmp_path / "build-9", tmp_path / "home")
    with serve(every) as server, pytest.raises(InputError, match="build-9' is a link of another user"):
        fetch(transport(server.api), [A], tmp_path, by_build=True)
    assert server.requests == []


def test_folder_replaced_by_a_link_gets_nothing(tmp_path):
    to, home = tmp_path / "to", tmp_path / "home"
    home.mkdir()
    tmp_path.chmod(0o1777)  # where everybody can write, links count for nothing

    requested = []

    def is_ready():
        """Whether the first file is complete and both others have opened the folder."""
        return len(list(to.glob("[!.]*.zip"))) == 1 and len(list(to.glob(".*.part"))) == 2

    def script(request):
        requested.append(number(request))
        if len(requested) == 2:
            deadline = time.monotonic() + 5
            while not (is_ready() and (time.sleep(0.02) or is_ready())) and time.monotonic() < deadline:
                time.sleep(0.01)
            to.rename(tmp_path / "gone")
            to.symlink_to(home)
        return every(request)

    frame = get(script, to, files(3), max_workers=1)
    assert set(frame.loc[requested[1:], "status"]) == {"failed"}
    assert frame.loc[requested[2], "error"].count("is not followed") == 1
    assert tree(home) == {}


def test_own_link_to_a_folder_is_followed(tmp_path):
    (tmp_path / "large").mkdir()
    (tmp_path / "to").symlink_to("large")
    assert get(every, tmp_path / "to", files(2))["status"].tolist() == ["fetched"] * 2
    assert visible_files(tmp_path / "large") == sources(2)


def test_pipe_with_the_name_is_left_as_it_is(tmp_path):
    os.mkfifo(tmp_path / "a.zip")
    frame = get(every, tmp_path)
    assert frame.loc[1, "status"] == "refused"
    assert (tmp_path / "a.zip").is_fifo()


# --- limits -------------------------------------------------------------------------------------------

LARGE = {
    "announced": lambda answer: answer,
    "chunked": chunked,
    "until closed": lambda answer: Answer(body=answer.body, framing="close"),
    "gzip": zipped,
}


@pytest.mark.parametrize("way", LARGE.values(), ids=LARGE)
def test_file_beyond_max_bytes_fails_alone(way, tmp_path):
    def script(request):
        return way(file(artifact(2, 50_000))) if number(request) == 2 else every(request)

    with serve(script) as server:
        frame = fetch(transport(server.api), files(3), tmp_path, max_bytes=len(artifact(2, 50_000)) - 1)
    assert frame["status"].tolist() == ["fetched", "failed", "fetched"]
    assert visible_files(tmp_path) == {n: b for n, b in sources(3).items() if n != "2.zip"}
    assert set(tree(tmp_path)) == {"1.zip", "3.zip", NAME}
    assert len(server.requests) == 3
    error = frame.loc[2, "error"]
    assert error.startswith(f"GET {server.api}/downloads/2 answered, but: It is larger than")
    assert "the limit for one file" in error
    assert "max_bytes=" in error


@pytest.mark.parametrize("way", LARGE.values(), ids=LARGE)
def test_file_of_max_bytes_is_fetched(way, tmp_path):
    assert get(way(file(WHOLE)), tmp_path, max_bytes=len(WHOLE)).loc[1, "status"] == "fetched"


def test_max_bytes_defaults_to_the_settings(tmp_path):
    with serve(every) as server:
        small = transport(server.api, limits=Limits(file=1000))
        assert "is larger than 1,000 bytes" in fetch(small, [A], tmp_path, progress=False).loc[1, "error"]
        assert fetch(small, [A], tmp_path, max_bytes=10**6, progress=False).loc[1, "status"] == "fetched"


@pytest.mark.parametrize("invalid", [0, -1, 1.5, "1", True])
def test_invalid_max_bytes_sends_nothing(invalid, tmp_path):
    with serve(every) as server, pytest.raises(InputError, match="max_bytes must be a whole number"):
        fetch(transport(server.api), [A], tmp_path, max_bytes=invalid)
    assert (server.connections, tree(tmp_path)) == (0, {})


@pytest.mark.parametrize(
    "length", ["9" * 5000, "9" * 20, "-1", "+1", "", "1_0", "1, 2", "\u00b2", "\u00d9\u00a2", "0" * 5000]
)
def test_invalid_content_length_fails_its_file_alone(length, tmp_path):
    def script(request):
        odd = Answer(body=WHOLE, framing="close", headers={"Content-Length": length})
        return odd if number(request) == 2 else every(request)

    with serve(script) as server:
        frame = fetch(transport(server.api), files(3), tmp_path, progress=False)
    assert frame["status"].tolist() == ["fetched", "failed", "fetched"]
    assert "ength" in frame.loc[2, "error"]
    assert len(frame.loc[2, "error"]) < 400
    assert len(server.requests) == 3
    assert visible_files(tmp_path) == {n: b for n, b in sources(3).items() if n != "2.zip"}


@pytest.mark.parametrize("coding", ["br", "deflate", "gzip, gzip"])
def test_unrequested_content_encoding_fails(coding, tmp_path):
    answer = content(WHOLE, "application/zip", headers={"Content-Encoding": coding})
    row = get(answer, tmp_path).loc[1]
    assert (row["status"], tree(tmp_path)) == ("failed", {})
    assert "which was not asked for" in row["error"]


def test_too_slow_file_fails(tmp_path):
    def script(request):
        return drip(every(request), 0.01) if number(request) == 2 else every(request)

    limits = Limits(rate=2000, rate_window=0.2)
    with serve(script) as server:
        frame = fetch(transport(server.api, limits=limits), files(3), tmp_path, progress=False)
    assert frame["status"].tolist() == ["fetched", "failed", "fetched"]
    assert "less than 2000 bytes per second came" in frame.loc[2, "error"]
    assert visible_files(tmp_path) == {n: b for n, b in sources(3).items() if n != "2.zip"}


# --- size ---------------------------------------------------------------------------------------------


def test_memory_does_not_grow_with_the_file(tmp_path):
    large = bytes(24 << 20)
    with serve(drip(content(large, "application/octet-stream"), 1e-9, 1 << 16)) as server:
        client = transport(server.api)
        tracemalloc.start()
        try:
            fetch(client, [File(1, 9, "a.bin")], tmp_path, progress=False)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert (tmp_path / "a.bin").stat().st_size == len(large)
    assert peak < 6 << 20


def test_connections_are_kept(tmp_path):
    with serve(every) as server:
        fetch(transport(server.api), files(30), tmp_path, max_workers=4, progress=False)
    assert server.connections <= 4


def test_bar_counts_files_and_bytes(tmp_path, capsys):
    get(drip(file(WHOLE), 0.1, len(WHOLE) // 7), tmp_path, progress=True)
    assert "1 of 1 files, " in capsys.readouterr().err.split("\r")[-1]


def test_no_bar_where_none_is_wanted(tmp_path, capsys):
    get(drip(file(WHOLE), 0.1, len(WHOLE) // 7), tmp_path, progress=False)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("layers", [1, 2])
def test_gzip_file_sent_as_gzip_can_be_opened(tmp_path, layers):
    """Many web servers announce a gzip file as a file that is compressed for the way alone."""
    packed = gzip.compress(b"SELECT 1;")
    sent = zipped(file(packed, "a.sql.gz")) if layers == 2 else zipped(file(b"SELECT 1;", "a.sql.gz"))
    frame = get(sent, tmp_path, [File(1)])
    assert frame.loc[1, "status"] == "fetched"
    assert gzip.decompress((tmp_path / "a.sql.gz").read_bytes()) == b"SELECT 1;"


@pytest.mark.parametrize("answer", [file(WHOLE[:100], status=206), Answer(204)], ids=["part", "nothing"])
def test_answer_without_the_whole_file_is_failed(tmp_path, answer):
    frame = get(answer, tmp_path)
    assert (frame.loc[1, "status"], visible_files(tmp_path)) == ("failed", {})
    assert "The status is 20" in frame.loc[1, "error"]
