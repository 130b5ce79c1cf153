"""Progress functions and `by_build`."""

import itertools
import threading
import time
from pathlib import Path

import pytest

from mkframe.artifacts import File, fetch
from mkframe.artifacts._progress import FileProgress, Progress
from mkframe.errors import InputError
from tests.artifacts.factory import artifact, transport, visible_files
from tests.artifacts.test_fetch import every, fetch_threads, files, number, sources
from tests.support.faults import Answer, cut, drip, file, serve, vendor

WHOLE = artifact(1)
SIZES = {n: len(artifact(n)) for n in range(1, 9)}


def slowly(request):
    """About half a second for each file."""
    return drip(every(request), 0.05, len(WHOLE) // 10)


def to_the_middle(request):
    """Half of each file, and no more until somebody gives up."""
    return cut(every(request), "hang")


def under_way(now):
    return all(0 < f.bytes < SIZES[f.id] for f in now.files)


def stop_when_all_are_under_way(now):
    if under_way(now):
        now.stop()


def record_progress(script, to, wanted, on_tick=lambda now: None, **options):
    """Fetch, and return every progress and the frame."""
    seen = []

    def show(now):
        seen.append(now)
        on_tick(now)

    with serve(script) as server:
        frame = fetch(transport(server.api), wanted, to, progress=show, **options)
    return seen, frame


def of(seen, id):
    return [next(f for f in now.files if f.id == id) for now in seen]


# --- progress -----------------------------------------------------------------------------------------


def test_progress_lists_files_in_given_order(tmp_path):
    seen, _ = record_progress(every, tmp_path, list(reversed(files(3))))
    assert {tuple(f.id for f in now.files) for now in seen} == {(3, 2, 1)}


def test_bytes_of_a_file_grow_to_its_size(tmp_path):
    seen, _ = record_progress(slowly, tmp_path, files(1))
    sizes = [f.bytes for f in of(seen, 1)]
    assert sizes == sorted(sizes)
    assert len(set(sizes)) > 2
    assert sizes[-1] == SIZES[1]


def test_size_is_known_while_fetching(tmp_path):
    seen, _ = record_progress(slowly, tmp_path, files(1))
    coming = [f for f in of(seen, 1) if f.status == "fetching" and f.bytes]
    assert {f.total for f in coming} == {SIZES[1]}
    assert all(0 < f.share < 1 for f in coming)


def test_several_files_are_fetched_at_once(tmp_path):
    seen, _ = record_progress(to_the_middle, tmp_path, files(8), stop_when_all_are_under_way)
    assert any(under_way(now) for now in seen)


def test_last_progress_equals_the_frame(tmp_path):
    def script(request):
        return vendor(404, "No record found") if number(request) == 2 else every(request)

    (tmp_path / "3.zip").write_bytes(b"mine")
    (tmp_path / "4.zip").write_bytes(artifact(4))
    seen, frame = record_progress(script, tmp_path, files(4))
    assert [f.status for f in seen[-1].files] == ["fetched", "failed", "refused", "present"]
    assert [f.status for f in seen[-1].files] == frame["status"].tolist()
    assert [f.error for f in seen[-1].files] == [None, frame["error"][2], frame["error"][3], None]
    assert (seen[-1].share, seen[-1].done) == (1.0, 4)


def test_missing_content_length_gives_no_total(tmp_path):
    answer = drip(Answer(body=WHOLE, framing="close"), 0.05, len(WHOLE) // 10)
    seen, _ = record_progress(answer, tmp_path, files(1))
    coming = [f for f in of(seen, 1) if f.status == "fetching"]
    assert {(f.total, f.share) for f in coming} == {(None, 0.0)}


def test_restarted_stream_counts_from_zero(tmp_path):
    whole = drip(file(WHOLE), 0.05, len(WHOLE) // 10)
    seen, _ = record_progress([cut(whole), whole], tmp_path, files(1))
    sizes = [f.bytes for f in of(seen, 1)]
    assert max(sizes) == sizes[-1] == len(WHOLE)
    assert any(after < before for before, after in itertools.pairwise(sizes))


def test_header_name_is_in_progress(tmp_path):
    seen, _ = record_progress(every, tmp_path, [File(1)])
    assert seen[-1].files[0].name == "1.zip"


def test_no_files_give_one_progress(tmp_path):
    seen, _ = record_progress(every, tmp_path, [])
    assert seen == [Progress(())]
    assert seen[0].share == 1.0


def test_progress_is_throttled(tmp_path):
    begun = time.monotonic()
    seen, _ = record_progress(every, tmp_path, [File(n, 9, f"{n}.zip") for n in range(1, 61)])
    assert len(seen) <= (time.monotonic() - begun) / 0.1 + 2


@pytest.mark.parametrize("progress", [None, 1, "bar"])
def test_invalid_progress_sends_nothing(progress, tmp_path):
    with serve(every) as server, pytest.raises(InputError, match="True, False or a function"):
        fetch(transport(server.api), files(1), tmp_path, progress=progress)
    assert server.requests == []


@pytest.mark.parametrize(
    ("options", "share"),
    [
        ({"status": "waiting"}, 0.0),
        ({"status": "fetching", "bytes": 50, "total": 200}, 0.25),
        ({"status": "fetching", "bytes": 50}, 0.0),
        ({"status": "fetching", "bytes": 50, "total": 0}, 0.0),
        ({"status": "fetching", "bytes": 300, "total": 200}, 0.99),
        ({"status": "failed", "bytes": 50, "total": 200}, 1.0),
    ],
)
def test_share_of_a_file(options, share):
    assert FileProgress(1, **options).share == share


# --- ending it ----------------------------------------------------------------------------------------


def stop_when_two_are_whole(now):
    if now.done >= 2:
        now.stop()


def two_quick_ones(request):
    return every(request) if number(request) < 3 else drip(every(request), 0.5, 1000)


def test_stop_keeps_complete_files(tmp_path):
    _, frame = record_progress(two_quick_ones, tmp_path, files(8), stop_when_two_are_whole)
    assert frame["status"].tolist() == ["fetched"] * 2 + ["failed"] * 6
    assert frame["error"].dropna().str.contains("was stopped before this file was complete").all()
    assert visible_files(tmp_path) == sources(2)


def test_stop_leaves_no_thread_and_no_partial_file(tmp_path):
    record_progress(two_quick_ones, tmp_path, files(8), stop_when_two_are_whole)
    assert fetch_threads() == []
    assert not list(tmp_path.glob(".*.part"))


def test_last_progress_after_stop_equals_the_frame(tmp_path):
    seen, frame = record_progress(two_quick_ones, tmp_path, files(8), stop_when_two_are_whole)
    assert [f.status for f in seen[-1].files] == frame["status"].tolist()


def test_rerun_after_stop_completes(tmp_path):
    record_progress(two_quick_ones, tmp_path, files(8), stop_when_two_are_whole)
    _, frame = record_progress(every, tmp_path, files(8))
    assert frame["status"].value_counts().to_dict() == {"fetched": 6, "present": 2}
    assert visible_files(tmp_path) == sources(8)


def test_stop_ends_the_wait_before_a_retry(tmp_path):
    busy = vendor(503, "Later", headers={"Retry-After": "30"})
    begun = time.monotonic()
    with serve(busy) as server:
        client = transport(server.api, max_retry_wait=60)
        fetch(client, files(1), tmp_path, progress=lambda now: server.requests and now.stop())
    assert time.monotonic() - begun < 15


def test_exception_of_progress_function_ends_the_fetch(tmp_path):
    def show(now):
        if now.done >= 2:
            raise ZeroDivisionError

    with serve(two_quick_ones) as server, pytest.raises(ZeroDivisionError):
        fetch(transport(server.api), files(8), tmp_path, progress=show)
    assert fetch_threads() == []
    assert visible_files(tmp_path) == sources(2)


def test_progress_function_runs_in_the_calling_thread(tmp_path):
    threads = set()
    record_progress(every, tmp_path, files(4), lambda now: threads.add(threading.current_thread()))
    assert threads == {threading.current_thread()}


# --- a folder for each build --------------------------------------------------------------------------

TWO_BUILDS = [File(1, 7, "a.zip"), File(2, 8, "a.zip"), File(3, 8, "b.zip")]


def test_each_build_has_its_folder(tmp_path):
    _, frame = record_progress(every, tmp_path, TWO_BUILDS, by_build=True)
    assert {path: Path(path).read_bytes() for path in frame["path"]} == {
        str(tmp_path / "build-7" / "a.zip"): artifact(1),
        str(tmp_path / "build-8" / "a.zip"): artifact(2),
        str(tmp_path / "build-8" / "b.zip"): artifact(3),
    }


def test_builds_in_their_folders_are_fetched_at_once(tmp_path):
    wanted = [File(n, n, "a.zip") for n in range(1, 9)]
    seen, _ = record_progress(to_the_middle, tmp_path, wanted, stop_when_all_are_under_way, by_build=True)
    assert any(under_way(now) for now in seen)


def test_file_in_build_folder_is_not_fetched_again(tmp_path):
    with serve(every) as server:
        for _ in range(2):
            frame = fetch(transport(server.api), TWO_BUILDS, tmp_path, by_build=True, progress=False)
    assert (set(frame["status"]), len(server.requests)) == ({"present"}, 3)


def test_file_named_like_build_folder_is_refused(tmp_path):
    (tmp_path / "build-8").write_text("mine")
    with serve(every) as server, pytest.raises(InputError, match="build-8' cannot be created"):
        fetch(transport(server.api), TWO_BUILDS, tmp_path, by_build=True)
    assert server.requests == []


def test_by_build_without_build_id_is_refused(tmp_path):
    with serve(every) as server, pytest.raises(InputError, match="build of download 1 is not known"):
        fetch(transport(server.api), [File(1)], tmp_path, by_build=True)
    assert server.requests == []
