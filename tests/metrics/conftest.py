from __future__ import annotations

from types import ModuleType

import pytest

from tests.support import build_frames


@pytest.fixture(scope="session")
def factory() -> ModuleType:
    """The builders of frames."""
    return build_frames
