"""Long answers are read by threads with Arrow's reader; what that refuses, the other paths read."""

import itertools
import subprocess
import sys
import threading

import pandas as pd
import pytest

from mkframe import frames
from mkframe._pandas import has_text_dtype
from mkframe.errors import InvalidResponseError, SchemaWarning
from mkframe.frames import _arrow, _chunks, _parallel
from mkframe.frames._parallel import ParallelReader
from mkframe.frames._row_types import RowSchema
from tests.support.rows import body, download, row, rows

pytest.importorskip("pyarrow", reason="the threads read with pyarrow, an extra")
if not has_text_dtype:
    pytest.skip("pandas 2.2 keeps text as objects, so nothing is read by threads", allow_module_level=True)


@pytest.fixture(autouse=True)
def _small_cuts(monkeypatch):
    """Cut after some two builds at first, then after some five."""
    length = len(body(row("builds")))
    monkeypatch.setattr(_chunks, "_FIRST_CUT", 2 * length)
    monkeypatch.setattr(_chunks, "_CUT", 5 * length)
    monkeypatch.setattr(_chunks, "_PARALLEL_FROM", 0)
    monkeypatch.setattr(_parallel, "processors", lambda: 3)


@pytest.fixture
def given(monkeypatch):
    """Pieces that threads were given, with the threads that read them."""
    seen = []

    def read(text, arrow_schema):
        seen.append((text, threading.current_thread().name))
        return read_table(text, arrow_schema)

    read_table = _arrow.read_table
    monkeypatch.setattr(_arrow, "read_table", read)
    return seen


def assert_read(records, resource="builds"):
    pd.testing.assert_frame_equal(frames.decode(resource, body(records)), frames.from_rows(resource, records))


def living():
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("mkframe-read")]


@pytest.mark.parametrize("resource", ["builds", "downloads", "instances", "projects"])
def test_all_but_the_first_chunk_is_read_by_threads(resource, given):
    records = rows(resource, 300)
    assert_read(records, resource)
    assert sum(len(text) for text, _ in given) > 0.9 * (len(body(records)) - _chunks._FIRST_CUT)
    assert {name.rpartition("_")[0] for _, name in given} == {"mkframe-read"}


def test_rest_at_the_end_is_split_between_the_threads(given, monkeypatch):
    """Of twelve units up to two are read at once, up to six by one thread, the rest by several."""
    records = rows("projects", 208)
    unit = len(body(records)) // 12
    monkeypatch.setattr(_chunks, "_FIRST_CUT", unit)
    monkeypatch.setattr(_chunks, "_CUT", 3 * unit)
    assert_read(records, "projects")
    small, middling, large = sorted(len(text) for text, _ in given)
    assert large > 5 * unit
    assert middling < 3.1 * unit
    assert small > unit


@pytest.mark.parametrize("reason", ["no Arrow", "one processor", "an unknown field"])
def test_no_threads_start_where_they_gain_nothing(reason, given, monkeypatch):
    if reason == "one processor":
        monkeypatch.setattr(_parallel, "processors", lambda: 1)
    unknown = {"queue": "night"} if reason == "an unknown field" else {}
    with pd.option_context("mode.string_storage", "python" if reason == "no Arrow" else "pyarrow"):
        assert_read(rows("builds", 60, **unknown))
    assert given == []


def test_small_answer_starts_no_thread(given):
    frames.decode("labels", body(rows("labels", 5)))
    assert given == []


@pytest.mark.parametrize("share", [0.5, 2.0])
def test_threads_start_where_an_answer_exceeds_the_threshold(share, given, monkeypatch):
    records = rows("builds", 100)
    monkeypatch.setattr(_chunks, "_PARALLEL_FROM", int(share * len(body(records))))
    assert_read(records)
    assert bool(given) == (share < 1)


@pytest.mark.parametrize("place", [5, 30, 58, 59])
@pytest.mark.parametrize(
    "odd",
    [
        {"active": True},
        {"build_start": "2026-04-02T10:14:40+02:00"},
        {"instances": 7.0},
        {"queue": "night"},
        {"message": None, "patterns": None, "downloads": None, "build_end": None},
        {"downloads": [download(7, color="red")]},
        {"downloads": [download(7, type="IICS")]},
    ],
    ids=lambda odd: "-".join(odd),
)
def test_one_odd_row_is_read_wherever_it_stands(odd, place):
    records = rows("builds", 60)
    records[place] |= odd
    assert_read(records)


def test_many_odd_rows_stop_the_threads_soon(given):
    assert_read([row("builds", n, active=n % 2 == 0) for n in range(300)])
    assert len(given) < 25


def test_one_odd_row_does_not_stop_the_threads(given):
    records = rows("builds", 200)
    records[20]["active"] = True
    assert_read(records)
    assert sum(len(text) for text, _ in given) > 0.8 * len(body(records))


def test_wrong_cut_is_detected(monkeypatch):
    """Downloads end and begin here as the rows do."""
    put_back = []
    withdraw = ParallelReader.withdraw
    monkeypatch.setattr(
        ParallelReader, "withdraw", lambda self: put_back.append(withdraw(self)) or put_back[-1]
    )
    records = [row("builds", n, downloads=[download(m) for m in range(60 * (n > 8))]) for n in range(40)]
    for record in records:
        record["description"] = record.pop("description")
    assert body(records).count(b'"},{"id"') > 60 * 30
    assert_read(records)
    assert put_back


def test_truncated_body_error_is_equal_with_threads(monkeypatch):
    content = body(rows("builds", 60))[:-40]
    notice = []
    for processors in (1, 3):
        monkeypatch.setattr(_parallel, "processors", lambda count=processors: count)
        with pytest.raises(InvalidResponseError, match=r"after \d+ rows") as caught:
            frames.decode("builds", content)
        notice.append(caught.value.message)
    assert notice[0].partition("after")[0] == notice[1].partition("after")[0]


@pytest.mark.parametrize("end", [KeyboardInterrupt, ConnectionError])
def test_no_thread_outlives_a_broken_answer(end):
    content = body(rows("builds", 60))

    def chunks():
        yield from (content[i : i + 500] for i in range(0, len(content) // 2, 500))
        assert living()
        raise end

    with pytest.raises(end):
        frames.decode("builds", chunks())
    assert living() == []


def test_no_thread_outlives_an_answer(given):
    frames.decode("builds", body(rows("builds", 60)))
    assert given
    assert living() == []


def readable(text):
    arrow_schema = _arrow.arrow_schema(RowSchema("builds"))
    try:
        table = _arrow.read_table(_arrow.PREFIX + text + _arrow.SUFFIX, arrow_schema)
        return _arrow.to_chunks(RowSchema("builds"), table)
    except _arrow.mismatch_errors():
        return None


GOOD = body(rows("builds", 2))


def test_arrow_reads_rows_of_the_reference():
    assert readable(GOOD)


@pytest.mark.parametrize(
    "text",
    [
        GOOD + b',"rows":' + GOOD,
        GOOD + b'}{"rows":' + GOOD,
        GOOD + b" x",
        GOOD + b"\x00",
        GOOD + b"// so",
        GOOD[:-1] + b",]",
        GOOD[:-2] + b",}]",
        GOOD[:-1],
        GOOD[:-1] + b",null]",
        GOOD[:-1] + b",7]",
        GOOD.replace(b'"id":1', b'"id":1,"id":1', 1),
        GOOD.replace(b'"id":1', b'"id":null', 1),
        GOOD.replace(b'"id":1', b'"id":01', 1),
        GOOD.replace(b'"id":1', b'"id":1.0', 1),
        GOOD.replace(b'"id":1', b'"id":NaN', 1),
        GOOD.replace(b'"id":1', b'"id":' + str(2**63).encode(), 1),
        GOOD.replace(b"status 1", b"status \xff"),
        GOOD.replace(b"status 1", b"status \xed\xa0\x80"),
        GOOD.replace(b"status 1", b"status \\ud800"),
        GOOD.replace(b"status 1", b"status \\udc00"),
        GOOD.replace(b"status 1", b"status \n"),
        GOOD.replace(b'"status 1"', b"1"),
    ],
)
def test_arrow_refuses_invalid_or_unexpected_rows(text):
    assert readable(text) is None


@pytest.mark.parametrize(
    "time",
    [
        "2026-04-02",
        "2026-04-02 08:14:40.320Z",
        "2026-04-02T08:14:40Z",
        "2026-04-02T08:14:40.320+02:00",
        "2026-02-30T08:14:40.320Z",
        "2026-04-02T24:00:00.000Z",
        "2026-04-02T08:14:60.000Z",
        "2026-04-02T08:14:4 .320Z",
        "2026-04-02T08:14:40.3 0Z",
        "2026-04-02T08-14-40.320Z",
        "2026/04/02T08:14:40.320Z",
        "+026-04-02T08:14:40.320Z",
        "2026-04-02 08:14:40+0000",
        "2026-04-02T08:14:40.320z",
        "0000-01-01T00:00:00.000Z",
        "",
    ],
)
def test_arrow_refuses_times_in_another_form(time):
    assert readable(body([row("builds", 1), row("builds", 2, build_start=time)])) is None


def test_arrow_refuses_times_of_compensating_widths():
    time = row("builds")["build_start"]
    pair = [row("builds", 1, build_start=time[:-1]), row("builds", 2, build_start=f"Z{time}")]
    assert readable(body(pair)) is None


@pytest.mark.parametrize("name", ["build_start", "patterns", "downloads", "message", "instances", "active"])
def test_nulls_are_equal_to_the_strict_path(name):
    for records in (rows("builds", 60, **{name: None}), rows("builds", 60)):
        for record in itertools.islice(records, 0, None, 3):
            record[name] = None
        with pd.option_context("mode.string_storage", "pyarrow"):
            assert_read(records)


def test_unexpected_null_from_threads_warns(given):
    records = rows("builds", 60)
    records[40]["project_id"] = None
    with pytest.warns(SchemaWarning, match="but 1 of 60 rows are"):
        frames.decode("builds", body(records))
    assert given


def test_processors_are_counted():
    assert _parallel.processors() >= 1
    assert ParallelReader().workers >= 1


AT_THE_END = """
import atexit, sys
from mkframe import frames
from mkframe._pandas import has_text_dtype
from mkframe.frames import _chunks
_chunks._PARALLEL_FROM = 0
body = open(sys.argv[1], "rb").read()
atexit.register(lambda: print(len(frames.decode("builds", body))))
"""


def test_long_answer_is_read_during_shutdown(tmp_path):
    (tmp_path / "builds.json").write_bytes(body(rows("builds", 12_000)))
    command = [sys.executable, "-c", AT_THE_END, str(tmp_path / "builds.json")]
    notice = subprocess.run(command, capture_output=True, text=True, check=True)
    assert notice.stdout == "12000\n", notice.stderr
