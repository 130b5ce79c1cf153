"""Connect: by e-mail and password, by token, or to the embedded server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import traitlets as t

from mkframe.errors import InputError
from mkframe.forms.models import public
from mkframe.forms.models.base import Model
from mkframe.schema import BASE_URL

__all__ = ["METHODS", "ConnectModel"]

METHODS = {
    "environment": "settings of this machine",
    "password": "e-mail and password",
    "token": "access token",
    "embedded": "embedded server, no account needed",
}


class ConnectModel(Model):
    """The mind of the form that connects.

    On a page for visitors the server is the one of the environment, whatever `url` says.

    Parameters
    ----------
    connect : callable
        Takes ``url``, ``token``, ``email`` and ``password``; returns a client.
    demo : callable
        Starts an embedded server; returns a client of it.
    url : str
        Base URL to begin with.
    way : str
        One of `METHODS` to begin with, where it may be chosen.

    Attributes
    ----------
    ways : tuple of str
        Those of `METHODS` that may be chosen.
    client : Client
        The connection, once there is one.
    said : str
        Who is connected, where, and until when.
    """

    way = t.Enum(list(METHODS), "password")
    url = t.Unicode(BASE_URL)
    email = t.Unicode("")
    has_secret = t.Bool(False)
    client = t.Any(None)
    said = t.Unicode("")
    blockers = t.Tuple()

    def __init__(
        self,
        connect: Callable[..., Any],
        demo: Callable[[], Any],
        *,
        url: str = BASE_URL,
        way: str = "password",
    ) -> None:
        super().__init__()
        self._connect, self._demo = connect, demo
        self._reveal: Callable[[], str] | None = None
        self._closed = False
        self._page = public.page()
        self.ways = tuple(METHODS) if self._page is None else self._page.ways
        self.url = url if self._page is None else self._page.url
        self.way = way if way in self.ways else self.ways[0]
        self.observe(self._on_way, "way")
        self.observe(self._check, ["way", "url", "email", "has_secret"])
        self._check(None)

    @t.validate("url")
    def _checked_url(self, proposal: Any) -> str:
        url: str = proposal["value"]
        if self._page is not None and url != self._page.url:
            raise InputError("This page connects to one server only.", hint=f"It is {self._page.url}.")
        return url

    @t.validate("way")
    def _checked_way(self, proposal: Any) -> str:
        way: str = proposal["value"]
        if way not in self.ways:
            raise InputError(
                f"This page does not connect by {METHODS[way]}.",
                hint=f"Choose {' or '.join(METHODS[each] for each in self.ways)}.",
            )
        return way

    def take_secret(self, secret: str) -> None:
        """Keep a password or token until it is used; it is in no trait, so no notebook stores it."""
        self._reveal = (lambda: secret) if secret else None
        self.has_secret = bool(secret)

    def _on_way(self, _: Any) -> None:
        self.take_secret("")

    def _check(self, _: Any) -> None:
        said = []
        if self.way in ("password", "token") and not self.url.strip():
            said.append("Write the base URL.")
        if self.way == "password" and not self.email.strip():
            said.append("Write your e-mail address.")
        self.blockers = tuple(said)

    def submit(self) -> bool:
        """Connect, and ask one question to see that it works; whether this call is the one that does it."""
        with self._lock:
            if self.blockers or self.busy:
                return False
            if self.way in ("password", "token") and not self.has_secret:
                # Not a blocker: a field hands its word over when it is left, which is when this is pressed.
                self.trouble = f"Write the {self.way} first."
                return False
            self.busy = "Connecting ..."
        # As it is pressed: what is chosen while this waits is for the next time.
        way, email, get_secret_value = self.way, self.email.strip(), self._reveal
        # Without a URL it is the server of the environment.
        where = {"url": self.url.strip()} if self._page is None else {}
        self.take_secret("")
        self.later("Connecting", lambda: self._enter(self._client(way, where, email, get_secret_value)))
        return True

    def _enter(self, client: Any) -> None:
        try:
            projects = client.projects.find()
        except Exception:
            client.close()
            raise
        self._leave()
        self.said = self._who(client, len(projects))
        self.client = client
        if self._closed:
            self.disconnect()

    def _client(
        self, way: str, where: dict[str, str], email: str, get_secret_value: Callable[[], str] | None
    ) -> Any:
        if way not in self.ways:
            raise InputError(f"This page does not connect by {METHODS[way]}.", hint="Choose another way.")
        if way == "embedded":
            return self._demo()
        if way == "environment":
            return self._connect()
        if get_secret_value is None:
            raise InputError(f"There is no {way}.", hint="Write it once more.")
        # The word is in no variable here: a traceback may show those.
        if way == "token":
            return self._connect(**where, token=get_secret_value())
        return self._connect(**where, email=email, password=get_secret_value())

    def _who(self, client: Any, projects: int) -> str:
        identity = client.identity
        who = identity.email or "the owner of the token"
        again = "; mkframe then logs in again by itself" if identity.can_log_in else ""
        until = identity.token_expires
        expires = f" The token expires at {until:%Y-%m-%d %H:%M} UTC{again}." if until else ""
        seen = f"{projects} project{'s' * (projects != 1)} can be seen"
        return f"Connected as {who} to {client.url}; {seen}.{expires}"

    def _leave(self) -> None:
        before, self.client = self.client, None
        if before is not None:
            before.close()

    def close(self) -> None:
        """Close the connection for good, also one that is still being made."""
        self._closed = True
        self.disconnect()

    def disconnect(self) -> None:
        """Close the connection."""
        self._leave()
        self.said = ""
