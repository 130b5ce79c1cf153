"""Accessor of downloads."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Callable
from os import PathLike
from typing import Any

import pandas as pd

from mkframe import _validation, artifacts, builds, frames
from mkframe._text import single_line
from mkframe.client._accessor import Accessor, Id, Name
from mkframe.errors import InputError

__all__ = ["Downloads"]

_DOWNLOAD_COLUMNS = {"build_id", "name"}
"""Columns by which a frame or row of downloads is recognized; other rows have ids, too."""
_BUILD_COLUMNS = {"status", "build_start"}
_FETCH_COLUMNS = {"path", "sha256", "status"}
_HINT = (
    "Give rows of client.downloads.find(...), mk.explode_downloads(builds) or client.builds.find(...), "
    "build=5139 or downloads=7042."
)


class Downloads(Accessor):
    resource = "downloads"

    def find(self, *, build_id: Id = None, pattern: Name = None, pattern_id: Id = None) -> pd.DataFrame:
        return self._find(build_id=build_id, pattern=pattern, pattern_id=pattern_id)

    def fetch(
        self,
        files: Any = None,
        *,
        to: str | PathLike[str],
        build: Any = None,
        downloads: Any = None,
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

        Builds and downloads have ids of their own, and one number may be both. So a bare id is refused:
        ``build=5139`` are all artifacts of a build, ``downloads=7042`` is one artifact. Where only builds
        make sense, as in `diff`, ``client.builds.wait`` and `mk.forms.watch`, a bare id is a build's.

        Parameters
        ----------
        files : DataFrame, Series, BuildStart, or a list of these
            Rows of ``client.downloads.find(...)`` or `mk.explode_downloads`, or builds: rows of
            ``client.builds.find``, the results of ``get``, ``wait`` or ``start``. The server is asked which
            artifacts a build has now.
        to : path
            Folder; created where it is missing. Nothing is written outside of it.
        build : int, BuildStart, Series, DataFrame, or a list of these
            Builds, of which all artifacts are fetched.
        downloads : int, Series, DataFrame, or a list of these
            Artifacts, by their ids or rows. Give one of `files`, `build` and `downloads`.
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
            If an argument is invalid, such as a bare id; nothing was sent.
        NotFoundError
            If there is no build of an id.

        Examples
        --------
        >>> import mkframe as mk, tempfile
        >>> with mk.demo(builds=20) as client, tempfile.TemporaryDirectory() as folder:
        ...     client.downloads.fetch(build=5139, to=folder, progress=False)["status"].tolist()
        ['fetched']
        """
        return artifacts.fetch(
            self._transport,
            self._chosen(files, build, downloads),
            to,
            max_workers=max_workers,
            overwrite=overwrite,
            by_build=by_build,
            max_bytes=max_bytes,
            progress=progress,
        )

    def diff(
        self,
        old: Any,
        new: Any,
        *,
        to: str | PathLike[str] | None = None,
        unchanged: bool = False,
        context: int = 3,
        encoding: str | None = None,
        max_text: int = 1 << 20,
        progress: bool | Callable[[artifacts.Progress], object] = True,
    ) -> pd.DataFrame:
        """Compare what two builds delivered, member by member: fetch their artifacts, then compare these.

        Parameters
        ----------
        old, new : int, BuildStart, Series, DataFrame, path, or a list of these
            Builds, by ids or rows; rows of downloads; the frame of a fetch or paths, which are not fetched
            again. A bare id is a build's.
        to : path, optional
            Folder to keep the artifacts in, with a folder for each build; else they are removed.
        unchanged, context, encoding, max_text
            As in `mk.artifacts.diff`.
        progress : bool or callable, default True
            As in `fetch`.

        Returns
        -------
        DataFrame
            As `mk.artifacts.diff` returns it; `mk.artifacts.show` renders it.

        Raises
        ------
        InputError
            If a side is something else or has no artifacts, or a file could not be fetched.
        NotFoundError
            If there is no build of an id.

        Examples
        --------
        >>> import mkframe as mk
        >>> with mk.demo(builds=40) as client:
        ...     frame = client.downloads.diff(5131, 5139, progress=False)
        >>> set(frame["change"]) <= {"changed", "only in old", "only in new"}
        True
        """
        with tempfile.TemporaryDirectory(prefix="mkframe-diff-") as temporary:
            folder = temporary if to is None else to
            return artifacts.diff(
                self._fetch_side(old, folder, progress),
                self._fetch_side(new, folder, progress),
                unchanged=unchanged,
                context=context,
                encoding=encoding,
                max_text=max_text,
            )

    def _fetch_side(self, side: Any, to: str | PathLike[str], progress: Any) -> Any:
        """Fetch one side of a comparison; paths and the frame of a fetch are there already."""
        if _validation.is_several(side) and not isinstance(side, pd.DataFrame | pd.Series):
            side = list(side)
        if isinstance(side, str | PathLike) or _is_fetched(side):
            return side
        files = self._files(side, self._files_of_build)
        if not files:
            which = f"Build {side}" if isinstance(side, int) else "One of the sides"
            raise InputError(f"{which} has no artifacts to compare.", hint="Choose a build that is FINISHED.")
        return artifacts.fetch(self._transport, files, to, by_build=True, progress=progress)

    def _chosen(self, files: Any, build: Any, downloads: Any) -> list[artifacts.File]:
        """List the files that the arguments of a fetch name."""
        given = [value is not None for value in (files, build, downloads)]
        if sum(given) != 1:
            raise InputError(
                "fetch takes rows, build= or downloads=, and exactly one of them.",
                hint='Write fetch(build=5139, to="artifacts") for all artifacts of build 5139.',
            )
        if build is not None:
            ids, _ = builds.build_ids(build)
            return [file for each in ids for file in self._files_of_build(each)]
        if downloads is not None:
            return self._files(downloads, lambda number: [artifacts.File(number)])
        return self._files(files, _refuse_id)

    def _files(self, files: Any, of_id: Callable[[int], list[artifacts.File]]) -> list[artifacts.File]:
        """List the files that rows, builds or ids name; `of_id` lists those of a bare id."""
        if isinstance(files, pd.DataFrame):
            return self._files_of_frame(files)
        if builds.is_build(files):
            return self._files_of_build(builds.build_id(files))
        if _validation.is_frame_row(files):
            if not set(files.index) >= _DOWNLOAD_COLUMNS:
                raise InputError(
                    f"The row {single_line(files.name)} is neither a download nor a build.", hint=_HINT
                )
            return [_file(_validation.row_id(files), files["build_id"], files["name"])]
        _validation.check_ids(files, "id", "download_id")
        if not _validation.is_several(files):
            return of_id(_validation.as_id("an id", files))
        return [file for one in files for file in self._files(one, of_id)]

    def _files_of_frame(self, frame: pd.DataFrame) -> list[artifacts.File]:
        if set(frame.columns) >= _DOWNLOAD_COLUMNS:
            return [*map(_file, _validation.frame_ids(frame), frame["build_id"], frame["name"])]
        if not set(frame.columns) >= _BUILD_COLUMNS:
            raise InputError("The frame is neither one of downloads nor one of builds.", hint=_HINT)
        ids, _ = builds.build_ids(frame)
        return [file for each in ids for file in self._files_of_build(each)]

    def _files_of_build(self, id: int) -> list[artifacts.File]:
        """Ask which artifacts a build has now; raise if there is no such build."""
        found = self.find(build_id=id)
        if found.empty:
            self._transport.get(f"/builds/{id}", parse=functools.partial(frames.decode_one, "builds"))
        return self._files_of_frame(found)


def _is_fetched(side: Any) -> bool:
    """Whether it is the frame of a fetch, a row of it, or a list of paths."""
    if isinstance(side, pd.DataFrame) or _validation.is_frame_row(side):
        return set(side.columns if isinstance(side, pd.DataFrame) else side.index) >= _FETCH_COLUMNS
    return isinstance(side, list | pd.Series) and any(isinstance(one, str | PathLike) for one in side)


def _refuse_id(id: int) -> list[artifacts.File]:
    raise InputError(
        f"{id} may be the id of a build or of a download.",
        hint=f"Write fetch(build={id}, ...) for all artifacts of build {id}, or fetch(downloads={id}, ...) "
        "for this one.",
    )


def _file(id: Any, build_id: Any, name: Any) -> artifacts.File:
    """Make a file of a row, in which all but the id may be missing."""
    return artifacts.File(
        _validation.as_id("a download id", id),
        None if pd.isna(build_id) else int(build_id),
        name if isinstance(name, str) else None,
    )
