"""Frames as Arrow tables and back, straight and by way of polars and DuckDB."""

import contextlib
import json

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import mkframe as mk
from mkframe import frames
from mkframe.errors import InputError, SchemaError, SchemaWarning
from mkframe.schema import RESOURCES
from tests.support.rows import body, row, rows
from tests.support.unusual import NESTED, SCALARS, unusual

FINDS = [name for name, known in RESOURCES.items() if "find" in known.verbs]


@pytest.fixture(scope="module")
def builds():
    return unusual()


def test_table_of_unusual_builds_gives_them_back():
    frame = unusual(extras=SCALARS | NESTED)
    pd.testing.assert_frame_equal(mk.from_arrow(mk.to_arrow(frame)), frame)


@pytest.mark.parametrize("name", FINDS)
@pytest.mark.parametrize("count", [0, 3])
def test_every_resource_comes_back_and_none_has_the_types_of_many(name, count):
    frame = frames.decode(name, body(rows(name, count)))
    table = mk.to_arrow(frame)
    pd.testing.assert_frame_equal(mk.from_arrow(table), frame)
    assert table.schema.equals(mk.to_arrow(frames.decode(name, body(rows(name, 1)))).schema)


ENGINES = {
    "polars": lambda table: pl.from_arrow(table).to_arrow(),
    "duckdb": lambda table: duckdb.from_arrow(table).to_arrow_table(),
}


@pytest.fixture(params=ENGINES.values(), ids=ENGINES)
def engine(request):
    """An engine that drops the metadata of tables."""
    return request.param


@pytest.mark.parametrize("count", [0, 60])
def test_engine_that_drops_metadata_gives_equal_frames(engine, count):
    frame = unusual().drop(columns="nothing").iloc[:count]
    frame["downloads"] = [c and [{k: d[k] for k in d if k != "more"} for d in c] for c in frame["downloads"]]
    frame["downloads"] = frame["downloads"].astype("downloads")
    returned = engine(mk.to_arrow(frame))
    assert not returned.schema.metadata
    pd.testing.assert_frame_equal(mk.from_arrow(returned), frame)


def test_unknown_column_of_nulls_comes_back_from_an_engine(engine, builds):
    back = mk.from_arrow(engine(mk.to_arrow(builds)))
    pd.testing.assert_series_equal(back["nothing"], builds["nothing"])


def test_unknown_nested_key_of_downloads_becomes_json_text(engine, builds):
    back = mk.explode_downloads(mk.from_arrow(engine(mk.to_arrow(builds))))
    whole = mk.explode_downloads(builds)
    assert [json.loads(text) for text in back["more"].dropna()] == list(whole["more"].dropna())
    pd.testing.assert_frame_equal(back.drop(columns="more"), whole.drop(columns="more"))


def test_nested_unknown_columns_become_json_text(engine):
    frame = unusual(extras=NESTED)
    back = mk.from_arrow(engine(mk.to_arrow(frame)))
    for name in NESTED:
        assert [json.loads(text) for text in back[name]] == frame[name].tolist()


def test_zones_own_columns_and_attrs_come_back(builds):
    frame = builds.assign(
        build_start=builds["build_start"].dt.tz_convert("Europe/Vienna"),
        minutes=np.linspace(0, 1, len(builds)),
        n=np.arange(len(builds)),
        day=builds["build_end"].dt.date.astype(object).where(builds["build_end"].notna(), None),
        span=builds["updated_at"] - builds["created_at"],
        kind=builds["status"].astype("category"),
    )
    frame.attrs = {"resource": "builds", "filters": {"project": "A"}, "odd": object()}
    back = mk.from_arrow(mk.to_arrow(frame))
    pd.testing.assert_frame_equal(back, frame)
    assert back.attrs == {"resource": "builds", "filters": {"project": "A"}}


@pytest.mark.parametrize(
    "part",
    [
        lambda b: b[b["status"] == "none such"],
        lambda b: b[["status", "patterns"]],
        lambda b: b.drop(columns=["downloads", "customer_id"]).head(5),
        lambda b: b.set_index("project_id", append=True),
        lambda b: b.reset_index(),
        lambda b: pd.concat(
            [b.drop(columns="nothing"), frames.decode("builds", body([row("builds", 700, late="x")]))]
        ),
        lambda b: b.assign(patterns=b["patterns"].map(len), status=5, downloads="none", name=[[1]] * len(b)),
        lambda b: b.assign(build_start=b["build_start"].dt.tz_localize(None), project_id=b["project_id"] / 7),
        lambda b: pd.DataFrame({"text": pd.Series(["\ud800"], dtype=object)}),
        lambda b: mk.explode_downloads(b),
        lambda b: mk.metrics.failure_rate(b, every="M"),
        lambda b: pd.DataFrame({"a": [0.5]}),
    ],
)
def test_part_or_product_of_a_frame_comes_back(builds, part):
    frame = part(builds)
    pd.testing.assert_frame_equal(mk.from_arrow(mk.to_arrow(frame)), frame)


def test_polars_and_arrow_take_a_frame_itself(builds):
    assert pa.table(builds).schema.field("downloads").type.value_type.field("file_id").type == pa.int64()
    counts = pl.DataFrame(builds)["downloads"].list.len().fill_null(0)
    assert counts.sum() == len(mk.explode_downloads(builds))


INVALID = {
    "text for a number": {"project_id": ["x"]},
    "text digits for a number": {"project_id": ["7"]},
    "half a number": {"project_id": [1.5]},
    "flag of two": {"active": [2]},
    "number for text": {"name": [5]},
    "no list": {"patterns": [5]},
    "list of text": {"patterns": [["a"]]},
    "null in a list": {"patterns": [[None]]},
    "downloads of text": {"downloads": ["a"]},
    "downloads of numbers": {"downloads": [[1]]},
    "no time": {"build_start": ["2026-04-02"]},
    "nanoseconds": {"build_start": pa.array([1], type=pa.timestamp("ns", "UTC"))},
}


@pytest.mark.parametrize("change", INVALID.values(), ids=INVALID)
def test_column_that_is_not_as_declared_is_refused(change):
    table = mk.to_arrow(mk.read_json(body(rows("builds", 1)))).replace_schema_metadata()
    ((name, values),) = change.items()
    place = table.column_names.index(name)
    with pytest.raises(SchemaError, match=f"The column '{name}' of the table"):
        mk.from_arrow(table.set_column(place, name, pa.array(values)))


def test_other_forms_of_the_same_values_are_read():
    frame = mk.read_json(body(rows("builds", 2)))
    table = mk.to_arrow(frame)
    for name, kind in {
        "status": pa.dictionary(pa.int32(), pa.string()),
        "project_id": pa.float64(),
        "user_id": pa.int8(),
        "active": pa.int64(),
        "build_start": pa.timestamp("ns", "Europe/Vienna"),
        "patterns": pa.large_list(pa.int32()),
        "message": pa.string_view(),
    }.items():
        place = table.column_names.index(name)
        table = table.set_column(place, name, table[name].cast(kind))
    pd.testing.assert_frame_equal(mk.from_arrow(table.replace_schema_metadata()), frame)


def test_times_without_zone_are_utc_with_a_warning():
    frame = mk.read_json(body(rows("builds", 2)))
    table = mk.to_arrow(frame)
    place = table.column_names.index("build_start")
    naive = table.set_column(place, "build_start", table["build_start"].cast(pa.timestamp("us")))
    with pytest.warns(SchemaWarning, match="'build_start' has no time zone"):
        pd.testing.assert_frame_equal(mk.from_arrow(naive), frame)


@pytest.mark.parametrize(
    "metadata",
    [b"", b"[]", b"{", b"\xff", b'{"dtypes": 5}', b'{"index": ["no such"]}', b'{"resource": "bilds"}',
     b'{"dtypes": {"name": "no such dtype"}}', b'{"json": ["name"]}', b'{"dtypes": {"name": "int64"}}',
     b"[" * 100_000, b'{"resource": "releases"}'],
)  # fmt: skip
def test_invalid_metadata_are_ignored_or_refused_in_a_sentence(metadata):
    table = mk.to_arrow(mk.read_json(body(rows("builds", 2)))).replace_schema_metadata({b"mkframe": metadata})
    with contextlib.suppress(InputError, SchemaError):
        assert mk.from_arrow(table).index.tolist() == [1, 2]


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (pd.Series([1]), "A DataFrame is needed"),
        (pd.DataFrame({1: [1]}), "1 is no name of a column"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "Two columns are called 'a'"),
        (pd.DataFrame({"a": [1]}, index=[7]), "None is no name of a column"),
        (pd.DataFrame({"a": [{1}]}), "The column 'a' cannot be written to Arrow"),
        (pd.DataFrame({"a": [1j]}), "The column 'a' cannot be written to Arrow"),
    ],
)
def test_frame_that_arrow_cannot_hold_is_refused(frame, message):
    with pytest.raises(InputError, match=message):
        mk.to_arrow(frame)


@pytest.mark.parametrize("table", [None, 5, "builds.parquet", [1]])
def test_what_is_no_table_is_refused(table):
    with pytest.raises(InputError, match="is no Arrow table"):
        mk.from_arrow(table)


def test_table_without_the_key_is_refused():
    with pytest.raises(InputError, match="no column 'id', which numbers the rows of builds"):
        mk.from_arrow(pa.table({"status": ["FINISHED"]}), resource="builds")
