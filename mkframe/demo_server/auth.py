"""Who may do what: logins, tokens, permissions."""

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
    """A login; `projects` are those it may see, None means all."""

    id: int
    email: str
    password: str = field(repr=False)
    projects: frozenset[int] | None = None
    may_build: bool = True
    may_download: bool = True

    def sees(self, project: int | None) -> bool:
        """Say whether a project, or what belongs to none, may be seen."""
        return project is None or self.projects is None or project in self.projects


class Logins:
    """The logins of one server and the key that signs their tokens."""

    def __init__(self, password: str, viewer_password: str, lifetime: float) -> None:
        self._key, self._lifetime = secrets.token_bytes(32), lifetime
        users = (
            User(*vocabulary.OWNER, password),
            User(*vocabulary.VIEWER, viewer_password, frozenset({402}), may_build=False, may_download=False),
        )
        self._users = {user.email: user for user in users}

    def enter(self, email: str, password: object) -> tuple[User, str]:
        """Check a password; return the user and a fresh token."""
        user = self._users.get(email)
        # compared also for unknown users, so that an answer's time does not tell them apart
        known = secrets.compare_digest(
            str(password).encode("utf-8", "replace"),
            (user or self._users[vocabulary.OWNER[1]]).password.encode(),
        )
        if user is None or not known:
            raise ApiError(401, "Invalid login")
        return user, self._token(user)

    def _token(self, user: User) -> str:
        now = time.time()
        until = now + self._lifetime
        claims = {
            "sub": str(user.id),
            "iat": int(now),
            # whole seconds as usual, unless that would bend a short life
            "exp": int(until) if self._lifetime >= 60 else until,
            "jti": secrets.token_hex(8),
        }
        return jwt.encode(claims, self._key, _ALGORITHM)

    def user(self, authorization: str | None) -> User:
        """Return the user of an Authorization header."""
        kind, _, token = (authorization or "").partition(" ")
        try:
            if kind.lower() != "bearer":
                raise jwt.InvalidTokenError
            claims = jwt.decode(
                token.strip(), self._key, [_ALGORITHM],
                options={"verify_exp": False, "verify_iat": False, "require": ["exp", "sub"]},
            )  # fmt: skip
        except jwt.InvalidTokenError:
            raise ApiError(401, "Not authenticated") from None
        # PyJWT cuts exp to whole seconds; lives of less than a second are wanted in tests
        if claims["exp"] <= time.time():
            raise ApiError(401, "Not authenticated")
        return next(u for u in self._users.values() if str(u.id) == claims["sub"])
