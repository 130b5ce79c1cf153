"""Colors of charts, and how each is made to stand out from the ground on which it is drawn.

A chart asks `palette` for every color. The ground is that of the figure; a dark one gets light text.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, to_hex, to_rgb, to_rgba

__all__ = ["COLORS", "GROUP_STYLES", "LEAST_CONTRAST", "OTHER", "Palette", "contrast", "ground_of", "palette"]

COLORS = {"FINISHED": "#0072B2", "FAILED": "#D55E00", "CANCELED": "#CC79A7", "BUILDING": "#3B99CC"}
"""One color per status, distinguishable for color-blind readers: Okabe and Ito's, BUILDING darkened."""
OTHER = "#8C8C8C"
"""The color of a status that the API reference does not list."""

GROUP_STYLES = (
    ("#0072B2", "o"),
    ("#D55E00", "s"),
    ("#009E73", "^"),
    ("#A64D79", "D"),
    ("#A87400", "v"),
    ("#222222", "P"),
)
"""Color and marker of each line of a group, distinguishable for color-blind readers."""

LEAST_CONTRAST = 3.0
"""Contrast of WCAG 2.2 that graphics need; small text needs 4.5."""
_TEXT_CONTRAST = 4.5
_MARGIN = 1.02  # colors are rounded to 8 bits


def contrast(color: Any, ground: Any) -> float:
    """Return the contrast of two colors as WCAG 2.2 defines it: 1 if they are alike, 21 for black on white.

    Examples
    --------
    >>> round(contrast("black", "white"), 1), round(contrast("#777777", "white"), 1)
    (21.0, 4.5)
    """
    dark, light = sorted((_luminance(color), _luminance(ground)))
    return (light + 0.05) / (dark + 0.05)


def _luminance(color: Any) -> float:
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(color)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@dataclass(frozen=True)
class Palette:
    """The colors for one ground.

    Attributes
    ----------
    ground : str
        The color behind everything, as "#rrggbb".

    Examples
    --------
    >>> Palette("#ffffff").ink("#0072B2"), round(contrast(Palette("#ffffff").ink("#FFEE00"), "white"), 1)
    ('#0072B2', 3.1)
    """

    ground: str

    @property
    def text(self) -> str:
        """Titles, labels, and marks that are compared with others."""
        return self.shade(self._far, 16)

    @property
    def muted(self) -> str:
        """Text that explains."""
        return self.shade(self._far, 5.4)

    @property
    def axis(self) -> str:
        """Axes, ticks, and counts in the background."""
        return self.shade(self._far, LEAST_CONTRAST)

    @property
    def grid(self) -> str:
        """Grid lines, which repeat what the ticks say and may be pale."""
        return _mixed(self.ground, self._far, 0.15)

    @property
    def reference_line(self) -> dict[str, Any]:
        """Style of a line to compare with, such as a mean."""
        return {"color": self.text, "linewidth": 0.8, "linestyle": (0, (4, 3))}

    def ink(self, color: str, least: float = LEAST_CONTRAST) -> str:
        """Return a color, darker or lighter where it would not stand out from the ground."""
        return color if contrast(color, self.ground) >= least else self.shade(color, least)

    def weak(self, color: str) -> str:
        """Return the shade for intervals and bands, on which marks of `strong` are seen."""
        return self.shade(color, LEAST_CONTRAST)

    def strong(self, color: str) -> str:
        """Return the shade for the marks that say most."""
        return self.shade(color, 8.0)

    def ink_for_text(self, color: str) -> str:
        """Return a color in which small text can be read."""
        return self.ink(color, _TEXT_CONTRAST)

    def shade(self, color: str, wanted: float) -> str:
        """Return the shade of a color that has a contrast to the ground, as far as there is one."""
        return _shade(color, self.ground, self._far, wanted)

    def scale(self, color: str, steps: int) -> list[str]:
        """Return shades of a color from one that can just be seen to one that stands out most."""
        most = min(13.0, contrast(self._far, self.ground))
        ratio = (most / LEAST_CONTRAST) ** (1 / max(steps - 1, 1))
        return [self.shade(color, LEAST_CONTRAST * ratio**step) for step in range(steps)]

    def colormap(self, color: str) -> LinearSegmentedColormap:
        """Return the shades of `scale` as a continuous map."""
        return LinearSegmentedColormap.from_list("shades", self.scale(color, 6))

    def text_on(self, color: Any) -> str:
        """Return black or white, whichever can be read on a color."""
        return max(("#000000", "#ffffff"), key=lambda ink: contrast(ink, color))

    @property
    def _far(self) -> str:
        return self.text_on(self.ground)


@lru_cache(maxsize=512)
def _shade(color: str, ground: str, far: str, wanted: float) -> str:
    """Mix a color with the ground, or with what is farthest from it, until it has the contrast."""
    wanted *= _MARGIN
    begin, end = (ground, color) if contrast(color, ground) >= wanted else (color, far)
    low, high = 0.0, 1.0
    for _ in range(16):
        middle = (low + high) / 2
        low, high = (
            (low, middle) if contrast(_mixed(begin, end, middle), ground) >= wanted else (middle, high)
        )
    return _mixed(begin, end, high)


def _mixed(begin: str, end: str, share: float) -> str:
    red, green, blue = (a + (b - a) * share for a, b in zip(to_rgb(begin), to_rgb(end), strict=True))
    return to_hex((red, green, blue))


@lru_cache(maxsize=32)
def _palette(ground: str) -> Palette:
    return Palette(ground)


def palette(ax: Axes) -> Palette:
    """Return the colors for the ground of a chart."""
    return _palette(ground_of(ax))


def ground_of(ax: Axes) -> str:
    """Return the color of the figure; behind a transparent one, what suits the text of the style."""
    figure: Any = ax.get_figure(root=True)
    red, green, blue, alpha = to_rgba(figure.get_facecolor())
    behind = "#000000" if _luminance(mpl.rcParams["text.color"]) > 0.4 else "#ffffff"
    return _mixed(behind, to_hex((red, green, blue)), alpha)
