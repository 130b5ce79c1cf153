"""Write results of benchmarks into docs/benchmarks.md, between marks of their own."""

from __future__ import annotations

import argparse
import datetime as dt
import importlib.metadata
import importlib.util
import os
import platform
from collections.abc import Iterable
from pathlib import Path

__all__ = ["add_write", "asked", "circumstances", "publish"]

PAGE = Path(__file__).resolve().parents[2] / "docs" / "benchmarks.md"


def add_write(parser: argparse.ArgumentParser) -> None:
    """Let a benchmark be told to write its results."""
    parser.add_argument("--write", action="store_true", help="write the results into docs/benchmarks.md")


def asked(doc: str, rounds: int) -> argparse.Namespace:
    """What the command line of a benchmark asks for: how many builds, in how many rounds, and to write."""
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    parser.add_argument("--builds", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=rounds)
    add_write(parser)
    return parser.parse_args()


def circumstances(*packages: str) -> str:
    """The day, the machine and the versions of what took part."""
    there = [p for p in packages if importlib.util.find_spec(p)]
    named = ", ".join(f"{p} {importlib.metadata.version(p)}" for p in there)
    system = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    return f"{dt.datetime.now(dt.UTC):%Y-%m-%d}, {system}, Python {platform.python_version()}, {named}."


def publish(name: str, lines: Iterable[str], write: bool, page: Path = PAGE) -> None:
    """Print the results, and put them between the marks ``<!-- name -->`` of the page where asked."""
    text = "\n".join(lines)
    print(text)
    if write:
        before, _, rest = page.read_text(encoding="utf-8").partition(f"<!-- {name} -->\n")
        _, mark, after = rest.partition(f"<!-- /{name} -->")
        if not mark:
            raise SystemExit(f"{page} has no marks for {name!r}.")
        page.write_text(f"{before}<!-- {name} -->\n{text}\n{mark}{after}", encoding="utf-8")
