"""Settings of a client: URL, credentials, time-outs, and which URL may receive the token."""

from __future__ import annotations

import ipaddress
import logging
import os
import re
from dataclasses import dataclass, field, replace
from typing import NoReturn
from urllib.parse import SplitResult, urlsplit

from mkframe.errors import InputError
from mkframe.limits import DEFAULT, Limits
from mkframe.schema import AUTHENTICATION, BASE_URL

__all__ = ["KEYRING_SERVICE", "Secret", "Settings", "is_valid_header_value", "load"]

log = logging.getLogger("mkframe")

KEYRING_SERVICE = "mkframe"

_MIN_TIMEOUT = 0.01
"""Seconds; a time-out of 0 means no time-out to urllib3."""


class Secret:
    """A text whose value is returned by `get_secret_value` alone.

    Examples
    --------
    >>> Secret("open sesame")
    Secret('***')
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def get_secret_value(self) -> str:
        """Return the value."""
        return self._value

    def __repr__(self) -> str:
        return "Secret('***')"

    def __reduce__(self) -> NoReturn:
        raise TypeError("A secret is not pickled: connect again where the object is needed.")


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of the connection to one server.

    Parameters
    ----------
    url : str
        Base URL, such as ``https://app.metakraftwerk.com/api/v1``.
    token, password : Secret, optional
        Credentials; their values are in no repr.
    email : str, optional
        User of the password.
    connect_timeout : float, default 10
        Seconds until a connection must be made.
    read_timeout : float, default 120
        Seconds of silence after which an answer is given up.
    total_timeout : float, default 900
        Seconds after which an answer that is not complete is given up; files have no such limit.
    max_attempts : int, default 4
        Largest number of attempts of a read; a write is sent once.
    max_retry_wait : float, default 30
        Longest pause in seconds before a retry; if the server asks for a longer one, the read fails.
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
        """Whether both e-mail and password are given."""
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
        # Other URL parsers read a backslash as a slash, and so find another host.
        return "\\" not in url and _is_private(target) and _origin(target) == _origin(home)

    def capped_at(self, seconds: float) -> Settings:
        """Return the settings with no time-out longer than so many seconds.

        Examples
        --------
        >>> capped = Settings("https://app.metakraftwerk.com/api/v1").capped_at(30)
        >>> capped.connect_timeout, capped.read_timeout, capped.total_timeout
        (10.0, 30, 30)
        """
        if seconds >= max(self.connect_timeout, self.read_timeout, self.total_timeout):
            return self
        left = max(seconds, _MIN_TIMEOUT)
        return replace(
            self,
            connect_timeout=min(self.connect_timeout, left),
            read_timeout=min(self.read_timeout, left),
            total_timeout=min(self.total_timeout, left),
        )

    @property
    def is_on_this_machine(self) -> bool:
        """Whether the server is on the loopback interface."""
        return _is_loopback(urlsplit(self.url).hostname or "")


def _origin(parts: SplitResult) -> tuple[str, str | None, int | None]:
    return parts.scheme, parts.hostname, parts.port or {"https": 443, "http": 80}.get(parts.scheme)


def _is_private(parts: SplitResult) -> bool:
    """Whether a request is encrypted or stays on this machine."""
    return parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(parts.hostname or ""))


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_valid_header_value(token: str) -> bool:
    """Whether a token consists of visible ASCII without blanks, as a header needs it.

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
    """Make settings from the arguments, else from the environment, else from the keyring.

    A login given as arguments is not mixed with a token from the environment or the keyring. Token,
    e-mail and password of the environment are for the host that the environment names, which is that
    of ``MKFRAME_URL`` or else the vendor's: where `url` is on another host they are not used. A token
    of the keyring is stored for one base URL and used for it alone.

    Raises
    ------
    InputError
        If the URL, the token or `limits` is invalid, or e-mail or password lacks the other.
    """
    if limits is not None and not isinstance(limits, Limits):
        raise InputError("limits must be an mk.Limits.", hint="Write limits=mk.Limits(find=4 << 30).")
    login_given = email is not None or password is not None
    base = _check_url(url or os.environ.get("MKFRAME_URL") or BASE_URL)
    environment = os.environ if _environment_applies_to(base) else {}
    email = environment.get("MKFRAME_EMAIL") if email is None else email
    password = environment.get("MKFRAME_PASSWORD") if password is None else password
    if token is None and not login_given:
        token = environment.get("MKFRAME_TOKEN") or (None if email and password else _from_keyring(base))
    is_incomplete = bool(email) != bool(password) and token is None
    if is_incomplete or (login_given and not (email and password)):
        missing = "password" if email else "e-mail"
        raise InputError(
            f"The {missing} is missing.",
            hint="Give email= and password=, or set MKFRAME_EMAIL and MKFRAME_PASSWORD, and MKFRAME_URL "
            "for another host than the vendor's.",
        )
    return Settings(
        base,
        token=None if token is None else _check_token(token),
        email=email or None,
        password=Secret(password) if password else None,
        limits=limits or DEFAULT,
    )


def _environment_applies_to(url: str) -> bool:
    """Whether the credentials of the environment are for the host of a URL."""
    try:
        home = urlsplit((os.environ.get("MKFRAME_URL") or BASE_URL).strip())
        return _origin(home) == _origin(urlsplit(url))
    except ValueError:
        return False


def _check_url(url: str) -> str:
    """Check the base URL; return it without a slash at its end."""
    base = url.strip().rstrip("/")
    # Quoted only where it cannot be a token.
    name = repr(base) if "://" in base else "The value of url"
    if "@" in base:
        raise InputError(
            "The URL holds a user name or password.",
            hint="Leave it out of the URL and give email= and password=.",
        )
    if "?" in base or "#" in base:
        raise InputError(
            "The URL goes on after a '?' or '#'.", hint=f"Give the base URL alone, such as {BASE_URL}."
        )
    try:
        parts = urlsplit(base)
        is_address = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_address = False
    if not is_address or not is_valid_header_value(base) or "\\" in base:
        raise InputError(f"{name} is not a web address.", hint=f"Give the base URL, such as {BASE_URL}.")
    if not _is_private(parts):
        raise InputError(
            f"{name} is plain http: token and password could be read on the way.",
            hint="Use https; plain http is for servers on this machine.",
        )
    return base


def _check_token(token: str) -> Secret:
    value = token.strip()
    if not is_valid_header_value(value):
        raise InputError(
            "The token has blanks or characters outside ASCII." if value else "The token is empty.",
            hint="Give the access token alone: no 'Bearer' before it, no quotes or line breaks within.",
        )
    return Secret(value)


def _from_keyring(url: str) -> str | None:
    """Read the token stored for a base URL; None where there is no keyring, no token, or a failure.

    A failure is logged without its text, which may quote what is stored.
    """
    try:
        import keyring

        token = keyring.get_password(KEYRING_SERVICE, url)
        if token is not None and not isinstance(token, str):
            raise TypeError
    except Exception as error:
        if isinstance(error, ModuleNotFoundError) and error.name == "keyring":
            return None  # the extra is not installed
        log.warning(
            "No token was read from the keyring: %s.%s was raised. In a shell, keyring get %s %s shows why.",
            type(error).__module__,
            type(error).__qualname__,
            KEYRING_SERVICE,
            url,
        )
        return None
    return token if token and token.strip() else None
