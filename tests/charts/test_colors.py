"""Every color of every chart stands out from its ground, whatever the style."""

import itertools

import numpy as np
import pytest
from matplotlib import pyplot as plt
from matplotlib.collections import Collection, QuadMesh
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.text import Text

from mkframe import charts
from mkframe.charts._colors import COLORS, GROUP_STYLES, OTHER, Palette, contrast
from tests.support.every_chart import CHARTS

GROUNDS = ["#ffffff", "#000000", "#eaeaf2", "#111111", "#fdf6e3", "#30343f"]


@pytest.mark.parametrize("ground", GROUNDS)
def test_palette_colors_stand_out_from_their_ground(ground):
    colors = Palette(ground)
    for base in (*COLORS.values(), OTHER, *(color for color, _ in GROUP_STYLES), ground, "#ffff00"):
        data = [colors.ink(base), colors.weak(base), colors.strong(base), *colors.scale(base, 5)]
        assert min(contrast(color, ground) for color in data) >= 3, base
        assert contrast(colors.ink_for_text(base), ground) >= 4.5
        steps = [contrast(color, ground) for color in colors.scale(base, 5)]
        assert all(b > a * 1.2 for a, b in itertools.pairwise(steps))
        assert contrast(colors.text_on(base), base) >= 4.5
    assert contrast(colors.muted, ground) >= 4.5
    assert contrast(colors.axis, ground) >= 3


def test_status_colors_need_no_change_on_white_and_black():
    for ground in ("#ffffff", "#000000"):
        for color in (*charts.COLORS.values(), charts.OTHER):
            assert Palette(ground).ink(color) == color
            assert contrast(color, ground) >= 3


def over(color, ground):
    *rgb, alpha = to_rgba(color)
    return tuple(c * alpha + g * (1 - alpha) for c, g in zip(rgb, to_rgba(ground)[:3], strict=True))


def drawn_colors(ax):
    """Give each color of data and text with what it is, without grid lines and what parts bars."""
    ground = ax.figure.get_facecolor()
    grid = {*ax.xaxis.get_gridlines(), *ax.yaxis.get_gridlines()}
    for artist in ax.findobj(lambda part: part.get_visible() and part not in (ax.patch, *grid)):
        name = f"{type(artist).__name__} {artist.get_label()}"
        if isinstance(artist, Text) and artist.get_text():
            yield f"{name} {artist.get_text()[:20]}", over(artist.get_color(), ground), 4.5
        elif isinstance(artist, Line2D):
            if artist.get_linestyle() != "None" and len(artist.get_xdata()):
                yield name, over(artist.get_color(), ground), 3
            if artist.get_marker() not in ("", "None", None) and len(artist.get_xdata()):
                parts = [
                    over(artist.get_markeredgecolor(), ground),
                    over(artist.get_markerfacecolor(), ground),
                ]
                yield f"{name} marker", max(parts, key=lambda color: contrast(color, ground)), 3
        elif isinstance(artist, QuadMesh):
            cells = artist.cmap(artist.norm(np.ma.compressed(artist.get_array())))
            yield from ((name, over(cell, ground), 3) for cell in cells)
        elif isinstance(artist, Collection | Patch):
            faces = np.atleast_2d(artist.get_facecolor()).reshape(-1, 4)
            edges = np.atleast_2d(artist.get_edgecolor()).reshape(-1, 4)
            seen = [over(c, ground) for c in (*faces, *edges) if c[3] > 0]
            seen = [c for c in seen if contrast(c, ground) > 1.01]  # the ground itself parts bars and hatches
            yield from ((name, c, 3) for c in seen)


@pytest.mark.parametrize("style", ["default", "dark_background", "ggplot", "Solarize_Light2"])
@pytest.mark.parametrize("name", CHARTS)
def test_every_drawn_color_stands_out(name, style, every_chart):
    with plt.style.context(style):
        ax = every_chart(name, Figure(figsize=(9, 5)).subplots())
    ground = ax.figure.get_facecolor()
    assert contrast(ax.get_facecolor(), ground) == 1
    colors = list(drawn_colors(ax))
    assert len(colors) > 5
    faint = {
        what: round(contrast(color, ground), 2)
        for what, color, least in colors
        if contrast(color, ground) < least
    }
    in_cells = {what: value for what, value in faint.items() if name == "failure_progress" and "Text" in what}
    assert faint == in_cells, "text in cells is on their color"


def test_text_on_cells_can_be_read(every_chart):
    for style in ("default", "dark_background"):
        with plt.style.context(style):
            ax = every_chart("failure_progress", Figure().subplots())
        mesh = next(part for part in ax.collections if isinstance(part, QuadMesh))
        cells = mesh.cmap(mesh.norm(mesh.get_array())).reshape(*mesh.get_array().shape, 4)
        numbers = [text for text in ax.texts if text.get_text().isdigit()]
        assert len(numbers) > 3
        for text in numbers:
            column, row = map(int, text.get_position())
            assert contrast(text.get_color(), cells[row, column]) >= 4.5


def test_transparent_figure_takes_the_ground_of_the_style(every_chart):
    for style, dark in (("default", False), ("dark_background", True)):
        with plt.style.context(style):
            ax = every_chart("outcomes", Figure(facecolor="none").subplots())
        assert (contrast(ax.title.get_color(), "black") > 4.5) is dark
        assert contrast(ax._left_title.get_color(), "black" if dark else "white") >= 4.5


def test_grid_of_a_style_is_not_drawn(every_chart):
    with plt.style.context("ggplot"):
        ax = every_chart("calendar", Figure().subplots())
    ax.figure.draw_without_rendering()
    assert not any(line.get_visible() for line in (*ax.get_xgridlines(), *ax.get_ygridlines()))
