"""HTTP with the server: the only package that sends requests."""

from mkframe._http.session import Transport

__all__ = ["Transport"]
