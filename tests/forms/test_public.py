"""What a visitor of a page can do, and that no message of a visitor's does more."""

import base64
import io
import os
import re
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import ipywidgets as w
import pytest

import mkframe as mk
from mkframe import forms, settings
from mkframe.artifacts import diff
from mkframe.errors import InputError
from mkframe.forms.models import ConnectModel, FetchModel, public
from mkframe.forms.models.base import Model
from mkframe.forms.models.downloads import DownloadsModel
from mkframe.forms.views.downloads import DownloadsPart
from mkframe.schema import BASE_URL
from tests.forms.conftest import PROJECT, impatient
from tests.support import faults, rows

VOILA = [
    ("VOILA_BASE_URL", "/"),
    ("VOILA_PREHEAT", "True"),
    ("VOILA_KERNEL_ID", "4b1e"),
    ("SERVER_SOFTWARE", "voila/0.5.13"),
]
_HINT_WRONG_SERVER = [
    "http://169.254.169.254/latest",
    "https://client.example",
    "http://127.0.0.1:1/api/v1",
    "",
    " ",
]


@pytest.fixture
def page(monkeypatch):
    """This kernel serves a page for visitors."""
    monkeypatch.setenv("MKFRAME_PUBLIC", "1")


def sent(widget, **state):
    """What arrives in the kernel when a visitor's browser sends a state, whatever the page shows."""
    widget._handle_msg({"content": {"data": {"method": "update", "state": state}}, "buffers": []})


def below(widget):
    """A widget and all below it."""
    return [widget, *(found for child in getattr(widget, "children", ()) for found in below(child))]


# --- which pages ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "word"), [*VOILA, ("MKFRAME_PUBLIC", "1")])
def test_page_of_voila_and_by_setting_is_public(name, word, monkeypatch):
    monkeypatch.setenv(name, word)
    assert Model().is_public


@pytest.mark.parametrize("word", ["0", ""])
def test_notebook_is_not_public(word, monkeypatch):
    monkeypatch.setenv("MKFRAME_PUBLIC", word)
    monkeypatch.setenv("SERVER_SOFTWARE", "jupyter")
    assert not Model().is_public


def test_setting_does_not_open_a_page_of_voila(monkeypatch):
    monkeypatch.setenv("MKFRAME_PUBLIC", "0")
    monkeypatch.setenv("VOILA_BASE_URL", "/")
    assert Model().is_public


@pytest.mark.parametrize("name", ["MKFRAME_PUBLIC", "MKFRAME_PUBLIC_DEMO"])
def test_unclear_setting_is_refused(name, page, monkeypatch):
    monkeypatch.setenv(name, "maybe")
    with pytest.raises(InputError, match=f"{name} is 'maybe'. Set it to 1 or 0"):
        forms.connect()


# --- which server -----------------------------------------------------------------------------------


@pytest.fixture
def login(page, factory, monkeypatch):
    monkeypatch.setenv("MKFRAME_URL", factory.url)
    form = forms.connect()
    form.model.run = lambda step: step()
    yield form
    form.close()


def test_server_is_that_of_the_environment(login, factory):
    assert login.model.url == factory.url
    assert factory.url in login.children[0].value
    assert login.url not in below(login)


def test_without_a_setting_it_is_the_vendors(page):
    form = forms.connect()
    form.close()
    assert form.model.url == BASE_URL


@pytest.mark.parametrize("url", _HINT_WRONG_SERVER)
def test_model_takes_no_other_server(url, login, factory):
    with pytest.raises(InputError, match="one server only"):
        login.model.url = url
    assert login.model.url == factory.url


@pytest.mark.parametrize("url", _HINT_WRONG_SERVER)
def test_message_to_the_url_field_reaches_nothing(url, login, factory):
    with faults.serve(lambda request: faults.unauthenticated()) as other:
        for field in [login.url, *(each for each in below(login) if isinstance(each, w.Text))]:
            sent(field, value=url or other.api)
        sent(login.way, index=login.model.ways.index("token"))
        login.model.take_secret("a.b.c")
        login.model.submit()
        assert other.requests == []
    assert "Connecting did not work" in login.model.trouble
    assert login.model.url == factory.url


def test_server_is_the_pages_also_where_the_trait_is_forced(login, factory):
    with faults.serve(lambda request: faults.unauthenticated()) as other:
        login.model._trait_values["url"] = other.api
        login.model.way, login.model.email = "password", factory.email
        login.model.take_secret(factory.password)
        login.model.submit()
        assert other.requests == []
    assert login.client.url == factory.url


def test_password_in_the_url_is_shown_to_nobody(page, monkeypatch):
    monkeypatch.setenv("MKFRAME_URL", "https://ada:open-sesame@client.example")
    with pytest.raises(InputError, match="MKFRAME_URL holds a user name or password") as caught:
        forms.connect()
    assert "sesame" not in str(caught.value)


@pytest.mark.parametrize("url", ["http://client.example", "client", "https://client.example?x"])
def test_unfit_server_is_never_the_vendors_instead(url, page, monkeypatch):
    monkeypatch.setenv("MKFRAME_URL", url)
    model = ConnectModel(mk.connect, mk.demo, way="token")
    model.take_secret("a.b.c")
    model.submit()
    assert re.search("web address|plain http|goes on after", model.trouble)
    assert model.client is None


def test_visitor_logs_in_with_own_password(login, factory):
    login.model.way, login.model.email = "password", factory.email
    login.model.take_secret(factory.password)
    login.model.submit()
    assert login.client.url == factory.url


# --- which ways -------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["embedded", "environment"])
def test_other_way_is_refused_also_where_the_trait_is_forced(way, login):
    login.model.email = "ada@example.org"
    login.model.take_secret("a.b.c")
    login.model._trait_values["way"] = way
    assert login.model.submit()
    assert "This page does not connect by" in login.model.trouble
    assert login.client is None


def test_ways_are_own_credentials(page):
    assert ConnectModel(mk.connect, mk.demo).ways == ("password", "token")


@pytest.mark.parametrize("way", ["embedded", "environment"])
def test_other_way_is_refused(way, login):
    with pytest.raises(InputError, match="does not connect by"):
        login.model.way = way
    assert login.model.way == "password"


@pytest.mark.parametrize("index", [2, 3, -1, 99, None])
def test_message_chooses_no_other_way(index, login):
    sent(login.way, _options_labels=["a", "b", "c", "d"])
    try:
        sent(login.way, index=index)
    except Exception:  # ipywidgets refuses it already
        assert login.model.way == "password"
    assert login.model.way in ("password", "token")


def test_embedded_server_is_there_where_it_is_allowed(page, monkeypatch):
    monkeypatch.setenv("MKFRAME_PUBLIC_DEMO", "1")
    model = ConnectModel(mk.connect, mk.demo, way="embedded")
    assert model.submit()
    assert model.client is not None
    model.close()


@pytest.mark.parametrize(
    ("given", "is_offered"),
    [
        ({"TOKEN": "a.b.c"}, True),
        ({"EMAIL": "ada@example.org", "PASSWORD": "word"}, True),
        ({"PASSWORD": "word"}, False),
        ({"EMAIL": "ada@example.org"}, False),
    ],
)
def test_account_of_the_server_is_offered_where_it_is_whole(given, is_offered, page, monkeypatch):
    for name, word in given.items():
        monkeypatch.setenv(f"MKFRAME_{name}", word)
    form = forms.connect()
    form.close()
    assert ("environment" in form.model.ways) is is_offered
    assert (form.model.way == "environment") is is_offered


def test_keyring_of_the_operator_is_not_asked(login, monkeypatch):
    asked = []
    monkeypatch.setattr(settings, "_from_keyring", lambda url: asked.append(url) or "a.b.c")
    for way in login.model.ways:
        login.model.way, login.model.email = way, "ada@example.org"
        login.model.take_secret("a.b.c")
        login.model.submit()
        login.model.submit()
    assert asked == []
    assert login.client is None


def test_what_is_chosen_after_the_press_is_not_what_connects(page, factory, monkeypatch):
    monkeypatch.setenv("MKFRAME_URL", factory.url)
    monkeypatch.setenv("MKFRAME_TOKEN", "a.b.c")
    steps, given = [], []
    model = ConnectModel(lambda **how: given.append(how) or mk.connect(factory.url, "a.b.c"), mk.demo)
    model.way, model.run = "token", steps.append
    model.take_secret("d.e.f")
    model.submit()
    model.way = "environment"
    steps[0]()
    assert given == [{"token": "d.e.f"}]


# --- which folder -----------------------------------------------------------------------------------


@pytest.fixture
def fetching(page, client):
    model = FetchModel(client, diff)
    model.load()
    model.project_id = PROJECT
    model.chosen = (model.options[0][1],)
    return model


def test_folder_is_private_and_of_this_kernel(page, client):
    first, second = DownloadsModel(client), DownloadsModel(client)
    assert first.folder == second.folder == str(public.folder())
    assert Path(first.folder).stat().st_mode & 0o077 == 0
    assert first.space == ""


@pytest.mark.parametrize(
    "folder", ["/tmp/elsewhere", "~/.local/share/jupyter/kernels", "{own}/..", "{own}/x", "{own}/", "", "."]
)
def test_model_takes_no_other_folder(folder, fetching):
    with pytest.raises(InputError, match="folder of its own only"):
        fetching.pocket.folder = folder.format(own=fetching.pocket.folder)
    assert fetching.pocket.folder == str(public.folder())


def test_message_to_the_folder_field_writes_nowhere(page, client, tmp_path):
    form = forms.fetch_artifacts(client)
    form.worker.close()
    form.model.run = form.model.pocket.run = lambda step: step()
    assert form.pocket.folder not in below(form)
    form.model.load()
    form.model.project_id = PROJECT
    form.model.chosen = (form.model.options[0][1],)
    for field in [form.pocket.folder, *(each for each in below(form) if isinstance(each, w.Text))]:
        sent(field, value=str(tmp_path / "kernels"))
    form.pocket.fetch.click()
    assert form.model.pocket.offers
    assert not (tmp_path / "kernels").exists()
    assert all(Path(path).is_relative_to(public.folder()) for path in form.result["path"])
    form.close()


def test_link_in_the_folder_leads_nowhere(fetching, tmp_path):
    with public.room() as folder:  # which empties it
        (folder / f"build-{fetching.chosen[0]}").symlink_to(tmp_path)
    fetching.submit()
    assert fetching.trouble == fetching.pocket.trouble == ""
    assert list(tmp_path.iterdir()) == []


def test_link_in_place_of_the_folder_is_refused(fetching, tmp_path, monkeypatch):
    (tmp_path / "target").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "target")
    monkeypatch.setattr(public, "_folder_of", lambda pid: tmp_path / "link")
    pocket = DownloadsModel(fetching._client)
    pocket.fetch(fetching.chosen)
    assert "The folder of this page cannot be used. Load the page again." in pocket.trouble
    assert list((tmp_path / "target").iterdir()) == []


def test_comparison_stays_in_the_folder_and_takes_no_more(fetching, monkeypatch):
    fetching.compare()
    assert (fetching.trouble, fetching.comparison is not None) == ("", True)
    monkeypatch.setattr(public, "MOST_BYTES", 10)
    fetching.compare()
    assert "hands over at most" in fetching.trouble


HELD = "import mkframe.forms.models.public as p, sys; print(p.folder(), flush=True); sys.stdin.read()"


def holder(tmp_path):
    env = os.environ | {"TMPDIR": str(tmp_path), "PYTHONPATH": str(Path(mk.__file__).parents[1])}
    return subprocess.Popen(
        [sys.executable, "-c", HELD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env, text=True
    )


@pytest.mark.skipif(sys.platform == "win32", reason="a folder cannot be locked there")
def test_folder_goes_with_its_kernel_or_with_the_next(tmp_path):
    stranger = tmp_path / "mkframe-visitor-link"
    stranger.symlink_to(tmp_path)
    with holder(tmp_path) as killed, holder(tmp_path) as living:
        left, kept = (Path(each.stdout.readline().strip()) for each in (killed, living))
        (left / "build-1").mkdir()
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        assert left.exists()
        with holder(tmp_path) as third:
            last = Path(third.stdout.readline().strip())
            assert (left.exists(), kept.exists(), last.exists()) == (False, True, True)
    assert list(tmp_path.iterdir()) == [stranger]


# --- what a visitor gets ----------------------------------------------------------------------------


def links(html):
    """Names and bytes of the links that save files."""
    found = re.findall(r'<a download="([^"]*)" href="data:application/octet-stream;base64,([^"]*)">', html)
    return {name: base64.b64decode(content) for name, content in found}


def test_what_was_fetched_can_be_saved(fetching):
    part = DownloadsPart(fetching.pocket, lambda: fetching.chosen)
    fetching.submit()
    names = [Path(path).name for path in fetching.result["path"]]
    saved = links(part.offers.value)
    assert sorted(saved) == sorted(names)
    for content in saved.values():
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            assert archive.testzip() is None
    assert fetching.pocket.said == f"{len(names)} of {len(names)} file{'s' * (len(names) != 1)} to save."
    part.close()


def test_page_tells_no_path_of_its_server(fetching):
    form = DownloadsPart(fetching.pocket, lambda: fetching.chosen)
    fetching.submit()
    shown = " ".join(each.value for each in below(form) if isinstance(each, w.HTML))
    assert str(public.folder()) not in shown
    form.close()


def test_more_than_a_page_takes_is_refused(page, monkeypatch):
    monkeypatch.setattr(public, "MOST_BYTES", 50_000)

    def script(request):
        if request.path.endswith("downloads"):
            return faults.reply([rows.row("downloads", n, build_id=7, name=f"{n}.bin") for n in (1, 2)])
        return faults.content(bytes(40_000), "application/octet-stream")

    with faults.serve(script) as server, impatient(server.api) as client:
        pocket = DownloadsModel(client)
        pocket.fetch([7])
    assert "hands over at most" in pocket.trouble
    assert "Choose fewer builds" in pocket.trouble
    assert pocket.offers == ()


def test_endless_file_is_given_up(page, monkeypatch):
    monkeypatch.setattr(public, "MOST_BYTES", 50_000)

    def script(request):
        if request.path.endswith("downloads"):
            return faults.reply([rows.row("downloads", 1, build_id=7, name="1.bin")])
        return faults.drip(faults.content(bytes(1 << 22), "application/octet-stream"), 0.05, 1 << 16)

    with faults.serve(script) as server, impatient(server.api) as client:
        pocket = DownloadsModel(client)
        pocket.fetch([7])
    assert "hands over at most" in pocket.trouble
    assert list(public.folder().rglob("*.bin")) == []


@pytest.mark.parametrize("place", ["outside", "link", "fifo"])
def test_only_plain_files_of_the_folder_are_offered(place, page, tmp_path):
    (tmp_path / "secret").write_text("word")
    path = tmp_path / "secret"
    if place != "outside":
        path = public.folder() / place
        path.unlink(missing_ok=True)
        path.symlink_to(tmp_path / "secret") if place == "link" else os.mkfifo(path)
    with pytest.raises(InputError):
        public.offers([str(path)])


def test_name_of_a_file_is_escaped_in_its_link(page, client):
    pocket = DownloadsModel(client)
    part = DownloadsPart(pocket, lambda: ())
    name = "a\"><script>alert(1)</script>'<img src=x onerror=alert(1)>"
    pocket.offers = (public.Offer(name, "<b>", 1, "data:application/octet-stream;base64,AA=="),)
    assert not re.search(r"<(script|img|b)\b", part.offers.value)
    assert part.offers.value.count('"') == 4
    part.close()


def test_unexpected_error_shows_no_traceback_to_a_visitor(page):
    model = Model()
    model.attempt("Dividing", lambda: 1 / 0)
    assert "ZeroDivisionError" in model.trouble
    assert model.trace == ""


def test_notebook_still_chooses_its_folder(client, tmp_path):
    pocket = DownloadsModel(client)
    pocket.folder = str(tmp_path / "mine")
    pocket.fetch([5139])
    assert (tmp_path / "mine" / "build-5139").is_dir()
    assert pocket.offers == ()
