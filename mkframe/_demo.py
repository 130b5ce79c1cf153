"""`mk.demo()`: the embedded server and a client of it, in one call."""

from __future__ import annotations

import weakref
from typing import Any

from mkframe.client import Client, connect
from mkframe.demo_server import Server

__all__ = ["demo"]


def demo(builds: int = 2000, **options: Any) -> Client:
    """Start the embedded MetaKraftwerk and connect to it; no account is needed.

    It is an imitation, made from the vendor's reference, with a made-up history of two years. It
    listens on a free port that only this machine reaches and ends with `Client.close`, or with Python.

    Parameters
    ----------
    builds : int, default 2000
        How many builds its history holds.
    **options
        Further options of `mkframe.demo_server.Server`, such as ``seed``.

    Returns
    -------
    Client

    Raises
    ------
    InputError
        If an option is unfit, such as a host that others could reach; nothing listens then.

    Examples
    --------
    >>> with demo(builds=50) as client:
    ...     len(client.builds.find())
    50
    """
    server = Server(builds, **options)
    try:
        server.start()
        client = connect(server.url, email=server.email, password=server.password)
    except BaseException:  # such as Ctrl-C: nobody could end it later
        server.close()
        raise
    stop = weakref.finalize(client._transport, server.close)  # which outlives a client whose accessor is kept
    client._on_close = stop
    return client
