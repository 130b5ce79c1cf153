"""The lists inside builds as frames of their own."""

import pickle

import pandas as pd
import pytest

import mkframe as mk
from mkframe.errors import InputError, SchemaWarning
from tests.rows import body, download, row


@pytest.fixture
def builds():
    return mk.read_json(
        body(
            [
                row("builds", 1, patterns=[808, 809], releases=[21], downloads=[download(5), download(6)]),
                row("builds", 2, patterns=[], releases=[], downloads=[]),
                row("builds", 3, patterns=[808], releases=[21, 30], downloads=[download(7, file_id=None)]),
            ]
        )
    )


def test_patterns(builds):
    child = mk.build_patterns(builds)
    assert child.to_dict("list") == {"build_id": [1, 1, 3], "pattern_id": [808, 809, 808]}


def test_releases(builds):
    child = mk.build_releases(builds)
    assert child.to_dict("list") == {"build_id": [1, 3, 3], "release_id": [21, 21, 30]}


def test_downloads(builds):
    child = mk.build_downloads(builds)
    assert child.index.tolist() == [5, 6, 7]
    assert child["build_id"].tolist() == [1, 1, 3]
    assert child["file_id"].isna().tolist() == [False, False, True]


@pytest.mark.parametrize("open_list", [mk.build_patterns, mk.build_releases, mk.build_downloads])
def test_no_builds_give_the_same_columns_and_dtypes(builds, open_list):
    assert open_list(builds.iloc[:0]).dtypes.to_dict() == open_list(builds).dtypes.to_dict()


def test_further_keys_of_downloads_come_last():
    child = mk.build_downloads(
        mk.read_json(body([row("builds", downloads=[download(1, type="IICS", odd=[1])])]))
    )
    assert list(child.columns[-2:]) == ["type", "odd"]
    assert child["type"].dtype == "str"
    assert child.loc[1, "odd"] == [1]


def test_child_joins_its_builds(builds):
    joined = mk.build_downloads(builds).join(builds, on="build_id", suffixes=("", "_build"))
    assert joined["status"].tolist() == ["status 1", "status 1", "status 3"]


def test_frame_without_the_list_is_told(builds):
    with pytest.raises(InputError, match="no column 'patterns'"):
        mk.build_patterns(builds.drop(columns="patterns"))


def test_frame_survives_pickling(builds):
    pd.testing.assert_frame_equal(pickle.loads(pickle.dumps(builds)), builds)


def test_build_id_that_downloads_bring_along_is_checked():
    inside = [download(1, build_id=1), download(2, build_id=None), download(3)]
    child = mk.build_downloads(mk.read_json(body([row("builds", 1, downloads=inside)])))
    assert child["build_id"].tolist() == [1, 1, 1]


def test_download_that_names_another_build_is_told():
    builds = mk.read_json(body([row("builds", 1, downloads=[download(1, build_id=2)])]))
    with pytest.warns(SchemaWarning, match="1 downloads name another build"):
        assert mk.build_downloads(builds)["build_id"].tolist() == [1]


@pytest.mark.parametrize("open_list", [mk.build_patterns, mk.build_releases, mk.build_downloads])
def test_frame_that_lost_its_index_is_told(builds, open_list):
    with pytest.raises(InputError, match="not by the id of the builds"):
        open_list(builds.reset_index())
