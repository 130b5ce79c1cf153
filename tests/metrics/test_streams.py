from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from mkframe.errors import InputError
from mkframe.metrics._streams import build_ids, first_places, pattern_sets, streams


def test_pattern_sets_ignore_order_and_repetition(factory):
    builds = factory.builds(*({"patterns": p} for p in ([1, 2], [2, 1, 1], [2], [], [1, 2, 3])))
    names, code = pattern_sets(builds)
    assert names.tolist() == ["(none)", "1 + 2", "1 + 2 + 3", "2"]
    assert code.tolist() == [1, 1, 3, 0, 2]


def test_pattern_sets_have_the_names_of_the_patterns(factory):
    builds = factory.builds({"patterns": [1, 2], "pattern_names": ["HUB", "SAT"]})
    assert pattern_sets(builds)[0].tolist() == ["HUB + SAT"]


def test_pattern_sets_of_one_name_stay_apart(factory):
    builds = factory.builds(
        {"patterns": [1], "pattern_names": ["HUB"]}, {"patterns": [2], "pattern_names": ["HUB"]}
    )
    names, code = pattern_sets(builds)
    assert names.tolist() == ["HUB (1)", "HUB (2)"]
    assert code.tolist() == [0, 1]


def test_pattern_sets_agree_with_frozensets(factory):
    rng = np.random.default_rng(4)
    sets = [rng.integers(0, 6, rng.integers(0, 5)).tolist() for _ in range(300)]
    _, code = pattern_sets(factory.builds(*({"patterns": s} for s in sets)))
    assert len({(c, frozenset(s)) for c, s in zip(code.tolist(), sets, strict=True)}) == len(
        set(map(frozenset, sets))
    )
    assert len(set(code.tolist())) == len(set(map(frozenset, sets)))


def test_streams_of_no_builds_are_empty(factory):
    names, row, place = streams(factory.builds(), "pattern_set")
    assert (len(names), len(row), len(place)) == (0, 0, 0)


def test_streams_with_several_patterns_hold_a_build_in_each(factory):
    names, row, place = streams(factory.builds({"patterns": [1, 2]}), "pattern")
    assert (names.tolist(), row.tolist(), place.tolist()) == (["1", "2"], [0, 0], [0, 1])


def test_streams_with_an_unknown_word_are_refused(factory):
    with pytest.raises(InputError, match="by='branch'"):
        streams(factory.builds(), "branch")
    for wrong in (np.array([["user"]]), np.array(["user", "branch"]), pd.Index([]), 7, {"user"}):
        with pytest.raises(InputError, match="is invalid"):
            streams(factory.builds(), wrong)


@pytest.mark.parametrize("kind", [list, np.array, pd.Index, pd.Series])
def test_streams_take_keys_in_any_sequence(kind, factory):
    builds = factory.builds({"patterns": [1], "user_id": 4})
    assert streams(builds, kind(["user", "pattern"]))[0].tolist() == [("4", "1")]


def test_build_ids_of_other_indexes_say_what_helps(factory):
    builds = factory.builds({"id": 7}, {"id": 8})
    accounts = pd.concat([builds, builds], keys=["ours", "theirs"])
    with pytest.raises(InputError, match=r"groupby\(level=0\): part.droplevel\(0\)"):
        build_ids(accounts)
    assert [build_ids(part.droplevel(0)).tolist() for _, part in accounts.groupby(level=0)] == [[7, 8]] * 2
    text = builds.set_axis(["7", "8"])
    with pytest.raises(InputError, match=r'set_axis\(builds.index.astype\("int64"\)\)'):
        build_ids(text)
    assert build_ids(text.set_axis(text.index.astype("int64"))).tolist() == [7, 8]


def test_build_ids_of_a_counted_index_with_an_id_column_are_refused(factory):
    builds = factory.builds({"id": 7})
    assert build_ids(builds).tolist() == [7]
    for wrong in (builds.reset_index(), builds.set_axis(["x"]), builds.set_axis([np.nan])):
        with pytest.raises(InputError, match="indexed by their id"):
            build_ids(wrong)


@pytest.mark.parametrize("nested", [False, True], ids=["hashed", "not to be hashed"])
def test_streams_of_cells_of_any_kind_are_those_of_their_items(nested):
    g = np.random.default_rng(8)
    kinds = [list, tuple, np.array, lambda items: None if len(items) == 0 else list(items)]
    cells = [kinds[n % 4](g.integers(1, 5, g.integers(0, 4)).tolist()) for n in range(300)]
    cells += [{2, 3}] if nested else []
    names, row, place = streams(pd.DataFrame({"patterns": pd.Series(cells, dtype="object")}), "pattern")
    items = [{*map(str, cell)} if cell is not None and len(cell) else {"(none)"} for cell in cells]
    assert names.tolist() == ["1", "2", "3", "4", "(none)"]
    found = list(zip(row.tolist(), names[place], strict=True))
    assert found == [(n, name) for n, own in enumerate(items) for name in names if name in own]


def test_first_places_are_those_of_the_first_rows():
    code = pd.factorize(np.random.default_rng(3).integers(0, 9, 100))[0]
    assert first_places(code).tolist() == [code.tolist().index(n) for n in range(code.max() + 1)]
    assert not len(first_places(code[:0]))
