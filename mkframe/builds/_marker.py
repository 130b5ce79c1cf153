"""Markers: texts in the descriptions of builds by which these are found when the answer is lost."""

from __future__ import annotations

import re
import secrets

__all__ = ["MARKER", "with_marker", "marker_in", "new_marker", "use_marker"]

MARKER = re.compile(r"mkframe-[0-9a-f]{12}")
"""The form of a marker."""
_unused: set[str] = set()
"""Markers that were made in this process and that no start has used."""


def new_marker() -> str:
    """Create a marker that occurs once."""
    marker = f"mkframe-{secrets.token_hex(6)}"
    _unused.add(marker)
    return marker


def use_marker(marker: str) -> bool:
    """Note that a start uses a marker; return whether it is known that none has used it before.

    Examples
    --------
    >>> marker = new_marker()
    >>> use_marker(marker), use_marker(marker)
    (True, False)
    """
    try:
        _unused.remove(marker)
    except KeyError:
        return False
    return True


def with_marker(description: str | None, marker: str | None) -> str:
    """Append the marker to a description.

    Examples
    --------
    >>> with_marker("nightly", "mkframe-0123456789ab"), with_marker(None, None)
    ('nightly [mkframe-0123456789ab]', '')
    """
    return " ".join(word for word in (description, f"[{marker}]" if marker else None) if word)


def marker_in(description: object) -> str | None:
    """Find the marker that a description carries.

    Examples
    --------
    >>> marker_in("nightly [mkframe-0123456789ab]"), marker_in(None)
    ('mkframe-0123456789ab', None)
    """
    found = MARKER.search(description) if isinstance(description, str) else None
    return found.group() if found else None
