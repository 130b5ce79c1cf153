"""`mkframe report --period`: the page of a week from the command line."""

import pytest

from mkframe.__main__ import main
from tests.support.rows import body, row


@pytest.fixture
def saved(tmp_path, monkeypatch):
    """Two builds a day from 6 to 17 July 2026; those of the last day failed."""
    monkeypatch.chdir(tmp_path)
    builds = []
    for number, day in enumerate(sorted([*range(6, 11), *range(13, 18)] * 2), 1):
        start, status = f"2026-07-{day:02d}T08:00:00Z", "FAILED" if day == 17 else "FINISHED"
        times = {"build_start": start, "build_end": start.replace(":00:00Z", f":{10 + number}:00Z")}
        builds.append(
            row("builds", number, status=status, project_id=402, patterns=[801], message="disk full", **times)
        )
    (tmp_path / "builds.json").write_bytes(body(builds))
    return tmp_path


def week(*options):
    return main(["report", "--from", "builds.json", "--period", "2026-07-15", *options])


def test_page_is_written_as_html_and_workbook(saved, capsys):
    pytest.importorskip("openpyxl")
    assert week("--xlsx", "week.xlsx") == 0
    assert "monday.html is written" in capsys.readouterr().out
    page = (saved / "monday.html").read_text()
    assert "<title>Project 402, 13 to 19 July 2026</title>" in page
    assert "1 pattern set is broken: 801 (since 17 July, 2 failed builds, the first 19)." in page
    assert (saved / "week.xlsx").stat().st_size > 1000


def test_text_is_printed_or_written(saved, capsys):
    assert week("--text") == 0
    printed = capsys.readouterr().out
    assert printed.startswith("Project 402, 13 to 19 July 2026\n===")
    assert not (saved / "monday.html").exists()
    assert week("--text", "--output", "week.txt") == 0
    assert (saved / "week.txt").read_text() == printed


def test_only_changes_leave_out_the_rest(saved, capsys):
    assert week("--text", "--only-changes") == 0
    printed = capsys.readouterr().out
    assert "* Broken [wrong]: " in printed
    assert "* Running" not in printed


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--period", "last-month"], "The period 'last-month' is not known"),
        (["--period", "2026-07-15", "--xlsx", "week.csv"], "'week.csv' is no workbook"),
        (["--period", "2026-07-15", "--project", "403"], "has no build of project 403"),
        (["--period", "2026-07-15", "--output", "missing/week.html"], "There is no folder"),
        (["--period", "2026-07-15", "--tz", "Mars"], "Mars"),
    ],
)
def test_value_that_cannot_be_is_a_sentence(options, sentence, saved, capsys):
    assert main(["report", "--from", "builds.json", *options]) == 1
    assert sentence in capsys.readouterr().err
    assert [path.name for path in saved.iterdir()] == ["builds.json"]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--text"], "--text belongs to the page of a week"),
        (["--only-changes"], "--only-changes belongs to the page of a week"),
        (["--period", "last-week", "--every", "W"], "--every does not go with --period"),
        (["--period", "last-week", "--release", "R7"], "--release does not go with --period"),
        (["--period", "last-week", "--history", "h.duckdb"], "--history: not allowed with argument --from"),
        (["--as-of", "2026-07-15"], "--as-of needs --history"),
        (["--group", "G"], "--group and --label belong to --release"),
    ],
)
def test_options_that_do_not_fit_are_a_usage_error(options, sentence, saved, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["report", "--from", "builds.json", *options])
    assert stopped.value.code == 2
    assert sentence in capsys.readouterr().err
    assert [path.name for path in saved.iterdir()] == ["builds.json"]
