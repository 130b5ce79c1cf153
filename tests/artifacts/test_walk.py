"""Folders of any depth are listed, and no link is followed."""

import os
import sys

import pytest

from mkframe.artifacts._walk import walk_files
from mkframe.errors import InputError

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="links need a right of their own there")


@pytest.fixture
def deep(tmp_path):
    """A folder 1,500 folders deep with a file in it; removed level by level, as no recursion could."""
    here = os.open(tmp_path, os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("a", dir_fd=here)
        inner = os.open("a", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(os.open("deep.sql", os.O_CREAT | os.O_WRONLY, dir_fd=here))
    os.close(here)
    yield tmp_path / "a"
    bottom = tmp_path.joinpath(*["a"] * 1500)
    (bottom / "deep.sql").unlink()
    for _ in range(1500):
        bottom.rmdir()
        bottom = bottom.parent


def test_deep_folder_is_walked(deep):
    assert [entry.name for entry in walk_files(deep)] == ["deep.sql"]


def test_links_are_given_and_not_followed(tmp_path):
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "link").symlink_to(tmp_path)
    assert [entry.name for entry in walk_files(tmp_path / "base")] == ["link"]


def test_unreadable_folder_is_an_error(tmp_path):
    with pytest.raises(InputError, match="cannot be read: No such file"):
        list(walk_files(tmp_path / "missing"))
