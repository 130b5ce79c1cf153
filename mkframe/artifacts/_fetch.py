"""Fetch artifacts in parallel: each file complete or not at all, and never over another file."""

from __future__ import annotations

import contextlib
import contextvars
import operator
import os
import queue
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import asdict
from pathlib import Path

import pandas as pd

from mkframe._files import expand_path, remove_stale_parts
from mkframe._folders import open_folder
from mkframe._http import Transport
from mkframe._validation import as_bool
from mkframe.artifacts._download import FetchJob, File, TargetFolder
from mkframe.artifacts._frames import typed_frame
from mkframe.artifacts._manifest import Manifest
from mkframe.artifacts._progress import (
    FileProgress,
    ProgressCallback,
    ProgressTracker,
    check_progress,
    progress_display,
)
from mkframe.errors import InputError
from mkframe.limits import check_bytes

__all__ = ["File", "fetch"]

_MAX_WORKERS = 16
_EXTRA_WORKERS = 2
"""Threads beyond the streams, so that a stream can begin while another file is synced to disk."""
_PROGRESS_INTERVAL = 0.1
"""Seconds between two calls of the progress function."""
_STOP_TIMEOUT = 3.0
"""Seconds to wait for threads that were told to stop."""
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


class _StopRequestedError(Exception):
    """The caller asked the fetch to end and keep the complete files."""


def fetch(
    transport: Transport,
    files: Iterable[File],
    to: str | os.PathLike[str],
    *,
    max_workers: int = 8,
    overwrite: bool = False,
    by_build: bool = False,
    max_bytes: int | None = None,
    progress: bool | ProgressCallback = True,
) -> pd.DataFrame:
    """Fetch artifacts into a folder.

    Each file is written beside its target under a hidden name. It is moved when all bytes have arrived and,
    for a ZIP archive, its directory can be read. A broken stream is restarted; a file that fails does not
    stop the others. File names are made safe, and a name that occurs twice gets a counter.

    The manifest ``.mkframe.jsonl`` in the folder records download, name, size and SHA-256 of each file.
    Threads, kernels and other processes may fetch into one folder at the same time: each name belongs to one
    download. A file that still has these bytes is not fetched again: artifacts are assumed not to change on
    the server. The manifest and the file must belong to this user, and nobody else may write the manifest.
    Any other file with the same name is compared after fetching: an equal one counts as present, a different
    one is kept.

    Parameters
    ----------
    transport : Transport
        The connection.
    files : iterable of File
        What to fetch; a file that is given twice is fetched once.
    to : path
        Folder; created if it is missing.
    max_workers : int, default 8
        Files at a time, from 1 to 16.
    overwrite : bool, default False
        Fetch all again and replace what has their names.
    by_build : bool, default False
        Give each build a folder of its own in `to`, such as ``build-5139``.
    max_bytes : int, optional
        Most bytes of each file, unpacked; else the limit of the settings. A larger file is ``failed`` and
        leaves nothing; the others go on.
    progress : bool or callable, default True
        Show one bar for all files if it takes longer than half a second. A function is called in this thread
        with a `Progress`, about ten times a second and once at the end. `Progress.stop` ends the fetch and
        keeps the complete files. An exception of the function ends it as well, like Ctrl-C.

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
        If an argument is invalid, or a link of another user leads to the folder; nothing was sent.

    Warns
    -----
    UserWarning
        If the manifest is ignored because another user has written it or could.

    Examples
    --------
    >>> import tempfile
    >>> from mkframe.settings import load
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     list(fetch(Transport(load(token="...")), [], to=folder))
    ['build_id', 'name', 'path', 'bytes', 'sha256', 'status', 'error']
    """
    overwrite, by_build = as_bool("overwrite", overwrite), as_bool("by_build", by_build)
    wanted = _validate(files, max_workers, by_build)
    check_progress(progress)
    tracker = ProgressTracker([FileProgress(file.id, file.build_id, file.name) for file in wanted])
    limit = transport.settings.limits.file if max_bytes is None else check_bytes("max_bytes", max_bytes)
    job = FetchJob(
        transport,
        wanted,
        _target_folders(to, wanted, by_build, transport),
        max_workers,
        overwrite,
        limit,
        tracker,
    )
    with progress_display(progress) as show:
        with contextlib.suppress(_StopRequestedError):
            _run_all(job, wanted, max_workers + _EXTRA_WORKERS, _throttled(tracker, show))
        results = [job.result(file) for file in wanted]
        show(tracker.progress())
    return typed_frame([asdict(result) for result in results], _DTYPES).set_index("id")


def _run_all(job: FetchJob, files: Sequence[File], workers: int, tick: Callable[[], None]) -> None:
    """Fetch files in threads; call `tick` after each file and at least ten times a second.

    An error in a thread or in `tick`, or Ctrl-C, stops all threads before it is raised. A thread that a
    system call blocks for longer than `_STOP_TIMEOUT` is left behind; Python waits for it at exit.
    """
    done: queue.SimpleQueue[Future[None]] = queue.SimpleQueue()
    futures: list[Future[None]] = []
    pool = ThreadPoolExecutor(workers, thread_name_prefix="mkframe-fetch")
    try:
        for file in files:
            # in the caller's context, so that context variables of its log handlers are set in threads too
            future = pool.submit(contextvars.copy_context().run, job.run, file)
            future.add_done_callback(done.put)
            futures.append(future)
        left = len(futures)
        while left:
            with contextlib.suppress(queue.Empty):
                done.get(timeout=_PROGRESS_INTERVAL).result()
                left -= 1
            tick()
    except BaseException:
        job.stop()
        raise
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        running = [future for future in futures if not future.cancelled()]
        # join the threads, but only if none is blocked: the caller must get control back
        pool.shutdown(wait=not wait(running, _STOP_TIMEOUT).not_done)


def _target_folders(
    to: str | os.PathLike[str], files: list[File], by_build: bool, transport: Transport
) -> dict[int | None, TargetFolder]:
    """Map each build to its target folder; without `by_build` all share one."""
    builds = dict.fromkeys(file.build_id for file in files)
    base = expand_path(to)
    folders = {build: base / f"build-{build}" if by_build else base for build in builds}
    _prepare_folder(base)
    by_path: dict[Path, TargetFolder] = {}
    for folder in dict.fromkeys(folders.values()):
        _prepare_folder(folder)
        by_path[folder] = TargetFolder(folder, Manifest(folder, transport.settings.url))
    return {build: by_path[folder] for build, folder in folders.items()}


def _throttled(tracker: ProgressTracker, show: ProgressCallback) -> Callable[[], None]:
    """Return a function that shows progress ten times a second, and raises once a stop is requested."""
    last = float("-inf")

    def tick() -> None:
        nonlocal last
        if time.monotonic() - last >= _PROGRESS_INTERVAL:
            show(tracker.progress())
            last = time.monotonic()
        if tracker.stopped:
            raise _StopRequestedError

    return tick


def _validate(files: Iterable[File], max_workers: int, by_build: bool) -> list[File]:
    if type(max_workers) is not int or not 1 <= max_workers <= _MAX_WORKERS:
        raise InputError(
            f"max_workers must be a whole number from 1 to {_MAX_WORKERS}, not {max_workers!r}.",
            hint="8 is a good choice.",
        )
    wanted = list(dict.fromkeys(_with_python_ints(file) for file in files))
    seen: set[int] = set()
    for file in wanted:
        if file.id in seen:
            raise InputError(
                f"Download {file.id} is given twice, with different builds or names.", hint="Give it once."
            )
        seen.add(file.id)
        if by_build and file.build_id is None:
            raise InputError(
                f"The build of download {file.id} is not known.",
                hint="Give rows of client.downloads.find(...), or leave by_build out.",
            )
    return wanted


def _with_python_ints(file: File) -> File:
    """Replace numpy integers, which JSON cannot encode."""
    build = None if file.build_id is None else operator.index(file.build_id)
    return File(operator.index(file.id), build, file.name)


def _prepare_folder(folder: Path) -> None:
    try:
        open_folder(folder, make=True).close()
        remove_stale_parts(folder)
    except (OSError, ValueError) as error:  # a name that no system could have is a ValueError
        reason = getattr(error, "strerror", None) or error
        raise InputError(
            f"The folder {str(folder)!r} cannot be created or opened: {reason}.", hint="Give another as to=."
        ) from error
