"""Bodies become the frame that an oracle expects, or one of mkframe's errors; the same by every path."""

import gzip
import io
import json
import warnings
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import mkframe as mk
from mkframe import frames
from mkframe.errors import InputError, MkframeError, SchemaWarning
from mkframe.frames import _chunks, _parallel, _strict, _timestamps
from mkframe.frames._fast import SchemaMismatch
from mkframe.frames._rows import RowReader
from mkframe.schema import RESOURCES
from tests.fuzz import bodies, oracle
from tests.support.rows import body, row
from tests.support.settings import amount, attempt
from tests.support.strategies import builds

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", autouse=True)
def _small_cuts():
    """Cut bodies of a few kilobytes as often as others are cut that are a thousand times as large."""
    with pytest.MonkeyPatch.context() as patch:
        length = len(body(row("builds")))
        patch.setattr(_chunks, "_FIRST_CUT", length)
        patch.setattr(_chunks, "_CUT", 3 * length)
        patch.setattr(_chunks, "_PARALLEL_FROM", 0)
        patch.setattr(_parallel, "processors", lambda: 2)
        yield


def plain(cell):
    """A cell of a frame as JSON would have it; times as microseconds."""
    if cell is None or cell is pd.NA or cell is pd.NaT or (isinstance(cell, float) and cell != cell):
        return None
    return cell.item() if isinstance(cell, np.generic) else cell


def snapshot(frame):
    """Everything that a frame says, in plain Python, with the types of the values."""
    dtypes = {frame.index.name: str(frame.index.dtype)} | {n: str(t) for n, t in frame.dtypes.items()}
    values = {}
    for name, dtype in dtypes.items():
        column = frame.index.to_series() if name == frame.index.name else frame[name]
        if dtype.startswith("datetime64[us"):
            micros = column.to_numpy("datetime64[us]").astype("int64").tolist()
            values[name] = [None if gap else m for gap, m in zip(column.isna(), micros, strict=True)]
        else:
            values[name] = [plain(cell) for cell in column.to_numpy(dtype=object)]
    return dtypes, values


def outcome(read, *given):
    """A frame as plain Python and whether it came with a warning, or None for an error of ours."""
    with warnings.catch_warnings(record=True) as sentence:
        warnings.simplefilter("always")
        frame = attempt(read, *given)
        if isinstance(frame, MkframeError):
            return None
        shot = snapshot(frame)
    assert {warning.category for warning in sentence} <= {SchemaWarning}
    return shot, bool(sentence)


def expected(resource, content):
    """What the oracle says; True where it does not know."""
    try:
        made = oracle.Expected(resource, oracle.parsed(content))
    except oracle.Refused:
        return None
    except oracle.Unclear:
        return True
    return made


def same(mine, its):
    """Equal in type as well, so that 1, 1.0 and True differ."""
    return repr(mine) == repr(its)


@given(bodies.bodies())
@amount(120)
def test_frame_is_what_the_oracle_says(case):
    resource, content = case
    mine, its = outcome(frames.decode, resource, content), expected(resource, content)
    if its is True:
        return
    if its is None or mine is None:
        assert mine is None
        assert its is None
        return
    (dtypes, values), warned = mine
    key = RESOURCES[resource].key
    assert list(dtypes) == [key, *(name for name in its.dtypes if name != key)]
    assert dtypes == its.dtypes
    for name in dtypes:
        assert same(values[name], its.values[name]), name
    cells = its.values["downloads"] if resource == "builds" else ()
    inside_null = any(d["id"] is None for cell in cells for d in cell or ())
    assert warned == (its.warned or inside_null)


def without_threads(resource, content):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_parallel, "processors", lambda: 1)
        return frames.decode(resource, content)


def without_fast_path(resource, content):
    def refuse(self, text):
        raise SchemaMismatch

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RowReader, "read_fast", refuse)
        return without_threads(resource, content)


def value_by_value(resource, content):
    def refuse(*_):
        raise SchemaMismatch

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_strict, "_check_types", refuse)
        patch.setattr(_timestamps, "_parse_batch", refuse)
        return without_fast_path(resource, content)


def in_storage(storage, resource, content):
    with pd.option_context("mode.string_storage", storage):
        return frames.decode(resource, content)


@given(bodies.bodies(), st.data())
@amount(60)
def test_all_paths_give_equal_frames(case, data):
    resource, content = case
    whole = outcome(frames.decode, resource, content)
    for read in (without_threads, without_fast_path, value_by_value):
        assert same(outcome(read, resource, content), whole), read
    for storage in ("python", "pyarrow"):
        assert same(outcome(in_storage, storage, resource, content), whole), storage
    for _ in range(2):
        chunks = data.draw(bodies.chunks(content))
        assert same(outcome(frames.decode, resource, iter(chunks)), whole), chunks
    try:
        rows = oracle.parsed(content)
    except (oracle.Refused, oracle.Unclear):
        return
    if isinstance(rows, list):
        assert same(outcome(frames.from_rows, resource, rows), whole)


@given(bodies.bodies("builds"))
@amount(2)
def test_chunk_boundary_anywhere_gives_equal_frames(case):
    _, content = case
    content = content if len(content) < 3000 else content[:3000]
    whole = outcome(frames.decode, "builds", content)
    for at in range(0, len(content), 7):
        assert same(outcome(frames.decode, "builds", iter([content[:at], content[at:]])), whole), at


@given(st.sampled_from(bodies.FINDS).flatmap(lambda name: st.tuples(st.just(name), bodies.records(name))))
@amount(60)
def test_one_object_is_one_row_of_a_find(case):
    resource, pairs = case
    one = bodies.mapped(pairs).encode("utf-8", "surrogateescape")
    found = outcome(frames.decode, resource, b"[" + one + b"]")
    assert same(outcome(frames.decode_row, resource, one), found)
    assert same(outcome(frames.decode_row, resource, iter([one[:9], one[9:]])), found)
    assert same(outcome(mk.read_json, one, resource), found)
    assert outcome(frames.decode_row, resource, one + b"," + one) is None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SchemaWarning)
        try:
            series = frames.decode_one(resource, one)
        except MkframeError:
            assert found is None
        else:
            assert [series.name] == found[0][1][RESOURCES[resource].key]


@given(bodies.bodies())
@amount(40)
def test_saved_answer_reads_as_it_came(case):
    resource, content = case
    whole = outcome(mk.read_json, content, resource)
    if content.lstrip()[:1] == b"[":
        assert same(whole, outcome(frames.decode, resource, content))
    for source in (
        b"\xef\xbb\xbf" + content,
        gzip.compress(content, 1),
        io.BytesIO(content),
        bytearray(content),
    ):
        if not content.startswith((b"\xef\xbb\xbf", b"\x1f\x8b")):
            assert same(outcome(mk.read_json, source, resource), whole)


PYTHON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(), max_size=3)
    | st.builds(lambda: 10**5000)
    | st.sampled_from(["\ud800", b"x", (), {1}, np.int64(3), np.float64("nan"), pd.NA, pd.NaT, 1j]),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3) | st.integers(), inner, max_size=2)
    ),
    max_leaves=3,
)


@given(
    st.sampled_from(bodies.FINDS),
    st.lists(
        st.none() | st.dictionaries(st.text(st.characters(), max_size=3) | st.integers(), PYTHON, max_size=3)
    ),
    st.data(),
)
@amount(60)
def test_python_rows_give_equal_dtypes_in_both_storages(resource, changes, data):
    names = [field.name for field in RESOURCES[resource].fields]
    rows = []
    for number, change in enumerate(changes):
        made = bodies.row(resource, number)
        if change is not None and data.draw(st.booleans()):
            change = {data.draw(st.sampled_from(names)): value for value in change.values()}
        rows.append(5 if change is None else made | change)
    results = []
    for storage in ("python", "pyarrow"):
        with pd.option_context("mode.string_storage", storage):
            results.append(outcome(frames.from_rows, resource, rows))
    assert (results[0] is None) == (results[1] is None)
    if results[0]:
        assert same(results[0][0][0], results[1][0][0])


@given(builds())
@amount(40)
def test_exploded_lists_match_or_raise(frame):
    for open_list, column in ((mk.explode_patterns, "patterns"), (mk.explode_releases, "releases")):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SchemaWarning)
            try:
                child = open_list(frame)
            except InputError:
                continue
        wanted = [
            (int(key), item)
            for key, cell in zip(frame.index, frame[column], strict=True)
            for item in (cell if isinstance(cell, list) else ())
        ]
        assert list(child.itertuples(index=False, name=None)) == wanted
        assert set(map(str, child.dtypes)) == {"int64"}


@given(builds())
@amount(40)
def test_exploded_downloads_match_or_raise(frame):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SchemaWarning)
        try:
            child = mk.explode_downloads(frame)
        except InputError:
            return
    assert list(child.columns[:5]) == ["build_id", "pattern", "pattern_id", "file_id", "name"]
    owners = [
        (key, d) for key, cell in zip(frame.index, frame["downloads"], strict=True) for d in plain(cell) or ()
    ]
    assert child["build_id"].tolist() == [key for key, _ in owners]
    for name in ("pattern", "name"):
        assert [plain(v) for v in child[name].to_numpy(dtype=object)] == [d[name] for _, d in owners]


def test_oracle_sees_valid_and_invalid_bodies():
    """Else the properties above would hold of nothing but errors."""
    seen = Counter()

    @given(bodies.bodies())
    @amount(60)
    def look(case):
        made = expected(*case)
        seen["refused" if made is None else "unclear" if made is True else "frame"] += 1
        if isinstance(made, oracle.Expected):
            seen["rows"] += max(map(len, made.values.values()))

    look()
    assert seen["frame"] >= 15
    assert seen["rows"] >= 20
    assert seen["refused"] >= 10


@pytest.mark.parametrize(
    "change", [lambda n: n + 1, float, str, lambda n: None], ids=["other", "float", "str", "null"]
)
def test_a_changed_value_is_noticed(change):
    content = json.dumps([bodies.row("builds", 3)]).encode()
    (_, values), _ = outcome(frames.decode, "builds", content)
    its = expected("builds", content)
    assert same(values["instances"], its.values["instances"])
    assert not same([change(v) for v in values["instances"]], its.values["instances"])
