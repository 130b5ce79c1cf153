"""Forms without a face: traits, sentences and steps, for views, scripts and tests alike.

A model is handed a client, or anything with the same methods. It knows no widget and starts no thread:
slow steps go through `Model.run`, which does them at once unless a form hands them to its worker.
"""

from mkframe.forms.models.exploring import ExploreModel
from mkframe.forms.models.fetching import FetchModel
from mkframe.forms.models.following import WatchModel
from mkframe.forms.models.login import ConnectModel
from mkframe.forms.models.starting import StartModel

__all__ = ["ConnectModel", "ExploreModel", "FetchModel", "StartModel", "WatchModel"]
