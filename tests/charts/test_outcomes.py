from __future__ import annotations

import pytest
from matplotlib.colors import to_hex

from mkframe import charts
from mkframe.schema import STATUSES
from tests.support.axes import note_text


@pytest.fixture(scope="module")
def mixed(factory):
    start = ["2026-04-01T08:00:00Z", "2026-04-15T08:00:00Z"]
    status = ["FINISHED", "FINISHED", "FAILED", "CANCELED", "BUILDING", "PAUSED"]
    return factory.builds(*({"build_start": s, "status": w, "patterns": [1]} for s in start for w in status))


def test_legend_has_counts_in_the_order_of_the_stack(mixed):
    key = [text.get_text() for text in charts.outcomes(mixed).get_legend().get_texts()]
    assert key == [
        "PAUSED   2 (16.7 %)",
        "BUILDING   2 (16.7 %)",
        "CANCELED   2 (16.7 %)",
        "FAILED   2 (16.7 %)",
        "FINISHED   4 (33.3 %)",
    ]


def test_each_status_has_its_color(mixed):
    stacks = {
        patch.get_gid(): to_hex(patch.get_facecolor())
        for patch in charts.outcomes(mixed).patches
        if patch.get_gid()
    }
    expected = {status: color.lower() for status, color in charts.COLORS.items()}
    assert stacks == {**expected, "PAUSED": charts.OTHER.lower()}
    assert set(charts.COLORS) == set(STATUSES)


def test_stack_height_is_the_number_of_builds(mixed):
    ax = charts.outcomes(mixed, "W")
    top = [patch.get_data().values for patch in ax.patches if patch.get_gid()][-1]
    assert top.tolist() == [6, 0, 6]


def test_partial_weeks_are_named_and_drawn_lighter(mixed):
    ax = charts.throughput(mixed, "W")
    parts = {patch.get_label(): patch.get_data().values.tolist() for patch in ax.patches}
    assert parts["partial periods"] == [6 / 5, 0, 6 / 3]
    assert parts["whole periods"] == [0, 0, 0]
    assert "the week of 30 Mar 2026 (5 days), the one of 13 Apr 2026 (3 days)" in note_text(ax)


def test_throughput_mean_is_over_all_days(mixed):
    assert "mean 0.8" in note_text(charts.throughput(mixed))


def test_unlisted_statuses_beyond_four_share_a_layer(factory):
    key = charts.outcomes(factory.builds(*({"status": f"WORD_{n:02d}"} for n in range(30)))).get_legend()
    labels = [text.get_text() for text in key.get_texts()]
    assert labels[0] == "26 other statuses   26 (86.7 %)"
    assert len(labels) == 5
