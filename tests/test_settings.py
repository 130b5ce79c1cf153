"""Where credentials come from, and who may see them."""

import copy
import dataclasses
import pickle
import sys

import pytest

from mkframe.errors import InputError
from mkframe.limits import Limits
from mkframe.schema import BASE_URL
from mkframe.settings import KEYRING_SERVICE, Secret, Settings, load

keyring = pytest.importorskip("keyring")

HOME = "https://metakraftwerk.example/api/v1"
CANARY = "canary-7c1e"


class Ring(keyring.backend.KeyringBackend):
    """A keyring in memory, which keyring never chooses by itself."""

    priority = -1

    def __init__(self, words=None, error=None):
        super().__init__()
        self.words = words or {}
        self.error = error
        self.asked = []

    def get_password(self, service, username):
        self.asked.append((service, username))
        if self.error:
            raise self.error
        return self.words.get((service, username))

    def set_password(self, service, username, password):
        self.words[service, username] = password

    def delete_password(self, service, username):
        del self.words[service, username]


@pytest.fixture(autouse=True)
def ring():
    before = keyring.get_keyring()
    ring = Ring({(KEYRING_SERVICE, BASE_URL): "from-keyring"})
    keyring.set_keyring(ring)
    yield ring
    keyring.set_keyring(before)


@pytest.fixture
def environment(monkeypatch):
    def put(**words):
        for name, word in words.items():
            monkeypatch.setenv(f"MKFRAME_{name.upper()}", word)

    return put


def plain_values(settings):
    """URL, token, e-mail and password of settings, readable."""
    secrets = (settings.token, settings.password)
    token, password = (secret.get_secret_value() if secret else None for secret in secrets)
    return settings.url, token, settings.email, password


@pytest.mark.parametrize(("half", "lacking"), [("email", "password"), ("password", "e-mail")])
def test_half_a_login_in_the_environment_is_an_error(environment, ring, half, lacking):
    ring.words.clear()
    environment(**{half: "word"})
    with pytest.raises(InputError, match=f"The {lacking} is missing"):
        load()
    assert plain_values(load(token="a-token"))[1] == "a-token"


class TestWhereFrom:
    def test_nothing_given(self, ring):
        ring.words.clear()
        assert plain_values(load()) == (BASE_URL, None, None, None)

    def test_arguments(self):
        given = (HOME, "word", "ada@example.org", "pass")
        assert plain_values(load(*given)) == given

    def test_environment(self, environment):
        environment(url=HOME, token="word", email="ada@example.org", password="pass")
        assert plain_values(load()) == (HOME, "word", "ada@example.org", "pass")

    @pytest.mark.parametrize(
        ("name", "place"), [("url", 0), ("token", 1), ("email", 2), ("password", 3)], ids=str
    )
    def test_argument_goes_before_environment(self, environment, name, place):
        environment(url=HOME, token="word", email="ada@example.org", password="pass")
        mine = "https://mine.example/api/v1" if name == "url" else "mine"
        assert plain_values(load(**{name: mine}))[place] == mine

    def test_token_from_the_keyring(self):
        assert plain_values(load()) == (BASE_URL, "from-keyring", None, None)

    def test_keyring_is_asked_for_the_base_url(self, ring):
        assert load(HOME).token is None
        assert ring.asked == [(KEYRING_SERVICE, HOME)]

    @pytest.mark.parametrize("given", [{"token": "mine"}, {"email": "ada@example.org", "password": "pass"}])
    def test_keyring_with_given_credentials_is_unused(self, ring, given):
        load(**given)
        assert ring.asked == []

    @pytest.mark.parametrize("given", [{"token": "mine"}, {"email": "ada@example.org", "password": "pass"}])
    def test_keyring_after_environment_credentials_unused(self, ring, environment, given):
        environment(**given)
        load()
        assert ring.asked == []

    def test_without_the_extra_there_is_no_keyring(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "keyring", None)
        assert load().token is None

    @pytest.mark.parametrize(
        "error",
        [
            keyring.errors.NoKeyringError("CANARY"),
            RuntimeError("CANARY"),
            ModuleNotFoundError("No module named 'CANARY'", name="secretstorage"),
            UnicodeDecodeError("utf-8", b"\xff", 0, 1, "CANARY"),
            OSError("CANARY"),
        ],
    )
    def test_keyring_that_fails_is_no_token(self, ring, error, caplog):
        ring.error = error
        assert load().token is None
        (record,) = caplog.records
        assert type(error).__name__ in record.getMessage()
        assert f"keyring get mkframe {BASE_URL}" in record.getMessage()
        assert "CANARY" not in caplog.text

    def test_keyring_that_cannot_be_imported_is_no_token(self, monkeypatch, tmp_path, caplog):
        (tmp_path / "keyring.py").write_text("import no_such_backend")
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.delitem(sys.modules, "keyring")
        assert load().token is None
        (record,) = caplog.records
        assert "ModuleNotFoundError" in record.getMessage()

    def test_keyring_that_cannot_be_chosen_is_no_token(self, monkeypatch, caplog):
        monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "no_such_package.Keyring")
        monkeypatch.setattr(keyring.core, "_keyring_backend", None)
        assert load().token is None
        assert len(caplog.records) == 1

    @pytest.mark.parametrize("stored", ["", " \n", None])
    def test_empty_token_of_the_keyring_is_none(self, ring, stored, caplog):
        ring.words[KEYRING_SERVICE, BASE_URL] = stored
        assert load().token is None
        assert caplog.records == []

    def test_token_of_the_keyring_that_is_no_text_is_none(self, ring, caplog):
        ring.words[KEYRING_SERVICE, BASE_URL] = b"CANARY"
        assert load().token is None
        assert "CANARY" not in caplog.text
        assert len(caplog.records) == 1

    def test_given_login_is_not_mixed_with_other_token(self, environment):
        environment(token="of-another-user")
        assert load(email="ada@example.org", password="pass").token is None

    def test_email_takes_password_from_the_environment(self, environment):
        environment(password="pass")
        assert plain_values(load(email="ada@example.org"))[2:] == ("ada@example.org", "pass")

    @pytest.mark.parametrize(
        "home", [None, "https://other.example/api/v1", "https://metakraftwerk.example:8443", "https://["]
    )
    def test_environment_is_for_the_host_that_it_names(self, environment, home):
        environment(token=CANARY, email="ada@example.org", password=CANARY, **({"url": home} if home else {}))
        assert plain_values(load(HOME)) == (HOME, None, None, None)

    @pytest.mark.parametrize("url", [f"{HOME}/", "https://METAKRAFTWERK.example:443/behind/api/v1"])
    def test_environment_is_for_all_of_its_host(self, environment, url):
        environment(url=f" {HOME}", token="word")
        assert load(url).token.get_secret_value() == "word"

    def test_environment_without_url_is_for_the_vendor(self, environment):
        environment(token="word")
        assert load(BASE_URL).token.get_secret_value() == "word"

    def test_keyring_with_environment_of_other_host_used(self, environment, ring):
        ring.words[KEYRING_SERVICE, HOME] = "from-keyring"
        environment(token="word", email="ada@example.org", password="pass")
        assert plain_values(load(HOME)) == (HOME, "from-keyring", None, None)

    def test_email_for_other_host_takes_no_password(self, environment):
        environment(password=CANARY)
        with pytest.raises(InputError, match=r"The password is missing\.") as caught:
            load(HOME, email="ada@example.org")
        assert "MKFRAME_URL" in caught.value.hint

    @pytest.mark.parametrize(
        ("given", "lacking"),
        [({"email": "ada@example.org"}, "password"), ({"password": CANARY}, "e-mail")],
    )
    def test_half_a_login_says_which_half_is_missing(self, given, lacking):
        with pytest.raises(InputError, match=f"The {lacking} is missing.") as caught:
            load(**given)
        assert "MKFRAME_PASSWORD" in caught.value.hint
        assert CANARY not in str(caught.value)

    @pytest.mark.parametrize("empty", ["email", "password"])
    def test_empty_half_is_not_filled_from_the_environment(self, environment, empty):
        environment(email="other@example.org", password="other")
        given = {"email": "ada@example.org", "password": "pass", empty: ""}
        with pytest.raises(InputError, match="is missing"):
            load(**given)

    @pytest.mark.parametrize(
        ("settings", "can"),
        [
            (Settings(HOME), False),
            (Settings(HOME, email="ada@example.org"), False),
            (Settings(HOME, email="ada@example.org", password=Secret("pass")), True),
        ],
    )
    def test_login_needs_both(self, settings, can):
        assert settings.can_log_in is can


class TestToken:
    def test_white_space_around_it_is_left_out(self):
        assert load(token=" word\n").token.get_secret_value() == "word"

    @pytest.mark.parametrize(
        "word", ["", "  ", f"Bearer {CANARY}", f"{CANARY}\nX-Evil: 1", f"{CANARY}é", f"{CANARY}\u202e"]
    )
    def test_token_invalid_in_a_header_is_not_quoted(self, word):
        with pytest.raises(InputError, match="token") as caught:
            load(token=word)
        assert caught.value.hint
        assert CANARY not in str(caught.value)


class TestUrl:
    @pytest.mark.parametrize("url", [HOME, f"{HOME}/", f"  {HOME}//\n", "http://127.0.0.1:8000/api/v1"])
    def test_kept_without_a_slash_at_its_end(self, url):
        assert load(url).url == url.strip().rstrip("/")

    @pytest.mark.parametrize(
        "url", ["http://localhost:1", "http://127.0.0.1", "http://127.8.9.1", "http://[::1]:80"]
    )
    def test_plain_http_within_this_machine(self, url):
        settings = load(url)
        assert settings.is_on_this_machine
        assert settings.may_receive_token(f"{url}/builds")

    @pytest.mark.parametrize(
        "url",
        ["http://metakraftwerk.example", "http://10.0.0.1", "http://localhost.example", "http://0.0.0.0:80"],
    )
    def test_plain_http_elsewhere_is_refused(self, url):
        with pytest.raises(InputError, match="plain http") as caught:
            load(url)
        assert "https" in caught.value.hint

    @pytest.mark.parametrize(
        "url",
        [
            "metakraftwerk.example/api/v1",
            "ftp://metakraftwerk.example",
            "https://",
            "https:///api/v1",
            "https://metakraftwerk.example:99999",
            "https://metakraftwerk.example:port",
            "https://[metakraftwerk.example",
            "https://metakraftwerk.example/a b",
            "https://metakraftwerk.example/\nb",
            "https://metakraftwerk.example\\b",
        ],
    )
    def test_what_is_no_web_address_is_refused(self, url):
        with pytest.raises(InputError, match="is not a web address") as caught:
            load(url)
        assert BASE_URL in caught.value.hint

    @pytest.mark.parametrize("url", [f"{HOME}?token={CANARY}", f"{HOME}#{CANARY}"])
    def test_query_and_fragment_are_refused_unseen(self, url):
        with pytest.raises(InputError, match="goes on after") as caught:
            load(url)
        assert CANARY not in str(caught.value)

    @pytest.mark.parametrize(
        "url",
        [
            f"https://ada:{CANARY}@metakraftwerk.example",
            f"https://{CANARY}@metakraftwerk.example",
            f"ftp://a:{CANARY}@b",
            f"a:{CANARY}@b",
        ],
    )
    def test_credentials_in_it_are_refused_unseen(self, url):
        with pytest.raises(InputError, match="user name or password") as caught:
            load(url)
        assert CANARY not in str(caught.value)
        assert "email=" in caught.value.hint

    def test_token_given_as_url_is_not_shown(self):
        with pytest.raises(InputError, match="not a web address") as caught:
            load(CANARY)
        assert CANARY not in str(caught.value)

    @pytest.mark.parametrize(
        ("url", "login"),
        [
            (HOME, "https://metakraftwerk.example/authentication"),
            ("http://127.0.0.1:81/api/v1", "http://127.0.0.1:81/authentication"),
            ("https://metakraftwerk.example/behind/api/v1", "https://metakraftwerk.example/authentication"),
        ],
    )
    def test_login_is_at_the_root(self, url, login):
        assert Settings(url).login_url == login


class TestWhoMayReceiveTheToken:
    @pytest.mark.parametrize(
        "url",
        [
            f"{HOME}/builds",
            "https://metakraftwerk.example/authentication",
            "https://METAKRAFTWERK.example:443/x",
            f"{HOME}/builds?a=@b",
        ],
    )
    def test_the_configured_host(self, url):
        assert Settings(HOME).may_receive_token(url)

    @pytest.mark.parametrize(
        "url",
        [
            "http://metakraftwerk.example/api/v1",
            "https://metakraftwerk.example:8443/api/v1",
            "https://metakraftwerk.example.evil.example/api/v1",
            "https://evil.example/metakraftwerk.example",
            "https://metakraftwerk.example@evil.example/",
            "https://evil.example#@metakraftwerk.example",
            "https://sub.metakraftwerk.example/api/v1",
            "//metakraftwerk.example/api/v1",
            "ftp://metakraftwerk.example/",
            "",
        ],
    )
    def test_nobody_else(self, url):
        assert not Settings(HOME).may_receive_token(url)

    def test_no_other_port_of_this_machine(self):
        assert not Settings("http://127.0.0.1:8000").may_receive_token("http://127.0.0.1:8001/")

    def test_plain_http_receives_no_token_if_configured(self):
        settings = Settings("http://metakraftwerk.example/api/v1")
        assert not settings.may_receive_token("http://metakraftwerk.example/api/v1/builds")


class TestSecret:
    @pytest.fixture
    def settings(self):
        return load(HOME, CANARY, "ada@example.org", CANARY)

    @pytest.mark.parametrize("show", [repr, str, "{}".format, "{!r:>80}".format, lambda s: "%s" % (s,)])  # noqa: UP031
    def test_is_not_shown(self, settings, show):
        shown = [show(thing) for thing in (settings, settings.token, settings.password)]
        assert CANARY not in " ".join(shown)

    @pytest.mark.parametrize("carry", [pickle.dumps, copy.deepcopy, dataclasses.asdict])
    def test_is_not_carried_away(self, settings, carry):
        with pytest.raises(TypeError, match="connect again"):
            carry(settings)

    def test_is_revealed_when_asked(self, settings):
        assert settings.token.get_secret_value() == CANARY


class TestLimits:
    def test_are_the_usual_ones_where_none_are_given(self):
        assert load(HOME, "word").limits == Settings(HOME).limits == Limits()

    def test_are_those_given(self):
        assert load(HOME, "word", limits=Limits(find=5)).limits.find == 5

    @pytest.mark.parametrize("invalid", [5, {"find": 5}, Limits])
    def test_that_are_none_are_refused(self, invalid):
        with pytest.raises(InputError, match=r"limits must be an mk\.Limits"):
            load(HOME, "word", limits=invalid)
