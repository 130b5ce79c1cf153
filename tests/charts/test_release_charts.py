"""Charts of what differs between releases, and of commits."""

import pandas as pd
import pytest
from matplotlib.figure import Figure

from mkframe import charts
from mkframe.errors import InputError
from mkframe.releases.frames import diff
from tests.support.axes import all_text, note_text, save_png
from tests.support.metadata_rows import commit_rows, metadata_rows


@pytest.fixture
def changes():
    rows = metadata_rows(
        ("/RAW/P", "R1", ["A X int 1", "A Y int", "A Z"]),
        ("/RAW/P", "R2", ["A X text 2", "A N int 5"]),
        ("/MART/Q", "R1", ["A X int 1"]),
        ("/MART/Q", "R2", ["A X int 2"]),
        ("/MART/NEW", "R2", ["A X int 2"]),
    )
    return diff(rows, old="R1", new="R2")


def test_release_changes_count_rows_not_cells(changes):
    ax = charts.release_changes(changes, ax=Figure().subplots())
    assert [label.get_text() for label in ax.get_yticklabels()] == ["DV  /RAW   4", "DV  /MART   1"]
    widths = {bar.get_label(): [round(p.get_width()) for p in bar] for bar in ax.containers}
    assert widths == {"added": [1, 0], "changed": [1, 1], "removed": [2, 0]}
    assert ax.get_title(loc="left") == "Changes from R1 to R2"
    assert "1 added, 2 changed, 2 removed" in note_text(ax)
    save_png(ax)


def test_release_changes_of_nothing_say_so(changes):
    ax = charts.release_changes(changes.iloc[:0], ax=Figure().subplots())
    assert "No metadata row differs" in ax.texts[-1].get_text()
    with pytest.raises(InputError, match="occurrence"):
        charts.release_changes(
            pd.DataFrame({name: [] for name in ["pattern", "folder", "instance", "role", "name"]})
        )


def test_release_changes_of_many_folders_count_the_rest():
    made = [(f"/F{n:02}/I", release, [f"A X int {n}"]) for n in range(40) for release in ("R1", "R2")]
    rows = metadata_rows(*made)
    rows.loc[rows["@RELEASE"] == "R2", "PRECISION"] += 1
    ax = charts.release_changes(diff(rows, old="R1", new="R2"), ax=Figure(figsize=(9, 12)).subplots())
    assert len(ax.get_yticklabels()) == 30
    assert "Left out: 10 folders with fewer rows." in note_text(ax)


DAY = 86_400_000


def test_commit_lanes_have_a_mark_for_each_moment():
    rows = commit_rows(
        f"A R1 hand {DAY}", f"A R1 FINISHED {2 * DAY}", f"B R1 FINISHED {2 * DAY}", f"A R2 FAILED {3 * DAY}",
        f"A - hand {4 * DAY}", f"A R2 PAUSED {3 * DAY}",
    )  # fmt: skip
    ax = charts.commit_lanes(rows, ax=Figure().subplots())
    assert [label.get_text() for label in ax.get_yticklabels()] == ["no release   1", "R2   2", "R1   3"]
    points = {line.get_label(): len(line.get_xdata()) for line in ax.lines}
    assert points == {"by hand": 2, "by failed builds": 1, "by finished builds": 1, "by paused builds": 1}
    assert "6 commits of instances" in note_text(ax)
    save_png(ax)


def test_commit_lanes_leave_out_impossible_times():
    rows = commit_rows(f"A R1 hand {DAY}", "A R9 hand 999999999999999")
    ax = charts.commit_lanes(rows, ax=Figure().subplots())
    assert [label.get_text() for label in ax.get_yticklabels()] == ["R1   1"]
    assert "Left out: 1 without a usable time." in note_text(ax)
    empty = charts.commit_lanes(commit_rows(), ax=Figure().subplots())
    assert empty.texts[-1].get_text() == "There are no commits."
    with pytest.raises(InputError, match="STATUS"):
        charts.commit_lanes(rows.drop(columns="STATUS"))


def test_charts_draw_hostile_names(changes):
    hostile = changes.assign(folder="$\\frac{a}$ \x1b[31m\u202e<script>日本")
    for ax in (
        charts.release_changes(hostile, ax=Figure().subplots()),
        charts.commit_lanes(commit_rows("A $\\frac{a}$\x1b[31m hand 1"), ax=Figure().subplots()),
    ):
        save_png(ax)
        assert "\x1b" not in all_text(ax)
