"""How much may arrive, and how that is said."""

import dataclasses
import pickle

import pytest

from mkframe.errors import InputError, ResponseTooLargeError
from mkframe.limits import DEFAULT, Limits, bounded

BYTES = ["login", "row", "query", "find", "file", "saved"]


@pytest.mark.parametrize("name", BYTES)
@pytest.mark.parametrize("value", [0, -1, 1.5, "1", None, True])
def test_limit_that_is_no_number_of_bytes_is_refused(name, value):
    with pytest.raises(InputError, match=rf"limits\.{name} must be a whole number of bytes"):
        Limits(**{name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("rate", -1),
        ("rate", float("nan")),
        ("rate", float("inf")),
        ("rate", "1"),
        ("rate", True),
        ("rate_window", 0),
        ("rate_window", -1),
        ("rate_window", None),
    ],
)
def test_rate_that_is_no_number_is_refused(name, value):
    with pytest.raises(InputError, match=rf"limits\.{name} must be"):
        Limits(**{name: value})


def test_limits_are_values():
    assert Limits(find=5) == Limits(find=5)
    assert pickle.loads(pickle.dumps(Limits(find=5))) == Limits(find=5)
    with pytest.raises(dataclasses.FrozenInstanceError):
        DEFAULT.find = 5


@pytest.mark.parametrize("name", BYTES)
def test_error_names_limit_bytes_and_argument(name):
    with pytest.raises(ResponseTooLargeError) as caught:
        list(bounded([b"x" * 600, b"x" * 600], name, 1024))
    assert "larger than 1 KiB" in caught.value.message
    assert "1,200 bytes" in caught.value.message
    assert "2048" in caught.value.hint
    assert ("max_bytes=" if name in ("file", "saved") else f"mk.Limits({name}=") in caught.value.hint


def test_chunks_up_to_the_limit_pass():
    assert list(bounded([b"ab", b"", b"c"], "row", 3)) == [b"ab", b"", b"c"]


def test_no_chunk_is_read_beyond_the_limit():
    asked = []

    def chunks():
        for number in range(10):
            asked.append(number)
            yield b"xx"

    with pytest.raises(ResponseTooLargeError):
        list(bounded(chunks(), "row", 5))
    assert asked == [0, 1, 2]
