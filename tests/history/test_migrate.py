"""A history that was written with other fields than those of the present schema."""

import json
import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import pandas as pd
import pytest

import mkframe as mk
from mkframe import errors
from tests.history.account import Account, assert_same, build, serve
from tests.history.test_file import hold
from tests.support.rows import body, download, row

HOME = Path(__file__).resolve().parents[2]
OTHER = """
import dataclasses, json, sys
import mkframe.schema as schema
import mkframe._version
order = json.loads(sys.argv[1])
mkframe._version.__version__ = order.get("version", mkframe._version.__version__)
def change(name, fields):
    given = order["fields"].get(name, {})
    kept = [f for f in fields if given.get(f.name, "") is not None]
    kept = [dataclasses.replace(f, type=given.get(f.name, f.type)) for f in kept]
    names = {f.name for f in fields}
    return (*kept, *(schema.Field(n, t, "Added.") for n, t in given.items() if n not in names and t))
for table in (schema.RESOURCES, schema.VIEWS):
    for name, known in table.items():
        table[name] = dataclasses.replace(known, fields=change(name, known.fields))
schema.EMBEDDED_DOWNLOAD = change("inside", schema.EMBEDDED_DOWNLOAD)
import mkframe as mk
history = mk.History(order["path"])
for resource, body, asked_at in order.get("takes", ()):
    history.take(body, resource=resource, asked_at=asked_at)
history.builds()
"""
GAINED = {
    "builds": dict.fromkeys(
        ["message", "progress", "build_end", "releases", "deleted", "description"]
    ),  # these were unknown
    "releases": dict.fromkeys(["end_date", "closed"]),
    "downloads": dict.fromkeys(["name"]),
    "inside": dict.fromkeys(["file_id", "name"]),
    "COMMITS": dict.fromkeys(["STATUS", "DELETED", "DESCRIPTION"]),
    "DELIVERIES": dict.fromkeys(["CHANGE_COUNT", "MODE"]),
}
LOST = {
    "builds": {"queue_ms": "int", "labels": "any", "since": "timestamp", "is_new": "flag", "teams": "strs"},
    "releases": {"label": "str"},
    "inside": {"size": "int", "checksum": "str"},
    "COMMITS": {"BRANCH": "str"},
}
CHANGED = {
    "builds": {
        "message": "any",
        "created_at": "str",
        "progress": "any",
        "patterns": "any",
        "deleted": "bool",
    },
    "releases": {"end_date": "str", "closed": "any"},
    "inside": {"name": "any", "file_id": "any"},
}


def in_other_schema(path, fields, takes=(), **more):
    """Open a history, after saved answers are stored, in a Python whose schema has other fields."""
    order = json.dumps({"path": str(path), "fields": fields, "takes": takes, **more})
    environment = {**os.environ, "PYTHONPATH": str(HOME), "PYTHONWARNINGS": "ignore"}
    return subprocess.run(
        [sys.executable, "-c", OTHER, order], env=environment, capture_output=True, text=True, check=False
    )


def answers():
    """Answers of three nights, by resource: rows change, have unknown fields, and are forgotten."""
    builds = [
        build(n, 402, message=f"m{n} \u00e4\u2603", queue_ms=n, labels={"b": [n, 1.5, None], "a": "x"},
              since=f"2026-05-0{n % 9 + 1}T08:00:00.250Z", is_new=n % 2, teams=["A", f"T{n}"])
        for n in range(1, 13)
    ]  # fmt: skip
    for built in builds[::3]:
        built |= {"message": None, "progress": 2**53 + 1, "deleted": None, "releases": [], "labels": None}
        del built["description"]
    builds[1]["downloads"] = [download(7, size=9, checksum="ab"), download(8, name=None, note={"k": [1]})]
    builds[2]["downloads"] = []
    releases = [row("releases", n, end_date="2026-12-31T23:00:00.000Z", label=f"L{n}") for n in (21, 22)]
    downloads = [row("downloads", n, build_id=n, project_id=402) for n in range(1, 13)]
    for night in range(3):
        yield {"builds": body(builds), "releases": body(releases), "downloads": body(downloads)}
        builds = [dict(built) for built in builds[: 12 - night]]
        builds[4]["message"], builds[5]["queue_ms"] = f"night {night}", 1000 + night
        builds[6]["downloads"] = [download(70 + night, size=night)]
        releases[0]["end_date"] = f"2027-01-0{night + 1}T23:00:00.000Z"
        downloads = downloads[:-1]


NIGHTS = list(answers())
TIMES = [f"2026-10-0{night + 1} 08:00" for night in range(3)]
TAKES = [
    (resource, content.decode(), at)
    for at, found in zip(TIMES, NIGHTS, strict=True)
    for resource, content in found.items()
]


@pytest.fixture(scope="module", params=["gained", "lost", "changed"])
def written(request, tmp_path_factory):
    """A history that was written with other fields."""
    path = tmp_path_factory.mktemp("written") / "history.duckdb"
    fields = {"gained": GAINED, "lost": LOST, "changed": CHANGED}[request.param]
    takes = [(r, None, at) for r, _, at in TAKES]
    folder = path.parent
    for number, (resource, content, at) in enumerate(TAKES):
        (folder / f"{number}.json").write_text(content, "utf-8")
        takes[number] = (resource, str(folder / f"{number}.json"), at)
    done = in_other_schema(path, fields, takes)
    assert done.returncode == 0, done.stderr
    return path, request.param


@pytest.fixture
def history(written, tmp_path):
    shutil.copy(written[0], tmp_path / "history.duckdb")
    return mk.History(tmp_path / "history.duckdb")


def check_frames(history):
    for at, found in zip(TIMES, NIGHTS, strict=True):
        for resource, content in found.items():
            frame = getattr(history, resource)(as_of=at, gone=False)
            wanted = mk.frames.decode(resource, content).sort_index()
            assert sorted(frame.columns) == sorted(wanted.columns)
            assert_same(frame[[*wanted.columns]], wanted)
    assert history.builds()["gone_since"].notna().sum() == 1


def test_frames_of_other_fields_are_what_the_client_reads_now(history):
    check_frames(history)
    with duckdb.connect(str(history.path), read_only=True) as connection:
        found = connection.execute("SELECT format, fields FROM stored.meta").fetchall()
    assert found[0][0] == 2
    assert '"queue_ms"' not in found[0][1]


def test_known_rows_of_other_fields_make_no_version(history):
    before = history.sql("FROM syncs")
    same = [history.take(content, resource=r) for r, content in NIGHTS[-1].items()]
    turned = {
        r: body([dict(reversed(one.items())) for one in reversed(json.loads(content))])
        for r, content in NIGHTS[-1].items()
    }
    other_order = [history.take(content, resource=r) for r, content in turned.items()]
    for synced in (*same, *other_order):
        assert synced[["new", "changed", "gone"]].to_numpy().sum() == 0
    assert len(history.sql("FROM syncs")) == len(before) + 6
    rows = json.loads(NIGHTS[-1]["builds"])
    rows[2]["message"] = rows[3]["queue_ms"] = 17 if rows[2]["message"] is None else "17"
    rows[2]["message"] = "other"
    assert history.take(body(rows)).loc[0, ["new", "changed", "gone"]].tolist() == [0, 2, 0]
    assert_same(history.builds(gone=False), mk.read_json(body(rows)))


def test_versions_and_moves_of_other_fields_are_there(history):
    moved = history.moved()
    assert moved["column"].tolist() == ["end_date"] * 2
    assert [str(now)[:10] for now in moved["now"]] == ["2027-01-01", "2027-01-02"]
    assert history.changes(5)["changed"].tolist() == [[], ["message"], ["message"]]
    assert history.changes(6)["changed"].tolist() == [[], ["queue_ms"], ["queue_ms"]]
    assert history.changes(7)["changed"].tolist() == [[], ["downloads"], ["downloads"]]
    assert history.moved("builds", ["message"])["now"].tolist() == ["night 0", "night 1"]


def test_first_call_of_sql_or_export_finds_the_present_columns(history, tmp_path):
    from pyarrow import parquet

    copied = mk.History(shutil.copy(history.path, tmp_path / "copied.duckdb"))
    versions = history.sql("SELECT message, build_end, progress, releases FROM builds_versions WHERE id = 5")
    assert versions["message"].tolist()[-1] == "night 1"
    assert str(versions["build_end"].dtype) == "datetime64[us, UTC]"
    assert str(versions["progress"].dtype) == "Int64"
    copied.export(tmp_path / "out")
    table = parquet.read_table(tmp_path / "out" / "builds")
    assert {"message", "build_end", "extra"} < set(table.column_names)
    extras = [json.loads(text) for text in table["extra"].to_pylist()]
    assert {"queue_ms", "since", "is_new", "teams"} <= set(extras[0]) <= {*LOST["builds"]}


@pytest.mark.parametrize("fields", [GAINED, LOST, CHANGED])
def test_there_and_back_again_everything_is_as_before(tmp_path, fields):
    path, account = tmp_path / "history.duckdb", Account(builds=30)
    history, at = mk.History(path), []
    with serve(account) as client:
        for night in range(2):
            history.sync(client, progress=False)
            at.append(pd.Timestamp.now("UTC"))
            account.find("builds", 3)["message"] = f"night {night}"
            account.remove("builds", 9 + night)
            account.find("builds", 4)["downloads"] = [download(7, note=night)]
    with mk.demo(builds=30) as client:
        history.sync(client, resources=["deliveries", "commits"], projects=[402], progress=False)
    before = everything(history, at)
    done = in_other_schema(path, fields)
    assert done.returncode == 0, done.stderr
    for found, wanted in zip(everything(history, at), before, strict=True):
        assert_same(found, wanted) if found.index.name == "id" else pd.testing.assert_frame_equal(
            found, wanted
        )


def everything(history, moments):
    named = [getattr(history, name) for name in ("builds", "downloads", "releases", "projects", "patterns")]
    frames = [read(as_of=moment) for read in named for moment in (None, *moments)]
    return [*frames, history.deliveries(), history.commits(), history.syncs()]


def test_values_that_do_not_fit_a_new_field_are_missing_and_kept(tmp_path):
    rows = [build(n, 402, progress=value) for n, value in enumerate([7, "half", 2**70, None, 8.0, [1]], 1)]
    (tmp_path / "b.json").write_bytes(body(rows))
    path = tmp_path / "history.duckdb"
    takes = [("builds", str(tmp_path / "b.json"), TIMES[0])]
    assert in_other_schema(path, {"builds": {"progress": None}}, takes).returncode == 0
    with pytest.warns(errors.SchemaWarning, match="3 stored values of 'progress' of builds"):
        found = mk.History(path).builds()["progress"]
    assert found.tolist() == [7, pd.NA, pd.NA, pd.NA, 8, pd.NA]
    assert str(found.dtype) == "Int64"
    kept = mk.History(path).sql("SELECT id, extra FROM builds WHERE extra IS NOT NULL")
    assert {i: json.loads(text)["progress"] for i, text in zip(kept["id"], kept["extra"], strict=True)} == {
        2: "half", 3: 2**70, 6: [1],
    }  # fmt: skip
    for row_ in rows:
        row_["progress"] = 1
    mk.History(path).take(body(rows))
    assert_same(mk.History(path).builds(gone=False), mk.read_json(body(rows)))
    assert mk.History(path).builds(as_of=TIMES[0])["progress"].isna().sum() == 4


def test_file_of_the_first_format_is_read(written, tmp_path):
    history = mk.History(shutil.copy(written[0], tmp_path / "history.duckdb"))
    check_frames(history)  # with the present fields
    with duckdb.connect(str(history.path)) as connection:
        connection.execute("ALTER TABLE stored.meta DROP COLUMN fields; UPDATE stored.meta SET format = 1")
    check_frames(history)


@pytest.mark.parametrize(("fields", "is_refused"), [(LOST, True), ({}, False)])
def test_file_of_a_newer_mkframe_is_refused_where_its_fields_are_others(tmp_path, fields, is_refused):
    path = tmp_path / "history.duckdb"
    (tmp_path / "b.json").write_bytes(NIGHTS[0]["builds"])
    takes = [("builds", str(tmp_path / "b.json"), TIMES[0])]
    done = in_other_schema(path, fields, takes, version="99.1.0")
    assert done.returncode == 0, done.stderr
    before, history = path.read_bytes(), mk.History(path)
    if not is_refused:
        assert len(history.builds()) == 12
        return
    for call in (history.builds, history.syncs, lambda: history.sql("SELECT 1"),
                 lambda: history.take(NIGHTS[1]["builds"])):  # fmt: skip
        with pytest.raises(errors.HistoryFormatError, match=r"mkframe 99\.1\.0, with other fields"):
            call()
    assert path.read_bytes() == before


def test_reading_other_fields_needs_the_file_for_itself_once(history):
    process = hold(history.path, "r", 60)
    try:
        with pytest.raises(errors.HistoryBusyError, match="written with other fields"):
            mk.History(history.path, wait=0.2).builds()
    finally:
        process.kill()
        process.communicate()
    assert len(history.builds()) == 12


READ = "import sys, mkframe as mk; print('ready', flush=True); mk.History(sys.argv[1]).builds()"


def test_killed_while_fields_change_leaves_a_whole_file(written, tmp_path):
    dice, path = random.Random(5), tmp_path / "history.duckdb"
    environment, finished = {**os.environ, "PYTHONPATH": str(HOME)}, 0
    for _ in range(8):
        shutil.copy(written[0], path)
        command = [sys.executable, "-c", READ, str(path)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
        process.stdout.readline()
        time.sleep(dice.uniform(0.05, 0.6))
        finished += process.poll() is not None
        process.kill()
        process.communicate()
        check_frames(mk.History(path))
    assert finished < 8
