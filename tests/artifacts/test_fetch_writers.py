"""Several writers fetch into one folder at once: threads and processes, equal names, equal and other ids."""

import json
import subprocess
import sys
import threading
import time
from pathlib import Path

import pandas as pd
import pytest

from mkframe.artifacts import File, fetch
from mkframe.artifacts._manifest import NAME
from tests.artifacts.factory import artifact, transport, visible_files
from tests.support.faults import file, serve

WRITER = """
import json, sys
from mkframe.artifacts import File, fetch
from tests.artifacts.factory import transport
for line in sys.stdin:
    url, folder, names, ids = json.loads(line)
    files = [File(n, 9, "CORE_2026-4-2_10_14.zip" if names == "given" else None) for n in ids]
    print("ready", flush=True)
    sys.stdin.readline()
    frame = fetch(transport(url), files, folder, progress=False)
    rows = frame.reset_index()[["id", "path", "status", "error"]].to_dict("records")
    print(json.dumps(rows), flush=True)
"""


def number(request):
    return int(request.path.rsplit("/", 1)[1])


def slow(request):
    """Every download has the same name and bytes of its own; a moment passes, so that writers meet."""
    time.sleep(0.02)
    return file(artifact(number(request), 200), "CORE_2026-4-2_10_14.zip")


@pytest.fixture(scope="module")
def writers():
    """Processes that fetch, one job after the other."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    yield processes
    for process in processes:
        process.communicate(timeout=60)
    assert [process.returncode for process in processes] == [0, 0, 0]


def fetch_in_processes(writers, url, folder, names, parts):
    """Give each process a part, let them go at the same time, and return all rows."""
    jobs = list(zip(writers, parts))  # noqa: B905 - fewer parts than processes
    for process, part in jobs:
        tell(process, json.dumps([url, str(folder), names, list(part)]))
    assert [process.stdout.readline() for process, _ in jobs] == ["ready\n"] * len(jobs)
    for process, _ in jobs:
        tell(process, "")
    return pd.DataFrame([row for process, _ in jobs for row in json.loads(process.stdout.readline())])


def tell(process, line):
    process.stdin.write(line + "\n")
    process.stdin.flush()


def fetch_in_threads(writers, url, folder, names, parts):
    """Fetch each part in a thread of this process, as two kernels do."""
    frames, barrier = [], threading.Barrier(len(parts))

    def run(part):
        files = [File(n, 9, "CORE_2026-4-2_10_14.zip" if names == "given" else None) for n in part]
        barrier.wait()
        frames.append(fetch(transport(url), files, folder, progress=False))

    threads = [threading.Thread(target=run, args=(part,)) for part in parts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return pd.concat(frames).reset_index()


def check(folder, rows, ids):
    assert set(rows["status"]) <= {"fetched", "present"}, rows["error"].dropna().tolist()
    path_of = rows.groupby("id")["path"].agg(set)
    assert set(path_of.index) == set(ids)
    assert path_of.map(len).eq(1).all()  # one download, one path
    paths = [Path(next(iter(each))) for each in path_of]
    assert len(set(paths)) == len(ids)  # one path, one download
    assert [path.read_bytes() for path in paths] == [artifact(n, 200) for n in path_of.index]
    assert len(visible_files(folder)) == len(ids)
    lines = [json.loads(line) for line in (folder / NAME).read_text().splitlines()]
    assert len({line["name"] for line in lines}) == len({line["id"] for line in lines}) == len(ids)


@pytest.mark.parametrize("names", ["given", "from the header"])
@pytest.mark.parametrize("run", [fetch_in_threads, fetch_in_processes])
@pytest.mark.parametrize(
    "parts",
    [[range(1, 9), range(9, 17), range(17, 25)], [range(1, 13)] * 3, [range(1, 11), range(6, 16)]],
    ids=["other ids", "same ids", "overlapping"],
)
def test_writers_into_one_folder_keep_every_file(tmp_path, names, run, parts, writers):
    ids = {n for part in parts for n in part}
    with serve(slow) as server:
        rows = run(writers, server.api, tmp_path, names, parts)
        check(tmp_path, rows, ids)
        requests = len(server.requests)
        second = fetch(transport(server.api), [File(n) for n in sorted(ids)], tmp_path, progress=False)
        assert set(second["status"]) == {"present"}
        assert len(server.requests) == requests


def test_manifest_with_one_name_for_several_files_heals(tmp_path):
    with serve(slow) as server:
        files = [File(n, 9, "a.zip") for n in (1, 2, 3)]
        fetch(transport(server.api), files[1:2], tmp_path, progress=False)
        line = json.loads((tmp_path / NAME).read_text())
        others = [line | {"id": n, "sha256": "0" * 64} for n in (1, 3)]
        (tmp_path / NAME).write_text(
            "".join(json.dumps(each) + "\n" for each in (others[0], line, others[1]))
        )
        mended = fetch(transport(server.api), files, tmp_path, progress=False)
        assert mended["status"].tolist() == ["fetched", "present", "fetched"]
        assert visible_files(tmp_path) == {
            Path(path).name: artifact(n, 200) for n, path in mended["path"].items()
        }
        assert set(fetch(transport(server.api), files, tmp_path, progress=False)["status"]) == {"present"}


def test_lost_manifest_gives_each_download_its_file_again(tmp_path):
    with serve(slow) as server:
        for numbers in ([3, 1], [2, 4]):
            fetch(transport(server.api), [File(n, 9, None) for n in numbers], tmp_path, progress=False)
        (tmp_path / NAME).write_bytes(b"")
        (tmp_path / "mine.txt").write_bytes(b"mine")
        frame = fetch(
            transport(server.api), [File(n, 9, None) for n in (1, 2, 3, 4)], tmp_path, progress=False
        )
    assert set(frame["status"]) == {"present"}
    assert frame["path"].nunique() == 4
    assert all(Path(path).read_bytes() == artifact(n, 200) for n, path in frame["path"].items())


def test_file_replaced_by_another_server_is_not_served(tmp_path):
    with serve(slow) as one, serve(lambda r: file(artifact(100 + number(r), 200), "a.zip")) as other:
        first = fetch(transport(one.api), [File(1, 9, "a.zip")], tmp_path, progress=False)
        second = fetch(transport(other.api), [File(1, 9, "a.zip")], tmp_path, overwrite=True, progress=False)
    assert Path(first.loc[1, "path"]).read_bytes() == artifact(1, 200)
    assert Path(second.loc[1, "path"]).read_bytes() == artifact(101, 200)
