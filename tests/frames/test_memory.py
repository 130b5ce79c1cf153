"""What a find may take of the memory, whatever it sends."""

import gc
import json
import sys
import tracemalloc

import msgspec
import pandas as pd
import pytest

from mkframe import frames
from mkframe.errors import InvalidResponseError, ResponseTooLargeError
from mkframe.frames._memory import max_memory
from mkframe.limits import Limits
from tests.support.rows import body, row, rows

TEXTS = {
    "empty objects": b"[" + b"{}," * 999 + b"{}]",
    "small objects": b"[" + b'{"":0},' * 999 + b"{}]",
    "objects of their own keys": body([{f"key number {n}": n} for n in range(999)]),
    "empty lists": b"[" + b"[]," * 999 + b"[]]",
    "nested lists": b"[" * 300 + b"]" * 300,
    "lists of one": b"[" + b"[0]," * 999 + b"[]]",
    "numbers": body(list(range(10_000, 12_000))),
    "fractions": body([n / 7 for n in range(999)]),
    "texts": body([f"word {n}" for n in range(999)]),
    "wide text": body("\U0001f600" + "a" * 9999),
    "wide text, escaped": json.dumps("\U0001f600" + "a" * 9999).encode(),
    "Greek text": body("\u03b1" * 9999),
    "Greek letter, escaped": json.dumps("\u03b1" + "a" * 9999).encode(),
    "builds": body(rows("builds", 50)),
}


def taken(value):
    """Bytes of a value and of all that it holds, each once."""
    seen, todo, total = set(), [value], 0
    while todo:
        one = todo.pop()
        if id(one) not in seen:
            seen.add(id(one))
            total += sys.getsizeof(one)
            todo += gc.get_referents(one) if isinstance(one, list | dict) else []
    return total


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_estimate_is_never_far_below_actual_memory(text):
    assert taken(msgspec.json.decode(text)) < 1.4 * max_memory(text)
    assert max_memory(memoryview(text)) == max_memory(bytearray(text)) == max_memory(text)


def test_estimate_lets_usual_rows_pass():
    text = body(rows("builds", 1000))
    assert max_memory(text) < 10 * len(text)


ROWS = {
    "next to nothing": b'{"id":1},',
    "names": b'{"id":1,"name":"a"},',
    "lists of lists": b'{"id":1,"name":"a","x":[' + b"[]," * 500 + b"[]]},",
    "objects in lists": b'{"id":1,"name":"a","x":[' + b'{"":0},' * 500 + b"[]]},",
    "wide texts": '{{"id":1,"name":"\U0001f600{}"}},'.format("a" * 5000).encode(),
    "numbers nobody announced": b'{"id":1,"name":"a","x":5000},',
    "texts nobody announced": b'{"id":1,"name":"a","x":"abc"},',
}


def without_end(text):
    """Chunks of rows that go on."""
    yield b"[" + text
    many = text * (1 + (1 << 18) // len(text))
    while True:
        yield many


@pytest.mark.parametrize("text", ROWS.values(), ids=ROWS)
@pytest.mark.parametrize("storage", ["pyarrow", "python"])
@pytest.mark.parametrize("resource", ["release_groups", "builds"])
def test_endless_rows_raise(text, storage, resource):
    with (
        pd.option_context("mode.string_storage", storage),
        pytest.raises(ResponseTooLargeError, match="of memory") as caught,
    ):
        frames.decode(resource, without_end(text), Limits(find=16 << 20))
    assert "rows" in caught.value.message
    assert "Limits(find=33554432)" in caught.value.hint


@pytest.mark.parametrize("storage", ["pyarrow", "python"])
def test_endless_downloads_raise(storage):
    text = body(row("builds", 1, downloads=[{"id": n, "name": f"{n}.zip"} for n in range(500)])) + b","
    with (
        pd.option_context("mode.string_storage", storage),
        pytest.raises(ResponseTooLargeError, match="of memory"),
    ):
        frames.decode("builds", without_end(text), Limits(find=16 << 20))


@pytest.mark.parametrize("before", [True, False], ids=["keys in the first row", "keys in the last row"])
def test_many_keys_that_most_rows_lack_raise(before):
    wide = {"id": 1, "name": "a"} | {f"key {n}": 1 for n in range(900)}
    others = [{"id": 1, "name": "a"}] * 30_000
    records = [wide, *others] if before else [*others, wide]
    text = body(records)
    tracemalloc.start()
    try:
        with pytest.raises(ResponseTooLargeError, match="of memory"):
            frames.decode("release_groups", text, Limits(find=16 << 20))
        assert tracemalloc.get_traced_memory()[1] < 64 << 20
    finally:
        tracemalloc.stop()


ENDLESS = {
    "text": (b'[{"id":1,"name":"', b"a" * 65536),
    "escapes": (b'[{"id":1,"name":"', b"\\n" * 30000),
    "space": (b"[", b" " * 65536),
    "space between": (b'[{"id":1,"name":"a"},', b"\n" * 65536),
    "space behind": (b'[{"id":1,"name":"a"}]', b" " * 65536),
    "lists": (b'[{"id":1,"name":', b"[" * 65536),
    "objects": (b"[", b'{"a":' * 13000),
    "numbers": (b'[{"id":', b"1" * 65536),
    "a list of objects": (b'[{"id":1,"name":"a","x":[{}', b",{}" * 20000),
    "a list of objects like rows": (b'[{"id":1,"name":"a","x":[{}', b',{"id":1,"name":"a"}' * 3000),
    "looks of all kinds": (b'[{"id":1,"x":[{}', b"".join(b',{"%d":{}},{}' % n for n in range(5000))),
}


@pytest.mark.parametrize(("first", "then"), ENDLESS.values(), ids=ENDLESS)
@pytest.mark.parametrize("storage", ["pyarrow", "python"])
@pytest.mark.parametrize("after", [0, 3000])
def test_endless_row_raises(first, then, storage, after):
    came = []

    def chunks():
        if after:
            yield body(rows("release_groups", after))[:-1] + b"," + first[1:]
        else:
            yield first
        while True:
            came.append(len(then))
            yield then

    with (
        pd.option_context("mode.string_storage", storage),
        pytest.raises(ResponseTooLargeError, match="limit for one row"),
    ):
        frames.decode("release_groups", chunks(), Limits(row=1 << 20))
    assert sum(came) < 3 << 20


def test_space_before_the_rows_is_no_row():
    frame = frames.decode(
        "release_groups", iter([b" " * 65536] * 40 + [b'[{"id":1,"name":"a"}]']), Limits(row=1 << 20)
    )
    assert frame.index.tolist() == [1]


@pytest.mark.parametrize("storage", ["pyarrow", "python"])
@pytest.mark.parametrize("count", [70, 300, 1500])
def test_builds_with_many_downloads_each_are_cut_between_rows(storage, count):
    downloads = [
        {"id": n, "pattern": "P", "pattern_id": 1, "file_id": None, "name": "x"} for n in range(count)
    ]
    records = [row("builds", n, downloads=downloads) for n in range(1, 1 + 3_000_000 // (70 * count))]
    text = body(records)
    with pd.option_context("mode.string_storage", storage):
        frame = frames.decode("builds", text, Limits(row=1 << 19))
    assert frame.index.tolist() == [record["id"] for record in records]
    assert frame["downloads"].map(len).eq(count).all()


def test_rows_up_to_the_limit_are_read():
    records = [row("release_groups", n, name="a" * 1_000_000) for n in range(1, 5)]
    frame = frames.decode("release_groups", body(records), Limits(row=1_000_200))
    assert frame["name"].map(len).tolist() == [1_000_000] * 4


@pytest.mark.parametrize("lengths", [[5_000_000] * 6, [50_000, 16_750_000, 10]], ids=["alike", "small first"])
def test_large_rows_below_the_limit_are_read(lengths):
    """Cuts are found wherever they are, not only near the end of what has arrived."""
    records = [row("release_groups", n, name="a" * length) for n, length in enumerate(lengths, 1)]
    frame = frames.decode("release_groups", body(records), Limits(row=16 << 20))
    assert frame["name"].map(len).tolist() == lengths


class TestResultOfAStatement:
    def test_many_small_objects_raise_before_decoding(self):
        text = b'{"rows": [' + b'{"":0},' * 200_000 + b"{}]}"
        with pytest.raises(ResponseTooLargeError, match="of memory"):
            frames.parse_object([text], "a result", "query", Limits(query=1 << 20))

    def test_new_columns_in_each_row_raise(self):
        answered = [{f"c{n}": 1} for n in range(5000)]
        with pytest.raises(ResponseTooLargeError, match="5,000 rows name 5,000 columns"):
            frames.frame_from_rows([], answered, Limits(query=4 << 20))

    def test_too_many_columns_raise(self):
        with pytest.raises(InvalidResponseError, match="10,001 columns"):
            frames.frame_from_rows([], [{f"c{n}": 1 for n in range(10_001)}])

    def test_full_table_within_its_limit_is_read(self):
        answered = [{str(c): 0 for c in range(10)}] * 1000
        text = json.dumps({"rows": answered}, separators=(",", ":")).encode()
        assert frames.frame_from_rows([], answered, Limits(query=len(text))).shape == (1000, 10)
