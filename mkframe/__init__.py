"""MetaKraftwerk build history in pandas: typed frames, charts, reports and notebook forms.

>>> import mkframe as mk
>>> with mk.demo(builds=20) as client:
...     builds = client.builds.find(project="DEMO_PROJECT")
>>> builds.index.name
'id'
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from mkframe._version import __version__

if TYPE_CHECKING:
    from mkframe import artifacts as artifacts
    from mkframe import charts as charts
    from mkframe import errors as errors
    from mkframe import forms as forms
    from mkframe import metrics as metrics
    from mkframe import releases as releases
    from mkframe import scale as scale
    from mkframe._demo import demo as demo
    from mkframe.client import Client as Client
    from mkframe.client import connect as connect
    from mkframe.exports import export as export
    from mkframe.frames import explode_downloads as explode_downloads
    from mkframe.frames import explode_patterns as explode_patterns
    from mkframe.frames import explode_releases as explode_releases
    from mkframe.frames import from_arrow as from_arrow
    from mkframe.frames import read_json as read_json
    from mkframe.frames import read_parquet as read_parquet
    from mkframe.frames import to_arrow as to_arrow
    from mkframe.history import History as History
    from mkframe.limits import Limits as Limits
    from mkframe.metrics import show as show

_HOME_OF = {
    "Client": "mkframe.client",
    "History": "mkframe.history",
    "Limits": "mkframe.limits",
    "artifacts": "",
    "charts": "",
    "connect": "mkframe.client",
    "demo": "mkframe._demo",
    "errors": "",
    "explode_downloads": "mkframe.frames",
    "explode_patterns": "mkframe.frames",
    "explode_releases": "mkframe.frames",
    "export": "mkframe.exports",
    "forms": "",
    "from_arrow": "mkframe.frames",
    "metrics": "",
    "read_json": "mkframe.frames",
    "read_parquet": "mkframe.frames",
    "releases": "",
    "scale": "",
    "show": "mkframe.metrics",
    "to_arrow": "mkframe.frames",
}
"""The module that defines each public name; "" marks a subpackage of that name."""

__all__ = ["__version__", *_HOME_OF]


def __getattr__(name: str) -> Any:
    """Load a name when it is first used, so that importing mkframe stays light."""
    if name not in _HOME_OF:
        raise AttributeError(f"module 'mkframe' has no attribute {name!r}")
    home = _HOME_OF[name]
    module = importlib.import_module(home or f"mkframe.{name}")
    value = getattr(module, name) if home else module
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
