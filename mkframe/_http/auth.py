"""Authentication of requests: token and login are added just before a request is sent.

As auth objects they are not replaced by a ~/.netrc, and no frame of this package holds the secrets.
"""

from __future__ import annotations

import base64
import contextlib
import datetime as dt
import json
import urllib.request
from urllib.parse import unquote

import requests
from requests.auth import AuthBase

from mkframe import errors
from mkframe.settings import Secret, Settings, is_valid_header_value

__all__ = ["BearerAuth", "LoginAuth", "basic_credentials", "parse_token", "proxy_credentials", "token_expiry"]

_INVALID_CLAIMS = (ValueError, KeyError, TypeError, IndexError, OverflowError, OSError, RecursionError)


class BearerAuth(AuthBase):
    """Adds the token to requests to the configured host, and to no others."""

    def __init__(self, settings: Settings, token: Secret | None) -> None:
        self.settings = settings
        self.token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Add the header."""
        if self.token is not None and self.settings.may_receive_token(request.url or ""):
            request.headers["Authorization"] = f"Bearer {self.token.get_secret_value()}"
        return request


class LoginAuth(AuthBase):
    """Adds the body of a login, so that no frame of this package holds the password."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Add the body."""
        settings = self.settings
        if settings.password is not None and settings.may_receive_token(request.url or ""):
            body = {
                "strategy": "local",
                "email": settings.email,
                "password": settings.password.get_secret_value(),
            }
            request.headers["Content-Type"] = "application/json"
            request.prepare_body(json.dumps(body), None)
        return request


def basic_credentials(settings: Settings) -> Secret | None:
    """Encode the login by the Basic scheme. It is never sent so, but a server may quote it so."""
    if settings.email is None or settings.password is None:
        return None
    pair = f"{settings.email}:{settings.password.get_secret_value()}".encode("utf-8", "surrogatepass")
    return Secret(base64.b64encode(pair).decode())


def proxy_credentials() -> list[Secret]:
    """Read the passwords of proxies that the environment or the system names; errors may quote them."""
    found = []
    for address in urllib.request.getproxies().values():
        user, at, _ = address.rpartition("@")
        user = user.rpartition("://")[2]
        password = user.partition(":")[2]
        if at and password:
            basic = base64.b64encode(unquote(user).encode("utf-8", "surrogatepass")).decode()
            found += [Secret(password), Secret(unquote(password)), Secret(basic)]
    return found


def parse_token(body: bytes) -> Secret:
    """Read the token in the answer of a login."""
    try:
        token = json.loads(body)["accessToken"]
    except (ValueError, KeyError, TypeError, RecursionError):
        token = None
    if not isinstance(token, str) or not is_valid_header_value(token):
        raise errors.InvalidResponseError(
            "It holds no token under the key 'accessToken'.", hint="Is the URL that of the API?"
        )
    return Secret(token)


def token_expiry(token: Secret) -> dt.datetime | None:
    """Read when a JSON Web Token expires (claim ``exp``), in UTC; its signature is not checked.

    Examples
    --------
    >>> token = "x." + base64.urlsafe_b64encode(b'{"exp": 1775124880}').decode() + ".y"
    >>> token_expiry(Secret(token)).isoformat()
    '2026-04-02T10:14:40+00:00'
    >>> token_expiry(Secret("not a token"))
    """
    with contextlib.suppress(*_INVALID_CLAIMS):  # OSError comes from times that the system does not know
        payload = token.get_secret_value().split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return dt.datetime.fromtimestamp(claims["exp"], dt.UTC)
    return None
