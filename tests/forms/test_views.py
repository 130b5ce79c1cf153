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
from mkframe.errors import InputError
from mkframe.forms.models.base import Model
from mkframe.forms.models.downloads import DownloadedFile, DownloadsModel
from mkframe.forms.views import widgets
from mkframe.forms.views.downloads import DownloadsPart
from tests.forms.conftest import AIRPLANE, PLANES, PROJECT, client_of, impatient
from tests.support import faults, rows

SCRIPT = "<script>alert(1)</script><img src=x onerror=alert(1)>"
SECRET = "correct horse battery staple"


def until(condition, seconds=10):
    """Wait for a form's thread."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.02)


def at_rest(form):
    until(lambda: form.worker.thread is None)


@pytest.fixture
def form(own):
    made = forms.start_build(own)
    at_rest(made)
    yield made
    made.close()


@pytest.fixture
def filled(form):
    form.project.value = PROJECT
    at_rest(form)
    form.model.add(PLANES)
    form._group_fields["DWH_GROUP"].value = "R11"
    at_rest(form)
    return form


def everything(widget):
    """A widget and all below it."""
    found = [widget]
    for child in getattr(widget, "children", ()):
        found += everything(child)
    return found


def html_of(form):
    return "".join(one.value for one in everything(form) if isinstance(one, w.HTML))


def state_of(form):
    return json.dumps([one.get_state() for one in everything(form)], default=str)


# --- starting ---------------------------------------------------------------------------------------------


def test_the_start_button_waits_for_a_choice(form):
    assert form.start.disabled


def test_what_blocks_is_shown(form):
    assert "Choose a project." in form.verdict.value


def test_choosing_enables_the_start_button(filled):
    assert not filled.start.disabled


def test_a_button_is_disabled_before_anything_else_happens():
    form, button, seen = widgets.Form(Model()), w.Button(description="Go"), []
    form.press(button, lambda: seen.append(button.disabled))
    button.click()
    form.close()
    assert (seen, button.disabled) == ([True], False)


def test_a_button_comes_back_only_where_the_model_allows_it():
    form, button = widgets.Form(Model()), w.Button(description="Go")
    form.press(button, lambda: None, lambda: False)
    button.click()
    form.close()
    assert button.disabled


def test_two_clicks_send_one_request(filled, own):
    before = set(own.builds.find().index)
    filled.start.click()
    filled.start.click()
    until(lambda: filled.model.watching is not None)
    assert len(set(own.builds.find().index) - before) == 1


def test_the_build_is_shown_until_its_end(filled):
    filled.start.click()
    until(lambda: "FINISHED" in html_of(filled.live))
    assert f"Build <bdi>{filled.model.started.id}</bdi>" in html_of(filled.live)


def test_artifacts_are_fetched_from_the_form(filled, tmp_path):
    filled.start.click()
    until(lambda: "FINISHED" in html_of(filled.live))
    pocket = next(part for part in filled.live.children if isinstance(part, DownloadsPart))
    pocket.folder.value = str(tmp_path)
    pocket.fetch.click()
    until(lambda: filled.result is not None)
    assert filled.result["status"].tolist() == ["fetched"] * 4


def test_going_back_shows_the_choices(filled):
    filled.start.click()
    until(lambda: len(filled.live.children) == 4)
    again = filled.live.children[3].children[0]
    again.click()
    assert (filled.choices.layout.display, filled.live.children) == (None, ())


def test_choices_cannot_be_changed_while_it_starts(filled):
    filled.model.run = lambda step: None
    filled.start.click()
    assert filled.project.disabled
    assert filled.description.disabled


def test_nothing_can_be_added_or_removed_while_it_starts(filled):
    filled.model.run = lambda step: None
    filled.start.click()
    assert all(button.disabled for button in filled.movers)


def test_a_build_that_looks_the_same_is_rejoined_where_it_is_told(filled, own):
    run = own.builds.start(
        project_id=PROJECT, instances=[{"id": i} for i in PLANES], releases={"DWH_GROUP": "R11"}
    )
    filled.start.click()
    until(lambda: filled.rejoining.children)
    assert f"Build {run.id} " in filled.verdict.value
    filled.rejoining.children[0].click()
    until(lambda: f"Build <bdi>{run.id}</bdi>" in html_of(filled.live))


def test_builds_that_began_in_the_same_moment_are_told_where_it_cannot_be_missed(filled):
    filled.start.click()
    until(lambda: filled.model.watching is not None)
    at_rest(filled)
    filled.model.doubles_said, filled.model.doubles = f"Not only {SCRIPT}", (5139,)
    told, both = filled.live.children[0], filled.live.children[1].children[0]
    assert told.value.startswith('<div class="box bad" role="alert"><b>⚠ It runs more than once.</b>')
    assert "&lt;script&gt;" in told.value
    both.click()
    assert [b.id for b in filled.model.watching.builds] == [filled.model.started.id, 5139]


def test_the_preview_shows_what_is_sent_in_lines(filled):
    lines = re.findall(r'<span class="d\d">(.*?)</span>', filled.preview.value)
    assert html.unescape("".join(lines)) == filled.model.body()


def test_releases_are_chosen_in_their_fields(filled):
    filled._group_fields["DWH_GROUP"].value = "R10"
    assert dict(filled.model.releases) == {"DWH_GROUP": "R10"}


def test_a_callback_that_fails_is_shown_and_logged(filled, caplog):
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


def test_words_of_the_server_never_become_markup_in_the_start_form(hostile):
    form = forms.start_build(impatient(hostile.api))
    at_rest(form)
    form.project.value = 1
    at_rest(form)
    form.model.add_matches()
    form.model.description = SCRIPT
    form.model.beside = True
    form.model.submit()
    at_rest(form)
    shown = html_of(form)
    form.close()
    assert "&lt;script&gt;" in shown
    assert "<script" not in shown
    assert "<img" not in shown


def test_words_of_the_server_never_become_markup_while_watching(hostile):
    form = forms.watch(impatient(hostile.api), 1)
    at_rest(form)
    shown = html_of(form)
    form.close()
    assert "&lt;script&gt;" in shown
    assert "<script" not in shown


def test_words_of_the_server_never_become_markup_while_fetching(hostile, tmp_path):
    form = forms.fetch_artifacts(impatient(hostile.api))
    at_rest(form)
    form.model.status = "any"
    form.project.value = 1
    at_rest(form)
    form.model.chosen = (1,)
    form.pocket.folder.value = str(tmp_path)
    form.pocket.fetch.click()
    at_rest(form)
    shown = html_of(form)
    form.close()
    assert "&lt;script&gt;" in shown
    assert "<script" not in shown


def test_words_of_the_server_never_become_markup_in_a_table(client):
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


def test_a_password_leaves_its_field_at_once(login):
    login.secret.value = SECRET
    assert login.secret.value == ""
    assert login.model.has_secret


def test_a_saved_state_holds_no_password(login, factory):
    login.url.value, login.email.value, login.secret.value = factory.url, factory.email, factory.password
    before = state_of(login)
    login.enter.click()
    until(lambda: login.client is not None)
    assert factory.password not in before + state_of(login)


def test_a_saved_state_holds_no_token(login, factory):
    login.url.value, login.email.value, login.secret.value = factory.url, factory.email, factory.password
    login.enter.click()
    until(lambda: login.client is not None)
    token = login.client._transport._token.get_secret_value()
    assert token not in state_of(login) + login.model.said


# --- threads and lives ------------------------------------------------------------------------------------


def mine():
    return [thread for thread in threading.enumerate() if thread.name == "mkframe-form"]


def test_a_form_at_rest_has_no_thread(form):
    assert form.worker.thread not in mine()


def test_closing_a_form_that_watches_ends_its_thread(own):
    run = own.builds.start(project_id=PROJECT, instances=[{"id": AIRPLANE}], releases={"DWH_GROUP": "R11"})
    form = forms.watch(own, run.id)
    until(lambda: form.model.builds[0].status == "BUILDING")
    thread = form.worker.thread
    form.close()
    assert not thread.is_alive()


def test_closing_a_form_that_fetches_ends_all_its_threads(tmp_path):
    def script(request):
        if request.path == "/api/v1/downloads":
            return faults.reply(rows.rows("downloads", 4, build_id=1))
        if request.path == "/api/v1/builds/1":
            return faults.reply(rows.row("builds", 1, status="FINISHED"))
        return faults.cut(faults.file(bytes(40_000)), "hang")

    with faults.serve(script) as server:
        form = forms.watch(impatient(server.api), 1)
        until(lambda: form.model.state == "over")
        form.pocket.folder.value = str(tmp_path)
        form.pocket.fetch.click()
        until(lambda: any(f.share for f in form.pocket.model.files))
        form.close()
        assert [
            t.name for t in threading.enumerate() if t.name.startswith(("mkframe-form", "mkframe-crew"))
        ] == []
    assert not list(tmp_path.rglob("*.part"))


def test_an_unexpected_error_while_watching_is_shown(login):
    form = forms.watch(SimpleNamespace(builds=None), 1)
    at_rest(form)
    shown = html_of(form)
    form.close()
    assert "Looking at the build failed unexpectedly: AttributeError" in shown.replace("<bdi>", "")
    assert "Traceback" in shown


def test_a_form_waits_for_a_connection(login):
    form = forms.start_build(login)
    assert "Connect first" in html_of(form)
    login.way.value = "embedded"
    login.enter.click()
    until(lambda: form.form is not None and form.form.model.projects)
    form.close()


def test_a_form_that_waited_has_the_mind_of_the_form_inside(login):
    form = forms.start_build(login)
    login.way.value = "embedded"
    login.enter.click()
    until(lambda: form.form is not None)
    assert form.model is form.form.model
    assert form.model.started is None
    form.close()


def test_a_login_that_is_closed_while_it_connects_leaves_no_client(login):
    made = []
    demo = login.model._demo
    login.model._demo = lambda: made.append(demo()) or made[0]
    login.way.value = "embedded"
    login.enter.click()
    login.close()
    assert login.client is None
    with pytest.raises(mk.errors.ConnectError):
        made[0].projects.find()


def test_disconnecting_takes_the_form_away(login):
    form = forms.fetch_artifacts(login)
    login.way.value = "embedded"
    login.enter.click()
    until(lambda: form.form is not None)
    inner = form.form
    login.leave.click()
    assert (form.form, inner.worker.thread) == (None, None)
    form.close()


def test_several_builds_stand_in_one_table(client):
    form = forms.watch(client, [5139, 5140])
    until(lambda: form.model.state == "over")
    assert html_of(form).count("<tr>") == 3
    form.close()


def test_artifacts_of_chosen_builds_are_fetched(client, tmp_path):
    form = forms.fetch_artifacts(client)
    at_rest(form)
    form.project.value = PROJECT
    at_rest(form)
    form.builds.value = (form.model.options[0][1],)
    form.pocket.folder.value = str(tmp_path)
    form.pocket.fetch.click()
    until(lambda: form.result is not None)
    form.close()
    assert all(path.startswith(str(tmp_path)) for path in form.result["path"])


def test_a_comparison_is_shown(client, tmp_path):
    form = forms.fetch_artifacts(client)
    at_rest(form)
    form.project.value = PROJECT
    at_rest(form)
    form.pattern.value = 808
    form.builds.value = (form.model.options[0][1],)
    form.pocket.folder.value = str(tmp_path)
    form.compare.click()
    until(lambda: form.model.comparison is not None)
    at_rest(form)
    form.close()
    assert form.model.compared in form.difference.value.replace("<bdi>", "").replace("</bdi>", "")


def test_charts_follow_the_filters(client):
    form = forms.explore(client.builds.find())
    before = [bytes(image.value) for image in form.images]
    form.model.status = "FAILED"
    after = [bytes(image.value) for image in form.images]
    form.close()
    assert all(png.startswith(b"\x89PNG") for png in after)
    assert all(a != b for a, b in zip(before, after, strict=True))


def part_of(*files):
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
def test_each_file_has_its_bar(share, bar):
    assert bar in part_of(DownloadedFile("a.zip", "fetching", share, "1 kB"))


def test_of_very_many_files_those_that_need_attention_come_first():
    many = [DownloadedFile(f"{n}.zip", "fetched", 1.0) for n in range(200)]
    shown = part_of(
        *many, DownloadedFile("bad.zip", "failed", 1.0, "It is gone"), DownloadedFile("now.zip", "fetching")
    )
    assert shown.count("<tr>") == 50
    assert shown.index("now.zip") < shown.index("bad.zip") < shown.index("0.zip")
    assert "... and 152 more" in shown


def test_every_control_has_words(filled):
    controls = [c for c in everything(filled) if isinstance(c, w.DOMWidget) and hasattr(c, "description")]
    silent = [c for c in controls if not isinstance(c, w.HTML) and not c.description]
    assert len(controls) > 10
    assert silent == []


@pytest.mark.parametrize("given", [True, "5139", [], [5139, None]])
def test_what_is_no_build_id_is_refused(client, given):
    with pytest.raises(InputError, match=r"the id of a build must be|No build is given"):
        forms.watch(client, given)


def test_a_watch_form_takes_what_wait_takes(client):
    builds = client.builds.find().iloc[:2]
    for given in (builds, [*builds.index], [row for _, row in builds.iterrows()]):
        form = forms.watch(client, given)
        form.close()
        assert [b.id for b in form.model.builds] == builds.index.tolist()


def test_what_is_no_client_is_refused():
    with pytest.raises(InputError, match="A client is needed, not str"):
        forms.start_build("https://app.metakraftwerk.com/api/v1")


def test_words_keep_their_direction_to_themselves():
    assert widgets.markup("{}", "\u202e<b>") == "<bdi>\u202e&lt;b&gt;</bdi>"


def test_the_form_outside_a_notebook_says_what_it_is(filled):
    assert repr(filled) == "<StartForm of mkframe: choosing>"


def test_it_names_the_connection(factory):
    with client_of(factory) as client:
        form = forms.start_build(client)
        assert factory.url in html_of(form)
        form.close()
