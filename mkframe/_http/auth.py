"""Words that say who asks, put into a request at the last moment.

As auth objects they are not replaced by a ~/.netrc, and no frame of ours holds the words themselves.
"""

from __future__ import annotations

import base64
import contextlib
import datetime as dt
import json

import requests
from requests.auth import AuthBase

from mkframe import errors
from mkframe.settings import Secret, Settings, is_valid_header_value

__all__ = ["Bearer", "Credentials", "basic", "expiry_of", "token_of"]

_NO_TIME = (ValueError, KeyError, TypeError, IndexError, OverflowError, OSError, RecursionError)


class Bearer(AuthBase):
    """Adds the token, and only where it may go. As an auth object no ~/.netrc replaces it."""

    def __init__(self, settings: Settings, token: Secret | None) -> None:
        self.settings = settings
        self.token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Write the header."""
        if self.token is not None and self.settings.may_receive_token(request.url or ""):
            request.headers["Authorization"] = f"Bearer {self.token.get_secret_value()}"
        return request


class Credentials(AuthBase):
    """Writes the login's body at the last moment, so that no frame of ours holds the password."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Write the body."""
        settings = self.settings
        if settings.password is not None and settings.may_receive_token(request.url or ""):
            words = {
                "strategy": "local",
                "email": settings.email,
                "password": settings.password.get_secret_value(),
            }
            request.headers["Content-Type"] = "application/json"
            request.prepare_body(json.dumps(words), None)
        return request


def basic(settings: Settings) -> Secret | None:
    """E-mail and password as HTTP's Basic scheme writes them; no request of ours does, a server may."""
    if settings.email is None or settings.password is None:
        return None
    pair = f"{settings.email}:{settings.password.get_secret_value()}".encode("utf-8", "surrogatepass")
    return Secret(base64.b64encode(pair).decode())


def token_of(body: bytes) -> Secret:
    """The token in the answer of a login, where there is one that can be sent."""
    try:
        word = json.loads(body)["accessToken"]
    except (ValueError, KeyError, TypeError, RecursionError):
        word = None
    if not isinstance(word, str) or not is_valid_header_value(word):
        raise errors.InvalidResponseError(
            "It holds no token under the key 'accessToken'.", hint="Is the URL that of the API?"
        )
    return Secret(word)


def expiry_of(token: Secret) -> dt.datetime | None:
    """Read when a JSON Web Token expires (claim ``exp``), in UTC; its signature is not checked.

    Examples
    --------
    >>> token = "x." + base64.urlsafe_b64encode(b'{"exp": 1775124880}').decode() + ".y"
    >>> expiry_of(Secret(token)).isoformat()
    '2026-04-02T10:14:40+00:00'
    >>> expiry_of(Secret("not a token"))
    """
    with contextlib.suppress(*_NO_TIME):  # OSError comes from times that the system does not know
        claims = token.get_secret_value().split(".")[1]
        said = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
        return dt.datetime.fromtimestamp(said["exp"], dt.UTC)
    return None
