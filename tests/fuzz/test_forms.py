"""Models of forms show sentences for any answer of a server, and no unexpected error."""

import contextlib
import json
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mkframe.errors import MkframeError, SchemaWarning
from mkframe.forms.models import ExploreModel, FetchModel, StartModel, WatchModel
from tests.forms.conftest import client_of_url
from tests.fuzz import bodies
from tests.fuzz.test_metrics import OPTIONS
from tests.support import faults, rows, strategies
from tests.support.settings import amount

pytestmark = pytest.mark.slow

ASKED = ["projects", "patterns", "instances", "instance_folders", "builds", "releases", "release_groups"]


@pytest.fixture(scope="module")
def server():
    """A server that answers with `server.answers` of a resource."""
    answers = {}

    def answer(request):
        name = request.path.removeprefix("/api/v1/").split("/")
        body = answers.get(name[0], b"[]")
        if len(name) > 1:
            body = answers.get("one", b"{}")
        return faults.content(body, "application/json")

    with faults.serve(answer) as server:
        server.answers = answers
        yield server


@st.composite
def server_answers(draw):
    """An answer for each resource: a few related rows, some of them odd."""
    answers = {}
    for name in ASKED:
        made = []
        for number in range(1, draw(st.integers(1, 3)) + 1):
            pairs = dict(draw(bodies.records(name)))
            for key in (
                "id",
                "project_id",
                "pattern_id",
                "instance_folder_id",
                "group_id",
                "release_group_id",
            ):
                if json.dumps(key) in pairs and draw(st.integers(0, 9)) < 8:
                    pairs[json.dumps(key)] = str(number if key == "id" else draw(st.integers(1, 2)))
            made.append(bodies.mapped(list(pairs.items())))
        answers[name] = bodies.listed(made).encode("utf-8", "surrogateescape")
    return answers


@contextlib.contextmanager
def odd_server(server, answers):
    server.answers.clear()
    server.answers.update(answers)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SchemaWarning)
        client = client_of_url(server.api)
        try:
            yield client
        finally:
            client.close()


def without_traceback(model):
    """Check that no error was unexpected, and return the model."""
    assert not model.traceback, model.traceback
    return model


@given(answers=server_answers(), typed=bodies.TEXTS)
@amount(12)
def test_start_form_shows_only_sentences(server, answers, typed):
    with odd_server(server, answers) as client:
        model = StartModel(client, confirm_timeout=0.0).selection
        model.load()
        for _, project in without_traceback(model).projects[:2]:
            model.project_id = project
            without_traceback(model).add_matches()
            model.search = typed
            for group in model.groups:
                for _, release in group.options[:2]:
                    model.choose_release(group.name, release)
            model.description, model.restore = typed, True
            assert all(isinstance(text, str) and text for text in (*model.blockers, *model.notices))
            assert not model.json or json.loads(model.body())["instances"]
            without_traceback(model)


@given(answers=server_answers())
@amount(12)
def test_fetch_form_shows_only_sentences(server, answers):
    with odd_server(server, answers) as client:
        model = FetchModel(client, diff=lambda old, new: None)
        model.load()
        for _, project in without_traceback(model).projects[:2]:
            model.project_id, model.status = project, "any"
            for _, pattern in without_traceback(model).patterns[:2]:
                model.pattern_id = pattern
            model.pattern_id, model.days = None, 7
            model.days = 0
            model.chosen = tuple(build for _, build in model.options)
            assert model.blockers is not None
            without_traceback(model)


@given(one=bodies.records("builds"), answers=server_answers())
@amount(12)
def test_watch_form_shows_only_sentences(server, one, answers):
    answers = answers | {"one": bodies.mapped(one).encode("utf-8", "surrogateescape")}
    with odd_server(server, answers) as client:
        model = WatchModel(client, [1])
        model.look()
        without_traceback(model)


@given(
    frame=st.one_of(strategies.builds(), strategies.transformed_histories(), strategies.histories()),
    tz=OPTIONS["tz"],
)
@amount(30)
def test_explore_form_shows_only_sentences(frame, tz):
    try:
        model = ExploreModel(frame)
    except MkframeError:
        return
    for name, words in model.options.items():
        for word in words[1:3]:
            setattr(model, name, word)
            model.table()
        setattr(model, name, "all")
    for column in model.sortable:
        model.sort_by, model.descending = column, column != "id"
        table, sentence = model.table()
        assert sentence.endswith(".")
        assert len(table) <= 100
    without_traceback(model)


def test_plain_answers_reach_the_sentences(server):
    """Check the tests above: with plain answers the forms do show instances and notices."""
    with odd_server(server, {name: rows.body(rows.rows(name, 2, project_id=1)) for name in ASKED}) as client:
        model = StartModel(client).selection
        model.load()
        model.project_id = model.projects[0][1]
        model.add_matches()
    assert len(model.chosen) == 2
    assert model.notices
