from __future__ import annotations

import numpy as np
import pytest

from mkframe import charts
from tests.support.axes import note_text


@pytest.mark.parametrize(("n", "points", "meshes"), [(2_000, 2_000, 0), (2_001, 0, 1)])
def test_many_builds_are_drawn_as_density(n, points, meshes, factory):
    base = factory.builds({"seconds": 60, "instances": 4}, {"seconds": 90, "instances": 40})
    builds = base.loc[np.resize(base.index.to_numpy(), n)].set_axis(range(1, n + 1))
    ax = charts.duration_by_instances(builds)
    assert sum(len(line.get_xdata()) for line in ax.lines if line.get_label() == "builds") == points
    cells = [mesh for mesh in ax.collections if mesh.get_label() == "builds per cell"]
    assert len(cells) == meshes
    assert all(mesh.get_rasterized() and np.nansum(mesh.get_array().filled(0)) == n for mesh in cells)


def test_equal_instances_show_no_relation(factory):
    builds = factory.builds(*({"seconds": 60.0 * n, "instances": 1} for n in range(1, 7)))
    assert "no relation can be seen" in note_text(charts.duration_by_instances(builds))


def test_builds_without_instances_are_counted(factory):
    builds = factory.builds({"seconds": 60, "instances": None}, {"seconds": 60, "instances": 2})
    assert "Left out: 1 without instances." in note_text(charts.duration_by_instances(builds))
