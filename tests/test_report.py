"""Reports: every figure right, one self-contained file, or a sentence."""

import html
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

import mkframe
from mkframe import _kernel, _page, read_json, report
from mkframe.__main__ import main
from mkframe.errors import InputError, NotFoundError
from mkframe.report import _notebook
from tests.support import html_checks
from tests.support.owners import plant
from tests.support.rows import body, row

pytestmark = pytest.mark.slow

DAY = "2026-03-{:02d}T0{}:00:00.000Z"


@pytest.fixture(scope="module")
def demo_page(tmp_path_factory):
    out = tmp_path_factory.mktemp("demo") / "out.html"
    return report.write(out, {"source": "demo", "tz": "Europe/Vienna"}).read_text()


def test_made_up_history_is_called_so(demo_page):
    words = plain(demo_page[: demo_page.index("<img")])
    assert "Made-up history: nothing of this happened" in words
    assert "Build history of DEMO_PROJECT" in words
    assert "Source the embedded server" in " ".join(words.split())
    assert html_checks.faults(demo_page) == []


def history():
    """Twelve builds: six finished, three failed, two canceled, one running."""
    words = ["FINISHED"] * 6 + ["FAILED"] * 3 + ["CANCELED"] * 2 + ["BUILDING"]
    return [
        row(
            "builds",
            number,
            project_id=402,
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


def test_page_says_whose_days_and_verdict_before_any_chart(page):
    words = plain(page[0][: page[0].index("<img")])
    title = re.search("<title>(.*)</title>", page[0])[1]
    assert title == "Build history of project 402, 1 March 2026 to 12 March 2026, 12 days"
    assert "saved answer builds.json" in words
    verdict = "No build has started since 12 March 2026, "
    assert words.index(verdict) < words.index("As of that day: 3 pattern sets are broken; ")
    assert "3 pattern sets have failed and not finished since: 809 + 810 (since 9 March, build 9); " in words


@pytest.mark.parametrize("where", ["title", "project", "source", "url"])
def test_words_of_the_head_are_escaped(where):
    text = "<script>alert(1)<script>\u202e"
    builds = read_json(body(history()))
    builds.attrs["url"] = text if where == "url" else "https://host/api/v1"
    given = {name: text for name in ("project", "source") if name == where}
    made = report.head(text if where == "title" else "Builds", builds, **given)
    page = _page.page(made.facts["title"], made.html)
    assert html_checks.faults(page) == []
    assert "<script" not in page
    assert "alert(1)" in page


def test_chart_has_its_title_and_caption_as_text(page):
    alts = [html.unescape(alt) for alt in re.findall('<img [^>]*alt="([^"]*)"', page[0])]
    assert len(alts) == page[0].count("<img ") >= 8
    assert all(re.fullmatch(r"[A-Z].*[a-z]\. .*\.", alt) for alt in alts)
    assert "Failure rate per week. 33.3 % of all: 3 failed of 9 finished + failed" in alts[0]
    assert len(set(alts)) == len(alts)


def test_page_names_no_column_of_the_schema(page):
    assert not re.search("[a-z]+_[a-z]+", plain(re.sub("<style>.*?</style>", "", page[0], flags=re.S)))


def test_chart_without_data_is_a_sentence(tmp_path):
    failed = [build for build in history() if build["status"] == "FAILED"]
    (tmp_path / "failed.json").write_bytes(body(failed))
    report.write(tmp_path / "out.html", {"project": None, "source": str(tmp_path / "failed.json")})
    page = (tmp_path / "out.html").read_text()
    assert "How long finished builds take. There are no finished builds to measure." in plain(page)
    assert page.count("<img ") == 6


def test_page_is_self_contained_without_code(page):
    text = page[0]
    assert text.count("data:image/png;base64,") >= 8
    assert not re.search(r"(src|href)=[\"']?https?:", text)
    assert "<script" not in text
    assert "read_json" not in text


def test_progress_counts_every_cell(page):
    done, total = page[1][-1]
    assert done == total
    assert [d for d, _ in page[1]] == sorted(d for d, _ in page[1])


def test_warning_is_a_note_at_the_end_and_not_a_path(tmp_path):
    (tmp_path / "builds.json").write_bytes(body([*history(), row("builds", 99, user_id=None, patterns=None)]))
    report.write(tmp_path / "out.html", {"project": None, "source": str(tmp_path / "builds.json")})
    page = (tmp_path / "out.html").read_text()
    assert "Column 'user_id' was expected without nulls, but 1 of 13 rows are" in plain(page)
    assert "SchemaWarning" not in page
    assert ".py" not in page


def test_path_with_a_space_is_not_in_notes(monkeypatch, tmp_path):
    (tmp_path / "Anna Maria").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "Anna Maria"))
    test_warning_is_a_note_at_the_end_and_not_a_path(tmp_path)


@pytest.fixture(scope="module")
def odd_page(tmp_path_factory):
    """A history of ten millennia, with very long and unusual texts."""
    hostile = "</script><script>alert(1)</script>\x1b[31m\u202e\x00$\\frac{a}$\n"
    first = {"build_start": "0001-01-01T00:00:00.000Z", "build_end": "9999-12-31T23:59:59.999Z"}
    last = {"build_start": "9999-12-31T23:59:59.999Z", "build_end": None}
    builds = [
        *history(),
        row("builds", 21, status="x" * 10**6, **first),
        row("builds", 22, status=hostile, message="y" * 10**6, **{hostile[:9]: hostile}, **last),
        row("builds", 22, build_start=None, build_end=None, customer_id=None),
    ]
    folder = tmp_path_factory.mktemp("odd")
    (folder / "builds.json").write_bytes(body(builds))
    parameters = {"project": None, "source": str(folder / "builds.json"), "tz": "Europe/Vienna"}
    return report.write(folder / "out.html", parameters).read_text()


def test_history_of_millennia_gives_a_report(odd_page):
    assert re.search(r"14 builds, 1\d of them started from \d+ \w+ 20\d\d to \d+ \w+ 20\d\d", plain(odd_page))
    assert "1 build with an impossible date (21 on 1 January 0001" in plain(odd_page)
    assert odd_page.count("data:image/png;base64,") + odd_page.count('mk-nothing">') == 8


@pytest.mark.parametrize("name", ["page", "odd_page"])
def test_page_is_whole_and_nothing_in_it_is_unescaped(name, request):
    made = request.getfixturevalue(name)
    assert html_checks.faults(made if isinstance(made, str) else made[0]) == []


@pytest.mark.parametrize(
    "fault", ["<script></script>", "<p>", "</b>", "<img src='http://x'>", "<p onclick=x>", "\x1b"]
)
def test_html_check_finds_an_error(fault):
    assert html_checks.faults(f"<main><h1>Builds</h1>{fault}</main>")


def test_no_builds_give_a_page_that_says_so(tmp_path):
    (tmp_path / "none.json").write_bytes(b"[]")
    assert (
        main(["report", "--from", str(tmp_path / "none.json"), "--output", str(tmp_path / "out.html")]) == 0
    )
    page = (tmp_path / "out.html").read_text()
    assert "There are no builds." in page
    assert "<img" not in page
    assert "<h2" not in page
    assert html_checks.faults(page) == []


def test_error_of_the_notebook_is_the_error_of_the_report(tmp_path):
    parameters = {"project": "NO_SUCH_PROJECT", "source": "demo"}
    with pytest.raises(NotFoundError, match="A project with the name 'NO_SUCH_PROJECT' does not exist!"):
        report.write(tmp_path / "out.html", parameters)
    assert list(tmp_path.iterdir()) == []


def test_foreign_link_is_refused_before_the_run(tmp_path, monkeypatch):
    (tmp_path / "precious").write_text("precious")
    plant(monkeypatch, tmp_path / "out.html", tmp_path / "precious")
    monkeypatch.setattr(_notebook, "run", None)
    with pytest.raises(InputError, match="is a link of another user and is not followed"):
        report.write(tmp_path / "out.html", {})
    assert (tmp_path / "precious").read_text() == "precious"


def test_unknown_parameter_is_an_error(tmp_path):
    with pytest.raises(InputError, match=r"no parameter 'zone'.*project, source, every, tz"):
        report.write(tmp_path / "out.html", {"zone": "UTC"})


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--from", "nothing.json"], "There is no file 'nothing.json'"),
        (["--demo", "--output", "no/such/folder/x.html"], "There is no folder"),
        (["--demo", "--output", "."], "is a folder"),
    ],
)
def test_command_line_ends_with_a_sentence(arguments, sentence, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["report", *arguments]) == 1
    assert sentence in capsys.readouterr().err


@pytest.mark.parametrize("name", ["first_look", "start_and_fetch"])
def test_a_notebook_without_parameters_is_no_report(name, tmp_path):
    with pytest.raises(
        InputError, match=r"has no parameters.*build_history, monday, release_activity or release_readiness"
    ):
        report.write(tmp_path / "out.html", {}, notebook=name)


@pytest.mark.parametrize("project", ["DEMO", "²"])
def test_project_of_a_saved_answer_is_a_number(project, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "builds.json").write_bytes(b"[]")
    assert main(["report", "--from", "builds.json", "--project", project]) == 1
    assert f"not by the name {project!r}" in capsys.readouterr().err


def test_project_of_a_saved_answer_is_an_id(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "builds.json").write_bytes(b"[]")
    assert main(["report", "--from", "builds.json", "--project", "DEMO_PROJECT"]) == 1
    assert "--project 402" in capsys.readouterr().err


# --- what the current folder and the environment may do ---------------------------------------------

PLANTED = (
    "pandas.py", "sitecustomize.py", "usercustomize.py", "mkframe.py", "ipykernel_launcher.py",
    "ipykernel.py", "IPython.py", "orjson.py", "json.py", "keyring.py", "matplotlib_inline.py",
    "nbconvert.py", "ipython_config.py", "ipython_kernel_config.py", "jupyter_config.py", "start.py",
    "backend.py", "profile_default/startup/00.py", "home/.ipython/profile_default/startup/00.py",
    "home/.ipython/profile_default/ipython_config.py",
)  # fmt: skip
"""Python files that Python, IPython or Jupyter would run of the current folder or the user's."""
TEMPLATES = ("", "home/.local/share/jupyter/nbconvert/templates")


def plant_programs(folder, evidence):
    """Fill a folder with files that leave a line in `evidence` when they are run."""
    code = f"open({str(evidence)!r}, 'a').write(__file__ + '\\n')\n"
    for name in PLANTED:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(code)
    (folder / "matplotlibrc").write_text("backend: module://backend\n")
    kernels = folder / "home/.local/share/jupyter/kernels/python3"
    kernels.mkdir(parents=True)
    argv = [sys.executable, "-c", code.replace("__file__", "'kernel'")]
    (kernels / "kernel.json").write_text(json.dumps({"argv": argv, "display_name": "", "language": "python"}))
    shell = f"cycler.__init__.__globals__.os.system('echo template >> {evidence}')"
    for place in TEMPLATES:
        for name in ("basic", "base"):
            template = folder / place / name
            template.mkdir(parents=True)
            (template / "index.html.j2").write_text("{{ " + shell + " }}")
            (template / "conf.json").write_text('{"mimetypes": {"text/html": true}}')


def run_in(folder, *arguments, **variables):
    """Run the command as its script does, which has no current folder on its path."""
    env = {"PATH": os.environ["PATH"], "HOME": str(folder / "home"), "JUPYTER_PLATFORM_DIRS": "1"}
    env["PYTHONPATH"] = str(Path(mkframe.__file__).parents[1])
    return subprocess.run(
        [sys.executable, "-P", "-m", "mkframe", *arguments],
        cwd=folder, env=env | variables, capture_output=True, text=True, timeout=110, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("here", ["", "."])
def test_report_runs_no_file_of_the_current_folder(here, tmp_path):
    evidence, folder = tmp_path / "evidence", tmp_path / "folder"
    plant_programs(folder, evidence)
    (folder / "builds.json").write_bytes(body(history()))
    more = {"PYTHONSTARTUP": "start.py", "IPYTHONDIR": here, "JUPYTER_PATH": here, "MPLCONFIGDIR": here}
    done = run_in(
        folder, "report", "--from", "builds.json", "--output", "out.html",
        **{name: word for name, word in more.items() if word},
    )  # fmt: skip
    ran = evidence.read_text() if evidence.exists() else ""
    assert (done.returncode, ran) == (0, ""), done.stderr
    assert "12 builds started" in plain((folder / "out.html").read_text())


def test_module_run_takes_no_pandas_of_the_folder(tmp_path):
    evidence = tmp_path / "evidence"
    for name in ("pandas.py", "json.py", "tenacity.py"):
        (tmp_path / name).write_text(f"open({str(evidence)!r}, 'a').write('ran')")
    env = os.environ | {"PYTHONPATH": str(Path(mkframe.__file__).parents[1])}
    arguments = [sys.executable, "-m", "mkframe", "report", "--from", "none.json"]
    done = subprocess.run(arguments, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert "There is no file 'none.json'" in done.stderr
    assert not evidence.exists()


@pytest.fixture
def asking(monkeypatch, tmp_path):
    """Give the report a notebook that tells what its kernel sees."""
    source = "import os, sys, json, mkframe\n" + (
        "print(json.dumps([dict(os.environ), sys.path, os.listdir(), mkframe.__file__]))"
    )
    parameters = nbformat.v4.new_code_cell('source = "demo"', metadata={"tags": ["parameters"]})
    notebook = nbformat.v4.new_notebook(cells=[parameters, nbformat.v4.new_code_cell(source)])
    nbformat.write(notebook, tmp_path / "asking.ipynb")
    monkeypatch.setattr(_notebook, "notebook_path", lambda _: tmp_path / "asking.ipynb")

    def ask(**parameters):
        page = report.write(tmp_path / "out.html", parameters).read_text()
        return json.loads(plain(re.search("<pre>(.*?)</pre>", page, re.S)[1]))

    return ask


SECRETS = {"AWS_SECRET_ACCESS_KEY": "word", "GITHUB_TOKEN": "word", "PGPASSWORD": "word"}


@pytest.mark.parametrize(("source", "has_token"), [("demo", False), ("server", True), ("x.json", False)])
def test_kernel_gets_the_variables_it_needs(source, has_token, asking, monkeypatch):
    for name, word in SECRETS.items():
        monkeypatch.setenv(name, word)
    monkeypatch.setenv("MKFRAME_TOKEN", "a.b.c")
    monkeypatch.setenv("TZ", "Europe/Vienna")
    seen, _, _, _ = asking(source=source)
    assert ("MKFRAME_TOKEN" in seen, seen["TZ"]) == (has_token, "Europe/Vienna")
    assert not set(SECRETS) & set(seen)


def test_kernel_runs_in_an_empty_folder(asking, monkeypatch, tmp_path):
    (tmp_path / "odd").mkdir()
    monkeypatch.chdir(tmp_path / "odd")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(["", ".", str(tmp_path / "odd"), str(tmp_path)]))
    seen, path, files, imported = asking()
    assert seen["PYTHONPATH"] == str(tmp_path)
    assert not {"", ".", str(tmp_path / "odd"), str(Path(_kernel.__file__).parent)} & set(path)
    assert set(files) <= {"ipython"}
    assert imported == mkframe.__file__


def test_relative_certificates_are_found_elsewhere(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    given = {"REQUESTS_CA_BUNDLE": "ca.pem", "https_proxy": "http://127.0.0.1:1", "SSL_CERT_FILE": ""}
    kept = _kernel.environment(given, Path("x"), server=True)
    assert kept["REQUESTS_CA_BUNDLE"] == str(tmp_path / "ca.pem")
    assert kept["https_proxy"] == given["https_proxy"]
    assert "SSL_CERT_FILE" not in kept


def test_relative_source_is_that_of_the_caller(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "builds.json").write_bytes(body(history()))
    (tmp_path / "none.json").write_bytes(b"[]")
    page = report.write("out.html", {"source": Path("builds.json"), "project": None})
    assert page == tmp_path / "out.html"
    assert "12 builds started" in plain(page.read_text())
    report.write("again.html", {"source": "none.json", "project": None})
    assert "There are no builds." in plain((tmp_path / "again.html").read_text())
