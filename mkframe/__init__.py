"""MetaKraftwerk build history in pandas: typed frames, charts, reports and notebook forms.

>>> import mkframe as mk
>>> with mk.demo(builds=20) as kraft:
...     builds = kraft.builds.find(project_body="DEMO_PROJECT")
>>> builds.index.name
'id'
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from mkframe import artifacts as artifacts
    from mkframe import charts as charts
    from mkframe import errors as errors
    from mkframe import forms as forms
    from mkframe import metrics as metrics
    from mkframe.client import Client as Client
    from mkframe.client import connect as connect
    from mkframe._demo import demo as demo
    from mkframe.exports import export as export
    from mkframe.frames import explode_downloads as explode_downloads
    from mkframe.frames import explode_patterns as explode_patterns
    from mkframe.frames import explode_releases as explode_releases
    from mkframe.frames import read_json as read_json

_HOMES = {
    "Client": "mkframe.client",
    "artifacts": "",
    "build_downloads": "mkframe.frames",
    "build_patterns": "mkframe.frames",
    "build_releases": "mkframe.frames",
    "charts": "",
    "connect": "mkframe.client",
    "demo": "mkframe._demo",
    "errors": "",
    "export": "mkframe.exports",
    "forms": "",
    "metrics": "",
    "read_json": "mkframe.frames",
}
"""Where each name of the front door lives; "" marks a room of that name."""

__all__ = ["__version__", *_HOMES]


def __getattr__(name: str) -> Any:
    """Load a name when it is first used, so that importing mkframe stays light."""
    if name not in _HOMES:
        raise AttributeError(f"module 'mkframe' has no attribute {name!r}")
    home = _HOMES[name]
    room = importlib.import_module(home or f"mkframe.{name}")
    value = getattr(room, name) if home else room
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
