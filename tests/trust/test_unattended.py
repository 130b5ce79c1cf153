"""Reports and servers that run while nobody looks: how they end when something goes wrong."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

import mkframe as mk
from mkframe import report
from mkframe._files import atomic_write
from mkframe.errors import InputError, ReportError
from mkframe.report import _notebook, notebook_path

pytestmark = pytest.mark.slow

HERE = Path(mk.__file__).parents[1]
COMMAND = [sys.executable, "-m", "mkframe"]


def ran(*sources):
    """A notebook of these cells, run as a report is."""
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    return _notebook.run(nbformat.v4.new_notebook(cells=cells), None)


def test_notebook_whose_python_ends_is_told():
    with pytest.raises(ReportError, match="ended before the report was done") as caught:
        ran("import os; os._exit(3)")
    assert caught.value.hint == "Check that there is enough memory."


def test_notebook_that_fails_is_told_with_its_error():
    with pytest.raises(ReportError, match="failed with ZeroDivisionError: division by zero"):
        ran("1 / 0")


def test_report_without_its_extra_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"needs ipykernel, nbclient, nbconvert.*mkframe\[report\]"):
        report.write(tmp_path / "out.html", {})
    assert list(tmp_path.iterdir()) == []


def test_unknown_notebook_is_told():
    with pytest.raises(
        InputError,
        match=r"no notebook 'nightly'.*build_history, monday, release_activity or release_readiness",
    ):
        notebook_path("nightly")


@pytest.mark.parametrize("step", ["os.fsync", "os.replace"])
def test_report_that_cannot_be_written_leaves_the_old_one_and_nothing_else(step, monkeypatch, tmp_path):
    (tmp_path / "out.html").write_text("yesterday's")

    def full_disk(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(step, full_disk)
    with pytest.raises(InputError, match="cannot be written: No space left on device"):
        atomic_write(tmp_path / "out.html", lambda file: file.write(b"today's"), "Free some space.")
    monkeypatch.undo()
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("out.html", "yesterday's")]


@contextlib.contextmanager
def started(*arguments):
    with subprocess.Popen(
        [*COMMAND, *arguments], cwd=HERE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT for one process there")
def test_embedded_server_ends_with_ctrl_c_and_without_a_traceback():
    with started("demo", "--builds", "20") as process:
        notice = [process.stdout.readline() for _ in range(5)]
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert notice[2].startswith("export MKFRAME_URL=http://127.0.0.1:")
    assert process.returncode == 130
    assert "Traceback" not in errors


def test_reader_that_has_enough_is_no_error():
    with started("openapi") as process:
        assert process.stdout.readline() == "{\n"
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait(60) == 0


def test_document_is_written_to_a_file(tmp_path):
    done = subprocess.run(
        [*COMMAND, "openapi", "--output", str(tmp_path / "api.json")],
        cwd=HERE, capture_output=True, text=True, check=True, env={**os.environ, "HOME": str(tmp_path)},
    )  # fmt: skip
    assert "api.json is written" in done.stdout
    assert json.loads((tmp_path / "api.json").read_text())["openapi"] == "3.1.0"
