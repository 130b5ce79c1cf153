"""`mk.demo()`: start the embedded server and connect a client to it."""

from __future__ import annotations

import weakref
from typing import Any

from mkframe import settings
from mkframe._http import Transport
from mkframe.client import Client
from mkframe.demo_server import Server

__all__ = ["demo"]


def demo(builds: int = 2000, **options: Any) -> Client:
    """Start the embedded MetaKraftwerk and connect to it; no account is needed.

    The server imitates the vendor's reference, with a generated history of two years. It listens on a
    free port of the loopback address, and stops with `Client.close` or with Python.

    The history ends at the present minute, since last week, ages and running builds are counted from now: in
    a history that had ended long ago, last week would be empty and a build would run for months. So other
    days have other numbers. Give `at` where they must not, and the same moment as `now` to functions that
    take it, such as `mk.metrics.eta`.

    Parameters
    ----------
    builds : int, default 2000
        Number of builds in its history.
    **options
        Further options of `mkframe.demo_server.Server`, such as ``seed``, or ``at="2026-06-17T09:30Z"``,
        with which the answers are the same on every day.

    Returns
    -------
    Client

    Raises
    ------
    InputError
        If an option is invalid, such as a host that others could reach; nothing listens then.

    Examples
    --------
    >>> with demo(builds=50) as client:
    ...     len(client.builds.find())
    50

    A history that is the same on every day:

    >>> with demo(builds=50, at="2026-06-17T09:30Z") as client:
    ...     str(client.builds.find()["build_start"].max())
    '2026-06-17 09:29:20+00:00'
    """
    server = Server(builds, **options)
    try:
        server.start()
        transport = Transport(settings.load(url=server.url, email=server.email, password=server.password))
        # accessors keep the transport alive, not the client: the server must run as long as one of them
        return Client(transport, on_close=weakref.finalize(transport, server.close))
    except BaseException:  # also Ctrl-C: nobody could stop the server later
        server.close()
        raise
