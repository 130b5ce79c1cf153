from __future__ import annotations

import pandas as pd
import pytest

from mkframe import metrics
from mkframe.errors import InputError

CLASSES = ["delivered", "without_delivery", "identical", "unknown"]
COLUMNS = {
    "finished": "int64",
    **dict.fromkeys(CLASSES, "int64"),
    **dict.fromkeys(["share", "low", "high", "seconds", "seconds_without"], "float64"),
    "build_ids": "object",
}
USE = {
    "artifacts": "int64",
    "used": "int64",
    "share": "float64",
    "low": "float64",
    "high": "float64",
    "unknown": "int64",
    "build_ids": "object",
}


def build(id, **more):
    start = f"2026-04-01T{id % 24:02d}:00:00Z"
    row = {"id": id, "build_start": start, "seconds": 60, "patterns": [808], "project_id": 1}
    return row | {"deliveries_calculated": 1} | more


def delivered(*ids):
    return pd.DataFrame({"BUILD_ID": pd.Series(ids, dtype="Int64")})


def files(*rows):
    return pd.DataFrame(rows, columns=["build_id", "sha256"])


def test_finished_builds_fall_into_classes(factory):
    builds = factory.builds(
        build(1),
        build(2),
        build(3, deliveries_calculated=0),
        build(4, deliveries_calculated=None),
        build(5, status="FAILED"),
        build(6, deliveries_calculated=0),
    )
    row = metrics.builds_without_delivery(builds, delivered(1, 1, 6, None)).loc["808"]
    assert row[["finished", *CLASSES]].tolist() == [5, 2, 1, 0, 2]
    assert row["build_ids"] == [2]
    assert row[["seconds", "seconds_without"]].tolist() == [300, 60]
    low, high = metrics.wilson([1], [3])
    assert row[["share", "low", "high"]].tolist() == pytest.approx([1 / 3, low[0], high[0]])


def test_project_whose_deliveries_were_not_asked_is_unknown(factory):
    builds = factory.builds(build(1), build(2), build(3, project_id=2), build(4, project_id=2))
    table = metrics.builds_without_delivery(builds, delivered(1), by="project")
    assert table.loc["1", CLASSES].tolist() == [1, 1, 0, 0]
    assert table.loc["2", CLASSES].tolist() == [0, 0, 0, 2]
    assert pd.isna(table.loc["2", "share"])


def test_one_project_without_any_delivery_is_believed(factory):
    builds = factory.builds(build(1), build(2))
    assert metrics.builds_without_delivery(builds, delivered()).loc["808", "without_delivery"] == 2


def test_same_files_as_before_are_identical(factory):
    builds = factory.builds(*(build(k) for k in range(1, 7)))
    known = files((1, "a"), (1, "b"), (2, "b"), (2, "a"), (3, "a"), (5, "a"), (6, "a"), (6, "a"))
    row = metrics.builds_without_delivery(builds, delivered(1), files=known).loc["808"]
    # 2 has the files of 1, and 5 those of 3, as the files of 4 are not known; 6 has one more than 5
    assert row[CLASSES].tolist() == [1, 3, 2, 0]
    assert row["build_ids"] == [2, 3, 4, 5, 6]
    assert row["share"] == 5 / 6


def test_delivered_builds_are_never_identical(factory):
    builds = factory.builds(build(1), build(2))
    row = metrics.builds_without_delivery(builds, delivered(1, 2), files=files((1, "a"), (2, "a"))).loc["808"]
    assert row[CLASSES].tolist() == [2, 0, 0, 0]


@pytest.mark.parametrize("more", [{"patterns": [808, 9]}, {"releases": [5]}, {"project_id": 2}])
def test_other_builds_are_not_compared(more, factory):
    builds = factory.builds(build(1), build(2, **more))
    known = files((1, "a"), (2, "a"))
    table = metrics.builds_without_delivery(builds, delivered(1), files=known, by="user")
    assert table["identical"].sum() == 0


def test_identical_files_are_known_without_calculated_deliveries(factory):
    builds = factory.builds(build(1), build(2, deliveries_calculated=0))
    row = metrics.builds_without_delivery(builds, delivered(1), files=files((1, "a"), (2, "a"))).loc["808"]
    assert row[CLASSES].tolist() == [1, 0, 1, 0]


def test_download_that_is_listed_twice_counts_once(factory):
    builds = factory.builds(build(1), build(2))
    known = files((1, "a"), (2, "a"), (2, "a")).assign(id=[1, 2, 2])
    assert metrics.builds_without_delivery(builds, delivered(1), files=known)["identical"].sum() == 1


@pytest.mark.parametrize("rows", [[], [build(1, status="FAILED")], [build(1)]])
def test_columns_are_the_same_for_few_builds(rows, factory):
    for known in (None, files()):
        table = metrics.builds_without_delivery(factory.builds(*rows), delivered(), files=known)
        assert {name: str(dtype) for name, dtype in table.dtypes.items()} == COLUMNS
        assert table.index.name == "pattern_set"


def test_frames_of_another_kind_are_refused(factory):
    with pytest.raises(InputError, match="BUILD_ID"):
        metrics.builds_without_delivery(factory.builds(), factory.builds())
    with pytest.raises(InputError, match="sha256"):
        metrics.builds_without_delivery(factory.builds(), delivered(), files=delivered())
    with pytest.raises(InputError, match="deliveries is list"):
        metrics.builds_without_delivery(factory.builds(), [])


@pytest.fixture(scope="module")
def downloads(factory):
    def make(*rows):
        return factory.frame(
            "downloads",
            [
                {"id": i, "build_id": b, "pattern_id": p, "downloaded": n, "project_id": 1}
                for i, b, p, n in rows
            ],
        )

    return make


@pytest.fixture(scope="module")
def deployments(factory):
    return lambda *pairs: factory.frame(
        "build_deployments", [{"build_id": b, "pattern_id": p} for b, p in pairs]
    )


def test_uses_are_independent_shares(downloads, deployments):
    table = metrics.artifact_use(
        downloads((1, 11, 8, 3), (2, 12, 8, 0), (3, 13, 8, 0)), deployments((12, 8), (11, 9))
    )
    assert table["used"].to_dict() == {"fetched": 1, "deployed": 1}
    assert table["build_ids"].to_dict() == {"fetched": [12, 13], "deployed": [11, 13]}
    low, high = metrics.wilson([1], [3])
    assert table.loc["fetched", ["share", "low", "high"]].tolist() == pytest.approx([1 / 3, low[0], high[0]])


def test_own_fetches_are_no_use(downloads, deployments):
    table = metrics.artifact_use(downloads((1, 11, 8, 2), (2, 12, 8, 1)), deployments(), own=[1, 2])
    assert table.loc["fetched", "build_ids"] == [12]
    table = metrics.artifact_use(downloads((1, 11, 8, 2), (2, 12, 8, 1)), deployments(), own=[1, 1])
    assert table.loc["fetched", "build_ids"] == [11]


def test_artifacts_without_a_counter_are_unknown(downloads, deployments):
    table = metrics.artifact_use(downloads((1, 11, 8, None), (2, 12, 8, 1)), deployments())
    assert table[["artifacts", "used", "unknown"]].to_dict("index") == {
        "fetched": {"artifacts": 1, "used": 1, "unknown": 1},
        "deployed": {"artifacts": 2, "used": 0, "unknown": 0},
    }


def test_patterns_are_rows_on_request(downloads, deployments):
    table = metrics.artifact_use(downloads((1, 11, 8, 1), (2, 11, 9, 0)), deployments((11, 9)), by="pattern")
    assert table["used"].to_dict() == {
        ("8", "fetched"): 1,
        ("8", "deployed"): 0,
        ("9", "fetched"): 0,
        ("9", "deployed"): 1,
    }


@pytest.mark.parametrize("by", [None, "pattern"])
@pytest.mark.parametrize("n", [0, 1, 3])
def test_use_has_the_same_columns_for_few_artifacts(n, by, downloads, deployments):
    table = metrics.artifact_use(downloads(*((k, k, 8, 0) for k in range(n))), deployments(), by=by)
    assert {name: str(dtype) for name, dtype in table.dtypes.items()} == USE
    assert len(table) == (2 if n or by is None else 0)
