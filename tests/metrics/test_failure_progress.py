from __future__ import annotations

import pandas as pd
import pytest

from mkframe import metrics
from mkframe.errors import InputError

BANDS = ["0–19 %", "20–39 %", "40–59 %", "60–79 %", "80–99 %", "100 %"]


def failed(progress, **more):
    return {"status": "FAILED", "progress": progress, "patterns": [808]} | more


def test_bands_hold_their_bounds(factory):
    builds = factory.builds(*(failed(p) for p in (0, 19, 20, 39, 40, 99, 100, None, -1, 101)))
    row = metrics.failure_progress(builds).loc["808"]
    assert row[BANDS].tolist() == [2, 2, 1, 0, 1, 1]
    assert row[["unknown", "builds"]].tolist() == [3, 10]


def test_builds_count_in_each_of_their_patterns(factory):
    builds = factory.builds(
        failed(5, patterns=[1, 2]), failed(50, patterns=[2]), failed(99, status="FINISHED")
    )
    table = metrics.failure_progress(builds)
    assert table["builds"].to_dict() == {"2": 2, "1": 1}
    assert metrics.failure_progress(builds, by="pattern_set")["builds"].to_dict() == {"1 + 2": 1, "2": 1}


def test_statuses_are_a_choice(factory):
    builds = factory.builds(failed(5), failed(5, status="CANCELED"))
    assert metrics.failure_progress(builds, statuses=("FAILED", "CANCELED"))["builds"].tolist() == [2]
    with pytest.raises(InputError, match="PAUSED"):
        metrics.failure_progress(builds, statuses=("PAUSED",))


@pytest.mark.parametrize("rows", [[], [{"status": "FINISHED"}], [failed(3)]])
def test_columns_are_the_same_for_few_builds(rows, factory):
    table = metrics.failure_progress(factory.builds(*rows))
    assert table.columns.tolist() == ["builds", *BANDS, "unknown"]
    assert set(table.dtypes.astype(str)) == {"int64"}
    assert table.index.name == "pattern"
    assert pd.api.types.is_string_dtype(table.index)
