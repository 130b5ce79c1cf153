import datetime as dt

import pytest

import mkframe as mk
from mkframe import forms
from mkframe.forms.models import ConnectModel
from mkframe.schema import BASE_URL
from tests.support import faults

SECRET = "correct horse battery staple"


@pytest.fixture
def model():
    made = ConnectModel(mk.connect, mk.demo)
    yield made
    made.disconnect()


def filled(model, factory, password):
    model.url, model.email = factory.url, factory.email
    model.take_secret(password)
    model.submit()
    return model


def test_the_embedded_server_needs_nothing(model):
    model.way = "embedded"
    assert model.submit()
    assert len(model.client.projects.find()) == 6


def test_it_says_who_is_connected_and_until_when(model, factory):
    filled(model, factory, factory.password)
    assert model.said.startswith(f"Connected as {factory.email} to {factory.url}; 6 projects can be seen.")
    assert f"The token expires at {dt.datetime.now(dt.UTC):%Y-%m-%d}"[:-2] in model.said
    assert model.said.endswith("mkframe then logs in again by itself.")


def test_a_wrong_password_is_told(model, factory):
    filled(model, factory, SECRET)
    assert "Invalid login" in model.trouble
    assert model.client is None


def test_a_password_is_forgotten_once_used(model, factory):
    filled(model, factory, SECRET)
    assert SECRET not in repr(vars(model)) + repr(model.trait_values())


def test_a_password_is_in_no_trait_before_it_is_used(model):
    model.take_secret(SECRET)
    assert SECRET not in repr(model.trait_values())


def test_another_way_forgets_the_password(model):
    model.take_secret(SECRET)
    model.way = "token"
    assert not model.has_secret


@pytest.mark.parametrize(("way", "words"), [("password", "Write the password"), ("token", "Write the token")])
def test_without_a_secret_it_says_so(model, way, words):
    model.way, model.email = way, "ada@example.org"
    assert not model.submit()
    assert model.trouble.startswith(words)


def test_without_an_address_it_says_so(model):
    model.url = " "
    assert model.blockers == ("Write the base URL.", "Write your e-mail address.")


def test_a_token_connects(model, factory):
    with mk.connect(factory.url, email=factory.email, password=factory.password) as client:
        client.projects.find()
        token = client._transport._token.get_secret_value()
    model.way, model.url = "token", factory.url
    model.take_secret(token)
    model.submit()
    assert model.said.startswith("Connected as the owner of the token")


def test_nobody_listening_is_told(model):
    with faults.nobody_listens() as url:
        model.way, model.url = "token", url
        model.take_secret("a.b.c")
        model.submit()
    assert "the connection was refused" in model.trouble


def test_settings_of_the_machine_are_offered_where_there_are_some(monkeypatch, factory):
    monkeypatch.setenv("MKFRAME_URL", factory.url)
    monkeypatch.setenv("MKFRAME_EMAIL", factory.email)
    monkeypatch.setenv("MKFRAME_PASSWORD", factory.password)
    form = forms.connect()
    form.model.run = lambda step: step()
    assert (form.model.way, form.model.submit()) == ("environment", True)
    assert form.client.url == factory.url
    form.close()


def test_disconnecting_closes_the_client(model):
    model.way = "embedded"
    model.submit()
    client = model.client
    model.disconnect()
    assert model.client is None
    with pytest.raises(mk.errors.ConnectError):
        client.projects.find()


def test_a_connection_that_is_made_after_the_end_is_closed(model):
    steps = []
    model.way, model.run = "embedded", steps.append
    model.submit()
    model.close()
    steps[0]()
    assert model.client is None


def test_two_presses_connect_once(factory):
    steps = []
    model = ConnectModel(mk.connect, mk.demo)
    model.run = steps.append
    model.way = "embedded"
    assert [model.submit(), model.submit()] == [True, False]
    assert len(steps) == 1


def test_an_address_with_a_password_is_not_put_into_the_notebook(monkeypatch):
    monkeypatch.setenv("MKFRAME_URL", "https://ada:word@metakraftwerk.example/api/v1")
    form = forms.connect()
    form.close()
    assert form.model.url == BASE_URL
