"""Artifacts on disk: fetched whole, looked into, unpacked with care, compared.

Examples
--------
>>> from mkframe import artifacts
>>> artifacts.members("missing.zip")
Traceback (most recent call last):
    ...
mkframe.errors.InputError: There is no file 'missing.zip'. Give the path of a ZIP archive.
"""

from mkframe.artifacts.comparing import diff
from mkframe.artifacts.fetching import File, fetch
from mkframe.artifacts.opening import extract, members, read
from mkframe.artifacts.progress import FileProgress, Progress
from mkframe.artifacts.rendering import Shown, show

__all__ = [
    "File",
    "FileProgress",
    "Progress",
    "Shown",
    "diff",
    "extract",
    "fetch",
    "members",
    "read",
    "show",
]
