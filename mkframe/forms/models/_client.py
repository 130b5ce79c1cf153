"""The parts of a client that models use, as protocols, so that a test or a script can pass its own."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import pandas as pd

from mkframe.builds import BuildStart

__all__ = ["ClientLike", "FileProgress", "Progress"]


class FileProgress(Protocol):
    """The progress of one file, as `mkframe.artifacts.FileProgress`."""

    @property
    def id(self) -> int: ...
    @property
    def name(self) -> str | None: ...
    @property
    def bytes(self) -> int: ...
    @property
    def total(self) -> int | None: ...
    @property
    def share(self) -> float: ...
    @property
    def status(self) -> str: ...
    @property
    def error(self) -> str | None: ...


class Progress(Protocol):
    """The progress of a fetch, as `mkframe.artifacts.Progress`."""

    @property
    def files(self) -> Sequence[FileProgress]: ...
    @property
    def bytes(self) -> int: ...
    @property
    def share(self) -> float: ...
    @property
    def done(self) -> int: ...
    def stop(self) -> None: ...


class _Identity(Protocol):
    @property
    def email(self) -> str | None: ...
    @property
    def token_expires(self) -> dt.datetime | None: ...
    @property
    def can_log_in(self) -> bool: ...


class _Resource(Protocol):
    def find(self) -> pd.DataFrame: ...


class _InstanceFolders(Protocol):
    def find(self, *, project_id: int) -> pd.DataFrame: ...


class _Instances(Protocol):
    # A property, because the names of the filters are known at run time only.
    @property
    def find(self) -> Callable[..., pd.DataFrame]: ...


class _Builds(Protocol):
    def find(self, *, project_id: int | None) -> pd.DataFrame: ...
    def get(self, id: int) -> pd.Series[Any]: ...
    def new_marker(self) -> str: ...
    def confirm(
        self, marker: str, *, project_id: int | None, confirm_timeout: float, warn: bool
    ) -> BuildStart: ...

    # A property, because the arguments come from `SelectionModel.request`.
    @property
    def start(self) -> Callable[..., BuildStart]: ...


class _Downloads(Protocol):
    def find(self, *, build_id: int) -> pd.DataFrame: ...
    def fetch(
        self,
        files: pd.DataFrame,
        *,
        to: str,
        by_build: bool,
        progress: bool | Callable[[Progress], object],
    ) -> pd.DataFrame: ...


class ClientLike(Protocol):
    """A `Client`, or an object with the same methods."""

    @property
    def url(self) -> str: ...
    @property
    def identity(self) -> _Identity: ...
    @property
    def projects(self) -> _Resource: ...
    @property
    def patterns(self) -> _Resource: ...
    @property
    def releases(self) -> _Resource: ...
    @property
    def release_groups(self) -> _Resource: ...
    @property
    def instances(self) -> _Instances: ...
    @property
    def instance_folders(self) -> _InstanceFolders: ...
    @property
    def builds(self) -> _Builds: ...
    @property
    def downloads(self) -> _Downloads: ...
    def close(self) -> None: ...
