"""Files for a person to save on the own computer: links that contain them, so that no server is asked.

What is fetched lies on the computer that runs the kernel, which need not be the one with the browser. The
links are part of the page, and of a notebook that is saved with its widgets. Therefore they are bounded.
"""

from __future__ import annotations

import base64
import io
import os
import stat
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mkframe.errors import InputError
from mkframe.forms.models import public
from mkframe.limits import size

__all__ = ["MAX_BYTES", "Offer", "make_offers", "size_error"]

MAX_BYTES = 32 << 20
"""Most bytes of the files that a page offers at a time; their archive has as many once more."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A file that a person can save.

    Parameters
    ----------
    name : str
        Name of the file.
    label : str
        What the link says.
    size : int
        In bytes.
    url : str
        Its content, as a data URL.
    """

    name: str
    label: str
    size: int
    url: str


def make_offers(paths: Iterable[str], *, is_public: bool) -> tuple[tuple[Offer, ...], str]:
    """Return a link for all files together and one for each, and a sentence about those without a link.

    A visitor's files must be in the visitor's folder; there are never more than fit.

    Raises
    ------
    InputError
        If a file cannot be read, is outside of the visitor's folder, or is too large for a visitor's page.
    """
    files: list[tuple[Path, bytes]] = []
    left, omitted = MAX_BYTES, 0
    for path in map(Path, paths):
        if is_public:
            public.check_inside(path)
        content = _read(path, left, follow=not is_public)
        if content is None:
            if is_public:
                raise size_error()
            omitted += 1
            continue
        left -= len(content)
        files.append((path, content))
    single = [_offer(p.name, f"{p.name}, of {p.parent.name}, {size(len(c))}", c) for p, c in files]
    return (*_archive(files), *single), _omitted_text(omitted)


def size_error() -> InputError:
    """Return the error for a request of more than `MAX_BYTES` by a visitor."""
    return InputError(f"This page offers at most {size(MAX_BYTES)} at a time.", hint="Choose fewer builds.")


def _archive(files: Sequence[tuple[Path, bytes]]) -> list[Offer]:
    """Return a link for several files as one ZIP, with a folder for each build."""
    if len(files) < 2:
        return []
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:  # not compressed: artifacts are ZIP archives
        for path, content in files:
            archive.writestr(zipfile.ZipInfo(f"{path.parent.name}/{path.name}"), content)
    builds = {path.parent.name for path, _ in files}
    name = f"{builds.pop()}.zip" if len(builds) == 1 else "artifacts.zip"
    content = buffer.getvalue()
    return [_offer(name, f"all {len(files):,} files as {name}, {size(len(content))}", content)]


def _offer(name: str, label: str, content: bytes) -> Offer:
    url = f"data:application/octet-stream;base64,{base64.b64encode(content).decode()}"
    return Offer(name, label, len(content), url)


def _omitted_text(count: int) -> str:
    if not count:
        return ""
    files = "1 file has" if count == 1 else f"{count:,} files have"
    return (
        f"{files} no link, since links hold at most {size(MAX_BYTES)} together. Fetch fewer builds at a "
        "time, or take them from the folder on the server."
    )


def _read(path: Path, most: int, *, follow: bool) -> bytes | None:
    """Read a regular file; None if it is larger."""
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    flags |= 0 if follow else getattr(os, "O_NOFOLLOW", 0)
    try:
        with os.fdopen(os.open(path, flags), "rb") as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode):
                raise InputError(f"{path.name!r} is not a regular file.", hint="Fetch it again.")
            content = file.read(most + 1) if found.st_size <= most else None
    except OSError as error:
        raise InputError(f"{path.name!r} cannot be read.", hint="Fetch it again.") from error
    return None if content is None or len(content) > most else content
