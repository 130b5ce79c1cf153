"""Run a notebook with parameters and write it as one HTML file without code.

The notebooks are those of the folder ``notebooks``; the installed package contains them. The file refers
to nothing outside: charts are embedded, there is no script, and it opens without a network. `monday` writes
the page of a week in the same look, without a notebook.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mkframe.errors import InputError
from mkframe.report import _html, _notebook
from mkframe.report._head import Head, head
from mkframe.report._monday import MondayPage, monday
from mkframe.report._notebook import notebook_path
from mkframe.report._target import checked_target, write_text
from mkframe.report._week_sources import (
    WeekSources,
    builds_of_history,
    read_file,
    read_history,
    read_server,
    read_week,
)

__all__ = [
    "Head",
    "MondayPage",
    "WeekSources",
    "builds_of_history",
    "head",
    "monday",
    "notebook_path",
    "read_file",
    "read_history",
    "read_server",
    "read_week",
    "write",
    "write_text",
]

_REQUIRED = ("ipykernel", "nbclient", "nbconvert")


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
    target = checked_target(out)
    absolute = _notebook.absolute_paths(parameters)
    asked = _notebook.insert_parameters(_notebook.read(notebook), absolute)
    executed = _notebook.run(asked, progress, server=absolute.get("source") == "server")
    page = _html.page(executed, notebook)
    return write_text(target, page)
