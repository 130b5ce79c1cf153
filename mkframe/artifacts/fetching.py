"""Fetching artifacts: in parallel, whole or not at all, never over somebody else's file."""

from __future__ import annotations

import contextlib
import errno
import operator
import os
import threading
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import pandas as pd
import requests

from mkframe.errors import ArtifactError, ConnectionFailed, InputError, MkframeError, UnexpectedBody
from mkframe.schema import RESOURCES
from mkframe.transport import Transport

from .crew import Meter, in_parallel
from .land import Partial, digest, remove_leftovers
from .ledger import Ledger
from .names import from_header
from .tables import table
from .zips import check_zip, is_zip

__all__ = ["File", "fetch"]

_CHUNK = 1 << 18
_MOST_PARALLEL = 16
_FINISHING = 2
"""Threads beyond the streams, so that no stream waits while a file is brought to the disk."""
_PATH = RESOURCES["downloads"].path


@dataclass(frozen=True, slots=True)
class File:
    """One artifact to fetch.

    Parameters
    ----------
    id : int
        Download ID.
    build_id : int, optional
        The build it belongs to.
    name : str, optional
        Its name; else the server's word while fetching counts.
    """

    id: int
    build_id: int | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True)
class _Result:
    """One row of the frame that `fetch` returns."""

    id: int
    build_id: int | None
    name: str | None
    path: str | None = None
    bytes: int | None = None
    sha256: str | None = None
    status: Literal["fetched", "present", "refused", "failed"] = "failed"
    error: str | None = None


_DTYPES = {
    "id": "int64",
    "build_id": "Int64",
    "name": "str",
    "path": "str",
    "bytes": "Int64",
    "sha256": "str",
    "status": "str",
    "error": "str",
}


class _Stopped(Exception):
    """The caller has interrupted; nobody needs to be told."""


def fetch(
    transport: Transport,
    files: Iterable[File],
    to: str | os.PathLike[str],
    *,
    parallel: int = 8,
    overwrite: bool = False,
    progress: bool = True,
) -> pd.DataFrame:
    """Fetch artifacts into a folder.

    Each file is written beside its target under a hidden name and moved when all its bytes have come and,
    for a ZIP archive, its directory can be read. A stream that breaks is begun again; a file that cannot be
    had does not stop the others. File names are made safe, and a name that occurs twice is given a counter.

    What has landed is written down in ``.mkframe.jsonl`` in the folder: download, name, size and SHA-256.
    A file whose bytes are still those is not fetched again, for an artifact is taken not to change on the
    server. Any other file that has the wanted name is compared after fetching: equal ones count as present,
    different ones are left as they are.

    Parameters
    ----------
    transport : Transport
        The connection.
    files : iterable of File
        What to fetch; a file that is given twice is fetched once.
    to : path
        Folder; made where it is missing.
    parallel : int, default 8
        How many at a time, up to 16.
    overwrite : bool, default False
        Fetch all again and replace what has their names.
    progress : bool, default True
        Show one bar for all where it takes longer than half a second.

    Returns
    -------
    DataFrame
        Indexed by ``id`` int64, in the order given: ``build_id`` Int64, ``name`` str as the server gives
        it, ``path`` str, ``bytes`` Int64, ``sha256`` str, ``status`` str, ``error`` str. The status is
        ``fetched``; ``present``: there already, with the same bytes; ``refused``: a different file of that
        name is there; or ``failed``. Where there is no file, `path`, `bytes` and `sha256` are missing and
        `error` says why.

    Raises
    ------
    InputError
        If an argument is unfit; nothing was sent.

    Examples
    --------
    >>> import tempfile
    >>> from mkframe.settings import load
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     list(fetch(Transport(load(token="...")), [], to=folder))
    ['build_id', 'name', 'path', 'bytes', 'sha256', 'status', 'error']
    """
    wanted = _checked(files, parallel)
    folder = _folder(to)
    remove_leftovers(folder)
    meter = Meter([file.id for file in wanted], visible=progress)
    run = _Run(transport, wanted, folder, parallel, overwrite, meter)
    try:
        results = in_parallel(run.one, wanted, parallel + _FINISHING, meter.show, run.stop)
    finally:
        meter.close()
    return table([asdict(result) for result in results], _DTYPES).set_index("id")


class _Run:
    """What the threads of one `fetch` share."""

    def __init__(
        self,
        transport: Transport,
        files: list[File],
        folder: Path,
        parallel: int,
        overwrite: bool,
        meter: Meter,
    ) -> None:
        self.transport = transport
        self.folder = folder
        self.overwrite = overwrite
        self.meter = meter
        self.ledger = Ledger(folder, transport.settings.url)
        self._streams = threading.BoundedSemaphore(parallel)
        self._stopped = threading.Event()
        self._open: set[requests.Response] = set()
        for file in sorted(files, key=lambda f: f.id):  # the same counters, whichever thread is first
            if file.name:
                self.ledger.claim(file.id, file.name)

    def one(self, file: File) -> _Result:
        """Fetch one file; what can go wrong with it becomes a row."""
        try:
            return self._present(file) or self.transport.again(lambda: self._fetched(file), self._stopped)
        except MkframeError as error:
            return _Result(file.id, file.build_id, file.name, error=str(error))
        except OSError as error:
            return _Result(file.id, file.build_id, file.name, error=_sentence(error, self.folder))
        finally:
            self.meter.done(file.id)

    def stop(self) -> None:
        """Make every thread end soon: those that wait for bytes get no more."""
        self._stopped.set()
        for response in list(self._open):
            with contextlib.suppress(Exception):  # it may have ended by itself in this moment
                response.raw.shutdown()

    def _present(self, file: File) -> _Result | None:
        self._check()
        entry = self.ledger.entry(file.id)
        if self.overwrite or entry is None or not entry.is_whole(self.folder):
            return None
        name = file.name or entry.name
        path = str(self.folder / entry.name)
        return _Result(file.id, file.build_id, name, path, entry.bytes, entry.sha256, "present")

    def _fetched(self, file: File) -> _Result:
        """Read the stream once, from its beginning."""
        with Partial(self.folder) as partial:
            with self._stream(file) as response:
                name = file.name or from_header(response.headers.get("Content-Disposition"))
                _refuse_page(response, name)
                self._pour(response, partial, file)
            partial.flush()
            if is_zip(partial.path, name):
                check_zip(partial.path, name or f"download {file.id}", retryable=_length(response) is None)
            return self._settled(file, name, partial)

    @contextlib.contextmanager
    def _stream(self, file: File) -> Iterator[requests.Response]:
        with self._streams:
            self._check()
            with self.transport.stream(f"{_PATH}/{file.id}") as response:
                self._open.add(response)
                try:
                    self._check()
                    yield response
                finally:
                    self._open.discard(response)

    def _pour(self, response: requests.Response, partial: Partial, file: File) -> None:
        """Write the body; the library below holds it against Content-Length, also where it is packed."""
        expected = None if "Content-Encoding" in response.headers else _length(response)
        try:
            with self.transport.reading(f"GET {response.url}"):
                for chunk in response.iter_content(_CHUNK):
                    self._check()
                    partial.write(chunk)
                    self.meter.set(file.id, partial.bytes, expected)
        except ConnectionFailed:
            self._check()  # the connection broke because we shut it
            raise

    def _settled(self, file: File, name: str | None, partial: Partial) -> _Result:
        """Move the complete file, or leave what is there."""
        own = self.ledger.claim(file.id, name or "")
        target, size, sha256 = self.folder / own, partial.bytes, partial.sha256
        self.ledger.record(file.id, file.build_id, own, size, sha256)
        try:
            partial.move(target, overwrite=self.overwrite)
        except FileExistsError:
            if not (target.is_file() and target.stat().st_size == size and digest(target) == sha256):
                return _Result(file.id, file.build_id, name, status="refused", error=_taken(own, self.folder))
            return _Result(file.id, file.build_id, name, str(target), size, sha256, "present")
        return _Result(file.id, file.build_id, name, str(target), size, sha256, "fetched")

    def _check(self) -> None:
        if self._stopped.is_set():
            raise _Stopped


def _checked(files: Iterable[File], parallel: int) -> list[File]:
    if type(parallel) is not int or not 1 <= parallel <= _MOST_PARALLEL:
        raise InputError(
            f"parallel must be a whole number from 1 to {_MOST_PARALLEL}, not {parallel!r}.",
            hint="8 is a good choice.",
        )
    wanted = list(dict.fromkeys(_plain(file) for file in files))
    seen: set[int] = set()
    for file in wanted:
        if file.id in seen:
            raise InputError(
                f"Download {file.id} is given twice, with different builds or names.", hint="Give it once."
            )
        seen.add(file.id)
    return wanted


def _plain(file: File) -> File:
    """The same record without numpy's integers, which JSON does not take."""
    build = None if file.build_id is None else operator.index(file.build_id)
    return File(operator.index(file.id), build, file.name)


def _folder(to: str | os.PathLike[str]) -> Path:
    folder = Path(to)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"The folder {str(folder)!r} cannot be made: {error.strerror}.", hint="Give another as to=."
        ) from error
    return folder


def _refuse_page(response: requests.Response, name: str | None) -> None:
    """A proxy's page with status 200 is not an artifact."""
    kind = response.headers.get("Content-Type", "").lower()
    if "html" in kind and not (name or "").lower().endswith((".html", ".htm")):
        raise UnexpectedBody(
            f"GET {response.url} answered with a web page instead of {name or 'a file'}.",
            hint="Is the URL that of the API, and does a proxy or a login page stand before it?",
            request=f"GET {response.url}",
            status=response.status_code,
        )


def _length(response: requests.Response) -> int | None:
    value = response.headers.get("Content-Length", "")
    return int(value) if value.isdecimal() else None


def _taken(name: str, folder: Path) -> str:
    return str(
        ArtifactError(
            f"A different file {name!r} is in {str(folder)!r} already; it was left as it is.",
            hint="Give another folder, or overwrite=True to replace it.",
        )
    )


def _sentence(error: OSError, folder: Path) -> str:
    """Say what the disk refused."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return (
            f"The disk of {str(folder)!r} is full; the incomplete file was removed. Make room, fetch again."
        )
    if error.errno == errno.EFBIG:
        return f"A file of this size is not allowed in {str(folder)!r}; the incomplete file was removed."
    if not folder.is_dir():
        return f"The folder {str(folder)!r} is not there any more. Fetch again to make it anew."
    return f"Writing to {str(folder)!r} failed: {error.strerror or error}. Is it writable?"
