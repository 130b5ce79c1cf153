"""Kernels of one machine start builds of a project one after the other."""

import errno
import fcntl
import os
import subprocess
import sys
import tempfile
import threading

import pytest

from mkframe.builds._lock import exclusive_lock
from mkframe.errors import MkframeError
from tests.support.owners import give_away


@pytest.fixture
def state(tmp_path, monkeypatch):
    """Where the locks of this test are."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state" / "mkframe"


def test_held_lock_times_out_with_an_error():
    with (
        exclusive_lock("a project"),
        pytest.raises(MkframeError, match="is starting a build in this project"),
        exclusive_lock("a project", timeout=0.1),
    ):
        pass


def test_released_lock_is_free():
    for _ in range(2):
        with exclusive_lock("a project", timeout=0):
            pass


def test_error_in_the_block_releases_the_lock():
    with pytest.raises(ZeroDivisionError), exclusive_lock("a project"):
        raise ZeroDivisionError
    with exclusive_lock("a project", timeout=0):
        pass


def test_locks_of_other_names_are_independent():
    with exclusive_lock("a project"), exclusive_lock("another project", timeout=0):
        pass


HOLD = """
import sys
from mkframe.builds._lock import exclusive_lock
with exclusive_lock("a project"):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def other_kernel():
    command = [sys.executable, "-c", HOLD]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


@pytest.mark.slow
def test_lock_of_another_kernel_is_waited_for(other_kernel):
    threading.Timer(0.2, other_kernel.stdin.close).start()
    with exclusive_lock("a project", timeout=20):
        assert other_kernel.wait(20) == 0


@pytest.mark.slow
def test_lock_of_a_killed_kernel_is_free(other_kernel):
    other_kernel.kill()
    other_kernel.wait()
    with exclusive_lock("a project", timeout=0):
        pass


def test_lock_file_is_private(state):
    with exclusive_lock("a project"):
        (lock,) = state.iterdir()
    assert state.stat().st_mode & 0o777 == 0o700
    assert lock.stat().st_mode & 0o777 == 0o600


def test_lock_file_is_not_in_the_temporary_folder(monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with exclusive_lock("a project"):
        assert list(tmp_path.iterdir()) == []


def file_instead_of_folder(state):
    state.parent.write_text("in the way")


def folder_instead_of_file(state):
    with exclusive_lock("a project"):
        (lock,) = state.iterdir()
    lock.unlink()
    lock.mkdir()


def link_instead_of_file(state):
    with exclusive_lock("a project"):
        (lock,) = state.iterdir()
    lock.unlink()
    lock.symlink_to(state.parent / "elsewhere")


def pipe_instead_of_file(state):
    with exclusive_lock("a project"):
        (lock,) = state.iterdir()
    lock.unlink()
    os.mkfifo(lock)


@pytest.mark.parametrize(
    "obstruct", [file_instead_of_folder, folder_instead_of_file, link_instead_of_file, pipe_instead_of_file]
)
def test_missing_lock_file_warns_and_goes_on(state, caplog, obstruct):
    obstruct(state)
    with exclusive_lock("a project", timeout=0):
        pass
    assert "other windows are not waited for" in caplog.text
    assert not (state.parent / "elsewhere").exists()


def test_folder_of_another_user_is_not_used(state, caplog, monkeypatch):
    state.mkdir(parents=True)
    give_away(monkeypatch, state)
    with exclusive_lock("a project", timeout=0):
        pass
    assert "the folder belongs to another user" in caplog.text
    assert list(state.iterdir()) == []


def test_lock_file_of_another_user_is_not_used(state, caplog, monkeypatch):
    with exclusive_lock("a project"):
        (lock,) = state.iterdir()
    give_away(monkeypatch, lock)
    with lock.open() as theirs:
        fcntl.flock(theirs, fcntl.LOCK_EX)
        with exclusive_lock("a project", timeout=0):
            pass
    assert "other windows are not waited for" in caplog.text


def test_drive_without_locks_warns_and_goes_on(state, caplog, monkeypatch):
    def unable(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", unable)
    with exclusive_lock("a project", timeout=0):
        pass
    assert "No locks available): other windows are not waited for" in caplog.text


def test_oserror_of_the_block_is_not_a_lock_error(state, caplog):
    with pytest.raises(ConnectionResetError), exclusive_lock("a project"):
        raise ConnectionResetError
    assert caplog.text == ""
