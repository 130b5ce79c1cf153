"""A module imports lower layers only, and `import mkframe` loads nothing heavy."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import mkframe

PACKAGE = Path(mkframe.__file__).parent

LAYERS = {
    "errors": 0,
    "_folders": 0,
    "schema": 1,
    "_text": 1,
    "settings": 2,
    "_validation": 2,
    "_clock": 2,
    "_files": 1,
    "_kernel": 1,
    "_bars": 0,
    "_pandas": 1,
    "_days": 1,
    "limits": 1,
    "openapi": 2,
    "_page": 2,
    "_version": 0,
    "_http": 3,
    "frames": 3,
    "artifacts": 4,
    "exports": 4,
    "metrics": 4,
    "builds": 4,
    "client": 5,
    "charts": 5,
    "releases": 5,
    "demo_server": 5,
    "history": 5,
    "scale": 5,
    "_demo": 6,
    "forms": 7,
    "report": 7,
    "_commands": 8,
    "__main__": 9,
    "__init__": 10,
}
NOT_FOR = {
    "releases": {"_http", "frames", "settings", "builds"},
    "charts": {"_http", "frames", "settings", "artifacts", "builds"},
    "metrics": {"_http", "settings", "frames"},
    "demo_server": set(LAYERS) - {"schema", "errors", "_text"},
    "frames": {"settings"},
    "forms": {"settings", "_http", "demo_server"},
}
"""What a package must not import although it is in a lower layer."""


def package_of(path):
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def imported_packages(path):
    """Packages that a module imports, at its top or inside its functions, and the root as ``__init__``."""
    here = ("mkframe", *path.relative_to(PACKAGE).parent.parts)
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.ImportFrom):
            start = ".".join(here[: len(here) - node.level + 1]) if node.level else ""
            module = ".".join(part for part in (start, node.module) if part)
            names = [f"{module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        for name in names:
            parts = name.split(".")
            if parts[0] == "mkframe":
                yield parts[1] if len(parts) > 1 and parts[1] in LAYERS else "__init__"


MODULES = sorted(p for p in PACKAGE.rglob("*.py") if p.name != "__init__.py" or p.parent != PACKAGE)


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_module_imports_only_lower_layers(path):
    package = package_of(path)
    assert package in LAYERS, f"{package} has no layer"
    for other in set(imported_packages(path)) - {package}:
        assert LAYERS[other] < LAYERS[package], f"{package} may not import {other}"
        assert other not in NOT_FOR.get(package, ()), f"{package} may not import {other}"


@pytest.mark.parametrize(
    "line", ["import mkframe", "import mkframe as mk", "from mkframe import demo", "from .. import demo"]
)
def test_import_of_the_root_counts(line, monkeypatch, tmp_path):
    monkeypatch.setattr(sys.modules[__name__], "PACKAGE", tmp_path)
    (tmp_path / "metrics").mkdir()
    path = tmp_path / "metrics" / "_made_up.py"
    path.write_text(f"def late():\n    {line}\n")
    assert list(imported_packages(path)) == ["__init__"]


MODELS = [path for path in MODULES if path.parent == PACKAGE / "forms" / "models"]


@pytest.mark.parametrize("path", MODELS, ids=lambda p: p.name)
def test_model_of_a_form_knows_no_widgets(path):
    allowed = {"errors", "schema", "limits", "_files", "_folders", "_pandas", "builds", "metrics", "forms"}
    assert set(imported_packages(path)) <= allowed
    assert "ipywidgets" not in path.read_text()


def test_import_loads_nothing_heavy():
    heavy = "{'pandas', 'numpy', 'requests', 'matplotlib', 'ipywidgets', 'msgspec', 'uvicorn'}"
    code = f"import sys, mkframe; print(sorted({heavy} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


@pytest.mark.parametrize("name", mkframe.__all__)
def test_public_name_is_importable(name):
    assert getattr(mkframe, name) is not None


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'bulids'"):
        mkframe.bulids  # noqa: B018
