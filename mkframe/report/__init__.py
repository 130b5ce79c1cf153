"""Run a notebook with parameters and write it as one HTML file without code.

The notebooks are those of the folder ``notebooks``; the installed package contains them. The file refers
to nothing outside: charts are embedded, there is no script, and it opens without a network.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mkframe._files import atomic_write, check_target, expand_path
from mkframe.errors import InputError
from mkframe.report import _html, _notebook
from mkframe.report._head import Head, head
from mkframe.report._monday import MondayPage, monday
from mkframe.report._notebook import notebook_path

__all__ = ["Head", "MondayPage", "head", "monday", "notebook_path", "write"]

_REQUIRED = ("ipykernel", "nbclient", "nbconvert")
_HINT_OUT = "Choose another place with --output."


def write(
    out: str | os.PathLike[str],
    parameters: Mapping[str, Any],
    notebook: str = "build_history",
    *,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Run a notebook and write its text, tables and charts to one HTML file.

    Parameters
    ----------
    out : path
        File to write; it is replaced only by a complete report.
    parameters : mapping
        Values for the names of the notebook's cell tagged ``parameters``.
    notebook : str, default "build_history"
        Name of one of mkframe's notebooks.
    progress : callable, optional
        Called with the number of executed cells and of all cells.

    Returns
    -------
    Path
        The written file.

    Raises
    ------
    InputError
        If the extra ``report`` is not installed, a parameter is unknown, or the file cannot be written.
    MkframeError
        If the notebook fails; with the message of the notebook's error.
    """
    missing = [name for name in _REQUIRED if importlib.util.find_spec(name) is None]
    if missing:
        raise InputError(
            f"A report needs {', '.join(missing)}.", hint='Install them with: pip install "mkframe[report]"'
        )
    target = _writable(expand_path(out).absolute())
    absolute = _notebook.absolute_paths(parameters)
    asked = _notebook.insert_parameters(_notebook.read(notebook), absolute)
    executed = _notebook.run(asked, progress, server=absolute.get("source") == "server")
    page = _html.page(executed, notebook)
    return atomic_write(target, lambda file: file.write(page.encode()), _HINT_OUT)


def _writable(target: Path) -> Path:
    if target.is_dir():
        raise InputError(f"{str(target)!r} is a folder.", hint="Name the file, such as build-history.html.")
    if not target.parent.is_dir():
        raise InputError(f"There is no folder {str(target.parent)!r}.", hint="Create it, or name another.")
    check_target(target, _HINT_OUT)
    return target
