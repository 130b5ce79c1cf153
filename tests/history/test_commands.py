"""``mkframe sync``, and reports on a history."""

import pytest

import mkframe as mk
from mkframe import report
from mkframe.__main__ import main
from tests.history.account import Account, build
from tests.history.test_file import hold
from tests.support import faults
from tests.support.rows import body, row


@pytest.fixture
def account():
    return Account(builds=60)


@pytest.fixture
def run(account, tmp_path, monkeypatch, capsys):
    """Run a command against the account's server; return its exit code and what it printed."""
    with faults.serve(account.answer) as server:
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


def test_sync_says_in_one_line_what_it_has_stored(run, account, tmp_path):
    code, output = run("sync", "--history", "h.duckdb")
    assert (code, output.err) == (0, "")
    assert output.out == "h.duckdb: 6 questions, 127 new, 0 changed, 0 gone.\n"
    account.remove("builds", 3)
    account.find("builds", 5)["message"] = "changed"
    code, output = run("sync", "--history", "h.duckdb", "--project", "P411")
    assert (code, output.out) == (0, "h.duckdb: 5 questions, 0 new, 1 changed, 1 gone.\n")
    assert len(mk.History(tmp_path / "h.duckdb").gone()) == 1


def test_sync_that_sees_or_takes_not_all_exits_with_3(run, account):
    run("sync", "--history", "h.duckdb")
    account.forbidden = {402}
    code, output = run("sync", "--history", "h.duckdb")
    assert code == 3
    assert "; unseen: builds of project 402." in output.out
    account.forbidden = set()
    account.remove("builds", *range(1, 40, 2))
    code, output = run("sync", "--history", "h.duckdb", "--project", "411")
    assert code == 3
    assert "0 gone; refused: builds of project 411." in output.out
    code, output = run("sync", "--history", "h.duckdb", "--allow-gone")
    assert (code, "20 gone." in output.out) == (0, True)


@pytest.mark.parametrize("arguments", [
    [], ["--history", "h.duckdb", "--project", "NONE"], ["--history", "h.duckdb", "--wait", "soon"],
    ["--history", "h.duckdb", "--wait", "-1"], ["--history", "no/folder.duckdb"], ["--history", "."],
])  # fmt: skip
def test_sync_with_wrong_arguments_exits_with_2(run, arguments):
    code, output = run("sync", *arguments)
    assert (code, output.out) == (2, "")
    assert output.err


def test_sync_of_a_busy_file_exits_with_4(run, tmp_path):
    run("sync", "--history", "h.duckdb")
    process = hold(tmp_path / "h.duckdb", "w", 60)
    try:
        code, output = run("sync", "--history", "h.duckdb", "--wait", "0.1")
    finally:
        process.kill()
        process.communicate()
    assert code == 4
    assert f"process {process.pid}" in output.err


@pytest.mark.parametrize("content", [b"", b"no database", b"cut"])
def test_sync_of_a_damaged_file_exits_with_5(run, tmp_path, content):
    path = tmp_path / "h.duckdb"
    run("sync", "--history", "h.duckdb")
    path.write_bytes(path.read_bytes()[:-9] if content == b"cut" else content)
    code, output = run("sync", "--history", "h.duckdb")
    assert code == 5
    assert "damaged" in output.err


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
    code, output = run("report", "--history", "h.duckdb", *options)
    assert (code, output.out) == (1, "")


@pytest.fixture
def renamed(tmp_path):
    """A history of two days, between which builds come, and a project and a pattern are renamed."""
    history = mk.History(tmp_path / "h.duckdb")
    rows = [build(n, 402, patterns=[808]) for n in range(1, 31)]
    for day, count, name in (("2026-10-01", 7, "OLD"), ("2026-10-02", 30, "NEW")):
        at = f"{day} 08:00"
        history.take(body([row("projects", 402, name=f"{name}_DWH")]), resource="projects", asked_at=at)
        history.take(body([row("patterns", 808, name=f"{name}_HUB")]), resource="patterns", asked_at=at)
        history.take(body(rows[:count]), asked_at=at)
    return history


@pytest.mark.slow
def test_report_on_a_history_shows_what_was_known(run, renamed, tmp_path):
    options = ["--as-of", "2026-10-01", "--project", "402", "--output", "r.html"]
    code, output = run("report", "--history", "h.duckdb", *options)
    assert code == 0, output.err
    text = (tmp_path / "r.html").read_text("utf-8")
    assert "history h.duckdb, asked 2026-10-01 08:00 UTC" in text
    assert "7 builds" in text
    assert "Build history of OLD_DWH" in text
    assert "OLD_HUB" in text
    assert "NEW_" not in text


def test_sources_of_a_history_have_the_names_of_their_time(renamed):
    for as_of, name in (("2026-10-01", "OLD"), (None, "NEW")):
        sources = report.read_history(renamed.path, 402, as_of=as_of)
        assert sources.builds["project"].unique().tolist() == [f"{name}_DWH"]
        assert sources.builds["pattern_names"].tolist()[-1] == [f"{name}_HUB"]


@pytest.mark.parametrize("options", [
    ["--project", "403"], ["--as-of", "2026-09-30"], ["--period", "2026-04-02", "--text", "--project", "403"],
])  # fmt: skip
def test_report_claims_nothing_of_what_was_never_asked(run, renamed, options):
    code, output = run("report", "--history", "h.duckdb", *options)
    assert (code, output.out) == (1, "")
    assert "The history " in output.err


def test_sources_of_a_history_that_holds_no_answer_are_refused(renamed):
    with pytest.raises(mk.errors.InputError, match="has no project 403"):
        report.read_history(renamed.path, 403)
    with pytest.raises(mk.errors.InputError, match="holds no answer about builds at that time"):
        report.read_history(renamed.path, as_of="2026-09-30")


def test_page_of_a_week_names_projects_of_a_history(run, renamed):
    code, output = run(
        "report", "--history", "h.duckdb", "--project", "402", "--period", "2026-04-02", "--text"
    )
    assert code == 0, output.err
    assert output.out.startswith("NEW_DWH, ")
