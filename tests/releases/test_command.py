"""``mkframe check release``: exit codes, a table, and JSON."""

import json

import pytest

from mkframe.__main__ import main
from tests.releases import test_readiness as scenarios
from tests.support import faults, html_checks, release_server

PLANTED = {plant.__name__: (plant, code) for plant, _, code in scenarios.SCENARIOS}
TWELVE = (
    "in_order", "errors", "checked_out", "unbuilt", "last_build", "running", "label", "hotfix_missing",
    "hotfix_conflict", "closed", "past_its_end", "no_commits_view", "no_rows_view", "blocked_and_unknown",
)  # fmt: skip


@pytest.fixture
def story(monkeypatch):
    story = release_server.story_in_order()
    with faults.serve(story.answer) as server:
        monkeypatch.setenv("MKFRAME_URL", server.api)
        monkeypatch.setenv("MKFRAME_TOKEN", "a.b.c")
        yield story


def check(*arguments):
    return main(["check", "release", *arguments])


@pytest.mark.parametrize("name", TWELVE)
def test_exit_code_is_the_answer(name, story, capsys):
    plant, code = PLANTED[name]
    plant(story)
    assert check("R7", "--project", "DEMO_PROJECT", "--label", "for_review") == code
    out = capsys.readouterr().out
    assert out.startswith("DEMO_PROJECT, DWH_GROUP: ")
    assert ("BLOCKS" in out) is (code == 3)


def test_json_has_every_check(story, capsys):
    scenarios.errors(story)
    assert check("R7", "--project", "402", "--group", "1", "--json") == 3
    answer = json.loads(capsys.readouterr().out)
    assert (answer["release"], answer["group"], answer["ready"]) == ("R7", "DWH_GROUP", False)
    assert [row["check"] for row in answer["checks"] if row["state"] == "blocks"] == ["validation_errors"]
    assert all(isinstance(row["may_block"], bool) for row in answer["checks"])


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["R9", "--project", "DEMO_PROJECT"], "There is no release 'R9'"),
        (["R7", "--project", "NOPE"], "There is no project 'NOPE'"),
        (["R7", "--project", "DEMO_PROJECT", "--group", "NOPE"], "There is no release group 'NOPE'"),
    ],
)
def test_unknown_names_are_no_answer(arguments, sentence, story, capsys):
    assert check(*arguments) == 1
    assert sentence in capsys.readouterr().err


def test_nobody_there_is_no_answer(monkeypatch, capsys):
    monkeypatch.setenv("MKFRAME_URL", "http://127.0.0.1:9/api/v1")
    monkeypatch.setenv("MKFRAME_TOKEN", "a.b.c")
    assert check("R7", "--project", "DEMO_PROJECT") == 1
    monkeypatch.delenv("MKFRAME_TOKEN")
    assert check("R7", "--project", "DEMO_PROJECT") == 1
    assert "There is no account" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["R7"], ["--project", "DEMO_PROJECT"], ["R7", "--project"]])
def test_wrong_command_line_is_usage(arguments, capsys):
    with pytest.raises(SystemExit) as stopped:
        check(*arguments)
    assert stopped.value.code == 2
    capsys.readouterr()


@pytest.mark.slow
def test_report_of_a_release_is_one_page(story, tmp_path, capsys):
    scenarios.errors(story)
    out = tmp_path / "r.html"
    report = ["report", "--project", "DEMO_PROJECT", "--release", "R7", "--group", "DWH_GROUP"]
    assert main([*report, "--label", "for_review", "--output", str(out)]) == 0
    page = out.read_text()
    assert "R7 is not ready: 1 check blocks." in page
    assert "Changes from R6 to R7" in page
    assert "R7: of 1 changed cell of R6.HF1, 1 carried." in page
    assert html_checks.faults(page) == []
    capsys.readouterr()


@pytest.mark.parametrize(
    "arguments",
    [["--release", "R7"], ["--group", "G"], ["--label", "x"], ["--release", "R7", "--from", "b.json"]],
)
def test_report_of_a_release_needs_a_project(arguments, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["report", *arguments])
    assert stopped.value.code == 2
    assert "--release" in capsys.readouterr().err
