"""Rows whose columns are named beside them."""

import pytest

from mkframe.errors import InvalidResponseError, SchemaWarning
from mkframe.frames import frame_from_rows, parse_object
from mkframe.schema import Field

FIELDS = [
    Field("N", "int", "A number."),
    Field("WHEN", "timestamp", "A time."),
    Field("NAME", "str", "A name."),
]


def test_dtypes_are_those_of_the_fields_for_none_and_many():
    rows = [{"N": 1, "WHEN": "2026-04-02T08:14:40Z", "NAME": "x"}, {"N": None, "WHEN": None, "NAME": None}]
    assert frame_from_rows(FIELDS, rows).dtypes.to_dict() == frame_from_rows(FIELDS, []).dtypes.to_dict()


def test_unannounced_column_comes_last():
    assert list(frame_from_rows(FIELDS, [{"ODD": 1, "N": 2}]).columns) == ["N", "WHEN", "NAME", "ODD"]


def test_value_of_another_type_keeps_the_column_as_it_came():
    with pytest.warns(SchemaWarning, match="'WHEN'.*1775124880390.*keeps what came"):
        frame = frame_from_rows(FIELDS, [{"N": 1, "WHEN": 1775124880390, "NAME": "x"}])
    assert frame["WHEN"].tolist() == [1775124880390]


@pytest.mark.parametrize("content", [b"", b"[]", b"<html>", b'{"build":', b'"\xff"'])
def test_non_object_error_shows_its_start(content):
    with pytest.raises(InvalidResponseError, match="the new build"):
        parse_object([content], "the new build")
