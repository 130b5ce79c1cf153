"""A module imports only rooms on lower floors; import of the front door is light."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import mkframe

HOUSE = Path(mkframe.__file__).parent

FLOORS = {
    "errors": 0,
    "_folders": 0,
    "schema": 1,
    "_text": 1,
    "settings": 2,
    "_validation": 2,
    "_files": 1,
    "_kernel": 1,
    "limits": 1,
    "openapi": 2,
    "_version": 0,
    "_http": 3,
    "frames": 3,
    "artifacts": 4,
    "exports": 4,
    "metrics": 4,
    "builds": 4,
    "client": 5,
    "charts": 5,
    "demo_server": 5,
    "_demo": 6,
    "forms": 7,
    "report": 7,
    "__main__": 8,
    "__init__": 9,
}
NOT_FOR = {
    "client": {"metrics"},
    "charts": {"_http", "frames", "settings", "artifacts", "builds"},
    "metrics": {"_http", "settings", "frames"},
    "demo_server": set(FLOORS) - {"schema", "errors", "_text"},
    "frames": {"settings"},
    "forms": {"settings", "_http", "demo_server"},
}
"""What a room must not import although it lies lower."""


def room_of(path):
    return path.relative_to(HOUSE).with_suffix("").parts[0]


def imported_rooms(path):
    """Rooms that a module imports, at its top or inside its functions; type checkers' imports aside."""
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        for name in names:
            parts = name.split(".")
            if parts[0] == "mkframe" and len(parts) > 1:
                yield parts[1]


MODULES = sorted(p for p in HOUSE.rglob("*.py") if p.name != "__init__.py" or p.parent != HOUSE)


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(HOUSE)))
def test_module_imports_only_lower_floors(path):
    room = room_of(path)
    assert room in FLOORS, f"{room} is a room the house does not know"
    for other in set(imported_rooms(path)) - {room}:
        assert FLOORS[other] < FLOORS[room], f"{room} may not import {other}"
        assert other not in NOT_FOR.get(room, ()), f"{room} may not import {other}"


MINDS = [path for path in MODULES if path.parent == HOUSE / "forms" / "models"]


@pytest.mark.parametrize("path", MINDS, ids=lambda p: p.name)
def test_the_mind_of_a_form_has_no_face(path):
    allowed = {"errors", "schema", "_files", "_folders", "builds", "metrics", "forms"}
    assert set(imported_rooms(path)) <= allowed
    assert "ipywidgets" not in path.read_text()


def test_front_door_loads_nothing_heavy():
    heavy = "{'pandas', 'numpy', 'requests', 'matplotlib', 'ipywidgets', 'msgspec', 'uvicorn'}"
    code = f"import sys, mkframe; print(sorted({heavy} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


@pytest.mark.parametrize("name", mkframe.__all__)
def test_every_name_of_the_front_door_opens(name):
    assert getattr(mkframe, name) is not None


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'bulids'"):
        mkframe.bulids  # noqa: B018
