"""Make file names from a server safe to write on every system."""

from __future__ import annotations

import re
import unicodedata

from mkframe._text import HIDDEN_CATEGORIES

__all__ = ["DESKTOP_FILES", "add_counter", "fold_case", "path_problem", "safe_name"]

DESKTOP_FILES = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})
"""Files that macOS and Windows create in folders a user has opened; never part of an artifact."""
_MAX_NAME_BYTES = 255
_RESERVED = 15
"""Bytes left free for a counter such as `` (2)``."""
_MAX_SUFFIX_BYTES = 16
_MAX_PATH_BYTES = 1024
"""Bytes of a member's path; macOS opens no longer one."""
_MAX_DEPTH = 100
"""Folders in each other around a member; recursive tools fail at some hundreds."""
_SEPARATORS = re.compile(r"[/\\]")
_FORBIDDEN = re.compile(r'[<>:"|?*]')
_LEADING = re.compile(r"^[.\-~]+")
_DEVICE = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|clock\$|(com|lpt)[0-9¹²³]) *(\.|$)", re.I)


def safe_name(name: str, default: str = "download") -> str:
    r"""Make one safe file name of any name from a server.

    Path separators become ``_``, and so do characters that a system forbids or that cannot be seen.
    The result is neither hidden nor a device, ends in no dot or space, and is short enough to be numbered.

    Parameters
    ----------
    name : str
        Name from the server.
    otherwise : str, default "download"
        Used if nothing is left of it.

    Returns
    -------
    str
        At most 240 bytes in UTF-8; its ending is kept.

    Examples
    --------
    >>> safe_name("../../etc/passwd"), safe_name("CON.zip"), safe_name("C:\\temp\\a.zip. ")
    ('etc_passwd', '_CON.zip', 'C__temp_a.zip')
    """
    parts = [p for p in _SEPARATORS.split(name) if p.strip(" .")]
    text = unicodedata.normalize("NFC", "_".join(parts))
    text = _FORBIDDEN.sub("_", "".join("_" if _is_hidden(c) else c for c in text))
    text = _LEADING.sub("_", text.strip()).rstrip(" .")
    if _DEVICE.match(text):
        text = f"_{text}"
    return _shorten(text) or default


def add_counter(name: str, number: int) -> str:
    """Insert a counter before the suffix.

    Examples
    --------
    >>> add_counter("CORE.zip", 2)
    'CORE (2).zip'
    """
    stem, suffix = _split(name)
    return f"{stem} ({number}){suffix}"


def fold_case(name: str) -> str:
    """Return the form in which systems that ignore case and Unicode normalization compare names.

    Examples
    --------
    >>> fold_case("Core.ZIP") == fold_case("CORE.zip")
    True
    """
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def path_problem(path: str) -> str | None:
    """Return what is wrong with the path of a member, or None if it may be extracted.

    Examples
    --------
    >>> path_problem("ddl/airplane.sql"), path_problem("../airplane.sql")
    (None, 'leads out of the folder')
    """
    if path.startswith(("/", "\\")):
        return "is absolute"
    if ":" in path:
        return "holds a colon, as drive letters do"
    if "\\" in path:
        return "holds a backslash"
    if any(_is_hidden(c) for c in path):
        return "holds control characters or invisible marks"
    if path.removesuffix("/").count("/") > _MAX_DEPTH:
        return f"lies more than {_MAX_DEPTH} folders deep"
    if len(path.encode()) > _MAX_PATH_BYTES:
        return "is too long"
    problems = (_part_problem(part) for part in path.removesuffix("/").split("/"))
    return next((found for found in problems if found), None)


def _is_hidden(character: str) -> bool:
    return unicodedata.category(character) in HIDDEN_CATEGORIES


def _part_problem(part: str) -> str | None:
    if part == "..":
        return "leads out of the folder"
    if part in ("", "."):
        return "holds an empty step"
    if part != part.rstrip(" ."):
        return "ends in a dot or a space"
    if _DEVICE.match(part):
        return "names a device"
    if part.casefold().startswith(".mkframe"):
        return "is a name of mkframe's own"
    return "is too long" if len(part.encode()) > _MAX_NAME_BYTES else None


def _split(name: str) -> tuple[str, str]:
    stem, dot, suffix = name.rpartition(".")
    if not stem or len(suffix.encode()) >= _MAX_SUFFIX_BYTES:
        return name, ""
    return stem, dot + suffix


def _shorten(name: str) -> str:
    stem, suffix = _split(name)
    available = _MAX_NAME_BYTES - _RESERVED - len(suffix.encode())
    if len(stem.encode()) <= available:
        return name
    return stem.encode()[:available].decode("utf-8", "ignore").rstrip(" .") + suffix
