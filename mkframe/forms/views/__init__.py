"""Views of the models: widgets that show traits and pass on the actions of a person. They decide nothing."""

from mkframe.forms.views.connect import ConnectForm
from mkframe.forms.views.deferred import DeferredForm
from mkframe.forms.views.explore import ExploreForm
from mkframe.forms.views.fetch import FetchForm
from mkframe.forms.views.release import ReleaseForm
from mkframe.forms.views.start import StartForm
from mkframe.forms.views.watch import WatchForm

__all__ = ["ConnectForm", "DeferredForm", "ExploreForm", "FetchForm", "ReleaseForm", "StartForm", "WatchForm"]
