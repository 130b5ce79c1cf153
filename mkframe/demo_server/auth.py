"""Logins, tokens and permissions."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, field

import jwt

from mkframe.demo_server.data import vocabulary
from mkframe.demo_server.responses import ApiError

_ALGORITHM = "HS256"


@dataclass(frozen=True, slots=True)
class User:
    """A user; `projects` are those that they may see, None means all."""

    id: int
    email: str
    password: str = field(repr=False)
    projects: frozenset[int] | None = None
    may_build: bool = True
    may_download: bool = True

    def may_see(self, project: int | None) -> bool:
        """Whether the user may see a project; None stands for what belongs to no project."""
        return project is None or self.projects is None or project in self.projects


class Logins:
    """The users of one server, and the key that signs their tokens."""

    def __init__(self, password: str, viewer_password: str, lifetime: float) -> None:
        self._key, self._lifetime = secrets.token_bytes(32), lifetime
        users = (
            User(*vocabulary.OWNER, password),
            User(*vocabulary.VIEWER, viewer_password, frozenset({402}), may_build=False, may_download=False),
        )
        self._users = {user.email: user for user in users}

    def log_in(self, email: str, password: object) -> tuple[User, str]:
        """Check a password; return the user and a new token."""
        user = self._users.get(email)
        # an unknown user's password is compared too: response times must not show which users exist
        matches = secrets.compare_digest(
            str(password).encode("utf-8", "replace"),
            (user or self._users[vocabulary.OWNER[1]]).password.encode(),
        )
        if user is None or not matches:
            raise ApiError(401, "Invalid login")
        return user, self._token(user)

    def _token(self, user: User) -> str:
        now = time.time()
        expiry = now + self._lifetime
        claims = {
            "sub": str(user.id),
            "iat": int(now),
            # whole seconds as usual; a short lifetime needs fractions
            "exp": int(expiry) if self._lifetime >= 60 else expiry,
            "jti": secrets.token_hex(8),
        }
        return jwt.encode(claims, self._key, _ALGORITHM)

    def authenticate(self, authorization: str | None) -> User:
        """Return the user whose token is in an Authorization header."""
        scheme, _, token = (authorization or "").partition(" ")
        try:
            if scheme.lower() != "bearer":
                raise jwt.InvalidTokenError
            claims = jwt.decode(
                token.strip(), self._key, [_ALGORITHM],
                options={"verify_exp": False, "verify_iat": False, "require": ["exp", "sub"]},
            )  # fmt: skip
        except jwt.InvalidTokenError:
            raise ApiError(401, "Not authenticated") from None
        # PyJWT cuts exp to whole seconds; tests need lifetimes below a second
        if claims["exp"] <= time.time():
            raise ApiError(401, "Not authenticated")
        return next(u for u in self._users.values() if str(u.id) == claims["sub"])
