"""What the documents beside the README say is true."""

import os
import re
from pathlib import Path

import pytest

from mkframe import frames
from mkframe.schema import PATTERN_VIEWS, RESOURCES, VIEWS

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "ARCHITECTURE.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
RESOURCES_PAGE = ROOT / "docs" / "resources.md"
PLACES = [
    (page.name, place)
    for page in PAGES
    for place in sorted(set(re.findall(r"\b(?:mkframe|tests)/[\w/]*(?:\.py)?", page.read_text())))
]


def documented_dtype(field):
    """The dtype on pandas 3; pandas 2.2 has none of its own for text."""
    return "str" if field.type == "str" else frames.dtype_of(field)


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
        columns = ", ".join(f"`{f.name}` {documented_dtype(f)}" for f in known.fields)
        if "find" not in known.verbs:
            columns = f"those of the statement; the answer around them holds {columns}"
        lines.append(
            f"| **{name}**: {verbs} | {filters or '-'} | {columns} | {' '.join(known.notes) or '-'} |"
        )
    lines += ["", "\\* exactly one of these is needed.", ""]
    lines += [
        "| view | rows | columns | to know, and what the reference leaves open |",
        "| --- | --- | --- | --- |",
    ]
    views = {f"@INFORMATION_SCHEMA.{name}": view for name, view in VIEWS.items()}
    views |= {f"@{name}.<pattern>": view for name, view in PATTERN_VIEWS.items()}
    for name, view in views.items():
        columns = ", ".join(f"`{f.name}` {documented_dtype(f)}" for f in view.fields)
        lines.append(f"| `{name}` | {view.doc} | {columns} | {' '.join(view.notes) or '-'} |")
    return "\n".join(lines)


def test_resources_page_is_that_of_the_schema():
    text = RESOURCES_PAGE.read_text()
    before, rest = text.split("<!-- schema -->\n")
    shown, after = rest.split("<!-- /schema -->")
    if os.environ.get("UPDATE"):
        RESOURCES_PAGE.write_text(f"{before}<!-- schema -->\n{schema_table()}\n<!-- /schema -->{after}")
    else:
        assert shown.strip() == schema_table()


@pytest.mark.parametrize(("page", "place"), PLACES)
def test_place_that_a_page_names_is_there(page, place):
    assert (ROOT / place).exists()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_link_of_a_page_leads_somewhere(page):
    for place in re.findall(r"\]\((?!http)([^)#]+)\)", page.read_text()):
        assert (page.parent / place).exists(), place
