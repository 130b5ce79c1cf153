"""What people meet in the forms: nothing to show, blank fields, saving, keys, silence, and stopping."""

import base64
import io
import itertools
import re
import threading
import time
import zipfile

import ipywidgets as w
import pytest

from mkframe import forms
from mkframe.artifacts import diff
from mkframe.errors import InputError
from mkframe.forms.models import ExploreModel, FetchModel, base, offers
from mkframe.forms.models.base import without_code
from mkframe.forms.models.downloads import DownloadsModel
from mkframe.forms.models.explore import EVERYTHING
from mkframe.forms.models.selection import SelectionModel
from mkframe.forms.views import ExploreForm, widgets
from mkframe.forms.views.downloads import DownloadsPart
from tests.forms.conftest import PROJECT, client_of_url, retrying_client
from tests.forms.test_views import wait_for, wait_until_idle
from tests.support import faults, rows
from tests.support.widgets import descendants, html_of

# --- nothing to show ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def builds(client):
    return client.add_names(client.builds.find())


def test_filters_that_leave_nothing_are_said_and_go(builds):
    form = forms.explore(builds)
    first = [image.value for image in form.images]
    names = ("project", "pattern", "release", "status", "user")
    before = builds["build_start"].min().date().replace(year=1990)
    pairs = list(itertools.combinations(names, 2))
    for one, other in pairs:
        # Both ways to nothing: by the last of the filters, and by the first, where nothing is drawn between.
        form.model.last = None if (one, other) == pairs[0] else before
        form.model.set_trait(one, form.model.options[one][-1])
        form.model.set_trait(other, form.model.options[other][-1])
        form.model.last = before
        assert form.model.error == ""
        assert len(form.result) == 0
        assert list(form.result.columns) == list(builds.columns)
        assert [image.value for image in form.images] == [""] * 3
        assert html_of(form).count("No build matches, so there is nothing to draw.") == 3
        assert "0 of 300 builds. Choose “all” in a filter" in html_of(form)
        assert "<td>" not in form.table.value
        form.model.set_trait(one, EVERYTHING)
        form.model.set_trait(other, EVERYTHING)
        if (one, other) not in (pairs[0], pairs[-1]):
            continue
        form.model.last = None
        assert [image.value for image in form.images] == first
        assert "nothing to draw" not in html_of(form)
    form.close()


def test_filters_of_every_pair_show_their_builds(builds):
    model = ExploreModel(builds)
    for status, release in itertools.product(model.options["status"], model.options["release"]):
        model.status, model.release = status, release
        expected = builds
        if status != EVERYTHING:
            expected = expected[expected["status"] == status]
        if release != EVERYTHING:
            expected = expected[[release in (names or []) for names in expected["release_names"]] or []]
        assert (model.matches.index.tolist(), model.error) == (expected.index.tolist(), "")
        assert model.status_text.startswith(f"{len(model.matches)} of 300 builds.")


def test_history_without_builds_can_be_explored(builds):
    form = forms.explore(builds.head(0))
    assert "0 of 0 builds." in html_of(form)
    assert form.model.error == ""
    form.close()


def test_error_goes_when_the_next_rendering_works(builds):
    def draw(matches, ax):
        if "FAILED" in set(matches["status"]):
            raise TypeError("no picture")
        ax.plot([1, 2])

    form = ExploreForm(ExploreModel(builds), {"First": draw, "Second": lambda matches, ax: ax.plot([1])})
    assert "no picture" in html_of(form)
    assert form.images[0].value == ""
    assert form.images[1].value
    form.model.status = "FINISHED"
    assert form.model.error == ""
    assert "no picture" not in html_of(form)
    assert form.images[0].value
    form.close()


def test_error_of_a_rendering_goes_and_that_of_a_step_stays():
    model = base.Model()
    form = widgets.Form(model)
    fail = [True]

    def render():
        if fail[0]:
            raise ValueError("cannot be shown")

    form.on_change(model, ["busy"], render)
    assert "cannot be shown" in model.error
    fail[0] = False
    model.busy = "x"
    assert (model.error, model.traceback) == ("", "")
    model.error = "The server said no."
    model.busy = "y"
    assert model.error == "The server said no."
    form.close()


def test_builds_of_no_match_keep_the_fetch_form(client):
    model = FetchModel(client, diff)
    model.load()
    model.project_id = PROJECT
    for pattern, release in itertools.product(model.patterns, model.releases):
        model.pattern_id, model.release_id, model.status, model.days = pattern[1], release[1], "CANCELED", 1
        assert model.error == ""
        assert re.match(r"\d+ of \d+ builds match", model.options_text)


@pytest.mark.parametrize(
    ("project", "sentence"),
    [(None, "choose a project"), (PROJECT, "lists no instances of this project")],
)
def test_project_without_instances_is_not_told_to_be_chosen(client, project, sentence, monkeypatch):
    nothing = client.instances.find(project_id=PROJECT).head(0)
    monkeypatch.setattr(type(client.instances), "find", lambda self, **filters: nothing)
    model = SelectionModel(client)
    model.load()
    model.project_id = project
    assert sentence in model.matches_text


# --- options for nothing ------------------------------------------------------------------------------


def test_no_dropdown_is_blank_before_and_after_reset(own, builds):
    start, fetch = forms.start_build(own), forms.fetch_artifacts(own)
    all_forms = (forms.connect(), start, fetch, forms.explore(builds))
    wait_until_idle(start)
    wait_until_idle(fetch)
    for form, project in ((start, start.selection.project), (fetch, fetch.project)):
        project.value = PROJECT
        wait_until_idle(form)
    (release,) = start.selection._group_fields.values()
    assert release.label == "no release"
    for value, label in (("R11", "R11 (open)"), (widgets.NOTHING, "no release")):
        release.value = value
        wait_until_idle(start)
        assert (release.label, start.model.selection.releases) == (
            label,
            {} if value is widgets.NOTHING else {"DWH_GROUP": value},
        )
    start.model.selection.choose_release("DWH_GROUP", "R11")
    start.model.selection.choose_release("DWH_GROUP", None)
    start.model._show_not_started(InputError("no"), sent=False)  # as after going back
    for form in all_forms:
        for dropdown in (each for each in descendants(form) if isinstance(each, w.Dropdown)):
            assert None not in dropdown._options_values, dropdown.description
            assert dropdown.index is not None, dropdown.description
    fetch.pattern.index = 1
    fetch.pattern.value = widgets.NOTHING
    assert fetch.model.pattern_id is None
    for form in all_forms:
        form.close()


# --- words --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("It is full. Give another as to=.", "It is full."),
        ("'a.zip' is there. Give another folder, or overwrite=True to replace it.", "'a.zip' is there."),
        ("It ended. Try mk.connect() once more. Is it running?", "It ended. Is it running?"),
        ("The server said to=x", "The server said to=x"),
    ],
)
def test_forms_speak_no_python(given, shown):
    assert without_code(given) == shown


def test_folder_that_cannot_be_made_is_said_without_python(client, tmp_path):
    (tmp_path / "file").write_text("mine")
    downloads = DownloadsModel(client)
    downloads.folder = str(tmp_path / "file" / "below")
    downloads.fetch([5139])
    assert "cannot be created or opened" in downloads.error
    assert "to=" not in downloads.error


# --- saving on the own computer -----------------------------------------------------------------------


def saved(html):
    """Names and bytes of the links that save files."""
    found = re.findall(r'<a download="([^"]*)" href="data:application/octet-stream;base64,([^"]*)">', html)
    return {name: base64.b64decode(content) for name, content in found}


def fetch_bytes(tmp_path, *sizes, builds=(7,)):
    """Fetch files of these sizes into a folder of the server, in a form."""

    def script(request):
        if request.path.endswith("/downloads"):
            build = int(request.query["build_id"])
            return faults.reply(
                [
                    rows.row("downloads", 100 * build + n, build_id=build, name=f"{n}.bin")
                    for n in range(len(sizes))
                ]
            )
        return faults.content(
            bytes(sizes[int(request.path.rsplit("/", 1)[1]) % 100]), "application/octet-stream"
        )

    with faults.serve(script) as server, client_of_url(server.api) as client:
        downloads = DownloadsModel(client)
        downloads.folder = str(tmp_path / "on the server")
        part = DownloadsPart(downloads, lambda: builds)
        downloads.fetch(builds)
        part.close()
    return part


def test_fetched_files_can_be_saved_each_and_together(tmp_path):
    part = fetch_bytes(tmp_path, 10, 2000)
    files = saved(part.offers.value)
    assert {name: len(content) for name, content in files.items() if name != "build-7.zip"} == {
        "0.bin": 10,
        "1.bin": 2000,
    }
    with zipfile.ZipFile(io.BytesIO(files["build-7.zip"])) as archive:
        assert {i.filename: i.file_size for i in archive.infolist()} == {
            "build-7/0.bin": 10,
            "build-7/1.bin": 2000,
        }
    assert "no link" not in part.offers.value
    assert part.folder.description == "Folder on server"
    assert "On the computer that runs this notebook" in part.space.value


def test_files_of_several_builds_are_kept_apart_in_the_archive(tmp_path):
    part = fetch_bytes(tmp_path, 10, builds=(7, 8))
    with zipfile.ZipFile(io.BytesIO(saved(part.offers.value)["artifacts.zip"])) as archive:
        assert archive.namelist() == ["build-7/0.bin", "build-8/0.bin"]


def test_files_beyond_the_limit_have_no_link_and_are_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(offers, "MAX_BYTES", 3000)
    part = fetch_bytes(tmp_path, 2000, 4000, 500, 501)
    assert set(saved(part.offers.value)) == {"0.bin", "2.bin", "build-7.zip"}
    assert "2 files have no link, since links hold at most 2.93 KiB together" in part.offers.value
    assert part.model.error == ""
    assert "4 of 4 files in" in part.model.status_text


# --- keys and focus -----------------------------------------------------------------------------------


def press_enter(field):
    """Send what the browser sends for Enter; a value that was typed comes after it."""
    field._handle_msg(
        {"content": {"data": {"method": "custom", "content": {"event": "submit"}}}, "buffers": []}
    )


@pytest.fixture
def focused(monkeypatch):
    seen = []
    # ipywidgets 7 has no such method; there is nothing to see but that forms do without
    monkeypatch.setattr(w.DOMWidget, "focus", lambda self: seen.append(self), raising=False)
    return seen


@pytest.fixture
def login(factory):
    form = forms.connect()
    form.url.value, form.email.value = factory.url, factory.email
    yield form
    form.close()


@pytest.mark.parametrize("order", ["key first", "value first", "e-mail last"])
def test_enter_in_a_field_connects_and_moves_the_focus(login, factory, focused, order):
    if order == "key first":
        press_enter(login.secret)
    login.secret.value = factory.password
    if order != "key first":
        press_enter(login.secret if order == "value first" else login.email)
    wait_for(lambda: login.client is not None and not login.model.busy)
    assert focused == [login.disconnect]


def test_password_that_is_refused_gets_the_focus(login, focused):
    login.secret.value = "wrong"
    login.connect.click()
    wait_for(lambda: login.model.error and not login.model.busy)
    assert focused[-1] is login.secret


def test_focus_stays_where_ipywidgets_cannot_move_it(monkeypatch):
    monkeypatch.delattr(w.DOMWidget, "focus", raising=False)
    widgets.focus(w.Button())


def test_old_key_does_not_connect_later(login, factory, monkeypatch):
    press_enter(login.secret)
    login._entered -= 2
    login.secret.value = factory.password
    assert (login.model.has_secret, login.model.busy, login.client) == (True, "", None)


def test_button_gets_the_focus_back_or_the_next_one(focused):
    form = widgets.Form(base.Model())
    one, two = w.Button(), w.Button()
    form.on_click(one, lambda: None)
    one.click()
    form.on_click(two, lambda: None, lambda: False, then=one)
    two.click()
    assert focused == [one, one]
    form.close()


# --- silence ------------------------------------------------------------------------------------------


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(base, "_SILENCE", 0.1)
    monkeypatch.setattr(base, "_TICK", 0.05)


def silent(request):
    return faults.silence()


def test_silent_server_is_said_while_it_is_waited_for(impatient):
    with faults.serve(silent) as server:
        login = forms.connect()
        login.url.value, login.method.value = server.api, "token"
        login.secret.value = "a.b.c"
        login.connect.click()
        wait_for(lambda: "no answer for" in login.model.busy)
        assert re.fullmatch(r"Connecting: no answer for \d+ s, still waiting", login.model.busy)
        assert "still waiting" in html_of(login)
        watched = forms.watch(client_of_url(server.api), 7)
        wait_for(lambda: "no answer for" in watched.model.busy)
        close_in_time(login, watched)
    assert form_threads() == []


def test_answer_ends_the_sentence_of_silence(impatient):
    model, seen = base.Model(), []

    def step():
        time.sleep(0.4)
        seen.append(model.busy)
        model.note_answer()
        time.sleep(0.08)
        seen.append(model.busy)
        model.work_alone("Comparing")
        time.sleep(0.4)
        seen.append(model.busy)

    model.run_step("Loading", step)
    assert seen == ["Loading: no answer for 0 s, still waiting", "Loading ...", "Comparing ..."]
    assert model.busy == ""
    assert form_threads() == []


def form_threads():
    return [t.name for t in threading.enumerate() if t.name.startswith(("mkframe-form", "mkframe-fetch"))]


def close_in_time(*made):
    for form in made:
        form.worker.close(0.2)
        form.close()


@pytest.mark.parametrize(
    "make", [forms.start_build, forms.fetch_artifacts, lambda client: forms.watch(client, 7)]
)
def test_form_closed_while_the_server_is_silent_leaves_no_thread(make):
    with faults.serve(silent) as server:
        form = make(client_of_url(server.api))
        wait_for(lambda: server.requests)
        started = time.monotonic()
        close_in_time(form)
        assert form_threads() == []
        assert time.monotonic() - started < 3


def test_form_closed_in_the_pause_of_a_retry_leaves_no_thread():
    with faults.serve(lambda request: faults.later(503, 20)) as server:
        form = forms.fetch_artifacts(retrying_client(server.api))
        wait_for(lambda: server.requests)
        close_in_time(form)
        assert form_threads() == []


# --- stopping a comparison ----------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["finding", "fetching", "comparing"])
def test_comparison_can_be_stopped(client, tmp_path, monkeypatch, where):
    reached, may_go = threading.Event(), threading.Event()
    form = forms.fetch_artifacts(client)
    wait_until_idle(form)
    form.model.downloads.folder = str(tmp_path)
    form.project.value = PROJECT
    wait_until_idle(form)
    form.pattern.value = 808
    form.builds.value = (form.model.options[0][1],)

    def hold(*_, **__):
        reached.set()
        may_go.wait(10)

    if where == "comparing":

        def slow(old, new, progress):
            for n in range(100_000):
                progress(str(n))
                reached.set()
                time.sleep(0.01)

        monkeypatch.setattr(form.model, "_diff", slow)
    elif where == "fetching":
        fetch_files = form.model.downloads.fetch_files
        monkeypatch.setattr(
            form.model.downloads, "fetch_files", lambda *given: (hold(), fetch_files(*given))[1]
        )
    else:
        find = type(client.downloads).find
        monkeypatch.setattr(
            type(client.downloads), "find", lambda self, **how: (hold(), find(self, **how))[1]
        )
    form.compare.click()
    assert reached.wait(10)
    assert (form.stop_comparing.disabled, form.stop_comparing.layout.display) == (False, None)
    form.stop_comparing.click()
    may_go.set()
    wait_until_idle(form)
    assert form.model.error == ""
    assert form.model.comparison is None
    assert "The comparison was stopped." in html_of(form)
    assert (form.stop_comparing.layout.display, form.model.can_compare) == ("none", True)
    form.close()
