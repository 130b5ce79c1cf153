"""How much is tried: a little, and always the same; or FUZZ times as much, anew in each run."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, Phase, settings

from mkframe.errors import MkframeError

MANY = int(os.environ.get("FUZZ", 0))


def amount(few: int) -> Any:
    """Settings for a test that tries `few` inputs, or FUZZ times `few`."""
    return settings(
        max_examples=few * (MANY or 1),
        derandomize=not MANY,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink],
    )


def attempt(function: Callable[..., Any], *given: Any, **options: Any) -> Any:
    """What a function returns, or the error of mkframe's that it raises, which must be short and help."""
    try:
        return function(*given, **options)
    except MkframeError as error:
        caught = error
    assert 10 < len(str(caught)) < 1500
    assert caught.hint
    return caught
