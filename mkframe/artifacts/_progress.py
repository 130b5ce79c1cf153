"""How far a fetch is: threads write it down, and one bar or a function of the caller shows it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from mkframe.errors import InputError

__all__ = ["FileProgress", "ProgressTracker", "Progress", "ProgressCallback", "check_progress", "shown"]

_UNNOTICED = 0.5
"""Seconds within which nobody misses a bar."""
Status = Literal["waiting", "fetching", "fetched", "present", "refused", "failed"]


@dataclass(frozen=True, slots=True)
class FileProgress:
    """How far one file is.

    Parameters
    ----------
    id : int
        Download ID.
    build_id : int, optional
        The build it belongs to.
    name : str, optional
        Its name, as soon as it is known.
    bytes : int
        What has come so far; it falls to 0 where a broken stream is begun again.
    total : int, optional
        Its size in bytes; None before the server has told it, or where it does not.
    status : str
        ``waiting``, ``fetching``, then the word of the frame: ``fetched``, ``present``, ``refused`` or
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
        """Whether nothing more happens to it."""
        return self.status not in ("waiting", "fetching")

    @property
    def share(self) -> float:
        """From 0 to 1; 1 is a file that is through, whatever became of it."""
        if self.done:
            return 1.0
        return min(self.bytes / self.total, 0.99) if self.total else 0.0


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a fetch is; what a function given as ``progress=`` is handed.

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
    _halt: Callable[[], None] = field(default=lambda: None, repr=False, compare=False)

    @property
    def share(self) -> float:
        """From 0 to 1; every file counts alike, since a size is not known before its file begins."""
        return sum(file.share for file in self.files) / len(self.files) if self.files else 1.0

    @property
    def bytes(self) -> int:
        """What has come so far, over all files."""
        return sum(file.bytes for file in self.files)

    @property
    def done(self) -> int:
        """How many files are through."""
        return sum(file.done for file in self.files)

    def stop(self) -> None:
        """End the fetch soon: whole files stay, the others come back as ``failed``."""
        self._halt()


ProgressCallback = Callable[[Progress], object]


class ProgressTracker:
    """Keeps the state of all files; each is written by one thread at a time.

    Parameters
    ----------
    files : sequence of FileProgress
        As they begin.
    """

    def __init__(self, files: Sequence[FileProgress]) -> None:
        self._files = {file.id: file for file in files}
        self.stopped = False

    def note(self, id: int, **news: Any) -> None:
        """Write down what is new of a file."""
        self._files[id] = replace(self._files[id], **news)

    def progress(self) -> Progress:
        """How far all are now."""
        return Progress(tuple(self._files.values()), self._stop)

    def _stop(self) -> None:
        self.stopped = True


def check_progress(progress: Any) -> None:
    """Check what was given to show progress."""
    if not isinstance(progress, bool) and not callable(progress):
        raise InputError(
            f"progress must be True, False or a function, not {progress!r}.",
            hint="A function is handed a mkframe.artifacts.Progress about ten times a second.",
        )


@contextlib.contextmanager
def shown(progress: bool | ProgressCallback) -> Iterator[ProgressCallback]:
    """What shows progress: one bar, nothing, or the function that was given."""
    if not isinstance(progress, bool):
        yield progress
        return
    bar = _Bar()
    try:
        yield bar.show if progress else lambda _: None
    finally:
        bar.close()


class _Bar:
    """One bar for all files, after half a second: quick work shows none, nor waits for its import."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._bar: Any = None

    def show(self, now: Progress) -> None:
        waited = time.monotonic() - self._started
        if waited < _UNNOTICED:
            return
        if self._bar is None:
            self._bar = _tqdm(len(now.files), waited)
        size = self._bar.format_sizeof(now.bytes, "B")
        self._bar.set_description_str(f"{now.done} of {len(now.files)} files, {size}", refresh=False)
        self._bar.update(now.share * len(now.files) - self._bar.n)

    def close(self) -> None:
        """Leave the bar as it stands in the end."""
        if self._bar is not None:
            self._bar.close()


def _tqdm(total: int, waited: float) -> Any:
    """A bar that suits terminal or notebook."""
    from tqdm.auto import tqdm

    # tqdm's thread that wakes stalled bars would outlive us; `show` is called often enough
    unwatched = type("Bar", (tqdm,), {"monitor_interval": 0})
    bar = unwatched(
        total=total, bar_format="{desc} {percentage:3.0f}%|{bar}| {elapsed}<{remaining}", miniters=0
    )
    bar.start_t -= waited
    return bar
