"""Write a page where somebody said, or say why it cannot be."""

from __future__ import annotations

import os
from pathlib import Path

from mkframe._files import atomic_write, check_target, expand_path
from mkframe.errors import InputError

__all__ = ["checked_target", "write_text"]

_HINT_OUT = "Choose another place with --output."


def checked_target(out: str | os.PathLike[str]) -> Path:
    """Give the absolute path of a file that can be written.

    Raises
    ------
    InputError
        If it is a folder, its folder is missing, or it cannot be written.
    """
    target = expand_path(out).absolute()
    if target.is_dir():
        raise InputError(f"{str(target)!r} is a folder.", hint="Name the file, such as build-history.html.")
    if not target.parent.is_dir():
        raise InputError(f"There is no folder {str(target.parent)!r}.", hint="Create it, or name another.")
    check_target(target, _HINT_OUT)
    return target


def write_text(out: str | os.PathLike[str], text: str) -> Path:
    """Write a page; the file is replaced only by a whole one.

    Raises
    ------
    InputError
        If it cannot be written.
    """
    return atomic_write(checked_target(out), lambda file: file.write(text.encode()), _HINT_OUT)
