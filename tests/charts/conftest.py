from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from types import ModuleType

import matplotlib
import pytest
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from tests.support import build_frames, every_chart

matplotlib.use("agg")


@pytest.fixture(scope="session")
def factory() -> ModuleType:
    """The builders of frames."""
    return build_frames


@pytest.fixture(scope="session", name="every_chart")
def _every_chart() -> Callable[..., Axes]:
    """Draw a chart of `tests.support.every_chart.CHARTS` by its name, on an Axes."""
    return partial(every_chart.draw, every_chart.load())


@pytest.fixture(autouse=True)
def figures() -> Iterator[None]:
    """Close all figures after a test, and check that it left the settings of matplotlib unchanged."""
    before = dict(matplotlib.rcParams)
    yield
    plt.close("all")
    assert dict(matplotlib.rcParams) == before
