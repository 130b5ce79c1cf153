"""Results: frames with further tables beside them, a foldable view in a notebook, and files."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd

from mkframe._files import atomic_write, expand_path
from mkframe.errors import InputError
from mkframe.exports import export_sheets
from mkframe.releases import _html
from mkframe.releases._rows import text_column

__all__ = ["Result", "View", "concat"]

MAX_SHOWN = 200
"""Most instances that a notebook shows."""


class View:
    """Displays a result as HTML in a notebook, and as sentences elsewhere."""

    def __init__(self, lines: Sequence[str], body: str) -> None:
        self._lines, self._body = lines, body

    def __repr__(self) -> str:
        return "\n".join(self._lines)

    def _repr_html_(self) -> str:
        return _html.fragment(self._body)


class Result(pd.DataFrame):
    """A frame whose `attrs` say what was read, when, and what could not be known.

    A selection of its rows or columns is an ordinary DataFrame. A notebook shows `show()`.
    """

    TITLE: ClassVar[str] = "Result"

    @property
    def title(self) -> str:
        """What the result is about, for the heading of a page."""
        return self.TITLE

    @property
    def messages(self) -> tuple[str, ...]:
        """What the result says, and what could not be known."""
        return (*self._facts(), *self._where(), *self.attrs.get("notes", ()))

    def show(self, limit: int | None = MAX_SHOWN) -> View:
        """Return a view that a notebook displays.

        Parameters
        ----------
        limit : int or None, default 200
            Most instances to display; the others are counted. None displays all.
        """
        return View(self.messages, self._body(limit))

    def export(self, path: str | os.PathLike[str]) -> Path:
        """Write the result as a workbook with a sheet for each table, or as one page of HTML.

        Parameters
        ----------
        path : path
            File to write, ``.xlsx`` (extra ``excel``) or ``.html``; it is replaced only by a complete one.

        Returns
        -------
        Path
            The written file. The page refers to nothing outside and runs no script.

        Raises
        ------
        InputError
            If the suffix is another, a table has more rows than a sheet, or the file cannot be written.
        """
        target = expand_path(path)
        if target.suffix.lower() == ".xlsx":
            facts = pd.DataFrame({"sentence": text_column(list(self.messages))})
            return export_sheets({self.TITLE: pd.DataFrame(self), **self._tables(), "About": facts}, target)
        if target.suffix.lower() not in (".html", ".htm"):
            raise InputError(f"{target.name!r} ends neither in .xlsx nor in .html.", hint="Name the file so.")
        content = _html.page(self.title, self._body(None)).encode("utf-8", "replace")
        return atomic_write(target, lambda file: file.write(content), "Name another file.")

    def _repr_html_(self) -> str:
        return self.show()._repr_html_()

    def _where(self) -> Sequence[str]:
        """Say what was asked: release names are unique in their group only."""
        project, group = (self.attrs.get(name) for name in ("project", "group"))
        if project is None:
            return ()
        return (f"Project {project}{'' if group is None else f', release group {group}'}.",)

    def _facts(self) -> Sequence[str]:
        """Return sentences about the rows."""
        raise NotImplementedError

    def _tables(self) -> Mapping[str, pd.DataFrame]:
        """Return the further tables, by title."""
        return {}

    def _body(self, limit: int | None) -> str:
        """Return the HTML of the view."""
        raise NotImplementedError


def concat(parts: Sequence[pd.DataFrame], columns: Mapping[str, str]) -> pd.DataFrame:
    """Join frames, with the same columns and dtypes for none as for many; the dtype "text" is that of text.

    Examples
    --------
    >>> concat([], {"name": "text", "n": "Int64"})["n"].dtype
    Int64Dtype()
    """
    made: dict[str, Any] = {}
    for name, dtype in columns.items():
        values = [part[name].astype(object) for part in parts if len(part)]
        whole = pd.concat(values, ignore_index=True) if values else pd.Series([], dtype=object)
        made[name] = text_column(whole) if dtype == "text" else whole.astype(pd.api.types.pandas_dtype(dtype))
    return pd.DataFrame(made)
