from __future__ import annotations

import numpy as np
import pytest

from mkframe import charts
from tests.support.axes import note_text


def squares(ax, label):
    part = next(part for part in ax.collections if part.get_label() == label)
    return [path.vertices[:4] for path in part.get_paths()], part


def test_days_without_result_are_hatched(factory):
    builds = factory.builds(
        {"status": "FINISHED", "build_start": "2026-04-01T08:00:00Z"},
        {"status": "FAILED", "build_start": "2026-04-02T08:00:00Z"},
        {"status": "CANCELED", "build_start": "2026-04-04T08:00:00Z"},
    )
    ax = charts.calendar(builds)
    known, part = squares(ax, "days")
    undecided, grey = squares(ax, "days without a result")
    assert (len(known), len(undecided)) == (2, 1)
    assert not np.array_equal(part.get_facecolors()[0], part.get_facecolors()[1])
    assert grey.get_hatch()


def test_area_is_the_number_of_builds(factory):
    builds = factory.builds(*[{}] * 4, {"build_start": "2026-04-02T08:00:00Z"})
    (many, one), _ = squares(charts.calendar(builds), "days")
    assert np.ptp(many[:, 0]) ** 2 == pytest.approx(4 * np.ptp(one[:, 0]) ** 2)


@pytest.mark.parametrize(("tz", "row"), [("UTC", 6), ("Europe/Vienna", 0)])
def test_row_is_the_local_weekday(tz, row, factory):
    builds = factory.builds({"build_start": "2026-04-05T22:30:00Z"})  # a Sunday in UTC, Monday in Vienna
    (day,), _ = squares(charts.calendar(builds, tz=tz), "days")
    assert day[:, 1].mean() == pytest.approx(row)


def test_long_history_has_several_lines(factory):
    builds = factory.builds({"build_start": "2024-01-10T08:00:00Z"}, {"build_start": "2026-04-01T08:00:00Z"})
    ax = charts.calendar(builds)
    (_, last), _ = squares(ax, "days")
    assert last[:, 1].mean() == pytest.approx(2 * 9 + 2)
    assert last[:, 0].max() < 53
    months = [text.get_text() for text in ax.texts]
    assert "Jan 2024" in months
    assert "Jan 2026" in months


def test_builds_before_ten_years_are_counted(factory):
    old = [{"build_start": f"2010-01-{day:02d}T08:00:00Z"} for day in range(10, 15)]
    builds = factory.builds(*old, {"build_start": "2026-04-01T08:00:00Z"})
    assert "5 before" in note_text(charts.calendar(builds))


def test_wrong_start_in_the_future_is_counted(factory):
    starts = [f"2026-04-0{day}T08:00:00Z" for day in (1, 2, 3)]
    builds = factory.builds(*({"build_start": start} for start in [*starts, "2099-01-01T08:00:00Z"]))
    ax = charts.calendar(builds)
    days, _ = squares(ax, "days")
    assert len(days) == 3
    assert "Left out: 1 with an impossible date (4 on 1 January 2099)." in note_text(ax)
