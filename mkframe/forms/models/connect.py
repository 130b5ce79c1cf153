"""Model of the form that connects: by e-mail and password, by token, or to the embedded server.

A password or token is in no trait, so that no saved notebook contains it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import traitlets as t

from mkframe.errors import InputError
from mkframe.forms.models import public
from mkframe.forms.models._client import ClientLike
from mkframe.forms.models.base import Model, Run
from mkframe.schema import BASE_URL

__all__ = ["METHODS", "ConnectModel"]

METHODS = {
    "environment": "settings of this machine",
    "password": "e-mail and password",
    "token": "access token",
    "embedded": "embedded server, no account needed",
}


class ConnectModel(Model):
    """Model of the form that connects.

    On a page for visitors the server is the one of the environment, whatever `url` says.

    Parameters
    ----------
    connect : callable
        Takes ``url``, ``token``, ``email`` and ``password``; returns a client.
    demo : callable
        Starts an embedded server; returns a client of it.
    url : str
        Initial base URL.
    method : str
        Initial method, one of `METHODS`, if it is allowed.
    run : callable, optional
        Executes a slow step.

    Attributes
    ----------
    methods : tuple of str
        Those of `METHODS` that are allowed.
    client : Client
        The client; None if there is no connection.
    status_text : str
        Who is connected, where, and until when.
    """

    method = t.Enum(list(METHODS), "password")
    url = t.Unicode(BASE_URL)
    email = t.Unicode("")
    has_secret = t.Bool(False)
    client = t.Any(None)
    status_text = t.Unicode("")
    blockers = t.Tuple()

    def __init__(
        self,
        connect: Callable[..., ClientLike],
        demo: Callable[[], ClientLike],
        *,
        url: str = BASE_URL,
        method: str = "password",
        run: Run | None = None,
    ) -> None:
        super().__init__(run)
        self._connect, self._demo = connect, demo
        self._get_secret: Callable[[], str] | None = None
        self._closed = False
        self._page = public.page()
        self.methods = tuple(METHODS) if self._page is None else self._page.methods
        self.url = url if self._page is None else self._page.url
        self.method = method if method in self.methods else self.methods[0]
        self.observe(lambda _: self.take_secret(""), "method")
        self.observe(self._check, ["method", "url", "email", "has_secret"])
        self._check(None)

    @t.validate("url")
    def _validate_url(self, proposal: Any) -> str:
        url: str = proposal["value"]
        if self._page is not None and url != self._page.url:
            raise InputError("This page connects to one server only.", hint=f"It is {self._page.url}.")
        return url

    @t.validate("method")
    def _validate_method(self, proposal: Any) -> str:
        method: str = proposal["value"]
        self._check_method(method)
        return method

    def _check_method(self, method: str) -> None:
        if method not in self.methods:
            raise InputError(
                f"This page does not connect by {METHODS[method]}.",
                hint=f"Choose {' or '.join(METHODS[each] for each in self.methods)}.",
            )

    def take_secret(self, secret: str) -> None:
        """Keep a password or token until it is used."""
        # A closure, because the attributes of the model may be printed.
        self._get_secret = (lambda: secret) if secret else None
        self.has_secret = bool(secret)

    def _check(self, _: Any) -> None:
        blockers = []
        if self.method in ("password", "token") and not self.url.strip():
            blockers.append("Write the base URL.")
        if self.method == "password" and not self.email.strip():
            blockers.append("Write your e-mail address.")
        self.blockers = tuple(blockers)

    def submit(self) -> bool:
        """Connect, and load the projects to test the connection; return whether this call started it."""
        with self._lock:
            if self.blockers or self.busy:
                return False
            if self.method in ("password", "token") and not self.has_secret:
                # Not a blocker: the field sends its value when it loses the focus, which this click causes.
                self.error = f"Write the {self.method} first."
                return False
            self.busy = "Connecting ..."
        # Values are read now: a change while this step waits is for the next time.
        method, email, get_secret = self.method, self.email.strip(), self._get_secret
        # Without a URL, `connect` takes the server of the environment.
        server = {"url": self.url.strip()} if self._page is None else {}
        self.take_secret("")
        self.run_in_background(
            "Connecting", lambda: self._set_client(self._new_client(method, server, email, get_secret))
        )
        return True

    def _set_client(self, client: ClientLike) -> None:
        try:
            projects = client.projects.find()
        except Exception:
            client.close()
            raise
        self._close_client()
        self.status_text = _describe(client, len(projects))
        self.client = client
        if self._closed:
            self.disconnect()

    def _new_client(
        self, method: str, server: dict[str, str], email: str, get_secret: Callable[[], str] | None
    ) -> ClientLike:
        self._check_method(method)  # again, because a message to the kernel can set the trait directly
        if method == "embedded":
            return self._demo()
        if method == "environment":
            return self._connect()
        if get_secret is None:
            raise InputError(f"There is no {method}.", hint="Write it once more.")
        # The secret is in no local variable: a traceback may show those.
        if method == "token":
            return self._connect(**server, token=get_secret())
        return self._connect(**server, email=email, password=get_secret())

    def _close_client(self) -> None:
        before, self.client = self.client, None
        if before is not None:
            before.close()

    def close(self) -> None:
        """Close the connection for good, also one that is still being made."""
        self._closed = True
        self.disconnect()

    def disconnect(self) -> None:
        """Close the connection."""
        self._close_client()
        self.status_text = ""


def _describe(client: ClientLike, projects: int) -> str:
    identity = client.identity
    who = identity.email or "the owner of the token"
    until = identity.token_expires
    login = "; mkframe then logs in again by itself" if identity.can_log_in else ""
    expires = f" The token expires at {until:%Y-%m-%d %H:%M} UTC{login}." if until else ""
    plural = "s" * (projects != 1)
    return f"Connected as {who} to {client.url}; {projects} project{plural} can be seen.{expires}"
