"""Frames as files: every value as it was, no cell a formula, and every change counted."""

import csv
import datetime as dt
import decimal
import json
import math
import re
import sys
import time
import warnings
from decimal import Decimal

import numpy as np
import openpyxl
import pandas as pd
import pytest

import mkframe as mk
from mkframe import exports
from mkframe.errors import InputError
from mkframe.schema import RESOURCES
from tests.support.owners import plant
from tests.support.rows import body, row, rows
from tests.support.unusual import NESTED, SCALARS, unusual

FORMULAS = [
    "=cmd|' /C calc'!A0", "+1+1", "-2", "@SUM(A1)", "\t=1+1", "＝1+1", "－1+1", "＋1", "＠SUM(A1)",
    "\u22121+1", "\ufe661",
    " =1+1", "   +1", "\u00a0=1+1", "\u3000＝1+1", " \t =1+1", "\n=1+1", " \n\n@A1", '"=1+1"', ' " =1+1',
    '""+1',
    "\u3164=1", "\u2800=1", "\ufe0f=1", "=DDE(\"cmd\";\"/C calc\";\"x\")", "@", "=",
]  # fmt: skip
HARMLESS = [
    "CORE_DV_HLS",
    "a=b",
    "'quoted",
    "#N/A",
    "TRUE",
    "007",
    "_x0041_",
    "1e5",
    "ö 日本",
    'a"b,c;d\ne',
    "a - b",
    "a = b; c = d",
    "x@y.example; z@y.example",
    ' "quoted"',
    "2026-04-02",
    "1+1=2",
    "",
]


def written(frame, path, **how):
    """Export without a warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return mk.export(frame, path, **how)


def read_csv(path):
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.reader(file))


def read_xlsx(path):
    book = openpyxl.load_workbook(path)
    return list(book.active.iter_rows())


def values(path):
    if path.suffix == ".csv":
        return read_csv(path)
    return [[cell.value for cell in cells] for cells in read_xlsx(path)]


@pytest.fixture(params=[".csv", ".xlsx"])
def path(request, tmp_path):
    return tmp_path / f"builds{request.param}"


@pytest.fixture
def builds():
    return mk.read_json(body(rows("builds", 3)))


def marked(text):
    """With an apostrophe where a cell begins, and where one would begin at a tab or a line break."""
    begins = [n for n in range(1, len(text)) if text[n - 1] in "\t\n;" and LATER.match(text[n:])]
    return "'" + "".join("'" * (n in begins) + character for n, character in enumerate(text))


LATER = re.compile(r'[ "]*[=+@-]')
FORMULA = re.compile(r'[\s"]*[=+@-]')


def cells_of(text, mark):
    """The cells that a spreadsheet makes of a line: a quote counts only where a cell begins."""
    return [cell for line in csv.reader(text.splitlines(keepends=True), delimiter=mark) for cell in line]


@pytest.mark.parametrize("mark", [",", ";", "\t"])
@pytest.mark.parametrize("place", ["index", "header", "cell", "list"])
@pytest.mark.parametrize(
    "before", ["", "x;", "x\t", "x\n", "x; ", 'x;"', 'x;""', 'x\t "', "x;\u00a0", 'x";', 'x,";"']
)
def test_no_separator_makes_a_formula(mark, place, before, tmp_path):
    text = f"{before}=cmd|' /C calc'!A0"
    frame = {
        "index": lambda: pd.DataFrame({"a": [1]}, index=pd.Index([text], name="i")),
        "header": lambda: pd.DataFrame({"a": [1], text: [2]}),
        "cell": lambda: pd.DataFrame({"a": [1], "b": [text]}),
        "list": lambda: pd.DataFrame({"a": [[text]], "b": [text]}),
    }[place]()
    with pytest.warns(UserWarning, match="that began like a formula"):
        path = mk.export(frame, tmp_path / "a.csv")
    shown = path.read_text("utf-8-sig")
    for line in [shown, *shown.splitlines()]:
        assert not [cell for cell in cells_of(line, mark) if FORMULA.match(cell)]


@pytest.mark.parametrize("text", FORMULAS)
class TestFormulas:
    def test_csv_formula_gets_an_apostrophe_with_a_warning(self, text, tmp_path):
        with pytest.warns(UserWarning, match="1 cell that began like a formula"):
            path = mk.export(pd.DataFrame({"name": ["a", text]}), tmp_path / "a.csv")
        assert [line[0] for line in read_csv(path)] == ["name", "a", marked(text)]

    def test_workbook_formula_stays_text(self, text, tmp_path):
        path = written(pd.DataFrame({"name": [text]}), tmp_path / "a.xlsx")
        cell = read_xlsx(path)[1][0]
        assert (cell.value, cell.data_type, cell.quotePrefix) == (text, "s", True)

    def test_header_formula_gets_an_apostrophe(self, text, tmp_path):
        with pytest.warns(UserWarning, match="1 cell "):
            path = mk.export(pd.DataFrame({text: [1]}), tmp_path / "a.csv")
        assert read_csv(path)[0] == [marked(text)]

    def test_formula_inside_a_list_is_unchanged(self, text, path):
        assert json.loads(values(written(pd.DataFrame({"labels": [[text]]}), path))[1][0]) == [text]


@pytest.mark.parametrize("text", [text for text in HARMLESS if text != "_x0041_"])
def test_harmless_text_is_unchanged(text, path):
    frame = pd.DataFrame({"name": [text, "z"]})
    assert values(written(frame, path))[1][0] == (text or (None if path.suffix == ".xlsx" else ""))


def test_workbook_does_not_decode_escaped_characters(tmp_path):
    path = written(pd.DataFrame({"name": ["_x0041_"]}), tmp_path / "a.xlsx")
    assert read_xlsx(path)[1][0].value == "_x005F_x0041_"


@pytest.mark.parametrize(
    "text", ["a\x1b[31mb", "a\x00b", "a\u202eb", "a\u200bb", "a\rb", "a\ud800b", "a\u2028b"]
)
def test_invisible_characters_are_escaped_with_a_warning(text, path):
    with pytest.warns(UserWarning, match="2 cells that held invisible or control characters"):
        mk.export(pd.DataFrame({"name": [text, text]}, dtype=object), path)
    assert values(path)[2][0].startswith(f"a‹U+{ord(text[1]):04X}›")


def test_long_text_is_cut_with_a_warning_only_in_a_workbook(tmp_path):
    frame = pd.DataFrame({"message": ["m" * 40_000]})
    with pytest.warns(UserWarning, match=r"1 cell that had more than the 32,767 .* CSV has them whole"):
        path = mk.export(frame, tmp_path / "a.xlsx")
    assert values(path)[1][0] == "m" * 32_767
    assert values(written(frame, tmp_path / "a.csv"))[1][0] == "m" * 40_000


def test_warning_points_at_the_caller(tmp_path):
    with pytest.warns(UserWarning, match="formula") as caught:
        mk.export(pd.DataFrame({"name": ["=1"]}), tmp_path / "a.csv")
    assert [warning.filename for warning in caught] == [__file__]


def test_every_value_of_builds(builds, path):
    header, first, *_ = values(written(builds, path))
    is_csv = path.suffix == ".csv"
    asked = ["id", *builds.columns]
    times = [c for c in builds if isinstance(builds[c].dtype, pd.DatetimeTZDtype)]
    assert header == (asked if is_csv else [f"{c} (UTC)" if c in times else c for c in asked])
    shown = dict(zip(asked, first, strict=True))
    assert shown["id"] == ("1" if is_csv else 1)
    assert shown["name"] == builds["name"].iloc[0]
    assert str(shown["history_commited"]).upper() == str(builds["history_commited"].iloc[0]).upper()
    assert json.loads(shown["patterns"]) == builds["patterns"].iloc[0]
    (download,) = json.loads(shown["downloads"])
    assert download["name"] == builds["downloads"].iloc[0][0].name
    moment = builds["build_start"].iloc[0]
    assert str(shown["build_start"]) == (f"{moment}" if is_csv else f"{moment:%Y-%m-%d %H:%M:%S.%f}")


def test_zone_is_named(builds, path):
    header, first, *_ = values(written(builds[["build_start"]], path, tz="Europe/Berlin"))
    wall = "2026-04-02 10:01:40.320000"
    if path.suffix == ".csv":
        assert (header[1], first[1]) == ("build_start", f"{wall}+02:00")
    else:
        assert (header[1], str(first[1])) == ("build_start (Europe/Berlin)", wall)


def test_missing_values_are_empty(path):
    frame = mk.read_json(body([row("builds", 1, message=None, build_end=None, version=None)]))
    shown = values(written(frame[["message", "build_end", "version"]], path))[1][1:]
    assert shown == (["", "", ""] if path.suffix == ".csv" else [None, None, None])


def test_durations_are_seconds(builds, path):
    frame = pd.DataFrame({"duration": [pd.Timedelta(minutes=1.5)]})
    header, (seconds,) = values(written(frame, path))
    assert header == ["duration (s)"]
    assert float(seconds) == 90.0


@pytest.mark.parametrize(
    ("value", "in_csv", "in_workbook"),
    [
        (2**60 + 1, str(2**60 + 1), str(2**60 + 1)),
        (10**15 - 1, str(10**15 - 1), 10**15 - 1),
        (-5, "-5", -5),
        (0.25, "0.25", 0.25),
        (math.inf, "inf", "inf"),
        (np.bool_(True), "True", True),
        (pd.Timestamp("1815-12-10T01:02:03Z"), "1815-12-10 01:02:03+00:00", "1815-12-10 01:02:03+00:00"),
        (pd.Period("2026-04", "M"), "2026-04", "2026-04"),
    ],
    ids=str,
)
def test_numbers_and_times_are_unchanged(value, in_csv, in_workbook, path):
    shown = values(written(pd.DataFrame({"value": [value]}), path))[1][0]
    assert shown == (in_csv if path.suffix == ".csv" else in_workbook)
    assert type(shown) is (str if path.suffix == ".csv" else type(in_workbook))


def test_infinity_below_is_no_formula(tmp_path):
    with pytest.warns(UserWarning, match="formula"):
        path = mk.export(pd.DataFrame({"value": [-math.inf]}), tmp_path / "a.csv")
    assert values(path)[1] == ["'-inf"]


def test_default_index_is_left_out(path):
    assert values(written(pd.DataFrame({"a": [1]}), path))[0] == ["a"]
    assert values(written(pd.DataFrame({"a": [1]}, index=["x"]), path))[0] == ["index", "a"]


def test_two_columns_of_one_name_stay_two(path):
    frame = pd.DataFrame([[1, 2]], columns=["a", "a"], index=pd.Index([3], name="a"))
    assert [[str(v) for v in line] for line in values(written(frame, path))] == [["a"] * 3, ["3", "1", "2"]]


def test_empty_frame_gives_a_header(path):
    assert values(written(mk.read_json(b"[]")[["name"]], path)) == [["id", "name"]]


def test_file_is_replaced_as_a_whole(builds, path):
    path.write_text("old")
    assert written(builds, path) == path
    assert len(values(path)) == 4
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_link_of_another_user_is_not_followed(builds, path, tmp_path, monkeypatch):
    (tmp_path / "precious").write_text("precious")
    plant(monkeypatch, path, tmp_path / "precious")
    with pytest.raises(InputError, match=r"is a link of another user and is not followed\."):
        mk.export(builds, path)
    assert (tmp_path / "precious").read_text() == "precious"


def test_failed_write_leaves_the_old_file(builds, path, monkeypatch):
    path.write_text("old")
    monkeypatch.setattr("mkframe.exports.csv.writer", lambda *_, **__: full_disk())
    monkeypatch.setattr("openpyxl.Workbook", lambda **_: full_disk())
    with pytest.raises(InputError, match="cannot be written"):
        mk.export(builds, path)
    assert path.read_text() == "old"
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def full_disk():
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize(
    ("frame", "name", "how", "sentence"),
    [
        (pd.DataFrame(), "a.ods", {}, r"does not end in \.parquet or \.json or \.csv or \.xlsx"),
        (pd.Series([1]), "a.csv", {}, "Only a frame"),
        (pd.DataFrame([[1]], columns=pd.MultiIndex.from_tuples([("a", "b")])), "a.csv", {}, "Only a frame"),
        (pd.DataFrame(), "a.csv", {"tz": "Mars/Base"}, "tz='Mars/Base' is no time zone that is known here"),
        (pd.DataFrame(), "a.csv", {"tz": 3}, "tz=3 is no time zone that is known here"),
        (pd.DataFrame(), "no/such/folder/a.csv", {}, "cannot be written: No such file"),
        (pd.DataFrame({"a": np.zeros(1_048_576, bool)}), "a.xlsx", {}, "A sheet holds 1,048,575 rows"),
        (pd.DataFrame(np.zeros((1, 16_385), bool)), "a.xlsx", {}, "A sheet holds 16,384 columns, not 16,385"),
        (pd.DataFrame(np.zeros((1, 16_384), bool), index=["a"]), "a.xlsx", {}, "columns, not 16,385"),
    ],
    ids=["ending", "series", "two headers", "zone", "no zone", "folder", "rows", "columns", "with index"],
)
def test_invalid_export_raises(frame, name, how, sentence, tmp_path):
    with pytest.raises(InputError, match=sentence):
        mk.export(frame, tmp_path / name, **how)
    assert list(tmp_path.iterdir()) == []


def test_missing_openpyxl_error_names_the_extra(builds, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r'pip install "mkframe\[excel\]"'):
        mk.export(builds, tmp_path / "a.xlsx")


@pytest.mark.parametrize("mark", [";", "\n", "\t"])
def test_formula_after_another_separator_is_quoted(mark, tmp_path):
    with pytest.warns(UserWarning, match="1 cell that began like a formula, or would after"):
        path = mk.export(pd.DataFrame({"name": [f"x{mark}=1+1", "a; b", "a;b"]}), tmp_path / "a.csv")
    assert [line[0] for line in read_csv(path)] == ["name", f"x{mark}'=1+1", "a; b", "a;b"]


def test_times_of_several_zones_are_converted_to_one(path):
    zones = [pd.Timestamp("2026-04-01T08:00", tz=zone) for zone in ("UTC", "Europe/Vienna")]
    frame = pd.DataFrame({"at": pd.Series(zones, dtype=object)})
    written(frame, path, tz="Europe/Vienna")
    header, first, second = values(path)
    if path.suffix == ".csv":
        assert (first, second) == (["2026-04-01 10:00:00+02:00"], ["2026-04-01 08:00:00+02:00"])
    else:
        assert header == ["at (Europe/Vienna)"]
        assert [first[0].hour, second[0].hour] == [10, 8]


@pytest.mark.parametrize("suffix", [".xlsx", ".parquet"])
def test_times_with_and_without_a_zone_in_a_column_raise(tmp_path, suffix):
    """Those without would be called UTC."""
    times = [pd.Timestamp("2026-04-01T08:00", tz="Asia/Tokyo"), pd.Timestamp("2026-04-01T08:00")]
    frame = pd.DataFrame({"at": pd.Series(times, dtype=object)})
    with pytest.raises(InputError, match=r"'at'.* zone"):
        mk.export(frame, tmp_path / f"a{suffix}")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("tz", [None, "UTC", "America/New_York"])
@pytest.mark.parametrize("every", ["D", "W", "M", "Q", None])
@pytest.mark.parametrize("shape", ["index", "by", "column", "turned"])
def test_days_and_months_of_a_zone_are_dates(path, every, tz, shape):
    start = pd.to_datetime(["2026-03-31T22:30Z", "2026-05-02T08:00Z"], utc=True)
    builds = pd.DataFrame({"status": "FAILED", "build_start": start, "user_id": 7}, index=[1, 2])
    by = "user" if shape == "by" else None
    table = mk.metrics.failure_rate(builds, every, tz="Europe/Vienna", by=by)
    first = table.index.get_level_values("period")[0].date()
    table = table.reset_index() if shape == "column" else table.T if shape == "turned" else table
    shown = values(written(table, path, tz=tz))
    if shape == "turned":
        assert shown[0][1] == str(first)
        return
    cell = shown[1][shown[0].index("period")]
    assert str(cell)[:10] == str(first)
    assert (len(cell) == 10) if path.suffix == ".csv" else cell.time() == dt.time()


@pytest.mark.parametrize(
    ("tz", "day"),
    [("Africa/Cairo", "2024-04-26"), ("Pacific/Apia", "2011-12-29"), ("Asia/Beirut", "2026-03-29")],
)
def test_day_without_midnight_is_a_date(path, tz, day):
    start = pd.to_datetime([f"{day}T10:00", f"{day}T10:00"]).tz_localize(tz) + pd.to_timedelta([0, 48], "h")
    builds = pd.DataFrame({"status": "FAILED", "build_start": start.tz_convert("UTC")}, index=[1, 2])
    days = [str(cells[0]) for cells in values(written(mk.metrics.calendar(builds, tz=tz), path))[1:]]
    assert days[0][:10] == day
    assert {text[10:] for text in days} <= {"", " 00:00:00"}


def test_own_zone_of_each_column_counts(path):
    time = pd.Series(pd.to_datetime(["2026-04-01T08:00Z"], utc=True))
    frame = pd.DataFrame(
        {"a": time, "b": time.dt.tz_convert("Europe/Vienna"), "c": time.dt.tz_localize(None)}
    )
    frame["d"] = pd.Series([time[0].tz_convert("Asia/Tokyo")], dtype=object)
    frame["e"] = time.astype("timestamp[us, UTC][pyarrow]")
    frame["f"] = time.astype("category")
    header, first = values(written(frame, path))
    if path.suffix == ".csv":
        assert first == [
            "2026-04-01 08:00:00+00:00", "2026-04-01 10:00:00+02:00",
            "2026-04-01 08:00:00", "2026-04-01 17:00:00+09:00",
            "2026-04-01 08:00:00+00:00", "2026-04-01 08:00:00+00:00",
        ]  # fmt: skip
    else:
        assert header == ["a (UTC)", "b (Europe/Vienna)", "c", "d (Asia/Tokyo)", "e (UTC)", "f (UTC)"]
        assert [cell.hour for cell in first] == [8, 10, 8, 17, 8, 8]


@pytest.mark.parametrize(
    ("value", "in_csv", "in_workbook"),
    [
        (dt.date(2026, 4, 1), "2026-04-01", dt.datetime(2026, 4, 1)),
        (dt.date(1899, 12, 31), "1899-12-31", "1899-12-31"),
        (dt.time(8, 30, 1), "08:30:01", dt.time(8, 30, 1)),
        (dt.time(8, 30, 1, 1), "08:30:01.000001", "08:30:01.000001"),
        (dt.timedelta(seconds=90), "90.0", 90.0),
        (Decimal("12.50"), "12.50", 12.5),
        (Decimal("-0.1"), "-0.1", -0.1),
        (Decimal("0.1234567890123456789"), "0.1234567890123456789", "0.1234567890123456789"),
        (Decimal("NaN"), "", None),
    ],
)
def test_dates_times_and_decimals_keep_their_kind(value, in_csv, in_workbook, path):
    frame = pd.DataFrame({"a": pd.Series([value, None], dtype=object), "b": 1})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        shown = values(mk.export(frame, path))[1][0]
    assert shown == (in_csv if path.suffix == ".csv" else in_workbook)


def test_time_outside_the_zones_range_stays_in_utc(path):
    moments = [pd.Timestamp("9999-12-31T23:59:59Z"), pd.Timestamp("2026-04-01T08:00:00Z")]
    last = pd.Series(moments, dtype="datetime64[us, UTC]")
    written(pd.DataFrame({"at": last}), path, tz="Europe/Vienna")
    assert str(values(path)[1][0]) == "9999-12-31 23:59:59+00:00"
    assert "10:00:00" in str(values(path)[2][0])


def test_noncharacter_is_escaped(path):
    with pytest.warns(UserWarning, match="1 cell that held invisible"):
        mk.export(pd.DataFrame({"name": ["a\uffffb"]}), path)
    assert values(path)[1] == ["a‹U+FFFF›b"]


def test_escaped_text_is_cut_to_a_cell(tmp_path):
    text = "_x0041_" * 4_000 + "z" * 4_767
    with pytest.warns(UserWarning, match="1 cell that had more than"):
        path = mk.export(pd.DataFrame({"name": [text]}), tmp_path / "a.xlsx")
    stands = values(path)[1][0]
    assert len(stands) <= 32_767
    assert text.startswith(stands.replace("_x005F_", "_"))


def test_sheets_of_a_workbook_hold_no_formulas(tmp_path):
    frames = {"A": pd.DataFrame({"name": ["=1+1"]}), "B": pd.DataFrame({"n": pd.array([], dtype="Int64")})}
    book = openpyxl.load_workbook(exports.export_sheets(frames, tmp_path / "a.xlsx"))
    assert book.sheetnames == ["A", "B"]
    assert (book["A"]["A2"].value, book["A"]["A2"].data_type) == ("=1+1", "s")
    assert [cell.value for cell in book["B"][1]] == ["n"]
    with pytest.raises(InputError, match=r"'a.txt' does not end in \.xlsx\."):
        exports.export_sheets(frames, tmp_path / "a.txt")


@pytest.mark.parametrize("part", ["\n", " ", "; ", '"', ';"', "\t ", "=", ";="])
def test_time_for_a_text_grows_with_its_length_only(part, tmp_path):
    frame = pd.DataFrame({"name": [part * 500_000 + "="]})
    began = time.thread_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mk.export(frame, tmp_path / "a.csv")
    assert time.thread_time() - began < 5


# --- files to be read back ----------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".parquet", ".json", ".JSON"])
@pytest.mark.parametrize("count", [0, 60])
def test_unusual_builds_are_read_back(tmp_path, suffix, count):
    frame = unusual(extras=SCALARS | NESTED).iloc[:count]
    if suffix != ".parquet" and not count:
        frame = mk.read_json(b"[]")
    path = written(frame, tmp_path / f"builds{suffix}")
    read = mk.read_parquet if suffix == ".parquet" else mk.read_json
    pd.testing.assert_frame_equal(read(path), frame)


@pytest.mark.parametrize("resource", [name for name, known in RESOURCES.items() if "find" in known.verbs])
@pytest.mark.parametrize("suffix", [".parquet", ".json"])
def test_every_resource_is_read_back(tmp_path, resource, suffix):
    frame = mk.read_json(body(rows(resource, 3)), resource)
    path = written(frame, tmp_path / f"rows{suffix}")
    read = mk.read_parquet if suffix == ".parquet" else mk.read_json
    pd.testing.assert_frame_equal(read(path, resource), frame)


def test_json_has_the_vendors_form(tmp_path):
    records = rows("builds", 2)
    records[0]["build_start"] = "2026-04-02T08:14:40.320001Z"
    records[1]["build_end"] = None
    path = written(mk.read_json(body(records)), tmp_path / "builds.json")
    assert json.loads(path.read_bytes()) == records


def test_json_of_more_rows_than_a_block_is_read_back(tmp_path, monkeypatch):
    monkeypatch.setattr("mkframe.frames._write_json._BLOCK", 7)
    frame = mk.read_json(body(rows("builds", 20)))
    pd.testing.assert_frame_equal(mk.read_json(written(frame, tmp_path / "b.json")), frame)


def test_json_of_a_metric_has_its_rows(tmp_path):
    frame = pd.DataFrame(
        {
            "day": [dt.date(2026, 4, 1), None],
            "spent": pd.to_timedelta([90, None], unit="s"),
            "cost": [decimal.Decimal("1.10"), None],
            "local": pd.to_datetime(["2026-04-02T08:14:40", None]),
            "vienna": pd.to_datetime(["2026-04-02T08:14:40Z", None]).tz_convert("Europe/Vienna"),
            "odd": ["\ud800", 2**70],
        }
    )
    path = written(frame, tmp_path / "m.json")
    assert json.loads(path.read_bytes()) == [
        {
            "day": "2026-04-01",
            "spent": 90.0,
            "cost": "1.10",
            "local": "2026-04-02T08:14:40.000",
            "vienna": "2026-04-02T08:14:40.000Z",
            "odd": "\ud800",
        },
        {"day": None, "spent": None, "cost": None, "local": None, "vienna": None, "odd": 2**70},
    ]


@pytest.mark.parametrize("cell", [math.inf, {1, 2}, b"x", [math.nan], object()])
def test_json_refuses_what_it_does_not_hold(tmp_path, cell):
    with pytest.raises(InputError, match="The column 'a' cannot be written as JSON"):
        mk.export(pd.DataFrame({"a": [cell]}), tmp_path / "a.json")
    assert not list(tmp_path.iterdir())


# --- dates, times of day and decimal numbers ----------------------------------------------------------

DAY, TIME = dt.date(2026, 4, 1), dt.time(8, 14, 40, 320000)
KEPT = {
    "date": (DAY, dt.datetime(2026, 4, 1), "yyyy-mm-dd"),
    "time": (TIME, TIME, "hh:mm:ss.000"),
    "decimal": (decimal.Decimal("1.10"), 1.1, "General"),
    "negative": (decimal.Decimal("-123456789.123456"), -123456789.123456, "General"),
    "duration": (dt.timedelta(minutes=1.5), 90, "General"),
    "numpy time": (
        np.datetime64("2026-04-01T08:00:00"),
        dt.datetime(2026, 4, 1, 8),
        "yyyy-mm-dd hh:mm:ss.000",
    ),
    "numpy duration": (np.timedelta64(90, "s"), 90, "General"),
}


@pytest.mark.parametrize(("value", "cell", "form"), KEPT.values(), ids=KEPT)
@pytest.mark.parametrize("place", ["column", "index"])
def test_workbook_keeps_dates_times_and_decimals(tmp_path, value, cell, form, place):
    values = pd.Series([value, None], dtype=object, name="v")
    frame = values.to_frame()
    if place == "index":
        frame = pd.DataFrame({"n": 1}, index=pd.Index(values.to_numpy(dtype=object), dtype=object, name="v"))
    found = read_xlsx(written(frame, tmp_path / "a.xlsx"))[1][0]
    assert (found.value, found.number_format) == (cell, form)


@pytest.mark.parametrize(
    "value",
    [
        dt.date(1899, 12, 31),
        dt.date(1, 1, 1),
        dt.time(8, 0, tzinfo=dt.UTC),
        decimal.Decimal("0.1234567890123456"),
        decimal.Decimal("1E+400"),
        decimal.Decimal("1E-400"),
        decimal.Decimal("Infinity"),
    ],
)
def test_workbook_writes_what_it_cannot_hold_as_text(tmp_path, value):
    found = read_xlsx(written(pd.DataFrame({"v": [value]}, dtype=object), tmp_path / "a.xlsx"))[1][0]
    assert (found.value, found.data_type) == (str(value), "s")


def test_workbook_with_more_columns_than_a_sheet_raises(tmp_path):
    wide = pd.DataFrame(np.zeros((1, 16_384)))
    with pytest.raises(InputError, match="A sheet holds 16,384 columns, not 16,385"):
        mk.export(wide.rename_axis(index="i"), tmp_path / "a.xlsx")
    assert len(read_xlsx(written(wide, tmp_path / "a.xlsx"))[0]) == 16_384
