"""A visitor of a page can do what its forms offer, and no message of a visitor can do more."""

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
from mkframe.forms.models import ConnectModel, FetchModel, offers, public
from mkframe.forms.models.base import Model
from mkframe.forms.models.downloads import DownloadsModel
from mkframe.forms.views.downloads import DownloadsPart
from mkframe.schema import BASE_URL
from tests.forms.conftest import PROJECT, client_of_url
from tests.support import faults, rows
from tests.support.widgets import descendants, html_of

VOILA = [
    ("VOILA_BASE_URL", "/"),
    ("VOILA_PREHEAT", "True"),
    ("VOILA_KERNEL_ID", "4b1e"),
    ("SERVER_SOFTWARE", "voila/0.5.13"),
]
OTHER_SERVERS = [
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


def send_state(widget, **state):
    """Send a state as a visitor's browser does, whatever the page shows."""
    widget._handle_msg({"content": {"data": {"method": "update", "state": state}}, "buffers": []})


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


def test_setting_0_keeps_a_page_of_voila_public(monkeypatch):
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
    assert login.url not in descendants(login)


def test_default_server_is_the_vendors(page):
    form = forms.connect()
    form.close()
    assert form.model.url == BASE_URL


@pytest.mark.parametrize("url", OTHER_SERVERS)
def test_model_takes_no_other_server(url, login, factory):
    with pytest.raises(InputError, match="one server only"):
        login.model.url = url
    assert login.model.url == factory.url


@pytest.mark.parametrize("url", OTHER_SERVERS)
def test_message_to_the_url_field_reaches_nothing(url, login, factory):
    with faults.serve(lambda request: faults.unauthenticated()) as other:
        for field in [login.url, *(each for each in descendants(login) if isinstance(each, w.Text))]:
            send_state(field, value=url or other.api)
        send_state(login.method, index=login.model.methods.index("token"))
        login.model.take_secret("a.b.c")
        login.model.submit()
        assert other.requests == []
    assert "Connecting did not work" in login.model.error
    assert login.model.url == factory.url


def test_forced_url_trait_changes_no_server(login, factory):
    with faults.serve(lambda request: faults.unauthenticated()) as other:
        login.model._trait_values["url"] = other.api
        login.model.method, login.model.email = "password", factory.email
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
def test_invalid_url_never_falls_back_to_the_vendor(url, page, monkeypatch):
    monkeypatch.setenv("MKFRAME_URL", url)
    model = ConnectModel(mk.connect, mk.demo, method="token")
    model.take_secret("a.b.c")
    model.submit()
    assert re.search("web address|plain http|after a '\\?'", model.error)
    assert model.client is None


def test_visitor_logs_in_with_own_password(login, factory):
    login.model.method, login.model.email = "password", factory.email
    login.model.take_secret(factory.password)
    login.model.submit()
    assert login.client.url == factory.url


# --- which methods -------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["embedded", "environment"])
def test_forced_method_trait_is_refused(method, login):
    login.model.email = "ada@example.org"
    login.model.take_secret("a.b.c")
    login.model._trait_values["method"] = method
    assert login.model.submit()
    assert "This page does not connect by" in login.model.error
    assert login.client is None


def test_methods_are_own_credentials(page):
    assert ConnectModel(mk.connect, mk.demo).methods == ("password", "token")


@pytest.mark.parametrize("method", ["embedded", "environment"])
def test_other_method_is_refused(method, login):
    with pytest.raises(InputError, match="does not connect by"):
        login.model.method = method
    assert login.model.method == "password"


@pytest.mark.parametrize("index", [2, 3, -1, 99, None])
def test_message_chooses_no_other_method(index, login):
    send_state(login.method, _options_labels=["a", "b", "c", "d"])
    try:
        send_state(login.method, index=index)
    except Exception:  # ipywidgets refuses it already
        assert login.model.method == "password"
    assert login.model.method in ("password", "token")


def test_embedded_server_is_offered_if_allowed(page, monkeypatch):
    monkeypatch.setenv("MKFRAME_PUBLIC_DEMO", "1")
    model = ConnectModel(mk.connect, mk.demo, method="embedded")
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
def test_account_of_the_server_is_offered_if_complete(given, is_offered, page, monkeypatch):
    for name, word in given.items():
        monkeypatch.setenv(f"MKFRAME_{name}", word)
    form = forms.connect()
    form.close()
    assert ("environment" in form.model.methods) is is_offered
    assert (form.model.method == "environment") is is_offered


def test_keyring_of_the_operator_is_not_used(login, monkeypatch):
    asked = []
    monkeypatch.setattr(settings, "_from_keyring", lambda url: asked.append(url) or "a.b.c")
    for method in login.model.methods:
        login.model.method, login.model.email = method, "ada@example.org"
        login.model.take_secret("a.b.c")
        login.model.submit()
        login.model.submit()
    assert asked == []
    assert login.client is None


def test_change_after_submit_is_ignored(page, factory, monkeypatch):
    monkeypatch.setenv("MKFRAME_URL", factory.url)
    monkeypatch.setenv("MKFRAME_TOKEN", "a.b.c")
    steps, given = [], []
    model = ConnectModel(lambda **how: given.append(how) or mk.connect(factory.url, "a.b.c"), mk.demo)
    model.method, model.run = "token", steps.append
    model.take_secret("d.e.f")
    model.submit()
    model.method = "environment"
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
        fetching.downloads.folder = folder.format(own=fetching.downloads.folder)
    assert fetching.downloads.folder == str(public.folder())


def test_message_to_the_folder_field_writes_nowhere(page, client, tmp_path):
    form = forms.fetch_artifacts(client)
    form.worker.close()
    form.model.run = form.model.downloads.run = lambda step: step()
    assert form.downloads.folder not in descendants(form)
    form.model.load()
    form.model.project_id = PROJECT
    form.model.chosen = (form.model.options[0][1],)
    for field in [form.downloads.folder, *(each for each in descendants(form) if isinstance(each, w.Text))]:
        send_state(field, value=str(tmp_path / "kernels"))
    form.downloads.fetch.click()
    assert form.model.downloads.offers
    assert not (tmp_path / "kernels").exists()
    assert all(Path(path).is_relative_to(public.folder()) for path in form.result["path"])
    form.close()


def test_link_in_the_folder_leads_nowhere(fetching, tmp_path):
    with public.lock_folder() as folder:  # which empties it
        (folder / f"build-{fetching.chosen[0]}").symlink_to(tmp_path)
    fetching.submit()
    assert fetching.error == fetching.downloads.error == ""
    assert list(tmp_path.iterdir()) == []


def test_link_in_place_of_the_folder_is_refused(fetching, tmp_path, monkeypatch):
    (tmp_path / "target").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "target")
    monkeypatch.setattr(public, "_folder_of", lambda pid: tmp_path / "link")
    downloads = DownloadsModel(fetching._client)
    downloads.fetch(fetching.chosen)
    assert "The folder of this page cannot be used. Load the page again." in downloads.error
    assert list((tmp_path / "target").iterdir()) == []


def test_comparison_is_limited_to_folder_and_size(fetching, monkeypatch):
    fetching.compare()
    assert (fetching.error, fetching.comparison is not None) == ("", True)
    monkeypatch.setattr(offers, "MAX_BYTES", 10)
    fetching.compare()
    assert "offers at most" in fetching.error


HELD = "import mkframe.forms.models.public as p, sys; print(p.folder(), flush=True); sys.stdin.read()"


def holder(tmp_path):
    env = os.environ | {"TMPDIR": str(tmp_path), "PYTHONPATH": str(Path(mk.__file__).parents[1])}
    return subprocess.Popen(
        [sys.executable, "-c", HELD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env, text=True
    )


@pytest.mark.skipif(sys.platform == "win32", reason="a folder cannot be locked there")
def test_folder_is_removed_by_its_kernel_or_the_next(tmp_path):
    foreign = tmp_path / "mkframe-visitor-link"
    foreign.symlink_to(tmp_path)
    with holder(tmp_path) as killed, holder(tmp_path) as living:
        left, kept = (Path(each.stdout.readline().strip()) for each in (killed, living))
        (left / "build-1").mkdir()
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        assert left.exists()
        with holder(tmp_path) as third:
            last = Path(third.stdout.readline().strip())
            assert (left.exists(), kept.exists(), last.exists()) == (False, True, True)
    assert list(tmp_path.iterdir()) == [foreign]


# --- what a visitor gets ----------------------------------------------------------------------------


def links(html):
    """Names and bytes of the links that save files."""
    found = re.findall(r'<a download="([^"]*)" href="data:application/octet-stream;base64,([^"]*)">', html)
    return {name: base64.b64decode(content) for name, content in found}


def test_fetched_files_can_be_saved(fetching):
    part = DownloadsPart(fetching.downloads, lambda: fetching.chosen)
    fetching.submit()
    names = [Path(path).name for path in fetching.result["path"]]
    saved = links(part.offers.value)
    together = {f"build-{fetching.chosen[0]}.zip"} if len(names) > 1 else set()
    assert set(saved) == {*names, *together}
    for content in saved.values():
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            assert archive.testzip() is None
    assert (
        fetching.downloads.status_text
        == f"{len(names)} of {len(names)} file{'s' * (len(names) != 1)} to save."
    )
    part.close()


def test_page_shows_no_path_of_its_server(fetching):
    form = DownloadsPart(fetching.downloads, lambda: fetching.chosen)
    fetching.submit()
    shown = html_of(form)
    assert str(public.folder()) not in shown
    form.close()


def test_files_larger_than_the_limit_are_refused(page, monkeypatch):
    monkeypatch.setattr(offers, "MAX_BYTES", 50_000)

    def script(request):
        if request.path.endswith("downloads"):
            return faults.reply([rows.row("downloads", n, build_id=7, name=f"{n}.bin") for n in (1, 2)])
        return faults.content(bytes(40_000), "application/octet-stream")

    with faults.serve(script) as server, client_of_url(server.api) as client:
        downloads = DownloadsModel(client)
        downloads.fetch([7])
    assert "offers at most" in downloads.error
    assert "Choose fewer builds" in downloads.error
    assert downloads.offers == ()


def test_endless_file_is_stopped(page, monkeypatch):
    monkeypatch.setattr(offers, "MAX_BYTES", 50_000)

    def script(request):
        if request.path.endswith("downloads"):
            return faults.reply([rows.row("downloads", 1, build_id=7, name="1.bin")])
        return faults.drip(faults.content(bytes(1 << 22), "application/octet-stream"), 0.05, 1 << 16)

    with faults.serve(script) as server, client_of_url(server.api) as client:
        downloads = DownloadsModel(client)
        downloads.fetch([7])
    assert "offers at most" in downloads.error
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
        offers.make_offers([str(path)], is_public=True)


def test_name_of_a_file_is_escaped_in_its_link(page, client):
    downloads = DownloadsModel(client)
    part = DownloadsPart(downloads, lambda: ())
    name = "a\"><script>alert(1)</script>'<img src=x onerror=alert(1)>"
    downloads.offers = (offers.Offer(name, "<b>", 1, "data:application/octet-stream;base64,AA=="),)
    assert not re.search(r"<(script|img|b)\b", part.offers.value)
    assert part.offers.value.count('"') == 4
    part.close()


def test_unexpected_error_shows_visitors_no_traceback(page):
    model = Model()
    model.run_step("Dividing", lambda: 1 / 0)
    assert "ZeroDivisionError" in model.error
    assert model.traceback == ""


def test_notebook_can_choose_its_folder(client, tmp_path):
    downloads = DownloadsModel(client)
    downloads.folder = str(tmp_path / "mine")
    downloads.fetch([5139])
    assert (tmp_path / "mine" / "build-5139").is_dir()
    assert str(tmp_path / "mine") in downloads.status_text
    assert downloads.status_text.endswith(", on the server.")
