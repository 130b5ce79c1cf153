"""The text of a chart for readers who do not see it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure, FigureBase

from mkframe.errors import InputError

__all__ = ["ChartFigure", "alt_text", "mark_caption", "mark_message"]

# an artist's label is drawn nowhere unless a legend lists the artist; those with "_" are never listed
_CAPTION, _MESSAGE = "_caption: ", "_message: "


def alt_text(chart: Axes | Figure) -> str:
    """Describe a chart in words: its title and its caption, or the sentence that stands in its place.

    Parameters
    ----------
    chart : Axes or Figure
        What a function of `mk.charts` returned, or its figure.

    Returns
    -------
    str
        On one line, plain text; "" where nothing of mkframe is drawn. Escape it before you put it into HTML.

    Raises
    ------
    InputError
        If it is something else.

    Examples
    --------
    >>> import pandas as pd
    >>> from mkframe import charts
    >>> start = pd.to_datetime(["2026-04-03T08:00Z"], utc=True)
    >>> builds = pd.DataFrame({"status": ["FAILED"], "build_start": start})
    >>> ax = charts.calendar(builds, ax=Figure().subplots())
    >>> alt_text(ax)[:73]
    'Builds and failures, day by day. 1 build. Area: builds of the day, at mos'
    """
    if not isinstance(chart, Axes | FigureBase):
        raise InputError(
            f"alt_text takes Axes or a figure, not {type(chart).__name__}.",
            hint="Give what a function of mk.charts has returned.",
        )
    axes = chart.axes if isinstance(chart, FigureBase) else [chart]
    return " ".join(filter(None, map(_text_of, axes)))


def mark_caption(artist: Artist, text: str) -> None:
    """Remember the whole caption at the artist that shows it in lines."""
    artist.set_label(_CAPTION + text)


def mark_message(artist: Artist, text: str) -> None:
    """Remember at an artist the sentence that stands in the place of a chart."""
    artist.set_label(_MESSAGE + text)


def _text_of(ax: Axes) -> str:
    title = " ".join(ax.get_title(loc="left").split()).rstrip(".")
    parts = [title, *_marked(ax, _CAPTION), *_marked(ax, _MESSAGE)]
    return ". ".join([parts[0], " ".join(filter(None, parts[1:]))]).strip() if title else ""


def _marked(ax: Axes, mark: str) -> Iterable[str]:
    labels = (str(text.get_label()) for text in ax.texts)
    return (" ".join(label.removeprefix(mark).split()) for label in labels if label.startswith(mark))


class ChartFigure(Figure):
    """A figure that gives its text to notebooks and reports along with the picture."""

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        text = alt_text(self)
        is_message = bool(self.axes) and all(any(_marked(ax, _MESSAGE)) for ax in self.axes)
        return {}, {"alt": text, "mkframe": {"message": is_message}} if text else {}
