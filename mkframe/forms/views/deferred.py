"""View of a form that needs a connection: it appears when somebody has connected."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mkframe.forms.models.base import Model
from mkframe.forms.views import widgets
from mkframe.forms.views.connect import ConnectForm

__all__ = ["DeferredForm"]


class DeferredForm(widgets.Form):
    """A placeholder until a connect form has a client; a new connection makes a new form.

    Parameters
    ----------
    login : ConnectForm
        The form that makes the client.
    make : callable
        Takes the client and returns the form.
    title : str
        Heading of the placeholder.
    """

    def __init__(self, login: ConnectForm, make: Callable[[Any], widgets.Form], title: str) -> None:
        self.form: widgets.Form | None = None
        super().__init__(Model())
        self._login, self._make, self._title = login, make, title
        self.on_change(login.model, ["client"], self._show)

    @property
    def model(self) -> Any:
        """The model of the form inside; that of the placeholder before it is there."""
        return self._own if self.form is None else self.form.model

    @model.setter
    def model(self, model: Model) -> None:
        self._own = model

    @property
    def result(self) -> Any:
        """The result of the form inside; None before it is there."""
        return getattr(self.form, "result", None)

    def close(self) -> None:
        """Close this form and the form inside."""
        super().close()
        self._close_form()

    def _close_form(self) -> None:
        before, self.form = self.form, None
        if before is not None:
            before.close()

    def _show(self) -> None:
        self._close_form()
        client = self._login.model.client
        if client is not None:
            self.form = self._make(client)
        placeholder = widgets.heading(self._title, "Connect first, in the form above.")
        self.children = ((self.form or placeholder), *self.footer)
