"""``mkframe sync``, and reports on a history."""

import json

import pytest

import mkframe as mk
from mkframe.__main__ import main
from tests.history.test_file import hold
from tests.history.world import World
from tests.support import faults


@pytest.fixture
def world():
    return World(builds=60)


@pytest.fixture
def run(world, tmp_path, monkeypatch, capsys):
    """Run a command against the world's server; return its exit code and what it printed."""
    with faults.serve(world.answer) as server:
        monkeypatch.setenv("MKFRAME_URL", server.api)
        monkeypatch.setenv("MKFRAME_TOKEN", "a-token")
        monkeypatch.chdir(tmp_path)

        def run(*arguments):
            try:
                code = main(arguments)
            except SystemExit as end:
                code = end.code
            return code, capsys.readouterr()

        yield run


def test_sync_says_in_one_line_what_it_has_stored(run, world, tmp_path):
    code, said = run("sync", "--history", "h.duckdb")
    assert (code, said.err) == (0, "")
    assert said.out == "h.duckdb: 6 questions, 127 new, 0 changed, 0 gone.\n"
    world.remove("builds", 3)
    world.find("builds", 5)["message"] = "changed"
    code, said = run("sync", "--history", "h.duckdb", "--project", "P411")
    assert (code, said.out) == (0, "h.duckdb: 5 questions, 0 new, 1 changed, 1 gone.\n")
    assert len(mk.History(tmp_path / "h.duckdb").gone()) == 1


def test_sync_that_sees_or_takes_not_all_exits_with_3(run, world):
    run("sync", "--history", "h.duckdb")
    world.forbidden = {402}
    code, said = run("sync", "--history", "h.duckdb")
    assert code == 3
    assert "; unseen: builds of project 402." in said.out
    world.forbidden = set()
    world.remove("builds", *range(1, 40, 2))
    code, said = run("sync", "--history", "h.duckdb", "--project", "411")
    assert code == 3
    assert "0 gone; refused: builds of project 411." in said.out
    code, said = run("sync", "--history", "h.duckdb", "--allow-gone")
    assert (code, "20 gone." in said.out) == (0, True)


@pytest.mark.parametrize("arguments", [
    [], ["--history", "h.duckdb", "--project", "NONE"], ["--history", "h.duckdb", "--wait", "soon"],
    ["--history", "h.duckdb", "--wait", "-1"], ["--history", "no/folder.duckdb"], ["--history", "."],
])  # fmt: skip
def test_sync_with_wrong_arguments_exits_with_2(run, arguments):
    code, said = run("sync", *arguments)
    assert (code, said.out) == (2, "")
    assert said.err


def test_sync_of_a_busy_file_exits_with_4(run, tmp_path):
    run("sync", "--history", "h.duckdb")
    process = hold(tmp_path / "h.duckdb", "w", 60)
    try:
        code, said = run("sync", "--history", "h.duckdb", "--wait", "0.1")
    finally:
        process.kill()
        process.communicate()
    assert code == 4
    assert f"process {process.pid}" in said.err


@pytest.mark.parametrize("content", [b"", b"no database", b"cut"])
def test_sync_of_a_damaged_file_exits_with_5(run, tmp_path, content):
    path = tmp_path / "h.duckdb"
    run("sync", "--history", "h.duckdb")
    path.write_bytes(path.read_bytes()[:-9] if content == b"cut" else content)
    code, said = run("sync", "--history", "h.duckdb")
    assert code == 5
    assert "damaged" in said.err


def test_sync_without_a_server_exits_with_1(run, monkeypatch):
    monkeypatch.setenv("MKFRAME_URL", "http://127.0.0.1:9")
    assert run("sync", "--history", "h.duckdb")[0] == 1


@pytest.mark.parametrize("options", [
    ["--as-of", "2026-01-01"], ["--history", "h.duckdb", "--demo"], ["--history", "h.duckdb", "--from", "x"],
])  # fmt: skip
def test_report_with_sources_that_exclude_each_other_exits_with_2(run, options):
    assert run("report", *options)[0] == 2


@pytest.mark.parametrize("options", [
    ["--project", "NONE"], ["--as-of", "yesterday"], ["--tz", "Mars"], ["--history", "none.duckdb"],
])  # fmt: skip
def test_report_on_a_history_checks_its_options_first(run, options):
    run("sync", "--history", "h.duckdb")
    code, said = run("report", "--history", "h.duckdb", *options)
    assert (code, said.out) == (1, "")


@pytest.mark.slow
def test_report_on_a_history_shows_what_was_known(run, world, tmp_path):
    history = mk.History(tmp_path / "h.duckdb")
    rows = [b for b in world.rows["builds"] if b["project_id"] == 402]
    history.take(json.dumps(rows[:7]).encode(), asked_at="2026-10-01 08:00")
    history.take(json.dumps(rows).encode(), asked_at="2026-10-02 08:00")
    code, said = run("report", "--history", "h.duckdb", "--as-of", "2026-10-01", "--output", "r.html")
    assert code == 0, said.err
    text = (tmp_path / "r.html").read_text("utf-8")
    assert "history h.duckdb, asked 2026-10-01 08:00 UTC" in text
    assert "7 builds" in text
