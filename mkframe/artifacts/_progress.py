"""Progress of a fetch: worker threads update it, a bar or a function of the caller shows it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from mkframe._bars import ProgressBar
from mkframe.errors import InputError
from mkframe.limits import size

__all__ = [
    "FileProgress",
    "ProgressTracker",
    "Progress",
    "ProgressCallback",
    "check_progress",
    "progress_display",
]

_BAR_DELAY = 0.5
"""Seconds before a bar appears."""
Status = Literal["waiting", "fetching", "fetched", "present", "refused", "failed"]


@dataclass(frozen=True, slots=True)
class FileProgress:
    """Progress of one file.

    Parameters
    ----------
    id : int
        Download ID.
    build_id : int, optional
        The build it belongs to.
    name : str, optional
        Its name, once it is known.
    bytes : int
        Bytes received so far; 0 again when a broken stream is restarted.
    total : int, optional
        Its size in bytes; None until the server has sent it, or if it does not.
    status : str
        ``waiting``, ``fetching``, then the status in the frame: ``fetched``, ``present``, ``refused`` or
        ``failed``.
    error : str, optional
        Why there is no file.
    """

    id: int
    build_id: int | None = None
    name: str | None = None
    bytes: int = 0
    total: int | None = None
    status: Status = "waiting"
    error: str | None = None

    @property
    def done(self) -> bool:
        """Whether its status is final."""
        return self.status not in ("waiting", "fetching")

    @property
    def share(self) -> float:
        """Progress from 0 to 1; 1 for every final status."""
        if self.done:
            return 1.0
        return min(self.bytes / self.total, 0.99) if self.total else 0.0


@dataclass(frozen=True, slots=True)
class Progress:
    """Progress of a fetch; the argument of a function given as ``progress=``.

    Parameters
    ----------
    files : tuple of FileProgress
        In the order given.

    Examples
    --------
    >>> half = Progress((FileProgress(1, bytes=50, total=100, status="fetching"),))
    >>> half.share, half.bytes, half.done
    (0.5, 50, 0)
    """

    files: tuple[FileProgress, ...]
    _on_stop: Callable[[], None] = field(default=lambda: None, repr=False, compare=False)

    @property
    def share(self) -> float:
        """Progress from 0 to 1; all files have equal weight, since a size is unknown at first."""
        return sum(file.share for file in self.files) / len(self.files) if self.files else 1.0

    @property
    def bytes(self) -> int:
        """Bytes received so far, over all files."""
        return sum(file.bytes for file in self.files)

    @property
    def done(self) -> int:
        """Number of files with a final status."""
        return sum(file.done for file in self.files)

    def stop(self) -> None:
        """End the fetch soon: complete files stay, the others are ``failed``."""
        self._on_stop()


ProgressCallback = Callable[[Progress], object]


class ProgressTracker:
    """State of all files; one thread at a time updates each.

    Parameters
    ----------
    files : sequence of FileProgress
        As they begin.
    """

    def __init__(self, files: Sequence[FileProgress]) -> None:
        self._files = {file.id: file for file in files}
        self.stopped = False

    def update(self, id: int, **changes: Any) -> None:
        """Change the state of a file."""
        self._files[id] = replace(self._files[id], **changes)

    def progress(self) -> Progress:
        """Return the state of all files."""
        return Progress(tuple(self._files.values()), self._stop)

    def _stop(self) -> None:
        self.stopped = True


def check_progress(progress: Any) -> None:
    """Check the argument ``progress=``."""
    if not isinstance(progress, bool) and not callable(progress):
        raise InputError(
            f"progress must be True, False or a function, not {progress!r}.",
            hint="A function is called with a mkframe.artifacts.Progress about ten times a second.",
        )


@contextlib.contextmanager
def progress_display(progress: bool | ProgressCallback) -> Iterator[ProgressCallback]:
    """Return a function that shows progress: in one bar, not at all, or by the given function."""
    if not isinstance(progress, bool):
        yield progress
        return
    with ProgressBar("Fetch", delay=_BAR_DELAY, remaining=True, enabled=progress) as bar:

        def show(now: Progress) -> None:
            count = len(now.files)
            bar.show(now.share * count, f"{now.done} of {count} files, {size(now.bytes)}", total=count)

        yield show
