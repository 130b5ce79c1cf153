"""Downloads inside builds: windows on one table that read like lists."""

import copy
import json
import pickle

import pandas as pd
import pytest

import mkframe as mk
from mkframe import frames
from mkframe.errors import InputError, SchemaError
from mkframe.frames import _nested
from tests.support.rows import body, download, row


@pytest.fixture
def builds():
    """Five builds with 0 to 4 downloads, numbered through."""
    numbers = iter(range(1, 100))
    records = [
        row("builds", n, downloads=[download(next(numbers)) for _ in range(n - 1)]) for n in range(1, 6)
    ]
    return frames.decode("builds", body(records))


def ids(cell):
    return [record.id for record in cell]


def test_cell_reads_like_a_list(builds):
    cell = builds.loc[4, "downloads"]
    assert len(cell) == 3
    assert ids(cell) == [cell[0].id, cell[1].id, cell[-1].id] == [4, 5, 6]
    assert ids(cell[1:]) == [5, 6]


def test_place_beyond_the_end_is_an_index_error(builds):
    with pytest.raises(IndexError):
        builds.loc[4, "downloads"][3]


def test_cell_without_downloads_is_false(builds):
    assert not builds.loc[1, "downloads"]


def test_cells_are_equal_by_their_records(builds):
    others = builds.copy(deep=True)
    assert builds.loc[4, "downloads"] == list(others.loc[4, "downloads"])
    assert builds.loc[4, "downloads"] != builds.loc[5, "downloads"]


def test_equal_cells_are_one_unique_value(builds):
    doubled = pd.concat([builds, builds.copy(deep=True)])["downloads"]
    assert doubled.nunique() == 5
    assert doubled.drop_duplicates().index.tolist() == [1, 2, 3, 4, 5]


def test_to_json_writes_lists_of_records(builds):
    cells = json.loads(builds[["downloads"]].to_json(orient="index"))
    assert cells["1"] == {"downloads": []}
    assert cells["3"]["downloads"] == [download(2), download(3)]


def test_cells_are_records_for_pandas_and_json(builds):
    by_hand = [download(n) for n in (4, 5, 6)]
    assert json.loads(json.dumps(builds.loc[4, "downloads"])) == by_hand
    assert pd.DataFrame(builds.loc[4, "downloads"]).to_dict("records") == by_hand
    rows = builds.reset_index().to_dict("records")
    flat = pd.json_normalize(rows, record_path="downloads", meta="status", record_prefix="file_")
    assert flat["file_id"].tolist() == list(range(1, 11))
    exploded = builds["downloads"].explode().dropna()
    assert pd.json_normalize(list(exploded))["id"].tolist() == list(range(1, 11))


def test_cell_can_be_replaced(builds):
    changed = builds.copy()
    changed.at[2, "downloads"] = [{"id": 70, "name": "new.zip"}]
    changed.loc[3, "downloads"] = None
    assert ids(changed.loc[2, "downloads"]) == [70]
    assert changed.loc[3, "downloads"] is None
    assert ids(builds.loc[2, "downloads"]) == [1]
    assert mk.explode_downloads(changed).index.tolist() == [70, 4, 5, 6, 7, 8, 9, 10]


def test_cell_that_is_no_list_of_records_is_refused(builds):
    with pytest.raises(InputError, match="no downloads of builds"):
        builds.loc[2, "downloads"] = "a.zip"
    with pytest.raises(InputError, match="no downloads of builds"):
        builds["downloads"].array[0] = [{"id": "\ud800"}]


def test_reindex_gives_none_for_new_rows(builds):
    longer = builds.reindex([4, 99])
    assert longer["downloads"].isna().tolist() == [False, True]
    assert longer.loc[99, "downloads"] is None


def test_null_is_none_in_a_record():
    builds = frames.decode(
        "builds", body([row("builds", downloads=[download(1, file_id=None, pattern=None)])])
    )
    record = builds.loc[1, "downloads"][0]
    assert (record.file_id, record.pattern) == (None, None)


def test_records_beyond_one_block_are_found(monkeypatch):
    monkeypatch.setattr(_nested, "_BLOCK", 3)
    builds = frames.decode("builds", body([row("builds", downloads=[download(n) for n in range(8)])]))
    assert ids(builds.loc[1, "downloads"]) == list(range(8))


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda frame: pickle.loads(pickle.dumps(frame))])
def test_frame_survives_being_copied(builds, copied):
    pd.testing.assert_frame_equal(mk.explode_downloads(copied(builds)), mk.explode_downloads(builds))


def test_some_builds_give_their_downloads_in_their_order(builds):
    child = mk.explode_downloads(builds.loc[[5, 1, 3]])
    assert child.index.tolist() == [7, 8, 9, 10, 2, 3]
    assert child["build_id"].tolist() == [5, 5, 5, 5, 3, 3]


def test_builds_of_two_answers_give_downloads_of_both(builds):
    late = frames.decode("builds", body([row("builds", 9, downloads=[download(90, type="IICS")])]))
    child = mk.explode_downloads(pd.concat([builds.loc[[3]], late, builds.loc[[2]]]))
    assert child["build_id"].to_dict() == {2: 3, 3: 3, 90: 9, 1: 2}
    assert child.loc[90, "type"] == "IICS"


def test_null_in_place_of_the_list_is_no_download():
    builds = frames.from_rows("builds", [row("builds", 1, downloads=None), row("builds", 2)])
    assert builds["downloads"].isna().tolist() == [True, False]
    assert mk.explode_downloads(builds)["build_id"].tolist() == [2]


def test_changing_the_child_leaves_the_builds_alone(builds):
    child = mk.explode_downloads(builds)
    child.loc[4, "name"] = "other"
    assert builds.loc[4, "downloads"][0].name != "other"


def test_integer_beyond_64_bits_raises():
    with pytest.raises(SchemaError, match=r"Column 'downloads\.file_id', row 1"):
        frames.decode("builds", body([row("builds", downloads=[download(1, file_id=2**63)])]))


def test_lists_of_records_are_downloads_as_well(builds):
    plain = builds.assign(downloads=[[dict(d) for d in cell] for cell in builds["downloads"]])
    assert plain["downloads"].dtype == object
    pd.testing.assert_frame_equal(mk.explode_downloads(plain), mk.explode_downloads(builds))


def test_foreign_downloads_column_raises():
    with pytest.raises(InputError, match="which find\\(\\) did not put there"):
        mk.explode_downloads(pd.DataFrame({"downloads": [[1]]}, index=pd.Index([1], name="id")))
