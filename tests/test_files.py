"""A file has its final name only when it is complete."""

import errno
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mkframe._files import (
    PartialFile,
    atomic_write,
    check_target,
    expand_path,
    has_content,
    remove_stale_parts,
)
from mkframe.errors import InputError
from tests.artifacts.factory import tree
from tests.support.owners import give_away, plant


def test_complete_file_is_all_that_stays(tmp_path):
    with PartialFile(tmp_path) as partial:
        partial.write(b"who")
        partial.write(b"le")
        partial.move("a.zip")
    assert tree(tmp_path) == {"a.zip": b"whole"}


def test_size_and_checksum_are_those_of_the_file(tmp_path):
    with PartialFile(tmp_path) as partial:
        partial.write(b"whole")
        partial.move("a.zip")
        assert (partial.bytes, partial.sha256) == (5, hashlib.sha256(b"whole").hexdigest())


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
        partial.write(b"half")
        assert [name[0] for name in tree(tmp_path)] == ["."]


def test_existing_name_is_refused(tmp_path):
    (tmp_path / "a.zip").write_bytes(b"mine")
    with PartialFile(tmp_path) as partial:
        partial.write(b"theirs")
        with pytest.raises(FileExistsError):
            partial.move("a.zip")
    assert tree(tmp_path) == {"a.zip": b"mine"}


def test_existing_name_is_replaced_when_asked(tmp_path):
    (tmp_path / "a.zip").write_bytes(b"mine")
    with PartialFile(tmp_path) as partial:
        partial.write(b"theirs")
        partial.move("a.zip", overwrite=True)
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
            partial.move("a.zip", overwrite=overwrite)
        except FileExistsError:
            assert not overwrite
    assert outside.read_bytes() == b"precious"


@pytest.fixture
def _no_links(monkeypatch):
    def refuse(*names, **folders):
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)


@pytest.mark.usefixtures("_no_links")
def test_file_is_moved_without_hard_links(tmp_path):
    with PartialFile(tmp_path) as partial:
        partial.write(b"whole")
        partial.move("a.zip")
    assert tree(tmp_path) == {"a.zip": b"whole"}


@pytest.mark.usefixtures("_no_links")
def test_existing_name_without_hard_links_is_refused(tmp_path):
    (tmp_path / "a.zip").symlink_to(tmp_path / "nowhere")
    with PartialFile(tmp_path) as partial, pytest.raises(FileExistsError):
        partial.move("a.zip")
    assert (tmp_path / "a.zip").is_symlink()


def test_permissions_are_the_default(tmp_path):
    (tmp_path / "b.zip").write_bytes(b"")
    with PartialFile(tmp_path) as partial:
        partial.move("a.zip")
    assert (tmp_path / "a.zip").stat().st_mode == (tmp_path / "b.zip").stat().st_mode


def test_nobody_else_reads_a_partial_file(tmp_path):
    with PartialFile(tmp_path) as partial:
        assert os.fstat(partial.file.fileno()).st_mode & 0o777 == 0o600


@pytest.mark.parametrize("umask", [0o002, 0o027, 0o077])
def test_the_umask_gives_the_permissions(tmp_path, umask):
    code = (
        "import os, sys, pathlib; from mkframe._files import PartialFile; os.umask(int(sys.argv[2]))\n"
        "with PartialFile(pathlib.Path(sys.argv[1])) as partial: partial.move('a')"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path), str(umask)], check=True)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o666 & ~umask
    assert list(tree(tmp_path)) == ["a"]


@pytest.mark.parametrize("overwrite", [True, False])
def test_replaced_partial_file_is_not_moved(tmp_path, overwrite):
    with PartialFile(tmp_path) as partial:
        (hidden,) = tmp_path.iterdir()
        hidden.unlink()
        hidden.symlink_to("/etc/passwd")
        with pytest.raises(OSError, match="replaced the file"):
            partial.move("a", overwrite=overwrite)
    assert not os.path.lexists(tmp_path / "a")


def test_replaced_folder_gets_nothing(tmp_path):
    (tmp_path / "to").mkdir()
    (tmp_path / "elsewhere").mkdir()
    with PartialFile(tmp_path / "to") as partial:
        (tmp_path / "to").rename(tmp_path / "moved")
        (tmp_path / "to").symlink_to("elsewhere")
        partial.move("a")
    assert tree(tmp_path / "elsewhere") == {}
    assert tree(tmp_path / "moved") == {"a": b""}


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
        partial.move("a.zip")


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


def test_leftover_of_another_user_is_left_alone(tmp_path, monkeypatch):
    (tmp_path / ".mkframe-0123456789abcdef.part").write_bytes(b"")
    give_away(monkeypatch, tmp_path / ".mkframe-0123456789abcdef.part")
    assert remove_stale_parts(tmp_path) == []


def test_pipe_that_looks_like_a_leftover_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / ".mkframe-0123456789abcdef.part")
    assert remove_stale_parts(tmp_path) == []


@pytest.fixture
def held(monkeypatch):
    """A scanner that has each new file open for the first few tries, as on Windows."""
    max_attempts = []

    def busy(name, work, times):
        def refused(*paths, **folders):
            max_attempts.append(name)
            if max_attempts.count(name) <= times:
                error = PermissionError(errno.EACCES, "The process cannot access the file")
                error.winerror = 32
                raise error
            return work(*paths, **folders)

        monkeypatch.setattr(os, name, refused)

    return busy


def test_file_that_a_scanner_holds_lands_a_little_later(tmp_path, held):
    held("replace", os.replace, 2)
    with PartialFile(tmp_path) as partial:
        partial.write(b"whole")
        partial.move("a.zip", overwrite=True)
    assert tree(tmp_path) == {"a.zip": b"whole"}


def test_file_is_moved_although_a_scanner_holds_it(tmp_path, held):
    held("unlink", os.unlink, 1000)
    with PartialFile(tmp_path) as partial:
        partial.write(b"whole")
        partial.move("a.zip")
    assert (tmp_path / "a.zip").read_bytes() == b"whole"


def test_unknown_home_is_an_error():
    with pytest.raises(InputError, match="'~no-such-user/a' is unknown"):
        expand_path("~no-such-user/a")


def test_a_link_stays_one_and_permissions_stay(tmp_path):
    (tmp_path / "real.csv").write_text("old")
    (tmp_path / "real.csv").chmod(0o600)
    (tmp_path / "link.csv").symlink_to("real.csv")
    atomic_write(tmp_path / "link.csv", lambda file: file.write(b"new"), "Name another.")
    assert (tmp_path / "link.csv").is_symlink()
    assert (tmp_path / "real.csv").read_text() == "new"
    assert (tmp_path / "real.csv").stat().st_mode & 0o777 == 0o600


WRITES = {
    "land": lambda path: atomic_write(path, lambda file: file.write(b"new"), "Name another."),
    "check_target": lambda path: check_target(path, "Name another."),
}


@pytest.mark.parametrize("write", WRITES)
def test_link_of_another_user_is_not_followed(tmp_path, write, monkeypatch):
    (tmp_path / "precious").write_text("precious")
    plant(monkeypatch, tmp_path / "out.csv", tmp_path / "precious")
    with pytest.raises(InputError, match=r"is a link of another user and is not followed\. Name another"):
        WRITES[write](tmp_path / "out.csv")
    assert (tmp_path / "precious").read_text() == "precious"


@pytest.mark.parametrize("write", WRITES)
def test_link_of_another_user_on_the_way_is_not_followed(tmp_path, write, monkeypatch):
    (tmp_path / "home").mkdir()
    plant(monkeypatch, tmp_path / "reports", tmp_path / "home")
    with pytest.raises(InputError, match="reports' is a link of another user"):
        WRITES[write](tmp_path / "reports" / "out.csv")
    assert tree(tmp_path / "home") == {}


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize(("make", "kind"), [(os.mkfifo, "a named pipe"), (os.mkdir, "a folder")])
def test_special_file_is_not_replaced(tmp_path, write, make, kind):
    make(tmp_path / "out")
    with pytest.raises(InputError, match=f"cannot be written: it is {kind}"):
        WRITES[write](tmp_path / "out")
    assert not (tmp_path / "out").is_file()


@pytest.mark.parametrize("path", ["/dev/null", "/", "/dev/.."])
def test_device_or_root_is_not_replaced(path):
    with pytest.raises(InputError, match="not a regular file"):
        WRITES["land"](Path(path))


def test_other_name_of_the_same_file_keeps_its_bytes(tmp_path):
    (tmp_path / "precious").write_text("precious")
    (tmp_path / "out.csv").hardlink_to(tmp_path / "precious")
    WRITES["land"](tmp_path / "out.csv")
    assert (tmp_path / "precious").read_text() == "precious"


@pytest.mark.parametrize("mode", [0o666, 0o4777])
def test_permissions_that_another_user_has_given_are_not_kept(tmp_path, mode, monkeypatch):
    (tmp_path / "new").write_bytes(b"")
    (tmp_path / "out.csv").write_bytes(b"")
    give_away(monkeypatch, tmp_path / "out.csv")
    (tmp_path / "out.csv").chmod(mode)
    WRITES["land"](tmp_path / "out.csv")
    assert (tmp_path / "out.csv").stat().st_mode == (tmp_path / "new").stat().st_mode


def test_impossible_name_is_an_error():
    with pytest.raises(InputError, match="no null character"):
        WRITES["land"](Path("a\0b"))


@pytest.mark.parametrize(
    ("content", "size", "result"), [(b"ab", 2, True), (b"ac", 2, False), (b"ab", 3, False)]
)
def test_same_bytes_are_found(tmp_path, content, size, result):
    (tmp_path / "a").write_bytes(content)
    assert has_content(tmp_path / "a", size, hashlib.sha256(b"ab").hexdigest()) is result


def test_same_bytes_of_another_user_are_not_own(tmp_path, monkeypatch):
    (tmp_path / "a").write_bytes(b"")
    give_away(monkeypatch, tmp_path / "a")
    same = (tmp_path / "a", 0, hashlib.sha256().hexdigest())
    assert (has_content(*same), has_content(*same, own=True)) == (True, False)


def test_same_bytes_behind_a_foreign_link_do_not_count(tmp_path, monkeypatch):
    (tmp_path / "a").write_bytes(b"")
    plant(monkeypatch, tmp_path / "link", tmp_path / "a")
    assert not has_content(tmp_path / "link", 0, hashlib.sha256().hexdigest())


@pytest.mark.parametrize("path", [None, 7, b"a"])
def test_invalid_path_type_is_an_error(path):
    with pytest.raises(InputError, match="A path is text or a Path, not"):
        expand_path(path)


@pytest.mark.parametrize("path", ["", "  "])
def test_empty_path_is_an_error(path):
    """It would be the present folder."""
    with pytest.raises(InputError, match="The path is empty"):
        expand_path(path)
