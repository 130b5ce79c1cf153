"""Every filter of every resource, checked before anything is sent."""

import json

import numpy as np
import pandas as pd
import pytest

from mkframe import _validation
from mkframe.errors import InputError
from mkframe.schema import RESOURCES, Exclusive

GOOD = {
    "int": [(5139, "5139"), (np.int64(402), "402"), (np.uint8(7), "7"), (0, "0"), (2**70, str(2**70))],
    "str": [("DEMO_PROJECT", "DEMO_PROJECT"), (np.str_("R1"), "R1"), (" Ünï & co=1 ", " Ünï & co=1 ")],
    "bool": [(True, "true"), (False, "false"), (np.bool_(True), "true"), (np.False_, "false")],
    "releases": [
        ({"DWH_GROUP": "R1"}, '{"DWH_GROUP": "R1"}'),
        ({"A": "ä", "B": '"'}, '{"A": "ä", "B": "\\""}'),
    ],
}
BAD = {
    "int": [True, np.bool_(False), 1.0, np.float64(1), "402", "", pd.NA, float("nan"), [1], {}, b"1"],
    "str": [1.5, True, np.True_, "", "  ", b"name", ["name"], {"name": 1}, pd.NA, float("nan")],
    "bool": [0, 1, "true", "", np.int64(1), float("nan"), pd.NA, []],
    "releases": [
        {},
        "R1",
        [("DWH_GROUP", "R1")],
        {"DWH_GROUP": 21},
        {1: "R1"},
        {"": "R1"},
        {"DWH_GROUP": ""},
        21,
    ],
}
FILTERS = [(resource, f) for resource in RESOURCES.values() for f in resource.filters]


def case_id(thing):
    return getattr(thing, "name", None)


def company(resource, name):
    """What must stand beside a filter so that the required groups are kept."""
    missing = (group for group in resource.exclusive if group.required and name not in group.names)
    return {group.names[1]: 402 for group in missing}


def filters_with_twin():
    """Filters by name that have a twin by id."""
    for resource, f in FILTERS:
        if f"{f.name}_id" in {other.name for other in resource.filters}:
            yield resource, f


TWINS = list(filters_with_twin())


@pytest.mark.parametrize(("resource", "f"), FILTERS, ids=case_id)
class TestEveryFilter:
    def test_valid_filter_is_written(self, resource, f):
        beside = company(resource, f.name)
        for value, written in GOOD[f.type]:
            sent = _validation.query_params(resource.name, {f.name: value} | beside)
            assert sent == {f.name: written} | {name: str(number) for name, number in beside.items()}

    def test_invalid_filter_is_refused(self, resource, f):
        has_twin = (resource, f) in TWINS
        for value in BAD[f.type] + ([] if has_twin or f.type != "str" else [402]):
            with pytest.raises(InputError, match=f.name) as caught:
                _validation.query_params(resource.name, {f.name: value} | company(resource, f.name))
            assert caught.value.hint

    def test_none_is_not_sent(self, resource, f):
        others = [next(n for n in g.names if n != f.name) for g in resource.exclusive if g.required]
        beside = {name: 402 if name.endswith("_id") else "X" for name in others}
        assert set(_validation.query_params(resource.name, {f.name: None} | beside)) == set(others)

    def test_misspelled_filter_suggests_the_name(self, resource, f):
        slip = f.name + "x"
        with pytest.raises(InputError, match=f"{resource.name} has no filter {slip!r}") as caught:
            _validation.query_params(resource.name, {slip: 1})
        assert f"Did you mean {f.name!r}?" in caught.value.hint


@pytest.mark.parametrize(("resource", "f"), TWINS, ids=case_id)
class TestNameOrId:
    @pytest.mark.parametrize("whole", [402, np.int32(402)])
    def test_id_is_accepted_under_the_name(self, resource, f, whole):
        sent = _validation.query_params(resource.name, {f.name: whole} | company(resource, f.name))
        assert sent[f"{f.name}_id"] == "402"
        assert f.name not in sent

    @pytest.mark.parametrize("word", ["X", 402])
    def test_both_are_refused(self, resource, f, word):
        given = {f.name: word, f"{f.name}_id": 403} | company(resource, f.name)
        with pytest.raises(InputError, match=rf"\b{f.name} and {f.name}_id are given") as caught:
            _validation.query_params(resource.name, given)
        assert "one of" in caught.value.hint


@pytest.mark.parametrize(
    ("resource", "group"),
    [(r, g) for r in RESOURCES.values() for g in r.exclusive if g.required],
    ids=case_id,
)
def test_required_group_names_its_choices(resource, group):
    with pytest.raises(InputError, match=f"{resource.name}.find needs {' or '.join(group.names)}") as caught:
        _validation.query_params(resource.name, {})
    assert caught.value.hint.startswith("Give one of them, such as project='DEMO_PROJECT'")


@pytest.mark.parametrize("resource", RESOURCES.values(), ids=case_id)
class TestEveryResource:
    def test_without_filters_nothing_is_sent(self, resource):
        beside = company(resource, "")
        assert _validation.query_params(resource.name, beside) == {
            name: str(number) for name, number in beside.items()
        }

    def test_unknown_filter_lists_all_names(self, resource):
        with pytest.raises(InputError) as caught:
            _validation.query_params(resource.name, {"zzzzzz": 1})
        assert "Did you mean" not in caught.value.hint
        listed = ", ".join(f.name for f in resource.filters) or "none"
        assert caught.value.hint == f"There is: {listed}."


def test_several_filters_travel_together():
    given = {
        "project": "DEMO_PROJECT",
        "pattern": 808,
        "user_id": np.int64(1),
        "releases": {"DWH_GROUP": "R1"},
    }
    assert _validation.query_params("builds", given) == {
        "project": "DEMO_PROJECT",
        "pattern_id": "808",
        "user_id": "1",
        "releases": '{"DWH_GROUP": "R1"}',
    }


def test_releases_are_json_whatever_the_names():
    names = {'a"b': "ü&=?", "{": "}"}
    sent = _validation.query_params("builds", {"releases": names})["releases"]
    assert json.loads(sent) == names


def test_arguments_are_not_changed():
    given = {"project": 402, "releases": {"DWH_GROUP": "R1"}}
    _validation.query_params("builds", given)
    assert given == {"project": 402, "releases": {"DWH_GROUP": "R1"}}


@pytest.mark.parametrize(
    ("groups", "given", "sentence"),
    [
        ([Exclusive(("a", "b"))], ["a", "b"], "x: both a and b are given."),
        ([Exclusive(("a", "b", "c"))], ["c", "a"], "x: both a and c are given."),
        ([Exclusive(("a", "b"), required=True)], ["c"], "x needs a or b."),
    ],
)
def test_broken_group(groups, given, sentence):
    with pytest.raises(InputError) as caught:
        _validation.check_exclusive(groups, given, "x")
    assert caught.value.message == sentence


@pytest.mark.parametrize("given", [["a"], ["b", "c"]])
def test_kept_group_is_silent(given):
    _validation.check_exclusive([Exclusive(("a", "b"), required=True)], given, "x")


def test_long_value_is_shown_short():
    with pytest.raises(InputError) as caught:
        _validation.as_id("build_id", "9" * 500)
    assert len(caught.value.message) < 120


@pytest.mark.parametrize("value", [5139, np.int64(5139)])
def test_as_id_returns_a_plain_int(value):
    assert type(_validation.as_id("build_id", value)) is int


@pytest.mark.parametrize("value", [True, np.bool_(True)])
def test_as_bool_returns_a_plain_bool(value):
    assert _validation.as_bool("closed", value) is True
