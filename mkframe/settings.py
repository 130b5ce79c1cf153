"""Where the server is, where credentials come from, and which URL may see the token."""

from __future__ import annotations

import ipaddress
import os
import re
from dataclasses import dataclass, field, replace
from typing import NoReturn
from urllib.parse import SplitResult, urlsplit

from mkframe.errors import InputError
from mkframe.limits import DEFAULT, Limits
from mkframe.schema import AUTHENTICATION, BASE_URL

__all__ = ["KEYRING_SERVICE", "Secret", "Settings", "is_valid_header_value", "load"]

KEYRING_SERVICE = "mkframe"

_SHORTEST = 0.01
"""Seconds; a time-out of none at all is no time-out to the libraries below."""


class Secret:
    """A word that shows itself only when asked.

    Examples
    --------
    >>> Secret("open sesame")
    Secret('***')
    """

    __slots__ = ("_word",)

    def __init__(self, word: str) -> None:
        self._word = word

    def get_secret_value(self) -> str:
        """Return the word itself."""
        return self._word

    def __repr__(self) -> str:
        return "Secret('***')"

    def __reduce__(self) -> NoReturn:
        raise TypeError("A secret is not pickled: connect again where the object is needed.")


@dataclass(frozen=True, slots=True)
class Settings:
    """How to reach one server.

    Parameters
    ----------
    url : str
        Base URL, such as ``https://app.metakraftwerk.com/api/v1``.
    token, password : Secret, optional
        Never shown.
    email : str, optional
        Whom the password belongs to.
    connect_timeout : float, default 10
        Seconds until a connection must stand.
    read_timeout : float, default 120
        Seconds of silence after which an answer is given up.
    total_timeout : float, default 900
        Seconds after which an answer that is not complete is given up; files have no such limit.
    max_attempts : int, default 4
        How often a read is tried at most; a write is sent once.
    max_retry_wait : float, default 30
        Longest pause in seconds before a further try; a server that asks for more gets an error instead.
    limits : Limits
        Most bytes of an answer, and how slowly it may come.
    """

    url: str
    token: Secret | None = None
    email: str | None = None
    password: Secret | None = field(default=None)
    connect_timeout: float = 10.0
    read_timeout: float = 120.0
    total_timeout: float = 900.0
    max_attempts: int = 4
    max_retry_wait: float = 30.0
    limits: Limits = DEFAULT

    @property
    def login_url(self) -> str:
        """URL of the login: at the root of the host."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}{AUTHENTICATION}"

    @property
    def can_log_in(self) -> bool:
        """Whether both e-mail and password are there."""
        return self.email is not None and self.password is not None

    def may_receive_token(self, url: str) -> bool:
        """Whether the token may be sent to `url`: the configured host, by https or on this machine.

        Examples
        --------
        >>> settings = Settings("https://app.metakraftwerk.com/api/v1")
        >>> settings.may_receive_token("https://app.metakraftwerk.com/api/v1/builds")
        True
        >>> settings.may_receive_token("https://elsewhere.example/api/v1/builds")
        False
        """
        target, home = urlsplit(url), urlsplit(self.url)
        # Others than Python take a backslash for a slash, and so another word for the host.
        return "\\" not in url and _is_private(target) and _origin(target) == _origin(home)

    def capped_at(self, seconds: float) -> Settings:
        """The same settings for a caller who has only so many seconds.

        Examples
        --------
        >>> hurried = Settings("https://app.metakraftwerk.com/api/v1").capped_at(30)
        >>> hurried.connect_timeout, hurried.read_timeout, hurried.total_timeout
        (10.0, 30, 30)
        """
        if seconds >= max(self.connect_timeout, self.read_timeout, self.total_timeout):
            return self
        left = max(seconds, _SHORTEST)
        return replace(
            self,
            connect_timeout=min(self.connect_timeout, left),
            read_timeout=min(self.read_timeout, left),
            total_timeout=min(self.total_timeout, left),
        )

    @property
    def is_on_this_machine(self) -> bool:
        """Whether the server is reached by the loopback."""
        return _is_loopback(urlsplit(self.url).hostname or "")


def _origin(parts: SplitResult) -> tuple[str, str | None, int | None]:
    return parts.scheme, parts.hostname, parts.port or {"https": 443, "http": 80}.get(parts.scheme)


def _is_private(parts: SplitResult) -> bool:
    """Whether nobody on the way can read along."""
    return parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(parts.hostname or ""))


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_valid_header_value(token: str) -> bool:
    """Whether a token is one word of visible ASCII, as a header needs it.

    Examples
    --------
    >>> is_valid_header_value("eyJh.eyJz.c2ln"), is_valid_header_value("Bearer eyJh")
    (True, False)
    """
    return re.fullmatch(r"[\x21-\x7e]+", token) is not None


def load(
    url: str | None = None,
    token: str | None = None,
    email: str | None = None,
    password: str | None = None,
    limits: Limits | None = None,
) -> Settings:
    """Put settings together: arguments first, then the environment, then the keyring.

    A pair of e-mail and password given as arguments is not mixed with a token from elsewhere. Token,
    e-mail and password of the environment are meant for the host that the environment names, which is
    that of ``MKFRAME_URL`` or else the vendor's: where `url` is on another host they are not used. The
    keyring's token is kept for one base URL and goes only there.

    Raises
    ------
    InputError
        If the URL, the token or `limits` is unfit, or e-mail or password lacks the other.
    """
    if limits is not None and not isinstance(limits, Limits):
        raise InputError("limits must be an mk.Limits.", hint="Write limits=mk.Limits(find=4 << 30).")
    asked_to_log_in = email is not None or password is not None
    base = _checked(url or os.environ.get("MKFRAME_URL") or BASE_URL)
    environment = os.environ if _is_meant_for(base) else {}
    email = environment.get("MKFRAME_EMAIL") if email is None else email
    password = environment.get("MKFRAME_PASSWORD") if password is None else password
    if token is None and not asked_to_log_in:
        token = environment.get("MKFRAME_TOKEN") or (None if email and password else _from_keyring(base))
    is_half = bool(email) != bool(password) and token is None
    if is_half or (asked_to_log_in and not (email and password)):
        lacking = "password" if email else "e-mail"
        raise InputError(
            f"The {lacking} is missing.",
            hint="Give email= and password=, or set MKFRAME_EMAIL and MKFRAME_PASSWORD, and MKFRAME_URL "
            "for another host than the vendor's.",
        )
    return Settings(
        base,
        token=None if token is None else _checked_token(token),
        email=email or None,
        password=Secret(password) if password else None,
        limits=limits or DEFAULT,
    )


def _is_meant_for(url: str) -> bool:
    """Whether the environment's credentials are for the host of a URL."""
    try:
        home = urlsplit((os.environ.get("MKFRAME_URL") or BASE_URL).strip())
        return _origin(home) == _origin(urlsplit(url))
    except ValueError:
        return False


def _checked(url: str) -> str:
    """The base URL, without a slash at its end."""
    asked = url.strip().rstrip("/")
    # Shown only where it cannot be a token or hold a password.
    shown = repr(asked) if "://" in asked else "What was given as url"
    if "@" in asked:
        raise InputError(
            "The URL holds a user name or password.",
            hint="Leave it out of the URL and give email= and password=.",
        )
    if "?" in asked or "#" in asked:
        raise InputError(
            "The URL goes on after a '?' or '#'.", hint=f"Give the base URL alone, such as {BASE_URL}."
        )
    try:
        parts = urlsplit(asked)
        is_address = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_address = False
    if not is_address or not is_valid_header_value(asked) or "\\" in asked:
        raise InputError(f"{shown} is not a web address.", hint=f"Give the base URL, such as {BASE_URL}.")
    if not _is_private(parts):
        raise InputError(
            f"{shown} is plain http: token and password could be read on the way.",
            hint="Use https; plain http is for servers on this machine.",
        )
    return asked


def _checked_token(token: str) -> Secret:
    word = token.strip()
    if not is_valid_header_value(word):
        raise InputError(
            "The token is not one word of plain characters." if word else "The token is empty.",
            hint="Give the access token alone: no 'Bearer' before it, no quotes or line breaks within.",
        )
    return Secret(word)


def _from_keyring(url: str) -> str | None:
    """The token kept for a base URL, where the extra is installed and a keyring is there."""
    try:
        import keyring
        import keyring.errors
    except ImportError:
        return None
    try:
        return keyring.get_password(KEYRING_SERVICE, url)
    except keyring.errors.KeyringError:
        return None
