"""The row factory, as a fixture: test folders are no packages and import nothing from each other."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import matplotlib
import pytest
from matplotlib import pyplot as plt

matplotlib.use("agg")


@pytest.fixture(scope="session")
def factory() -> ModuleType:
    path = Path(__file__).parents[1] / "metrics" / "factory.py"
    spec = importlib.util.spec_from_file_location("mkframe_tests_factory", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(autouse=True)
def figures() -> Iterator[None]:
    """Draw without a screen, and let no test leave a figure open or a setting changed."""
    before = dict(matplotlib.rcParams)
    yield
    plt.close("all")
    assert dict(matplotlib.rcParams) == before
