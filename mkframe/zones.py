"""Time zones, as arguments name them."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from mkframe.errors import InputError
from mkframe._text import short_repr

__all__ = ["check_timezone"]


def check_timezone(tz: str) -> None:
    """Refuse a zone that this machine does not know.

    Raises
    ------
    InputError
        If there is none of that name.

    Examples
    --------
    >>> check_timezone("Europe/Vienna")
    """
    try:
        ZoneInfo(tz)
    except (KeyError, OSError, ValueError, TypeError) as error:
        raise InputError(
            f"tz={short_repr(tz)} is no time zone that is known here.", hint='Try "UTC" or "Europe/Vienna".'
        ) from error
