"""Time zones, as arguments name them."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from mkframe.errors import InputError
from mkframe.spelling import shown

__all__ = ["check_zone"]


def check_zone(tz: str) -> None:
    """Refuse a zone that this machine does not know.

    Raises
    ------
    InputError
        If there is none of that name.

    Examples
    --------
    >>> check_zone("Europe/Vienna")
    """
    try:
        ZoneInfo(tz)
    except (KeyError, OSError, ValueError, TypeError) as error:
        raise InputError(
            f"tz={shown(tz)} is no time zone that is known here.", hint='Try "UTC" or "Europe/Vienna".'
        ) from error
