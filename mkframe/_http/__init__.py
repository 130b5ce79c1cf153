"""HTTP with the server: the only package that sends requests."""

from mkframe._http.conditional import ChangedAnswer, Validators
from mkframe._http.session import Transport

__all__ = ["ChangedAnswer", "Transport", "Validators"]


def __dir__() -> list[str]:
    return sorted(__all__)
