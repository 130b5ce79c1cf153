"""Reports: every figure right, one self-contained file, or a sentence."""

import html
import re

import pytest

from mkframe import report
from mkframe.__main__ import main
from mkframe.errors import InputError, NotFound
from tests.rows import body, row

DAY = "2026-03-{:02d}T0{}:00:00.000Z"


def history():
    """Twelve builds: six finished, three failed, two canceled, one running."""
    words = ["FINISHED"] * 6 + ["FAILED"] * 3 + ["CANCELED"] * 2 + ["BUILDING"]
    return [
        row(
            "builds",
            number,
            status=status,
            build_start=DAY.format(number, 8),
            build_end=None if status == "BUILDING" else DAY.format(number, 9),
            description="<script>alert(1)</script>",
        )
        for number, status in enumerate(words, start=1)
    ]


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    (folder / "builds.json").write_bytes(body(history()))
    seen = []
    parameters = {"project": None, "source": str(folder / "builds.json"), "every": "W", "tz": "UTC"}
    path = report.write(
        folder / "out.html", parameters, progress=lambda done, total: seen.append((done, total))
    )
    return path.read_text(), seen


def plain(page):
    return html.unescape(re.sub(r"<[^>]+>", " ", page))


def test_summary_counts_every_build(page):
    assert "12 builds started from 1 March 2026 to 12 March 2026" in plain(page[0])
    assert "6 finished, 3 failed, 2 canceled" in plain(page[0])


def test_rate_is_of_finished_and_failed(page):
    assert "33.3 % of the 9 builds that finished or failed have failed" in plain(page[0])


def test_page_holds_everything_and_no_code(page):
    text = page[0]
    assert text.count("data:image/png;base64,") >= 8
    assert not re.search(r"(src|href)=[\"']?https?:", text)
    assert "<script" not in text
    assert "read_json" not in text


def test_progress_is_told_to_the_end(page):
    done, total = page[1][-1]
    assert done == total
    assert [d for d, _ in page[1]] == sorted(d for d, _ in page[1])


def test_warning_is_a_note_at_the_end_and_not_a_path(tmp_path):
    (tmp_path / "builds.json").write_bytes(body([*history(), row("builds", 99, user_id=None, patterns=None)]))
    report.write(tmp_path / "out.html", {"project": None, "source": str(tmp_path / "builds.json")})
    page = (tmp_path / "out.html").read_text()
    assert "Column 'user_id' is never null in the reference, but 1 of 13 rows are" in plain(page)
    assert "SchemaWarning" not in page
    assert ".py" not in page


def test_no_builds_give_a_page_that_says_so(tmp_path):
    (tmp_path / "none.json").write_bytes(b"[]")
    assert main(["report", "--from", str(tmp_path / "none.json"), "--out", str(tmp_path / "out.html")]) == 0
    assert "There are no builds." in (tmp_path / "out.html").read_text()


def test_error_of_the_notebook_is_the_error_of_the_report(tmp_path):
    parameters = {"project": "NO_SUCH_PROJECT", "source": "demo"}
    with pytest.raises(NotFound, match="A project with the name 'NO_SUCH_PROJECT' does not exist!"):
        report.write(tmp_path / "out.html", parameters)
    assert list(tmp_path.iterdir()) == []


def test_unknown_parameter_is_told(tmp_path):
    with pytest.raises(InputError, match=r"no parameter 'zone'.*project, source, every, tz"):
        report.write(tmp_path / "out.html", {"zone": "UTC"})


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--from", "nothing.json"], "There is no file 'nothing.json'"),
        (["--demo", "--out", "no/such/folder/x.html"], "There is no folder"),
        (["--demo", "--out", "."], "is a folder"),
    ],
)
def test_command_line_ends_with_a_sentence(arguments, sentence, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["report", *arguments]) == 1
    assert sentence in capsys.readouterr().err


def test_project_of_a_saved_answer_is_an_id(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "builds.json").write_bytes(b"[]")
    assert main(["report", "--from", "builds.json", "--project", "DEMO_PROJECT"]) == 1
    assert "--project 402" in capsys.readouterr().err
