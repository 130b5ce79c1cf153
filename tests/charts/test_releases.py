from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt

from mkframe import charts
from mkframe.errors import InputError
from tests.support.axes import note_text

DATES = {"start_date": "2026-01-01T23:00:00Z", "end_date": "2026-02-01T23:00:00Z"}


def names(ax):
    return [label.get_text() for label in ax.get_yticklabels()]


def segments(ax, label):
    part = next(part for part in ax.collections if part.get_label() == label)
    return [np.asarray(segment) for segment in part.get_segments()]


@pytest.fixture(scope="module")
def line(factory):
    return factory.releases(
        {"id": 1, "name": "R1", "closed": True, **DATES},
        {"id": 2, "name": "R2", "closed": False, "prev_release_id": 1, **DATES, "end_date": None},
        {"id": 3, "name": "R1.1", "closed": True, "hotfix_of_id": 1, **DATES},
    )


def test_hotfix_is_indented_below_its_release(line):
    assert names(charts.releases(line)) == ["R1", "  └ R1.1", "R2"]


def test_open_and_closed_differ_in_text_and_line(line):
    ax = charts.releases(line)
    assert [len(segments(ax, label)) for label in ("open", "closed")] == [1, 2]
    assert [text.get_text() for text in ax.texts[:3]] == ["closed", "closed", "open"]


def test_missing_end_has_an_arrow(line):
    ax = charts.releases(line)
    arrow = next(mark for mark in ax.lines if mark.get_label() == "no end date")
    assert arrow.get_ydata().tolist() == [2]


def test_dates_are_local_to_the_time_zone(line):
    (at_utc, _), (at_vienna, _) = (
        segments(charts.releases(line, tz=tz), "open")[0] for tz in ("UTC", "Europe/Vienna")
    )
    assert at_vienna[0] == np.ceil(at_utc[0])


def test_builds_are_counted_and_drawn_as_a_line(line, factory):
    builds = factory.builds(
        {"releases": [1], "build_start": "2026-01-05T08:00:00Z"},
        {"releases": [1], "build_start": "2026-03-05T08:00:00Z"},
        {"releases": []},
    )
    ax = charts.releases(line, builds)
    assert "closed  2 builds" in note_text(ax)
    assert "2 of 3 builds name a release" in note_text(ax)
    (span,) = segments(ax, "first to last build")
    assert span[1, 0] - span[0, 0] == 59


def test_groups_have_headers(factory):
    frame = factory.releases({"id": 1, **DATES}, {"id": 2, "group_id": 7, **DATES})
    assert names(charts.releases(frame)) == ["Release group 1", "R1", "Release group 7", "R2"]


def test_hostile_name_is_drawn_as_plain_text(factory):
    ax = charts.releases(factory.releases({"id": 1, "name": "$\\frac{$ \x07", **DATES}))
    ax.figure.savefig(io.BytesIO(), format="png")
    label = ax.get_yticklabels()[0]
    assert label.get_text() == "$\\frac{$ □"
    assert not label.get_parse_math()


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [([], "There are no releases."), ([{"id": 1}], "None of the 1 release has a date or a build.")],
)
def test_nothing_to_draw_gives_the_reason(rows, sentence, factory):
    assert charts.releases(factory.releases(*rows)).texts[-1].get_text() == sentence


def test_releases_beyond_60_are_counted(factory):
    ax = charts.releases(factory.releases(*({"id": i, **DATES} for i in range(1, 71))))
    assert len(names(ax)) == 60
    assert "10 releases before these 60" in note_text(ax)


def test_given_ax_is_drawn_on(line):
    figure, (left, right) = plt.subplots(1, 2)
    assert charts.releases(line, ax=left) is left
    assert figure.axes == [left, right]
    assert not right.has_data()


def test_unknown_time_zone_raises(line):
    with pytest.raises(InputError, match="known here"):
        charts.releases(line, tz="Vienna")


def test_date_of_year_9999_is_drawn_as_missing(factory):
    frame = factory.releases({"id": 1, **DATES}, {"id": 2, **DATES, "end_date": "9999-12-31T00:00:00Z"})
    ax = charts.releases(frame)
    arrow = next(mark for mark in ax.lines if mark.get_label() == "no end date")
    assert arrow.get_ydata().tolist() == [1]
    assert np.ptp(ax.get_xlim()) < 40


def test_last_calendar_day_is_no_date_in_any_zone(factory):
    frame = factory.releases({"id": 1, **DATES, "end_date": "9999-12-31T23:00:00Z"})
    ax = charts.releases(frame, tz="Europe/Vienna")
    assert "no end date" in [line.get_label() for line in ax.lines if len(line.get_xdata())]


def test_release_without_group_has_its_own_header(factory):
    frame = factory.releases({"id": 1, **DATES}, {"id": 2, **DATES})
    frame["group_id"] = pd.array([7, None], dtype="Int64")
    labels = names(charts.releases(frame))
    assert labels == ["Release group 7", "R1", "No release group", "R2"]


def test_exploded_builds_count_for_releases(factory):
    releases = factory.releases({"id": 21, "start_date": pd.Timestamp("2026-01-01", tz="UTC")})
    builds = factory.builds({"releases": [21]}, {"releases": []}).explode("releases")
    assert "1 of 2 builds name a release" in charts.releases(releases, builds).texts[-1].get_text()


def test_hotfix_of_missing_release_is_counted(factory):
    start = pd.Timestamp("2026-01-01", tz="UTC")
    releases = factory.releases({"id": 22, "hotfix_of_id": 21, "start_date": start})
    assert "1 hotfix." in charts.releases(releases).texts[-1].get_text()


def test_today_is_a_line_between_the_dates(line):
    ax = charts.releases(line, now="2026-01-15T12:00Z", tz="Europe/Vienna")
    (today,) = [drawn for drawn in ax.lines if drawn.get_label() == "today"]
    assert today.get_xdata()[0] == pytest.approx(20468 + 13 / 24)
    assert "today" in [text.get_text() for text in ax.texts]


def test_today_beyond_the_dates_is_not_drawn(line):
    ax = charts.releases(line, now="2030-01-15T12:00Z")
    assert "today" not in [drawn.get_label() for drawn in ax.lines]
    with pytest.raises(InputError):
        charts.releases(line, now="yesterday")


@pytest.mark.parametrize("end", ["9999-12-31T23:30:00Z", "0001-01-01T00:30:00Z"])
@pytest.mark.parametrize("tz", ["Europe/Vienna", "America/New_York"])
def test_end_date_outside_of_the_calendar_is_no_date(factory, end, tz):
    frame = factory.releases(
        {"id": 1, "start_date": "2026-01-01T23:00:00Z", "end_date": end, "closed": False}
    )
    ax = charts.releases(frame, tz=tz, now="2026-01-15T12:00Z")
    assert "no end date" in ax.get_legend_handles_labels()[1]
    ax.figure.canvas.draw()
