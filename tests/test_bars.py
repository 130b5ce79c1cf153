"""A progress bar never costs the work that it shows: fetch, wait and report alike."""

import io
import os
import subprocess
import sys
import threading

import pytest

from mkframe import _bars
from mkframe._bars import ProgressBar

FETCH_AND_WAIT = """
import sys, tempfile
import mkframe as mk
from mkframe.artifacts import _progress
_progress._BAR_DELAY = 0.0
with mk.demo(builds=20) as client:
    for before in sys.argv[1:]:
        exec(before)
        with tempfile.TemporaryDirectory() as folder:
            assert client.builds.wait(5139).name == 5139
            assert client.downloads.fetch(build=5139, to=folder)["status"].tolist() == ["fetched"]
        print("done:", before)
"""
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("TQDM_")}
CLOSED = {
    "disabled": "",
    "closed": "sys.stderr.close()",
    "closed from the start": "",
}
ONE_AFTER_THE_OTHER = [
    "sys.modules['tqdm'] = sys.modules['tqdm.auto'] = None",
    "del sys.modules['tqdm'], sys.modules['tqdm.auto']",
    "sys.stderr = None",
    "sys.stderr = open('/dev/full', 'w', buffering=1)",
]
"""What can go and come in one process."""


def run(arguments, trouble):
    env = ENVIRONMENT | ({"TQDM_DISABLE": "1"} if trouble == "disabled" else {})
    shut = " 2>&-" if trouble == "closed from the start" else ""
    command = ["/bin/sh", "-c", f'exec "$@"{shut}', "sh", sys.executable, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, env=env, check=False)


@pytest.mark.parametrize("trouble", CLOSED)
def test_fetch_and_wait_go_on_without_a_bar(trouble):
    finished = run(["-c", FETCH_AND_WAIT, CLOSED[trouble]], trouble)
    assert finished.stdout == f"done: {CLOSED[trouble]}\n", finished.stderr
    assert "%|" not in finished.stderr


def test_fetch_and_wait_go_on_whatever_happens_to_the_stream():
    finished = run(["-c", FETCH_AND_WAIT, *ONE_AFTER_THE_OTHER], "")
    done = [line.removeprefix("done: ") for line in finished.stdout.splitlines()]
    assert done == ONE_AFTER_THE_OTHER, finished.stderr


class Broken(io.StringIO):
    """A stream that breaks after some writes, as a terminal that is closed."""

    def __init__(self, writes):
        super().__init__()
        self.writes = writes

    def write(self, text):
        self.writes -= 1
        if self.writes < 0:
            raise OSError(5, "Input/output error")
        return len(text)


@pytest.mark.parametrize("writes", range(8))
def test_bar_that_breaks_is_dropped(monkeypatch, writes):
    monkeypatch.setattr("sys.stderr", Broken(writes))
    with ProgressBar("Fetch", 10, remaining=True) as bar:
        for done in range(11):
            bar.show(done, "some text")
            bar.show(done / 2, "and back")


@pytest.mark.parametrize("writes", range(4))
def test_bar_that_breaks_gives_its_lock_back(monkeypatch, writes):
    monkeypatch.setattr("sys.stderr", Broken(writes))
    with ProgressBar("Fetch", 10) as bar:
        bar.show(1)
    taken = []
    lock = _bars._tqdm_class().get_lock()

    def take():
        taken.extend(each for each in lock.locks if each.acquire(timeout=5))
        for each in taken:
            each.release()

    thread = threading.Thread(target=take)
    thread.start()
    thread.join()
    assert taken == lock.locks


class WidgetError(Exception):
    pass


@pytest.mark.parametrize("name", ["__init__", "update", "set_postfix_str", "refresh", "close"])
def test_broken_widget_is_dropped(monkeypatch, name):
    kind = _bars._tqdm_class()
    calls = []

    def fail(*_, **__):
        calls.append(name)
        raise WidgetError

    monkeypatch.setattr(_bars, "_tqdm_class", lambda: type("Broken", (kind,), {name: fail}))
    with ProgressBar("Fetch", 10) as bar:
        bar.show(1)
        bar.show(2)
    assert calls


def test_interrupt_in_a_bar_is_raised(monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    kind = type("Stopped", (_bars._tqdm_class(),), {"update": interrupt})
    monkeypatch.setattr(_bars, "_tqdm_class", lambda: kind)
    with pytest.raises(KeyboardInterrupt), ProgressBar("Fetch", 10) as bar:
        bar.show(1)


def test_bar_shows_share_and_text(capsys):
    with ProgressBar("Fetch", 4, remaining=True) as bar:
        bar.show(3, "3 of 4 files")
    last = capsys.readouterr().err.split("\r")[-1]
    assert last.startswith("Fetch:  75%|")
    assert "3 of 4 files" in last


@pytest.mark.parametrize(
    ("columns", "shown"),
    [
        (None, "a" * 60),
        (90, "a" * 60),
        (89, "b" * 40),  # with "a" there would be no bar
        (64, "b" * 40),
        (45, "cc"),
        (12, ""),
    ],
)
def test_bar_shows_the_first_text_that_fits(columns, shown, capsys, monkeypatch):
    kind = _bars._tqdm_class()
    narrow = lambda **options: kind(**options, ncols=columns)  # noqa: E731
    monkeypatch.setattr(_bars, "_tqdm_class", lambda: narrow)
    with ProgressBar("Wait", 4) as bar:
        assert bar.is_shown
        bar.show(3, "a" * 60, "b" * 40, "cc")
        bar.show(4)
    shown_lines = capsys.readouterr().err.replace("\x1b[A", "").split("\r")  # of bars that other tests left
    line = next(line for line in shown_lines if " 75%" in line).rstrip()
    assert line.partition(", ")[2] == shown
    assert columns is None or len(line) <= columns


def test_bar_of_a_notebook_keeps_its_width(monkeypatch):
    shown = []

    class Widget(_bars._tqdm_class()):
        container = "a widget"

        def set_postfix_str(self, text, refresh=True):
            shown.append(text)

    monkeypatch.setattr(_bars, "_tqdm_class", lambda: Widget)
    with ProgressBar("Wait", 4) as bar:
        bar.show(3, "a" * 100, "b" * 60)
    assert shown == ["b" * 60]


def test_bar_that_is_not_wanted_is_not_shown():
    assert not ProgressBar("Wait", 4, enabled=False).is_shown


def test_bar_for_terminals_is_not_written_to_files(capsys):
    with ProgressBar("Report", 4, only_terminal=True) as bar:
        bar.show(3)
    assert capsys.readouterr().err == ""


@pytest.mark.slow
@pytest.mark.parametrize("trouble", ["disabled", "closed"])
def test_report_is_written_without_a_bar(trouble, tmp_path):
    target = tmp_path / "report.html"
    code = f"import sys\n{CLOSED[trouble]}\nfrom mkframe.__main__ import main\nsys.exit(main(sys.argv[1:]))"
    finished = run(["-c", code, "report", "--demo", "--out", str(target)], trouble)
    assert finished.returncode == 0, finished.stderr
    assert target.stat().st_size > 100_000
