"""Short tracebacks: the caller's line and one of mkframe."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from types import FunctionType
from typing import ParamSpec, TypeVar

from mkframe._http.errors import strip_tracebacks
from mkframe.errors import MkframeError

__all__ = ["shorten_tracebacks"]

P = ParamSpec("P")
R = TypeVar("R")
C = TypeVar("C", bound=type)


def shorten_tracebacks(kind: C) -> C:
    """Let the public methods of a class raise mkframe's errors without the frames beneath them.

    The sentence of the error says what happened. Twenty frames of ours and of the retry library would hide
    it in a notebook. Other exceptions keep their frames.
    """
    for name, method in list(vars(kind).items()):
        if isinstance(method, FunctionType) and not name.startswith("_"):
            setattr(kind, name, _shorten(method))
    return kind


def _shorten(call: Callable[P, R]) -> Callable[P, R]:
    @functools.wraps(call)
    def without_inner_frames(*args: P.args, **kwargs: P.kwargs) -> R:
        handled = sys.exception()
        try:
            return call(*args, **kwargs)
        except MkframeError as error:
            raise strip_tracebacks(error, handled)  # noqa: B904 - it keeps its own cause

    return without_inner_frames
