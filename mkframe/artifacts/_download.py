"""Download one file in a worker thread: stream it, check it, move it to its name.

A file that fails becomes a row and does not stop the others. Cancelling closes the connections in use, so
that no thread waits for the network.
"""

from __future__ import annotations

import contextlib
import errno
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mkframe import frames
from mkframe._files import PartialFile, has_content
from mkframe._http import CancelScope, Stream, Transport
from mkframe._text import single_line
from mkframe.artifacts._manifest import Manifest
from mkframe.artifacts._progress import ProgressTracker
from mkframe.artifacts._zip import check_zip, is_zip
from mkframe.errors import (
    ArtifactError,
    ConnectionFailedError,
    InvalidResponseError,
    MkframeError,
)
from mkframe.schema import RESOURCES

__all__ = ["File", "TargetFolder", "FetchJob"]

_PATH = RESOURCES["downloads"].path
_MAX_ERROR = 1 << 16
"""Bytes up to which a body may be an error of the server."""
_CANCELED = "The fetch was stopped before this file was complete. Fetch again to get it."


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
        Its name; by default the one in the Content-Disposition header.
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


class _CanceledError(Exception):
    """The fetch was canceled; ends a thread without a message."""


@dataclass(frozen=True, slots=True)
class TargetFolder:
    """A folder and its manifest."""

    folder: Path
    manifest: Manifest


class FetchJob:
    """Shared state and work of the threads of one `fetch`."""

    def __init__(
        self,
        transport: Transport,
        files: list[File],
        folders: dict[int | None, TargetFolder],
        max_workers: int,
        overwrite: bool,
        max_bytes: int,
        tracker: ProgressTracker,
    ) -> None:
        self.transport = transport
        self.folders = folders
        self.overwrite = overwrite
        self.max_bytes = max_bytes
        self.tracker = tracker
        self._results: dict[int, _Result] = {}
        self._streams = threading.BoundedSemaphore(max_workers)
        self._cancel_event = threading.Event()
        self._cancel_scope = CancelScope()
        for file in sorted(files, key=lambda f: f.id):  # counters must not depend on threads
            if file.name:
                folders[file.build_id].manifest.reserve_name(file.id, file.name)

    def result(self, file: File) -> _Result:
        """Return the result of a file; one that was not reached failed because the fetch was stopped."""
        if file.id not in self._results:
            self._record(_Result(file.id, file.build_id, file.name, error=_CANCELED))
        return self._results[file.id]

    def _record(self, result: _Result) -> None:
        self._results[result.id] = result
        size = {} if result.bytes is None else {"bytes": result.bytes, "total": result.bytes}
        self.tracker.update(result.id, name=result.name, status=result.status, error=result.error, **size)

    def run(self, file: File) -> None:
        """Fetch one file; an error becomes a row."""
        folder = self.folders[file.build_id].folder
        try:
            result = self._find_existing(file) or self.transport.retry(
                lambda: self._download(file), self._cancel_event
            )
        except MkframeError as error:
            result = _Result(file.id, file.build_id, file.name, error=str(error))
        except OSError as error:
            result = _Result(file.id, file.build_id, file.name, error=_disk_error(error, folder))
        self._record(result)

    def stop(self) -> None:
        """Make every thread end soon, also those that wait for a response or its body."""
        self._cancel_event.set()
        self._cancel_scope.cancel()

    def _find_existing(self, file: File) -> _Result | None:
        self._check()
        target_folder = self.folders[file.build_id]
        entry = target_folder.manifest.entry(file.id)
        if self.overwrite or entry is None or not entry.is_whole(target_folder.folder):
            return None
        name = file.name or entry.name
        path = str(target_folder.folder / entry.name)
        return _Result(file.id, file.build_id, name, path, entry.bytes, entry.sha256, "present")

    def _download(self, file: File) -> _Result:
        """Download a file once, from its first byte."""
        with PartialFile(self.folders[file.build_id].folder) as partial:
            with self._stream(file) as stream:
                name = file.name or stream.filename
                _refuse_html(stream, name)
                self._save_body(stream, partial, file)
                _refuse_error_body(stream, name, partial)
            if is_zip(partial.file, name):
                check_zip(partial.file, name or f"download {file.id}", retryable=not stream.has_length)
            return self._finish(file, name, partial)

    @contextlib.contextmanager
    def _stream(self, file: File) -> Iterator[Stream]:
        path = f"{_PATH}/{file.id}"
        with self._streams:
            self._check()
            with self._cancel_scope, self.transport.stream(path, self.max_bytes) as stream:
                self._check()
                self.tracker.update(file.id, bytes=0, status="fetching")
                yield stream

    def _save_body(self, stream: Stream, partial: PartialFile, file: File) -> None:
        """Write the body; urllib3 checks it against Content-Length, also where it is compressed."""
        try:
            for chunk in stream.chunks(file.name):
                self._check()
                partial.write(chunk)
                self.tracker.update(file.id, bytes=partial.bytes, total=stream.size)
        except ConnectionFailedError:
            self._check()  # canceling closes the connection: that is no network error
            raise

    def _finish(self, file: File, name: str | None, partial: PartialFile) -> _Result:
        """Move the complete file to its name, or keep the file that has the name."""
        target_folder = self.folders[file.build_id]
        size, sha256 = partial.bytes, partial.sha256
        file_name = target_folder.manifest.claim(file.id, file.build_id, name or "", size, sha256)
        target = target_folder.folder / file_name
        try:
            partial.move(file_name, overwrite=self.overwrite)
        except FileExistsError:
            if not has_content(target, size, sha256):
                return _Result(
                    file.id,
                    file.build_id,
                    name,
                    status="refused",
                    error=_name_conflict(file_name, target_folder.folder),
                )
            return _Result(file.id, file.build_id, name, str(target), size, sha256, "present")
        return _Result(file.id, file.build_id, name, str(target), size, sha256, "fetched")

    def _check(self) -> None:
        if self._cancel_event.is_set():
            raise _CanceledError


def _refuse_html(stream: Stream, name: str | None) -> None:
    """Raise where a proxy answered with a web page and status 200."""
    if "html" in stream.media_type and not (name or "").lower().endswith((".html", ".htm")):
        raise _no_file(stream, name, "a web page", InvalidResponseError._HINT_WRONG_SERVER)


def _refuse_error_body(stream: Stream, name: str | None, partial: PartialFile) -> None:
    """Raise where an error of the server came with status 200: JSON to which the server gives no name."""
    if stream.filename is None and "json" in stream.media_type and partial.bytes <= _MAX_ERROR:
        partial.file.seek(0)
        if error := frames.error_text(partial.file.read(_MAX_ERROR)):
            raise _no_file(stream, name, error, "The request had failed; fetch again.")


def _no_file(stream: Stream, name: str | None, what: str, hint: str) -> InvalidResponseError:
    expected = repr(single_line(name, 100)) if name else "a file"
    return InvalidResponseError(
        f"{stream.request} answered with {what} instead of {expected}.",
        hint=hint,
        request=stream.request,
        status=stream.status,
    )


def _name_conflict(name: str, folder: Path) -> str:
    return str(
        ArtifactError(
            f"A different file {name!r} is in {str(folder)!r} already; it was left as it is.",
            hint="Give another folder, or overwrite=True to replace it.",
        )
    )


def _disk_error(error: OSError, folder: Path) -> str:
    """Describe an error of the file system."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return (
            f"The disk of {str(folder)!r} is full; the incomplete file was removed. Free space, fetch again."
        )
    if error.errno == errno.EFBIG:
        return f"A file of this size is not allowed in {str(folder)!r}; the incomplete file was removed."
    if not folder.is_dir():
        return f"The folder {str(folder)!r} does not exist any more. Fetch again to create it."
    return f"Writing to {str(folder)!r} failed: {error.strerror or error}. Is it writable?"
