"""The lists inside builds as frames of their own."""

import pickle

import pandas as pd
import pytest

import mkframe as mk
from mkframe.errors import InputError, SchemaWarning
from tests.support.rows import body, download, row
from tests.support.versions import TEXT


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
    child = mk.explode_patterns(builds)
    assert child.to_dict("list") == {"build_id": [1, 1, 3], "pattern_id": [808, 809, 808]}


def test_releases(builds):
    child = mk.explode_releases(builds)
    assert child.to_dict("list") == {"build_id": [1, 3, 3], "release_id": [21, 21, 30]}


def test_downloads(builds):
    child = mk.explode_downloads(builds)
    assert child.index.tolist() == [5, 6, 7]
    assert child["build_id"].tolist() == [1, 1, 3]
    assert child["file_id"].isna().tolist() == [False, False, True]


@pytest.mark.parametrize("open_list", [mk.explode_patterns, mk.explode_releases, mk.explode_downloads])
def test_no_builds_give_the_same_columns_and_dtypes(builds, open_list):
    assert open_list(builds.iloc[:0]).dtypes.to_dict() == open_list(builds).dtypes.to_dict()


def test_extra_download_keys_come_last():
    child = mk.explode_downloads(
        mk.read_json(body([row("builds", downloads=[download(1, type="IICS", odd=[1])])]))
    )
    assert list(child.columns[-2:]) == ["type", "odd"]
    assert child["type"].dtype == TEXT
    assert child.loc[1, "odd"] == [1]


def test_child_joins_its_builds(builds):
    joined = mk.explode_downloads(builds).merge(
        builds, left_on="build_id", right_index=True, suffixes=("", "_build")
    )
    assert joined["status"].tolist() == ["status 1", "status 1", "status 3"]


def test_explode_without_the_column_raises(builds):
    with pytest.raises(InputError, match="no column 'patterns'"):
        mk.explode_patterns(builds.drop(columns="patterns"))


def test_frame_survives_pickling(builds):
    pd.testing.assert_frame_equal(pickle.loads(pickle.dumps(builds)), builds)


def test_build_id_in_downloads_is_checked():
    inside = [download(1, build_id=1), download(2, build_id=None), download(3)]
    child = mk.explode_downloads(mk.read_json(body([row("builds", 1, downloads=inside)])))
    assert child["build_id"].tolist() == [1, 1, 1]


def test_download_of_another_build_warns():
    builds = mk.read_json(body([row("builds", 1, downloads=[download(1, build_id=2)])]))
    with pytest.warns(SchemaWarning, match="1 downloads name another build"):
        assert mk.explode_downloads(builds)["build_id"].tolist() == [1]


@pytest.mark.parametrize("open_list", [mk.explode_patterns, mk.explode_releases, mk.explode_downloads])
def test_frame_without_id_index_raises(builds, open_list):
    with pytest.raises(InputError, match="not by the id of the builds"):
        open_list(builds.reset_index())


@pytest.mark.parametrize("open_list", [mk.explode_patterns, mk.explode_releases, mk.explode_downloads])
def test_builds_without_lists_after_a_join_give_no_rows(builds, open_list):
    wider = builds.reindex([1, 99])
    assert set(open_list(wider)["build_id"]) == {1}


@pytest.mark.parametrize("open_list", [mk.explode_patterns, mk.explode_releases, mk.explode_downloads])
@pytest.mark.parametrize("index", [[1.5, 2, 3], [None, 2, 3], ["a", "b", "c"]])
def test_index_without_ids_raises(builds, open_list, index):
    builds.index = pd.Index(index, name="id")
    with pytest.raises(InputError, match="what is no id of a build"):
        open_list(builds)


@pytest.mark.parametrize(
    ("cells", "named"),
    [
        ([808, 1, 2], "808"),
        ([[1], [2, 1.5], [2]], "1.5"),
        ([["x"], [], []], "'x'"),
        ([[True], [], []], "True"),
    ],
)
def test_cells_of_another_kind_raise(builds, cells, named):
    with pytest.raises(InputError, match=f"holds {named}, which find\\(\\) did not put there"):
        mk.explode_patterns(builds.assign(patterns=pd.Series(cells, index=builds.index, dtype=object)))


def test_duplicate_column_raises(builds):
    with pytest.raises(InputError, match="has 2 columns 'patterns'"):
        mk.explode_patterns(pd.concat([builds, builds["patterns"]], axis=1))


@pytest.mark.parametrize(
    "name",
    [
        "extra_keys",
        "items",
        "__dict__",
        "__slots__",
        "__init__",
        "__weakref__",
        "__post_init__",
        "__annotations__",
    ],
)
def test_reserved_download_key_is_kept(name):
    frame = mk.read_json(body([row("builds", 1, downloads=[download(1, **{name: 5})])]))
    assert mk.explode_downloads(frame)[name].tolist() == [5]
    assert pickle.loads(pickle.dumps(frame)).loc[1, "downloads"] == frame.loc[1, "downloads"]


def test_download_keys_with_clashing_attributes_are_kept():
    inside = download(1) | {"field_6": 1, "a b": 2, "a²": 3}
    child = mk.explode_downloads(mk.read_json(body([row("builds", 1, downloads=[inside])])))
    assert child[["field_6", "a b", "a²"]].to_numpy().tolist() == [[1, 2, 3]]


def test_downloads_of_mixed_answers_keep_the_order_of_the_builds():
    first, second = (
        mk.read_json(
            body([row("builds", n, downloads=[download(10 * n), download(10 * n + 1)]) for n in ids])
        )
        for ids in ((1, 3, 5), (2, 4))
    )
    mixed = pd.concat([first, second]).sort_index()
    child = mk.explode_downloads(mixed)
    assert child.index.tolist() == [10, 11, 20, 21, 30, 31, 40, 41, 50, 51]
    assert child["build_id"].tolist() == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
