"""Accessor of downloads."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from os import PathLike
from typing import Any

import pandas as pd

from mkframe import _validation, artifacts, builds
from mkframe._text import single_line
from mkframe.client._accessor import Accessor, Id, Name
from mkframe.errors import InputError

__all__ = ["Downloads"]

_DOWNLOAD_COLUMNS = {"build_id", "name"}
"""Columns by which a frame or row of downloads is recognized; other rows have ids, too."""
_HINT = "Give rows of client.downloads.find(...) or mk.explode_downloads(builds), download ids, or builds."


class Downloads(Accessor):
    resource = "downloads"

    def find(self, *, build_id: Id = None, pattern: Name = None, pattern_id: Id = None) -> pd.DataFrame:
        return self._find(build_id=build_id, pattern=pattern, pattern_id=pattern_id)

    def fetch(
        self,
        files: Any,
        *,
        to: str | PathLike[str],
        max_workers: int = 8,
        overwrite: bool = False,
        by_build: bool = False,
        max_bytes: int | None = None,
        progress: bool | Callable[[artifacts.Progress], object] = True,
    ) -> pd.DataFrame:
        """Fetch artifacts into a folder: whole or not at all, never over a different file.

        A complete file that exists already is not fetched again. Each file is written beside its target
        and moved when it is complete. A stream that breaks is restarted; a file that fails does not stop
        the others.

        Parameters
        ----------
        files : DataFrame, Series, int, BuildStart, or a list of these
            Rows of ``client.downloads.find(...)`` or `mk.explode_downloads`, download IDs, or builds: the
            results of ``client.builds.get``, ``wait`` or ``start``. For all artifacts of build 5139:
            ``client.downloads.fetch(client.downloads.find(build_id=5139), to="artifacts")``.
        to : path
            Folder; created where it is missing. Nothing is written outside of it.
        max_workers : int, default 8
            Files that are fetched at the same time, up to 16.
        overwrite : bool, default False
            Fetch all again and replace files of the same names.
        by_build : bool, default False
            Give each build a folder of its own in `to`, such as ``build-5139``.
        max_bytes : int, optional
            Most bytes of each file, decompressed; else the client's limit for files, 2 GiB by default. A
            larger file is ``failed`` and leaves nothing; the others go on.
        progress : bool or callable, default True
            Show one bar for all. A function is called with a `mkframe.artifacts.Progress` about ten times a
            second and once in the end: bytes and status of each file, and a way to stop, after which
            whole files stay and the others are ``failed``.

        Returns
        -------
        DataFrame
            Indexed by ``id`` int64: ``build_id`` Int64, ``name`` str, ``path`` str, ``bytes`` Int64,
            ``sha256`` str, ``status`` str (fetched, present, refused or failed), ``error`` str.

        Raises
        ------
        InputError
            If an argument is invalid; nothing was sent.

        Examples
        --------
        >>> import mkframe as mk, tempfile
        >>> with mk.demo(builds=20) as client, tempfile.TemporaryDirectory() as folder:
        ...     client.downloads.fetch([5442], to=folder, progress=False)["status"].tolist()
        ['fetched']
        """
        return artifacts.fetch(
            self._transport,
            self._files(files),
            to,
            max_workers=max_workers,
            overwrite=overwrite,
            by_build=by_build,
            max_bytes=max_bytes,
            progress=progress,
        )

    def _files(self, files: Any) -> list[artifacts.File]:
        """List the files that the argument `files` of a fetch names."""
        if isinstance(files, pd.DataFrame):
            if not set(files.columns) >= _DOWNLOAD_COLUMNS or files.index.name != "id":
                raise InputError("The frame is not one of downloads.", hint=_HINT)
            return [*map(_file, files.index, files["build_id"], files["name"])]
        if builds.is_build(files):
            return self._files(self.find(build_id=builds.build_id(files)))
        if _validation.is_frame_row(files):
            if not set(files.index) >= _DOWNLOAD_COLUMNS:
                raise InputError(
                    f"The row {single_line(files.name)} is neither a download nor a build.", hint=_HINT
                )
            return [_file(_validation.row_id(files), files["build_id"], files["name"])]
        _validation.check_ids(files, "id", "download_id")
        if isinstance(files, str) or not isinstance(files, Iterable):
            return [artifacts.File(_validation.as_id("a download id", files))]
        return [file for one in files for file in self._files(one)]


def _file(id: Any, build_id: Any, name: Any) -> artifacts.File:
    """Make a file of a row, in which all but the id may be missing."""
    return artifacts.File(
        _validation.as_id("a download id", id),
        None if pd.isna(build_id) else int(build_id),
        name if isinstance(name, str) else None,
    )
