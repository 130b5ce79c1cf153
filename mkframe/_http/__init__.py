"""The only room that sends."""

from mkframe._http.session import Transport

__all__ = ["Transport"]
