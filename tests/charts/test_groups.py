"""Charts and metrics of one name and the same arguments show the same rows."""

from __future__ import annotations

import pytest

from mkframe import charts, metrics
from tests.support.axes import note_text, row_labels

PERIODIC = ["durations", "failure_rate", "outcomes", "throughput", "median_duration"]
BY = ["pattern", "pattern_set", ("project", "user"), ("release", "pattern")]


@pytest.fixture(scope="module")
def mixed(factory):
    return factory.builds(
        *(
            {
                "build_start": f"2026-0{1 + n % 6}-{1 + n % 28:02d}T08:00:00Z",
                "seconds": 60 + n,
                "status": "FINISHED" if n % 5 else "FAILED",
                "patterns": [n % 4, 9],
                "releases": [n % 2],
                "project_id": n % 3,
                "user_id": n % 2,
            }
            for n in range(120)
        )
    )


@pytest.mark.parametrize("name", PERIODIC)
@pytest.mark.parametrize("by", [None, *BY])
def test_chart_of_groups_has_the_rows_of_the_metric(name, by, mixed):
    arguments = {"by": by} if by else {"every": None}
    table = getattr(metrics, name)(mixed, **arguments)
    assert not table.index.droplevel("period").has_duplicates if by else len(table) == 1
    groups = [entry[:-1] for entry in table.index] if by else [("all builds",)]
    labels = row_labels(getattr(charts, name)(mixed, **arguments))
    assert sorted(label.split("   ")[0] for label in labels) == sorted(" · ".join(group) for group in groups)


@pytest.mark.parametrize("name", PERIODIC)
@pytest.mark.parametrize("by", BY)
def test_chart_of_groups_over_periods_has_their_values(name, by, mixed):
    table = getattr(metrics, name)(mixed, every="M", by=by)
    ax = getattr(charts, name)(mixed, every="M", by=by)
    if name == "outcomes":
        used = int((table.sum(axis=1) > 0).sum())
        assert len(row_labels(ax)) == min(25, used)
        assert (f"{used - 25} more rows" in note_text(ax)) == (used > 25)
        return
    column = {"durations": "p50", "failure_rate": "rate", "throughput": "per_day"}.get(name, "median")
    count = {"throughput": ["builds"], "median_duration": ["finished", "running"]}.get(name, ["n"])
    keys = [*range(table.index.nlevels - 1)]
    builds = table[count].sum(axis=1).groupby(level=keys, sort=False).sum()
    largest = builds[builds > 0].sort_values(ascending=False, kind="stable").index[:6]
    n = table[count].sum(axis=1)
    shown = table[column][(n > 0) & table.index.droplevel("period").isin(largest)]
    drawn = [y for line in ax.lines if line.get_label() != "overall" for y in line.get_ydata() if y == y]
    assert sorted(drawn) == pytest.approx(sorted(shown))


@pytest.mark.parametrize("name", PERIODIC)
def test_default_period_of_chart_and_metric_is_the_same(name, mixed):
    ax = getattr(charts, name)(mixed)
    assert metrics.suggest_period(mixed) == "W"
    assert len(getattr(metrics, name)(mixed)) > 20
    assert ax.get_xlabel().startswith("week in which the build started")
