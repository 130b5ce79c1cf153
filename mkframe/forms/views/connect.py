"""View of the form that connects."""

from __future__ import annotations

import time
from typing import Any

import ipywidgets as w

from mkframe.forms._worker import Worker
from mkframe.forms.models.connect import METHODS, ConnectModel
from mkframe.forms.views import widgets

__all__ = ["ConnectForm"]

_ENTER_S = 1.0
"""Seconds after Enter in which the value of the password field belongs to it."""


class ConnectForm(widgets.Form):
    """A form that connects; `client` is the client, or None."""

    def __init__(self, model: ConnectModel, worker: Worker) -> None:
        super().__init__(model, worker)
        self.method = widgets.field(
            w.Dropdown, "Connect by", "method", options=[(METHODS[name], name) for name in model.methods]
        )
        self.url = widgets.field(w.Text, "Base URL", "url")
        self.email = widgets.field(w.Text, "E-mail", "email")
        # Not continuous: the secret is sent once and taken at once, so that no saved state contains it.
        self.secret = widgets.field(w.Password, "Password", "secret", continuous_update=False)
        self.connect = widgets.button("Connect", "connect", "Connect to the server", "primary")
        self.disconnect = widgets.button("Disconnect", "disconnect", "Close the connection")
        self.status = widgets.text(name="connected")
        self.link(self.method, "method")
        self.link(self.email, "email")
        if not model.is_public:
            self.link(self.url, "url")
        self.secret.observe(self._take_secret, "value")
        self._entered = float("-inf")
        for field in (self.email, self.url, self.secret):
            field.on_msg(self._take_key)
        self._is_started_here = False
        self.on_click(self.connect, self._submit, self._may_connect)
        self.on_click(self.disconnect, model.disconnect, lambda: model.client is not None)
        self.on_change(
            model, ["method", "has_secret", "blockers", "busy", "client", "status_text"], self._show
        )
        self.on_change(model, ["busy"], self._move_focus)
        server, fields = (f"At {model.url}.", ()) if model.is_public else ("", (self.url,))
        self.children = (
            widgets.heading("Connect to MetaKraftwerk", server), self.method, *fields, self.email,
            self.secret, widgets.row(self.connect, self.disconnect), self.status, *self.footer,
        )  # fmt: skip

    @property
    def client(self) -> Any:
        """The client, once connected."""
        return self.model.client

    def close(self) -> None:
        """End the form and its connection."""
        super().close()
        self.model.close()

    def _take_secret(self, change: Any) -> None:
        if change["new"]:
            self.secret.value = ""
            with self.show_errors("Taking the password"):
                self.model.take_secret(change["new"])
                if time.monotonic() - self._entered < _ENTER_S:
                    self._submit()

    def _take_key(self, _: Any, content: Any, __: Any) -> None:
        """Connect when Enter is pressed in a field; a password that is being entered comes after the key."""
        if content.get("event") != "submit":
            return
        if self.model.has_secret:
            self._submit()
        else:
            self._entered = time.monotonic()

    def _submit(self) -> None:
        self._entered = float("-inf")
        with self.show_errors("Connect"):
            self._is_started_here = self.model.submit() or self._is_started_here

    def _move_focus(self) -> None:
        """After an attempt to connect, focus what comes next: the controls of the attempt lost the focus."""
        if self._is_started_here and not self.model.busy:
            self._is_started_here = False
            if self.model.client is not None:
                widgets.focus(self.disconnect)
            elif self.model.method in ("password", "token"):
                widgets.focus(self.secret)
            else:
                widgets.focus(self.connect)

    def _may_connect(self) -> bool:
        return not self.model.blockers and not self.model.busy

    def _show(self) -> None:
        model = self.model
        has_account = model.method in ("password", "token")
        for widget, is_shown in (
            (self.url, has_account), (self.email, model.method == "password"), (self.secret, has_account),
            (self.disconnect, model.client is not None),
        ):  # fmt: skip
            widget.layout.display = None if is_shown else "none"
        self.secret.description = "Token" if model.method == "token" else "Password"
        self.secret.placeholder = (
            "●●●●●● entered; the form forgets it once it is used" if model.has_secret else ""
        )
        self.connect.disabled = not self._may_connect()
        self.disconnect.disabled = model.client is None
        self.status.value = (
            widgets.markup('<div class="box good" role="status">✔ {}</div>', model.status_text)
            if model.status_text
            else widgets.markup('<p class="soft">{}</p>', " ".join(model.blockers))
        )
