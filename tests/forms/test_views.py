import html
import json
import re
import threading
import time
from types import SimpleNamespace

import ipywidgets as w
import pytest

import mkframe as mk
from mkframe import forms
from mkframe.builds import _how_long
from mkframe.errors import InputError
from mkframe.forms.models.base import Model
from mkframe.forms.models.downloads import DownloadedFile, DownloadsModel
from mkframe.forms.views import widgets
from mkframe.forms.views.downloads import DownloadsPart
from tests.builds.servers import BUILDS
from tests.forms.conftest import AIRPLANE, PLANES, PROJECT, client_of, client_of_url
from tests.support import faults, rows
from tests.support.running_builds import SAYS, past, running
from tests.support.widgets import descendants, html_of

SCRIPT = "<script>alert(1)</script><img src=x onerror=alert(1)>"
SECRET = "correct horse battery staple"


def wait_for(condition, seconds=10):
    """Wait for a form's thread."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "the condition was not met in time"
        time.sleep(0.02)


def wait_until_idle(form):
    wait_for(lambda: form.worker.thread is None)


@pytest.fixture
def form(own):
    made = forms.start_build(own)
    wait_until_idle(made)
    yield made
    made.close()


@pytest.fixture
def filled(form):
    form.selection.project.value = PROJECT
    wait_until_idle(form)
    form.model.selection.add(PLANES)
    form.selection._group_fields["DWH_GROUP"].value = "R11"
    wait_until_idle(form)
    return form


def state_of(form):
    return json.dumps([one.get_state() for one in descendants(form)], default=str)


# --- starting ---------------------------------------------------------------------------------------------


def test_start_button_without_selection_is_disabled(form):
    assert form.start.disabled


def test_blockers_are_shown(form):
    assert "Choose a project." in form.verdict.value


def test_error_while_loading_the_projects_is_shown():
    with faults.serve(faults.vendor(500, "Out of order")) as server:
        form = forms.start_build(client_of_url(server.api))
        wait_until_idle(form)
        shown = html_of(form)
        form.close()
    assert shown.count("Loading the projects did not work") == 1


def test_start_button_with_selection_is_enabled(filled):
    assert not filled.start.disabled


def test_button_is_disabled_before_its_action():
    form, button, seen = widgets.Form(Model()), w.Button(description="Go"), []
    form.on_click(button, lambda: seen.append(button.disabled))
    button.click()
    form.close()
    assert (seen, button.disabled) == ([True], False)


def test_button_stays_disabled_if_not_allowed():
    form, button = widgets.Form(Model()), w.Button(description="Go")
    form.on_click(button, lambda: None, lambda: False)
    button.click()
    form.close()
    assert button.disabled


def test_two_clicks_send_one_request(filled, own):
    before = set(own.builds.find().index)
    filled.start.click()
    filled.start.click()
    wait_for(lambda: filled.model.watch is not None)
    assert len(set(own.builds.find().index) - before) == 1


def test_build_is_shown_until_its_end(filled):
    filled.start.click()
    wait_for(lambda: "FINISHED" in html_of(filled.live))
    assert f"Build <bdi>{filled.model.build.id}</bdi>" in html_of(filled.live)


def test_artifacts_are_fetched_from_the_form(filled, tmp_path):
    filled.start.click()
    wait_for(lambda: "FINISHED" in html_of(filled.live))
    downloads = next(part for part in filled.live.children if isinstance(part, DownloadsPart))
    downloads.folder.value = str(tmp_path)
    downloads.fetch.click()
    wait_for(lambda: filled.result is not None)
    assert filled.result["status"].tolist() == ["fetched"] * 4


def test_reset_shows_the_selection(filled):
    filled.start.click()
    wait_for(lambda: len(filled.live.children) == 4)
    second = filled.live.children[3].children[0]
    second.click()
    assert (filled.selection.layout.display, filled.live.children) == (None, ())


def test_fields_are_disabled_during_the_start(filled):
    filled.model.run = lambda step: None
    filled.start.click()
    assert filled.selection.project.disabled
    assert filled.selection.description.disabled


def test_selection_buttons_are_disabled_during_start(filled):
    filled.model.run = lambda step: None
    filled.start.click()
    assert all(button.disabled for button in filled.selection.selection_buttons)


def test_duplicate_can_be_watched_by_its_button(filled, own):
    run = own.builds.start(
        project_id=PROJECT, instances=[{"id": i} for i in PLANES], releases={"DWH_GROUP": "R11"}
    )
    filled.start.click()
    wait_for(lambda: filled.duplicate_buttons.children)
    assert f"Build {run.id} " in filled.verdict.value
    filled.duplicate_buttons.children[0].click()
    wait_for(lambda: f"Build <bdi>{run.id}</bdi>" in html_of(filled.live))


def test_concurrent_builds_are_shown_first(filled):
    filled.start.click()
    wait_for(lambda: filled.model.watch is not None)
    wait_until_idle(filled)
    filled.model.concurrent_text, filled.model.concurrent_ids = f"Not only {SCRIPT}", (5139,)
    warning, button = filled.live.children[0], filled.live.children[1].children[0]
    assert warning.value.startswith('<div class="box bad" role="alert"><b>⚠ It runs more than once.</b>')
    assert "&lt;script&gt;" in warning.value
    button.click()
    assert [b.id for b in filled.model.watch.builds] == [filled.model.build.id, 5139]


def test_preview_shows_the_request_in_lines(filled):
    lines = re.findall(r'<span class="d\d">(.*?)</span>', filled.preview.value)
    assert html.unescape("".join(lines)) == filled.model.selection.body()


def test_release_field_chooses_the_release(filled):
    filled.selection._group_fields["DWH_GROUP"].value = "R10"
    assert dict(filled.model.selection.releases) == {"DWH_GROUP": "R10"}


def test_failing_callback_is_shown_and_logged(filled, caplog):
    filled.model.run = lambda step: 1 / 0
    filled.start.click()
    assert "Start build failed unexpectedly: ZeroDivisionError" in html_of(filled)
    assert "Traceback" in html_of(filled)
    assert "ZeroDivisionError" in caplog.text


# --- safety -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def hostile():
    """A server whose every word is a script."""
    texts = {"name": SCRIPT, "description": SCRIPT, "message": SCRIPT, "path": f"/{SCRIPT}", "type": SCRIPT}

    def every(resource):
        fields = {f.name for f in rows.RESOURCES[resource].fields}
        changes = {name: text for name, text in texts.items() if name in fields}
        return rows.rows(resource, 3, **changes, **({"status": "BUILDING"} if resource == "builds" else {}))

    script = {f"/api/v1/{name}": faults.reply(every(name)) for name in rows.RESOURCES}
    failed = rows.row("builds", 1, **{k: v for k, v in texts.items() if k in ("description", "message")})
    script["/api/v1/builds/1"] = faults.reply({**failed, "status": "FAILED"})
    script["POST /api/v1/builds"] = faults.vendor(400, SCRIPT)
    with faults.serve(script) as server:
        yield server


def test_start_form_escapes_texts_of_the_server(hostile):
    form = forms.start_build(client_of_url(hostile.api))
    wait_until_idle(form)
    form.selection.project.value = 1
    wait_until_idle(form)
    form.model.selection.add_matches()
    form.model.selection.description = SCRIPT
    form.model.selection.allow_duplicate = True
    form.model.submit()
    wait_until_idle(form)
    shown = html_of(form)
    form.close()
    assert "&lt;script&gt;" in shown
    assert "<script" not in shown
    assert "<img" not in shown


def test_watch_form_escapes_texts_of_the_server(hostile):
    form = forms.watch(client_of_url(hostile.api), 1)
    wait_until_idle(form)
    shown = html_of(form)
    form.close()
    assert "&lt;script&gt;" in shown
    assert "<script" not in shown


def test_fetch_form_escapes_texts_of_the_server(hostile, tmp_path):
    form = forms.fetch_artifacts(client_of_url(hostile.api))
    wait_until_idle(form)
    form.model.status = "any"
    form.project.value = 1
    wait_until_idle(form)
    form.model.chosen = (1,)
    form.downloads.folder.value = str(tmp_path)
    form.downloads.fetch.click()
    wait_until_idle(form)
    shown = html_of(form)
    form.close()
    assert "&lt;script&gt;" in shown
    assert "<script" not in shown


def test_explore_table_escapes_texts_of_the_server(client):
    builds = client.builds.find().assign(message=SCRIPT, description=SCRIPT)
    form = forms.explore(builds)
    assert "<script" not in html_of(form)
    assert "&lt;script&gt;" in html_of(form)
    form.close()


@pytest.fixture
def login():
    form = forms.connect()
    yield form
    form.close()


def test_password_is_removed_from_its_field(login):
    login.secret.value = SECRET
    assert login.secret.value == ""
    assert login.model.has_secret


def test_saved_state_contains_no_password(login, factory):
    login.url.value, login.email.value, login.secret.value = factory.url, factory.email, factory.password
    before = state_of(login)
    login.connect.click()
    wait_for(lambda: login.client is not None)
    assert factory.password not in before + state_of(login)


def test_saved_state_contains_no_token(login, factory):
    login.url.value, login.email.value, login.secret.value = factory.url, factory.email, factory.password
    login.connect.click()
    wait_for(lambda: login.client is not None)
    token = login.client._transport._token.get_secret_value()
    assert token not in state_of(login) + login.model.status_text


# --- threads and lives ------------------------------------------------------------------------------------


def form_threads():
    return [thread for thread in threading.enumerate() if thread.name == "mkframe-form"]


def test_idle_form_has_no_thread(form):
    assert form.worker.thread not in form_threads()


def test_close_while_watching_ends_the_thread(own):
    run = own.builds.start(project_id=PROJECT, instances=[{"id": AIRPLANE}], releases={"DWH_GROUP": "R11"})
    form = forms.watch(own, run.id)
    wait_for(lambda: form.model.builds[0].status == "BUILDING")
    thread = form.worker.thread
    form.close()
    assert not thread.is_alive()


def test_close_while_the_history_is_silent_leaves_no_thread(monkeypatch):
    monkeypatch.setattr(_how_long, "_MIN_WAIT", 0.0)
    with faults.serve({f"{BUILDS}/7": running(), BUILDS: faults.silence()}) as server:
        form = forms.watch(client_of_url(server.api), 7)
        wait_for(lambda: server.to(BUILDS))
        form.close()
        ends = ("mkframe-form", "mkframe-how-long")
        assert [t.name for t in threading.enumerate() if t.name.startswith(ends)] == []


def test_close_while_fetching_ends_all_threads(tmp_path):
    def script(request):
        if request.path == "/api/v1/downloads":
            return faults.reply(rows.rows("downloads", 4, build_id=1))
        if request.path == "/api/v1/builds/1":
            return faults.reply(rows.row("builds", 1, status="FINISHED"))
        return faults.cut(faults.file(bytes(40_000)), "hang")

    with faults.serve(script) as server:
        form = forms.watch(client_of_url(server.api), 1)
        wait_for(lambda: form.model.state == "over")
        form.downloads.folder.value = str(tmp_path)
        form.downloads.fetch.click()
        wait_for(lambda: any(f.share for f in form.downloads.model.files))
        form.close()
        assert [
            t.name for t in threading.enumerate() if t.name.startswith(("mkframe-form", "mkframe-fetch"))
        ] == []
    assert not list(tmp_path.rglob("*.part"))


def test_unexpected_error_while_watching_is_shown(login):
    form = forms.watch(SimpleNamespace(builds=None), 1)
    wait_until_idle(form)
    shown = html_of(form)
    form.close()
    assert "Looking at the build failed unexpectedly: AttributeError" in shown.replace("<bdi>", "")
    assert "Traceback" in shown


def test_deferred_form_appears_after_connecting(login):
    form = forms.start_build(login)
    assert "Connect first" in html_of(form)
    login.method.value = "embedded"
    login.connect.click()
    wait_for(lambda: form.form is not None and form.form.model.selection.projects)
    form.close()


def test_deferred_form_has_the_model_of_the_form_inside(login):
    form = forms.start_build(login)
    login.method.value = "embedded"
    login.connect.click()
    wait_for(lambda: form.form is not None)
    assert form.model is form.form.model
    assert form.model.build is None
    form.close()


def test_close_while_connecting_leaves_no_client(login):
    made = []
    demo = login.model._demo
    login.model._demo = lambda: made.append(demo()) or made[0]
    login.method.value = "embedded"
    login.connect.click()
    login.close()
    assert login.client is None
    with pytest.raises(mk.errors.ConnectError):
        made[0].projects.find()


def test_disconnect_closes_the_deferred_form(login):
    form = forms.fetch_artifacts(login)
    login.method.value = "embedded"
    login.connect.click()
    wait_for(lambda: form.form is not None)
    inner = form.form
    login.disconnect.click()
    assert (form.form, inner.worker.thread) == (None, None)
    form.close()


def test_several_builds_are_shown_in_one_table(client):
    form = forms.watch(client, [5139, 5140])
    wait_for(lambda: form.model.state == "over")
    assert html_of(form).count("<tr>") == 3
    form.close()


@pytest.mark.parametrize("ids", [[7], [7, 8]])
def test_running_build_is_shown_with_how_long(ids, monkeypatch):
    monkeypatch.setattr(_how_long, "_MIN_WAIT", 0.0)
    script = {f"{BUILDS}/{number}": running(number) for number in ids}
    with faults.serve(script | {BUILDS: faults.reply(past())}) as server:
        form = forms.watch(client_of_url(server.api), ids)
        wait_for(lambda: "similar builds" in html_of(form))
        shown = re.sub(r"</?bdi>", "", html_of(form))
        form.close()
    assert shown.count(SAYS) == len(ids)
    assert "How long" in shown
    assert ("elapsed 20 min 4" if len(ids) == 1 else ">20 min 4") in shown


def test_elapsed_time_without_a_clock_of_the_server_is_unknown():
    undated = faults.reply(rows.row("builds", 7, status="BUILDING", build_end=None))
    with faults.serve(undated) as server:
        form = forms.watch(client_of_url(server.api), 7)
        wait_for(lambda: "BUILDING" in html_of(form))
        shown = re.sub(r"</?bdi>", "", html_of(form))
        form.close()
    assert "elapsed –" in shown


def test_artifacts_of_chosen_builds_are_fetched(client, tmp_path):
    form = forms.fetch_artifacts(client)
    wait_until_idle(form)
    form.project.value = PROJECT
    wait_until_idle(form)
    form.builds.value = (form.model.options[0][1],)
    form.downloads.folder.value = str(tmp_path)
    form.downloads.fetch.click()
    wait_for(lambda: form.result is not None)
    form.close()
    assert all(path.startswith(str(tmp_path)) for path in form.result["path"])


def test_comparison_is_shown(client, tmp_path):
    form = forms.fetch_artifacts(client)
    wait_until_idle(form)
    form.project.value = PROJECT
    wait_until_idle(form)
    form.pattern.value = 808
    form.builds.value = (form.model.options[0][1],)
    form.downloads.folder.value = str(tmp_path)
    form.compare.click()
    wait_for(lambda: form.model.comparison is not None)
    wait_until_idle(form)
    form.close()
    assert form.model.comparison_text in form.difference.value.replace("<bdi>", "").replace("</bdi>", "")


def test_charts_follow_the_filters(client):
    form = forms.explore(client.builds.find())
    before = [image.value for image in form.images]
    form.model.status = "FAILED"
    after = [image.value for image in form.images]
    form.close()
    assert all("data:image/png;base64,iVBOR" in image for image in after)
    assert all(a != b for a, b in zip(before, after, strict=True))


def test_charts_have_their_title_and_caption_as_text(client):
    builds = client.add_names(client.builds.find())
    form = forms.explore(builds)
    alts = [re.search('alt="([^"]*)"', image.value)[1] for image in form.images]
    form.close()
    axes = [chart(builds) for chart in (mk.charts.outcomes, mk.charts.failure_rate, mk.charts.durations)]
    assert [html.unescape(alt) for alt in alts] == [mk.charts.alt_text(ax) for ax in axes]
    assert all(len(alt) > 50 for alt in alts)


def test_text_of_a_chart_with_hostile_words_is_escaped(client):
    builds = client.builds.find().assign(status='"><script>alert(1)</script>')
    form = forms.explore(builds)
    shown = html_of(form)
    form.close()
    assert "<script" not in shown


def html_of_files(*files):
    model = DownloadsModel(None)
    part = DownloadsPart(model, list)
    model.files = files
    part.close()
    return part.files.value


@pytest.mark.parametrize(
    ("share", "bar"),
    [
        (0.25, '<progress max="1" value="0.25" aria-label="Progress of a.zip"></progress>'),
        (None, '<progress max="1" aria-label="Progress of a.zip"></progress>'),
    ],
)
def test_each_file_has_a_progress_bar(share, bar):
    assert bar in html_of_files(DownloadedFile("a.zip", "fetching", share, "1 kB"))


def test_many_files_show_running_and_failed_first():
    many = [DownloadedFile(f"{n}.zip", "fetched", 1.0) for n in range(200)]
    shown = html_of_files(
        *many, DownloadedFile("bad.zip", "failed", 1.0, "It is gone"), DownloadedFile("now.zip", "fetching")
    )
    assert shown.count("<tr>") == 50
    assert shown.index("now.zip") < shown.index("bad.zip") < shown.index("0.zip")
    assert "... and 152 more" in shown


def test_every_control_has_a_description(filled):
    controls = [c for c in descendants(filled) if isinstance(c, w.DOMWidget) and hasattr(c, "description")]
    silent = [c for c in controls if not isinstance(c, w.HTML) and not c.description]
    assert len(controls) > 10
    assert silent == []


@pytest.mark.parametrize("given", [True, "5139", [], [5139, None]])
def test_invalid_build_id_is_refused(client, given):
    with pytest.raises(InputError, match=r"the id of a build must be|No build is given"):
        forms.watch(client, given)


@pytest.mark.parametrize("given", [None, 7, mk.explode_patterns, [5139]])
def test_invalid_history_is_refused_before_connecting(login, given):
    with pytest.raises(InputError, match="no frame of builds"):
        forms.watch(login, 5139, history=given)


def test_watch_accepts_ids_rows_and_frames(client):
    builds = client.builds.find().iloc[:2]
    for given in (builds, [*builds.index], [row for _, row in builds.iterrows()]):
        form = forms.watch(client, given)
        form.close()
        assert [b.id for b in form.model.builds] == builds.index.tolist()


def test_dir_shows_public_names():
    assert (dir(forms), dir(forms.models)) == (sorted(forms.__all__), sorted(forms.models.__all__))


def test_invalid_client_is_refused():
    with pytest.raises(InputError, match="A client is needed, not str"):
        forms.start_build("https://app.metakraftwerk.com/api/v1")


def test_markup_isolates_the_writing_direction():
    assert widgets.markup("{}", "\u202e<b>") == "<bdi>\u202e&lt;b&gt;</bdi>"


def test_repr_names_form_and_state(filled):
    assert repr(filled) == "<StartForm of mkframe: choosing>"


def test_heading_names_the_server(factory):
    with client_of(factory) as client:
        form = forms.start_build(client)
        assert factory.url in html_of(form)
        form.close()
