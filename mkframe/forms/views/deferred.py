"""A form that appears once somebody has connected."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mkframe.forms.models.base import Model
from mkframe.forms.views import widgets
from mkframe.forms.views.connect import ConnectForm

__all__ = ["DeferredForm"]


class DeferredForm(widgets.Form):
    """Holds a place until a connect form has a client; a new connection brings a new form.

    Parameters
    ----------
    login : ConnectForm
        Where the client comes from.
    make : callable
        Takes the client and returns the form.
    title : str
        What stands there before.
    """

    def __init__(self, login: ConnectForm, make: Callable[[Any], widgets.Form], title: str) -> None:
        self.form: widgets.Form | None = None
        super().__init__(Model())
        self._login, self._make, self._title = login, make, title
        self.on(login.model, ["client"], self._show)

    @property
    def model(self) -> Any:
        """The mind of the form inside, once it is there."""
        return self._own if self.form is None else self.form.model

    @model.setter
    def model(self, model: Model) -> None:
        self._own = model

    @property
    def result(self) -> Any:
        """What the form inside gives, once it is there."""
        return getattr(self.form, "result", None)

    def close(self) -> None:
        """End the form and what it holds."""
        super().close()
        self._end()

    def _end(self) -> None:
        before, self.form = self.form, None
        if before is not None:
            before.close()

    def _show(self) -> None:
        self._end()
        client = self._login.model.client
        if client is not None:
            self.form = self._make(client)
        waiting = widgets.heading(self._title, "Connect first, in the form above.")
        self.children = ((self.form or waiting), *self.footer)
