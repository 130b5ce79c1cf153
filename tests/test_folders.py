"""Links of other users are not followed, and what is no file is not waited for."""

import contextlib
import errno
import os
import socket
import sys
from pathlib import Path

import pytest

from mkframe import _folders
from mkframe._folders import Folder, lock, open_folder, open_regular, private_folder, resolve
from tests.artifacts.factory import tree
from tests.support.owners import give_away, plant

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="owners are no numbers there")


@pytest.fixture
def shared(tmp_path):
    """A folder that everybody can write, like the temporary one of a system."""
    path = tmp_path / "shared"
    path.mkdir()
    path.chmod(0o1777)
    return path


@pytest.fixture
def real(tmp_path):
    path = tmp_path / "real"
    path.mkdir()
    return path


# --- links --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("to", ["real", "./real", "other/../real", "{base}/real"])
def test_own_link_to_a_folder_is_followed(tmp_path, real, to):
    (tmp_path / "other").mkdir()
    (tmp_path / "link").symlink_to(to.format(base=tmp_path))
    with open_folder(tmp_path / "link") as folder:
        assert os.path.samestat(folder.stat(), real.stat())
    assert resolve(tmp_path / "link" / "new.csv") == real / "new.csv"


def test_own_links_in_a_row_are_followed(tmp_path, real):
    (tmp_path / "one").symlink_to("two/new.csv")
    (tmp_path / "two").symlink_to(real)
    assert resolve(tmp_path / "one") == real / "new.csv"


def test_links_in_a_circle_are_refused(tmp_path):
    (tmp_path / "one").symlink_to("two")
    (tmp_path / "two").symlink_to("one")
    with pytest.raises(OSError, match="Too many levels"):
        resolve(tmp_path / "one")


@pytest.mark.parametrize("below", ["", "deep/x.csv"])
def test_link_of_another_user_is_refused(tmp_path, real, below, monkeypatch):
    (real / "deep").mkdir()
    plant(monkeypatch, tmp_path / "link", real)
    with pytest.raises(PermissionError, match="is a link of another user and is not followed"):
        resolve(tmp_path / "link" / below)


def test_link_of_another_user_behind_an_own_one_is_refused(tmp_path, real, monkeypatch):
    (tmp_path / "own").symlink_to("theirs")
    plant(monkeypatch, tmp_path / "theirs", real)
    with pytest.raises(PermissionError, match="is a link of another user"):
        open_folder(tmp_path / "own")


def test_link_of_another_user_makes_no_folder(tmp_path, real, monkeypatch):
    plant(monkeypatch, tmp_path / "link", real)
    with pytest.raises(PermissionError, match="of another user"):
        open_folder(tmp_path / "link" / "new", make=True)
    assert list(real.iterdir()) == []


def test_own_link_where_everybody_can_write_is_refused(shared, real):
    (shared / "link").symlink_to(real)
    with pytest.raises(PermissionError, match="in a folder that everybody can write"):
        resolve(shared / "link" / "new.csv")


def test_relative_path_begins_in_the_working_folder(tmp_path, real, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert resolve(Path("real/../new.csv")) == tmp_path / "new.csv"
    with open_folder(Path("made/here"), make=True):
        assert (tmp_path / "made" / "here").is_dir()


def test_link_replaced_while_opened_is_refused(tmp_path, real, monkeypatch):
    (tmp_path / "link").symlink_to(real)

    def exchanged(folder, name):
        (tmp_path / "link").unlink()
        (tmp_path / "link").mkdir()
        return (tmp_path / "link").lstat(), ""

    monkeypatch.setattr(_folders, "_lstat_and_readlink", exchanged)
    with pytest.raises(OSError, match="replaced while it was opened"):
        open_folder(tmp_path / "link" / "deep")


def test_open_folder_stays_the_same_when_its_path_changes(tmp_path, real):
    (tmp_path / "elsewhere").mkdir()
    with open_folder(real) as folder:
        real.rename(tmp_path / "moved")
        real.symlink_to("elsewhere")
        folder.create("x").close()
    assert [p.name for p in (tmp_path / "moved").iterdir()] == ["x"]
    assert list((tmp_path / "elsewhere").iterdir()) == []


# --- names in a folder --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["..", "../x", "a/x", "/x", "x/"])
def test_name_that_leads_out_of_a_folder_is_refused(real, name):
    with open_folder(real) as folder, pytest.raises(OSError, match="no name in the folder"):
        folder.create(name)


@pytest.mark.parametrize("steps", [[".."], ["a", ".."], ["a/../.."], ["/"]])
def test_steps_that_leave_a_folder_are_refused(real, steps):
    with open_folder(real) as folder, pytest.raises(OSError, match="no name in the folder"):
        folder.open_below(steps, make=True)
    assert list(real.iterdir()) == []


def test_open_below_follows_no_link(tmp_path, real):
    (real / "link").symlink_to(tmp_path)
    with open_folder(real) as folder, pytest.raises(PermissionError, match="is a link and is not followed"):
        folder.open_below(["link", "x"], make=True)
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("how", ["create", "append", "update", "read"])
def test_no_file_is_opened_through_a_link(tmp_path, real, how):
    (tmp_path / "precious").write_text("precious")
    (real / "link").symlink_to(tmp_path / "precious")
    with open_folder(real) as folder, pytest.raises(OSError, match=r"link|exists"):
        getattr(folder, how)("link")


# --- what is no file ----------------------------------------------------------------------------------


def pipe(path):
    os.mkfifo(path)


def listening(path):
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))


KINDS = {"a named pipe": pipe, "a folder": Path.mkdir, "a socket": listening}


@pytest.mark.parametrize("kind", KINDS)
def test_special_file_is_refused_at_once(tmp_path, kind, monkeypatch):
    monkeypatch.chdir(tmp_path)  # a socket's path is short
    KINDS[kind](Path("x"))
    with pytest.raises(OSError, match=f"it is {kind}, not a regular file"):
        open_regular(Path("x"))
    with open_folder(tmp_path) as folder, pytest.raises(OSError, match=f"it is {kind}, not a regular file"):
        folder.read("x")


def test_device_is_not_read():
    with pytest.raises(OSError, match="it is a device, not a regular file"):
        open_regular(Path("/dev/zero"))


@pytest.mark.parametrize("how", ["append", "update"])
def test_pipe_is_not_written_to(tmp_path, how):
    pipe(tmp_path / "x")
    reader = os.open(tmp_path / "x", os.O_RDONLY | os.O_NONBLOCK)
    try:
        with open_folder(tmp_path) as folder, pytest.raises(OSError, match="it is a named pipe"):
            getattr(folder, how)("x")
    finally:
        os.close(reader)


def test_file_behind_a_link_that_the_user_names_is_read(tmp_path, monkeypatch):
    (tmp_path / "x").write_bytes(b"theirs")
    plant(monkeypatch, tmp_path / "link", tmp_path / "x")
    with open_regular(tmp_path / "link") as file:
        assert file.read() == b"theirs"


def test_path_that_no_system_could_have_is_an_os_error():
    with pytest.raises(OSError, match="no null character"):
        resolve(Path("a\0b"))


# --- the folder of this user's own --------------------------------------------------------------------


@pytest.fixture
def state(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state" / "mkframe"


def test_private_folder_is_for_this_user_alone(state):
    with private_folder() as folder:
        assert os.path.samestat(folder.stat(), state.stat())
    assert state.stat().st_mode & 0o777 == 0o700


def test_private_folder_that_others_could_use_is_closed_to_them(state):
    state.mkdir(parents=True)
    state.chmod(0o777)
    private_folder().close()
    assert state.stat().st_mode & 0o777 == 0o700


def test_private_folder_of_another_user_is_refused(state, monkeypatch):
    state.mkdir(parents=True)
    give_away(monkeypatch, state)
    with pytest.raises(PermissionError, match="belongs to another user"):
        private_folder()


def test_private_folder_behind_a_link_of_another_user_is_refused(state, real, monkeypatch):
    state.parent.mkdir()
    plant(monkeypatch, state, real)
    with pytest.raises(PermissionError, match="is a link of another user"):
        private_folder()


def test_user_without_a_home_has_no_private_folder(monkeypatch, tmp_path):
    def unknown(uid):
        raise KeyError(uid)

    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.delenv("HOME")
    monkeypatch.setattr("pwd.getpwuid", unknown)
    with pytest.raises(OSError, match="no home folder"):
        private_folder()
    assert list(tmp_path.iterdir()) == []


# --- locks --------------------------------------------------------------------------------------------


def test_held_lock_returns_false(tmp_path):
    with (tmp_path / "x").open("wb") as one, (tmp_path / "x").open("wb") as two:
        assert (lock(one), lock(two)) == (True, False)


def test_file_that_cannot_be_locked_is_not_held(tmp_path, monkeypatch):
    def unable(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", unable)
    with (tmp_path / "x").open("wb") as file, pytest.raises(OSError, match="No locks available"):
        lock(file)


# --- what is planted while files are made, by descriptors and by paths as on Windows ---------------------


@pytest.fixture(params=[True, False], ids=["by descriptor", "by path"])
def base(request, tmp_path):
    """An empty folder that is open, beside one that must stay empty."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "base").mkdir()
    path = tmp_path.resolve() / "base"
    with open_folder(path) if request.param else Folder(path, None) as folder:
        yield folder


def make_file(folder, name, content=b""):
    *steps, last = name.split("/")
    with folder.open_below(steps, make=True) as inner, inner.create(last) as file:
        file.write(content)


def test_file_is_made_with_the_folders_around_it(base):
    base.open_below(["empty"], make=True).close()
    make_file(base, "a/b/c.sql", b"SELECT 1")
    make_file(base, "a/d.sql", b"SELECT 2")
    assert tree(base.path) == {
        "empty": None,
        "a": None,
        "a/b": None,
        "a/b/c.sql": b"SELECT 1",
        "a/d.sql": b"SELECT 2",
    }


PLANTED = {
    "link to a folder": lambda base: (base / "a").symlink_to(base.parent / "outside"),
    "relative link": lambda base: (base / "a").symlink_to("../outside"),
    "link to nothing": lambda base: (base / "a").symlink_to(base.parent / "outside" / "missing"),
    "link further down": lambda base: (
        (base / "a").mkdir(),
        (base / "a" / "b").symlink_to(base.parent / "outside"),
    ),
    "link in place of the file": lambda base: (
        (base / "a" / "b").mkdir(parents=True),
        (base / "a" / "b" / "c.sql").symlink_to(base.parent / "outside" / "evil.sql"),
    ),
    "file in place of the file": lambda base: (
        (base / "a" / "b").mkdir(parents=True),
        (base / "a" / "b" / "c.sql").write_text("mine"),
    ),
    "file in place of a folder": lambda base: (base / "a").write_text("mine"),
    "pipe in place of a folder": lambda base: os.mkfifo(base / "a"),
}


@pytest.mark.parametrize("plant", PLANTED.values(), ids=PLANTED)
def test_planted_entries_are_neither_followed_nor_replaced(base, plant):
    plant(base.path)
    before = [found for found in sorted(os.walk(base.path)) if found[2]]
    with pytest.raises(OSError, match=r"not followed|exists|Not a directory"):
        make_file(base, "a/b/c.sql")
    assert list((base.path.parent / "outside").iterdir()) == []
    assert [found for found in sorted(os.walk(base.path)) if found[2]] == before


@pytest.mark.parametrize("plant", ["link to a folder", "link further down", "file in place of a folder"])
def test_folder_is_not_made_through_a_link(base, plant):
    PLANTED[plant](base.path)
    with pytest.raises(OSError, match=r"not followed|exists|Not a directory"):
        base.open_below(["a", "b", "c"], make=True)
    assert list((base.path.parent / "outside").iterdir()) == []


def test_link_in_place_of_the_folder_is_not_written_through(base):
    outside = base.path.parent / "outside"
    base.path.rename(base.path.with_name("moved"))
    base.path.symlink_to(outside)
    with contextlib.suppress(OSError):  # by its descriptor, the folder that was moved is still the one
        make_file(base, "a.sql")
    assert list(outside.iterdir()) == []
