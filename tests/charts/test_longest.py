from __future__ import annotations

import pandas as pd
import pytest

from mkframe import charts
from tests.support.axes import note_text


def test_bars_are_labeled_with_duration_and_status(factory):
    builds = factory.builds(
        {"id": 1, "seconds": 7_080, "status": "FAILED"},
        {"id": 2, "seconds": 90},
        {"id": 3, "status": "BUILDING"},
    )
    ax = charts.longest(builds)
    assert [bar.get_width() for bar in ax.patches] == [7080, 90]
    assert [text.get_text() for text in ax.texts[:2]] == ["1 h 58 min  FAILED", "1 min 30 s  FINISHED"]
    assert "1 running" in note_text(ax)


def test_bars_differ_in_color_and_hatch(factory):
    ax = charts.longest(factory.builds({"seconds": 9, "status": "FAILED"}, {"seconds": 8}))
    failed, finished = ax.patches
    assert failed.get_facecolor() != finished.get_facecolor()
    assert failed.get_hatch() != finished.get_hatch()


@pytest.mark.parametrize(
    ("cell", "expected"), [(808, "808"), (None, ""), (float("nan"), ""), ((1, 2), "1, 2")]
)
def test_patterns_of_exploded_builds_are_named(factory, cell, expected):
    builds = factory.builds({"id": 7, "seconds": 5})
    builds["patterns"] = pd.Series([cell], index=builds.index, dtype=object)
    label = charts.longest(builds).get_yticklabels()[0].get_text()
    assert label.removeprefix("7   1 Apr 2026 08:00").strip() == expected


def test_statuses_are_in_title_and_note(factory):
    builds = factory.builds({"seconds": 9}, {"seconds": 900, "status": "FAILED"}, {"end": None})
    ax = charts.longest(builds, statuses=("FINISHED",))
    assert ax.get_title(loc="left") == "The longest finished build"
    assert "Of 1 finished build with a duration" in note_text(ax)
    assert "Left out: 1 without a start or an end." in note_text(ax)


def test_no_build_of_statuses_is_named_so(factory):
    message = charts.longest(factory.builds({"seconds": 9}), statuses=("FAILED",)).texts[-1].get_text()
    assert message.startswith("There are no failed builds with a duration.")
