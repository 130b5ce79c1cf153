"""Whole columns at once, with and without Arrow, and what makes a column go value by value."""

import json

import numpy as np
import pandas as pd
import pytest

from mkframe import frames
from mkframe._pandas import copy_on_write, has_text_dtype
from mkframe.errors import SchemaError, SchemaWarning
from mkframe.frames import _timestamps
from mkframe.frames._columns import array_of
from mkframe.frames._fast import SchemaMismatch, pack
from mkframe.schema import RESOURCES, Field
from tests.support.rows import body, row, rows
from tests.support.versions import TEXT

TIME = "2026-04-02T08:14:40.320Z"
WHEN = Field("when", "timestamp", "A time.")


@pytest.fixture(params=["python", "pyarrow"])
def storage(request):
    if request.param == "pyarrow":
        pytest.importorskip("pyarrow")
    with pd.option_context("mode.string_storage", request.param):
        yield request.param


def test_text_is_kept_as_pandas_is_set_to(storage):
    frame = frames.decode("builds", body(rows("builds", 3, name=None)))
    assert frame["status"].dtype == TEXT
    assert not has_text_dtype or frame["status"].dtype.storage == storage
    assert frame["status"].tolist() == ["status 1", "status 2", "status 3"]
    assert frame["name"].isna().all()
    assert frame.columns.dtype == pd.Index(["name"], dtype="str" if copy_on_write else object).dtype


def test_text_of_any_alphabet_survives(storage):
    words = ["ü💥", "", "\x00", "a\nb", "\u202e", None]
    frame = frames.decode("builds", body([row("builds", n, message=word) for n, word in enumerate(words)]))
    assert frame["message"].replace({np.nan: None}).tolist() == words


@pytest.mark.parametrize(
    "values",
    [
        (TIME[:-1], f"Z{TIME}"),
        (f"{TIME}\n{TIME}",),
        (f"{TIME}\n{TIME}", ""),
        (TIME.replace(".", ":"),),
        (TIME.replace("0", ":"),),
        (TIME.replace("2026", "+026"),),
        ("2026-02-30T08:14:40.320Z",),
    ],
)
def test_times_of_wrong_width_never_compensate(values):
    with pytest.raises(SchemaMismatch):
        pack([WHEN], [values])


@pytest.mark.parametrize("value", [2, -1, 256, 10**30])
def test_flag_other_than_0_or_1_is_a_mismatch(value):
    with pytest.raises(SchemaMismatch):
        pack([Field("flag", "flag", "A flag.")], [(0, value, None)])


@pytest.mark.parametrize("kind", ["int", "flag", "timestamp", "str", "any"])
def test_column_of_nulls_only(kind):
    field = Field("x", kind, "A field.")
    array = array_of(field, pack([field], [(None, None)]))
    assert pd.isna(pd.Series(array)).tolist() == [True, True]


def test_chunks_join_with_values_and_nulls_in_order():
    field, chunks = Field("x", "int", "A number."), []
    values = [None if n > 50 and n % 7 == 0 else n for n in range(100)]
    for start in range(0, 100, 9):
        chunks += pack([field], [tuple(values[start : start + 9])])
    assert [None if v is pd.NA else v for v in array_of(field, chunks)] == values


def test_arrays_of_a_frame_can_be_written_to():
    frame = frames.decode("builds", body(rows("builds", 3)))
    frame.loc[1, ["deleted", "project_id", "build_start"]] = [True, 7, pd.Timestamp(TIME)]
    assert frame.loc[1, "project_id"] == 7


def test_odd_time_is_parsed_alone(monkeypatch):
    seen = []
    read = _timestamps._parse_one
    monkeypatch.setattr(_timestamps, "_parse_one", lambda value: (seen.append(value), read(value))[1])
    usual, odd = "2026-04-02T10:14:40+02:00", "2026-W14-4T10:14:40+02:00"
    records = [row("builds", number, build_start=start) for number, start in [(21, usual), (22, odd)]]
    frame = frames.decode("builds", body([*rows("builds", 20), *records]))
    assert seen == [odd]
    assert frame.loc[[21, 22], "build_start"].tolist() == [pd.Timestamp(usual)] * 2


def test_naive_time_among_others_warns():
    records = [*rows("builds", 3), row("builds", 4, build_start="2026-04-02T08:14:40")]
    with pytest.warns(SchemaWarning, match="1 without a time zone"):
        frames.decode("builds", body(records))


@pytest.mark.parametrize(("name", "value"), [("message", "half \ud800"), ("labels", ["\udfff"])])
def test_surrogate_in_text_raises(storage, name, value):
    resource = "builds" if name == "message" else "instances"
    with pytest.raises(SchemaError, match=name):
        frames.from_rows(resource, [row(resource, **{name: value})])


@pytest.mark.parametrize("value", [[1, None], [True], [2**63], [1.5], ["1"]])
def test_list_with_a_value_of_another_type_is_named(value):
    with pytest.raises(SchemaError, match="Column 'patterns', row 2"):
        frames.decode("builds", body([row("builds", 1), row("builds", 2, patterns=value)]))


def test_strict_path_keeps_the_dtypes_of_every_resource(storage):
    for resource in (name for name, known in RESOURCES.items() if "find" in known.verbs):
        records = rows(resource, 3)
        strict = frames.from_rows(resource, json.loads(body(records)))
        pd.testing.assert_frame_equal(strict, frames.decode(resource, body(records)))


@pytest.mark.parametrize(
    "time",
    [
        "2026-04-02-05:00",  # a day with a zone, of which Python makes five o'clock
        "2026-04-02+05:00",
        "2026-04-02x08:14",
        "2026-04-02🎈08:14:40Z",
        "2026-04-02T08:14:40\x00Z",
        "2026-04-02T08:14:40.Z",
        "2026-04-02T08:14.5Z",  # half a minute, of which Python makes half a second
        "2026-04-02T08:14:40+02:00:00.5",
        "0000-01-01T00:00:00.000Z",
        "0000-01-01T00:00:00Z",
    ],
)
def test_ambiguous_time_raises(time):
    with pytest.raises(SchemaError, match="is not an ISO 8601 time"):
        frames.decode("builds", body([row("builds", build_start=time)]))


@pytest.mark.parametrize("time", ["2026-04-02t08:14:40z", "2026-04-02 08:14:40Z", "20260402T081440+0000"])
def test_time_in_another_spelling_is_read_without_warning(time):
    frame = frames.decode("builds", body([row("builds", build_start=time)]))
    assert frame["build_start"].tolist() == [pd.Timestamp("2026-04-02T08:14:40Z")]


@pytest.mark.parametrize("name", ["name", "extra"])
def test_surrogate_in_a_download_raises(storage, name):
    with pytest.raises(SchemaError, match="Column 'downloads'"):
        frames.from_rows("builds", [row("builds", downloads=[{"id": 1, name: "\ud800"}])])


def test_surrogate_in_an_unknown_column_is_kept(storage):
    frame = frames.from_rows("builds", [row("builds", extra="\ud800")])
    assert frame["extra"].dtype == object
    assert frame["extra"].tolist() == ["\ud800"]


@pytest.mark.parametrize(
    "row_", [{5: 1}, {"\ud800": 1}, {"downloads": [{7: 1}]}, {"downloads": [{"\ud800": 1}]}]
)
def test_invalid_field_name_raises(row_):
    with pytest.raises(SchemaError, match="field with the name"):
        frames.from_rows("builds", [row("builds") | row_])


@pytest.mark.parametrize("value", [10**5000, [10**5000]], ids=["number", "list"])
def test_huge_number_error_names_its_type(value):
    name = "instances" if isinstance(value, int) else "patterns"
    with pytest.raises(SchemaError, match=f"Column '{name}', row 1: a value of type"):
        frames.from_rows("builds", [row("builds", **{name: value})])
