"""Fetch artifacts of builds into a folder, file by file."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
import traitlets as t

from mkframe.errors import InputError
from mkframe.forms.models.base import Model, rows_of

__all__ = ["PocketFile", "PocketModel", "free_space", "size_text"]

_GOOD = ("fetched", "present")


@dataclass(frozen=True, slots=True)
class PocketFile:
    """One artifact on its way: `status` is waiting, fetching or a word of ``downloads.fetch``."""

    id: int
    build_id: int
    name: str
    status: str = "waiting"
    said: str = ""

    @property
    def done(self) -> bool:
        """Whether nothing more happens to it."""
        return self.status not in ("waiting", "fetching")


class PocketModel(Model):
    """Where artifacts go, and how far they are.

    Attributes
    ----------
    folder : str
        Target; each build has a folder ``build-ID`` in it.
    space : str
        How much room is there.
    files : tuple of PocketFile
        The artifacts of the last fetch.
    state : str
        ``ready``, ``fetching`` or ``fetched``.
    result : DataFrame
        As ``downloads.fetch`` returns it, all files together.
    """

    folder = t.Unicode("artifacts")
    space = t.Unicode("")
    files = t.Tuple()
    state = t.Enum(["ready", "fetching", "fetched"], "ready")
    said = t.Unicode("")
    result = t.Any(None)

    def __init__(self, kraft: Any) -> None:
        super().__init__()
        self._kraft = kraft
        self._stop = threading.Event()
        self.observe(lambda _: self.set_trait("space", free_space(self.folder)), "folder")
        self.space = free_space(self.folder)

    def fetch(self, builds: Iterable[int]) -> bool:
        """Fetch all artifacts of builds; whether this call is the one that does it."""
        ids = [int(build) for build in builds]
        with self._lock:
            if self.state == "fetching" or not ids:
                return False
            self.state = "fetching"
        self._stop.clear()
        self.files, self.said = (), ""
        self.later("Fetching the artifacts", lambda: self._fetch(ids, self.folder))
        return True

    def stop(self) -> None:
        """Stop after the file that is under way."""
        self._stop.set()

    def _fetch(self, ids: list[int], folder: str) -> None:
        try:
            if not folder.strip():
                raise InputError("There is no target folder.", hint="Write one, such as artifacts.")
            rows = pd.concat([self._kraft.downloads.find(build_id=build) for build in ids])
            self.files = tuple(
                PocketFile(int(row.Index), int(row.build_id), _name(row)) for row in rows_of(rows)
            )
            parts = [self._one(rows.loc[[file.id]], folder) for file in self.files if not self._stop.is_set()]
            nothing = self._kraft.downloads.fetch(rows.iloc[:0], to=Path(folder).expanduser(), progress=False)
            self.result = pd.concat(parts) if parts else nothing
            self.said = _outcome(self.files, folder)
        finally:
            self.space = free_space(folder)
            self.state = "fetched"

    def _one(self, row: pd.DataFrame, folder: str) -> pd.DataFrame:
        download, build = int(row.index[0]), int(row["build_id"].iloc[0])
        self._say(download, status="fetching")
        done: pd.DataFrame = self._kraft.downloads.fetch(
            row, to=Path(folder).expanduser() / f"build-{build}", progress=False
        )
        first = done.iloc[0]
        said = size_text(int(first["bytes"])) if first["status"] in _GOOD else str(first["error"])
        self._say(download, status=str(first["status"]), said=said)
        return done

    def _say(self, id: int, **news: str) -> None:
        self.files = tuple(replace(f, **news) if f.id == id else f for f in self.files)


def _name(row: Any) -> str:
    return f"download {row.Index}" if pd.isna(row.name) else str(row.name)


def _outcome(files: tuple[PocketFile, ...], folder: str) -> str:
    if not files:
        return "There are no artifacts to fetch."
    good = sum(f.status in _GOOD for f in files)
    where = Path(folder).expanduser().absolute()
    said = f"{good} of {len(files)} {'file' if len(files) == 1 else 'files'} in {where}."
    return said if good == len(files) else f"{said} Fetch again to try the others once more."


def free_space(folder: str) -> str:
    """Say where a folder is and how much room it has.

    Examples
    --------
    >>> free_space("/no/such/place").endswith("free; the folder will be made)")
    True
    """
    if not folder.strip():
        return "Write a folder."
    path = Path(folder).expanduser().absolute()
    there = next(p for p in (path, *path.parents) if p.exists())
    new = "" if there == path else "; the folder will be made"
    try:
        return f"{path} ({size_text(shutil.disk_usage(there).free)} free{new})"
    except OSError as error:
        return f"{path} cannot be looked at: {error.strerror}."


def size_text(size: float) -> str:
    """Write a size in bytes.

    Examples
    --------
    >>> size_text(512), size_text(20_480), size_text(3.2e9)
    ('512 B', '20.0 kB', '3.0 GB')
    """
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1024 or unit == "GB":
            return f"{size:,.0f} {unit}" if unit == "B" else f"{size:,.1f} {unit}"
        size /= 1024
    raise AssertionError(size)
