"""Fetch artifacts to disk, list and read them, extract them, compare them.

Examples
--------
>>> from mkframe import artifacts
>>> artifacts.members("missing.zip")
Traceback (most recent call last):
    ...
mkframe.errors.InputError: There is no file 'missing.zip'. Give the path of a ZIP archive.
"""

from mkframe.artifacts._archive import extract, members, read
from mkframe.artifacts._diff import diff
from mkframe.artifacts._diff_view import DiffView, show
from mkframe.artifacts._fetch import File, fetch
from mkframe.artifacts._progress import FileProgress, Progress

__all__ = [
    "File",
    "FileProgress",
    "Progress",
    "DiffView",
    "diff",
    "extract",
    "fetch",
    "members",
    "read",
    "show",
]
