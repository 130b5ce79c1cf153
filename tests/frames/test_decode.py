"""Response bodies become typed frames, by either path and however they are cut."""

import gc
import json
import warnings

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pytest

from mkframe import frames
from mkframe._pandas import text_array, text_dtype
from mkframe.errors import InvalidResponseError, SchemaError, SchemaWarning
from mkframe.frames import _chunks, _parallel
from mkframe.frames._rows import RowReader
from mkframe.schema import RESOURCES
from tests.support.rows import body, download, row, rows
from tests.support.versions import TEXT

FINDS = [name for name, known in RESOURCES.items() if "find" in known.verbs]


def strict(resource, records):
    """The same rows by the strict path."""
    return frames.from_rows(resource, records)


def by_hand(resource, records):
    """What a patient person would write with json and pandas."""
    known = RESOURCES[resource]
    columns = {f.name: [r.get(f.name) for r in records] for f in known.fields}
    dtypes = {f.name: frames.dtype_of(f) for f in known.fields}
    series = {}
    for name, values in columns.items():
        if dtypes[name].startswith("datetime"):
            series[name] = pd.Series(pd.to_datetime(values, utc=True)).astype(dtypes[name])
        elif known.field(name).type == "str":
            series[name] = pd.Series(text_array(values), dtype=text_dtype())
        else:
            series[name] = pd.Series(values, dtype=dtypes[name])
    return pd.DataFrame(series).set_index(known.key)


def plain(frame):
    """Downloads as dicts, so that frames can be compared with others."""
    frame = frame.copy()
    if "downloads" in frame:
        fields = ["id", "pattern", "pattern_id", "file_id", "name"]
        frame["downloads"] = [
            [{f: getattr(d, f) for f in fields} for d in items] for items in frame["downloads"]
        ]
    return frame


@pytest.mark.parametrize("resource", FINDS)
class TestEveryResource:
    def test_dtypes_are_equal_for_none_one_and_many_rows(self, resource):
        none, one, many = (frames.decode(resource, body(rows(resource, n))) for n in (0, 1, 40))
        assert none.dtypes.to_dict() == one.dtypes.to_dict() == many.dtypes.to_dict()
        assert none.index.dtype == one.index.dtype == many.index.dtype == np.int64
        assert (len(none), len(one), len(many)) == (0, 1, 40)

    def test_columns_are_those_of_the_schema_in_its_order(self, resource):
        known = RESOURCES[resource]
        frame = frames.decode(resource, body(rows(resource, 3)))
        assert [frame.index.name, *frame.columns] == sorted(
            [f.name for f in known.fields], key=lambda name: (name != known.key, 0)
        )

    def test_values_are_what_json_and_pandas_give_by_hand(self, resource):
        records = rows(resource, 12)
        frame = plain(frames.decode(resource, body(records)))
        expected = by_hand(resource, records)
        if "value" in expected:
            expected["value"] = expected["value"].astype(frame["value"].dtype)
        pd.testing.assert_frame_equal(frame, expected)

    def test_all_nulls_that_may_be_null_keep_the_dtypes(self, resource):
        nulls = {f.name: None for f in RESOURCES[resource].fields if f.null}
        frame = frames.decode(resource, body(rows(resource, 3, **nulls)))
        assert frame.dtypes.to_dict() == frames.decode(resource, b"[]").dtypes.to_dict()
        assert all(frame[name].isna().all() for name in nulls)

    def test_fast_and_strict_path_give_equal_frames(self, resource):
        records = rows(resource, 7)
        pd.testing.assert_frame_equal(frames.decode(resource, body(records)), strict(resource, records))


class TestCuts:
    """A body cut anywhere, arriving in any chunks, reads like the whole."""

    @pytest.fixture(autouse=True, params=["serial", "parallel"])
    def _small_cuts(self, request, monkeypatch):
        length = len(body(row("builds")))
        monkeypatch.setattr(_chunks, "_FIRST_CUT", length // 2)
        monkeypatch.setattr(_chunks, "_CUT", length * 3 // 2)
        monkeypatch.setattr(_chunks, "_PARALLEL_FROM", 0)
        monkeypatch.setattr(_parallel, "processors", lambda: 2 if request.param == "parallel" else 1)

    @staticmethod
    def tricky():
        texts = ['},{"id":1,', "]},{", "[", '\\"},{\\"', "}\n,\n{", "ü💥", None, "plain"]
        many = [download(n, name='x},{"id":7') for n in range(3)]
        return [row("builds", n, message=texts[n % 8], downloads=many[: n % 4]) for n in range(1, 120)]

    @pytest.mark.parametrize("indent", [None, 1], ids=["compact", "pretty"])
    @pytest.mark.parametrize("size", [1, 7, 64, 1000, 10**6])
    def test_chunks_of_any_size(self, size, indent):
        records = self.tricky()[:40]
        whole = json.dumps(records, indent=indent).encode()
        chunks = (whole[i : i + size] for i in range(0, len(whole), size))
        pd.testing.assert_frame_equal(frames.decode("builds", chunks), strict("builds", records))

    def test_body_is_read_in_many_chunks(self, monkeypatch):
        added = []
        add = RowReader.add
        monkeypatch.setattr(RowReader, "add", lambda self, chunks: (added.append(1), add(self, chunks)))
        frames.decode("builds", body(self.tricky()))
        assert len(added) > 10

    def test_row_larger_than_many_chunks_is_read(self):
        records = [row("builds", 1, message="},{" * 5000), row("builds", 2)]
        assert frames.decode("builds", body(records)).loc[1, "message"] == "},{" * 5000

    def test_late_unknown_field_is_missing_before(self):
        records = rows("builds", 60)
        records[50]["queue"] = "night"
        frame = frames.decode("builds", body(records))
        assert frame.columns[-1] == "queue"
        assert frame["queue"].notna().sum() == 1
        assert frame.loc[51, "queue"] == "night"

    def test_late_download_key_gives_all_downloads_one_type(self):
        records = rows("builds", 60)
        records[50]["downloads"] = [download(50, type="IICS")]
        frame = frames.decode("builds", body(records))
        assert len({type(d) for items in frame["downloads"] for d in items}) == 1
        assert frame.loc[51, "downloads"][0].type == "IICS"
        assert frame.loc[1, "downloads"][0].type is None

    @pytest.mark.parametrize("running", [True, False])
    def test_collector_runs_for_each_chunk_if_enabled(self, running):
        looks = []

        def note(phase, info):
            looks.append(info["generation"])

        content = body(rows("builds", 200))
        gc.callbacks.append(note)
        if not running:
            gc.disable()
        try:
            frames.decode("builds", content)
        finally:
            gc.callbacks.remove(note)
            gc.enable()
        assert (len(looks) > 40) if running else not looks

    def test_truncated_body_error_counts_the_rows_read(self):
        with pytest.raises(InvalidResponseError, match=r"after \d+ rows"):
            frames.decode("builds", body(rows("builds", 60))[:-40])


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@st.composite
def odd_rows(draw):
    """Rows of which a few values are anything JSON can hold."""
    resource = draw(st.sampled_from(FINDS))
    records = rows(resource, draw(st.integers(1, 6)))
    for record in records:
        for name in draw(st.lists(st.sampled_from(sorted(record)), max_size=2)):
            record[name] = draw(json_values)
        if draw(st.booleans()):
            record[draw(st.text(max_size=6))] = draw(json_values)
    return resource, records


def outcome(read):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SchemaWarning)
        try:
            return read()
        except SchemaError as error:
            return str(error)


@hypothesis.given(odd_rows())
@hypothesis.settings(deadline=None, max_examples=100)
def test_any_json_gives_equal_results_on_both_paths(case):
    resource, records = case
    text = json.dumps(records, separators=(",", ":")).encode()
    fast = outcome(lambda: frames.decode(resource, text))
    slow = outcome(lambda: strict(resource, json.loads(text)))
    if isinstance(fast, str) or isinstance(slow, str):
        assert fast == slow
    else:
        pd.testing.assert_frame_equal(fast, slow)


class TestSurprises:
    def test_unknown_status_survives(self):
        frame = frames.decode("builds", body([row("builds", status="PAUSED_BY_MOON")]))
        assert frame["status"].tolist() == ["PAUSED_BY_MOON"]

    def test_unknown_fields_come_last_with_a_fitting_dtype(self):
        records = [row("builds", n, zeta=n, flag=True, note="x", odd={"a": 1}) for n in (1, 2)]
        frame = frames.decode("builds", body(records))
        assert frame.dtypes.iloc[-4:].astype(str).to_dict() == {
            "zeta": "Int64",
            "flag": "boolean",
            "note": TEXT,
            "odd": "object",
        }

    def test_missing_key_is_missing(self):
        record = row("builds")
        del record["message"], record["instances"]
        frame = frames.decode("builds", body([record]))
        assert frame[["message", "instances"]].isna().all(axis=None)

    def test_unexpected_null_is_kept_with_a_warning(self):
        records = [row("builds", 1, project_id=None), row("builds", 2)]
        with pytest.warns(SchemaWarning, match="'project_id' was expected without nulls, but 1 of 2"):
            frame = frames.decode("builds", body(records))
        assert frame["project_id"].dtype == "Int64"
        assert frame["project_id"].isna().tolist() == [True, False]

    @pytest.mark.parametrize(
        ("column", "value"),
        [
            ("instances", "12"),
            ("instances", 1.5),
            ("instances", True),
            ("instances", 2**63),
            ("active", 2),
            ("active", "yes"),
            ("status", 7),
            ("build_start", "yesterday"),
            ("build_start", "2026-02-30T00:00:00.000Z"),
            ("build_start", "2026-01-01T00:00:60.000Z"),
            ("build_start", "2026-01-01T00:00:00.000000001Z"),
            ("build_start", 1775124880390),
            ("patterns", [1, "2"]),
            ("patterns", 808),
            ("downloads", [7]),
            ("downloads", {"id": 1}),
            ("id", "5139"),
        ],
    )
    def test_invalid_value_error_names_column_and_row(self, column, value):
        records = [row("builds", 1), row("builds", 2, **{column: value})]
        with pytest.raises(SchemaError) as caught:
            frames.decode("builds", body(records))
        assert repr(column) in str(caught.value)
        assert repr(value)[:40] in str(caught.value)
        assert caught.value.hint

    @pytest.mark.parametrize(("name", "value"), [("id", "x"), ("file_id", 1.5), ("name", 7), ("pattern", [])])
    def test_invalid_download_value_error_names_its_build(self, name, value):
        records = [
            row("builds", 1, downloads=[download(1)]),
            row("builds", 2, downloads=[{"id": 2, name: value}]),
        ]
        with pytest.raises(SchemaError) as caught:
            frames.decode("builds", body(records))
        assert f"Column 'downloads.{name}', row 2: {value!r} is not" in str(caught.value)

    def test_integral_float_is_read_as_int_in_downloads_too(self):
        inside = [download(1, file_id=7.0, type="IICS"), download(2)]
        records = [row("builds", 1, instances=7.0, downloads=inside), row("builds", 2, downloads=None)]
        frame = frames.decode("builds", body(records))
        child = frames.explode_downloads(frame)
        assert child["file_id"].dtype == "Int64"
        assert child.loc[1, "file_id"] == 7
        assert child["type"].isna().tolist() == [False, True]
        assert child["build_id"].tolist() == [1, 1]
        assert frame["downloads"].isna().tolist() == [False, True]

    def test_row_without_a_key_is_an_error(self):
        record = row("builds")
        del record["id"]
        with pytest.raises(SchemaError, match="Row 0 has no 'id'"):
            frames.decode("builds", body([record]))

    def test_duplicate_ids_are_kept(self):
        assert frames.decode("builds", body([row("builds", 1), row("builds", 1)])).index.tolist() == [1, 1]

    def test_too_many_unknown_fields_raise(self):
        records = [row("labels", n, **{f"key{n}": 1}) for n in range(1, 1100)]
        with pytest.raises(SchemaError, match="more than 1000 unknown fields"):
            frames.decode("labels", body(records))


class TestTimes:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("2026-04-02T08:14:40.320Z", "2026-04-02T08:14:40.320Z"),
            ("2026-04-02T08:14:40Z", "2026-04-02T08:14:40Z"),
            ("2026-04-02T10:14:40.320+02:00", "2026-04-02T08:14:40.320Z"),
            ("2026-04-02T08:14:40.320123Z", "2026-04-02T08:14:40.320123Z"),
            ("1969-07-20T20:17:40.000Z", "1969-07-20T20:17:40Z"),
        ],
    )
    def test_forms_of_iso_8601(self, text, expected):
        frame = frames.decode("builds", body([row("builds", build_start=text)]))
        assert frame["build_start"].iloc[0] == pd.Timestamp(expected)
        assert frame["build_start"].dtype == "datetime64[us, UTC]"

    def test_year_that_nanoseconds_cannot_hold(self):
        frame = frames.decode("builds", body([row("builds", build_start="3456-01-02T03:04:05.678Z")]))
        assert frame["build_start"].dt.strftime("%Y-%m-%d").tolist() == ["3456-01-02"]

    def test_naive_time_is_read_as_utc_with_a_warning(self):
        with pytest.warns(
            SchemaWarning, match="1 without a time zone, such as '2026-04-02T08:14:40', read as UTC"
        ):
            frame = frames.decode("builds", body([row("builds", build_start="2026-04-02T08:14:40")]))
        assert frame["build_start"].iloc[0] == pd.Timestamp("2026-04-02T08:14:40Z")


class TestBodies:
    @pytest.mark.parametrize(
        "content",
        [
            b"",
            b"  ",
            b"<html>Log in</html>",
            b"null",
            b"7",
            b'{"total": 0}',
            b'[{"id": 1}',
            b"[1,]",
            b"[{}] x",
            b"[NaN]",
        ],
    )
    def test_invalid_body_error_shows_its_start(self, content):
        with pytest.raises(InvalidResponseError) as caught:
            frames.decode("labels", content)
        assert content.decode().strip()[:20] in str(caught.value) or "empty" in str(caught.value)
        assert caught.value.hint

    def test_row_that_is_not_an_object_raises(self):
        with pytest.raises(SchemaError, match="Row 1 is not an object but 7"):
            frames.decode("labels", body([row("labels"), 7]))

    def test_endless_nesting_raises(self):
        with pytest.raises(InvalidResponseError):
            frames.decode("labels", b'[{"id":1,"a":' + b"[" * 100_000)

    def test_invalid_utf8_raises(self):
        with pytest.raises(InvalidResponseError):
            frames.decode("labels", b'[{"id":1,"name":"\xff\xfe"}]')

    @pytest.mark.parametrize("depth", range(970, 1000, 3))
    @pytest.mark.parametrize("name", ["status", "patterns", "downloads", "build_start"])
    def test_nesting_near_the_depth_limit_raises(self, name, depth):
        record = json.dumps(row("builds", **{name: None})).replace(f'"{name}": null', f'"{name}": @')
        with pytest.raises(InvalidResponseError):
            frames.decode("builds", f"[{record}]".replace("@", "[" * depth + "]" * depth).encode())

    @pytest.mark.parametrize("size", [1, 300, 10**6])
    def test_long_whitespace_before_the_rows_is_skipped(self, size):
        content = b" " * 700 + body(rows("labels", 2))
        frame = frames.decode("labels", (content[i : i + size] for i in range(0, len(content), size)))
        assert frame.index.tolist() == [1, 2]

    def test_non_json_whitespace_before_the_rows_raises(self):
        with pytest.raises(InvalidResponseError):
            frames.decode("labels", b"\x0c[]")


class TestOne:
    def test_two_objects_are_an_error(self):
        one = body(row("labels"))
        with pytest.raises(InvalidResponseError, match=r"one object.*but 2 of them"):
            frames.decode_one("labels", one + b"," + one)

    def test_series_is_named_by_its_id(self):
        series = frames.decode_one("builds", body(row("builds", 5139)))
        assert series.name == 5139
        assert series["status"] == "status 5139"

    def test_array_is_an_error(self):
        with pytest.raises(InvalidResponseError, match="one object"):
            frames.decode_one("builds", body([row("builds")]))


def test_collector_state_is_restored():
    gc.disable()
    try:
        frames.decode("builds", b"[]")
        assert not gc.isenabled()
    finally:
        gc.enable()
    with pytest.raises(InvalidResponseError):
        frames.decode("builds", b"x")
    assert gc.isenabled()
