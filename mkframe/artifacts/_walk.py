"""Folders of any depth, listed without recursion."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from mkframe.errors import InputError

__all__ = ["walk_files"]


def walk_files(folder: Path) -> Iterator[os.DirEntry[str]]:
    """Give all below a folder that is not a folder itself; no link is followed.

    Path.rglob does not, but calls itself for each level, and passes over folders that cannot be read.

    Raises
    ------
    InputError
        If a folder cannot be read.
    """
    waiting: list[str | Path] = [folder]
    while waiting:
        path = waiting.pop()
        try:
            with os.scandir(path) as found:
                for entry in found:
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                    else:
                        yield entry
        except OSError as error:
            raise InputError(
                f"The folder {str(path)[:300]!r} cannot be read: {error.strerror or error}.",
                hint="May you read it, and is its path not too long?",
            ) from error
