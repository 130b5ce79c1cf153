"""What the threads of one fetch do: each file streamed, checked and moved into place."""

from __future__ import annotations

import contextlib
import errno
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import requests

from mkframe._files import PartialFile, holds
from mkframe._http import Transport
from mkframe._http.errors import format_request, iter_body
from mkframe._http.gzip import content_length
from mkframe._http.timeouts import CancelScope
from mkframe._text import single_line
from mkframe.artifacts._filenames import from_header
from mkframe.artifacts._manifest import Manifest
from mkframe.artifacts._progress import ProgressTracker
from mkframe.artifacts._zip import check_zip, is_zip
from mkframe.errors import (
    ArtifactError,
    ConnectionFailedError,
    InvalidResponseError,
    MkframeError,
    ResponseTooLargeError,
)
from mkframe.limits import bounded
from mkframe.schema import RESOURCES

__all__ = ["File", "TargetFolder", "FetchJob"]

_PATH = RESOURCES["downloads"].path
_STOPPED = "The fetch was stopped before this file was whole. Fetch again to get it."


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


class _Stopped(Exception):
    """The caller has interrupted; nobody needs to be told."""


@dataclass(frozen=True, slots=True)
class TargetFolder:
    """A folder and the names in it."""

    folder: Path
    ledger: Manifest


class FetchJob:
    """What the threads of one `fetch` share."""

    def __init__(
        self,
        transport: Transport,
        files: list[File],
        places: dict[int | None, TargetFolder],
        max_workers: int,
        overwrite: bool,
        most: int,
        meter: ProgressTracker,
    ) -> None:
        self.transport = transport
        self.places = places
        self.overwrite = overwrite
        self.most = most
        self.meter = meter
        self._results: dict[int, _Result] = {}
        self._streams = threading.BoundedSemaphore(max_workers)
        self._stopped = threading.Event()
        self._line = CancelScope()
        for file in sorted(files, key=lambda f: f.id):  # the same counters, whichever thread is first
            if file.name:
                places[file.build_id].ledger.claim(file.id, file.name)

    def result(self, file: File) -> _Result:
        """What became of a file; one that was not reached before the end was stopped."""
        if file.id not in self._results:
            self._note(_Result(file.id, file.build_id, file.name, error=_STOPPED))
        return self._results[file.id]

    def _note(self, result: _Result) -> None:
        self._results[result.id] = result
        size = {} if result.bytes is None else {"bytes": result.bytes, "total": result.bytes}
        self.meter.note(result.id, name=result.name, status=result.status, error=result.error, **size)

    def one(self, file: File) -> None:
        """Fetch one file; what can go wrong with it becomes a row."""
        folder = self.places[file.build_id].folder
        try:
            result = self._present(file) or self.transport.retry(lambda: self._fetched(file), self._stopped)
        except MkframeError as error:
            result = _Result(file.id, file.build_id, file.name, error=str(error))
        except OSError as error:
            result = _Result(file.id, file.build_id, file.name, error=_sentence(error, folder))
        self._note(result)

    def stop(self) -> None:
        """Make every thread end soon: those that wait for an answer, or for more of it, get none."""
        self._stopped.set()
        self._line.cancel()

    def _present(self, file: File) -> _Result | None:
        self._check()
        place = self.places[file.build_id]
        entry = place.ledger.entry(file.id)
        if self.overwrite or entry is None or not entry.is_whole(place.folder):
            return None
        name = file.name or entry.name
        path = str(place.folder / entry.name)
        return _Result(file.id, file.build_id, name, path, entry.bytes, entry.sha256, "present")

    def _fetched(self, file: File) -> _Result:
        """Read the stream once, from its beginning."""
        with PartialFile(self.places[file.build_id].folder) as partial:
            with self._stream(file) as response:
                name = file.name or from_header(response.headers.get("Content-Disposition"))
                _refuse_page(response, name)
                self._pour(response, partial, file)
            if is_zip(partial.file, name):
                check_zip(
                    partial.file, name or f"download {file.id}", retryable=content_length(response) is None
                )
            return self._settled(file, name, partial)

    @contextlib.contextmanager
    def _stream(self, file: File) -> Iterator[requests.Response]:
        path = f"{_PATH}/{file.id}"
        with self._streams:
            self._check()
            with self._line, self.transport.stream(path, self.most) as response:
                self._check()
                self.meter.note(file.id, bytes=0, status="fetching")
                yield response

    def _pour(self, response: requests.Response, partial: PartialFile, file: File) -> None:
        """Write the body; the library below holds it against Content-Length, also where it is packed."""
        expected = None if "Content-Encoding" in response.headers else content_length(response)
        request = format_request("GET", response.url)
        try:
            with self.transport.reading(request):
                for chunk in bounded(iter_body(response), "file", self.most):
                    self._check()
                    partial.write(chunk)
                    self.meter.note(file.id, bytes=partial.bytes, total=expected)
        except ConnectionFailedError:
            self._check()  # the connection broke because we shut it
            raise
        except ResponseTooLargeError as error:
            if not error.request:
                error.request, error.status = request, response.status_code
                error.message = f"{request} answered, but: {error.message}"
            raise

    def _settled(self, file: File, name: str | None, partial: PartialFile) -> _Result:
        """Move the complete file, or leave what is there."""
        place = self.places[file.build_id]
        own = place.ledger.claim(file.id, name or "")
        target, size, sha256 = place.folder / own, partial.bytes, partial.sha256
        place.ledger.record(file.id, file.build_id, own, size, sha256)
        try:
            partial.move(own, overwrite=self.overwrite)
        except FileExistsError:
            if not holds(target, size, sha256):
                return _Result(
                    file.id, file.build_id, name, status="refused", error=_taken(own, place.folder)
                )
            return _Result(file.id, file.build_id, name, str(target), size, sha256, "present")
        return _Result(file.id, file.build_id, name, str(target), size, sha256, "fetched")

    def _check(self) -> None:
        if self._stopped.is_set():
            raise _Stopped


def _refuse_page(response: requests.Response, name: str | None) -> None:
    """A proxy's page with status 200 is not an artifact."""
    kind = response.headers.get("Content-Type", "").lower()
    if "html" in kind and not (name or "").lower().endswith((".html", ".htm")):
        wanted = repr(single_line(name, 100)) if name else "a file"
        raise InvalidResponseError(
            f"GET {response.url} answered with a web page instead of {wanted}.",
            hint=InvalidResponseError._HINT_WRONG_SERVER,
            request=f"GET {response.url}",
            status=response.status_code,
        )


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
