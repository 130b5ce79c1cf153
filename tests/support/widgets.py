"""Trees of widgets, and the HTML that they show."""

from collections.abc import Iterator
from typing import Any

import ipywidgets as w


def descendants(widget: Any) -> Iterator[Any]:
    """Iterate over a widget and all below it."""
    yield widget
    for child in getattr(widget, "children", ()):
        yield from descendants(child)


def html_of(form: Any) -> str:
    """Return all HTML that a form shows."""
    return "".join(widget.value for widget in descendants(form) if isinstance(widget, w.HTML))
