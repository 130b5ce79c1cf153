"""Fetching artifacts: in parallel, whole or not at all, never over somebody else's file."""

from __future__ import annotations

import contextlib
import operator
import os
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path

import pandas as pd

from mkframe._files import expand_path, remove_stale_parts
from mkframe._folders import open_folder
from mkframe._http import Transport
from mkframe.artifacts._download import FetchJob, File, TargetFolder
from mkframe.artifacts._frames import typed_frame
from mkframe.artifacts._manifest import Manifest
from mkframe.artifacts._progress import FileProgress, ProgressCallback, ProgressTracker, check_progress, shown
from mkframe.artifacts._threads import in_parallel
from mkframe.errors import InputError
from mkframe.limits import check_bytes

__all__ = ["File", "fetch"]

_MOST_PARALLEL = 16
_FINISHING = 2
"""Threads beyond the streams, so that no stream waits while a file is brought to the disk."""
_BETWEEN = 0.1
"""Seconds between two times that progress is shown."""
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


class _Halted(Exception):
    """The caller wants the fetch to end, with what it has."""


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

    Each file is written beside its target under a hidden name and moved when all its bytes have come and,
    for a ZIP archive, its directory can be read. A stream that breaks is begun again; a file that cannot be
    had does not stop the others. File names are made safe, and a name that occurs twice is given a counter.

    What has landed is written down in ``.mkframe.jsonl`` in the folder: download, name, size and SHA-256.
    A file whose bytes are still those is not fetched again, for an artifact is taken not to change on the
    server; the list and the file must be this user's own, and nobody else may write the list. Any other
    file that has the wanted name is compared after fetching: equal ones count as present, different ones
    are left as they are.

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
    by_build : bool, default False
        Give each build a folder of its own in `to`, such as ``build-5139``.
    max_bytes : int, optional
        Most bytes of each file, unpacked; else the limit of the settings. A larger file is ``failed`` and
        leaves nothing; the others go on.
    progress : bool or callable, default True
        Show one bar for all where it takes longer than half a second. A function is called in this thread
        with a `Progress`, about ten times a second and once in the end; `Progress.stop` ends the fetch and
        keeps what is whole. What the function raises ends it as well, like Ctrl-C.

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
        If an argument is unfit, or a link of another user leads to the folder; nothing was sent.

    Warns
    -----
    UserWarning
        If the list of what was fetched is left alone, since others have written it or could.

    Examples
    --------
    >>> import tempfile
    >>> from mkframe.settings import load
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     list(fetch(Transport(load(token="...")), [], to=folder))
    ['build_id', 'name', 'path', 'bytes', 'sha256', 'status', 'error']
    """
    wanted = _checked(files, max_workers, by_build)
    check_progress(progress)
    meter = ProgressTracker([FileProgress(file.id, file.build_id, file.name) for file in wanted])
    most = transport.settings.limits.file if max_bytes is None else check_bytes("max_bytes", max_bytes)
    run = FetchJob(
        transport, wanted, _places(to, wanted, by_build, transport), max_workers, overwrite, most, meter
    )
    with shown(progress) as show:
        with contextlib.suppress(_Halted):
            in_parallel(run.one, wanted, max_workers + _FINISHING, _ticking(meter, show), run.stop)
        results = [run.result(file) for file in wanted]
        show(meter.progress())
    return typed_frame([asdict(result) for result in results], _DTYPES).set_index("id")


def _places(
    to: str | os.PathLike[str], files: list[File], by_build: bool, transport: Transport
) -> dict[int | None, TargetFolder]:
    """Where the files of each build go; without `by_build` all go to one place."""
    builds = dict.fromkeys(file.build_id for file in files)
    base = expand_path(to)
    folders = {build: base / f"build-{build}" if by_build else base for build in builds}
    _folder(base)
    made: dict[Path, TargetFolder] = {}
    for folder in dict.fromkeys(folders.values()):
        _folder(folder)
        made[folder] = TargetFolder(folder, Manifest(folder, transport.settings.url))
    return {build: made[folder] for build, folder in folders.items()}


def _ticking(meter: ProgressTracker, show: ProgressCallback) -> Callable[[], None]:
    """Show progress, but not more often than anybody sees; end where that was asked for."""
    last = float("-inf")

    def tick() -> None:
        nonlocal last
        if time.monotonic() - last >= _BETWEEN:
            show(meter.progress())
            last = time.monotonic()
        if meter.stopped:
            raise _Halted

    return tick


def _checked(files: Iterable[File], max_workers: int, by_build: bool) -> list[File]:
    if type(max_workers) is not int or not 1 <= max_workers <= _MOST_PARALLEL:
        raise InputError(
            f"max_workers must be a whole number from 1 to {_MOST_PARALLEL}, not {max_workers!r}.",
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
        if by_build and file.build_id is None:
            raise InputError(
                f"The build of download {file.id} is not known.",
                hint="Give rows of client.downloads.find(...), or leave by_build out.",
            )
    return wanted


def _plain(file: File) -> File:
    """The same record without numpy's integers, which JSON does not take."""
    build = None if file.build_id is None else operator.index(file.build_id)
    return File(operator.index(file.id), build, file.name)


def _folder(folder: Path) -> None:
    try:
        open_folder(folder, make=True).close()
        remove_stale_parts(folder)
    except (OSError, ValueError) as error:  # a name that no system could have is a ValueError
        reason = getattr(error, "strerror", None) or error
        raise InputError(
            f"The folder {str(folder)!r} cannot be made or opened: {reason}.", hint="Give another as to=."
        ) from error
