"""Saved responses."""

import gzip
import io
import os
import tracemalloc

import pandas as pd
import pytest

import mkframe as mk
from mkframe.errors import InputError, InvalidResponseError, ResponseTooLargeError
from tests.support.rows import body, row, rows

BODY = body(rows("builds", 3))


@pytest.fixture(params=["plain", "gzip"])
def content(request):
    return BODY if request.param == "plain" else gzip.compress(BODY)


@pytest.fixture
def expected():
    return mk.read_json(BODY)


def test_path(content, expected, tmp_path):
    path = tmp_path / "builds.json"
    path.write_bytes(content)
    pd.testing.assert_frame_equal(mk.read_json(path), expected)
    pd.testing.assert_frame_equal(mk.read_json(str(path)), expected)


def test_bytes(content, expected):
    pd.testing.assert_frame_equal(mk.read_json(content), expected)


def test_file_object(content, expected):
    pd.testing.assert_frame_equal(mk.read_json(io.BytesIO(content)), expected)


def test_text_file_object(expected):
    pd.testing.assert_frame_equal(mk.read_json(io.StringIO(BODY.decode())), expected)


def test_answer_of_a_get_is_one_row():
    assert mk.read_json(body(row("builds", 5139))).index.tolist() == [5139]


def test_byte_order_mark(expected):
    pd.testing.assert_frame_equal(mk.read_json(b"\xef\xbb\xbf" + BODY), expected)


def test_other_resource():
    assert mk.read_json(body(rows("releases", 2)), resource="releases")["group_id"].tolist() == [101, 102]


def test_missing_file_raises(tmp_path):
    with pytest.raises(InputError, match="No such file"):
        mk.read_json(tmp_path / "nothing.json")


def test_pipe_raises_without_waiting(tmp_path):
    os.mkfifo(tmp_path / "x.json")
    with pytest.raises(InputError, match="cannot be read: it is a named pipe, not a regular file"):
        mk.read_json(tmp_path / "x.json")


def test_device_raises_unread():
    with pytest.raises(InputError, match="cannot be read: it is a device"):
        mk.read_json("/dev/zero")


def test_unknown_resource_raises_with_the_choices():
    with pytest.raises(InputError, match=r"'bilds'.*builds"):
        mk.read_json(BODY, resource="bilds")


def test_truncated_gzip_raises():
    with pytest.raises(InputError, match="cannot be unpacked"):
        mk.read_json(gzip.compress(BODY)[:-20])


@pytest.mark.parametrize("source", ["a\x00b", "\ud800", "~no-such-user/builds.json"])
def test_impossible_path_raises(source):
    with pytest.raises(InputError, match="cannot be read"):
        mk.read_json(source)


def test_source_of_another_type_raises():
    with pytest.raises(InputError, match="nothing to read in NoneType"):
        mk.read_json(None)


@pytest.mark.parametrize("text", ['["\ud800"]', '[{"id": 1, "name": "\ud800"}]'])
def test_text_file_with_surrogate_raises(text):
    with pytest.raises(InvalidResponseError):
        mk.read_json(io.StringIO(text), resource="release_groups")


@pytest.mark.parametrize("name", [r"\ud83d", r"half \uD800", r"\udfff"])
def test_escaped_half_of_a_pair_is_named(name):
    with pytest.raises(InvalidResponseError, match="surrogate pair"):
        mk.read_json(f'[{{"id": 1, "name": "{name}"}}]'.encode(), resource="release_groups")


def test_two_objects_without_brackets_raise():
    with pytest.raises(InvalidResponseError, match=r"one object.*but 2 of them"):
        mk.read_json(b'{"id": 1, "name": "a"}, {"id": 2, "name": "b"}', resource="release_groups")


def test_other_file_error_does_not_mention_a_server():
    with pytest.raises(
        mk.errors.InvalidResponseError, match=r"Is it the saved answer of a find or get of builds\?"
    ) as notice:
        mk.read_json(b"id;name")
    assert "URL" not in str(notice.value)


ONE = b'{"id": 1, "name": "a"}'
ERROR = (
    b'{"name": "NotAuthenticated", "message": "jwt expired", "code": 401, "className": "not-authenticated"}'
)
NOT_ROWS = {
    "error": (ERROR, r"an error of the server, NotAuthenticated \(401\): 'jwt expired'"),
    "error of a gateway": (b'{"message": "no Route matched", "status": 404}', r"an error of the server.*404"),
    "lines": (ONE + b"\n" + ONE + b"\n", "several objects one after the other"),
    "lines with a BOM": (b"\xef\xbb\xbf" + ONE + b"\r\n" + ONE, "several objects one after the other"),
    "objects without a break": (ONE + ONE, "several objects one after the other"),
    "pages": (b"[" + ONE + b"]\n[" + ONE + b"]", "several lists one after the other"),
    "pages with commas": (b"[" + ONE + b"],[" + ONE + b"]", "several lists one after the other"),
    "empty pages": (b"[][]", "several lists one after the other"),
    "list of pages": (b"[[" + ONE + b"],[]]", "a list of lists: answers were joined"),
    "list with an error": (b"[" + ERROR + b"]", r"an error of the server, NotAuthenticated \(401\)"),
    "UTF-16 without a BOM": ('[{"id": 1}]'.encode("utf-16-le"), "text in UTF-16"),
    "UTF-16, big-endian": ('{"id": 1}'.encode("utf-16-be"), "text in UTF-16"),
    "a page and a row": (b"[" + ONE + b"]" + ONE, "JSON with more JSON behind it"),
    "page with its count": (
        b'{"total": 1, "data": [' + ONE + b"]}",
        "an object with 'total', 'data', which has no 'id'",
    ),
    "empty object": (b"{}", "an object with no keys"),
    "web page": (b"<!doctype html><title>Sign in</title>", "a web page"),
    "artifact": (b"PK\x03\x04\x14", "a ZIP archive"),
    "Parquet": (b"PAR1\x15", "a Parquet file"),
    "UTF-16": ("\ufeff[]".encode("utf-16-le"), "text in UTF-16"),
    "zstd": (b"(\xb5/\xfd\x04", "compressed with zstd"),
    "JSON in JSON": (b'"[]"', "a single text in quotes"),
}


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(("content", "what"), NOT_ROWS.values(), ids=NOT_ROWS)
def test_other_content_raises_what_it_is(content, what, packed, tmp_path):
    path = written(tmp_path / "saved", gzip.compress(content) if packed else content)
    for source in (path, path.read_bytes()):
        with pytest.raises(InvalidResponseError, match=f"^The content is {what}") as caught:
            mk.read_json(source, resource="release_groups")
        assert caught.value.hint


@pytest.mark.parametrize("count", [50_000, 700_000])
def test_joined_pages_of_many_rows_are_named(count):
    page = b"[" + b",".join([ONE] * count) + b"]"
    with pytest.raises(InvalidResponseError, match="several lists one after the other"):
        mk.read_json(page + page, resource="release_groups")


@pytest.mark.parametrize("text", ['[{"id": 1}]', " \n[]", '\ufeff{"id": 1}', "[ {" + "x" * 5000])
def test_text_of_json_is_no_path(text):
    with pytest.raises(InputError, match="The text is JSON itself and not the path of a file"):
        mk.read_json(text)


def test_file_named_like_json_is_read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    written(tmp_path / "[1] groups.json", b"[" + ONE + b"]")
    assert mk.read_json("[1] groups.json", resource="release_groups").index.tolist() == [1]


def test_web_address_is_no_path():
    with pytest.raises(InputError, match="web address"):
        mk.read_json("https://metakraftwerk.example/builds.json")


# --- size -------------------------------------------------------------------------------------------

WAYS = {
    "bytes": lambda content, folder: content,
    "path": lambda content, folder: written(folder / "saved", content),
    "file": lambda content, folder: io.BytesIO(content),
    "gzip": lambda content, folder: gzip.compress(content),
    "gzip path": lambda content, folder: written(folder / "saved", gzip.compress(content)),
    "gzip file": lambda content, folder: io.BytesIO(gzip.compress(content)),
    "parts of gzip": lambda content, folder: gzip.compress(content[:9]) + gzip.compress(content[9:]),
}


def written(path, content):
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_content_over_max_bytes_raises(way, tmp_path):
    source = way(BODY, tmp_path)
    with pytest.raises(ResponseTooLargeError, match=r"the limit for a saved answer: [\d,]+ bytes") as caught:
        mk.read_json(source, max_bytes=len(BODY) - 1)
    assert "max_bytes=" in caught.value.hint


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_content_of_max_bytes_is_read(way, tmp_path, expected):
    pd.testing.assert_frame_equal(mk.read_json(way(BODY, tmp_path), max_bytes=len(BODY)), expected)


@pytest.mark.parametrize(
    "start", [b"", b"[", b'[{"id": 1, "name": "', b'{"id": 1, "name": "', b"\xef\xbb\xbf "]
)
def test_gzip_bomb_takes_little_memory(start):
    bomb = gzip.compress(start + b" " * 60_000_000)
    tracemalloc.start()
    try:
        with pytest.raises(InvalidResponseError):
            mk.read_json(bomb, resource="release_groups", max_bytes=50_000_000)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 50 << 20


def test_row_over_the_limit_raises():
    large = body(row("release_groups", 1, name="a" * (17 << 20)))
    with pytest.raises(ResponseTooLargeError, match="one row"):
        mk.read_json(large, resource="release_groups")
    frame = mk.read_json(large, resource="release_groups", max_bytes=64 * len(large))
    assert len(frame.loc[1, "name"]) == 17 << 20


@pytest.mark.parametrize("size", [0, -1, 1.5, "1", True])
def test_invalid_max_bytes_raises(size):
    with pytest.raises(InputError, match="max_bytes must be a whole number of bytes"):
        mk.read_json(BODY, max_bytes=size)


@pytest.mark.parametrize(
    "bad",
    [b"\x1f", b"\x1f\x8b", gzip.compress(BODY)[:15], gzip.compress(BODY) + b"x"],
    ids=["one byte", "two bytes", "cut", "more behind"],
)
def test_invalid_content_raises(bad):
    with pytest.raises((InputError, InvalidResponseError)):
        mk.read_json(bad)


def test_file_read_byte_by_byte_is_complete(expected):
    class Slow(io.BytesIO):
        def read(self, size=-1):
            return super().read(1)

    for content in (BODY, b"\xef\xbb\xbf\n" + BODY, gzip.compress(b"\xef\xbb\xbf" + BODY)):
        pd.testing.assert_frame_equal(mk.read_json(Slow(content)), expected)


def test_unreadable_file_raises(tmp_path):
    with (tmp_path / "new").open("wb") as file, pytest.raises(InputError, match="cannot be read"):
        mk.read_json(file)
