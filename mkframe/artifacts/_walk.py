"""List folders of any depth without recursion."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from mkframe.errors import InputError

__all__ = ["walk_files"]


def walk_files(folder: Path) -> Iterator[os.DirEntry[str]]:
    """Yield every entry below a folder that is not a folder itself; follow no link.

    Path.rglob recurses for each level and skips folders that cannot be read.

    Raises
    ------
    InputError
        If a folder cannot be read.
    """
    pending: list[str | Path] = [folder]
    while pending:
        path = pending.pop()
        try:
            with os.scandir(path) as found:
                for entry in found:
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(entry.path)
                    else:
                        yield entry
        except OSError as error:
            raise InputError(
                f"The folder {str(path)[:300]!r} cannot be read: {error.strerror or error}.",
                hint="Check its permissions and the length of its path.",
            ) from error
