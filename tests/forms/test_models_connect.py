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


def test_embedded_server_needs_no_account(model):
    model.method = "embedded"
    assert model.submit()
    assert len(model.client.projects.find()) == 6


def test_status_names_user_server_and_expiry(model, factory):
    filled(model, factory, factory.password)
    assert model.status_text.startswith(
        f"Connected as {factory.email} to {factory.url}; 6 projects can be seen."
    )
    assert f"The token expires at {dt.datetime.now(dt.UTC):%Y-%m-%d}"[:-2] in model.status_text
    assert model.status_text.endswith("mkframe then logs in again by itself.")


def test_wrong_password_shows_an_error(model, factory):
    filled(model, factory, SECRET)
    assert "Invalid login" in model.error
    assert model.client is None


def test_password_is_forgotten_after_use(model, factory):
    filled(model, factory, SECRET)
    assert SECRET not in repr(vars(model)) + repr(model.trait_values())


def test_password_is_in_no_trait_before_use(model):
    model.take_secret(SECRET)
    assert SECRET not in repr(model.trait_values())


def test_other_method_forgets_the_password(model):
    model.take_secret(SECRET)
    model.method = "token"
    assert not model.has_secret


@pytest.mark.parametrize(
    ("method", "words"), [("password", "Write the password"), ("token", "Write the token")]
)
def test_missing_secret_shows_an_error(model, method, words):
    model.method, model.email = method, "ada@example.org"
    assert not model.submit()
    assert model.error.startswith(words)


def test_missing_address_blocks(model):
    model.url = " "
    assert model.blockers == ("Write the base URL.", "Write your e-mail address.")


def test_token_connects(model, factory):
    with mk.connect(factory.url, email=factory.email, password=factory.password) as client:
        client.projects.find()
        token = client._transport._token.get_secret_value()
    model.method, model.url = "token", factory.url
    model.take_secret(token)
    model.submit()
    assert model.status_text.startswith("Connected as the owner of the token")


def test_refused_connection_shows_an_error(model):
    with faults.nobody_listens() as url:
        model.method, model.url = "token", url
        model.take_secret("a.b.c")
        model.submit()
    assert "the connection was refused" in model.error


def test_environment_with_account_is_the_first_method(monkeypatch, factory):
    monkeypatch.setenv("MKFRAME_URL", factory.url)
    monkeypatch.setenv("MKFRAME_EMAIL", factory.email)
    monkeypatch.setenv("MKFRAME_PASSWORD", factory.password)
    form = forms.connect()
    form.model.run = lambda step: step()
    assert (form.model.method, form.model.submit()) == ("environment", True)
    assert form.client.url == factory.url
    form.close()


def test_disconnect_closes_the_client(model):
    model.method = "embedded"
    model.submit()
    client = model.client
    model.disconnect()
    assert model.client is None
    with pytest.raises(mk.errors.ConnectError):
        client.projects.find()


def test_connection_made_after_close_is_closed(model):
    steps = []
    model.method, model.run = "embedded", steps.append
    model.submit()
    model.close()
    steps[0]()
    assert model.client is None


def test_second_submit_does_nothing(factory):
    steps = []
    model = ConnectModel(mk.connect, mk.demo)
    model.run = steps.append
    model.method = "embedded"
    assert [model.submit(), model.submit()] == [True, False]
    assert len(steps) == 1


def test_url_with_a_password_is_not_shown(monkeypatch):
    monkeypatch.setenv("MKFRAME_URL", "https://ada:word@metakraftwerk.example/api/v1")
    form = forms.connect()
    form.close()
    assert form.model.url == BASE_URL
