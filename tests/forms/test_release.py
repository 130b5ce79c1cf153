"""The form that analyzes releases."""

from pathlib import Path

import pandas as pd
import pytest

from mkframe import forms, releases
from mkframe.forms.models import ReleaseModel
from mkframe.forms.models.release import KINDS
from mkframe.releases.frames import Diff, Readiness
from tests.forms.test_views import wait_until_idle
from tests.support import release_server
from tests.support.widgets import html_of

ANALYSES = {name: getattr(releases, name) for name in KINDS}


@pytest.fixture
def story():
    return release_server.story_in_order()


@pytest.fixture
def client(story):
    with story.client() as client:
        yield client


@pytest.fixture
def model(client, tmp_path):
    model = ReleaseModel(client, ANALYSES)
    model.load()
    model.project_id, model.group = release_server.PROJECT, "DWH_GROUP"
    model.folder = str(tmp_path / "new")
    return model


def test_model_without_choices_names_what_is_missing(client):
    model = ReleaseModel(client, ANALYSES)
    assert model.blockers["diff"].startswith("Choose a project. Choose a group.")
    model.analyze("diff")
    assert model.results == {}


def test_model_proposes_the_present_release_and_the_one_before(model):
    assert (model.old, model.new, model.hotfix) == ("R6", "R7", "R6.HF1")
    model.new = "R8"
    assert (model.old, model.new) == ("R7", "R8")
    assert set(model.blockers.values()) == {""}
    assert [name for _, name in model.hotfixes] == ["R6.HF1"]
    assert model.label_options == ("for_review", "to_do")


def test_model_refuses_one_release_twice(model):
    model.old = model.new
    assert model.blockers["diff"] == "Choose two different releases."


def test_model_without_hotfix_says_so(model):
    model.group = "MART_GROUP"
    assert model.blockers["carried_forward"] == "The group has no hotfix."


@pytest.mark.parametrize("kind", KINDS)
def test_model_gives_each_result_and_saves_it(kind, model, tmp_path):
    model.new = "R7"
    model.analyze(kind)
    assert model.error == ""
    assert isinstance(model.results[kind], pd.DataFrame)
    for ending in (".xlsx", ".html"):
        model.save(kind, ending)
        assert model.error == ""
    written = sorted(path.suffix for path in (tmp_path / "new").iterdir())
    assert written == [".html", ".xlsx"]
    assert model.status_text.startswith("Written on the server: ")
    assert [offer.name for offer in model.offers] == [Path(model.status_text.split(": ", 1)[1]).name]


def test_model_forgets_results_of_other_choices(model):
    model.new = "R7"
    model.analyze("readiness")
    assert isinstance(model.results["readiness"], Readiness)
    model.labels = ("to_do",)
    assert model.results == {}


def test_result_of_an_earlier_choice_is_not_shown(client):
    steps = []
    model = ReleaseModel(client, ANALYSES, steps.append)
    model.load()
    steps.pop()()
    model.project_id, model.group, model.new = release_server.PROJECT, "DWH_GROUP", "R7"
    model.analyze("readiness")
    model.new = "R8"
    steps.pop()()
    assert model.results == {}


def test_model_shows_the_error_of_a_server(model, story):
    story.refused.add("/projects")
    model.new = "R7"
    model.analyze("readiness")
    assert "Readiness did not work. " in model.error


def test_model_of_a_visitor_offers_the_file(client, monkeypatch):
    monkeypatch.setenv("MKFRAME_PUBLIC", "1")
    model = ReleaseModel(client, ANALYSES)
    model.load()
    model.project_id, model.group, model.new = release_server.PROJECT, "DWH_GROUP", "R7"
    model.analyze("diff")
    model.save("diff", ".html")
    assert model.error == ""
    assert [offer.name for offer in model.offers] == ["differences-from-r6-to-r7-demo_project-dwh_group.html"]
    model.new = "R8"
    assert model.offers == ()


def test_form_leads_from_choices_to_a_workbook(client, tmp_path):
    form = forms.release(client)
    wait_until_idle(form)
    start, book, _ = form.buttons["diff"]
    assert start.disabled
    assert book.disabled
    form.project.value, form.group.value = release_server.PROJECT, "DWH_GROUP"
    form.new.value = "R7"
    form.folder.value = str(tmp_path)
    assert not start.disabled
    assert [form.tabs.get_title(at) for at in range(4)] == ["Differences", "Hotfix", "Unbuilt", "Readiness"]
    start.click()
    wait_until_idle(form)
    assert isinstance(form.results["diff"], Diff)
    assert "1 changed" in form.shown["diff"].value
    book.click()
    wait_until_idle(form)
    assert (tmp_path / "differences-from-r6-to-r7-demo_project-dwh_group.xlsx").is_file()
    assert "differences-from-r6-to-r7-demo_project-dwh_group.xlsx" in form.saved.value
    form.new.value = "R8"
    assert "<table>" not in form.shown["diff"].value
    assert form.saved.value == ""
    form.close()


def test_form_escapes_what_the_server_sent(story, tmp_path):
    evil = "<img src=x onerror=alert(1)>"
    story.release("R7")["name"] = evil
    story.projects[0]["name"] = evil
    story.labels[0]["name"] = evil
    story.instance("SEAT")["errors"], story.instance("SEAT")["name"] = 1, evil
    with story.client() as client:
        form = forms.release(client)
        wait_until_idle(form)
        form.project.value, form.group.value = release_server.PROJECT, "DWH_GROUP"
        form.new.value, form.labels.value = evil, (evil,)
        form.buttons["readiness"][0].click()
        wait_until_idle(form)
        assert form.model.error == ""
        assert "<img" not in html_of(form)
        form.close()
