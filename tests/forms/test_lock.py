"""Kernels of one machine start builds of a project one after the other."""

import subprocess
import sys
import tempfile
import threading

import pytest

from mkframe.errors import MkframeError
from mkframe.forms._lock import exclusive_lock


def test_what_is_held_is_waited_for_and_then_told():
    with (
        exclusive_lock("a project"),
        pytest.raises(MkframeError, match="Another window on this machine is starting"),
        exclusive_lock("a project", timeout=0.1),
    ):
        pass


def test_what_was_given_back_is_taken_at_once():
    for _ in range(2):
        with exclusive_lock("a project", timeout=0):
            pass


def test_an_error_gives_it_back():
    with pytest.raises(ZeroDivisionError), exclusive_lock("a project"):
        raise ZeroDivisionError
    with exclusive_lock("a project", timeout=0):
        pass


def test_other_projects_do_not_wait():
    with exclusive_lock("a project"), exclusive_lock("another project", timeout=0):
        pass


HOLD = """
import sys, tempfile
from mkframe.forms._lock import exclusive_lock
tempfile.tempdir = sys.argv[1]
with exclusive_lock("a project"):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def other_kernel():
    command = [sys.executable, "-c", HOLD, tempfile.gettempdir()]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


@pytest.mark.slow
def test_another_kernel_is_waited_for(other_kernel):
    threading.Timer(0.2, other_kernel.stdin.close).start()
    with exclusive_lock("a project", timeout=20):
        assert other_kernel.wait(20) == 0


@pytest.mark.slow
def test_a_kernel_that_dies_gives_it_back(other_kernel):
    other_kernel.kill()
    other_kernel.wait()
    with exclusive_lock("a project", timeout=0):
        pass


def test_without_a_lock_file_it_goes_on_and_says_so(monkeypatch, tmp_path, caplog):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    with exclusive_lock("a project"):
        pass
    assert "other windows are not waited for" in caplog.text


def test_a_link_in_its_place_is_not_followed(monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with exclusive_lock("a project"):
        (lock,) = tmp_path.iterdir()
    lock.unlink()
    lock.symlink_to(tmp_path / "elsewhere")
    with exclusive_lock("a project"):
        pass
    assert not (tmp_path / "elsewhere").exists()
