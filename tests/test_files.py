"""A file has its final name only when it is complete."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mkframe._files import PartialFile, atomic_write, expand_path, file_sha256, remove_stale_parts
from mkframe.errors import InputError
from tests.artifacts.factory import tree


def test_complete_file_is_all_that_stays(tmp_path):
    with PartialFile(tmp_path) as partial:
        partial.write(b"who")
        partial.write(b"le")
        partial.move(tmp_path / "a.zip")
    assert tree(tmp_path) == {"a.zip": b"whole"}


def test_size_and_checksum_are_those_of_the_file(tmp_path):
    with PartialFile(tmp_path) as partial:
        partial.write(b"whole")
        partial.move(tmp_path / "a.zip")
        assert (partial.bytes, partial.sha256) == (5, file_sha256(tmp_path / "a.zip"))


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError, SystemExit])
def test_partial_file_is_removed_when_interrupted(tmp_path, error):
    def interrupted():
        with PartialFile(tmp_path) as partial:
            partial.write(b"half")
            raise error

    with pytest.raises(error):
        interrupted()
    assert tree(tmp_path) == {}


def test_partial_file_is_hidden_beside_its_target(tmp_path):
    with PartialFile(tmp_path) as partial:
        assert (partial.path.parent, partial.path.name[0]) == (tmp_path, ".")


def test_taken_name_is_refused(tmp_path):
    (tmp_path / "a.zip").write_bytes(b"mine")
    with PartialFile(tmp_path) as partial:
        partial.write(b"theirs")
        with pytest.raises(FileExistsError):
            partial.move(tmp_path / "a.zip")
    assert tree(tmp_path) == {"a.zip": b"mine"}


def test_taken_name_is_replaced_when_asked(tmp_path):
    (tmp_path / "a.zip").write_bytes(b"mine")
    with PartialFile(tmp_path) as partial:
        partial.write(b"theirs")
        partial.move(tmp_path / "a.zip", overwrite=True)
    assert tree(tmp_path) == {"a.zip": b"theirs"}


@pytest.mark.parametrize("overwrite", [True, False])
def test_link_at_the_target_is_not_followed(tmp_path, overwrite):
    outside, inside = tmp_path / "outside.txt", tmp_path / "to"
    outside.write_bytes(b"precious")
    inside.mkdir()
    (inside / "a.zip").symlink_to(outside)
    with PartialFile(inside) as partial:
        partial.write(b"theirs")
        try:
            partial.move(inside / "a.zip", overwrite=overwrite)
        except FileExistsError:
            assert not overwrite
    assert outside.read_bytes() == b"precious"


@pytest.fixture
def _no_links(monkeypatch):
    def refuse(self, target):
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", refuse)


@pytest.mark.usefixtures("_no_links")
def test_file_lands_where_links_are_impossible(tmp_path):
    with PartialFile(tmp_path) as partial:
        partial.write(b"whole")
        partial.move(tmp_path / "a.zip")
    assert tree(tmp_path) == {"a.zip": b"whole"}


@pytest.mark.usefixtures("_no_links")
def test_taken_name_is_refused_where_links_are_impossible(tmp_path):
    (tmp_path / "a.zip").symlink_to(tmp_path / "nowhere")
    with PartialFile(tmp_path) as partial, pytest.raises(FileExistsError):
        partial.move(tmp_path / "a.zip")
    assert (tmp_path / "a.zip").is_symlink()


def test_permissions_are_those_of_any_new_file(tmp_path):
    (tmp_path / "b.zip").write_bytes(b"")
    with PartialFile(tmp_path) as partial:
        partial.move(tmp_path / "a.zip")
    assert (tmp_path / "a.zip").stat().st_mode == (tmp_path / "b.zip").stat().st_mode


def test_leftover_of_a_killed_process_is_removed(tmp_path):
    code = (
        "import os, sys, pathlib; from mkframe._files import PartialFile\n"
        "PartialFile(pathlib.Path(sys.argv[1])).write(b'half'); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    left = list(tmp_path.iterdir())
    assert len(left) == 1
    assert remove_stale_parts(tmp_path) == left
    assert tree(tmp_path) == {}


def test_file_of_a_living_process_is_left_alone(tmp_path):
    with PartialFile(tmp_path) as partial:
        assert remove_stale_parts(tmp_path) == []
        partial.move(tmp_path / "a.zip")


@pytest.mark.parametrize(
    "name", [".a.part", ".mkframe-0123.part", "mkframe-0123456789abcdef.part", ".mkframe.jsonl"]
)
def test_files_of_others_are_left_alone(tmp_path, name):
    (tmp_path / name).write_bytes(b"")
    remove_stale_parts(tmp_path)
    assert list(tree(tmp_path)) == [name]


def test_link_that_looks_like_a_leftover_is_left_alone(tmp_path):
    (tmp_path / "mine").write_bytes(b"")
    (tmp_path / ".mkframe-0123456789abcdef.part").symlink_to(tmp_path / "mine")
    assert remove_stale_parts(tmp_path) == []


@pytest.fixture
def held(monkeypatch):
    """A scanner that has each new file open for the first few tries, as on Windows."""
    max_attempts = []

    def busy(name, work, times):
        def refused(*paths):
            max_attempts.append(name)
            if max_attempts.count(name) <= times:
                error = PermissionError(errno.EACCES, "The process cannot access the file")
                error.winerror = 32
                raise error
            return work(*paths)

        monkeypatch.setattr(os, name, refused)

    return busy


def test_file_that_a_scanner_holds_lands_a_little_later(tmp_path, held):
    held("replace", os.replace, 2)
    with PartialFile(tmp_path) as partial:
        partial.write(b"whole")
        partial.move(tmp_path / "a.zip", overwrite=True)
    assert tree(tmp_path) == {"a.zip": b"whole"}


def test_file_has_landed_although_a_scanner_holds_its_first_name(tmp_path, held):
    held("unlink", os.unlink, 1000)
    with PartialFile(tmp_path) as partial:
        partial.write(b"whole")
        partial.move(tmp_path / "a.zip")
    assert (tmp_path / "a.zip").read_bytes() == b"whole"


def test_the_home_of_nobody_is_told():
    with pytest.raises(InputError, match="'~no-such-user/a' means is not known"):
        expand_path("~no-such-user/a")


def test_a_link_stays_one_and_permissions_stay(tmp_path):
    (tmp_path / "real.csv").write_text("old")
    (tmp_path / "real.csv").chmod(0o600)
    (tmp_path / "link.csv").symlink_to("real.csv")
    atomic_write(tmp_path / "link.csv", lambda path: path.write_text("new"), "Name another.")
    assert (tmp_path / "link.csv").is_symlink()
    assert (tmp_path / "real.csv").read_text() == "new"
    assert (tmp_path / "real.csv").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("path", [None, 7, b"a"])
def test_what_is_no_path_is_told(path):
    with pytest.raises(InputError, match="A path is text or a Path, not"):
        expand_path(path)
