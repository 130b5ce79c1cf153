"""What the README says is true."""

import os
import re
from pathlib import Path

import pytest

from mkframe import frames
from mkframe.schema import RESOURCES

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
PYTHON = re.compile(r"```python\n(.*?)```", re.S)
SHELL = re.compile(r"```sh\n(.*?)```", re.S)


def schema_table():
    """One line a resource: what can be asked, and what comes back."""
    lines = [
        "| resource | ask by | columns | to know, and what the reference leaves open |",
        "| --- | --- | --- | --- |",
    ]
    for name, known in RESOURCES.items():
        verbs = ", ".join(f"`{verb}`" for verb in known.verbs)
        required = {n for group in known.exclusive if group.required for n in group.names}
        filters = ", ".join(f"`{f.name}`{'*' if f.name in required else ''}" for f in known.filters)
        columns = ", ".join(f"`{f.name}` {frames.dtype_of(f)}" for f in known.fields)
        if "find" not in known.verbs:
            columns = f"those of the statement; the answer around them holds {columns}"
        lines.append(
            f"| **{name}**: {verbs} | {filters or '-'} | {columns} | {' '.join(known.notes) or '-'} |"
        )
    return "\n".join([*lines, "", "\\* exactly one of these is needed."])


def test_schema_table_is_that_of_the_schema():
    text = README.read_text()
    before, rest = text.split("<!-- schema -->\n")
    shown, after = rest.split("<!-- /schema -->")
    if os.environ.get("UPDATE"):
        README.write_text(f"{before}<!-- schema -->\n{schema_table()}\n<!-- /schema -->{after}")
    else:
        assert shown.strip() == schema_table()


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


@pytest.mark.parametrize("place", sorted(set(re.findall(r"tests/[\w/]+\.py", README.read_text()))))
def test_scripts_are_there(place):
    assert (ROOT / place).is_file()
