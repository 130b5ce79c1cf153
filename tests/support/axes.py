"""Text and pictures of matplotlib Axes."""

from __future__ import annotations

import io
import warnings

from matplotlib.axes import Axes
from matplotlib.text import Text


def texts(ax: Axes) -> list[Text]:
    """All text artists that are not empty."""
    legend = ax.get_legend()
    artists = [*ax.texts, *ax.get_xticklabels(), *ax.get_yticklabels(), ax.xaxis.label, ax.yaxis.label]
    artists += [ax._left_title, *(legend.get_texts() if legend else [])]
    return [text for text in artists if text.get_text()]


def all_text(ax: Axes) -> str:
    """The text of all artists in one line."""
    return " ".join(text.get_text().replace("\n", " ") for text in texts(ax))


def note_text(ax: Axes) -> str:
    """The text inside the Axes and below the title, in one line."""
    return " ".join(text.get_text().replace("\n", " ") for text in ax.texts)


def row_labels(ax: Axes) -> list[str]:
    """The labels of the rows of a chart that is read from top to bottom."""
    return [label.get_text() for label in ax.get_yticklabels()]


def save_png(ax: Axes) -> None:
    """Save the figure; a warning is an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ax.figure.savefig(io.BytesIO(), format="png", dpi=40)
