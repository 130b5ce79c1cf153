"""The embedded MetaKraftwerk: real HTTP on a loopback port, for use without an account, and for tests.

It is made from the schema and a history that a seed generates, and shares nothing else with the client. It
answers as the reference says; where the reference says nothing, the docstrings of its modules say "open in
the reference; here: ...". Nothing it does is evidence of what the real service does.
"""

from mkframe.demo_server.server import Login, Server

__all__ = ["Login", "Server"]


def __dir__() -> list[str]:
    return __all__
