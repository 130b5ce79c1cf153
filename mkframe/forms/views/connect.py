"""The face of `ConnectModel`."""

from __future__ import annotations

from typing import Any

import ipywidgets as w

from mkframe.forms._worker import Worker
from mkframe.forms.models.connect import METHODS, ConnectModel
from mkframe.forms.views import widgets

__all__ = ["ConnectForm"]


class ConnectForm(widgets.Form):
    """A form that connects; `client` is the client, None before."""

    def __init__(self, model: ConnectModel) -> None:
        super().__init__(model, Worker())
        model.run = self.worker.do
        self.way = widgets.field(
            w.Dropdown, "Connect by", "way", options=[(METHODS[way], way) for way in model.ways]
        )
        self.url = widgets.field(w.Text, "Base URL", "url")
        self.email = widgets.field(w.Text, "E-mail", "email")
        # Not continuous: the word travels once, is taken at once, and no saved state holds it.
        self.secret = widgets.field(w.Password, "Password", "secret", continuous_update=False)
        self.enter = widgets.button("Connect", "connect", "Connect to the server", "primary")
        self.leave = widgets.button("Disconnect", "disconnect", "Close the connection")
        self.said = widgets.text(name="connected")
        self.link(self.way, "way")
        self.link(self.email, "email")
        if not model.is_public:
            self.link(self.url, "url")
        self.secret.observe(self._take, "value")
        self.press(self.enter, model.submit, self._may_enter)
        self.press(self.leave, model.disconnect, lambda: model.client is not None)
        self.on(model, ["way", "has_secret", "blockers", "busy", "client", "said"], self._show)
        where, place = (f"At {model.url}.", ()) if model.is_public else ("", (self.url,))
        self.children = (
            widgets.heading("Connect to MetaKraftwerk", where), self.way, *place, self.email, self.secret,
            widgets.row(self.enter, self.leave), self.said, *self.footer,
        )  # fmt: skip

    @property
    def client(self) -> Any:
        """The client, once connected."""
        return self.model.client

    def close(self) -> None:
        """End the form and its connection."""
        super().close()
        self.model.close()

    def _take(self, change: Any) -> None:
        if change["new"]:
            self.secret.value = ""
            with self.guarded("Taking the password"):
                self.model.take_secret(change["new"])

    def _may_enter(self) -> bool:
        return not self.model.blockers and not self.model.busy

    def _show(self) -> None:
        model = self.model
        asked = model.way in ("password", "token")
        for widget, shown in (
            (self.url, asked), (self.email, model.way == "password"), (self.secret, asked),
            (self.leave, model.client is not None),
        ):  # fmt: skip
            widget.layout.display = None if shown else "none"
        self.secret.description = "Token" if model.way == "token" else "Password"
        self.secret.placeholder = "●●●●●● taken; it leaves this form once used" if model.has_secret else ""
        self.enter.disabled = not self._may_enter()
        self.leave.disabled = model.client is None
        done = (
            widgets.markup('<div class="box good" role="status">✔ {}</div>', model.said) if model.said else ""
        )
        self.said.value = done or widgets.markup('<p class="soft">{}</p>', " ".join(model.blockers))
