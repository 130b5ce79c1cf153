from __future__ import annotations

import numpy as np
import pytest
from matplotlib.colors import to_hex

from mkframe import charts, metrics
from mkframe.errors import InputError
from mkframe.schema import STATUSES


def subtitle(ax):
    return " ".join(text.get_text().replace("\n", " ") for text in ax.texts)


@pytest.fixture(scope="module")
def mixed(factory):
    start = ["2026-04-01T08:00:00Z", "2026-04-15T08:00:00Z"]
    status = ["FINISHED", "FINISHED", "FAILED", "CANCELED", "BUILDING", "PAUSED"]
    return factory.builds(*({"build_start": s, "status": w, "patterns": [1]} for s in start for w in status))


@pytest.mark.parametrize(
    ("canceled", "axis", "figure"),
    [
        ("exclude", "failed / (finished + failed)", "33.3 % of all: 2 failed of 6 finished + failed"),
        (
            "count",
            "failed / (finished + failed + canceled)",
            "25.0 % of all: 2 failed of 8 finished + failed + canceled",
        ),
    ],
)
def test_axis_says_what_was_divided_by_what(canceled, axis, figure, mixed):
    ax = charts.failure_rate(mixed, canceled=canceled)
    assert ax.get_ylabel() == axis
    assert figure in subtitle(ax)


def test_what_is_no_part_of_the_rate_is_said(mixed):
    assert "Left out: 2 canceled, 2 running, 2 with another status." in subtitle(charts.failure_rate(mixed))


def test_rates_and_intervals_are_the_metric(mixed):
    table = metrics.failure_rate(mixed)
    ax = charts.failure_rate(mixed)
    rate = next(line for line in ax.lines if line.get_label() == "failure rate")
    assert np.array_equal(rate.get_ydata(), table["rate"], equal_nan=True)
    bars = next(part for part in ax.collections if part.get_label() == "95 % interval")
    ends = [np.asarray(segment)[:, 1].tolist() for segment in bars.get_segments() if len(segment)]
    known = table.dropna(subset="rate")
    assert ends == known[["low", "high"]].to_numpy().tolist()


def test_denominators_are_drawn_below(mixed):
    assert "denominator per week: up to 3" in subtitle(charts.failure_rate(mixed))


def test_groups_are_ranked_by_the_lower_bound(factory):
    lucky = [{"patterns": [1], "status": "FAILED"}]
    bad = [{"patterns": [2], "status": word} for word in ["FAILED"] * 40 + ["FINISHED"] * 20]
    ax = charts.failure_rate(factory.builds(*lucky, *bad), by="pattern")
    assert [label.get_text() for label in ax.get_yticklabels()] == ["2   40 of 60", "1   1 of 1"]
    assert ax.get_xlabel() == "failed / (finished + failed)"


def test_groups_beyond_the_shown_are_counted(factory):
    ax = charts.failure_rate(factory.builds(*({"user_id": user} for user in range(30))), by="user")
    assert len(ax.get_yticks()) == 25
    assert "5 more users with lower bounds not above these not drawn" in subtitle(ax)


def test_only_cancelled_builds_give_a_sentence(factory):
    ax = charts.failure_rate(factory.builds({"status": "CANCELED"}))
    assert ax.texts[-1].get_text().startswith("No build has finished or failed")


def test_key_names_each_status_with_count_and_share_in_the_order_of_the_stack(mixed):
    key = [text.get_text() for text in charts.outcomes(mixed).get_legend().get_texts()]
    assert key == [
        "PAUSED   2 (16.7 %)",
        "BUILDING   2 (16.7 %)",
        "CANCELED   2 (16.7 %)",
        "FAILED   2 (16.7 %)",
        "FINISHED   4 (33.3 %)",
    ]


def test_each_status_has_its_one_colour(mixed):
    stacks = {
        patch.get_gid(): to_hex(patch.get_facecolor())
        for patch in charts.outcomes(mixed).patches
        if patch.get_gid()
    }
    expected = {word: colour.lower() for word, colour in charts.COLORS.items()}
    assert stacks == {**expected, "PAUSED": charts.OTHER.lower()}
    assert set(charts.COLORS) == set(STATUSES)


def test_stack_reaches_the_number_of_builds(mixed):
    ax = charts.outcomes(mixed)
    top = [patch.get_data().values for patch in ax.patches if patch.get_gid()][-1]
    assert top.tolist() == [6, 0, 6]


def test_partial_weeks_are_said_and_drawn_apart(mixed):
    ax = charts.throughput(mixed)
    parts = {patch.get_label(): patch.get_data().values.tolist() for patch in ax.patches}
    assert parts["partial periods"] == [6 / 5, 0, 6 / 3]
    assert parts["whole periods"] == [0, 0, 0]
    assert "the week of 30 Mar 2026 (5 days), the one of 13 Apr 2026 (3 days)" in subtitle(ax)


def test_mean_is_over_all_days(mixed):
    assert "mean 0.8" in subtitle(charts.throughput(mixed))


def test_many_unknown_words_share_a_layer(factory):
    key = charts.outcomes(factory.builds(*({"status": f"WORD_{n:02d}"} for n in range(30)))).get_legend()
    labels = [text.get_text() for text in key.get_texts()]
    assert labels[0] == "26 other statuses   26 (86.7 %)"
    assert len(labels) == 5


def test_failures_without_a_start_are_not_denied(factory):
    said = charts.failure_rate(factory.builds({"status": "FAILED", "build_start": None})).texts[-1].get_text()
    assert said.startswith("No build that has a start has finished or failed")


def test_periods_are_needed_for_a_line(factory):
    with pytest.raises(InputError, match="every=None is invalid"):
        charts.failure_rate(factory.builds({}), every=None)
