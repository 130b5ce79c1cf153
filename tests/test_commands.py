"""The command line: exit codes and sentences, also where the output or the folder is gone."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import mkframe
from mkframe.__main__ import main
from mkframe.demo_server import Server
from tests.support import faults
from tests.support.rows import body, row

HOME = str(Path(mkframe.__file__).parents[1])
COMMAND = [sys.executable, "-P", "-m", "mkframe"]


def environment(**more):
    return {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "PYTHONPATH": HOME, **more}


def build(number, status, start, minutes=10, **more):
    end = None if status == "BUILDING" else f"2026-04-{start[:2]}T{start[3:5]}:{minutes}:00Z"
    begin = f"2026-04-{start[:2]}T{start[3:5]}:00:00Z"
    fields = {"status": status, "build_start": begin, "build_end": end, "project_id": 402, "patterns": [801]}
    return row("builds", number, **fields | more)


@pytest.fixture
def saved(tmp_path, monkeypatch):
    """Twenty finished builds, then ten failed ones on 2 April from 8:00, then a running one."""
    monkeypatch.chdir(tmp_path)
    builds = [build(n, "FINISHED", f"01 {n:02d}") for n in range(1, 21)]
    builds += [build(n, "FAILED", f"02 {n - 13:02d}") for n in range(21, 31)]
    builds += [build(31, "BUILDING", "02 18"), build(32, "CANCELED", "03 18", minutes=20)]
    (tmp_path / "builds.json").write_bytes(body(builds))
    return "builds.json"


def check(*arguments):
    return main(["check", "builds", *arguments])


@pytest.mark.parametrize(
    ("limits", "code", "sentence"),
    [
        (["--max-failure-rate", "0.3"], 3, "broken: 33.3 % of 30 builds failed, more than 30.0 %"),
        (["--max-failure-rate", "0.34"], 0, "fine: 33.3 % of 30 builds failed, not more than 34.0 %"),
        (["--max-failure-rate", "0.3", "--min-builds", "31"], 4, "unknown: only 30 builds"),
        (["--max-failure-rate", "0.3", "--days", "1"], 4, "unknown: no build finished or failed in the"),
        (["--broken-for", "1d"], 3, "801 of project 402 for 1 d 10 h (first build 21)"),
        (["--broken-for", "1d12h"], 0, "fine: nothing is broken for more than 1 d 12 h; 1 pattern set"),
        (["--running-for", "24h"], 3, "broken: 1 build running for more than 1 d: build 31 for 1 d"),
        (["--running-for", "1461min"], 0, "fine: 1 build running, none for more than 1 d"),
        ([], 3, "broken: 1 pattern set has failed and not finished since: 801"),
    ],
)
def test_check_compares_with_each_limit(limits, code, sentence, saved, capsys):
    assert check("--from", saved, *limits) == code
    assert sentence in capsys.readouterr().out


def test_broken_outranks_unknown(saved, capsys):
    limits = ["--max-failure-rate", "0.3", "--min-builds", "99", "--broken-for", "1d"]
    assert check("--from", saved, *limits, "--json") == 3
    answer = json.loads(capsys.readouterr().out)
    assert [row["state"] for row in answer["checks"]] == ["unknown", "broken"]
    assert (answer["state"], answer["exit_code"], answer["builds"]) == ("broken", 3, 32)
    assert answer["as_of"] == "2026-04-03T18:20:00+00:00"


@pytest.mark.parametrize(
    "limits", [[], ["--max-failure-rate", "1"], ["--broken-for", "1d"], ["--running-for", "1d"]]
)
def test_no_builds_are_never_fine(limits, tmp_path):
    (tmp_path / "none.json").write_bytes(b"[]")
    assert check("--from", str(tmp_path / "none.json"), *limits) == 4


@pytest.mark.parametrize(
    "arguments",
    [
        ["builds", "--broken-for", "2"],
        ["builds", "--broken-for", "2dx"],
        ["builds", "--running-for", "-1h"],
        ["builds", "--running-for", "9" * 30 + "d"],
        ["builds", "--max-failure-rate", "nan"],
        ["builds", "--max-failure-rate", "20"],
        ["builds", "--min-builds", "0"],
        ["builds", "--days", "0"],
        ["builds", "--broken-for", "2d", "--days", "7", "--demo"],
        [],
    ],
)
def test_wrong_limit_is_a_usage_error(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        main(["check", *arguments])
    assert caught.value.code == 2
    assert "usage:" in capsys.readouterr().err


@pytest.mark.parametrize("command", [["report"], ["check", "builds", "--broken-for", "2d"]])
@pytest.mark.parametrize(
    ("project", "sentence"),
    [("9", "has no build of project 9. There is: 402."), ("DEMO", "by id, not by the name 'DEMO'")],
)
def test_project_that_a_file_lacks_is_an_error(command, project, sentence, saved, capsys):
    assert main([*command, "--from", saved, "--project", project]) == 1
    assert sentence in capsys.readouterr().err
    assert [path.name for path in Path().iterdir()] == [saved]


@pytest.mark.parametrize("command", [["report"], ["check", "builds"]])
def test_missing_account_is_told_in_the_words_of_the_shell(command, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("MKFRAME_")]:
        monkeypatch.delenv(name)
    monkeypatch.setattr("keyring.get_password", lambda service, name: None)
    assert main(command) == 1
    text = capsys.readouterr().err
    assert "MKFRAME_TOKEN, or MKFRAME_EMAIL and MKFRAME_PASSWORD" in text
    assert "(" not in text.replace("(and MKFRAME_URL for another server)", "")


@pytest.fixture(scope="module")
def server():
    with Server(60) as running:
        yield running


@pytest.fixture
def account(server, monkeypatch):
    for name, word in (("URL", server.url), ("EMAIL", server.email), ("PASSWORD", server.password)):
        monkeypatch.setenv(f"MKFRAME_{name}", word)


def test_check_asks_the_server_by_name_or_id(account, capsys):
    codes = [
        check("--project", name, "--max-failure-rate", "1", "--min-builds", "1")
        for name in ("DEMO_PROJECT", "402")
    ]
    lines = capsys.readouterr().out.splitlines()
    assert codes == [0, 0]
    assert lines[0] == lines[1]
    assert check("--project", "NOWHERE") == 1
    assert "There is no project 'NOWHERE'. There is: DEMO_PROJECT, " in capsys.readouterr().err


def test_check_counts_by_the_clock_of_the_server(monkeypatch, capsys):
    dated = {"Date": "Thu, 02 Apr 2026 18:04:00 GMT"}
    answers = {path: faults.reply([], headers=dated) for path in ("/projects", "/patterns", "/releases")}
    answers["/builds"] = faults.reply([build(31, "BUILDING", "02 18")], headers=dated)
    with faults.serve({faults.API + path: answer for path, answer in answers.items()}) as server:
        monkeypatch.setenv("MKFRAME_URL", server.api)
        monkeypatch.setenv("MKFRAME_TOKEN", "a.b.c")
        assert check("--running-for", "1h", "--json") == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["as_of"].startswith("2026-04-02T18:04:0")
    assert answer["checks"][0]["says"] == "1 build running, none for more than 1 h"


def test_wrong_password_is_told_before_a_kernel_starts(account, monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("MKFRAME_PASSWORD", "wrong")
    monkeypatch.setattr("mkframe.report.write", None)
    assert main(["report", "--output", str(tmp_path / "out.html")]) == 1
    assert "401" in capsys.readouterr().err


def test_bare_command_shows_the_help(capsys):
    assert main([]) == 0
    assert "exit codes:" in capsys.readouterr().out


@pytest.mark.parametrize("port", ["70000", "-1", "x", "²"])
def test_port_out_of_range_is_a_usage_error(port, capsys):
    with pytest.raises(SystemExit):
        main(["demo", "--port", port])
    assert "a port is a number from 0 to 65535" in capsys.readouterr().err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize(
    ("redirection", "code", "sentence"),
    [
        (">/dev/full", 1, "Standard output cannot be written: No space left"),
        (">&-", 1, "Standard output is closed. Name a file with --output."),
        (">&- 2>&-", 1, ""),
        ("| true", 0, ""),
    ],
)
def test_output_that_cannot_be_written_is_one_sentence(redirection, code, sentence, tmp_path):
    line = f"set -o pipefail; '{sys.executable}' -P -m mkframe openapi {redirection}"
    done = subprocess.run(
        ["/bin/bash", "-c", line],
        env=environment(),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code
    assert done.stderr.count("\n") == bool(sentence)
    assert sentence in done.stderr


def test_folder_that_is_gone_is_one_sentence(tmp_path):
    gone = tmp_path / "gone"
    gone.mkdir()
    line = f"rmdir '{gone}'; exec '{sys.executable}' -P -m mkframe check builds --demo"
    done = subprocess.run(
        ["/bin/sh", "-c", line], env=environment(), cwd=gone, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("mkframe: The current folder no longer exists.")
    assert done.stderr.count("\n") == 1


@pytest.mark.slow
def test_report_goes_through_pipes(saved, tmp_path):
    with Path(saved).open("rb") as source:
        done = subprocess.run(
            [*COMMAND, "report", "--from", "-", "--output", "-"],
            stdin=source, env=environment(), cwd=tmp_path, capture_output=True, text=True, check=False,
        )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("<!DOCTYPE html>")
    assert done.stdout.endswith("</html>\n")
    assert [path.name for path in tmp_path.iterdir()] == [saved]


def processes_with(word):
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if word.encode() in path.read_bytes():
                found.append(int(path.parent.name))
    return found


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="looks for the kernel in /proc")
@pytest.mark.parametrize("seconds", [0.05, 0.3, 0.8, 1.5, 2.5, 3.5, 5.0, 6.5])
def test_interrupted_report_is_silent_and_leaves_nothing(seconds, saved, tmp_path):
    out, scratch = tmp_path / "out.html", tmp_path / "scratch"
    out.write_text("old")
    scratch.mkdir()
    mark = f"mark-{os.getpid()}-{seconds}"
    with subprocess.Popen(
        [*COMMAND, "report", "--from", saved, "--output", str(out)],
        env=environment(TMPDIR=str(scratch), LC_MARK=mark), cwd=tmp_path,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        time.sleep(seconds)
        process.send_signal(signal.SIGINT)
        shown = process.communicate(timeout=60)
    if process.returncode == 0:  # it was faster
        assert out.read_text().endswith("</html>\n")
        return
    deadline = time.monotonic() + 5
    while processes_with(mark) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert processes_with(mark) == []
    if seconds >= 0.3:  # before, Python itself is starting
        # A shell shows 130 for both. Python ends by the signal where Ctrl-C met code that a dataclass wrote.
        assert process.returncode in (130, -signal.SIGINT)
        assert shown == ("", "")
    assert out.read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == [saved, "out.html", "scratch"]
    assert list(scratch.iterdir()) == []
