"""What the README says is true."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
PYTHON = re.compile(r"```python\n(.*?)```", re.S)
SHELL = re.compile(r"```sh\n(.*?)```", re.S)


@pytest.mark.slow
def test_python_of_the_readme_runs(tmp_path, monkeypatch):
    from matplotlib import pyplot as plt

    monkeypatch.chdir(tmp_path)
    names = {}
    try:
        for block in PYTHON.findall(README.read_text()):
            exec(compile(block, "README.md", "exec"), names)
        assert names["build"]["status"] == "FINISHED"
        assert (names["paths"]["status"] == "fetched").all()
    finally:
        plt.close("all")
        names["client"].close()


def test_ci_runs_the_test_command_of_the_readme():
    commands = [line for block in SHELL.findall(README.read_text()) for line in block.splitlines()]
    wanted = re.search(r"grep -E '([^']+)' README.md", (ROOT / ".ci" / "run").read_text())[1]
    found = [line for line in README.read_text().splitlines() if re.search(wanted, line)]
    assert len(found) == 1
    assert found[0] in commands


@pytest.mark.parametrize("place", re.findall(r"\]\((?!http)([^)]+)\)", README.read_text()))
def test_links_lead_somewhere(place):
    assert (ROOT / place).exists()


def test_length_is_that_of_a_page():
    assert 600 <= len(README.read_text().split()) <= 900
