import datetime as dt

import pandas as pd
import pytest

from mkframe.errors import InputError
from mkframe.forms.models import ExploreModel
from mkframe.forms.models.explore import EVERYTHING, MAX_ROWS


@pytest.fixture(scope="module")
def builds(client):
    return client.add_names(client.builds.find())


@pytest.fixture
def model(builds):
    return ExploreModel(builds)


def test_matches_without_filters_are_all_builds(model, builds):
    assert model.matches.equals(builds)
    assert model.status_text == f"{len(builds):,} of {len(builds):,} builds."


def test_filters_with_names_show_names(model):
    assert "DEMO_PROJECT" in model.options["project"]
    assert "CORE_DV_HLS" in model.options["pattern"]


def test_filters_without_names_show_ids(client):
    assert "402" in ExploreModel(client.builds.find()).options["project"]


@pytest.mark.parametrize(
    ("name", "value", "holds"),
    [
        ("project", "DEMO_PROJECT", lambda b: b.project == "DEMO_PROJECT"),
        ("pattern", "CORE_DV_HLS", lambda b: "CORE_DV_HLS" in b.pattern_names),
        ("release", "R5", lambda b: "R5" in b.release_names),
        ("status", "FAILED", lambda b: b.status == "FAILED"),
        ("user", "3", lambda b: b.user_id == 3),
    ],
)
def test_filter_keeps_matching_builds(model, builds, name, value, holds):
    setattr(model, name, value)
    expected = [b.Index for b in builds.itertuples() if holds(b)]
    assert model.matches.index.tolist() == expected
    assert 0 < len(expected) < len(builds)


def test_period_includes_both_days(model, builds):
    day = builds["build_start"].dt.date.iloc[100]
    model.first = model.last = day
    assert set(model.matches["build_start"].dt.date) == {day}


def test_status_is_updated_before_the_matches(model):
    texts = []
    model.observe(lambda _: texts.append(model.status_text), "matches")
    model.status = "FAILED"
    assert texts == [model.status_text]


def test_empty_frame_has_no_matches(model):
    model.last = dt.date(1999, 1, 1)
    assert model.status_text.startswith("0 of ")
    assert len(model.table()[0]) == 0


def test_table_sorts_all_matches_before_the_cut(model, builds):
    model.sort_by, model.descending = "instances", True
    rows, sentence = model.table()
    assert rows["instances"].iloc[0] == builds["instances"].max()
    assert sentence.startswith(f"The first {MAX_ROWS} of {len(builds)} builds")


def test_table_can_be_sorted_by_id(model, builds):
    model.sort_by, model.descending = "id", False
    assert model.table()[0].index[0] == builds.index.min()


@pytest.mark.parametrize("given", [None, pd.DataFrame({"a": [1]})], ids=["nothing", "another frame"])
def test_other_frames_are_refused(given):
    with pytest.raises(InputError, match="needs a frame of builds"):
        ExploreModel(given)


def test_missing_list_matches_no_pattern(builds):
    model = ExploreModel(builds.assign(pattern_names=float("nan")).drop(columns="patterns"))
    assert model.options["pattern"] == (EVERYTHING,)


def test_names_known_in_some_rows_filter_all(builds):
    plain = builds.drop(columns=["project", "pattern_names", "release_names"])
    both = pd.concat([builds.iloc[:200], plain.iloc[200:]])
    model, named = ExploreModel(both), ExploreModel(builds)
    for name in ("project", "pattern"):
        assert model.options[name] == named.options[name]
        for value in named.options[name]:
            for each in (model, named):
                setattr(each, name, value)
            assert model.matches.index.equals(named.matches.index)


def test_repeated_rows_are_explored_once(builds):
    model = ExploreModel(pd.concat([builds, builds.iloc[:7]]))
    assert model.status_text == f"{len(builds):,} of {len(builds):,} builds. 7 repeated rows left out."


def test_exploded_frame_can_be_explored(builds):
    exploded = builds.drop(columns="pattern_names").explode("patterns")
    model = ExploreModel(exploded)
    model.pattern = "808"
    assert len(model.matches) == (exploded["patterns"] == 808).sum() > 0


def test_repeated_column_is_refused(builds):
    with pytest.raises(InputError, match="more than one column status"):
        ExploreModel(pd.concat([builds, builds[["status"]]], axis=1))
