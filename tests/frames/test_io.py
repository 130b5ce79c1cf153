"""Saved responses."""

import gzip
import io
import os

import pandas as pd
import pytest

import mkframe as mk
from mkframe.errors import InputError, InvalidResponseError
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


def test_missing_file_is_told(tmp_path):
    with pytest.raises(InputError, match="No such file"):
        mk.read_json(tmp_path / "nothing.json")


def test_pipe_is_told_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "x.json")
    with pytest.raises(InputError, match="cannot be read: it is a named pipe, not a regular file"):
        mk.read_json(tmp_path / "x.json")


def test_device_is_told_and_not_read():
    with pytest.raises(InputError, match="cannot be read: it is a device"):
        mk.read_json("/dev/zero")


def test_unknown_resource_is_told():
    with pytest.raises(InputError, match=r"'bilds'.*builds"):
        mk.read_json(BODY, resource="bilds")


def test_broken_gzip_is_told():
    with pytest.raises(InputError, match="cannot be unpacked"):
        mk.read_json(gzip.compress(BODY)[:-20])


@pytest.mark.parametrize("source", ["a\x00b", "\ud800", "~no-such-user/builds.json"])
def test_path_that_cannot_be_is_told(source):
    with pytest.raises(InputError, match="cannot be read"):
        mk.read_json(source)


def test_what_is_no_file_is_told():
    with pytest.raises(InputError, match="nothing to read in NoneType"):
        mk.read_json(None)


@pytest.mark.parametrize("text", ['["\ud800"]', '[{"id": 1, "name": "\ud800"}]'])
def test_text_file_with_half_a_character_is_no_answer(text):
    with pytest.raises(InvalidResponseError):
        mk.read_json(io.StringIO(text), resource="release_groups")


def test_two_objects_without_brackets_are_no_answer():
    with pytest.raises(InvalidResponseError, match=r"one object.*but 2 of them"):
        mk.read_json(b'{"id": 1, "name": "a"}, {"id": 2, "name": "b"}', resource="release_groups")


def test_another_file_is_not_blamed_on_a_server():
    with pytest.raises(
        mk.errors.InvalidResponseError, match=r"Is it the saved answer of a find or get of builds\?"
    ) as told:
        mk.read_json(b"id;name")
    assert "URL" not in str(told.value)
