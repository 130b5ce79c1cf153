"""``mkframe openapi``: write the API as an OpenAPI document."""

from __future__ import annotations

import argparse
import json

from mkframe._commands._output import say, write
from mkframe._files import atomic_write, expand_path
from mkframe.schema import BASE_URL

__all__ = ["add"]


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    page = commands.add_parser(
        "openapi",
        help="describe the API as an OpenAPI 3.1 document",
        description="Describe the API, as mkframe knows it, as an OpenAPI 3.1 document in JSON.",
    )
    page.add_argument("--output", metavar="FILE", default="-", help="file to write; - or nothing prints it")
    page.add_argument("--url", default=BASE_URL, help="base URL of the server (%(default)s)")
    page.set_defaults(run=_openapi)


def _openapi(options: argparse.Namespace) -> None:
    from mkframe import openapi

    text = json.dumps(openapi.document(options.url), indent=2) + "\n"
    if options.output == "-":
        write(text)
        return
    path = expand_path(options.output)
    atomic_write(path, lambda file: file.write(text.encode("ascii")), "Name another file with --output.")
    say(f"{path} is written ({len(text) // 1024} kB).")
