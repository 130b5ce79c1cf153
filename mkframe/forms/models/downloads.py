"""Fetch artifacts of builds into a folder, several at a time."""

from __future__ import annotations

import contextlib
import shutil
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import pandas as pd
import traitlets as t

from mkframe._files import expand_path
from mkframe.errors import InputError
from mkframe.forms.models import public
from mkframe.forms.models.base import Model

__all__ = ["DownloadedFile", "DownloadsModel", "free_space", "size_text"]

_GOOD = ("fetched", "present")


@dataclass(frozen=True, slots=True)
class DownloadedFile:
    """One artifact on its way.

    Parameters
    ----------
    name : str
        Its name, or its number.
    status : str
        ``waiting``, ``fetching`` or a word of ``downloads.fetch``.
    share : float, optional
        From 0 to 1; None where its size is not known.
    said : str
        Bytes, or why there is no file.
    """

    name: str
    status: str = "waiting"
    share: float | None = 0.0
    said: str = ""


class DownloadsModel(Model):
    """Where artifacts go, and how far they are.

    For a visitor the folder is a private one of this kernel, emptied before each fetch.

    Attributes
    ----------
    folder : str
        Target; each build has a folder ``build-ID`` in it. A visitor's cannot be changed.
    space : str
        How much room is there.
    files : tuple of PocketFile
        The artifacts of the last fetch; `share` and `files_said` tell how far they are together.
    state : str
        ``ready``, ``fetching`` or ``fetched``.
    result : DataFrame
        As ``downloads.fetch`` returns it, all files together.
    offers : tuple of Offer
        The files of the last fetch for a visitor to save.
    """

    folder = t.Unicode("artifacts")
    space = t.Unicode("")
    files = t.Tuple()
    share = t.Float(0.0)
    files_said = t.Unicode("")
    state = t.Enum(["ready", "fetching", "fetched"], "ready")
    said = t.Unicode("")
    result = t.Any(None)
    offers = t.Tuple()

    def __init__(self, client: Any) -> None:
        super().__init__()
        self._client = client
        self._stop = threading.Event()
        if self.is_public:
            self.folder = str(public.folder())
            return
        self.observe(lambda _: self.set_trait("space", free_space(self.folder)), "folder")
        self.space = free_space(self.folder)

    @t.validate("folder")
    def _checked_folder(self, proposal: Any) -> str:
        folder: str = proposal["value"]
        if self.is_public and folder != str(public.folder()):
            raise InputError(
                "This page writes into a folder of its own only.", hint="Fetch, then save the files."
            )
        return folder

    def room(self) -> contextlib.AbstractContextManager[object]:
        """Hold the folder while files come into it and are read: a visitor's is emptied before."""
        return public.room() if self.is_public else contextlib.nullcontext()

    def bring(
        self, rows: pd.DataFrame, folder: str, progress: Callable[[Any], object] | None = None
    ) -> pd.DataFrame:
        """Fetch files into the folder; to a visitor no more than a page hands over."""

        def bounded(now: Any) -> None:
            if now.bytes > public.MOST_BYTES:
                raise public.too_much()
            if progress is not None:
                progress(now)

        to = str(public.folder()) if self.is_public else folder
        shown = bounded if self.is_public else progress or False
        fetched: pd.DataFrame = self._client.downloads.fetch(rows, to=to, by_build=True, progress=shown)
        return fetched

    def fetch(self, builds: Iterable[int]) -> bool:
        """Fetch all artifacts of builds; whether this call is the one that does it."""
        ids = [int(build) for build in builds]
        with self._lock:
            if self.state == "fetching" or not ids:
                return False
            self.state = "fetching"
        self._stop.clear()
        self.files, self.share, self.files_said, self.said, self.offers = (), 0.0, "", "", ()
        self.later("Fetching the artifacts", lambda: self._fetch(ids, self.folder))
        return True

    def stop(self) -> None:
        """Stop soon; files that are whole stay."""
        self._stop.set()

    def _fetch(self, ids: list[int], folder: str) -> None:
        try:
            if not folder.strip():
                raise InputError("There is no target folder.", hint="Write one, such as artifacts.")
            lists = [self._client.downloads.find(build_id=i) for i in ids if not self._stop.is_set()]
            if self._stop.is_set():
                self.said = "Stopped before anything was fetched."
                return
            with self.room():
                self.result = self.bring(pd.concat(lists), folder, self._show)
                if self.is_public:
                    self.offers = public.offers(self.result["path"].dropna())
            where = "to save" if self.is_public else f"in {expand_path(folder).absolute()}"
            self.said = _outcome(self.result["status"], where, stopped=self._stop.is_set())
        finally:
            self.state = "fetched"
            self.space = "" if self.is_public else free_space(folder)

    def _show(self, now: Any) -> None:
        """Take what a fetch tells of its progress; the only place where it can be stopped."""
        self.share = now.share
        self.files_said = f"{now.done} of {_files(len(now.files))}, {size_text(now.bytes)}"
        self.files = tuple(_seen(file) for file in now.files)
        if self._stop.is_set():
            now.stop()


def _seen(file: Any) -> DownloadedFile:
    """A file's progress, said in words."""
    said, share = size_text(file.bytes), file.share
    if file.status == "waiting":
        said = ""
    elif file.status == "fetching":
        said, share = (f"{said} of {size_text(file.total)}", share) if file.total else (said, None)
    return DownloadedFile(file.name or f"download {file.id}", file.status, share, file.error or said)


def _files(count: int) -> str:
    return f"{count:,} file{'s' * (count != 1)}"


def _outcome(status: pd.Series[str], where: str, *, stopped: bool) -> str:
    if not len(status):
        return "There are no artifacts to fetch."
    good = int(status.isin(_GOOD).sum())
    said = f"{good} of {_files(len(status))} {where}."
    if good == len(status):
        return said
    return f"{'Stopped: ' * stopped}{said} Fetch again to try the others once more."


def free_space(folder: str) -> str:
    """Say where a folder is and how much room it has.

    Examples
    --------
    >>> free_space("/no/such/place").endswith("free; the folder will be made)")
    True
    """
    if not folder.strip():
        return "Write a folder."
    try:
        path = expand_path(folder).absolute()
        there = next((p for p in (path, *path.parents) if p.exists()), None)
        if there is None:
            return f"{path} cannot be reached."
        new = "" if there == path else "; the folder will be made"
        return f"{path} ({size_text(shutil.disk_usage(there).free)} free{new})"
    except OSError as error:
        return f"{folder} cannot be looked at: {error.strerror}."
    except InputError as error:
        return str(error)


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
