"""HTTP with the server: the only package that sends requests."""

from mkframe._http.conditional import ChangedAnswer, Validators
from mkframe._http.session import Transport
from mkframe._http.stream import Stream
from mkframe._http.timeouts import CancelScope

__all__ = ["CancelScope", "ChangedAnswer", "Stream", "Transport", "Validators"]


def __dir__() -> list[str]:
    return sorted(__all__)
