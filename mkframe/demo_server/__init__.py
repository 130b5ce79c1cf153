"""The embedded MetaKraftwerk: real HTTP on a loopback port, for whoever has no account, and for tests.

It is built from the schema and a seeded story and shares nothing else with the client: what it answers is
the reference, and where the reference is silent, the docstrings of its modules say "open in the
reference; here: ...". Nothing it does is evidence of what the real service does.
"""

from mkframe.demo_server.server import Login, Server

__all__ = ["Login", "Server"]
