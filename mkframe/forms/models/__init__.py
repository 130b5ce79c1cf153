"""Models of the forms: traits, sentences and steps, for views, scripts and tests.

A model takes a client, or an object with the same methods. It imports no widgets and starts no thread: slow
steps go through `Model.run`, which executes them at once, or on the worker of a form.
"""

from mkframe.forms.models.connect import ConnectModel
from mkframe.forms.models.explore import ExploreModel
from mkframe.forms.models.fetch import FetchModel
from mkframe.forms.models.release import ReleaseModel
from mkframe.forms.models.start import StartModel
from mkframe.forms.models.watch import WatchModel

__all__ = ["ConnectModel", "ExploreModel", "FetchModel", "ReleaseModel", "StartModel", "WatchModel"]


def __dir__() -> list[str]:
    return sorted(__all__)
