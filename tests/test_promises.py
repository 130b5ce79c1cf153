"""What SECURITY.md promises is held by tests that are there, and the tests are as strict as they say."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "SECURITY.md").read_text()
PROMISED = PAGE.split("## Promised")[1].split("## Not promised")[0]
PROMISES = [
    line.split("|")[1:3] for line in PROMISED.splitlines() if line.startswith("| ") and "---" not in line
][1:]
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)`", PAGE)))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


@pytest.mark.parametrize(("promise", "held_by"), PROMISES)
def test_promise_names_its_tests(promise, held_by):
    assert promise.strip().endswith(".")
    assert re.findall(r"`(tests/[\w/]+\.py)`", held_by)


@pytest.mark.parametrize("path", NAMED)
def test_tests_of_a_promise_are_there(path):
    text = (ROOT / path).read_text()
    several = re.findall(r"^\s*@pytest\.mark\.parametrize", text, re.M)  # each makes a test several ones
    assert len(re.findall(r"^\s*def test_", text, re.M)) + len(several) >= 5


def test_page_is_a_page():
    assert len(PROMISES) >= 10
    assert len(PAGE.split()) < 800
    assert "@" not in PAGE


def test_readme_leads_to_the_page():
    assert "](SECURITY.md)" in (ROOT / "README.md").read_text()


def test_short_secret_is_told_to_be_an_exception():
    assert "fewer than four characters" in PAGE


# --- how strict the tests are -------------------------------------------------------------------------

UNNOTICED = {
    "a warning": "import warnings; warnings.warn('old')",
    "a warning in a thread": "run(lambda: warnings.warn('old'))",
    "an error in a thread": "run(lambda: 1 / 0)",
    "an error that nobody can catch": "Broken()",
    "a file that is left open": "open(__file__).read()",
}


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory):
    """Which of the tests that do something unnoticed fail under our settings; one run for all."""
    folder = tmp_path_factory.mktemp("strict")
    tests = [f"def test_{n}():\n    {line}\n    gc.collect()\n" for n, line in enumerate(UNNOTICED.values())]
    head = (
        "import gc, threading, warnings\n\n"
        "class Broken:\n    def __del__(self): raise RuntimeError\n\n"
        "def run(act):\n    thread = threading.Thread(target=act)\n    thread.start()\n    thread.join()\n\n"
    )
    (folder / "test_unnoticed.py").write_text(head + "\n".join([*tests, "def test_fine():\n    assert gc\n"]))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-c", str(ROOT / "pyproject.toml"), "--rootdir", str(folder), "-rA",
         "-q", "-p", "no:cacheprovider", str(folder)],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    verdicts = re.findall(r"^(PASSED|FAILED) \S*::(\w+)", done.stdout, re.M)
    return {name: verdict for verdict, name in verdicts}


@pytest.mark.parametrize("number", range(len(UNNOTICED)), ids=UNNOTICED)
def test_nothing_goes_unnoticed(number, verdicts):
    assert verdicts["test_fine"] == "PASSED"
    assert verdicts[f"test_{number}"] == "FAILED"


def test_coverage_leaves_nothing_out():
    settings = PROJECT["tool"]["coverage"]
    assert settings["run"]["branch"]
    assert not [
        key for part in settings.values() for key in part if key in ("omit", "exclude_lines", "exclude_also")
    ]
    sources = [path.read_text() for path in (ROOT / "mkframe").rglob("*.py")]
    assert not [text for text in sources if re.search(r"pragma:\s*no (cover|branch)", text)]


def test_contributing_states_the_floor_of_the_coverage():
    floor = PROJECT["tool"]["coverage"]["report"]["fail_under"]
    assert f"at least {floor} %" in (ROOT / "CONTRIBUTING.md").read_text()


def test_types_are_strict():
    assert PROJECT["tool"]["mypy"]["strict"] is True
    first, *others = PROJECT["tool"]["pytest"]["ini_options"]["filterwarnings"]
    assert first == "error"
    # matplotlib 3.10.0, the lowest version, calls names that a later pyparsing deprecates
    assert others == ["ignore:'.*' deprecated - use:DeprecationWarning"]
