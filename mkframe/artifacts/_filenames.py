"""A name from a server becomes one that is safe to write, on every system."""

from __future__ import annotations

import email.message
import email.utils
import re
import unicodedata

__all__ = ["DESKTOP_FILES", "flaw", "folded", "from_header", "numbered", "safe_name"]

DESKTOP_FILES = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})
"""What macOS and Windows put into folders that somebody has looked at; nobody delivers it."""
_LONGEST = 255
_ROOM = 15
"""Bytes left free for a counter such as `` (2)``."""
_LONGEST_SUFFIX = 16
_LONGEST_PATH = 1024
"""Bytes of a member's path; macOS opens no longer one."""
_DEEPEST = 100
"""Folders in each other around a member; tools that call themselves for each give up at some hundreds."""
_SEPARATORS = re.compile(r"[/\\]")
_FORBIDDEN = re.compile(r'[<>:"|?*]')
_LEADING = re.compile(r"^[.\-~]+")
_DEVICE = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|clock\$|(com|lpt)[0-9¹²³]) *(\.|$)", re.I)
_HIDDEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}
"""Control characters, bidirectional and other invisible marks, lone surrogates, line separators."""


def safe_name(name: str, otherwise: str = "download") -> str:
    r"""Make a single file name of whatever a server calls a file.

    Path separators become ``_``, and so do characters that a system forbids or that cannot be seen.
    The result is neither hidden nor a device, ends in no dot or space, and is short enough to be numbered.

    Parameters
    ----------
    name : str
        The server's word.
    otherwise : str, default "download"
        Taken where nothing is left of it.

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
    return _shortened(text) or otherwise


def numbered(name: str, number: int) -> str:
    """Give a name a counter before its ending.

    Examples
    --------
    >>> numbered("CORE.zip", 2)
    'CORE (2).zip'
    """
    stem, suffix = _split(name)
    return f"{stem} ({number}){suffix}"


def folded(name: str) -> str:
    """Give the form in which systems that ignore case or accents' spelling compare names.

    Examples
    --------
    >>> folded("Core.ZIP") == folded("CORE.zip")
    True
    """
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def flaw(path: str) -> str | None:
    """Say what is wrong with a member's path inside an archive, or None where it may be extracted.

    Examples
    --------
    >>> flaw("ddl/airplane.sql"), flaw("../airplane.sql")
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
    if path.removesuffix("/").count("/") > _DEEPEST:
        return f"lies more than {_DEEPEST} folders deep"
    if len(path.encode()) > _LONGEST_PATH:
        return "is too long"
    flaws = (_flaw_of_part(part) for part in path.removesuffix("/").split("/"))
    return next((found for found in flaws if found), None)


def from_header(value: str | None) -> str | None:
    """Read the file name out of Content-Disposition; ``filename*`` (RFC 5987) goes before ``filename``.

    Examples
    --------
    >>> from_header('attachment; filename="CORE_DV_HLS_2026-4-2_10_14.zip"')
    'CORE_DV_HLS_2026-4-2_10_14.zip'
    """
    message = email.message.Message()
    try:
        message["Content-Disposition"] = value or ""
        params = message.get_params(failobj=[], header="Content-Disposition")
        found = [v for key, v in params if key.lower() == "filename" and v]
        extended = next((v for v in found if isinstance(v, tuple)), None)
        if extended:
            return email.utils.collapse_rfc2231_value(extended) or None
        return _as_utf8(found[0]) if found else None
    except ValueError:  # also a charset that cannot decode its own bytes
        return None


def _as_utf8(text: str) -> str:
    """Read a header's bytes, which Python hands out as Latin-1, as the UTF-8 that servers mean."""
    try:
        return text.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return text


def _is_hidden(character: str) -> bool:
    return unicodedata.category(character) in _HIDDEN


def _flaw_of_part(part: str) -> str | None:
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
    return "is too long" if len(part.encode()) > _LONGEST else None


def _split(name: str) -> tuple[str, str]:
    stem, dot, suffix = name.rpartition(".")
    if not stem or len(suffix.encode()) >= _LONGEST_SUFFIX:
        return name, ""
    return stem, dot + suffix


def _shortened(name: str) -> str:
    stem, suffix = _split(name)
    room = _LONGEST - _ROOM - len(suffix.encode())
    if len(stem.encode()) <= room:
        return name
    return stem.encode()[:room].decode("utf-8", "ignore").rstrip(" .") + suffix
