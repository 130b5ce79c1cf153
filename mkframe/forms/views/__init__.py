"""Faces of the models: widgets that show traits and pass on what a person does. Nothing is decided here."""

from mkframe.forms.views.connecting import ConnectForm
from mkframe.forms.views.exploring import ExploreForm
from mkframe.forms.views.fetching import FetchForm
from mkframe.forms.views.following import WatchForm
from mkframe.forms.views.starting import StartForm
from mkframe.forms.views.waiting import WaitingForm

__all__ = ["ConnectForm", "ExploreForm", "FetchForm", "StartForm", "WaitingForm", "WatchForm"]
