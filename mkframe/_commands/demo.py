"""``mkframe demo``: run the embedded server."""

from __future__ import annotations

import argparse
import sys
import time

from mkframe._commands._output import say

__all__ = ["add"]

_MAX_PORT = 65_535


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    demo = commands.add_parser(
        "demo", help="run the embedded server", description="Run the embedded server until Ctrl-C."
    )
    demo.add_argument("--builds", type=int, default=2000, help="builds in its history (%(default)s)")
    demo.add_argument("--port", type=_port, default=0, help="port, 0 to 65535; a free one by default")
    demo.add_argument("--seed", type=int, default=7, help="seed of the made-up history (%(default)s)")
    demo.add_argument(
        "--at", help="when the history ends, such as 2026-06-17T09:30Z; it is frozen then (default: now)"
    )
    demo.set_defaults(run=_demo)


def _port(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and int(text) <= _MAX_PORT):
        raise argparse.ArgumentTypeError(f"a port is a number from 0 to {_MAX_PORT}, not {text!r}")
    return int(text)


def _demo(options: argparse.Namespace) -> None:
    from mkframe.demo_server import Server

    with Server(options.builds, port=options.port, seed=options.seed, at=options.at) as server:
        say(
            f"An embedded MetaKraftwerk with {options.builds:,} builds listens. To use it elsewhere:\n\n"
            f"{_assignment('MKFRAME_URL', server.url)}\n"
            f"{_assignment('MKFRAME_EMAIL', server.email)}\n"
            f"{_assignment('MKFRAME_PASSWORD', server.password)}\n\n"
            "Ctrl-C ends it."
        )
        while True:
            time.sleep(3600)  # unlike a wait without end, Ctrl-C ends it on Windows too


def _assignment(name: str, value: str) -> str:
    """Return the shell command of this system that sets a variable."""
    return f'$env:{name} = "{value}"' if sys.platform == "win32" else f"export {name}={value}"
