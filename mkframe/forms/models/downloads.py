"""Model of the part of a form that fetches artifacts of builds into a folder, several at a time."""

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
from mkframe.forms.models import offers, public
from mkframe.forms.models._client import ClientLike, Progress
from mkframe.forms.models.base import Model, Run, without_code
from mkframe.limits import size

__all__ = ["DownloadedFile", "DownloadsModel", "free_space"]

_SUCCESS = ("fetched", "present")


@dataclass(frozen=True, slots=True)
class DownloadedFile:
    """The progress of one artifact.

    Parameters
    ----------
    name : str
        Its name, or its id.
    status : str
        ``waiting``, ``fetching`` or a status of ``downloads.fetch``.
    share : float, optional
        From 0 to 1; None if the size is unknown.
    detail : str
        Bytes, or the error.
    """

    name: str
    status: str = "waiting"
    share: float | None = 0.0
    detail: str = ""


class DownloadsModel(Model):
    """Model of a target folder and of a fetch into it.

    For a visitor the folder is a private one of this kernel. It is emptied before each fetch.

    Parameters
    ----------
    client : Client
        A client, or an object with the same methods.
    run : callable, optional
        Executes a slow step.

    Attributes
    ----------
    folder : str
        Target; each build has a folder ``build-ID`` in it. A visitor's cannot be changed.
    space : str
        Free space of the target.
    files : tuple of DownloadedFile
        The artifacts of the last fetch; `share` and `files_text` describe all of them together.
    state : str
        ``ready``, ``fetching`` or ``fetched``.
    status_text : str
        The outcome of the last fetch, as a sentence.
    result : DataFrame
        As ``downloads.fetch`` returns it, for all files together.
    offers : tuple of Offer
        Links that save the files of the last fetch on the computer of the browser, all together and each.
    offers_text : str
        How many files have no link, and why.
    """

    folder = t.Unicode("artifacts")
    space = t.Unicode("")
    files = t.Tuple()
    share = t.Float(0.0)
    files_text = t.Unicode("")
    state = t.Enum(["ready", "fetching", "fetched"], "ready")
    status_text = t.Unicode("")
    result = t.Any(None)
    offers = t.Tuple()
    offers_text = t.Unicode("")

    def __init__(self, client: ClientLike, run: Run | None = None) -> None:
        super().__init__(run)
        self._client = client
        self._stop = threading.Event()
        self._received = (0, 0)
        if self.is_public:
            self.folder = str(public.folder())
            return
        self.observe(lambda _: self.set_trait("space", free_space(self.folder)), "folder")
        self.space = free_space(self.folder)

    @t.validate("folder")
    def _validate_folder(self, proposal: Any) -> str:
        folder: str = proposal["value"]
        if self.is_public and folder != str(public.folder()):
            raise InputError(
                "This page writes into a folder of its own only.", hint="Fetch, then save the files."
            )
        return folder

    def lock_folder(self) -> contextlib.AbstractContextManager[object]:
        """Lock the folder while files are written and read; a visitor's is emptied first."""
        return public.lock_folder() if self.is_public else contextlib.nullcontext()

    def fetch_files(
        self, rows: pd.DataFrame, folder: str, progress: Callable[[Progress], object] | None = None
    ) -> pd.DataFrame:
        """Fetch files into the folder; for a visitor at most `offers.MAX_BYTES` together."""

        def check_size(now: Progress) -> None:
            if now.bytes > offers.MAX_BYTES:
                raise offers.size_error()
            if progress is not None:
                progress(now)

        to = str(public.folder()) if self.is_public else folder
        return self._client.downloads.fetch(
            rows, to=to, by_build=True, progress=check_size if self.is_public else progress or False
        )

    def fetch(self, builds: Iterable[int]) -> bool:
        """Fetch all artifacts of builds; return whether this call started it."""
        ids = [int(build) for build in builds]
        with self._lock:
            if self.state == "fetching" or not ids:
                return False
            self.state = "fetching"
        self._stop.clear()
        self.files, self.share, self.files_text, self.status_text = (), 0.0, "", ""
        self.offers, self.offers_text = (), ""
        self.run_in_background("Fetching the artifacts", lambda: self._fetch(ids, self.folder))
        return True

    def stop(self) -> None:
        """Stop soon; complete files stay."""
        self._stop.set()

    def _fetch(self, ids: list[int], folder: str) -> None:
        try:
            if not folder.strip():
                raise InputError("There is no target folder.", hint="Write one, such as artifacts.")
            lists = [self._client.downloads.find(build_id=i) for i in ids if not self._stop.is_set()]
            if self._stop.is_set():
                self.status_text = "Stopped before anything was fetched."
                return
            with self.lock_folder():
                self.result = self.fetch_files(pd.concat(lists), folder, self._show_progress)
                where = "to save" if self.is_public else f"in {expand_path(folder).absolute()}, on the server"
                outcome = _outcome(self.result["status"], where, stopped=self._stop.is_set())
                self.status_text = "" if self.is_public else outcome
                paths = self.result["path"].dropna()
                self.offers, self.offers_text = offers.make_offers(paths, is_public=self.is_public)
                self.status_text = outcome
        finally:
            self.state = "fetched"
            self.space = "" if self.is_public else free_space(folder)

    def _show_progress(self, now: Progress) -> None:
        """Show the progress of a fetch, and stop the fetch if `stop` was called."""
        if (now.bytes, now.done) != self._received:
            self._received = now.bytes, now.done
            self.note_answer()
        self.share = now.share
        self.files_text = f"{now.done} of {_files(len(now.files))}, {size(now.bytes)}"
        self.files = tuple(_describe_file(file) for file in now.files)
        if self._stop.is_set():
            now.stop()


def _describe_file(file: Any) -> DownloadedFile:
    is_fetching = file.status == "fetching"
    detail = "" if file.status == "waiting" else size(file.bytes)
    if is_fetching and file.total:
        detail += f" of {size(file.total)}"
    share = None if is_fetching and not file.total else file.share
    detail = without_code(file.error) if file.error else detail
    return DownloadedFile(file.name or f"download {file.id}", file.status, share, detail)


def _files(count: int) -> str:
    return f"{count:,} file{'s' * (count != 1)}"


def _outcome(status: pd.Series[str], where: str, *, stopped: bool) -> str:
    if not len(status):
        return "There are no artifacts to fetch."
    complete = int(status.isin(_SUCCESS).sum())
    text = f"{complete} of {_files(len(status))} {where}."
    if complete == len(status):
        return text
    return f"{'Stopped: ' * stopped}{text} Fetch again to try the others once more."


def free_space(folder: str) -> str:
    """Describe where a folder is and how much space is free there.

    Examples
    --------
    >>> free_space("/no/such/place").endswith("free; the folder will be made)")
    True
    """
    if not folder.strip():
        return "Write a folder."
    try:
        path = expand_path(folder).absolute()
        existing = next((p for p in (path, *path.parents) if p.exists()), None)
        if existing is None:
            return f"{path} cannot be reached."
        new = "" if existing == path else "; the folder will be made"
        return f"{path} ({size(shutil.disk_usage(existing).free)} free{new})"
    except OSError as error:
        return f"{folder} cannot be looked at: {error.strerror}."
    except InputError as error:
        return str(error)
