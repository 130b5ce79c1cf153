"""Two keys divide builds in every metric that takes `by`, and in its chart."""

from __future__ import annotations

import pandas as pd
import pytest
from matplotlib.figure import Figure

from mkframe import charts, metrics

KEYS = ("project", "pattern")
NAMES = ["compare_periods", "change_points", "top_failing", "failure_progress", "builds_without_delivery"]


@pytest.fixture(scope="module")
def builds(factory):
    rows = [
        {
            "build_start": f"2026-04-{1 + n % 28:02d}T08:00:00Z",
            "seconds": 60 + n,
            "status": "FAILED" if n % 7 == 0 else "FINISHED",
            "project_id": 1 + n % 2,
            "patterns": [7 + n % 3, 9],
            "instances": 3,
            "progress": 40,
            "deliveries_calculated": True,
        }
        for n in range(120)
    ]
    return factory.builds(*rows)


def call(module, name, builds, by, **options):
    options |= {"end": "2026-04-29"} if name == "compare_periods" else {}
    more = [pd.DataFrame({"BUILD_ID": [2, 3]})] if name == "builds_without_delivery" else []
    return getattr(module, name)(builds, *more, by=by, **options)


@pytest.mark.parametrize("name", NAMES)
def test_rows_of_two_keys_are_those_of_each_part(name, builds):
    table = call(metrics, name, builds, KEYS)
    assert table.index.names[:2] == [*KEYS]
    parts = {
        str(project): call(metrics, name, part, "pattern") for project, part in builds.groupby("project_id")
    }
    if name == "change_points":  # its level is divided by the number of streams
        assert table["n"].to_dict() == {(p, k): n for p, t in parts.items() for k, n in t["n"].items()}
        return
    for project, part in parts.items():
        pd.testing.assert_frame_equal(table.xs(project).sort_index(), part.sort_index())


@pytest.mark.parametrize("name", [name for name in NAMES if name in charts.__all__])
def test_chart_of_two_keys_names_both(name, builds):
    ax = call(charts, name, builds, KEYS, ax=Figure().subplots())
    assert "per project and pattern" in ax.get_title(loc="left")
    if name != "change_points":
        assert any(label.get_text().startswith("1 · 9 ") for label in ax.get_yticklabels())
