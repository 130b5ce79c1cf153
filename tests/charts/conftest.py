from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType

import matplotlib
import pytest
from matplotlib import pyplot as plt

from tests.support import build_frames

matplotlib.use("agg")


@pytest.fixture(scope="session")
def factory() -> ModuleType:
    """The builders of frames."""
    return build_frames


@pytest.fixture(autouse=True)
def figures() -> Iterator[None]:
    """Close all figures after a test, and check that it left the settings of matplotlib unchanged."""
    before = dict(matplotlib.rcParams)
    yield
    plt.close("all")
    assert dict(matplotlib.rcParams) == before
