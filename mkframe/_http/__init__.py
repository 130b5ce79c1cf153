"""The only room that sends."""

from mkframe.transport.sending import Transport

__all__ = ["Transport"]
