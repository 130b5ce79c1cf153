import datetime as dt

import pandas as pd
import pytest

from mkframe.errors import InputError
from mkframe.forms.models import ExploreModel
from mkframe.forms.models.explore import EVERYTHING, MOST_ROWS


@pytest.fixture(scope="module")
def builds(client):
    return client.add_names(client.builds.find())


@pytest.fixture
def model(builds):
    return ExploreModel(builds)


def test_all_builds_are_shown_first(model, builds):
    assert model.shown.equals(builds)
    assert model.said == f"{len(builds):,} of {len(builds):,} builds."


def test_names_serve_the_filters_where_there_are_names(model):
    assert "DEMO_PROJECT" in model.options["project"]
    assert "CORE_DV_HLS" in model.options["pattern"]


def test_ids_serve_them_otherwise(client):
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
def test_a_filter_keeps_what_it_names(model, builds, name, value, holds):
    setattr(model, name, value)
    expected = [b.Index for b in builds.itertuples() if holds(b)]
    assert model.shown.index.tolist() == expected
    assert 0 < len(expected) < len(builds)


def test_a_period_holds_both_its_days(model, builds):
    day = builds["build_start"].dt.date.iloc[100]
    model.first = model.last = day
    assert set(model.shown["build_start"].dt.date) == {day}


def test_the_sentence_is_right_when_the_charts_are_told(model):
    told = []
    model.observe(lambda _: told.append(model.said), "shown")
    model.status = "FAILED"
    assert told == [model.said]


def test_no_build_is_no_error(model):
    model.last = dt.date(1999, 1, 1)
    assert model.said.startswith("0 of ")
    assert len(model.table()[0]) == 0


def test_the_whole_selection_is_sorted_before_its_beginning_is_shown(model, builds):
    model.sort_by, model.descending = "instances", True
    rows, said = model.table()
    assert rows["instances"].iloc[0] == builds["instances"].max()
    assert said.startswith(f"The first {MOST_ROWS} of {len(builds)} builds")


def test_it_can_be_sorted_by_id(model, builds):
    model.sort_by, model.descending = "id", False
    assert model.table()[0].index[0] == builds.index.min()


@pytest.mark.parametrize("given", [None, pd.DataFrame({"a": [1]})], ids=["nothing", "another frame"])
def test_what_is_not_a_frame_of_builds_is_refused(given):
    with pytest.raises(InputError, match="needs a frame of builds"):
        ExploreModel(given)


def test_builds_without_a_list_are_of_no_pattern(builds):
    model = ExploreModel(builds.assign(pattern_names=float("nan")))
    assert model.options["pattern"] == (EVERYTHING,)


def test_an_exploded_frame_can_be_explored(builds):
    exploded = builds.drop(columns="pattern_names").explode("patterns")
    model = ExploreModel(exploded)
    model.pattern = "808"
    assert len(model.shown) == (exploded["patterns"] == 808).sum() > 0


def test_a_column_that_is_there_twice_is_refused(builds):
    with pytest.raises(InputError, match="more than one column status"):
        ExploreModel(pd.concat([builds, builds[["status"]]], axis=1))
