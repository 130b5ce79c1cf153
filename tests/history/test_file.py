"""A history file that is killed, damaged, busy or something else."""

import os
import random
import re
import shutil
import sqlite3
import stat
import subprocess
import sys
import threading
import time

import duckdb
import pandas as pd
import pytest

import mkframe as mk
from mkframe import errors
from mkframe.history import _file
from tests.history.account import Account, assert_same, build, serve
from tests.support import faults
from tests.support.rows import body

DAMAGE = (errors.HistoryDamagedError, errors.HistoryFormatError)


def sync(history, client, **options):
    return history.sync(client, progress=False, **options)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A file with two syncs, and what is in it."""
    path, account = tmp_path_factory.mktemp("history") / "whole.duckdb", Account(builds=400)
    history = mk.History(path)
    with serve(account) as client:
        sync(history, client)
        for built in account.rows["builds"][::40]:
            built["message"], built["queue_ms"] = "changed", 7
        account.remove("builds", 3, 4)
        sync(history, client)
    return path, everything(history)


def everything(history):
    read = (history.builds, history.downloads, history.releases, history.projects, history.patterns)
    return [*(one() for one in read), history.syncs(), history.sql("FROM builds_versions ORDER BY ALL")]


# --- damage -------------------------------------------------------------------------------------------


def check_damaged(path, before):
    """What can be read is whole; what cannot is said in a sentence."""
    try:
        found = everything(mk.History(path, wait=0.5))
    except DAMAGE as error:
        return str(path) in str(error) and bool(error.hint)
    for left, right in zip(found, before, strict=True):
        if "downloads" in right and "patterns" in right:
            assert_same(left, right) if left.index.name == "id" else None
        else:
            pd.testing.assert_frame_equal(left, right)
    return False


def test_flipped_bits_are_noticed_or_change_nothing(whole, tmp_path):
    path, before = whole
    dice, content = random.Random(3), bytearray(path.read_bytes())
    # The blocks hold less than their size: most places are of the headers and of what is written in blocks.
    used = [n for n, byte in enumerate(content) if byte]
    places = [*range(8, 3 * 4096, 1900), *dice.sample(used, 40)]
    noticed = 0
    for place in places:
        damaged = bytearray(content)
        damaged[place] ^= 1 << dice.randrange(8)
        target = tmp_path / "damaged.duckdb"
        target.write_bytes(damaged)
        noticed += check_damaged(target, before)
    assert noticed > len(places) // 2


@pytest.mark.parametrize("size", [0, 1, 100, 4096, 3 * 4096, 0.5, 0.9, -(1 << 17), -5, -1])
def test_cut_file_is_said_to_be_damaged(whole, tmp_path, size):
    path, before = whole
    content = path.read_bytes()
    target = tmp_path / "cut.duckdb"
    target.write_bytes(content[: int(size * len(content)) if isinstance(size, float) else size])
    assert check_damaged(target, before)
    with pytest.raises(DAMAGE), serve(Account()) as client:
        sync(mk.History(target), client)


def test_damage_does_not_spoil_other_histories(whole, tmp_path):
    path, _ = whole
    cut = tmp_path / "cut.duckdb"
    cut.write_bytes(path.read_bytes()[:-100])
    for _ in range(2):
        with pytest.raises(DAMAGE):
            everything(mk.History(cut))
        assert len(mk.History(path).builds()) == 400


def other_files(folder):
    duckdb.connect(str(folder / "other.duckdb")).execute("CREATE TABLE t (a INT)").close()
    base = sqlite3.connect(folder / "base.sqlite")
    base.execute("CREATE TABLE t (a)")
    base.close()
    (folder / "text.txt").write_text("builds")


@pytest.mark.parametrize("name", ["other.duckdb", "base.sqlite", "text.txt", "newer.duckdb", "older.duckdb"])
def test_other_file_is_refused_and_left_as_it_is(whole, tmp_path, name):
    other_files(tmp_path)
    for number, copied in ((99, "newer.duckdb"), (0, "older.duckdb")):
        shutil.copy(whole[0], tmp_path / copied)
        connection = duckdb.connect(str(tmp_path / copied))
        connection.execute("UPDATE stored.meta SET format = ?", [number]).close()
    before = (tmp_path / name).read_bytes()
    history = mk.History(tmp_path / name)
    with serve(Account()) as client:
        for call in (
            history.builds,
            history.syncs,
            lambda: history.sql("SELECT 1"),
            lambda: sync(history, client),
        ):
            with pytest.raises(errors.HistoryError, match=name):
                call()
    assert (tmp_path / name).read_bytes() == before


@pytest.mark.parametrize(
    "change",
    ["meta SET format = NULL", "meta SET fields = 'none'", "builds SET extra = '{broken' WHERE id = 9"],
)
def test_text_in_a_file_that_is_none_of_ours_is_a_history_error(whole, tmp_path, change):
    shutil.copy(whole[0], tmp_path / "odd.duckdb")
    duckdb.connect(str(tmp_path / "odd.duckdb")).execute(f"UPDATE stored.{change}").close()
    with pytest.raises(errors.HistoryError, match=r"odd\.duckdb"):
        mk.History(tmp_path / "odd.duckdb").builds()


def test_file_of_a_newer_duckdb_is_said_to_be_so(whole, tmp_path):
    path = tmp_path / "newer.duckdb"
    shutil.copy(whole[0], path)
    connection = duckdb.connect(str(path))
    (version,) = connection.execute(
        "SELECT tags['storage_version'] FROM duckdb_databases() WHERE NOT internal"
    ).fetchall()[0]
    connection.close()
    assert version == "v1.4.0+"  # an old one, so that other tools read it


@pytest.mark.parametrize("path", ["none.duckdb", "no/folder.duckdb", "."])
def test_file_that_is_not_there_is_an_input_error(tmp_path, path):
    history = mk.History(tmp_path / path)
    with pytest.raises(errors.InputError):
        history.builds()
    if path != "none.duckdb":
        with pytest.raises(errors.InputError), serve(Account()) as client:
            sync(history, client)


@pytest.mark.parametrize(("error", "kind"), [
    (duckdb.InterruptException("Interrupted!"), KeyboardInterrupt),
    (duckdb.InvalidInputException("'raws' as Arrow data failed: KeyboardInterrupt: "), KeyboardInterrupt),
    (duckdb.InvalidInputException("'raws' as Arrow data failed: Alarm: "), errors.HistoryError),
])  # fmt: skip
def test_interrupted_call_is_not_taken_for_damage(tmp_path, error, kind):
    history = mk.History(tmp_path / "history.duckdb")
    nightly(history, 1, 60)
    with pytest.raises(kind) as caught, _file.open_to_write(history.path, 1):
        raise error
    assert type(caught.value) is kind
    assert len(history.builds()) == 59


def test_nothing_else_is_left_in_the_folder(whole):
    assert [p.name for p in whole[0].parent.iterdir()] == ["whole.duckdb"]


# --- killed -------------------------------------------------------------------------------------------

SYNC_FOREVER = """
import sys
import mkframe as mk
from mkframe.history import _file
if sys.argv[3] == "compact":
    _file._MIN_FREE = _file._MAX_FREE = 0
client = mk.connect(sys.argv[1], token="t")
history = mk.History(sys.argv[2])
print("ready", flush=True)
while True:
    history.sync(client, progress=False)
"""


class Restless(Account):
    """A server whose builds change with each answer."""

    def __init__(self):
        super().__init__(builds=1500, projects=(1, 2, 3))
        self.turn = 0

    def answer(self, request):
        self.turn += 1
        if request.path.endswith("builds"):
            for built in self.rows["builds"][self.turn % 7 :: 7]:
                built["message"] = f"turn {self.turn}"
        return super().answer(request)


KILLS = int(os.environ.get("KILLS", "10"))


@pytest.mark.slow
@pytest.mark.timeout(60 + 24 * KILLS)
@pytest.mark.parametrize("how", ["sync", "compact"])
def test_killed_sync_leaves_a_whole_file(tmp_path, monkeypatch, how):
    path, dice, committed = tmp_path / "history.duckdb", random.Random(5), 0
    with faults.serve(Restless().answer) as server:
        for _ in range(KILLS):
            command = [sys.executable, "-c", SYNC_FOREVER, server.api, str(path), how]
            process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
            process.stdout.readline()
            time.sleep(dice.uniform(0.02, 1.5))
            process.kill()
            process.communicate()
            if not path.exists():
                continue
            history = mk.History(path)
            syncs = history.syncs()
            assert len(syncs) >= committed
            committed = len(syncs)
            for sync in syncs[syncs["resource"].eq("builds")].tail(4).itertuples():
                builds = history.builds(project=sync.project, as_of=sync.asked_at, gone=False)
                assert len(builds) == sync.rows
    assert committed > KILLS
    monkeypatch.setattr(_file, "_MIN_FREE", 0)
    monkeypatch.setattr(_file, "_MAX_FREE", 0)
    _file.compact(path)  # removes what the killed processes have left
    assert [p.name for p in tmp_path.iterdir()] == ["history.duckdb"]
    assert len(mk.History(path).syncs()) == committed


# --- written anew -------------------------------------------------------------------------------------


@pytest.fixture
def always(monkeypatch):
    """Write files anew after each sync."""
    monkeypatch.setattr(_file, "_MIN_FREE", 0)
    monkeypatch.setattr(_file, "_MAX_FREE", 0)


def nightly(history, nights, builds=1500):
    """Take answers of some nights; return when, and what was read of each."""
    rows, dice, then = [build(n, 402) for n in range(1, builds + 1)], random.Random(3), []
    for night in range(nights):
        for changed in dice.sample(rows, builds // 50):
            changed["message"] = f"night {night} {dice.random()}"
        rows = rows[:-1]
        moment = pd.Timestamp("2026-01-01", tz="UTC") + pd.Timedelta(days=night)
        history.take(body(rows), asked_at=moment)
        then.append((moment, mk.read_json(body(rows))))
    return then


def test_unused_blocks_are_given_back_and_nothing_is_lost(tmp_path):
    history = mk.History(tmp_path / "history.duckdb")
    then = nightly(history, 30)
    for moment, wanted in then[::6]:
        assert_same(history.builds(as_of=moment, gone=False), wanted)
    sql = "SELECT total_blocks, free_blocks FROM pragma_database_size()"
    with duckdb.connect(str(history.path), read_only=True) as connection:
        total, free = connection.execute(sql).fetchall()[0]
    assert free < max(4, 0.2 * total)
    assert len(history.gone()) == 29
    assert [p.name for p in tmp_path.iterdir()] == ["history.duckdb"]


def test_file_written_anew_keeps_its_permissions(tmp_path, always):
    history = mk.History(tmp_path / "history.duckdb")
    nightly(history, 1, 60)
    history.path.chmod(0o640)
    before = history.path.stat()
    history.take(body([build(1, 411)]))
    after = history.path.stat()
    assert (after.st_ino != before.st_ino, stat.S_IMODE(after.st_mode)) == (True, 0o640)


@pytest.mark.parametrize("case", ["hard link", "own table", "own view", "reader"])
def test_file_that_cannot_be_replaced_stays_as_it_is(tmp_path, always, case):
    history = mk.History(tmp_path / "history.duckdb")
    nightly(history, 1, 60)
    reader = None
    if case == "hard link":
        os.link(history.path, tmp_path / "other.duckdb")
    elif case == "reader":
        reader = hold(history.path, "r", 60)
    else:
        kind = case.removeprefix("own ")
        duckdb.connect(str(history.path)).execute(f"CREATE {kind} mine AS SELECT 1 AS a").close()
    before = history.path.stat().st_ino
    started = time.monotonic()
    _file.compact(history.path)
    assert time.monotonic() - started < 5
    if reader is not None:
        reader.kill()
        reader.communicate()
    assert history.path.stat().st_ino == before
    assert len(history.builds()) == 59


def test_full_disk_leaves_the_file_as_it_is(tmp_path, always, monkeypatch):
    history = mk.History(tmp_path / "history.duckdb")
    nightly(history, 1, 60)
    before = history.path.read_bytes()
    for failing in (OSError(28, "No space left on device"), duckdb.IOException("No space left on device")):
        monkeypatch.setattr(os, "fsync", lambda _, failing=failing: (_ for _ in ()).throw(failing))
        _file.compact(history.path)
        assert history.path.read_bytes() == before
        assert [p.name for p in tmp_path.iterdir()] == ["history.duckdb"]


LEAVE_LOG = """
import os, sys
import duckdb
connection = duckdb.connect(sys.argv[1])
connection.execute("SET wal_autocheckpoint = '1TB'; UPDATE stored.meta SET server = 'kept'")
os._exit(1)
"""


def test_log_of_a_killed_process_is_not_left_to_the_new_file(tmp_path, always, monkeypatch):
    history = mk.History(tmp_path / "history.duckdb")
    nightly(history, 1, 60)
    subprocess.run([sys.executable, "-c", LEAVE_LOG, str(history.path)], check=False)
    log, before = tmp_path / "history.duckdb.wal", history.path.stat().st_ino
    assert log.exists()
    replace, there = _file.Folder.replace, []
    monkeypatch.setattr(_file.Folder, "replace", lambda *a: there.append(log.exists()) or replace(*a))
    _file.compact(history.path)
    assert there == [False]
    assert history.path.stat().st_ino != before
    assert history.sql("SELECT server FROM stored.meta").loc[0, "server"] == "kept"


TAKE_OFTEN = """
import sys, json, time
import mkframe as mk
from mkframe.history import _file
_file._MIN_FREE = _file._MAX_FREE = 0
history, rows = mk.History(sys.argv[1]), json.load(sys.stdin)
for night in range(12):
    rows[0]["message"] = f"night {night}"
    history.take(json.dumps(rows).encode(), project=rows[0]["project_id"])
"""


@pytest.mark.slow
def test_two_processes_that_write_the_file_anew_lose_nothing(tmp_path):
    path = tmp_path / "history.duckdb"
    processes = []
    for project in (402, 411):
        command = [sys.executable, "-c", TAKE_OFTEN, str(path)]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE)
        process.stdin.write(body([build(project + n, project) for n in range(20)]))
        process.stdin.close()
        processes.append(process)
    for process in processes:
        error = process.stderr.read().decode()
        process.stderr.close()
        assert process.wait() == 0, error
    syncs = mk.History(path).syncs()
    assert syncs.groupby("project").size().to_dict() == {402: 12, 411: 12}
    assert len(mk.History(path).changes(402)) == 12


# --- busy ---------------------------------------------------------------------------------------------

HOLD = """
import sys, time
import duckdb
connection = duckdb.connect(sys.argv[1], read_only=sys.argv[2] == "r")
print("held", flush=True)
time.sleep(float(sys.argv[3]))
"""


def hold(path, mode, seconds):
    command = [sys.executable, "-c", HOLD, str(path), mode, str(seconds)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    process.stdout.readline()
    return process


@pytest.fixture
def copied(whole, tmp_path):
    path = tmp_path / "history.duckdb"
    shutil.copy(whole[0], path)
    return path


def test_file_that_another_process_writes_names_it(copied):
    process = hold(copied, "w", 60)
    try:
        history = mk.History(copied, wait=0.2)
        for call in (history.builds, lambda: history.sql("SELECT 1"), history.syncs):
            with pytest.raises(errors.HistoryBusyError, match=f"process {process.pid} ") as caught:
                call()
            assert "0.2 s" in str(caught.value)
    finally:
        process.kill()
        process.communicate()


def test_file_that_another_process_reads_can_be_read_and_is_waited_for(copied):
    process = hold(copied, "r", 1.5)
    try:
        assert len(mk.History(copied, wait=0).builds()) == 400
        with serve(Account(builds=400)) as client:
            with pytest.raises(errors.HistoryBusyError, match=str(process.pid)):
                sync(mk.History(copied, wait=0.1), client)
            assert "unseen" not in set(sync(mk.History(copied, wait=30), client, allow_gone=True)["how"])
    finally:
        process.kill()
        process.communicate()


def test_connection_of_this_process_makes_it_busy(copied):
    with duckdb.connect(str(copied)), pytest.raises(errors.HistoryBusyError, match="this process"):
        mk.History(copied, wait=0.1).builds()
    assert len(mk.History(copied, wait=0.1).builds()) == 400


def test_reader_does_not_wait_for_the_network_of_a_sync(copied):
    account = Account(builds=400)
    waiting, going_on = threading.Event(), threading.Event()

    def answer(request):
        waiting.set()
        going_on.wait(20)
        return account.answer(request)

    with faults.serve(answer) as server, mk.connect(server.api, token="t") as client:
        thread = threading.Thread(target=sync, args=(mk.History(copied), client))
        thread.start()
        try:
            assert waiting.wait(20)
            assert len(mk.History(copied, wait=0).builds()) == 400
            assert mk.History(copied, wait=0).sql("SELECT count(*) AS n FROM syncs").loc[0, "n"] > 0
            assert duckdb.connect(str(copied)).close() is None
        finally:
            going_on.set()
            thread.join()


def test_two_syncs_at_once_store_each_change_once(copied):
    account = Account(builds=400)
    failed = []

    def run():
        try:
            with mk.connect(server.api, token="t") as client:
                for _ in range(4):
                    sync(mk.History(copied), client, allow_gone=True)
        except Exception as error:
            failed.append(error)

    with faults.serve(account.answer) as server:
        threads = [threading.Thread(target=run) for _ in range(2)]
        for thread in threads:
            thread.start()
        for number, built in enumerate(account.rows["builds"][:60]):
            built["message"] = f"message {number}"
            time.sleep(0.02)
        for thread in threads:
            thread.join()
        run()
        assert not failed
        with mk.connect(server.api, token="t") as client:
            for project in (402, 411):
                wanted = client.builds.find(project_id=project)
                assert_same(mk.History(copied).builds(project=project, gone=False), wanted)
    versions = mk.History(copied).sql("SELECT id, count(*) AS n FROM builds GROUP BY id HAVING n > 1")
    assert versions.empty


@pytest.mark.parametrize("wait", [-1, float("inf"), float("nan"), True, "30", None])
def test_wait_that_is_no_number_of_seconds_is_refused(wait):
    with pytest.raises(errors.InputError, match="wait"):
        mk.History("history.duckdb", wait=wait)


def test_missing_duckdb_is_said_with_its_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(ImportError, match=re.escape("mkframe[history]")), serve(Account()) as client:
        sync(mk.History(tmp_path / "history.duckdb"), client)
