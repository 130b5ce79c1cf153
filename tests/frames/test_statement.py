"""The result of a statement is read row by row, into the frame that its whole rows would make."""

import json
import random
import warnings

import pandas as pd
import pytest

from mkframe._pandas import has_text_dtype
from mkframe.errors import InvalidResponseError, ResponseTooLargeError, SchemaWarning
from mkframe.frames import _chunks, _parallel, _statement, frame_from_rows, read_result
from mkframe.limits import Limits
from mkframe.schema import Field

FIELDS = [
    Field("ID", "int", "Never null.", null=False), Field("N", "int", ""), Field("FLAG", "flag", ""),
    Field("YES", "bool", ""), Field("WHEN", "naive", ""), Field("TEXT", "str", ""),
]  # fmt: skip


def rows(count):
    return [
        {
            "ID": n, "N": None if n % 5 == 0 else n, "FLAG": n % 2, "YES": n % 3 == 0,
            "WHEN": f"2026-04-02T08:{n % 60:02d}:40.320Z", "TEXT": f'"rows": [{{}}], ü {n % 7}]}}',
        }
        for n in range(count)
    ]  # fmt: skip


def pieces(content, size=1 << 16):
    """The body in pieces, as it arrives."""
    body = json.dumps(content, ensure_ascii=False).encode()
    return [body[at : at + size] for at in range(0, len(body), size)]


def caught(make):
    """What is made, and the warnings on the way."""
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        return make(), [(each.category, str(each.message)) for each in seen]


def assert_read(answered, content=None, size=1 << 16):
    """The frame and the warnings are those of reading the whole list of rows at once."""
    content = {"status": "FINISHED", "rows": answered} if content is None else content
    frame, warned = caught(lambda: read_result(pieces(content, size), FIELDS).frame())
    expected, expected_warnings = caught(lambda: frame_from_rows(FIELDS, answered))
    pd.testing.assert_frame_equal(frame, expected)
    assert warned == expected_warnings


@pytest.fixture(params=[True, False], ids=["threads", "one thread"])
def small_cuts(request, monkeypatch):
    """Cut after a few rows, and read in threads from the first cut on."""
    length = len(json.dumps(rows(1)[0]))
    monkeypatch.setattr(_chunks, "_FIRST_CUT", 3 * length)
    monkeypatch.setattr(_chunks, "_CUT", 9 * length)
    if request.param:
        if not has_text_dtype:
            pytest.skip("pandas 2.2 keeps text as objects, so nothing is read by threads")
        pytest.importorskip("pyarrow", reason="the threads read with pyarrow, an extra")
        monkeypatch.setattr(_chunks, "_PARALLEL_FROM", 0)
        monkeypatch.setattr(_parallel, "processors", lambda: 3)


TRICKY = {"rows": [{"a": 1}], "x": '"rows":[', "y": [{"rows": []}, {"rows": [{"ID": 7}]}]}


@pytest.mark.parametrize("size", [1, 7, 64, 1 << 16])
@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("count", [0, 1, 30])
def test_rows_are_found_wherever_they_stand(size, place, count, small_cuts):
    names = [{"name": field.name} for field in FIELDS]
    keys = [("metadata", [TRICKY, *names]), ("status", 'FINISHED "rows":[')]
    keys.insert(place, ("rows", rows(count)))
    result = read_result(pieces(dict(keys), size), FIELDS)
    assert result.answer == {key: value for key, value in keys if key != "rows"}
    pd.testing.assert_frame_equal(result.frame(), frame_from_rows(FIELDS, rows(count)))


@pytest.mark.parametrize("text", ['{"rows" \n: \t [ ] , "status":"F"}', '{"r\\u006fws":[],"status":"F"}',
                                  '{"status":"F"}', '{"status":"F","rows":null}'])  # fmt: skip
def test_no_rows_are_an_empty_typed_frame(text):
    result = read_result([text.encode()[at : at + 1] for at in range(len(text))], FIELDS)
    assert result.answer == {"status": "F"}
    pd.testing.assert_frame_equal(result.frame(), frame_from_rows(FIELDS, []))


ODD = {
    "text in a number": {"N": "x"}, "fraction in a number": {"N": 0.5}, "long number": {"N": 2**70},
    "text in a flag": {"FLAG": "yes"}, "two in a flag": {"FLAG": 2}, "word in a flag": {"FLAG": True},
    "number in a word": {"YES": 1}, "number in a text": {"TEXT": 5}, "list in a text": {"TEXT": ["a"]},
    "time of another form": {"WHEN": "2026-04-02 08:14:40"},
    "time with an offset": {"WHEN": "2026-04-02T10:14+02:00"},
    "text in a time": {"WHEN": "yesterday"}, "number in a time": {"WHEN": 1775124880390},
    "null where none may be": {"ID": None}, "null in a time": {"WHEN": None},
    "unknown key": {"MORE": [1]}, "name in quotes": {'A "B" \\': 1},
}  # fmt: skip


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
@pytest.mark.parametrize("at", [0, 150, 299])
def test_value_that_does_not_fit_keeps_what_came(odd, at, small_cuts):
    answered = rows(300)
    answered[at] |= odd
    assert_read(answered)


def test_rows_of_any_values_are_those_of_the_whole(small_cuts):
    rng = random.Random(20)
    values = [
        None,
        0,
        1,
        2,
        -(2**63),
        True,
        0.5,
        7.0,
        "",
        "a",
        "2026-04-02T08:14:40.320Z",
        "2026-04-02",
        [1],
        {},
    ]
    for _ in range(40):
        answered = rows(rng.randrange(1, 120))
        for _ in range(rng.randrange(6)):
            name = rng.choice(["ID", "N", "FLAG", "YES", "WHEN", "TEXT", "NEW"])
            rng.choice(answered)[name] = rng.choice(values)
        for _ in range(rng.randrange(3)):
            rng.choice(answered).pop(rng.choice(["N", "FLAG", "YES", "WHEN", "TEXT"]), None)
        assert_read(answered, size=rng.choice([50, 500, 1 << 16]))


@pytest.mark.parametrize("before", [True, False])
def test_announced_columns_come_in_their_order(before, small_cuts):
    announced = [{"name": name} for name in ("ID", "Late", "MORE", "NEW")]
    answered = [row | {"NEW": 1, "MORE": None} for row in rows(40)]
    parts = [("metadata", announced), ("rows", answered)]
    content = dict(parts if before else parts[::-1])
    frame = read_result(pieces(content), FIELDS, {"LATE": "int", "NEW": "int", "MORE": "str"}).frame()
    assert frame.columns[6:].tolist() == ["Late", "MORE", "NEW"]
    assert [str(frame[name].dtype) for name in ("Late", "NEW")] == ["Int64", "Int64"]
    assert frame["MORE"].isna().all()
    assert frame["Late"].isna().all()


BROKEN = {
    "no JSON": b'{"rows": [{"ID": 1}], status: 1}',
    "cut": b'{"rows": [{"ID": 1}], "status"',
    "cut in the rows": b'{"rows": [{"ID": 1}, {"ID',
    "rows twice": b'{"rows": [], "rows": [{"ID": 1}]}',
    "rows twice, the first full": b'{"rows": [{"ID": 1}], "rows": [{"ID": 2}]}',
    "number as a row": b'{"rows": [{"ID": 1}, 7]}',
    "list as a row": b'{"rows": [[]]}',
    "object as rows": b'{"rows": {"ID": 1}}',
    "two answers": b'{"rows": []}{"rows": []}',
    "list": b'[{"rows": []}]',
    "nothing": b"",
    "page": b"<html><body>Sign in</body></html>",
    "endless nesting": b'{"rows": [' + b"[" * 100_000,
}


@pytest.mark.parametrize("size", [1, 1 << 16])
@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN)
def test_other_body_is_an_error(body, size):
    with pytest.raises(InvalidResponseError):
        read_result([body[at : at + size] for at in range(0, len(body), size)], FIELDS)


ENDLESS = {
    "rows": (b'{"rows":[{"ID":1}', b',{"ID":1,"N":5000,"TEXT":"abc"}' * 2000, "of memory"),
    "rows of other values": (b'{"rows":[{"ID":1}', b',{"ID":"1","N":"5000","X":5000}' * 2000, "of memory"),
    "empty rows": (b'{"rows":[{}', b",{}" * 20_000, "of memory"),
    "columns": (b'{"rows":[{}', b"".join(b',{"c%d":1}' % n for n in range(9000)), "of memory"),
    "one row": (b'{"rows":[{"TEXT":"', b"a" * 65536, "limit for one row"),
    "no rows": (b'{"status":"', b"a" * 65536, "limit for one row"),
    "many starts": (b'{"a":[0', b',{"rows":[]},"\\"rows\\":["' * 3000, "limit for one row"),
    "behind the rows": (b'{"rows":[{"ID":1}],"metadata":[{}', b',{"name":"A"}' * 5000, "limit for one row"),
}


@pytest.mark.timeout(60)
@pytest.mark.parametrize(("first", "then", "sentence"), ENDLESS.values(), ids=ENDLESS)
def test_endless_result_raises(first, then, sentence):
    def chunks():
        yield first
        while True:
            yield then

    with pytest.raises(ResponseTooLargeError, match=sentence):
        read_result(chunks(), FIELDS, limits=Limits(row=1 << 20, find=16 << 20))


def test_too_many_columns_raise():
    with pytest.raises(InvalidResponseError, match="10,007 columns"):
        read_result(pieces({"rows": [{f"c{n}": 1 for n in range(10_001)}]}), FIELDS)


def test_column_of_other_values_takes_no_more_than_allowed():
    answered = [*({"N": n} for n in range(300_000)), {"N": "x"}]
    result = read_result(pieces({"rows": answered}), FIELDS[1:2], limits=Limits(find=1 << 20))
    with pytest.raises(ResponseTooLargeError, match="of memory"):
        result.frame()


def test_mixed_times_of_far_chunks_warn(small_cuts):
    answered = rows(300)
    answered[299]["WHEN"] = "2026-04-02 08:14:40"
    with pytest.warns(SchemaWarning, match="their clocks may differ"):
        read_result(pieces({"rows": answered}), FIELDS).frame()


def test_packed_values_come_back_as_they_were():
    for field, values in (
        (FIELDS[1], [5, None]), (FIELDS[2], [1, None, 0]), (FIELDS[3], [True, None]),
        (FIELDS[4], ["2026-04-02T08:14:40.320Z", None, "0001-01-01T00:00:00.000Z"]), (FIELDS[5], ["a", None]),
    ):  # fmt: skip
        reader = _statement.ResultReader([field], None, Limits(), {})
        chunk = reader.check_rows([{field.name: value} for value in values])[0]
        assert _statement._values(field, chunk) == values
