"""Forms without a face: traits, sentences and steps, for views, scripts and tests alike.

A model is handed a client, or anything with the same methods. It knows no widget and starts no thread:
slow steps go through `Model.run`, which does them at once unless a form hands them to its worker.
"""

from mkframe.forms.models.connect import ConnectModel
from mkframe.forms.models.explore import ExploreModel
from mkframe.forms.models.fetch import FetchModel
from mkframe.forms.models.start import StartModel
from mkframe.forms.models.watch import WatchModel

__all__ = ["ConnectModel", "ExploreModel", "FetchModel", "StartModel", "WatchModel"]
